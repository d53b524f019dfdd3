//! *Replay*: every input, decision and output of one stream of a call, on a time line.

use maud::{Markup, html};

use super::{Frame, Here};

/// One line.
#[derive(Debug)]
pub struct ReplayLine {
    /// When, as it is written; empty where it belongs to the line above.
    pub at: String,
    /// `in`, `out` or `note`.
    pub kind: &'static str,
    /// What.
    pub text: String,
}

/// A replay.
#[derive(Debug)]
pub struct ReplayPage {
    /// Of which call.
    pub call: String,
    /// Of which stream.
    pub attempt: u8,
    /// The lines.
    pub lines: Vec<ReplayLine>,
    /// How many are not shown.
    pub left_out: usize,
    /// Whether it was the same, to the byte; and what there is to say about it.
    pub verdict: (bool, String),
}

/// The page.
pub fn replay_page(frame: &Frame<'_>, page: &ReplayPage) -> Markup {
    let (same, words) = &page.verdict;
    let main = html! {
        p.crumb { a href={ (frame.base) "/calls/" (page.call) } { "Call" } }
        h1 { "Replay of stream " (page.attempt) }
        p.notice.bad[!same] role="status" { (words) }
        div.table { table.replay {
            thead.unseen { tr { th { "At" } th { "What" } } }
            tbody { @for line in &page.lines { tr class=(line.kind) { td { (line.at) } td { (line.text) } } } }
        } }
        @if page.left_out > 0 { p.hint { (page.left_out) " more lines: run " code { "frontdesk replay" } " on the downloaded log." } }
    };
    frame.page("Replay", Here::Calls, None, &main)
}
