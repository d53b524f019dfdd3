//! One call: how it went, what was said, what it used, and while it goes on, what an operator can do.

use maud::{Markup, html};

use super::ladder::{Diagnosis, Ladder};
use super::now::{meter, speaker_word, state, talk_time};
use super::operate::{Place, forms};
use super::words::{clock, day_and_time, ending, length, masked, sentence, wait};
use super::{Frame, Here};
use crate::domain::{CallRecord, Speaker, Turn, Usage, Voicemail};
use crate::registry::{Shown, State, Step, Voices};

/// The recording of one stream that is on this machine.
#[derive(Debug)]
pub struct Audio {
    /// Of which attempt.
    pub attempt: u8,
    /// How long, in milliseconds.
    pub length_ms: u64,
    /// How loud caller and model were, 0 to 100, over its length.
    pub peaks: Vec<(u8, u8)>,
}

/// Everything that is known of a call.
#[derive(Debug)]
pub struct CallPage {
    /// What is kept.
    pub record: CallRecord,
    /// The name of its business, where that can be told.
    pub business: Option<String>,
    /// What was said in it.
    pub turns: Vec<Turn>,
    /// What the caller left after a tone.
    pub voicemails: Vec<Voicemail>,
    /// Its way.
    pub ladder: Ladder,
    /// As it shows itself, when it is or was a moment ago carried here, and how loud it is.
    pub shown: Option<(Shown, Voices)>,
    /// Of which attempts this machine has the event log.
    pub logs: Vec<u8>,
    /// What this machine has recorded.
    pub audio: Vec<Audio>,
    /// Whether numbers are shown whole.
    pub unmasked: bool,
    /// What became of a wish of the operator's.
    pub notice: Option<&'static str>,
}

impl CallPage {
    /// Whether it is in flight here.
    fn is_live(&self) -> bool {
        self.shown.as_ref().is_some_and(|(shown, _)| !matches!(shown.state, State::Over(_)))
    }
}

/// The page.
pub fn call_page(frame: &Frame<'_>, page: &CallPage) -> Markup {
    let record = &page.record;
    let base = frame.base;
    let live = page.is_live();
    let feed = live.then(|| format!("/live?call={}", record.call));
    let main = html! {
        p.crumb { a href={ (base) "/calls" } { "Calls" } }
        @if let Some(words) = page.notice { p.notice role="status" { (words) } }
        (head(page, frame))
        @if let Some(Diagnosis { missing, says }) = page.ladder.diagnosis(record) {
            section.diagnosis aria-labelledby="why" {
                h2 #why { "Missing: " (missing) }
                p { (sentence(&says)) }
            }
        }
        @if live && let Some((shown, _)) = &page.shown { (forms(frame, shown, Place::Call)) }
        div.columns {
            section aria-labelledby="way" {
                h2 #way { "Ladder" }
                (page.ladder.markup(record, live))
            }
            div {
                section aria-labelledby="words" {
                    h2 #words { "Transcript" }
                    (transcript(&page.turns))
                }
                (recordings(page, base))
                (voicemails(page, base))
                (used(record))
                (files(page, base))
            }
        }
    };
    frame.page("Call", Here::Calls, feed.as_deref(), &main)
}

/// What changes of the page while the call goes on.
pub fn live_pieces(frame: &Frame<'_>, page: &CallPage) -> Markup {
    html! {
        (head(page, frame))
        (page.ladder.markup(&page.record, page.is_live()))
        (transcript(&page.turns))
    }
}

/// The turns of a call that goes on, as its board has them.
pub fn turns_of(shown: &Shown) -> Vec<Turn> {
    let said = shown.rungs.iter().filter_map(|rung| {
        if let Step::Said(turn) = &rung.step { Some(turn.as_ref().clone()) } else { None }
    });
    said.collect()
}

fn head(page: &CallPage, frame: &Frame<'_>) -> Markup {
    let record = &page.record;
    let name = page.business.as_deref().unwrap_or(record.business.as_str());
    let number = if page.unmasked { record.from.reveal().clone() } else { masked(&record.from) };
    let line = if page.unmasked { record.to.reveal().clone() } else { masked(&record.to) };
    html! {
        div #head {
            div.title {
                h1 { (name) }
                @match (&page.shown, &record.ending) {
                    (Some((shown, _)), _) => (state(&shown.state)),
                    (None, Some(how)) => { @let (words, kind) = ending(how); span class={ "pill " (kind) } { (words) } },
                    (None, None) => span.pill.odd { "In flight elsewhere" },
                }
                @if page.is_live() && let Some((_, voices)) = &page.shown { (meter("here", *voices)) }
            }
            dl.facts {
                div { dt { "Caller" } dd { (number) } }
                div { dt { "Line" } dd { (line) } }
                div { dt { "Began" } dd { (day_and_time(record.started_ms)) } }
                div { dt { "Talk" } dd {
                    @match &page.shown {
                        Some((shown, _)) if page.is_live() => (talk_time(shown)),
                        _ => (length(record.talked_ms())),
                    }
                } }
                @if let Some(ms) = answer_delay(&page.turns) { div { dt { "Answer, median" } dd { (wait(ms)) } } }
                div { dt { "Cost, estimated" } dd { (page.shown.as_ref().map_or(record.cost, |(shown, _)| shown.cost.max(record.cost))) } }
                div { dt { "Streams" } dd { (record.attempts) } }
                @if !page.unmasked {
                    div { dt { "Numbers" } dd { a href={ (frame.base) "/calls/" (record.call) "?numbers=shown" } { "Show" } } }
                }
            }
        }
    }
}

