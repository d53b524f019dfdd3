//! The caller's audio on its way to the model: kept while the model is not ready, padded where it is missing, and
//! decoded beside the path to know how loud the caller is and when the caller stopped.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::kept::Kept;
use super::limits::{
    GAP_TOLERANCE_MS, KEYS_PAUSE, MAX_GAP_MS, MAX_KEYS, STALL_AFTER, STALL_STEP, STREAM_SILENCE,
};
use crate::audio::meter::{Edge, Meter, SpeechTimer};
use crate::audio::mulaw::{self, BYTES_PER_MS, SILENCE};
use crate::audio::resample::Up8kTo24k;
use crate::domain::Moment;
use crate::wire::Text;
use crate::wire::model::AudioFormat;

/// The caller's audio.
#[derive(Debug, Default)]
pub(super) struct Listening {
    /// What the model hears in; none while it is not ready.
    format: Option<AudioFormat>,
    kept: Kept,
    gaps: Gaps,
    resampler: Option<Up8kTo24k>,
    meter: Meter,
    timer: SpeechTimer,
    /// When the caller was last heard to begin.
    began_at: Option<Moment>,
    /// When the caller was last heard to stop, and not yet answered.
    stopped_at: Option<Moment>,
    keys: String,
    keys_end_at: Option<Moment>,
    /// The last frame, decoded from base64.
    frame: Vec<u8>,
}

/// What came of a frame.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// What to send to the model, in order.
    pub(super) to_model: Vec<Text>,
    /// How much of it is padding, in milliseconds.
    pub(super) padded_ms: u64,
    /// How many early frames had to be forgotten.
    pub(super) dropped: u32,
}

/// A frame that is not base64.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadAudio;

impl Listening {
    /// One frame of the caller's.
    pub(super) fn on_media(
        &mut self,
        timestamp_ms: u64,
        payload: Text,
        now: Moment,
    ) -> Result<Heard, BadAudio> {
        self.frame.clear();
        if STANDARD.decode_vec(payload.as_bytes(), &mut self.frame).is_err() || self.frame.is_empty() {
            return Err(BadAudio);
        }
        let bytes = self.frame.len();
        let missing_ms = self.gaps.on_frame(timestamp_ms, bytes, now);
        let mut heard = Heard::default();
        self.pad(missing_ms, now, &mut heard);

        self.meter.hear(&self.frame);
        match self.timer.hear(&self.frame, now.as_millis()) {
            Some(Edge::Began(at_ms)) => {
                self.began_at = Some(Moment::from_millis(at_ms));
                self.stopped_at = None;
            }
            Some(Edge::Ended(at_ms)) => self.stopped_at = Some(Moment::from_millis(at_ms)),
            None => {}
        }
        let frame = std::mem::take(&mut self.frame);
        self.forward(payload, &frame, now, &mut heard);
        self.frame = frame;
        Ok(heard)
    }

    /// Since when the caller speaks, by loudness; none when they do not.
    pub(super) fn speaks_since(&self) -> Option<Moment> {
        self.began_at.filter(|_| self.timer.is_speech())
    }

    /// The last frame, as µ-law.
    pub(super) fn last_frame(&self) -> &[u8] {
        &self.frame
    }

    /// The model is ready: what was kept goes first.
    pub(super) fn on_ready(&mut self, format: AudioFormat) -> Vec<Text> {
        self.format = Some(format);
        let kept = self.kept.hear_again();
        kept.into_iter().map(|text| self.in_format(text)).collect()
    }

    /// The model is gone: what comes is kept for the next, behind what has to be heard again.
    pub(super) fn on_model_gone(&mut self) {
        self.format = None;
        self.resampler = None;
        self.kept.on_stopped();
    }

    /// The model hears the caller speak.
    pub(super) fn on_caller_began(&mut self) {
        self.kept.on_began();
    }

    /// The model hears that the caller stopped.
    pub(super) fn on_caller_stopped(&mut self) {
        self.kept.on_stopped();
    }

    /// The oldest of what the caller said is transcribed.
    pub(super) fn on_transcribed(&mut self) {
        self.kept.settle_first();
    }

    /// Whatever the caller said was answered.
    pub(super) fn on_answered(&mut self) {
        self.kept.settle_all();
    }

    /// Whether the caller has said something that only its audio tells.
    pub(super) fn must_hear_again(&self) -> bool {
        self.kept.is_open()
    }

    /// Pads a stall that has lasted to `now`.
    pub(super) fn on_tick(&mut self, now: Moment) -> Heard {
        let mut heard = Heard::default();
        let missing_ms = self.gaps.on_tick(now);
        self.pad(missing_ms, now, &mut heard);
        heard
    }

    /// When a stall must be padded, or keys told.
    pub(super) fn wake_at(&self) -> Option<Moment> {
        [self.gaps.wake_at(), self.keys_end_at].into_iter().flatten().min()
    }

    /// When the stream has been dead for so long that nobody is there.
    pub(super) fn dead_at(&self) -> Option<Moment> {
        self.gaps.last_frame_at.map(|at| at + STREAM_SILENCE)
    }

    /// A key was pressed.
    pub(super) fn on_key(&mut self, key: char, now: Moment) {
        self.keys.push(key);
        let ends_now = key == '#' || self.keys.len() >= MAX_KEYS;
        self.keys_end_at = Some(if ends_now { now } else { now + KEYS_PAUSE });
    }

