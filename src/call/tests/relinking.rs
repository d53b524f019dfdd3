//! A model that is lost while the caller stays.

use super::*;
use crate::wire::model::RefusalClass;

fn said(by_model: bool, text: &str) -> ToModel {
    ToModel::Said { by_model, text: text.to_owned().into() }
}

const GREETED: &str = "Thanks for calling Luna Dental.";

/// The model is lost, and another session is there 300 ms later: what it is told, audio left out.
fn lost_and_back(stage: &mut Stage) -> Vec<ToModel> {
    stage.tell(Input::Lost(Side::Model));
    back(stage)
}

fn back(stage: &mut Stage) -> Vec<ToModel> {
    stage.until(stage.now_ms + 300);
    assert_eq!(stage.effects().iter().filter(|effect| **effect == Effect::DialModel).count(), 2);
    stage.take();
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    stage.said_to_model()
}

/// The caller says that, and it is transcribed.
fn asks(stage: &mut Stage, text: &str) {
    stage.model(FromModel::SpeechStarted);
    stage.until(stage.now_ms + 1_000);
    stage.model(FromModel::SpeechStopped);
    stage.model(FromModel::CallerSaid { text: text.to_owned().into(), transcribed_ms: 0 });
}

fn frames(outputs: &[Output]) -> usize {
    outputs.iter().filter(|output| matches!(output, Output::Model(ToModel::Audio(_)))).count()
}

fn is_note(words: &ToModel) -> bool {
    matches!(words, ToModel::Note(text) if text.reveal().contains("do not greet again"))
}

fn asked_to_go_on(words: &[ToModel]) -> bool {
    words.iter().any(|words| {
        matches!(words, ToModel::Respond { instructions: Some(text), tools: true, .. }
            if text.contains("Go on where the conversation stopped"))
    })
}

#[test]
fn a_caller_who_was_about_to_speak_is_waited_for_by_the_next_session() {
    let mut stage = Stage::after_greeting();
    let told = lost_and_back(&mut stage);
    assert_eq!(told[0], said(true, GREETED));
    assert!(is_note(&told[1]) && told.len() == 2, "{told:?}");
    assert_eq!(stage.ending(), None);
    stage.until(stage.now_ms + 5_000);
    assert!(!stage.said_to_model().iter().any(|words| matches!(words, ToModel::Respond { .. })));
    assert!(stage.notes().contains(&Note::ModelAway));
}

#[test]
fn a_question_that_was_understood_is_answered_by_the_next_session() {
    let mut stage = Stage::after_greeting();
    asks(&mut stage, "Are you open?");
    let told = lost_and_back(&mut stage);
    assert_eq!(told[..2], [said(true, GREETED), said(false, "Are you open?")]);
    assert!(asked_to_go_on(&told), "{told:?}");
}

#[test]
fn a_question_that_was_not_transcribed_is_heard_again_and_not_asked_about() {
    let mut stage = Stage::after_greeting();
    stage.model(FromModel::SpeechStarted);
    stage.until(stage.now_ms + 2_000);
    stage.model(FromModel::SpeechStopped);
    stage.tell(Input::Lost(Side::Model));
    stage.until(stage.now_ms + 300);
    stage.take();
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    let outputs = stage.take();
    // The second before the word was noticed, the two it took, and the gap.
    assert!((164..=167).contains(&frames(&outputs)), "{}", frames(&outputs));
    assert!(!outputs.iter().any(|output| matches!(output, Output::Model(ToModel::Respond { .. }))));
    stage.model(FromModel::SpeechStarted);
    stage.model(FromModel::SpeechStopped);
    stage.model(FromModel::CallerSaid { text: "Are you open?".to_owned().into(), transcribed_ms: 0 });
    let turns: Vec<_> = stage.turns().into_iter().map(|turn| turn.text.reveal().clone()).collect();
    assert_eq!(turns, [GREETED, "Are you open?"], "nothing is told twice");
}

#[test]
fn what_the_caller_says_while_the_model_is_away_is_heard_in_order() {
    let mut stage = Stage::after_greeting();
    stage.take();
    stage.tell(Input::Lost(Side::Model));
    stage.until(stage.now_ms + 4_000);
    assert_eq!(frames(&stage.take()), 0);
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    // The last second before the loss is among it: a word may have begun.
    assert_eq!(frames(&stage.take()), 250);
}

