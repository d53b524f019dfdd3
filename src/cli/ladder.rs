//! A call as a ladder: who said what to whom, when, and the delays that matter.

use std::io::{self, IsTerminal as _, Write};

use crate::call::event_log::{self, Verdict};
use crate::call::{Input, Note};
use crate::domain::{Moment, Speaker};
use crate::sim::socket::{PhoneEvent, PhoneReport};
use crate::wire::twilio::media::FromTwilio;

/// A call as it was seen from outside, and from inside where its log can be read.
#[derive(Debug, Default)]
pub(super) struct Ladder {
    rungs: Vec<Rung>,
    /// What the caller said, on the stream's time line: µ-law.
    pub(super) said: Vec<u8>,
    /// Whether the call was run again from its log and did the same.
    pub(super) verdict: Option<Verdict>,
}

#[derive(Debug)]
struct Rung {
    at_ms: u64,
    /// Tells rungs of one moment apart: they keep the order in which they were found.
    order: usize,
    from: &'static str,
    arrow: &'static str,
    to: &'static str,
    text: String,
    aside: String,
}

/// How wide a sentence may be before its rest goes to the next line.
const TEXT_WIDTH: usize = 66;

impl Ladder {
    /// What the telephone network saw.
    pub(super) fn from_outside(report: &PhoneReport) -> Self {
        let mut ladder = Self::default();
        let mut asked_at = Moment::START;
        for (at, event) in &report.events {
            let since_asked = format!("{} ms", at.since(asked_at).as_millis());
            match event {
                PhoneEvent::Asked { url } => {
                    asked_at = *at;
                    ladder.rung(
                        *at,
                        "Twilio",
                        "──▶",
                        "frontdesk",
                        format!("POST {}, signed", path(url)),
                        String::new(),
                    );
                }
                PhoneEvent::Answered { status: 200, twiml, .. } => {
                    ladder.rung(*at, "Twilio", "◀──", "frontdesk", verbs(twiml.reveal()), since_asked);
                }
                PhoneEvent::Answered { status, .. } => {
                    ladder.rung(
                        *at,
                        "Twilio",
                        "◀──",
                        "frontdesk",
                        format!("HTTP status {status}"),
                        since_asked,
                    );
                }
                PhoneEvent::StreamAsked { url } => {
                    asked_at = *at;
                    let text = format!("GET {}, upgrade, signed", path(url));
                    ladder.rung(*at, "Twilio", "──▶", "frontdesk", text, String::new());
                }
                PhoneEvent::Upgraded => {
                    ladder.rung(
                        *at,
                        "Twilio",
                        "◀──",
                        "frontdesk",
                        "101 Switching Protocols".to_owned(),
                        since_asked,
                    );
                }
                PhoneEvent::Started => {
                    asked_at = *at;
                    ladder.rung(
                        *at,
                        "Twilio",
                        "──▶",
                        "frontdesk",
                        "start: the caller can hear".to_owned(),
                        String::new(),
                    );
                }
                PhoneEvent::FirstAudio => {
                    let aside = format!("{since_asked} after start");
                    ladder.rung(*at, "Twilio", "◀──", "frontdesk", "first audio".to_owned(), aside);
                }
                PhoneEvent::Cleared => {
                    ladder.rung(
                        *at,
                        "Twilio",
                        "◀──",
                        "frontdesk",
                        "clear: forget what is unheard".to_owned(),
                        String::new(),
                    );
                }
                PhoneEvent::ServerClosed(code) => {
                    let code =
                        code.map_or_else(|| "without a word".to_owned(), |code| format!("with {code}"));
                    ladder.rung(
                        *at,
                        "Twilio",
                        "◀──",
                        "frontdesk",
                        format!("closes the stream {code}"),
                        String::new(),
                    );
                }
                PhoneEvent::Stopped => {
                    ladder.rung(*at, "Twilio", "──▶", "frontdesk", "stop".to_owned(), String::new());
                }
                PhoneEvent::Ordered { twiml } => {
                    let what = if *twiml { "REST: go on with this TwiML" } else { "REST: hang up" };
                    ladder.rung(*at, "Twilio", "◀──", "frontdesk", what.to_owned(), String::new());
                }
                PhoneEvent::Said(words) => {
                    ladder.rung(
                        *at,
                        "Twilio",
                        "──▶",
                        "caller",
                        quoted(words.reveal()),
                        "Twilio's voice".to_owned(),
                    );
                }
                PhoneEvent::Dialled { number, result } => {
                    let text = format!("rings {}: {result:?}", number.reveal());
                    ladder.rung(*at, "Twilio", "──▶", "a person", text, String::new());
                }
                PhoneEvent::Beeped => {
                    ladder.rung(*at, "Twilio", "──▶", "caller", "the tone".to_owned(), String::new());
                }
                PhoneEvent::Recorded { length_ms } => {
                    let text = format!("{length_ms} ms, recorded");
                    ladder.rung(*at, "Twilio", "◀──", "caller", text, String::new());
                }
                PhoneEvent::Problem(what) => {
                    ladder.rung(*at, "Twilio", "!", "", what.clone(), String::new());
                }
                PhoneEvent::Over => {
                    ladder.rung(*at, "", "", "", "the call is over".to_owned(), String::new());
                }
                PhoneEvent::MarkBack(_) => {}
            }
        }
        ladder
    }

