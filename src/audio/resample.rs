//! Between a telephone's 8,000 samples a second and the 24,000 of models without µ-law.
//!
//! One filter serves both ways: 95 taps of a Kaiser-windowed sinc, cut at 4,000 Hz. Flat to 3,400 Hz, where telephones
//! end; more than 70 dB down from 4,600 Hz on. It delays by 2 ms. Integers only, so that every machine hears the same.

use super::mulaw;

/// How many samples of 24,000 Hz stand for one of 8,000.
const RATIO: usize = 3;

/// Taps of the filter. The newest sample's is zero: that makes the delay whole at both rates.
const TAPS: usize = 96;

/// Taps that meet a sample of 8,000 Hz when two of three samples of 24,000 are zero.
const PHASE_TAPS: usize = TAPS / RATIO;

/// The age of the sample that meets the middle of the filter, and so the delay, in samples of 24,000 Hz.
const MIDDLE: usize = TAPS / 2;

/// One, as a tap: the largest that sixteen bits hold, since processors multiply those eight at a time. What it lacks to
/// a power of two is a gain of -0.0003 dB.
const ONE: f64 = 32_767.0;

/// The power of two nearest to [`ONE`].
const ONE_BITS: u32 = 15;

/// How many products are added in thirty-two bits before they go into sixty-four.
const PIECE: usize = 16;

/// The shape of the Kaiser window: 76 dB between passband and stopband.
const BETA: f64 = 7.4;

/// The filter, newest sample last.
const FILTER: [i16; TAPS] = rounded(&filter(), 1.0);

/// The filter in three parts, one for each sample of 24,000 Hz that a sample of 8,000 becomes; newest sample last.
const PHASES: [[i16; PHASE_TAPS]; RATIO] = phases();

/// From 8,000 to 24,000 samples a second.
#[derive(Debug, Clone)]
pub struct Up8kTo24k {
    past: Past<{ 2 * PHASE_TAPS }>,
}

/// From 24,000 to 8,000 samples a second.
#[derive(Debug, Clone)]
pub struct Down24kTo8k {
    past: Past<{ 2 * TAPS }>,
    missing: usize,
}

impl Up8kTo24k {
    /// How late a sound comes out, in samples of 24,000 Hz: 2 ms.
    pub const DELAY_SAMPLES: usize = MIDDLE;

    /// With silence before it.
    pub fn new() -> Self {
        Self { past: Past::new() }
    }

    /// Appends three samples for every one.
    pub fn push(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        out.reserve(samples.len() * RATIO);
        for sample in samples {
            let past = self.past.push(*sample);
            out.extend(PHASES.iter().map(|phase| filtered(phase, past)));
        }
    }
}

impl Down24kTo8k {
    /// How late a sound comes out, in samples of 8,000 Hz: 2 ms.
    pub const DELAY_SAMPLES: usize = MIDDLE / RATIO;

    /// With silence before it.
    pub fn new() -> Self {
        Self { past: Past::new(), missing: 1 }
    }

    /// Appends one sample for every three, of this push and the ones before.
    pub fn push(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        out.reserve(samples.len() / RATIO + 1);
        for sample in samples {
            let past = self.past.push(*sample);
            self.missing -= 1;
            if self.missing == 0 {
                self.missing = RATIO;
                out.push(filtered(&FILTER, past));
            }
        }
    }

    /// The same from 16-bit little-endian to µ-law: from a model's wire to the telephone's.
    pub fn mulaw_of(&mut self, pcm: &[u8]) -> Vec<u8> {
        let samples: Vec<i16> =
            pcm.as_chunks::<2>().0.iter().map(|sample| i16::from_le_bytes(*sample)).collect();
        let mut slower = Vec::with_capacity(samples.len() / RATIO + 1);
        self.push(&samples, &mut slower);
        slower.into_iter().map(mulaw::encode).collect()
    }
}

impl Default for Up8kTo24k {
    fn default() -> Self {
        Self::new()
    }
}

impl Default for Down24kTo8k {
    fn default() -> Self {
        Self::new()
    }
}

/// The last `TWICE / 2` samples. Each is kept twice, so that they always lie in one piece.
#[derive(Debug, Clone)]
struct Past<const TWICE: usize> {
    samples: [i16; TWICE],
    oldest: usize,
}

impl<const TWICE: usize> Past<TWICE> {
    fn new() -> Self {
        Self { samples: [0; TWICE], oldest: 0 }
    }

