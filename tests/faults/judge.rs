//! What became of a call, by what the caller's telephone recorded: what was heard, how long nothing was, and where it went.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use frontdesk::audio::chime::chime;
use frontdesk::audio::mulaw::{BYTES_PER_MS, SILENCE};
use frontdesk::domain::Moment;
use frontdesk::sim::socket::{Clock, DialResult, PhoneEvent, PhoneReport};
use frontdesk::sim::{Act, TwilioStream};
use tokio::task::JoinSet;

use crate::fault::{Fault, Met, is_spoken};
use crate::furnished::Kept;
use crate::voices::{A_MOMENT, GREETS, VOICES, Voice};

/// Nobody should hear nothing for longer.
const LONGEST_SILENCE_MS: u64 = 2_000;

/// Of the machine's own: timers of a millisecond's grain, frames of twenty, and a telephone that is one task of many.
const GRAIN_MS: u64 = 60;

/// So many bytes are enough to know a voice by, and where it is in its words.
const KNOWN_BY: usize = 32;

/// What is said before a number of the business rings that no model chose.
const FALLBACK_WORDS: &str = "connecting you";

/// Where a call goes that ends with Twilio's own voice.
const LAST_WORDS: &str = "a last sentence";

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judged {
    /// What the caller heard from the fault on.
    pub(crate) heard: String,
    /// The longest silence from there on while the caller did not speak, in milliseconds.
    pub(crate) silent_ms: u64,
    /// Where the call went.
    pub(crate) went: String,
    /// How the ledger keeps it.
    pub(crate) kept_as: String,
    /// From the stream's start to the first sound, in milliseconds, when that was a kept greeting.
    pub(crate) greeted_ms: Option<u64>,
    /// How late the machine's timers were meanwhile, in milliseconds: nothing shorter can be told from silence.
    pub(crate) stalled_ms: u64,
    /// What should not have been.
    problems: Vec<String>,
}

/// Something that was heard.
#[derive(Debug, Clone)]
struct Sound {
    from: Moment,
    to: Moment,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    /// A voice of the model's; whether to its end.
    Voice(Voice, bool),
    /// The one sound the server makes itself.
    Chime,
    /// What nobody says.
    Unknown,
    /// Twilio's own voice.
    Said(String),
    /// A number rings.
    Rings,
    /// The tone behind which the caller leaves a message.
    Tone,
    /// The caller's own voice.
    Caller,
}

impl Judged {
    /// The row could not be played.
    pub(crate) fn lost() -> Self {
        let (heard, went, kept_as) = (String::new(), String::new(), String::new());
        let problems = vec!["it could not be played; what went wrong is printed above".to_owned()];
        Self { heard, silent_ms: 0, went, kept_as, greeted_ms: None, stalled_ms: 0, problems }
    }

    /// What is wrong with it.
    pub(crate) fn complaints(&self, fault: &Fault) -> Vec<String> {
        let mut complaints = self.problems.clone();
        if self.silent_ms > LONGEST_SILENCE_MS + GRAIN_MS + self.stalled_ms && fault.exception.is_none() {
            complaints.push(format!("{} ms of silence", self.silent_ms));
        }
        if self.silent_ms <= LONGEST_SILENCE_MS && fault.exception.is_some() {
            complaints.push("it needs no exception any more".to_owned());
        }
        complaints
    }
}

impl Met {
    /// Judges it.
    pub(crate) fn judge(&self, fault: &Fault) -> Judged {
        let sounds = self.sounds();
        let since = fault.since.and_then(|voice| {
            sounds.iter().find(|sound| matches!(sound.what, What::Voice(heard, _) if heard == voice))
        });
        let since = since.map_or(Moment::START, |sound| sound.from);
        let mut problems = self.report.problems();
        problems.retain(|problem| !fault.complaints.iter().any(|known| problem.starts_with(known)));
        problems.extend(self.refusals.iter().cloned());
        if !self.is_explained(&sounds) {
            problems.push(format!("a hang-up nobody explained: {:?}", self.report.events));
        }
        let from_there: Vec<&Sound> = sounds.iter().filter(|sound| sound.to > since).collect();
        Judged {
            heard: in_words(&from_there),
            silent_ms: self.longest_silence_ms(&sounds, since),
            went: self.went(),
            kept_as: self.record.as_ref().map_or("nothing".to_owned(), |record| {
                record.ending.as_ref().map_or("unfinished".to_owned(), |ending| format!("{ending:?}"))
            }),
            greeted_ms: self.greeted_ms().filter(|_| fault.kept == Kept::Both),
            stalled_ms: 0,
            problems,
        }
    }

