//! What a call has asked others to do, and not yet heard of.

use std::collections::BTreeMap;

use super::machine::Call;
use super::{Effect, EffectId, Outcome, Output};
use crate::wire::model::ToolCallId;

/// What an effect was for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A session with the model.
    Dial,
    /// A decision that must be known before it is carried out.
    Intend,
    /// The end of the phone call, or its transfer.
    Leave,
    /// A tool the model called.
    Tool(ToolCallId),
    /// Something to keep; nobody waits for it.
    Keep,
}

/// Effects under way.
#[derive(Debug, Default)]
pub(super) struct Effects {
    last: u32,
    under_way: BTreeMap<EffectId, Purpose>,
}

impl Effects {
    fn begin(&mut self, purpose: Purpose) -> EffectId {
        self.last += 1;
        let id = EffectId(self.last);
        self.under_way.insert(id, purpose);
        id
    }

    /// Forgets an effect whose outcome no longer matters. Returns what it was for.
    pub(super) fn end(&mut self, id: EffectId) -> Option<Purpose> {
        self.under_way.remove(&id)
    }
}

impl Call {
    /// Asks for something to be done.
    pub(super) fn ask_for(&mut self, effect: Effect, purpose: Purpose) -> EffectId {
        let id = self.effects.begin(purpose);
        self.out(Output::Effect(id, effect));
        id
    }

    /// What became of something that was asked for.
    pub(super) fn on_outcome(&mut self, id: EffectId, outcome: Outcome) {
        match self.effects.end(id) {
            Some(Purpose::Dial) => self.on_dialled(outcome),
            Some(Purpose::Intend) => self.on_intention_kept(id),
            Some(Purpose::Leave) => self.on_left(outcome),
            Some(Purpose::Tool(call)) => self.on_tool_outcome(&call, outcome),
            Some(Purpose::Keep) | None => {}
        }
    }
}
