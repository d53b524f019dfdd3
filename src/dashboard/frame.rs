//! What stands around every page: head, name, ways to the other pages.

use maud::{DOCTYPE, Markup, html};

use super::phone::{PHONE_LINE_SCRIPT, PHONE_SCRIPT};

/// The style of every page.
pub const STYLE: &str = include_str!("window.css");

/// The script that keeps a page up to date.
pub const SCRIPT: &str = include_str!("window.js");

/// Where a page stands among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Here {
    /// Calls in flight.
    Now,
    /// Calls that were.
    Calls,
    /// Who answers.
    Businesses,
    /// How the way from Twilio to the model fares.
    Health,
    /// Outside of them.
    Outside,
}

/// What a page needs to know of the house it is in.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// What stands before every path of ours: empty, or `/voice`.
    pub base: &'a str,
    /// What every form has to send with it.
    pub seal: &'a str,
    /// Whether somebody logged in, and can leave again.
    pub can_leave: bool,
    /// Whether changes are pushed; else they are asked for.
    pub push: bool,
    /// Whether this process is on its way out.
    pub draining: bool,
}

/// A word that changes whenever style or scripts do, so that a browser may keep both for ever.
pub fn asset_version() -> String {
    const STYLE_AND_SCRIPT: u64 =
        fingerprint(SCRIPT.as_bytes(), fingerprint(STYLE.as_bytes(), 0xcbf2_9ce4_8422_2325));
    const WORD: u64 =
        fingerprint(PHONE_LINE_SCRIPT.as_bytes(), fingerprint(PHONE_SCRIPT.as_bytes(), STYLE_AND_SCRIPT));
    format!("{WORD:016x}")
}

/// FNV-1a: it tells versions apart, and keeps no secret.
#[expect(clippy::indexing_slicing, reason = "the compiler runs it, and would refuse a bad index")]
const fn fingerprint(bytes: &[u8], mut word: u64) -> u64 {
    let mut at = 0;
    while at < bytes.len() {
        word = (word ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    word
}

impl Frame<'_> {
    /// A page with this title, in this place; `feed` is what keeps it up to date, if anything does.
    pub(super) fn page(&self, title: &str, here: Here, feed: Option<&str>, main: &Markup) -> Markup {
        let push = if self.push { "push" } else { "poll" };
        html! {
            (DOCTYPE)
            html lang="en" {
                (self.head(title))
                body data-feed=[feed] data-live=(push) {
                    a.skip href="#main" { "Skip to content" }
                    header.top {
                        a.brand href=(self.home()) { (mark()) "frontdesk" }
                        nav aria-label="Pages" {
                            @for (to, path, name) in [
                                (Here::Now, "", "Now"),
                                (Here::Calls, "/calls", "Calls"),
                                (Here::Businesses, "/businesses", "Businesses"),
                                (Here::Health, "/status", "Health"),
                            ] {
                                a href=(if path.is_empty() { self.home().to_owned() } else { format!("{}{path}", self.base) }) aria-current=[(to == here).then_some("page")] { (name) }
                            }
                        }
                        @if feed.is_some() { p #link role="status" data-state="new" { "Connecting" } }
                        @if self.can_leave {
                            form.leave method="post" action={ (self.base) "/logout" } {
                                (self.sealed())
                                button.quiet type="submit" { "Log out" }
                            }
                        }
                    }
                    main #main tabindex="-1" {
                        @if self.draining {
                            p.banner { "This instance is on its way out: calls go on here or elsewhere, and none begins." }
                        }
                        (main)
                    }
                }
            }
        }
    }

    /// A page without ways to others, for whoever is not let in yet.
    pub(super) fn bare(&self, title: &str, main: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                (self.head(title))
                body.bare {
                    main #main { p.brand { (mark()) "frontdesk" } (main) }
                }
            }
        }
    }

    /// The first page. Under a prefix it has no slash behind it.
    pub fn home(&self) -> &str {
        if self.base.is_empty() { "/" } else { self.base }
    }

    /// The field that shows that a form is one of ours.
    pub(super) fn sealed(&self) -> Markup {
        html! { input type="hidden" name="seal" value=(self.seal); }
    }

    fn head(&self, title: &str) -> Markup {
        let version = asset_version();
        html! {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) " · frontdesk" }
                link rel="icon" type="image/svg+xml" href={ (self.base) "/assets/icon.svg" };
                link rel="stylesheet" href={ (self.base) "/assets/window.css?v=" (version) };
                script src={ (self.base) "/assets/window.js?v=" (version) } defer {}
            }
        }
    }
}

/// Our mark: a receiver's arc over three voices.
fn mark() -> Markup {
    html! {
        svg.mark viewBox="0 0 24 24" width="22" height="22" aria-hidden="true" {
            rect x="1" y="1" width="22" height="22" rx="6.5" fill="currentColor" {}
            path d="M7 10.2v3.6M10.3 7.6v8.8M13.7 9.4v5.2M17 8.4v7.2" stroke="var(--on-accent)" stroke-width="1.9" stroke-linecap="round" fill="none" {}
        }
    }
}
