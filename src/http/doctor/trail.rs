//! What happened lately on the way between webhook and media socket.

use std::cmp::Reverse;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::socket;
use crate::domain::CallSid;
use crate::registry::Ring;
use crate::wire::doctor::{Finding, Sent, StreamError, UpgradeAttempt};

/// Of each kind as many are remembered as a person looks through; some 400 bytes each.
const REMEMBERED: usize = 100;

/// The trail of callers between webhook and media socket, and what was found out about those who got lost.
#[derive(Debug)]
pub struct Trail {
    since_ms: i64,
    sent: Ring<Sent>,
    /// Apart from each other, so that no flood of strangers makes us forget how Twilio fared.
    signed: Ring<UpgradeAttempt>,
    unsigned: Ring<UpgradeAttempt>,
    /// Test calls: they say nothing of the way from Twilio.
    from_pages: Ring<UpgradeAttempt>,
    stream_errors: Ring<StreamError>,
    findings: Ring<Finding>,
    sockets: Arc<Semaphore>,
}

impl Trail {
    /// Empty, since a time in milliseconds since 1970.
    pub fn since(now_ms: i64) -> Self {
        Self {
            since_ms: now_ms,
            sent: Ring::new(REMEMBERED),
            signed: Ring::new(REMEMBERED),
            unsigned: Ring::new(REMEMBERED),
            from_pages: Ring::new(REMEMBERED),
            stream_errors: Ring::new(REMEMBERED),
            findings: Ring::new(REMEMBERED),
            sockets: socket::places(),
        }
    }

    /// A caller was sent to the media socket.
    pub(in crate::http) fn sent_to(&self, sent: Sent) {
        self.sent.push(sent);
    }

    /// Somebody came to the media socket.
    pub(in crate::http) fn arrived(&self, attempt: UpgradeAttempt) {
        if attempt.seen.signature { &self.signed } else { &self.unsigned }.push(attempt);
    }

    /// A page brought the caller of a test call.
    pub(in crate::http) fn arrived_from_page(&self, attempt: UpgradeAttempt) {
        self.from_pages.push(attempt);
    }

    /// Twilio said that a stream did not work.
    pub(in crate::http) fn failed(&self, error: StreamError) {
        self.stream_errors.push(error);
    }

    /// Something was found out.
    pub(super) fn found(&self, finding: Finding) {
        self.findings.push(finding);
    }

    pub(in crate::http) fn since_ms(&self) -> i64 {
        self.since_ms
    }

    pub(in crate::http) fn sent(&self) -> Vec<Sent> {
        self.sent.list()
    }

    /// Signed and unsigned, the latest first.
    pub(in crate::http) fn upgrades(&self) -> Vec<UpgradeAttempt> {
        let mut all = [self.signed.list(), self.unsigned.list()].concat();
        all.sort_by_key(|attempt| Reverse(attempt.at_ms));
        all
    }

    /// Those of test calls, the latest first.
    pub(in crate::http) fn upgrades_from_pages(&self) -> Vec<UpgradeAttempt> {
        self.from_pages.list()
    }

    pub(in crate::http) fn stream_errors(&self) -> Vec<StreamError> {
        self.stream_errors.list()
    }

    pub(in crate::http) fn findings(&self) -> Vec<Finding> {
        self.findings.list()
    }

    /// What Twilio said of a call's streams last.
    pub(super) fn error_of(&self, call: &CallSid) -> Option<StreamError> {
        self.stream_errors.latest(|error| error.call == *call)
    }

    /// The latest attempt of which this is true; one that was signed, if there is one.
    pub(in crate::http) fn attempt(&self, is_it: impl Fn(&UpgradeAttempt) -> bool) -> Option<UpgradeAttempt> {
        self.signed.latest(&is_it).or_else(|| self.unsigned.latest(&is_it))
    }

    pub(super) fn sockets(&self) -> &Arc<Semaphore> {
        &self.sockets
    }
}
