//! How loud µ-law is, in decibels, heard beside the path of the audio and never in it. Without a logarithm: the figures
//! are the same on every machine, so that a call replays.

use super::mulaw;
pub use super::speech::{Edge, SpeechTimer};

/// What digital silence measures, in dBFS. The quietest sound µ-law can write is at −72.
pub(super) const SILENCE_DB: i8 = -96;

/// How much audio the level looks back over, in bytes: 200 ms, slow enough to read, fast enough to follow words.
const MEMORY_BYTES: f32 = 1_600.0;

/// The square of each byte's sample: less than 2³⁰.
const ENERGY: [u32; 256] = energies();

/// The mean squares half a decibel below 0, −1, −2, … dBFS: from one of these on, a sound is that loud.
const LOUDNESS: [f32; 96] = loudness();

/// A level meter. Full scale, 0 dBFS, is a square wave of ±32,768; a sine as large measures −3.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Meter {
    mean_square: f32,
}

impl Meter {
    /// Hears so much µ-law.
    pub fn hear(&mut self, frame: &[u8]) {
        let Some(mean_square) = mean_square(frame) else { return };
        let bytes = frame.len() as f32;
        self.mean_square += (mean_square - self.mean_square) * (bytes / (bytes + MEMORY_BYTES));
    }

    /// The level of the last fifth of a second or so, in dBFS: −96 (silence) to 0.
    pub fn level_db(&self) -> i8 {
        decibels(self.mean_square)
    }
}

/// The mean square of some µ-law; nothing when there is none.
pub(super) fn mean_square(frame: &[u8]) -> Option<f32> {
    let energy = |byte: &u8| u64::from(ENERGY.get(usize::from(*byte)).copied().unwrap_or_default());
    let sum: u64 = frame.iter().map(energy).sum();
    (!frame.is_empty()).then(|| sum as f32 / frame.len() as f32)
}

/// A mean square in whole decibels below full scale.
pub(super) fn decibels(mean_square: f32) -> i8 {
    let below = LOUDNESS.partition_point(|from| *from > mean_square);
    i8::try_from(below).map_or(SILENCE_DB, |below| -below)
}

#[expect(clippy::indexing_slicing, reason = "the compiler runs it, and would refuse a bad index")]
const fn energies() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        let sample = mulaw::DECODED[byte] as i32;
        table[byte] = (sample * sample) as u32;
        byte += 1;
    }
    table
}

#[expect(clippy::indexing_slicing, reason = "the compiler runs it, and would refuse a bad index")]
const fn loudness() -> [f32; 96] {
    /// 10^(−1/20): half a decibel of power, downwards.
    const HALF_DECIBEL: f64 = 0.891_250_938_133_745_5;
    /// 10^(−1/10): one decibel of power, downwards.
    const DECIBEL: f64 = 0.794_328_234_724_281_5;
    let mut table = [0.0; 96];
    let mut from = 32_768.0 * 32_768.0 * HALF_DECIBEL;
    let mut below = 0;
    while below < table.len() {
        table[below] = from as f32;
        from *= DECIBEL;
        below += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(peak: f64, samples: usize) -> Vec<u8> {
        let sample = |n: usize| (peak * (n as f64 * std::f64::consts::TAU / 20.0).sin()) as i16;
        (0..samples).map(|n| mulaw::encode(sample(n))).collect()
    }

    #[test]
    fn decibels_agree_with_the_logarithm() {
        for exponent in 0..3_000 {
            let mean_square = 1.1e9_f64 * 10_f64.powf(f64::from(exponent) * -0.005);
            let exact = (10.0 * (mean_square / 2_f64.powi(30)).log10()).clamp(-96.0, 0.0);
            let measured = f64::from(decibels(mean_square as f32));
            assert!((measured - exact).abs() <= 0.5001, "{mean_square} is {exact} dB, not {measured}");
        }
    }

    #[test]
    fn a_tone_measures_three_decibels_under_its_peak() {
        for (peak, db) in [(32_000.0, -3), (3_276.8, -23), (327.68, -43)] {
            let mut meter = Meter::default();
            tone(peak, 16_000).chunks(160).for_each(|frame| meter.hear(frame));
            assert_eq!(meter.level_db(), db);
        }
    }

    #[test]
    fn the_level_follows_and_forgets() {
        let mut meter = Meter::default();
        assert_eq!(meter.level_db(), SILENCE_DB);
        tone(32_000.0, 8_000).chunks(160).for_each(|frame| meter.hear(frame));
        for _ in 0..50 {
            meter.hear(&[mulaw::SILENCE; mulaw::FRAME_BYTES]);
        }
        assert!((-28..-20).contains(&meter.level_db()), "{}", meter.level_db());
        meter.hear(&[]);
    }
}
