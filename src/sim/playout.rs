//! The buffer between a media stream and an ear: plays what it is given in order, a sample every 125 µs.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::audio::mulaw::{RATE_HZ, SILENCE};
use crate::domain::Moment;
use crate::wire::Text;

/// How long one sample lasts.
const SAMPLE_MICROS: u64 = 1_000_000 / RATE_HZ as u64;

/// Twilio: "More than 10 minutes of audio is buffered by the Streamer. No more data is accepted." (31931)
const MOST_BUFFERED_SAMPLES: usize = 600 * RATE_HZ as usize;

/// What Twilio plays to a caller: sample-exact, silent when it runs dry.
#[derive(Debug)]
pub struct Playout {
    began: Moment,
    heard: Vec<u8>,
    queue: VecDeque<Queued>,
    buffered: usize,
    pieces: Vec<Piece>,
}

/// One message of audio, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// When it arrived.
    pub arrived: Moment,
    /// When its first sample was played, if any was.
    pub began: Option<Moment>,
    /// The audio: µ-law.
    pub audio: Bytes,
    /// How many of its samples were played.
    pub played: usize,
}

#[derive(Debug)]
enum Queued {
    Piece(usize),
    Mark(Text),
}

/// More audio came than the buffer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl Playout {
    /// An empty buffer that begins to play silence at `began`.
    pub const fn new(began: Moment) -> Self {
        Self { began, heard: Vec::new(), queue: VecDeque::new(), buffered: 0, pieces: Vec::new() }
    }

    /// Plays until `now`; returns the marks whose audio is over, in order.
    pub fn play_until(&mut self, now: Moment) -> Vec<Text> {
        let target = self.position(now);
        let mut marks = Vec::new();
        while let Some(queued) = self.queue.front() {
            match queued {
                Queued::Piece(_) if self.heard.len() >= target => break,
                Queued::Piece(index) => {
                    let index = *index;
                    if self.play_piece(index, target) {
                        self.queue.pop_front();
                    }
                }
                Queued::Mark(name) => {
                    marks.push(name.clone());
                    self.queue.pop_front();
                }
            }
        }
        if self.heard.len() < target {
            self.heard.resize(target, SILENCE);
        }
        marks
    }

    /// Plays of one piece what fits before `target`; whether it is played to its end.
    fn play_piece(&mut self, index: usize, target: usize) -> bool {
        let at = self.moment(self.heard.len());
        let Some(piece) = self.pieces.get_mut(index) else { return true };
        let end = piece.audio.len().min(piece.played + (target - self.heard.len()));
        let now_played = piece.audio.get(piece.played..end).unwrap_or_default();
        if !now_played.is_empty() {
            piece.began.get_or_insert(at);
        }
        self.heard.extend_from_slice(now_played);
        self.buffered -= now_played.len();
        piece.played = end;
        end == piece.audio.len()
    }

    /// Takes a message of audio that arrived `now`. Play until `now` first.
    pub(super) fn push(&mut self, audio: Bytes, now: Moment) -> Result<(), Full> {
        if self.buffered + audio.len() > MOST_BUFFERED_SAMPLES {
            return Err(Full);
        }
        self.buffered += audio.len();
        self.queue.push_back(Queued::Piece(self.pieces.len()));
        self.pieces.push(Piece { arrived: now, began: None, audio, played: 0 });
        Ok(())
    }

    /// Takes a mark; it comes back from the next [`Self::play_until`] at or after the end of what is before it.
    pub fn mark(&mut self, name: Text) {
        self.queue.push_back(Queued::Mark(name));
    }

    /// Forgets what is not played; returns the marks that were waiting.
    pub fn clear(&mut self) -> Vec<Text> {
        self.buffered = 0;
        let marks = self.queue.drain(..).filter_map(|queued| match queued {
            Queued::Mark(name) => Some(name),
            Queued::Piece(_) => None,
        });
        marks.collect()
    }

    /// When the next mark is due, if one waits.
    pub fn wake_at(&self) -> Option<Moment> {
        let mut ahead = self.heard.len();
        for queued in &self.queue {
            match queued {
                Queued::Mark(_) => return Some(self.moment(ahead)),
                Queued::Piece(index) => {
                    ahead += self.pieces.get(*index).map_or(0, |piece| piece.audio.len() - piece.played);
                }
            }
        }
        None
    }

    /// All that was heard since the beginning, silence included: µ-law.
    pub fn heard(&self) -> &[u8] {
        &self.heard
    }

    /// Every message of audio, in order of arrival.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// How much waits to be played.
    pub fn buffered(&self) -> Duration {
        Duration::from_micros(self.buffered as u64 * SAMPLE_MICROS)
    }

    fn position(&self, now: Moment) -> usize {
        usize::try_from(now.since(self.began).as_micros() as u64 / SAMPLE_MICROS).unwrap_or(usize::MAX)
    }

    fn moment(&self, sample: usize) -> Moment {
        self.began + Duration::from_micros(sample as u64 * SAMPLE_MICROS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::tone;

    const fn ms(ms: u64) -> Moment {
        Moment::from_millis(ms)
    }

    #[test]
    fn audio_is_played_in_order_to_the_sample_and_gaps_are_silent() {
        let mut playout = Playout::new(ms(1_000));
        playout.play_until(ms(1_010));
        playout.push(tone::noise(1, 81), ms(1_010)).unwrap();
        playout.push(tone::noise(2, 79), ms(1_010)).unwrap();
        playout.mark("end".into());
        assert_eq!(playout.wake_at(), Some(ms(1_030)));
        assert!(playout.play_until(Moment::from_micros(1_029_999)).is_empty());
        assert_eq!(playout.pieces()[1].played, 78);
        assert_eq!(playout.play_until(ms(1_030)), ["end".into()]);
        playout.play_until(ms(1_040));
        let expected =
            [tone::silence(10), tone::noise(1, 81), tone::noise(2, 79), tone::silence(10)].concat();
        assert_eq!(playout.heard(), expected);
        assert_eq!(playout.pieces()[1].began, Some(Moment::from_micros(1_020_125)));
    }

    #[test]
    fn a_mark_behind_nothing_is_due_at_once() {
        let mut playout = Playout::new(ms(0));
        playout.play_until(ms(5));
        playout.mark("now".into());
        assert_eq!(playout.wake_at(), Some(ms(5)));
        assert_eq!(playout.play_until(ms(5)), ["now".into()]);
    }

    #[test]
    fn clearing_forgets_audio_and_gives_marks_back() {
        let mut playout = Playout::new(ms(0));
        playout.push(tone::sine(440, 100), ms(0)).unwrap();
        playout.mark("a".into());
        playout.push(tone::sine(440, 100), ms(0)).unwrap();
        playout.mark("b".into());
        playout.play_until(ms(60));
        assert_eq!(playout.clear(), ["a".into(), "b".into()]);
        assert_eq!((playout.buffered(), playout.wake_at()), (Duration::ZERO, None));
        playout.play_until(ms(300));
        assert_eq!(playout.pieces().iter().map(|piece| piece.played).collect::<Vec<_>>(), [480, 0]);
    }

    #[test]
    fn ten_minutes_are_the_most() {
        let mut playout = Playout::new(ms(0));
        playout.push(tone::silence(600_000), ms(0)).unwrap();
        assert_eq!(playout.push(tone::silence(1), ms(0)), Err(Full));
    }
}
