//! Silence, limits and failures.

use super::*;
use crate::wire::model::RefusalClass;

#[test]
fn a_silent_caller_is_asked_twice_and_then_wished_goodbye() {
    let mut stage = Stage::after_greeting();
    for round in 1..=3 {
        stage.until(stage.now_ms + 10_100);
        let (instructions, _, _) = stage.last_ask().unwrap();
        let farewell = instructions.unwrap().contains("Say goodbye");
        assert_eq!(farewell, round == 3, "round {round}");
        stage.answer(&format!("r{round}"), 500, "Are you there?");
        stage.until(stage.now_ms + 600);
    }
    assert!(stage.effects().contains(&Effect::HangUp));
}

#[test]
fn a_caller_who_answers_is_not_counted_as_silent() {
    let mut stage = Stage::after_greeting();
    for round in 0..5 {
        stage.until(stage.now_ms + 10_100);
        stage.answer(&format!("ask{round}"), 500, "Are you there?");
        stage.until(stage.now_ms + 600);
        stage.model(FromModel::SpeechStarted);
        stage.model(FromModel::SpeechStopped);
        stage.model(FromModel::ResponseStarted { response: "r".into(), tag: None });
        stage.audio("r", 100);
        stage.done("r", ResponseOutcome::Completed);
        stage.until(stage.now_ms + 200);
    }
    assert!(!stage.effects().contains(&Effect::HangUp));
}

#[test]
fn a_silent_model_is_nudged_then_followed_by_another_and_then_given_up() {
    let mut stage = Stage::after_greeting();
    stage.model(FromModel::SpeechStarted);
    stage.model(FromModel::SpeechStopped);
    stage.until(stage.now_ms + 8_000);
    assert!(matches!(stage.said_to_model()[..], [ToModel::Respond { instructions: None, .. }]));
    stage.until(stage.now_ms + 8_300);
    assert_eq!(stage.effects().last(), Some(&Effect::DialModel));
    stage.take();
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    // It is not known in words what the caller said: the new session hears it.
    assert!(stage.take().iter().any(|output| matches!(output, Output::Model(ToModel::Audio(_)))));
    stage.until(stage.now_ms + 8_100);
    assert_eq!(stage.ending(), Some(Ending::ModelLost));
    assert!(stage.effects().contains(&Effect::Intend(Some(Intention::FallBack))));
}

#[test]
fn a_failed_answer_is_asked_for_again_a_little_later() {
    let mut stage = Stage::after_greeting();
    stage.model(FromModel::ResponseStarted { response: "r".into(), tag: None });
    stage.done("r", ResponseOutcome::Failed("inference_rate_limit_exceeded".to_owned()));
    assert_eq!(stage.said_to_model(), []);
    stage.until(stage.now_ms + 300);
    assert!(matches!(stage.said_to_model()[..], [ToModel::Respond { .. }]));

    let mut broke = Stage::after_greeting();
    broke.model(FromModel::ResponseStarted { response: "r".into(), tag: None });
    broke.done("r", ResponseOutcome::Failed("insufficient_quota".to_owned()));
    assert_eq!(broke.ending(), Some(Ending::ModelRefused));
}

#[test]
fn a_busy_model_is_asked_again_when_it_is_free() {
    let mut stage = Stage::after_greeting();
    stage.caller(FromTwilio::Dtmf('#'.into()));
    stage.until(stage.now_ms + 10);
    stage.model(FromModel::ResponseStarted { response: "own".into(), tag: None });
    stage.model(refused(RefusalClass::Busy, "conversation_already_has_active_response"));
    stage.take();
    stage.until(stage.now_ms + 1_000);
    assert_eq!(stage.said_to_model(), []);
    stage.audio("own", 100);
    stage.done("own", ResponseOutcome::Completed);
    assert!(matches!(stage.said_to_model()[..], [ToModel::Respond { .. }]));
}

