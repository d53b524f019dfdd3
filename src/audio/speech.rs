//! When somebody speaks, by loudness over the line's own noise.
//!
//! It answers one question for people and figures: when did the caller stop? It decides nothing in a call; turns are
//! found by the model.

use super::meter::{SILENCE_DB, decibels, mean_square};
use super::mulaw::{BYTES_PER_MS, FRAME_BYTES};

/// How far over the noise speech begins, in decibels: a telephone's speech stands 20 to 40 over it.
const BEGINS_OVER_NOISE_DB: i8 = 12;

/// How far over the noise speech goes on. Less than where it begins, so that soft syllables do not end it.
const LASTS_OVER_NOISE_DB: i8 = 8;

/// What is quieter never begins speech, in dBFS, however silent the line: 20 under the softest talker Twilio carries.
const BEGINS_AT_LEAST_DB: i8 = -45;

/// What is quieter is never speech, in dBFS.
const LASTS_AT_LEAST_DB: i8 = -50;

/// How long it must be loud in one piece to be speech, in milliseconds: longer than a click, shorter than "no".
const SHORTEST_SPEECH_MS: u64 = 80;

/// After how much quiet speech is over, in milliseconds: longer than the gap inside a word, shorter than between turns.
const QUIET_AFTER_MS: u64 = 300;

/// For how long a quiet moment counts as the line's noise, in milliseconds; it lasts one to two of these. Speech always
/// has a gap in it, so what is loud for longer without any is noise.
const NOISE_MEMORY_MS: u64 = 1_500;

/// The beginning or the end of speech, in milliseconds of whatever clock the frames were given in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// Speech began here, with the first loud frame: found [`SpeechTimer::SHORTEST_SPEECH_MS`] later.
    Began(u64),
    /// The last loud frame ended here: found [`SpeechTimer::QUIET_AFTER_MS`] later.
    Ended(u64),
}

/// Hears µ-law and finds where speech begins and ends.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SpeechTimer {
    noise: Noise,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Phase {
    #[default]
    Quiet,
    /// Loud since `from_ms`, not yet for long enough.
    Perhaps { from_ms: u64 },
    /// Speech, loud until `until_ms`.
    Speech { until_ms: u64 },
}

impl SpeechTimer {
    /// How long after speech began this is found, in milliseconds.
    pub const SHORTEST_SPEECH_MS: u64 = SHORTEST_SPEECH_MS;

    /// How long after speech ended this is found, in milliseconds.
    pub const QUIET_AFTER_MS: u64 = QUIET_AFTER_MS;

    /// Hears a frame whose first sample belongs to `at_ms`. Frames are heard in order; gaps between them are silence.
    ///
    /// A frame that holds several edges (it would have to be longer than 300 ms) gives the last.
    pub fn hear(&mut self, frame: &[u8], at_ms: u64) -> Option<Edge> {
        let mut found = None;
        let mut from_ms = at_ms;
        for block in frame.chunks(FRAME_BYTES) {
            let until_ms = from_ms + (block.len() / BYTES_PER_MS) as u64;
            let level_db = mean_square(block).map_or(SILENCE_DB, decibels);
            let edge = self.judge(level_db, from_ms, until_ms);
            found = edge.or(found);
            from_ms = until_ms;
        }
        found
    }

    /// Whether speech is going on, as far as it is known.
    pub fn is_speech(&self) -> bool {
        matches!(self.phase, Phase::Speech { .. })
    }

    fn judge(&mut self, level_db: i8, from_ms: u64, until_ms: u64) -> Option<Edge> {
        let noise_db = self.noise.hear(level_db, until_ms);
        let begins = level_db >= (noise_db + BEGINS_OVER_NOISE_DB).max(BEGINS_AT_LEAST_DB);
        let lasts = level_db >= (noise_db + LASTS_OVER_NOISE_DB).max(LASTS_AT_LEAST_DB);
        match self.phase {
            Phase::Quiet if begins => self.phase = Phase::Perhaps { from_ms },
            Phase::Quiet => {}
            Phase::Perhaps { .. } if !lasts => self.phase = Phase::Quiet,
            Phase::Perhaps { from_ms } if until_ms >= from_ms + SHORTEST_SPEECH_MS => {
                self.phase = Phase::Speech { until_ms };
                return Some(Edge::Began(from_ms));
            }
            Phase::Perhaps { .. } => {}
            Phase::Speech { .. } if lasts => self.phase = Phase::Speech { until_ms },
            Phase::Speech { until_ms: loud_until_ms } => {
                if until_ms >= loud_until_ms + QUIET_AFTER_MS {
                    self.phase = Phase::Quiet;
                    return Some(Edge::Ended(loud_until_ms));
                }
            }
        }
        None
    }
}

/// The quietest block of the last while: the noise of the line.
#[derive(Debug, Clone, PartialEq)]
struct Noise {
    before_db: i8,
    lately_db: i8,
    turns_at_ms: u64,
}

impl Default for Noise {
    fn default() -> Self {
        Self { before_db: SILENCE_DB, lately_db: 0, turns_at_ms: 0 }
    }
}

