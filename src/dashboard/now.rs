//! *Now*: the calls in flight.

use maud::{Markup, PreEscaped, html};

use super::feed::Sheet;
use super::words::{intention, masked, wait};
use super::{Frame, Here};
use crate::domain::{CallSid, Speaker};
use crate::registry::{Shown, State, Voices};

/// The page, with the calls as they stand on the sheet; `notice` says what became of a wish of the operator's.
pub fn now_page(frame: &Frame<'_>, sheet: &Sheet, notice: Option<&str>) -> Markup {
    let main = html! {
        h1 { "Now" }
        @if let Some(words) = notice { p.notice role="status" { (words) } }
        (PreEscaped(sheet.snapshot()))
    };
    frame.page("Now", Here::Now, Some("/live"), &main)
}

/// How many there are.
pub(super) fn count(calls: usize) -> Markup {
    html! {
        p #count.lead role="status" {
            @match calls {
                0 => "No call in flight",
                1 => { b { "1" } " call in flight" },
                _ => { b { (calls) } " calls in flight" },
            }
        }
    }
}

/// The whole list.
pub(super) fn list(rows: &Markup) -> Markup {
    html! {
        ul #calls.calls aria-label="Calls in flight" { (rows) }
        div.nothing {
            h2 { "Nobody is calling" }
            p { "A call appears here the moment its webhook is answered. To try it without a telephone, run " code { "frontdesk call" } " with the address of this server." }
        }
    }
}

/// A call in the list: what changes rarely and what changes always are pieces of their own. What stands behind them is the
/// viewer's alone, opened or half written in, and never changed by the feed.
pub(super) fn item(item: &Item<'_>) -> Markup {
    let Item { base, call, who, row, meter } = item;
    html! {
        li id={ "call-" (call) } data-into="calls" {
            (row) (meter)
            details.act id={ "act-" (call) } name="act" data-keep data-fill={ "/calls/" (call) "/operate" } {
                summary aria-label={ "Act on the call of " (who) } title="Act on this call" { "⋯" }
                div { a href={ (base) "/calls/" (call) } { "Open the call" } " to act on it." }
            }
        }
    }
}

/// The parts of a call in the list.
pub(super) struct Item<'a> {
    pub(super) base: &'a str,
    pub(super) call: &'a CallSid,
    /// The business and its caller, as a screen reader says them.
    pub(super) who: &'a str,
    pub(super) row: PreEscaped<&'a str>,
    pub(super) meter: PreEscaped<&'a str>,
}

/// Who talks, in a few words: two calls of one business have two callers.
pub(super) fn who(shown: &Shown) -> String {
    format!("{}, {}", shown.name, masked(&shown.from))
}

/// What changes at a turn.
pub(super) fn row(base: &str, shown: &Shown) -> Markup {
    html! {
        a.row id={ "row-" (shown.call) } href={ (base) "/calls/" (shown.call) } {
            span.who { b { (shown.name) } span.from { (masked(&shown.from)) } }
            (state(&shown.state))
            span.said { (last_words(shown)) }
            span.figures {
                span { small { "Talk" } (talk_time(shown)) }
                span { small { "Answer" } b { (shown.answer_delay_ms.map_or("—".to_owned(), wait)) } }
                span { small { "Cost" } b { (shown.cost) } }
            }
        }
    }
}

/// Where a call stands, as a word with a colour.
pub(super) fn state(state: &State) -> Markup {
    let (word, kind) = match state {
        State::Waiting => ("Ringing", "odd"),
        State::Talking => ("Talking", "live"),
        State::Leaving(_) => ("Saying goodbye", "odd"),
        State::Over(ending) => super::words::ending(ending),
    };
    let title = if let State::Leaving(to) = state { Some(intention(to)) } else { None };
    html! { span class={ "pill " (kind) } title=[title] { (word) } }
}

/// How long they have talked; the script counts on from here.
pub(super) fn talk_time(shown: &Shown) -> Markup {
    let over = matches!(shown.state, State::Over(_));
    let last_ms = shown.rungs.back().map_or(0, |rung| rung.at_ms);
    match shown.arrived_ms {
        Some(arrived_ms) if over => {
            let ended_ms = shown.began_ms.saturating_add(i64::try_from(last_ms).unwrap_or(0));
            let ms = u64::try_from(ended_ms.saturating_sub(arrived_ms)).unwrap_or(0);
            html! { b { (super::words::length(ms)) } }
        }
        Some(arrived_ms) => html! { b.ticks data-since=(arrived_ms) { "0:00" } },
        None => html! { b { "—" } },
    }
}

fn last_words(shown: &Shown) -> Markup {
    if let Some(instance) = &shown.elsewhere {
        return html! { span.faint { "Carried by instance " (instance) } };
    }
    match &shown.last_words {
        Some((speaker, words)) => html! {
            span.speaker { (speaker_word(*speaker)) } " " (words.reveal())
        },
        None => html! { span.faint { "Nothing said yet" } },
    }
}

/// Who speaks, in a word.
pub(super) fn speaker_word(speaker: Speaker) -> &'static str {
    match speaker {
        Speaker::Caller => "Caller",
        Speaker::Model => "Model",
    }
}

/// Who is heard, as two small bars.
pub(super) fn meter(call: &str, voices: Voices) -> Markup {
    let (caller, model) = (bars(voices.caller_db), bars(voices.model_db));
    let speaks = if caller > 0 && voices.caller_speaks {
        "Caller speaks"
    } else if model > 0 {
        "Model speaks"
    } else {
        "Quiet"
    };
    html! {
        span.meter id={ "meter-" (call) } title=(speaks) {
            i class={ "c" (caller) } {} i class={ "m" (model) } {}
            span.unseen { (speaks) }
        }
    }
}

/// Loudness in five steps, from what is more than a line's noise.
fn bars(db: i8) -> u8 {
    match db {
        -18..=0 => 5,
        -24..=-19 => 4,
        -30..=-25 => 3,
        -38..=-31 => 2,
        -48..=-39 => 1,
        _ => 0,
    }
}
