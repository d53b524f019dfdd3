//! Trouble at the worst moment: what chance alone brings about too seldom.

use std::time::Duration;

use super::super::*;
use super::maker::Maker;
use crate::sim::model::{Reply, ReplyItem, Script};
use crate::sim::{Act, LineFault, Step, When, tone};

/// Makes a world of a seed, and trouble in it.
pub(super) fn troubled(seed: u64) -> Plan {
    let plan = Maker::new(seed).plan(seed);
    Trouble { dice: Dice::new(!seed), seed }.into(plan)
}

struct Trouble {
    dice: Dice,
    seed: u64,
}

impl Trouble {
    fn into(mut self, mut plan: Plan) -> Plan {
        if self.dice.happens(15) {
            plan.brief.bridging = None;
        }
        match self.dice.within(0..=14) {
            0 => self.no_model_at_all(&mut plan.scripts),
            1 => self.slow_to_connect(&mut plan.scripts),
            2 => self.sessions_that_die_at_once(&mut plan.scripts),
            3 => self.lost_with_a_tool_under_way(&mut plan),
            4 => self.lost_in_the_goodbye(&mut plan),
            5 => self.drained_while_away(&mut plan),
            6 => self.keys_while_away(&mut plan),
            7 => self.words_while_away(&mut plan),
            8 => self.no_tool_works(&mut plan),
            9 => self.a_bad_line(&mut plan),
            10 | 11 => self.a_bad_session(&mut plan.scripts),
            _ => {}
        }
        plan
    }

    fn ms(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.dice.within(low..=high))
    }

    fn no_model_at_all(&mut self, scripts: &mut [Script]) {
        let fault = match self.dice.within(0..=3) {
            0 => ModelFault::RefuseHandshake(429),
            1 => ModelFault::RefuseHandshake(503),
            2 => ModelFault::NoSetup,
            _ => ModelFault::Reset { after_ms: self.dice.within(0..=50) },
        };
        for script in scripts {
            script.faults = vec![fault.clone()];
        }
    }

    fn slow_to_connect(&mut self, scripts: &mut [Script]) {
        for script in scripts {
            script.pace.connect = self.ms(1_000, 12_000);
        }
    }

    fn sessions_that_die_at_once(&mut self, scripts: &mut Vec<Script>) {
        let Some(good) = scripts.last().cloned() else { return };
        for script in scripts.iter_mut().take(2) {
            script.faults = vec![ModelFault::Reset { after_ms: self.dice.within(50..=1_500) }];
            script.pace.session_updated = self.ms(1, 50);
        }
        scripts.push(good);
    }

    /// The first session is lost at that time, and the next takes its own.
    fn lost_at(&mut self, plan: &mut Plan, after_ms: u64) {
        let Some(first) = plan.scripts.first_mut() else { return };
        first.faults = vec![if self.dice.happens(50) {
            ModelFault::Reset { after_ms }
        } else {
            ModelFault::Expire { after_ms }
        }];
        let mut next = first.clone();
        next.faults.clear();
        next.pace.connect = self.ms(50, 6_000);
        plan.scripts.insert(1, next);
        plan.stream_after = Some(self.ms(100, 1_000));
    }

    fn lost_with_a_tool_under_way(&mut self, plan: &mut Plan) {
        let tool = ReplyItem::Tool {
            name: "take_message".to_owned(),
            arguments: r#"{"message":"please call back"}"#.to_owned(),
        };
        if let Some(first) = plan.scripts.first_mut() {
            first.turns.insert(0, Reply { items: vec![tool] });
        }
        plan.ledger_takes = self.ms(100, 11_000);
        let words = tone::noise(!self.seed, 4_800);
        plan.caller.insert(0, Step { when: When::After(1_500), act: Act::Say(words) });
        let after_ms = self.dice.within(2_500..=7_000);
        self.lost_at(plan, after_ms);
    }

    fn lost_in_the_goodbye(&mut self, plan: &mut Plan) {
        let longest = self.dice.within(3_000..=10_000);
        plan.brief.longest = Duration::from_millis(longest);
        let after_ms = longest + self.dice.within(0..=3_000);
        self.lost_at(plan, after_ms.saturating_sub(500));
    }

    fn drained_while_away(&mut self, plan: &mut Plan) {
        let after_ms = self.dice.within(1_000..=15_000);
        let at = Moment::from_millis(after_ms + self.dice.within(0..=3_000));
        plan.commands.push((at, Command::HandOver));
        self.lost_at(plan, after_ms);
    }

    fn keys_while_away(&mut self, plan: &mut Plan) {
        let after_ms = self.dice.within(1_500..=10_000);
        for (number, key) in "12#".chars().enumerate() {
            let at = Moment::from_millis(after_ms + 500 + 200 * number as u64);
            plan.caller.insert(number, Step { when: When::At(at), act: Act::Press(key) });
        }
        self.lost_at(plan, after_ms);
    }

    fn words_while_away(&mut self, plan: &mut Plan) {
        let after_ms = self.dice.within(1_500..=10_000);
        let at = Moment::from_millis(after_ms + self.dice.within(0..=4_000));
        let words = tone::noise(!self.seed, self.dice.within(4_000..=20_000) as usize);
        plan.caller.insert(0, Step { when: When::At(at), act: Act::Say(words) });
        self.lost_at(plan, after_ms);
    }

    fn no_tool_works(&mut self, plan: &mut Plan) {
        plan.ledger_takes = self.ms(0, 14_000);
        plan.ledger_outcome = Outcome::Failed;
        for script in &mut plan.scripts {
            for arguments in ["", "[]", r#"{"message":7}"#, r#"{"message":"ring me"}"#] {
                let (name, arguments) = ("take_message".to_owned(), arguments.to_owned());
                script.turns.insert(0, Reply { items: vec![ReplyItem::Tool { name, arguments }] });
            }
        }
    }

    fn a_bad_line(&mut self, plan: &mut Plan) {
        plan.twilio.jitter = self.ms(60, 400);
        let at_ms = self.dice.within(0..=20_000);
        plan.line_faults.push(match self.dice.within(0..=3) {
            0 => LineFault::Lose { at_ms, for_ms: 70_000 },
            1 => LineFault::Lose { at_ms, for_ms: 200 },
            2 => LineFault::Hold { at_ms, for_ms: 1_500 },
            _ => LineFault::NeverStop,
        });
    }

    fn a_bad_session(&mut self, scripts: &mut [Script]) {
        let all = self.dice.happens(30);
        let fault = match self.dice.within(0..=4) {
            0 => ModelFault::RefuseAnswers,
            1 => ModelFault::Garbage,
            2 => ModelFault::FallSilent { after_ms: self.dice.within(0..=20_000) },
            3 => ModelFault::TextOnly,
            _ => ModelFault::FailAnswers("rate_limit_exceeded".to_owned()),
        };
        for script in scripts.iter_mut().take(if all { usize::MAX } else { 1 }) {
            script.faults = vec![fault.clone()];
        }
    }
}
