//! What a business is told, word for word: JSON with a type, a time, and what happened. Our own shapes, so that what we
//! store may change and what receivers read does not.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::domain::{
    About, CallRecord, Ending, Limit, Message, MicroDollars, Notice, Pii, Recording, Speaker, Turn, Usage,
    Voicemail,
};

/// How long all turns of a call may be together, as JSON in bytes: half an hour of talk is some 40 KB, and with the rest
/// of the body this stays below the 256 KiB at which queues behind receivers commonly end.
const MOST_TURNS_BYTES: usize = 200 * 1024;

/// How long each text of a message may be, in bytes: a page or two is a message, and a model that repeats itself is not
/// to make one that no receiver takes.
const MOST_TEXT_BYTES: usize = 32 * 1024;

/// What happened, as the ledger has it.
pub(super) enum Happened {
    /// A call is over.
    CallEnded(Box<CallRecord>, Vec<Turn>),
    /// Somebody left a message.
    MessageTaken(Box<Message>),
    /// Somebody left a voicemail.
    VoicemailLeft(Box<Voicemail>),
    /// A plan is at a limit.
    LimitReached(Limit, String),
}

#[derive(Serialize)]
struct Told<D> {
    r#type: &'static str,
    timestamp: String,
    data: D,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallEnded<'a> {
    call_id: &'a str,
    business_id: &'a str,
    from: &'a Pii<String>,
    to: &'a Pii<String>,
    started_at: String,
    answered_at: Option<String>,
    ended_at: Option<String>,
    duration_seconds: f64,
    ending: Option<How<'a>>,
    usage: Usage,
    cost_estimate_usd: String,
    recordings: Vec<Recorded<'a>>,
    turns: Vec<Box<RawValue>>,
    /// How many turns at the end are left out, because all together would be too long.
    turns_omitted: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct How<'a> {
    how: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Recorded<'a> {
    attempt: u8,
    file: &'a str,
    length_ms: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Said<'a> {
    speaker: &'static str,
    text: &'a Pii<String>,
    attempt: u8,
    number: u32,
    began_ms: u64,
    interrupted: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageTaken<'a> {
    call_id: &'a str,
    business_id: &'a str,
    name: &'a str,
    contact: &'a str,
    text: &'a str,
    taken_at: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VoicemailLeft<'a> {
    call_id: &'a str,
    business_id: &'a str,
    from: &'a Pii<String>,
    to: &'a Pii<String>,
    left_at: String,
    duration_ms: u64,
    recording_sid: &'a str,
    /// Twilio's own; with `.mp3` behind it, the audio in that form.
    recording_url: &'a Pii<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LimitReached<'a> {
    business_id: &'a str,
    limit: Limit,
    day: &'a str,
}

/// The body that tells of it. The caller's words are in it.
pub(super) fn body(notice: &Notice, happened: &Happened) -> Result<Pii<String>, serde_json::Error> {
    let text = match happened {
        Happened::CallEnded(record, turns) => {
            let at_ms = record.ended_ms.unwrap_or(notice.created_ms);
            told("call.ended", at_ms, call_ended(record, turns)?)
        }
        Happened::MessageTaken(message) => told("message.taken", message.taken_ms, message_taken(message)),
        Happened::VoicemailLeft(voicemail) => {
            told("voicemail.left", voicemail.left_ms, voicemail_left(voicemail))
        }
        Happened::LimitReached(limit, day) => {
            let data = LimitReached { business_id: notice.business.as_str(), limit: *limit, day };
            told("plan.limit_reached", notice.created_ms, data)
        }
    };
    text.map(Pii::new)
}

/// A word for what a notice is about, for the log.
pub(super) fn name(about: &About) -> &'static str {
    match about {
        About::CallEnded { .. } => "call.ended",
        About::MessageTaken { .. } => "message.taken",
        About::VoicemailLeft { .. } => "voicemail.left",
        About::LimitReached { .. } => "plan.limit_reached",
    }
}

fn told(r#type: &'static str, at_ms: i64, data: impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Told { r#type, timestamp: rfc3339(at_ms), data })
}

fn call_ended<'a>(record: &'a CallRecord, turns: &'a [Turn]) -> Result<CallEnded<'a>, serde_json::Error> {
    let said = shortened(turns)?;
    Ok(CallEnded {
        call_id: record.call.as_str(),
        business_id: record.business.as_str(),
        from: &record.from,
        to: &record.to,
        started_at: rfc3339(record.started_ms),
        answered_at: record.answered_ms.map(rfc3339),
        ended_at: record.ended_ms.map(rfc3339),
        duration_seconds: seconds(record.talked_ms()),
        ending: record.ending.as_ref().map(how),
        usage: record.usage,
        cost_estimate_usd: dollars(record.cost),
        recordings: record.recordings.iter().map(recorded).collect(),
        turns_omitted: turns.len() - said.len(),
        turns: said,
    })
}

