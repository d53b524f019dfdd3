//! What plans and businesses may look like: which fields they have, which words may stand there, and what refers to what.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use url::{Host, Url};

use super::checker::{Checker, Fields, Place, nearest};
use super::tools::check_http_tools;
use crate::domain::{
    AtLimit, Business, BusinessId, DestinationId, PhoneNumber, PlanId, Tool, TurnDetection, Voice,
};

pub(super) const FILE: Fields = Fields { needed: &[], optional: &["plans", "businesses"] };

pub(super) const PLAN: Fields = Fields {
    needed: &["id", "concurrentCalls", "minutesPerMonth", "minutesPerCall"],
    optional: &["model", "recording", "atLimit"],
};

pub(super) const BUSINESS: Fields = Fields {
    needed: &["id", "name", "plan", "greeting", "instructions"],
    optional: &[
        "lines",
        "voice",
        "language",
        "turnDetection",
        "reasoningEffort",
        "destinations",
        "fallback",
        "tools",
        "httpTools",
        "recording",
        "recordingAnnouncement",
        "webhook",
    ],
};

pub(super) const DESTINATION: Fields = Fields { needed: &["id", "label", "number"], optional: &[] };

pub(super) const FALLBACK: Fields = Fields { needed: &[], optional: &["transfer", "message", "voicemail"] };

pub(super) const WEBHOOK: Fields = Fields { needed: &["url", "secret"], optional: &[] };

pub(super) const HTTP_TOOL: Fields =
    Fields { needed: &["name", "description", "url", "secret"], optional: &["parameters", "deadlineMs"] };

pub(super) const SERVER_VAD: Fields =
    Fields { needed: &["type"], optional: &["threshold", "prefixPaddingMs", "silenceDurationMs"] };

pub(super) const SEMANTIC_VAD: Fields = Fields { needed: &["type"], optional: &["eagerness"] };

/// Voices of OpenAI's text-to-speech service that its Realtime service does not have: it makes noise of them.
pub(super) const SPEECH_ONLY_VOICES: [&str; 3] = ["fable", "onyx", "nova"];

/// The name of a signing secret begins so, by the rules of Standard Webhooks.
const SECRET_PREFIX: &str = "whsec_";

/// How many bytes a signing secret has, by the same rules.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// What a document names, and where it does so first.
#[derive(Default)]
pub(super) struct Names {
    pub(super) plans: BTreeMap<PlanId, Place>,
    pub(super) businesses: BTreeMap<BusinessId, Place>,
    pub(super) lines: BTreeMap<PhoneNumber, Place>,
    pub(super) plans_wanted: Vec<(Place, PlanId)>,
}

pub(super) fn check_file(checker: &mut Checker, value: &Value, names: &mut Names) {
    let top = Place::default();
    let Some(file) = checker.object(&top, value, &FILE) else { return };
    let (plans, businesses) = (checker.list(&top, file, "plans"), checker.list(&top, file, "businesses"));
    if plans.is_empty() && businesses.is_empty() && checker.mistakes.is_empty() {
        checker.mistake(top, "has neither plans nor businesses");
    }
    for (at, value) in plans {
        check_plan(checker, &at, value, names);
    }
    for (at, value) in businesses {
        check_business(checker, &at, value, names);
    }
}

pub(super) fn check_plan(checker: &mut Checker, at: &Place, value: &Value, names: &mut Names) {
    let Some(plan) = checker.object(at, value, &PLAN) else { return };
    if let Some(id) = checker.field(at, plan, "id") {
        first_time(checker, at.field("id"), id, &mut names.plans);
    }
    for limit in ["concurrentCalls", "minutesPerMonth", "minutesPerCall"] {
        if checker.field::<u32>(at, plan, limit) == Some(0) {
            checker.mistake(at.field(limit), "must be at least 1: with 0 no call would ever be answered");
        }
    }
    checker.field::<Option<String>>(at, plan, "model");
    checker.field::<bool>(at, plan, "recording");
    checker.field::<AtLimit>(at, plan, "atLimit");
}

pub(super) fn check_business(checker: &mut Checker, at: &Place, value: &Value, names: &mut Names) {
    let Some(business) = checker.object(at, value, &BUSINESS) else { return };
    if let Some(id) = checker.field(at, business, "id") {
        first_time(checker, at.field("id"), id, &mut names.businesses);
    }
    if let Some(plan) = checker.field(at, business, "plan") {
        names.plans_wanted.push((at.field("plan"), plan));
    }
    let mut own_lines = BTreeSet::new();
    for (at, value) in checker.list(at, business, "lines") {
        if let Some(line) = checker.read::<PhoneNumber>(&at, value) {
            own_lines.insert(line.clone());
            first_time(checker, at, line, &mut names.lines);
        }
    }
    check_words(checker, at, business);
    check_turn_detection(checker, at, business);
    let destinations = check_destinations(checker, at, business, &own_lines);
    check_fallback(checker, at, business, &destinations);
    check_tools(checker, at, business, &destinations);
    check_http_tools(checker, at, business);
    check_webhook(checker, at, business);
}

