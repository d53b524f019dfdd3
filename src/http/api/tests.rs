//! The API as an operator's program meets it. Whatever is answered must be what the document says is answered.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use super::*;
use crate::domain::{Business, PhoneNumber};
use crate::http::house::{ADMIN_TOKEN, Answer, House};
use crate::store::CachedDirectory;
use crate::store::conformance::one_business;

mod lists;
mod odd_directory;
mod reads;
mod voicemails;
mod writes;

/// An operator's program.
struct Operator {
    house: House,
    document: Value,
}

impl Operator {
    async fn new() -> Self {
        Self::of(House::new().await)
    }

    fn of(house: House) -> Self {
        let document = serde_json::to_value(document::document(&house.app)).unwrap();
        Self { house, document }
    }

    async fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, None).await
    }

    async fn put(&self, target: &str, body: &Value) -> Answer {
        self.ask("PUT", target, Some(body.to_string())).await
    }

    async fn post(&self, target: &str, body: &Value) -> Answer {
        self.ask("POST", target, Some(body.to_string())).await
    }

    async fn delete(&self, target: &str) -> Answer {
        self.ask("DELETE", target, None).await
    }

    async fn ask(&self, method: &str, target: &str, body: Option<String>) -> Answer {
        let request = Request::builder().method(method).uri(target);
        let request = match &body {
            Some(_) => request.header("content-type", "application/json"),
            None => request,
        };
        self.ask_raw(request.body(body.map_or_else(Body::empty, Body::from)).unwrap()).await
    }

    /// Asks with the token, and holds the answer against the document.
    async fn ask_raw(&self, mut request: Request<Body>) -> Answer {
        request.headers_mut().insert("authorization", format!("Bearer {ADMIN_TOKEN}").parse().unwrap());
        let (method, path) = (request.method().as_str().to_lowercase(), request.uri().path().to_owned());
        let answer = self.house.ask_raw(request).await;
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        let kind = answer.headers.get("content-type").map(|kind| kind.to_str().unwrap());
        if answer.status.is_client_error() || answer.status.is_server_error() {
            assert_eq!(kind, Some("application/problem+json"), "{}", answer.body);
            assert_eq!(answer.json()["status"], answer.status.as_u16());
            assert!(
                answer.json()["detail"].as_str().is_some_and(|detail| !detail.is_empty()),
                "{}",
                answer.body
            );
        }
        if let Some(operation) = self.operation(&method, &path) {
            let responses = operation["responses"].as_object().unwrap();
            let response = responses.get(answer.status.as_str());
            let response =
                response.unwrap_or_else(|| panic!("{method} {path}: {} is undocumented", answer.status));
            let kinds = response["content"].as_object();
            assert_eq!(
                kinds.and_then(|kinds| kinds.keys().next().map(String::as_str)),
                kind,
                "{method} {path}"
            );
        }
        answer
    }

    /// What the document says of it.
    fn operation(&self, method: &str, path: &str) -> Option<&Value> {
        let fits = |template: &str| {
            let (one, other): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| *one == other || one.starts_with('{'))
        };
        let mut paths = self.document["paths"].as_object().unwrap().iter();
        paths.find(|(template, _)| fits(template)).and_then(|(_, item)| item.get(method))
    }
}

/// The status and the name of the problem.
fn problem(answer: &Answer) -> (u16, String) {
    let name = answer.json()["type"].as_str().unwrap_or_default().replace("/api#problem-", "");
    (answer.status.as_u16(), name)
}

fn ids(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_is_not_there_is_told_as_a_problem() {
    let operator = Operator::new().await;
    assert_eq!(problem(&operator.get("/api/nothing").await), (404, "no-such-path".to_owned()));
    assert_eq!(problem(&operator.get("/api/").await), (404, "no-such-path".to_owned()));
    assert_eq!(problem(&operator.get("/api/businesses/business-1/nothing").await).0, 404);
    let wrong = operator.delete("/api/businesses").await;
    assert_eq!(problem(&wrong), (405, "wrong-method".to_owned()));
    assert_eq!(wrong.headers["allow"], "GET,HEAD");
    assert_eq!(operator.ask("HEAD", "/api/businesses", None).await.body, "");
}

#[tokio::test]
async fn a_prefix_leads_to_the_same_api_and_the_document_says_so() {
    let operator = Operator::of(House::at("https://example.com/voice").await);
    for path in ["/api/businesses", "/voice/api/businesses"] {
        assert_eq!(ids(&operator.get(path).await.json()).len(), 3);
    }
    let document = operator.get("/voice/api/openapi.json").await.json();
    assert_eq!(document["servers"][0]["url"], "/voice");
}

#[tokio::test]
async fn the_document_has_every_operation_with_its_own_name_and_every_link_leads_somewhere() {
    let operator = Operator::new().await;
    let document = operator.get("/api/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let operations: Vec<(String, &Value)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, it)| (format!("{method} {path}"), it))
        })
        .collect();
    assert_eq!(operations.len(), 20, "{operations:#?}");
    let names: std::collections::BTreeSet<_> =
        operations.iter().map(|(_, operation)| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(names.len(), operations.len());
    for (name, operation) in &operations {
        assert!(operation["summary"].as_str().is_some_and(|summary| summary.ends_with('.')), "{name}");
        for status in ["400", "401", "403", "500", "503"] {
            assert!(operation["responses"].get(status).is_some(), "{name} {status}");
        }
    }
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#/").skip(1) {
        let pointer = format!("/{}", reference.split('"').next().unwrap());
        assert!(document.pointer(&pointer).is_some(), "{pointer}");
    }
}

#[tokio::test]
async fn the_page_shows_every_operation_shape_and_problem_and_fetches_nothing() {
    let operator = Operator::new().await;
    let page = operator.get("/api").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    for absent in ["<script", "src=", "javascript:", "style=", "@import", "url("] {
        assert!(!page.body.contains(absent), "{absent}");
    }
    let fields = |pointer: &str| operator.document.pointer(pointer).unwrap().as_object().unwrap().keys();
    for name in fields("/components/schemas") {
        assert!(page.body.contains(&format!("id=\"shape-{name}\"")), "{name}");
    }
    for item in operator.document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(page.body.contains(&format!("id=\"{id}\"")), "{id}");
        }
    }
    for kind in Kind::ALL {
        assert!(page.body.contains(&format!("id=\"problem-{}\"", kind.of().1)), "{kind:?}");
    }
    // Every link within the page leads somewhere.
    for link in page.body.split("href=\"#").skip(1) {
        let anchor = link.split('"').next().unwrap();
        assert!(page.body.contains(&format!("id=\"{anchor}\"")), "{anchor}");
    }
}
