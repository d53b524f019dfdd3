//! Answers: chosen from the script, planned in time, spoken in pieces, cut when asked.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::conversation::{Item, Kind};
use super::{Complaint, Later, ModelFault, ModelService, RATE_LIMITS_AFTER, Reply, ReplyItem};
use crate::audio::mulaw::{self, BYTES_PER_MS};
use crate::audio::resample::Up8kTo24k;
use crate::domain::Moment;
use crate::sim::Frame;

/// A call of a tool takes so long to say.
const TOOL_CALL_TAKES: Duration = Duration::from_millis(60);

/// The answer under way.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) id: String,
    metadata: Value,
    plan: VecDeque<(Moment, Step)>,
    speaking: Option<Speaking>,
    output: Vec<Value>,
    output_tokens: (u64, u64),
}

/// The item that is being said.
#[derive(Debug)]
struct Speaking {
    id: String,
    words: String,
    /// PCM of the whole item, where the session speaks PCM.
    pcm: Option<Vec<u8>>,
}

#[derive(Debug)]
enum Step {
    Begin { audio: Bytes },
    Audio(Range<usize>),
    Words(String),
    End,
    Tool { name: String, arguments: String },
    Text(String),
    Finish,
}

/// Why an answer is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Turn,
    Instructed,
    ToolResult,
}

impl Running {
    pub(super) fn next_at(&self) -> Option<Moment> {
        self.plan.front().map(|(at, _)| *at)
    }
}

impl ModelService {
    pub(super) fn create_response(&mut self, asked: &Value, now: Moment) -> Result<(), Complaint> {
        if let Some(running) = &self.running {
            let message = format!(
                "Conversation already has an active response in progress: {}. Wait until the response is finished before creating a new one.",
                running.id
            );
            return Err(Complaint::new("conversation_already_has_active_response", "", message));
        }
        if self.has(&ModelFault::RefuseAnswers) {
            let message = "Invalid value: this session gives no answers.".to_owned();
            return Err(Complaint::new("invalid_value", "response", message));
        }
        let ask = if asked.get("instructions").is_some() {
            Ask::Instructed
        } else if matches!(self.conversation.last().map(|item| &item.kind), Some(Kind::ToolResult)) {
            Ask::ToolResult
        } else {
            Ask::Turn
        };
        let mut reply = self.choose(ask);
        if asked.get("tool_choice").is_some_and(|choice| choice == "none") {
            reply.items.retain(|item| matches!(item, ReplyItem::Speech { .. }));
        }
        let metadata = asked.get("metadata").cloned().unwrap_or_default();
        self.begin(reply, metadata, now);
        Ok(())
    }

    pub(super) fn cancel_response(&mut self, id: Option<&str>, now: Moment) -> Result<(), Complaint> {
        if self.running.as_ref().is_none_or(|running| id.is_some_and(|id| id != running.id)) {
            let message = "Cancellation failed: no active response found".to_owned();
            return Err(Complaint::new("response_cancel_not_active", "", message));
        }
        self.cut("client_cancelled", now);
        Ok(())
    }

    /// Answers the caller's turn, at once or after the answer under way.
    pub(super) fn answer_turn(&mut self, now: Moment) {
        if self.running.is_some() {
            self.owes_answer = true;
            return;
        }
        let reply = self.choose(Ask::Turn);
        self.begin(reply, Value::Null, now);
    }

    /// The next step of the answer under way.
    pub(super) fn speak(&mut self, now: Moment) {
        let Some((_, step)) = self.running.as_mut().and_then(|running| running.plan.pop_front()) else {
            return;
        };
        match step {
            Step::Begin { audio } => self.begin_item(audio),
            Step::Audio(range) => self.say_audio(range),
            Step::Words(words) => self.say_words(&words),
            Step::End => self.end_item("completed"),
            Step::Tool { name, arguments } => self.call_tool(&name, &arguments),
            Step::Text(words) => self.say_text(&words),
            Step::Finish => match self.failure() {
                None => self.finish("completed", &Value::Null, now),
                Some(code) => {
                    let error =
                        json!({"type": "server_error", "code": code, "message": "The answer failed."});
                    self.finish("failed", &json!({"type": "failed", "error": error}), now);
                }
            },
        }
    }

    /// Cuts the answer under way short.
    pub(super) fn cut(&mut self, reason: &str, now: Moment) {
        if self.running.as_ref().is_some_and(|running| running.speaking.is_some()) {
            self.end_item("incomplete");
        }
        self.finish("cancelled", &json!({"type": "cancelled", "reason": reason}), now);
    }

