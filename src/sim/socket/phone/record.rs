//! What a caller says after the tone, recorded as Twilio records it.

use std::time::Duration;

use super::stream::{Ordered, next_order};
use super::{Next, PhoneEvent, Placed, in_progress, obeyed};
use crate::audio::mulaw::BYTES_PER_MS;
use crate::domain::RecordingSid;
use crate::sim::caller::is_audible;
use crate::sim::socket::Clock;
use crate::sim::{Deed, tone};
use crate::wire::twilio::twiml::Record;

/// The tone before a recording: its pitch in Hz, and its length in milliseconds.
const BEEP: (u32, usize) = (1_000, 400);

/// The length of a frame, in milliseconds.
const FRAME_MS: u64 = 20;

/// A frame, in bytes.
const FRAME_BYTES: usize = FRAME_MS as usize * BYTES_PER_MS;

/// How a recording ended.
enum RecordEnd {
    /// Silence, or the longest time.
    InTime,
    /// A key.
    Key(char),
    /// The caller hung up.
    HungUp,
    /// The REST interface ended the call, or gave it new TwiML.
    Ordered(Ordered),
}

impl Placed<'_> {
    /// Records the caller, tells of it, and gives what is next; none when nothing was recorded and the next verb follows.
    pub(super) async fn record(&mut self, record: Record) -> Option<Next> {
        let started = Clock::time_of_day();
        let mut audio = Vec::new();
        let end = self.hear_caller(&record, &mut audio).await;
        let audio = trimmed(&audio);
        let length_ms = (audio.len() / BYTES_PER_MS) as u64;
        self.note(PhoneEvent::Recorded { length_ms });
        let seconds = length_ms.div_ceil(1_000).to_string();
        let (account, call) = (self.plan.account.clone(), self.plan.call.clone());
        let name = RecordingSid::parse(&format!("RE{}", uuid::Uuid::new_v4().simple())).ok()?;
        let base = self.phone.rest.as_ref().map_or("https://api.twilio.com", |rest| rest.base());
        let url = format!("{base}/2010-04-01/Accounts/{account}/Recordings/{name}");
        let status = if audio.is_empty() { "absent" } else { "completed" };
        let about: Vec<_> = [
            ("AccountSid", account.as_str()),
            ("CallSid", call.as_str()),
            ("RecordingSid", name.as_str()),
            ("RecordingUrl", &url),
            ("RecordingStatus", status),
            ("RecordingDuration", &seconds),
            ("RecordingChannels", "1"),
            ("RecordingStartTime", &started),
            ("RecordingSource", "RecordVerb"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        if let Some(rest) = self.phone.rest.as_ref().filter(|_| !audio.is_empty()) {
            rest.keep(&name, audio);
        }
        self.tell_form(&record.status_callback, &about);
        let (digits, is_over) = match end {
            RecordEnd::Ordered(order) => return Some(obeyed(order)),
            RecordEnd::InTime => (String::new(), false),
            RecordEnd::Key(key) => (key.to_string(), false),
            RecordEnd::HungUp => ("hangup".to_owned(), true),
        };
        if audio.is_empty() {
            // Nobody is asked about nothing.
            return is_over.then_some(Next::Over);
        }
        let mut about = if is_over { vec![("CallStatus", "completed".to_owned())] } else { in_progress() };
        about.extend([("RecordingUrl", url), ("RecordingSid", name.to_string())]);
        about.extend([("RecordingDuration", seconds), ("Digits", digits)]);
        if is_over {
            // What it answers has no caller any more.
            self.ask(&record.action, about).await;
            return Some(Next::Over);
        }
        Some(Next::Ask(record.action, about))
    }

    /// Plays the tone, and then takes down what the caller says, frame by frame.
    async fn hear_caller(&mut self, record: &Record, audio: &mut Vec<u8>) -> RecordEnd {
        let (hz, beep_ms) = if record.play_beep { BEEP } else { (BEEP.0, 0) };
        let beep = tone::sine(hz, beep_ms);
        if record.play_beep {
            self.note(PhoneEvent::Beeped);
        }
        let quiet = tone::silence(FRAME_BYTES / BYTES_PER_MS);
        let mut beep = beep.chunks(FRAME_BYTES);
        let (longest_ms, timeout_ms) =
            (u64::from(record.max_length_s) * 1_000, u64::from(record.timeout_s) * 1_000);
        let (mut recorded_ms, mut silent_ms) = (0, 0);
        let mut due = self.clock.now();
        loop {
            due = due + Duration::from_millis(FRAME_MS);
            tokio::select! {
                () = self.clock.until(Some(due)) => {}
                order = next_order(&mut self.orders, &self.plan.call) => {
                    self.note(PhoneEvent::Ordered { twiml: matches!(order, Ordered::Twiml(_)) });
                    return RecordEnd::Ordered(order);
                }
            }
            let (now, mut frame) = (self.clock.now(), [0; FRAME_BYTES]);
            let played = beep.next();
            self.caller.hear(played.unwrap_or(&quiet));
            match self.caller.speak(&mut frame, now) {
                Some(Deed::HangUp) => return RecordEnd::HungUp,
                Some(Deed::Press(key)) if record.finish_on_key.contains(key) => return RecordEnd::Key(key),
                Some(Deed::Press(_)) | None => {}
            }
            if played.is_some() {
                continue;
            }
            audio.extend(frame);
            recorded_ms += FRAME_MS;
            silent_ms = if is_audible(&frame) { 0 } else { silent_ms + FRAME_MS };
            if recorded_ms >= longest_ms || silent_ms >= timeout_ms {
                return RecordEnd::InTime;
            }
        }
    }
}

/// Without the silence before and behind what was said; nothing, when nothing was.
fn trimmed(audio: &[u8]) -> &[u8] {
    let frames = || audio.chunks(FRAME_BYTES).map(is_audible);
    let first = frames().position(|audible| audible).unwrap_or(0);
    let behind = frames().rposition(|audible| audible).map_or(0, |last| last + 1);
    audio.get(first * FRAME_BYTES..(behind * FRAME_BYTES).min(audio.len())).unwrap_or_default()
}
