//! What is promised of what a model is told: nothing twice, nothing lost, all of it in order.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::super::*;
use super::ears::said_twice;
use super::promises::any_fault;
use crate::audio::mulaw::SILENCE;
use crate::call::{Brief, Note, Opening};
use crate::sim::model::{ClientEvent, Item, Kind};

/// How long what is told may be on its way.
const ON_ITS_WAY: Duration = Duration::from_millis(500);

/// After so long a tool has failed.
const TOOL_PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn check(report: &Report, plan: &Plan) {
    if !any_fault(plan, |fault| *fault == ModelFault::PcmOnly) {
        the_caller_was_heard_in_order(report);
    }
    nothing_was_told_twice(report, &plan.brief);
    what_tools_gave_was_told(report, plan);
    every_key_was_told(report);
}

/// The words of each session's history are those of turns, each once, and none is of what it said itself.
fn nothing_was_told_twice(report: &Report, brief: &Brief) {
    let history = if let Opening::Resume { history, .. } = &brief.opening { history.as_slice() } else { &[] };
    let turns: Vec<&str> =
        history.iter().chain(report.turns()).map(|turn| turn.text.reveal().as_str()).collect();
    for model in &report.models {
        let told: Vec<String> = items_told(model)
            .filter_map(|item| {
                let text = item.pointer("/content/0/text")?.as_str()?;
                (item["role"] != "system").then(|| text.to_owned())
            })
            .collect();
        for text in &told {
            let times = told.iter().filter(|other| *other == text).count();
            let turns = turns.iter().filter(|turn| *turn == text).count();
            assert!(times <= turns, "{text:?} is told {times} times, and is {turns} turns");
            let own = |item: &Item| match &item.kind {
                Kind::Speech { words, .. } => starts_alike(words.as_str(), text.as_str()),
                Kind::Caller { .. } | Kind::ToolCall { .. } | Kind::ToolResult | Kind::Text { .. } => false,
            };
            let repeats = said_twice(report);
            assert!(repeats || !model.conversation().iter().any(own), "{text:?} was its own");
        }
    }
}

/// Every item's first word is its own.
fn starts_alike(one: &str, other: &str) -> bool {
    let first = |text: &str| text.split_whitespace().next().map(str::to_owned);
    first(one).is_some_and(|word| word.starts_with('w') && Some(word) == first(other))
}

/// What a tool gave is told to the session there is, and with its call to every later one.
fn what_tools_gave_was_told(report: &Report, plan: &Plan) {
    let over = over_or_leaving(report);
    let sessions = sessions(report);
    let messages = report.effects.iter().filter_map(|(at, effect)| {
        if let Effect::TakeMessage(message) = effect { Some((*at, message.tool_call.as_str())) } else { None }
    });
    for (at, call) in messages {
        let given = at + plan.ledger_takes.min(TOOL_PATIENCE);
        let told: Vec<bool> = sessions.iter().map(|session| session.knows_result_of(call)).collect();
        for (session, told) in sessions.iter().zip(&told) {
            let later = session.from > given + ON_ITS_WAY && session.lived() > ON_ITS_WAY;
            assert!(*told || !later, "what {call} gave is lost to the session of {}", session.from);
        }
        let alive = |session: &Session| session.to > given + ON_ITS_WAY;
        let expected = over > given + ON_ITS_WAY && sessions.iter().any(alive);
        assert!(!expected || told.contains(&true), "what {call} gave at {given} is told to nobody");
    }
}

/// What the caller pressed is told to the session there is, or to the next.
fn every_key_was_told(report: &Report) {
    let over = over_or_leaving(report);
    let sessions = sessions(report);
    for (at, note) in &report.notes {
        let Note::Keys(keys) = note else { continue };
        let there = |session: &&Session| session.to > *at + ON_ITS_WAY && session.lived() > ON_ITS_WAY;
        if over <= *at + ON_ITS_WAY || !sessions.iter().any(|session| there(&session)) {
            continue;
        }
        let words = format!("telephone: {}", keys.reveal());
        let tells = |event: &ClientEvent| event.at >= *at && event.text.contains(&words);
        assert!(report.client_events().any(tells), "{keys:?} of {at} are told to nobody");
    }
}

/// A session that was set up, as far as the model saw it.
struct Session<'a> {
    model: &'a ModelService,
    from: Moment,
    to: Moment,
}

