//! Reads a JSON tree field by field and collects what is wrong with it, each with its place.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// Something wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// Its path, like `businesses[1].lines[0]`; empty for the whole file.
    at: String,
    problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if self.at.is_empty() { "the file" } else { &self.at };
        write!(f, "{at}: {}", self.problem)
    }
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Checker {
    pub(super) mistakes: Vec<Finding>,
    pub(super) warnings: Vec<Finding>,
}

/// The fields of an object in the file.
pub(super) struct Fields {
    /// Those it must have.
    pub(super) needed: &'static [&'static str],
    /// Those it may have.
    pub(super) optional: &'static [&'static str],
}

impl Checker {
    pub(super) fn mistake(&mut self, at: impl Into<String>, problem: impl Into<String>) {
        self.mistakes.push(Finding { at: at.into(), problem: problem.into() });
    }

    pub(super) fn warn(&mut self, at: impl Into<String>, problem: impl Into<String>) {
        self.warnings.push(Finding { at: at.into(), problem: problem.into() });
    }

    /// The fields of an object. Those it must have and has not, and those nobody knows, are mistakes: a typo must not
    /// be dropped in silence.
    pub(super) fn object<'v>(
        &mut self,
        at: &str,
        value: &'v Value,
        fields: &Fields,
    ) -> Option<&'v Map<String, Value>> {
        let Some(object) = value.as_object() else {
            self.mistake(at, format!("must be an object, {{…}}, not {}", kind(value)));
            return None;
        };
        let known = || fields.needed.iter().chain(fields.optional).copied();
        for key in object.keys().filter(|key| !known().any(|known| known == key.as_str())) {
            let problem = match nearest(key, known()) {
                Some(near) => format!("is not a field we know; did you mean `{near}`?"),
                None => {
                    format!("is not a field we know; known are {}", known().collect::<Vec<_>>().join(", "))
                }
            };
            self.mistake(within(at, key), problem);
        }
        for key in fields.needed.iter().filter(|key| !object.contains_key(**key)) {
            self.mistake(within(at, key), "is missing");
        }
        Some(object)
    }

    /// The elements of a list, each with its place; none when the field is absent.
    pub(super) fn list<'v>(
        &mut self,
        at: &str,
        object: &'v Map<String, Value>,
        key: &str,
    ) -> Vec<(String, &'v Value)> {
        let at = within(at, key);
        match object.get(key) {
            None => Vec::new(),
            Some(Value::Array(elements)) => {
                elements.iter().enumerate().map(|(n, element)| (format!("{at}[{n}]"), element)).collect()
            }
            Some(other) => {
                self.mistake(at, format!("must be a list, […], not {}", kind(other)));
                Vec::new()
            }
        }
    }

    /// The value of a field, if it is there and reads.
    pub(super) fn field<T: DeserializeOwned>(
        &mut self,
        at: &str,
        object: &Map<String, Value>,
        key: &str,
    ) -> Option<T> {
        self.read(&within(at, key), object.get(key)?)
    }

    /// The value at a place, if it reads.
    pub(super) fn read<T: DeserializeOwned>(&mut self, at: &str, value: &Value) -> Option<T> {
        match T::deserialize(value) {
            Ok(value) => Some(value),
            Err(error) => {
                let (problem, found) = (error.to_string(), short(value));
                let says_it =
                    problem.contains(&found) || problem.contains(&format!("`{}`", found.trim_matches('"')));
                self.mistake(at, if says_it { problem } else { format!("{problem}; found {found}") });
                None
            }
        }
    }
}

/// A place inside a place.
pub(super) fn within(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }
}

/// The known word that was probably meant, if one is near enough.
pub(super) fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let plain = |word: &str| -> Vec<char> {
        word.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
    };
    let word = plain(word);
    let near = known.map(|known| (distance(&word, &plain(known)), known)).min()?;
    (near.0 <= 1 + word.len() / 4).then_some(near.1)
}

/// How many letters must be put in, left out or exchanged (Levenshtein).
fn distance(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (n, a) in one.iter().enumerate() {
        let mut left = n + 1;
        let mut next = vec![left];
        for (above, b) in row.windows(2).zip(other) {
            let &[diagonal, above] = above else { continue };
            left = (left + 1).min(above + 1).min(diagonal + usize::from(a != b));
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Enough of a value to find it again.
fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 40 { text } else { text.chars().take(40).chain(['…']).collect() }
}

/// A JSON tree in which no object names a field twice: of the two, one would be dropped in silence.
pub(super) struct Tree(pub(super) Value);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Branch.deserialize(deserializer).map(Self)
    }
}

struct Branch;

impl<'de> DeserializeSeed<'de> for Branch {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Branch {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element_seed(Self)? {
            list.push(element);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        let mut seen = BTreeSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format!("the field `{key}` is there twice")));
            }
            object.insert(key, entries.next_value_seed(Self)?);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_that_was_meant_is_found_and_no_other() {
        let known = ["greeting", "minutesPerCall", "lines", "id"];
        for (word, meant) in [
            ("greetings", Some("greeting")),
            ("gretting", Some("greeting")),
            ("minutes_per_call", Some("minutesPerCall")),
            ("Line", Some("lines")),
            ("webhook", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known.into_iter()), meant, "{word}");
        }
    }

    #[test]
    fn a_tree_is_what_the_json_says() {
        let text = r#"{"a":[1,-2,0.5,true,null,"é\n"],"b":{"a":{}},"c":18446744073709551615}"#;
        let Tree(value) = serde_json::from_str(text).unwrap();
        assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn a_field_that_is_there_twice_is_a_mistake_with_its_line() {
        let error = serde_json::from_str::<Tree>("{\"a\":1,\n\"b\":{\"c\":1,\"c\":2}}").err().unwrap();
        assert_eq!(error.to_string(), "the field `c` is there twice at line 2 column 14");
    }
}
