//! Voice detection by loudness, over the audio a session is given: its time is the audio's, not the clock's.

use serde_json::Value;

/// Loudness is judged over stretches of 10 ms.
const WINDOW_MS: u64 = 10;

/// So many loud stretches more than quiet ones are speech: a click is not.
const LOUD_WINDOWS: u32 = 5;

/// The root mean square that `threshold` 1.0 asks for; the default 0.5 is then 40 dB below full scale.
const LOUDEST_THRESHOLD: f64 = 655.0;

/// A caller began or stopped to speak. Milliseconds of audio since the session began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    /// Began, the padding before it included.
    Started(u64),
    /// Stopped, the silence that proved it included.
    Stopped(u64),
}

/// What a session's `turn_detection` asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rules {
    threshold: f64,
    prefix_padding_ms: u64,
    silence_duration_ms: u64,
    /// Whether a turn is answered unasked.
    pub(super) create_response: bool,
    /// Whether speech stops the answer under way.
    pub(super) interrupt_response: bool,
}

impl Rules {
    /// Reads `turn_detection`; none when it is null.
    pub(super) fn read(turn_detection: &Value) -> Option<Self> {
        let flag = |name: &str| turn_detection.get(name).and_then(Value::as_bool).unwrap_or(true);
        let ms = |name: &str, or: u64| turn_detection.get(name).and_then(Value::as_u64).unwrap_or(or);
        let by_meaning = match turn_detection.get("eagerness").and_then(Value::as_str) {
            Some("low") => 1_200,
            Some("high") => 300,
            _ => 600,
        };
        // A simulated ear has no idea of meaning; it waits as long as its eagerness suggests.
        let silence_duration_ms = match turn_detection.get("type").and_then(Value::as_str)? {
            "semantic_vad" => by_meaning,
            // 200 is what the service starts with, whatever its documentation says.
            _ => ms("silence_duration_ms", 200),
        };
        Some(Self {
            threshold: turn_detection.get("threshold").and_then(Value::as_f64).unwrap_or(0.5),
            prefix_padding_ms: ms("prefix_padding_ms", 300),
            silence_duration_ms,
            create_response: flag("create_response"),
            interrupt_response: flag("interrupt_response"),
        })
    }
}

/// The ear.
#[derive(Debug, Default)]
pub(super) struct Vad {
    windows: u64,
    energy: f64,
    samples: u64,
    loud: u32,
    quiet_ms: u64,
    speaking: bool,
}

impl Vad {
    /// Hears samples of so many a millisecond, and says what changed.
    pub(super) fn hear(
        &mut self,
        samples: impl Iterator<Item = i16>,
        samples_per_ms: u64,
        rules: Rules,
    ) -> Vec<Edge> {
        let mut edges = Vec::new();
        let full = samples_per_ms * WINDOW_MS;
        for sample in samples {
            self.energy += f64::from(sample) * f64::from(sample);
            self.samples += 1;
            if self.samples == full {
                let loud = (self.energy / full as f64).sqrt() > rules.threshold * LOUDEST_THRESHOLD;
                (self.energy, self.samples) = (0.0, 0);
                self.windows += 1;
                edges.extend(self.judge(loud, rules));
            }
        }
        edges
    }

    fn judge(&mut self, loud: bool, rules: Rules) -> Option<Edge> {
        let now_ms = self.windows * WINDOW_MS;
        if self.speaking {
            self.quiet_ms = if loud { 0 } else { self.quiet_ms + WINDOW_MS };
            if self.quiet_ms < rules.silence_duration_ms {
                return None;
            }
            (self.speaking, self.loud) = (false, 0);
            return Some(Edge::Stopped(now_ms));
        }
        self.loud = if loud { self.loud + 1 } else { self.loud.saturating_sub(1) };
        if self.loud < LOUD_WINDOWS {
            return None;
        }
        (self.speaking, self.quiet_ms) = (true, 0);
        let began = now_ms.saturating_sub(u64::from(LOUD_WINDOWS) * WINDOW_MS);
        Some(Edge::Started(began.saturating_sub(rules.prefix_padding_ms)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::audio::mulaw;
    use crate::sim::tone;

    fn edges(rules: &Value, audio: &[u8]) -> Vec<Edge> {
        let rules = Rules::read(rules).unwrap();
        let mut vad = Vad::default();
        let pieces = audio.chunks(133);
        pieces.flat_map(|piece| vad.hear(piece.iter().map(|byte| mulaw::decode(*byte)), 8, rules)).collect()
    }

    #[test]
    fn a_tone_is_speech_from_its_padding_to_its_silence() {
        let audio = [tone::silence(500), tone::sine(220, 400), tone::silence(1_000)].concat();
        let rules = json!({"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500});
        assert_eq!(edges(&rules, &audio), [Edge::Started(200), Edge::Stopped(1_400)]);
    }

    #[test]
    fn a_click_is_not_speech_and_a_pause_does_not_end_it() {
        let rules = json!({"type": "server_vad", "silence_duration_ms": 500});
        let click = [tone::silence(500), tone::sine(220, 30), tone::silence(500)].concat();
        assert_eq!(edges(&rules, &click), []);
        let pause =
            [tone::sine(220, 400), tone::silence(400), tone::sine(220, 400), tone::silence(600)].concat();
        assert_eq!(edges(&rules, &pause), [Edge::Started(0), Edge::Stopped(1_700)]);
    }

    #[test]
    fn without_turn_detection_there_are_no_rules() {
        assert_eq!(Rules::read(&Value::Null), None);
    }
}
