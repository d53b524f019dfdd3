//! The ladder of a call: from the webhook to the ending, each rung with its time; of a call that did not get far, the rung
//! it did not reach.

use maud::{Markup, html};

use super::words::{ending, intention, offset, wait};
use crate::domain::{CallRecord, Ending, Speaker, Turn};
use crate::registry::{Rung, Step};

/// How long the handing over of a caller may take, in milliseconds, on a machine that is busy.
const HANDED_OVER_MS: i64 = 2_000;

/// Why a test call has no stream.
const NO_STREAM_OF_PAGE: &str = "The page was left, or something between the browser and this server does not let sockets                                  through. Run `frontdesk doctor` with the public address of this server.";

/// One stream of a call as it was lived.
#[derive(Debug, Clone)]
pub struct Stream {
    /// Which, from 1.
    pub attempt: u8,
    /// When its task began, in milliseconds since 1970.
    pub began_ms: i64,
    /// What happened in it.
    pub rungs: Vec<Rung>,
}

/// What is known of a call's way here, beside what is kept.
#[derive(Debug, Clone, Default)]
pub struct Ladder {
    /// When TwiML with a stream was answered, in milliseconds since 1970.
    pub twiml_ms: Vec<i64>,
    /// Handshakes at the media socket: when, whether accepted, and what was said of it.
    pub upgrades: Vec<(i64, bool, String)>,
    /// What Twilio said of a stream that did not work: when, and what.
    pub stream_errors: Vec<(i64, String)>,
    /// What was found out about a caller who did not arrive.
    pub finding: Option<String>,
    /// The streams whose story is known.
    pub streams: Vec<Stream>,
}

/// Which rung a call did not reach, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The rung.
    pub missing: &'static str,
    /// What is likely, and what mends it.
    pub says: String,
}

struct Line {
    at_ms: i64,
    kind: &'static str,
    what: String,
    detail: String,
}

impl Ladder {
    /// What is wrong with a call that is over and did not get far; nothing, when it got as far as a first sound.
    pub fn diagnosis(&self, record: &CallRecord) -> Option<Diagnosis> {
        record.ending.as_ref().filter(|_| record.ended_ms.is_some())?;
        let reached = |step: fn(&Step) -> bool| {
            self.streams.iter().flat_map(|stream| &stream.rungs).any(|rung| step(&rung.step))
        };
        let arrived = record.answered_ms.is_some() || reached(|step| matches!(step, Step::CallerArrived));
        if !arrived {
            let upgraded = self.upgrades.iter().any(|(_, accepted, _)| *accepted);
            let missing = if upgraded { "The stream starts" } else { "The stream is opened" };
            let says =
                if record.is_test() { NO_STREAM_OF_PAGE.to_owned() } else { self.why_no_stream(upgraded) };
            return Some(Diagnosis { missing, says });
        }
        match &record.ending {
            Some(Ending::ModelRefused) => {
                let code = self.streams.iter().flat_map(|stream| &stream.rungs).rev().find_map(|rung| {
                    if let Step::ModelRefused(code, _) = &rung.step { Some(code.clone()) } else { None }
                });
                let code = code.map(|code| format!(" It said: {code}.")).unwrap_or_default();
                let says = format!(
                    "The model's service refused us.{code} Look at OPENAI_API_KEY, at the account's credit, and at REALTIME_MODEL."
                );
                Some(Diagnosis { missing: "The model is ready", says })
            }
            Some(Ending::ModelLost) if !reached(|step| matches!(step, Step::ModelReady)) => Some(Diagnosis {
                missing: "The model is ready",
                says: "No session with the model was to be had in ten seconds. Look whether REALTIME_URL can be \
                       reached from here, and at the status page of the service."
                    .to_owned(),
            }),
            Some(Ending::StreamRefused(why)) => Some(Diagnosis {
                missing: "The stream can be carried",
                says: format!("Its audio is {why}: remove what the TwiML says of formats."),
            }),
            _ => None,
        }
    }

    fn why_no_stream(&self, upgraded: bool) -> String {
        if let Some(finding) = &self.finding {
            return finding.clone();
        }
        if let Some((_, error)) = self.stream_errors.last() {
            return error.clone();
        }
        if let Some((_, _, why)) = self.upgrades.iter().rev().find(|(_, accepted, _)| !accepted) {
            return format!("Somebody came to the media socket and was refused: {why}.");
        }
        if upgraded {
            return "The socket was opened, and nothing was said on it: something between Twilio and us takes the \
                    connection and holds back what is sent."
                .to_owned();
        }
        "TwiML was answered, and no stream came. Either the caller hung up at once, or something between Twilio and us \
         answers in our place. Run `frontdesk doctor` with the public address of this server."
            .to_owned()
    }

