//! A platform's edge in small: leads each connection to an instance that is alive.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use frontdesk::sim::Dice;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How a stream's connection begins; all others are webhooks and questions.
const STREAM: &[u8] = b"GET /twilio-media";

/// One instance, as the balancer sees it.
#[derive(Debug)]
pub(crate) struct Place {
    address: SocketAddr,
    alive: AtomicBool,
    connections: AtomicUsize,
    streams: AtomicUsize,
}

/// What an instance carries.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Load {
    /// Connections of all kinds.
    pub(crate) connections: usize,
    /// Media streams among them.
    pub(crate) streams: usize,
}

impl Place {
    /// What it carries now.
    pub(crate) fn load(&self) -> Load {
        let [connections, streams] =
            [&self.connections, &self.streams].map(|count| count.load(Ordering::SeqCst));
        Load { connections, streams }
    }

    /// New connections are led there again.
    pub(crate) fn is_back(&self) {
        self.alive.store(true, Ordering::SeqCst);
    }

    /// Nobody is led there any more.
    pub(crate) fn is_gone(&self) {
        self.alive.store(false, Ordering::SeqCst);
    }
}

/// Forwards connections, until it is dropped.
#[derive(Debug)]
pub(crate) struct Balancer {
    address: SocketAddr,
    edge: Arc<Edge>,
    _serving: JoinSet<()>,
}

#[derive(Debug)]
struct Edge {
    places: Mutex<Vec<Arc<Place>>>,
    dice: Mutex<Dice>,
}

impl Balancer {
    /// Listens on a free port, and leads nowhere yet.
    pub(crate) async fn start(seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let edge = Arc::new(Edge { places: Mutex::default(), dice: Mutex::new(Dice::new(seed)) });
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, Arc::clone(&edge)));
        Self { address, edge, _serving: serving }
    }

    /// What the world calls all of them: `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on leads here, too.
    pub(crate) fn add(&self, address: SocketAddr) -> Arc<Place> {
        let [connections, streams] = [AtomicUsize::new(0), AtomicUsize::new(0)];
        let place = Arc::new(Place { address, alive: AtomicBool::new(true), connections, streams });
        self.edge.places.lock().unwrap().push(Arc::clone(&place));
        place
    }
}

impl Edge {
    fn pick(&self) -> Option<Led> {
        let places = self.places.lock().unwrap();
        loop {
            let alive: Vec<_> = places.iter().filter(|place| place.alive.load(Ordering::SeqCst)).collect();
            let last = u64::try_from(alive.len().checked_sub(1)?).unwrap();
            let number = self.dice.lock().unwrap().within(0..=last);
            let led = Led::to(alive[usize::try_from(number).unwrap()]);
            // Counted first and looked at then: who is gone is led nowhere, or was seen by whoever made it go.
            if led.0.alive.load(Ordering::SeqCst) {
                return Some(led);
            }
        }
    }
}

/// A connection that counts at its place until it is over.
struct Led(Arc<Place>);

impl Led {
    fn to(place: &Arc<Place>) -> Self {
        place.connections.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(place))
    }
}

impl Drop for Led {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn accept(listener: TcpListener, edge: Arc<Edge>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (client, _) = accepted.unwrap();
                connections.spawn(forward(client, Arc::clone(&edge)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries a connection until either side ends it. A peer that vanishes is how a killed instance looks: nothing to do.
async fn forward(client: TcpStream, edge: Arc<Edge>) {
    while let Some(led) = edge.pick() {
        // Killed just now, and nobody has said so yet: an edge tries another.
        let Ok(server) = TcpStream::connect(led.0.address).await else { continue };
        let _ended = carry(client, server, &led.0).await;
        return;
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, place: &Place) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let mut beginning = [0; STREAM.len()];
    let read = client.peek(&mut beginning).await?;
    let stream = usize::from(beginning[..read] == *STREAM);
    place.streams.fetch_add(stream, Ordering::SeqCst);
    let ended = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    place.streams.fetch_sub(stream, Ordering::SeqCst);
    ended.map(drop)
}
