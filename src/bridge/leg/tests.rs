//! One socket against peers that behave, stall, babble and vanish.

use std::future::poll_fn;

use tokio::io::{DuplexStream, duplex};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::*;

type Peer = WebSocketStream<DuplexStream>;

/// A leg of Twilio's kind, and its peer; the pipe between them holds `pipe_bytes`.
async fn caller_leg(pipe_bytes: usize) -> (Leg<Peer>, Peer) {
    let (ours, theirs) = duplex(pipe_bytes);
    let ours = WebSocketStream::from_raw_socket(ours, Role::Server, Some(caller_socket_config())).await;
    (Leg::caller(ours), WebSocketStream::from_raw_socket(theirs, Role::Client, None).await)
}

async fn model_leg() -> (Leg<Peer>, Peer) {
    let (ours, theirs) = duplex(64 * 1024);
    let ours = WebSocketStream::from_raw_socket(ours, Role::Client, None).await;
    (Leg::model(ours), WebSocketStream::from_raw_socket(theirs, Role::Server, None).await)
}

async fn hear(leg: &mut Leg<Peer>) -> Heard {
    poll_fn(|cx| {
        leg.poll_flush(cx);
        leg.poll_hear(cx)
    })
    .await
}

#[tokio::test]
async fn binary_and_oversized_frames_are_survived() {
    let (mut leg, mut peer) = caller_leg(512 * 1024).await;
    let long = "x".repeat(MAX_CALLER_TEXT_BYTES + 1);
    for message in [Message::binary(vec![1, 2]), Message::text(long), Message::text("after")] {
        peer.send(message).await.unwrap();
    }
    assert!(matches!(hear(&mut leg).await, Heard::Garbage));
    assert!(matches!(hear(&mut leg).await, Heard::Garbage));
    let Heard::Text(text) = hear(&mut leg).await else { panic!("lost") };
    assert_eq!(text.as_str(), "after");
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_lost_and_not_waited_for() {
    let (mut leg, mut peer) = caller_leg(1024).await;
    peer.send(Message::text("still talking")).await.unwrap();
    let frame = Bytes::from(vec![b'a'; 1000]);
    let mut sent = 0;
    while leg.broken.is_none() {
        leg.say(frame.clone());
        sent += frame.len();
    }
    assert!(sent > MAX_WRITE_BUFFER_BYTES && sent < MAX_WRITE_BUFFER_BYTES + 8 * 1024, "{sent}");
    assert!(matches!(hear(&mut leg).await, Heard::Lost(Break::Full)));
}

#[tokio::test]
async fn what_waits_in_the_buffer_arrives_in_order_when_the_peer_reads_and_reading_goes_on_meanwhile() {
    let (mut leg, mut peer) = caller_leg(256).await;
    for number in 0..100 {
        leg.say(Bytes::from(format!("{number:0>50}")));
    }
    peer.send(Message::text("heard meanwhile")).await.unwrap();
    assert!(matches!(hear(&mut leg).await, Heard::Text(_)), "writing was blocked, reading was not");
    let read = async {
        for number in 0..100 {
            assert_eq!(peer.next().await.unwrap().unwrap(), Message::text(format!("{number:0>50}")));
        }
        peer.close(None).await.unwrap();
    };
    let (heard, ()) = tokio::join!(hear(&mut leg), read);
    assert!(matches!(heard, Heard::Lost(Break::Ended)), "{heard:?}");
}

#[tokio::test]
async fn a_ping_is_answered_without_our_having_anything_to_say() {
    let (mut leg, mut peer) = caller_leg(1024).await;
    peer.send(Message::Ping(Bytes::from_static(b"p"))).await.unwrap();
    let answer = async {
        let answer = peer.next().await.unwrap().unwrap();
        peer.send(Message::text("done")).await.unwrap();
        answer
    };
    let (_heard, answer) = tokio::join!(hear(&mut leg), answer);
    assert_eq!(answer, Message::Pong(Bytes::from_static(b"p")));
}

#[tokio::test]
async fn a_model_that_answers_no_ping_is_lost_and_one_that_answers_is_not() {
    let (mut leg, mut peer) = model_leg().await;
    leg.ping();
    let answer = async {
        assert!(matches!(peer.next().await.unwrap().unwrap(), Message::Ping(_)));
        peer.send(Message::text("after the pong")).await.unwrap();
    };
    let (heard, ()) = tokio::join!(hear(&mut leg), answer);
    assert!(matches!(heard, Heard::Text(_)));
    leg.ping();
    assert!(leg.broken.is_none());
    leg.ping();
    assert!(matches!(hear(&mut leg).await, Heard::Lost(Break::Silent)));
}

#[tokio::test]
async fn a_close_frame_tells_its_code_and_reason() {
    let (mut leg, mut peer) = model_leg().await;
    let reason = "invalid_request_error.invalid_api_key".into();
    peer.send(Message::Close(Some(CloseFrame { code: 3000.into(), reason }))).await.unwrap();
    let Heard::Lost(Break::Closed(3000, reason)) = hear(&mut leg).await else { panic!("another word") };
    assert_eq!(reason, "invalid_request_error.invalid_api_key");
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_is_said_and_a_peer_that_does_not_answer_it_is_not_waited_for_long() {
    let (leg, mut peer) = caller_leg(1024).await;
    let before = super::super::clock::Clock::start();
    leg.close(Duration::from_secs(1)).await;
    assert_eq!(before.now().as_millis(), 1_000);
    let Message::Close(Some(frame)) = peer.next().await.unwrap().unwrap() else { panic!("no close frame") };
    assert_eq!(frame.code, CloseCode::Normal);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_the_goodbye_ends_it_at_once() {
    let (leg, mut peer) = caller_leg(1024).await;
    let before = super::super::clock::Clock::start();
    let read = async { while peer.next().await.is_some_and(|message| message.is_ok()) {} };
    tokio::join!(leg.close(Duration::from_secs(1)), read);
    assert_eq!(before.now().as_millis(), 0);
}
