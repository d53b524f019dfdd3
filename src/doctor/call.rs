//! A whole call, placed as Twilio would place it.

use std::time::Duration;

use super::examination::{CALLER, Examination, millis};
use super::facts::{Call, Then};
use crate::domain::CallSid;
use crate::sim::socket::{CallPlan, Phone, PhoneEvent};
use crate::sim::{Act, Step, When};

/// How long the caller listens: a greeting begins within a second or two, and nobody pays for more.
const LISTENS_MS: u64 = 5_000;

/// And what it may take to get there.
const PATIENCE: Duration = Duration::from_secs(12);

/// Twilio opens the stream so long after the TwiML.
const BEFORE_STREAM: Duration = Duration::from_millis(300);

/// Places it, listens, hangs up.
pub(super) async fn place_call(plan: &Examination, call: CallSid, token: &str) -> Call {
    let mut found = Call::default();
    let placed = CallPlan::new(plan.webhook.as_str(), token, plan.account.clone(), &plan.to, CALLER);
    let (Ok(mut placed), Ok(phone)) = (placed, Phone::new(None)) else { return found };
    // The webhook was asked about this call already; a second answer to it is as good as the first.
    placed.call = call;
    placed.before_stream = BEFORE_STREAM;
    placed.longest = PATIENCE;
    placed.caller = vec![Step { when: When::After(LISTENS_MS), act: Act::HangUp }];
    let report = phone.call(placed).await;
    let started = report.when(|event| *event == PhoneEvent::Started);
    let audio = report.when(|event| *event == PhoneEvent::FirstAudio);
    found.started = started.is_some();
    found.first_audio_ms = started.zip(audio).map(|(started, audio)| millis(audio.since(started)));
    found.problems = report.problems();
    let closed = report.when(|event| matches!(event, PhoneEvent::ServerClosed(_)));
    if let Some((closed, started)) = closed.zip(started) {
        let code = report.events.iter().find_map(|(_, event)| match event {
            PhoneEvent::ServerClosed(code) => Some(*code),
            _ => None,
        });
        found.ended_after_ms = Some(millis(closed.since(started)));
        found.ended = Some(code.flatten().map_or(Then::Cut, |code| Then::Closed(code, String::new())));
    }
    found
}