    /// The keys of an entry that is complete.
    pub(super) fn take_keys(&mut self, now: Moment) -> Option<String> {
        self.keys_end_at.filter(|at| *at <= now)?;
        self.keys_end_at = None;
        Some(std::mem::take(&mut self.keys))
    }

    /// When the caller was last heard to stop speaking, and not yet answered.
    pub(super) fn stopped_at(&self) -> Option<Moment> {
        self.stopped_at
    }

    /// The same, and from now on they are answered.
    pub(super) fn take_stopped_at(&mut self) -> Option<Moment> {
        self.stopped_at.take()
    }

    /// Whether the caller speaks, by our own ear.
    pub(super) fn hears_speech(&self) -> bool {
        self.timer.is_speech()
    }

    /// How loud the caller is, in decibels below full scale.
    pub(super) fn level_db(&self) -> i8 {
        self.meter.level_db()
    }

    fn pad(&mut self, ms: u64, now: Moment, heard: &mut Heard) {
        let bytes = usize::try_from(ms).unwrap_or(0) * BYTES_PER_MS;
        if bytes == 0 {
            return;
        }
        heard.padded_ms += ms;
        let silence = vec![SILENCE; bytes];
        self.forward(STANDARD.encode(&silence).into(), &silence, now, heard);
    }

    /// Sends on what the caller said, and keeps it for as long as another session may have to hear it.
    fn forward(&mut self, base64: Text, mulaw: &[u8], now: Moment, heard: &mut Heard) {
        heard.dropped += self.kept.keep(&base64, mulaw.len(), self.format.is_some(), now);
        match self.format {
            Some(AudioFormat::Mulaw8k) => heard.to_model.push(base64),
            Some(AudioFormat::Pcm16At24k) => heard.to_model.push(self.transcode(mulaw)),
            None => {}
        }
    }

    /// What was kept, as this model hears it.
    fn in_format(&mut self, mulaw: Text) -> Text {
        if self.format != Some(AudioFormat::Pcm16At24k) {
            return mulaw;
        }
        let frame = STANDARD.decode(mulaw.as_bytes()).unwrap_or_default();
        self.transcode(&frame)
    }

    fn transcode(&mut self, mulaw: &[u8]) -> Text {
        let mut samples = Vec::with_capacity(mulaw.len());
        mulaw::decode_into(mulaw, &mut samples);
        let mut faster = Vec::with_capacity(samples.len() * 3);
        self.resampler.get_or_insert_default().push(&samples, &mut faster);
        let bytes: Vec<u8> = faster.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        STANDARD.encode(bytes).into()
    }
}

/// How long one frame of Twilio's sounds.
const FRAME_MS: u64 = 20;

/// Where the caller's audio is missing, by Twilio's timestamps and, while nothing comes at all, by the clock.
#[derive(Debug, Default)]
struct Gaps {
    /// The timestamp at which the next frame should begin.
    expected_ms: Option<u64>,
    last_frame_at: Option<Moment>,
    /// Padded by the clock in the stall that lasts, in milliseconds.
    stalled_ms: u64,
    /// Padded by the clock and not yet found missing by a timestamp. Frames that were only late make it a debt, and
    /// the next gap pays it: in all, as much is padded as the timestamps say.
    ahead_ms: u64,
}

impl Gaps {
    /// Milliseconds to pad before this frame.
    fn on_frame(&mut self, timestamp_ms: u64, bytes: usize, now: Moment) -> u64 {
        self.last_frame_at = Some(now);
        self.stalled_ms = 0;
        let length_ms = (bytes / BYTES_PER_MS) as u64;
        let expected_ms = self.expected_ms.unwrap_or(timestamp_ms);
        let gap_ms = timestamp_ms.saturating_sub(expected_ms);
        let set_back = expected_ms.saturating_sub(timestamp_ms) > MAX_GAP_MS;
        if gap_ms < GAP_TOLERANCE_MS && !set_back {
            // The expectation runs on by what was heard, so that jitter of the timestamps cancels out.
            self.expected_ms = Some(expected_ms.saturating_add(length_ms));
            return 0;
        }
        self.expected_ms = Some(timestamp_ms.saturating_add(length_ms));
        let missing_ms = gap_ms.min(MAX_GAP_MS);
        let paid_ms = missing_ms.min(self.ahead_ms);
        self.ahead_ms -= paid_ms;
        missing_ms - paid_ms
    }

    /// Milliseconds to pad because nothing has come for so long: whole frames that are overdue by the clock.
    fn on_tick(&mut self, now: Moment) -> u64 {
        let Some(last) = self.last_frame_at else { return 0 };
        if now.since(last) < STALL_AFTER {
            return 0;
        }
        let silent_ms = u64::try_from(now.since(last).as_millis()).unwrap_or(0).min(MAX_GAP_MS);
        // The frame that came last has sounded for its own length.
        let overdue_ms = silent_ms.saturating_sub(FRAME_MS) / FRAME_MS * FRAME_MS;
        let more_ms = overdue_ms.saturating_sub(self.stalled_ms);
        self.stalled_ms += more_ms;
        self.ahead_ms += more_ms;
        more_ms
    }

    fn wake_at(&self) -> Option<Moment> {
        let last = self.last_frame_at?;
        match self.stalled_ms {
            0 => Some(last + STALL_AFTER),
            padded_ms if padded_ms + 2 * FRAME_MS > MAX_GAP_MS => None,
            padded_ms => Some(last + Duration::from_millis(padded_ms + FRAME_MS) + STALL_STEP),
        }
    }
}
