//! What a business's own tools may look like. Their parameters go to the model's service and into every store as they are,
//! and arguments are held against them: so they are small, and say nothing that would not be checked.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Map, Value};
use url::{Host, Url};

use super::checker::{Checker, Place, nearest};
use super::shape::{HTTP_TOOL, check_secret, check_webhook_url};
use crate::domain::parameters::{CHECKED, TOLD, TYPES};
use crate::domain::{HttpTool, Tool, ToolName, is_private_name};

/// The longest description; the model hears all of them at the start of every session.
const LONGEST_DESCRIPTION: usize = 1_024;

/// The largest schema, as JSON: with [`HttpTool::MOST`] of them a session is still set up by one message.
const LARGEST_SCHEMA_BYTES: usize = 4 * 1_024;

/// How deep a schema may go, in schemas: nobody dictates what is deeper, and Firestore keeps no more than twenty maps in
/// each other, of which each schema is two.
const DEEPEST_SCHEMA: usize = 5;

/// The longest name of a property.
const LONGEST_PROPERTY: usize = 64;

/// A secret is never said, nor is a URL that may have one in it.
pub(super) fn check_http_tools(checker: &mut Checker, at: &Place, business: &Map<String, Value>) {
    let tools = checker.list(at, business, "httpTools");
    if tools.len() > HttpTool::MOST {
        let problem = format!("are more than {}; a model could not choose among them", HttpTool::MOST);
        return checker.mistake(at.field("httpTools"), problem);
    }
    let mut names = BTreeSet::new();
    for (at, value) in tools {
        let Some(tool) = checker.object(&at, value, &HTTP_TOOL) else { continue };
        if let Some(name) = checker.field::<ToolName>(&at, tool, "name") {
            check_name(checker, at.field("name"), name, &mut names);
        }
        check_description(checker, &at, tool);
        if let Some(schema) = tool.get("parameters") {
            check_parameters(checker, at.field("parameters"), schema);
        }
        if let Some(url) = tool.get("url")
            && let Some(url) = check_webhook_url(checker, at.field("url"), url.as_str())
        {
            check_host(checker, at.field("url"), &url);
        }
        if let Some(secret) = tool.get("secret") {
            check_secret(checker, at.field("secret"), secret);
        }
        let limits = HttpTool::DEADLINE_MS;
        if checker.field::<u32>(&at, tool, "deadlineMs").is_some_and(|ms| !limits.contains(&ms)) {
            let problem = format!("must be between {} and {}", limits.start(), limits.end());
            checker.mistake(at.field("deadlineMs"), problem);
        }
    }
}

fn check_name(checker: &mut Checker, at: Place, name: ToolName, names: &mut BTreeSet<ToolName>) {
    if Tool::ALL.iter().any(|built_in| built_in.name() == name.as_str()) {
        checker.mistake(at, format!("{name} is built in; choose another name, or put it into `tools`"));
    } else if names.contains(&name) {
        checker.mistake(at, format!("{name} is there twice; the model could not tell which"));
    } else {
        names.insert(name);
    }
}

fn check_description(checker: &mut Checker, at: &Place, tool: &Map<String, Value>) {
    let Some(description) = checker.field::<String>(at, tool, "description") else { return };
    if description.trim().is_empty() {
        checker.mistake(
            at.field("description"),
            "is empty; write what it does and when the model should use it",
        );
    } else if description.len() > LONGEST_DESCRIPTION {
        checker.mistake(at.field("description"), format!("is longer than {LONGEST_DESCRIPTION} bytes"));
    }
}

/// A host that the client would refuse whenever it is asked. A name is judged again by where it leads.
fn check_host(checker: &mut Checker, at: Place, url: &Url) {
    let private = match url.host() {
        Some(Host::Ipv4(address)) => is_private(address.into()),
        Some(Host::Ipv6(address)) => is_private(address.into()),
        // What is on this machine was warned of already.
        Some(Host::Domain(name)) => name != "localhost" && is_private_name(name),
        None => false,
    };
    if private {
        checker.mistake(
            at,
            "is in a private network, which tools are never asked in; name a host that the internet reaches",
        );
    }
}

/// The addresses people mean when they mean a private network; the client knows all of them.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            address.is_private()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_multicast()
        }
        IpAddr::V6(address) => {
            address.is_unique_local()
                || address.is_unicast_link_local()
                || address.is_unspecified()
                || address.is_multicast()
        }
    }
}

