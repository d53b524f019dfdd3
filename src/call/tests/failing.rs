//! A model that is there, and whose answers do not come or cannot be heard.

use super::*;

/// A caller who is there, with a session that is asked to greet.
fn opened() -> Stage {
    let mut stage = Stage::new(brief());
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    stage.caller(start());
    stage
}

fn greets(stage: &Stage) -> bool {
    stage.last_ask().unwrap().0.is_some_and(|text| text.contains("Greet the caller now"))
}

fn dials(stage: &Stage) -> usize {
    stage.effects().iter().filter(|effect| **effect == Effect::DialModel).count()
}

/// The answer that was asked for last is refused.
fn refuse(stage: &mut Stage) {
    let (_, _, tag) = stage.last_ask().unwrap();
    let mut refusal = refused(RefusalClass::Configuration, "invalid_value");
    if let FromModel::Refused(refusal) = &mut refusal {
        refusal.answer = Some(tag);
    }
    stage.model(refusal);
}

#[test]
fn a_greeting_that_no_session_gives_is_asked_of_the_next_and_then_the_fallback_rings() {
    let mut stage = opened();
    for _ in 0..4 {
        assert!(greets(&stage));
        refuse(&mut stage);
        stage.until(stage.now_ms + 1_100);
    }
    assert_eq!(dials(&stage), 2);
    stage.take();
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    assert!(
        matches!(stage.said_to_model()[..], [ToModel::Respond { .. }]),
        "nothing was said yet: it is no return"
    );
    assert!(greets(&stage));
    refuse(&mut stage);
    assert_eq!(stage.ending(), Some(Ending::ModelLost));
    assert!(stage.effects().contains(&Effect::Intend(Some(Intention::FallBack))));
}

#[test]
fn an_answer_in_text_alone_has_failed_and_one_that_calls_a_tool_has_not() {
    let mut stage = opened();
    stage.started("text");
    stage.done("text", ResponseOutcome::Completed);
    stage.until(stage.now_ms + 300);
    assert!(greets(&stage));
    let asked = stage.last_ask().unwrap().2;
    stage.answer("greeting", 500, "Thanks for calling Luna Dental.");
    stage.until(stage.now_ms + 1_000);
    stage.model(FromModel::ResponseStarted { response: "r".into(), tag: None });
    stage.obliging = false;
    stage.tool("r", "call_1", "take_message", r#"{"message":"Call me."}"#);
    stage.done("r", ResponseOutcome::Completed);
    stage.until(stage.now_ms + 1_000);
    assert_eq!(stage.last_ask().unwrap().2, asked, "the tool is waited for");
}

#[test]
fn a_greeting_that_failed_is_not_said_any_more_to_a_caller_who_was_answered() {
    let mut stage = opened();
    stage.model(FromModel::SpeechStarted);
    stage.done("greeting", ResponseOutcome::Cancelled);
    refuse(&mut stage);
    stage.model(FromModel::SpeechStopped);
    stage.model(FromModel::ResponseStarted { response: "r".into(), tag: None });
    stage.audio("r", 500);
    stage.done("r", ResponseOutcome::Completed);
    stage.take();
    stage.until(stage.now_ms + 3_000);
    assert!(!stage.said_to_model().iter().any(|words| matches!(words, ToModel::Respond { .. })));
}

#[test]
fn a_model_that_falls_silent_in_the_middle_of_the_callers_words_is_noticed() {
    let mut stage = Stage::after_greeting();
    stage.model(FromModel::SpeechStarted);
    stage.until(stage.now_ms + 30_000);
    assert_eq!(stage.last_ask().unwrap().2, 1, "not while we hear them speak");
    let stopped = stage.now_ms;
    stage.quiet = true;
    stage.until(stopped + 12_500);
    assert_eq!(stage.last_ask().unwrap().2, 2, "nudged");
    stage.until(stopped + 12_500 + 8_000);
    assert_eq!(dials(&stage), 2, "and then followed by another");
}
