//! The model's answers: which one is under way, which are still to be asked for, and which were cut short.
//!
//! The service takes one answer at a time, and also answers of its own accord when the caller has spoken. So answers
//! are asked for one after the other, and again when the service was quicker.

use std::collections::VecDeque;

use super::limits::MAX_CUT;
use crate::domain::Moment;
use crate::wire::model::{ResponseId, ToModel};

/// Why an answer is asked for. Later ones of the same kind are the same wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// The call opens.
    Opening,
    /// Tools have answered.
    Tools,
    /// The caller pressed keys.
    Keys,
    /// The caller is silent.
    StillThere,
    /// The end of what the plan allows is near.
    LastMinute,
    /// The model did not answer.
    Nudge,
    /// An operator has something said.
    Operator,
    /// Another session goes on where the last one was lost.
    GoOn,
    /// The call is about to end.
    Farewell,
}

/// An answer to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    /// Why.
    pub(super) reason: Reason,
    /// What to say; none leaves it to the model.
    pub(super) instructions: Option<String>,
}

/// The answer under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Active {
    /// Which.
    pub(super) response: ResponseId,
    /// Why it was asked for; none when the model answers by itself.
    pub(super) reason: Option<Reason>,
    /// Whether any of it could be heard.
    pub(super) audible: bool,
}

/// The model's answers.
#[derive(Debug, Default)]
pub(super) struct Responding {
    active: Option<Active>,
    /// Asked for, and not yet begun.
    asked: Option<(u32, Wish)>,
    wishes: VecDeque<Wish>,
    /// Not to be asked before.
    not_before: Moment,
    /// Cut short; what still comes of them is dropped.
    cut: VecDeque<ResponseId>,
    last_tag: u32,
}

impl Responding {
    /// Wishes for an answer. What opens the call comes before all else.
    pub(super) fn wish(&mut self, reason: Reason, instructions: Option<String>) {
        self.wishes.retain(|wish| wish.reason != reason);
        let wish = Wish { reason, instructions };
        if reason == Reason::Opening { self.wishes.push_front(wish) } else { self.wishes.push_back(wish) }
    }

    /// Waits with every wish until `at`.
    pub(super) fn pause_until(&mut self, at: Moment) {
        self.not_before = at;
    }

    /// Takes a wish back that was not yet asked for.
    pub(super) fn unwish(&mut self, reason: Reason) {
        self.wishes.retain(|wish| wish.reason != reason);
    }

    /// The first wish that may be asked for.
    pub(super) fn next_wish(&self, may: impl Fn(Reason) -> bool) -> Option<Reason> {
        self.wishes.iter().map(|wish| wish.reason).find(|reason| may(*reason))
    }

    /// Asks the model for a wish now, if it is free. `tools` is whether it may call any just now.
    pub(super) fn ask(&mut self, reason: Reason, now: Moment, tools: bool) -> Option<ToModel> {
        if self.active.is_some() || self.asked.is_some() || now < self.not_before {
            return None;
        }
        let index = self.wishes.iter().position(|wish| wish.reason == reason)?;
        let wish = self.wishes.remove(index)?;
        self.last_tag += 1;
        // A goodbye that calls a tool would begin everything again.
        let begins_anew = matches!(
            wish.reason,
            Reason::Farewell | Reason::StillThere | Reason::LastMinute | Reason::Operator
        );
        let tools = tools && !begins_anew;
        let ask = ToModel::Respond { instructions: wish.instructions.clone(), tools, tag: self.last_tag };
        self.asked = Some((self.last_tag, wish));
        Some(ask)
    }

    /// When [`Self::ask`] may have something that it has not now.
    pub(super) fn wake_at(&self, may: impl Fn(Reason) -> bool) -> Option<Moment> {
        let free = self.active.is_none() && self.asked.is_none();
        self.next_wish(may).filter(|_| free).map(|_| self.not_before)
    }

    /// An answer begins.
    pub(super) fn on_started(&mut self, response: ResponseId, tag: Option<u32>) {
        if self.active.as_ref().is_some_and(|active| active.response == response) {
            // Told twice.
            return;
        }
        let ours = self.asked.take_if(|(asked, _)| Some(*asked) == tag);
        self.active = Some(Active { response, reason: ours.map(|(_, wish)| wish.reason), audible: false });
    }

    /// The model was busy with an answer of its own: ask again after it.
    pub(super) fn on_busy(&mut self) {
        if let Some((_, wish)) = self.asked.take() {
            self.wishes.push_front(wish);
        }
    }

