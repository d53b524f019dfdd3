//! Takes values as people paste them, and collects what is wrong with them.

use std::fmt::Display;
use std::ops::RangeInclusive;

use super::mistakes::{ConfigErrors, Mistake, Warning};
use super::settings;

/// Reads variables and remembers every mistake and every oddity on the way.
pub(super) struct Reader<'a> {
    read: &'a dyn Fn(&str) -> Option<String>,
    mistakes: Vec<Mistake>,
    warnings: Vec<Warning>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(read: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { read, mistakes: Vec::new(), warnings: Vec::new() }
    }

    /// A setting of ours, freed of what forms and shells leave around a value; blank is the same as not set.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        let raw = (self.read)(name)?;
        let mut value = raw.trim();
        let named = value.strip_prefix(name).and_then(|rest| rest.strip_prefix('='));
        if let Some(rest) = named {
            value = rest.trim();
            self.warn(name, "had its own name in its value; it was left off, correct it where you set it");
        }
        let quoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
        if let Some(inner) = quoted {
            value = inner.trim();
            self.warn(name, "had quotes around its value; they were left off, remove them where you set it");
        } else if named.is_none() && value.len() < raw.len() && !value.is_empty() {
            self.warn(name, "had blanks or a line break around its value; they were left off");
        }
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// A variable somebody else sets: a platform, or an older name of ours.
    pub(super) fn beside(&self, name: &str) -> Option<String> {
        let value = (self.read)(name)?.trim().to_owned();
        (!value.is_empty()).then_some(value)
    }

    /// A whole number within a range, or its default.
    pub(super) fn number(&mut self, name: &'static str, range: RangeInclusive<u32>) -> u32 {
        let fallback = settings::default_of(name).parse().unwrap_or(*range.start());
        let text = self.text(name);
        text.map_or(fallback, |text| self.parse_number(name, &text, range))
    }

    /// A whole number within a range; after a mistake, the least of it.
    pub(super) fn parse_number(&mut self, name: &'static str, text: &str, range: RangeInclusive<u32>) -> u32 {
        match text.parse() {
            Ok(number) if range.contains(&number) => number,
            Ok(_) | Err(_) => {
                let (least, most) = range.into_inner();
                self.mistake(
                    name,
                    format!("is {text:?}"),
                    format!("write a whole number from {least} to {most}, or leave it off"),
                );
                least
            }
        }
    }

    pub(super) fn mistake(&mut self, setting: &'static str, wrong: impl Display, remedy: impl Display) {
        let (wrong, remedy) = (wrong.to_string(), remedy.to_string());
        self.mistakes.push(Mistake { setting, wrong, remedy });
    }

    pub(super) fn warn(&mut self, setting: &'static str, text: impl Display) {
        self.warnings.push(Warning { setting, text: text.to_string() });
    }

    /// What was remembered, for whoever goes on without the values.
    pub(super) fn into_remarks(self) -> (Vec<Mistake>, Vec<Warning>) {
        (self.mistakes, self.warnings)
    }

    /// The value with all warnings, unless there was a mistake; a value that is not there is always one.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<(T, Vec<Warning>), ConfigErrors> {
        debug_assert!(value.is_some() || !self.mistakes.is_empty());
        match value {
            Some(value) if self.mistakes.is_empty() => Ok((value, self.warnings)),
            Some(_) | None => Err(ConfigErrors(self.mistakes)),
        }
    }
}

/// Whether every character is one a key could have; what breaks a key in the middle is mostly a line break or a
/// blank from a form, or a quotation mark from a word processor.
pub(super) fn could_be_a_key(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_graphic())
}
