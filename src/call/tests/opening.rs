//! How a call opens.

use super::*;
use crate::wire::model::RefusalClass;

fn is_media(output: &Output) -> bool {
    matches!(output, Output::Caller(ToTwilio::Media(_)))
}

#[test]
fn the_model_is_dialled_ahead_and_its_greeting_waits_for_the_caller() {
    let mut stage = Stage::new(brief());
    assert_eq!(stage.effects(), [Effect::DialModel]);
    stage.now_ms = 200;
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    let (instructions, _, _) = stage.last_ask().unwrap();
    assert!(instructions.unwrap().ends_with("\"Thanks for calling Luna Dental.\""));
    stage.answer("greeting", 1_000, "Thanks for calling Luna Dental.");
    assert!(!stage.take().iter().any(is_media));
    stage.now_ms = 400;
    stage.caller(start());
    let first = stage.take();
    assert!(first.iter().any(is_media));
    assert!(
        first.contains(&Output::Note(Note::FirstAudio { after_caller_ms: None, after_start_ms: Some(0) }))
    );
    stage.until(2_000);
    assert_eq!(stage.sent_ms(), 1_000);
    assert_eq!(stage.turns()[0].text.reveal(), "Thanks for calling Luna Dental.");
}

#[test]
fn a_caller_who_is_quicker_than_the_model_is_heard_from_the_first_word_on() {
    let mut stage = Stage::new(brief());
    stage.caller(start());
    stage.until(4_000);
    assert!(!stage.take().iter().any(|output| matches!(output, Output::Model(_))));
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    let audio =
        stage.take().iter().filter(|output| matches!(output, Output::Model(ToModel::Audio(_)))).count();
    assert_eq!(audio, 200);
}

#[test]
fn a_known_greeting_is_heard_at_once_and_the_model_is_told_that_it_was_said() {
    let greeting =
        Greeting { words: "Thanks for calling Luna Dental.".to_owned(), audio: vec![7; 8_000].into() };
    let mut stage = Stage::new(Brief { opening: Opening::GreetFrom(greeting.clone()), ..brief() });
    stage.caller(start());
    assert!(stage.take().iter().any(is_media));
    stage.until(2_000);
    assert_eq!(stage.sent_ms(), 1_000);
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    let said = ToModel::Said { by_model: true, text: greeting.words.clone().into() };
    assert_eq!(stage.said_to_model(), [said]);

    let mut cut = Stage::new(Brief { opening: Opening::GreetFrom(greeting), ..brief() });
    cut.model(FromModel::Ready(AudioFormat::Mulaw8k));
    cut.caller(start());
    cut.until(600);
    cut.model(FromModel::SpeechStarted);
    let said = ToModel::Said { by_model: true, text: "Thanks for calling".to_owned().into() };
    assert_eq!(cut.said_to_model(), [said]);
}

#[test]
fn a_greeting_is_kept_for_the_next_caller_only_if_it_is_the_greeting() {
    let kept = |words: &str, outcome: ResponseOutcome| {
        let mut stage = Stage::new(brief());
        stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
        stage.started("greeting");
        stage.audio("greeting", 700);
        stage.model(FromModel::AllWords { item: "greeting".into(), text: words.to_owned().into() });
        stage.done("greeting", outcome);
        stage.effects().into_iter().find_map(|effect| match effect {
            Effect::KeepGreeting(greeting) => Some(greeting.audio.len()),
            _ => None,
        })
    };
    assert_eq!(kept("thanks for calling Luna Dental!", ResponseOutcome::Completed), Some(5_600));
    assert_eq!(kept("Hello, this is Luna.", ResponseOutcome::Completed), None);
    assert_eq!(kept("Thanks for calling Luna Dental.", ResponseOutcome::Cancelled), None);
}

#[test]
fn a_resumed_call_knows_what_was_said_and_does_not_greet() {
    let said = Stage::after_greeting().turns();
    let opening =
        Opening::Resume { history: said, why: Interruption::TransferFailed("the front office".to_owned()) };
    let mut stage = Stage::new(Brief { attempt: 2, opening, ..brief() });
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    let words = stage.said_to_model();
    assert_eq!(
        words[0],
        ToModel::Said { by_model: true, text: "Thanks for calling Luna Dental.".to_owned().into() }
    );
    let instructions = stage.last_ask().unwrap().0.unwrap();
    assert!(
        instructions.contains("Nobody answered at the front office") && instructions.contains("Do not greet")
    );
}

#[test]
fn a_dial_that_fails_is_repeated_for_ten_seconds_and_then_the_fallback_is_written_down() {
    let mut stage = Stage::new(brief());
    stage.caller(start());
    for id in 1..=3 {
        stage.tell(Input::Outcome(EffectId(id), Outcome::Failed));
        stage.until(stage.now_ms + 1_000);
    }
    assert_eq!(stage.effects().len(), 4);
    stage.until(11_000);
    assert!(stage.effects().contains(&Effect::Intend(Some(Intention::FallBack))));
    assert_eq!(stage.ending(), Some(Ending::ModelLost));
}

#[test]
fn a_model_that_refuses_dooms_the_call_but_the_caller_is_waited_for() {
    let mut stage = Stage::new(brief());
    stage.tell(Input::Outcome(EffectId(1), Outcome::Refused));
    assert_eq!(stage.effects()[1..], [Effect::Intend(Some(Intention::FallBack))]);
    assert_eq!(stage.ending(), None);
    stage.now_ms = 400;
    stage.caller(start());
    assert_eq!(stage.ending(), Some(Ending::ModelRefused));

    let mut talking = Stage::after_greeting();
    talking.model(refused(RefusalClass::Fatal, "insufficient_quota"));
    assert_eq!(talking.ending(), Some(Ending::ModelRefused));
    assert!(talking.effects().contains(&Effect::Intend(Some(Intention::FallBack))));
}

#[test]
fn a_caller_who_never_comes_costs_fifteen_seconds() {
    let mut stage = Stage::new(brief());
    stage.until(14_999);
    assert_eq!(stage.ending(), None);
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    stage.until(15_000);
    assert_eq!(stage.ending(), Some(Ending::NeverConnected));
}

#[test]
fn a_stream_of_another_format_is_refused_with_its_name() {
    let FromTwilio::Start(mut other) = start() else { panic!() };
    other.media_format.sample_rate = 16_000;
    let mut stage = Stage::new(brief());
    stage.caller(FromTwilio::Start(other));
    let what = "audio/x-mulaw at 16000 Hz, 1 channels".to_owned();
    assert_eq!(stage.ending(), Some(Ending::StreamRefused(what)));
}

#[test]
fn a_call_whose_past_is_not_known_asks_where_it_was_and_does_not_greet() {
    let opening = Opening::Resume { history: vec![], why: Interruption::LineLostAndForgotten };
    let mut stage = Stage::new(Brief { attempt: 2, opening, ..brief() });
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    let instructions = stage.last_ask().unwrap().0.unwrap();
    assert!(instructions.contains("Do not greet") && instructions.contains("ask where you were"));
}

#[test]
fn a_call_that_broke_before_a_word_was_heard_greets() {
    let opening = Opening::Resume { history: vec![], why: Interruption::LineLost };
    let mut stage = Stage::new(Brief { attempt: 2, opening, ..brief() });
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    assert!(stage.last_ask().unwrap().0.unwrap().contains("Thanks for calling Luna Dental."));
}
