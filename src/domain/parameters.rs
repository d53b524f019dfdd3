//! Whether arguments are what a tool's parameters want: as much of JSON Schema as a telephone call needs, and no more.
//! What is not looked at here is refused when a tool is imported, so that nobody relies on a check there is not.
//!
//! Source: JSON Schema 2020-12, validation vocabulary.

use serde_json::{Map, Value};

/// Words of JSON Schema that are checked.
pub const CHECKED: [&str; 12] = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "enum",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
];

/// Words that are told to the model, and not checked.
pub const TOLD: [&str; 7] = ["title", "description", "default", "examples", "format", "pattern", "$schema"];

/// Words for the kinds of values.
pub const TYPES: [&str; 7] = ["object", "array", "string", "integer", "number", "boolean", "null"];

/// What is wrong with arguments, in words for whoever made them, and with nothing of what they hold; nothing when they
/// are right. An argument that is not among the `properties` is refused, unless `additionalProperties` is true. A schema
/// that does not read asks for nothing.
pub fn fault_in(parameters: &Value, arguments: &Value) -> Option<String> {
    look(parameters, arguments, &mut Vec::new())
}

fn look<'s>(schema: &'s Value, value: &Value, at: &mut Vec<&'s str>) -> Option<String> {
    let schema = schema.as_object()?;
    if let Some(wanted) = schema.get("type").filter(|wanted| !is_of(value, wanted)) {
        return Some(format!("{} must be of type {}", place(at), type_words(wanted)));
    }
    if let Some(choices) = schema.get("enum").and_then(Value::as_array)
        && !choices.iter().any(|choice| is_same(choice, value))
    {
        return Some(format!("{} must be one of {}", place(at), Value::from(choices.clone())));
    }
    match value {
        Value::Object(object) => look_into_object(schema, object, at),
        Value::Array(items) => look_into_list(schema, items, at),
        Value::String(text) => beyond(schema, "minLength", "maxLength", text.chars().count())
            .map(|limit| format!("{} must have {limit} characters", place(at))),
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            let limit = |name: &str| schema.get(name).and_then(Value::as_f64);
            let low =
                limit("minimum").filter(|least| number < *least).map(|least| format!("at least {least}"));
            let high =
                || limit("maximum").filter(|most| number > *most).map(|most| format!("at most {most}"));
            low.or_else(high).map(|limit| format!("{} must be {limit}", place(at)))
        }
        Value::Null | Value::Bool(_) => None,
    }
}

fn look_into_object<'s>(
    schema: &'s Map<String, Value>,
    object: &Map<String, Value>,
    at: &mut Vec<&'s str>,
) -> Option<String> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let needed = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    if let Some(missing) = needed.filter_map(Value::as_str).find(|name| !object.contains_key(*name)) {
        return Some(format!("{} is missing", place_in(at, missing)));
    }
    let open = schema.get("additionalProperties") == Some(&Value::Bool(true));
    let known = |name: &String| properties.is_some_and(|properties| properties.contains_key(name));
    if !open && object.keys().any(|name| !known(name)) {
        let names: Vec<&str> = properties.into_iter().flat_map(Map::keys).map(String::as_str).collect();
        let known = if names.is_empty() { "there are none".to_owned() } else { names.join(", ") };
        return Some(format!("{} has an argument that is not known; known are: {known}", place(at)));
    }
    properties.into_iter().flatten().find_map(|(name, schema)| {
        let value = object.get(name)?;
        at.push(name);
        let fault = look(schema, value, at);
        at.pop();
        fault
    })
}

fn look_into_list<'s>(
    schema: &'s Map<String, Value>,
    items: &[Value],
    at: &mut Vec<&'s str>,
) -> Option<String> {
    if let Some(limit) = beyond(schema, "minItems", "maxItems", items.len()) {
        return Some(format!("{} must have {limit} items", place(at)));
    }
    let of_each = schema.get("items")?;
    items.iter().find_map(|item| look(of_each, item, at))
}

/// Which limit a size is beyond, if it is.
fn beyond(schema: &Map<String, Value>, least: &str, most: &str, size: usize) -> Option<String> {
    let limit = |name: &str| schema.get(name).and_then(Value::as_u64);
    let size = u64::try_from(size).unwrap_or(u64::MAX);
    if let Some(least) = limit(least).filter(|least| size < *least) {
        return Some(format!("at least {least}"));
    }
    limit(most).filter(|most| size > *most).map(|most| format!("at most {most}"))
}

