//! One call that went on, told by its telephone and checked against the ledger and what the model was told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use frontdesk::audio::mulaw::BYTES_PER_MS;
use frontdesk::domain::{Intention, Moment, Speaker, Turn};
use frontdesk::sim::socket::{ConnectionLog, PhoneEvent, PhoneReport};
use serde_json::Value;

use crate::placed::Placed;
use crate::talk::{Said, heard_to_the_end};

/// What was said within so long before a break is the turn in progress: its mark was still to come back, or its words to
/// be written down.
const IN_PROGRESS: Duration = Duration::from_millis(1_000);

/// What the caller said is known so much later: 200 ms until the model takes it for an end, 700 until it is transcribed.
const TRANSCRIBED: Duration = Duration::from_millis(900);

/// One stream, as the telephone has it.
#[derive(Debug)]
pub(crate) struct Stream {
    attempt: u8,
    ended: Moment,
    /// It was our side that let go of it.
    broke: bool,
    first_sound: Option<Moment>,
    /// What was heard to its end, and when that was.
    heard: Vec<(Moment, Said)>,
    /// When the questions ended that were asked in this stream from beginning to end.
    asked: Vec<Moment>,
    /// The caller was speaking when it ended.
    cut_short: bool,
}

/// What became of a caller whose stream broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    /// They heard somebody again, so long after the stream was gone.
    WentOn(Duration),
    /// They were speaking, went on speaking, and heard the answer so long after the stream was gone.
    SpokeOn(Duration),
    /// Goodbye had been said: there was nothing to go on with.
    SaidGoodbye,
    /// They hung up before anybody could.
    HungUp,
    /// Twilio's question was put to the process that died, and never answered.
    WebhookLost,
    /// None of these: a call was lost.
    Lost,
}

/// What is wrong with one call, and what happened to it.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) fates: Vec<Fate>,
    /// Turns that were over before a break.
    pub(crate) turns: usize,
    /// Those of them that the ledger does not have.
    pub(crate) lost: Vec<String>,
    /// Those in the ledger that no later session was told.
    pub(crate) untold: Vec<String>,
    /// Turns of the last moment before a break that the ledger does not have.
    pub(crate) cut: usize,
    /// How often the greeting was heard to its end.
    pub(crate) greetings: usize,
}

/// The streams of a call, in order.
pub(crate) fn streams(report: &PhoneReport) -> Vec<Stream> {
    let mut found: Vec<Stream> = Vec::new();
    let (mut attempt, mut open) = (1, false);
    for (at, event) in &report.events {
        if let PhoneEvent::Answered { twiml, .. } = event {
            attempt = attempt_of(twiml.reveal());
        }
        if *event == PhoneEvent::Upgraded {
            open = true;
            found.push(begun(report, found.len(), attempt));
        }
        let broke = matches!(event, PhoneEvent::ServerClosed(_));
        if open && (broke || matches!(event, PhoneEvent::Stopped | PhoneEvent::Over)) {
            open = false;
            let stream = found.last_mut().unwrap();
            (stream.ended, stream.broke) = (*at, broke);
            stream.asked.retain(|asked| asked <= at);
            stream.cut_short = report.steps_done.iter().any(|step| step.began <= *at && *at < step.ended);
        }
    }
    found
}

/// A stream of which the end is not known yet.
fn begun(report: &PhoneReport, number: usize, attempt: u8) -> Stream {
    let stream = &report.streams[number];
    let began = stream.began();
    let moment = |bytes: usize| began + Duration::from_millis((bytes / BYTES_PER_MS) as u64);
    let ends = heard_to_the_end(stream.playout().heard()).into_iter();
    let done = report.steps_done.iter().filter(|step| step.began >= began);
    Stream {
        attempt,
        ended: began,
        broke: false,
        first_sound: stream.playout().pieces().iter().filter_map(|piece| piece.began).min(),
        heard: ends.map(|(end, said)| (moment(end), said)).collect(),
        asked: done.map(|step| step.ended).collect(),
        cut_short: false,
    }
}

/// Which stream of its call this document opens; the way back counts them, from the second on.
fn attempt_of(twiml: &str) -> u8 {
    let number =
        twiml.split("attempt=").nth(1).and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
    number.map_or(1, |number| number.parse().unwrap())
}