    /// What was asked for does not begin: ask again, but after everything else that waits.
    pub(super) fn on_silence(&mut self) {
        if let Some((_, wish)) = self.asked.take()
            && !self.wishes.iter().any(|other| other.reason == wish.reason)
        {
            self.wishes.push_back(wish);
        }
    }

    /// What was asked for in that question is refused; returns why it was asked for.
    pub(super) fn on_refused(&mut self, tag: Option<u32>) -> Option<Reason> {
        self.asked.take_if(|(asked, _)| Some(*asked) == tag).map(|(_, wish)| wish.reason)
    }

    /// Nothing more comes of any answer: what was not begun is asked for again, and first. Returns the one under way.
    pub(super) fn on_session_lost(&mut self) -> Option<Active> {
        self.on_busy();
        self.cut.clear();
        self.not_before = Moment::START;
        self.active.take()
    }

    /// Whether something is asked for and has not begun.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// Some of the answer could be heard.
    pub(super) fn on_audible(&mut self, response: &ResponseId) {
        if let Some(active) = self.active.as_mut().filter(|active| active.response == *response) {
            active.audible = true;
        }
    }

    /// An answer is over; returns it when it was the one under way. What was cut is forgotten with it: nothing more
    /// comes.
    pub(super) fn on_done(&mut self, response: &ResponseId) -> Option<Active> {
        self.cut.retain(|cut| cut != response);
        self.active.take_if(|active| active.response == *response)
    }

    /// Drops what still comes of an answer.
    pub(super) fn cut(&mut self, response: ResponseId) {
        if !self.is_cut(&response) {
            if self.cut.len() == MAX_CUT {
                self.cut.pop_front();
            }
            self.cut.push_back(response);
        }
    }

    /// Whether an answer was cut short.
    pub(super) fn is_cut(&self, response: &ResponseId) -> bool {
        self.cut.contains(response)
    }

    /// The answer under way.
    pub(super) fn active(&self) -> Option<&Active> {
        self.active.as_ref()
    }

    /// Whether nothing is under way, asked for or wished for.
    pub(super) fn is_idle(&self) -> bool {
        self.active.is_none() && self.asked.is_none() && self.wishes.is_empty()
    }

    /// Whether an answer for this reason is still to come.
    pub(super) fn is_coming(&self, reason: Reason) -> bool {
        self.active.as_ref().is_some_and(|active| active.reason == Some(reason))
            || self.asked.as_ref().is_some_and(|(_, wish)| wish.reason == reason)
            || self.wishes.iter().any(|wish| wish.reason == reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::START;

    fn ask(responding: &mut Responding) -> Option<ToModel> {
        let reason = responding.next_wish(|_| true)?;
        responding.ask(reason, NOW, true)
    }

    fn tag_of(ask: Option<ToModel>) -> Option<u32> {
        let ToModel::Respond { tag, .. } = ask? else { panic!("only answers are asked for") };
        Some(tag)
    }

    #[test]
    fn answers_are_asked_for_one_after_the_other() {
        let mut responding = Responding::default();
        responding.wish(Reason::Opening, Some("Greet.".to_owned()));
        responding.wish(Reason::Keys, None);
        responding.wish(Reason::Keys, None);
        assert_eq!(tag_of(ask(&mut responding)), Some(1));
        assert_eq!(ask(&mut responding), None);
        responding.on_started("r1".into(), Some(1));
        assert_eq!(ask(&mut responding), None);
        let done = responding.on_done(&"r1".into()).unwrap();
        assert_eq!(done.reason, Some(Reason::Opening));
        assert_eq!(tag_of(ask(&mut responding)), Some(2));
        responding.on_started("r2".into(), Some(2));
        responding.on_done(&"r2".into());
        assert_eq!(ask(&mut responding), None);
        assert!(responding.is_idle());
    }

    #[test]
    fn a_model_that_was_quicker_is_asked_again_afterwards() {
        let mut responding = Responding::default();
        responding.wish(Reason::Tools, None);
        assert!(ask(&mut responding).is_some());
        responding.on_started("its own".into(), None);
        responding.on_busy();
        assert_eq!(ask(&mut responding), None);
        assert_eq!(responding.on_done(&"its own".into()).unwrap().reason, None);
        assert_eq!(tag_of(ask(&mut responding)), Some(2));
    }

    #[test]
    fn what_was_cut_is_remembered_until_its_end() {
        let mut responding = Responding::default();
        responding.on_started("r1".into(), None);
        responding.cut("r1".into());
        assert!(responding.is_cut(&"r1".into()));
        responding.on_done(&"r1".into());
        assert!(!responding.is_cut(&"r1".into()));
    }
}
