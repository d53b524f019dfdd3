//! What the caller is being played: audio waiting, audio at Twilio, and how much of it was heard.
//!
//! Audio is sent in whole 20 ms frames a little ahead of its playing, a mark behind each piece. What was heard is
//! the last mark that came back, plus the time since by the schedule, never beyond the next mark. Marks come back
//! late, by the network's round trip and by whatever Twilio waits before it plays; the two cannot be told apart. So
//! the schedule is shifted by half of that, which halves the worst error either way.

use std::collections::VecDeque;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};

use super::limits::{CHUNK_FRAMES, LOW_WATER, MAX_WAITING_BYTES, PLAYOUT_LEAD};
use crate::audio::meter::Meter;
use crate::audio::mulaw::{BYTES_PER_MS, FRAME_BYTES, SILENCE};
use crate::domain::Moment;
use crate::wire::Text;
use crate::wire::model::{ItemId, ResponseId};

/// Where a piece of speech comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// The model.
    Model {
        /// The answer it belongs to.
        response: ResponseId,
        /// The item.
        item: ItemId,
        /// The part of the item.
        content_index: u32,
    },
    /// A session of the model's that is gone.
    Past {
        /// The item.
        item: ItemId,
        /// Whether there would have been more of it.
        broke_off: bool,
    },
    /// The greeting, from a former call.
    Greeting,
    /// The phrase that is said while the caller waits.
    Phrase,
    /// The chime that sounds while the caller waits.
    Chime,
}

impl Source {
    fn broke_off(&self) -> bool {
        matches!(self, Self::Past { broke_off: true, .. })
    }
}

/// One item's speech on its way to the caller.
#[derive(Debug)]
struct Item {
    serial: u32,
    source: Source,
    /// Not yet sent.
    waiting: BytesMut,
    /// All that ever came, in bytes, padding not counted.
    received: usize,
    /// All that was sent, padding counted.
    sent: usize,
    /// Sent and not known to be played.
    flying: usize,
    /// No more will come.
    complete: bool,
    /// When its first sound was to be played.
    began_at: Option<Moment>,
}

impl Item {
    fn new(serial: u32, source: &Source) -> Self {
        Self {
            serial,
            source: source.clone(),
            waiting: BytesMut::new(),
            received: 0,
            sent: 0,
            flying: 0,
            complete: false,
            began_at: None,
        }
    }

    fn add(&mut self, audio: &[u8]) {
        self.waiting.extend_from_slice(audio);
        self.received += audio.len();
    }

    /// Whether there is a piece of it to send, now or soon. Less than a frame waits for the rest of it.
    fn can_be_sent(&self) -> bool {
        self.waiting.len() >= FRAME_BYTES || self.complete && !self.waiting.is_empty()
    }
}

/// A piece that was sent and whose mark is not back.
#[derive(Debug)]
struct Chunk {
    mark: u32,
    /// The item it is of.
    item: u32,
    bytes: usize,
    begins_at: Moment,
    /// Kept for the recording only.
    audio: Option<Bytes>,
}

impl Chunk {
    fn ends_at(&self) -> Moment {
        self.begins_at + play_time(self.bytes)
    }
}

/// A piece to send now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The audio, base64.
    pub(super) audio: Text,
    /// The name of the mark to send behind it.
    pub(super) mark: Text,
    /// Set for the first piece of an item: where it comes from, and when it will be heard.
    pub(super) first_of: Option<(Source, Moment)>,
}

/// What became of an item's speech.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Played {
    /// Where it came from.
    pub(super) source: Source,
    /// How much was heard, in milliseconds, rounded down.
    pub(super) heard_ms: u64,
    /// How much had been made, in milliseconds, rounded down.
    pub(super) made_ms: u64,
    /// Whether everything there will ever be was heard.
    pub(super) whole: bool,
    /// When its first sound was heard, if any was.
    pub(super) began_at: Option<Moment>,
}

/// Audio that was certainly played, for the recording.
#[derive(Debug)]
pub(super) struct HeardAudio {
    /// When it began.
    pub(super) at: Moment,
    /// µ-law.
    pub(super) audio: Bytes,
}

/// What the caller is being played.
#[derive(Debug, Default)]
pub(super) struct Playout {
    /// Whether the caller's stream is there; before, everything waits.
    open: bool,
    items: VecDeque<Item>,
    /// Sent and not known to be played, in order.
    flying: VecDeque<Chunk>,
    last_mark: u32,
    last_item: u32,
    /// When everything sent will have been played.
    ends_at: Moment,
    lateness: Lateness,
    recorded: bool,
    heard_audio: Vec<HeardAudio>,
    meter: Meter,
    finished: VecDeque<Played>,
}

impl Playout {
    /// Nothing to play; `recorded` keeps what was heard for [`Self::take_heard_audio`].
    pub(super) fn new(recorded: bool) -> Self {
        Self { recorded, ..Self::default() }
    }

    /// The caller can hear now.
    pub(super) fn open(&mut self) {
        self.open = true;
    }

