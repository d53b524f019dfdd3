//! What a caller hears who waits.

use super::*;

fn phrase() -> Greeting {
    Greeting { words: "One moment, please.".to_owned(), audio: vec![9; 8_000].into() }
}

fn bridged() -> Brief {
    Brief { bridging: Some(phrase()), ..brief() }
}

/// A greeted caller, at 3 s, in a call that keeps a phrase.
fn greeted() -> Stage {
    let mut stage = Stage::new(bridged());
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    stage.caller(start());
    stage.answer("greeting", 1_000, "Thanks for calling Luna Dental.");
    stage.until(3_000);
    stage.take();
    stage
}

/// When a silence was filled with the phrase, or with the chime.
fn filled(stage: &Stage, with_phrase: bool) -> Vec<u64> {
    let filled = |(at, output): &(u64, Output)| {
        matches!(output, Output::Note(Note::Bridged { phrase }) if *phrase == with_phrase).then_some(*at)
    };
    stage.outputs.iter().filter_map(filled).collect()
}

fn phrases(stage: &Stage) -> Vec<u64> {
    filled(stage, true)
}

fn chimes(stage: &Stage) -> Vec<u64> {
    filled(stage, false)
}

#[test]
fn a_caller_who_would_hear_nothing_for_two_seconds_is_asked_for_a_moment_and_hears_a_chime_from_then_on() {
    let mut stage = greeted();
    stage.tell(Input::Lost(Side::Model));
    stage.until(12_900);
    // 1.8 s after the loss. The phrase takes a second, and is said again when six more have passed; a chime takes 300 ms.
    assert_eq!(phrases(&stage), [4_800, 13_900 - 2_100]);
    assert_eq!(chimes(&stage), [7_600, 9_700]);
}

#[test]
fn sessions_that_break_as_soon_as_they_are_there_end_no_waiting() {
    let mut stage = greeted();
    stage.tell(Input::Lost(Side::Model));
    for ready_at in [3_300, 3_900] {
        stage.until(ready_at);
        stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
        stage.tell(Input::Lost(Side::Model));
    }
    stage.until(5_500);
    assert_eq!(phrases(&stage), [4_800]);
}

#[test]
fn what_is_still_heard_of_the_lost_session_is_no_silence() {
    let mut stage = greeted();
    stage.answer("r", 5_000, "A long answer.");
    stage.tell(Input::Lost(Side::Model));
    stage.until(9_700);
    assert_eq!(phrases(&stage), [] as [u64; 0]);
    stage.until(10_000);
    assert_eq!(phrases(&stage), [9_800]);
}

#[test]
fn the_model_is_told_what_was_said_in_its_voice() {
    let mut stage = greeted();
    stage.tell(Input::Lost(Side::Model));
    stage.until(6_000);
    assert_eq!(stage.turns().last().unwrap().text.reveal(), "One moment, please.");
    stage.take();
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    let said = ToModel::Said { by_model: true, text: "One moment, please.".to_owned().into() };
    assert_eq!(stage.said_to_model()[1], said);
}

#[test]
fn a_model_that_is_back_within_two_seconds_is_not_bridged() {
    let mut stage = greeted();
    stage.tell(Input::Lost(Side::Model));
    stage.until(4_500);
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    stage.until(9_000);
    assert_eq!(phrases(&stage), [] as [u64; 0]);
}

#[test]
fn a_model_that_is_back_and_owes_an_answer_is_still_waited_for() {
    let mut stage = greeted();
    stage.model(FromModel::SpeechStarted);
    stage.model(FromModel::SpeechStopped);
    stage.model(FromModel::CallerSaid { text: "Are you open?".to_owned().into(), transcribed_ms: 0 });
    stage.tell(Input::Lost(Side::Model));
    stage.until(4_500);
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    stage.until(5_000);
    assert_eq!((phrases(&stage), chimes(&stage)), (vec![], vec![4_800]));
    stage.answer("r", 200, "Yes.");
    stage.until(12_000);
    assert_eq!((phrases(&stage), chimes(&stage)), (vec![], vec![4_800]));
}

