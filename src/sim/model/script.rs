//! What a simulated model says, how fast, and what goes wrong: data.

use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;

/// What a model says. Of each list the next one is taken, and the last repeats.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    /// The first answer that is asked for with instructions.
    pub greeting: Reply,
    /// The first answer that is asked for with instructions when the session was told of a conversation before; the
    /// greeting when there is none.
    pub resumed: Option<Reply>,
    /// Later answers that are asked for with instructions; the greeting again when there are none.
    pub instructed: Vec<Reply>,
    /// Answers to the caller.
    pub turns: Vec<Reply>,
    /// Answers to the result of a tool; like a turn when there are none.
    pub after_tool: Vec<Reply>,
    /// What the transcription understands of the caller's turns, in order; nothing after the last.
    pub transcripts: Vec<String>,
    /// How fast.
    pub pace: Pace,
    /// What goes wrong.
    pub faults: Vec<ModelFault>,
}

/// One answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// Its items, in order.
    pub items: Vec<ReplyItem>,
}

/// One thing in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyItem {
    /// Something said.
    Speech {
        /// µ-law at 8,000 Hz, whatever the session's format.
        audio: Bytes,
        /// The words of it.
        words: String,
    },
    /// A call of a tool.
    Tool {
        /// Which.
        name: String,
        /// JSON, as a rule.
        arguments: String,
    },
}

/// How fast a model is.
#[derive(Debug, Clone, PartialEq)]
pub struct Pace {
    /// Before the socket is accepted.
    pub connect: Duration,
    /// From `session.update` to its answer; nothing else is answered meanwhile.
    pub session_updated: Duration,
    /// From `response.created` to the first audio.
    pub first_audio: Duration,
    /// How many times faster than real time audio is made.
    pub speed: u32,
    /// How large the pieces are, in milliseconds; sizes are even to the sample, not to the frame.
    pub delta_ms: RangeInclusive<u64>,
    /// From the end of a turn to its transcript.
    pub transcript: Duration,
    /// From the caller's first word to the end of the answer they interrupt; audio may come until then.
    pub cancel: Duration,
}

/// What goes wrong with a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelFault {
    /// The handshake is answered with this HTTP status.
    RefuseHandshake(u16),
    /// The socket opens, says an error, and closes.
    RefuseSetup {
        /// The error's type: `invalid_request_error`.
        kind: String,
        /// The error's code: `invalid_api_key`.
        code: String,
        /// With which the socket closes: 3000, 4000, 4004.
        close: u16,
    },
    /// The session expires after so many milliseconds: an error, then close 1001.
    Expire {
        /// After so many milliseconds.
        after_ms: u64,
    },
    /// The connection breaks without a word.
    Reset {
        /// After so many milliseconds.
        after_ms: u64,
    },
    /// The connection breaks in the middle of a word: after so much audio in all.
    BreakOff {
        /// After so many milliseconds of what the model says.
        after_ms: u64,
    },
    /// The connection stays, and nothing more comes.
    FallSilent {
        /// After so many milliseconds.
        after_ms: u64,
    },
    /// `session.update` is never answered.
    NoSetup,
    /// No answer ever begins.
    NoAnswer,
    /// Answers begin, and nothing comes of them.
    Stuck,
    /// Every wish for an answer is refused, for a reason that will not change.
    RefuseAnswers,
    /// Answers are text.
    TextOnly,
    /// Every answer fails with this code.
    FailAnswers(String),
    /// µ-law is ignored: the echo says PCM, and PCM is spoken.
    PcmOnly,
    /// Every event but audio comes twice.
    Repeat,
    /// Between the events come some that nobody knows.
    Unknown,
    /// Between the events come frames that are no event at all.
    Garbage,
}

impl Reply {
    /// An answer of one item of speech.
    pub fn speech(audio: Bytes, words: &str) -> Self {
        Self { items: vec![ReplyItem::Speech { audio, words: words.to_owned() }] }
    }

    /// The same answer, and then a call of a tool.
    #[must_use]
    pub fn and_tool(mut self, name: &str, arguments: &str) -> Self {
        let (name, arguments) = (name.to_owned(), arguments.to_owned());
        self.items.push(ReplyItem::Tool { name, arguments });
        self
    }
}

impl Script {
    /// A model that greets, and answers every turn of the caller's with the same.
    pub fn new(greeting: Reply, turn: Reply) -> Self {
        Self {
            greeting,
            resumed: None,
            instructed: Vec::new(),
            turns: vec![turn],
            after_tool: Vec::new(),
            transcripts: Vec::new(),
            pace: Pace::default(),
            faults: Vec::new(),
        }
    }
}

impl Default for Pace {
    /// A good day.
    fn default() -> Self {
        Self {
            connect: Duration::from_millis(150),
            session_updated: Duration::from_millis(50),
            first_audio: Duration::from_millis(300),
            speed: 8,
            delta_ms: 50..=400,
            transcript: Duration::from_millis(700),
            cancel: Duration::from_millis(20),
        }
    }
}