    /// Takes a sample in and gives all, oldest first.
    fn push(&mut self, sample: i16) -> &[i16] {
        let half = TWICE / 2;
        for at in [self.oldest, self.oldest + half] {
            if let Some(slot) = self.samples.get_mut(at) {
                *slot = sample;
            }
        }
        self.oldest = (self.oldest + 1) % half;
        self.samples.get(self.oldest..self.oldest + half).unwrap_or_default()
    }
}

fn filtered(taps: &[i16], past: &[i16]) -> i16 {
    let pieces = taps.as_chunks::<PIECE>().0.iter().zip(past.as_chunks::<PIECE>().0);
    let sum: i64 = pieces.map(|(taps, past)| i64::from(product(taps, past))).sum();
    let rounded = (sum + (1 << (ONE_BITS - 1))) >> ONE_BITS;
    rounded.clamp(i64::from(i16::MIN), i64::from(i16::MAX)) as i16
}

/// No sound takes this past thirty-two bits: [`fits`] says so of every piece of the taps.
fn product(taps: &[i16; PIECE], past: &[i16; PIECE]) -> i32 {
    taps.iter().zip(past).map(|(tap, sample)| i32::from(*tap) * i32::from(*sample)).sum()
}

/// A sinc whose zeros lie three samples apart, under a Kaiser window; its sum is one. Neither sine nor root is needed:
/// the sine of whole thirds of π has three values, and the window's Bessel function is a series of squares.
#[expect(clippy::indexing_slicing, reason = "the compiler runs it, and would refuse a bad index")]
const fn filter() -> [f64; TAPS] {
    const HALF_SQRT_3: f64 = 0.866_025_403_784_438_6;
    let mut exact = [0.0; TAPS];
    let mut sum = 0.0;
    let mut tap = 0;
    while tap < TAPS - 1 {
        let n = (TAPS - 1 - MIDDLE).abs_diff(tap);
        let sine = match n % 6 {
            1 | 2 => HALF_SQRT_3,
            4 | 5 => -HALF_SQRT_3,
            _ => 0.0,
        };
        let sinc = if n == 0 { 1.0 / RATIO as f64 } else { sine / (core::f64::consts::PI * n as f64) };
        let along = n as f64 / MIDDLE as f64;
        exact[tap] = sinc * bessel_i0(BETA * BETA / 4.0 * (1.0 - along * along));
        sum += exact[tap];
        tap += 1;
    }
    let mut tap = 0;
    while tap < TAPS {
        exact[tap] /= sum;
        tap += 1;
    }
    exact
}

