//! One call on a stage: the test says what happens and when, the stage keeps time, plays what the caller is sent,
//! gives marks back as Twilio does, and answers effects.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test picks what it looks for")]

mod bridging;
mod endings;
mod failing;
mod hostile;
mod http_tools;
mod listening;
mod log;
mod opening;
mod operating;
mod playout;
mod recorded_call;
mod relinking;
mod tools;

use std::collections::VecDeque;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::domain::{
    AccountSid, BusinessId, BusinessImport, CallSid, DestinationId, Ending, ModalityTokens, Moment,
    StreamSid, Turn,
};
use crate::wire::Text;
use crate::wire::model::{
    AudioFormat, FromModel, Refusal, RefusalClass, ResponseId, ResponseOutcome, ToModel,
};
use crate::wire::twilio::media::{FromTwilio, MediaFormat, Start, ToTwilio};

pub(super) const LUNA: &str = r#"{"plans":[{"id":"premium","concurrentCalls":10,"minutesPerMonth":2000,"minutesPerCall":30}],
 "businesses":[{"id":"business-1","name":"Luna Dental","plan":"premium","lines":["+15551234567"],
   "greeting":"Thanks for calling Luna Dental.","instructions":"You are the receptionist of Luna Dental.",
   "destinations":[{"id":"front-office","label":"the front office","number":"+15550001111"}],
   "fallback":{"transfer":"front-office"},"tools":["end_call","transfer_call","take_message"]}]}"#;

pub(super) fn brief() -> Brief {
    let import: BusinessImport = serde_json::from_str(LUNA).unwrap();
    let business = import.businesses[0].clone();
    Brief {
        call: CallSid::parse("CA00000000000000000000000000000001").unwrap(),
        attempt: 1,
        plan: business.plan.clone(),
        business,
        from: "+14155550123".to_owned().into(),
        longest: Duration::from_secs(1_800),
        recorded: false,
        began_ms: 1_700_000_000_000,
        opening: Opening::Greet,
        bridging: None,
    }
}

pub(super) fn start() -> FromTwilio {
    FromTwilio::Start(Box::new(Start {
        stream_sid: StreamSid::parse("MZ00000000000000000000000000000001").unwrap(),
        call_sid: brief().call,
        account_sid: AccountSid::parse("AC00000000000000000000000000000001").unwrap(),
        media_format: MediaFormat { encoding: "audio/x-mulaw".to_owned(), sample_rate: 8_000, channels: 1 },
        custom_parameters: std::collections::BTreeMap::new().into(),
    }))
}

/// A call with everything around it in one place and no network between.
pub(super) struct Stage {
    pub(super) call: Call,
    pub(super) now_ms: u64,
    /// Everything that came out, with its time in milliseconds.
    pub(super) outputs: Vec<(u64, Output)>,
    /// How many of them a test has looked at.
    seen: usize,
    /// Marks Twilio will give back, and when.
    marks: VecDeque<(u64, Text)>,
    plays_until_ms: u64,
    timestamp_ms: u64,
    /// Whether effects are answered with success at once.
    pub(super) obliging: bool,
    /// Whether nothing is heard of the caller, whatever the model says.
    pub(super) quiet: bool,
}

impl Stage {
    pub(super) fn new(brief: Brief) -> Self {
        let mut stage = Self {
            call: Call::new(brief),
            now_ms: 0,
            outputs: Vec::new(),
            seen: 0,
            marks: VecDeque::new(),
            plays_until_ms: 0,
            timestamp_ms: 61,
            obliging: true,
            quiet: false,
        };
        stage.drain();
        stage
    }

    /// A call in which the greeting has been said and heard, at 3 s.
    pub(super) fn after_greeting() -> Self {
        let mut stage = Self::new(brief());
        stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
        stage.caller(start());
        stage.answer("greeting", 1_000, "Thanks for calling Luna Dental.");
        stage.until(3_000);
        stage.take();
        stage
    }

    pub(super) fn tell(&mut self, input: Input) {
        self.call.handle(input, Moment::from_millis(self.now_ms));
        self.drain();
    }

    pub(super) fn model(&mut self, words: FromModel) {
        self.tell(Input::Model(words));
    }

