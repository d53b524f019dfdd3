//! Who can be heard in these calls: each says a noise of its own, by which it is known to the sample.

use std::time::Duration;

use bytes::Bytes;
use frontdesk::domain::Moment;
use frontdesk::sim::model::{Reply, Script};
use frontdesk::sim::{Act, Step, When, tone};

use crate::house::GREETING;
use crate::scenes::{quick, script, speech};

/// Something that is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Voice {
    /// What the table calls it.
    pub(crate) name: &'static str,
    seed: u64,
    ms: usize,
}

pub(crate) const GREETS: Voice = Voice { name: "the greeting", seed: 1, ms: 300 };
pub(crate) const ANSWERS: Voice = Voice { name: "the answer", seed: 2, ms: 1_600 };
pub(crate) const NOTED: Voice = Voice { name: "what became of the tool", seed: 3, ms: 400 };
pub(crate) const STILL_THERE: Voice = Voice { name: "“Are you still there?”", seed: 4, ms: 400 };
pub(crate) const CONNECTS: Voice = Voice { name: "“I am connecting you now.”", seed: 5, ms: 300 };
pub(crate) const GOES_ON: Voice = Voice { name: "the next session goes on", seed: 6, ms: 500 };
pub(crate) const A_MOMENT: Voice = Voice { name: "“One moment, please.”", seed: 7, ms: 400 };
pub(crate) const LAST_MINUTE: Voice = Voice { name: "“One minute is left.”", seed: 8, ms: 400 };
pub(crate) const GOODBYE: Voice = Voice { name: "the goodbye", seed: 9, ms: 400 };

/// All of them.
pub(crate) const VOICES: [Voice; 9] =
    [GREETS, ANSWERS, NOTED, STILL_THERE, CONNECTS, GOES_ON, A_MOMENT, LAST_MINUTE, GOODBYE];

impl Voice {
    /// What is heard: µ-law.
    pub(crate) fn audio(&self) -> Bytes {
        speech(self.seed, self.ms)
    }

    /// An answer of the model's.
    pub(crate) fn says(&self, words: &str) -> Reply {
        Reply::speech(self.audio(), words)
    }
}

/// The model answers once, and says goodbye to whatever comes next.
pub(crate) fn well() -> Script {
    answering(vec![yes(), goodbye()])
}

/// The model speaks no faster than people: what breaks in mid-word was heard until then.
pub(crate) fn leisurely() -> Script {
    let mut script = well();
    script.pace.speed = 1;
    script
}

/// The model answers like that.
pub(crate) fn answering(turns: Vec<Reply>) -> Script {
    let mut script = script(turns);
    script.transcripts = vec!["Are you open?".to_owned(), "Thanks.".to_owned()];
    script
}

/// A session that takes over: it goes on where the other stopped.
pub(crate) fn next() -> Script {
    let mut script = answering(vec![goodbye()]);
    script.greeting = GOES_ON.says("Where were we?");
    // So long that the caller takes what comes then for another utterance.
    script.pace.first_audio = Duration::from_millis(600);
    script
}

/// A model that is as slow to connect as that.
pub(crate) fn slow(connect: Duration) -> Script {
    let mut script = well();
    script.pace = frontdesk::sim::model::Pace { connect, ..quick() };
    script
}

/// An answer.
pub(crate) fn yes() -> Reply {
    ANSWERS.says("Yes, we are open all day.")
}

/// The last words of a call.
pub(crate) fn goodbye() -> Reply {
    GOODBYE.says("Goodbye, and take care.").and_tool("end_call", r#"{"reason":"all said"}"#)
}

/// The last words before a transfer.
pub(crate) fn transfers() -> Reply {
    CONNECTS.says("I am connecting you now.").and_tool("transfer_call", r#"{"destination":"front-office"}"#)
}

/// The greeting, as the model says it.
pub(crate) fn greeting() -> Reply {
    GREETS.says(GREETING)
}

/// Hangs up at that moment, counted from the ring: by then whatever can be heard was heard.
pub(crate) fn hangs_up_at(ms: u64) -> Step {
    Step { when: When::At(Moment::from_millis(ms)), act: Act::HangUp }
}

/// A caller's sentence, into the midst of that utterance.
pub(crate) fn asks_into(utterance: u32) -> Step {
    let when = When::WhileHearing { utterance, after_ms: 200 };
    Step { when, act: Act::Say(tone::sine(220, 300)) }
}