    /// What the machine says of it, from its event log. `started` is when the stream started on the outside's clock.
    pub(super) fn add_inside(
        &mut self,
        log: &str,
        started: Option<Moment>,
    ) -> Result<(), event_log::LogError> {
        let mut notes = Vec::new();
        let said = &mut self.said;
        let verdict = event_log::replay(log, |at, input, outputs| {
            if let Input::Caller(FromTwilio::Media { timestamp_ms, payload }) = input {
                put(said, *timestamp_ms, payload);
            }
            for output in outputs {
                if let crate::call::Output::Note(note) = output {
                    notes.push((at, note.clone()));
                }
            }
        })?;
        let arrived = notes.iter().find(|(_, note)| *note == Note::CallerArrived).map(|(at, _)| *at);
        let offset_ms = match (started, arrived) {
            (Some(started), Some(arrived)) => started.as_millis().saturating_sub(arrived.as_millis()),
            _ => 0,
        };
        let mut delay = None;
        for (at, note) in &notes {
            self.add_note(*at, note, offset_ms, &mut delay);
        }
        self.verdict = Some(verdict);
        Ok(())
    }

    fn add_note(&mut self, at: Moment, note: &Note, offset_ms: u64, delay: &mut Option<u64>) {
        let at = Moment::from_millis(at.as_millis() + offset_ms);
        match note {
            Note::ModelReady => {
                self.rung(
                    at,
                    "frontdesk",
                    "◀──",
                    "model",
                    "the session is ready".to_owned(),
                    "dialled ahead".to_owned(),
                );
            }
            Note::FirstAudio { after_caller_ms, .. } => *delay = *after_caller_ms,
            Note::Said(turn) => {
                let began = Moment::from_millis(turn.began_ms + offset_ms);
                let mut text = quoted(turn.text.reveal());
                if turn.interrupted {
                    text.push_str(" ✂");
                }
                match turn.speaker {
                    Speaker::Caller => self.rung(began, "caller", "──▶", "model", text, String::new()),
                    Speaker::Model => {
                        let aside =
                            turn.answer_delay_ms.map(|ms| format!("{ms} ms after the caller stopped"));
                        self.rung(began, "caller", "◀──", "model", text, aside.unwrap_or_default());
                    }
                }
            }
            Note::BargeIn { heard_ms, made_ms, .. } => {
                let text = "the caller interrupts; the model is told what was heard".to_owned();
                self.rung(at, "caller", "✂", "model", text, format!("{heard_ms} of {made_ms} ms heard"));
            }
            Note::ToolCalled { name } => {
                self.rung(at, "frontdesk", "◀──", "model", format!("calls the tool {name}"), String::new());
            }
            Note::Keys(keys) => {
                self.rung(at, "caller", "──▶", "model", format!("keys {}", keys.reveal()), String::new());
            }
            Note::ModelRefused { code, .. } => {
                self.rung(at, "frontdesk", "◀──", "model", format!("refuses: {code}"), String::new());
            }
            Note::ModelAway => {
                self.rung(at, "frontdesk", "✗", "model", "the session is lost".to_owned(), String::new());
            }
            Note::TooLate(deadline) => {
                self.rung(at, "frontdesk", "!", "", format!("deadline passed: {deadline:?}"), String::new());
            }
            Note::CallerArrived
            | Note::SessionRenewed
            | Note::Bridged { .. }
            | Note::CallerSpeaks
            | Note::CallerStops
            | Note::ToolDone { .. }
            | Note::Padded(_)
            | Note::Level { .. }
            | Note::Leaving(_)
            | Note::Over { .. } => {}
        }
    }