    /// Adds speech of a source; speech of another source ends what came before. Returns false when there is too much
    /// of it to keep.
    pub(super) fn push(&mut self, source: &Source, audio: &[u8]) -> bool {
        let spoken = |item: &Item| !matches!(item.source, Source::Phrase | Source::Chime);
        let last = self.items.iter().rposition(spoken);
        let same = last.filter(|last| self.items.get(*last).is_some_and(|item| item.source == *source));
        let index = same.unwrap_or_else(|| {
            self.complete_all();
            self.last_item += 1;
            self.items.push_back(Item::new(self.last_item, source));
            self.items.len() - 1
        });
        let Some(item) = self.items.get_mut(index) else { return false };
        if item.waiting.len() + audio.len() > MAX_WAITING_BYTES {
            return false;
        }
        item.add(audio);
        true
    }

    /// Adds something whole that fills a pause. An item that has stalled goes on behind it, and is still the same.
    pub(super) fn fill_in(&mut self, source: &Source, audio: &[u8]) {
        self.last_item += 1;
        let mut item = Item::new(self.last_item, source);
        item.add(audio);
        item.complete = true;
        self.items.push_back(item);
    }

    /// No more speech of this item will come.
    pub(super) fn complete(&mut self, done: &ItemId) {
        for item in &mut self.items {
            if matches!(&item.source, Source::Model { item: id, .. } if id == done) {
                item.complete = true;
            }
        }
        self.collect_finished();
    }

    /// No more speech of anything that is here will come.
    pub(super) fn complete_all(&mut self) {
        for item in &mut self.items {
            item.complete = true;
        }
        self.collect_finished();
    }

    /// The model's session is gone. What it made is played to its end, and is no session's any more.
    pub(super) fn outlive_session(&mut self) {
        for item in &mut self.items {
            if let Source::Model { item: id, .. } = &item.source {
                item.source = Source::Past { item: id.clone(), broke_off: !item.complete };
            }
        }
        self.complete_all();
    }

    /// Whether speech of a session that is gone is still to be heard.
    pub(super) fn outlives_session(&self) -> bool {
        self.items.iter().any(|item| matches!(item.source, Source::Past { .. }))
    }

    /// From when on the caller hears nothing, if nothing more comes; none while something waits to be sent.
    pub(super) fn quiet_from(&self) -> Option<Moment> {
        (!self.items.iter().any(Item::can_be_sent)).then_some(self.ends_at)
    }

    /// The next piece to send, until none.
    pub(super) fn next_piece(&mut self, now: Moment) -> Option<Piece> {
        if !self.open {
            return None;
        }
        let lead = self.ends_at.since(now);
        if lead + play_time(CHUNK_FRAMES * FRAME_BYTES) > PLAYOUT_LEAD {
            return None;
        }
        let item = self.items.iter_mut().find(|item| item.can_be_sent())?;
        let frames = (item.waiting.len() / FRAME_BYTES).min(CHUNK_FRAMES);
        let mut bytes = frames * FRAME_BYTES;
        if frames < CHUNK_FRAMES {
            if item.complete {
                bytes = item.waiting.len();
            } else if lead > LOW_WATER {
                return None;
            }
        }
        let mut audio = item.waiting.split_to(bytes);
        // Twilio clicks on partial frames: only the very end of an item can be one, and is filled up.
        audio.resize(audio.len().next_multiple_of(FRAME_BYTES), SILENCE);

        self.meter.hear(&audio);
        let begins_at = self.ends_at.max(now);
        let first_of = item.began_at.is_none().then(|| (item.source.clone(), begins_at));
        item.began_at.get_or_insert(begins_at);
        item.sent += audio.len();
        item.flying += audio.len();
        self.last_mark += 1;
        let piece = Piece {
            audio: STANDARD.encode(&audio).into(),
            mark: format!("m{}", self.last_mark).into(),
            first_of,
        };
        let chunk = Chunk {
            mark: self.last_mark,
            item: item.serial,
            bytes: audio.len(),
            begins_at,
            audio: self.recorded.then(|| audio.freeze()),
        };
        self.ends_at = chunk.ends_at();
        self.flying.push_back(chunk);
        Some(piece)
    }

    /// When the next piece can be sent, if nothing else happens.
    pub(super) fn wake_at(&self) -> Option<Moment> {
        let item = self.items.iter().find(|item| item.can_be_sent()).filter(|_| self.open)?;
        let whole = item.complete || item.waiting.len() >= CHUNK_FRAMES * FRAME_BYTES;
        let lead = if whole {
            PLAYOUT_LEAD.saturating_sub(play_time(CHUNK_FRAMES * FRAME_BYTES))
        } else {
            LOW_WATER
        };
        Some(self.ends_at.back(lead))
    }

    /// A mark came back. Returns false when it is not, or no longer, one that stands for played audio: marks that a
    /// `clear` sends back are among them.
    pub(super) fn on_mark(&mut self, name: &str, now: Moment) -> bool {
        let number = name.strip_prefix('m').and_then(|number| number.parse::<u32>().ok());
        let Some(index) = self.flying.iter().position(|chunk| Some(chunk.mark) == number) else {
            return false;
        };
        // A mark that was lost is proven by a later one.
        for _ in 0..=index {
            let Some(chunk) = self.flying.pop_front() else { break };
            self.lateness.add(now.since(chunk.ends_at()));
            if let Some(item) = self.items.iter_mut().find(|item| item.serial == chunk.item) {
                item.flying -= chunk.bytes;
            }
            if let Some(audio) = chunk.audio {
                self.heard_audio.push(HeardAudio { at: chunk.begins_at, audio });
            }
        }
        self.collect_finished();
        true
    }

