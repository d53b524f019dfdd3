//! Somebody tries a tool out: as a call would ask it, and told as a model would be.

use serde_json::Value;

use super::{HttpToolClient, ToolRequest};
use crate::domain::{BusinessId, HttpTool, Pii, ToolAnswer, parameters};

/// How a tool did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolTrial {
    /// The HTTP status, when there was one.
    pub status: Option<u16>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// What the model would be told, and whether it did what was asked.
    pub answer: ToolAnswer,
    /// Why it did not, for whoever can mend it.
    pub problem: Option<String>,
}

impl HttpToolClient {
    /// Tries a tool of a business with these arguments, JSON. `clock` tells the time of day, in milliseconds since 1970.
    pub async fn trial(
        &self,
        business: &BusinessId,
        tool: &HttpTool,
        arguments: &str,
        clock: fn() -> i64,
    ) -> ToolTrial {
        let arguments = match checked(tool, arguments) {
            Ok(arguments) => arguments,
            Err(fault) => {
                let answer = ToolAnswer::failure(&fault);
                return ToolTrial { status: None, took_ms: 0, answer, problem: Some(fault) };
            }
        };
        let (began_ms, arguments) = (clock(), &arguments);
        let trial =
            ToolRequest { business, tool, call: None, tool_call: "trial", arguments, at_ms: began_ms };
        let reply = self.try_out(&trial).await;
        let took_ms = u64::try_from(clock().saturating_sub(began_ms)).unwrap_or(0);
        match reply {
            Ok(reply) => {
                let answer = ToolAnswer::content(reply.content.reveal());
                ToolTrial { status: Some(reply.status), took_ms, answer, problem: None }
            }
            Err(error) => {
                let answer = ToolAnswer::failure(error.for_the_model());
                ToolTrial { status: error.status(), took_ms, answer, problem: Some(error.to_string()) }
            }
        }
    }
}

/// Arguments as a call would send them.
fn checked(tool: &HttpTool, arguments: &str) -> Result<Pii<String>, String> {
    let arguments: Value =
        serde_json::from_str(arguments).map_err(|_| "the arguments are not valid JSON".to_owned())?;
    if !arguments.is_object() {
        return Err("the arguments are not an object".to_owned());
    }
    match parameters::fault_in(&tool.parameters, &arguments) {
        Some(fault) => Err(fault),
        None => Ok(Pii::new(arguments.to_string())),
    }
}
