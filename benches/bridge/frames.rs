//! WebSocket frames by hand, and the stamp that every 20 ms of audio carries: all that the load does for each frame.
//!
//! A library would cost the load as much as it costs whom we measure.

use std::ops::Range;

/// One frame of µ-law at 8,000 Hz: 20 ms.
pub(crate) const FRAME_BYTES: usize = 160;

/// So long it plays.
pub(crate) const FRAME_NS: u64 = 20_000_000;

/// Kinds of frames.
pub(crate) const TEXT: u8 = 1;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// Begins every stamp. Audio of others hardly ever does.
const MAGIC: u32 = 0x5a17_c3e9;

/// One frame of a WebSocket, unmasked where it lies.
pub(crate) struct Frame {
    /// Its kind.
    pub(crate) kind: u8,
    /// Where its body is.
    pub(crate) body: Range<usize>,
    /// Where the next begins.
    pub(crate) end: usize,
}

/// The frame at the beginning of `bytes`, if all of it is there.
pub(crate) fn next_frame(bytes: &mut [u8]) -> Option<Frame> {
    let (kind, second) = (bytes.first()? & 0x0f, *bytes.get(1)?);
    let (length, mut at) = match second & 0x7f {
        126 => (usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        127 => (usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?, 10),
        short => (usize::from(short), 2),
    };
    let mask: Option<[u8; 4]> = if second & 0x80 == 0 {
        None
    } else {
        at += 4;
        Some(bytes.get(at - 4..at)?.try_into().ok()?)
    };
    let body = bytes.get_mut(at..at + length)?;
    if let Some(mask) = mask {
        unmask(body, mask);
    }
    Some(Frame { kind, body: at..at + length, end: at + length })
}

fn unmask(body: &mut [u8], mask: [u8; 4]) {
    let wide = u64::from_ne_bytes([mask, mask].concat().try_into().unwrap_or_default());
    let (eights, rest) = body.as_chunks_mut::<8>();
    for eight in eights {
        *eight = (u64::from_ne_bytes(*eight) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= mask;
    }
}

/// Writes a frame behind what stands in `out`. A client's is masked, with zeros: they cost the server that takes them
/// off exactly what others would, and us nothing.
pub(crate) fn write_frame(kind: u8, by_client: bool, body: &[u8], out: &mut Vec<u8>) {
    let masked = if by_client { 0x80 } else { 0 };
    out.push(0x80 | kind);
    match (u8::try_from(body.len()), u16::try_from(body.len())) {
        (Ok(length @ 0..126), _) => out.push(masked | length),
        (_, Ok(length)) => {
            out.push(masked | 126);
            out.extend_from_slice(&length.to_be_bytes());
        }
        (_, Err(_)) => {
            out.push(masked | 127);
            out.extend_from_slice(&(body.len() as u64).to_be_bytes());
        }
    }
    if by_client {
        out.extend_from_slice(&[0; 4]);
    }
    out.extend_from_slice(body);
}

/// What stands at the beginning of each 20 ms of audio: whose it is, which, and when it left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The caller's number, or the model's.
    pub(crate) of: u32,
    /// From 0 on, without a gap.
    pub(crate) number: u64,
    /// Nanoseconds of the load's own clock.
    pub(crate) at_ns: u64,
}

impl Stamp {
    /// Writes it over the beginning of a frame.
    pub(crate) fn write(self, frame: &mut [u8]) {
        let stamp = MAGIC.to_le_bytes().into_iter().chain(self.of.to_le_bytes());
        let stamp = stamp.chain(self.number.to_le_bytes()).chain(self.at_ns.to_le_bytes());
        for (byte, written) in frame.iter_mut().zip(stamp) {
            *byte = written;
        }
    }

    /// Reads it; nothing when the audio is not ours, or a frame was cut apart.
    pub(crate) fn read(frame: &[u8]) -> Option<Self> {
        let magic = u32::from_le_bytes(frame.get(..4)?.try_into().ok()?);
        let of = u32::from_le_bytes(frame.get(4..8)?.try_into().ok()?);
        let number = u64::from_le_bytes(frame.get(8..16)?.try_into().ok()?);
        let at_ns = u64::from_le_bytes(frame.get(16..24)?.try_into().ok()?);
        (magic == MAGIC).then_some(Self { of, number, at_ns })
    }
}

/// What stands between `key` and the next quotation mark.
pub(crate) fn value<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let from = find(text, key)? + key.len();
    let rest = text.get(from..)?;
    rest.get(..rest.iter().position(|byte| *byte == b'"')?)
}

/// Where `what` begins.
pub(crate) fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}
