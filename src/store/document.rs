//! Documents as every store keeps them: JSON in camelCase, extra fields tolerated. One that does not read is named,
//! with its field, and without what stands there.

use serde::de::DeserializeOwned;
use serde::{Deserializer, Serialize};

use serde_json::Value;

use super::StoreError;

/// Reads a stored document; `name` is its path, asked for only when it does not read.
pub(super) fn read<T: DeserializeOwned>(text: &str, name: impl FnOnce() -> String) -> Result<T, StoreError> {
    let mut json = serde_json::Deserializer::from_str(text);
    typed(&mut json, name)
}

/// Reads a stored document that is JSON already.
pub(super) fn read_json<T: DeserializeOwned>(
    json: Value,
    name: impl FnOnce() -> String,
) -> Result<T, StoreError> {
    typed(json, name)
}

fn typed<'de, T, D>(json: D, name: impl FnOnce() -> String) -> Result<T, StoreError>
where
    T: DeserializeOwned,
    D: Deserializer<'de, Error = serde_json::Error>,
{
    serde_path_to_error::deserialize(json).map_err(|error| StoreError::Unreadable {
        document: name(),
        field: error.path().to_string(),
        problem: without_values(error.inner()),
    })
}

/// Writes a document down, on one line.
pub(super) fn write(document: &impl Serialize, doing: &'static str) -> Result<String, StoreError> {
    serde_json::to_string(document).map_err(|source| StoreError::Failed { doing, source: source.into() })
}

/// What is wrong, with nothing of what stands there: that may be a caller's words.
fn without_values(error: &serde_json::Error) -> String {
    if !error.is_data() {
        return "is not JSON".to_owned();
    }
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    if text.starts_with("missing field") {
        return format!("has a {text}");
    }
    match text.rsplit_once(", expected ") {
        Some((_, expected)) => format!("is not {expected}"),
        None => "holds what it cannot hold".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Business, Turn};

    fn problem<T: DeserializeOwned + std::fmt::Debug>(text: &str) -> String {
        read::<T>(text, || "here/1".to_owned()).unwrap_err().to_string()
    }

    #[test]
    fn a_document_that_does_not_read_names_itself_and_the_field() {
        let luna = r#"{"id":"luna","name":"Luna","plan":"p","greeting":"Hi","instructions":"","destinations":[
            {"id":"a","label":"a","number":"+15550001111"},{"id":"b","label":"b","number":"555 SECRET"}]}"#;
        let text = problem::<Business>(luna);
        assert!(text.starts_with("could not read here/1: `destinations[1].number` holds what"), "{text}");
        assert!(!text.contains("SECRET"), "{text}");
        let text = problem::<Business>(r#"{"id":"luna","name":7}"#);
        assert!(text.contains("`name` is not a string"), "{text}");
        let text = problem::<Business>(r#"{"id":"luna"}"#);
        assert!(text.contains("`.` has a missing field `name`"), "{text}");
        assert!(problem::<Business>("{").contains("is not JSON"));
    }

    #[test]
    fn what_a_caller_said_is_in_no_error() {
        let text = problem::<Turn>(r#"{"attempt":"my card is 4242, expected nothing"}"#);
        assert!(text.contains("`attempt` is not u8"), "{text}");
    }
}
