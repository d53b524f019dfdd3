//! What is promised of every call, whatever happens: how it ends, and that it does.

#![expect(clippy::wildcard_enum_match_arm, reason = "a promise picks what it looks at")]

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::super::*;
use super::{ears, memory};
use crate::call::event_log::{self, Verdict};
use crate::call::{Deadline, Note};
use crate::domain::{Ending, Intention};
use crate::sim::model::Script;
use crate::sim::{Act, LineFault};

/// What one world was like, or all of them.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) worlds: u64,
    pub(super) endings: BTreeMap<&'static str, u64>,
    pub(super) models_lost: u64,
    pub(super) phrases: u64,
    pub(super) chimes: u64,
    /// The longest that a caller heard nothing while it was our turn.
    pub(super) longest_silence: Duration,
}

impl Figures {
    pub(super) fn add(&mut self, other: &Self) {
        self.worlds += other.worlds;
        for (ending, calls) in &other.endings {
            *self.endings.entry(ending).or_default() += calls;
        }
        self.models_lost += other.models_lost;
        self.phrases += other.phrases;
        self.chimes += other.chimes;
        self.longest_silence = self.longest_silence.max(other.longest_silence);
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { worlds, models_lost, phrases, chimes, longest_silence, endings } = self;
        let endings: Vec<String> =
            endings.iter().map(|(ending, calls)| format!("{calls} {ending}")).collect();
        write!(
            f,
            "{worlds} worlds: {}; {models_lost} models lost; {phrases} phrases and {chimes} chimes; the longest silence \
             of ours {} ms, the lines' own delay in it; 0 calls without an end, 0 ends unexplained",
            endings.join(", "),
            longest_silence.as_millis()
        )
    }
}

/// Lets a world happen, and fails on the first promise that is broken.
pub(super) fn check(plan: Plan) -> Figures {
    let told = plan.clone();
    let report = World::new(plan).run();

    assert!(!report.restless, "an alarm rings for ever");
    let ending = report.ending.clone().expect("the call does not end");
    assert_eq!(report.said_after_end, 0);
    assert_eq!(report.unsent_to_model, 0, "words for a model that is not there");
    assert_eq!(report.violations(), []);
    let over = report.over_at.unwrap();
    assert!(report.effects.iter().all(|(at, _)| *at <= over));
    let overs = report.notes.iter().filter(|(_, note)| matches!(note, Note::Over { .. })).count();
    assert_eq!(overs, 1, "a call is over once");
    assert!(matches!(report.notes.last(), Some((_, Note::Over { .. }))), "and then it is silent");

    what_was_meant_was_done(&report, &ending);
    assert!(
        is_explained(&ending, &report, &told),
        "nothing in its plan explains that it ended so: {ending:?}"
    );
    who_came_back_went_on(&report, &ending, &told);
    for (index, turn) in report.turns().enumerate() {
        assert_eq!(turn.number as usize, index, "turns are numbered without a gap");
    }
    for refusal in report.refusals() {
        let busy = refusal.complaint.code == Some("conversation_already_has_active_response");
        assert!(busy || any_fault(&told, |fault| *fault == ModelFault::RefuseAnswers), "{refusal:?}");
    }
    memory::check(&report, &told);
    let longest_silence = ears::check(&report, &told);

    let log = String::from_utf8(report.log.clone()).unwrap();
    let verdict = event_log::replay(&log, |_, _, _| {}).unwrap();
    assert!(matches!(verdict, Verdict::Identical { cut_off: false, .. }), "{verdict:?}");

    let lost = report.notes.iter().filter(|(_, note)| *note == Note::ModelAway).count();
    Figures {
        worlds: 1,
        endings: [(name_of(&ending), 1)].into(),
        models_lost: lost as u64,
        phrases: ears::fillings(&report, true).count() as u64,
        chimes: ears::fillings(&report, false).count() as u64,
        longest_silence,
    }
}

/// Whether something that goes wrong with a model is planned.
pub(super) fn any_fault(plan: &Plan, is: impl Fn(&ModelFault) -> bool) -> bool {
    plan.scripts.iter().flat_map(|script| &script.faults).any(is)
}

/// When the fallback was written down, if it was.
pub(super) fn given_up_at(report: &Report) -> Option<Moment> {
    let fallback = Effect::Intend(Some(Intention::FallBack));
    report.effects.iter().find(|(_, effect)| *effect == fallback).map(|(at, _)| *at)
}

fn name_of(ending: &Ending) -> &'static str {
    match ending {
        Ending::CallerHungUp => "the caller hung up",
        Ending::HungUp => "goodbye",
        Ending::Transferred(_) => "transferred",
        Ending::HandedOver => "handed over",
        Ending::ModelLost => "model lost",
        Ending::ModelRefused => "model refused",
        Ending::NeverConnected => "never connected",
        Ending::StreamLost => "stream lost",
        Ending::StreamRefused(_) => "stream refused",
        Ending::PlanLimit => "plan limit",
    }
}

