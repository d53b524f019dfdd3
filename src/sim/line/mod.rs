//! One media stream as Twilio runs it: frames up every 20 ms, a playout buffer down, marks and `clear`.
//!
//! Strict where Twilio is strict: a message with a field too many or too few is refused and noted.

mod message;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use self::message::Told;
use super::playout::{Full, Playout};
use super::{Caller, Deed, Frame};
use crate::audio::mulaw::FRAME_BYTES;
use crate::domain::{AccountSid, CallSid, Moment, StreamSid};
use crate::wire::Text;

/// How long a frame lasts.
const FRAME: Duration = Duration::from_millis(20);

/// The first `timestamp` of a stream, in milliseconds: some tens, never 0.
const FIRST_TIMESTAMP_MS: u64 = 61;

/// `start` follows `connected` after so long.
const START_AFTER: Duration = Duration::from_millis(2);

/// A frame leaves so long after its first sample: its own 20 ms, and a little.
const FRAME_LAG: Duration = Duration::from_millis(24);

/// Whose stream it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamNames {
    /// The account.
    pub account: AccountSid,
    /// The call.
    pub call: CallSid,
    /// The stream.
    pub stream: StreamSid,
    /// The `<Parameter>`s of the TwiML.
    pub parameters: BTreeMap<String, String>,
}

/// What goes wrong on a line. Times are milliseconds since the stream began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineFault {
    /// Frames of that stretch never come: `timestamp` jumps, `chunk` does not.
    Lose {
        /// From.
        at_ms: u64,
        /// How long.
        for_ms: u64,
    },
    /// Everything of that stretch comes late, at once.
    Hold {
        /// From.
        at_ms: u64,
        /// How long.
        for_ms: u64,
    },
    /// The last frame of audio is sent again.
    Repeat {
        /// When.
        at_ms: u64,
    },
    /// A frame that Twilio would not send.
    Insert {
        /// When.
        at_ms: u64,
        /// The frame.
        frame: Frame,
    },
    /// The connection breaks, without `stop` and without a close frame.
    Reset {
        /// When.
        at_ms: u64,
    },
    /// At the end the socket is closed without a `stop`.
    NeverStop,
}

/// Something we sent that Twilio warns about and ignores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// When.
    pub at: Moment,
    /// Twilio's code: 31950 binary, 31951 invalid message, 31931 buffer full.
    pub code: u16,
    /// What was wrong with it.
    pub why: String,
}

/// One media stream: what Twilio does between `connected` and the close of the socket.
#[derive(Debug)]
pub struct TwilioStream {
    names: StreamNames,
    began: Moment,
    phase: Phase,
    sequence: u64,
    chunk: u64,
    frames: u64,
    playout: Playout,
    outbox: VecDeque<(Moment, Frame)>,
    last_media: Option<Frame>,
    faults: Vec<LineFault>,
    never_stop: bool,
    violations: Vec<Violation>,
    clears: Vec<Moment>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Opened,
    Connected,
    Streaming,
    Over,
}

impl TwilioStream {
    /// A stream whose socket was opened at `began`.
    pub fn new(names: StreamNames, mut faults: Vec<LineFault>, began: Moment) -> Self {
        let never_stop = faults.contains(&LineFault::NeverStop);
        faults.retain(|fault| *fault != LineFault::NeverStop);
        Self {
            names,
            began,
            phase: Phase::Opened,
            sequence: 0,
            chunk: 0,
            frames: 0,
            playout: Playout::new(began),
            outbox: VecDeque::new(),
            last_media: None,
            faults,
            never_stop,
            violations: Vec::new(),
            clears: Vec::new(),
        }
    }