    pub(super) fn caller(&mut self, words: FromTwilio) {
        self.tell(Input::Caller(words));
    }

    /// 20 ms of the caller's: a loud hum while the model hears them speak, else silence.
    pub(super) fn frame(&mut self) {
        let timestamp_ms = self.timestamp_ms;
        // With pauses: what is loud without any is a line's noise.
        let speaks = self.call.caller_speaks && !self.quiet && timestamp_ms % 1_000 < 800;
        let hum = |n: usize| if speaks && n % 20 < 10 { 0x1F } else { 0xFF };
        let payload = STANDARD.encode(std::array::from_fn::<u8, 160, _>(hum)).into();
        self.timestamp_ms += 20;
        self.caller(FromTwilio::Media { timestamp_ms, payload });
    }

    /// Lets frames vanish on their way: time passes for Twilio, and nothing comes.
    pub(super) fn lose(&mut self, ms: u64) {
        self.timestamp_ms += ms;
    }

    pub(super) fn started(&mut self, response: &str) {
        let tag = self.last_tag();
        self.model(FromModel::ResponseStarted { response: response.into(), tag });
    }

    pub(super) fn audio(&mut self, response: &str, ms: usize) {
        self.audio_of(response, response, ms);
    }

    pub(super) fn audio_of(&mut self, response: &str, item: &str, ms: usize) {
        let audio = STANDARD.encode(vec![0x55; ms * 8]).into();
        self.model(FromModel::Audio {
            response: response.into(),
            item: item.into(),
            content_index: 0,
            audio,
        });
    }

    pub(super) fn done(&mut self, response: &str, outcome: ResponseOutcome) {
        self.model(FromModel::ResponseDone { response: response.into(), outcome, usage: None });
    }

    /// A whole answer at once: one item named like the response.
    pub(super) fn answer(&mut self, response: &str, ms: usize, words: &str) {
        self.started(response);
        self.audio(response, ms);
        self.model(FromModel::AllWords { item: response.into(), text: words.to_owned().into() });
        self.model(FromModel::AudioDone { response: response.into(), item: response.into() });
        self.done(response, ResponseOutcome::Completed);
    }

    pub(super) fn tool(&mut self, response: &str, call: &str, name: &str, arguments: &str) {
        self.model(FromModel::ToolCall {
            response: response.into(),
            call: call.into(),
            name: name.to_owned(),
            arguments: arguments.to_owned().into(),
        });
    }

    /// Lets time pass: deadlines, marks, and the caller's silence.
    pub(super) fn until(&mut self, ms: u64) {
        self.pass(ms, true);
    }

    /// Lets time pass without a frame of the caller's.
    pub(super) fn stall_until(&mut self, ms: u64) {
        self.pass(ms, false);
    }

    fn pass(&mut self, until_ms: u64, frames: bool) {
        let mut next_frame = self.now_ms + 20;
        let mut steps = 0;
        loop {
            steps += 1;
            assert!(steps < 1_000_000, "an alarm that rings for ever");
            let wake = self.call.wake_at().map(|at| at.as_micros().div_ceil(1_000));
            let mark = self.marks.front().map(|(at, _)| *at);
            let frame = Some(next_frame).filter(|_| frames && self.call.arrived_at.is_some());
            let next = [wake, mark, frame].into_iter().flatten().min().unwrap_or(u64::MAX);
            if next > until_ms || self.call.ending().is_some() {
                break;
            }
            assert!(next >= self.now_ms || Some(next) == wake, "time runs forward");
            self.now_ms = self.now_ms.max(next);
            if mark == Some(next) {
                let (_, name) = self.marks.pop_front().unwrap();
                self.caller(FromTwilio::Mark(name));
            } else if frame == Some(next) {
                next_frame += 20;
                self.frame();
            } else {
                self.tell(Input::Tick);
            }
        }
        self.now_ms = self.now_ms.max(until_ms);
    }

