//! What the model may do for a caller. It names a tool and gives arguments; both are checked here. It can choose
//! among what the business has configured, and can never supply a number or an address.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::effects::Purpose;
use super::limits::{MAX_TOOL_CALLS, MAX_TOOLS, TOOL_PATIENCE};
use super::machine::{Call, millis};
use super::responding::Reason;
use super::{Deadline, Effect, EffectId, Note, Outcome};
use crate::domain::{DestinationId, Intention, Message, Moment, Pii, Tool};
use crate::wire::model::{ResponseId, ToModel, ToolCallId};

/// The tools of a call.
#[derive(Debug, Default)]
pub(super) struct Tools {
    /// Calls that were seen; none runs twice.
    seen: VecDeque<ToolCallId>,
    under_way: BTreeMap<ToolCallId, Running>,
    /// A result was told, and no answer has begun since.
    unanswered: bool,
}

#[derive(Debug)]
struct Running {
    name: &'static str,
    effect: EffectId,
    since: Moment,
}

impl Tools {
    /// An answer that begins knows every result told before it.
    pub(super) fn on_answer_begins(&mut self) {
        self.unanswered = false;
    }

    /// Whether no tool is under way and every result was answered.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_empty() && !self.unanswered
    }

    /// Whether this call is new. Servers differ in how often they announce one.
    fn is_new(&mut self, call: &ToolCallId) -> bool {
        if self.seen.contains(call) {
            return false;
        }
        if self.seen.len() == MAX_TOOL_CALLS {
            self.seen.pop_front();
        }
        self.seen.push_back(call.clone());
        true
    }
}

impl Call {
    pub(super) fn on_tool_call(
        &mut self,
        response: ResponseId,
        call: ToolCallId,
        name: &str,
        arguments: &str,
    ) {
        // A server may announce a call twice, first without its name; the second is the one that counts.
        if name.is_empty() || self.phase.is_closing() || !self.tools.is_new(&call) {
            return;
        }
        self.deadlines.clear(Deadline::ModelAnswers);
        self.history.on_tool_called(&call, name, arguments);
        let tool = match name {
            "end_call" => Some(Tool::EndCall),
            "transfer_call" => Some(Tool::TransferCall),
            "take_message" => Some(Tool::TakeMessage),
            _ => None,
        };
        let Some(tool) = tool.filter(|tool| self.brief.business.tools.contains(tool)) else {
            return self.refuse_tool(call, "unknown", "there is no such tool");
        };
        let arguments: Value = match arguments {
            "" => json!({}),
            text => match serde_json::from_str(text) {
                Ok(arguments) => arguments,
                Err(_) => return self.refuse_tool(call, name_of(tool), "the arguments are not valid JSON"),
            },
        };
        self.note(Note::ToolCalled { name: name_of(tool).to_owned() });
        match tool {
            // The caller has spoken since: it was decided without knowing what they say.
            Tool::EndCall if self.responding.is_cut(&response) => {
                let output = json!({"error": "the caller has interrupted you; answer them first"});
                self.tell_result(call, &output);
            }
            Tool::EndCall => self.leave_on_request(Intention::HangUp, response, call),
            Tool::TransferCall => self.transfer_call(&arguments, response, call),
            Tool::TakeMessage => self.take_message(&arguments, call),
        }
    }

    fn transfer_call(&mut self, arguments: &Value, response: ResponseId, call: ToolCallId) {
        let chosen = arguments.get("destination").and_then(Value::as_str);
        let known = chosen
            .and_then(|chosen| DestinationId::parse(chosen).ok())
            .filter(|chosen| self.brief.business.destination(chosen).is_some());
        match known {
            Some(destination) => self.leave_on_request(Intention::Transfer(destination), response, call),
            None => {
                let ids: Vec<&str> =
                    self.brief.business.destinations.iter().map(|to| to.id.as_str()).collect();
                let why = format!("unknown destination; the destinations are: {}", ids.join(", "));
                self.refuse_tool(call, name_of(Tool::TransferCall), &why);
            }
        }
    }

