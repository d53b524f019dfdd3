//! One media stream over a real socket, opened as Twilio opens it.

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::broadcast;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config, tungstenite};

use super::{CONNECT_PATIENCE, PhoneEvent, Placed};
use crate::domain::{CallSid, Moment, StreamSid};
use crate::sim::socket::transport::{config, heard, say};
use crate::sim::socket::{Clock, RestOrder};
use crate::sim::{Frame, StreamNames, TwilioStream};
use crate::wire::twilio::signature::sign;
use crate::wire::twilio::twiml::ConnectStream;

/// How a stream ended.
pub(super) enum StreamEnd {
    /// The caller hung up.
    CallerHungUp,
    /// The server closed it, or it never opened: the TwiML decides.
    ServerClosed,
    /// The REST interface ended the call, or said how it goes on.
    Ordered(Ordered),
}

/// What the REST interface wants of a call.
pub(super) enum Ordered {
    /// Its end.
    Over,
    /// That it goes on with this TwiML.
    Twiml(String),
    /// That this URL is asked what is next.
    Ask(String),
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl Placed<'_> {
    pub(super) async fn carry_stream(&mut self, connect: ConnectStream) -> StreamEnd {
        let ConnectStream { stream: url, status_callback, parameters, .. } = connect;
        let Ok(name) = StreamSid::parse(&format!("MZ{}", uuid::Uuid::new_v4().simple())) else {
            return StreamEnd::ServerClosed;
        };
        let opens_at = self.clock.now() + self.plan.before_stream;
        self.clock.until(Some(opens_at)).await;
        self.note(PhoneEvent::StreamAsked { url: url.as_str().to_owned() });
        let opened = tokio::time::timeout(CONNECT_PATIENCE, open(url.as_str(), &self.plan.auth_token)).await;
        let mut socket = match opened {
            Ok(Ok(socket)) => socket,
            Ok(Err(error)) => {
                self.problem(format!("31920: the stream could not be opened: {error}"));
                let about = stream_event(
                    &name,
                    "stream-error",
                    Some(format!("Stream - WebSocket - Handshake Error: {error}")),
                );
                self.tell(&status_callback, about);
                return StreamEnd::ServerClosed;
            }
            Err(_) => {
                self.problem("31921: the stream was not opened in time".to_owned());
                let about =
                    stream_event(&name, "stream-error", Some("Stream - Connection timeout".to_owned()));
                self.tell(&status_callback, about);
                return StreamEnd::ServerClosed;
            }
        };
        self.note(PhoneEvent::Upgraded);
        let names = StreamNames {
            account: self.plan.account.clone(),
            call: self.plan.call.clone(),
            stream: name.clone(),
            parameters: parameters.into_iter().collect(),
        };
        let about = stream_event(&name, "stream-started", None);
        self.tell(&status_callback, about);
        let faults = self.plan.line_faults.get(self.report.streams.len()).cloned().unwrap_or_default();
        let mut stream = TwilioStream::new(names, faults, self.clock.now());
        let end = self.run(&mut socket, &mut stream).await;
        self.report.streams.push(stream);
        let about = stream_event(&name, "stream-stopped", None);
        self.tell(&status_callback, about);
        end
    }

    /// Carries frames both ways until either side ends it. Frames are due at absolute moments, so nothing drifts.
    async fn run(&mut self, socket: &mut Socket, stream: &mut TwilioStream) -> StreamEnd {
        let mut end = StreamEnd::CallerHungUp;
        let patience = Moment::START + self.plan.longest;
        loop {
            let now = self.clock.now();
            stream.wake(&mut self.caller, now);
            while let Some(frame) = stream.next_frame(now) {
                self.watch(&frame);
                // A line that breaks ends the stream, and not the call.
                let breaks = frame == Frame::Reset;
                if !say(socket, frame).await && (breaks || !stream.is_over()) {
                    self.note(PhoneEvent::ServerClosed(None));
                    return StreamEnd::ServerClosed;
                }
            }
            if stream.is_over() && stream.wake_at().is_none() {
                // What is still in flight is nobody's any more.
                let _flushed = socket.flush().await;
                return end;
            }
            if socket.flush().await.is_err() {
                self.note(PhoneEvent::ServerClosed(None));
                return StreamEnd::ServerClosed;
            }
            tokio::select! {
                message = socket.next() => {
                    let Some(frame) = heard(message) else { continue };
                    if let Some(closed) = self.hear(stream, &frame) {
                        return closed;
                    }
                }
                order = next_order(&mut self.orders, &self.plan.call) => {
                    self.note(PhoneEvent::Ordered { twiml: matches!(order, Ordered::Twiml(_)) });
                    stream.end(self.clock.now());
                    end = StreamEnd::Ordered(order);
                }
                () = self.clock.until(Some(patience)), if !stream.is_over() => {
                    self.problem("the caller's patience ended, and they hung up".to_owned());
                    stream.end(self.clock.now());
                }
                () = self.clock.until(stream.wake_at()) => {}
            }
        }
    }

