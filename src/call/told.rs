//! A call in sentences: every input, decision and output, as a person reads a replay. Audio, which is most of a call, is
//! counted and told in one line.

use super::{Command, Effect, Input, Note, Output};
use crate::domain::{Intention, Moment, Speaker, Turn};
use crate::wire::model::{FromModel, ToModel};
use crate::wire::twilio::media::{FromTwilio, ToTwilio};

/// What a sentence tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Something that happened to the call.
    Input,
    /// Something it did.
    Output,
    /// Something it noted.
    Note,
    /// Audio that went by since the last sentence.
    Audio,
}

/// One sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// When; audio has gone by over a while.
    pub at: Option<Moment>,
    /// What it tells of.
    pub kind: Kind,
    /// The words.
    pub text: String,
}

/// Tells steps of a call, one after the other.
#[derive(Debug, Default)]
pub struct Teller {
    audio: Audio,
}

#[derive(Debug, Default)]
struct Audio {
    from_caller: u32,
    to_caller: u32,
    from_model: u32,
    marks: u32,
}

impl Teller {
    /// The sentences of one step.
    pub fn step(&mut self, at: Moment, input: &Input, outputs: &[Output], mut say: impl FnMut(Sentence)) {
        if let Some(text) = self.describe_input(input) {
            self.tell_audio(&mut say);
            say(Sentence { at: Some(at), kind: Kind::Input, text });
        }
        for output in outputs {
            let kind = if matches!(output, Output::Note(_)) { Kind::Note } else { Kind::Output };
            if let Some(text) = self.describe_output(output) {
                self.tell_audio(&mut say);
                say(Sentence { at: Some(at), kind, text });
            }
        }
    }

    /// What is still to be told when there are no more steps.
    pub fn finish(mut self, mut say: impl FnMut(Sentence)) {
        self.tell_audio(&mut say);
    }

    fn tell_audio(&mut self, say: &mut impl FnMut(Sentence)) {
        let Audio { from_caller, to_caller, from_model, marks } = std::mem::take(&mut self.audio);
        let counted = [
            (from_caller, "frames heard"),
            (from_model, "pieces from the model"),
            (to_caller, "pieces played"),
            (marks, "marks back"),
        ];
        let told: Vec<String> = counted
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if !told.is_empty() {
            say(Sentence { at: None, kind: Kind::Audio, text: told.join(", ") });
        }
    }

    fn describe_input(&mut self, input: &Input) -> Option<String> {
        Some(match input {
            Input::Caller(FromTwilio::Media { .. }) => {
                self.audio.from_caller += 1;
                return None;
            }
            Input::Caller(FromTwilio::Mark(_)) => {
                self.audio.marks += 1;
                return None;
            }
            Input::Model(FromModel::Audio { .. }) => {
                self.audio.from_model += 1;
                return None;
            }
            Input::Tick | Input::Model(FromModel::Words { .. } | FromModel::Other(_)) => return None,
            Input::Caller(FromTwilio::Connected) => "caller ▸ connected".to_owned(),
            Input::Caller(FromTwilio::Start(_)) => "caller ▸ the stream starts".to_owned(),
            Input::Caller(FromTwilio::Dtmf(key)) => format!("caller ▸ key {}", key.reveal()),
            Input::Caller(FromTwilio::Stop) => "caller ▸ the stream stops".to_owned(),
            Input::Caller(FromTwilio::Other(name)) => format!("caller ▸ unknown message {:?}", name.as_str()),
            Input::Model(words) => format!("model  ▸ {}", describe_model(words)),
            Input::Command(command) => format!("order  ▸ {}", describe_command(command)),
            Input::Outcome(id, outcome) => format!("effect ▸ #{} {outcome:?}", id.0),
            Input::Lost(side) => format!("lost   ▸ {side:?}"),
            Input::Garbage => "caller ▸ a frame that is no message".to_owned(),
        })
    }

    fn describe_output(&mut self, output: &Output) -> Option<String> {
        Some(match output {
            Output::Caller(ToTwilio::Media(_)) => {
                self.audio.to_caller += 1;
                return None;
            }
            Output::Caller(ToTwilio::Mark(_)) | Output::Model(ToModel::Audio(_)) | Output::Recording(_) => {
                return None;
            }
            Output::Note(Note::Level { .. }) => return None,
            Output::Caller(ToTwilio::Clear) => "◂ caller: clear".to_owned(),
            Output::Model(words) => format!("◂ model: {}", describe_to_model(words)),
            Output::Effect(id, effect) => format!("◂ effect #{}: {}", id.0, describe_effect(effect)),
            Output::Note(note) => format!("• {}", describe_note(note)),
        })
    }
}

fn describe_model(words: &FromModel) -> String {
    match words {
        FromModel::Ready(format) => format!("the session is ready ({format:?})"),
        FromModel::ResponseStarted { response, tag: Some(_) } => {
            format!("answer {} begins, as asked", response.as_str())
        }
        FromModel::ResponseStarted { response, tag: None } => format!("answer {} begins", response.as_str()),
        FromModel::AudioDone { item, .. } => format!("no more audio of {}", item.as_str()),
        FromModel::AllWords { item, text } => format!("{} says {:?}", item.as_str(), text.reveal()),
        FromModel::ToolCall { name, arguments, .. } => format!("calls {name}({})", arguments.reveal()),
        FromModel::ResponseDone { response, outcome, .. } => {
            format!("answer {} is over: {outcome:?}", response.as_str())
        }
        FromModel::SpeechStarted => "the caller began to speak".to_owned(),
        FromModel::SpeechStopped => "the caller stopped".to_owned(),
        FromModel::CallerSaid { text, .. } => format!("the caller said {:?}", text.reveal()),
        FromModel::Refused(refusal) => format!("refuses: {} ({:?})", refusal.code, refusal.class),
        FromModel::Audio { .. } | FromModel::Words { .. } | FromModel::Other(_) => {
            "audio or words".to_owned()
        }
    }
}

