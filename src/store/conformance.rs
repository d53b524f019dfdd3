//! What every store must do, as functions that return when it does and panic when it does not.
//!
//! Each makes its own names, different in every run, so they can be asked of a store that is in use.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a store that does not conform is told so by a panic"
)]

pub mod between;
pub mod directory;
pub mod ledger;
pub mod months;
pub mod outbox;
pub mod slots;
pub mod voicemails;

use uuid::Uuid;

use super::{Directory, Ledger, Outbox, Slots};
use crate::domain::{
    AccountSid, AtLimit, Business, BusinessId, BusinessImport, CallRecord, CallSid, Destination,
    DestinationId, Fallback, HttpTool, InstanceId, MicroDollars, PhoneNumber, Pii, Plan, PlanId, Tool,
    ToolName, TurnDetection, Usage, Voice, Webhook, WebhookSecret,
};

/// How many ask at once in a race: as many as one call could ever meet, and then some.
const RACERS: usize = 50;

/// All that is asked of a store, of which these are four views.
pub async fn all(directory: &dyn Directory, ledger: &dyn Ledger, slots: &dyn Slots, outbox: &dyn Outbox) {
    directory::all(directory).await;
    directory::the_calls_of_a_business_that_is_taken_away_stay(directory, ledger).await;
    ledger::all(ledger, outbox).await;
    months::all(ledger, outbox).await;
    voicemails::all(ledger, outbox).await;
    slots::all(slots).await;
    outbox::all(outbox).await;
}

/// An import of one business with every field set, its plan, and a line; none of them known to anybody.
pub fn one_business() -> BusinessImport {
    let name = fresh();
    let id = |text: String| DestinationId::parse(&text).expect("legal");
    let plan = Plan {
        id: PlanId::parse(&format!("plan-{name}")).expect("legal"),
        concurrent_calls: 10,
        minutes_per_month: 2_000,
        minutes_per_call: 30,
        model: Some("gpt-realtime".to_owned()),
        recording: true,
        at_limit: AtLimit::Answer,
    };
    let business = Business {
        id: BusinessId::parse(&format!("business-{name}")).expect("legal"),
        name: "Luna Dental".to_owned(),
        plan: plan.id.clone(),
        lines: vec![fresh_line()],
        greeting: "Thanks for calling Luna Dental. How can I help?".to_owned(),
        instructions: "You are the receptionist of Luna Dental — \"be kind\", 日本語 🦷.\nClosed on Sundays."
            .to_owned(),
        voice: Voice::new("cedar"),
        language: "en".to_owned(),
        turn_detection: TurnDetection::ServerVad {
            threshold: 0.7,
            prefix_padding_ms: 300,
            silence_duration_ms: 700,
        },
        reasoning_effort: Some("low".to_owned()),
        destinations: vec![Destination {
            id: id("front-office".to_owned()),
            label: "the front office".to_owned(),
            number: PhoneNumber::parse("+15550001111").expect("legal"),
        }],
        fallback: Some(Fallback::Transfer(id("front-office".to_owned()))),
        tools: vec![Tool::EndCall, Tool::TransferCall, Tool::TakeMessage],
        http_tools: vec![HttpTool {
            name: ToolName::parse("find_slot").expect("legal"),
            description: "Finds a free time. Ask for the day first.".to_owned(),
            parameters: serde_json::json!({"type": "object", "required": ["day"], "properties": {
                "day": {"type": "string", "description": "like 2026-11-21", "maxLength": 10},
                "people": {"type": "integer", "minimum": 1, "maximum": 12},
                "where": {"type": "string", "enum": ["inside", "outside"]}}}),
            url: "https://luna.example/tools/slots?x=1".to_owned(),
            secret: WebhookSecret::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),
            deadline_ms: 5_000,
        }],
        recording: true,
        recording_announcement: Some("We record.".to_owned()),
        webhook: Some(Webhook {
            url: "https://luna.example/hooks/frontdesk".to_owned(),
            secret: WebhookSecret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        }),
    };
    BusinessImport { plans: vec![plan], businesses: vec![business] }
}

/// A call nobody knows, as it stands when its webhook is answered.
pub fn one_call() -> CallRecord {
    CallRecord {
        call: CallSid::parse(&format!("CA{}", Uuid::new_v4().simple())).expect("legal"),
        account: AccountSid::parse("AC00000000000000000000000000000001").expect("legal"),
        business: BusinessId::parse("business-1").expect("legal"),
        plan: PlanId::parse("premium").expect("legal"),
        from: Pii::new("sip:häns@example.com".to_owned()),
        to: Pii::new("+15551234567".to_owned()),
        started_ms: 1_790_000_000_000,
        answered_ms: None,
        ended_ms: None,
        ending: None,
        intention: None,
        attempts: 0,
        instance: instance("webhook"),
        usage: Usage::default(),
        cost: MicroDollars::default(),
        recordings: Vec::new(),
        tells: false,
    }
}

fn instance(name: &str) -> InstanceId {
    InstanceId::parse(name).expect("legal")
}

/// A business nobody has.
fn fresh_business() -> BusinessId {
    BusinessId::parse(&format!("business-{}", fresh())).expect("legal")
}

/// A name nobody has.
fn fresh() -> String {
    Uuid::new_v4().simple().to_string().chars().take(16).collect()
}

/// A line nobody has: twelve digits under a country code that was given back.
fn fresh_line() -> PhoneNumber {
    let number = Uuid::new_v4().as_u128() % 1_000_000_000_000;
    PhoneNumber::parse(&format!("+210{number:012}")).expect("legal")
}
