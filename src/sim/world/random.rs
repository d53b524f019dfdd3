//! Random worlds: whatever callers, models, lines, stores and we ourselves do, a call keeps its promises.

use std::panic::{AssertUnwindSafe, catch_unwind};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::tests::{brief, say};
use super::*;
use crate::audio::mulaw::{FRAME_BYTES, SILENCE};
use crate::call::event_log::{self, Verdict};
use crate::call::{Brief, Greeting, Interruption, Note, Opening};
use crate::domain::{Ending, Intention, Pii, Speaker, Turn};
use crate::sim::model::{Kind, Reply, ReplyItem, Script};
use crate::sim::{Act, LineFault, Step, When, tone};

/// How many worlds are tried each time: a few seconds of them. Raised to 20,000 it takes a minute and a half, and finds
/// nothing that is not a test of its own below.
const WORLDS: u64 = 500;

/// A call is over by then: the longest allowed, a goodbye, and Twilio's patience.
const LIMIT_MS: u64 = 120_000;

/// Makes one world of a seed.
struct Maker {
    dice: Dice,
    /// No two sounds of a world are alike.
    sounds: u64,
}

impl Maker {
    fn new(seed: u64) -> Self {
        Self { dice: Dice::new(seed), sounds: seed * 1_000 }
    }

