//! Tools of businesses: one signed request each, to where the business said, and of the answer as much as a model can be
//! told. What is sent and answered is about a caller: nothing of it is in an error.
//!
//! Source: Standard Webhooks 1.0.0, <https://github.com/standard-webhooks/standard-webhooks>; the IETF's draft of
//! `Idempotency-Key`.

mod error;
mod gate;
mod trial;

use std::sync::Arc;

use reqwest::dns::Resolve;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use reqwest::{Response, StatusCode};
use rustls::ClientConfig;
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

pub use self::error::ToolError;
use self::gate::Gates;
pub use self::trial::ToolTrial;
use super::Reach;
use super::names::SystemNames;
use super::outward::{Outward, Trouble};
use crate::domain::{BusinessId, CallSid, HttpTool, Pii};

/// How much of an answer is read: twice of what the model is told of it, since JSON may be written wide.
const READ_BYTES: usize = 16 * 1024;

/// How tools are asked.
#[derive(Clone)]
pub struct HttpToolSettings {
    /// Which hosts may be called.
    pub reach: Reach,
    /// Whom we believe that they are who they are.
    pub tls: Arc<ClientConfig>,
    /// What knows the addresses of hosts. It is never believed that they are public.
    pub names: Arc<dyn Resolve>,
}

impl HttpToolSettings {
    /// The system's names.
    pub fn new(reach: Reach, tls: Arc<ClientConfig>) -> Self {
        Self { reach, tls, names: Arc::new(SystemNames) }
    }
}

/// Asks the tools of businesses.
#[derive(Debug, Clone)]
pub struct HttpToolClient {
    outward: Outward,
    gates: Gates,
}

/// One question to a tool.
#[derive(Debug, Clone)]
pub struct ToolRequest<'q> {
    /// Whose tool it is.
    pub business: &'q BusinessId,
    /// Which, and where it is asked.
    pub tool: &'q HttpTool,
    /// In which call, and who calls; none when somebody only tries it.
    pub call: Option<(&'q CallSid, &'q Pii<String>)>,
    /// The model's name for this call of the tool; whatever it says.
    pub tool_call: &'q str,
    /// JSON, an object that was checked.
    pub arguments: &'q Pii<String>,
    /// What time of day it is, in milliseconds since 1970.
    pub at_ms: i64,
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolReply {
    /// The HTTP status, a success.
    pub status: u16,
    /// The body, or its beginning.
    pub content: Pii<String>,
}

/// The request's body. A caller's number is told as `call.ended` tells it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'q> {
    tool: &'q str,
    arguments: &'q RawValue,
    business_id: &'q str,
    call_id: Option<&'q str>,
    from: Option<&'q str>,
    tool_call_id: &'q str,
}

impl HttpToolClient {
    /// A client that has connected to nobody yet. It cannot be made when TLS cannot be set up.
    pub fn new(settings: HttpToolSettings) -> Result<Self, ToolError> {
        let HttpToolSettings { reach, tls, names } = settings;
        let outward = Outward::new(reach, &tls, names).map_err(ToolError::Setup)?;
        Ok(Self { outward, gates: Gates::default() })
    }

    /// Asks a tool once, for a call. One that failed again and again rests for a while.
    pub async fn ask(&self, question: &ToolRequest<'_>) -> Result<ToolReply, ToolError> {
        let gate = self.gates.of(question.business, &question.tool.name);
        let pass = gate.enter(question.at_ms).ok_or(ToolError::Resting)?;
        let answer = self.ask_through(question).await;
        pass.leave(answer.as_ref().err().is_some_and(ToolError::is_of_the_tool));
        answer
    }

    /// The same for somebody who tries it out: whatever it did before. A tool that works again rests no longer.
    pub async fn try_out(&self, question: &ToolRequest<'_>) -> Result<ToolReply, ToolError> {
        let gate = self.gates.of(question.business, &question.tool.name);
        let answer = self.ask_through(question).await;
        if answer.is_ok() {
            gate.mend();
        }
        answer
    }

