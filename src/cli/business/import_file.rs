//! Checks an import file, all of it, before anything is written: the shape, the words, what refers to what, and what
//! the store says to it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::checker::{Checker, Fields, Finding, Tree, nearest, within};
use crate::domain::{
    BusinessId, BusinessImport, DestinationId, PhoneNumber, PlanId, Tool, TurnDetection, Voice,
};
use crate::store::{Directory, StoreError};

/// What there is in a file, and what is to be said of it. The import is worth something only without mistakes.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub(super) import: BusinessImport,
    pub(super) mistakes: Vec<Finding>,
    pub(super) warnings: Vec<Finding>,
}

const FILE: Fields = Fields { needed: &[], optional: &["plans", "businesses"] };

const PLAN: Fields = Fields {
    needed: &["id", "concurrentCalls", "minutesPerMonth", "minutesPerCall"],
    optional: &["model", "recording"],
};

const BUSINESS: Fields = Fields {
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
        "recording",
        "recordingAnnouncement",
    ],
};

const DESTINATION: Fields = Fields { needed: &["id", "label", "number"], optional: &[] };

const FALLBACK: Fields = Fields { needed: &[], optional: &["transfer", "message"] };

const SERVER_VAD: Fields =
    Fields { needed: &["type"], optional: &["threshold", "prefixPaddingMs", "silenceDurationMs"] };

const SEMANTIC_VAD: Fields = Fields { needed: &["type"], optional: &["eagerness"] };

/// Voices of OpenAI's text-to-speech service that its Realtime service does not have: it makes noise of them.
const SPEECH_ONLY_VOICES: [&str; 3] = ["fable", "onyx", "nova"];

/// What OpenAI Realtime documents.
const EAGERNESS: [&str; 4] = ["low", "medium", "high", "auto"];

/// What OpenAI Realtime documents.
const EFFORTS: [&str; 5] = ["minimal", "low", "medium", "high", "xhigh"];

/// Checks a file against itself and the store. An error is one of the store's only.
pub(super) async fn check(text: &str, directory: &dyn Directory) -> Result<Checked, StoreError> {
    let text = text.trim_start_matches('\u{feff}');
    let mut checker = Checker::default();
    let value = match serde_json::from_str::<Tree>(text) {
        Ok(Tree(value)) => value,
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            let problem = error.to_string();
            let problem = problem.split(" at line ").next().unwrap_or_default();
            checker.mistake(format!("line {line}, column {column}"), format!("not JSON: {problem}"));
            return Ok(finished(checker, BusinessImport::default()));
        }
    };
    let mut names = Names::default();
    check_shape(&mut checker, &value, &mut names);
    check_against_store(&mut checker, &names, directory).await?;
    if !checker.mistakes.is_empty() {
        return Ok(finished(checker, BusinessImport::default()));
    }
    let import = match serde_path_to_error::deserialize::<_, BusinessImport>(&value) {
        Ok(import) => import,
        Err(error) => {
            checker.mistake(error.path().to_string(), error.inner().to_string());
            BusinessImport::default()
        }
    };
    Ok(finished(checker, import))
}

fn finished(checker: Checker, import: BusinessImport) -> Checked {
    Checked { import, mistakes: checker.mistakes, warnings: checker.warnings }
}

/// What the file names, and where it does so first.
#[derive(Default)]
struct Names {
    plans: BTreeMap<PlanId, String>,
    businesses: BTreeMap<BusinessId, String>,
    lines: BTreeMap<PhoneNumber, String>,
    plans_wanted: Vec<(String, PlanId)>,
}

fn check_shape(checker: &mut Checker, value: &Value, names: &mut Names) {
    let Some(file) = checker.object("", value, &FILE) else { return };
    let (plans, businesses) = (checker.list("", file, "plans"), checker.list("", file, "businesses"));
    if plans.is_empty() && businesses.is_empty() && checker.mistakes.is_empty() {
        checker.mistake("", "has neither plans nor businesses");
    }
    for (at, value) in plans {
        check_plan(checker, &at, value, names);
    }
    for (at, value) in businesses {
        check_business(checker, &at, value, names);
    }
}

