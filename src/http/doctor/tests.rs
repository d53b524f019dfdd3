//! What a doctor learns of a server.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::super::house::{ACCOUNT, ADMIN_TOKEN, Answer, CALL, CALLER, House, LINE, NOW_MS, RINGING};
use super::*;
use crate::wire::doctor::{Cause, Echo};

async fn asked(house: &House, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    house.ask_raw(request.body(Body::empty()).unwrap()).await
}

fn bearer() -> String {
    format!("Bearer {ADMIN_TOKEN}")
}

async fn recent_of(house: &House) -> Recent {
    let answer = asked(house, "GET", paths::DOCTOR_RECENT, &[("authorization", &bearer())]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

#[tokio::test]
async fn the_doctors_routes_are_for_operators_alone() {
    let house = House::new().await;
    for path in [paths::DOCTOR_ECHO, paths::DOCTOR_WS, paths::DOCTOR_RECENT] {
        for headers in [vec![], vec![("authorization", "Bearer wrong")]] {
            let answer = asked(&house, "GET", path, &headers).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        }
    }
}

#[tokio::test]
async fn an_echo_shows_what_arrived_and_no_secret() {
    let house = House::new().await;
    let token = bearer();
    let headers = [
        ("authorization", token.as_str()),
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("x-twilio-signature", "c2VjcmV0"),
        ("cookie", "session=secret"),
        ("x-api-key", "secret"),
        ("user-agent", "Twilio.TmeWs/1.0"),
    ];
    let answer = asked(&house, "POST", "/doctor/echo?businessId=1", &headers).await;
    assert!(!answer.body.contains("secret") && !answer.body.contains("c2VjcmV0"), "{}", answer.body);
    assert!(!answer.body.contains(ADMIN_TOKEN) && !answer.body.contains("businessId"), "{}", answer.body);
    assert_eq!(answer.headers["cache-control"], "no-store");
    let echo: Echo = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((echo.method.as_str(), echo.path.as_str(), echo.query), ("POST", "/doctor/echo", true));
    assert_eq!((echo.at_ms, echo.headers.len(), echo.headers_left_out), (NOW_MS, 7, 0));
    let of = |name: &str| echo.headers.iter().find(|header| header.name == name).unwrap();
    assert_eq!(of("upgrade").value.as_deref(), Some("websocket"));
    assert_eq!((of("x-twilio-signature").value.as_deref(), of("x-twilio-signature").bytes), (None, 8));
}

#[tokio::test]
async fn an_echo_is_short_however_much_arrives() {
    let house = House::new().await;
    let (token, long) = (bearer(), "é".repeat(2_000));
    let mut request = Request::get(paths::DOCTOR_ECHO).header("authorization", &token);
    for number in 0..100 {
        request = request.header(format!("x-{number}"), long.as_bytes());
    }
    let answer = house.ask_raw(request.body(Body::empty()).unwrap()).await;
    let echo: Echo = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((echo.headers.len(), echo.headers_left_out), (64, 37));
    assert_eq!((echo.headers[1].bytes, echo.headers[1].value.as_ref().unwrap().len()), (4_000, 512));
}

#[tokio::test]
async fn a_bare_socket_says_back_what_it_hears_and_there_are_not_many() {
    let house = House::new().await;
    let address = house.listen().await;
    let open = async || {
        let mut request = format!("ws://{address}{}", paths::DOCTOR_WS).into_client_request().unwrap();
        request.headers_mut().insert("authorization", bearer().parse().unwrap());
        client_async(request, TcpStream::connect(address).await.unwrap()).await.map(|(socket, _)| socket)
    };
    let mut sockets = Vec::new();
    for _ in 0..socket::MAX_SOCKETS {
        sockets.push(open().await.unwrap());
    }
    let Err(Error::Http(refused)) = open().await else { panic!("one too many") };
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    for message in [Message::text("hello"), Message::binary(vec![1, 2, 3])] {
        sockets[0].send(message.clone()).await.unwrap();
        assert_eq!(sockets[0].next().await.unwrap().unwrap(), message);
    }
    sockets.pop().unwrap().close(None).await.unwrap();
    house.until("a place is free again", async || open().await.is_ok()).await;
}

#[tokio::test]
async fn every_attempt_at_the_media_socket_is_remembered_with_its_verdict() {
    let house = House::new().await;
    for headers in [&[][..], &[("connection", "Upgrade"), ("x-twilio-signature", "AAAA")][..]] {
        asked(&house, "GET", "/twilio-media?callSid=test123", headers).await;
    }
    for _ in 0..150 {
        asked(&house, "HEAD", "/twilio-media", &[]).await;
    }
    let recent = recent_of(&house).await;
    assert_eq!((recent.instance.as_str(), recent.now_ms), ("i-1", NOW_MS));
    assert_eq!(recent.upgrades.len(), 101, "no flood of strangers hides who was signed");
    let signed = recent.upgrades.iter().find(|attempt| attempt.seen.signature).unwrap();
    assert_eq!(signed.verdict, "no_upgrade_websocket");
    assert_eq!((signed.seen.query, signed.seen.connection.as_deref()), (true, Some("Upgrade")));
    assert!(recent.upgrades.iter().filter(|attempt| attempt.seen.method == "HEAD").count() == 100);
}

/// Rings with this CallSid, lets something happen, and gives what is found ten seconds later.
async fn found(house: &House, call: &str, meanwhile: impl AsyncFnOnce(&House)) -> Vec<(Cause, String)> {
    let form = RINGING.map(|(name, value)| (name, if name == "CallSid" { call } else { value }));
    assert!(house.post("/twilio-voice", &form).await.twiml().starts_with("<Connect"));
    house
        .until("the call is kept", async || {
            let call = crate::domain::CallSid::parse(call).unwrap();
            house.app.ledger.call(&call).await.unwrap().is_some()
        })
        .await;
    meanwhile(house).await;
    house.app.look_for_now(call).await;
    recent_of(house).await.findings.into_iter().map(|it| (it.cause, it.says)).collect()
}

#[tokio::test]
async fn a_test_request_is_told_from_a_call() {
    let found = found(&House::new().await, "test123", async |_| {}).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, Cause::TestRequest);
    assert!(found[0].1.contains("nobody executes its TwiML"), "{}", found[0].1);
}

#[tokio::test]
async fn a_stream_that_never_comes_is_found_with_what_twilio_said_of_it() {
    let said = found(&House::new().await, CALL, async |house| {
        let error = [
            ("CallSid", CALL),
            ("AccountSid", ACCOUNT),
            ("StreamSid", "MZ00000000000000000000000000000001"),
            ("StreamName", "main"),
            ("StreamEvent", "stream-error"),
            ("StreamError", "Stream - WebSocket - Handshake Error"),
            ("Timestamp", "2026-11-20T15:04:05.123Z"),
        ];
        assert_eq!(house.post("/twilio-stream-status", &error).await.status, StatusCode::NO_CONTENT);
    })
    .await;
    assert_eq!(said[0].0, Cause::StreamError);
    assert!(said[0].1.contains("Handshake Error") && said[0].1.contains("31920"), "{}", said[0].1);
}

#[tokio::test]
async fn a_stream_that_was_refused_is_found_with_the_reason() {
    let refused = found(&House::new().await, CALL, async |house| {
        asked(house, "GET", "/twilio-media", &[("x-twilio-signature", "AAAA")]).await;
    })
    .await;
    assert_eq!(refused[0].0, Cause::UpgradeRefused);
    assert!(refused[0].1.contains("no_connection_upgrade"), "{}", refused[0].1);
}

#[tokio::test]
async fn a_stream_of_which_nothing_came_is_found_and_the_doctor_named() {
    let nothing = found(&House::new().await, CALL, async |_| {}).await;
    assert_eq!(nothing[0].0, Cause::NothingArrived);
    assert!(nothing[0].1.contains("frontdesk doctor https://voice.example.com"), "{}", nothing[0].1);
}

#[tokio::test]
async fn who_arrived_elsewhere_or_hung_up_is_not_missing() {
    let call = crate::domain::CallSid::parse(CALL).unwrap();
    let elsewhere = found(&House::new().await, CALL, async |house| {
        house.app.ledger.answered(&call, NOW_MS).await.unwrap();
    })
    .await;
    let over = found(&House::new().await, CALL, async |house| {
        let over = [
            ("CallSid", CALL),
            ("AccountSid", ACCOUNT),
            ("CallStatus", "completed"),
            ("From", CALLER),
            ("To", LINE),
        ];
        assert_eq!(house.post("/twilio-status", &over).await.status, StatusCode::NO_CONTENT);
    })
    .await;
    assert_eq!((elsewhere, over), (vec![], vec![]));
}

#[tokio::test]
async fn the_server_looks_by_itself_after_ten_seconds() {
    let house = House::new().await;
    house.keep(1, None).await;
    // Kept as answered, so only the waiting is seen here: nobody looks before, and then somebody does.
    tokio::time::pause();
    let alive = || house.app.tasks.live_background();
    let before = alive();
    house.app.expect_stream(crate::domain::CallSid::parse(CALL).unwrap(), 1);
    tokio::time::sleep(expected::EXPECTED_WITHIN - Duration::from_millis(10)).await;
    assert_eq!(alive(), before + 1);
    house.until("somebody looks", async || alive() == before).await;
}
