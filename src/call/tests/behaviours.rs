//! What a call does, a sentence each.

use super::*;
use crate::wire::model::{Refusal, RefusalClass};

fn is_media(output: &Output) -> bool {
    matches!(output, Output::Caller(ToTwilio::Media(_)))
}

fn refused(class: RefusalClass, code: &str) -> FromModel {
    FromModel::Refused(Refusal { class, code: code.to_owned(), message: String::new().into() })
}

fn truncate(item: &str, heard_ms: u64) -> ToModel {
    ToModel::Truncate { item: item.into(), content_index: 0, heard_ms }
}

fn result_of(words: &[ToModel], call: &str) -> String {
    let result = words.iter().find_map(|words| match words {
        ToModel::ToolResult { call: of, output } if of.as_str() == call => Some(output.clone()),
        _ => None,
    });
    result.unwrap_or_else(|| panic!("no result for {call}: {words:?}"))
}

fn padded_ms(stage: &Stage) -> u32 {
    stage.notes().iter().map(|note| if let Note::Padded(ms) = note { *ms } else { 0 }).sum()
}

// --- opening -------------------------------------------------------------------------------------------------------

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
fn a_caller_who_is_quicker_than_the_model_is_heard_from_the_last_three_seconds_on() {
    let mut stage = Stage::new(brief());
    stage.caller(start());
    stage.until(4_000);
    assert!(!stage.take().iter().any(|output| matches!(output, Output::Model(_))));
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    let audio =
        stage.take().iter().filter(|output| matches!(output, Output::Model(ToModel::Audio(_)))).count();
    assert_eq!(audio, 150);
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

// --- playout and barge-in ------------------------------------------------------------------------------------------

#[test]
fn audio_is_paced_a_little_ahead_of_the_callers_ear() {
    let mut stage = Stage::after_greeting();
    let (before, at) = (stage.sent_ms(), stage.now_ms);
    stage.started("r");
    stage.audio("r", 10_000);
    for passed in [0, 500, 1_000, 5_000] {
        stage.until(at + passed);
        let ahead = stage.sent_ms() - before - passed;
        assert!((200..=400).contains(&ahead), "{ahead} ms ahead after {passed} ms");
    }
}

#[test]
fn odd_pieces_become_whole_frames_and_only_the_end_is_filled_up() {
    let mut stage = Stage::after_greeting();
    let before = stage.sent_ms();
    stage.started("r");
    for piece in [1usize, 7, 159, 161, 640, 33] {
        let audio = STANDARD.encode(vec![0x55; piece]).into();
        stage.model(FromModel::Audio { response: "r".into(), item: "r".into(), content_index: 0, audio });
    }
    stage.done("r", ResponseOutcome::Completed);
    stage.until(stage.now_ms + 1_000);
    // 1,001 bytes are 6 frames and a bit.
    assert_eq!(stage.sent_ms() - before, 140);
    assert_eq!(stage.turns().last().unwrap().heard_ms, 125);
}

#[test]
fn an_interruption_clears_twilio_and_tells_the_model_what_was_heard_of_each_item() {
    let mut stage = Stage::after_greeting();
    stage.started("r");
    stage.audio_of("r", "one", 1_000);
    stage.audio_of("r", "two", 2_000);
    stage.audio_of("r", "three", 2_000);
    let began = stage.now_ms;
    stage.until(began + 1_650);
    stage.take();
    stage.model(FromModel::SpeechStarted);
    let outputs = stage.take();
    assert!(outputs.contains(&Output::Caller(ToTwilio::Clear)));
    let words: Vec<_> = outputs
        .into_iter()
        .filter_map(|output| if let Output::Model(words) = output { Some(words) } else { None })
        .collect();
    assert_eq!(words, [truncate("two", 650), ToModel::Forget("three".into())]);
    assert_eq!(stage.turns().iter().map(|turn| turn.heard_ms).collect::<Vec<_>>(), [1_000, 1_000, 650]);
    assert!(stage.turns()[2].interrupted);
}

#[test]
fn nothing_more_of_a_cut_answer_is_played_and_the_next_one_is() {
    let mut stage = Stage::after_greeting();
    stage.started("r1");
    stage.audio("r1", 3_000);
    stage.until(stage.now_ms + 500);
    stage.model(FromModel::SpeechStarted);
    let before = stage.sent_ms();
    stage.audio("r1", 1_000);
    stage.until(stage.now_ms + 300);
    stage.done("r1", ResponseOutcome::Cancelled);
    assert_eq!(stage.sent_ms(), before);
    stage.model(FromModel::SpeechStopped);
    stage.model(FromModel::ResponseStarted { response: "r2".into(), tag: None });
    stage.audio("r2", 400);
    stage.done("r2", ResponseOutcome::Completed);
    stage.until(stage.now_ms + 1_000);
    assert_eq!(stage.sent_ms(), before + 400);
}

#[test]
fn what_was_heard_to_its_end_keeps_its_words() {
    let mut stage = Stage::after_greeting();
    stage.model(FromModel::SpeechStarted);
    assert_eq!(stage.said_to_model(), []);
    assert!(!stage.outputs.iter().any(|(_, output)| *output == Output::Caller(ToTwilio::Clear)));
}

#[test]
fn an_answer_that_is_generated_but_unheard_is_still_interrupted() {
    let mut stage = Stage::after_greeting();
    stage.answer("r", 5_000, "one two three four five six seven eight nine ten");
    stage.until(stage.now_ms + 1_000);
    stage.take();
    stage.model(FromModel::SpeechStarted);
    assert_eq!(stage.said_to_model(), [truncate("r", 1_000)]);
    assert_eq!(stage.turns().last().unwrap().text.reveal(), "one two");
}

#[test]
fn marks_that_come_back_from_a_clear_count_for_nothing() {
    let mut stage = Stage::after_greeting();
    stage.started("r");
    stage.audio("r", 4_000);
    stage.until(stage.now_ms + 1_000);
    stage.model(FromModel::SpeechStarted);
    stage.until(stage.now_ms + 100);
    stage.call.handle(Input::Command(Command::CallOver), Moment::from_millis(stage.now_ms));
    stage.drain();
    let Some(Note::Over { oddities, .. }) = stage.notes().pop() else { panic!() };
    assert_eq!(oddities.stale_marks, 4);
    assert_eq!(stage.turns().last().unwrap().heard_ms, 1_000);
}

#[test]
fn a_mark_nobody_sent_is_counted_and_changes_nothing() {
    let mut stage = Stage::after_greeting();
    stage.started("r");
    stage.audio("r", 1_000);
    stage.take();
    stage.caller(FromTwilio::Mark("m999999".into()));
    stage.caller(FromTwilio::Mark("item_A:3000".into()));
    assert_eq!(stage.take(), []);
}

// --- the caller's audio --------------------------------------------------------------------------------------------

#[test]
fn a_gap_in_the_timestamps_is_padded_before_the_frame_that_follows_it() {
    let mut stage = Stage::after_greeting();
    stage.lose(40);
    stage.take();
    stage.frame();
    let audio: Vec<usize> = stage
        .take()
        .into_iter()
        .filter_map(|output| match output {
            Output::Model(ToModel::Audio(audio)) => Some(STANDARD.decode(audio.as_bytes()).unwrap().len()),
            _ => None,
        })
        .collect();
    assert_eq!(audio, [320, 160]);
}

#[test]
fn a_stall_is_padded_while_it_lasts_and_in_all_as_much_as_is_missing() {
    let mut stage = Stage::after_greeting();
    let stalled_at = stage.now_ms;
    stage.stall_until(stalled_at + 700);
    assert_eq!(padded_ms(&stage), 0);
    stage.stall_until(stalled_at + 760);
    assert!((700..=740).contains(&padded_ms(&stage)), "{}", padded_ms(&stage));
    stage.stall_until(stalled_at + 3_000);
    assert!((2_800..=2_980).contains(&padded_ms(&stage)), "{}", padded_ms(&stage));
    stage.lose(3_000);
    stage.until(stalled_at + 5_000);
    assert_eq!(padded_ms(&stage), 3_000);
}

#[test]
fn frames_that_were_only_late_are_paid_for_by_the_next_gap() {
    let mut stage = Stage::after_greeting();
    let stalled_at = stage.now_ms;
    stage.stall_until(stalled_at + 1_500);
    let ahead = padded_ms(&stage);
    for _ in 0..75 {
        stage.frame();
    }
    stage.until(stalled_at + 3_000);
    assert_eq!(padded_ms(&stage), ahead);
    stage.lose(u64::from(ahead) + 60);
    stage.until(stalled_at + 4_000);
    assert_eq!(padded_ms(&stage), ahead + 60);
}

#[test]
fn jitter_of_timestamps_is_not_a_gap() {
    let mut stage = Stage::after_greeting();
    for round in 0..500u64 {
        stage.timestamp_ms = stage.timestamp_ms + 3 - 6 * (round % 2);
        stage.frame();
    }
    assert_eq!(padded_ms(&stage), 0);
}

#[test]
fn a_minute_without_a_frame_is_a_dead_stream() {
    let mut stage = Stage::after_greeting();
    stage.obliging = false;
    stage.model(FromModel::SpeechStarted);
    stage.stall_until(stage.now_ms + 59_900);
    assert_eq!(stage.ending(), None);
    stage.stall_until(stage.now_ms + 200);
    assert_eq!(stage.ending(), Some(Ending::StreamLost));
}

#[test]
fn a_model_without_mulaw_hears_and_speaks_pcm() {
    let mut stage = Stage::new(brief());
    stage.caller(start());
    stage.model(FromModel::Ready(AudioFormat::Pcm16At24k));
    stage.until(1_000);
    let heard: usize = stage
        .take()
        .iter()
        .map(|output| match output {
            Output::Model(ToModel::Audio(audio)) => STANDARD.decode(audio.as_bytes()).unwrap().len(),
            _ => 0,
        })
        .sum();
    assert_eq!(heard, 50 * 160 * 6);
    stage.started("r");
    let audio = STANDARD.encode(vec![0; 24_000 * 2]).into();
    stage.model(FromModel::Audio { response: "r".into(), item: "r".into(), content_index: 0, audio });
    stage.done("r", ResponseOutcome::Completed);
    stage.until(3_000);
    assert_eq!(stage.sent_ms(), 1_000);
}

#[test]
fn keys_are_told_to_the_model_as_one_entry() {
    let mut stage = Stage::after_greeting();
    for key in ['4', '2'] {
        stage.caller(FromTwilio::Dtmf(key));
        stage.until(stage.now_ms + 500);
    }
    assert_eq!(stage.said_to_model(), []);
    stage.until(stage.now_ms + 1_500);
    let words = stage.said_to_model();
    assert_eq!(
        words[0],
        ToModel::Note("The caller pressed these keys on the telephone: 42".to_owned().into())
    );
    assert!(matches!(words[1], ToModel::Respond { instructions: None, tools: true, .. }));
}

// --- tools ---------------------------------------------------------------------------------------------------------

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

// --- silence, limits, failures -------------------------------------------------------------------------------------

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
fn a_silent_model_is_nudged_and_then_given_up() {
    let mut stage = Stage::after_greeting();
    stage.model(FromModel::SpeechStarted);
    stage.model(FromModel::SpeechStopped);
    stage.until(stage.now_ms + 8_000);
    assert!(matches!(stage.said_to_model()[..], [ToModel::Respond { instructions: None, .. }]));
    stage.until(stage.now_ms + 8_000);
    assert_eq!(stage.ending(), Some(Ending::ModelLost));
    assert!(stage.ending().unwrap().is_accident());
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
    stage.caller(FromTwilio::Dtmf('#'));
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
fn a_lost_model_is_an_accident_and_a_lost_stream_too() {
    let mut model = Stage::after_greeting();
    model.tell(Input::Lost(Side::Model));
    assert_eq!(model.ending(), Some(Ending::ModelLost));
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

// --- the event log -------------------------------------------------------------------------------------------------

/// A call that has a bit of everything, with its log.
fn logged() -> String {
    let brief = Brief { recorded: true, ..brief() };
    let mut text = Vec::new();
    let mut log = event_log::EventLog::begin(&brief, &mut text);
    let mut call = Call::new(brief);
    while let Some(output) = call.next_output() {
        log.output(&output, &mut text);
    }
    let audio = |ms: usize| STANDARD.encode(vec![0x42; ms * 8]).into();
    let payload: Text = STANDARD.encode([0x21; 160]).into();
    let mut inputs = vec![
        (200, Input::Model(FromModel::Ready(AudioFormat::Mulaw8k))),
        (210, Input::Outcome(EffectId(1), Outcome::Done)),
        (300, Input::Model(FromModel::ResponseStarted { response: "r".into(), tag: Some(1) })),
        (
            310,
            Input::Model(FromModel::Audio {
                response: "r".into(),
                item: "i".into(),
                content_index: 0,
                audio: audio(900),
            }),
        ),
        (400, Input::Caller(start())),
    ];
    inputs.extend((0..100).map(|n| {
        let media = FromTwilio::Media { timestamp_ms: 61 + n * 20, payload: payload.clone() };
        (420 + n * 20, Input::Caller(media))
    }));
    inputs.push((900, Input::Model(FromModel::SpeechStarted)));
    inputs.push((2_500, Input::Caller(FromTwilio::Stop)));
    inputs.sort_by_key(|(at, _)| *at);
    for (at, input) in inputs {
        let at = Moment::from_millis(at);
        log.input(&input, at, &mut text);
        call.handle(input, at);
        while let Some(output) = call.next_output() {
            log.output(&output, &mut text);
        }
    }
    log.end(&mut text);
    String::from_utf8(text).unwrap()
}

#[test]
fn a_logged_call_replays_to_the_byte() {
    let log = logged();
    let mut seen = 0;
    let verdict = event_log::replay(&log, |_, _, _| seen += 1).unwrap();
    let event_log::Verdict::Identical { inputs: 107, outputs, cut_off: false } = verdict else {
        panic!("{verdict:?}")
    };
    assert!(outputs > 100 && seen == 107);
}

#[test]
fn a_log_that_differs_says_where() {
    let log = logged().replacen("\"heardMs\":100", "\"heardMs\":101", 1);
    let verdict = event_log::replay(&log, |_, _, _| ()).unwrap();
    let event_log::Verdict::Differs { at, logged, replayed, .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!(at, Moment::from_millis(900));
    assert!(logged.contains("101") && replayed.contains("100"));
}

#[test]
fn a_log_that_was_cut_off_is_replayed_to_there_and_a_broken_one_is_refused() {
    let log = logged();
    let cut = &log[..log.len() - 40];
    let verdict = event_log::replay(cut, |_, _, _| ()).unwrap();
    assert!(
        matches!(verdict, event_log::Verdict::Identical { inputs: 106, cut_off: true, .. }),
        "{verdict:?}"
    );
    let broken = log.replacen("\"in\"", "\"im\"", 1);
    assert!(event_log::replay(&broken, |_, _, _| ()).unwrap_err().to_string().starts_with("line 2: "));
    assert!(event_log::replay("", |_, _, _| ()).is_err());
    assert!(
        event_log::replay("{\"frontdesk\":9}", |_, _, _| ()).unwrap_err().to_string().contains("version 9")
    );
}