fn check_parameters(checker: &mut Checker, at: Place, schema: &Value) {
    if schema.to_string().len() > LARGEST_SCHEMA_BYTES {
        return checker.mistake(at, format!("is larger than {LARGEST_SCHEMA_BYTES} bytes; ask for less"));
    }
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return checker
            .mistake(at, "must be a schema of an object: {\"type\":\"object\",\"properties\":{…}}");
    }
    check_schema(checker, &at, schema, 1);
}

fn check_schema(checker: &mut Checker, at: &Place, schema: &Value, depth: usize) {
    let Some(object) = schema.as_object() else {
        return checker.mistake(at.clone(), "must be a schema, {…}");
    };
    if depth > DEEPEST_SCHEMA {
        return checker.mistake(at.clone(), format!("is deeper than {DEEPEST_SCHEMA} schemas; ask for less"));
    }
    for (word, value) in object {
        let place = at.field(word);
        if let Some(problem) = fault_of_word(word, value, object) {
            checker.mistake(place, problem);
        } else if word == "items" {
            check_schema(checker, &place, value, depth + 1);
        } else if word == "properties" {
            for (name, schema) in value.as_object().into_iter().flatten() {
                check_schema(checker, &place.field(name), schema, depth + 1);
            }
        }
    }
}

/// What is wrong with one word of a schema. What is not checked in a call is refused here: whoever wrote it would rely on
/// it.
fn fault_of_word(word: &str, value: &Value, schema: &Map<String, Value>) -> Option<String> {
    match word {
        "type" => {
            (!is_type(value)).then(|| format!("must be one of {}, or a list of them", TYPES.join(", ")))
        }
        "properties" => fault_of_names(value),
        "required" => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let is_there = |name: &Value| {
                name.as_str().is_some_and(|name| properties.is_some_and(|all| all.contains_key(name)))
            };
            let right = value.as_array().is_some_and(|names| names.iter().all(is_there));
            (!right).then(|| "must be a list of names that are in `properties`".to_owned())
        }
        "additionalProperties" => (!value.is_boolean()).then(|| "must be true or false".to_owned()),
        "items" => (!value.is_object()).then(|| "must be one schema, {…}".to_owned()),
        "enum" => {
            let plain = |choice: &Value| !choice.is_array() && !choice.is_object();
            let right =
                value.as_array().is_some_and(|choices| !choices.is_empty() && choices.iter().all(plain));
            (!right).then(|| "must be a list of texts, numbers or other plain values".to_owned())
        }
        "minimum" | "maximum" => (!value.is_number()).then(|| "must be a number".to_owned()),
        "minLength" | "maxLength" | "minItems" | "maxItems" => {
            (!value.is_u64()).then(|| "must be a whole number, at least 0".to_owned())
        }
        told if TOLD.contains(&told) => holds_nested_lists(value)
            .then(|| "must hold no list in a list, and no null: not every store can keep that".to_owned()),
        _unknown => Some(match nearest(word, CHECKED.into_iter().chain(TOLD)) {
            Some(near) => format!("is not among the words that are checked; did you mean `{near}`?"),
            None => format!("is not among the words that are checked: {}", CHECKED.join(", ")),
        }),
    }
}

fn is_type(value: &Value) -> bool {
    let known = |value: &Value| value.as_str().is_some_and(|word| TYPES.contains(&word));
    value.as_array().map_or_else(|| known(value), |any| !any.is_empty() && any.iter().all(known))
}

fn fault_of_names(value: &Value) -> Option<String> {
    let Some(properties) = value.as_object() else { return Some("must be an object, {…}".to_owned()) };
    let legal = |name: &String| {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        plain && (1..=LONGEST_PROPERTY).contains(&name.len()) && !name.starts_with("__")
    };
    (!properties.keys().all(legal)).then(|| {
        format!("must have names of 1 to {LONGEST_PROPERTY} letters, digits, '-' or '_', not beginning with \"__\"")
    })
}

/// Firestore keeps no list in a list, and leaves out a field that is null.
fn holds_nested_lists(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| item.is_array() || holds_nested_lists(item)),
        Value::Object(fields) => fields.values().any(holds_nested_lists),
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
