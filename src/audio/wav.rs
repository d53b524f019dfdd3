//! WAV files: what we read as somebody's voice, and what we write as a conversation.

use super::mulaw::{self, SILENCE};
use super::telephone_rate::to_8k;

/// The data size of a file whose writer did not know how long it would become.
pub const UNKNOWN_BYTES: u32 = u32::MAX;

/// Format tags of the container.
const PCM: u16 = 1;
const MULAW: u16 = 7;
/// The real format stands further on, in a GUID that begins with its tag.
const EXTENSIBLE: u16 = 0xFFFE;

/// Below this no speech is left; above this nobody records speech. In samples a second.
const RATES_HZ: std::ops::RangeInclusive<u32> = 4_000..=192_000;

/// How the samples of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// µ-law, 8,000 samples a second.
    Mulaw8k,
    /// Sixteen-bit samples.
    Pcm16 {
        /// Samples a second.
        rate_hz: u32,
    },
}

/// Why a file cannot be heard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WavError {
    /// It does not begin like one.
    #[error("not a WAV file: it does not begin with RIFF and WAVE")]
    NotWav,
    /// Sound without a description, or none at all.
    #[error("the WAV file ends before its {0:?} chunk")]
    Missing(&'static str),
    /// An encoding we do not read.
    #[error(
        "the WAV file has {bits}-bit samples in format {format}, and only 16-bit PCM (1) and µ-law (7) are read; \
         convert it, for example with: sox in.wav -b 16 -e signed-integer out.wav"
    )]
    Format {
        /// The format tag.
        format: u16,
        /// Bits of a sample.
        bits: u16,
    },
    /// Not one or two channels.
    #[error("the WAV file has {0} channels, and only mono and stereo are read")]
    Channels(u16),
    /// No rate speech is recorded at.
    #[error("the WAV file has {0} samples a second, and only 4,000 to 192,000 are read")]
    Rate(u32),
}

/// A sound from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wav {
    channels: u16,
    rate_hz: u32,
    samples: Samples,
}

/// Samples, channel by channel within each moment.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Samples {
    Mulaw(Vec<u8>),
    Pcm16(Vec<i16>),
}

/// What stands before `data_bytes` of samples ([`UNKNOWN_BYTES`] when that is not known yet).
pub fn header(channels: u16, encoding: Encoding, data_bytes: u32) -> Vec<u8> {
    let (format, rate_hz, bytes) = match encoding {
        Encoding::Mulaw8k => (MULAW, mulaw::RATE_HZ, 1),
        Encoding::Pcm16 { rate_hz } => (PCM, rate_hz, 2),
    };
    let align = bytes * channels;
    let mut fmt = Vec::with_capacity(18);
    fmt.extend(format.to_le_bytes());
    fmt.extend(channels.to_le_bytes());
    fmt.extend(rate_hz.to_le_bytes());
    fmt.extend(rate_hz.saturating_mul(u32::from(align)).to_le_bytes());
    fmt.extend(align.to_le_bytes());
    fmt.extend((8 * bytes).to_le_bytes());
    let mut chunks = Vec::with_capacity(58);
    if format == PCM {
        chunk(&mut chunks, *b"fmt ", &fmt);
    } else {
        // What is not PCM says that it has no further parameters, and how many moments it holds.
        fmt.extend(0_u16.to_le_bytes());
        chunk(&mut chunks, *b"fmt ", &fmt);
        chunk(&mut chunks, *b"fact", &(data_bytes / u32::from(align.max(1))).to_le_bytes());
    }
    chunks.extend(*b"data");
    chunks.extend(data_bytes.to_le_bytes());
    let behind = chunks.len() as u32 + 4;
    let mut out = Vec::with_capacity(chunks.len() + 12);
    out.extend(*b"RIFF");
    out.extend(data_bytes.saturating_add(behind + data_bytes % 2).to_le_bytes());
    out.extend(*b"WAVE");
    out.extend(chunks);
    out
}

/// A whole file with one µ-law voice in each ear; the shorter one falls silent.
pub fn stereo_mulaw(left: &[u8], right: &[u8]) -> Vec<u8> {
    let moments = left.len().max(right.len());
    let mut out = header(2, Encoding::Mulaw8k, u32::try_from(2 * moments).unwrap_or(UNKNOWN_BYTES));
    let silent = |voice: &[u8], n: usize| voice.get(n).copied().unwrap_or(SILENCE);
    out.extend((0..moments).flat_map(|n| [silent(left, n), silent(right, n)]));
    out
}

/// Reads a file, forgivingly: unknown chunks are skipped, and a file that was cut, or streamed without knowing its
/// size, is read as far as it goes.
pub fn read(file: &[u8]) -> Result<Wav, WavError> {
    let mut rest = match file.split_at_checked(12) {
        Some((start, rest)) if start.starts_with(b"RIFF") && start.ends_with(b"WAVE") => rest,
        _ => return Err(WavError::NotWav),
    };
    let mut format = None;
    while let Some((name, body, after)) = next_chunk(rest) {
        match name {
            b"fmt " => format = Some(Format::read(body)?),
            b"data" => return format.ok_or(WavError::Missing("fmt"))?.samples(body),
            _ => {}
        }
        rest = after;
    }
    Err(WavError::Missing(if format.is_none() { "fmt" } else { "data" }))
}

