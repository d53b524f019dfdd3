//! What a call was told, and what it did: enough to run it again.
//!
//! One JSON line for what the call knew when it began, then one for every input with the outputs that followed. Audio
//! that went out is written as its length and a fingerprint: it can be made again from what came in. What people said
//! is in here, so a log is kept as carefully as a recording.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Brief, Call, Effect, Input, Output};
use crate::domain::Moment;
use crate::wire::model::ToModel;
use crate::wire::twilio::media::{FromTwilio, ToTwilio};

/// The shape of the lines. A log of another version is refused, not guessed at.
const VERSION: u32 = 3;

/// Writes a log into whatever buffer it is given.
#[derive(Debug, Default)]
pub struct EventLog {
    line_open: bool,
    outputs: usize,
}

#[derive(Serialize, Deserialize)]
struct Head {
    /// `VERSION`, under the name of the program: the first thing a reader looks for.
    frontdesk: u32,
    brief: Brief,
}

#[derive(Deserialize)]
struct Line<'a> {
    at: Moment,
    #[serde(rename = "in")]
    input: Input,
    #[serde(borrow, rename = "out")]
    outputs: Vec<&'a RawValue>,
}

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Nothing, or no log of ours.
    #[error("line 1: this is not an event log of frontdesk ({0})")]
    NoHead(String),
    /// A log of another version.
    #[error(
        "line 1: this log has version {0}, and this program reads version {VERSION}: use the program that wrote it"
    )]
    Version(u32),
    /// A broken line that is not the last.
    #[error("line {line}: {why}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
}

/// How a replay went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every output was the same, to the byte.
    Identical {
        /// How many inputs there were.
        inputs: usize,
        /// How many outputs.
        outputs: usize,
        /// Whether the last line was cut off, as by a killed process.
        cut_off: bool,
    },
    /// Something was different.
    Differs {
        /// On which line, counted from 1.
        line: usize,
        /// When, in the call.
        at: Moment,
        /// What the log says was done.
        logged: String,
        /// What was done now.
        replayed: String,
    },
}

impl EventLog {
    /// Writes the first line. Secrets and addresses of the business are not in it: a log is shown to people.
    pub fn begin(brief: &Brief, out: &mut Vec<u8>) -> Self {
        let brief = Brief { business: brief.business.clone().without_secrets(), ..brief.clone() };
        write(&Head { frontdesk: VERSION, brief }, out);
        out.push(b'\n');
        Self::default()
    }

    /// Writes an input; its outputs follow.
    pub fn input(&mut self, input: &Input, at: Moment, out: &mut Vec<u8>) {
        self.end(out);
        out.extend_from_slice(b"{\"at\":");
        write(&at, out);
        out.extend_from_slice(b",\"in\":");
        if let Input::Caller(FromTwilio::Media { timestamp_ms, payload }) = input {
            // Fifty a second: written as serde would, without asking it. Base64 needs no escapes.
            out.extend_from_slice(b"{\"caller\":{\"media\":{\"timestampMs\":");
            write(timestamp_ms, out);
            out.extend_from_slice(b",\"payload\":");
            write(payload, out);
            out.extend_from_slice(b"}}}");
        } else {
            write(input, out);
        }
        out.extend_from_slice(b",\"out\":[");
        self.line_open = true;
        self.outputs = 0;
    }

    /// Writes an output of the last input. Outputs before the first input belong to the beginning and need no line.
    pub fn output(&mut self, output: &Output, out: &mut Vec<u8>) {
        if !self.line_open {
            return;
        }
        if self.outputs > 0 {
            out.push(b',');
        }
        self.outputs += 1;
        print(output, out);
    }

    /// Ends the line under way.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.line_open) {
            out.extend_from_slice(b"]}\n");
        }
    }
}

