//! The human at the other end: a few lines of script, an ear and a voice.

use bytes::Bytes;

use crate::audio::mulaw::{self, BYTES_PER_MS, SILENCE};
use crate::domain::Moment;

/// Mean magnitude above which a frame is a sound and not the noise of a line: about 50 dB below full scale.
const AUDIBLE: u32 = 100;

/// A pause this long, in milliseconds, ends an utterance; pauses between words are shorter.
const UTTERANCE_GAP_MS: u64 = 400;

/// One thing a caller does, and what they wait for before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What they wait for.
    pub when: When,
    /// What they do.
    pub act: Act,
}

/// What a caller waits for. Everything but [`When::At`] counts from the end of the step before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// A moment.
    At(Moment),
    /// So many milliseconds.
    After(u64),
    /// So many milliseconds of silence, after something was heard: polite people.
    AfterSilence(u64),
    /// In the middle of what is heard: impatient people.
    WhileHearing {
        /// Which utterance, from 1; a pause of 400 ms is between two.
        utterance: u32,
        /// After how many milliseconds of it.
        after_ms: u64,
    },
}

/// What a caller does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Speak: µ-law.
    Say(Bytes),
    /// Press a key: 0 to 9, `*` or `#`.
    Press(char),
    /// Hang up.
    HangUp,
}

/// What a caller does with their telephone rather than with their voice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Presses a key.
    Press(char),
    /// Hangs up.
    HangUp,
}

/// When a step was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepDone {
    /// When it began.
    pub began: Moment,
    /// When it was over; the same for a key.
    pub ended: Moment,
}

/// A human who follows a script.
#[derive(Debug)]
pub struct Caller {
    script: Vec<Step>,
    done: Vec<StepDone>,
    saying: Option<Saying>,
    ear: Ear,
    idle_since: Moment,
}

#[derive(Debug)]
struct Saying {
    audio: Bytes,
    said: usize,
    began: Moment,
}

/// What was heard since the last step.
#[derive(Debug, Default)]
struct Ear {
    utterances: u32,
    utterance_ms: u64,
    quiet_ms: u64,
}

impl Caller {
    /// A caller who will follow the script, step by step.
    pub fn new(script: Vec<Step>) -> Self {
        let (done, ear) = (Vec::new(), Ear::default());
        Self { script, done, saying: None, ear, idle_since: Moment::START }
    }

    /// A caller who only listens.
    pub fn silent() -> Self {
        Self::new(Vec::new())
    }

    /// Hears a piece of what is played, 20 ms as a rule.
    pub fn hear(&mut self, audio: &[u8]) {
        let ms = (audio.len() / BYTES_PER_MS) as u64;
        if is_audible(audio) {
            if self.ear.utterances == 0 || self.ear.quiet_ms >= UTTERANCE_GAP_MS {
                self.ear.utterances += 1;
                self.ear.utterance_ms = 0;
            }
            self.ear.utterance_ms += ms + self.ear.quiet_ms * u64::from(self.ear.utterance_ms > 0);
            self.ear.quiet_ms = 0;
        } else {
            self.ear.quiet_ms += ms;
        }
    }

    /// Fills a frame with what they say from `now` on; silence if nothing. Returns what else they do.
    pub fn speak(&mut self, frame: &mut [u8], now: Moment) -> Option<Deed> {
        frame.fill(SILENCE);
        if self.saying.is_none() && self.is_due(now) {
            match self.script.get(self.done.len()).map(|step| &step.act)? {
                Act::Say(audio) => self.saying = Some(Saying { audio: audio.clone(), said: 0, began: now }),
                Act::Press(key) => {
                    let key = *key;
                    self.finish(now, now);
                    return Some(Deed::Press(key));
                }
                Act::HangUp => {
                    self.finish(now, now);
                    return Some(Deed::HangUp);
                }
            }
        }
        if let Some(saying) = &mut self.saying {
            let rest = saying.audio.get(saying.said..).unwrap_or_default();
            for (byte, said) in frame.iter_mut().zip(rest) {
                *byte = *said;
            }
            saying.said += frame.len();
            if saying.said >= saying.audio.len() {
                let began = saying.began;
                let length = std::time::Duration::from_millis((frame.len() / BYTES_PER_MS) as u64);
                self.finish(began, now + length);
            }
        }
        None
    }

