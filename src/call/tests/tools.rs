//! What the model does for a caller, the goodbye included.

use super::*;

fn result_of(words: &[ToModel], call: &str) -> String {
    let result = words.iter().find_map(|words| match words {
        ToModel::ToolResult { call: of, output } if of.as_str() == call => Some(output.clone()),
        _ => None,
    });
    result.unwrap_or_else(|| panic!("no result for {call}: {words:?}"))
}

#[test]
fn the_line_is_let_go_after_the_last_mark_of_the_goodbye() {
    let mut stage = Stage::after_greeting();
    stage.started("bye");
    stage.audio("bye", 2_000);
    stage.tool("bye", "call_1", "end_call", r#"{"reason":"done"}"#);
    stage.done("bye", ResponseOutcome::Completed);
    let began = stage.now_ms;
    stage.until(began + 1_990);
    assert_eq!(stage.effects().last(), Some(&Effect::Intend(Some(Intention::HangUp))));
    stage.until(began + 2_000);
    assert!(stage.effects().contains(&Effect::HangUp));
    assert_eq!(stage.ending(), None);
    stage.caller(FromTwilio::Stop);
    assert_eq!(stage.ending(), Some(Ending::HungUp));
}

#[test]
fn a_goodbye_that_was_not_said_is_asked_for() {
    let mut stage = Stage::after_greeting();
    stage.started("r");
    stage.tool("r", "call_1", "end_call", "");
    stage.done("r", ResponseOutcome::Completed);
    let (instructions, tools, _) = stage.last_ask().unwrap();
    assert!(instructions.unwrap().contains("Say goodbye") && !tools);
    stage.answer("bye", 500, "Goodbye.");
    stage.until(stage.now_ms + 600);
    assert!(stage.effects().contains(&Effect::HangUp));
}

#[test]
fn a_caller_who_speaks_into_the_goodbye_stays() {
    let mut stage = Stage::after_greeting();
    stage.started("bye");
    stage.audio("bye", 3_000);
    stage.tool("bye", "call_1", "end_call", "{}");
    stage.until(stage.now_ms + 500);
    stage.model(FromModel::SpeechStarted);
    stage.done("bye", ResponseOutcome::Cancelled);
    stage.model(FromModel::SpeechStopped);
    stage.until(stage.now_ms + 5_000);
    assert!(!stage.effects().contains(&Effect::HangUp));
    assert_eq!(stage.effects().iter().filter(|effect| **effect == Effect::Intend(None)).count(), 1);
}

#[test]
fn a_goodbye_that_never_comes_does_not_keep_the_line() {
    let mut stage = Stage::after_greeting();
    stage.started("r");
    stage.tool("r", "call_1", "end_call", "{}");
    stage.done("r", ResponseOutcome::Completed);
    stage.until(stage.now_ms + 8_000);
    assert!(stage.effects().contains(&Effect::HangUp));
    stage.until(stage.now_ms + 3_000);
    assert_eq!(stage.ending(), Some(Ending::HungUp));
}

#[test]
fn when_twilio_cannot_be_told_the_stream_is_closed() {
    let mut stage = Stage::after_greeting();
    stage.answer("bye", 100, "Bye.");
    stage.started("r");
    stage.audio("r", 100);
    stage.tool("r", "call_1", "end_call", "{}");
    stage.done("r", ResponseOutcome::Completed);
    stage.obliging = false;
    stage.until(stage.now_ms + 1_000);
    let asked =
        |output: &Output| if let Output::Effect(id, Effect::HangUp) = output { Some(*id) } else { None };
    let id = stage.outputs.iter().find_map(|(_, output)| asked(output)).unwrap();
    stage.tell(Input::Outcome(id, Outcome::Failed));
    assert_eq!(stage.ending(), Some(Ending::HungUp));
}

#[test]
fn a_transfer_goes_to_a_configured_destination_and_nowhere_else() {
    let mut stage = Stage::after_greeting();
    stage.started("r");
    stage.tool("r", "call_1", "transfer_call", r#"{"destination":"+19005551234"}"#);
    stage.tool("r", "call_2", "transfer_call", r#"{"number":"+19005551234"}"#);
    let words = stage.said_to_model();
    for call in ["call_1", "call_2"] {
        let result = result_of(&words, call);
        assert!(result.contains("unknown destination; the destinations are: front-office"), "{result}");
    }
    stage.audio("r", 1_000);
    stage.tool("r", "call_3", "transfer_call", r#"{"destination":"front-office"}"#);
    stage.model(FromModel::SpeechStarted);
    stage.done("r", ResponseOutcome::Cancelled);
    stage.until(stage.now_ms + 100);
    assert_eq!(stage.effects().last(), Some(&Effect::Transfer(front_office())));
    stage.caller(FromTwilio::Stop);
    assert_eq!(stage.ending(), Some(Ending::Transferred(front_office())));
}

#[test]
fn a_message_is_kept_once_and_answered_after_the_answer_that_took_it() {
    let mut stage = Stage::after_greeting();
    stage.started("r");
    for _ in 0..2 {
        stage.tool("r", "call_1", "take_message", r#"{"name":"Ann","contact":"555","message":"Call me."}"#);
    }
    let kept: Vec<_> = stage
        .effects()
        .into_iter()
        .filter_map(|e| if let Effect::TakeMessage(m) = e { Some(*m) } else { None })
        .collect();
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].business.clone(), kept[0].text.reveal().as_str()), (business_1(), "Call me."));
    assert_eq!(kept[0].taken_ms, 1_700_000_003_000);
    let words = stage.said_to_model();
    assert_eq!(result_of(&words, "call_1"), r#"{"ok":true}"#);
    assert!(!words.iter().any(|words| matches!(words, ToModel::Respond { .. })));
    stage.done("r", ResponseOutcome::Completed);
    assert!(matches!(stage.said_to_model()[..], [ToModel::Respond { instructions: None, .. }]));
}

#[test]
fn parallel_tools_are_all_answered_before_one_answer_is_asked_for() {
    let mut stage = Stage::after_greeting();
    stage.obliging = false;
    stage.started("r");
    for call in ["call_1", "call_2"] {
        stage.tool("r", call, "take_message", r#"{"message":"x"}"#);
    }
    stage.tool("r", "call_3", "order_pizza", "{}");
    stage.tool("r", "call_4", "take_message", r#"{"message": "#);
    stage.done("r", ResponseOutcome::Completed);
    let words = stage.said_to_model();
    assert!(result_of(&words, "call_3").contains("no such tool"));
    assert!(result_of(&words, "call_4").contains("not valid JSON"));
    let ids: Vec<_> = stage
        .outputs
        .iter()
        .filter_map(
            |(_, o)| if let Output::Effect(id, Effect::TakeMessage(_)) = o { Some(*id) } else { None },
        )
        .collect();
    stage.tell(Input::Outcome(ids[1], Outcome::Done));
    assert!(!stage.said_to_model().iter().any(|words| matches!(words, ToModel::Respond { .. })));
    stage.tell(Input::Outcome(ids[0], Outcome::Failed));
    let words = stage.said_to_model();
    assert!(result_of(&words, "call_1").contains("could not be kept"));
    assert_eq!(words.iter().filter(|words| matches!(words, ToModel::Respond { .. })).count(), 1);
}

#[test]
fn a_tool_that_takes_too_long_has_failed_and_its_late_outcome_is_ignored() {
    let mut stage = Stage::after_greeting();
    stage.obliging = false;
    stage.started("r");
    stage.tool("r", "call_1", "take_message", r#"{"message":"x"}"#);
    stage.done("r", ResponseOutcome::Completed);
    let Some((_, Output::Effect(id, _))) =
        stage.outputs.iter().rfind(|(_, o)| matches!(o, Output::Effect(_, Effect::TakeMessage(_)))).cloned()
    else {
        panic!()
    };
    stage.take();
    stage.until(stage.now_ms + 10_000);
    let words = stage.said_to_model();
    assert!(result_of(&words, "call_1").contains("took too long"));
    stage.tell(Input::Outcome(id, Outcome::Done));
    assert!(!stage.said_to_model().iter().any(|words| matches!(words, ToModel::ToolResult { .. })));
}

#[test]
fn an_end_that_was_decided_before_an_interruption_is_not_carried_out() {
    let mut stage = Stage::after_greeting();
    stage.started("bye");
    stage.audio("bye", 3_000);
    stage.until(stage.now_ms + 500);
    stage.model(FromModel::SpeechStarted);
    stage.take();
    stage.tool("bye", "call_1", "end_call", "{}");
    assert!(result_of(&stage.said_to_model(), "call_1").contains("interrupted"));
    stage.done("bye", ResponseOutcome::Cancelled);
    stage.model(FromModel::SpeechStopped);
    stage.until(stage.now_ms + 4_000);
    assert!(!stage.effects().contains(&Effect::Intend(Some(Intention::HangUp))));
}

#[test]
fn nothing_is_asked_for_behind_a_goodbye() {
    let mut stage = Stage::after_greeting();
    stage.started("bye");
    stage.audio("bye", 2_000);
    stage.tool("bye", "call_1", "take_message", r#"{"message":"call me"}"#);
    stage.tool("bye", "call_2", "end_call", "{}");
    stage.take();
    stage.done("bye", ResponseOutcome::Completed);
    stage.until(stage.now_ms + 2_100);
    assert!(!stage.said_to_model().iter().any(|words| matches!(words, ToModel::Respond { .. })));
    assert!(stage.effects().contains(&Effect::HangUp));
}

#[test]
fn what_can_wait_is_not_said_into_the_callers_words() {
    let mut stage = Stage::after_greeting();
    stage.model(FromModel::SpeechStarted);
    stage.caller(FromTwilio::Dtmf('#'.into()));
    stage.until(stage.now_ms + 100);
    assert!(!stage.said_to_model().iter().any(|words| matches!(words, ToModel::Respond { .. })));
    stage.model(FromModel::SpeechStopped);
    assert!(matches!(stage.said_to_model()[..], [ToModel::Respond { .. }]));
}