/// As many turns from the first on as there is room for.
fn shortened(turns: &[Turn]) -> Result<Vec<Box<RawValue>>, serde_json::Error> {
    let mut said = Vec::with_capacity(turns.len());
    let mut bytes = 0;
    for turn in turns {
        let turn = serde_json::value::to_raw_value(&Said {
            speaker: match turn.speaker {
                Speaker::Caller => "caller",
                Speaker::Model => "model",
            },
            text: &turn.text,
            attempt: turn.attempt,
            number: turn.number,
            began_ms: turn.began_ms,
            interrupted: turn.interrupted,
        })?;
        bytes += turn.get().len();
        if bytes > MOST_TURNS_BYTES {
            break;
        }
        said.push(turn);
    }
    Ok(said)
}

fn message_taken(message: &Message) -> MessageTaken<'_> {
    MessageTaken {
        call_id: message.call.as_str(),
        business_id: message.business.as_str(),
        name: cut(&message.name),
        contact: cut(&message.contact),
        text: cut(&message.text),
        taken_at: rfc3339(message.taken_ms),
    }
}

fn voicemail_left(voicemail: &Voicemail) -> VoicemailLeft<'_> {
    VoicemailLeft {
        call_id: voicemail.call.as_str(),
        business_id: voicemail.business.as_str(),
        from: &voicemail.from,
        to: &voicemail.to,
        left_at: rfc3339(voicemail.left_ms),
        duration_ms: voicemail.length_ms,
        recording_sid: voicemail.recording.as_str(),
        recording_url: &voicemail.url,
    }
}

fn cut(text: &Pii<String>) -> &str {
    let text = text.reveal();
    text.get(..text.floor_char_boundary(MOST_TEXT_BYTES)).unwrap_or(text)
}

fn how(ending: &Ending) -> How<'_> {
    let plain = |how| How { how, destination: None };
    match ending {
        Ending::CallerHungUp => plain("callerHungUp"),
        Ending::HungUp => plain("hungUp"),
        Ending::Transferred(to) => How { how: "transferred", destination: Some(to.as_str()) },
        Ending::NeverConnected => plain("neverConnected"),
        Ending::StreamLost => plain("streamLost"),
        Ending::StreamRefused(_) => plain("streamRefused"),
        Ending::ModelLost => plain("modelLost"),
        Ending::ModelRefused => plain("modelRefused"),
        Ending::HandedOver => plain("handedOver"),
        Ending::PlanLimit => plain("planLimit"),
    }
}

fn recorded(recording: &Recording) -> Recorded<'_> {
    Recorded { attempt: recording.attempt, file: &recording.file, length_ms: recording.length_ms }
}

/// A time nobody can mean is the beginning of 1970.
fn rfc3339(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{time:.3}")
}

fn seconds(ms: u64) -> f64 {
    std::time::Duration::from_millis(ms).as_secs_f64()
}