#[test]
fn what_was_made_is_heard_to_its_end_and_only_what_was_heard_is_told() {
    let mut stage = Stage::after_greeting();
    asks(&mut stage, "Are you open?");
    stage.started("r");
    stage.audio("r", 1_500);
    let words = "We are open from nine to five, and on Saturdays we are open from ten to two.";
    stage.model(FromModel::AllWords { item: "r".into(), text: words.to_owned().into() });
    stage.until(stage.now_ms + 500);
    let told = lost_and_back(&mut stage);
    assert!(!asked_to_go_on(&told), "not before the caller has heard the rest");
    assert_eq!(told[..2], [said(true, GREETED), said(false, "Are you open?")]);
    let sent = stage.sent_ms();
    stage.until(stage.now_ms + 1_000);
    assert!(stage.sent_ms() > sent, "what was made plays on");
    let told = stage.said_to_model();
    let turn = stage.turns().pop().unwrap();
    assert!(turn.interrupted && turn.heard_ms == 1_500, "{turn:?}");
    assert!(turn.text.reveal().starts_with("We are open") && turn.text.reveal().len() < 40);
    assert_eq!(told[0], said(true, turn.text.reveal()));
    assert!(asked_to_go_on(&told));
}

#[test]
fn an_answer_of_a_lost_session_can_be_interrupted_and_the_next_knows_how_much_was_heard() {
    let mut stage = Stage::after_greeting();
    asks(&mut stage, "Are you open?");
    stage.answer("r", 4_000, "We are open from nine to five and from ten to two.");
    stage.until(stage.now_ms + 500);
    let told = lost_and_back(&mut stage);
    assert!(!asked_to_go_on(&told), "it was said to its end");
    stage.until(stage.now_ms + 1_200);
    stage.take();
    stage.model(FromModel::SpeechStarted);
    let outputs = stage.take();
    assert!(outputs.contains(&Output::Caller(ToTwilio::Clear)));
    let told: Vec<_> = outputs
        .into_iter()
        .filter_map(|output| if let Output::Model(words) = output { Some(words) } else { None })
        .collect();
    assert_eq!(told, [said(true, "We are open from nine to")]);
}

