//! What will happen in a world, before it does.

use std::time::Duration;

use crate::call::{Brief, Command, Outcome};
use crate::domain::{AccountSid, IdError, Moment, StreamSid, ToolAnswer};
use crate::sim::model::{Reply, Script};
use crate::sim::{LineFault, Step, StreamNames};

/// How long a frame takes over a line, one way. Frames never overtake each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// At least.
    pub base: Duration,
    /// And up to so much more.
    pub jitter: Duration,
}

/// Everything that decides a call in virtual time.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What the call knows when it begins.
    pub brief: Brief,
    /// The stream as Twilio names it.
    pub names: StreamNames,
    /// From the call's beginning to Twilio's socket; none when it never comes.
    pub stream_after: Option<Duration>,
    /// What the caller does.
    pub caller: Vec<Step>,
    /// What goes wrong on the caller's line.
    pub line_faults: Vec<LineFault>,
    /// What the model does: one for each dial, the last repeats.
    pub scripts: Vec<Script>,
    /// The line to Twilio.
    pub twilio: Latency,
    /// The line to the model.
    pub model: Latency,
    /// How long a REST call to Twilio takes.
    pub rest_takes: Duration,
    /// What becomes of it; when done, Twilio ends the stream.
    pub rest_outcome: Outcome,
    /// How long the ledger takes to keep something.
    pub ledger_takes: Duration,
    /// What becomes of it.
    pub ledger_outcome: Outcome,
    /// How long a tool of the business's own takes; none when it never answers.
    pub tool_takes: Option<Duration>,
    /// What it answers.
    pub tool_answer: ToolAnswer,
    /// What we ourselves want of the call meanwhile.
    pub commands: Vec<(Moment, Command)>,
    /// Decides jitter, sizes of pieces and names.
    pub seed: u64,
    /// Whether the call's event log is kept.
    pub logged: bool,
    /// Nothing happens after it.
    pub limit: Moment,
}

impl Plan {
    /// A good day: the stream comes 400 ms after the webhook, lines take 15 and 20 ms and a little more.
    pub fn new(brief: Brief, script: Script, caller: Vec<Step>) -> Result<Self, IdError> {
        let names = StreamNames {
            account: AccountSid::parse("AC00000000000000000000000000000001")?,
            call: brief.call.clone(),
            stream: StreamSid::parse("MZ00000000000000000000000000000001")?,
            parameters: std::collections::BTreeMap::new(),
        };
        let ms = Duration::from_millis;
        Ok(Self {
            brief,
            names,
            stream_after: Some(ms(400)),
            caller,
            line_faults: Vec::new(),
            scripts: vec![script],
            twilio: Latency { base: ms(15), jitter: ms(5) },
            model: Latency { base: ms(20), jitter: ms(10) },
            rest_takes: ms(120),
            rest_outcome: Outcome::Done,
            ledger_takes: ms(5),
            ledger_outcome: Outcome::Done,
            tool_takes: Some(ms(400)),
            tool_answer: ToolAnswer::content(r#"{"ok":true}"#),
            commands: Vec::new(),
            seed: 1,
            logged: false,
            limit: Moment::from_millis(600_000),
        })
    }

    /// The script of the connection of that number; a silent model when there is none at all.
    pub(super) fn script(&self, number: usize) -> Script {
        let script = self.scripts.get(number).or(self.scripts.last());
        script.cloned().unwrap_or_else(|| Script::new(Reply::default(), Reply::default()))
    }
}
