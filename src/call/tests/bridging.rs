//! What the caller hears while the model is away.

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

fn phrases(stage: &Stage) -> Vec<u64> {
    let bridged = |(at, output): &(u64, Output)| {
        matches!(output, Output::Note(Note::Bridged { phrase: true })).then_some(*at)
    };
    stage.outputs.iter().filter_map(bridged).collect()
}

#[test]
fn a_caller_who_would_hear_nothing_for_two_seconds_is_asked_for_a_moment_and_later_once_more() {
    let mut stage = greeted();
    stage.tell(Input::Lost(Side::Model));
    stage.until(12_900);
    // 1.8 s after the loss; the phrase takes a second, and six later it is said again.
    assert_eq!(phrases(&stage), [4_800, 11_800]);
    assert_eq!(stage.sent_ms(), 3_000);
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
    assert_eq!(phrases(&stage), [4_800]);
    stage.answer("r", 200, "Yes.");
    stage.until(12_000);
    assert_eq!(phrases(&stage), [4_800]);
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
fn a_silent_model_is_bridged_when_it_is_nudged() {
    let mut stage = greeted();
    stage.model(FromModel::SpeechStarted);
    stage.model(FromModel::SpeechStopped);
    stage.until(11_500);
    assert_eq!(phrases(&stage), [11_000]);
}

#[test]
fn without_a_phrase_it_is_noted_once_that_there_is_none() {
    let mut stage = Stage::after_greeting();
    stage.tell(Input::Lost(Side::Model));
    stage.until(12_900);
    let noted = stage.notes().into_iter().filter(|note| *note == Note::Bridged { phrase: false }).count();
    assert_eq!(noted, 1);
    assert_eq!(stage.sent_ms(), 1_000);
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