#[test]
fn a_tool_that_is_under_way_answers_the_next_session() {
    let mut stage = Stage::after_greeting();
    stage.obliging = false;
    stage.started("r");
    stage.tool("r", "call_1", "take_message", r#"{"message":"Call me."}"#);
    let Some((_, Output::Effect(id, _))) =
        stage.outputs.iter().rfind(|(_, o)| matches!(o, Output::Effect(_, Effect::TakeMessage(_)))).cloned()
    else {
        panic!()
    };
    let told = lost_and_back(&mut stage);
    let call = ToModel::ToolCall {
        call: "call_1".into(),
        name: "take_message".to_owned(),
        arguments: r#"{"message":"Call me."}"#.to_owned().into(),
    };
    assert_eq!(told[1], call);
    assert!(!asked_to_go_on(&told), "the tool's answer comes first");
    stage.tell(Input::Outcome(id, Outcome::Done));
    let words = stage.said_to_model();
    let result = ToModel::ToolResult { call: "call_1".into(), output: r#"{"ok":true}"#.to_owned() };
    assert_eq!(words[0], result);
    assert!(matches!(words[1], ToModel::Respond { instructions: None, .. }));
}

#[test]
fn a_tool_that_is_done_while_the_model_is_away_is_told_with_its_call() {
    let mut stage = Stage::after_greeting();
    stage.started("r");
    stage.tool("r", "call_1", "take_message", r#"{"message":"Call me."}"#);
    let told = lost_and_back(&mut stage);
    assert!(matches!(&told[1], ToModel::ToolCall { call, .. } if call.as_str() == "call_1"));
    assert!(matches!(&told[2], ToModel::ToolResult { call, .. } if call.as_str() == "call_1"));
    assert_eq!(told.iter().filter(|words| matches!(words, ToModel::Respond { .. })).count(), 1);
}

#[test]
fn wishes_survive_the_session_they_were_made_in() {
    let mut stage = Stage::after_greeting();
    stage.tell(Input::Lost(Side::Model));
    stage.caller(FromTwilio::Dtmf('4'.into()));
    stage.caller(FromTwilio::Dtmf('#'.into()));
    let told = back(&mut stage);
    let keys = |words: &ToModel| matches!(words, ToModel::Note(text) if text.reveal().ends_with("4#"));
    assert!(told.iter().any(keys), "{told:?}");
    assert_eq!(told.iter().filter(|words| matches!(words, ToModel::Respond { .. })).count(), 1);
}

#[test]
fn a_greeting_of_which_nothing_was_heard_is_said_by_the_next_session_and_one_that_was_is_not() {
    let mut unheard = Stage::new(brief());
    unheard.model(FromModel::Ready(AudioFormat::Mulaw8k));
    unheard.caller(start());
    unheard.started("greeting");
    let told = lost_and_back(&mut unheard);
    let greets = |words: &ToModel| matches!(words, ToModel::Respond { instructions: Some(text), .. } if text.contains("Greet the caller now"));
    assert!(told.iter().any(greets), "{told:?}");

    let mut heard = Stage::new(brief());
    heard.model(FromModel::Ready(AudioFormat::Mulaw8k));
    heard.caller(start());
    heard.started("greeting");
    heard.model(FromModel::Words { item: "greeting".into(), text: "Thanks for ".to_owned().into() });
    heard.audio("greeting", 700);
    let mut told = lost_and_back(&mut heard);
    heard.until(heard.now_ms + 1_500);
    told.extend(heard.said_to_model());
    assert!(!told.iter().any(greets) && asked_to_go_on(&told), "{told:?}");
    assert!(told.contains(&said(true, "Thanks for")));
    assert!(!heard.effects().iter().any(|effect| matches!(effect, Effect::KeepGreeting(_))));
}

#[test]
fn what_a_session_that_was_given_up_still_says_is_not_heard() {
    let mut stage = Stage::after_greeting();
    stage.model(refused(RefusalClass::SessionOver, "session_expired"));
    stage.take();
    stage.audio("late", 500);
    stage.tell(Input::Lost(Side::Model));
    assert_eq!(stage.take(), []);
    let told = back(&mut stage);
    assert_eq!(told[0], said(true, GREETED));
}

#[test]
fn a_model_that_does_not_come_back_rings_the_fallback_after_ten_seconds() {
    let mut stage = Stage::after_greeting();
    stage.tell(Input::Lost(Side::Model));
    stage.until(12_900);
    assert_eq!(stage.ending(), None);
    stage.until(13_100);
    assert_eq!(stage.ending(), Some(Ending::ModelLost));
    assert!(stage.effects().contains(&Effect::Intend(Some(Intention::FallBack))));
}

#[test]
fn a_model_that_refuses_to_come_back_is_not_dialled_for_ever() {
    let mut stage = Stage::after_greeting();
    stage.tell(Input::Lost(Side::Model));
    let mut answered = 1;
    while stage.ending().is_none() && stage.now_ms < 20_000 {
        stage.until(stage.now_ms + 50);
        let dials: Vec<EffectId> = stage
            .outputs
            .iter()
            .filter_map(|(_, o)| if let Output::Effect(id, Effect::DialModel) = o { Some(*id) } else { None })
            .collect();
        for id in dials.iter().skip(answered) {
            stage.tell(Input::Outcome(*id, Outcome::Failed));
            answered += 1;
        }
    }
    assert_eq!(stage.ending(), Some(Ending::ModelLost));
    assert_eq!(answered, 8);

    let mut refused = Stage::after_greeting();
    refused.tell(Input::Lost(Side::Model));
    refused.until(refused.now_ms + 300);
    let id = refused.outputs.iter().rev().find_map(|(_, o)| match o {
        Output::Effect(id, Effect::DialModel) => Some(*id),
        _ => None,
    });
    refused.tell(Input::Outcome(id.unwrap(), Outcome::Refused));
    assert_eq!(refused.ending(), Some(Ending::ModelRefused));
}

#[test]
fn sessions_that_break_one_after_the_other_are_given_up() {
    let mut stage = Stage::after_greeting();
    let mut sessions = 0;
    while stage.ending().is_none() {
        stage.tell(Input::Lost(Side::Model));
        stage.until(stage.now_ms + 1_100);
        stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
        sessions += 1;
        assert!(sessions < 20, "an endless chain of sessions");
    }
    assert_eq!(stage.ending(), Some(Ending::ModelLost));
}

#[test]
fn a_good_session_is_followed_at_once() {
    let mut stage = Stage::after_greeting();
    stage.answer("r", 100, "Hm.");
    stage.until(10_500);
    stage.tell(Input::Lost(Side::Model));
    assert_eq!(stage.effects().last(), Some(&Effect::DialModel));
}

#[test]
fn a_goodbye_that_was_decided_while_the_model_is_away_is_carried_out() {
    let mut stage = Stage::new(Brief { longest: Duration::from_secs(5), ..brief() });
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    stage.caller(start());
    stage.answer("greeting", 1_000, GREETED);
    stage.until(4_000);
    stage.tell(Input::Lost(Side::Model));
    stage.until(13_500);
    assert!(stage.effects().contains(&Effect::HangUp), "{:?}", stage.effects());
}

#[test]
fn an_answer_that_is_refused_is_not_waited_for() {
    let mut stage = Stage::after_greeting();
    stage.caller(FromTwilio::Dtmf('#'.into()));
    stage.until(stage.now_ms + 10);
    let (_, _, tag) = stage.last_ask().unwrap();
    stage.take();
    let mut refusal = refused(RefusalClass::Configuration, "invalid_value");
    if let FromModel::Refused(refusal) = &mut refusal {
        refusal.answer = Some(tag);
    }
    stage.model(refusal);
    stage.until(stage.now_ms + 300);
    assert!(matches!(stage.said_to_model()[..], [ToModel::Respond { .. }]));
}

/// An exchange a minute, to that time.
fn talk_until(stage: &mut Stage, ms: u64) {
    let mut number = 0;
    while stage.now_ms + 9_000 < ms {
        number += 1;
        asks(stage, "And then?");
        stage.model(FromModel::ResponseStarted { response: format!("t{number}").as_str().into(), tag: None });
        stage.audio(&format!("t{number}"), 200);
        stage.done(&format!("t{number}"), ResponseOutcome::Completed);
        stage.until(stage.now_ms + 8_000);
    }
}

#[test]
fn a_session_of_55_minutes_is_followed_by_another_when_nobody_speaks() {
    let mut stage = Stage::new(Brief { longest: Duration::from_secs(7_200), ..brief() });
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    stage.caller(start());
    stage.answer("greeting", 1_000, GREETED);
    stage.until(3_000);
    talk_until(&mut stage, 55 * 60_000);
    stage.model(FromModel::SpeechStarted);
    stage.until(56 * 60_000);
    let dials = |stage: &Stage| stage.effects().iter().filter(|effect| **effect == Effect::DialModel).count();
    assert_eq!(dials(&stage), 1, "not into the caller's words");
    stage.model(FromModel::SpeechStopped);
    stage.model(FromModel::CallerSaid { text: "So it was.".to_owned().into(), transcribed_ms: 0 });
    assert_eq!(dials(&stage), 1, "nor before they are answered");
    stage.answer("last", 200, "I see.");
    stage.until(stage.now_ms + 300);
    assert_eq!(dials(&stage), 2);
    stage.take();
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    let told = stage.said_to_model();
    assert_eq!(told.last(), Some(&said(true, "I see.")));
    assert!(!told.iter().any(|words| matches!(words, ToModel::Respond { .. }) || is_note(words)));
    assert!(stage.notes().contains(&Note::SessionRenewed) && !stage.notes().contains(&Note::ModelAway));
}

#[test]
fn a_session_of_59_minutes_is_followed_by_another_whoever_speaks() {
    let mut stage = Stage::new(Brief { longest: Duration::from_secs(7_200), ..brief() });
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    stage.caller(start());
    stage.answer("greeting", 1_000, GREETED);
    stage.until(3_000);
    talk_until(&mut stage, 55 * 60_000);
    stage.model(FromModel::SpeechStarted);
    stage.until(59 * 60_000 + 100);
    assert!(stage.notes().contains(&Note::SessionRenewed));
}

#[test]
fn an_old_session_is_not_left_while_a_tool_is_under_way_until_it_must_be() {
    let mut stage = Stage::new(Brief { longest: Duration::from_secs(7_200), ..brief() });
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    stage.caller(start());
    stage.answer("greeting", 1_000, GREETED);
    stage.until(3_000);
    talk_until(&mut stage, 55 * 60_000);
    stage.obliging = false;
    asks(&mut stage, "Can they ring me?");
    stage.model(FromModel::ResponseStarted { response: "r".into(), tag: None });
    stage.tool("r", "call_1", "take_message", r#"{"message":"Call me."}"#);
    stage.done("r", ResponseOutcome::Completed);
    stage.until(55 * 60_000 + 5_000);
    assert!(!stage.notes().contains(&Note::SessionRenewed));
    // Nine seconds more, and the tool has failed; it is answered before anything else.
    stage.until(55 * 60_000 + 9_000);
    assert!(!stage.notes().contains(&Note::SessionRenewed));
    stage.answer("late", 200, "I am sorry.");
    stage.until(stage.now_ms + 300);
    assert!(stage.notes().contains(&Note::SessionRenewed));
}

/// A call whose time is over: the goodbye is asked for.
fn at_its_goodbye() -> Stage {
    let mut stage = Stage::new(Brief { longest: Duration::from_secs(5), ..brief() });
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    stage.caller(start());
    stage.answer("greeting", 1_000, GREETED);
    stage.until(5_100);
    assert!(stage.last_ask().unwrap().0.unwrap().contains("goodbye"));
    stage
}

#[test]
fn a_goodbye_of_which_nothing_was_heard_is_said_by_the_next_session() {
    let mut stage = at_its_goodbye();
    stage.started("farewell");
    let told = lost_and_back(&mut stage);
    let goodbye = |words: &ToModel| matches!(words, ToModel::Respond { instructions: Some(text), tools: false, .. } if text.contains("say goodbye"));
    assert!(told.iter().any(goodbye), "{told:?}");
    stage.answer("again", 500, "Goodbye.");
    stage.until(stage.now_ms + 600);
    assert!(stage.effects().contains(&Effect::HangUp));
    assert_eq!(stage.turns().last().unwrap().text.reveal(), "Goodbye.");
}

#[test]
fn a_goodbye_that_broke_off_is_not_said_again() {
    let mut stage = at_its_goodbye();
    stage.started("farewell");
    stage.audio("farewell", 400);
    stage.tell(Input::Lost(Side::Model));
    stage.until(stage.now_ms + 500);
    assert!(stage.effects().contains(&Effect::HangUp));
    assert_eq!(stage.effects().iter().filter(|effect| **effect == Effect::DialModel).count(), 1);
}

#[test]
fn a_call_whose_model_is_away_is_handed_over_at_once_but_not_with_words_nobody_has_written_down() {
    let mut stage = Stage::after_greeting();
    stage.tell(Input::Lost(Side::Model));
    stage.until(stage.now_ms + 100);
    stage.tell(Input::Command(Command::HandOver));
    assert_eq!(stage.ending(), Some(Ending::HandedOver));

    let mut asked = Stage::after_greeting();
    asked.model(FromModel::SpeechStarted);
    asked.until(asked.now_ms + 1_000);
    asked.model(FromModel::SpeechStopped);
    asked.tell(Input::Lost(Side::Model));
    asked.tell(Input::Command(Command::HandOver));
    asked.until(asked.now_ms + 4_900);
    assert_eq!(asked.ending(), None);
    asked.until(asked.now_ms + 200);
    assert_eq!(asked.ending(), Some(Ending::HandedOver), "but not for ever");
}

#[test]
fn a_greeting_made_for_a_caller_who_was_not_there_yet_is_made_anew_by_the_next_session() {
    let mut stage = Stage::new(brief());
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    stage.answer("greeting", 1_000, GREETED);
    stage.tell(Input::Lost(Side::Model));
    stage.until(stage.now_ms + 300);
    stage.take();
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    assert!(
        matches!(&stage.said_to_model()[..], [ToModel::Respond { instructions: Some(text), .. }] if text.contains("Greet the caller now"))
    );
    stage.caller(start());
    assert_eq!(stage.sent_ms(), 0, "what the lost session made is gone");
    stage.answer("greeting again", 1_000, GREETED);
    stage.until(stage.now_ms + 1_500);
    assert_eq!(stage.turns().len(), 1);
}
