//! What it costs to keep pages up to date: 500 calls in which everybody talks, 20 people who watch, a beat of half a second.
//! `cargo bench --bench feed`.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and may stop")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use frontdesk::dashboard::{Feed, Sheet};
use frontdesk::domain::{BusinessId, CallSid, Pii};
use frontdesk::registry::{Board, Rung, Shown, Step, Voices};

const CALLS: usize = 500;
const VIEWERS: usize = 20;
/// A minute.
const BEATS: usize = 120;

fn main() {
    let boards: Vec<_> = (0..CALLS).map(board).collect();
    let feed = Feed::new("bench", "");
    feed.update(&boards);
    let mut cursors = vec![feed.look(Sheet::cursor); VIEWERS];
    let (mut updating, mut telling, mut bytes, mut most) =
        (Duration::ZERO, Duration::ZERO, 0, Duration::ZERO);
    for beat in 0..BEATS {
        for (number, board) in boards.iter().enumerate() {
            let loud = i8::try_from((beat * 7 + number * 13) % 60).unwrap();
            board.hear(Voices { caller_db: -loud, model_db: loud - 60, caller_speaks: loud > 30 });
            // A turn every four seconds and a half, or so.
            if (beat + number).is_multiple_of(9) {
                let at_ms = u64::try_from(beat).unwrap() * 500;
                board.step(Rung { at_ms, step: Step::BargeIn(100, 200) }, |shown| {
                    shown.answer_delay_ms = Some(at_ms % 977);
                });
            }
        }
        let began = Instant::now();
        feed.update(&boards);
        updating += began.elapsed();
        for cursor in &mut cursors {
            let told = feed.look(|sheet| sheet.since(Some(cursor)));
            *cursor = feed.look(Sheet::cursor);
            bytes += told.map_or(0, |told| told.len());
        }
        telling += began.elapsed();
        most = most.max(began.elapsed());
    }
    let beats = u32::try_from(BEATS).unwrap();
    let snapshot = feed.look(Sheet::snapshot).len();
    println!("{CALLS} calls, {VIEWERS} viewers, a beat of 500 ms");
    println!("bringing the sheet up to date   {:>9.1?} a beat", updating / beats);
    println!("and telling all who watch       {:>9.1?} a beat, {most:.1?} at most", telling / beats);
    println!(
        "of one core                     {:>9.2} %",
        telling.as_secs_f64() / (BEATS as f64 * 0.5) * 100.0
    );
    println!("told to one viewer              {:>9} bytes a second", bytes / VIEWERS / (BEATS / 2));
    println!("a snapshot                      {snapshot:>9} bytes");
}

fn board(number: usize) -> Arc<Board> {
    let board = Board::new(Shown::begun(
        CallSid::parse(&format!("CA{number:032}")).unwrap(),
        1,
        (BusinessId::parse("luna").unwrap(), "Luna Dental".to_owned()),
        Pii::new(format!("+1415555{number:04}")),
        1_790_000_000_000,
    ));
    board.step(Rung { at_ms: 400, step: Step::CallerArrived }, |_| {});
    Arc::new(board)
}