    /// Everything that was heard, in order of its beginning.
    fn sounds(&self) -> Vec<Sound> {
        let mut sounds: Vec<Sound> = self.report.streams.iter().flat_map(of_stream).collect();
        sounds.extend(self.report.events.iter().filter_map(|(at, event)| {
            let what = if let PhoneEvent::Said(text) = event {
                What::Said(text.reveal().clone())
            } else if matches!(event, PhoneEvent::Dialled { .. }) {
                What::Rings
            } else if *event == PhoneEvent::Beeped {
                What::Tone
            } else {
                return None;
            };
            Some(Sound { from: *at, to: *at, what })
        }));
        let spoken = self.caller.iter().zip(&self.report.steps_done).filter(|(step, _)| is_spoken(step));
        sounds.extend(spoken.map(|(_, done)| Sound { from: done.began, to: done.ended, what: What::Caller }));
        sounds.sort_by_key(|sound| sound.from);
        sounds
    }

    fn longest_silence_ms(&self, sounds: &[Sound], since: Moment) -> u64 {
        let over = self.over(sounds);
        let (mut quiet_from, mut longest) = (since, Duration::ZERO);
        for Sound { from, to, .. } in sounds.iter().filter(|sound| sound.to >= since && sound.from <= over) {
            longest = longest.max(from.since(quiet_from));
            quiet_from = quiet_from.max(*to);
        }
        longest = longest.max(over.since(quiet_from));
        u64::try_from(longest.as_millis()).unwrap()
    }

    /// When silence ends to be ours: with the call; with the tone behind which the caller may speak; or, where the model had
    /// said all of its sentence and the caller hung up later, with that sentence. It was their turn.
    fn over(&self, sounds: &[Sound]) -> Moment {
        if let Some(tone) = sounds.iter().find(|sound| sound.what == What::Tone) {
            return tone.from;
        }
        let over = self.report.when(|event| *event == PhoneEvent::Over).unwrap();
        match sounds.last() {
            Some(Sound { to, what: What::Voice(voice, true), .. })
                if *voice != A_MOMENT && self.caller_hung_up() =>
            {
                *to
            }
            Some(_) | None => over,
        }
    }

    fn caller_hung_up(&self) -> bool {
        self.caller.iter().zip(&self.report.steps_done).any(|(step, _)| step.act == Act::HangUp)
    }

    /// Whether the caller hung up, was said goodbye to, or was given to somebody who took the call.
    fn is_explained(&self, sounds: &[Sound]) -> bool {
        let last = sounds.iter().rev().map(|sound| &sound.what).find(|what| **what != What::Caller);
        self.caller_hung_up()
            || match last {
                Some(What::Voice(voice, whole)) => *voice == crate::voices::GOODBYE && *whole,
                Some(What::Said(_) | What::Tone) => true,
                Some(What::Rings) => self.dials().last() == Some(&DialResult::Completed),
                Some(What::Chime | What::Unknown | What::Caller) | None => false,
            }
    }

    fn dials(&self) -> Vec<DialResult> {
        let dials = self.report.events.iter().filter_map(|(_, event)| {
            if let PhoneEvent::Dialled { result, .. } = event { Some(*result) } else { None }
        });
        dials.collect()
    }

    /// Where the call went, step by step.
    fn went(&self) -> String {
        let (mut steps, mut streams, mut announced): (Vec<String>, usize, bool) = (Vec::new(), 0, false);
        for (_, event) in &self.report.events {
            if let PhoneEvent::StreamAsked { .. } = event {
                streams += 1;
                if streams > 1 {
                    steps.push(format!("stream {streams}"));
                }
            } else if *event == PhoneEvent::Beeped {
                // What is said before the tone belongs to it.
                steps.pop_if(|step| step == LAST_WORDS);
                steps.push("a voicemail".to_owned());
                break;
            } else if let PhoneEvent::Said(text) = event {
                announced = text.reveal().contains(FALLBACK_WORDS);
                if !announced {
                    steps.push(LAST_WORDS.to_owned());
                }
            } else if let PhoneEvent::Dialled { result, .. } = event {
                let who = if announced { "the fallback" } else { "the destination" };
                let how = if *result == DialResult::Completed { "rings" } else { "rings in vain" };
                steps.push(format!("{who} {how}"));
            }
        }
        let further = self.sessions.saturating_sub(streams);
        if !self.report.streams.is_empty() && steps.is_empty() {
            steps.push(match further {
                0 => "goes on".to_owned(),
                1 => "goes on with another session".to_owned(),
                _ => "goes on with a later session".to_owned(),
            });
        }
        steps.join(", ")
    }