    /// Hears a frame of the server's.
    pub fn hear(&mut self, frame: &Frame, now: Moment) {
        if self.phase == Phase::Over {
            return;
        }
        self.play(now);
        let text = match frame {
            Frame::Text(text) => text,
            Frame::Binary(_) => return self.refuse(31950, "a binary frame".to_owned(), now),
            Frame::Close { .. } | Frame::Reset => {
                self.phase = Phase::Over;
                return;
            }
        };
        if self.phase != Phase::Streaming {
            return self.refuse(31951, "a message before start".to_owned(), now);
        }
        match message::read(text, &self.names.stream) {
            Ok(Told::Media(audio)) => {
                if self.playout.push(audio, now) == Err(Full) {
                    self.refuse(31931, "more than 10 minutes of audio are buffered".to_owned(), now);
                }
            }
            Ok(Told::Mark(name)) => {
                self.playout.mark(name);
                self.play(now);
            }
            Ok(Told::Clear) => {
                self.clears.push(now);
                for name in self.playout.clear() {
                    self.echo(&name, now);
                }
            }
            Err(why) => self.refuse(31951, why, now),
        }
    }

    /// Does all that is due until `now`. The caller hears what was played and says what they have to say.
    pub fn wake(&mut self, caller: &mut Caller, now: Moment) {
        if self.phase == Phase::Opened && now >= self.began {
            self.phase = Phase::Connected;
            let connected = r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#;
            self.send(Frame::Text(connected.into()), now);
        }
        if self.phase == Phase::Connected && now >= self.began + START_AFTER {
            self.phase = Phase::Streaming;
            self.sequence += 1;
            let start = message::start(&self.names, self.sequence);
            self.send(Frame::Text(start), now);
        }
        while self.phase == Phase::Streaming && self.frame_due() <= now {
            let due = self.frame_due();
            self.play(due);
            self.one_frame(caller, due);
        }
        if self.phase == Phase::Streaming {
            self.play(now);
        }
    }

    /// The call is over, for whatever reason but the server's: `stop`, then the socket is closed.
    pub fn end(&mut self, now: Moment) {
        if self.phase == Phase::Over {
            return;
        }
        self.play(now);
        if self.phase == Phase::Streaming && !self.never_stop {
            let StreamNames { account, call, stream, .. } = &self.names;
            let sequence = self.sequence + 1;
            let stop = format!(
                r#"{{"event":"stop","sequenceNumber":"{sequence}","streamSid":"{stream}","stop":{{"accountSid":"{account}","callSid":"{call}"}}}}"#
            );
            self.sequence = sequence;
            self.send(Frame::Text(stop.into()), now);
        }
        self.send(Frame::normal_close(), now);
        self.phase = Phase::Over;
    }

    /// The next frame for the server, of those that have left by `now`.
    pub fn next_frame(&mut self, now: Moment) -> Option<Frame> {
        self.outbox.pop_front_if(|(at, _)| *at <= now).map(|(_, frame)| frame)
    }

    /// When there is something to do, or a frame leaves.
    pub fn wake_at(&self) -> Option<Moment> {
        let leaves = self.outbox.front().map(|(at, _)| *at);
        let due = match self.phase {
            Phase::Opened => Some(self.began),
            Phase::Connected => Some(self.began + START_AFTER),
            Phase::Streaming => {
                let frame = self.frame_due();
                Some(self.playout.wake_at().map_or(frame, |mark| mark.min(frame)))
            }
            Phase::Over => None,
        };
        leaves.into_iter().chain(due).min()
    }

    /// Whether the stream is over; frames may still wait to leave.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// What the caller heard, and what became of each message of audio. The first sample is of [`Self::began`].
    pub fn playout(&self) -> &Playout {
        &self.playout
    }

    /// When the socket was opened.
    pub fn began(&self) -> Moment {
        self.began
    }

    /// What the server did that Twilio warns about.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// When the server told it to forget what was not played.
    pub fn clears(&self) -> &[Moment] {
        &self.clears
    }

    fn frame_due(&self) -> Moment {
        self.began + Duration::from_millis(FIRST_TIMESTAMP_MS) + FRAME_LAG + FRAME * self.frames as u32
    }