fn describe_to_model(words: &ToModel) -> String {
    match words {
        ToModel::Audio(_) => "audio".to_owned(),
        ToModel::Respond { instructions, .. } => match instructions {
            // The persona comes first and is the same every time; what is asked for now stands at the end.
            Some(text) => format!("answer: {}", text.rsplit("\n\n").next().unwrap_or_default()),
            None => "answer".to_owned(),
        },
        ToModel::Truncate { item, heard_ms, .. } => {
            format!("of {} the caller heard {heard_ms} ms", item.as_str())
        }
        ToModel::Forget(item) => format!("of {} the caller heard nothing", item.as_str()),
        ToModel::ToolCall { name, .. } => format!("you called {name}"),
        ToModel::ToolResult { output, .. } => format!("tool result {output}"),
        ToModel::Said { by_model: true, text } => format!("you said {:?}", text.reveal()),
        ToModel::Said { by_model: false, text } => format!("the caller said {:?}", text.reveal()),
        ToModel::Note(text) => format!("know that: {}", text.reveal()),
    }
}

fn describe_command(command: &Command) -> String {
    match command {
        Command::CallOver => "the call is over elsewhere".to_owned(),
        Command::HandOver => "hand over".to_owned(),
        Command::HangUp => "an operator ends the call".to_owned(),
        Command::Transfer(to) => format!("an operator transfers to {to}"),
        Command::Say(words) => format!("an operator says {:?}", words.reveal()),
    }
}

fn describe_effect(effect: &Effect) -> String {
    match effect {
        Effect::DialModel => "dial the model".to_owned(),
        Effect::Intend(Some(intention)) => format!("write down: {}", describe_intention(intention)),
        Effect::Intend(None) => "write down: nothing is meant any more".to_owned(),
        Effect::HangUp => "hang up".to_owned(),
        Effect::Transfer(to) => format!("transfer to {to}"),
        Effect::TakeMessage(_) => "keep a message".to_owned(),
        Effect::Checkpoint(turn) => format!("keep turn {}", turn.number),
        Effect::KeepGreeting(_) => "keep the greeting for the next caller".to_owned(),
    }
}

fn describe_intention(intention: &Intention) -> String {
    match intention {
        Intention::HangUp => "hang up".to_owned(),
        Intention::Transfer(to) => format!("transfer to {to}"),
        Intention::FallBack => "fall back".to_owned(),
    }
}

/// A note as a sentence, with the words that were said.
fn describe_note(note: &Note) -> String {
    match note {
        Note::CallerArrived => "the caller is there".to_owned(),
        Note::ModelReady => "the model is ready".to_owned(),
        Note::ModelAway => "the model is lost; another session is dialled".to_owned(),
        Note::SessionRenewed => "the session is old; another follows it".to_owned(),
        Note::Bridged { phrase: true } => "the caller waits: a kept phrase is said".to_owned(),
        Note::Bridged { phrase: false } => "the caller waits: a chime is played".to_owned(),
        Note::FirstAudio { after_caller_ms: Some(ms), .. } => {
            format!("answers {ms} ms after the caller stopped")
        }
        Note::FirstAudio { after_start_ms: Some(ms), .. } => {
            format!("first audio {ms} ms after the stream's start")
        }
        Note::FirstAudio { .. } => "first audio".to_owned(),
        Note::CallerSpeaks => "the caller speaks".to_owned(),
        Note::CallerStops => "the caller stops".to_owned(),
        Note::Said(turn) => describe_turn(turn),
        Note::BargeIn { heard_ms, made_ms, .. } => {
            format!("interrupted: {heard_ms} ms heard of {made_ms} ms")
        }
        Note::Keys(keys) => format!("keys {}", keys.reveal()),
        Note::ToolCalled { name } => format!("tool {name} is called"),
        Note::ToolDone { name, done: true, took_ms } => format!("tool {name} is done, after {took_ms} ms"),
        Note::ToolDone { name, done: false, took_ms } => format!("tool {name} failed, after {took_ms} ms"),
        Note::Padded(ms) => format!("{ms} ms of the caller's audio were missing"),
        Note::Level { caller_db, model_db } => format!("caller {caller_db} dB, model {model_db} dB"),
        Note::ModelRefused { code, fatal: true } => format!("the model refuses for good: {code}"),
        Note::ModelRefused { code, fatal: false } => format!("the model refuses: {code}"),
        Note::TooLate(deadline) => format!("deadline passed: {deadline:?}"),
        Note::Leaving(intention) => format!("after the goodbye: {}", describe_intention(intention)),
        Note::Over { ending, .. } => format!("over: {ending:?}"),
    }
}

fn describe_turn(turn: &Turn) -> String {
    let who = match turn.speaker {
        Speaker::Caller => "caller",
        Speaker::Model => "model",
    };
    let cut = if turn.interrupted { " — interrupted" } else { "" };
    format!("{who}: {:?}{cut}", turn.text.reveal())
}
