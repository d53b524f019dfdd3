//! Rows B: names, connections and TLS.

use std::net::SocketAddr;
use std::time::Duration;

use frontdesk::doctor::row::Row;
use frontdesk::doctor::{Examination, Examined};
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::certificates::{Authority, Chain};
use crate::deployment::{address, behind_tls, examination, examined, free_port, named, server};
use crate::fixture::{Fixture, fault};
use crate::front::{Gate, pass};

/// Whom the certificates are for.
const HERE: &str = "127.0.0.1";

pub(super) fn all() -> Vec<Fixture> {
    vec![
        fault(Row::NoSuchHost, "a name that does not exist", || at("https://voice.invalid".to_owned())),
        fault(Row::NoSuchHost, "a name that leads to an address behind a router", || async {
            let names = vec![("voice.example.com".to_owned(), "10.255.255.1".parse().unwrap())];
            examined(Examination { names, ..examination("https://voice.example.com") }).await
        }),
        fault(Row::ConnectionRefused, "a port at which nobody listens", || async {
            at(format!("http://127.0.0.1:{}", free_port())).await
        }),
        fault(Row::ConnectionSilent, "a port that takes no connection and refuses none", || async {
            let full = Full::fill().await;
            at(format!("http://127.0.0.1:{}", full.port)).await
        }),
        fault(Row::ConnectionSilent, "a port that takes connections and says nothing", || async {
            let (_stuck, port) = stuck().await;
            at(format!("https://127.0.0.1:{port}")).await
        }),
        fault(Row::ConnectionSilent, "an application that is stuck", || async {
            let (_stuck, port) = stuck().await;
            at(format!("http://127.0.0.1:{port}")).await
        }),
        fault(Row::NotTls, "plain HTTP where TLS should be", || async {
            let gate = Gate::plain().await;
            let url = gate.url().replace("http", "https");
            let house = server(&url).await;
            let server = address(&house);
            let _front = gate.open(move |_| pass(server));
            at(url).await
        }),
        fault(Row::WrongCertificate, "a certificate that expired", || {
            tls(|root, _| root.issue_expired(&[HERE]))
        }),
        fault(Row::WrongCertificate, "a certificate for another name", || {
            tls(|root, _| root.issue(&["other.example.com"]))
        }),
        fault(Row::WrongCertificate, "a certificate that signs itself", || {
            tls(|_, _| Chain::self_signed(&[HERE]))
        }),
        fault(Row::WrongCertificate, "a whole chain of an authority that nobody knows", || {
            tls(|_, _| {
                let unknown = Authority::root("unknown");
                unknown.issue(&[HERE]).and(&unknown)
            })
        }),
        fault(Row::MissingIntermediate, "a chain without its intermediate", || {
            tls(|_, between| between.issue(&[HERE]))
        }),
        fault(Row::NoHttp11, "an edge that speaks h2 alone", || async {
            let root = Authority::root("a root");
            let config = root.issue(&[HERE]).server(&["h2"]);
            behind_tls(Gate::secure(config).await, vec![root.der()]).await
        }),
        fault(Row::OneAddressBroken, "a name with a second address at which nobody listens", || {
            named("voice.example.com", &["127.0.0.1", "127.0.0.2"], |_, server| pass(server))
        }),
    ]
}

/// A listener whose connections nobody serves.
async fn stuck() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Examines a deployment of which only that is there.
async fn at(url: String) -> Examined {
    examined(examination(&url)).await
}

/// Examines a server whose TLS shows what is made of a root that is believed, and an intermediate of it.
async fn tls(chain: impl Fn(&Authority, &Authority) -> Chain) -> Examined {
    let root = Authority::root("a root");
    let between = root.intermediate("an intermediate");
    let config = chain(&root, &between).server(&["http/1.1"]);
    behind_tls(Gate::secure(config).await, vec![root.der()]).await
}

/// A listener that takes no more connections, and says so to nobody.
struct Full {
    port: u16,
    _listener: Socket,
    _waiting: Vec<TcpStream>,
}

impl Full {
    async fn fill() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut waiting = Vec::new();
        // The system keeps one or two more than it was told to.
        while let Ok(Ok(one)) = timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
            waiting.push(one);
            assert!(waiting.len() < 100, "this system takes every connection");
        }
        Self { port: address.port(), _listener: listener, _waiting: waiting }
    }
}
