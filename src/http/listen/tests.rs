//! The accept loop over loopback sockets, mostly on a paused clock: it jumps on whenever nothing moves.

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{any, get, post};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_half_sent_header_is_closed_at_the_deadline_however_slowly_it_drips() {
    let server = Server::start(ListenLimits::default());
    for pause_s in [1_000, 3] {
        let began = now();
        let mut client = server.connect().await;
        let (mut read, mut write) = client.split();
        let drip = async {
            // Writing fails when the server has closed; reading is what the test looks at.
            while write.write_all(b"G").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(pause_s)).await;
            }
        };
        let mut answer = Vec::new();
        tokio::select! {
            // A reset is an end as well: bytes may be on their way when the server closes.
            _end = read.read_to_end(&mut answer) => {}
            () = drip => {}
        }
        assert!(answer.is_empty());
        assert_eq!(began.elapsed().as_secs(), 10, "a byte every {pause_s} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_does_not_keep_another_waiting() {
    let server = Server::start(ListenLimits::default());
    let mut slow = Vec::new();
    for _ in 0..100 {
        let mut client = server.connect().await;
        client.write_all(b"GET / HTTP/1.1\r\nhost").await.unwrap();
        slow.push(client);
    }
    let began = now();
    assert!(server.ask("GET /fast HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.ends_with("fast"));
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_outlives_the_edges_own_patience_and_then_goes() {
    let server = Server::start(ListenLimits::default());
    let mut client = server.connect().await;
    for _ in 0..3 {
        client.write_all(b"GET /fast HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        assert!(read_answer(&mut client).await.ends_with("fast"));
        tokio::time::sleep(Duration::from_secs(65)).await;
    }
    let began = now();
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
    assert_eq!(began.elapsed().as_secs(), 75 - 65);
    let mut half = server.connect().await;
    half.write_all(b"GET /fast HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_answer(&mut half).await;
    let began = now();
    half.write_all(b"GET /fast HT").await.unwrap();
    assert_eq!(half.read(&mut [0; 1]).await.unwrap(), 0);
    assert_eq!(began.elapsed().as_secs(), 10, "the second header has a deadline too");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_begins_and_one_that_is_never_read_are_given_up() {
    let server = Server::start(ListenLimits::default());
    let began = now();
    assert_eq!(server.ask("GET /never HTTP/1.1\r\nhost: x\r\n\r\n").await, "");
    assert_eq!(began.elapsed().as_secs(), 60);
    // A body that stops coming holds the handler no longer than that.
    let began = now();
    assert_eq!(server.ask("POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc").await, "");
    assert_eq!(began.elapsed().as_secs(), 60);
    let mut client = server.connect().await;
    client.write_all(b"GET /big HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    client.read_u8().await.unwrap();
    let began = now();
    server.until_nobody_is_connected().await;
    assert_eq!(began.elapsed().as_secs(), 75);
}

#[tokio::test(start_paused = true)]
async fn a_slow_but_steady_reader_gets_the_whole_answer() {
    let server = Server::start(ListenLimits::default());
    let mut client = server.connect().await;
    client.write_all(b"GET /big HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let (mut total, mut piece) = (0, vec![0; 1024 * 1024]);
    let began = now();
    loop {
        // The system tells a sender of room by the megabyte, so this is several reads for each time it can go on.
        tokio::time::sleep(Duration::from_secs(5)).await;
        match client.read(&mut piece).await.unwrap() {
            0 => break,
            bytes => total += bytes,
        }
    }
    assert!(total > BIG, "{total}");
    assert!(began.elapsed() > 2 * ListenLimits::default().idle_patience);
}

#[tokio::test]
async fn headers_beyond_the_limit_are_refused() {
    let server = Server::start(ListenLimits::default());
    let asks = |bytes: usize| {
        let padding = "x".repeat(bytes);
        let request =
            format!("GET /fast HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-padding: {padding}\r\n\r\n");
        let server = &server;
        async move { server.ask(&request).await }
    };
    assert!(asks(12 * 1024).await.starts_with("HTTP/1.1 200"));
    let refused = asks(17 * 1024).await;
    assert!(refused.is_empty() || refused.starts_with("HTTP/1.1 431"), "{refused}");
}

#[tokio::test]
async fn beyond_the_cap_a_client_is_told_at_once_and_an_upgraded_socket_keeps_its_place() {
    let server = Server::start(ListenLimits { connections: 1, ..ListenLimits::default() });
    let socket = server.upgrade().await;
    let refused = server.ask("GET /fast HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    assert!(refused.contains("connection: close") && refused.contains("x-frontdesk-hop: 0."), "{refused}");
    drop(socket);
    loop {
        let answer = server.ask("GET /fast HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        if answer.ends_with("fast") {
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_upgraded_socket_has_no_deadline_of_ours() {
    let server = Server::start(ListenLimits::default());
    let mut socket = server.upgrade().await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        socket.write_all(b"hello").await.unwrap();
        let mut echo = [0; 5];
        socket.read_exact(&mut echo).await.unwrap();
        assert_eq!(&echo, b"hello");
    }
}

#[tokio::test]
async fn a_drain_goes_on_answering_and_the_stop_closes_what_is_idle_and_finishes_what_is_not() {
    let server = Server::start(ListenLimits::default());
    let mut idle = server.connect().await;
    idle.write_all(b"GET /fast HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_answer(&mut idle).await;
    let mut silent = server.connect().await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /at-stop HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    server.tasks.soft().cancel();
    assert!(server.ask("GET /fast HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.ends_with("fast"));
    assert_eq!(server.tasks.drain(Duration::ZERO, Duration::ZERO).await, 0);
    let mut rest = String::new();
    busy.read_to_string(&mut rest).await.unwrap();
    assert!(rest.contains("connection: close") && rest.ends_with("stopping"), "{rest}");
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0);
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap(), 0);
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_handler_knows_its_peer_by_its_own_family() {
    let server = Server::start(ListenLimits::default());
    let answer = server.ask("GET /peer HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.ends_with("127.0.0.1"), "{answer}");
}

#[tokio::test]
async fn every_address_means_both_families_and_a_taken_port_is_said() {
    let listener = bind("[::]", 0).unwrap();
    let port = listener.local_addr().unwrap().port();
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    if listener.local_addr().unwrap().is_ipv6() {
        TcpStream::connect((Ipv6Addr::LOCALHOST, port)).await.unwrap();
    }
    assert_eq!(bind("[::]", port).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    assert_eq!(bind("front door", 0).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert!(bind("127.0.0.1", 0).unwrap().local_addr().unwrap().is_ipv4());
}

#[test]
fn the_pace_counts_every_turn_for_ever() {
    let pace = Pace(AtomicU32::new(u32::MAX - 1));
    for stage in [Stage::Idle, Stage::Idle, Stage::Header, Stage::Answer, Stage::Idle] {
        let before = pace.reading();
        pace.turn(stage);
        assert_eq!(pace.stage(), stage);
        assert_ne!(pace.reading(), before);
    }
}

/// More than the socket buffers of both sides hold: bytes.
const BIG: usize = 32 * 1024 * 1024;

#[tokio::test]
async fn a_stop_that_cuts_calls_leaves_twilio_a_moment_to_ask_what_is_next_and_then_nobody_listens() {
    let server = Server::start(ListenLimits::default());
    let hard = server.tasks.hard().clone();
    server.tasks.spawn("a call that takes its leave", async move {
        hard.cancelled().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    });
    server.tasks.hard().cancel();
    let answer = server.ask("GET /fast HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    while server.tasks.live_background() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(TcpStream::connect(server.address).await.is_err());
}

struct Server {
    address: SocketAddr,
    tasks: Tasks,
}

impl Server {
    fn start(limits: ListenLimits) -> Self {
        let listener = bind("[::]", 0).unwrap();
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), listener.local_addr().unwrap().port());
        let tasks = Tasks::new();
        let (accepting, stop) = (tasks.clone(), tasks.hard().clone());
        let routes = Router::new()
            .route("/fast", get(async || "fast"))
            .route("/never", get(std::future::pending::<()>))
            .route("/body", post(async |body: String| body))
            .route("/big", get(async || vec![b'x'; BIG]))
            .route("/peer", get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.ip().to_string()))
            .route("/at-stop", get(async move || at_stop(&stop).await))
            .route("/echo", any(echo));
        tasks.spawn_background("accept loop", async move {
            serve(listener, routes, &accepting, limits).await;
        });
        Self { address, tasks }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends one request and reads until the server closes, or resets.
    async fn ask(&self, request: &str) -> String {
        let mut client = self.connect().await;
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _end = client.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    async fn upgrade(&self) -> TcpStream {
        let mut client = self.connect().await;
        client
            .write_all(b"GET /echo HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n")
            .await
            .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101"));
        client
    }

    /// Only the accept loop is left of the background.
    async fn until_nobody_is_connected(&self) {
        while self.tasks.live_background() > 1 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn at_stop(stop: &tokio_util::sync::CancellationToken) -> &'static str {
    stop.cancelled().await;
    "stopping"
}

async fn echo(mut request: Request<Body>) -> Response {
    let upgraded = hyper::upgrade::on(&mut request);
    #[expect(clippy::disallowed_methods, reason = "an untracked echo of a test")]
    tokio::spawn(async move {
        let (mut read, mut write) = tokio::io::split(TokioIo::new(upgraded.await.unwrap()));
        let _end = tokio::io::copy(&mut read, &mut write).await;
    });
    let head = [("connection", "upgrade"), ("upgrade", "echo")];
    (StatusCode::SWITCHING_PROTOCOLS, head).into_response()
}

/// Reads an answer with a length of at most 9 bytes.
async fn read_answer(client: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(client.read_u8().await.unwrap());
    }
    let head = String::from_utf8(answer).unwrap();
    let (_, length) = head.split_once("content-length: ").expect(&head);
    let mut body = vec![0; length[..1].parse().unwrap()];
    client.read_exact(&mut body).await.unwrap();
    head + &String::from_utf8(body).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the paused clock of a test")]
fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}