/// What callers waited for answers, in the middle.
fn answer_delay(turns: &[Turn]) -> Option<u64> {
    let mut waits: Vec<u64> = turns.iter().filter_map(|turn| turn.answer_delay_ms).collect();
    waits.sort_unstable();
    waits.get(waits.len() / 2).copied()
}

fn transcript(turns: &[Turn]) -> Markup {
    html! {
        div #transcript {
            @if turns.is_empty() { p.faint { "Nothing was said." } }
            ol.talk {
                @for turn in turns {
                    li class=(match turn.speaker { Speaker::Caller => "caller", Speaker::Model => "model" }) {
                        span.words { (turn.text.reveal()) @if turn.interrupted { span.cut title="The caller interrupted here" { " ✂" } } }
                        span.meta {
                            (speaker_word(turn.speaker)) " · " (length(turn.began_ms))
                            @if let Some(ms) = turn.answer_delay_ms { " · answered after " (wait(ms)) }
                            @if turn.interrupted { span.cut { " · cut after " (wait(turn.heard_ms)) " heard" } }
                        }
                    }
                }
            }
        }
    }
}

fn recordings(page: &CallPage, base: &str) -> Markup {
    if page.audio.is_empty() {
        return Markup::default();
    }
    html! {
        section aria-labelledby="heard" {
            h2 #heard { "Recording" }
            @for audio in &page.audio {
                p.key aria-hidden="true" { span { "Caller" } span { "What the caller heard" } }
                (wave(&audio.peaks))
                audio controls preload="none" src={ (base) "/calls/" (page.record.call) "/recording/" (audio.attempt) }
                    aria-label={ "Recording of stream " (audio.attempt) ", " (length(audio.length_ms)) } {}
            }
        }
    }
}

/// The caller above the line, the model below it.
fn wave(peaks: &[(u8, u8)]) -> Markup {
    let width = peaks.len().max(1) * 3;
    html! {
        svg.wave viewBox={ "0 0 " (width) " 204" } preserveAspectRatio="none" aria-hidden="true" {
            line x1="0" y1="102" x2=(width) y2="102" {}
            @for (at, (caller, model)) in peaks.iter().enumerate() {
                @if *caller > 0 { rect.caller x=(at * 3) y=(101 - usize::from(*caller)) width="2" height=(caller) {} }
                @if *model > 0 { rect.model x=(at * 3) y="103" width="2" height=(model) {} }
            }
        }
    }
}

fn voicemails(page: &CallPage, base: &str) -> Markup {
    if page.voicemails.is_empty() {
        return Markup::default();
    }
    html! {
        section aria-labelledby="left" {
            h2 #left { "Voicemail" }
            @for voicemail in &page.voicemails {
                p { "Left at " (clock(voicemail.left_ms)) ", " (length(voicemail.length_ms)) " long." }
                audio controls preload="none" src={ (base) "/calls/" (page.record.call) "/voicemail/" (voicemail.recording) }
                    aria-label={ "Voicemail, " (length(voicemail.length_ms)) } {}
            }
        }
    }
}

fn used(record: &CallRecord) -> Markup {
    let Usage { input, cached, output, transcribed_ms } = record.usage;
    if record.usage == Usage::default() {
        return Markup::default();
    }
    html! {
        section aria-labelledby="used" {
            h2 #used { "Usage" }
            div.table { table {
                thead { tr { th { "Tokens" } th.number { "Audio" } th.number { "Text" } } }
                tbody {
                    @for (what, tokens) in [("Heard by the model", input), ("of it cached", cached), ("Made by the model", output)] {
                        tr { td { (what) } td.number { (tokens.audio) } td.number { (tokens.text) } }
                    }
                    @if transcribed_ms > 0 { tr { td { "Transcribed" } td.number { (length(transcribed_ms)) } td {} } }
                }
            } }
        }
    }
}

fn files(page: &CallPage, base: &str) -> Markup {
    let record = &page.record;
    html! {
        section aria-labelledby="files" {
            h2 #files { "Event log" }
            @if page.logs.is_empty() {
                p.faint { "There is none on this instance: it was kept by " (record.instance) ", is too old, or EVENT_LOG_DAYS is 0." }
            }
            @for attempt in &page.logs {
                p {
                    a href={ (base) "/calls/" (record.call) "/replay/" (attempt) } { "Replay stream " (attempt) }
                    " · "
                    a href={ (base) "/calls/" (record.call) "/log/" (attempt) } download { "Download" }
                }
            }
            p.faint.mono { (record.call) }
        }
    }
}