    /// When each finished step was carried out.
    pub fn done(&self) -> &[StepDone] {
        &self.done
    }

    /// Whether the script is over.
    pub fn is_done(&self) -> bool {
        self.done.len() >= self.script.len()
    }

    fn finish(&mut self, began: Moment, ended: Moment) {
        self.done.push(StepDone { began, ended });
        self.saying = None;
        self.ear = Ear::default();
        self.idle_since = ended;
    }

    fn is_due(&self, now: Moment) -> bool {
        let Some(step) = self.script.get(self.done.len()) else { return false };
        match step.when {
            When::At(moment) => now >= moment,
            When::After(ms) => now.since(self.idle_since).as_millis() >= u128::from(ms),
            When::AfterSilence(ms) => self.ear.utterances > 0 && self.ear.quiet_ms >= ms,
            When::WhileHearing { utterance, after_ms } => {
                self.ear.utterances > utterance
                    || self.ear.utterances == utterance && self.ear.utterance_ms >= after_ms
            }
        }
    }
}

/// Whether a stretch of µ-law is a sound a human would notice.
pub(super) fn is_audible(audio: &[u8]) -> bool {
    let sum: u32 = audio.iter().map(|byte| u32::from(mulaw::decode(*byte).unsigned_abs())).sum();
    sum > AUDIBLE * audio.len() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::tone;

    /// Plays `played` to a caller of that script, 20 ms at a time; returns what they say and do.
    fn listen(script: Vec<Step>, played: &[u8]) -> (Vec<u8>, Vec<(u64, Deed)>) {
        let mut caller = Caller::new(script);
        let (mut said, mut deeds) = (Vec::new(), Vec::new());
        for (n, heard) in played.chunks(160).enumerate() {
            let mut frame = [0; 160];
            let at = n as u64 * 20;
            caller.hear(heard);
            deeds.extend(caller.speak(&mut frame, Moment::from_millis(at)).map(|deed| (at, deed)));
            said.extend(frame);
        }
        (said, deeds)
    }

    fn first_sound_ms(said: &[u8]) -> usize {
        said.iter().position(|byte| *byte != SILENCE).unwrap() / 8 / 20 * 20
    }

    #[test]
    fn the_polite_wait_for_silence_after_something_was_said() {
        let step = Step { when: When::AfterSilence(200), act: Act::Say(tone::sine(220, 100)) };
        let played = [tone::silence(1_000), tone::sine(440, 300), tone::silence(1_000)].concat();
        let (said, _) = listen(vec![step], &played);
        assert_eq!(first_sound_ms(&said), 1_480);
        assert_eq!(&said[1_480 * 8..1_580 * 8], tone::sine(220, 100));
    }

    #[test]
    fn the_impatient_interrupt_the_utterance_they_choose() {
        let when = When::WhileHearing { utterance: 2, after_ms: 100 };
        let step = Step { when, act: Act::Say(tone::sine(220, 100)) };
        let played =
            [tone::sine(440, 500), tone::silence(500), tone::sine(440, 500), tone::silence(500)].concat();
        assert_eq!(first_sound_ms(&listen(vec![step], &played).0), 1_080);
    }

    #[test]
    fn keys_and_hanging_up_are_deeds_at_their_moment() {
        let script = vec![
            Step { when: When::At(Moment::from_millis(100)), act: Act::Press('5') },
            Step { when: When::After(60), act: Act::Press('#') },
            Step { when: When::After(0), act: Act::HangUp },
        ];
        let (_, deeds) = listen(script, &tone::silence(400));
        assert_eq!(deeds, [(100, Deed::Press('5')), (160, Deed::Press('#')), (180, Deed::HangUp)]);
    }
}