/// Dollars with all their digits, as text: a number would lose some on its way through a program.
fn dollars(cost: MicroDollars) -> String {
    let sign = if cost.micros() < 0 { "-" } else { "" };
    let micros = cost.micros().unsigned_abs();
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{message, notice_of, record, turn, voicemail};
    use super::*;

    fn shown(about: About, happened: &Happened) -> Value {
        let body = body(&notice_of(about), happened).unwrap();
        serde_json::from_str(body.reveal()).unwrap()
    }

    #[test]
    fn a_call_is_told_with_everything_that_was_said() {
        let record = record();
        let about = About::CallEnded { call: record.call.clone() };
        let turns = vec![turn(0, Speaker::Model, "Hello."), turn(1, Speaker::Caller, "It \"aches\".")];
        let shown = shown(about, &Happened::CallEnded(Box::new(record), turns));
        assert_eq!(
            shown,
            json!({
                "type": "call.ended",
                "timestamp": "2026-09-21T14:15:00.250Z",
                "data": {
                    "callId": "CA00000000000000000000000000000001",
                    "businessId": "business-1",
                    "from": "+14155550123",
                    "to": "+15551234567",
                    "startedAt": "2026-09-21T14:13:20.000Z",
                    "answeredAt": "2026-09-21T14:13:22.000Z",
                    "endedAt": "2026-09-21T14:15:00.250Z",
                    "durationSeconds": 98.25,
                    "ending": {"how": "transferred", "destination": "front-office"},
                    "usage": record_usage(),
                    "costEstimateUsd": "0.049349",
                    "recordings": [{"attempt": 1, "file": "CA1-1.wav", "lengthMs": 98_000}],
                    "turns": [
                        {"speaker": "model", "text": "Hello.", "attempt": 1, "number": 0, "beganMs": 0,
                         "interrupted": false},
                        {"speaker": "caller", "text": "It \"aches\".", "attempt": 1, "number": 1,
                         "beganMs": 1_000, "interrupted": false},
                    ],
                    "turnsOmitted": 0,
                },
            })
        );
    }

    fn record_usage() -> Value {
        serde_json::to_value(record().usage).unwrap()
    }

    #[test]
    fn a_message_a_voicemail_and_a_limit_are_told() {
        let message = message();
        let about = About::MessageTaken { call: message.call.clone(), tool_call: message.tool_call.clone() };
        assert_eq!(
            shown(about, &Happened::MessageTaken(Box::new(message))),
            json!({
                "type": "message.taken",
                "timestamp": "2026-09-21T14:14:00.000Z",
                "data": {
                    "callId": "CA00000000000000000000000000000001",
                    "businessId": "business-1",
                    "name": "Rosalind",
                    "contact": "rosalind@example.com",
                    "text": "Please ring back",
                    "takenAt": "2026-09-21T14:14:00.000Z",
                },
            })
        );
        let voicemail = voicemail();
        let (call, recording) = (voicemail.call.clone(), voicemail.recording.clone());
        assert_eq!(
            shown(About::VoicemailLeft { call, recording }, &Happened::VoicemailLeft(Box::new(voicemail))),
            json!({
                "type": "voicemail.left",
                "timestamp": "2026-09-21T14:14:10.000Z",
                "data": {
                    "callId": "CA00000000000000000000000000000001",
                    "businessId": "business-1",
                    "from": "+14155550123",
                    "to": "+15551234567",
                    "leftAt": "2026-09-21T14:14:10.000Z",
                    "durationMs": 7_000,
                    "recordingSid": "RE00000000000000000000000000000001",
                    "recordingUrl":
                        "https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/RE00000000000000000000000000000001",
                },
            })
        );
        let (limit, day) = (Limit::MinutesPerMonth, "2026-09-21".to_owned());
        let about = About::LimitReached { limit, day: day.clone() };
        assert_eq!(
            shown(about, &Happened::LimitReached(limit, day)),
            json!({
                "type": "plan.limit_reached",
                "timestamp": "2026-09-21T14:13:20.000Z",
                "data": {"businessId": "business-1", "limit": "minutesPerMonth", "day": "2026-09-21"},
            })
        );
    }

    #[test]
    fn what_is_too_long_is_cut_and_said_to_be() {
        let record = record();
        let about = About::CallEnded { call: record.call.clone() };
        // Each quote takes two bytes in JSON.
        let turns: Vec<_> = (0..40).map(|n| turn(n, Speaker::Caller, &"\"".repeat(5_000))).collect();
        let told = Happened::CallEnded(Box::new(record), turns);
        let whole = body(&notice_of(about.clone()), &told).unwrap().into_revealed();
        assert!(whole.len() < 256 * 1024, "{}", whole.len());
        let data = &shown(about, &told)["data"];
        let (kept, omitted) =
            (data["turns"].as_array().unwrap().len(), data["turnsOmitted"].as_u64().unwrap());
        assert_eq!((kept, omitted), (20, 20));

        let long = Message { text: Pii::new("ü".repeat(100_000)), ..message() };
        let about = About::MessageTaken { call: long.call.clone(), tool_call: long.tool_call.clone() };
        let shown = shown(about, &Happened::MessageTaken(Box::new(long)));
        assert_eq!(shown["data"]["text"].as_str().unwrap().len(), MOST_TEXT_BYTES);
    }

    #[test]
    fn every_ending_has_the_name_it_has_in_the_store() {
        for ending in [
            Ending::CallerHungUp,
            Ending::HungUp,
            Ending::NeverConnected,
            Ending::StreamLost,
            Ending::ModelLost,
            Ending::ModelRefused,
            Ending::HandedOver,
            Ending::PlanLimit,
        ] {
            assert_eq!(json!(how(&ending).how), serde_json::to_value(&ending).unwrap());
        }
    }
}