/// An id or a line may stand in a file once.
fn first_time<T: Ord + Clone + Named>(
    checker: &mut Checker,
    at: Place,
    name: T,
    seen: &mut BTreeMap<T, Place>,
) {
    if let Some(first) = seen.get(&name) {
        checker.mistake(at, format!("{} is also {first}; one of the two must go", name.name()));
    } else {
        seen.insert(name, at);
    }
}

/// What a mistake calls something; whoever imports numbers may see them.
trait Named {
    fn name(&self) -> &str;
}

impl Named for PlanId {
    fn name(&self) -> &str {
        self.as_str()
    }
}

impl Named for BusinessId {
    fn name(&self) -> &str {
        self.as_str()
    }
}

impl Named for PhoneNumber {
    fn name(&self) -> &str {
        self.as_str()
    }
}

fn check_words(checker: &mut Checker, at: &Place, business: &Map<String, Value>) {
    for field in ["name", "greeting"] {
        if checker.field::<String>(at, business, field).is_some_and(|text| text.trim().is_empty()) {
            checker.mistake(at.field(field), "is empty; write what people should hear");
        }
    }
    if checker.field::<String>(at, business, "instructions").is_some_and(|text| text.trim().is_empty()) {
        checker.warn(at.field("instructions"), "is empty; the model will not know whose phone it answers");
    }
    if let Some(voice) = checker.field::<Voice>(at, business, "voice") {
        check_voice(checker, at.field("voice"), &voice);
    }
    let language = checker.field::<String>(at, business, "language");
    if let Some(language) =
        language.filter(|code| code.len() != 2 || !code.bytes().all(|c| c.is_ascii_lowercase()))
    {
        checker.mistake(
            at.field("language"),
            format!("{language:?} is no ISO 639-1 code, like \"en\" or \"de\""),
        );
    }
    let effort = checker.field::<Option<String>>(at, business, "reasoningEffort").flatten();
    if let Some(effort) = effort.filter(|effort| !Business::EFFORTS.contains(&effort.as_str())) {
        let problem =
            format!("{effort:?} is not one of {}; OpenAI would refuse it", Business::EFFORTS.join(", "));
        checker.warn(at.field("reasoningEffort"), problem);
    }
    checker.field::<bool>(at, business, "recording");
    checker.field::<Option<String>>(at, business, "recordingAnnouncement");
}

fn check_voice(checker: &mut Checker, at: Place, voice: &Voice) {
    let Err(unknown) = voice.check() else { return };
    if voice.as_str().trim().is_empty() {
        checker.mistake(at, format!("is empty; write one of {}", unknown.known));
    } else if SPEECH_ONLY_VOICES.contains(&voice.as_str()) {
        let problem = format!("{} is a voice of text-to-speech, which is noise on a call", voice.as_str());
        checker.mistake(at, format!("{problem}; use one of {}", unknown.known));
    } else {
        let problem = format!("OpenAI does not name a voice {:?}", voice.as_str());
        let remedy = match nearest(voice.as_str(), Voice::KNOWN.into_iter()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("known are {}", unknown.known),
        };
        checker.warn(at, format!("{problem}; {remedy}"));
    }
}

fn check_turn_detection(checker: &mut Checker, at: &Place, business: &Map<String, Value>) {
    let Some(value) = business.get("turnDetection") else { return };
    let at = at.field("turnDetection");
    let semantic = value.get("type").and_then(Value::as_str) == Some("semantic_vad");
    let fields = if semantic { &SEMANTIC_VAD } else { &SERVER_VAD };
    let before = checker.mistakes.len();
    let Some(object) = checker.object(&at, value, fields).filter(|object| object.contains_key("type")) else {
        return;
    };
    for (field, usual) in [("threshold", "0.5"), ("prefixPaddingMs", "300"), ("silenceDurationMs", "500")] {
        match object.get(field) {
            Some(value) if !value.is_number() => {
                checker.mistake(at.field(field), format!("must be a number; {usual} is usual"));
            }
            Some(_) if field == "threshold" => {}
            Some(_) | None => _ = checker.field::<u32>(&at, object, field),
        }
    }
    checker.field::<String>(&at, object, "eagerness");
    if checker.mistakes.len() > before {
        return;
    }
    match checker.read::<TurnDetection>(&at, value) {
        Some(TurnDetection::ServerVad { threshold, .. }) if !(0.0..=1.0).contains(&threshold) => {
            checker.mistake(at.field("threshold"), "must be between 0 and 1; 0.5 is usual");
        }
        Some(TurnDetection::SemanticVad { eagerness })
            if !TurnDetection::EAGERNESS.contains(&eagerness.as_str()) =>
        {
            let problem = format!("{eagerness:?} is not one of {}", TurnDetection::EAGERNESS.join(", "));
            checker.mistake(at.field("eagerness"), problem);
        }
        Some(TurnDetection::ServerVad { .. } | TurnDetection::SemanticVad { .. }) | None => {}
    }
}

