//! The accept loop: connections in, requests to the router, with a limit on every wait.
//!
//! It is our own because the one that comes with axum waits for a request line for ever, leaves small packets to
//! Nagle, and counts nothing. It goes on through a drain, since the platform's edge sends us callers for a while and
//! `/health` has to be answered until the last call is over, and ends when everything is told to stop.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt};

use crate::lifecycle::Tasks;

/// The limits of the accept loop; the defaults are those of production.
#[derive(Debug, Clone)]
pub struct ListenLimits {
    /// How long a client may take from its first byte to the end of its headers. Twilio's are there at once; only a
    /// client that wants to hold us takes longer.
    pub header_patience: Duration,
    /// How long we may take to begin an answer, reading the request's body included. Twilio gives up after 15 s; a
    /// long poll of the dashboard is the longest wait there is.
    pub answer_patience: Duration,
    /// How long a connection may lie idle, or take nothing of an answer. Longer than the 60 s after which edges close
    /// idle connections themselves: a server that closes first loses the request that was just on its way.
    pub idle_patience: Duration,
    /// The most bytes of request line and headers. Twilio's are below 2 KiB, an edge adds as much.
    pub header_bytes: usize,
    /// The most connections at once, media sockets included. What limits calls is elsewhere; this keeps a flood from
    /// taking every file descriptor, so it stays below the usual 65,536 with two sockets a call.
    pub connections: usize,
    /// Which hop answered, for the refusal that this file writes itself.
    pub hop: String,
}

impl Default for ListenLimits {
    fn default() -> Self {
        Self {
            header_patience: Duration::from_secs(10),
            answer_patience: Duration::from_secs(60),
            idle_patience: Duration::from_secs(75),
            header_bytes: 16 * 1024,
            connections: 20_000,
            hop: concat!(env!("CARGO_PKG_VERSION"), "/listen").to_owned(),
        }
    }
}

/// Connections that wait to be taken by us; the system cuts it to its own limit. A second's worth of a busy hour.
const BACKLOG: i32 = 1024;

/// How many refusals are written at once; beyond it a connection is closed without a word.
const REFUSALS: usize = 64;

/// How long a refused client may take to read that it is.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(1);

/// The most that is read of what a refused client sends, so that closing does not destroy our answer: bytes.
const REFUSAL_BYTES: u64 = 64 * 1024;

/// How long we still answer when a stop has cut calls: their streams close within 300 ms, and Twilio asks at once. It is
/// less than [`crate::lifecycle::LAST_WORDS`], in which every connection must be over.
const NEXT_IS_ASKED: Duration = Duration::from_millis(700);

/// The first and the longest pause after the system had no file descriptor for a connection. It would answer the
/// next attempt alike, at once, and a loop without a pause takes a core from the calls that are alive.
const ACCEPT_PAUSE: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(1)];

/// Opens the port. The host `[::]` means every address of both families where the system has both, else of IPv4
/// alone: edges come in over either. Fails when the host is no address or the port is taken; needs a running tokio.
pub fn bind(host: &str, port: u16) -> io::Result<TcpListener> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let bare = if bare == "localhost" { "127.0.0.1" } else { bare };
    let ip: IpAddr = bare.parse().map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("HOST must be an IP address like [::], not {host:?}"),
        )
    })?;
    match bind_to(SocketAddr::new(ip, port)) {
        Err(error) if ip == Ipv6Addr::UNSPECIFIED && error.kind() != io::ErrorKind::AddrInUse => {
            tracing::debug!(%error, "no IPv6 here, listening on IPv4 alone");
            bind_to(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port))
        }
        bound => bound,
    }
}

