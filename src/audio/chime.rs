//! The one sound of our own: a soft chime for somebody who waits, and for whom no voice is at hand.

use super::mulaw;

/// How long it sounds, in samples: 300 ms, in which it dies away by 30 dB.
const SAMPLES: usize = 2_400;

/// Twice the cosine of its step, damped: a C of 523 Hz at 8,000 samples a second.
const TURN: f64 = 1.830_840;

/// The square of the damping.
const DAMPING: f64 = 0.997_126;

/// Its second sample; the first is zero. The peak is 20 dB below full scale, as soft as a quiet voice.
const STRIKE: f64 = 1_307.0;

/// The chime, as µ-law. A resonator that is struck once: additions and products alone, the same on every machine.
pub fn chime() -> Vec<u8> {
    let (mut before, mut sample) = (0.0, STRIKE);
    let mut audio = Vec::with_capacity(SAMPLES);
    while audio.len() < SAMPLES {
        audio.push(mulaw::encode(before as i16));
        (before, sample) = (sample, TURN * sample - DAMPING * before);
    }
    audio
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::meter::Meter;

    fn level_db(audio: &[u8]) -> i8 {
        let mut meter = Meter::default();
        audio.chunks(160).for_each(|frame| meter.hear(frame));
        meter.level_db()
    }

    #[test]
    fn it_is_soft_and_dies_away() {
        let audio = chime();
        let peak = audio.iter().map(|byte| mulaw::decode(*byte).unsigned_abs()).max().unwrap();
        assert!((2_500..4_000).contains(&peak), "{peak}");
        assert!((-35..-24).contains(&level_db(&audio[..800])), "{}", level_db(&audio[..800]));
        let end = audio[2_300..].iter().map(|byte| mulaw::decode(*byte).unsigned_abs()).max().unwrap();
        assert!(end < 150, "{end}");
    }

    #[test]
    fn it_is_a_c() {
        let samples: Vec<i16> = chime().iter().map(|byte| mulaw::decode(*byte)).collect();
        let risings = samples[..1_600].windows(2).filter(|pair| pair[0] <= 0 && pair[1] > 0).count();
        assert!((103..=106).contains(&risings), "{risings} in 200 ms");
    }
}
