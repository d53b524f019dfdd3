//! What came of what was sent: delays, losses and disorder, one tally for each call and direction.

use serde::{Deserialize, Serialize};

use super::frames::{FRAME_BYTES, Stamp};

/// One direction of one call, over its whole life.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally {
    /// Frames that left.
    pub(crate) sent: u64,
    next: u64,
    skipped: u64,
    reordered: u64,
    in_window: u64,
}

/// All calls, one direction.
#[derive(Debug, Default)]
pub(crate) struct Way {
    tallies: Vec<Tally>,
    /// Of messages that came within the window, in microseconds.
    delays: Vec<u32>,
    /// Frames that nobody of ours sent, or that were cut apart.
    foreign: u64,
    /// Whether the window is open.
    measuring: bool,
}

/// One direction of a run, as figures.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct WayFigures {
    /// Added delay of messages in the window.
    pub(crate) delay_us: Quantiles,
    /// Frames of the whole run that never came.
    pub(crate) lost: u64,
    /// Frames of the whole run that came behind a later one, or twice.
    pub(crate) reordered: u64,
    /// Frames that nobody of ours sent.
    pub(crate) foreign: u64,
}

/// Of many numbers.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Quantiles {
    pub(crate) count: usize,
    pub(crate) p50: u32,
    pub(crate) p99: u32,
    pub(crate) p999: u32,
    pub(crate) max: u32,
}

impl Way {
    /// The tally of a caller or model, which is made when it is new.
    pub(crate) fn of(&mut self, number: u32) -> &mut Tally {
        let index = number as usize;
        if self.tallies.len() <= index {
            self.tallies.resize(index + 1, Tally::default());
        }
        &mut self.tallies[index]
    }

    /// Takes the audio of one message.
    pub(crate) fn take(&mut self, audio: &[u8], now_ns: u64) {
        let measuring = self.measuring;
        for (index, frame) in audio.chunks(FRAME_BYTES).enumerate() {
            let Some(stamp) = Stamp::read(frame) else {
                self.foreign += 1;
                continue;
            };
            self.of(stamp.of).take(stamp.number, measuring);
            if index == 0 && measuring {
                self.delays.push(u32::try_from((now_ns - stamp.at_ns) / 1_000).unwrap_or(u32::MAX));
            }
        }
    }

    /// Opens the window.
    pub(crate) fn open_window(&mut self) {
        self.measuring = true;
    }

    /// Closes it.
    pub(crate) fn close_window(&mut self) {
        self.measuring = false;
    }

    /// On how many calls at least one frame has come, and all that were sent by then but `in_flight`.
    pub(crate) fn carried(&self, in_flight: u64) -> usize {
        self.tallies.iter().filter(|tally| tally.next > 0 && tally.next + in_flight >= tally.sent).count()
    }

    /// On how many calls at least so many frames came within the window.
    pub(crate) fn talking(&self, at_least: u64) -> usize {
        self.tallies.iter().filter(|tally| tally.in_window >= at_least).count()
    }

    /// All of it, when nothing is in flight any more.
    pub(crate) fn figures(&mut self) -> WayFigures {
        let sum = |of: fn(&Tally) -> u64| self.tallies.iter().map(of).sum();
        WayFigures {
            lost: sum(|tally| {
                (tally.skipped + tally.sent.saturating_sub(tally.next)).saturating_sub(tally.reordered)
            }),
            reordered: sum(|tally| tally.reordered),
            foreign: self.foreign,
            delay_us: Quantiles::of(&mut self.delays),
        }
    }
}

impl Tally {
    fn take(&mut self, number: u64, measuring: bool) {
        if number < self.next {
            self.reordered += 1;
            return;
        }
        self.skipped += number - self.next;
        self.next = number + 1;
        self.in_window += u64::from(measuring);
    }
}

impl Quantiles {
    /// Of these, which are sorted for it.
    pub(crate) fn of(numbers: &mut [u32]) -> Self {
        numbers.sort_unstable();
        let at = |permille: usize| {
            let index = (numbers.len() * permille / 1_000).min(numbers.len().saturating_sub(1));
            numbers.get(index).copied().unwrap_or_default()
        };
        Self { count: numbers.len(), p50: at(500), p99: at(990), p999: at(999), max: at(1_000) }
    }
}
