//! Whoever is not Twilio with a fresh pass gets nowhere near the model, and harms nobody.

use std::time::{Duration, Instant};

use frontdesk::domain::{AccountSid, BusinessId, CallSid};
use frontdesk::sim::socket::PhoneReport;
use frontdesk::sim::{Frame, LineFault};
use frontdesk::telemetry::wall_clock;
use frontdesk::wire::stream_token::{Pass, PassKey};
use frontdesk::wire::twilio::signature::sign;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::house::{ACCOUNT, AUTH_TOKEN, CALLER, House, LINE, SECRET};
use crate::scenes::{asks, hangs_up, kinds, plain};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const CALL: &str = "CA00000000000000000000000000000001";

fn media_url(house: &House) -> String {
    format!("{}/twilio-media", house.base.replacen("http", "ws", 1))
}

async fn open(house: &House, signature: Option<&str>) -> Result<Socket, Error> {
    let mut request = media_url(house).into_client_request().unwrap();
    if let Some(signature) = signature {
        request.headers_mut().insert("x-twilio-signature", signature.parse().unwrap());
    }
    let (socket, response) = connect_async(request).await?;
    assert!(response.headers().contains_key("x-frontdesk-hop"), "the 101 says who made it");
    Ok(socket)
}

/// A socket that Twilio might have opened.
async fn signed(house: &House) -> Socket {
    open(house, Some(&sign(AUTH_TOKEN, &media_url(house), &[]))).await.unwrap()
}

fn token(call: &str, account: &str, good_for_s: i64) -> String {
    PassKey::new(SECRET.into()).issue(&Pass {
        call: CallSid::parse(call).unwrap(),
        account: AccountSid::parse(account).unwrap(),
        business: BusinessId::parse("business-1").unwrap(),
        attempt: 1,
        expires_at: wall_clock() / 1_000 + good_for_s,
    })
}

