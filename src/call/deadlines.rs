//! The alarms of a call, each with a name.

use super::Deadline;
use crate::domain::Moment;

/// When each deadline passes, if it is set.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    set: Vec<(Deadline, Moment)>,
}

impl Deadlines {
    /// Sets or moves a deadline.
    pub(super) fn set(&mut self, deadline: Deadline, at: Moment) {
        self.clear(deadline);
        self.set.push((deadline, at));
    }

    /// Sets a deadline that is not set yet.
    pub(super) fn set_once(&mut self, deadline: Deadline, at: Moment) {
        if !self.is_set(deadline) {
            self.set.push((deadline, at));
        }
    }

    /// Takes a deadline away.
    pub(super) fn clear(&mut self, deadline: Deadline) {
        self.set.retain(|(name, _)| *name != deadline);
    }

    /// Takes every deadline away.
    pub(super) fn clear_all(&mut self) {
        self.set.clear();
    }

    /// Whether a deadline is set.
    pub(super) fn is_set(&self, deadline: Deadline) -> bool {
        self.set.iter().any(|(name, _)| *name == deadline)
    }

    /// The soonest.
    pub(super) fn next(&self) -> Option<Moment> {
        self.set.iter().map(|(_, at)| *at).min()
    }

    /// Takes one that has passed: the earliest, and of equals the first by name.
    pub(super) fn pop_due(&mut self, now: Moment) -> Option<Deadline> {
        let due = self.set.iter().filter(|(_, at)| *at <= now).min_by_key(|(name, at)| (*at, *name))?.0;
        self.clear(due);
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_pass_in_order_and_once() {
        let mut deadlines = Deadlines::default();
        deadlines.set(Deadline::TooLong, Moment::from_millis(30));
        deadlines.set(Deadline::ModelReady, Moment::from_millis(10));
        deadlines.set_once(Deadline::ModelReady, Moment::from_millis(99));
        assert_eq!(deadlines.next(), Some(Moment::from_millis(10)));
        assert_eq!(deadlines.pop_due(Moment::from_millis(9)), None);
        let now = Moment::from_millis(40);
        assert_eq!(deadlines.pop_due(now), Some(Deadline::ModelReady));
        assert_eq!(deadlines.pop_due(now), Some(Deadline::TooLong));
        assert_eq!(deadlines.pop_due(now), None);
    }
}
