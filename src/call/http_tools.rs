//! Tools of a business's own: whether one may be asked now, and with these arguments. It is asked at an address the model
//! never hears of, and what is sent is written anew from what was checked: nothing the model wrote gets out as it was.

use std::time::Duration;

use serde_json::Value;

use super::Effect;
use super::limits::{MAX_HTTP_TOOLS, MAX_HTTP_TOOLS_A_CALL, MAX_HTTP_TOOLS_A_MINUTE};
use super::machine::Call;
use crate::domain::{Moment, Pii, ToolName, parameters};
use crate::wire::model::ToolCallId;

const MINUTE: Duration = Duration::from_secs(60);

impl Call {
    pub(super) fn run_http_tool(&mut self, name: &ToolName, arguments: &Value, call: ToolCallId) {
        let Some(tool) = self.brief.business.http_tool(name.as_str()) else { return };
        let deadline = tool.deadline();
        if !arguments.is_object() {
            return self.refuse_tool(call, name.as_str(), "the arguments are not an object");
        }
        if let Some(fault) = parameters::fault_in(&tool.parameters, arguments) {
            return self.refuse_tool(call, name.as_str(), &fault);
        }
        if let Some(why) = self.why_not_now() {
            return self.refuse_tool(call, name.as_str(), why);
        }
        self.tools.asked.push_back(self.now);
        self.tools.asked_in_all += 1;
        let arguments = Pii::new(arguments.to_string());
        let effect = Effect::RunTool { name: name.clone(), call: call.clone(), arguments };
        self.begin_tool(call, name.as_str(), effect, deadline, true);
    }

    /// Why no tool of the business's own is asked just now, if none is.
    fn why_not_now(&mut self) -> Option<&'static str> {
        let now = self.now;
        let long_ago = |at: &mut Moment| now.since(*at) >= MINUTE;
        while self.tools.asked.pop_front_if(long_ago).is_some() {}
        if self.tools.http_under_way() >= MAX_HTTP_TOOLS {
            return Some("too many tools are running; wait for what they answer");
        }
        if self.tools.asked.len() >= MAX_HTTP_TOOLS_A_MINUTE {
            return Some("tools were asked too often in this minute; go on without them for now");
        }
        (self.tools.asked_in_all >= MAX_HTTP_TOOLS_A_CALL)
            .then_some("tools were asked too often in this call; go on without them")
    }
}
