//! What the form of a business is made of: fields, each with what is wrong with it beside it.

use maud::{Markup, html};

use super::Remark;
use crate::domain::Tool;

/// A row of text that must not be empty.
pub(super) fn text(name: &'static str, label: &str, hint: &str, value: &str, remarks: &[Remark]) -> Markup {
    field(name, label, hint, &format!("/{name}"), remarks, &|wrong| {
        html! { input id=(name) name=(name) value=(value) required aria-invalid=[wrong] aria-describedby={ (name) "-more" }; }
    })
}

/// A field with its label, its hint, and what is wrong with it.
pub(super) fn field(
    name: &str,
    label: &str,
    hint: &str,
    pointer: &str,
    remarks: &[Remark],
    input: &dyn Fn(Option<&'static str>) -> Markup,
) -> Markup {
    html! {
        div.field {
            label for=(name) { (label) }
            (input(invalid_at(pointer, remarks)))
            div id={ (name) "-more" } {
                @if !hint.is_empty() { p.hint { (hint) } }
                (wrong_at(pointer, remarks))
            }
        }
    }
}

/// What `aria-invalid` says of what is there.
pub(super) fn invalid_at(pointer: &str, remarks: &[Remark]) -> Option<&'static str> {
    remarks.iter().any(|remark| concerns(remark, pointer)).then_some("true")
}

/// What is wrong there, or in a part of it.
pub(super) fn wrong_at(pointer: &str, remarks: &[Remark]) -> Markup {
    html! {
        @for remark in remarks.iter().filter(|remark| concerns(remark, pointer)) { p.wrong { (remark.says) } }
    }
}

/// `/lines/0` as a person says it: `lines 1`.
pub(super) fn place(pointer: &str) -> String {
    let said = |part: &str| match part.parse::<usize>() {
        Ok(number) => number.saturating_add(1).to_string(),
        Err(_) => spaced(part),
    };
    let words: Vec<String> = pointer.split('/').filter(|part| !part.is_empty()).map(said).collect();
    if words.is_empty() { "the form".to_owned() } else { words.join(" ") }
}

/// A tool's name on the wire.
pub(super) fn word(tool: Tool) -> &'static str {
    match tool {
        Tool::EndCall => "end_call",
        Tool::TransferCall => "transfer_call",
        Tool::TakeMessage => "take_message",
    }
}

/// `silenceDurationMs` as a person reads it: `silence duration ms`.
fn spaced(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

fn concerns(remark: &Remark, pointer: &str) -> bool {
    let rest = remark.pointer.strip_prefix(pointer);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_said_as_people_say_it_and_concerns_no_field_with_a_longer_name() {
        assert_eq!(place("/turnDetection/silenceDurationMs"), "turn detection silence duration ms");
        assert_eq!([place("/lines/0"), place("")], ["lines 1", "the form"]);
        let remark = Remark { pointer: "/recordingAnnouncement".to_owned(), says: String::new() };
        assert!(concerns(&remark, "/recordingAnnouncement") && !concerns(&remark, "/recording"));
        let remark = Remark { pointer: "/lines/0".to_owned(), says: String::new() };
        assert!(concerns(&remark, "/lines"));
    }
}
