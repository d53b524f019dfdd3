//! What the model may do for a caller. It names a tool and gives arguments; both are checked here. It can choose
//! among what the business has configured, and can never supply a number or an address. Tools of the business's own
//! are `http_tools`'.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};

use super::effects::Purpose;
use super::limits::{
    LONGEST_ARGUMENTS, MAX_REFUSALS_A_TURN, MAX_TOOL_CALLS, MAX_TOOL_CALLS_A_TURN, MAX_TOOLS, TOOL_PATIENCE,
};
use super::machine::{Call, millis};
use super::responding::Reason;
use super::{Deadline, Effect, EffectId, Note, Outcome, UNKNOWN_TOOL};
use crate::domain::{DestinationId, Intention, Message, Moment, Pii, Tool, ToolAnswer};
use crate::wire::model::{ResponseId, ToModel, ToolCallId};

/// The tools of a call.
#[derive(Debug, Default)]
pub(super) struct Tools {
    /// Calls that were seen; none runs twice.
    seen: VecDeque<ToolCallId>,
    under_way: BTreeMap<ToolCallId, Running>,
    /// A result was told, and no answer has begun since.
    unanswered: bool,
    /// How many calls came since the caller last said something.
    in_a_row: u32,
    /// When those of the business's own were asked, of the last minute.
    pub(super) asked: VecDeque<Moment>,
    /// How often in all.
    pub(super) asked_in_all: u32,
}

#[derive(Debug)]
struct Running {
    name: String,
    effect: EffectId,
    since: Moment,
    /// From when on it has failed.
    due: Moment,
    /// Whether it is one of the business's own.
    http: bool,
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

    /// The caller has said something.
    pub(super) fn on_caller(&mut self) {
        self.in_a_row = 0;
    }

    /// Whether the model may call any: not when it does nothing else any more.
    pub(super) fn may_be_called(&self) -> bool {
        self.in_a_row < MAX_TOOL_CALLS_A_TURN
    }

