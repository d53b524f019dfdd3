//! The Realtime service for one connection: hears our events, says its own, refuses what the real one refuses.
//!
//! It does not hold out-of-band conversations, images or MCP: events about them are accepted, and nothing follows.

mod conversation;
mod listening;
mod schema;
mod script;
mod session;
mod speaking;
mod vad;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

pub use self::conversation::{Item, Kind};
pub use self::schema::Complaint;
pub use self::script::{ModelFault, Pace, Reply, ReplyItem, Script};
use self::speaking::Running;
use self::vad::{Rules, Vad};
use super::{Dice, Frame};
use crate::domain::Moment;
use crate::wire::Text;

/// `rate_limits.updated` follows an answer by so much.
const RATE_LIMITS_AFTER: Duration = Duration::from_millis(40);

/// What is no event: no JSON, half of it, no object, no type, an event without its fields, audio that is none.
const GARBAGE: [&str; 6] = [
    "not json",
    r#"{"type":"response.done","response":{"id":"#,
    "[1,2,3]",
    r#"{"event_id":"event_1"}"#,
    r#"{"type":"response.output_audio.delta","delta":7}"#,
    r#"{"type":"response.output_audio.delta","event_id":"e","response_id":"r","item_id":"i","output_index":0,"content_index":0,"delta":"%"}"#,
];
/// How the event begins that comes fifty times a second.
const AUDIO: &str = r#"{"type":"input_audio_buffer.append""#;

/// One event of ours, as the service got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientEvent {
    /// When.
    pub at: Moment,
    /// The frame.
    pub text: Text,
}

/// One event of ours that the service refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRefusal {
    /// When.
    pub at: Moment,
    /// The event's `type`, as far as it had one.
    pub event: String,
    /// Why.
    pub complaint: Complaint,
}

/// One connection to the model.
#[derive(Debug)]
pub struct ModelService {
    began: Moment,
    script: Script,
    dice: Dice,
    name: u16,
    session: Value,
    rules: Option<Rules>,
    input_pcm: bool,
    output_pcm: bool,
    vad: Vad,
    appended_samples: u64,
    uncommitted_samples: u64,
    turn_item: Option<String>,
    conversation: Vec<Item>,
    cached_tokens: (u64, u64),
    running: Option<Running>,
    owes_answer: bool,
    replies_given: [usize; 3],
    transcripts_given: usize,
    greeted: bool,
    later: BTreeMap<(Moment, u64), Later>,
    inbox: VecDeque<Frame>,
    busy_until: Moment,
    outbox: VecDeque<Frame>,
    over: bool,
    /// Nothing more is said, whatever happens.
    silent: bool,
    /// How much was said in all, in bytes of µ-law.
    said_bytes: usize,
    counter: u64,
    heard: Vec<ClientEvent>,
    keeps_audio: bool,
    refusals: Vec<ServiceRefusal>,
}

/// Something that happens in a while.
#[derive(Debug)]
enum Later {
    SessionUpdated,
    Transcript { item: String, text: String, audio_tokens: u64 },
    RateLimits,
    CancelAnswer { response: String },
    Expire,
    Reset,
    FallSilent,
}

impl ModelService {
    /// A connection accepted at `began`; the same seed makes the same sizes and names.
    pub fn new(script: Script, seed: u64, began: Moment) -> Self {
        let mut service = Self {
            began,
            dice: Dice::new(seed),
            name: seed as u16,
            session: session::initial(),
            rules: None,
            input_pcm: true,
            output_pcm: true,
            vad: Vad::default(),
            appended_samples: 0,
            uncommitted_samples: 0,
            turn_item: None,
            conversation: Vec::new(),
            cached_tokens: (0, 0),
            running: None,
            owes_answer: false,
            replies_given: [0; 3],
            transcripts_given: 0,
            greeted: false,
            later: BTreeMap::new(),
            inbox: VecDeque::new(),
            busy_until: began,
            outbox: VecDeque::new(),
            over: false,
            silent: false,
            said_bytes: 0,
            counter: 0,
            heard: Vec::new(),
            keeps_audio: true,
            refusals: Vec::new(),
            script,
        };
        service.open();
        service
    }