/// Everything any session was told of a conversation before it.
pub(crate) fn told(connections: &[ConnectionLog]) -> BTreeSet<String> {
    let events = connections.iter().flat_map(|connection| &connection.events);
    let texts = events.filter(|event| event.text.contains("conversation.item.create")).filter_map(|event| {
        let event: Value = serde_json::from_str(&event.text).unwrap();
        event.pointer("/item/content/0/text").and_then(Value::as_str).map(str::to_owned)
    });
    texts.collect()
}

/// Looks at one call. `turns` are the ledger's.
pub(crate) fn look_at(call: &Placed, turns: &[Turn], told: &BTreeSet<String>) -> Findings {
    let streams = streams(&call.report);
    let mut findings = Findings { fates: fates(call, &streams), ..Findings::default() };
    let greetings =
        streams.iter().flat_map(|stream| &stream.heard).filter(|(_, said)| *said == Said::Greeting);
    findings.greetings = greetings.count();
    for stream in streams.iter().filter(|stream| stream.broke) {
        look_at_turns(stream, turns, &mut findings);
    }
    let Some(last) = streams.iter().filter(|stream| stream.first_sound.is_some()).map(|s| s.attempt).max()
    else {
        return findings;
    };
    let before = turns.iter().filter(|turn| turn.attempt < last).map(|turn| turn.text.reveal());
    findings.untold = before.filter(|text| !text.is_empty() && !told.contains(*text)).cloned().collect();
    findings
}

/// What both sides said in a stream that broke, against what was kept.
fn look_at_turns(stream: &Stream, turns: &[Turn], findings: &mut Findings) {
    let kept = || turns.iter().filter(|turn| turn.attempt == stream.attempt);
    let by_model = kept().filter(|turn| turn.speaker == Speaker::Model);
    let mut said: BTreeMap<Said, usize> = BTreeMap::new();
    for words in by_model.filter_map(|turn| Said::of_words(turn.text.reveal())) {
        *said.entry(words).or_default() += 1;
    }
    for (end, heard) in &stream.heard {
        let late = *end + IN_PROGRESS > stream.ended;
        findings.turns += usize::from(!late);
        match said.get_mut(heard).filter(|left| **left > 0) {
            Some(left) => *left -= 1,
            None if late => findings.cut += 1,
            None => findings.lost.push(format!("{heard:?} of stream {}", stream.attempt)),
        }
    }
    let questions =
        kept().filter(|turn| turn.speaker == Speaker::Caller && !turn.text.reveal().is_empty()).count();
    let known = |asked: &&Moment| **asked + TRANSCRIBED + IN_PROGRESS <= stream.ended;
    let over = stream.asked.iter().filter(known).count();
    findings.turns += over;
    findings.cut += stream.asked.len().saturating_sub(questions.max(over));
    for missing in questions..over {
        findings.lost.push(format!("question {missing} of stream {}", stream.attempt));
    }
}

/// What became of a caller each time something broke.
pub(crate) fn fates(call: &Placed, streams: &[Stream]) -> Vec<Fate> {
    let broken = streams.iter().enumerate().filter(|(_, stream)| stream.broke);
    let fate = |(index, stream): (usize, &Stream)| {
        let again = streams.iter().skip(index + 1).find_map(|next| next.first_sound);
        if let Some(again) = again {
            let gap = again.since(stream.ended);
            return if stream.cut_short { Fate::SpokeOn(gap) } else { Fate::WentOn(gap) };
        }
        let meant = call.record.as_ref().and_then(|record| record.intention.as_ref());
        if meant == Some(&Intention::HangUp) {
            Fate::SaidGoodbye
        } else if call.lost_a_webhook() {
            Fate::WebhookLost
        } else if streams.last().is_some_and(|last| !last.broke) {
            Fate::HungUp
        } else {
            Fate::Lost
        }
    };
    let mut fates: Vec<_> = broken.map(fate).collect();
    if fates.is_empty() && call.lost_a_webhook() {
        fates.push(Fate::WebhookLost);
    }
    fates
}