fn is_of(value: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::String(wanted) => is_a(value, wanted),
        Value::Array(any) => any.iter().filter_map(Value::as_str).any(|wanted| is_a(value, wanted)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => true,
    }
}

fn is_a(value: &Value, wanted: &str) -> bool {
    match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        // A whole number is one however it is written.
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|it| it.fract() == 0.0),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _unknown => true,
    }
}

/// Numbers are the same however they are written.
fn is_same(one: &Value, other: &Value) -> bool {
    one == other || (one.is_number() && other.is_number() && one.as_f64() == other.as_f64())
}

fn type_words(wanted: &Value) -> String {
    match wanted {
        Value::String(wanted) => wanted.clone(),
        Value::Array(any) => any.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => "any".to_owned(),
    }
}

fn place(at: &[&str]) -> String {
    if at.is_empty() { "the arguments".to_owned() } else { format!("`{}`", at.join(".")) }
}

fn place_in(at: &[&str], name: &str) -> String {
    let names: Vec<&str> = at.iter().copied().chain([name]).collect();
    place(&names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn booking() -> Value {
        json!({"type": "object", "required": ["day", "people"], "properties": {
            "day": {"type": "string", "minLength": 3, "maxLength": 10, "description": "which"},
            "people": {"type": "integer", "minimum": 1, "maximum": 12},
            "where": {"type": "string", "enum": ["inside", "outside"]},
            "guest": {"type": ["object", "null"], "required": ["name"], "properties": {"name": {"type": "string"}}},
            "wishes": {"type": "array", "maxItems": 2, "items": {"type": "string"}},
            "anything": {"type": "object", "additionalProperties": true}}})
    }

    #[test]
    fn arguments_that_are_right_have_no_fault() {
        for right in [
            json!({"day": "mon", "people": 2}),
            json!({"day": "mon", "people": 2.0, "where": "inside", "guest": null, "wishes": ["a", "b"]}),
            json!({"day": "日曜日", "people": 12, "guest": {"name": ""}, "anything": {"x": [1]}}),
        ] {
            assert_eq!(fault_in(&booking(), &right), None, "{right}");
        }
        assert_eq!(fault_in(&json!({"type": "object"}), &json!({})), None);
    }

    #[test]
    fn a_fault_is_told_with_its_place_and_without_what_stands_there() {
        for (wrong, words) in [
            (json!([]), "the arguments must be of type object"),
            (json!({"people": 2}), "`day` is missing"),
            (json!({"day": 7, "people": 2}), "`day` must be of type string"),
            (json!({"day": "mo", "people": 2}), "`day` must have at least 3 characters"),
            (json!({"day": "SECRET SECRET", "people": 2}), "`day` must have at most 10 characters"),
            (json!({"day": "mon", "people": 2.5}), "`people` must be of type integer"),
            (json!({"day": "mon", "people": 0}), "`people` must be at least 1"),
            (json!({"day": "mon", "people": 1e300}), "`people` must be at most 12"),
            (
                json!({"day": "mon", "people": 2, "where": "SECRET"}),
                r#"`where` must be one of ["inside","outside"]"#,
            ),
            (json!({"day": "mon", "people": 2, "guest": {}}), "`guest.name` is missing"),
            (json!({"day": "mon", "people": 2, "guest": 1}), "`guest` must be of type object or null"),
            (
                json!({"day": "mon", "people": 2, "guest": {"name": "a", "SECRET": 1}}),
                "`guest` has an argument",
            ),
            (json!({"day": "mon", "people": 2, "wishes": ["a", 1]}), "`wishes` must be of type string"),
            (
                json!({"day": "mon", "people": 2, "wishes": ["a", "b", "c"]}),
                "`wishes` must have at most 2 items",
            ),
            (
                json!({"day": "mon", "people": 2, "SECRET": 1}),
                "the arguments has an argument that is not known",
            ),
        ] {
            let fault = fault_in(&booking(), &wrong).unwrap();
            assert!(fault.contains(words) && !fault.contains("SECRET"), "{fault}");
        }
        let none = fault_in(&json!({"type": "object"}), &json!({"x": 1})).unwrap();
        assert!(none.ends_with("there are none"), "{none}");
    }

    proptest! {
        #[test]
        fn whatever_is_looked_at_by_whatever_schema_nothing_panics(schema: String, value: String) {
            let read = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
            fault_in(&read(&schema), &read(&value));
        }
    }
}
