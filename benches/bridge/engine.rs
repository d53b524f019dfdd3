//! The load's loop: all callers and all models on one thread, each message sent at its own moment and looked at as soon as
//! it comes.
//!
//! A caller speaks Twilio's wire: 50 messages a second, and each mark back when what stands before it was played. A model
//! speaks Realtime's: 200 ms of audio five times a second, in one answer that never ends.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io::{ErrorKind, Read as _, Write as _};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::frames::{
    CLOSE, FRAME_BYTES, FRAME_NS, PING, PONG, Stamp, TEXT, find, next_frame, value, write_frame,
};
use super::tally::Way;

/// A model's delta: 200 ms.
const DELTA_FRAMES: usize = 10;

/// Sent between two looks at the sockets at most, so that what comes is never looked at late because of what goes.
const SENT_AT_ONCE: usize = 16;

/// The longest sleep: newcomers are looked for as often.
const NAP: Duration = Duration::from_millis(2);

/// What a subject may leave untaken; more and it is called stuck.
const MOST_UNSENT: usize = 4 << 20;

/// µ-law of next to nothing, behind each stamp.
const QUIET: u8 = 0xfe;

/// How the models behave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Model {
    /// From `session.update` to `session.updated`.
    pub(crate) setup: Duration,
    /// From `response.create` to the first audio; none when it waits for the caller's first frame instead, so that no
    /// call begins with a store of audio ahead of the caller's ear.
    pub(crate) first_audio: Option<Duration>,
    /// Whether it speaks only when it was asked to. Nobody asks over the raw relay.
    pub(crate) must_be_asked: bool,
    /// Whether it speaks at all.
    pub(crate) speaks: bool,
}

/// Somebody new, with a socket whose handshake is over.
pub(crate) enum Newcomer {
    /// A caller, whose first words are still to be said.
    Caller { socket: std::net::TcpStream, number: u32, stream: String, hello: Vec<u8> },
    /// A model.
    Model { socket: std::net::TcpStream },
}

/// What is due, and when.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at_ns: u64,
    line: usize,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// 20 ms of the caller's.
    Frame,
    /// A mark, back.
    Mark,
    /// `session.updated`.
    Updated,
    /// An answer begins.
    Answer,
    /// 200 ms of it.
    Delta,
}

struct Line {
    socket: TcpStream,
    rest: Vec<u8>,
    unsent: Vec<u8>,
    open: bool,
    end: End,
}

enum End {
    Caller(CallerEnd),
    Model(ModelEnd),
}

struct CallerEnd {
    number: u32,
    stream: String,
    started_ns: u64,
    first_audio: bool,
    played_until_ns: u64,
    marks: VecDeque<String>,
}

#[derive(Default)]
struct ModelEnd {
    number: u32,
    tag: String,
    heard: bool,
    asked: bool,
    answering: bool,
}

/// All of it.
pub(crate) struct Engine {
    poll: Poll,
    events: Events,
    newcomers: Receiver<Newcomer>,
    lines: Vec<Line>,
    due: BinaryHeap<Reverse<Due>>,
    model: Model,
    models: u32,
    began: Instant,
    buffer: Vec<u8>,
    audio: Vec<u8>,
    body: Vec<u8>,
    frame: Vec<u8>,
    silent: bool,
    /// Caller to model.
    pub(crate) up: Way,
    /// Model to caller.
    pub(crate) down: Way,
    /// From `start` to the first audio, of each call, in microseconds.
    pub(crate) first_audio_us: Vec<u32>,
    /// How late what was due has left, in microseconds, since it was cleared.
    pub(crate) late_us: Vec<u32>,
    /// `clear`s: none of our callers interrupts.
    pub(crate) clears: usize,
}