fn check_plan(checker: &mut Checker, at: &str, value: &Value, names: &mut Names) {
    let Some(plan) = checker.object(at, value, &PLAN) else { return };
    if let Some(id) = checker.field(at, plan, "id") {
        first_time(checker, within(at, "id"), id, &mut names.plans);
    }
    for limit in ["concurrentCalls", "minutesPerMonth", "minutesPerCall"] {
        if checker.field::<u32>(at, plan, limit) == Some(0) {
            checker.mistake(within(at, limit), "must be at least 1: with 0 no call would ever be answered");
        }
    }
    checker.field::<Option<String>>(at, plan, "model");
    checker.field::<bool>(at, plan, "recording");
}

fn check_business(checker: &mut Checker, at: &str, value: &Value, names: &mut Names) {
    let Some(business) = checker.object(at, value, &BUSINESS) else { return };
    if let Some(id) = checker.field(at, business, "id") {
        first_time(checker, within(at, "id"), id, &mut names.businesses);
    }
    if let Some(plan) = checker.field(at, business, "plan") {
        names.plans_wanted.push((within(at, "plan"), plan));
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
}

/// An id or a line may stand in a file once.
fn first_time<T: Ord + Clone + Named>(
    checker: &mut Checker,
    at: String,
    name: T,
    seen: &mut BTreeMap<T, String>,
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

fn check_words(checker: &mut Checker, at: &str, business: &Map<String, Value>) {
    for field in ["name", "greeting"] {
        if checker.field::<String>(at, business, field).is_some_and(|text| text.trim().is_empty()) {
            checker.mistake(within(at, field), "is empty; write what people should hear");
        }
    }
    if checker.field::<String>(at, business, "instructions").is_some_and(|text| text.trim().is_empty()) {
        checker.warn(within(at, "instructions"), "is empty; the model will not know whose phone it answers");
    }
    if let Some(voice) = checker.field::<Voice>(at, business, "voice") {
        check_voice(checker, &within(at, "voice"), &voice);
    }
    let language = checker.field::<String>(at, business, "language");
    if let Some(language) =
        language.filter(|code| code.len() != 2 || !code.bytes().all(|c| c.is_ascii_lowercase()))
    {
        checker.mistake(
            within(at, "language"),
            format!("{language:?} is no ISO 639-1 code, like \"en\" or \"de\""),
        );
    }
    let effort = checker.field::<Option<String>>(at, business, "reasoningEffort").flatten();
    if let Some(effort) = effort.filter(|effort| !EFFORTS.contains(&effort.as_str())) {
        let problem = format!("{effort:?} is not one of {}; OpenAI would refuse it", EFFORTS.join(", "));
        checker.warn(within(at, "reasoningEffort"), problem);
    }
    checker.field::<bool>(at, business, "recording");
    checker.field::<Option<String>>(at, business, "recordingAnnouncement");
}

fn check_voice(checker: &mut Checker, at: &str, voice: &Voice) {
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

fn check_turn_detection(checker: &mut Checker, at: &str, business: &Map<String, Value>) {
    let Some(value) = business.get("turnDetection") else { return };
    let at = within(at, "turnDetection");
    let semantic = value.get("type").and_then(Value::as_str) == Some("semantic_vad");
    let fields = if semantic { &SEMANTIC_VAD } else { &SERVER_VAD };
    if checker.object(&at, value, fields).is_none_or(|object| !object.contains_key("type")) {
        return;
    }
    match checker.read::<TurnDetection>(&at, value) {
        Some(TurnDetection::ServerVad { threshold, .. }) if !(0.0..=1.0).contains(&threshold) => {
            checker.mistake(within(&at, "threshold"), "must be between 0 and 1; 0.5 is usual");
        }
        Some(TurnDetection::SemanticVad { eagerness }) if !EAGERNESS.contains(&eagerness.as_str()) => {
            let problem = format!("{eagerness:?} is not one of {}", EAGERNESS.join(", "));
            checker.mistake(within(&at, "eagerness"), problem);
        }
        Some(TurnDetection::ServerVad { .. } | TurnDetection::SemanticVad { .. }) | None => {}
    }
}

/// The ids of the destinations, as they stand there.
fn check_destinations(
    checker: &mut Checker,
    at: &str,
    business: &Map<String, Value>,
    own_lines: &BTreeSet<PhoneNumber>,
) -> Vec<String> {
    let mut ids = Vec::new();
    for (at, value) in checker.list(at, business, "destinations") {
        let Some(destination) = checker.object(&at, value, &DESTINATION) else { continue };
        if let Some(id) = checker.field::<DestinationId>(&at, destination, "id") {
            if ids.iter().any(|known| known == id.as_str()) {
                checker.mistake(
                    within(&at, "id"),
                    format!("{id} is there twice; a transfer could not tell which"),
                );
            }
            ids.push(id.as_str().to_owned());
        }
        if checker.field::<String>(&at, destination, "label").is_some_and(|label| label.trim().is_empty()) {
            checker.mistake(
                within(&at, "label"),
                "is empty; write what people call it, like \"the front office\"",
            );
        }
        let number = checker.field::<PhoneNumber>(&at, destination, "number");
        if number.is_some_and(|number| own_lines.contains(&number)) {
            checker.warn(
                within(&at, "number"),
                "is a line of this business: a transfer would ring frontdesk again",
            );
        }
    }
    ids
}

fn check_fallback(checker: &mut Checker, at: &str, business: &Map<String, Value>, destinations: &[String]) {
    let Some(value) = business.get("fallback").filter(|value| !value.is_null()) else { return };
    let at = within(at, "fallback");
    let before = checker.mistakes.len();
    let Some(fallback) = checker.object(&at, value, &FALLBACK) else { return };
    if fallback.len() != 1 && checker.mistakes.len() == before {
        checker.mistake(at, "must have either `transfer`, a destination's id, or `message`, a sentence");
        return;
    }
    let transfer = checker.field::<DestinationId>(&at, fallback, "transfer");
    if let Some(id) = transfer.filter(|id| !destinations.iter().any(|known| known == id.as_str())) {
        let problem = match nearest(id.as_str(), destinations.iter().map(String::as_str)) {
            Some(near) => format!("there is no destination {id}; did you mean {near}?"),
            None => format!("there is no destination {id}; add it to `destinations`"),
        };
        checker.mistake(within(&at, "transfer"), problem);
    }
    if checker.field::<String>(&at, fallback, "message").is_some_and(|text| text.trim().is_empty()) {
        checker.mistake(within(&at, "message"), "is empty; write what callers should hear");
    }
}

fn check_tools(checker: &mut Checker, at: &str, business: &Map<String, Value>, destinations: &[String]) {
    let mut seen = BTreeSet::new();
    for (at, value) in checker.list(at, business, "tools") {
        let Some(tool) = checker.read::<Tool>(&at, value) else { continue };
        if !seen.insert(tool) {
            checker.mistake(&at, "is there twice; one of the two must go");
        }
        if tool == Tool::TransferCall && destinations.is_empty() {
            checker.warn(
                &at,
                "without `destinations` there is nowhere to transfer to; the model will not be offered it",
            );
        }
    }
}

/// Plans the file does not bring must be in the store, and lines it claims must be nobody else's. A document in the
/// store that does not read is no objection: this import may be what mends it, and the store has the last word.
async fn check_against_store(
    checker: &mut Checker,
    names: &Names,
    directory: &dyn Directory,
) -> Result<(), StoreError> {
    for (at, plan) in &names.plans_wanted {
        if names.plans.contains_key(plan) || is_there(directory.plan(plan).await)? {
            continue;
        }
        let problem = match nearest(plan.as_str(), names.plans.keys().map(PlanId::as_str)) {
            Some(near) => format!("there is no plan {plan}; did you mean {near}?"),
            None => format!("the plan {plan} is neither in this file nor in the store; add it to `plans`"),
        };
        checker.mistake(at, problem);
    }
    for (line, at) in &names.lines {
        let owner = match directory.business_by_line(line).await {
            Ok(Some(owner)) => owner,
            Ok(None) | Err(StoreError::Unreadable { .. }) => continue,
            Err(error) => return Err(error),
        };
        if !names.businesses.contains_key(&owner.id) {
            let number = line.as_str();
            let remedy = format!("take it from {} first, or import both together", owner.id);
            checker
                .mistake(at, format!("{number} belongs to {} ({}) already; {remedy}", owner.id, owner.name));
        }
    }
    Ok(())
}

fn is_there<T>(answer: Result<Option<T>, StoreError>) -> Result<bool, StoreError> {
    match answer {
        Ok(found) => Ok(found.is_some()),
        Err(StoreError::Unreadable { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