    /// Keeps none of the client's audio from now on: for long calls by the thousand.
    pub fn forget_audio(&mut self) {
        self.keeps_audio = false;
    }

    /// Hears a frame of the client's.
    pub fn hear(&mut self, frame: Frame, now: Moment) {
        if self.over {
            return;
        }
        if let Frame::Text(text) = &frame
            && (self.keeps_audio || !text.starts_with(AUDIO))
        {
            self.heard.push(ClientEvent { at: now, text: text.clone() });
        }
        if now < self.busy_until || !self.inbox.is_empty() {
            self.inbox.push_back(frame);
            self.wake(now);
        } else {
            self.on_frame(&frame, now);
        }
    }

    /// Does all that is due until `now`.
    pub fn wake(&mut self, now: Moment) {
        while !self.over {
            let next = [self.later_at(), self.running_at()].into_iter().flatten().min();
            if self.busy_until <= now
                && next.is_none_or(|next| self.busy_until < next)
                && let Some(frame) = self.inbox.pop_front()
            {
                self.on_frame(&frame, self.busy_until);
                continue;
            }
            match next {
                Some(at) if at <= now => self.one_step(at),
                Some(_) | None => return,
            }
        }
    }

    /// The next frame for the client, until none.
    pub fn next_frame(&mut self) -> Option<Frame> {
        if self.silent {
            self.outbox.clear();
        }
        self.outbox.pop_front()
    }

    /// When there is something to do.
    pub fn wake_at(&self) -> Option<Moment> {
        if self.over {
            return None;
        }
        let inbox = self.inbox.front().map(|_| self.busy_until);
        [self.later_at(), self.running_at(), inbox].into_iter().flatten().min()
    }

    /// Whether the connection is over.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Every event of the client's, in order.
    pub fn heard(&self) -> &[ClientEvent] {
        &self.heard
    }

    /// Every event of the client's that was refused.
    pub fn refusals(&self) -> &[ServiceRefusal] {
        &self.refusals
    }

    /// The conversation, deleted items included.
    pub fn conversation(&self) -> &[Item] {
        &self.conversation
    }

    /// How much audio the client appended, in milliseconds.
    pub fn appended_ms(&self) -> u64 {
        self.appended_samples / self.input_rate()
    }

    fn later_at(&self) -> Option<Moment> {
        self.later.first_key_value().map(|((at, _), _)| *at)
    }

    fn running_at(&self) -> Option<Moment> {
        self.running.as_ref().and_then(Running::next_at)
    }

    fn one_step(&mut self, at: Moment) {
        // An answer's step comes before what was put off to the same moment, so that what is cut was said.
        if self.running_at() == Some(at) {
            return self.speak(at);
        }
        let Some((_, later)) = self.later.pop_first() else { return };
        match later {
            Later::SessionUpdated => self.say_session("session.updated"),
            Later::Transcript { item, text, audio_tokens } => self.say_transcript(&item, &text, audio_tokens),
            Later::RateLimits => self.say(
                "rate_limits.updated",
                json!({"rate_limits": [
                    {"name": "requests", "limit": 1_000, "remaining": 999, "reset_seconds": 60},
                    {"name": "tokens", "limit": 50_000, "remaining": 49_950, "reset_seconds": 60}]}),
            ),
            Later::CancelAnswer { response } => {
                if self.running.as_ref().is_some_and(|running| running.id == response) {
                    self.cut("turn_detected", at);
                }
            }
            Later::Expire => {
                let message = "Your session hit the maximum duration of 60 minutes.";
                self.say("error", json!({"error": {"type": "invalid_request_error", "code": "session_expired", "message": message, "param": null, "event_id": null}}));
                self.close(1001, "");
            }
            Later::Reset => self.reset(),
            Later::FallSilent => self.silent = true,
        }
    }

