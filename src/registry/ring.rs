//! What happened lately, for whoever asks.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Mutex;

use super::lock;

/// The last things of a kind: of more than `most`, the oldest are forgotten.
pub struct Ring<T> {
    most: usize,
    items: Mutex<VecDeque<T>>,
}

impl<T: Clone> Ring<T> {
    /// Empty.
    pub fn new(most: usize) -> Self {
        Self { most, items: Mutex::new(VecDeque::new()) }
    }

    /// Remembers one more.
    pub fn push(&self, item: T) {
        let mut items = lock(&self.items);
        while items.len() >= self.most.max(1) {
            items.pop_front();
        }
        items.push_back(item);
    }

    /// All of them, the latest first.
    pub fn list(&self) -> Vec<T> {
        lock(&self.items).iter().rev().cloned().collect()
    }

    /// The latest of which this is true.
    pub fn latest(&self, is_it: impl Fn(&T) -> bool) -> Option<T> {
        lock(&self.items).iter().rev().find(|item| is_it(item)).cloned()
    }
}

impl<T> fmt::Debug for Ring<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ring({} of {})", lock(&self.items).len(), self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room_and_the_latest_are_told_first() {
        let ring = Ring::new(3);
        (1..=5).for_each(|number| ring.push(number));
        assert_eq!(ring.list(), [5, 4, 3]);
        assert_eq!(
            (ring.latest(|number| number % 2 == 1), ring.latest(|number| *number == 2)),
            (Some(5), None)
        );
    }
}