impl Engine {
    pub(crate) fn new(newcomers: Receiver<Newcomer>, model: Model) -> anyhow::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(1_024),
            newcomers,
            lines: Vec::new(),
            due: BinaryHeap::new(),
            model,
            models: 0,
            began: Instant::now(),
            buffer: vec![0; 64 * 1_024],
            audio: Vec::new(),
            body: Vec::new(),
            frame: Vec::new(),
            silent: false,
            up: Way::default(),
            down: Way::default(),
            first_audio_us: Vec::new(),
            late_us: Vec::new(),
            clears: 0,
        })
    }

    /// Callers and models fall silent; what is in flight is still taken.
    pub(crate) fn fall_silent(&mut self) {
        self.silent = true;
    }

    /// Runs for so long, or until it is so.
    pub(crate) fn run(
        &mut self,
        longest: Duration,
        mut until: impl FnMut(&Self) -> bool,
    ) -> anyhow::Result<bool> {
        let ends = Instant::now() + longest;
        let mut looks = 0_u32;
        while Instant::now() < ends {
            while let Ok(newcomer) = self.newcomers.try_recv() {
                self.welcome(newcomer)?;
            }
            self.send_due();
            self.listen()?;
            looks += 1;
            // Some conditions look at every call.
            if looks.is_multiple_of(64) && until(self) {
                return Ok(true);
            }
        }
        Ok(until(self))
    }

    /// How many sockets closed, broke, or were given up.
    pub(crate) fn closed(&self) -> usize {
        self.lines.iter().filter(|line| !line.open).count()
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn welcome(&mut self, newcomer: Newcomer) -> anyhow::Result<()> {
        let index = self.lines.len();
        let now_ns = self.now_ns();
        let (socket, end, first_words) = match newcomer {
            Newcomer::Caller { socket, number, stream, hello } => {
                // Spread over 20 ms, whatever the rhythm they were placed in.
                let first_ns = now_ns + u64::from(number) * 7_300_000 % FRAME_NS;
                self.due.push(Reverse(Due { at_ns: first_ns, line: index, what: What::Frame }));
                let (marks, played_until_ns) = (VecDeque::new(), 0);
                let end = CallerEnd {
                    number,
                    stream,
                    started_ns: now_ns,
                    first_audio: false,
                    played_until_ns,
                    marks,
                };
                (socket, End::Caller(end), hello)
            }
            Newcomer::Model { socket } => {
                let end = ModelEnd { number: self.models, ..ModelEnd::default() };
                self.models += 1;
                let mut hello = Vec::new();
                write_frame(
                    TEXT,
                    false,
                    br#"{"type":"session.created","event_id":"event_0","session":{}}"#,
                    &mut hello,
                );
                (socket, End::Model(end), hello)
            }
        };
        socket.set_nonblocking(true)?;
        let mut socket = TcpStream::from_std(socket);
        self.poll.registry().register(&mut socket, Token(index), Interest::READABLE | Interest::WRITABLE)?;
        self.lines.push(Line { socket, rest: Vec::new(), unsent: Vec::new(), open: true, end });
        self.lines[index].send(&first_words);
        Ok(())
    }

    fn send_due(&mut self) {
        for _ in 0..SENT_AT_ONCE {
            let now_ns = self.now_ns();
            if self.due.peek().is_none_or(|Reverse(due)| due.at_ns > now_ns) {
                return;
            }
            let Some(Reverse(due)) = self.due.pop() else { return };
            self.late_us.push(u32::try_from((now_ns - due.at_ns) / 1_000).unwrap_or(u32::MAX));
            self.send_one(&due, now_ns);
        }
    }

    fn send_one(&mut self, due: &Due, now_ns: u64) {
        let line = &mut self.lines[due.line];
        self.body.clear();
        let by_client = matches!(line.end, End::Caller(_));
        let mut again_after = None;
        match (&mut line.end, &due.what) {
            (End::Caller(caller), What::Frame) if !self.silent => {
                let tally = self.up.of(caller.number);
                stamped(1, caller.number, &mut tally.sent, now_ns, &mut self.audio);
                caller.media(tally.sent, &self.audio, &mut self.body);
                again_after = Some(FRAME_NS);
            }
            (End::Caller(caller), What::Mark) => caller.mark(&mut self.body),
            (End::Model(_), What::Updated) => self.body.extend_from_slice(UPDATED),
            (End::Model(model), What::Answer) => {
                model.answer(&mut self.body);
                self.due.push(Reverse(Due { at_ns: now_ns, line: due.line, what: What::Delta }));
            }
            (End::Model(model), What::Delta) if !self.silent => {
                let tally = self.down.of(model.number);
                stamped(DELTA_FRAMES, model.number, &mut tally.sent, now_ns, &mut self.audio);
                model.delta(&self.audio, &mut self.body);
                again_after = Some(FRAME_NS * DELTA_FRAMES as u64);
            }
            _ => {}
        }
        if !self.body.is_empty() {
            self.frame.clear();
            write_frame(TEXT, by_client, &self.body, &mut self.frame);
            line.send(&self.frame);
        }
        if let Some(after) = again_after.filter(|_| line.open) {
            // From when it was due, so that nothing drifts.
            self.due.push(Reverse(Due { at_ns: due.at_ns + after, line: due.line, what: due.what }));
        }
    }

    fn listen(&mut self) -> anyhow::Result<()> {
        let now_ns = self.now_ns();
        let next_ns = self.due.peek().map_or(u64::MAX, |Reverse(due)| due.at_ns);
        let nap = NAP.min(Duration::from_nanos(next_ns.saturating_sub(now_ns)));
        match self.poll.poll(&mut self.events, Some(nap)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            let Token(index) = event.token();
            if event.is_writable() {
                self.lines[index].flush();
            }
            self.read(index);
        }
        self.events = events;
        Ok(())
    }

    fn read(&mut self, index: usize) {
        let mut buffer = std::mem::take(&mut self.buffer);
        while self.lines[index].open {
            let line = &mut self.lines[index];
            let read = match line.socket.read(&mut buffer) {
                Ok(read) if read > 0 => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Ok(_) | Err(_) => {
                    line.open = false;
                    break;
                }
            };
            let now_ns = self.now_ns();
            let line = &mut self.lines[index];
            if line.rest.is_empty() {
                let taken = self.take(index, &mut buffer[..read], now_ns);
                self.lines[index].rest.extend_from_slice(&buffer[taken..read]);
            } else {
                let mut rest = std::mem::take(&mut line.rest);
                rest.extend_from_slice(&buffer[..read]);
                let taken = self.take(index, &mut rest, now_ns);
                rest.drain(..taken);
                self.lines[index].rest = rest;
            }
            if read < buffer.len() {
                break;
            }
        }
        self.buffer = buffer;
    }

    /// Takes all whole frames, and says how many bytes they were.
    fn take(&mut self, index: usize, bytes: &mut [u8], now_ns: u64) -> usize {
        let mut taken = 0;
        while let Some(frame) = next_frame(&mut bytes[taken..]) {
            let body = &bytes[taken..][frame.body.clone()];
            match frame.kind {
                TEXT if matches!(self.lines[index].end, End::Caller(_)) => {
                    self.tell_caller(index, body, now_ns);
                }
                TEXT => self.tell_model(index, body, now_ns),
                PING => {
                    let line = &mut self.lines[index];
                    self.frame.clear();
                    write_frame(PONG, matches!(line.end, End::Caller(_)), body, &mut self.frame);
                    line.send(&self.frame);
                }
                CLOSE => self.lines[index].open = false,
                _ => {}
            }
            taken += frame.end;
        }
        taken
    }

    fn tell_caller(&mut self, index: usize, text: &[u8], now_ns: u64) {
        let End::Caller(caller) = &mut self.lines[index].end else { return };
        if text.starts_with(br#"{"event":"mark""#) {
            let name = value(text, br#""name":""#).unwrap_or_default();
            caller.marks.push_back(String::from_utf8_lossy(name).into_owned());
            let at_ns = caller.played_until_ns.max(now_ns);
            self.due.push(Reverse(Due { at_ns, line: index, what: What::Mark }));
            return;
        }
        if text.starts_with(br#"{"event":"clear""#) {
            self.clears += 1;
            return;
        }
        // Over the raw relay comes what the model said.
        let audio = value(text, br#""payload":""#).or_else(|| value(text, br#""delta":""#));
        let Some(audio) = audio else { return };
        self.audio.clear();
        if STANDARD.decode_vec(audio, &mut self.audio).is_err() {
            return;
        }
        if !caller.first_audio {
            caller.first_audio = true;
            let after_us = (now_ns - caller.started_ns) / 1_000;
            self.first_audio_us.push(u32::try_from(after_us).unwrap_or(u32::MAX));
        }
        let frames = (self.audio.len() / FRAME_BYTES) as u64;
        caller.played_until_ns = caller.played_until_ns.max(now_ns) + frames * FRAME_NS;
        self.down.take(&self.audio, now_ns);
    }

    fn tell_model(&mut self, index: usize, text: &[u8], now_ns: u64) {
        let End::Model(model) = &mut self.lines[index].end else { return };
        let mut push = |after: Duration, what| {
            let at_ns = now_ns + u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
            self.due.push(Reverse(Due { at_ns, line: index, what }));
        };
        // Over the raw relay comes what the caller said.
        let audio = value(text, br#""audio":""#).or_else(|| value(text, br#""payload":""#));
        if let Some(audio) = audio {
            self.audio.clear();
            if STANDARD.decode_vec(audio, &mut self.audio).is_ok() {
                self.up.take(&self.audio, now_ns);
            }
            model.heard = true;
        } else if find(text, br#""session.update""#).is_some() {
            push(self.model.setup, What::Updated);
        } else if find(text, br#""response.create""#).is_some() {
            model.tag = String::from_utf8_lossy(value(text, br#""tag":""#).unwrap_or_default()).into_owned();
            model.asked = true;
        }
        let may = self.model.speaks && (model.asked || !self.model.must_be_asked) && !model.answering;
        // Spread over 200 ms, whatever the rhythm they were placed in.
        let spread = Duration::from_millis(u64::from(model.number) * 37 % 200);
        if let Some(after) = self.model.first_audio.or(model.heard.then_some(spread)).filter(|_| may) {
            model.answering = true;
            push(after, What::Answer);
        }
    }
}

const UPDATED: &[u8] = br#"{"type":"session.updated","event_id":"event_1","session":{"type":"realtime","output_modalities":["audio"],"audio":{"input":{"format":{"type":"audio/pcmu"}},"output":{"format":{"type":"audio/pcmu"}}}}}"#;

/// So many frames of audio, each with its stamp.
fn stamped(frames: usize, of: u32, sent: &mut u64, at_ns: u64, audio: &mut Vec<u8>) {
    audio.clear();
    audio.resize(frames * FRAME_BYTES, QUIET);
    for frame in audio.chunks_mut(FRAME_BYTES) {
        Stamp { of, number: *sent, at_ns }.write(frame);
        *sent += 1;
    }
}

fn encode(audio: &[u8], body: &mut Vec<u8>) {
    let from = body.len();
    body.resize(from + audio.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(audio, &mut body[from..]).unwrap_or_default();
    body.truncate(from + written);
}

impl CallerEnd {
    fn media(&self, number: u64, audio: &[u8], body: &mut Vec<u8>) {
        // `connected` and `start` came before it.
        let (sequence, timestamp) = (number + 1, (number - 1) * 20);
        let _into_memory = write!(
            body,
            r#"{{"event":"media","sequenceNumber":"{sequence}","media":{{"track":"inbound","chunk":"{number}","timestamp":"{timestamp}","payload":""#
        );
        encode(audio, body);
        let _into_memory = write!(body, r#""}},"streamSid":"{}"}}"#, self.stream);
    }

    fn mark(&mut self, body: &mut Vec<u8>) {
        let Some(name) = self.marks.pop_front() else { return };
        let _into_memory = write!(
            body,
            r#"{{"event":"mark","sequenceNumber":"2","streamSid":"{}","mark":{{"name":"{name}"}}}}"#,
            self.stream
        );
    }
}

impl ModelEnd {
    fn answer(&self, body: &mut Vec<u8>) {
        let (number, tag) = (self.number, &self.tag);
        let _into_memory = write!(
            body,
            r#"{{"type":"response.created","event_id":"event_2","response":{{"object":"realtime.response","id":"resp_{number}","status":"in_progress","output":[],"metadata":{{"tag":"{tag}"}}}}}}"#
        );
    }

    fn delta(&self, audio: &[u8], body: &mut Vec<u8>) {
        let number = self.number;
        let _into_memory = write!(
            body,
            r#"{{"type":"response.output_audio.delta","event_id":"event_{number}","response_id":"resp_{number}","item_id":"item_{number}","output_index":0,"content_index":0,"delta":""#
        );
        encode(audio, body);
        body.extend_from_slice(br#""}"#);
    }
}

impl Line {
    fn send(&mut self, bytes: &[u8]) {
        if !self.open {
            return;
        }
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(bytes);
            // It is counted as lost when the run is over.
            self.open = self.unsent.len() < MOST_UNSENT;
            return;
        }
        match self.socket.write(bytes) {
            Ok(written) => self.unsent.extend_from_slice(&bytes[written..]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.unsent.extend_from_slice(bytes),
            Err(_) => self.open = false,
        }
    }

    fn flush(&mut self) {
        while !self.unsent.is_empty() && self.open {
            match self.socket.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.open = false,
            }
        }
    }
}
