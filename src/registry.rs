//! Calls in flight: how many, whose, and how to reach them; and what happened lately. What is sent to calls is for others
//! to say.

mod board;
mod ring;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

pub use self::board::{Board, Rung, Shown, State, Step, Voices};
pub use self::ring::Ring;
use crate::domain::{BusinessId, CallSid};

/// Commands waiting for one call. There are two kinds and each is said once or twice; a call takes them at once.
const COMMAND_DEPTH: usize = 8;

/// How many calls that ended a moment ago are still shown as they were seen: who watches a call to its end reads what it
/// came to. Some 50 KB each at most.
const ENDED_SHOWN: usize = 100;

/// The calls this process carries just now, with a way to send each a `Command`.
///
/// A call is listed from its webhook until its last word is kept. While a resumed call begins, its earlier stream may
/// still be ending: both are listed, and both are told.
#[derive(Debug)]
pub struct Registry<Command> {
    calls: Arc<Mutex<Calls<Command>>>,
    ended: Arc<Ring<Arc<Board>>>,
}

/// What a call in flight has to do with the slots of its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// How many the plan has.
    pub most: u32,
    /// Whether the call has one.
    pub slot: Slot,
}

/// Whether a call has a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// It has.
    Taken,
    /// It has none yet: it is being asked for, or was when the store did not answer.
    Wanted,
}

/// A call's place among those in flight; dropping it leaves.
#[must_use = "dropping it takes the call off the list"]
#[derive(Debug)]
pub struct Present<Command> {
    calls: Arc<Mutex<Calls<Command>>>,
    ended: Arc<Ring<Arc<Board>>>,
    key: Key,
}

/// One call, and which of its entries: a number never used twice.
type Key = (CallSid, u64);

#[derive(Debug)]
struct Calls<Command> {
    entered: u64,
    present: BTreeMap<Key, Entry<Command>>,
}

#[derive(Debug)]
struct Entry<Command> {
    business: BusinessId,
    claim: Claim,
    board: Option<Arc<Board>>,
    commands: mpsc::Sender<Command>,
}

impl<Command> Registry<Command> {
    /// Nobody yet.
    pub fn new() -> Self {
        let calls = Arc::new(Mutex::new(Calls { entered: 0, present: BTreeMap::new() }));
        Self { calls, ended: Arc::new(Ring::new(ENDED_SHOWN)) }
    }

    /// Lists a call, and gives it its queue of commands; none when `most` are in flight already.
    pub fn enter(
        &self,
        call: CallSid,
        business: BusinessId,
        claim: Claim,
        most: usize,
    ) -> Option<(Present<Command>, mpsc::Receiver<Command>)> {
        let (commands, queue) = mpsc::channel(COMMAND_DEPTH);
        let mut calls = lock(&self.calls);
        if calls.present.len() >= most {
            return None;
        }
        calls.entered += 1;
        let key = (call, calls.entered);
        calls.present.insert(key.clone(), Entry { business, claim, board: None, commands });
        drop(calls);
        let (calls, ended) = (Arc::clone(&self.calls), Arc::clone(&self.ended));
        Some((Present { calls, ended, key }, queue))
    }

