//! The door.

use maud::{Markup, html};

use super::Frame;

/// Asks for the token; `wrong` says why the last try did not do.
pub fn login_page(frame: &Frame<'_>, next: &str, wrong: Option<&str>) -> Markup {
    let main = html! {
        h1 { "Log in" }
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
