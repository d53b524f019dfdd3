//! A whole call: its caller, its model and our own house say and do anything, in any order. It panics at nothing, answers
//! nothing with a flood, sends nobody to where the business has no destination, and ends.
//!
//! A line is one thing that happens: `+N` so many milliseconds pass, `>` a frame of Twilio's, `<` one of the model's, `!N d|f|r`
//! what became of an effect, `-c` and `-m` a socket is lost, `?` garbage, and what our house wants.
#![no_main]

use std::time::Duration;

use frontdesk_fuzz::call::{Brief, Call, Command, Effect, EffectId, Input, Outcome, Output, Side, event_log};
use frontdesk_fuzz::domain::{DestinationId, Intention, Moment};
use frontdesk_fuzz::wire::Text;
use frontdesk_fuzz::wire::realtime::Codec;
use frontdesk_fuzz::wire::twilio::media::FromTwilio;
use libfuzzer_sys::fuzz_target;

const HEAD: &str = include_str!("call.json");

/// More than any input makes a call say: a recording of a minute, or the audio of a long answer in pieces.
const MOST_OUTPUTS: usize = 20_000;

/// Alarms until a call that nothing happens to has ended. One rings a few times a second while the caller waits, for as
/// long as the plan allows, which is a minute here.
const MOST_ALARMS: usize = 20_000;

fuzz_target!(|lines: &str| {
    let brief = event_log::brief(HEAD).unwrap();
    let mut stage = Stage::new(brief);
    for line in lines.lines().take(400) {
        stage.line(line);
    }
    stage.end();
});

struct Stage {
    call: Call,
    codec: Codec,
    now: Moment,
    destinations: Vec<DestinationId>,
    over: bool,
}

impl Stage {
    fn new(brief: Brief) -> Self {
        let destinations = brief.business.destinations.iter().map(|to| to.id.clone()).collect();
        let codec = Codec::new(brief.session());
        let mut stage =
            Self { call: Call::new(brief), codec, now: Moment::from_millis(0), destinations, over: false };
        stage.hear();
        stage
    }

    fn line(&mut self, line: &str) {
        let (kind, rest) = line.split_at(line.chars().next().map_or(0, char::len_utf8));
        let text = Text::from(rest);
        match kind {
            "+" => {
                let ms = rest.trim().parse::<u64>().unwrap_or(20) % 60_000;
                self.pass(Duration::from_millis(ms));
            }
            ">" => match FromTwilio::parse(&text) {
                Ok(message) => self.hand_in(Input::Caller(message)),
                Err(_) => self.hand_in(Input::Garbage),
            },
            "<" => {
                if let Some(words) = self.codec.hear(&text) {
                    self.hand_in(Input::Model(words));
                }
                while self.codec.next_frame().is_some() {}
            }
            "!" => {
                let mut words = rest.split_whitespace();
                let id = words.next().and_then(|word| word.parse().ok()).unwrap_or(1);
                let outcome = match words.next() {
                    Some("f") => Outcome::Failed,
                    Some("r") => Outcome::Refused,
                    _ => Outcome::Done,
                };
                self.hand_in(Input::Outcome(EffectId(id), outcome));
            }
            "-" if rest == "m" => self.hand_in(Input::Lost(Side::Model)),
            "-" => self.hand_in(Input::Lost(Side::Caller)),
            "?" => self.hand_in(Input::Garbage),
            "h" => self.hand_in(Input::Command(Command::HandOver)),
            "o" => self.hand_in(Input::Command(Command::CallOver)),
            "k" => self.hand_in(Input::Command(Command::HangUp)),
            "s" => self.hand_in(Input::Command(Command::Say(rest.to_owned().into()))),
            "t" => {
                if let Ok(to) = DestinationId::parse(rest) {
                    self.hand_in(Input::Command(Command::Transfer(to)));
                }
            }
            _ => self.hand_in(Input::Tick),
        }
    }

    /// Time passes, and the call is woken when it wants to be, as its carrier does it.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        for _ in 0..MOST_ALARMS {
            let Some(at) = self.call.wake_at().filter(|at| *at <= until && !self.over) else { break };
            self.now = at.max(self.now + Duration::from_millis(1)).min(until);
            self.hand_in(Input::Tick);
            if self.now == until {
                break;
            }
        }
        self.now = until;
        self.hand_in(Input::Tick);
    }

    fn hand_in(&mut self, input: Input) {
        let kept = serde_json::to_string(&input).unwrap();
        assert_eq!(serde_json::from_str::<Input>(&kept).unwrap(), input, "an event log would say something else");
        self.call.handle(input, self.now);
        self.hear();
    }

    fn hear(&mut self) {
        let was_over = self.over;
        let mut outputs = 0;
        while let Some(output) = self.call.next_output() {
            outputs += 1;
            assert!(outputs <= MOST_OUTPUTS, "a flood");
            match output {
                Output::Effect(_, Effect::Transfer(to) | Effect::Intend(Some(Intention::Transfer(to)))) => {
                    assert!(self.destinations.contains(&to), "sent to {to:?}, which is no destination");
                }
                Output::Caller(_) | Output::Model(_) => assert!(!was_over, "it speaks after its end"),
                Output::Effect(..) | Output::Note(_) | Output::Recording(_) => {}
            }
        }
        self.over = self.call.ending().is_some();
    }

    /// Nothing happens any more, but time.
    fn end(&mut self) {
        for _ in 0..MOST_ALARMS {
            if self.over {
                return;
            }
            let at = self.call.wake_at().expect("a call that waits for nothing");
            self.now = at.max(self.now + Duration::from_millis(1));
            self.hand_in(Input::Tick);
        }
        panic!("a call that does not end");
    }
}