impl Wav {
    /// One or two.
    pub fn channels(&self) -> u16 {
        self.channels
    }

    /// Samples a second.
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// How long it is, in milliseconds.
    pub fn duration_ms(&self) -> u64 {
        let samples = match &self.samples {
            Samples::Mulaw(bytes) => bytes.len(),
            Samples::Pcm16(samples) => samples.len(),
        };
        let moments = samples as u64 / u64::from(self.channels);
        moments * 1_000 / u64::from(self.rate_hz)
    }

    /// One channel, from 0, as sixteen-bit samples at its own rate. Empty when there is none.
    pub fn channel(&self, channel: u16) -> Vec<i16> {
        if channel >= self.channels {
            return Vec::new();
        }
        let (first, step) = (usize::from(channel), usize::from(self.channels));
        match &self.samples {
            Samples::Mulaw(bytes) => {
                bytes.iter().skip(first).step_by(step).map(|b| mulaw::decode(*b)).collect()
            }
            Samples::Pcm16(samples) => samples.iter().skip(first).step_by(step).copied().collect(),
        }
    }

    /// The sound as a telephone hears it: µ-law, 8,000 samples a second, both channels in one. µ-law that is already
    /// so comes back unchanged.
    pub fn to_mulaw_8k(&self) -> Vec<u8> {
        if let (Samples::Mulaw(bytes), 1, mulaw::RATE_HZ) = (&self.samples, self.channels, self.rate_hz) {
            return bytes.clone();
        }
        let mut out = Vec::new();
        mulaw::encode_into(&to_8k(self.mono(), self.rate_hz), &mut out);
        out
    }

    fn mono(&self) -> Vec<i16> {
        let left = self.channel(0);
        if self.channels == 1 {
            return left;
        }
        let half = |(left, right): (i16, i16)| left.midpoint(right);
        left.into_iter().zip(self.channel(1)).map(half).collect()
    }
}

/// What a `fmt ` chunk says.
struct Format {
    encoding: u16,
    channels: u16,
    rate_hz: u32,
}

impl Format {
    fn read(body: &[u8]) -> Result<Self, WavError> {
        let word = |at: usize| body.get(at..at + 2).and_then(|b| b.try_into().ok()).map(u16::from_le_bytes);
        let fields = (word(0), word(2), word(4), word(6), word(14));
        let (Some(tag), Some(channels), Some(low), Some(high), Some(bits)) = fields else {
            return Err(WavError::Missing("fmt"));
        };
        let rate_hz = u32::from(high) << 16 | u32::from(low);
        let encoding = if tag == EXTENSIBLE { word(24).unwrap_or(tag) } else { tag };
        if !matches!((encoding, bits), (PCM, 16) | (MULAW, 8)) {
            return Err(WavError::Format { format: encoding, bits });
        }
        if !matches!(channels, 1 | 2) {
            return Err(WavError::Channels(channels));
        }
        if !RATES_HZ.contains(&rate_hz) {
            return Err(WavError::Rate(rate_hz));
        }
        Ok(Self { encoding, channels, rate_hz })
    }

    fn samples(self, body: &[u8]) -> Result<Wav, WavError> {
        let channels = usize::from(self.channels);
        let samples = if self.encoding == MULAW {
            let whole = body.chunks_exact(channels).flatten();
            Samples::Mulaw(whole.copied().collect())
        } else {
            let whole = body.chunks_exact(2 * channels).flat_map(|moment| moment.as_chunks::<2>().0);
            Samples::Pcm16(whole.map(|b| i16::from_le_bytes(*b)).collect())
        };
        Ok(Wav { channels: self.channels, rate_hz: self.rate_hz, samples })
    }
}

fn chunk(out: &mut Vec<u8>, name: [u8; 4], body: &[u8]) {
    out.extend(name);
    out.extend((body.len() as u32).to_le_bytes());
    out.extend(body);
}

