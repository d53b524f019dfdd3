//! What a business is told: that a call is over, that somebody left a message or a voicemail, that its plan is at a limit.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::month::day_of;
use super::{BusinessId, CallSid, NoticeId, RecordingSid};

/// Where a business wants to be told, and how it knows that it is us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// An `https` URL. What cannot be one is refused at the import, and again when something is sent.
    pub url: String,
    /// Signs what we send, by the rules of Standard Webhooks.
    pub secret: WebhookSecret,
}

/// A key of Standard Webhooks as people paste it: `whsec_` and 24 to 64 bytes in base64. `Debug` prints nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WebhookSecret(String);

impl WebhookSecret {
    /// Takes the text as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that signs and the one that checks an import.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// One thing a business is to be told. What it says of a call is looked up when it is sent, so that it is true then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// The same at every try: whoever hears it twice can tell.
    pub id: NoticeId,
    /// Who is told.
    pub business: BusinessId,
    /// What.
    pub about: About,
    /// When it came up, in milliseconds since 1970.
    pub created_ms: i64,
    /// When it is tried next, in milliseconds since 1970; none when it was given up.
    pub due_ms: Option<i64>,
    /// How often it was tried.
    pub tries: u32,
    /// What went wrong the last time; nothing of what the other side said.
    pub last_error: Option<String>,
}

/// What a business is told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum About {
    /// A call is over.
    CallEnded {
        /// Which.
        call: CallSid,
    },
    /// Somebody left a message.
    MessageTaken {
        /// In which call.
        call: CallSid,
        /// By which tool call of it.
        tool_call: String,
    },
    /// Somebody left a voicemail.
    VoicemailLeft {
        /// In which call.
        call: CallSid,
        /// The recording.
        recording: RecordingSid,
    },
    /// A caller came when the plan was at its limit. Told once a day for each limit.
    LimitReached {
        /// Which limit.
        limit: Limit,
        /// The day in UTC, `2026-11-21`.
        day: String,
    },
}

/// What a plan limits, beside the length of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Limit {
    /// Calls at once.
    ConcurrentCalls,
    /// Minutes in a month.
    MinutesPerMonth,
}

impl About {
    /// That a limit was reached on the day of a time in milliseconds since 1970.
    pub fn limit_reached(limit: Limit, at_ms: i64) -> Self {
        Self::LimitReached { limit, day: day_of(at_ms) }
    }
}

impl Notice {
    /// A notice that is due at once. The same thing about the same business has the same id, so it is kept once.
    pub fn new(business: BusinessId, about: About, now_ms: i64) -> Self {
        let id = NoticeId::of(&business, &about);
        Self { id, business, about, created_ms: now_ms, due_ms: Some(now_ms), tries: 0, last_error: None }
    }
}

impl NoticeId {
    fn of(business: &BusinessId, about: &About) -> Self {
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            hash.update(text.as_bytes());
            // No identifier holds it, and what a model made up as one only comes last.
            hash.update([0]);
        };
        part(business.as_str());
        match about {
            About::CallEnded { call } => ["call", call.as_str()].map(&mut part),
            About::MessageTaken { call, tool_call } => {
                part("message");
                [call.as_str(), tool_call].map(&mut part)
            }
            About::VoicemailLeft { call, recording } => {
                part("voicemail");
                [call.as_str(), recording.as_str()].map(&mut part)
            }
            About::LimitReached { limit: Limit::ConcurrentCalls, day } => ["calls", day].map(&mut part),
            About::LimitReached { limit: Limit::MinutesPerMonth, day } => ["minutes", day].map(&mut part),
        };
        Self::from_hash(&hash.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_thing_has_the_same_id_and_no_other_has() {
        let business = |text: &str| BusinessId::parse(text).unwrap();
        let call = CallSid::parse("CA1").unwrap();
        let message = |tool: &str| About::MessageTaken { call: call.clone(), tool_call: tool.to_owned() };
        let limit = |limit| About::LimitReached { limit, day: "2026-11-21".to_owned() };
        let recording = |text: &str| {
            let recording = RecordingSid::parse(text).unwrap();
            About::VoicemailLeft { call: call.clone(), recording }
        };
        let all = [
            Notice::new(business("a"), About::CallEnded { call: call.clone() }, 1),
            Notice::new(business("b"), About::CallEnded { call: call.clone() }, 1),
            Notice::new(business("a"), message("t1"), 1),
            Notice::new(business("a"), message("t2"), 1),
            Notice::new(business("a"), recording("t1"), 1),
            Notice::new(business("a"), recording("t2"), 1),
            Notice::new(business("a"), limit(Limit::ConcurrentCalls), 1),
            Notice::new(business("a"), limit(Limit::MinutesPerMonth), 1),
        ];
        let ids: std::collections::BTreeSet<_> = all.iter().map(|notice| notice.id.clone()).collect();
        assert_eq!(ids.len(), all.len());
        assert_eq!(Notice::new(business("a"), message("t1"), 9).id, all[2].id);
    }

    #[test]
    fn a_limit_is_told_once_a_day_and_the_day_is_that_of_utc() {
        let told = |at_ms| {
            let about = About::limit_reached(Limit::MinutesPerMonth, at_ms);
            Notice::new(BusinessId::parse("a").unwrap(), about, at_ms)
        };
        let (evening, midnight) = (told(1_793_491_199_999), told(1_793_491_200_000));
        let About::LimitReached { day, .. } = &midnight.about else { panic!() };
        assert_eq!(day, "2026-11-01");
        assert_ne!(evening.id, midnight.id);
        assert_eq!(midnight.id, told(1_793_491_200_000 + 86_399_999).id);
    }

    #[test]
    fn a_secret_is_silent_in_debug() {
        let webhook = Webhook { url: "https://x.example".to_owned(), secret: WebhookSecret::new("whsec_x") };
        assert!(!format!("{webhook:?}").contains("whsec"));
    }
}