    /// Forgets everything that was not heard, and says what was heard of each item. The flag says whether Twilio
    /// holds audio that it must forget too.
    pub(super) fn clear(&mut self, now: Moment) -> (bool, Vec<Played>) {
        let flying = !self.flying.is_empty();
        let playing = self.flying.front().map(|chunk| (chunk.item, self.heard_of(chunk, now)));
        if let Some(chunk) = self.flying.pop_front()
            && let (Some(mut audio), Some((_, heard))) = (chunk.audio, playing)
        {
            self.heard_audio.push(HeardAudio { at: chunk.begins_at, audio: audio.split_to(heard) });
        }
        let cut = |item: Item| {
            let of_playing =
                playing.map_or(0, |(serial, heard)| if serial == item.serial { heard } else { 0 });
            let heard = (item.sent - item.flying + of_playing).min(item.received);
            Played {
                whole: item.complete && heard == item.received && !item.source.broke_off(),
                source: item.source,
                heard_ms: millis(heard),
                made_ms: millis(item.received),
                began_at: item.began_at.filter(|_| heard > 0),
            }
        };
        let cuts = self.items.drain(..).map(cut).collect();
        self.flying.clear();
        self.ends_at = now;
        (flying, cuts)
    }

    /// The next item that was played to its end, until none.
    pub(super) fn pop_finished(&mut self) -> Option<Played> {
        self.finished.pop_front()
    }

    /// What was played since the last time this was asked; empty unless recorded.
    pub(super) fn take_heard_audio(&mut self) -> Vec<HeardAudio> {
        std::mem::take(&mut self.heard_audio)
    }

    /// Whether the caller has heard everything there is so far.
    pub(super) fn is_silent(&self) -> bool {
        self.flying.is_empty() && self.items.iter().all(|item| item.waiting.is_empty())
    }

    /// Whether there is nothing the caller hears or could be sent: less than a frame may wait for the rest of it.
    pub(super) fn is_dry(&self) -> bool {
        self.flying.is_empty() && !self.items.iter().any(Item::can_be_sent)
    }

    /// How loud the caller is being played, in decibels below full scale.
    pub(super) fn level_db(&self) -> i8 {
        if self.is_silent() { Meter::default().level_db() } else { self.meter.level_db() }
    }

    /// When everything that is here will have been played, if nothing is cut.
    pub(super) fn ends_at(&self, now: Moment) -> Moment {
        let waiting: usize = self.items.iter().map(|item| item.waiting.len()).sum();
        self.ends_at.max(now) + play_time(waiting)
    }

    /// Bytes heard of the first piece whose mark is not back.
    fn heard_of(&self, chunk: &Chunk, now: Moment) -> usize {
        let playing_for = now.since(chunk.begins_at + self.lateness.ahead());
        let bytes =
            usize::try_from(playing_for.as_micros() * BYTES_PER_MS as u128 / 1_000).unwrap_or(usize::MAX);
        bytes.min(chunk.bytes)
    }

    fn collect_finished(&mut self) {
        while self
            .items
            .front()
            .is_some_and(|item| item.complete && item.waiting.is_empty() && item.flying == 0)
        {
            let Some(item) = self.items.pop_front() else { break };
            let ms = millis(item.received);
            self.finished.push_back(Played {
                whole: !item.source.broke_off(),
                source: item.source,
                heard_ms: ms,
                made_ms: ms,
                began_at: item.began_at,
            });
        }
    }
}

/// How late marks come back behind the schedule: the least of the last few, which is a round trip without its jitter.
#[derive(Debug, Default)]
struct Lateness {
    last: VecDeque<Duration>,
}

impl Lateness {
    /// Few enough to follow a playing that was delayed, enough to tell jitter from delay.
    const REMEMBERED: usize = 3;

    fn add(&mut self, sample: Duration) {
        if self.last.len() == Self::REMEMBERED {
            self.last.pop_front();
        }
        self.last.push_back(sample);
    }

    /// By how much the schedule runs ahead of the caller's ear. A small lateness counts whole: within the telephone
    /// network's own delay, too little is nearer to the truth than too much.
    fn ahead(&self) -> Duration {
        const WHOLE: Duration = Duration::from_millis(20);
        let usual = self.last.iter().min().copied().unwrap_or_default();
        (usual / 2).max(usual.min(WHOLE))
    }
}

/// How long so many bytes of µ-law sound.
pub(super) fn play_time(bytes: usize) -> Duration {
    Duration::from_micros(bytes as u64 * 1_000 / BYTES_PER_MS as u64)
}

fn millis(bytes: usize) -> u64 {
    (bytes / BYTES_PER_MS) as u64
}
