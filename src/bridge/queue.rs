//! A queue whose depth is a figure: how much waits in all queues of its kind, and how often one was full.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::mpsc::{self, error::SendError, error::TrySendError};

use crate::telemetry::metrics::{Metrics, Named};

/// The end of whoever has something.
#[derive(Debug)]
pub(super) struct Sender<T> {
    items: mpsc::Sender<T>,
    waiting: Gauge,
    full: Counter,
}

/// The end of whoever takes it. What it leaves when it is dropped waits for nobody.
#[derive(Debug)]
pub(super) struct Receiver<T> {
    items: mpsc::Receiver<T>,
    waiting: Gauge,
}

/// A queue for `depth` items, counted under `kind`.
pub(super) fn queue<T>(depth: usize, kind: &'static str, metrics: &Metrics) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = mpsc::channel(depth);
    let waiting = metrics.queued.get_or_create(&Named::of(kind)).clone();
    let full = metrics.queues_full.get_or_create(&Named::of(kind)).clone();
    (Sender { items: sender, waiting: waiting.clone(), full }, Receiver { items: receiver, waiting })
}

impl<T> Sender<T> {
    /// Puts an item in; gives it back when there is no room, or nobody takes any more.
    pub(super) fn try_send(&self, item: T) -> Result<(), TrySendError<T>> {
        // Counted before it can be taken, for no queue is less than empty.
        self.waiting.inc();
        let sent = self.items.try_send(item);
        if let Err(error) = &sent {
            self.waiting.dec();
            if matches!(error, TrySendError::Full(_)) {
                self.full.inc();
            }
        }
        sent
    }

    /// Waits for room.
    pub(super) async fn send(&self, item: T) -> Result<(), SendError<T>> {
        let Ok(place) = self.items.reserve().await else { return Err(SendError(item)) };
        self.waiting.inc();
        place.send(item);
        Ok(())
    }
}

impl<T> Receiver<T> {
    /// The next item; none when there are none and never will be.
    pub(super) async fn recv(&mut self) -> Option<T> {
        let item = self.items.recv().await;
        if item.is_some() {
            self.waiting.dec();
        }
        item
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.items.close();
        while self.items.try_recv().is_ok() {
            self.waiting.dec();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_waits_is_counted_whatever_becomes_of_it_and_so_is_a_full_queue() {
        let metrics = Metrics::new("i-1");
        let told = |line: &str| metrics.text().lines().any(|told| told == line);
        let (sender, mut receiver) = queue(2, "ledger", &metrics);
        let (_other, _kept) = queue::<u8>(2, "ledger", &metrics);
        assert!(sender.try_send(1).is_ok() && sender.send(2).await.is_ok());
        assert!(matches!(sender.try_send(3), Err(TrySendError::Full(3))));
        assert!(told("frontdesk_queued{kind=\"ledger\"} 2"), "{}", metrics.text());
        assert!(told("frontdesk_queues_full_total{kind=\"ledger\"} 1"));
        assert_eq!(receiver.recv().await, Some(1));
        assert!(told("frontdesk_queued{kind=\"ledger\"} 1"));
        drop(receiver);
        assert!(told("frontdesk_queued{kind=\"ledger\"} 0"));
        assert!(sender.try_send(4).is_err() && sender.send(5).await.is_err());
        assert!(told("frontdesk_queued{kind=\"ledger\"} 0"));
        assert!(told("frontdesk_queues_full_total{kind=\"ledger\"} 1"));
    }
}