    fn take_message(&mut self, arguments: &Value, call: ToolCallId) {
        let name = name_of(Tool::TakeMessage);
        let field =
            |key: &str| arguments.get(key).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
        let text = field("message");
        if text.is_empty() {
            return self.refuse_tool(call, name, "the message is empty; ask the caller what to note down");
        }
        if self.tools.under_way.len() >= MAX_TOOLS {
            return self.refuse_tool(call, name, "too many tools are running; try again later");
        }
        let elapsed_ms = i64::try_from(self.now.as_millis()).unwrap_or(i64::MAX);
        let message = Message {
            call: self.brief.call.clone(),
            business: self.brief.business.id.clone(),
            tool_call: call.as_str().to_owned(),
            name: Pii::new(field("name")),
            contact: Pii::new(field("contact")),
            text: Pii::new(text),
            taken_ms: self.brief.began_ms.saturating_add(elapsed_ms),
        };
        let effect = self.ask_for(Effect::TakeMessage(Box::new(message)), Purpose::Tool(call.clone()));
        self.tools.under_way.insert(call, Running { name, effect, since: self.now });
        self.deadlines.set_once(Deadline::ToolAnswers, self.now + TOOL_PATIENCE);
    }

    pub(super) fn on_tool_outcome(&mut self, call: &ToolCallId, outcome: Outcome) {
        let result = match outcome {
            Outcome::Done => json!({"ok": true}),
            Outcome::Failed | Outcome::Refused => {
                json!({"error": "the message could not be kept; tell the caller"})
            }
        };
        self.answer_tool(call, outcome == Outcome::Done, &result);
    }

    /// Tells the model that the tools which began too long ago have failed.
    pub(super) fn on_tools_late(&mut self) {
        let late: Vec<ToolCallId> = self
            .tools
            .under_way
            .iter()
            .filter(|(_, running)| self.now.since(running.since) >= TOOL_PATIENCE)
            .map(|(call, _)| call.clone())
            .collect();
        for call in late {
            if let Some(running) = self.tools.under_way.get(&call) {
                self.effects.end(running.effect);
            }
            self.answer_tool(&call, false, &json!({"error": "it took too long; tell the caller"}));
        }
        if let Some(oldest) = self.tools.under_way.values().map(|running| running.since).min() {
            self.deadlines.set(Deadline::ToolAnswers, oldest + TOOL_PATIENCE);
        }
    }

    /// Asks for an answer when every tool has given its result and none has begun since.
    pub(super) fn wish_for_tools(&mut self) {
        let due = self.tools.unanswered && self.tools.under_way.is_empty();
        if due && self.responding.active().is_none() && !self.responding.is_coming(Reason::Tools) {
            self.responding.wish(Reason::Tools, None);
        }
    }

    /// Tells the model the result of a tool that needs no answer of its: the goodbye is one.
    pub(super) fn acknowledge_tool(&mut self, call: ToolCallId) {
        self.tell_result(call, &json!({"ok": true}));
    }

    fn refuse_tool(&mut self, call: ToolCallId, name: &str, why: &str) {
        self.note(Note::ToolDone { name: name.to_owned(), done: false, took_ms: 0 });
        self.tell_result(call, &json!({"error": why}));
        self.tools.unanswered = true;
    }

    fn answer_tool(&mut self, call: &ToolCallId, done: bool, result: &Value) {
        let Some(running) = self.tools.under_way.remove(call) else { return };
        let took_ms = millis(self.now, running.since);
        self.note(Note::ToolDone { name: running.name.to_owned(), done, took_ms });
        self.tell_result(call.clone(), result);
        self.tools.unanswered = true;
        if self.tools.under_way.is_empty() {
            self.deadlines.clear(Deadline::ToolAnswers);
        }
    }

    /// Tells the model what a tool gave, now, or with all that was said when there is a model again.
    fn tell_result(&mut self, call: ToolCallId, result: &Value) {
        let output = result.to_string();
        self.history.on_tool_result(&call, &output);
        if self.link.is_ready() {
            self.say_to_model(ToModel::ToolResult { call, output });
        }
    }
}

fn name_of(tool: Tool) -> &'static str {
    match tool {
        Tool::EndCall => "end_call",
        Tool::TransferCall => "transfer_call",
        Tool::TakeMessage => "take_message",
    }
}
