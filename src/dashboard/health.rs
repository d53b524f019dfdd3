//! *Health*: how the way from Twilio to the model fares, at a glance.

use maud::{Markup, html};

use super::words::{ago, clock, sentence};
use super::{Frame, Here};

/// One station of the way.
#[derive(Debug)]
pub struct Light {
    /// Which.
    pub name: &'static str,
    /// `good`, `odd`, `bad`, or nothing to say.
    pub kind: &'static str,
    /// How it is.
    pub says: String,
    /// More of it.
    pub detail: String,
}

/// Something that happened on the way.
#[derive(Debug)]
pub struct Trace {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// `good`, `odd` or `bad`.
    pub kind: &'static str,
    /// What.
    pub what: String,
    /// More of it.
    pub detail: String,
    /// Of which call.
    pub call: Option<String>,
}

/// What is known of this instance.
#[derive(Debug)]
pub struct HealthPage {
    /// Which.
    pub instance: String,
    /// Its version.
    pub version: &'static str,
    /// Since when it remembers, in milliseconds since 1970.
    pub since_ms: i64,
    /// What time it is.
    pub now_ms: i64,
    /// The stations.
    pub lights: Vec<Light>,
    /// What was found out about callers who did not arrive.
    pub findings: Vec<Trace>,
    /// What happened lately, the latest first.
    pub traces: Vec<Trace>,
}

/// The page.
pub fn health_page(frame: &Frame<'_>, page: &HealthPage) -> Markup {
    let main = html! {
        h1 { "Health" }
        p.lead { "From Twilio's webhook to the model's first word, as instance " code { (page.instance) } " has seen it since " (clock(page.since_ms)) "." }
        ul.lights {
            @for light in &page.lights {
                li class=(light.kind) { h3 { (light.name) } p { (light.says) @if !light.detail.is_empty() { span { (light.detail) } } } }
            }
        }
        section aria-labelledby="found" {
            h2 #found { "Findings" }
            @if page.findings.is_empty() { p.faint { "None: every caller who was sent to the media socket arrived, hung up, or was carried elsewhere." } }
            @else { (table(&page.findings, page.now_ms, frame)) }
        }
        section aria-labelledby="lately" {
            h2 #lately { "Lately" }
            @if page.traces.is_empty() { p.faint { "Nothing has happened yet." } }
            @else { (table(&page.traces, page.now_ms, frame)) }
        }
        p.hint { "frontdesk " (page.version) }
    };
    frame.page("Health", Here::Health, None, &main)
}

fn table(traces: &[Trace], now_ms: i64, frame: &Frame<'_>) -> Markup {
    html! {
        div.table { table.traces {
            thead { tr { th { "When" } th { "What" } th { "Call" } } }
            tbody {
                @for trace in traces {
                    tr {
                        td.when title=(trace.at_ms) { (ago(now_ms, trace.at_ms)) }
                        td { span class={ "pill " (trace.kind) } { (trace.what) } " " span.faint { (sentence(&trace.detail)) } }
                        td.mono { @if let Some(call) = &trace.call { a href={ (frame.base) "/calls/" (call) } { "…" (tail(call)) } } }
                    }
                }
            }
        } }
    }
}

fn tail(call: &str) -> &str {
    call.get(call.len().saturating_sub(6)..).unwrap_or(call)
}
