//! Reads a JSON tree field by field and collects what is wrong with it, each with its place.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Where something is in a JSON document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(String),
    Element(usize),
}

impl Place {
    /// A field of what is here.
    pub(super) fn field(&self, name: &str) -> Self {
        self.and(Step::Field(name.to_owned()))
    }

    /// An element of the list that is here.
    pub(super) fn element(&self, number: usize) -> Self {
        self.and(Step::Element(number))
    }

    fn and(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// As a JSON Pointer (RFC 6901): `/businesses/1/lines/0`; empty for the whole document.
    pub fn pointer(&self) -> String {
        let steps = self.0.iter().map(|step| match step {
            Step::Field(name) => format!("/{}", name.replace('~', "~0").replace('/', "~1")),
            Step::Element(number) => format!("/{number}"),
        });
        steps.collect()
    }
}

impl fmt::Display for Place {
    /// For people: `businesses[1].lines[0]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) if number == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Element(number) => write!(f, "[{number}]")?,
            }
        }
        Ok(())
    }
}

/// Something wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub at: Place,
    /// What is wrong there, and what to do.
    pub problem: String,
    /// Of which sort it is.
    pub fault: Fault,
}

/// Sorts of mistakes that are to be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is no JSON at all.
    NotJson,
    /// It calls itself something else than whoever sent it does.
    OtherId,
    /// A line in it is somebody else's.
    LineTaken,
    /// Anything else: the words are wrong.
    Wrong,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.fault, self.at.0.is_empty()) {
            // It begins with the line and the column.
            (Fault::NotJson, _) => f.write_str(&self.problem),
            (_, true) => write!(f, "the file: {}", self.problem),
            (_, false) => write!(f, "{}: {}", self.at, self.problem),
        }
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
    pub(super) fn mistake(&mut self, at: Place, problem: impl Into<String>) {
        self.fault(Fault::Wrong, at, problem);
    }

    pub(super) fn fault(&mut self, fault: Fault, at: Place, problem: impl Into<String>) {
        self.mistakes.push(Finding { at, problem: problem.into(), fault });
    }

    pub(super) fn warn(&mut self, at: Place, problem: impl Into<String>) {
        self.warnings.push(Finding { at, problem: problem.into(), fault: Fault::Wrong });
    }

    /// The fields of an object. Those it must have and has not, and those nobody knows, are mistakes: a typo must not
    /// be dropped in silence.
    pub(super) fn object<'v>(
        &mut self,
        at: &Place,
        value: &'v Value,
        fields: &Fields,
    ) -> Option<&'v Map<String, Value>> {
        let Some(object) = value.as_object() else {
            self.mistake(at.clone(), format!("must be an object, {{…}}, not {}", kind(value)));
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
            self.mistake(at.field(key), problem);
        }
        for key in fields.needed.iter().filter(|key| !object.contains_key(**key)) {
            self.mistake(at.field(key), "is missing");
        }
        Some(object)
    }

    /// The elements of a list, each with its place; none when the field is absent.
    pub(super) fn list<'v>(
        &mut self,
        at: &Place,
        object: &'v Map<String, Value>,
        key: &str,
    ) -> Vec<(Place, &'v Value)> {
        let at = at.field(key);
        match object.get(key) {
            None => Vec::new(),
            Some(Value::Array(elements)) => {
                elements.iter().enumerate().map(|(n, element)| (at.element(n), element)).collect()
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
        at: &Place,
        object: &Map<String, Value>,
        key: &str,
    ) -> Option<T> {
        self.read(&at.field(key), object.get(key)?)
    }

    /// The value at a place, if it reads.
    pub(super) fn read<T: DeserializeOwned>(&mut self, at: &Place, value: &Value) -> Option<T> {
        match T::deserialize(value) {
            Ok(value) => Some(value),
            Err(error) => {
                let (problem, found) = (error.to_string(), short(value));
                let says_it =
                    problem.contains(&found) || problem.contains(&format!("`{}`", found.trim_matches('"')));
                self.mistake(at.clone(), if says_it { problem } else { format!("{problem}; found {found}") });
                None
            }
        }
    }
}

/// The known word that was probably meant, if one is near enough.
pub fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_for_people_and_points_for_programs() {
        let place = Place::default().field("businesses").element(1).field("a.b/c~d");
        assert_eq!(place.to_string(), "businesses[1].a.b/c~d");
        assert_eq!(place.pointer(), "/businesses/1/a.b~1c~0d");
        assert_eq!(
            (Place::default().to_string(), Place::default().pointer()),
            (String::new(), String::new())
        );
    }

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
}