    fn failure(&self) -> Option<String> {
        self.script.faults.iter().find_map(|fault| {
            if let ModelFault::FailAnswers(code) = fault { Some(code.clone()) } else { None }
        })
    }

    fn choose(&mut self, ask: Ask) -> Reply {
        if ask == Ask::Instructed && !self.greeted {
            self.greeted = true;
            let resumed = self.script.resumed.clone().filter(|_| !self.conversation.is_empty());
            return resumed.unwrap_or_else(|| self.script.greeting.clone());
        }
        let [instructed, turns, after_tool] = &mut self.replies_given;
        let (list, given) = match ask {
            Ask::Instructed if self.script.instructed.is_empty() => return self.script.greeting.clone(),
            Ask::Instructed => (&self.script.instructed, instructed),
            Ask::ToolResult if !self.script.after_tool.is_empty() => (&self.script.after_tool, after_tool),
            Ask::Turn | Ask::ToolResult => (&self.script.turns, turns),
        };
        let reply = list.get(*given).or(list.last()).cloned().unwrap_or_default();
        *given += 1;
        reply
    }

    fn begin(&mut self, reply: Reply, metadata: Value, now: Moment) {
        if self.has(&ModelFault::NoAnswer) {
            return;
        }
        let id = self.new_id("resp");
        let plan = self.plan(reply, now);
        let running =
            Running { id, metadata, plan, speaking: None, output: Vec::new(), output_tokens: (0, 0) };
        let response = self.shown(&running, "in_progress", &Value::Null, &Value::Null);
        self.running = Some(running);
        self.say("response.created", json!({"response": response}));
    }

    fn plan(&mut self, reply: Reply, now: Moment) -> VecDeque<(Moment, Step)> {
        let mut plan = VecDeque::new();
        if self.has(&ModelFault::Stuck) {
            return plan;
        }
        let mut at = now + self.script.pace.first_audio;
        let items = if self.failure().is_some() { Vec::new() } else { reply.items };
        for item in items {
            match item {
                ReplyItem::Tool { name, arguments } => {
                    at = at + TOOL_CALL_TAKES;
                    plan.push_back((at, Step::Tool { name, arguments }));
                }
                ReplyItem::Speech { words, .. } if self.has(&ModelFault::TextOnly) => {
                    plan.push_back((at, Step::Text(words)));
                }
                ReplyItem::Speech { audio, words } => at = self.plan_speech(&audio, &words, at, &mut plan),
            }
        }
        plan.push_back((at, Step::Finish));
        plan
    }

    /// Cuts audio into pieces of random size, with the words spread between them; returns when it is over.
    fn plan_speech(
        &mut self,
        audio: &Bytes,
        words: &str,
        begin: Moment,
        plan: &mut VecDeque<(Moment, Step)>,
    ) -> Moment {
        plan.push_back((begin, Step::Begin { audio: audio.clone() }));
        let mut words: VecDeque<&str> = words.split_inclusive(' ').collect();
        let many = words.len();
        let bytes_per_second = 1_000 * BYTES_PER_MS * self.script.pace.speed.max(1) as usize;
        let (shortest, longest) = (*self.script.pace.delta_ms.start(), *self.script.pace.delta_ms.end());
        let bytes = BYTES_PER_MS as u64;
        let (mut from, mut at) = (0, begin);
        while from < audio.len() {
            let size = self.dice.within(shortest * bytes..=longest * bytes).max(1);
            let to = audio.len().min(from + usize::try_from(size).unwrap_or(usize::MAX));
            at = begin + Duration::from_micros((to * 1_000_000 / bytes_per_second) as u64);
            let said = many - words.len();
            let due = (to * many).div_ceil(audio.len()).saturating_sub(said);
            let text: String = words.drain(..due.min(words.len())).collect();
            if !text.is_empty() {
                plan.push_back((at, Step::Words(text)));
            }
            plan.push_back((at, Step::Audio(from..to)));
            from = to;
        }
        plan.push_back((at, Step::End));
        at
    }