/// The ids of the destinations, as they stand there.
fn check_destinations(
    checker: &mut Checker,
    at: &Place,
    business: &Map<String, Value>,
    own_lines: &BTreeSet<PhoneNumber>,
) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for (at, value) in checker.list(at, business, "destinations") {
        let Some(destination) = checker.object(&at, value, &DESTINATION) else { continue };
        if let Some(id) = checker.field::<DestinationId>(&at, destination, "id")
            && !ids.insert(id.as_str().to_owned())
        {
            checker.mistake(at.field("id"), format!("{id} is there twice; a transfer could not tell which"));
        }
        if checker.field::<String>(&at, destination, "label").is_some_and(|label| label.trim().is_empty()) {
            checker
                .mistake(at.field("label"), "is empty; write what people call it, like \"the front office\"");
        }
        let number = checker.field::<PhoneNumber>(&at, destination, "number");
        if number.is_some_and(|number| own_lines.contains(&number)) {
            checker.warn(
                at.field("number"),
                "is a line of this business: a transfer would ring frontdesk again",
            );
        }
    }
    ids
}

fn check_fallback(
    checker: &mut Checker,
    at: &Place,
    business: &Map<String, Value>,
    destinations: &BTreeSet<String>,
) {
    let Some(value) = business.get("fallback").filter(|value| !value.is_null()) else { return };
    let at = at.field("fallback");
    let before = checker.mistakes.len();
    let Some(fallback) = checker.object(&at, value, &FALLBACK) else { return };
    if fallback.len() != 1 && checker.mistakes.len() == before {
        checker.mistake(
            at,
            "must have either `transfer`, a destination's id, or `message`, a sentence, or `voicemail`, the sentence \
             before the tone",
        );
        return;
    }
    let transfer = checker.field::<DestinationId>(&at, fallback, "transfer");
    if let Some(id) = transfer.filter(|id| !destinations.contains(id.as_str())) {
        let problem = match nearest(id.as_str(), destinations.iter().map(String::as_str)) {
            Some(near) => format!("there is no destination {id}; did you mean {near}?"),
            None => format!("there is no destination {id}; add it to `destinations`"),
        };
        checker.mistake(at.field("transfer"), problem);
    }
    for sentence in ["message", "voicemail"] {
        if checker.field::<String>(&at, fallback, sentence).is_some_and(|text| text.trim().is_empty()) {
            checker.mistake(at.field(sentence), "is empty; write what callers should hear");
        }
    }
}

fn check_tools(
    checker: &mut Checker,
    at: &Place,
    business: &Map<String, Value>,
    destinations: &BTreeSet<String>,
) {
    let mut seen = BTreeSet::new();
    for (at, value) in checker.list(at, business, "tools") {
        let Some(tool) = checker.read::<Tool>(&at, value) else { continue };
        if !seen.insert(tool) {
            checker.mistake(at.clone(), "is there twice; one of the two must go");
        }
        if tool == Tool::TransferCall && destinations.is_empty() {
            checker.warn(
                at,
                "without `destinations` there is nowhere to transfer to; the model will not be offered it",
            );
        }
    }
}

/// A secret is never said, nor is a URL that may have one in it.
fn check_webhook(checker: &mut Checker, at: &Place, business: &Map<String, Value>) {
    let Some(value) = business.get("webhook").filter(|value| !value.is_null()) else { return };
    let at = at.field("webhook");
    let Some(webhook) = checker.object(&at, value, &WEBHOOK) else { return };
    if let Some(url) = webhook.get("url") {
        check_webhook_url(checker, at.field("url"), url.as_str());
    }
    if let Some(secret) = webhook.get("secret") {
        check_secret(checker, at.field("secret"), secret);
    }
}

pub(super) fn check_secret(checker: &mut Checker, at: Place, secret: &Value) {
    if !secret.as_str().is_some_and(is_signing_secret) {
        let (least, most) = (SECRET_BYTES.start(), SECRET_BYTES.end());
        checker.mistake(
            at,
            format!(
                "must be \"{SECRET_PREFIX}\" and {least} to {most} random bytes in base64: \
                 write {SECRET_PREFIX} and behind it what `openssl rand -base64 32` prints"
            ),
        );
    }
}

/// The URL, when it can be one at all.
pub(super) fn check_webhook_url(checker: &mut Checker, at: Place, text: Option<&str>) -> Option<Url> {
    let Some(url) = text.and_then(|text| Url::parse(text).ok()).filter(Url::has_host) else {
        checker.mistake(at, "must be a URL, like https://example.com/hooks/calls");
        return None;
    };
    if !url.username().is_empty() || url.password().is_some() {
        checker.mistake(
            at.clone(),
            "has a user name or password in it; leave them off, the signature says who we are",
        );
    }
    if url.fragment().is_some() {
        checker.mistake(at.clone(), "has a fragment (#…), which is never sent; leave it off");
    }
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => {}
        "http" if here => {
            checker.warn(at, "is on the machine frontdesk runs on, and not encrypted: for trying it out");
        }
        _other => checker.mistake(at, "must begin with https://: what we send is about callers"),
    }
    Some(url)
}

fn is_signing_secret(text: &str) -> bool {
    let key = text.strip_prefix(SECRET_PREFIX).and_then(|key| STANDARD.decode(key).ok());
    key.is_some_and(|key| SECRET_BYTES.contains(&key.len()))
}
