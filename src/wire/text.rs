//! Text that shares its memory with the frame it came in, so that audio crosses the house without being copied.

use std::fmt;
use std::ops::Deref;
use std::str;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// UTF-8 in shared memory. Cloning and slicing count a reference and copy nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Text(Bytes);

impl Text {
    /// Text from bytes, if they are UTF-8.
    pub fn from_utf8(bytes: Bytes) -> Result<Self, str::Utf8Error> {
        str::from_utf8(&bytes)?;
        Ok(Self(bytes))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // Checked when it was made; an empty text would be a lesser evil than a panic.
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// A part of this text that shares its memory. A `part` from elsewhere is copied.
    pub fn share(&self, part: &str) -> Self {
        let whole = self.0.as_ptr_range();
        let piece = part.as_bytes().as_ptr_range();
        if whole.start <= piece.start && piece.end <= whole.end {
            Self(self.0.slice_ref(part.as_bytes()))
        } else {
            Self::from(part)
        }
    }

    /// The bytes beneath.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Bytes::from(text))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes of text>", self.0.len())
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_shares_memory_and_a_stranger_is_copied() {
        let whole = Text::from("hello world");
        let part = whole.share(&whole.as_str()[6..]);
        assert_eq!(part.as_str(), "world");
        assert_eq!(part.as_str().as_ptr(), whole.as_str()[6..].as_ptr());
        assert_eq!(whole.share("elsewhere").as_str(), "elsewhere");
        assert_eq!(whole.share("").as_str(), "");
    }

    #[test]
    fn debug_never_shows_the_words() {
        assert_eq!(format!("{:?}", Text::from("secret")), "<6 bytes of text>");
    }
}
