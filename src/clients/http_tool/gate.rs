//! Whether a tool is asked just now. One that fails again and again is left alone for a while, so that callers hear at
//! once that it does not work, and its server is not kept from getting up; one that is slow has a bound of those who wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use moka::sync::Cache;

use crate::domain::{BusinessId, ToolName};

/// So many failures in a row are no coincidence.
const FAILURES: u32 = 5;

/// How long a tool is left alone, in milliseconds. Then one caller finds out whether it is back.
pub(super) const RESTS_MS: i64 = 30_000;

/// How many may wait for one tool at once: those who wait hold a task and a socket each, and a server that makes thirty
/// callers wait is not helped by more.
const MOST_UNDER_WAY: u32 = 32;

/// Of how many tools it is known how they do. One that is forgotten is asked.
const KNOWN: u64 = 10_000;

/// And for how long after anybody asked.
const KNOWN_FOR: Duration = Duration::from_secs(600);

/// It works, as far as we know.
const CLOSED: i64 = 0;

/// The gates of all tools.
#[derive(Debug, Clone)]
pub(super) struct Gates(Cache<(BusinessId, ToolName), Arc<Gate>>);

impl Default for Gates {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(KNOWN).time_to_idle(KNOWN_FOR).build())
    }
}

impl Gates {
    /// The gate of one tool.
    pub(super) fn of(&self, business: &BusinessId, tool: &ToolName) -> Arc<Gate> {
        self.0.get_with((business.clone(), tool.clone()), Arc::default)
    }
}

/// How one tool does.
#[derive(Debug, Default)]
pub(super) struct Gate {
    failures: AtomicU32,
    /// Until when it is left alone, in milliseconds since 1970.
    until_ms: AtomicI64,
    under_way: AtomicU32,
}

/// Leave to ask once.
#[derive(Debug)]
pub(super) struct Pass {
    gate: Arc<Gate>,
    now_ms: i64,
}

impl Gate {
    /// Leave to ask, unless it rests or has too much to do.
    pub(super) fn enter(self: &Arc<Self>, now_ms: i64) -> Option<Pass> {
        if !self.is_open(now_ms) {
            return None;
        }
        let more = |many: u32| (many < MOST_UNDER_WAY).then_some(many + 1);
        self.under_way.try_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Pass { gate: Arc::clone(self), now_ms })
    }

    fn is_open(&self, now_ms: i64) -> bool {
        let until = self.until_ms.load(Ordering::Acquire);
        if until == CLOSED {
            return true;
        }
        // Further away than it can be is a clock that was set back.
        let rests = now_ms < until && until.saturating_sub(now_ms) <= RESTS_MS;
        // Whoever moves the time on is the one who finds out.
        let next = now_ms.saturating_add(RESTS_MS);
        !rests && self.until_ms.compare_exchange(until, next, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// It works.
    pub(super) fn mend(&self) {
        self.failures.store(0, Ordering::Release);
        self.until_ms.store(CLOSED, Ordering::Release);
    }

    fn fail(&self, now_ms: i64) {
        if self.failures.fetch_add(1, Ordering::AcqRel) + 1 >= FAILURES {
            self.until_ms.store(now_ms.saturating_add(RESTS_MS), Ordering::Release);
        }
    }
}

impl Pass {
    /// The tool was asked, and did its work or did not. A pass that is dropped says nothing.
    pub(super) fn leave(self, failed: bool) {
        if failed { self.gate.fail(self.now_ms) } else { self.gate.mend() }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.gate.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000_000;

    fn asked(gate: &Arc<Gate>, now_ms: i64, failed: bool) -> bool {
        gate.enter(now_ms).map(|pass| pass.leave(failed)).is_some()
    }

    #[test]
    fn a_tool_that_fails_again_and_again_rests_and_then_one_caller_finds_out() {
        let gate = Arc::new(Gate::default());
        assert!((1..FAILURES).all(|_| asked(&gate, NOW, true)));
        assert!(asked(&gate, NOW, false), "a success in between begins anew");
        assert!((0..FAILURES).all(|_| asked(&gate, NOW, true)));
        assert!(!asked(&gate, NOW, true) && !asked(&gate, NOW + RESTS_MS - 1, true));
        let later = NOW + RESTS_MS;
        let passes: Vec<_> = (0..9).filter_map(|_| gate.enter(later)).collect();
        assert_eq!(passes.len(), 1);
        passes.into_iter().for_each(|pass| pass.leave(true));
        assert!(!asked(&gate, later + RESTS_MS - 1, false));
        assert!(asked(&gate, later + RESTS_MS, false));
        assert!(asked(&gate, later + RESTS_MS, false), "it is back");
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_keep_it_away() {
        let gate = Arc::new(Gate::default());
        assert!((0..FAILURES).all(|_| asked(&gate, NOW, true)));
        assert!(asked(&gate, NOW - 3_600_000, false));
    }

    #[test]
    fn only_so_many_wait_for_a_slow_tool_and_whoever_leaves_makes_room() {
        let gate = Arc::new(Gate::default());
        let mut waiting: Vec<_> = (0..MOST_UNDER_WAY + 9).filter_map(|_| gate.enter(NOW)).collect();
        assert_eq!(waiting.len(), MOST_UNDER_WAY as usize);
        waiting.pop();
        assert!(gate.enter(NOW).is_some());
        drop(waiting);
        assert_eq!(gate.under_way.load(Ordering::Acquire), 0);
    }

    #[test]
    fn tools_of_the_same_name_have_nothing_to_do_with_each_other() {
        let (gates, tool) = (Gates::default(), ToolName::parse("slots").unwrap());
        let of = |id: &str| gates.of(&BusinessId::parse(id).unwrap(), &tool);
        assert!((0..FAILURES).all(|_| asked(&of("luna"), NOW, true)));
        assert!(!asked(&of("luna"), NOW, false) && asked(&of("sol"), NOW, false));
    }
}
