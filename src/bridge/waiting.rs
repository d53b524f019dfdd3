//! Calls that wait for their caller: begun at the webhook, met at the stream.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::domain::CallSid;
use crate::wire::twilio::media::Start;

/// The places where calls wait, by call and attempt. A place is held until its call is over, so that a webhook asked
/// twice begins one call.
#[derive(Debug)]
pub(super) struct WaitingRoom<S> {
    places: Arc<Mutex<Places<S>>>,
}

/// Where one call waits; dropping it gives the place up.
#[must_use = "dropping it gives the place up"]
#[derive(Debug)]
pub(super) struct Place<S> {
    places: Arc<Mutex<Places<S>>>,
    key: (CallSid, u8),
}

/// A caller who has come: the first message, and the socket on which it came.
pub(super) type Arrival<S> = (Start, S);

/// The sender is taken when the caller comes.
type Places<S> = BTreeMap<(CallSid, u8), Option<oneshot::Sender<Arrival<S>>>>;

impl<S> WaitingRoom<S> {
    pub(super) fn new() -> Self {
        Self { places: Arc::default() }
    }

    /// Takes a place, unless this attempt of the call has one.
    pub(super) fn take_place(
        &self,
        call: CallSid,
        attempt: u8,
    ) -> Option<(Place<S>, oneshot::Receiver<Arrival<S>>)> {
        let key = (call, attempt);
        let mut places = lock(&self.places);
        if places.contains_key(&key) {
            return None;
        }
        let (sender, arrival) = oneshot::channel();
        places.insert(key.clone(), Some(sender));
        drop(places);
        Some((Place { places: Arc::clone(&self.places), key }, arrival))
    }

    /// Whether somebody waits for this caller.
    pub(super) fn is_waiting(&self, call: &CallSid, attempt: u8) -> bool {
        let places = lock(&self.places);
        places
            .get(&(call.clone(), attempt))
            .is_some_and(|sender| sender.as_ref().is_some_and(|s| !s.is_closed()))
    }

    /// Gives the caller to whom waits for it, or back.
    pub(super) fn arrive(
        &self,
        call: &CallSid,
        attempt: u8,
        start: Start,
        socket: S,
    ) -> Result<(), Arrival<S>> {
        let sender = lock(&self.places).get_mut(&(call.clone(), attempt)).and_then(Option::take);
        match sender {
            Some(sender) => sender.send((start, socket)),
            None => Err((start, socket)),
        }
    }
}

impl<S> Drop for Place<S> {
    fn drop(&mut self) {
        lock(&self.places).remove(&self.key);
    }
}

/// Nothing panics while it holds the lock, and the map is whole after every step: a poisoned one is as good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> CallSid {
        CallSid::parse("CA1").unwrap()
    }

    fn start() -> Start {
        let text = r#"{"streamSid":"MZ1","callSid":"CA1","accountSid":"AC1","mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_caller_meets_the_call_that_waits_and_only_once() {
        let room = WaitingRoom::new();
        let (_place, mut arrival) = room.take_place(call(), 1).unwrap();
        assert!(room.is_waiting(&call(), 1) && !room.is_waiting(&call(), 2));
        assert!(room.arrive(&call(), 2, start(), "another").is_err());
        assert!(room.arrive(&call(), 1, start(), "socket").is_ok());
        assert_eq!(arrival.try_recv().unwrap().1, "socket");
        assert!(!room.is_waiting(&call(), 1));
        assert_eq!(room.arrive(&call(), 1, start(), "twice").unwrap_err().1, "twice");
    }

    #[test]
    fn a_second_webhook_finds_the_first_ones_call_until_it_is_over() {
        let room = WaitingRoom::<()>::new();
        let (place, _arrival) = room.take_place(call(), 1).unwrap();
        assert!(room.take_place(call(), 1).is_none());
        assert!(room.take_place(call(), 2).is_some(), "a resumed call is another");
        drop(place);
        assert!(room.take_place(call(), 1).is_some());
    }

    #[test]
    fn a_caller_who_comes_too_late_is_given_back() {
        let room = WaitingRoom::new();
        let (_place, arrival) = room.take_place(call(), 1).unwrap();
        drop(arrival);
        assert!(!room.is_waiting(&call(), 1));
        assert_eq!(room.arrive(&call(), 1, start(), "socket").unwrap_err().1, "socket");
    }
}
