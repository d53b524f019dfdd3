//! The telephone on a business's page: what it looks like, and what it says of a call that did not come about or is over.

use maud::{Markup, html};

use super::Frame;
use super::frame::asset_version;
use crate::domain::{Business, CallRecord, Ending, Fallback, Limit};

/// The script of the telephone.
pub const PHONE_SCRIPT: &str = include_str!("phone.js");

/// What of it runs beside the page, where sound is made.
pub const PHONE_LINE_SCRIPT: &str = include_str!("phone-line.js");

/// The keys, in the order in which every telephone has them.
const KEYS: [&str; 12] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];

/// The telephone for calls to a business. `line` and `webhook` are what a program would call instead.
pub(super) fn phone(frame: &Frame<'_>, id: &str, line: &str, webhook: &str) -> Markup {
    let (base, version) = (frame.base, asset_version());
    // What a doctor is asked to look at.
    let public_url = webhook.rsplit_once('/').map_or(webhook, |(url, _)| url);
    html! {
        section #phone aria-labelledby="try" data-seal=(frame.seal) data-doctor=(public_url)
            data-call={ (base) "/businesses/" (id) "/call" } data-media={ (base) "/phone/media" } data-over={ (base) "/phone/over" }
            data-line={ (base) "/assets/phone-line.js?v=" (version) } {
            h2 #try { "Test call" }
            p.lead {
                "Talk with the receptionist as a caller would. From this server on it is the way of every call: it costs the same, \
                 takes a slot and minutes of the plan, and is kept among the calls. What is not saved yet is not heard."
            }
            div.handset {
                div.at {
                    div role="status" { span #phone-state.pill { "Ready" } " " span #phone-says {} }
                    div #phone-figures.figures hidden {
                        span #phone-time { "0:00" }
                        span #phone-meter.meter aria-hidden="true" { i.c0 {} i.m0 {} }
                    }
                }
                div.does {
                    button #phone-call type="button" disabled { "Call this business" }
                    button #phone-end.danger type="button" hidden { "Hang up" }
                    button #phone-mute.quiet type="button" aria-pressed="false" hidden { "Mute" }
                    span #phone-page hidden { a target="_blank" rel="noopener" { "See this call, in a new tab" } }
                }
                div #phone-keys.keys role="group" aria-label="Keypad" hidden {
                    @for key in KEYS { button.quiet type="button" value=(key) { (key) } }
                }
            }
            noscript { p.notice.bad { "The telephone needs the script of this page." } }
            p.hint { "Or without a browser: " code { "frontdesk call " (webhook) " --to " (line) } }
            script src={ (base) "/assets/phone.js?v=" (version) } defer {}
        }
    }
}

/// Why a caller would not get the model now, and what they would get.
pub fn at_limit(limit: Limit, business: &Business) -> String {
    let why = match limit {
        Limit::ConcurrentCalls => "All calls the plan allows at once are taken.",
        Limit::MinutesPerMonth => "The plan's minutes of this month are used up.",
    };
    format!("{why} {}", instead(business))
}

/// What a caller gets when no model can be had for them.
pub fn instead(business: &Business) -> String {
    match &business.fallback {
        Some(Fallback::Message(words)) => {
            format!("A caller would hear this, and then the end: “{words}”")
        }
        Some(Fallback::Transfer(to)) => business
            .destination(to)
            .map_or_else(asked_for_message, |to| format!("A caller would be put through to {}.", to.label)),
        Some(Fallback::Voicemail(_)) | None => asked_for_message(),
    }
}

fn asked_for_message() -> String {
    "A caller would be asked to leave a message after a tone.".to_owned()
}

/// How a test call ended, and whether that is good, odd or bad. Where Twilio would go on with a caller, it says with what.
pub fn how_it_ended(record: &CallRecord, business: Option<&Business>) -> (&'static str, String) {
    let fallback = || business.map_or_else(String::new, instead);
    let Some(ending) = &record.ending else {
        let says = if record.answered_ms.is_none() {
            "The way for audio opened, and was cut before anything came through. A caller may meet the same: \
             run frontdesk doctor."
        } else {
            "What became of it is not written down yet: look at its page."
        };
        return ("odd", says.to_owned());
    };
    match ending {
        Ending::CallerHungUp => ("good", "You hung up.".to_owned()),
        Ending::HungUp => ("good", "The receptionist hung up.".to_owned()),
        Ending::Transferred(to) => {
            let place = business.and_then(|business| business.destination(to));
            let label = place.map_or(to.as_str(), |place| place.label.as_str());
            ("good", format!("Here the caller would be put through to {label}."))
        }
        Ending::NeverConnected => ("bad", "The call waited for this page, which did not come.".to_owned()),
        Ending::StreamLost => {
            ("bad", "The way for audio broke. A caller would be connected again at once.".to_owned())
        }
        Ending::StreamRefused(why) => ("bad", format!("The audio cannot be carried: {why}.")),
        Ending::ModelLost => ("bad", format!("The model was lost. {}", fallback())),
        Ending::ModelRefused => {
            ("bad", format!("The model's service refused us; the call's page has its word. {}", fallback()))
        }
        Ending::HandedOver => {
            let says =
                "The process that carried the call ends. A caller would be connected again with the next.";
            ("odd", says.to_owned())
        }
        Ending::PlanLimit => ("odd", format!("The plan is at its limit. {}", fallback())),
    }
}
