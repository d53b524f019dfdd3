//! G.711 µ-law: one byte a sample, 8,000 samples a second. What telephones speak.
//!
//! Two small tables, built by the compiler. The sixteen-bit samples are those everybody uses: the fourteen bits of
//! the recommendation, shifted left by two.

/// The byte of silence. Twilio and the models pad with it.
pub const SILENCE: u8 = 0xFF;

/// Bytes of one millisecond.
pub const BYTES_PER_MS: usize = 8;

/// Bytes of one frame of 20 ms: what Twilio sends at a time, and what it plays without a click.
pub const FRAME_BYTES: usize = 160;

/// Samples of one second.
pub const RATE_HZ: u32 = 8_000;

/// Added to a magnitude before it is cut into segments, so that every segment begins at a power of two.
const BIAS: u16 = 0x84;

/// The loudest magnitude that still fits beside [`BIAS`]; louder ones are cut to it.
const LOUDEST: u16 = 32_635;

/// A byte's sample.
pub(super) const DECODED: [i16; 256] = decoded();

/// A magnitude's byte, by the magnitude without its two lowest bits: they never reach the byte.
const ENCODED: [u8; 8_192] = encoded();

/// The sample a byte stands for.
#[inline]
pub fn decode(byte: u8) -> i16 {
    DECODED.get(usize::from(byte)).copied().unwrap_or_default()
}

/// The byte nearest to a sample.
#[inline]
pub fn encode(sample: i16) -> u8 {
    let magnitude = sample.unsigned_abs().min(LOUDEST);
    let byte = ENCODED.get(usize::from(magnitude >> 2)).copied().unwrap_or(SILENCE);
    // Bytes travel inverted: a cleared top bit is a minus.
    if sample < 0 { byte & 0x7F } else { byte }
}

/// Appends the samples of `bytes`.
pub fn decode_into(bytes: &[u8], samples: &mut Vec<i16>) {
    samples.extend(bytes.iter().map(|byte| decode(*byte)));
}

/// Appends the bytes of `samples`.
pub fn encode_into(samples: &[i16], bytes: &mut Vec<u8>) {
    bytes.extend(samples.iter().map(|sample| encode(*sample)));
}

#[expect(clippy::indexing_slicing, reason = "the compiler runs it, and would refuse a bad index")]
const fn decoded() -> [i16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        let bits = !(byte as u8);
        let segment = (bits >> 4) & 7;
        let magnitude = (((bits & 0xF) as u16) << 3 | BIAS) << segment;
        let sample = (magnitude - BIAS) as i16;
        table[byte] = if bits & 0x80 == 0 { sample } else { -sample };
        byte += 1;
    }
    table
}

#[expect(clippy::indexing_slicing, reason = "the compiler runs it, and would refuse a bad index")]
const fn encoded() -> [u8; 8_192] {
    let mut table = [SILENCE; 8_192];
    let mut index = 0;
    while index < table.len() {
        let magnitude = index as u16 * 4;
        let biased = (if magnitude > LOUDEST { LOUDEST } else { magnitude }) + BIAS;
        // The highest set bit, 7 to 14, names the segment; the four bits beneath it are the step.
        let segment = 8 - biased.leading_zeros();
        let step = (biased >> (segment + 3)) & 0xF;
        table[index] = !((segment as u16) << 4 | step) as u8;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The decoder values of table 2a of the recommendation, in its fourteen bits: segment by segment, step by step.
    fn g711_values() -> Vec<i32> {
        let mut values = Vec::new();
        for segment in 0..8_u32 {
            let first = 33 * ((1 << segment) - 1);
            values.extend((0..16).map(|step| first + step * (2 << segment)));
        }
        values
    }

    /// The decision thresholds of the recommendation: 0, 1, 3, …, 31, 35, …, 95, 103, …, 8,159.
    fn g711_thresholds() -> Vec<i32> {
        let mut thresholds = vec![0];
        let mut at = 1;
        for segment in 0..8_u32 {
            for _ in 0..if segment == 0 { 15 } else { 16 } {
                thresholds.push(at);
                at += 2 << segment;
            }
        }
        thresholds
    }

    #[test]
    fn the_definitions_have_the_printed_corners() {
        let (values, thresholds) = (g711_values(), g711_thresholds());
        assert_eq!((values[1], values[16], values[127]), (2, 33, 8_031));
        assert_eq!((thresholds.len(), thresholds[16], thresholds[127]), (128, 31, 7_903));
    }

    #[test]
    fn every_byte_decodes_to_its_printed_value() {
        for (code, value) in g711_values().into_iter().enumerate() {
            let byte = !u8::try_from(code).unwrap();
            assert_eq!(i32::from(decode(byte)), value * 4, "{byte:#04x}");
            assert_eq!(i32::from(decode(byte & 0x7F)), value * -4, "{:#04x}", byte & 0x7F);
        }
    }

    #[test]
    fn every_sample_encodes_to_the_printed_interval() {
        let thresholds = g711_thresholds();
        for sample in i16::MIN..=i16::MAX {
            let magnitude = i32::from(sample).abs() / 4;
            let code = thresholds.partition_point(|at| *at <= magnitude) - 1;
            let sign = if sample < 0 { 0x80 } else { 0 };
            assert_eq!(encode(sample), !(u8::try_from(code).unwrap() | sign), "{sample}");
        }
    }

    #[test]
    fn every_byte_survives_decoding_and_encoding_but_minus_zero() {
        for byte in 0..=u8::MAX {
            let expected = if byte == 0x7F { SILENCE } else { byte };
            assert_eq!(encode(decode(byte)), expected);
        }
        assert_eq!((decode(SILENCE), encode(0)), (0, SILENCE));
    }
}