    fn on_frame(&mut self, frame: &Frame, now: Moment) {
        let text = match frame {
            Frame::Text(text) => text,
            Frame::Binary(_) => {
                let message = "Binary messages are not supported.".to_owned();
                return self.refuse(&Value::Null, Complaint::new("invalid_event", "", message), now);
            }
            Frame::Close { .. } | Frame::Reset => {
                self.over = true;
                return;
            }
        };
        // Fifty times a second: read without a tree. What is not exactly this is judged like the rest.
        if let Ok(Append { kind: "input_audio_buffer.append", event_id: None, audio }) =
            serde_json::from_str(text)
        {
            if let Err(complaint) = self.append(audio, now) {
                self.refuse(&json!({"type": "input_audio_buffer.append"}), complaint, now);
            }
            return;
        }
        let event: Value = match serde_json::from_str(text) {
            Ok(event) => event,
            Err(error) => {
                let complaint =
                    Complaint::new("invalid_json", "", format!("We could not parse the JSON body: {error}"));
                return self.refuse(&Value::Null, complaint, now);
            }
        };
        if let Err(complaint) = schema::check(&event).and_then(|()| self.on_event(&event, now)) {
            self.refuse(&event, complaint, now);
        }
    }

    fn on_event(&mut self, event: &Value, now: Moment) -> Result<(), Complaint> {
        let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
        match text("type") {
            "session.update" => self.update_session(event.get("session").unwrap_or(&Value::Null), now),
            "input_audio_buffer.append" => self.append(text("audio"), now),
            "input_audio_buffer.commit" => self.commit_on_demand(now),
            "input_audio_buffer.clear" => {
                self.uncommitted_samples = 0;
                self.say("input_audio_buffer.cleared", json!({}));
                Ok(())
            }
            "conversation.item.create" => self.create_item(event),
            "conversation.item.retrieve" => self.retrieve_item(text("item_id")),
            "conversation.item.truncate" => self.truncate_item(event),
            "conversation.item.delete" => self.delete_item(text("item_id")),
            "response.create" => self.create_response(event.get("response").unwrap_or(&Value::Null), now),
            "response.cancel" => self.cancel_response(event.get("response_id").and_then(Value::as_str), now),
            // The schema lets nothing else through.
            _ => Ok(()),
        }
    }

    fn refuse(&mut self, event: &Value, complaint: Complaint, at: Moment) {
        let error = json!({"type": "invalid_request_error", "code": complaint.code, "message": complaint.message,
            "param": complaint.param, "event_id": event.get("event_id")});
        self.say("error", json!({"error": error}));
        let event = event.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.refusals.push(ServiceRefusal { at, event, complaint });
    }

    fn reset(&mut self) {
        self.outbox.push_back(Frame::Reset);
        self.over = true;
    }

    fn close(&mut self, code: u16, reason: &str) {
        self.outbox.push_back(Frame::Close { code, reason: reason.to_owned() });
        self.over = true;
    }

    fn put_off(&mut self, until: Moment, later: Later) {
        self.counter += 1;
        self.later.insert((until, self.counter), later);
    }

    fn has(&self, fault: &ModelFault) -> bool {
        self.script.faults.contains(fault)
    }

    /// Says an event of that type.
    fn say(&mut self, kind: &str, mut event: Value) {
        let times = if self.has(&ModelFault::Repeat) { 2 } else { 1 };
        self.counter += 1;
        if let Some(event) = event.as_object_mut() {
            event.insert("type".to_owned(), json!(kind));
            event.insert("event_id".to_owned(), json!(format!("event_{:04x}{:06}", self.name, self.counter)));
        }
        let text = Text::from(event.to_string());
        for _ in 0..times {
            self.outbox.push_back(Frame::Text(text.clone()));
        }
        if self.has(&ModelFault::Unknown) {
            let unknown =
                r#"{"type":"response.something.new","event_id":"event_unknown","what":[1,{"x":null}]}"#;
            self.outbox.push_back(Frame::Text(unknown.into()));
        }
        if self.has(&ModelFault::Garbage) {
            let garbage = GARBAGE.get(self.counter as usize % GARBAGE.len()).copied().unwrap_or_default();
            self.outbox.push_back(Frame::Text(garbage.into()));
        }
    }

    fn new_id(&mut self, kind: &str) -> String {
        self.counter += 1;
        format!("{kind}_{:04x}{:06}", self.name, self.counter)
    }

    /// Samples of the caller's audio in a millisecond.
    fn input_rate(&self) -> u64 {
        if self.input_pcm { 24 } else { 8 }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Append<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    event_id: Option<&'a str>,
    audio: &'a str,
}

#[cfg(test)]
mod tests;
