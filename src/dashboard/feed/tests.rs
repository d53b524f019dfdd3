//! What a page is told, and what it is not told again.

use super::*;
use crate::domain::{BusinessId, Pii};
use crate::registry::{Rung, Shown, Step};

fn board(call: &str) -> Arc<Board> {
    Arc::new(Board::new(Shown::begun(
        CallSid::parse(call).unwrap(),
        1,
        (BusinessId::parse("luna").unwrap(), "Luna <Dental>".to_owned()),
        Pii::new("+14155550123".to_owned()),
        1_000,
    )))
}

fn feed() -> Feed {
    Feed::new("here", "")
}

fn since(feed: &Feed, seen: &Cursor) -> Option<String> {
    feed.look(|sheet| sheet.since(Some(seen)))
}

#[test]
fn whoever_has_seen_everything_is_told_nothing_until_something_changes() {
    let (feed, one) = (feed(), board("CA1"));
    feed.update(&[Arc::clone(&one)]);
    let seen = feed.look(Sheet::cursor);
    feed.update(&[Arc::clone(&one)]);
    assert_eq!(since(&feed, &seen), None);
    one.step(Rung { at_ms: 5, step: Step::CallerArrived }, |_| {});
    feed.update(&[Arc::clone(&one)]);
    let told = since(&feed, &seen).unwrap();
    assert!(told.contains("id=\"row-CA1\"") && told.contains("Talking"), "{told}");
    assert!(!told.contains("id=\"meter-CA1\"") && !told.contains("id=\"count\""), "{told}");
    assert_eq!(since(&feed, &seen), Some(told), "told twice, it is the same");
}

#[test]
fn loudness_moves_the_meter_alone() {
    let (feed, one) = (feed(), board("CA1"));
    feed.update(&[Arc::clone(&one)]);
    let seen = feed.look(Sheet::cursor);
    one.hear(Voices { caller_db: -20, model_db: -96, caller_speaks: true });
    feed.update(&[Arc::clone(&one)]);
    let told = since(&feed, &seen).unwrap();
    assert!(told.contains("id=\"meter-CA1\"") && told.contains("Caller speaks"), "{told}");
    assert!(!told.contains("id=\"row-CA1\""), "{told}");
}

#[test]
fn calls_come_and_go_by_themselves_and_the_count_with_them() {
    let (feed, one, two) = (feed(), board("CA1"), board("CA2"));
    feed.update(&[Arc::clone(&one)]);
    let seen = feed.look(Sheet::cursor);
    feed.update(&[two]);
    let told = since(&feed, &seen).unwrap();
    assert!(told.contains("<li id=\"call-CA1\" data-gone>"), "{told}");
    assert!(told.contains("<li id=\"call-CA2\" data-into=\"calls\">"), "{told}");
    assert!(told.contains("1</b> call in flight"), "{told}");
    assert!(told.contains("Luna &lt;Dental&gt;") && !told.contains("+1415"), "{told}");
}

#[test]
fn who_comes_from_another_process_or_was_away_for_too_long_gets_all_of_it() {
    let (feed, one) = (feed(), board("CA1"));
    feed.update(&[Arc::clone(&one)]);
    let first = feed.look(Sheet::cursor);
    let all = feed.look(Sheet::snapshot);
    for strange in ["elsewhere-1", "here-99"] {
        assert_eq!(since(&feed, &strange.parse().unwrap()), Some(all.clone()), "{strange}");
    }
    for number in 0..=MOST_GONE {
        feed.update(&[Arc::clone(&one), board(&format!("CB{number}"))]);
    }
    feed.update(&[one]);
    assert_eq!(since(&feed, &first).unwrap(), feed.look(Sheet::snapshot));
}
