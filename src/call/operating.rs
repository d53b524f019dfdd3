//! What somebody of ours wants of a call: the house itself, or an operator who watches it.

use super::Command;
use super::machine::Call;
use super::responding::Reason;
use crate::domain::{DestinationId, Ending, Intention, Pii};

impl Call {
    pub(super) fn on_command(&mut self, command: Command) {
        match command {
            Command::CallOver => self.on_stream_over(Ending::CallerHungUp),
            Command::HandOver => self.on_hand_over(),
            Command::HangUp => self.leave_with(
                Intention::HangUp,
                "The business has to end this call now. Say so and say goodbye, in one short sentence.",
                true,
            ),
            Command::Transfer(to) => self.transfer_on_command(to),
            Command::Say(words) => self.say_on_command(&words),
        }
    }

    /// A destination the business does not have is none: what is asked for by a page may be older than the call.
    fn transfer_on_command(&mut self, to: DestinationId) {
        if self.brief.business.destination(&to).is_some() {
            let words =
                "Tell the caller in one short sentence that you are connecting them with a person now.";
            self.leave_with(Intention::Transfer(to), words, true);
        }
    }

    /// Said when nobody else speaks; the caller is not talked over, and neither is the answer under way.
    fn say_on_command(&mut self, words: &Pii<String>) {
        if !self.phase.is_talking() {
            return;
        }
        let words = words.reveal().replace('"', "'");
        let instructions =
            self.in_character(&format!("Say exactly these words now, and nothing else: \"{words}\""));
        self.responding.wish(Reason::Operator, Some(instructions));
    }
}