fn bind_to(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for the last minute's connections to be forgotten.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Serves `service` on `listener` until everything is told to stop, and a moment longer if that cut calls. Every
/// connection is a background task of `tasks`; at the end idle ones are closed at once and busy ones after their answer.
/// Handlers find the peer's address as `ConnectInfo<SocketAddr>`.
pub async fn serve<S>(listener: TcpListener, service: S, tasks: &Tasks, limits: ListenLimits)
where
    S: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let room = Arc::new(Semaphore::new(limits.connections));
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    let limits = Arc::new(limits);
    let [mut pause, longest_pause] = ACCEPT_PAUSE;
    let mut full = false;
    let closing = CancellationToken::new();
    let _closed_at_the_end = closing.clone().drop_guard();
    let mut last_question = pin!(until_nobody_asks(tasks));
    loop {
        let accepted = tokio::select! {
            () = &mut last_question => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_about_one_connection(&error) => continue,
            Err(error) => {
                tracing::error!(%error, pause_ms = pause.as_millis(), "cannot accept connections; raise the limit of open files");
                tokio::select! {
                    () = &mut last_question => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = longest_pause.min(pause * 2);
                continue;
            }
        };
        [pause, _] = ACCEPT_PAUSE;
        match Arc::clone(&room).try_acquire_owned() {
            Ok(place) => {
                full = false;
                let (service, limits, closing) = (service.clone(), Arc::clone(&limits), closing.clone());
                tasks.spawn_background("connection", async move {
                    let stop = closing.cancelled();
                    carry(stream, peer, service, &limits, place, stop).await;
                });
            }
            // Not to accept would leave the caller's webhook waiting until Twilio gives up after 15 s.
            Err(_full) => {
                // Once for each time it fills up: a flood must not become one of the log.
                if !std::mem::replace(&mut full, true) {
                    tracing::error!(
                        connections = limits.connections,
                        "no room for another connection, refusing"
                    );
                }
                if let Ok(place) = Arc::clone(&refusals).try_acquire_owned() {
                    tasks.spawn_background("refusal", refuse(stream, limits.hop.clone(), place));
                }
            }
        }
    }
}

/// Whether accepting failed because of the one that came, who has gone again.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

/// Over when everything is told to stop; if that cut calls, when Twilio has had the time to ask what is next for them.
async fn until_nobody_asks(tasks: &Tasks) {
    tasks.hard().cancelled().await;
    if tasks.live() > 0 {
        tokio::time::sleep(NEXT_IS_ASKED).await;
    }
}

/// Answers the requests of one connection, until it is closed, upgraded or too slow.
async fn carry<S>(
    stream: TcpStream,
    peer: SocketAddr,
    service: S,
    limits: &ListenLimits,
    place: OwnedSemaphorePermit,
    stop: impl Future<Output = ()>,
) where
    S: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    // It fails only on a socket that is already dead, which the first read will tell.
    let _dead = stream.set_nodelay(true);
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let pace = Arc::new(Pace::default());
    let io = TokioIo::new(Paced { stream, pace: Arc::clone(&pace), _place: place });
    let paced = Arc::clone(&pace);
    let answer = service_fn(move |request: Request<Incoming>| {
        let (service, pace) = (service.clone(), Arc::clone(&paced));
        pace.turn(Stage::Answer);
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            let answered = service.oneshot(request).await;
            pace.turn(Stage::Idle);
            answered
        }
    });
    let mut server = http1::Builder::new();
    // The patience of the library would also end idle connections after the time meant for headers.
    server.timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(limits.header_bytes);
    let mut connection = std::pin::pin!(server.serve_connection(io, answer).with_upgrades());
    let mut patience = std::pin::pin!(tokio::time::sleep(limits.header_patience));
    let mut seen = pace.reading();
    let mut stop = std::pin::pin!(stop);
    let mut stopping = false;
    poll_fn(|cx| {
        if !stopping && stop.as_mut().poll(cx).is_ready() {
            stopping = true;
            connection.as_mut().graceful_shutdown();
        }
        // A broken connection is the peer's affair; what matters to a call is told by its socket.
        if connection.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let reading = pace.reading();
        if reading != seen {
            seen = reading;
            patience.set(tokio::time::sleep(match pace.stage() {
                Stage::Header => limits.header_patience,
                Stage::Answer => limits.answer_patience,
                Stage::Idle => limits.idle_patience,
            }));
        }
        patience
            .as_mut()
            .poll(cx)
            .map(|()| tracing::debug!(stage = ?pace.stage(), "closed a slow connection"))
    })
    .await;
    // An upgraded socket lives on with its call, which need not pay for telling a pace to nobody.
    pace.turn(Stage::Answer);
}

/// What a connection is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The rest of a request's headers.
    Header = 0,
    /// Our answer.
    Answer = 1,
    /// The next request, or the client's reading of the last answer.
    Idle = 2,
}

/// How far a connection has come, shared between its socket and its task: the stage in the lowest two bits, above it
/// a count of all progress.
#[derive(Debug, Default)]
struct Pace(AtomicU32);

impl Pace {
    fn reading(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    fn stage(&self) -> Stage {
        match self.reading() & 3 {
            0 => Stage::Header,
            1 => Stage::Answer,
            _ => Stage::Idle,
        }
    }

    /// Only the connection's task and its socket, which it polls, write here, so load and store need not be one.
    fn turn(&self, stage: Stage) {
        let count = (self.reading() | 3).wrapping_add(1);
        self.0.store(count | stage as u32, Ordering::Relaxed);
    }
}

/// A socket that tells its pace, and holds its place among the connections as long as it lives, upgraded or not.
struct Paced {
    stream: TcpStream,
    pace: Arc<Pace>,
    _place: OwnedSemaphorePermit,
}

impl AsyncRead for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before && self.pace.stage() == Stage::Idle {
            self.pace.turn(Stage::Header);
        }
        polled
    }
}

impl Paced {
    fn wrote(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(polled, Poll::Ready(Ok(_))) && self.pace.stage() == Stage::Idle {
            self.pace.turn(Stage::Idle);
        }
        polled
    }
}

impl AsyncWrite for Paced {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.wrote(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Tells a client that there is no room, whatever it asks.
async fn refuse(mut stream: TcpStream, hop: String, _place: OwnedSemaphorePermit) {
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nx-frontdesk-hop: {hop}/full\r\nretry-after: 1\r\n\
         connection: close\r\ncontent-length: 0\r\n\r\n"
    );
    let told = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(REFUSAL_BYTES), &mut tokio::io::sink()).await
    };
    // Whether it heard is its own affair.
    let _heard = tokio::time::timeout(REFUSAL_PATIENCE, told).await;
}

#[cfg(test)]
mod tests;
