//! What the tests of this room share: one business, one call, one message.

use crate::domain::{
    About, AccountSid, BusinessId, CallRecord, CallSid, DestinationId, Ending, InstanceId, Message,
    MicroDollars, Notice, Pii, PlanId, Recording, Speaker, Turn, Usage,
};

/// 2026-09-21T14:13:20Z.
pub(super) const BEGAN_MS: i64 = 1_790_000_000_000;

pub(super) fn call_sid() -> CallSid {
    CallSid::parse("CA00000000000000000000000000000001").unwrap()
}

pub(super) fn business_id(text: &str) -> BusinessId {
    BusinessId::parse(text).unwrap()
}

pub(super) fn notice_of(about: About) -> Notice {
    Notice::new(business_id("business-1"), about, BEGAN_MS)
}

pub(super) fn record() -> CallRecord {
    let instance = InstanceId::parse("here").unwrap();
    let file = "CA1-1.wav".to_owned();
    CallRecord {
        call: call_sid(),
        account: AccountSid::parse("AC1").unwrap(),
        business: business_id("business-1"),
        plan: PlanId::parse("premium").unwrap(),
        from: Pii::new("+14155550123".to_owned()),
        to: Pii::new("+15551234567".to_owned()),
        started_ms: BEGAN_MS,
        answered_ms: Some(BEGAN_MS + 2_000),
        ended_ms: Some(BEGAN_MS + 100_250),
        ending: Some(Ending::Transferred(DestinationId::parse("front-office").unwrap())),
        intention: None,
        attempts: 1,
        instance: instance.clone(),
        usage: Usage::default(),
        cost: MicroDollars::new(49_349),
        recordings: vec![Recording { attempt: 1, file, length_ms: 98_000, instance }],
        tells: true,
    }
}

pub(super) fn turn(number: u32, speaker: Speaker, text: &str) -> Turn {
    Turn {
        attempt: 1,
        number,
        speaker,
        text: Pii::new(text.to_owned()),
        began_ms: u64::from(number) * 1_000,
        heard_ms: 0,
        interrupted: false,
        answer_delay_ms: None,
    }
}

pub(super) fn message() -> Message {
    Message {
        call: call_sid(),
        business: business_id("business-1"),
        tool_call: "call_1".to_owned(),
        name: Pii::new("Rosalind".to_owned()),
        contact: Pii::new("rosalind@example.com".to_owned()),
        text: Pii::new("Please ring back".to_owned()),
        taken_ms: BEGAN_MS + 40_000,
    }
}