    fn begin_item(&mut self, audio: Bytes) {
        let id = self.new_id("item");
        let pcm = self.output_pcm.then(|| to_pcm(&audio));
        let Some(running) = &mut self.running else { return };
        running.speaking = Some(Speaking { id: id.clone(), words: String::new(), pcm });
        let (response, index) = (running.id.clone(), running.output.len());
        let item = json!({"id": id, "object": "realtime.item", "type": "message", "status": "in_progress",
            "role": "assistant", "content": []});
        let previous = self.conversation.last().map(|item| item.id.clone());
        self.say(
            "response.output_item.added",
            json!({"response_id": response, "output_index": index, "item": item}),
        );
        self.say("conversation.item.added", json!({"item": item, "previous_item_id": previous}));
        self.say(
            "response.content_part.added",
            json!({"response_id": response, "item_id": id,
            "output_index": index, "content_index": 0, "part": {"type": "audio", "transcript": ""}}),
        );
        let kind = Kind::Speech { response, audio, sent: 0, words: String::new() };
        self.conversation.push(Item::new(id, kind));
    }

    fn say_audio(&mut self, range: Range<usize>) {
        let Some(running) = &mut self.running else { return };
        let Some(speaking) = &running.speaking else { return };
        let Some(item) = self.conversation.iter_mut().rfind(|item| item.id == speaking.id) else { return };
        let Kind::Speech { audio, sent, .. } = &mut item.kind else { return };
        let spoken = range.len();
        *sent = range.end;
        running.output_tokens.1 = (range.end / BYTES_PER_MS / 50) as u64;
        let piece = match &speaking.pcm {
            None => audio.get(range),
            Some(pcm) => pcm.get(range.start * 6..range.end * 6),
        };
        let piece = piece.unwrap_or_default();
        self.counter += 1;
        let mut text = String::with_capacity(piece.len().div_ceil(3) * 4 + 240);
        text.push_str(r#"{"type":"response.output_audio.delta","event_id":"event_"#);
        text.push_str(&format!(
            r#"{:04x}{:06}","response_id":"{}","item_id":"{}","output_index":{},"content_index":0,"delta":""#,
            self.name,
            self.counter,
            running.id,
            speaking.id,
            running.output.len()
        ));
        STANDARD.encode_string(piece, &mut text);
        text.push_str("\"}");
        self.outbox.push_back(Frame::Text(text.into()));
        self.said_bytes += spoken;
        let breaks = |fault: &ModelFault| matches!(fault, ModelFault::BreakOff { after_ms } if self.said_bytes as u64 >= after_ms * BYTES_PER_MS as u64);
        if self.script.faults.iter().any(breaks) {
            self.reset();
        }
    }

    fn say_words(&mut self, text: &str) {
        let Some(running) = &mut self.running else { return };
        let Some(speaking) = &mut running.speaking else { return };
        speaking.words.push_str(text);
        let event = json!({"response_id": running.id, "item_id": speaking.id, "output_index": running.output.len(),
            "content_index": 0, "delta": text, "obfuscation": "k3"});
        self.say("response.output_audio_transcript.delta", event);
    }

    fn end_item(&mut self, status: &str) {
        let Some(running) = &mut self.running else { return };
        let Some(Speaking { id, words, .. }) = running.speaking.take() else { return };
        let index = running.output.len();
        let item = json!({"id": id, "object": "realtime.item", "type": "message", "status": status,
            "role": "assistant", "content": [{"type": "output_audio", "transcript": words}]});
        running.output.push(item.clone());
        running.output_tokens.0 += words.len() as u64 / 4;
        let response = running.id.clone();
        if let Some(Item { kind: Kind::Speech { words: kept, .. }, truncated_ms: None, .. }) =
            self.conversation.iter_mut().rfind(|item| item.id == id)
        {
            kept.clone_from(&words);
        }
        let place = |more: Value| {
            let mut event =
                json!({"response_id": response, "item_id": id, "output_index": index, "content_index": 0});
            if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
                event.extend(more);
            }
            event
        };
        self.say("response.output_audio.done", place(json!({})));
        self.say("response.output_audio_transcript.done", place(json!({"transcript": words})));
        self.say(
            "response.content_part.done",
            place(json!({"part": {"type": "audio", "transcript": words}})),
        );
        self.finish_item(&response, index, &item);
    }

