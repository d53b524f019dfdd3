//! What is said in these calls. Each thing is known by its sound, and by its words on which connection of the model it
//! was said: so a turn can be followed from the caller's ear to the ledger and into the next session.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use bytes::Bytes;
use frontdesk::audio::mulaw::SILENCE;
use frontdesk::domain::BusinessImport;
use frontdesk::sim::model::{Reply, Script};
use frontdesk::sim::{Act, Step, When, tone};

/// More than any call here has of them.
const ANSWERS: usize = 60;

/// How many bytes of a sound are looked at to know it by its end.
const TAIL: usize = 8;

/// The numbers that are called, one of each business.
pub(crate) const LINES: [&str; 4] = ["+15551230001", "+15551230002", "+15551230003", "+15551230004"];

/// One thing the model says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Said {
    /// The first words of a call.
    Greeting,
    /// The first words of a call that goes on.
    Return,
    /// An answer, by its number on this connection.
    Answer(usize),
}

impl Said {
    /// How it sounds: whole frames, and no stretch of it is in another.
    pub(crate) fn sound(self) -> Bytes {
        match self {
            Self::Greeting => tone::noise(1, 12_000),
            Self::Return => tone::noise(2, 8_000),
            Self::Answer(number) => tone::noise(10 + number as u64, 9_600),
        }
    }

    fn words(self, connection: usize) -> String {
        match self {
            Self::Greeting => format!("This is greeting {connection} 0."),
            Self::Return => format!("This is return {connection} 0."),
            Self::Answer(number) => format!("This is answer {connection} {number}."),
        }
    }

    /// What the ledger means by these words; nothing when they were cut short.
    pub(crate) fn of_words(words: &str) -> Option<Self> {
        let words: Vec<_> = words.strip_prefix("This is ")?.strip_suffix('.')?.split(' ').collect();
        match words.as_slice() {
            ["greeting", _, _] => Some(Self::Greeting),
            ["return", _, _] => Some(Self::Return),
            ["answer", _, number] => number.parse().ok().map(Self::Answer),
            _ => None,
        }
    }
}

/// A model that greets, goes on with a call it was told of, and answers each question, in words of this connection.
pub(crate) fn script(connection: usize) -> Script {
    let reply = |said: Said| Reply::speech(sound(said), &said.words(connection));
    let mut script = Script::new(reply(Said::Greeting), reply(Said::Answer(0)));
    script.resumed = Some(reply(Said::Return));
    script.turns = (0..ANSWERS).map(|number| reply(Said::Answer(number))).collect();
    script.transcripts = (0..ANSWERS).map(|number| format!("Question {connection} {number}?")).collect();
    script
}

/// A caller who lets the other finish, asks the next question, and never hangs up.
pub(crate) fn caller() -> Vec<Step> {
    let question = tone::sine(220, 600);
    let asks = |_| Step { when: When::AfterSilence(500), act: Act::Say(question.clone()) };
    (0..ANSWERS * 3).map(asks).collect()
}

/// Everything that ends in these sounds, with the place of its end.
pub(crate) fn heard_to_the_end(played: &[u8]) -> Vec<(usize, Said)> {
    static TAILS: OnceLock<BTreeMap<Vec<u8>, Said>> = OnceLock::new();
    let tails = TAILS.get_or_init(|| everything().map(|said| (tail(&said.sound()).to_vec(), said)).collect());
    let ends = (1..played.len()).filter(|end| played[*end] == SILENCE && played[end - 1] != SILENCE);
    ends.filter_map(|end| tails.get(tail(&played[..end])).map(|said| (end, *said))).collect()
}

/// One business for each line.
pub(crate) fn businesses() -> BusinessImport {
    let business = |(number, line): (usize, &str)| {
        serde_json::json!({
            "id": format!("business-{number}"), "name": "Luna Dental", "plan": "premium", "lines": [line],
            "greeting": "Thanks for calling Luna Dental. How can I help?",
            "instructions": "You are the receptionist of Luna Dental.",
            "turnDetection": {"type": "server_vad", "silenceDurationMs": 200},
            "tools": ["end_call"],
        })
    };
    let businesses: Vec<_> = LINES.into_iter().enumerate().map(business).collect();
    let plan = serde_json::json!({
        "id": "premium", "concurrentCalls": 1_000, "minutesPerMonth": 100_000, "minutesPerCall": 30,
    });
    serde_json::from_value(serde_json::json!({"plans": [plan], "businesses": businesses})).unwrap()
}

fn everything() -> impl Iterator<Item = Said> {
    [Said::Greeting, Said::Return].into_iter().chain((0..ANSWERS).map(Said::Answer))
}

fn tail(sound: &[u8]) -> &[u8] {
    &sound[sound.len().saturating_sub(TAIL)..]
}

/// Made once: a thousand connections say the same.
fn sound(said: Said) -> Bytes {
    static SOUNDS: OnceLock<BTreeMap<Said, Bytes>> = OnceLock::new();
    SOUNDS.get_or_init(|| everything().map(|said| (said, said.sound())).collect())[&said].clone()
}

#[test]
fn what_was_played_to_its_end_is_known_by_it_and_what_was_cut_is_not() {
    let answer = Said::Answer(7).sound();
    let played =
        [tone::silence(40), Said::Greeting.sound(), tone::silence(20), answer.slice(..4_000)].concat();
    let played = [Bytes::from(played), tone::silence(20), answer, tone::silence(20)].concat();
    let heard: Vec<_> = heard_to_the_end(&played).into_iter().map(|(_, said)| said).collect();
    assert_eq!(heard, [Said::Greeting, Said::Answer(7)]);
    assert_eq!(Said::of_words(&Said::Answer(7).words(3)), Some(Said::Answer(7)));
    assert_eq!(Said::of_words("This is answer"), None);
}