#[test]
fn an_answer_that_is_slow_or_stalls_is_waited_for_with_a_chime_and_is_not_torn() {
    let mut stage = greeted();
    stage.model(FromModel::SpeechStarted);
    stage.model(FromModel::SpeechStopped);
    stage.until(5_000);
    assert_eq!(chimes(&stage), [4_800]);
    stage.started("r");
    stage.audio("r", 500);
    // It is heard behind the chime, from 5.1 s on.
    stage.until(8_000);
    assert_eq!(chimes(&stage), [4_800, 7_400]);
    stage.model(FromModel::AllWords { item: "r".into(), text: "We are open.".to_owned().into() });
    stage.audio("r", 1_000);
    stage.done("r", ResponseOutcome::Completed);
    stage.until(10_000);
    let turn = stage.turns().pop().unwrap();
    assert_eq!((turn.heard_ms, turn.text.reveal().as_str()), (1_500, "We are open."));
    assert_eq!(stage.turns().len(), 2, "one turn, and the greeting's");
}

#[test]
fn a_caller_who_speaks_into_a_chime_has_interrupted_nobody() {
    let mut stage = greeted();
    stage.model(FromModel::SpeechStarted);
    stage.model(FromModel::SpeechStopped);
    stage.until(4_900);
    stage.model(FromModel::SpeechStarted);
    assert!(stage.take().contains(&Output::Caller(ToTwilio::Clear)));
    assert!(!stage.notes().iter().any(|note| matches!(note, Note::BargeIn { .. })));
    stage.until(8_000);
    assert_eq!(chimes(&stage), [4_800], "nobody waits while they speak");
}

#[test]
fn a_tool_that_takes_its_time_is_waited_for_with_the_phrase() {
    let mut stage = greeted();
    stage.obliging = false;
    stage.model(FromModel::SpeechStarted);
    stage.model(FromModel::SpeechStopped);
    stage.started("r");
    stage.tool("r", "call_1", "take_message", r#"{"message":"Call me."}"#);
    stage.done("r", ResponseOutcome::Completed);
    stage.until(5_000);
    assert_eq!(phrases(&stage), [4_800]);
}

#[test]
fn a_goodbye_that_does_not_come_is_waited_for_with_chimes() {
    let mut stage = Stage::new(Brief { longest: Duration::from_secs(5), ..bridged() });
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    stage.caller(start());
    stage.answer("greeting", 1_000, "Thanks for calling Luna Dental.");
    stage.until(12_900);
    assert_eq!((phrases(&stage), chimes(&stage)), (vec![], vec![6_800, 8_900, 11_000]));
    stage.until(13_100);
    assert!(stage.effects().contains(&Effect::HangUp));
}

#[test]
fn a_slow_first_connection_is_bridged_and_the_greeting_follows() {
    let mut stage = Stage::new(bridged());
    stage.now_ms = 400;
    stage.caller(start());
    stage.until(3_500);
    assert_eq!(phrases(&stage), [2_200]);
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    assert!(stage.last_ask().unwrap().0.unwrap().contains("Greet the caller now"));
    let first = stage.notes().into_iter().find(|note| matches!(note, Note::FirstAudio { .. }));
    assert_eq!(first, Some(Note::FirstAudio { after_caller_ms: None, after_start_ms: Some(1_800) }));
}

#[test]
fn a_silent_model_is_waited_for_with_chimes_and_with_the_phrase_when_it_was_nudged() {
    let mut stage = greeted();
    stage.model(FromModel::SpeechStarted);
    stage.model(FromModel::SpeechStopped);
    stage.until(11_500);
    assert_eq!(chimes(&stage), [4_800, 6_900, 9_000]);
    assert_eq!(phrases(&stage), [11_100]);
}

#[test]
fn without_a_phrase_there_is_the_chime() {
    let mut stage = Stage::new(brief());
    stage.caller(start());
    stage.until(9_900);
    assert_eq!(chimes(&stage), [1_800, 3_900, 6_000, 8_100]);
    assert_eq!(stage.sent_ms(), 4 * 300);
    assert_eq!(stage.turns(), [], "nobody has said anything");
}

#[test]
fn every_language_we_know_of_asks_for_a_moment_in_its_own_words() {
    let words = |language: &str| {
        let mut brief = brief();
        brief.business.language = language.to_owned();
        brief.bridging_words()
    };
    let all: std::collections::BTreeSet<_> = ["en", "de", "fr", "es", "it", "pt", "nl"].map(words).into();
    assert_eq!(all.len(), 7);
    assert_eq!(words("DE-at"), words("de"));
    assert_eq!(words("xx"), words("en"));
    assert_eq!(words(""), words("en"));
}