    fn lines(&self, record: &CallRecord, in_flight: bool) -> Vec<Line> {
        let (first, by_whom) = if record.is_test() {
            ("Test call", "begun on the page of its business")
        } else {
            ("Webhook", "Twilio asks who answers")
        };
        let mut lines = vec![line(record.started_ms, "good", first, by_whom)];
        for at_ms in &self.twiml_ms {
            lines.push(line(*at_ms, "good", "TwiML", "the way to the media socket is told"));
        }
        for (at_ms, accepted, why) in &self.upgrades {
            let (kind, what) = if *accepted { ("good", "Upgrade") } else { ("bad", "Upgrade refused") };
            lines.push(line(self.before_its_start(*at_ms, *accepted), kind, what, why));
        }
        for (at_ms, error) in &self.stream_errors {
            lines.push(line(*at_ms, "bad", "Twilio reports an error", error));
        }
        for stream in &self.streams {
            for rung in &stream.rungs {
                // Of what was said it is known when it began; it is told when it is over.
                let ms = if let Step::Said(turn) = &rung.step { turn.began_ms } else { rung.at_ms };
                let at_ms = stream.began_ms.saturating_add(i64::try_from(ms).unwrap_or(0));
                lines.push(rung_line(at_ms, stream.attempt, &rung.step));
            }
        }
        if self.streams.is_empty() {
            lines.extend(record.answered_ms.map(|at| line(at, "good", "Start", "the caller is there")));
        }
        lines.sort_by_key(|line| line.at_ms);
        if let Some(Diagnosis { missing, .. }) = self.diagnosis(record) {
            let at_ms = lines.last().map_or(record.started_ms, |line| line.at_ms);
            let ended = lines.iter().position(|line| line.what == "Ended").unwrap_or(lines.len());
            lines.insert(ended, line(at_ms, "missing", missing, "this is the rung that is missing"));
        }
        let told = lines.iter().any(|line| line.what == "Ended");
        if let (Some(at_ms), Some(how), false, false) = (record.ended_ms, &record.ending, told, in_flight) {
            let (words, kind) = ending(how);
            lines.push(line(at_ms, kind, "Ended", words));
        }
        lines
    }

    /// A handshake is written down when its caller was handed over, which may be a moment after the call has met them.
    fn before_its_start(&self, at_ms: i64, accepted: bool) -> i64 {
        let starts = self.streams.iter().flat_map(|stream| {
            let arrived = stream.rungs.iter().filter(|rung| rung.step == Step::CallerArrived);
            arrived.map(|rung| stream.began_ms.saturating_add(i64::try_from(rung.at_ms).unwrap_or(0)))
        });
        let just_before = |start: &i64| accepted && (0..HANDED_OVER_MS).contains(&(at_ms - start));
        starts.filter(just_before).max().unwrap_or(at_ms)
    }

    /// The ladder, as a list.
    pub(super) fn markup(&self, record: &CallRecord, in_flight: bool) -> Markup {
        html! {
            ol #ladder.ladder {
                @for Line { at_ms, kind, what, detail } in self.lines(record, in_flight) {
                    li class=(kind) {
                        span.at { @if kind == "missing" { "—" } @else { (offset(at_ms - record.started_ms)) } }
                        div.what { b { (what) } @if !detail.is_empty() { span { (detail) } } }
                    }
                }
            }
        }
    }
}

fn line(at_ms: i64, kind: &'static str, what: &str, detail: &str) -> Line {
    Line { at_ms, kind, what: what.to_owned(), detail: detail.to_owned() }
}

fn rung_line(at_ms: i64, attempt: u8, step: &Step) -> Line {
    let (kind, what, detail) = match step {
        Step::ModelDialled => ("small", "Model dialled".to_owned(), String::new()),
        Step::ModelReady => ("good", "Model ready".to_owned(), String::new()),
        Step::ModelAway => ("bad", "Model lost".to_owned(), "it is dialled again".to_owned()),
        Step::SessionRenewed => {
            ("small", "Model renewed".to_owned(), "the old session was near its end".to_owned())
        }
        Step::ModelRefused(code, fatal) => {
            (if *fatal { "bad" } else { "odd" }, "Model refuses".to_owned(), code.clone())
        }
        Step::CallerArrived if attempt > 1 => {
            ("good", "Start".to_owned(), format!("stream {attempt}: the call goes on"))
        }
        Step::CallerArrived => ("good", "Start".to_owned(), "the caller is there".to_owned()),
        Step::FirstAudio(ms) => ("good", "First audio".to_owned(), format!("{} after the start", wait(*ms))),
        Step::Bridged(true) => {
            ("small", "A moment, please".to_owned(), "the caller waits, and hears so".to_owned())
        }
        Step::Bridged(false) => {
            ("small", "Chime".to_owned(), "the caller waits, and hears something".to_owned())
        }
        Step::Said(turn) => return turn_line(at_ms, turn),
        Step::BargeIn(heard_ms, made_ms) => {
            ("odd", "Barge-in".to_owned(), format!("{} of {} were heard", wait(*heard_ms), wait(*made_ms)))
        }
        Step::Keys(keys) => ("", "Keys".to_owned(), keys.reveal().clone()),
        Step::ToolCalled(name) => ("", format!("Tool {name}"), "called".to_owned()),
        Step::ToolDone(name, true, ms) => {
            ("small", format!("Tool {name}"), format!("done after {}", wait(*ms)))
        }
        Step::ToolDone(name, false, ms) => {
            ("bad", format!("Tool {name}"), format!("failed after {}", wait(*ms)))
        }
        Step::TooLate(what) => ("odd", "Waited in vain".to_owned(), what.clone()),
        Step::Leaving(to) => ("", intention(to), String::new()),
        Step::Over(how) => {
            let (words, kind) = ending(how);
            (kind, "Ended".to_owned(), words.to_owned())
        }
    };
    Line { at_ms, kind, what, detail }
}

fn turn_line(at_ms: i64, turn: &Turn) -> Line {
    let delay = turn.answer_delay_ms.map(|ms| format!(" · answered after {}", wait(ms))).unwrap_or_default();
    let cut = if turn.interrupted { " · cut short" } else { "" };
    let what = match turn.speaker {
        Speaker::Caller => "Caller".to_owned(),
        Speaker::Model => format!("Model{delay}{cut}"),
    };
    Line { at_ms, kind: "small", what, detail: turn.text.reveal().clone() }
}

#[cfg(test)]
mod tests;