fn what_was_meant_was_done(report: &Report, ending: &Ending) {
    let intended = report.effects.iter().rev().find_map(|(_, effect)| {
        if let Effect::Intend(intention) = effect { Some(intention.clone()) } else { None }
    });
    let leaves = |effect: &Effect| matches!(effect, Effect::HangUp | Effect::Transfer(_));
    let left = report.effects.iter().filter(|(_, effect)| leaves(effect)).count();
    assert!(left <= 1, "a line is let go once");
    let wanted = match ending {
        Ending::HungUp => Some(Intention::HangUp),
        Ending::Transferred(to) => Some(Intention::Transfer(to.clone())),
        Ending::ModelRefused => Some(Intention::FallBack),
        // An accident would be resumed: nothing may be meant that says otherwise.
        Ending::ModelLost => {
            assert!(matches!(intended.clone().flatten(), None | Some(Intention::FallBack)), "{intended:?}");
            return;
        }
        Ending::HandedOver => {
            assert_eq!(intended.flatten(), None, "what was meant was not done");
            return;
        }
        Ending::PlanLimit => panic!("a call that has a machine was not refused one"),
        Ending::CallerHungUp | Ending::NeverConnected | Ending::StreamLost | Ending::StreamRefused(_) => {
            return;
        }
    };
    assert_eq!(intended.flatten(), wanted);
    assert_eq!(left, usize::from(*ending != Ending::ModelRefused));
}

/// Whether something that was planned, or a limit, explains how the call ended.
fn is_explained(ending: &Ending, report: &Report, plan: &Plan) -> bool {
    let over = report.over_at.unwrap();
    let commanded =
        |command: Command| plan.commands.iter().any(|(at, other)| *other == command && *at <= over);
    let steps = plan.caller.iter().zip(&report.steps_done);
    let hung_up = steps.into_iter().any(|(step, _)| step.act == Act::HangUp);
    let line = |is: fn(&LineFault) -> bool| plan.line_faults.iter().any(is);
    let dead = |fault: &LineFault| matches!(fault, LineFault::Lose { for_ms: 60_000.., .. });
    match ending {
        Ending::CallerHungUp => hung_up || commanded(Command::CallOver),
        Ending::NeverConnected => {
            let opens = plan.twilio.base + plan.twilio.jitter;
            let late = plan.stream_after.is_none_or(|after| after + opens >= Duration::from_secs(15));
            late || line(|fault| matches!(fault, LineFault::Reset { .. }))
        }
        Ending::StreamLost => {
            let broke = line(|fault| matches!(fault, LineFault::Reset { .. }));
            broke || line(dead) || hung_up && line(|fault| *fault == LineFault::NeverStop)
        }
        Ending::HandedOver => commanded(Command::HandOver),
        Ending::HungUp | Ending::Transferred(_) => {
            reason_to_leave(report).is_some_and(|reason| match reason {
                Note::TooLate(Deadline::TooLong) => {
                    let since = arrived_at(report).unwrap();
                    *ending == Ending::HungUp && over.since(since) >= plan.brief.longest
                }
                Note::TooLate(deadline) => *ending == Ending::HungUp && *deadline == Deadline::CallerSpeaks,
                Note::ToolCalled { name } if *ending == Ending::HungUp => name == "end_call",
                Note::ToolCalled { name } => name == "transfer_call",
                _ => false,
            })
        }
        Ending::ModelRefused => any_fault(plan, |fault| match fault {
            ModelFault::RefuseHandshake(status) => matches!(status, 400 | 401 | 403 | 404),
            ModelFault::RefuseSetup { .. } => true,
            ModelFault::FailAnswers(code) => code == "insufficient_quota",
            _ => false,
        }),
        Ending::ModelLost => {
            let harmless = |fault: &ModelFault| {
                matches!(fault, ModelFault::Repeat | ModelFault::Unknown | ModelFault::PcmOnly)
            };
            let slow = |script: &Script| script.pace.connect >= Duration::from_secs(4);
            any_fault(plan, |fault| !harmless(fault))
                || plan.scripts.iter().any(slow)
                || was_told_nothing(report)
        }
        Ending::StreamRefused(_) | Ending::PlanLimit => false,
    }
}

/// What happened last before the call was to end.
fn reason_to_leave(report: &Report) -> Option<&Note> {
    let leaving = report.notes.iter().rposition(|(_, note)| matches!(note, Note::Leaving(_)))?;
    let before = report.notes[..leaving].iter().rev().map(|(_, note)| note);
    before.into_iter().find(|note| matches!(note, Note::TooLate(_) | Note::ToolCalled { .. }))
}

pub(super) fn arrived_at(report: &Report) -> Option<Moment> {
    report.notes.iter().find(|(_, note)| *note == Note::CallerArrived).map(|(at, _)| *at)
}

/// Whether answers came of which nothing could be heard: replies of a script may be empty.
fn was_told_nothing(report: &Report) -> bool {
    report.notes.iter().any(|(_, note)| matches!(note, Note::ModelRefused { code, .. } if code == "no_audio"))
}

/// A call ends of its model only while there is none, or none that answers.
fn who_came_back_went_on(report: &Report, ending: &Ending, plan: &Plan) {
    let dumb = |fault: &ModelFault| {
        matches!(
            fault,
            ModelFault::NoAnswer
                | ModelFault::Stuck
                | ModelFault::RefuseAnswers
                | ModelFault::TextOnly
                | ModelFault::FailAnswers(_)
                | ModelFault::FallSilent { .. }
        )
    };
    if *ending != Ending::ModelLost || any_fault(plan, dumb) || was_told_nothing(report) {
        return;
    }
    let given_up = given_up_at(report).expect("the fallback was not written down");
    let before = report.notes.iter().rev().filter(|(at, _)| *at <= given_up);
    let last = before.map(|(_, note)| note).find(|note| matches!(note, Note::ModelReady | Note::ModelAway));
    assert!(last != Some(&Note::ModelReady), "there was a model");
}
