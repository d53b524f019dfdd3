//! `frontdesk replay FILE`: runs a logged call through the machine again and shows every decision.

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;

use crate::call::event_log::{self, Verdict};
use crate::call::{Effect, Input, Note, Output};
use crate::domain::{Intention, Moment, Speaker, Turn};
use crate::wire::model::{FromModel, ToModel};
use crate::wire::twilio::media::{FromTwilio, ToTwilio};

/// Replays the log at `path` and prints it. An error when it cannot be read, or when the machine of today decides
/// otherwise than the one that wrote it.
pub(super) fn run(path: &Path, out: &mut dyn Write) -> anyhow::Result<()> {
    let log = std::fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
    let brief = event_log::brief(&log).with_context(|| format!("could not read {}", path.display()))?;
    writeln!(out, "{} · attempt {} · {}", brief.call, brief.attempt, brief.business.name)?;
    let mut page = Page::new(out);
    let verdict = event_log::replay(&log, |at, input, outputs| page.step(at, input, outputs));
    page.finish()?;
    match verdict.with_context(|| format!("could not replay {}", path.display()))? {
        Verdict::Identical { inputs, outputs, cut_off } => {
            let end = if cut_off { "; its last line was cut off" } else { "" };
            writeln!(out, "{inputs} inputs, {outputs} outputs, identical to the byte{end}")?;
            Ok(())
        }
        Verdict::Differs { line, at, logged, replayed } => {
            anyhow::bail!(
                "line {line}, at {at}: this program decides otherwise than the one that wrote the log\n  \
                 then: {logged}\n  now:  {replayed}"
            )
        }
    }
}

/// Prints steps; audio, which is most of a call, is counted and told in one line.
struct Page<'a> {
    out: &'a mut dyn Write,
    audio: Audio,
    failed: std::io::Result<()>,
}

#[derive(Default)]
struct Audio {
    from_caller: u32,
    to_caller: u32,
    from_model: u32,
    marks: u32,
}

impl<'a> Page<'a> {
    fn new(out: &'a mut dyn Write) -> Self {
        Self { out, audio: Audio::default(), failed: Ok(()) }
    }

    fn step(&mut self, at: Moment, input: &Input, outputs: &[Output]) {
        if let Some(text) = self.describe_input(input) {
            self.line(at, &text);
        }
        for output in outputs {
            if let Some(text) = self.describe_output(output) {
                self.line(at, &format!("  {text}"));
            }
        }
    }

    fn finish(mut self) -> std::io::Result<()> {
        self.tell_audio();
        self.failed
    }

    fn line(&mut self, at: Moment, text: &str) {
        self.tell_audio();
        let written = writeln!(self.out, "{:>10}  {text}", at.to_string());
        self.failed = std::mem::replace(&mut self.failed, Ok(())).and(written);
    }

    fn tell_audio(&mut self) {
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
            let written = writeln!(self.out, "{:>10}  · {}", "", told.join(", "));
            self.failed = std::mem::replace(&mut self.failed, Ok(())).and(written);
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
            Input::Command(command) => format!("order  ▸ {command:?}"),
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

pub(super) fn describe_intention(intention: &Intention) -> String {
    match intention {
        Intention::HangUp => "hang up".to_owned(),
        Intention::Transfer(to) => format!("transfer to {to}"),
        Intention::FallBack => "fall back".to_owned(),
    }
}

/// A note as a sentence, with the words that were said.
pub(super) fn describe_note(note: &Note) -> String {
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