    fn call_tool(&mut self, name: &str, arguments: &str) {
        let (id, call) = (self.new_id("item"), self.new_id("call"));
        let Some(running) = &mut self.running else { return };
        let (response, index) = (running.id.clone(), running.output.len());
        let item = |status: &str, arguments: &str| {
            json!({"id": id, "object": "realtime.item", "type": "function_call",
            "status": status, "name": name, "call_id": call, "arguments": arguments})
        };
        let done = item("completed", arguments);
        running.output.push(done.clone());
        let previous = self.conversation.last().map(|item| item.id.clone());
        let begun = item("in_progress", "");
        self.say(
            "response.output_item.added",
            json!({"response_id": response, "output_index": index, "item": begun}),
        );
        self.say("conversation.item.added", json!({"item": begun, "previous_item_id": previous}));
        let place = json!({"response_id": response, "item_id": id, "output_index": index, "call_id": call});
        let mut delta = place.clone();
        let mut whole = place;
        if let (Some(delta), Some(whole)) = (delta.as_object_mut(), whole.as_object_mut()) {
            delta.insert("delta".to_owned(), json!(arguments));
            whole.insert("arguments".to_owned(), json!(arguments));
            whole.insert("name".to_owned(), json!(name));
        }
        self.say("response.function_call_arguments.delta", delta);
        self.say("response.function_call_arguments.done", whole);
        self.conversation.push(Item::new(id.clone(), Kind::ToolCall { call: call.clone() }));
        self.finish_item(&response, index, &done);
    }

    fn say_text(&mut self, words: &str) {
        let id = self.new_id("item");
        let Some(running) = &mut self.running else { return };
        let (response, index) = (running.id.clone(), running.output.len());
        let item = json!({"id": id, "object": "realtime.item", "type": "message", "status": "completed",
            "role": "assistant", "content": [{"type": "output_text", "text": words}]});
        running.output.push(item.clone());
        let place =
            json!({"response_id": response, "item_id": id, "output_index": index, "content_index": 0});
        let (mut delta, mut done) = (place.clone(), place);
        if let (Some(delta), Some(done)) = (delta.as_object_mut(), done.as_object_mut()) {
            delta.insert("delta".to_owned(), json!(words));
            done.insert("text".to_owned(), json!(words));
        }
        self.say(
            "response.output_item.added",
            json!({"response_id": response, "output_index": index, "item": item}),
        );
        self.say("response.output_text.delta", delta);
        self.say("response.output_text.done", done);
        self.conversation.push(Item::new(id, Kind::Text { text: words.to_owned(), by_model: true }));
        self.finish_item(&response, index, &item);
    }

    fn finish_item(&mut self, response: &str, index: usize, item: &Value) {
        self.say("conversation.item.done", json!({"item": item}));
        self.say(
            "response.output_item.done",
            json!({"response_id": response, "output_index": index, "item": item}),
        );
    }

    fn finish(&mut self, status: &str, details: &Value, now: Moment) {
        let Some(running) = self.running.take() else { return };
        let usage = self.usage(running.output_tokens);
        let response = self.shown(&running, status, details, &usage);
        self.say("response.done", json!({"response": response}));
        self.put_off(now + RATE_LIMITS_AFTER, Later::RateLimits);
        if std::mem::take(&mut self.owes_answer) {
            self.answer_turn(now);
        }
    }

    fn usage(&mut self, (text_out, audio_out): (u64, u64)) -> Value {
        let (text, audio) = self.context_tokens();
        let (cached_text, cached_audio) = (self.cached_tokens.0.min(text), self.cached_tokens.1.min(audio));
        self.cached_tokens = (text, audio);
        json!({"total_tokens": text + audio + text_out + audio_out, "input_tokens": text + audio,
            "output_tokens": text_out + audio_out,
            "input_token_details": {"text_tokens": text, "audio_tokens": audio, "image_tokens": 0,
                "cached_tokens": cached_text + cached_audio,
                "cached_tokens_details": {"text_tokens": cached_text, "audio_tokens": cached_audio, "image_tokens": 0}},
            "output_token_details": {"text_tokens": text_out, "audio_tokens": audio_out}})
    }

    fn shown(&self, running: &Running, status: &str, details: &Value, usage: &Value) -> Value {
        json!({"id": running.id, "object": "realtime.response", "status": status, "status_details": details,
            "output": running.output, "conversation_id": format!("conv_{:04x}", self.name),
            "output_modalities": self.session.get("output_modalities"), "max_output_tokens": "inf",
            "audio": {"output": self.session.pointer("/audio/output")}, "usage": usage,
            "metadata": running.metadata})
    }
}

/// µ-law at 8,000 Hz as little-endian PCM at 24,000 Hz: six bytes for one.
fn to_pcm(audio: &[u8]) -> Vec<u8> {
    let mut samples = Vec::with_capacity(audio.len());
    mulaw::decode_into(audio, &mut samples);
    let mut wide = Vec::with_capacity(audio.len() * 3);
    Up8kTo24k::new().push(&samples, &mut wide);
    wide.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}
