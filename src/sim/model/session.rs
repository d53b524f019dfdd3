//! How a connection opens, and `session.update`.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Complaint, Later, ModelFault, ModelService, Rules};
use crate::domain::Moment;

/// What `session.created` shows, whatever the client will ask for: PCM, and a turn that is over after 200 ms.
pub(super) fn initial() -> Value {
    json!({
        "type": "realtime", "object": "realtime.session", "model": "gpt-realtime-simulated",
        "output_modalities": ["audio"], "instructions": "", "tools": [], "tool_choice": "auto",
        "max_output_tokens": "inf", "tracing": null, "prompt": null, "expires_at": 1_900_003_600, "include": null,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24_000}, "transcription": null, "noise_reduction": null,
                "turn_detection": {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300,
                    "silence_duration_ms": 200, "idle_timeout_ms": null, "create_response": true,
                    "interrupt_response": true},
            },
            "output": {"format": {"type": "audio/pcm", "rate": 24_000}, "voice": "marin", "speed": 1.0},
        },
    })
}

impl ModelService {
    /// The first words of a connection.
    pub(super) fn open(&mut self) {
        let id = self.new_id("sess");
        if let Some(session) = self.session.as_object_mut() {
            session.insert("id".to_owned(), json!(id));
        }
        self.apply_session();
        for fault in self.script.faults.clone() {
            match fault {
                ModelFault::RefuseSetup { kind, code, close } => {
                    let message = format!("The session is refused: {code}.");
                    self.say(
                        "error",
                        json!({"error": {"type": kind, "code": code, "message": message, "param": null, "event_id": null}}),
                    );
                    self.close(close, &format!("{kind}.{code}"));
                    return;
                }
                ModelFault::Expire { after_ms } => {
                    self.put_off(self.began + Duration::from_millis(after_ms), Later::Expire);
                }
                ModelFault::Reset { after_ms } => {
                    self.put_off(self.began + Duration::from_millis(after_ms), Later::Reset);
                }
                ModelFault::FallSilent { after_ms } => {
                    self.put_off(self.began + Duration::from_millis(after_ms), Later::FallSilent);
                }
                ModelFault::RefuseHandshake(_)
                | ModelFault::BreakOff { .. }
                | ModelFault::NoSetup
                | ModelFault::NoAnswer
                | ModelFault::Stuck
                | ModelFault::RefuseAnswers
                | ModelFault::TextOnly
                | ModelFault::FailAnswers(_)
                | ModelFault::PcmOnly
                | ModelFault::Repeat
                | ModelFault::Unknown
                | ModelFault::Garbage => {}
            }
        }
        self.say_session("session.created");
    }

    pub(super) fn update_session(&mut self, update: &Value, now: Moment) -> Result<(), Complaint> {
        let modalities = update.get("output_modalities").and_then(Value::as_array);
        if modalities.is_some_and(|modalities| modalities.len() != 1) {
            let message =
                "Invalid modalities. Supported combinations are: ['text'] and ['audio'].".to_owned();
            return Err(Complaint::new("invalid_value", "session.output_modalities", message));
        }
        let rate = |side: &str| update.pointer(&format!("/audio/{side}/format/rate")).and_then(Value::as_u64);
        if [rate("input"), rate("output")].into_iter().flatten().any(|rate| rate != 24_000) {
            let message = "Invalid value: only a rate of 24000 is supported.".to_owned();
            return Err(Complaint::new("invalid_value", "session.audio.input.format.rate", message));
        }
        let voice = update.pointer("/audio/output/voice");
        let spoken = self.conversation.iter().any(|item| item.audio_ms() > 0);
        if spoken && voice.is_some_and(|voice| Some(voice) != self.session.pointer("/audio/output/voice")) {
            let message = "Cannot update a conversation's voice if assistant audio is present.".to_owned();
            return Err(Complaint::new("cannot_update_voice", "session.audio.output.voice", message));
        }
        merge(&mut self.session, update);
        if self.has(&ModelFault::PcmOnly) {
            for side in ["/audio/input/format", "/audio/output/format"] {
                if let Some(format) = self.session.pointer_mut(side) {
                    *format = json!({"type": "audio/pcm", "rate": 24_000});
                }
            }
        }
        self.apply_session();
        if !self.has(&ModelFault::NoSetup) {
            let ready = now + self.script.pace.session_updated;
            self.busy_until = ready;
            self.put_off(ready, Later::SessionUpdated);
        }
        Ok(())
    }

    pub(super) fn say_session(&mut self, kind: &str) {
        let session = self.session.clone();
        self.say(kind, json!({"session": session}));
    }

    fn apply_session(&mut self) {
        let at = |path: &str| self.session.pointer(path).unwrap_or(&Value::Null);
        let rules = Rules::read(at("/audio/input/turn_detection"));
        let input_pcm = at("/audio/input/format/type") == "audio/pcm";
        let output_pcm = at("/audio/output/format/type") == "audio/pcm";
        (self.rules, self.input_pcm, self.output_pcm) = (rules, input_pcm, output_pcm);
    }
}

/// Objects merge; lists and what has a `type` of its own are replaced.
fn merge(into: &mut Value, update: &Value) {
    let replaced = ["format", "turn_detection", "truncation", "tool_choice", "transcription"];
    let (Some(into), Some(update)) = (into.as_object_mut(), update.as_object()) else { return };
    for (key, value) in update {
        match into.get_mut(key) {
            Some(old) if old.is_object() && value.is_object() && !replaced.contains(&key.as_str()) => {
                merge(old, value);
            }
            _ => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}