    /// From the stream's start to its first sound.
    fn greeted_ms(&self) -> Option<u64> {
        let report: &PhoneReport = &self.report;
        let started = report.when(|event| *event == PhoneEvent::Started)?;
        let greeted = report.when(|event| *event == PhoneEvent::FirstAudio)?;
        let first = self.sounds().into_iter().next()?;
        matches!(first.what, What::Voice(GREETS, _))
            .then(|| u64::try_from(greeted.since(started).as_millis()).unwrap())
    }
}

/// What was heard on one stream: the pieces of one voice that follow each other are one sound.
fn of_stream(stream: &TwilioStream) -> Vec<Sound> {
    let mut sounds: Vec<Sound> = Vec::new();
    for piece in stream.playout().pieces() {
        let (Some(from), true) = (piece.began, piece.played > 0) else { continue };
        let heard = &piece.audio[..piece.played];
        let to = from + Duration::from_millis((piece.played / BYTES_PER_MS) as u64);
        // The last frame of what broke off is filled up with silence, which nobody says; a millisecond of a voice before it
        // is heard by nobody, and could be anybody's.
        let end = heard.iter().rposition(|byte| *byte != SILENCE).unwrap_or_default();
        if end < BYTES_PER_MS {
            continue;
        }
        let opening = &heard[..=end.min(KNOWN_BY - 1)];
        let place = |audio: &[u8]| audio.windows(opening.len()).position(|part| part == opening);
        let known = VOICES.into_iter().find_map(|voice| {
            let (audio, at) = (voice.audio(), place(&voice.audio())?);
            Some((voice, at, at + heard.len() >= audio.len()))
        });
        let Some((voice, at, whole)) = known else {
            let what = if place(&chime()).is_some() { What::Chime } else { What::Unknown };
            sounds.push(Sound { from, to, what });
            continue;
        };
        let what = What::Voice(voice, whole);
        match sounds.last_mut() {
            Some(last) if at > 0 && matches!(last.what, What::Voice(same, _) if same == voice) => {
                (last.to, last.what) = (to, what);
            }
            _ => sounds.push(Sound { from, to, what }),
        }
    }
    sounds
}

/// What was heard, in order. How often a waiting caller is asked for a moment is the clock's affair: it is told once.
fn in_words(sounds: &[&Sound]) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut fillers = 0;
    for sound in sounds {
        let (word, fills) = match &sound.what {
            What::Voice(A_MOMENT, _) => (A_MOMENT.name.to_owned(), true),
            What::Chime => ("a chime".to_owned(), true),
            What::Voice(voice, true) => (voice.name.to_owned(), false),
            What::Voice(voice, false) => (format!("{} …", voice.name), false),
            What::Said(text) => (format!("“{text}”"), false),
            What::Unknown => ("what nobody says".to_owned(), false),
            What::Rings => ("ringing".to_owned(), false),
            What::Tone => ("the tone".to_owned(), false),
            What::Caller => continue,
        };
        let again = words.len() - fillers;
        if !words[again..].contains(&word) && (fills || words.last() != Some(&word)) {
            words.push(word);
            fillers += 1;
        }
        if !fills {
            fillers = 0;
        }
    }
    words.join(", ")
}

/// How late this machine's timers are.
pub(crate) struct Stalls {
    longest_ms: Arc<AtomicU64>,
    _watching: JoinSet<()>,
}

impl Stalls {
    /// Begins to watch.
    pub(crate) fn watch() -> Self {
        let longest_ms = Arc::new(AtomicU64::new(0));
        let longest = Arc::clone(&longest_ms);
        let mut watching = JoinSet::new();
        watching.spawn(async move {
            let clock = Clock::start();
            loop {
                let due = clock.now() + Duration::from_millis(20);
                clock.until(Some(due)).await;
                let late = clock.now().since(due).as_millis();
                longest.fetch_max(u64::try_from(late).unwrap(), Ordering::Relaxed);
            }
        });
        Self { longest_ms, _watching: watching }
    }

    /// The latest any was, in milliseconds.
    pub(crate) fn longest_ms(&self) -> u64 {
        self.longest_ms.load(Ordering::Relaxed)
    }
}