    /// How many calls are in flight.
    pub fn len(&self) -> usize {
        lock(&self.calls).present.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of them are this business's.
    pub fn len_of(&self, business: &BusinessId) -> usize {
        lock(&self.calls).present.values().filter(|entry| entry.business == *business).count()
    }

    /// Whether a call is in flight here.
    pub fn contains(&self, call: &CallSid) -> bool {
        lock(&self.calls).present.range(entries_of(call)).next().is_some()
    }

    /// The calls in flight, each once, with whose they are.
    pub fn calls(&self) -> Vec<(BusinessId, CallSid)> {
        let calls = lock(&self.calls);
        let mut list: Vec<_> =
            calls.present.iter().map(|((call, _), entry)| (entry.business.clone(), call.clone())).collect();
        drop(calls);
        // A call's entries stand beside each other.
        list.dedup_by(|one, other| one.1 == other.1);
        list
    }

    /// What the calls in flight show, by CallSid; of a call with two streams, the later.
    pub fn boards(&self) -> Vec<Arc<Board>> {
        let calls = lock(&self.calls);
        let mut boards: BTreeMap<&CallSid, Arc<Board>> = BTreeMap::new();
        for ((call, _), entry) in &calls.present {
            if let Some(board) = &entry.board {
                boards.insert(call, Arc::clone(board));
            }
        }
        boards.into_values().collect()
    }

    /// What a call shows that is in flight here, or was a moment ago.
    pub fn board(&self, call: &CallSid) -> Option<Arc<Board>> {
        let calls = lock(&self.calls);
        let present = calls.present.range(entries_of(call)).rev().find_map(|(_, entry)| entry.board.clone());
        drop(calls);
        present.or_else(|| self.ended.latest(|board| board.look(|shown| shown.call == *call)))
    }

    /// What calls showed that ended a moment ago, the latest first.
    pub fn ended(&self) -> Vec<Arc<Board>> {
        self.ended.list()
    }

    /// Calls that want a slot, with whose they are and how many slots their plan has.
    pub fn wanting(&self) -> Vec<(BusinessId, CallSid, u32)> {
        let calls = lock(&self.calls);
        let wanting = calls.present.iter().filter(|(_, entry)| entry.claim.slot == Slot::Wanted);
        wanting.map(|((call, _), entry)| (entry.business.clone(), call.clone(), entry.claim.most)).collect()
    }

    /// Keeps whether a call has a slot; false when it is not in flight here.
    pub fn mark(&self, call: &CallSid, slot: Slot) -> bool {
        let mut calls = lock(&self.calls);
        let mut entries = calls.present.range_mut(entries_of(call)).map(|(_, entry)| entry).peekable();
        let there = entries.peek().is_some();
        entries.for_each(|entry| entry.claim.slot = slot);
        there
    }

    /// Tells a call something; false when it is not here, or so stuck that its queue is full.
    pub fn command(&self, call: &CallSid, command: Command) -> bool
    where
        Command: Clone,
    {
        let calls = lock(&self.calls);
        let sent = calls.present.range(entries_of(call)).map(|(_, entry)| entry.take(command.clone()));
        sent.fold(false, |any, sent| any | sent)
    }

    /// Tells every call something; returns how many took it.
    pub fn command_all(&self, command: &Command) -> usize
    where
        Command: Clone,
    {
        let calls = lock(&self.calls);
        calls.present.values().filter(|entry| entry.take(command.clone())).count()
    }
}

impl<Command> Entry<Command> {
    fn take(&self, command: Command) -> bool {
        self.commands.try_send(command).is_ok()
    }
}

impl<Command> Default for Registry<Command> {
    fn default() -> Self {
        Self::new()
    }
}

impl<Command> Clone for Registry<Command> {
    fn clone(&self) -> Self {
        Self { calls: Arc::clone(&self.calls), ended: Arc::clone(&self.ended) }
    }
}

impl<Command> Present<Command> {
    /// Lets people see the call.
    pub fn show(&self, shown: Shown) -> Arc<Board> {
        let board = Arc::new(Board::new(shown));
        if let Some(entry) = lock(&self.calls).present.get_mut(&self.key) {
            entry.board = Some(Arc::clone(&board));
        }
        board
    }
}

impl<Command> Drop for Present<Command> {
    fn drop(&mut self) {
        let left = lock(&self.calls).present.remove(&self.key);
        if let Some(board) = left.and_then(|entry| entry.board) {
            self.ended.push(board);
        }
    }
}

fn entries_of(call: &CallSid) -> std::ops::RangeInclusive<Key> {
    (call.clone(), 0)..=(call.clone(), u64::MAX)
}

/// Nothing panics while it holds the lock, and a list is whole after every step: a poisoned one is as good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAIM: Claim = Claim { most: 3, slot: Slot::Taken };

    fn call(text: &str) -> CallSid {
        CallSid::parse(text).unwrap()
    }

    fn business(text: &str) -> BusinessId {
        BusinessId::parse(text).unwrap()
    }

