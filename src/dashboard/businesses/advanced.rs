//! The rest of the form, which few need: how turns end, what is recorded, who is told.

use maud::{Markup, html};

use super::fields::field;
use super::{BusinessForm, Remark};
use crate::domain::{Business, TurnDetection};

/// What is usual where a field is left empty, as it stands in it.
const USUAL_SILENCE_MS: &str = "500";
const USUAL_THRESHOLD: &str = "0.5";
const USUAL_PADDING_MS: &str = "300";

/// How the end of a turn is found, and how long an answer is thought about.
pub(super) fn turns(form: &BusinessForm, remarks: &[Remark]) -> Markup {
    let turn = &form.turn;
    html! {
        h2 { "Taking turns" }
        div.turns {
            (field("turn", "A caller's turn is over", "", "/turnDetection/type", remarks, &|wrong| html! {
                select #turn name="turn" aria-invalid=[wrong] aria-describedby="turn-more" {
                    (option("server_vad", "when it is quiet", &turn.kind))
                    (option("semantic_vad", "when the sentence is complete", &turn.kind))
                }
            }))
            div.by-quiet {
                div.pair {
                    (number("silence", "Quiet, in ms", "/turnDetection/silenceDurationMs", &turn.silence_duration_ms, USUAL_SILENCE_MS, remarks))
                    (number("threshold", "Loudness of speech, 0 to 1", "/turnDetection/threshold", &turn.threshold, USUAL_THRESHOLD, remarks))
                }
                (number("padding", "Kept from before it begins, in ms", "/turnDetection/prefixPaddingMs", &turn.prefix_padding_ms, USUAL_PADDING_MS, remarks))
            }
            div.by-sentence {
                (field("eagerness", "How eagerly it is answered", "", "/turnDetection/eagerness", remarks, &|wrong| html! {
                    select #eagerness name="eagerness" aria-invalid=[wrong] aria-describedby="eagerness-more" {
                        (choice("", "as usual", &turn.eagerness, &TurnDetection::EAGERNESS))
                    }
                }))
            }
        }
        (field("effort", "How hard the model thinks", "For models that reason; the others refuse it.", "/reasoningEffort", remarks, &|wrong| html! {
            select #effort name="effort" aria-invalid=[wrong] aria-describedby="effort-more" {
                (choice("", "as it likes", &form.effort, &Business::EFFORTS))
            }
        }))
    }
}

/// Whether calls are recorded, and what is said then.
pub(super) fn recorded(form: &BusinessForm, remarks: &[Remark]) -> Markup {
    html! {
        h2 { "Recording" }
        label.check { input type="checkbox" name="recording" value="on" checked[form.recording]; "Record calls, where the plan allows it" }
        (field("announcement", "Said before the greeting then", "Empty: a sentence of ours, in their language.", "/recordingAnnouncement", remarks, &|wrong| html! {
            input #announcement name="announcement" value=(form.announcement) aria-invalid=[wrong] aria-describedby="announcement-more";
        }))
    }
}

/// Where the business is told of its calls. A secret that is kept is not shown to anybody again.
pub(super) fn told(form: &BusinessForm, remarks: &[Remark]) -> Markup {
    let hint = if form.has_secret {
        "One is kept. Leave this empty to keep it."
    } else {
        "whsec_ and behind it what openssl rand -base64 32 prints. It is not shown again."
    };
    html! {
        h2 { "Who is told" }
        (field("webhook-url", "Webhook", "Told of every call and message. Empty: nobody is.", "/webhook/url", remarks, &|wrong| html! {
            input #webhook-url name="webhook-url" value=(form.webhook_url) inputmode="url" placeholder="https://example.com/hooks/calls" autocomplete="off" aria-invalid=[wrong] aria-describedby="webhook-url-more";
        }))
        (field("webhook-secret", "Its signing secret", hint, "/webhook/secret", remarks, &|wrong| html! {
            input #webhook-secret type="password" name="webhook-secret" autocomplete="new-password" aria-invalid=[wrong] aria-describedby="webhook-secret-more";
        }))
    }
}

fn number(
    name: &'static str,
    label: &str,
    pointer: &str,
    value: &str,
    usual: &str,
    remarks: &[Remark],
) -> Markup {
    field(name, label, "", pointer, remarks, &|wrong| {
        html! { input id=(name) name=(name) value=(value) placeholder=(usual) inputmode="decimal" autocomplete="off" aria-invalid=[wrong] aria-describedby={ (name) "-more" }; }
    })
}

/// Known words to choose from, the one that is kept among them whether it is known or not.
fn choice(none: &str, none_words: &str, chosen: &str, known: &[&str]) -> Markup {
    html! {
        (option(none, none_words, chosen))
        @for word in known { (option(word, word, chosen)) }
        @if !chosen.is_empty() && !known.contains(&chosen) { (option(chosen, chosen, chosen)) }
    }
}

fn option(value: &str, words: &str, chosen: &str) -> Markup {
    html! { option value=(value) selected[value == chosen] { (words) } }
}