#[test]
fn a_call_is_told_of_its_last_minute_and_ends_when_it_is_over() {
    let mut stage = Stage::new(Brief { longest: Duration::from_secs(180), ..brief() });
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    stage.caller(start());
    stage.answer("greeting", 500, "Hello.");
    // The caller never stops talking: nothing but the limit ends this.
    stage.until(1_000);
    stage.model(FromModel::SpeechStarted);
    stage.until(121_000);
    assert!(stage.last_ask().unwrap().0.unwrap().contains("one minute is left"));
    stage.answer("minute", 500, "One minute.");
    stage.until(181_000);
    assert!(stage.last_ask().unwrap().0.unwrap().contains("The time for this call is over"));
    stage.model(FromModel::SpeechStarted);
    stage.answer("bye", 500, "Goodbye.");
    stage.until(183_000);
    assert!(stage.effects().contains(&Effect::HangUp));
}

#[test]
fn a_resumed_call_is_told_of_its_last_minute_too_and_after_its_opening() {
    for (left_s, told_at_ms) in [(90, 30_000), (60, 0), (120, 60_000)] {
        let opening = Opening::Resume { history: vec![], why: Interruption::TransferFailed("x".to_owned()) };
        let mut stage = Stage::new(Brief { longest: Duration::from_secs(left_s), opening, ..brief() });
        stage.caller(start());
        stage.until(100);
        stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
        assert!(stage.last_ask().unwrap().0.unwrap().contains("Nobody answered at x"), "{left_s}");
        stage.answer("opening", 100, "Sorry.");
        stage.model(FromModel::SpeechStarted);
        stage.take();
        if told_at_ms > 1_000 {
            stage.until(told_at_ms - 500);
            assert_eq!(stage.said_to_model(), [], "{left_s}");
        }
        stage.until(told_at_ms + 1_000);
        assert!(stage.last_ask().unwrap().0.unwrap().contains("one minute is left"), "{left_s}");
        stage.answer("minute", 500, "One minute.");
        stage.until(left_s * 1_000 + 500);
        assert!(stage.last_ask().unwrap().0.unwrap().contains("The time for this call is over"), "{left_s}");
    }
}

#[test]
fn what_every_answer_used_is_counted_however_it_ended() {
    let mut stage = Stage::after_greeting();
    let before = stage.call.usage;
    let tokens = |audio| ModalityTokens { audio, ..ModalityTokens::default() };
    let usage = |audio| Usage { input: tokens(audio), output: tokens(1), ..Usage::default() };
    let outcomes = [
        (ResponseOutcome::Completed, Some(usage(10))),
        (ResponseOutcome::Cancelled, Some(usage(100))),
        (ResponseOutcome::Incomplete("max_output_tokens".to_owned()), Some(usage(1_000))),
        (ResponseOutcome::Failed("server_error".to_owned()), Some(usage(10_000))),
        (ResponseOutcome::Cancelled, None),
    ];
    for (number, (outcome, usage)) in outcomes.into_iter().enumerate() {
        let response = ResponseId::from(format!("r{number}").as_str());
        stage.model(FromModel::ResponseStarted { response: response.clone(), tag: None });
        stage.model(FromModel::ResponseDone { response, outcome, usage });
    }
    // One that nobody knows of was paid for all the same.
    let (response, outcome) = ("unknown".into(), ResponseOutcome::Completed);
    stage.model(FromModel::ResponseDone { response, outcome, usage: Some(usage(100_000)) });
    stage.model(FromModel::CallerSaid { text: "Hello.".to_owned().into(), transcribed_ms: 1_300 });
    stage.model(FromModel::CallerSaid { text: String::new().into(), transcribed_ms: 700 });
    let expected = Usage { transcribed_ms: 2_000, output: tokens(5), ..usage(111_110) };
    let mut all = before;
    all.add(&expected);
    assert_eq!(stage.call.usage, all);
    stage.caller(FromTwilio::Stop);
    let over = stage.notes().into_iter().find_map(|note| match note {
        Note::Over { usage, .. } => Some(usage),
        _ => None,
    });
    assert_eq!(over, Some(all));
}

