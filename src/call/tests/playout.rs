//! What the caller is played, and how it is cut short.

use super::*;

fn truncate(item: &str, heard_ms: u64) -> ToModel {
    ToModel::Truncate { item: item.into(), content_index: 0, heard_ms }
}

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
