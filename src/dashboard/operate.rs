//! What an operator can do with a call that goes on: on its page, and in the list of calls, where a row unfolds it.

use maud::{Markup, html};

use super::Frame;
use crate::registry::{Shown, State};

/// Where the forms stand. They lead back there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// On the page of the call.
    Call,
    /// In its row among the others, where every id is there once for each call.
    Now,
}

/// What the row of a call unfolds. It is made for who asks, and not with the rows, which are the same for all who watch.
pub fn operate_piece(frame: &Frame<'_>, shown: Option<&Shown>) -> Markup {
    match shown {
        Some(shown) if matches!(shown.state, State::Over(_)) => html! { p.faint { "The call is over." } },
        Some(shown) => forms(frame, shown, Place::Now),
        None => html! { p.faint { "Another instance carries this call; it cannot be reached from here." } },
    }
}

pub(super) fn forms(frame: &Frame<'_>, shown: &Shown, place: Place) -> Markup {
    let to = |what: &str| format!("{}/calls/{}/{what}", frame.base, shown.call);
    let called = |what: &str| match place {
        Place::Call => what.to_owned(),
        Place::Now => format!("{what}-{}", shown.call),
    };
    let sealed = html! {
        (frame.sealed())
        @if place == Place::Now { input type="hidden" name="from" value="now"; }
    };
    html! {
        section.actions aria-label="What you can do" {
            form method="post" action=(to("say")) {
                (sealed)
                div {
                    label for=(called("say")) { "Have the model say" }
                    input id=(called("say")) name="words" required maxlength="500" placeholder="We close in ten minutes." autocomplete="off";
                }
                button type="submit" { "Say" }
            }
            @if !shown.destinations.is_empty() {
                form method="post" action=(to("transfer")) {
                    (sealed)
                    div {
                        label for=(called("to")) { "Transfer to" }
                        select id=(called("to")) name="to" {
                            @for (id, label) in &shown.destinations { option value=(id) { (label) } }
                        }
                    }
                    button.quiet type="submit" data-sure="Transfer this caller?" { "Transfer" }
                }
            }
            form method="post" action=(to("hang-up")) {
                (sealed)
                button.danger type="submit" data-sure="End this call with a goodbye?" { "Hang up" }
            }
        }
    }
}
