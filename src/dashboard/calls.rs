//! *Calls*: those that were, with what narrows the list.

use maud::{Markup, html};

use super::words::{day_and_time, ending, ending_word, length, masked};
use super::{Frame, Here};
use crate::domain::{BusinessId, CallRecord, CallSid, Ending};

/// What narrows the list, as it was asked for.
#[derive(Debug, Clone, Default)]
pub struct CallSearch {
    /// Of which business; empty is all.
    pub business: String,
    /// With which ending; empty is all, `inFlight` those without one.
    pub ending: String,
    /// On which day, as `2026-11-21`; empty is any.
    pub day: String,
    /// The last digits of the caller's number, or a CallSid.
    pub number: String,
}

/// One part of the list.
#[derive(Debug)]
pub struct CallsPage {
    /// What narrows it.
    pub search: CallSearch,
    /// The calls, the latest first.
    pub calls: Vec<CallRecord>,
    /// The businesses one can choose among.
    pub businesses: Vec<(BusinessId, String)>,
    /// Behind what the next part begins.
    pub next: Option<String>,
    /// How many calls were looked at, when that was not all.
    pub looked_at: Option<usize>,
    /// What could not be read, or understood.
    pub notice: Option<String>,
}

/// Every ending one can look for.
const ENDINGS: [(&str, &str); 11] = [
    ("inFlight", "In flight"),
    ("callerHungUp", "Caller hung up"),
    ("hungUp", "We hung up"),
    ("transferred", "Transferred"),
    ("neverConnected", "Never connected"),
    ("streamLost", "Stream lost"),
    ("streamRefused", "Stream refused"),
    ("modelLost", "Model lost"),
    ("modelRefused", "Model refused"),
    ("handedOver", "Handed over"),
    ("planLimit", "Plan limit"),
];

impl CallSearch {
    /// Whether a call is one of those that are looked for. Business and day are for the store.
    pub fn matches(&self, call: &CallRecord) -> bool {
        let ends = match (self.ending.as_str(), &call.ending) {
            ("", _) => true,
            ("inFlight", _) => call.ended_ms.is_none(),
            (wanted, Some(how)) => ending_word(how) == wanted,
            (_, None) => false,
        };
        let wanted: String = self.number.chars().filter(char::is_ascii_digit).collect();
        let digits: String = call.from.reveal().chars().filter(char::is_ascii_digit).collect();
        ends && (wanted.is_empty() || digits.ends_with(&wanted))
    }

    /// The call that is asked for by its own name.
    pub fn call(&self) -> Option<CallSid> {
        let text = self.number.trim();
        CallSid::parse(text).ok().filter(|_| text.starts_with("CA"))
    }

    fn is_empty(&self) -> bool {
        [&self.business, &self.ending, &self.day, &self.number].into_iter().all(String::is_empty)
    }

    fn query(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in [
            ("business", &self.business),
            ("ending", &self.ending),
            ("day", &self.day),
            ("number", &self.number),
        ] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query.finish()
    }
}

/// The page.
pub fn calls_page(frame: &Frame<'_>, page: &CallsPage) -> Markup {
    let main = html! {
        h1 { "Calls" }
        p.lead { "The latest first." }
        (filter(frame, page))
        @if let Some(words) = &page.notice { p.notice.bad role="alert" { (words) } }
        @if page.calls.is_empty() {
            div.nothing.always {
                h2 { "No calls" }
                p { @if page.search.is_empty() { "Nobody has called yet." } @else { "No call is like that." } }
            }
        } @else { (table(frame, page)) }
        @if let Some(looked_at) = page.looked_at { p.hint { "Among the latest " (looked_at) " calls." } }
        @if let Some(next) = &page.next {
            p.more { a.button.quiet href={ (frame.base) "/calls?" (page.search.query()) "&after=" (next) } { "Earlier calls" } }
        }
    };
    frame.page("Calls", Here::Calls, None, &main)
}

fn filter(frame: &Frame<'_>, page: &CallsPage) -> Markup {
    let CallSearch { business, ending, day, number } = &page.search;
    html! {
        form.filter method="get" action={ (frame.base) "/calls" } role="search" aria-label="Calls" {
            div {
                label for="business" { "Business" }
                select #business name="business" {
                    option value="" { "All" }
                    @for (id, name) in &page.businesses { option value=(id) selected[id.as_str() == business] { (name) } }
                }
            }
            div {
                label for="ending" { "Ending" }
                select #ending name="ending" {
                    option value="" { "All" }
                    @for (word, name) in ENDINGS { option value=(word) selected[word == ending] { (name) } }
                }
            }
            div { label for="day" { "Day, UTC" } input #day type="date" name="day" value=(day); }
            div.narrow { label for="number" { "Last digits" } input #number name="number" value=(number) inputmode="text" maxlength="64" placeholder="0123"; }
            button type="submit" { "Search" }
            @if !page.search.is_empty() { a.button.quiet href={ (frame.base) "/calls" } { "Clear" } }
        }
    }
}

fn table(frame: &Frame<'_>, page: &CallsPage) -> Markup {
    html! {
        div.table { table.stack.of-calls {
            thead { tr { th { "Business" } th { "Caller" } th { "Began" } th.number { "Talk" } th.wide.number { "Cost" } th { "Ending" } } }
            tbody {
                @for call in &page.calls {
                    tr {
                        td { a.through href={ (frame.base) "/calls/" (call.call) } { (page.name_of(&call.business)) } }
                        td { (masked(&call.from)) }
                        td { (day_and_time(call.started_ms)) }
                        td.number { (length(call.talked_ms())) }
                        td.wide.number { (call.cost) }
                        td { (ending_pill(call.ending.as_ref(), call.ended_ms.is_some())) }
                    }
                }
            }
        } }
    }
}

impl CallsPage {
    fn name_of<'a>(&'a self, id: &'a BusinessId) -> &'a str {
        self.businesses.iter().find(|(known, _)| known == id).map_or(id.as_str(), |(_, name)| name)
    }
}

fn ending_pill(how: Option<&Ending>, over: bool) -> Markup {
    match how {
        Some(how) if over => {
            let (words, kind) = ending(how);
            html! { span class={ "pill " (kind) } { (words) } }
        }
        Some(_) | None if over => html! { span.pill { "Over" } },
        Some(_) | None => html! { span.pill.live { "In flight" } },
    }
}