    fn ms(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.dice.within(low..=high))
    }

    fn noise(&mut self, low_ms: u64, high_ms: u64) -> bytes::Bytes {
        self.sounds += 1;
        tone::noise(self.sounds, self.dice.within(low_ms * 8..=high_ms * 8) as usize)
    }

    fn plan(&mut self, seed: u64) -> Plan {
        let opening = self.opening();
        let longest = self.ms(5_000, 45_000);
        let recorded = self.dice.happens(20);
        let brief = Brief { longest, recorded, opening, ..brief() };
        let caller = (0..self.dice.within(0..=6)).map(|_| self.step()).collect();
        let first = self.script();
        let mut plan = Plan::new(brief, first, caller).unwrap();
        for _ in 0..self.dice.within(0..=3) {
            let script = self.script();
            plan.scripts.push(script);
        }
        plan.stream_after = match self.dice.within(0..=19) {
            0 => None,
            1 => Some(self.ms(14_000, 16_000)),
            _ => Some(self.ms(0, 2_500)),
        };
        plan.line_faults = (0..self.dice.within(0..=2)).map(|_| self.line_fault()).collect();
        plan.twilio = Latency { base: self.ms(1, 120), jitter: self.ms(0, 60) };
        plan.model = Latency { base: self.ms(1, 120), jitter: self.ms(0, 60) };
        if self.dice.happens(30) {
            plan.rest_outcome = *self.one_of(&[Outcome::Failed, Outcome::Refused]);
            plan.rest_takes = self.ms(0, 6_000);
        }
        if self.dice.happens(30) {
            plan.ledger_outcome = *self.one_of(&[Outcome::Failed, Outcome::Refused, Outcome::Done]);
            plan.ledger_takes = self.ms(0, 12_000);
        }
        for _ in 0..self.dice.within(0..=5).saturating_sub(3) {
            let command = if self.dice.happens(80) { Command::HandOver } else { Command::CallOver };
            plan.commands.push((Moment::from_millis(self.dice.within(0..=40_000)), command));
        }
        plan.logged = true;
        plan.seed = seed;
        plan.limit = Moment::from_millis(LIMIT_MS);
        plan
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.dice.within(0..=all.len() as u64 - 1) as usize]
    }

    fn opening(&mut self) -> Opening {
        match self.dice.within(0..=9) {
            0 | 1 => {
                Opening::GreetFrom(Greeting { words: brief().opening_words(), audio: self.noise(500, 3_000) })
            }
            2 => Opening::Resume { history: self.history(), why: Interruption::LineLost },
            3 => Opening::Resume {
                history: self.history(),
                why: Interruption::TransferFailed("the front office".to_owned()),
            },
            _ => Opening::Greet,
        }
    }

    fn history(&mut self) -> Vec<Turn> {
        let turn = |number: u64| Turn {
            attempt: 1,
            number: number as u32,
            speaker: if number.is_multiple_of(2) { Speaker::Model } else { Speaker::Caller },
            text: Pii::new("something said before".to_owned()),
            began_ms: number * 1_000,
            heard_ms: 500,
            interrupted: false,
            answer_delay_ms: None,
        };
        (0..self.dice.within(0..=3)).map(turn).collect()
    }

    fn step(&mut self) -> Step {
        let when = match self.dice.within(0..=5) {
            0 => When::After(self.dice.within(0..=4_000)),
            1 | 2 => When::AfterSilence(self.dice.within(450..=2_500)),
            _ => When::WhileHearing { utterance: 1, after_ms: self.dice.within(20..=4_000) },
        };
        match self.dice.within(0..=15) {
            0 => Step { when, act: Act::HangUp },
            1 | 2 => Step { when, act: Act::Press(*self.one_of(&['1', '5', '#', '*'])) },
            _ => Step { act: Act::Say(self.noise(100, 2_500)), ..say(when, 20) },
        }
    }

    fn reply(&mut self, tools: u8) -> Reply {
        let mut items = Vec::new();
        for _ in 0..self.dice.within(1..=4).saturating_sub(1) {
            let words = "one two three four five six".to_owned();
            items.push(ReplyItem::Speech { audio: self.noise(60, 5_000), words });
        }
        while self.dice.happens(tools) {
            let (name, arguments) = *self.one_of(&[
                ("end_call", r#"{"reason":"done"}"#),
                ("transfer_call", r#"{"destination":"front-office"}"#),
                ("transfer_call", r#"{"destination":"nowhere"}"#),
                ("take_message", r#"{"message":"please call back","name":"Ann","contact":"1"}"#),
                ("take_message", r#"{"message":"ring me"}"#),
                ("take_message", "{broken"),
                ("fly", "{}"),
            ]);
            let tool = ReplyItem::Tool { name: name.to_owned(), arguments: arguments.to_owned() };
            let at = self.dice.within(0..=items.len() as u64) as usize;
            items.insert(at, tool);
        }
        Reply { items }
    }

    fn script(&mut self) -> Script {
        let mut script = Script::new(self.reply(3), self.reply(30));
        for _ in 0..self.dice.within(0..=3) {
            let (turn, instructed, after) = (self.reply(30), self.reply(0), self.reply(15));
            script.turns.push(turn);
            script.instructed.push(instructed);
            script.after_tool.push(after);
            script.transcripts.push(self.one_of(&["", "Are you open?", "Thanks, bye."]).to_string());
        }
        script.pace.connect = self.ms(1, 800);
        script.pace.session_updated = self.ms(1, 400);
        script.pace.first_audio = self.ms(1, 1_200);
        script.pace.transcript = self.ms(1, 3_000);
        script.pace.cancel = self.ms(1, 250);
        script.pace.speed = self.dice.within(1..=20) as u32;
        script.pace.delta_ms = 5..=self.dice.within(10..=700);
        while self.dice.happens(25) {
            let fault = self.model_fault();
            script.faults.push(fault);
        }
        script
    }

    fn model_fault(&mut self) -> ModelFault {
        let after_ms = self.dice.within(0..=25_000);
        match self.dice.within(0..=12) {
            0 => ModelFault::RefuseHandshake(*self.one_of(&[401, 404, 429, 500, 503])),
            1 => {
                let code = self.one_of(&["invalid_api_key", "model_not_found", "odd"]).to_string();
                ModelFault::RefuseSetup { kind: "invalid_request_error".to_owned(), code, close: 3000 }
            }
            2 | 3 => ModelFault::Expire { after_ms },
            4 | 5 => ModelFault::Reset { after_ms },
            6 => ModelFault::NoSetup,
            7 => ModelFault::NoAnswer,
            8 => ModelFault::Stuck,
            9 => ModelFault::TextOnly,
            10 => ModelFault::FailAnswers(
                self.one_of(&["rate_limit_exceeded", "insufficient_quota"]).to_string(),
            ),
            11 => self.one_of(&[ModelFault::Repeat, ModelFault::Unknown]).clone(),
            _ => ModelFault::PcmOnly,
        }
    }

    fn line_fault(&mut self) -> LineFault {
        let (at_ms, for_ms) = (self.dice.within(0..=30_000), self.dice.within(1..=6_000));
        match self.dice.within(0..=9) {
            0..=2 => LineFault::Lose { at_ms, for_ms },
            3..=5 => LineFault::Hold { at_ms, for_ms },
            6 => LineFault::Repeat { at_ms },
            7 => {
                let stale = r#"{"event":"mark","sequenceNumber":"9","streamSid":"MZ1","mark":{"name":"m1"}}"#;
                let frames = [
                    Frame::Binary(bytes::Bytes::from_static(b"\x00")),
                    Frame::Text("not json".into()),
                    Frame::Text(r#"{"event":"surprise"}"#.into()),
                    Frame::Text(stale.into()),
                ];
                LineFault::Insert { at_ms, frame: self.one_of(&frames).clone() }
            }
            8 => LineFault::Reset { at_ms },
            _ => LineFault::NeverStop,
        }
    }
}

fn check(seed: u64) {
    let plan = Maker::new(seed).plan(seed);
    let faults: Vec<ModelFault> = plan.scripts.iter().flat_map(|script| script.faults.clone()).collect();
    let opening = plan.brief.opening.clone();
    let report = World::new(plan).run();

    assert!(!report.restless, "an alarm rings for ever");
    let ending = report.ending.clone().expect("the call does not end");
    assert_eq!(report.said_after_end, 0);
    assert_eq!(report.violations(), []);
    let over = report.over_at.unwrap();
    assert!(report.effects.iter().all(|(at, _)| *at <= over));
    let overs = report.notes.iter().filter(|(_, note)| matches!(note, Note::Over { .. })).count();
    assert_eq!(overs, 1, "a call is over once");
    assert!(matches!(report.notes.last(), Some((_, Note::Over { .. }))), "and then it is silent");

    what_was_meant_was_done(&report, &ending);
    for (index, turn) in report.turns().enumerate() {
        assert_eq!(turn.number as usize, index, "turns are numbered without a gap");
    }
    for refusal in report.refusals() {
        assert_eq!(refusal.complaint.code, Some("conversation_already_has_active_response"));
    }
    let pcm = faults.contains(&ModelFault::PcmOnly);
    if !pcm {
        what_was_heard_was_said(&report, &opening);
    }
    the_caller_was_heard_in_order(&report, pcm);

    let log = String::from_utf8(report.log.clone()).unwrap();
    let verdict = event_log::replay(&log, |_, _, _| {}).unwrap();
    assert!(matches!(verdict, Verdict::Identical { cut_off: false, .. }), "{verdict:?}");
}

fn what_was_meant_was_done(report: &Report, ending: &Ending) {
    let intended = report.effects.iter().rev().find_map(|(_, effect)| {
        if let Effect::Intend(intention) = effect { Some(intention.clone()) } else { None }
    });
    let leaves = |effect: &Effect| matches!(effect, Effect::HangUp | Effect::Transfer(_));
    let left = report.effects.iter().filter(|(_, effect)| leaves(effect)).count();
    assert!(left <= 1, "a line is let go once");
    let wanted = match ending {
        Ending::HungUp => Some(Intention::HangUp),
        Ending::Transferred(to) => Some(Intention::Transfer(to.clone())),
        Ending::ModelRefused => Some(Intention::FallBack),
        // An accident would be resumed: nothing may be meant that says otherwise.
        Ending::ModelLost => {
            assert!(matches!(intended.clone().flatten(), None | Some(Intention::FallBack)), "{intended:?}");
            return;
        }
        Ending::HandedOver => {
            assert_eq!(intended.flatten(), None, "what was meant was not done");
            return;
        }
        Ending::PlanLimit => panic!("a call that has a machine was not refused one"),
        Ending::CallerHungUp | Ending::NeverConnected | Ending::StreamLost | Ending::StreamRefused(_) => {
            return;
        }
    };
    assert_eq!(intended.flatten(), wanted);
    assert_eq!(left, usize::from(*ending != Ending::ModelRefused));
}

fn what_was_heard_was_said(report: &Report, opening: &Opening) {
    let (items, strays) = report.items_heard();
    // A greeting from a former call is of no item.
    let kept = if let Opening::GreetFrom(greeting) = opening { greeting.audio.len() } else { 0 };
    // What comes while the line is let go is dropped: the last piece before it ends in the middle of its item.
    let last_piece = 5 * FRAME_BYTES;
    assert!(strays < kept + last_piece || said_twice(report), "{strays} samples of nobody");
    assert!(items.iter().all(|item| item.heard <= item.forwarded && item.forwarded <= item.made));
    for told in report.told() {
        assert!(told.told_ms as f64 <= told.made_ms, "{told:?}");
    }
}

/// Whether a script has run out and repeats itself: then nobody can tell which of two items was heard.
fn said_twice(report: &Report) -> bool {
    let items = report.models.iter().flat_map(ModelService::conversation);
    let mut sounds: Vec<_> = items
        .filter_map(
            |item| if let Kind::Speech { audio, .. } = &item.kind { Some(audio.as_ref()) } else { None },
        )
        .collect();
    let all = sounds.len();
    sounds.sort_unstable();
    sounds.dedup();
    sounds.len() < all
}

/// Every frame after the first that was sent on is sent on, in order; between them is only silence, and as much of it
/// as is missing.
fn the_caller_was_heard_in_order(report: &Report, pcm: bool) {
    let log = String::from_utf8(report.log.clone()).unwrap();
    let mut media: Vec<(u64, String)> = Vec::new();
    let mut dropped = 0;
    for line in log.lines().skip(1) {
        let line: Value = serde_json::from_str(line).unwrap();
        if let Some(frame) = line.pointer("/in/caller/media") {
            let payload = frame["payload"].as_str().unwrap().to_owned();
            media.push((frame["timestampMs"].as_u64().unwrap(), payload));
        }
        if let Some(outputs) = line["out"].as_array() {
            for over in outputs.iter().filter_map(|output| output.pointer("/note/over/oddities/dropped")) {
                dropped = over.as_u64().unwrap() as usize;
            }
        }
    }
    let events = report.client_events().filter_map(|event| {
        let event: Value = serde_json::from_str(&event.text).ok()?;
        (event["type"] == "input_audio_buffer.append").then(|| event["audio"].as_str().unwrap().to_owned())
    });
    let heard: Vec<String> = events.collect();
    if pcm || heard.is_empty() {
        return;
    }
    // What was dropped while the model was not ready is at the beginning, padding among it.
    let mut rest = media.iter().skip(dropped.min(media.len())).peekable();
    let first = rest.peek().map(|(timestamp, _)| *timestamp);
    let (mut bytes, mut odd) = (0, 0);
    for audio in &heard {
        let mulaw = STANDARD.decode(audio).unwrap();
        bytes += mulaw.len() as u64;
        match rest.peek() {
            Some((timestamp, payload)) if payload == audio => {
                // A silent frame looks like padding; a loud one is told from all others, and from there it is exact.
                let loud = mulaw.iter().any(|byte| *byte != SILENCE);
                let there_ms = timestamp + 20 - first.unwrap_or_default();
                assert!(!loud || bytes / 8 + 10 >= there_ms, "a hole: {} ms of {there_ms}", bytes / 8);
                rest.next();
            }
            _ => odd += usize::from(mulaw.iter().any(|byte| *byte != SILENCE)),
        }
    }
    assert_eq!(odd, 0, "frames out of order");
}

/// Tries worlds on all cores, and names the seeds of those in which a promise was broken.
fn check_all(seeds: std::ops::Range<u64>) {
    let threads = std::thread::available_parallelism().map_or(2, usize::from) as u64;
    let failed: Vec<u64> = std::thread::scope(|scope| {
        let each = |first: u64| {
            let mine = (seeds.start + first..seeds.end).step_by(threads as usize);
            mine.filter(|seed| {
                let broken = catch_unwind(AssertUnwindSafe(|| check(*seed))).is_err();
                if broken {
                    eprintln!("the world of seed {seed} broke that promise");
                }
                broken
            })
            .collect::<Vec<u64>>()
        };
        let running: Vec<_> = (0..threads).map(|first| scope.spawn(move || each(first))).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(failed, Vec::<u64>::new(), "the seeds of worlds in which a promise was broken");
}

#[test]
fn a_model_that_calls_a_tool_in_every_answer_cannot_keep_the_line() {
    check(195);
}

#[test]
fn a_doomed_call_that_is_handed_over_ends_of_its_doom() {
    check(7_059);
    check(14_306);
}

#[test]
fn a_line_let_go_in_the_middle_of_an_answer_drops_the_rest_of_it() {
    for seed in [1_166, 4_063, 5_954, 9_187, 10_543, 11_571, 13_170] {
        check(seed);
    }
}

#[test]
fn a_call_handed_over_in_the_middle_of_a_step_tells_nothing_more() {
    check(360);
}

#[test]
fn in_random_worlds_a_call_keeps_its_promises() {
    check_all(0..WORLDS);
}
