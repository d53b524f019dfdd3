//! One request, byte for byte as it is meant to leave, and what comes back. By hand, because what a library would add, mend
//! or follow is what has to be seen.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::facts::{Answer, Asked, Failure, Place};
use super::line::{self, Line, Trust};
use crate::sim::socket::Clock;
use crate::wire::doctor::HOP;

/// Twilio's own patience with a webhook.
pub(super) const AS_TWILIO: Duration = Duration::from_secs(15);

/// And ours with what no caller waits for.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Heads are some hundred bytes; platforms allow 32 KiB.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// TwiML is at most 64 KB, and nothing else is read whole.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// More headers than any edge adds.
const MAX_HEADERS: usize = 100;

/// How much of a body is kept as evidence, in characters.
const SHOWN: usize = 200;

/// How much of a header is kept: identifiers are shorter, and whoever answers may be anybody.
const SHOWN_OF_HEADER: usize = 200;

/// Headers that say which edge answered.
const EDGES: [&str; 10] = [
    "cf-ray",
    "cf-mitigated",
    "x-railway-edge",
    "x-railway-request-id",
    "x-render-origin-server",
    "rndr-id",
    "fly-request-id",
    "via",
    "x-served-by",
    "ngrok-error-code",
];

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Request<'a> {
    /// `GET`, say.
    pub(super) method: &'static str,
    /// Path and query.
    pub(super) target: String,
    /// All headers but `Host` and `Content-Length`.
    pub(super) headers: Vec<(&'static str, String)>,
    /// The body; of a GET, empty.
    pub(super) body: &'a str,
}

/// The head of an answer, and what stands behind it.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    /// What was read of the body already, or of the first frame.
    pub(super) rest: Vec<u8>,
}

impl Head {
    /// The first header of this name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Asks, and reads the whole answer; gives the body too.
pub(super) async fn ask(
    place: &Place,
    trust: &Trust,
    request: &Request<'_>,
    patience: Duration,
) -> (Asked, String) {
    let clock = Clock::start();
    let asked = async {
        let mut line = line::open(place, trust).await?;
        let head = send(&mut line, place, request).await?;
        let body = body(&mut line, &head, request.method).await;
        Ok((head, body))
    };
    match timeout(patience, asked).await {
        Ok(Ok((head, body))) => {
            let text = String::from_utf8_lossy(&body).into_owned();
            let ms = clock.now().as_millis();
            (Asked::Answered(Box::new(answer(&head, &text, ms))), text)
        }
        Ok(Err(failure)) => (Asked::Failed(failure), String::new()),
        Err(_) => (Asked::Failed(Failure::Silent), String::new()),
    }
}

/// Writes the request and reads the head of what comes.
pub(super) async fn send(line: &mut Line, place: &Place, request: &Request<'_>) -> Result<Head, Failure> {
    let mut text =
        format!("{} {} HTTP/1.1\r\nHost: {}\r\n", request.method, request.target, authority(place));
    for (name, value) in &request.headers {
        // Writing to a string cannot fail.
        let _ = write!(text, "{name}: {value}\r\n");
    }
    if request.method != "GET" && request.method != "HEAD" {
        let _ = write!(text, "Content-Length: {}\r\n", request.body.len());
    }
    text.push_str("\r\n");
    text.push_str(request.body);
    line.write_all(text.as_bytes()).await.map_err(|_| Failure::Cut)?;
    line.flush().await.map_err(|_| Failure::Cut)?;
    head(line).await
}

/// The host as it is written into a request: with its port, where that is not the scheme's own.
fn authority(place: &Place) -> String {
    let own = if place.secure { 443 } else { 80 };
    if place.port == own { place.host.clone() } else { format!("{}:{}", place.host, place.port) }
}

async fn head(line: &mut Line) -> Result<Head, Failure> {
    let mut read = Vec::new();
    loop {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        match response.parse(&read) {
            Ok(httparse::Status::Complete(length)) => {
                let headers = response.headers.iter().map(|header| {
                    (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned())
                });
                return Ok(Head {
                    status: response.code.unwrap_or_default(),
                    headers: headers.collect(),
                    rest: read.get(length..).unwrap_or_default().to_vec(),
                });
            }
            Ok(httparse::Status::Partial) if read.len() < MAX_HEAD_BYTES => {}
            Ok(httparse::Status::Partial) => {
                return Err(Failure::NotHttp("the head does not end".to_owned()));
            }
            Err(error) => return Err(Failure::NotHttp(format!("what comes is not HTTP/1.1: {error}"))),
        }
        match line.read_buf(&mut read).await {
            Ok(0) | Err(_) => return Err(Failure::Cut),
            Ok(_) => {}
        }
    }
}

/// Reads the body, as far as it is wanted. What is cut off is evidence enough.
pub(super) async fn body(line: &mut Line, head: &Head, method: &str) -> Vec<u8> {
    let mut body = head.rest.clone();
    let bodiless = method == "HEAD" || matches!(head.status, 100..200 | 204 | 304);
    if bodiless {
        return Vec::new();
    }
    let length = head.header("content-length").and_then(|length| length.trim().parse::<usize>().ok());
    let chunked =
        head.header("transfer-encoding").is_some_and(|it| it.to_ascii_lowercase().contains("chunked"));
    let most = length.unwrap_or(MAX_BODY_BYTES).min(MAX_BODY_BYTES);
    while body.len() < most && !(chunked && body.ends_with(b"0\r\n\r\n")) {
        match line.read_buf(&mut body).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    body.truncate(most);
    if chunked { unchunked(&body) } else { body }
}

/// Takes the lengths out of a chunked body.
fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Ok(httparse::Status::Complete((begin, length))) = httparse::parse_chunk_size(rest) {
        let Ok(length) = usize::try_from(length) else { break };
        let Some(chunk) = rest.get(begin..).filter(|_| length > 0) else { break };
        whole.extend_from_slice(chunk.get(..length).unwrap_or(chunk));
        match chunk.get(length + 2..) {
            Some(next) => rest = next,
            None => break,
        }
    }
    whole
}

/// What is kept of an answer.
pub(super) fn answer(head: &Head, body: &str, ms: u64) -> Answer {
    let ours: Value = serde_json::from_str(body).unwrap_or_default();
    let word = |name: &str| ours.get(name).and_then(Value::as_str).map(str::to_owned);
    let checked = ours.get("checked").and_then(Value::as_array).into_iter().flatten();
    let header =
        |name: &str| head.header(name).map(|value| value.chars().take(SHOWN_OF_HEADER).collect::<String>());
    Answer {
        status: head.status,
        hop: header(HOP),
        server: header("server"),
        edge: EDGES.iter().filter_map(|name| Some(format!("{name}: {}", header(name)?))).collect(),
        content_type: header("content-type"),
        location: header("location"),
        reason: word("reason"),
        hint: match (word("hint"), word("meant")) {
            (Some(hint), Some(meant)) => Some(hint.replace("`meant`", &meant)),
            (hint, _) => hint,
        },
        checked: checked.filter_map(Value::as_str).map(str::to_owned).collect(),
        date: header("date"),
        body: body.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SHOWN).collect(),
        ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_put_together() {
        assert_eq!(unchunked(b"4\r\nWiki\r\n6;x=1\r\npedia \r\n0\r\n\r\n"), b"Wikipedia ");
        assert_eq!(unchunked(b"4\r\nWi"), b"Wi", "what was cut off is shown as far as it came");
        assert_eq!(unchunked(b"nonsense"), b"");
    }
}
