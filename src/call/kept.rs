//! The caller's audio that another session of the model may have to hear: all that came while there was none, what was
//! said and neither transcribed nor answered, and always the last second, in which a word may have begun.

use std::collections::VecDeque;

use bytes::Bytes;

use super::limits::{MAX_EARLY, MAX_HEARD_AGAIN, RECALL};
use super::playout::play_time;
use crate::audio::mulaw::BYTES_PER_MS;
use crate::domain::Moment;
use crate::wire::Text;

/// Frames in order, as they came. Positions are bytes of µ-law since the beginning.
#[derive(Debug, Default)]
pub(super) struct Kept {
    frames: VecDeque<Frame>,
    /// What they carry, in base64, one behind the other: memory that is used again for every frame.
    base64: VecDeque<u8>,
    bytes: usize,
    /// How many of the last frames no model has heard.
    unheard: usize,
    /// The position behind the last frame.
    end: u64,
    /// Nothing before it has to be heard again.
    floor: u64,
    /// What the caller said and is not settled, the oldest first.
    open: VecDeque<Utterance>,
    /// What the session there is now was given at its beginning; none while no session has been.
    given: Option<Given>,
}

#[derive(Debug)]
struct Frame {
    /// How long it is in base64.
    base64: usize,
    bytes: usize,
    came_at: Moment,
}

#[derive(Debug)]
struct Utterance {
    from: u64,
    /// None while the caller speaks.
    to: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Given {
    from: u64,
    to: u64,
}

impl Kept {
    /// Keeps a copy of a frame, so that the memory it came in is free for the next; returns how many frames were given up
    /// that no model has heard.
    pub(super) fn keep(&mut self, frame: &Text, bytes: usize, heard: bool, now: Moment) -> u32 {
        self.frames.push_back(Frame { base64: frame.len(), bytes, came_at: now });
        self.base64.extend(frame.as_bytes());
        self.bytes += bytes;
        self.end += bytes as u64;
        if heard {
            self.trim_settled(now);
        } else {
            self.unheard += 1;
        }
        // Before the first session, nobody has said anything to a model yet.
        let most = if self.given.is_some() { MAX_HEARD_AGAIN } else { MAX_EARLY };
        let mut dropped = 0;
        while play_time(self.bytes) > most && self.pop() {
            dropped += u32::from(self.frames.len() < self.unheard);
            self.unheard = self.unheard.min(self.frames.len());
        }
        dropped
    }

    /// All there is, for a session that begins.
    pub(super) fn hear_again(&mut self) -> Vec<Text> {
        self.unheard = 0;
        self.given = Some(Given { from: self.begin(), to: self.end });
        let mut rest: &[u8] = self.base64.make_contiguous();
        let mut cut = |frame: &Frame| {
            let (audio, behind) = rest.split_at_checked(frame.base64).unwrap_or_default();
            rest = behind;
            // It was text when it came.
            Text::from_utf8(Bytes::copy_from_slice(audio)).unwrap_or_default()
        };
        self.frames.iter().map(&mut cut).collect()
    }

    /// The caller is heard to speak. In what a session was given at its beginning, it cannot be told where.
    pub(super) fn on_began(&mut self) {
        let recent = self.end.saturating_sub(recall_bytes()).max(self.floor);
        match self.given.filter(|given| self.is_new(*given)) {
            Some(given) if self.open.iter().all(|utterance| utterance.from < given.to) => {
                self.open.clear();
                self.open.push_back(Utterance { from: given.from.min(recent), to: None });
            }
            Some(_) | None => self.open.push_back(Utterance { from: recent, to: None }),
        }
    }

    /// The caller is heard to stop, or nobody is left to say when they do.
    pub(super) fn on_stopped(&mut self) {
        let end = self.end;
        if let Some(last) = self.open.back_mut() {
            last.to.get_or_insert(end);
        }
    }

    /// The oldest utterance need not be heard again.
    pub(super) fn settle_first(&mut self) {
        if let Some(first) = self.open.pop_front() {
            self.floor = self.floor.max(first.to.unwrap_or(first.from));
        }
    }

    /// No utterance that is over need be heard again.
    pub(super) fn settle_all(&mut self) {
        while self.open.front().is_some_and(|first| first.to.is_some()) {
            self.settle_first();
        }
    }

    /// Whether there is something that must be heard again.
    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    fn begin(&self) -> u64 {
        self.end - self.bytes as u64
    }

    /// Whether the session may still find the beginning of a word in what it was given.
    fn is_new(&self, given: Given) -> bool {
        self.end - given.to < recall_bytes()
    }