    fn one_frame(&mut self, caller: &mut Caller, due: Moment) {
        let timestamp = FIRST_TIMESTAMP_MS + FRAME.as_millis() as u64 * self.frames;
        self.frames += 1;
        let heard = self.playout.heard();
        caller.hear(heard.get(heard.len().saturating_sub(FRAME_BYTES)..).unwrap_or_default());
        let mut audio = [0; FRAME_BYTES];
        let deed = caller.speak(&mut audio, due);
        if !self.meet_faults(due) {
            self.chunk += 1;
            self.sequence += 1;
            let media = Frame::Text(self.media(timestamp, &audio));
            self.last_media = Some(media.clone());
            self.send(media, due);
        }
        match deed {
            None => {}
            Some(Deed::Press(digit)) => {
                self.sequence += 1;
                let (sequence, stream) = (self.sequence, &self.names.stream);
                let dtmf = format!(
                    r#"{{"event":"dtmf","sequenceNumber":"{sequence}","streamSid":"{stream}","dtmf":{{"track":"inbound_track","digit":"{digit}"}}}}"#
                );
                self.send(Frame::Text(dtmf.into()), due);
            }
            Some(Deed::HangUp) => self.end(due),
        }
    }

    /// Carries out the faults of this moment; whether the frame that is due is lost to one.
    fn meet_faults(&mut self, now: Moment) -> bool {
        let ms = now.since(self.began).as_millis() as u64;
        let mut lost = false;
        let mut passed = Vec::new();
        for (index, fault) in self.faults.iter().enumerate() {
            match fault {
                LineFault::Lose { at_ms, for_ms } => lost |= (*at_ms..at_ms + for_ms).contains(&ms),
                LineFault::Repeat { at_ms }
                | LineFault::Insert { at_ms, .. }
                | LineFault::Reset { at_ms } => {
                    if ms >= *at_ms {
                        passed.push(index);
                    }
                }
                // A held frame is held where it is sent; never stopping was taken out at the beginning.
                LineFault::Hold { .. } | LineFault::NeverStop => {}
            }
        }
        for index in passed.into_iter().rev() {
            match self.faults.swap_remove(index) {
                LineFault::Repeat { .. } => {
                    if let Some(media) = self.last_media.clone() {
                        self.send(media, now);
                    }
                }
                LineFault::Insert { frame, .. } => self.send(frame, now),
                LineFault::Reset { .. } => {
                    self.send(Frame::Reset, now);
                    self.phase = Phase::Over;
                    lost = true;
                }
                LineFault::Lose { .. } | LineFault::Hold { .. } | LineFault::NeverStop => {}
            }
        }
        lost
    }

    fn play(&mut self, now: Moment) {
        for name in self.playout.play_until(now) {
            self.echo(&name, now);
        }
    }

    fn echo(&mut self, name: &str, now: Moment) {
        self.sequence += 1;
        // A name may hold anything that JSON can; printing a string cannot fail.
        let name = serde_json::to_string(name).unwrap_or_default();
        let (sequence, stream) = (self.sequence, &self.names.stream);
        let mark = format!(
            r#"{{"event":"mark","sequenceNumber":"{sequence}","streamSid":"{stream}","mark":{{"name":{name}}}}}"#
        );
        self.send(Frame::Text(mark.into()), now);
    }

    fn send(&mut self, frame: Frame, now: Moment) {
        let mut leaves = now;
        for fault in &self.faults {
            if let LineFault::Hold { at_ms, for_ms } = fault {
                let from = self.began + Duration::from_millis(*at_ms);
                let until = from + Duration::from_millis(*for_ms);
                if from <= now && now < until {
                    leaves = leaves.max(until);
                }
            }
        }
        self.outbox.push_back((leaves, frame));
    }

    fn media(&self, timestamp: u64, audio: &[u8]) -> Text {
        let (sequence, chunk, stream) = (self.sequence, self.chunk, &self.names.stream);
        // 216 of base64, and at most 200 around it.
        let mut text = String::with_capacity(416);
        text.push_str(r#"{"event":"media","sequenceNumber":""#);
        text.push_str(&format!(
            r#"{sequence}","media":{{"track":"inbound","chunk":"{chunk}","timestamp":"{timestamp}","payload":""#
        ));
        STANDARD.encode_string(audio, &mut text);
        text.push_str("\"},\"streamSid\":\"");
        text.push_str(stream.as_str());
        text.push_str("\"}");
        text.into()
    }

    fn refuse(&mut self, code: u16, why: String, at: Moment) {
        self.violations.push(Violation { at, code, why });
    }
}

#[cfg(test)]
mod tests;
