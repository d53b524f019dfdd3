//! A caller who is sent to the media socket is expected there. Who does not come is a finding, and the server looks for the
//! cause itself: nobody else sees both ends of that way.

use std::sync::Arc;
use std::time::Duration;

use super::super::App;
use super::super::media::ACCEPTED;
use super::super::next::LEDGER_PATIENCE;
use crate::domain::CallSid;
use crate::telemetry::metrics::Named;
use crate::wire::doctor::{Cause, Finding, Sent};

/// Twilio opens a stream within half a second of the TwiML; what has not come after this does not come.
pub(super) const EXPECTED_WITHIN: Duration = Duration::from_secs(10);

impl App {
    /// Looks after a while whether a caller has arrived who was just sent to the media socket.
    pub(in crate::http) fn expect_stream(self: &Arc<Self>, call: CallSid, attempt: u8) {
        let at_ms = (self.clock)();
        self.trail.sent_to(Sent { at_ms, call: call.clone(), genuine: call.is_genuine(), attempt });
        let (app, stop) = (Arc::clone(self), self.tasks.hard().clone());
        self.tasks.spawn_background("expected stream", async move {
            let look = async {
                tokio::time::sleep(EXPECTED_WITHIN).await;
                app.look_for(call, attempt, at_ms).await;
            };
            let _stopped = stop.run_until_cancelled(look).await;
        });
    }

    async fn look_for(&self, call: CallSid, attempt: u8, sent_ms: i64) {
        let arrived = |at: &CallSid, n: u8| *at == call && n >= attempt;
        let here = self.trail.attempt(|it| {
            it.verdict == ACCEPTED && it.call.as_ref().zip(it.attempt).is_some_and(|(at, n)| arrived(at, n))
        });
        if here.is_some() || !self.is_missing(&call, attempt).await {
            return;
        }
        let (cause, says) = self.likely_cause(&call, sent_ms);
        tracing::warn!(
            call.id = %call,
            attempt,
            cause = ?cause,
            "TwiML was answered, and no stream came within {} s: {says}",
            EXPECTED_WITHIN.as_secs()
        );
        self.metrics.findings.get_or_create(&Named::of(name(cause))).inc();
        self.trail.found(Finding { at_ms: (self.clock)(), call, attempt, cause, says });
    }

    /// Whether nobody else has seen the caller: the stream may be on another instance, the call over, or meant to end.
    /// What the ledger cannot say is no finding.
    async fn is_missing(&self, call: &CallSid, attempt: u8) -> bool {
        let Ok(Ok(Some(record))) = tokio::time::timeout(LEDGER_PATIENCE, self.ledger.call(call)).await else {
            return false;
        };
        let elsewhere = record.attempts > attempt || (attempt == 1 && record.answered_ms.is_some());
        !elsewhere && record.ended_ms.is_none() && record.intention.is_none()
    }

    fn likely_cause(&self, call: &CallSid, sent_ms: i64) -> (Cause, String) {
        let host = self.stream_public_url.host();
        if !call.is_genuine() {
            let says = format!(
                "{call} is no CallSid of Twilio's: this was a test request, and nobody executes its TwiML. Place a \
                 real call, or run `frontdesk call {}`",
                self.public_url
            );
            return (Cause::TestRequest, says);
        }
        if let Some(error) = self.trail.error_of(call) {
            let says = format!("Twilio says {:?}; {}", error.error, error.meaning);
            return (Cause::StreamError, says);
        }
        let refused = self.trail.attempt(|it| it.at_ms >= sent_ms && it.verdict != ACCEPTED);
        if let Some(refused) = refused {
            let says = format!(
                "meanwhile somebody came to the media socket and was refused ({}): {}",
                refused.verdict, refused.why
            );
            return (Cause::UpgradeRefused, says);
        }
        let says = format!(
            "nothing came here. Twilio was sent to {}; either the caller hung up at once, or something between \
             Twilio and us answers for {host}. Run `frontdesk doctor {}`",
            self.stream_url(),
            self.public_url
        );
        (Cause::NothingArrived, says)
    }

    /// For tests: looks at once for a caller who was sent just now.
    #[cfg(test)]
    pub(super) async fn look_for_now(&self, call: &str) {
        if let Ok(call) = CallSid::parse(call) {
            self.look_for(call, 1, (self.clock)()).await;
        }
    }
}

fn name(cause: Cause) -> &'static str {
    match cause {
        Cause::TestRequest => "test_request",
        Cause::StreamError => "stream_error",
        Cause::UpgradeRefused => "upgrade_refused",
        Cause::NothingArrived => "nothing_arrived",
        Cause::Other => "other",
    }
}
