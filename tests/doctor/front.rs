//! What stands between the world and the server: leads each request on, and does with it what a rule says.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::head::{Reply, Request};

/// Where a front will be: it listens before it serves, so that a server can be told its public URL first.
pub(crate) struct Gate {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
}

/// A front, until it is dropped.
pub(crate) struct Front {
    _serving: JoinSet<()>,
}

/// What becomes of a request.
pub(crate) struct Deed {
    late: Duration,
    what: What,
    mending: Option<Mending>,
    frames: Option<Frames>,
    cut_after: Option<Duration>,
}

enum What {
    Pass(SocketAddr),
    Say(Reply),
    Cut,
}

type Mending = Box<dyn FnOnce(&mut Reply) + Send>;
type Frames = Box<dyn FnMut(usize, Vec<u8>) -> Option<Vec<u8>> + Send>;
type Rule = dyn Fn(&mut Request) -> Deed + Send + Sync;

/// On to that server.
pub(crate) fn pass(to: SocketAddr) -> Deed {
    Deed::of(What::Pass(to))
}

/// Answered here.
pub(crate) fn say(reply: Reply) -> Deed {
    Deed::of(What::Say(reply))
}

/// The connection ends without a word.
pub(crate) fn cut() -> Deed {
    Deed::of(What::Cut)
}

impl Deed {
    fn of(what: What) -> Self {
        Self { late: Duration::ZERO, what, mending: None, frames: None, cut_after: None }
    }

    /// But so much later.
    pub(crate) fn late(mut self, by_ms: u64) -> Self {
        self.late = Duration::from_millis(by_ms);
        self
    }

    /// With the answer changed.
    pub(crate) fn mending(mut self, mend: impl FnOnce(&mut Reply) + Send + 'static) -> Self {
        self.mending = Some(Box::new(mend));
        self
    }

    /// With each frame of the server's changed, counted from 1; none cuts the connection.
    pub(crate) fn frames(
        mut self,
        change: impl FnMut(usize, Vec<u8>) -> Option<Vec<u8>> + Send + 'static,
    ) -> Self {
        self.frames = Some(Box::new(change));
        self
    }

    /// And once it is upgraded, cut so long after.
    pub(crate) fn cut_after(mut self, ms: u64) -> Self {
        self.cut_after = Some(Duration::from_millis(ms));
        self
    }
}

impl Gate {
    /// One that speaks plain HTTP, on a free port.
    pub(crate) async fn plain() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap(), tls: None }
    }

    /// One that speaks TLS.
    pub(crate) async fn secure(config: ServerConfig) -> Self {
        Self { tls: Some(TlsAcceptor::from(Arc::new(config))), ..Self::plain().await }
    }

    /// What the world calls it.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address())
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// Begins to serve.
    pub(crate) fn open(self, rule: impl Fn(&mut Request) -> Deed + Send + Sync + 'static) -> Front {
        let mut serving = JoinSet::new();
        serving.spawn(accept(self, Arc::new(rule)));
        Front { _serving: serving }
    }
}

async fn accept(gate: Gate, rule: Arc<Rule>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = gate.listener.accept() => {
                let (client, _) = accepted.unwrap();
                let (tls, rule) = (gate.tls.clone(), Arc::clone(&rule));
                connections.spawn(async move {
                    // Whoever does not like our certificate goes away, and so does one who is cut.
                    let _ended = serve(client, tls, &*rule).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(client: TcpStream, tls: Option<TlsAcceptor>, rule: &Rule) -> io::Result<()> {
    client.set_nodelay(true)?;
    match tls {
        Some(tls) => one(tls.accept(client).await?, rule).await,
        None => one(client, rule).await,
    }
}

/// One request a connection: whoever wants another opens one.
async fn one(mut client: impl AsyncRead + AsyncWrite + Unpin, rule: &Rule) -> io::Result<()> {
    let Some((mut request, body)) = Request::read(&mut client).await? else { return Ok(()) };
    let deed = rule(&mut request);
    tokio::time::sleep(deed.late).await;
    let to = match deed.what {
        What::Cut => return Ok(()),
        What::Say(reply) => {
            let upgraded = reply.status == 101;
            client.write_all(&reply.written()).await?;
            client.flush().await?;
            if upgraded {
                tokio::time::sleep(deed.cut_after.unwrap_or_default()).await;
            }
            return client.shutdown().await;
        }
        What::Pass(to) => to,
    };
    let mut server = TcpStream::connect(to).await?;
    server.set_nodelay(true)?;
    if request.headers.get("upgrade").is_none() {
        request.headers.set("connection", "close");
    }
    server.write_all(&[request.written().into_bytes(), body].concat()).await?;
    let Some(mut reply) = Reply::read(&mut server).await? else { return Ok(()) };
    if let Some(mend) = deed.mending {
        mend(&mut reply);
    }
    let upgraded = reply.status == 101;
    client.write_all(&reply.written()).await?;
    client.flush().await?;
    if upgraded { carry(client, server, deed.frames, deed.cut_after).await } else { client.shutdown().await }
}

/// Carries an upgraded connection until either side ends it, or its time is over.
async fn carry(
    client: impl AsyncRead + AsyncWrite + Unpin,
    server: TcpStream,
    frames: Option<Frames>,
    cut_after: Option<Duration>,
) -> io::Result<()> {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = server.into_split();
    let up = tokio::io::copy(&mut from_client, &mut to_server);
    let down = async {
        match frames {
            None => tokio::io::copy(&mut from_server, &mut to_client).await.map(drop),
            Some(change) => copy_frames(&mut from_server, &mut to_client, change).await,
        }
    };
    tokio::select! {
        ended = up => ended.map(drop),
        ended = down => ended,
        () = tokio::time::sleep(cut_after.unwrap_or(Duration::MAX)) => Ok(()),
    }
}

/// Carries what a server says frame by frame.
async fn copy_frames(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    mut change: Frames,
) -> io::Result<()> {
    for number in 1.. {
        let mut frame = vec![0; 2];
        from.read_exact(&mut frame).await?;
        let more = match frame[1] {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mut length = vec![0; more];
        from.read_exact(&mut length).await?;
        let long = length.iter().fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
        let mut payload = vec![0; if more == 0 { usize::from(frame[1]) } else { long }];
        from.read_exact(&mut payload).await?;
        frame.extend([length, payload].concat());
        let Some(changed) = change(number, frame) else { return Ok(()) };
        to.write_all(&changed).await?;
        to.flush().await?;
    }
    Ok(())
}

/// A text frame of a server's.
pub(crate) fn text_frame(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap();
    let head = if length < 126 {
        vec![0x81, u8::try_from(length).unwrap()]
    } else {
        [vec![0x81, 126], length.to_be_bytes().to_vec()].concat()
    };
    [head, text.as_bytes().to_vec()].concat()
}
