//! What the caller truly heard of each thing the model said, judged by the audio itself.

use crate::audio::mulaw::{BYTES_PER_MS, SILENCE};
use crate::sim::Piece;
use crate::sim::model::{Item, Kind, ModelService};

/// One item of the model's, and what became of its audio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemHeard {
    /// The item.
    pub item: String,
    /// How many samples the model sent.
    pub made: usize,
    /// How many of them reached Twilio.
    pub forwarded: usize,
    /// How many of them the caller heard.
    pub heard: usize,
}

impl ItemHeard {
    /// How much the caller heard, in milliseconds.
    pub fn heard_ms(&self) -> f64 {
        self.heard as f64 / BYTES_PER_MS as f64
    }
}

/// Finds every piece that was played in the items it was cut from, in order; returns the items, and how many samples
/// belong to none. Works where the model speaks µ-law and no two items sound alike.
pub(super) fn align(models: &[ModelService], pieces: &[Piece]) -> (Vec<ItemHeard>, usize) {
    let spoken: Vec<&Item> = models.iter().flat_map(ModelService::conversation).collect();
    let mut items: Vec<(&[u8], ItemHeard)> = Vec::new();
    for item in spoken {
        if let Kind::Speech { audio, sent, .. } = &item.kind {
            let made = audio.get(..*sent).unwrap_or_default();
            let heard = ItemHeard { item: item.id.clone(), made: *sent, forwarded: 0, heard: 0 };
            items.push((made, heard));
        }
    }
    let (mut current, mut strays) = (0, 0);
    for piece in pieces {
        match place(&mut items, &mut current, piece) {
            Some(()) => {}
            None => strays += piece.audio.iter().filter(|byte| **byte != SILENCE).count(),
        }
    }
    (items.into_iter().map(|(_, heard)| heard).collect(), strays)
}

/// Counts a piece, which may span the end of an item and the beginning of the next, to the items it is of.
fn place(items: &mut [(&[u8], ItemHeard)], current: &mut usize, piece: &Piece) -> Option<()> {
    let (mut rest, mut played) = (piece.audio.as_ref(), piece.played);
    while !rest.is_empty() {
        let found = (*current..items.len()).find_map(|index| {
            let (audio, heard) = items.get(index)?;
            let next = audio.get(heard.forwarded..)?;
            let length = next.len().min(rest.len());
            let fits = length > 0 && next.get(..length) == rest.get(..length);
            fits.then_some((index, length))
        });
        let Some((index, length)) = found else {
            // The end of an item is filled up to a whole frame.
            return rest.iter().all(|byte| *byte == SILENCE).then_some(());
        };
        *current = index;
        let (_, heard) = items.get_mut(index)?;
        heard.forwarded += length;
        heard.heard += length.min(played);
        played = played.saturating_sub(length);
        rest = rest.get(length..)?;
        let filled = rest.iter().take_while(|byte| **byte == SILENCE).count();
        if heard.forwarded == heard.made && filled > 0 && filled < crate::audio::mulaw::FRAME_BYTES {
            played = played.saturating_sub(filled);
            rest = rest.get(filled..)?;
        }
    }
    Some(())
}
