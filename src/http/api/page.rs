//! The page on which a person reads what the API can do: the OpenAPI document, written as HTML by the server. Nothing in
//! it is fetched from elsewhere, and nothing in it runs.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Asked, Nothing, document};
use crate::http::admin::Admin;
use crate::http::problem::{Kind, Problem};
use crate::http::{App, paths};

/// How the page looks.
const STYLE: &str = include_str!("page.css");

/// What can be done with a path, in the order in which people look for it.
const METHODS: [&str; 4] = ["get", "put", "post", "delete"];

/// What every request can meet, said once.
const COMMON: [&str; 4] = ["401", "403", "500", "503"];

/// The page. Its policy lets it look as we wrote it, and do nothing.
pub(super) async fn page(
    _: Admin,
    State(app): State<Arc<App>>,
    _: Asked<Nothing>,
) -> Result<Response, Problem> {
    let document = serde_json::to_value(document::document(&app));
    let document =
        document.map_err(|_| Problem::new(Kind::Failed, "the document could not be written down"))?;
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let mut response = written(&document, app.public_url.as_str()).into_response();
    let headers = response.headers_mut();
    // A hash in base64 is legal in a header.
    let policy =
        HeaderValue::try_from(policy).unwrap_or(const { HeaderValue::from_static("default-src 'none'") });
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

fn written(document: &Value, base: &str) -> Markup {
    let operations = operations(document);
    let tags: Vec<&Value> = list(at(document, "/tags")).collect();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "frontdesk API" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                nav aria-label="Contents" {
                    a.name href="#top" { "frontdesk " small { (text(at(document, "/info/version"))) } }
                    @for tag in &tags { (contents(text(at(tag, "/name")), &operations)) }
                    a href="#shapes" { "Shapes" }
                    a href="#problems" { "Problems" }
                }
                main #top {
                    h1 { "API" }
                    (prose(text(at(document, "/info/description"))))
                    pre { code { "curl -H \"Authorization: Bearer $ADMIN_TOKEN\" " (base) "/api/businesses" } }
                    p { a href=(paths::API_DOCUMENT) { "The OpenAPI document" } " for programs." }
                    @for tag in &tags {
                        section {
                            h2 id=(anchor(text(at(tag, "/name")))) { (text(at(tag, "/name"))) }
                            (prose(text(at(tag, "/description"))))
                            @for operation in operations.iter().filter(|it| it.tag == text(at(tag, "/name"))) {
                                (shown(operation))
                            }
                        }
                    }
                    section {
                        h2 #shapes { "Shapes" }
                        @for (name, schema) in entries(at(document, "/components/schemas")) { (shape(name, schema)) }
                    }
                    section {
                        h2 #problems { "Problems" }
                        p { "Beside what stands with it, every request can meet " (words_said(&COMMON)) "." }
                        @for kind in Kind::ALL { (problem(kind)) }
                    }
                }
            }
        }
    }
}

/// One thing that can be done.
struct Operation<'d> {
    method: &'static str,
    path: &'d str,
    tag: &'d str,
    words: &'d Value,
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let mut all = Vec::new();
    for (path, item) in entries(at(document, "/paths")) {
        for method in METHODS {
            if let Some(words) = item.get(method) {
                all.push(Operation { method, path, tag: text(at(words, "/tags/0")), words });
            }
        }
    }
    all
}

fn contents(tag: &str, operations: &[Operation<'_>]) -> Markup {
    html! {
        a href={ "#" (anchor(tag)) } { (tag) }
        ul {
            @for operation in operations.iter().filter(|operation| operation.tag == tag) {
                li { a href={ "#" (text(at(operation.words, "/operationId"))) } { (first_sentence(operation)) } }
            }
        }
    }
}

fn first_sentence<'d>(operation: &Operation<'d>) -> &'d str {
    text(at(operation.words, "/summary")).trim_end_matches('.')
}

fn shown(operation: &Operation<'_>) -> Markup {
    let words = operation.words;
    let parameters: Vec<_> = list(at(words, "/parameters")).collect();
    html! {
        article id=(text(at(words, "/operationId"))) {
            h3 {
                span class={ "method " (operation.method) } { (operation.method.to_uppercase()) }
                code { (path(operation.path)) }
            }
            p.summary { (first_sentence(operation)) }
            (prose(text(at(words, "/description"))))
            @if !parameters.is_empty() {
                h4 { "Asked with" }
                dl {
                    @for parameter in parameters {
                        dt {
                            code { (text(at(parameter, "/name"))) }
                            " " small { (text(at(parameter, "/in"))) (limits(at(parameter, "/schema"))) }
                        }
                        dd { (inline(text(at(parameter, "/description")))) }
                    }
                }
            }
            @if let Some(content) = words.pointer("/requestBody/content/application~1json") {
                h4 { "Body" }
                p { (kind_of(at(content, "/schema"))) }
            }
            h4 { "Answered with" }
            dl.answers { @for (status, response) in own_answers(words) { (answer(status, response)) } }
        }
    }
}

/// What it is answered with, without what everything can be.
fn own_answers(words: &Value) -> impl Iterator<Item = (&str, &Value)> {
    entries(at(words, "/responses")).filter(|(status, _)| !COMMON.contains(status))
}

fn answer(status: &str, response: &Value) -> Markup {
    let content = entries(at(response, "/content")).next();
    html! {
        dt { span class={ "status s" (status.get(..1).unwrap_or_default()) } { (status) } }
        dd {
            (inline(text(at(response, "/description"))))
            @if let Some(("application/json", content)) = content { ": " (kind_of(at(content, "/schema"))) }
        }
    }
}

