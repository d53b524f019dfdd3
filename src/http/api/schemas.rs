//! What a business, a plan and an import look like, for the document of the API. The same fields as in the import file;
//! a test holds them against the nouns themselves.

use utoipa::ToSchema;

/// A business: whose phone it is, and how it wants to be answered.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "luna-dental", "name": "Luna Dental", "plan": "premium", "lines": ["+15551234567"],
    "greeting": "Thanks for calling Luna Dental. How can I help?",
    "instructions": "You are the receptionist of Luna Dental.", "voice": "marin", "language": "en",
    "destinations": [{"id": "front-office", "label": "the front office", "number": "+15550001111"}],
    "fallback": {"transfer": "front-office"}, "tools": ["end_call", "transfer_call", "take_message"]
}))]
#[expect(dead_code, reason = "its schema is all that is used of it")]
pub(super) struct Business {
    /// Its name in our house.
    #[schema(pattern = "^[A-Za-z0-9_.:-]{1,64}$")]
    id: String,
    /// Its name among people.
    #[schema(pattern = r"\S")]
    name: String,
    /// The id of its plan.
    #[schema(pattern = "^[A-Za-z0-9_.:-]{1,64}$")]
    plan: String,
    /// The numbers it owns; a call to one of them is a call to it. A line has one owner.
    #[schema(required = false)]
    lines: Vec<Number>,
    /// The first sentence a caller hears, said as written.
    #[schema(pattern = r"\S")]
    greeting: String,
    /// How the model should behave.
    instructions: String,
    /// With which voice of the model.
    #[schema(required = false, default = "marin")]
    voice: String,
    /// The language callers are expected to speak, as ISO 639-1.
    #[schema(required = false, default = "en", pattern = "^[a-z]{2}$")]
    language: String,
    /// When the caller's turn is over.
    #[schema(required = false)]
    turn_detection: TurnDetection,
    /// How hard the model should think; only models that reason accept it.
    #[schema(example = "low")]
    reasoning_effort: Option<String>,
    /// Where calls may be transferred.
    #[schema(required = false)]
    destinations: Vec<Destination>,
    /// What a caller meets when the model cannot answer.
    fallback: Option<Fallback>,
    /// What the model may do.
    #[schema(required = false)]
    tools: Vec<Tool>,
    /// What it may do beside that, each at an address of the business's own.
    #[schema(required = false, max_items = 32)]
    http_tools: Vec<HttpTool>,
    /// Whether calls are recorded, where the plan allows it.
    #[schema(required = false, default = false)]
    recording: bool,
    /// What is said before the greeting when calls are recorded.
    recording_announcement: Option<String>,
    /// Where the business wants to be told of calls and messages.
    webhook: Option<Webhook>,
}

/// A phone number in E.164.
#[derive(ToSchema)]
#[schema(pattern = r"^\+[1-9][0-9]{6,14}$", example = "+15551234567")]
#[expect(dead_code, reason = "its schema is all that is used of it")]
struct Number(String);

/// A place a call can be transferred to.
#[derive(ToSchema)]
#[expect(dead_code, reason = "its schema is all that is used of it")]
struct Destination {
    /// What the model calls it.
    #[schema(pattern = "^[A-Za-z0-9_.:-]{1,64}$")]
    id: String,
    /// What people call it.
    #[schema(example = "the front office", pattern = r"\S")]
    label: String,
    /// Where it rings.
    number: Number,
}

/// What a caller meets when the model cannot answer.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "its schema is all that is used of it")]
enum Fallback {
    /// A person at the destination of this id.
    Transfer(String),
    /// This sentence, then the end.
    Message(String),
    /// This sentence, then a tone, and what the caller says after it is kept.
    Voicemail(String),
}

/// What a model may do for a caller.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "its schema is all that is used of it")]
enum Tool {
    EndCall,
    TransferCall,
    TakeMessage,
}

/// A tool of the business's own: asked by a signed POST, and what it answers is told to the model.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "its schema is all that is used of it")]
struct HttpTool {
    /// What the model calls it; none of the built-in names.
    #[schema(example = "find_slot", pattern = "^[A-Za-z0-9_-]{1,64}$")]
    name: String,
    /// What it does and when to use it, for the model.
    #[schema(example = "Finds a free time. Ask for the day first.", pattern = r"\S", max_length = 1024)]
    description: String,
    /// JSON Schema of its arguments: an object, in the words that are checked.
    #[schema(required = false, value_type = Object)]
    parameters: serde_json::Value,
    /// An `https` URL.
    #[schema(example = "https://luna.example/tools/slots")]
    url: String,
    /// Signs what is sent: `whsec_` and 24 to 64 random bytes in base64.
    #[schema(
        example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        pattern = "^whsec_[A-Za-z0-9+/]{32,86}={0,2}$"
    )]
    secret: String,
    /// How long it may take, in milliseconds, before the model is told that it failed.
    #[schema(required = false, default = 8_000, minimum = 1_000, maximum = 20_000)]
    deadline_ms: u32,
}