#[test]
fn a_lost_stream_is_an_accident_and_a_caller_who_hangs_up_is_none() {
    let mut stream = Stage::after_greeting();
    stream.tell(Input::Lost(Side::Caller));
    assert_eq!(stream.ending(), Some(Ending::StreamLost));
    let mut caller = Stage::after_greeting();
    caller.caller(FromTwilio::Stop);
    assert_eq!(caller.ending(), Some(Ending::CallerHungUp));
}

#[test]
fn a_model_lost_in_the_goodbye_does_not_keep_the_caller() {
    let mut stage = Stage::after_greeting();
    stage.started("bye");
    stage.audio("bye", 1_000);
    stage.tool("bye", "call_1", "end_call", "{}");
    stage.tell(Input::Lost(Side::Model));
    stage.until(stage.now_ms + 1_100);
    assert!(stage.effects().contains(&Effect::HangUp));
}

#[test]
fn a_hand_over_waits_for_the_end_of_the_sentence_but_not_for_ever() {
    let mut stage = Stage::after_greeting();
    stage.answer("r", 2_000, "words");
    stage.tell(Input::Command(Command::HandOver));
    assert_eq!(stage.ending(), None);
    stage.until(stage.now_ms + 2_050);
    assert_eq!(stage.ending(), Some(Ending::HandedOver));

    let mut asked = Stage::after_greeting();
    asked.model(FromModel::SpeechStarted);
    asked.tell(Input::Command(Command::HandOver));
    asked.model(FromModel::SpeechStopped);
    assert_eq!(asked.ending(), None, "a question is answered first");
    asked.answer("r", 1_000, "words");
    asked.until(asked.now_ms + 1_050);
    assert_eq!(asked.ending(), None, "and its words are known: another instance is told nothing else");
    asked.model(FromModel::CallerSaid { text: "Are you open?".to_owned().into(), transcribed_ms: 0 });
    assert_eq!(asked.ending(), Some(Ending::HandedOver));

    let mut long = Stage::after_greeting();
    long.answer("r", 60_000, "words");
    long.tell(Input::Command(Command::HandOver));
    long.until(long.now_ms + 5_000);
    assert_eq!(long.ending(), Some(Ending::HandedOver));
}

#[test]
fn nothing_is_said_after_the_end_and_nothing_can_bring_it_back() {
    let mut stage = Stage::after_greeting();
    stage.caller(FromTwilio::Stop);
    stage.take();
    stage.audio("r", 1_000);
    stage.caller(start());
    stage.frame();
    stage.tell(Input::Garbage);
    stage.tell(Input::Tick);
    assert_eq!(stage.take(), []);
    assert_eq!(stage.call.wake_at(), None);
}

#[test]
fn a_recorded_call_gives_away_what_both_sides_heard() {
    let mut stage = Stage::new(Brief { recorded: true, ..brief() });
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    stage.caller(start());
    stage.answer("greeting", 1_000, "This call is recorded. Thanks for calling Luna Dental.");
    stage.until(5_000);
    stage.started("r");
    stage.audio("r", 4_000);
    stage.until(6_000);
    stage.model(FromModel::SpeechStarted);
    stage.until(9_000);
    stage.caller(FromTwilio::Stop);
    let pieces: Vec<u8> = stage
        .outputs
        .iter()
        .filter_map(
            |(_, output)| if let Output::Recording(piece) = output { Some(piece.to_vec()) } else { None },
        )
        .flatten()
        .collect();
    let heard = pieces.iter().skip(1).step_by(2).filter(|byte| **byte == 0x55).count();
    // The greeting, and of the answer the one second before the interruption.
    assert!((15_840..=16_160).contains(&heard), "{heard}");
    assert!((70_000..=74_000).contains(&(pieces.len() / 2)), "{}", pieces.len() / 2);
}