    async fn ask_through(&self, question: &ToolRequest<'_>) -> Result<ToolReply, ToolError> {
        let ToolRequest { tool, .. } = question;
        let url = self.outward.judged(&tool.url)?;
        let key = idempotency_key(question);
        let body = body(question).ok_or(ToolError::Arguments)?;
        let post = self.outward.signed_post(url, &tool.secret, &key, question.at_ms.div_euclid(1_000), body);
        let request = post.ok_or(ToolError::Secret)?;
        let request = request
            .header("idempotency-key", &key)
            .header(ACCEPT, "application/json, text/plain;q=0.9")
            // From the name's look-up to the last byte that is read.
            .timeout(tool.deadline());
        let response = request.send().await.map_err(|error| ToolError::from(Trouble::of(&error)))?;
        let status = response.status();
        verdict(status)?;
        let is_text = is_text(response.headers());
        let content = read_some(response).await?;
        if !is_text && !content.is_empty() {
            return Err(ToolError::NotText);
        }
        Ok(ToolReply { status: status.as_u16(), content: Pii::new(text(content)?) })
    }
}

/// The same for the same call of a tool, whoever asks and how often; and of a shape that every header takes, whatever a
/// model calls its calls.
fn idempotency_key(question: &ToolRequest<'_>) -> String {
    let mut hash = Sha256::new();
    // A trial is another one every time.
    let of = question.call.map_or_else(|| format!("trial {}", question.at_ms), |(call, _)| call.to_string());
    for part in [question.business.as_str(), &of, question.tool_call] {
        hash.update(part.as_bytes());
        // No identifier holds it, and what a model made up comes last.
        hash.update([0]);
    }
    let hex: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("tool_{hex}")
}

fn body(question: &ToolRequest<'_>) -> Option<String> {
    let body = Body {
        tool: question.tool.name.as_str(),
        arguments: serde_json::from_str(question.arguments.reveal()).ok()?,
        business_id: question.business.as_str(),
        call_id: question.call.map(|(call, _)| call.as_str()),
        from: question.call.map(|(_, from)| from.reveal().as_str()),
        tool_call_id: question.tool_call,
    };
    serde_json::to_string(&body).ok()
}

fn verdict(status: StatusCode) -> Result<(), ToolError> {
    match status {
        _ if status.is_success() => Ok(()),
        // Where it leads was never judged.
        _ if status.is_redirection() => Err(ToolError::Redirected { status: status.as_u16() }),
        _ => Err(ToolError::Refused { status: status.as_u16() }),
    }
}

/// Whether what comes is something a model can be told: `application/json`, `…+json` or `text/…`.
fn is_text(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || kind.ends_with("+json") || kind.starts_with("text/")
}

/// The beginning of a body; what is longer stays with the other side.
async fn read_some(mut response: Response) -> Result<Vec<u8>, ToolError> {
    let mut taken = Vec::new();
    while taken.len() < READ_BYTES {
        let piece = response.chunk().await.map_err(|error| ToolError::from(Trouble::of(&error)))?;
        let Some(piece) = piece else { break };
        let room = READ_BYTES - taken.len();
        taken.extend_from_slice(piece.get(..room).unwrap_or(&piece));
    }
    Ok(taken)
}

/// Text, of which the last letter may have been cut in two.
fn text(bytes: Vec<u8>) -> Result<String, ToolError> {
    let whole = bytes.len() < READ_BYTES;
    String::from_utf8(bytes).or_else(|error| {
        let (good, fault) = (error.utf8_error().valid_up_to(), error.utf8_error().error_len());
        if whole || fault.is_some() {
            return Err(ToolError::NotText);
        }
        let mut bytes = error.into_bytes();
        bytes.truncate(good);
        String::from_utf8(bytes).map_err(|_| ToolError::NotText)
    })
}

#[cfg(test)]
mod tests;