/// When the caller's turn is over.
#[derive(ToSchema, serde::Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(dead_code, reason = "its schema is all that is used of it")]
enum TurnDetection {
    /// By loudness: predictable, the default for telephones.
    #[serde(rename_all = "camelCase")]
    ServerVad {
        /// How loud speech is.
        #[schema(required = false, default = 0.5, minimum = 0.0, maximum = 1.0)]
        threshold: f32,
        /// How many milliseconds before the detected beginning belong to the turn.
        #[schema(required = false, default = 300)]
        prefix_padding_ms: u32,
        /// After how many milliseconds of silence the turn is over.
        #[schema(required = false, default = 500)]
        silence_duration_ms: u32,
    },
    /// By meaning: waits for an unfinished sentence.
    SemanticVad {
        /// How eagerly it answers: `low`, `medium`, `high` or `auto`.
        #[schema(required = false, default = "auto")]
        eagerness: String,
    },
}

/// Where a business wants to be told, and how it knows that it is us (Standard Webhooks).
#[derive(ToSchema)]
#[expect(dead_code, reason = "its schema is all that is used of it")]
struct Webhook {
    /// An `https` URL.
    #[schema(example = "https://luna.example/hooks/frontdesk")]
    url: String,
    /// Signs what is sent: `whsec_` and 24 to 64 random bytes in base64.
    #[schema(
        example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        pattern = "^whsec_[A-Za-z0-9+/]{32,86}={0,2}$"
    )]
    secret: String,
}

/// A plan: what a business has paid for.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "premium", "concurrentCalls": 10, "minutesPerMonth": 2000, "minutesPerCall": 30
}))]
#[expect(dead_code, reason = "its schema is all that is used of it")]
pub(super) struct Plan {
    /// Its name.
    #[schema(pattern = "^[A-Za-z0-9_.:-]{1,64}$")]
    id: String,
    /// How many calls may be in flight at once.
    #[schema(format = Int64, minimum = 1, maximum = 4_294_967_295_u32)]
    concurrent_calls: u32,
    /// How many minutes of calls a month.
    #[schema(format = Int64, minimum = 1, maximum = 4_294_967_295_u32)]
    minutes_per_month: u32,
    /// How many minutes one call may last; the caller is told at one minute left.
    #[schema(format = Int64, minimum = 1, maximum = 4_294_967_295_u32)]
    minutes_per_call: u32,
    /// The speech model, when the plan names one; else the deployment's.
    model: Option<String>,
    /// Whether calls may be recorded.
    #[schema(required = false, default = false)]
    recording: bool,
    /// What a caller meets when the calls at once or the minutes of the month are used up.
    #[schema(required = false, default = "fall_back")]
    at_limit: AtLimit,
}

/// What a caller meets when a plan is at its limit. The business is told in either case.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "its schema is all that is used of it")]
enum AtLimit {
    /// The business's own fallback.
    FallBack,
    /// The model all the same.
    Answer,
}

/// Businesses and plans together: the file that `frontdesk business import` reads and `export` writes.
#[derive(ToSchema)]
#[expect(dead_code, reason = "its schema is all that is used of it")]
pub(super) struct Import {
    /// Plans, before the businesses that have them.
    #[schema(required = false)]
    plans: Vec<Plan>,
    /// Businesses.
    #[schema(required = false)]
    businesses: Vec<Business>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;
    use utoipa::PartialSchema;

    use super::*;
    use crate::domain::{BusinessId, PlanId};
    use crate::store::Sqlite;
    use crate::store::conformance::one_business;
    use crate::store::import::{self, Finding};

    fn keys(object: &Value) -> BTreeSet<String> {
        object.as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn every_field_of_the_nouns_is_in_the_schema_and_no_other() {
        let full = serde_json::to_value(one_business()).unwrap();
        let (business, plan) = (&full["businesses"][0], &full["plans"][0]);
        let schema =
            |schema: utoipa::openapi::RefOr<utoipa::openapi::Schema>| serde_json::to_value(schema).unwrap();
        for (noun, schema) in [
            (&full, schema(Import::schema())),
            (business, schema(Business::schema())),
            (plan, schema(Plan::schema())),
            (&business["destinations"][0], schema(Destination::schema())),
            (&business["webhook"], schema(Webhook::schema())),
            (&business["httpTools"][0], schema(HttpTool::schema())),
            (&business["turnDetection"], schema(TurnDetection::schema())["oneOf"][0].take()),
        ] {
            assert_eq!(keys(noun), keys(&schema["properties"]), "{schema}");
        }
    }

    #[tokio::test]
    async fn what_the_schema_requires_is_what_the_checker_misses() {
        let store = Sqlite::open("sqlite::memory:").await.unwrap();
        let required = |schema: utoipa::openapi::RefOr<utoipa::openapi::Schema>| -> BTreeSet<String> {
            let schema = serde_json::to_value(schema).unwrap();
            schema["required"]
                .as_array()
                .unwrap()
                .iter()
                .map(|key| key.as_str().unwrap().to_owned())
                .collect()
        };
        // The id may be left to the path.
        let missed = |mistakes: &[Finding]| -> BTreeSet<String> {
            let missed = mistakes.iter().filter(|mistake| mistake.problem == "is missing");
            missed.map(|mistake| mistake.at.to_string()).chain(["id".to_owned()]).collect()
        };
        let business = import::read_business("{}", &BusinessId::parse("x").unwrap()).against(&store).await;
        assert_eq!(missed(&business.unwrap().mistakes), required(Business::schema()));
        let plan = import::read_plan("{}", &PlanId::parse("x").unwrap()).against(&store).await;
        assert_eq!(missed(&plan.unwrap().mistakes), required(Plan::schema()));
    }
}
