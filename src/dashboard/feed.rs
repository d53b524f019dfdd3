//! The live feed: pieces of HTML, each with the number of the change that made it. Whoever watches says up to which change
//! they have seen everything, and is given what changed since, each piece once and as it is now.
//!
//! So a note can be told twice and does no harm, and a reader that is slow for a minute is not behind: what it missed is
//! told together. Nothing is rendered unless somebody watches, and for all who watch it is rendered once.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;
use std::sync::Arc;

use maud::{Markup, PreEscaped, html};
use tokio::sync::watch;

use super::now::{self, Item};
use crate::domain::CallSid;
use crate::registry::{Board, Voices};

/// How many calls that left are remembered, to be taken off a page that still shows them: minutes of a busy deployment.
/// Who was away for longer gets all of it.
const MOST_GONE: usize = 500;

/// The calls in flight as the pages show them.
pub struct Feed {
    sheet: watch::Sender<Sheet>,
}

/// What has been seen: everything up to a change, of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    name: String,
    number: u64,
}

/// All pieces as they are now.
pub struct Sheet {
    /// Whose numbers these are; never those of another process.
    name: Box<str>,
    base: Box<str>,
    number: u64,
    counted_at: u64,
    rows: BTreeMap<CallSid, Row>,
    gone: VecDeque<(u64, CallSid)>,
    /// What left up to this change is not remembered.
    forgotten: u64,
}

struct Row {
    began_ms: i64,
    who: Box<str>,
    /// What it was made from, at so many changes.
    board: Arc<Board>,
    changes: u64,
    voices: Voices,
    entered_at: u64,
    row: Box<str>,
    row_at: u64,
    meter: Box<str>,
    meter_at: u64,
}

impl Feed {
    /// An empty sheet of this name, with this before every path.
    pub fn new(name: &str, base: &str) -> Self {
        let sheet = Sheet {
            name: name.into(),
            base: base.into(),
            number: 0,
            counted_at: 0,
            rows: BTreeMap::new(),
            gone: VecDeque::new(),
            forgotten: 0,
        };
        Self { sheet: watch::Sender::new(sheet) }
    }

    /// Brings the sheet up to date; of what is as it was, nothing is made again.
    pub fn update(&self, boards: &[Arc<Board>]) {
        self.sheet.send_if_modified(|sheet| sheet.update(boards));
    }

    /// Looks at the sheet as it was last brought up to date.
    pub fn look<T>(&self, at: impl FnOnce(&Sheet) -> T) -> T {
        at(&self.sheet.borrow())
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Feed({})", self.look(Sheet::cursor))
    }
}

impl Sheet {
    fn update(&mut self, boards: &[Arc<Board>]) -> bool {
        let number = self.number + 1;
        let mut changed = false;
        let mut there = BTreeMap::new();
        for board in boards {
            let call = board.look(|shown| shown.call.clone());
            let row = match self.rows.remove(&call) {
                Some(mut row) => {
                    changed |= row.follow(&self.base, &call, board, number);
                    row
                }
                None => {
                    changed = true;
                    Row::new(&self.base, &call, board, number)
                }
            };
            there.insert(call, row);
        }
        let before = self.rows.len() + there.len();
        for call in std::mem::replace(&mut self.rows, there).into_keys() {
            changed = true;
            self.forget(number, call);
        }
        if self.rows.len() != before || self.rows.values().any(|row| row.entered_at == number) {
            self.counted_at = number;
        }
        if changed {
            self.number = number;
        }
        changed
    }

    fn forget(&mut self, number: u64, call: CallSid) {
        if self.gone.len() >= MOST_GONE
            && let Some((forgotten, _)) = self.gone.pop_front()
        {
            self.forgotten = forgotten;
        }
        self.gone.push_back((number, call));
    }

    /// Up to where somebody has seen everything who has seen the sheet.
    pub fn cursor(&self) -> Cursor {
        Cursor { name: self.name.to_string(), number: self.number }
    }

    /// All of it.
    pub fn snapshot(&self) -> String {
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by_key(|(_, row)| Reverse(row.began_ms));
        let rows = html! { @for (call, row) in rows { (row.item(&self.base, call)) } };
        html! { (self.counted()) (now::list(&rows)) (self.at()) }.into_string()
    }

    /// What changed since somebody saw it; all of it, when that cannot be told. Nothing, when nothing changed.
    pub fn since(&self, seen: Option<&Cursor>) -> Option<String> {
        let known = seen
            .filter(|seen| *seen.name == *self.name && (self.forgotten..=self.number).contains(&seen.number));
        let Some(Cursor { number: seen, .. }) = known else { return Some(self.snapshot()) };
        if *seen == self.number {
            return None;
        }
        let mut pieces = String::new();
        for (at, call) in &self.gone {
            if at > seen && !self.rows.contains_key(call) {
                // A `String` takes everything.
                let _ok = write!(pieces, "<li id=\"call-{call}\" data-gone></li>");
            }
        }
        for (call, row) in &self.rows {
            if row.entered_at > *seen {
                pieces.push_str(&row.item(&self.base, call).into_string());
                continue;
            }
            if row.row_at > *seen {
                pieces.push_str(&row.row);
            }
            if row.meter_at > *seen {
                pieces.push_str(&row.meter);
            }
        }
        if self.counted_at > *seen {
            pieces.push_str(&self.counted().into_string());
        }
        pieces.push_str(&self.at().into_string());
        Some(pieces)
    }

    fn counted(&self) -> Markup {
        now::count(self.rows.len())
    }

    fn at(&self) -> Markup {
        html! { i #at hidden data-at=(self.cursor()) {} }
    }
}

impl Row {
    fn new(base: &str, call: &CallSid, board: &Arc<Board>, number: u64) -> Self {
        let (changes, voices) = (board.changes(), board.voices());
        let (began_ms, who) = board.look(|shown| (shown.began_ms, now::who(shown).into()));
        let row = board.look(|shown| now::row(base, shown)).into_string().into();
        let meter = now::meter(call.as_str(), voices).into_string().into();
        let (entered_at, row_at, meter_at) = (number, number, number);
        let board = Arc::clone(board);
        Self { began_ms, who, board, changes, voices, entered_at, row, row_at, meter, meter_at }
    }

    /// Says whether anything of it is new.
    fn follow(&mut self, base: &str, call: &CallSid, board: &Arc<Board>, number: u64) -> bool {
        let changes = board.changes();
        let mut changed = false;
        if changes != self.changes || !Arc::ptr_eq(board, &self.board) {
            (self.changes, self.board) = (changes, Arc::clone(board));
            let row: Box<str> = board.look(|shown| now::row(base, shown)).into_string().into();
            if row != self.row {
                (self.row, self.row_at, changed) = (row, number, true);
            }
        }
        let voices = board.voices();
        if voices != self.voices {
            self.voices = voices;
            let meter: Box<str> = now::meter(call.as_str(), voices).into_string().into();
            if meter != self.meter {
                (self.meter, self.meter_at, changed) = (meter, number, true);
            }
        }
        changed
    }

    fn item(&self, base: &str, call: &CallSid) -> Markup {
        let (row, meter) = (PreEscaped(&*self.row), PreEscaped(&*self.meter));
        now::item(&Item { base, call, who: &self.who, row, meter })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.name, self.number)
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (name, number) = text.rsplit_once('-').ok_or(())?;
        Ok(Self { name: name.to_owned(), number: number.parse().map_err(|_| ())? })
    }
}

#[cfg(test)]
mod tests;
