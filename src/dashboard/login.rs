//! The door.

use maud::{Markup, html};

use super::Frame;

/// What is said at the door.
#[derive(Debug, Clone, Copy)]
pub enum DoorWord<'a> {
    /// Nothing: somebody comes.
    Nothing,
    /// Why the last try did not do.
    Wrong(&'a str),
    /// Somebody has logged out.
    Left,
}

/// Asks for the token.
pub fn login_page(frame: &Frame<'_>, next: &str, word: DoorWord<'_>) -> Markup {
    let wrong = if let DoorWord::Wrong(why) = word { Some(why) } else { None };
    let main = html! {
        h1 { "Log in" }
        @if matches!(word, DoorWord::Left) {
            p.notice role="status" {
                "You are logged out in this browser. On another instance, a copy of its cookie would be good for the rest of \
                 its twelve hours; a new " code { "ADMIN_TOKEN" } " ends all at once."
            }
        }
        form.card method="post" action={ (frame.base) "/login" } {
            input type="hidden" name="next" value=(next);
            label for="token" { "Token" }
            input #token type="password" name="token" required autocomplete="current-password" autofocus
                aria-invalid=[wrong.map(|_| "true")] aria-describedby="token-help";
            p.hint #token-help { "The value of the setting " code { "ADMIN_TOKEN" } "." }
            @if let Some(wrong) = wrong { p.wrong role="alert" { (wrong) } }
            button type="submit" { "Log in" }
        }
    };
    frame.bare("Log in", &main)
}

/// Says why a page is not shown, and what to do.
pub fn sorry_page(frame: &Frame<'_>, title: &str, why: &str) -> Markup {
    let main = html! {
        h1 { (title) }
        p { (why) }
        p { a href=(frame.home()) { "Back to the calls" } }
    };
    frame.bare(title, &main)
}