    /// Forgets what is settled, and of the rest what came more than a second ago: what a line held back comes at once,
    /// however long it is, and may all be on its way to a session that is gone.
    fn trim_settled(&mut self, now: Moment) {
        let mut needed = self.end.saturating_sub(recall_bytes());
        if let Some(first) = self.open.front() {
            needed = needed.min(first.from);
        }
        if let Some(given) = self.given.filter(|given| self.is_new(*given)) {
            needed = needed.min(given.from);
        }
        let long = self.frames.len();
        while let Some(oldest) = self.frames.front() {
            let ends = self.begin() + oldest.bytes as u64;
            let old = ends <= needed && oldest.came_at + RECALL <= now;
            if !old && ends > self.floor {
                break;
            }
            self.pop();
        }
        if self.frames.len() * 2 < long {
            self.frames.shrink_to(long / 2);
            self.base64.shrink_to(self.base64.len() * 2);
        }
    }

    fn pop(&mut self) -> bool {
        let oldest = self.frames.pop_front();
        let Some(oldest) = oldest else { return false };
        self.bytes -= oldest.bytes;
        self.base64.drain(..oldest.base64.min(self.base64.len()));
        true
    }
}

fn recall_bytes() -> u64 {
    u64::try_from(RECALL.as_millis()).unwrap_or(0) * BYTES_PER_MS as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of 20 ms, each by its number.
    fn hear(kept: &mut Kept, numbers: std::ops::Range<u32>, heard: bool) -> u32 {
        let came_at = |number: u32| Moment::from_millis(u64::from(number) * 20);
        numbers.map(|number| keep(kept, number, heard, came_at(number))).sum()
    }

    fn keep(kept: &mut Kept, number: u32, heard: bool, now: Moment) -> u32 {
        kept.keep(&number.to_string().as_str().into(), 160, heard, now)
    }

    fn again(kept: &mut Kept) -> (u32, u32) {
        let frames = kept.hear_again();
        let number = |frame: Option<&Text>| frame.unwrap().as_str().parse().unwrap();
        (number(frames.first()), number(frames.last()))
    }

    #[test]
    fn before_the_first_session_ten_seconds_are_kept() {
        let mut kept = Kept::default();
        assert_eq!(hear(&mut kept, 0..550, false), 50);
        assert_eq!(again(&mut kept), (50, 549));
    }

    #[test]
    fn what_was_not_transcribed_is_heard_again_from_before_it_was_noticed() {
        let mut kept = Kept::default();
        again_of_nothing(&mut kept);
        hear(&mut kept, 0..500, true);
        kept.on_began();
        hear(&mut kept, 500..700, true);
        kept.on_stopped();
        hear(&mut kept, 700..710, true);
        kept.on_stopped();
        assert_eq!(hear(&mut kept, 710..760, false), 0);
        assert!(kept.is_open());
        assert_eq!(again(&mut kept), (450, 759));
    }

    #[test]
    fn what_was_transcribed_is_not_heard_again() {
        let mut kept = Kept::default();
        again_of_nothing(&mut kept);
        hear(&mut kept, 0..500, true);
        kept.on_began();
        hear(&mut kept, 500..600, true);
        kept.on_stopped();
        hear(&mut kept, 600..610, true);
        kept.settle_first();
        hear(&mut kept, 610..620, true);
        kept.on_stopped();
        assert!(!kept.is_open());
        assert_eq!(again(&mut kept), (600, 619));
    }

    #[test]
    fn a_session_lost_at_once_leaves_all_it_was_given_to_the_next() {
        let mut kept = Kept::default();
        again_of_nothing(&mut kept);
        hear(&mut kept, 0..500, true);
        kept.on_began();
        hear(&mut kept, 500..600, true);
        kept.on_stopped();
        hear(&mut kept, 600..650, false);
        assert_eq!(again(&mut kept), (450, 649));
        kept.on_began();
        hear(&mut kept, 650..660, true);
        kept.on_stopped();
        assert_eq!(again(&mut kept), (450, 659));
    }

    #[test]
    fn a_long_silence_of_the_model_costs_the_oldest() {
        let mut kept = Kept::default();
        again_of_nothing(&mut kept);
        hear(&mut kept, 0..100, true);
        kept.on_stopped();
        assert_eq!(hear(&mut kept, 100..1_150, false), 50);
        assert_eq!(again(&mut kept), (150, 1_149));
    }

    #[test]
    fn what_a_line_held_back_and_let_go_at_once_is_heard_again_whole() {
        let mut kept = Kept::default();
        again_of_nothing(&mut kept);
        hear(&mut kept, 0..100, true);
        for number in 100..300 {
            keep(&mut kept, number, true, Moment::from_millis(6_000));
        }
        kept.on_stopped();
        assert_eq!(again(&mut kept), (100, 299));
    }

    fn again_of_nothing(kept: &mut Kept) {
        assert!(kept.hear_again().is_empty());
    }
}
