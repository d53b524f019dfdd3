//! What is promised of what a caller hears: everything that was said, once, and never nothing while we are waited for.

#![expect(clippy::wildcard_enum_match_arm, reason = "a promise picks what it looks at")]

use std::time::Duration;

use super::super::*;
use super::promises::{any_fault, arrived_at, given_up_at};
use crate::audio::chime::chime;
use crate::audio::mulaw::{self, FRAME_BYTES};
use crate::call::{Brief, Note, Opening};
use crate::domain::{Speaker, Turn};
use crate::sim::model::Kind;

/// A caller hears something within so long.
const PATIENCE: Duration = Duration::from_secs(2);

/// How much later it may be: a frame at either end.
const MARGIN: Duration = Duration::from_millis(50);

/// The phrase is said no more often than that.
const BETWEEN_PHRASES: Duration = Duration::from_secs(6);

/// Checks what was heard; returns the longest that nothing was, while something should have been.
pub(super) fn check(report: &Report, plan: &Plan) -> Duration {
    // Only µ-law comes through as it was made.
    if !any_fault(plan, |fault| *fault == ModelFault::PcmOnly) {
        what_was_heard_was_said(report, &plan.brief);
    }
    nobody_was_greeted_twice(report);
    let phrases: Vec<Moment> = fillings(report, true).collect();
    assert!(phrases.is_sorted_by(|one, next| next.since(*one) >= BETWEEN_PHRASES), "{phrases:?}");
    nobody_waited_in_silence(report, plan)
}

/// When a silence was filled with the phrase, or with a chime.
pub(super) fn fillings(report: &Report, phrase: bool) -> impl Iterator<Item = Moment> {
    report.notes.iter().filter(move |(_, note)| *note == Note::Bridged { phrase }).map(|(at, _)| *at)
}

/// Every sample is of the item it was made for, in order and once, or of the greeting, the phrase or the chime.
fn what_was_heard_was_said(report: &Report, brief: &Brief) {
    let (items, strays) = report.items_heard();
    // A greeting from a former call is of no item.
    let greeting = if let Opening::GreetFrom(greeting) = &brief.opening { greeting.audio.len() } else { 0 };
    let phrase = brief.bridging.as_ref().map_or(0, |phrase| phrase.audio.len());
    let filled = phrase * fillings(report, true).count() + chime().len() * fillings(report, false).count();
    // What comes while the line is let go is dropped: the last piece before it ends in the middle of its item.
    let last_piece = 5 * FRAME_BYTES;
    assert!(strays < greeting + filled + last_piece || said_twice(report), "{strays} samples of nobody");
    assert!(items.iter().all(|item| item.heard <= item.forwarded && item.forwarded <= item.made));
    for told in report.told() {
        assert!(told.told_ms as f64 <= told.made_ms, "{told:?}");
    }
}

