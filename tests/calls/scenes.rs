//! What callers and models say in these tests: short, quick, and different to the sample.

use std::time::Duration;

use bytes::Bytes;
use frontdesk::sim::model::{Pace, Reply, Script};
use frontdesk::sim::socket::{PhoneEvent, PhoneReport};
use frontdesk::sim::{Act, Step, When, tone};

use crate::house::GREETING;

/// Silence on the line, as it is between what was said.
const SILENCE: u8 = 0xFF;

/// `ms` milliseconds of the model's, different for each seed.
pub(crate) fn speech(seed: u64, ms: usize) -> Bytes {
    tone::noise(seed, ms * 8)
}

/// The model greets, and answers like that, quickly.
pub(crate) fn script(turns: Vec<Reply>) -> Script {
    let mut script = Script::new(Reply::speech(speech(1, 300), GREETING), Reply::default());
    script.turns = turns;
    script.pace = quick();
    script
}

/// A model that answers every turn with a sentence.
pub(crate) fn plain() -> Script {
    script(vec![Reply::speech(speech(2, 400), "Yes, we are.")])
}

/// The last words of a call.
pub(crate) fn goodbye() -> Reply {
    Reply::speech(speech(9, 400), "Goodbye, and take care.").and_tool("end_call", r#"{"reason":"all said"}"#)
}

/// Nobody waits in a test.
pub(crate) fn quick() -> Pace {
    Pace {
        connect: Duration::from_millis(5),
        session_updated: Duration::from_millis(5),
        first_audio: Duration::from_millis(30),
        speed: 10,
        delta_ms: 50..=200,
        transcript: Duration::from_millis(30),
        cancel: Duration::from_millis(20),
    }
}

/// A caller's sentence, as soon as the other side is silent.
pub(crate) fn asks() -> Step {
    Step { when: When::AfterSilence(150), act: Act::Say(tone::sine(220, 300)) }
}

/// A caller's sentence into what they hear.
pub(crate) fn interrupts(after_ms: u64) -> Step {
    let when = When::WhileHearing { utterance: 1, after_ms };
    Step { when, act: Act::Say(tone::sine(220, 300)) }
}

/// Hangs up in the midst of that utterance.
pub(crate) fn hangs_up_in(utterance: u32) -> Step {
    Step { when: When::WhileHearing { utterance, after_ms: 100 }, act: Act::HangUp }
}

/// Hangs up when the other side is silent.
pub(crate) fn hangs_up() -> Step {
    Step { when: When::AfterSilence(150), act: Act::HangUp }
}

/// How many samples of `speech` the caller heard on all streams. Speech has no silent byte, and never says the same twice.
pub(crate) fn heard_of(report: &PhoneReport, speech: &[u8]) -> usize {
    let heard: Vec<u8> = report.heard().into_iter().filter(|byte| *byte != SILENCE).collect();
    let opening = &speech[..80];
    let Some(begin) = heard.windows(opening.len()).position(|part| part == opening) else { return 0 };
    heard[begin..].iter().zip(speech).take_while(|(heard, said)| heard == said).count()
}

/// What happened, in one word each.
pub(crate) fn kinds(report: &PhoneReport) -> Vec<String> {
    let word = |event: &PhoneEvent| format!("{event:?}").split([' ', '(']).next().unwrap().to_owned();
    report.events.iter().map(|(_, event)| word(event)).filter(|word| word != "MarkBack").collect()
}

/// The documents that were answered, in order, with their HTTP status.
pub(crate) fn answers(report: &PhoneReport) -> Vec<(u16, String)> {
    let answered = report.events.iter().filter_map(|(_, event)| {
        let PhoneEvent::Answered { status, twiml, .. } = event else { return None };
        Some((*status, twiml.reveal().clone()))
    });
    answered.collect()
}

/// The paths that were asked, in order.
pub(crate) fn asked(report: &PhoneReport) -> Vec<String> {
    let paths = report.events.iter().filter_map(|(_, event)| {
        let PhoneEvent::Asked { url } = event else { return None };
        Some(url.splitn(4, '/').last().unwrap().to_owned())
    });
    paths.collect()
}