    fn hear(&mut self, stream: &mut TwilioStream, frame: &Frame) -> Option<StreamEnd> {
        let now = self.clock.now();
        if let Frame::Close { .. } | Frame::Reset = frame {
            let code = if let Frame::Close { code, .. } = frame { Some(*code) } else { None };
            self.note_at(now, PhoneEvent::ServerClosed(code));
            stream.wake(&mut self.caller, now);
            stream.hear(frame, now);
            return Some(StreamEnd::ServerClosed);
        }
        let (pieces, clears) = (stream.playout().pieces().len(), stream.clears().len());
        stream.hear(frame, now);
        if pieces == 0 && !stream.playout().pieces().is_empty() {
            self.note_at(now, PhoneEvent::FirstAudio);
        }
        if stream.clears().len() > clears {
            self.note_at(now, PhoneEvent::Cleared);
        }
        None
    }

    /// Notes what leaves, but not each frame of audio.
    fn watch(&mut self, frame: &Frame) {
        let Frame::Text(text) = frame else { return };
        let event = if text.starts_with(r#"{"event":"start""#) {
            PhoneEvent::Started
        } else if text.starts_with(r#"{"event":"stop""#) {
            PhoneEvent::Stopped
        } else if text.starts_with(r#"{"event":"mark""#) {
            let name = text.split(r#""name":""#).nth(1).and_then(|rest| rest.split('"').next());
            PhoneEvent::MarkBack(name.unwrap_or_default().to_owned())
        } else {
            return;
        };
        self.note(event);
    }
}

/// Opens the socket with exactly the headers Twilio sends: no extension, no subprotocol, no `Origin`.
async fn open(url: &str, auth_token: &str) -> Result<Socket, tungstenite::Error> {
    let mut request = url.into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("user-agent", HeaderValue::from_static("Twilio.TmeWs/1.0"));
    let signature = HeaderValue::from_str(&sign(auth_token, url, &[]));
    headers.insert("x-twilio-signature", signature.map_err(tungstenite::http::Error::from)?);
    let disable_nagle = true;
    let (socket, _) = connect_async_with_config(request, Some(config()), disable_nagle).await?;
    Ok(socket)
}

fn stream_event(stream: &StreamSid, event: &str, error: Option<String>) -> Vec<(&'static str, String)> {
    let mut about = vec![
        ("StreamSid", stream.as_str().to_owned()),
        ("StreamEvent", event.to_owned()),
        ("Timestamp", Clock::time_of_day()),
    ];
    about.extend(error.map(|error| ("StreamError", error)));
    about
}

/// The next order for this call. For ever when there is no REST interface.
pub(super) async fn next_order(
    orders: &mut Option<broadcast::Receiver<RestOrder>>,
    call: &CallSid,
) -> Ordered {
    while let Some(receiver) = orders {
        match receiver.recv().await {
            Ok(RestOrder::Complete(of)) if of == *call => return Ordered::Over,
            Ok(RestOrder::Twiml(of, twiml)) if of == *call => return Ordered::Twiml(twiml),
            Ok(RestOrder::Url(of, url)) if of == *call => return Ordered::Ask(url),
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => *orders = None,
        }
    }
    std::future::pending().await
}
