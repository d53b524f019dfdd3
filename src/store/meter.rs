//! What a call adds up to, and what of it counts in its business's month. Pure, and the same in every store.

use serde::{Deserialize, Serialize};

use crate::domain::{
    About, CallRecord, Ending, MicroDollars, ModalityTokens, MonthUsage, Notice, StreamEnd, Usage,
};

/// How long a call may be away and come back, in milliseconds: a transfer rings for 25 s until nobody answered it, and a
/// stream that never comes is missed after 15 s. A business is not told before that such a call is over.
pub(super) const MAY_COME_BACK_MS: i64 = 60_000;

/// What one call contributes to the month in which it started. A store keeps with the call what it has counted of it,
/// so that a correction changes the month by the difference, and nothing counts twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metered {
    calls: u64,
    talked_ms: u64,
    usage: Usage,
    cost: MicroDollars,
}

impl Metered {
    /// What a call contributes, as far as it is known: its time when it was answered and is over, its use stream by
    /// stream.
    pub(super) fn of(call: &CallRecord) -> Self {
        let counts = call.answered_ms.is_some() && call.ended_ms.is_some();
        Self { calls: u64::from(counts), talked_ms: call.talked_ms(), usage: call.usage, cost: call.cost }
    }

    /// Puts what is known now in the place of what was counted of the same call before.
    pub(super) fn replace(before: &Self, now: &Self, month: &mut MonthUsage) {
        let follow = |sum: u64, before: u64, now: u64| sum.saturating_sub(before).saturating_add(now);
        month.calls = follow(month.calls, before.calls, now.calls);
        month.talked_ms = follow(month.talked_ms, before.talked_ms, now.talked_ms);
        let tokens = |sum: &mut ModalityTokens, before: ModalityTokens, now: ModalityTokens| {
            sum.text = follow(sum.text, before.text, now.text);
            sum.audio = follow(sum.audio, before.audio, now.audio);
            sum.image = follow(sum.image, before.image, now.image);
        };
        // Taken apart so that a kind of use that is added to it cannot be forgotten here.
        let Usage { input, cached, output, transcribed_ms } = &mut month.usage;
        tokens(input, before.usage.input, now.usage.input);
        tokens(cached, before.usage.cached, now.usage.cached);
        tokens(output, before.usage.output, now.usage.output);
        *transcribed_ms = follow(*transcribed_ms, before.usage.transcribed_ms, now.usage.transcribed_ms);
        let micros = month.cost.micros().saturating_sub(before.cost.micros());
        month.cost = MicroDollars::new(micros) + now.cost;
    }
}

/// What a business is told of a call that is over, if it wants to be.
pub(super) fn notice_of(call: &CallRecord) -> Option<Notice> {
    let at_ms = call.ended_ms.filter(|_| call.tells)?;
    let notice = Notice::new(call.business.clone(), About::CallEnded { call: call.call.clone() }, at_ms);
    let may_come_back = matches!(call.ending, Some(Ending::Transferred(_) | Ending::NeverConnected));
    let due_ms = at_ms.saturating_add(if may_come_back { MAY_COME_BACK_MS } else { 0 });
    Some(Notice { due_ms: Some(due_ms), ..notice })
}

/// Adds to a record, as it was opened, what its streams used, and says how it ended: on purpose if any stream did, of
/// several the last; else by the accident of the last stream that is over.
pub(super) fn add_streams(call: &mut CallRecord, mut streams: Vec<StreamEnd>) {
    streams.sort_by_key(|stream| stream.attempt);
    for stream in &streams {
        call.usage.add(&stream.usage);
        call.cost += stream.cost;
    }
    let endings: Vec<Ending> =
        call.ending.take().into_iter().chain(streams.into_iter().map(|stream| stream.ending)).collect();
    let on_purpose = endings.iter().rfind(|ending| !ending.is_accident());
    call.ending = on_purpose.or(endings.last()).cloned();
}
