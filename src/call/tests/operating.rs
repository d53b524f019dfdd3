//! What an operator wants of a call that goes on.

use super::*;

fn asked(stage: &Stage) -> (String, bool) {
    let (instructions, tools, _) = stage.last_ask().unwrap();
    (instructions.unwrap(), tools)
}

#[test]
fn an_operator_who_ends_a_call_lets_it_say_goodbye_and_the_caller_cannot_talk_it_out_of_it() {
    let mut stage = Stage::after_greeting();
    stage.tell(Input::Command(Command::HangUp));
    assert_eq!(stage.effects().last(), Some(&Effect::Intend(Some(Intention::HangUp))));
    assert!(asked(&stage).0.contains("goodbye"));
    stage.model(FromModel::SpeechStarted);
    stage.model(FromModel::SpeechStopped);
    stage.answer("bye", 500, "Goodbye.");
    stage.until(stage.now_ms + 3_000);
    assert!(stage.effects().contains(&Effect::HangUp));
    stage.caller(FromTwilio::Stop);
    assert_eq!(stage.ending(), Some(Ending::HungUp));
}

#[test]
fn an_operator_gives_the_caller_to_a_destination_of_the_business_and_to_no_other() {
    let mut stage = Stage::after_greeting();
    let to = |id: &str| Command::Transfer(DestinationId::parse(id).unwrap());
    stage.tell(Input::Command(to("the-moon")));
    assert_eq!(stage.effects().iter().filter(|effect| matches!(effect, Effect::Intend(_))).count(), 0);
    stage.tell(Input::Command(to("front-office")));
    stage.answer("bye", 500, "I am connecting you.");
    stage.until(stage.now_ms + 1_000);
    let office = DestinationId::parse("front-office").unwrap();
    assert!(stage.effects().contains(&Effect::Transfer(office.clone())));
    stage.caller(FromTwilio::Stop);
    assert_eq!(stage.ending(), Some(Ending::Transferred(office)));
}

#[test]
fn what_an_operator_wants_said_is_asked_for_word_for_word_when_the_caller_has_spoken() {
    let mut stage = Stage::after_greeting();
    stage.model(FromModel::SpeechStarted);
    stage.tell(Input::Command(Command::Say("We close in five minutes.".to_owned().into())));
    let before = stage.last_ask();
    assert!(before.is_none_or(|(words, ..)| !words.unwrap_or_default().contains("five minutes")));
    stage.model(FromModel::SpeechStopped);
    stage.until(stage.now_ms + 100);
    let (words, tools) = asked(&stage);
    assert!(words.contains("\"We close in five minutes.\"") && !tools, "{words}");
}

#[test]
fn before_the_caller_is_there_and_after_the_goodbye_there_is_nothing_to_command() {
    let mut early = Stage::new(brief());
    early.tell(Input::Command(Command::HangUp));
    early.tell(Input::Command(Command::Say("Hello.".to_owned().into())));
    assert_eq!(
        (early.ending(), early.effects().iter().any(|it| matches!(it, Effect::Intend(_)))),
        (None, false)
    );
}