    fn drain(&mut self) {
        while let Some(output) = self.call.next_output() {
            self.outputs.push((self.now_ms, output.clone()));
            match output {
                Output::Caller(ToTwilio::Media(audio)) => {
                    let bytes = STANDARD.decode(audio.as_bytes()).unwrap().len();
                    assert_eq!(bytes % 160, 0, "whole frames only");
                    self.plays_until_ms = self.plays_until_ms.max(self.now_ms) + bytes as u64 / 8;
                }
                Output::Caller(ToTwilio::Mark(name)) => self.marks.push_back((self.plays_until_ms, name)),
                Output::Caller(ToTwilio::Clear) => {
                    // Twilio sends back every mark it held.
                    self.plays_until_ms = self.now_ms;
                    for (at, _) in &mut self.marks {
                        *at = self.now_ms;
                    }
                }
                Output::Effect(id, effect) if self.obliging => {
                    if effect != Effect::DialModel {
                        self.call.handle(Input::Outcome(id, Outcome::Done), Moment::from_millis(self.now_ms));
                    }
                }
                Output::Effect(..) | Output::Model(_) | Output::Note(_) | Output::Recording(_) => {}
            }
        }
    }

    /// What came out since the last time.
    pub(super) fn take(&mut self) -> Vec<Output> {
        let new = self.outputs[self.seen..].iter().map(|(_, output)| output.clone()).collect();
        self.seen = self.outputs.len();
        new
    }

    /// What was said to the model since the last time, audio left out.
    pub(super) fn said_to_model(&mut self) -> Vec<ToModel> {
        let words = self.take().into_iter().filter_map(|output| match output {
            Output::Model(ToModel::Audio(_)) => None,
            Output::Model(words) => Some(words),
            Output::Caller(_) | Output::Effect(..) | Output::Note(_) | Output::Recording(_) => None,
        });
        words.collect()
    }

    /// Milliseconds of audio the caller was sent in all.
    pub(super) fn sent_ms(&self) -> u64 {
        let media = self.outputs.iter().filter_map(|(_, output)| match output {
            Output::Caller(ToTwilio::Media(audio)) => Some(STANDARD.decode(audio.as_bytes()).unwrap().len()),
            Output::Caller(_)
            | Output::Model(_)
            | Output::Effect(..)
            | Output::Note(_)
            | Output::Recording(_) => None,
        });
        media.sum::<usize>() as u64 / 8
    }

    pub(super) fn effects(&self) -> Vec<Effect> {
        let effects = self.outputs.iter().filter_map(|(_, output)| match output {
            Output::Effect(_, effect) => Some(effect.clone()),
            Output::Caller(_) | Output::Model(_) | Output::Note(_) | Output::Recording(_) => None,
        });
        effects.collect()
    }

    pub(super) fn notes(&self) -> Vec<Note> {
        let notes = self.outputs.iter().filter_map(|(_, output)| match output {
            Output::Note(note) => Some(note.clone()),
            Output::Caller(_) | Output::Model(_) | Output::Effect(..) | Output::Recording(_) => None,
        });
        notes.collect()
    }

    pub(super) fn turns(&self) -> Vec<Turn> {
        let turns = self.notes().into_iter().filter_map(|note| match note {
            Note::Said(turn) => Some(*turn),
            _ => None,
        });
        turns.collect()
    }

    pub(super) fn ending(&self) -> Option<Ending> {
        self.call.ending().cloned()
    }

    /// The instructions of the answer that was asked for last.
    pub(super) fn last_ask(&self) -> Option<(Option<String>, bool, u32)> {
        self.outputs.iter().rev().find_map(|(_, output)| match output {
            Output::Model(ToModel::Respond { instructions, tools, tag }) => {
                Some((instructions.clone(), *tools, *tag))
            }
            Output::Caller(_)
            | Output::Model(_)
            | Output::Effect(..)
            | Output::Note(_)
            | Output::Recording(_) => None,
        })
    }

    fn last_tag(&self) -> Option<u32> {
        self.last_ask().map(|(_, _, tag)| tag)
    }
}

pub(super) fn front_office() -> DestinationId {
    DestinationId::parse("front-office").unwrap()
}

pub(super) fn business_1() -> BusinessId {
    BusinessId::parse("business-1").unwrap()
}

pub(super) fn refused(class: RefusalClass, code: &str) -> FromModel {
    FromModel::Refused(Refusal { class, code: code.to_owned(), message: String::new().into(), answer: None })
}