/// Whether a script has run out and repeats itself: then nobody can tell which of two items was heard.
pub(super) fn said_twice(report: &Report) -> bool {
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

/// Once the caller has heard the model, nobody asks for the greeting.
fn nobody_was_greeted_twice(report: &Report) {
    let heard = report.effects.iter().find_map(|(at, effect)| {
        let Effect::Checkpoint(turn) = effect else { return None };
        (turn.speaker == Speaker::Model && !is_phrase(turn)).then_some(*at)
    });
    let Some(heard) = heard else { return };
    let late = report.client_events().filter(|event| event.at > heard + Duration::from_millis(400));
    for event in late {
        assert!(!event.text.contains("Greet the caller now"), "greeted again at {}", event.at);
    }
}

fn is_phrase(turn: &Turn) -> bool {
    "One moment, please.".starts_with(turn.text.reveal().as_str())
}

/// Whenever we are waited for, something is heard within two seconds, and again and again.
fn nobody_waited_in_silence(report: &Report, plan: &Plan) -> Duration {
    let margin = MARGIN + plan.twilio.base + plan.twilio.jitter;
    let longest = waits(report).into_iter().map(|(from, to)| (from, silence_within(report, from, to)));
    let Some((from, longest)) = longest.max_by_key(|(_, silence)| *silence) else { return Duration::ZERO };
    assert!(longest <= PATIENCE + margin, "{longest:?} of silence in the wait from {from}");
    longest
}

/// The times in which it was our turn to be heard: from the caller's arrival, from the end of their words or of their
/// keys, from the decision to leave, to the first sound after it; and all of those without a model.
fn waits(report: &Report) -> Vec<(Moment, Moment)> {
    let Some(arrived) = arrived_at(report) else { return Vec::new() };
    let leaves = |effect: &Effect| matches!(effect, Effect::HangUp | Effect::Transfer(_));
    let left = report.effects.iter().find(|(_, effect)| leaves(effect)).map(|(at, _)| *at);
    // The ledger may take its time with what is decided, and Twilio with what it is told.
    let end = [given_up_at(report), left, report.over_at].into_iter().flatten().min().unwrap();
    let (mut ready, mut caller_speaks) = (false, false);
    let mut waiting: Option<(Moment, bool)> = None;
    // A session that breaks within a second of its coming has ended no wait.
    let mut came: Option<(Moment, Moment)> = None;
    let mut waits = Vec::new();
    for (at, note) in report.notes.iter().filter(|(at, _)| *at <= end) {
        let away = matches!(note, Note::ModelAway | Note::SessionRenewed);
        let from_here = match note {
            Note::CallerArrived | Note::ModelAway | Note::SessionRenewed => *at >= arrived,
            Note::CallerStops | Note::Leaving(_) => true,
            Note::Keys(_) => !caller_speaks && ready,
            Note::ModelReady | Note::CallerSpeaks => false,
            _ => continue,
        };
        match note {
            Note::ModelReady => ready = true,
            Note::ModelAway | Note::SessionRenewed => (ready, caller_speaks) = (false, false),
            Note::CallerSpeaks => caller_speaks = true,
            Note::CallerStops => caller_speaks = false,
            _ => {}
        }
        let last = came.take().filter(|(_, came)| away && at.since(*came) < Duration::from_secs(1));
        came = waiting.filter(|_| *note == Note::ModelReady).map(|(from, _)| (from, *at));
        waits.extend(waiting.take().map(|(from, away)| (from, wait_over(report, from, away, *at))));
        let from = last.map_or(*at, |(from, _)| from);
        waiting = from_here.then_some((from, away || !ready));
    }
    waits.extend(waiting.map(|(from, away)| (from, wait_over(report, from, away, end))));
    waits
}

fn wait_over(report: &Report, from: Moment, away: bool, latest: Moment) -> Moment {
    first_sound(report, from).filter(|_| !away).map_or(latest, |heard| heard.min(latest))
}

/// The longest that nothing was heard in a time.
fn silence_within(report: &Report, from: Moment, to: Moment) -> Duration {
    let (mut silence, mut longest) = (Duration::ZERO, Duration::ZERO);
    for (at, frame) in frames_heard(report).filter(|(at, _)| (from..to).contains(at)) {
        silence = if is_audible(frame) { Duration::ZERO } else { silence + play_time(frame) };
        longest = longest.max(silence.min(at.since(from) + play_time(frame)));
    }
    longest
}

fn first_sound(report: &Report, from: Moment) -> Option<Moment> {
    frames_heard(report).find(|(at, frame)| *at >= from && is_audible(frame)).map(|(at, _)| at)
}

fn frames_heard(report: &Report) -> impl Iterator<Item = (Moment, &[u8])> {
    let began = report.stream.as_ref().map_or(Moment::START, TwilioStream::began);
    let frames = report.heard().chunks(FRAME_BYTES).enumerate();
    frames.map(move |(index, frame)| (began + Duration::from_millis(20) * index as u32, frame))
}

fn play_time(frame: &[u8]) -> Duration {
    Duration::from_micros(frame.len() as u64 * 125)
}

/// About 50 dB below full scale: a human hears it.
fn is_audible(frame: &[u8]) -> bool {
    let sum: u32 = frame.iter().map(|byte| u32::from(mulaw::decode(*byte).unsigned_abs())).sum();
    sum > 100 * frame.len() as u32
}