impl Noise {
    fn hear(&mut self, level_db: i8, until_ms: u64) -> i8 {
        if self.turns_at_ms == 0 {
            self.turns_at_ms = until_ms + NOISE_MEMORY_MS;
        }
        self.lately_db = self.lately_db.min(level_db);
        let noise_db = self.lately_db.min(self.before_db);
        if until_ms >= self.turns_at_ms {
            self.before_db = self.lately_db;
            self.lately_db = 0;
            self.turns_at_ms = until_ms + NOISE_MEMORY_MS;
        }
        noise_db
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::mulaw;

    /// Pieces of noise of a given loudness, one after the other, in 20 ms frames; gives the edges found.
    fn edges(pieces: &[(i8, u64)]) -> Vec<Edge> {
        let (mut timer, mut at_ms, mut found, mut seed) = (SpeechTimer::default(), 0, Vec::new(), 1_u32);
        for (level_db, ms) in pieces {
            // Uniform noise has a third of the power of its peak.
            let peak = 32_768.0 * 10_f64.powf(f64::from(*level_db) / 20.0) * 3_f64.sqrt();
            for _ in 0..ms / 20 {
                let frame: Vec<u8> = (0..FRAME_BYTES)
                    .map(|_| {
                        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        mulaw::encode((f64::from(seed as i32) / 2_f64.powi(31) * peak) as i16)
                    })
                    .collect();
                found.extend(timer.hear(&frame, at_ms));
                at_ms += 20;
            }
        }
        found
    }

    #[test]
    fn the_end_is_where_the_last_loud_frame_ended() {
        let talk = edges(&[(-60, 1_000), (-25, 1_000), (-60, 1_000), (-25, 400), (-60, 1_000)]);
        assert_eq!(talk, [Edge::Began(1_000), Edge::Ended(2_000), Edge::Began(3_000), Edge::Ended(3_400)]);
    }

    #[test]
    fn gaps_inside_a_sentence_do_not_end_it() {
        let talk = edges(&[(-60, 500), (-25, 300), (-60, 260), (-25, 300), (-60, 500)]);
        assert_eq!(talk, [Edge::Began(500), Edge::Ended(1_360)]);
    }

    #[test]
    fn clicks_and_whispers_of_the_line_are_not_speech() {
        assert_eq!(edges(&[(-70, 500), (-10, 60), (-70, 500), (-47, 500), (-70, 500)]), []);
    }

    #[test]
    fn a_soft_tail_belongs_to_the_speech_but_does_not_begin_one() {
        assert_eq!(edges(&[(-60, 500), (-48, 500), (-60, 500)]), []);
        let tail = edges(&[(-60, 500), (-25, 300), (-48, 300), (-60, 500)]);
        assert_eq!(tail, [Edge::Began(500), Edge::Ended(1_100)]);
    }

    #[test]
    fn the_noise_of_the_line_is_learned() {
        let noisy = edges(&[(-35, 5_000), (-15, 1_000), (-35, 2_000)]);
        let [Edge::Began(0), Edge::Ended(noise_until), Edge::Began(5_000), Edge::Ended(6_000)] = noisy[..]
        else {
            panic!("{noisy:?}")
        };
        assert!(noise_until <= 3_100, "the noise was taken for speech until {noise_until} ms");
    }

    #[test]
    fn lost_frames_are_silence() {
        let mut timer = SpeechTimer::default();
        let loud = [mulaw::encode(8_000); FRAME_BYTES];
        let found: Vec<Edge> = (0..10).filter_map(|n| timer.hear(&loud, 40 + 20 * n)).collect();
        assert_eq!((found, timer.is_speech()), (vec![Edge::Began(40)], true));
        assert_eq!(timer.hear(&[mulaw::SILENCE; FRAME_BYTES], 2_000), Some(Edge::Ended(240)));
    }

    #[test]
    fn real_speech_is_timed_to_a_frame_or_two_on_a_clean_and_on_a_noisy_line() {
        let lines = [
            include_bytes!("../../fixtures/speech/ask_hours.wav").as_slice(),
            include_bytes!("../../fixtures/speech/interrupt.wav"),
            include_bytes!("../../fixtures/speech/thanks.wav"),
        ];
        for (line, noise) in lines.into_iter().flat_map(|line| [(line, 0), (line, 150)]) {
            let speech = crate::audio::wav::read(line).unwrap().channel(0);
            let mut seed = 1_u32;
            let mut with_noise = |sample: i16| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                mulaw::encode(sample.saturating_add((seed >> 16) as i16 % (noise + 1)))
            };
            let around = std::iter::repeat_n(0, 16_000);
            let sound: Vec<u8> =
                around.clone().chain(speech.iter().copied()).chain(around).map(&mut with_noise).collect();
            let mut timer = SpeechTimer::default();
            let frames = sound.chunks(FRAME_BYTES).zip((0..).step_by(20));
            let found: Vec<Edge> = frames.filter_map(|(frame, at_ms)| timer.hear(frame, at_ms)).collect();
            let [Edge::Began(began), .., Edge::Ended(ended)] = found[..] else { panic!("{found:?}") };
            let true_end = 2_000 + speech.len() as u64 / 8;
            println!(
                "noise {noise}: began {began}, ended {} ms before the end",
                true_end.saturating_sub(ended)
            );
            assert!((2_000..=2_100).contains(&began), "{found:?}");
            assert!((true_end - 60..=true_end + 20).contains(&ended), "{found:?}, the end is at {true_end}");
        }
    }
}
