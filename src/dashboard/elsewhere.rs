//! Calls that other instances carry, by the leases they hold and the records they keep: looked for only while somebody
//! watches. What was said last in them, and how loud, only their own instance can say.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::watch;

use crate::domain::{CallRecord, CallSid, InstanceId};
use crate::registry::{Board, Rung, Shown, State, Step};
use crate::store::{Carried, Directory, Ledger, Slots};

/// Between two looks, in milliseconds: a lease is renewed every 10 s, and a call that comes or goes elsewhere is seen to do
/// so within a few. Over a network each look is a read for every call.
const EVERY_MS: i64 = 4_000;

/// The most calls that are looked for: more is no page.
const MOST: u32 = 500;

/// The calls of others.
pub struct Elsewhere {
    looked_at_ms: AtomicI64,
    boards: watch::Sender<BTreeMap<CallSid, Arc<Board>>>,
}

impl Elsewhere {
    /// Nobody has looked yet.
    pub fn new() -> Self {
        Self { looked_at_ms: AtomicI64::new(0), boards: watch::Sender::new(BTreeMap::new()) }
    }

    /// Whether it is time to look again; it is for one asker.
    pub fn is_due(&self, now_ms: i64) -> bool {
        let last = self.looked_at_ms.load(Ordering::Relaxed);
        now_ms.saturating_sub(last) >= EVERY_MS
            && self.looked_at_ms.compare_exchange(last, now_ms, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// The calls as they were seen last.
    pub fn boards(&self) -> Vec<Arc<Board>> {
        self.boards.borrow().values().cloned().collect()
    }

    /// Looks which calls others than `here` carry. A store that does not answer leaves what was seen last.
    pub async fn look(
        &self,
        slots: &dyn Slots,
        ledger: &dyn Ledger,
        directory: &dyn Directory,
        here: &InstanceId,
        now_ms: i64,
    ) {
        let Ok(carried) = slots.carried(now_ms, MOST).await else { return };
        let known = self.boards.borrow().clone();
        let mut seen = BTreeMap::new();
        for lease in carried.into_iter().filter(|lease| lease.instance != *here) {
            let before = known.get(&lease.call).cloned();
            // Whose caller is there, and on whose instance nothing changed, is as it was.
            let settled = before.filter(|board| {
                board.look(|it| it.state == State::Talking && it.elsewhere.as_ref() == Some(&lease.instance))
            });
            let board = match settled {
                Some(board) => Some(board),
                None => match ledger.call(&lease.call).await {
                    Ok(Some(record)) if record.ended_ms.is_none() => {
                        let name = directory.business(&lease.business).await.ok().flatten().map(|it| it.name);
                        Some(board(record, name, &lease))
                    }
                    Ok(_) | Err(_) => None,
                },
            };
            seen.extend(board.map(|board| (lease.call, board)));
        }
        self.boards.send_replace(seen);
    }
}

fn board(record: CallRecord, name: Option<String>, lease: &Carried) -> Arc<Board> {
    let began_ms = record.started_ms;
    let name = name.unwrap_or_else(|| record.business.to_string());
    let begun = Shown::begun(record.call, record.attempts, (record.business, name), record.from, began_ms);
    let board = Board::new(Shown { elsewhere: Some(lease.instance.clone()), ..begun });
    if let Some(answered_ms) = record.answered_ms {
        let at_ms = u64::try_from(answered_ms.saturating_sub(began_ms)).unwrap_or(0);
        board.step(Rung { at_ms, step: Step::CallerArrived }, |_| {});
    }
    Arc::new(board)
}

impl Default for Elsewhere {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Elsewhere({} calls)", self.boards.borrow().len())
    }
}
