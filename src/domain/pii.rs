//! Personal data, silent by type.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something about a person: a number, a word they said. It goes where it is needed, and never into a log, a span, a
/// metric or an error: `Debug` prints nothing of it, and there is no `Display`.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pii<T>(T);

impl<T> Pii<T> {
    /// Marks a value as personal.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for the one place that needs it. Search for this word to find them all.
    pub const fn reveal(&self) -> &T {
        &self.0
    }

    /// The value itself, no longer marked.
    pub fn into_revealed(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<personal>")
    }
}

impl<T> From<T> for Pii<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personal_data_is_silent_in_debug() {
        let number = Pii::new("+15551234567".to_owned());
        assert_eq!(format!("{number:?}"), "<personal>");
        assert_eq!(number.reveal(), "+15551234567");
    }
}
