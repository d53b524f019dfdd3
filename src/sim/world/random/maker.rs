//! Makes a world of a seed.

use super::super::tests::{brief, say};
use super::super::*;
use crate::call::{Brief, Greeting, Interruption, Opening};
use crate::domain::{Pii, Speaker, Turn};
use crate::sim::model::{Reply, ReplyItem, Script};
use crate::sim::{Act, LineFault, Step, When, tone};

/// A call is over by then: the longest allowed, a goodbye, and Twilio's patience.
const LIMIT_MS: u64 = 120_000;

/// Makes one world of a seed.
pub(super) struct Maker {
    dice: Dice,
    /// No two sounds of a world are alike.
    sounds: u64,
}

impl Maker {
    pub(super) fn new(seed: u64) -> Self {
        Self { dice: Dice::new(seed), sounds: seed * 1_000 }
    }

    fn ms(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.dice.within(low..=high))
    }

    fn noise(&mut self, low_ms: u64, high_ms: u64) -> bytes::Bytes {
        self.sounds += 1;
        tone::noise(self.sounds, self.dice.within(low_ms * 8..=high_ms * 8) as usize)
    }

    /// A world in which much goes wrong.
    pub(super) fn plan(&mut self, seed: u64) -> Plan {
        let opening = self.opening();
        let longest = self.ms(5_000, 45_000);
        let recorded = self.dice.happens(20);
        let words = "One moment, please.".to_owned();
        let phrase = self.dice.happens(70).then(|| Greeting { words, audio: self.noise(600, 1_200) });
        let brief = Brief { longest, recorded, opening, bridging: phrase, ..brief() };
        let caller = (0..self.dice.within(0..=6)).map(|_| self.step()).collect();
        let first = self.script();
        let mut plan = Plan::new(brief, first, caller).unwrap();
        if self.dice.happens(40) {
            self.lose_the_model(&mut plan.scripts);
        } else {
            for _ in 0..self.dice.within(0..=3) {
                let script = self.script();
                plan.scripts.push(script);
            }
        }
        plan.stream_after = match self.dice.within(0..=19) {
            0 => None,
            1 => Some(self.ms(14_000, 16_000)),
            _ => Some(self.ms(0, 2_500)),
        };
        plan.line_faults = (0..self.dice.within(0..=2)).map(|_| self.line_fault()).collect();
        plan.twilio = Latency { base: self.ms(1, 120), jitter: self.ms(0, 60) };
        plan.model = Latency { base: self.ms(1, 120), jitter: self.ms(0, 60) };
        if self.dice.happens(30) {
            plan.rest_outcome = *self.one_of(&[Outcome::Failed, Outcome::Refused]);
            plan.rest_takes = self.ms(0, 6_000);
        }
        if self.dice.happens(30) {
            plan.ledger_outcome = *self.one_of(&[Outcome::Failed, Outcome::Refused, Outcome::Done]);
            plan.ledger_takes = self.ms(0, 12_000);
        }
        for _ in 0..self.dice.within(0..=5).saturating_sub(3) {
            let command = if self.dice.happens(80) { Command::HandOver } else { Command::CallOver };
            plan.commands.push((Moment::from_millis(self.dice.within(0..=40_000)), command));
        }
        plan.logged = true;
        plan.seed = seed;
        plan.limit = Moment::from_millis(LIMIT_MS);
        plan
    }

    /// A session that is well and then lost, some that cannot be had, slow ones, and one that is well.
    fn lose_the_model(&mut self, scripts: &mut Vec<Script>) {
        let after_ms = self.dice.within(1_500..=20_000);
        let said_ms = self.dice.within(100..=8_000);
        let lost = match self.dice.within(0..=4) {
            0 => ModelFault::Reset { after_ms },
            1 => ModelFault::Expire { after_ms },
            2 => ModelFault::FallSilent { after_ms },
            _ => ModelFault::BreakOff { after_ms: said_ms },
        };
        if let Some(first) = scripts.first_mut() {
            first.faults = vec![lost];
        }
        for _ in 0..self.dice.within(0..=4) {
            let mut script = self.script();
            script.faults = vec![ModelFault::RefuseHandshake(*self.one_of(&[429, 500, 503]))];
            scripts.push(script);
        }
        let mut script = self.script();
        script.faults.clear();
        script.pace.connect = self.ms(1, 5_000);
        scripts.push(script);
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.dice.within(0..=all.len() as u64 - 1) as usize]
    }

    fn opening(&mut self) -> Opening {
        match self.dice.within(0..=9) {
            0 | 1 => {
                Opening::GreetFrom(Greeting { words: brief().opening_words(), audio: self.noise(500, 3_000) })
            }
            2 => Opening::Resume { history: self.history(), why: Interruption::LineLost },
            3 => Opening::Resume {
                history: self.history(),
                why: Interruption::TransferFailed("the front office".to_owned()),
            },
            _ => Opening::Greet,
        }
    }

    fn history(&mut self) -> Vec<Turn> {
        let turn = |number: u64| Turn {
            attempt: 1,
            number: number as u32,
            speaker: if number.is_multiple_of(2) { Speaker::Model } else { Speaker::Caller },
            text: Pii::new("something said before".to_owned()),
            began_ms: number * 1_000,
            heard_ms: 500,
            interrupted: false,
            answer_delay_ms: None,
        };
        (0..self.dice.within(0..=3)).map(turn).collect()
    }

    fn step(&mut self) -> Step {
        let when = match self.dice.within(0..=5) {
            0 => When::After(self.dice.within(0..=4_000)),
            1 | 2 => When::AfterSilence(self.dice.within(450..=2_500)),
            _ => When::WhileHearing { utterance: 1, after_ms: self.dice.within(20..=4_000) },
        };
        match self.dice.within(0..=15) {
            0 => Step { when, act: Act::HangUp },
            1 | 2 => Step { when, act: Act::Press(*self.one_of(&['1', '5', '#', '*'])) },
            _ => Step { act: Act::Say(self.noise(100, 2_500)), ..say(when, 20) },
        }
    }

    fn reply(&mut self, tools: u8) -> Reply {
        let mut items = Vec::new();
        for _ in 0..self.dice.within(1..=4).saturating_sub(1) {
            let audio = self.noise(60, 5_000);
            let words = format!("w{} two three four five six", self.sounds);
            items.push(ReplyItem::Speech { audio, words });
        }
        while self.dice.happens(tools) {
            let (name, arguments) = *self.one_of(&[
                ("end_call", r#"{"reason":"done"}"#),
                ("transfer_call", r#"{"destination":"front-office"}"#),
                ("transfer_call", r#"{"destination":"nowhere"}"#),
                ("take_message", r#"{"message":"please call back","name":"Ann","contact":"1"}"#),
                ("take_message", r#"{"message":"ring me"}"#),
                ("take_message", "{broken"),
                ("fly", "{}"),
            ]);
            let tool = ReplyItem::Tool { name: name.to_owned(), arguments: arguments.to_owned() };
            let at = self.dice.within(0..=items.len() as u64) as usize;
            items.insert(at, tool);
        }
        Reply { items }
    }

    fn script(&mut self) -> Script {
        let mut script = Script::new(self.reply(3), self.reply(30));
        for _ in 0..self.dice.within(0..=3) {
            let (turn, instructed, after) = (self.reply(30), self.reply(0), self.reply(15));
            script.turns.push(turn);
            script.instructed.push(instructed);
            script.after_tool.push(after);
            self.sounds += 1;
            let said =
                if self.dice.happens(30) { String::new() } else { format!("q{} you open?", self.sounds) };
            script.transcripts.push(said);
        }
        script.pace.connect = self.ms(1, 800);
        script.pace.session_updated = self.ms(1, 400);
        script.pace.first_audio = self.ms(1, 1_200);
        script.pace.transcript = self.ms(1, 3_000);
        script.pace.cancel = self.ms(1, 250);
        script.pace.speed = self.dice.within(1..=20) as u32;
        script.pace.delta_ms = 5..=self.dice.within(10..=700);
        while self.dice.happens(25) {
            let fault = self.model_fault();
            script.faults.push(fault);
        }
        script
    }

    fn model_fault(&mut self) -> ModelFault {
        let after_ms = self.dice.within(0..=25_000);
        match self.dice.within(0..=12) {
            0 => ModelFault::RefuseHandshake(*self.one_of(&[401, 404, 429, 500, 503])),
            1 => {
                let code = self.one_of(&["invalid_api_key", "model_not_found", "odd"]).to_string();
                ModelFault::RefuseSetup { kind: "invalid_request_error".to_owned(), code, close: 3000 }
            }
            2 | 3 => ModelFault::Expire { after_ms },
            4 | 5 => ModelFault::Reset { after_ms },
            6 => ModelFault::NoSetup,
            7 => ModelFault::NoAnswer,
            8 => ModelFault::Stuck,
            9 => ModelFault::TextOnly,
            10 => ModelFault::FailAnswers(
                self.one_of(&["rate_limit_exceeded", "insufficient_quota"]).to_string(),
            ),
            11 => self.one_of(&[ModelFault::Repeat, ModelFault::Unknown]).clone(),
            _ => ModelFault::PcmOnly,
        }
    }

    fn line_fault(&mut self) -> LineFault {
        let (at_ms, for_ms) = (self.dice.within(0..=30_000), self.dice.within(1..=6_000));
        match self.dice.within(0..=9) {
            0..=2 => LineFault::Lose { at_ms, for_ms },
            3..=5 => LineFault::Hold { at_ms, for_ms },
            6 => LineFault::Repeat { at_ms },
            7 => {
                let stale = r#"{"event":"mark","sequenceNumber":"9","streamSid":"MZ1","mark":{"name":"m1"}}"#;
                let frames = [
                    Frame::Binary(bytes::Bytes::from_static(b"\x00")),
                    Frame::Text("not json".into()),
                    Frame::Text(r#"{"event":"surprise"}"#.into()),
                    Frame::Text(stale.into()),
                ];
                LineFault::Insert { at_ms, frame: self.one_of(&frames).clone() }
            }
            8 => LineFault::Reset { at_ms },
            _ => LineFault::NeverStop,
        }
    }
}
