//! The beginning of a call: the signed webhook, its TwiML, the signed handshake, `start`. And the other side of one: the
//! model's handshake. All of it blocks; the load's loop takes over where audio begins.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use frontdesk::wire::twilio::signature::sign;
use frontdesk::wire::twilio::twiml::{Verb, read};
use serde_json::json;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::frames::{TEXT, write_frame};

/// The account of every call.
pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000001";
/// What Twilio signs with.
pub(crate) const AUTH_TOKEN: &str = "2b7e151628aed2a6abf7158809cf4f3c";
/// The line that is called.
pub(crate) const LINE: &str = "+15551234567";

const CALLER: &str = "+14155550123";

/// A machine under load may take its time to answer; one that takes longer is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// No answer of the handshakes is longer.
const MOST_HEAD_BYTES: usize = 64 * 1_024;

/// How a subject is called.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Whether it wants to be asked for TwiML first.
    pub(crate) webhook: bool,
    /// From the TwiML to the stream.
    pub(crate) before_stream: Duration,
}

/// A stream whose `start` was said.
pub(crate) struct Opened {
    pub(crate) socket: TcpStream,
    pub(crate) stream: String,
}

impl Door {
    /// Places the call of that number, up to its `start`, which is left to be sent: by the loop, when it is ready for
    /// what follows.
    pub(crate) fn open(&self, number: u32) -> anyhow::Result<(Opened, Vec<u8>)> {
        let call = format!("CA{:032x}", u64::from(number) + 1);
        let (url, parameters) = if self.webhook {
            let connect = self.ask(&call)?;
            std::thread::sleep(self.before_stream);
            connect
        } else {
            (format!("ws://{}/twilio-media", self.address), Vec::new())
        };
        let mut socket = connect(self.address)?;
        let path = url.splitn(4, '/').nth(3).unwrap_or_default();
        let handshake = format!(
            "GET /{path} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nUser-Agent: Twilio.TmeWs/1.0\r\nX-Twilio-Signature: {}\r\n\r\n",
            self.address,
            sign(AUTH_TOKEN, &url, &[]),
        );
        socket.write_all(handshake.as_bytes())?;
        let head = read_head(&mut socket)?;
        ensure!(head.starts_with("HTTP/1.1 101"), "the stream was refused: {}", first_line(&head));
        let stream = format!("MZ{number:032x}");
        let parameters: BTreeMap<String, String> = parameters.into_iter().collect();
        let start = json!({"event": "start", "sequenceNumber": "1", "streamSid": stream, "start": {
            "accountSid": ACCOUNT, "streamSid": stream, "callSid": call, "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8_000, "channels": 1},
            "customParameters": parameters,
        }});
        let mut hello = Vec::new();
        write_frame(TEXT, true, br#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#, &mut hello);
        write_frame(TEXT, true, start.to_string().as_bytes(), &mut hello);
        Ok((Opened { socket, stream }, hello))
    }

    /// The webhook of a call: where its stream goes, and with what.
    pub(crate) fn ask(&self, call: &str) -> anyhow::Result<(String, Vec<(String, String)>)> {
        let url = format!("http://{}/twilio-voice", self.address);
        let form: Vec<(String, String)> = [
            ("AccountSid", ACCOUNT),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", call),
            ("CallStatus", "ringing"),
            ("Called", LINE),
            ("Caller", CALLER),
            ("Direction", "inbound"),
            ("From", CALLER),
            ("FromCountry", "US"),
            ("To", LINE),
            ("ToCountry", "US"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish();
        let mut socket = connect(self.address)?;
        let request = format!(
            "POST /twilio-voice HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n\
             Content-Length: {}\r\nConnection: close\r\nX-Twilio-Signature: {}\r\n\r\n{body}",
            self.address,
            body.len(),
            sign(AUTH_TOKEN, &url, &form),
        );
        socket.write_all(request.as_bytes())?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "the webhook was refused: {}", first_line(&answer));
        let twiml = answer.split("\r\n\r\n").nth(1).context("an answer without a body")?;
        let verbs = read(twiml).context("the answer is no TwiML")?.twiml.0;
        let connect = verbs.into_iter().find_map(|verb| match verb {
            Verb::Connect(connect) => Some((connect.stream.as_str().to_owned(), connect.parameters)),
            Verb::Say { .. }
            | Verb::Pause { .. }
            | Verb::Dial { .. }
            | Verb::Record(_)
            | Verb::Redirect { .. }
            | Verb::Hangup => None,
        });
        connect.with_context(|| format!("the answer opens no stream: {twiml}"))
    }
}

/// The model's side of a handshake, which takes so long.
pub(crate) fn accept(listener: &TcpListener, takes: Duration) -> anyhow::Result<TcpStream> {
    let (mut socket, _) = listener.accept()?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let head = read_head(&mut socket)?;
    let key = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim())
    });
    let key = derive_accept_key(key.context("no handshake of a WebSocket")?.as_bytes());
    std::thread::sleep(takes);
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {key}\r\n\r\n"
    );
    socket.write_all(answer.as_bytes())?;
    Ok(socket)
}

fn connect(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// Byte by byte, so that nothing behind it is taken.
fn read_head(socket: &mut TcpStream) -> anyhow::Result<String> {
    let mut head = Vec::with_capacity(1_024);
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(head.len() < MOST_HEAD_BYTES, "an endless head");
        socket.read_exact(&mut byte)?;
        head.extend_from_slice(&byte);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn first_line(answer: &str) -> &str {
    answer.lines().next().unwrap_or_default()
}