impl Session<'_> {
    fn lived(&self) -> Duration {
        self.to.since(self.from)
    }

    fn knows_result_of(&self, call: &str) -> bool {
        let mut items = items_told(self.model);
        items.any(|item| item["type"] == "function_call_output" && item["call_id"] == call)
    }
}

fn sessions(report: &Report) -> Vec<Session<'_>> {
    let sessions = report.models.iter().filter_map(|model| {
        let mut events = model.heard().iter().filter(|event| !event.text.contains("session.update"));
        let from = events.next()?.at;
        let to = events.next_back().map_or(from, |event| event.at);
        Some(Session { model, from, to })
    });
    sessions.collect()
}

/// When it no longer mattered what a model knows.
fn over_or_leaving(report: &Report) -> Moment {
    let done = |note: &Note| matches!(note, Note::Leaving(_) | Note::Over { .. });
    report.notes.iter().find(|(_, note)| done(note)).map(|(at, _)| *at).unwrap()
}

/// The items that a session was given.
fn items_told(model: &ModelService) -> impl Iterator<Item = Value> {
    let events = model.heard().iter().filter(|event| event.text.contains("conversation.item.create"));
    events.filter_map(|event| {
        let mut words: Value = serde_json::from_str(&event.text).ok()?;
        Some(words.get_mut("item")?.take())
    })
}

/// What each session hears of the caller is frames in order; between them is only silence, and as much of it as is
/// missing. And no frame falls between two sessions.
fn the_caller_was_heard_in_order(report: &Report) {
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
                dropped = over.as_u64().unwrap();
            }
        }
    }
    let mut next = 0;
    for model in &report.models {
        let events = model.heard().iter().filter_map(|event| {
            let event: Value = serde_json::from_str(&event.text).ok()?;
            (event["type"] == "input_audio_buffer.append")
                .then(|| event["audio"].as_str().unwrap().to_owned())
        });
        let heard: Vec<String> = events.collect();
        let Some((first, last)) = heard_in_order(&heard, &media, padded(report)) else { continue };
        let loud = media.iter().take(first).skip(next).filter(|(_, payload)| is_loud(payload)).count();
        assert!(
            dropped > 0 || loud == 0,
            "{loud} frames fell between two sessions, from {} to {} ms",
            media[next].0,
            media[first].0
        );
        next = next.max(last + 1);
    }
}

/// Checks one session; returns which frames it heard, from the first that was not silent.
///
/// A gap that a stall was padded for before may be `paid` already, to this session or the one before it.
fn heard_in_order(heard: &[String], media: &[(u64, String)], paid_ms: u64) -> Option<(usize, usize)> {
    let begin = heard.iter().position(|audio| is_loud(audio))?;
    let first = media.iter().position(|(_, payload)| *payload == heard[begin]).expect("a frame of nobody");
    let first_ms = media[first].0;
    let mut rest = media.iter().enumerate().skip(first).peekable();
    let (mut bytes, mut odd, mut last) = (0, Vec::new(), first);
    for audio in &heard[begin..] {
        bytes += STANDARD.decode(audio).unwrap().len() as u64;
        match rest.peek() {
            Some((index, (timestamp, payload))) if payload == audio => {
                // A silent frame looks like padding; a loud one is told from all others, and from there it is exact.
                let there_ms = timestamp + 20 - first_ms;
                assert!(
                    !is_loud(audio) || bytes / 8 + paid_ms + 10 >= there_ms,
                    "a hole: {} ms of {there_ms}",
                    bytes / 8
                );
                last = *index;
                rest.next();
            }
            expected if is_loud(audio) => {
                let of = media.iter().find(|(_, payload)| payload == audio).map(|(timestamp, _)| timestamp);
                odd.push((of, expected.map(|(_, (timestamp, _))| timestamp)));
            }
            _ => {}
        }
    }
    assert_eq!(odd, [], "frames out of order: which came, and which was expected, by their timestamps");
    Some((first, last))
}

/// How much silence was put where frames were missing, in milliseconds.
fn padded(report: &Report) -> u64 {
    let padded = report.notes.iter().map(|(_, note)| if let Note::Padded(ms) = note { *ms } else { 0 });
    padded.map(u64::from).sum()
}

fn is_loud(audio: &str) -> bool {
    STANDARD.decode(audio).unwrap().iter().any(|byte| *byte != SILENCE)
}