/// A path whose variable parts are seen at once.
fn path(path: &str) -> Markup {
    html! {
        @for (number, part) in path.split(['{', '}']).enumerate() {
            @if number % 2 == 0 { (part) } @else { var { "{" (part) "}" } }
        }
    }
}

fn shape(name: &str, schema: &Value) -> Markup {
    html! {
        article id={ "shape-" (name) } {
            h3 { code { (pretty(name)) } }
            (prose(text(at(schema, "/description"))))
            (fields(schema))
            @for part in list(at(schema, "/allOf")) {
                @if part.get("$ref").is_some() { p { "All of " (kind_of(part)) ", and:" } }
                @else { (fields(part)) }
            }
            @if let Some(words) = schema.get("enum") { p { "One of " (words_of(words)) "." } }
            @for variant in list(at(schema, "/oneOf")) {
                p.or { (inline(text(at(variant, "/description")))) }
                (fields(variant))
            }
            @if let Some(example) = schema.get("example") {
                details { summary { "Example" } pre { code { (format!("{example:#}")) } } }
            }
        }
    }
}

fn fields(schema: &Value) -> Markup {
    let needed: Vec<&str> = list(at(schema, "/required")).map(text).collect();
    let (mut fields, absent): (Vec<_>, Vec<_>) =
        entries(at(schema, "/properties")).partition(|(name, _)| needed.contains(name));
    // What is always there comes first.
    fields.extend(absent);
    html! {
        @if !fields.is_empty() {
            dl {
                @for (name, field) in fields {
                    dt {
                        code { (name) }
                        " " small { (kind_of(field)) (limits(field)) @if !needed.contains(&name) { ", may be absent" } }
                    }
                    dd { (inline(description(field))) }
                }
            }
        }
    }
}

/// What is said of a field; of one that may be null, it stands with what else it may be.
fn description(field: &Value) -> &str {
    let inner = list(at(field, "/oneOf")).find_map(|one| one.get("description"));
    field.get("description").or(inner).map_or("", text)
}

/// What a value is, in a word or a link.
fn kind_of(schema: &Value) -> Markup {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return html! { a href={ "#shape-" (name) } { (pretty(name)) } };
    }
    if let Some(one) = list(at(schema, "/oneOf")).find(|one| one["type"] != "null") {
        return kind_of(one);
    }
    if let Some(constant) = schema.get("enum") {
        return words_of(constant);
    }
    let kind = match at(schema, "/type") {
        Value::Array(kinds) => kinds.iter().map(text).find(|kind| *kind != "null").unwrap_or_default(),
        kind @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            text(kind)
        }
    };
    match (kind, schema["format"].as_str()) {
        ("array", _) => html! { "list of " (kind_of(at(schema, "/items"))) },
        ("string", Some("date-time")) => html! { "time" },
        ("string", _) => html! { "text" },
        ("integer", _) => html! { "whole number" },
        ("boolean", _) => html! { "true or false" },
        ("", _) => html! { "anything" },
        (other, _) => html! { (other) },
    }
}

fn words_said(words: &[&str]) -> Markup {
    html! { @for (number, word) in words.iter().enumerate() { @if number > 0 { ", " } code { (word) } } }
}

fn words_of(words: &Value) -> Markup {
    words_said(&list(words).map(text).collect::<Vec<_>>())
}

/// Between what a number has to be, and what it is when nobody says.
fn limits(schema: &Value) -> String {
    let mut said = String::new();
    match (schema["minimum"].as_f64().filter(|least| *least != 0.0), schema["maximum"].as_f64()) {
        (Some(least), Some(most)) => said = format!(", {least} to {most}"),
        (Some(least), None) => said = format!(", at least {least}"),
        (None, Some(most)) => said = format!(", at most {most}"),
        (None, None) => {}
    }
    if let Some(default) = schema.get("default") {
        let default = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
        said = format!("{said}, {default} by default");
    }
    said
}

fn problem(kind: Kind) -> Markup {
    let (status, name, title) = kind.of();
    html! {
        article.problem id={ "problem-" (name) } {
            h3 {
                span class={ "status s" (status.as_str().get(..1).unwrap_or_default()) } { (status.as_str()) }
                code { (name) }
            }
            p { (title) ". " (inline(kind.remedy())) }
        }
    }
}

/// `Page_Call` as a person says it.
fn pretty(name: &str) -> String {
    match name.split_once('_') {
        Some((outer, inner)) => format!("{outer} of {inner}"),
        None => name.to_owned(),
    }
}

fn anchor(name: &str) -> String {
    name.to_ascii_lowercase().replace(' ', "-")
}

/// Paragraphs, as our own descriptions have them.
fn prose(words: &str) -> Markup {
    html! {
        @for paragraph in words.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
            p { (inline(paragraph)) }
        }
    }
}

/// The two marks our own descriptions use: `code` and **strong**.
fn inline(words: &str) -> Markup {
    html! {
        @for (number, part) in words.split('`').enumerate() {
            @if number % 2 == 1 { code { (part) } }
            @else {
                @for (number, part) in part.split("**").enumerate() {
                    @if number % 2 == 1 { strong { (part) } } @else { (part) }
                }
            }
        }
    }
}

/// What stands at a JSON Pointer; null when nothing does.
fn at<'d>(value: &'d Value, pointer: &str) -> &'d Value {
    static NOTHING: Value = Value::Null;
    value.pointer(pointer).unwrap_or(&NOTHING)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}