fn start(call: &str, token: &str) -> Message {
    let start = serde_json::json!({"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": {
        "accountSid": ACCOUNT, "streamSid": "MZ1", "callSid": call, "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"token": token, "to": LINE, "from": CALLER}}});
    Message::text(start.to_string())
}

/// Says that, and gives the reason with which the server closes; none when it just goes away.
async fn refusal(mut socket: Socket, messages: Vec<Message>) -> Option<String> {
    for message in messages {
        // It may have closed before all of it was said.
        let _said = socket.send(message).await;
    }
    let goodbye = async {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(frame) = message {
                return frame.map(|frame| frame.reason.to_string());
            }
        }
        None
    };
    tokio::time::timeout(Duration::from_secs(10), goodbye).await.expect("the server does not close")
}

/// After all that, a caller is answered.
async fn lives_on(house: &House) -> PhoneReport {
    let report = house.call(vec![hangs_up()]).await;
    assert_eq!(report.problems(), Vec::<String>::new());
    assert!(kinds(&report).contains(&"FirstAudio".to_owned()));
    house.until_quiet().await;
    report
}

#[tokio::test]
async fn without_twilios_signature_there_is_no_upgrade() {
    let house = House::open("unsigned", vec![plain()]).await;
    let foreign = sign("not the token", &media_url(&house), &[]);
    let elsewhere = sign(AUTH_TOKEN, "wss://voice.example.com/twilio-media", &[]);
    for signature in [None, Some("AAAA"), Some(&foreign[..]), Some(&elsewhere[..])] {
        let Err(Error::Http(response)) = open(&house, signature).await else {
            panic!("let in: {signature:?}")
        };
        assert_eq!(response.status(), 403);
        assert!(response.headers().contains_key("x-frontdesk-hop"));
    }
    assert_eq!(house.model.connections().len(), 0);
    lives_on(&house).await;
}

#[tokio::test]
async fn a_pass_that_is_not_this_calls_or_too_old_or_missing_opens_nothing() {
    let house = House::open("passes", vec![plain()]).await;
    let other_call = "CA00000000000000000000000000000002";
    let other_account = "AC00000000000000000000000000000002";
    for (token, reason) in [
        (token(other_call, ACCOUNT, 30), "foreign_token"),
        (token(CALL, other_account, 30), "foreign_token"),
        (token(CALL, ACCOUNT, -120), "expired_token"),
        ("made up".to_owned(), "bad_token"),
    ] {
        assert_eq!(refusal(signed(&house).await, vec![start(CALL, &token)]).await.as_deref(), Some(reason));
    }
    assert_eq!(house.model.connections().len(), 0);
    lives_on(&house).await;
}

#[tokio::test]
async fn a_pass_opens_one_stream_and_no_second_one() {
    let house = House::open("used-pass", vec![plain()]).await;
    let first = token(CALL, ACCOUNT, 30);
    let mut genuine = signed(&house).await;
    genuine.send(start(CALL, &first)).await.unwrap();
    house.model.until(|logs| !logs.is_empty()).await;
    let second = refusal(signed(&house).await, vec![start(CALL, &first)]).await;
    assert_eq!(second.as_deref(), Some("used_token"));
    assert_eq!(house.model.connections().len(), 1);
    genuine.close(None).await.unwrap();
    house.until_quiet().await;
    lives_on(&house).await;
}

#[tokio::test]
async fn noise_before_the_start_ends_the_socket_and_nothing_else() {
    let house = House::open("noise", vec![plain()]).await;
    let many = |message: Message| std::iter::repeat_n(message, 12).collect::<Vec<_>>();
    let huge = "x".repeat(200_000);
    for (noise, reason) in [
        (many(Message::text("garbage")), "too_many_frames"),
        (many(Message::text(r#"{"event":"start","start":{}}"#)), "too_many_frames"),
        (many(Message::binary(vec![0; 160])), "too_many_frames"),
        (many(Message::text(huge.clone())), "too_many_frames"),
        (vec![Message::text(format!(r#"{{"event":"start","x":"{huge}"}}"#)), Message::Close(None)], ""),
    ] {
        let refused = refusal(signed(&house).await, noise).await;
        assert_eq!(refused.unwrap_or_default(), reason);
    }
    // Larger than any message may be: the connection is cut in the middle of it.
    refusal(signed(&house).await, vec![Message::text("x".repeat(2_000_000))]).await;
    assert_eq!(house.model.connections().len(), 0);
    lives_on(&house).await;
}

#[tokio::test]
async fn a_socket_that_never_says_who_it_is_is_closed_after_five_seconds() {
    let house = House::open("no-start", vec![plain()]).await;
    let socket = signed(&house).await;
    #[expect(clippy::disallowed_methods, reason = "the server's patience is real time")]
    let opened = Instant::now();
    assert_eq!(refusal(socket, vec![]).await.as_deref(), Some("no_start"));
    assert!(opened.elapsed() >= Duration::from_millis(4_900), "{:?}", opened.elapsed());
    assert_eq!(house.model.connections().len(), 0);
    lives_on(&house).await;
}

#[tokio::test]
async fn noise_in_the_midst_of_a_call_is_counted_and_the_call_goes_on() {
    let house = House::open("noisy-call", vec![plain()]).await;
    let mut plan = house.plan(vec![asks(), hangs_up()]);
    let insert = |at_ms, frame| LineFault::Insert { at_ms, frame };
    plan.line_faults = vec![vec![
        insert(100, Frame::Binary(vec![0; 160].into())),
        insert(120, Frame::Text("garbage".into())),
        insert(140, Frame::Text("x".repeat(200_000).into())),
        insert(160, Frame::Text(r#"{"event":"start"}"#.into())),
        insert(180, Frame::Text(r#"{"event":"tomorrow"}"#.into())),
    ]];
    let report = house.phone.call(plan).await;
    house.until_quiet().await;
    assert_eq!(report.problems(), Vec::<String>::new());
    assert_eq!(report.steps_done.len(), 2, "the caller was answered");
    house.model_refused_nothing();
    let over = house.notes(&report.call, 1).into_iter().next_back().unwrap();
    let frontdesk::call::Note::Over { oddities, .. } = over else { panic!("{over:?}") };
    assert_eq!((oddities.garbage, oddities.unknown), (4, 1));
}
