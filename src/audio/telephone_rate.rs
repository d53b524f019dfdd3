//! From the rate of any file to the telephone's 8,000 samples a second.

use super::mulaw;
use super::resample::Down24kTo8k;

/// Sixteen-bit samples of any rate as 8,000 a second, without a delay.
pub(super) fn to_8k(mut samples: Vec<i16>, rate_hz: u32) -> Vec<i16> {
    match rate_hz {
        mulaw::RATE_HZ => samples,
        24_000 => {
            let long = samples.len().div_ceil(3);
            samples.extend([0; 3 * Down24kTo8k::DELAY_SAMPLES]);
            let mut out = Vec::new();
            Down24kTo8k::new().push(&samples, &mut out);
            out.drain(..Down24kTo8k::DELAY_SAMPLES);
            out.truncate(long);
            out
        }
        _ => interpolated(&samples, f64::from(rate_hz) / f64::from(mulaw::RATE_HZ)),
    }
}

/// Any rate to 8,000 samples a second, `step` samples for one: a Hann-windowed sinc at every place it is needed. Exact
/// and not fast; for files, not for calls.
fn interpolated(samples: &[i16], step: f64) -> Vec<i16> {
    /// The sinc's zeros lie a little further apart than the samples of the slower rate, so that it has fallen silent
    /// where the slower rate ends.
    const SLACK: f64 = 1.06;
    let apart = step.max(1.0) * SLACK;
    let kernel = Kernel::new();
    let out_len = (samples.len() as f64 / step).ceil() as usize;
    let at = |n: usize| {
        let centre = n as f64 * step;
        let first = (centre - ZEROS as f64 * apart).max(0.0).ceil() as usize;
        let reached = samples.iter().enumerate().skip(first).take((2.0 * ZEROS as f64 * apart) as usize + 1);
        let weighed =
            reached.map(|(at, sample)| kernel.at((at as f64 - centre) / apart) * f64::from(*sample));
        let sum = weighed.sum::<f64>() / apart;
        sum.round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16
    };
    (0..out_len).map(at).collect()
}

/// Zeros of the sinc on each side: the transition from passing to silent takes 500 Hz.
const ZEROS: usize = 24;

/// A Hann-windowed sinc, looked up: straight lines between 512 places from zero to zero err by less than −100 dB.
struct Kernel(Vec<f64>);

impl Kernel {
    const PLACES: usize = 512;

    fn new() -> Self {
        let value = |place: usize| {
            let angle = std::f64::consts::PI * place as f64 / Self::PLACES as f64;
            let sinc = if place == 0 { 1.0 } else { angle.sin() / angle };
            sinc * (0.5 + 0.5 * (angle / ZEROS as f64).cos())
        };
        Self((0..=ZEROS * Self::PLACES).map(value).collect())
    }

    fn at(&self, zeros: f64) -> f64 {
        let place = zeros.abs() * Self::PLACES as f64;
        let value = |place: usize| self.0.get(place).copied().unwrap_or_default();
        let (below, beyond) = (value(place as usize), value(place as usize + 1));
        below + (beyond - below) * place.fract()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate_hz: u32, hz: f64) -> Vec<i16> {
        let wave = |n: u32| 12_000.0 * (std::f64::consts::TAU * hz * f64::from(n) / f64::from(rate_hz)).sin();
        (0..rate_hz).map(|n| wave(n) as i16).collect()
    }

    #[test]
    fn a_tone_of_any_rate_becomes_the_same_telephone_tone() {
        let expected = tone(8_000, 1_000.0);
        for rate_hz in [6_000, 8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000] {
            let heard = to_8k(tone(rate_hz, 1_000.0), rate_hz);
            assert_eq!(heard.len(), expected.len(), "{rate_hz}");
            let middle = 200..7_800;
            let error = middle.clone().map(|n| f64::from(heard[n].abs_diff(expected[n])).powi(2));
            let snr_db = 10.0 * (7.2e7 * middle.len() as f64 / error.sum::<f64>()).log10();
            println!("{rate_hz} Hz: {snr_db:.1} dB");
            assert!(snr_db > 60.0, "{rate_hz} Hz: {snr_db} dB");
        }
    }

    #[test]
    fn what_a_telephone_cannot_carry_is_gone_from_every_rate() {
        for rate_hz in [16_000, 24_000, 44_100, 48_000] {
            for hz in [4_600.0, 5_500.0, 7_000.0] {
                let heard = to_8k(tone(rate_hz, hz), rate_hz);
                let loudest = heard[200..7_800].iter().map(|sample| sample.unsigned_abs()).max();
                assert!(loudest < Some(8), "{hz} Hz at {rate_hz}: {loudest:?}");
            }
        }
    }
}