/// A chunk's name, its body as far as it is there, and what follows.
fn next_chunk(rest: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let (name, rest) = rest.split_first_chunk::<4>()?;
    let (size, rest) = rest.split_first_chunk::<4>()?;
    let size = u32::from_le_bytes(*size) as usize;
    let (body, after) = rest.split_at_checked(size).unwrap_or((rest, &[]));
    // A body of odd length is followed by a byte that counts for nothing.
    Some((name, body, after.get(size % 2..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn hound_writes(channels: u16, rate_hz: u32, samples: &[i16]) -> Vec<u8> {
        let spec = hound::WavSpec {
            channels,
            sample_rate: rate_hz,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut file = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
        samples.iter().for_each(|sample| writer.write_sample(*sample).unwrap());
        writer.finalize().unwrap();
        file.into_inner()
    }

    fn pcm_file(channels: u16, rate_hz: u32, samples: &[i16]) -> Vec<u8> {
        let mut file = header(channels, Encoding::Pcm16 { rate_hz }, 2 * samples.len() as u32);
        file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        file
    }

    #[test]
    fn what_we_write_hound_reads_and_what_hound_writes_we_read() {
        for (channels, rate_hz) in [(1, 8_000), (2, 8_000), (1, 24_000), (2, 44_100)] {
            let samples: Vec<i16> = (0..500).map(|n| n * 61).collect();
            let ours = pcm_file(channels, rate_hz, &samples);
            let mut reader = hound::WavReader::new(Cursor::new(&ours)).unwrap();
            assert_eq!((reader.spec().channels, reader.spec().sample_rate), (channels, rate_hz));
            assert_eq!(reader.samples::<i16>().map(Result::unwrap).collect::<Vec<_>>(), samples);
            let theirs = read(&hound_writes(channels, rate_hz, &samples)).unwrap();
            assert_eq!(theirs, read(&ours).unwrap());
            assert_eq!(theirs.channel(channels - 1)[1], samples[usize::from(2 * channels - 1)]);
        }
    }

    #[test]
    fn a_mulaw_file_has_the_layout_of_the_standard_and_reads_back() {
        let file = stereo_mulaw(&[1, 2, 3], &[4]);
        let head = b"RIFF\x38\0\0\0WAVEfmt \x12\0\0\0\x07\0\x02\0\x40\x1F\0\0\x80\x3E\0\0\x02\0\x08\0\0\0\
                     fact\x04\0\0\0\x03\0\0\0data\x06\0\0\0";
        assert_eq!(file, [head.as_slice(), &[1, 4, 2, SILENCE, 3, SILENCE]].concat());
        let wav = read(&file).unwrap();
        assert_eq!((wav.channels(), wav.rate_hz()), (2, 8_000));
        assert_eq!(wav.channel(1), [mulaw::decode(4), 0, 0]);
        assert!(wav.channel(2).is_empty());
    }

    #[test]
    fn mono_mulaw_passes_unchanged() {
        let voice: Vec<u8> = (0..=255).collect();
        let file = [header(1, Encoding::Mulaw8k, 256), voice.clone()].concat();
        let wav = read(&file).unwrap();
        assert_eq!((wav.to_mulaw_8k(), wav.duration_ms()), (voice, 32));
    }

    #[test]
    fn strange_chunks_and_unknown_sizes_are_tolerated() {
        let samples = [5_i16, -5, 9];
        let plain = pcm_file(1, 8_000, &samples);
        let odd =
            [&plain[..12], b"LIST\x03\0\0\0abc\0", &plain[12..36], b"junk\0\0\0\0", &plain[36..]].concat();
        assert_eq!(read(&odd).unwrap().channel(0), samples);
        let mut streamed = header(1, Encoding::Pcm16 { rate_hz: 8_000 }, UNKNOWN_BYTES);
        streamed.extend(&plain[44..]);
        streamed.push(1);
        assert_eq!(read(&streamed).unwrap().channel(0), samples);
        let extensible = [
            &plain[..16],
            &[40, 0, 0, 0, 0xFE, 0xFF],
            &plain[22..36],
            &[22, 0, 16, 0, 4, 0, 0, 0, 1, 0],
            b"\0\0\0\0\x10\0\x80\0\0\xAA\0\x38\x9B\x71",
            &plain[36..],
        ]
        .concat();
        assert_eq!(read(&extensible).unwrap().channel(0), samples);
    }

    #[test]
    fn what_cannot_be_heard_is_refused_with_the_reason() {
        let with = |at: usize, bytes: &[u8]| {
            let mut file = pcm_file(1, 8_000, &[1, 2]);
            file.splice(at..at + bytes.len(), bytes.iter().copied());
            read(&file).unwrap_err()
        };
        assert_eq!(with(0, b"OggS"), WavError::NotWav);
        assert_eq!(with(12, b"what"), WavError::Missing("fmt"));
        assert_eq!(with(36, b"what"), WavError::Missing("data"));
        assert_eq!(with(20, &[3]), WavError::Format { format: 3, bits: 16 });
        assert_eq!(with(34, &[24]), WavError::Format { format: 1, bits: 24 });
        assert_eq!(with(22, &[6]), WavError::Channels(6));
        assert_eq!(with(24, &[0, 0]), WavError::Rate(0));
        assert_eq!(read(&pcm_file(1, 8_000, &[])[..30]), Err(WavError::Missing("fmt")));
    }

    #[test]
    fn both_ears_are_heard_in_one() {
        let wav = read(&pcm_file(2, 8_000, &[8_000, 4_000, -8_000, -4_000])).unwrap();
        assert_eq!(wav.to_mulaw_8k(), [mulaw::encode(6_000), mulaw::encode(-6_000)]);
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic(
            junk in prop::collection::vec(any::<u8>(), 0..80),
            at in 0..60_usize,
        ) {
            let mut file = pcm_file(2, 8_000, &[1, 2, 3, 4]);
            let until = (at + junk.len()).min(file.len());
            file.splice(at.min(until)..until, junk);
            if let Ok(wav) = read(&file) {
                wav.to_mulaw_8k();
                wav.duration_ms();
            }
        }
    }
}