#[test]
fn what_twilio_says_of_a_call_we_have_ended_does_not_change_why_it_ended() {
    let mut stage = Stage::after_greeting();
    stage.answer("bye", 1_000, "Goodbye.");
    stage.started("bye2");
    stage.audio("bye2", 500);
    stage.tool("bye2", "call_1", "end_call", "{}");
    stage.done("bye2", ResponseOutcome::Completed);
    stage.until(stage.now_ms + 1_600);
    assert!(stage.effects().contains(&Effect::HangUp));
    stage.tell(Input::Command(Command::CallOver));
    assert_eq!(stage.ending(), Some(Ending::HungUp));
}

#[test]
fn an_answer_that_begins_and_never_ends_is_asked_of_another_session() {
    let mut stage = Stage::after_greeting();
    stage.model(FromModel::SpeechStarted);
    stage.model(FromModel::SpeechStopped);
    stage.model(FromModel::ResponseStarted { response: "stuck".into(), tag: None });
    stage.audio("stuck", 505);
    let dials = |stage: &Stage| stage.effects().iter().filter(|effect| **effect == Effect::DialModel).count();
    assert_eq!(dials(&stage), 1);
    stage.until(stage.now_ms + 17_000);
    assert_eq!((stage.ending(), dials(&stage)), (None, 2));
}

#[test]
fn what_was_heard_before_an_accident_is_kept() {
    let mut stage = Stage::after_greeting();
    stage.answer("r", 3_000, "one two three four");
    stage.until(stage.now_ms + 1_500);
    stage.tell(Input::Lost(Side::Caller));
    let turn = stage.turns().pop().unwrap();
    assert!(turn.interrupted && turn.heard_ms.abs_diff(1_500) <= 100, "{turn:?}");
    assert!(stage.effects().contains(&Effect::Checkpoint(Box::new(turn))));
}

#[test]
fn a_hand_over_does_not_stop_a_call_from_leaving() {
    let mut stage = Stage::after_greeting();
    stage.started("bye");
    stage.audio("bye", 8_000);
    stage.tool("bye", "call_1", "end_call", "{}");
    stage.done("bye", ResponseOutcome::Completed);
    stage.tell(Input::Command(Command::HandOver));
    stage.until(stage.now_ms + 9_000);
    assert_eq!(stage.ending(), Some(Ending::HungUp));
}

#[test]
fn a_model_lost_before_its_caller_came_is_dialled_again_and_greets_again() {
    let mut stage = Stage::new(brief());
    stage.model(FromModel::Ready(AudioFormat::Pcm16At24k));
    stage.started("old");
    stage.audio("old", 600);
    stage.tell(Input::Lost(Side::Model));
    stage.until(300);
    assert_eq!(stage.effects(), [Effect::DialModel, Effect::DialModel]);
    stage.caller(start());
    stage.until(400);
    assert_eq!(stage.sent_ms(), 0, "nothing of the lost session");
    stage.take();
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    assert!(matches!(stage.said_to_model()[..], [ToModel::Respond { instructions: Some(_), .. }]));
}

#[test]
fn a_question_the_model_refuses_does_not_silence_the_call() {
    let mut stage = Stage::after_greeting();
    stage.caller(FromTwilio::Dtmf('#'.into()));
    stage.until(stage.now_ms + 10);
    stage.model(refused(RefusalClass::Configuration, "invalid_value"));
    stage.model(FromModel::ResponseStarted { response: "own".into(), tag: None });
    stage.audio("own", 100);
    stage.done("own", ResponseOutcome::Completed);
    stage.take();
    stage.until(stage.now_ms + 8_500);
    assert!(matches!(stage.said_to_model()[..], [ToModel::Respond { .. }]));
}

#[test]
fn nothing_is_told_after_the_end() {
    let mut stage = Stage::after_greeting();
    // Late enough for levels to be due, and for padding.
    stage.now_ms += 2_000;
    stage.tell(Input::Command(Command::HandOver));
    assert!(matches!(stage.outputs.last(), Some((_, Output::Note(Note::Over { .. })))));
}
