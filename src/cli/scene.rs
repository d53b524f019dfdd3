//! The people of the demonstration: Luna Dental, its receptionist's and its caller's voices, and what they say.

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;

use crate::audio::wav;
use crate::domain::BusinessImport;
use crate::sim::model::{Reply, Script};
use crate::sim::{Act, Step, When};

/// Luna Dental, as `business import` would read it.
pub(super) const LUNA: &str = include_str!("../../fixtures/luna.json");

/// The line of Luna Dental.
pub(super) const LUNA_LINE: &str = "+15551234567";

/// What the real Twilio was measured to need from TwiML to a stream.
pub(super) const BEFORE_STREAM: Duration = Duration::from_millis(365);

macro_rules! speech {
    ($file:literal) => {
        include_bytes!(concat!("../../fixtures/speech/", $file, ".wav"))
    };
}

/// What each recording says, by the name of its file.
const LINES: &str = include_str!("../../fixtures/speech/lines.json");

/// Luna Dental.
pub(super) fn luna() -> anyhow::Result<BusinessImport> {
    Ok(serde_json::from_str(LUNA)?)
}

/// The receptionist of the demonstration: a greeting, an answer too long for its caller, a better one, a goodbye.
pub(super) fn receptionist() -> anyhow::Result<Script> {
    let goodbye =
        spoken(speech!("goodbye"), "goodbye")?.and_tool("end_call", r#"{"reason":"The caller is served."}"#);
    let mut script =
        Script::new(spoken(speech!("greeting"), "greeting")?, spoken(speech!("hours"), "hours")?);
    script.turns.push(spoken(speech!("booking"), "booking")?);
    script.turns.push(goodbye);
    script.instructed = vec![spoken(speech!("still_there"), "still_there")?];
    script.transcripts = vec![words("ask_hours")?, words("interrupt")?, words("thanks")?];
    Ok(script)
}

/// The caller of the demonstration: asks, interrupts, and says goodbye.
pub(super) fn caller() -> anyhow::Result<Vec<Step>> {
    Ok(vec![
        Step { when: When::AfterSilence(500), act: Act::Say(audio(speech!("ask_hours"))?) },
        Step {
            when: When::WhileHearing { utterance: 1, after_ms: 3_200 },
            act: Act::Say(audio(speech!("interrupt"))?),
        },
        Step { when: When::AfterSilence(500), act: Act::Say(audio(speech!("thanks"))?) },
    ])
}

/// The voice that answers where no model is configured.
pub(super) fn test_voice() -> anyhow::Result<Script> {
    let mut script =
        Script::new(spoken(speech!("test_voice"), "test_voice")?, spoken(speech!("heard_you"), "heard_you")?);
    script.instructed = vec![spoken(speech!("still_there"), "still_there")?];
    Ok(script)
}

/// A caller for any business: asks something, listens, and says goodbye.
pub(super) fn anybody() -> anyhow::Result<Vec<Step>> {
    Ok(vec![
        Step { when: When::AfterSilence(800), act: Act::Say(audio(speech!("ask_hours"))?) },
        Step { when: When::AfterSilence(1_000), act: Act::Say(audio(speech!("thanks"))?) },
        Step { when: When::AfterSilence(1_500), act: Act::HangUp },
    ])
}

fn spoken(file: &[u8], name: &str) -> anyhow::Result<Reply> {
    Ok(Reply::speech(audio(file)?, &words(name)?))
}

fn audio(file: &[u8]) -> anyhow::Result<Bytes> {
    Ok(wav::read(file)?.to_mulaw_8k().into())
}

fn words(name: &str) -> anyhow::Result<String> {
    let lines: std::collections::BTreeMap<String, String> = serde_json::from_str(LINES)?;
    lines.get(&format!("{name}.wav")).cloned().with_context(|| format!("no words for {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_knows_their_lines() {
        assert_eq!(luna().unwrap().businesses.len(), 1);
        assert_eq!(receptionist().unwrap().turns.len(), 3);
        assert_eq!(caller().unwrap().len(), 3);
        assert_eq!(anybody().unwrap().len(), 3);
        assert!(test_voice().is_ok());
    }
}