    fn rung(
        &mut self,
        at: Moment,
        from: &'static str,
        arrow: &'static str,
        to: &'static str,
        text: String,
        aside: String,
    ) {
        let order = self.rungs.len();
        self.rungs.push(Rung { at_ms: at.as_millis(), order, from, arrow, to, text, aside });
    }

    /// Prints it, in the order of time.
    pub(super) fn print(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let style = Style::fitting();
        self.rungs.sort_by_key(|rung| (rung.at_ms, rung.order));
        for rung in &self.rungs {
            let Rung { at_ms, from, arrow, to, text, aside, .. } = rung;
            let mut lines = wrap(text).into_iter();
            let first = lines.next().unwrap_or_default();
            let seconds = format!("{}.{:03}", at_ms / 1_000, at_ms % 1_000);
            let people = *from == "caller" || *to == "caller";
            let text = if people { style.bold(&first) } else { first.clone() };
            let room = " ".repeat(TEXT_WIDTH.saturating_sub(first.chars().count()));
            let who = format!("{from:>9} {arrow:^3} {to:<9}");
            let line = format!("{:>8}  {who}  {text}{room}  {}", style.dim(&seconds), style.dim(aside));
            writeln!(out, "{}", line.trim_end())?;
            for line in lines {
                writeln!(out, "{:>8}  {:>23}  {}", "", "", if people { style.bold(&line) } else { line })?;
            }
        }
        Ok(())
    }
}

/// Bold and dim on a terminal, plain elsewhere: everything can be read without.
struct Style {
    terminal: bool,
}

impl Style {
    fn fitting() -> Self {
        Self { terminal: io::stdout().is_terminal() }
    }

    fn bold(&self, text: &str) -> String {
        if self.terminal { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn dim(&self, text: &str) -> String {
        if self.terminal && !text.is_empty() {
            format!("\x1b[2m{text:>8}\x1b[0m")
        } else {
            format!("{text:>8}")
        }
    }
}

/// Puts a frame of the caller's at its time.
fn put(lane: &mut Vec<u8>, timestamp_ms: u64, payload: &str) {
    use base64::Engine as _;
    let Ok(audio) = base64::engine::general_purpose::STANDARD.decode(payload) else { return };
    let at = usize::try_from(timestamp_ms).unwrap_or(0) * crate::audio::mulaw::BYTES_PER_MS;
    if lane.len() < at {
        lane.resize(at, crate::audio::mulaw::SILENCE);
    }
    lane.truncate(at);
    lane.extend(audio);
}

fn quoted(words: &str) -> String {
    format!("“{words}”")
}

/// The path of a URL, which is what differs between ours.
fn path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').and_then(|slash| rest.get(slash..)).unwrap_or("/")
}

/// The verbs of a document, in one line.
fn verbs(twiml: &str) -> String {
    let verbs: Vec<&str> = ["Connect", "Stream", "Say", "Dial", "Record", "Redirect", "Hangup"]
        .into_iter()
        .filter(|verb| twiml.contains(&format!("<{verb}")))
        .collect();
    format!("TwiML: {}", verbs.join(", "))
}

fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let full = lines.last().is_some_and(|line| {
            !line.is_empty() && line.chars().count() + 1 + word.chars().count() > TEXT_WIDTH
        });
        if full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
