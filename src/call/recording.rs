//! A call as it was heard, in stereo: the caller left, what the caller heard right. µ-law on both sides, so nothing
//! is computed: two lanes on one time line, interleaved when they have settled.

use std::collections::VecDeque;

use bytes::Bytes;

use super::limits::RECORDING_SETTLES;
use crate::audio::mulaw::{BYTES_PER_MS, SILENCE};

/// Both lanes, from the first sample that has not been taken.
#[derive(Debug, Default)]
pub(super) struct Recording {
    caller: Lane,
    heard: Lane,
    /// How many samples were taken.
    taken: usize,
    /// Twilio's timestamp of the caller's first frame, which is the beginning of the lane.
    first_ms: Option<u64>,
}

#[derive(Debug, Default)]
struct Lane {
    samples: VecDeque<u8>,
}

impl Lane {
    /// Puts audio at a sample; what lies before the lane is too late and dropped.
    fn put(&mut self, at: usize, audio: &[u8]) {
        if self.samples.len() < at + audio.len() {
            self.samples.resize(at + audio.len(), SILENCE);
        }
        for (sample, new) in self.samples.range_mut(at..at + audio.len()).zip(audio) {
            *sample = *new;
        }
    }

    fn pop(&mut self) -> u8 {
        self.samples.pop_front().unwrap_or(SILENCE)
    }
}

impl Recording {
    /// The caller's frame of that timestamp, in milliseconds of Twilio's.
    pub(super) fn said(&mut self, timestamp_ms: u64, audio: &[u8]) {
        let first_ms = *self.first_ms.get_or_insert(timestamp_ms);
        let taken = self.taken;
        put(&mut self.caller, taken, timestamp_ms.saturating_sub(first_ms), audio);
    }

    /// What the caller heard, so many milliseconds after the stream's start.
    pub(super) fn heard(&mut self, at_ms: u64, audio: &[u8]) {
        put(&mut self.heard, self.taken, at_ms, audio);
    }

    /// The next piece in which nothing can change any more, a second at least; interleaved.
    pub(super) fn take_settled(&mut self, now_ms: u64) -> Option<Bytes> {
        let settled_ms = now_ms.saturating_sub(u64::try_from(RECORDING_SETTLES.as_millis()).unwrap_or(0));
        let settled = samples(settled_ms).saturating_sub(self.taken);
        (settled >= samples(1_000)).then(|| self.take(settled))
    }

    /// All that is left.
    pub(super) fn take_rest(&mut self) -> Option<Bytes> {
        let rest = self.caller.samples.len().max(self.heard.samples.len());
        (rest > 0).then(|| self.take(rest))
    }

    fn take(&mut self, count: usize) -> Bytes {
        self.taken += count;
        (0..count).flat_map(|_| [self.caller.pop(), self.heard.pop()]).collect()
    }
}

fn put(lane: &mut Lane, taken: usize, at_ms: u64, audio: &[u8]) {
    // A minute ahead of what was taken is a broken timestamp, not audio.
    let ahead = samples(at_ms).saturating_sub(taken);
    if samples(at_ms) >= taken && ahead < samples(60_000) {
        lane.put(ahead, audio);
    }
}

fn samples(ms: u64) -> usize {
    usize::try_from(ms).unwrap_or(usize::MAX).saturating_mul(BYTES_PER_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lanes_lie_on_one_time_line() {
        let mut recording = Recording::default();
        recording.said(61, &[1; 160]);
        recording.said(101, &[2; 160]);
        recording.heard(20, &[9; 160]);
        let all = recording.take_rest().unwrap();
        let left: Vec<u8> = all.iter().step_by(2).copied().collect();
        let right: Vec<u8> = all.iter().skip(1).step_by(2).copied().collect();
        assert_eq!(left, [[1; 160], [SILENCE; 160], [2; 160]].concat());
        assert_eq!(right, [[SILENCE; 160], [9; 160], [SILENCE; 160]].concat());
    }

    #[test]
    fn what_has_settled_is_given_away_once_and_later_changes_are_dropped() {
        let mut recording = Recording::default();
        recording.said(0, &[1; 160]);
        assert_eq!(recording.take_settled(2_500), None);
        assert_eq!(recording.take_settled(3_500).unwrap().len(), 2 * 12_000);
        recording.heard(100, &[9; 160]);
        assert_eq!(recording.take_rest(), None);
        recording.said(u64::MAX, &[1; 160]);
        assert_eq!(recording.take_rest(), None);
    }
}