/// The modified Bessel function I₀ of x, given (x/2)².
const fn bessel_i0(quarter_square: f64) -> f64 {
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while k < 40.0 {
        term *= quarter_square / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}

#[expect(clippy::indexing_slicing, reason = "the compiler runs it, and would refuse a bad index")]
const fn phases() -> [[i16; PHASE_TAPS]; RATIO] {
    let exact = filter();
    let mut phases = [[0; PHASE_TAPS]; RATIO];
    let mut phase = 0;
    while phase < RATIO {
        let mut part = [0.0; PHASE_TAPS];
        let mut tap = 0;
        while tap < PHASE_TAPS {
            part[tap] = exact[TAPS - 1 - phase - RATIO * (PHASE_TAPS - 1 - tap)];
            tap += 1;
        }
        // Two of three samples it meets are zero: hence the factor.
        phases[phase] = rounded(&part, RATIO as f64);
        phase += 1;
    }
    phases
}

#[expect(clippy::indexing_slicing, reason = "the compiler runs it, and would refuse a bad index")]
const fn rounded<const N: usize>(exact: &[f64; N], factor: f64) -> [i16; N] {
    let mut taps = [0; N];
    let mut tap = 0;
    while tap < N {
        let scaled = exact[tap] * factor * ONE;
        taps[tap] = (if scaled < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i16;
        tap += 1;
    }
    taps
}

/// Whether the loudest sound stays within thirty-two bits in every piece of these taps.
#[expect(clippy::indexing_slicing, reason = "the compiler runs it, and would refuse a bad index")]
const fn fits(taps: &[i16]) -> bool {
    let mut piece = 0;
    let mut tap = 0;
    while tap < taps.len() {
        piece = if tap % PIECE == 0 { 0 } else { piece } + taps[tap].unsigned_abs() as u64;
        if piece * 32_768 > i32::MAX as u64 {
            return false;
        }
        tap += 1;
    }
    taps.len().is_multiple_of(PIECE)
}

const _: () = assert!(fits(&FILTER) && fits(&PHASES[0]) && fits(&PHASES[1]) && fits(&PHASES[2]));

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tone(rate: f64, hz: f64, samples: usize) -> Vec<i16> {
        let sample =
            |n: usize| (16_000.0 * (std::f64::consts::TAU * hz * n as f64 / rate).sin()).round() as i16;
        (0..samples).map(sample).collect()
    }

    fn up(samples: &[i16]) -> Vec<i16> {
        let mut out = Vec::new();
        Up8kTo24k::new().push(samples, &mut out);
        out
    }

    fn down(samples: &[i16]) -> Vec<i16> {
        let mut out = Vec::new();
        Down24kTo8k::new().push(samples, &mut out);
        out
    }

    fn power(samples: impl Iterator<Item = f64>) -> f64 {
        let (sum, count) = samples.fold((0.0, 0.0), |(sum, count), x| (sum + x * x, count + 1.0));
        sum / count
    }

    fn db(ratio: f64) -> f64 {
        10.0 * ratio.log10()
    }

    /// What a second of a tone becomes: its gain, and its distance from everything that is not that tone, in decibels.
    fn figures(out: &[i16], rate: f64, hz: f64) -> (f64, f64) {
        let out = &out[rate as usize / 10..];
        let wave = |n: usize| (std::f64::consts::TAU * hz * n as f64 / rate).sin_cos();
        let (mut sine, mut cosine) = (0.0, 0.0);
        for (n, x) in out.iter().enumerate() {
            let (s, c) = wave(n);
            sine += s * f64::from(*x) * 2.0 / out.len() as f64;
            cosine += c * f64::from(*x) * 2.0 / out.len() as f64;
        }
        let rest = out.iter().enumerate().map(|(n, x)| {
            let (s, c) = wave(n);
            f64::from(*x) - sine * s - cosine * c
        });
        let tone = (sine * sine + cosine * cosine) / 2.0;
        (db(tone / (16_000.0 * 16_000.0 / 2.0)), db(tone / power(rest)))
    }

    #[test]
    fn the_telephone_band_passes_flat_and_clean_both_ways() {
        for hz in (200..=3_400).step_by(100).map(f64::from) {
            let (gain, clean) = figures(&up(&tone(8_000.0, hz, 8_800)), 24_000.0, hz);
            println!("up   {hz:5} Hz: gain {gain:+.4} dB, everything else {clean:.1} dB below");
            assert!(gain.abs() < 0.01 && clean > 75.0);
            let (gain, clean) = figures(&down(&tone(24_000.0, hz, 26_400)), 8_000.0, hz);
            println!("down {hz:5} Hz: gain {gain:+.4} dB, everything else {clean:.1} dB below");
            assert!(gain.abs() < 0.01 && clean > 75.0);
        }
    }

    #[test]
    fn what_a_telephone_cannot_carry_does_not_fold_back() {
        for hz in (4_600..12_000).step_by(100).map(f64::from) {
            let out = down(&tone(24_000.0, hz, 24_000));
            let left = db(power(out[100..].iter().map(|x| f64::from(*x))) / (16_000.0 * 16_000.0 / 2.0));
            println!("down {hz:5} Hz: {left:.1} dB");
            assert!(left < -70.0, "{hz} Hz is {left} dB");
        }
    }

    #[test]
    fn the_delay_is_the_one_stated() {
        let mut click = vec![0; 200];
        click[50] = 10_000;
        let loudest = |out: &[i16]| (0..out.len()).max_by_key(|n| out[*n]).unwrap();
        assert_eq!(loudest(&up(&click)), 150 + Up8kTo24k::DELAY_SAMPLES);
        click.rotate_right(1);
        assert_eq!(loudest(&down(&click)), 17 + Down24kTo8k::DELAY_SAMPLES);
    }

    #[test]
    fn the_loudest_sound_is_cut_and_not_wrapped() {
        let square: Vec<i16> = (0..800).map(|n| if n / 20 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let out = up(&square);
        assert!(out.contains(&i16::MAX) && out.contains(&i16::MIN));
        assert!(out.windows(2).all(|pair| pair[0].abs_diff(pair[1]) < 30_000));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_sound(
            samples in prop::collection::vec(any::<i16>(), 0..400),
            cuts in prop::collection::vec(1..60_usize, 1..40),
        ) {
            let (mut upward, mut downward) = (Up8kTo24k::new(), Down24kTo8k::new());
            let (mut up_out, mut down_out, mut rest) = (Vec::new(), Vec::new(), samples.as_slice());
            for cut in cuts.iter().cycle() {
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                upward.push(piece, &mut up_out);
                downward.push(piece, &mut down_out);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(up_out.len(), samples.len() * 3);
            prop_assert_eq!(up_out, up(&samples));
            prop_assert_eq!(down_out, down(&samples));
        }
    }
}
