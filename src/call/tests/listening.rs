//! The caller's audio and keys.

use super::*;

fn padded_ms(stage: &Stage) -> u32 {
    stage.notes().iter().map(|note| if let Note::Padded(ms) = note { *ms } else { 0 }).sum()
}

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
    stage.answer("r", 70_000, "A long answer.");
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
        stage.caller(FromTwilio::Dtmf(key.into()));
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

#[test]
fn a_timestamp_at_the_end_of_all_numbers_is_survived() {
    let mut stage = Stage::after_greeting();
    for timestamp_ms in [u64::MAX, u64::MAX, 0, u64::MAX - 1, 5] {
        stage.caller(FromTwilio::Media { timestamp_ms, payload: STANDARD.encode([0xFF; 160]).into() });
    }
    assert_eq!(stage.ending(), None);
}
