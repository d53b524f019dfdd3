//! The caller's audio: the input buffer, voice detection, turns, transcripts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::conversation::{Item, Kind};
use super::vad::Edge;
use super::{Complaint, Later, ModelService};
use crate::audio::mulaw;
use crate::domain::Moment;

/// The service takes no more in one event.
const MOST_APPENDED_BYTES: usize = 15 * 1024 * 1024;

/// A turn shorter than this cannot be committed, in milliseconds.
const SHORTEST_TURN_MS: u64 = 100;

impl ModelService {
    pub(super) fn append(&mut self, audio: &str, now: Moment) -> Result<(), Complaint> {
        let bytes = STANDARD.decode(audio).map_err(|_| {
            let message =
                "Invalid 'audio'. Expected base64-encoded audio bytes, but got an invalid value.".to_owned();
            Complaint::new("invalid_value", "audio", message)
        })?;
        if bytes.len() > MOST_APPENDED_BYTES {
            let message = "Invalid 'audio': more than 15 MiB.".to_owned();
            return Err(Complaint::new("string_above_max_length", "audio", message));
        }
        let samples = if self.input_pcm { bytes.len() / 2 } else { bytes.len() } as u64;
        self.appended_samples += samples;
        self.uncommitted_samples += samples;
        let Some(rules) = self.rules else { return Ok(()) };
        let rate = self.input_rate();
        let edges = if self.input_pcm {
            let (pairs, _) = bytes.as_chunks::<2>();
            self.vad.hear(pairs.iter().map(|pair| i16::from_le_bytes(*pair)), rate, rules)
        } else {
            self.vad.hear(bytes.iter().map(|byte| mulaw::decode(*byte)), rate, rules)
        };
        for edge in edges {
            match edge {
                Edge::Started(ms) => self.on_speech_started(ms, now),
                Edge::Stopped(ms) => self.on_speech_stopped(ms, now),
            }
        }
        Ok(())
    }

    pub(super) fn commit_on_demand(&mut self, now: Moment) -> Result<(), Complaint> {
        let ms = self.uncommitted_samples / self.input_rate();
        if ms < SHORTEST_TURN_MS {
            let message = format!(
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but buffer only has {ms}.00ms of audio."
            );
            return Err(Complaint::new("input_audio_buffer_commit_empty", "", message));
        }
        let item = self.turn_item.take().unwrap_or_else(|| self.new_id("item"));
        self.commit(item, now);
        Ok(())
    }

    pub(super) fn say_transcript(&mut self, item: &str, text: &str, audio_tokens: u64) {
        let words = text.split_whitespace().count() as u64;
        if !text.is_empty() {
            self.say(
                "conversation.item.input_audio_transcription.delta",
                json!({"item_id": item, "content_index": 0, "delta": text, "obfuscation": "aX9kQ2"}),
            );
        }
        self.say(
            "conversation.item.input_audio_transcription.completed",
            json!({"item_id": item, "content_index": 0, "transcript": text, "usage": {"type": "tokens",
                "total_tokens": audio_tokens + words, "input_tokens": audio_tokens, "output_tokens": words,
                "input_token_details": {"text_tokens": 0, "audio_tokens": audio_tokens}}}),
        );
    }

    fn on_speech_started(&mut self, audio_start_ms: u64, now: Moment) {
        let item = self.new_id("item");
        self.turn_item = Some(item.clone());
        // Only what may belong to the turn is kept.
        let kept_ms = (self.appended_samples / self.input_rate()).saturating_sub(audio_start_ms);
        self.uncommitted_samples = self.uncommitted_samples.min(kept_ms * self.input_rate());
        self.say(
            "input_audio_buffer.speech_started",
            json!({"audio_start_ms": audio_start_ms, "item_id": item}),
        );
        let interrupts = self.rules.is_some_and(|rules| rules.interrupt_response);
        if let Some(response) = self.running.as_ref().filter(|_| interrupts).map(|running| running.id.clone())
        {
            self.put_off(now + self.script.pace.cancel, Later::CancelAnswer { response });
        }
    }

    fn on_speech_stopped(&mut self, audio_end_ms: u64, now: Moment) {
        let item = self.turn_item.take().unwrap_or_else(|| self.new_id("item"));
        self.say("input_audio_buffer.speech_stopped", json!({"audio_end_ms": audio_end_ms, "item_id": item}));
        self.commit(item, now);
        if self.rules.is_some_and(|rules| rules.create_response) {
            self.answer_turn(now);
        }
    }

    fn commit(&mut self, id: String, now: Moment) {
        let ms = self.uncommitted_samples / self.input_rate();
        self.uncommitted_samples = 0;
        let previous = self.conversation.last().map(|item| item.id.clone());
        self.say("input_audio_buffer.committed", json!({"item_id": id, "previous_item_id": previous}));
        let transcribed = self.session.pointer("/audio/input/transcription").is_some_and(Value::is_object);
        if transcribed {
            let text = self.script.transcripts.get(self.transcripts_given).cloned().unwrap_or_default();
            self.transcripts_given += 1;
            let later = Later::Transcript { item: id.clone(), text, audio_tokens: ms / 100 };
            self.put_off(now + self.script.pace.transcript, later);
        }
        self.add_item(Item::new(id, Kind::Caller { ms }));
    }
}
