//! The Realtime service on a port of this machine.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;

use super::transport::{config, heard, say};
use super::{Clock, SocketError};
use crate::sim::model::{ClientEvent, ModelFault, ModelService, Script, ServiceRefusal};

/// More connections than this at once are not a test any more.
const MOST_CONNECTIONS: usize = 20_000;

/// What a model server does.
#[derive(Debug, Clone)]
pub struct ModelServerPlan {
    /// One for each connection, in order; the last repeats.
    pub scripts: Vec<Script>,
    /// The `Authorization` header that is let in, if one is needed: `Bearer …`. Others get a 401.
    pub authorization: Option<String>,
    /// Decides sizes and names.
    pub seed: u64,
    /// Whether to keep every event of the clients'; else all but their audio, under load.
    pub keep_events: bool,
}

/// What is known of one connection.
#[derive(Debug, Clone, Default)]
pub struct ConnectionLog {
    /// Its path and query.
    pub target: String,
    /// Its `Authorization` header, if it had one.
    pub authorization: Option<String>,
    /// Its other headers, in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// What the client said, if that is kept.
    pub events: Vec<ClientEvent>,
    /// What of it was refused.
    pub refusals: Vec<ServiceRefusal>,
    /// How much audio the client appended, in milliseconds.
    pub appended_ms: u64,
    /// Whether it is over.
    pub over: bool,
}

/// A model on a port of this machine, until it is dropped.
#[derive(Debug)]
pub struct ModelServer {
    address: SocketAddr,
    logs: watch::Receiver<Vec<ConnectionLog>>,
    _serving: JoinSet<()>,
}

impl ModelServer {
    /// Listens on a free port of 127.0.0.1.
    pub async fn start(plan: ModelServerPlan) -> Result<Self, SocketError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(SocketError::Listen)?;
        let address = listener.local_addr().map_err(SocketError::Listen)?;
        let (writer, logs) = watch::channel(Vec::new());
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, plan, writer));
        Ok(Self { address, logs, _serving: serving })
    }

    /// Where to dial: `ws://127.0.0.1:PORT/v1/realtime`.
    pub fn url(&self) -> String {
        format!("ws://{}/v1/realtime", self.address)
    }

    /// What is known of every connection so far.
    pub fn connections(&self) -> Vec<ConnectionLog> {
        self.logs.borrow().clone()
    }

    /// What the client of that connection said, one JSON object each.
    pub fn client_events(&self, connection: usize) -> Vec<String> {
        let logs = self.logs.borrow();
        let events = logs.get(connection).map(|log| log.events.as_slice()).unwrap_or_default();
        events.iter().map(|event| event.text.as_str().to_owned()).collect()
    }

    /// Waits until that is so of the connections.
    pub async fn until(&self, so: impl FnMut(&Vec<ConnectionLog>) -> bool) -> Vec<ConnectionLog> {
        let mut logs = self.logs.clone();
        logs.wait_for(so).await.map(|logs| logs.clone()).unwrap_or_default()
    }
}

async fn accept(listener: TcpListener, plan: ModelServerPlan, logs: watch::Sender<Vec<ConnectionLog>>) {
    let plan = Arc::new(plan);
    let logs = Arc::new(logs);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => {
                let Ok((stream, _)) = accepted else { continue };
                // Small frames that wait for each other would be heard as delay.
                let _set = stream.set_nodelay(true);
                let number = logs.borrow().len();
                logs.send_modify(|logs| logs.push(ConnectionLog::default()));
                connections.spawn(serve(stream, Arc::clone(&plan), Arc::clone(&logs), number));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve<S>(
    stream: S,
    plan: Arc<ModelServerPlan>,
    logs: Arc<watch::Sender<Vec<ConnectionLog>>>,
    number: usize,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let script = plan.scripts.get(number).or(plan.scripts.last()).cloned();
    let Some(script) = script else { return };
    let mut log = ConnectionLog::default();
    let seed = plan.seed.wrapping_add(number as u64);
    let on_event = |service: &ModelService, log: &ConnectionLog| {
        logs.send_modify(|logs| {
            let Some(mine) = logs.get_mut(number) else { return };
            if mine.target.is_empty() {
                *mine = log.clone();
            }
            mine.events.extend(service.heard().iter().skip(mine.events.len()).cloned());
            mine.refusals.extend(service.refusals().iter().skip(mine.refusals.len()).cloned());
            mine.appended_ms = service.appended_ms();
        });
    };
    let expected = plan.authorization.as_deref();
    // A refused or broken handshake is in the log: a connection that is over and never said anything.
    let _served = serve_model(stream, script, seed, plan.keep_events, expected, &mut log, on_event).await;
    logs.send_modify(|logs| {
        if let Some(mine) = logs.get_mut(number) {
            (mine.target, mine.authorization, mine.headers) = (log.target, log.authorization, log.headers);
            mine.over = true;
        }
    });
}

/// Serves one connection on any stream, with TLS already taken off: the handshake, then the service until either side
/// ends it. What was in the handshake is written to `log`; `on_event` is told after each thing that was heard.
pub async fn serve_model<S>(
    stream: S,
    script: Script,
    seed: u64,
    keep_events: bool,
    authorization: Option<&str>,
    log: &mut ConnectionLog,
    on_event: impl Fn(&ModelService, &ConnectionLog),
) -> Result<(), SocketError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let clock = Clock::start();
    clock.until(Some(clock.now() + script.pace.connect)).await;
    let refused = script
        .faults
        .iter()
        .find_map(|fault| if let ModelFault::RefuseHandshake(status) = fault { Some(*status) } else { None });
    #[expect(clippy::result_large_err, reason = "the library's callback has this type")]
    let check = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        log.target = request.uri().to_string();
        for (name, value) in request.headers() {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            if name == "authorization" {
                log.authorization = Some(value);
            } else {
                log.headers.push((name.as_str().to_owned(), value));
            }
        }
        let known = authorization.is_none() || log.authorization.as_deref() == authorization;
        let status = if known { refused } else { Some(401) };
        let Some(status) = status else { return Ok(response) };
        let body = r#"{"error":{"type":"invalid_request_error","code":null,"message":"The connection is refused."}}"#;
        let mut answer = ErrorResponse::new(Some(body.to_owned()));
        *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Err(answer)
    };
    let socket = accept_hdr_async_with_config(stream, check, Some(config())).await;
    let mut socket = socket.map_err(|error| SocketError::Handshake(Box::new(error)))?;
    let mut service = ModelService::new(script, seed, clock.now());
    if !keep_events {
        service.forget_audio();
    }
    on_event(&service, log);
    loop {
        while let Some(frame) = service.next_frame() {
            if !say(&mut socket, frame).await {
                return Ok(());
            }
        }
        if socket.flush().await.is_err() || service.is_over() {
            return Ok(());
        }
        tokio::select! {
            message = socket.next() => {
                if let Some(frame) = heard(message) {
                    service.hear(frame, clock.now());
                    on_event(&service, log);
                }
            }
            () = clock.until(service.wake_at()) => service.wake(clock.now()),
        }
    }
}