/// Runs a logged call again, showing each input and what followed to `watch`, and compares.
pub fn replay(log: &str, mut watch: impl FnMut(Moment, &Input, &[Output])) -> Result<Verdict, LogError> {
    let mut lines = log.split_inclusive('\n').enumerate();
    let mut call = Call::new(head(lines.next().map_or("", |(_, line)| line))?);
    while call.next_output().is_some() {}
    let (mut inputs, mut outputs, mut cut_off) = (0, 0, false);
    for (index, text) in lines {
        let line: Line<'_> = match serde_json::from_str(text) {
            Ok(line) => line,
            Err(_) if !text.ends_with('\n') => {
                cut_off = true;
                break;
            }
            Err(error) => return Err(LogError::Line { line: index + 1, why: error.to_string() }),
        };
        call.handle(line.input.clone(), line.at);
        let done: Vec<Output> = std::iter::from_fn(|| call.next_output()).collect();
        watch(line.at, &line.input, &done);
        if let Some((logged, replayed)) = difference(&line.outputs, &done) {
            return Ok(Verdict::Differs { line: index + 1, at: line.at, logged, replayed });
        }
        inputs += 1;
        outputs += done.len();
    }
    Ok(Verdict::Identical { inputs, outputs, cut_off })
}

/// What the call of a log knew when it began.
pub fn brief(log: &str) -> Result<Brief, LogError> {
    head(log.lines().next().unwrap_or_default())
}

fn head(line: &str) -> Result<Brief, LogError> {
    #[derive(Deserialize)]
    struct VersionOnly {
        frontdesk: u32,
    }
    let version: VersionOnly =
        serde_json::from_str(line).map_err(|error| LogError::NoHead(error.to_string()))?;
    if version.frontdesk != VERSION {
        return Err(LogError::Version(version.frontdesk));
    }
    let head: Head = serde_json::from_str(line).map_err(|error| LogError::NoHead(error.to_string()))?;
    Ok(head.brief)
}

/// The first output that is not what the log says, with what it says.
fn difference(logged: &[&RawValue], done: &[Output]) -> Option<(String, String)> {
    let nothing = || "nothing".to_owned();
    for index in 0..logged.len().max(done.len()) {
        let was = logged.get(index).map(|raw| raw.get().to_owned());
        let is = done.get(index).map(|output| {
            let mut text = Vec::new();
            print(output, &mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        if was != is {
            return Some((was.unwrap_or_else(nothing), is.unwrap_or_else(nothing)));
        }
    }
    None
}

/// An output as the log has it.
fn print(output: &Output, out: &mut Vec<u8>) {
    let (name, bytes): (&str, &[u8]) = match output {
        Output::Caller(ToTwilio::Media(audio)) => ("toCaller", audio.as_bytes()),
        Output::Model(ToModel::Audio(audio)) => ("toModel", audio.as_bytes()),
        Output::Recording(piece) => ("recording", piece),
        Output::Effect(_, Effect::KeepGreeting(greeting)) => ("greeting", &greeting.audio),
        Output::Caller(ToTwilio::Mark(_) | ToTwilio::Clear)
        | Output::Model(_)
        | Output::Effect(..)
        | Output::Note(_) => return write(output, out),
    };
    let text = format!("{{\"{name}\":\"{} {:016x}\"}}", bytes.len(), fingerprint(bytes));
    out.extend_from_slice(text.as_bytes());
}

fn write(value: &impl Serialize, out: &mut Vec<u8>) {
    // Into memory, and of types that always can be: there is nothing to fail.
    let written = serde_json::to_writer(out, value);
    debug_assert!(written.is_ok());
}

/// Tells audio apart, eight bytes at a step. Not a hash against malice: a log is ours.
fn fingerprint(bytes: &[u8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let (words, rest) = bytes.as_chunks::<8>();
    let mix = |state: u64, word: u64| (state ^ word).wrapping_mul(ODD).rotate_left(29);
    let state = words.iter().fold(bytes.len() as u64, |state, word| mix(state, u64::from_le_bytes(*word)));
    rest.iter().fold(state, |state, byte| mix(state, u64::from(*byte)))
}
