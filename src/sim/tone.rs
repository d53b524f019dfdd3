//! Sounds for tests that need no speech, as µ-law at 8,000 Hz.

use std::f32::consts::TAU;

use bytes::Bytes;

use crate::audio::mulaw::{self, BYTES_PER_MS, RATE_HZ};
use crate::sim::Dice;

/// A third of full scale: as loud as telephone speech.
const AMPLITUDE: f32 = 10_000.0;

/// A sine of `hz` for `ms` milliseconds, loud enough for any voice detection.
pub fn sine(hz: u32, ms: usize) -> Bytes {
    let step = TAU * hz as f32 / RATE_HZ as f32;
    let samples = (0..ms * BYTES_PER_MS).map(|n| mulaw::encode((AMPLITUDE * (step * n as f32).sin()) as i16));
    samples.collect()
}

/// `ms` milliseconds of nothing.
pub fn silence(ms: usize) -> Bytes {
    Bytes::from(vec![mulaw::SILENCE; ms * BYTES_PER_MS])
}

/// `samples` of loud noise in which no stretch repeats, different for each seed: a played byte tells where it is from.
pub fn noise(seed: u64, samples: usize) -> Bytes {
    let mut dice = Dice::new(seed);
    let mut bytes = Vec::with_capacity(samples + 8);
    while bytes.len() < samples {
        // Segments 0 to 2 of either sign: loud, and never the byte of silence.
        bytes.extend(dice.next().to_le_bytes().map(|byte| byte & 0xAF));
    }
    bytes.truncate(samples);
    Bytes::from(bytes)
}