    /// How many of the business's own are under way.
    pub(super) fn http_under_way(&self) -> usize {
        self.under_way.values().filter(|running| running.http).count()
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
        self.tools.in_a_row = self.tools.in_a_row.saturating_add(1);
        if self.tools.in_a_row > MAX_REFUSALS_A_TURN {
            self.oddities.ignored_tools += 1;
            return;
        }
        self.history.on_tool_called(&call, name, arguments);
        let built_in = Tool::ALL.into_iter().find(|tool| tool.name() == name);
        let built_in = built_in.filter(|tool| self.brief.business.tools.contains(tool));
        let own =
            self.brief.business.http_tool(name).filter(|_| built_in.is_none()).map(|tool| tool.name.clone());
        if built_in.is_none() && own.is_none() {
            return self.refuse_tool(call, UNKNOWN_TOOL, "there is no such tool");
        }
        if self.tools.in_a_row > MAX_TOOL_CALLS_A_TURN {
            return self.refuse_tool(call, name, "too many tool calls in a row; talk to the caller first");
        }
        let arguments = match read(arguments) {
            Ok(arguments) => arguments,
            Err(why) => return self.refuse_tool(call, name, why),
        };
        self.note(Note::ToolCalled { name: name.to_owned() });
        match (built_in, own) {
            // The caller has spoken since: it was decided without knowing what they say.
            (Some(Tool::EndCall), _) if self.responding.is_cut(&response) => {
                let output = json!({"error": "the caller has interrupted you; answer them first"});
                self.tell_result(call, &output.to_string());
            }
            (Some(Tool::EndCall), _) => self.leave_on_request(Intention::HangUp, response, call),
            (Some(Tool::TransferCall), _) => self.transfer_call(&arguments, response, call),
            (Some(Tool::TakeMessage), _) => self.take_message(&arguments, call),
            (None, Some(name)) => self.run_http_tool(&name, &arguments, call),
            (None, None) => {}
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
                self.refuse_tool(call, Tool::TransferCall.name(), &why);
            }
        }
    }

    fn take_message(&mut self, arguments: &Value, call: ToolCallId) {
        let name = Tool::TakeMessage.name();
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
        self.begin_tool(call, name, Effect::TakeMessage(Box::new(message)), TOOL_PATIENCE, false);
    }

    /// Has a tool's work done, and waits for it so long.
    pub(super) fn begin_tool(
        &mut self,
        call: ToolCallId,
        name: &str,
        effect: Effect,
        patience: Duration,
        http: bool,
    ) {
        let effect = self.ask_for(effect, Purpose::Tool(call.clone()));
        let (since, due) = (self.now, self.now + patience);
        self.tools.under_way.insert(call, Running { name: name.to_owned(), effect, since, due, http });
        self.await_tools();
    }

    /// Waits for the tool that has to be done first.
    fn await_tools(&mut self) {
        match self.tools.under_way.values().map(|running| running.due).min() {
            Some(due) => self.deadlines.set(Deadline::ToolAnswers, due),
            None => self.deadlines.clear(Deadline::ToolAnswers),
        }
    }

    pub(super) fn on_tool_outcome(&mut self, call: &ToolCallId, outcome: Outcome) {
        let http = self.tools.under_way.get(call).is_some_and(|running| running.http);
        let result = match outcome {
            Outcome::Done => json!({"ok": true}),
            Outcome::Failed | Outcome::Refused if http => {
                json!({"error": "it could not be done; tell the caller"})
            }
            Outcome::Failed | Outcome::Refused => {
                json!({"error": "the message could not be kept; tell the caller"})
            }
        };
        self.answer_tool(call, outcome == Outcome::Done, &result.to_string());
    }

    /// What a tool of the business's own answered. One whose effect was given up is late, and is not told twice.
    pub(super) fn on_tool_answer(&mut self, id: EffectId, answer: &ToolAnswer) {
        let Some(Purpose::Tool(call)) = self.effects.end(id) else {
            self.oddities.late_tools += u32::from(answer.done);
            return;
        };
        self.answer_tool(&call, answer.done, answer.told.reveal());
    }

    /// Tells the model that the tools which began too long ago have failed.
    pub(super) fn on_tools_late(&mut self) {
        let late = self.tools.under_way.iter().filter(|(_, running)| running.due <= self.now);
        let late: Vec<ToolCallId> = late.map(|(call, _)| call.clone()).collect();
        for call in late {
            if let Some(running) = self.tools.under_way.get(&call) {
                self.effects.end(running.effect);
            }
            self.answer_tool(
                &call,
                false,
                &json!({"error": "it took too long; tell the caller"}).to_string(),
            );
        }
        self.await_tools();
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
        self.tell_result(call, &json!({"ok": true}).to_string());
    }

    pub(super) fn refuse_tool(&mut self, call: ToolCallId, name: &str, why: &str) {
        self.note(Note::ToolDone { name: name.to_owned(), done: false, took_ms: 0 });
        self.tell_result(call, &json!({"error": why}).to_string());
        self.tools.unanswered = true;
    }

    fn answer_tool(&mut self, call: &ToolCallId, done: bool, output: &str) {
        let Some(running) = self.tools.under_way.remove(call) else { return };
        let took_ms = millis(self.now, running.since);
        self.note(Note::ToolDone { name: running.name, done, took_ms });
        self.tell_result(call.clone(), output);
        self.tools.unanswered = true;
        self.await_tools();
    }

    /// Tells the model what a tool gave, now, or with all that was said when there is a model again.
    fn tell_result(&mut self, call: ToolCallId, output: &str) {
        self.history.on_tool_result(&call, output);
        if self.link.is_ready() {
            self.say_to_model(ToModel::ToolResult { call, output: output.to_owned() });
        }
    }
}

/// Arguments as JSON, or what is wrong with them. None at all are an empty object.
fn read(arguments: &str) -> Result<Value, &'static str> {
    match arguments {
        "" => Ok(json!({})),
        long if long.len() > LONGEST_ARGUMENTS => Err("the arguments are too long; say it in fewer words"),
        text => serde_json::from_str(text).map_err(|_| "the arguments are not valid JSON"),
    }
}
