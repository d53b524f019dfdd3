//! How times, numbers and endings are written for people.

use maud::{Markup, html};

use crate::domain::{Ending, Intention, Pii};

/// How many digits of a caller's number are shown.
const SHOWN_DIGITS: usize = 4;

/// Who called, so that a person can tell two callers apart and nobody can call them back.
pub fn masked(from: &Pii<String>) -> String {
    let text = from.reveal().trim();
    let digits: Vec<char> = text.chars().filter(char::is_ascii_digit).collect();
    if text.is_empty() {
        return "unknown".to_owned();
    }
    if text.contains('@') || text.starts_with("sip:") {
        return "SIP address".to_owned();
    }
    if digits.len() <= SHOWN_DIGITS {
        // A word of Twilio's: `anonymous`, `restricted`.
        let is_word = text.chars().all(|letter| letter.is_ascii_alphabetic() || letter == ' ');
        return if is_word { text.to_owned() } else { "a short number".to_owned() };
    }
    let last: String = digits.iter().skip(digits.len() - SHOWN_DIGITS).collect();
    format!("··· {last}")
}

/// A length: `0:07`, `12:30`, `1:02:03`.
pub(super) fn length(ms: u64) -> String {
    let s = ms / 1_000;
    let (hours, minutes, seconds) = (s / 3_600, s / 60 % 60, s % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// A wait: `640 ms`, `2.1 s`.
pub(super) fn wait(ms: u64) -> String {
    if ms < 1_000 { format!("{ms} ms") } else { format!("{}.{} s", ms / 1_000, ms % 1_000 / 100) }
}

/// A place on a time line: `+0.365 s`.
pub(super) fn offset(ms: i64) -> String {
    let sign = if ms < 0 { "−" } else { "+" };
    let ms = ms.unsigned_abs();
    if ms < 60_000 {
        return format!("{sign}{}.{:03} s", ms / 1_000, ms % 1_000);
    }
    format!("{sign}{}:{:02}.{}", ms / 60_000, ms / 1_000 % 60, ms % 1_000 / 100)
}

/// A time of day, for eyes and for programs.
pub(super) fn clock(ms: i64) -> Markup {
    written(ms, "%H:%M:%S")
}

/// A day and a time.
pub(super) fn day_and_time(ms: i64) -> Markup {
    written(ms, "%-d %b %Y, %H:%M")
}

fn written(ms: i64, how: &str) -> Markup {
    let Ok(time) = jiff::Timestamp::from_millisecond(ms) else { return html! { "—" } };
    let utc = time.to_zoned(jiff::tz::TimeZone::UTC);
    html! { time datetime=(format!("{time:.3}")) title=(format!("{time:.3}")) { (utc.strftime(how).to_string()) " UTC" } }
}

/// How long ago, roughly.
pub fn ago(now_ms: i64, then_ms: i64) -> String {
    let s = now_ms.saturating_sub(then_ms).max(0) / 1_000;
    match s {
        0..=4 => "just now".to_owned(),
        5..=119 => format!("{s} s ago"),
        120..=7_199 => format!("{} min ago", s / 60),
        7_200..=172_799 => format!("{} h ago", s / 3_600),
        _ => format!("{} days ago", s / 86_400),
    }
}

/// With a capital letter at its beginning.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// How a call ended, in a few words, and whether that is good, odd or bad.
pub(super) fn ending(ending: &Ending) -> (&'static str, &'static str) {
    match ending {
        Ending::CallerHungUp => ("Caller hung up", "good"),
        Ending::HungUp => ("We hung up", "good"),
        Ending::Transferred(_) => ("Transferred", "good"),
        Ending::NeverConnected => ("Never connected", "bad"),
        Ending::StreamLost => ("Stream lost", "bad"),
        Ending::StreamRefused(_) => ("Stream refused", "bad"),
        Ending::ModelLost => ("Model lost", "bad"),
        Ending::ModelRefused => ("Model refused", "bad"),
        Ending::HandedOver => ("Handed over", "odd"),
        Ending::PlanLimit => ("Plan limit", "odd"),
    }
}

/// The name of an ending in an address.
pub(super) fn ending_word(ending: &Ending) -> &'static str {
    match ending {
        Ending::CallerHungUp => "callerHungUp",
        Ending::HungUp => "hungUp",
        Ending::Transferred(_) => "transferred",
        Ending::NeverConnected => "neverConnected",
        Ending::StreamLost => "streamLost",
        Ending::StreamRefused(_) => "streamRefused",
        Ending::ModelLost => "modelLost",
        Ending::ModelRefused => "modelRefused",
        Ending::HandedOver => "handedOver",
        Ending::PlanLimit => "planLimit",
    }
}

/// What is meant to happen.
pub(super) fn intention(intention: &Intention) -> String {
    match intention {
        Intention::HangUp => "Hangs up after the goodbye".to_owned(),
        Intention::Transfer(to) => format!("Goes to {to} after the goodbye"),
        Intention::FallBack => "Goes to the fallback".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_masked_but_for_its_last_digits_and_a_word_is_left() {
        for (from, shown) in [
            ("+14155550123", "··· 0123"),
            ("anonymous", "anonymous"),
            ("sip:jane@example.com", "SIP address"),
            ("jane.doe@example.com", "SIP address"),
            ("+4412", "a short number"),
            ("", "unknown"),
        ] {
            assert_eq!(masked(&Pii::new(from.to_owned())), shown, "{from}");
        }
    }

    #[test]
    fn lengths_are_written_as_people_read_them() {
        assert_eq!([length(7_900), length(750_000), length(3_723_000)], ["0:07", "12:30", "1:02:03"]);
        assert_eq!([wait(640), wait(2_190)], ["640 ms", "2.1 s"]);
        assert_eq!([offset(365), offset(-12), offset(83_450)], ["+0.365 s", "−0.012 s", "+1:23.4"]);
        assert_eq!(
            [ago(10_000, 9_000), ago(70_000, 0), ago(7_300_000, 0)],
            ["just now", "70 s ago", "2 h ago"]
        );
    }
}