    #[test]
    fn a_call_is_listed_until_its_guard_is_dropped() {
        let registry = Registry::<u8>::new();
        let (first, _queue) = registry.enter(call("CA1"), business("a"), CLAIM, 9).unwrap();
        let (second, _other) = registry.enter(call("CA2"), business("b"), CLAIM, 9).unwrap();
        assert_eq!((registry.len(), registry.len_of(&business("a"))), (2, 1));
        drop(first);
        assert!(!registry.contains(&call("CA1")) && registry.contains(&call("CA2")));
        drop(second);
        assert!(registry.is_empty());
    }

    #[test]
    fn no_more_calls_enter_than_may() {
        let registry = Registry::<u8>::new();
        let kept = registry.enter(call("CA1"), business("a"), CLAIM, 1);
        assert!(kept.is_some() && registry.enter(call("CA2"), business("a"), CLAIM, 1).is_none());
        drop(kept);
        assert!(registry.enter(call("CA2"), business("a"), CLAIM, 1).is_some());
    }

    #[test]
    fn a_command_reaches_every_entry_of_its_call_and_no_other() {
        let registry = Registry::new();
        let (old, mut old_queue) = registry.enter(call("CA1"), business("a"), CLAIM, 9).unwrap();
        let (_new, mut new_queue) = registry.enter(call("CA1"), business("a"), CLAIM, 9).unwrap();
        let (_other, mut other_queue) = registry.enter(call("CA11"), business("a"), CLAIM, 9).unwrap();
        assert!(registry.command(&call("CA1"), 7));
        assert_eq!((old_queue.try_recv(), new_queue.try_recv()), (Ok(7), Ok(7)));
        assert!(other_queue.try_recv().is_err() && !registry.command(&call("CA3"), 7));
        drop(old);
        assert!(registry.contains(&call("CA1")), "the newer entry is its own");
        assert_eq!(registry.command_all(&8), 2);
    }

    #[test]
    fn a_call_wants_a_slot_until_it_is_marked_and_is_listed_once() {
        let registry = Registry::<u8>::new();
        let wanting = Claim { slot: Slot::Wanted, ..CLAIM };
        let (_old, _queue) = registry.enter(call("CA1"), business("a"), wanting, 9).unwrap();
        let (_new, _other) = registry.enter(call("CA1"), business("a"), wanting, 9).unwrap();
        let (_seated, _third) = registry.enter(call("CA2"), business("a"), CLAIM, 9).unwrap();
        let listed = [(business("a"), call("CA1")), (business("a"), call("CA2"))];
        assert_eq!(registry.calls(), listed);
        assert_eq!(registry.wanting().first(), Some(&(business("a"), call("CA1"), 3)));
        assert!(registry.mark(&call("CA1"), Slot::Taken) && !registry.mark(&call("CA3"), Slot::Taken));
        assert_eq!(registry.wanting(), []);
        assert!(registry.mark(&call("CA2"), Slot::Wanted));
        assert_eq!(registry.wanting().len(), 1);
    }

    #[test]
    fn a_call_is_shown_while_it_is_here_and_remembered_when_it_has_left() {
        let registry = Registry::<u8>::new();
        let (present, _queue) = registry.enter(call("CA1"), business("a"), CLAIM, 9).unwrap();
        assert!(registry.boards().is_empty(), "nothing was shown yet");
        let whose = (business("a"), "A".to_owned());
        let shown = Shown::begun(call("CA1"), 1, whose, crate::domain::Pii::default(), 1);
        let board = present.show(shown);
        board.step(Rung { at_ms: 1, step: Step::CallerArrived }, |_| {});
        assert_eq!(registry.boards().len(), 1);
        drop(present);
        assert!(registry.boards().is_empty());
        let remembered = registry.board(&call("CA1")).unwrap();
        assert_eq!(remembered.look(|shown| shown.state.clone()), State::Talking);
        assert!(registry.board(&call("CA2")).is_none());
    }

    #[test]
    fn a_stuck_call_fills_its_own_queue_and_holds_nobody_up() {
        let registry = Registry::new();
        let (_present, _queue) = registry.enter(call("CA1"), business("a"), CLAIM, 9).unwrap();
        for _ in 0..COMMAND_DEPTH {
            assert!(registry.command(&call("CA1"), 0));
        }
        assert!(!registry.command(&call("CA1"), 0));
    }
}
