//! Who may place a test call, and which doors its pass opens.

use axum::http::Method;
use futures_util::SinkExt as _;
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::*;
use crate::domain::{CallSid, Ending};
use crate::http::house::{ACCOUNT, LINE, MOST_CALLS, TOKEN, sign};
use crate::store::Ledger as _;

type Socket = WebSocketStream<TcpStream>;

/// Presses the button; what the page is told.
async fn pressed(house: &House, badge: &str, business: &str) -> Value {
    let page = ask(house, get("/businesses/business-1").header("cookie", badge), "").await;
    let press = post(&format!("/businesses/{business}/call")).header("cookie", badge);
    let told = ask(house, press, &format!("seal={}", seal(&page))).await;
    assert_eq!(told.status.as_u16(), 200, "{}", told.body);
    told.json()
}

/// Opens a socket there, with these headers.
async fn open(house: &House, path: &str, headers: &[(&'static str, &str)]) -> Result<Socket, Error> {
    let address = house.listen().await;
    let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let stream = TcpStream::connect(address).await.unwrap();
    client_async(request, stream).await.map(|(socket, _)| socket)
}

async fn opened(house: &House, badge: &str) -> Socket {
    open(house, "/phone/media", &[("cookie", badge), ("origin", HOME)]).await.unwrap()
}

async fn opened_by_twilio(house: &House) -> Socket {
    let signature = sign(TOKEN, "wss://voice.example.com/twilio-media", &[]);
    open(house, "/twilio-media", &[("x-twilio-signature", &signature)]).await.unwrap()
}

/// Says whose stream it is, as the page does with what it was told.
fn start(told: &Value) -> Message {
    let start = json!({"event": "start", "sequenceNumber": "1", "streamSid": told["stream"], "start": {
        "accountSid": told["account"], "streamSid": told["stream"], "callSid": told["call"], "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": told["parameters"]}});
    Message::text(start.to_string())
}

/// The word with which a stream is refused that begins like this.
async fn refusal(mut socket: Socket, first: Message) -> String {
    socket.send(first).await.unwrap();
    let wait = async {
        loop {
            let heard = socket.next().await.expect("it ends without a word").unwrap();
            if let Message::Close(frame) = heard {
                return frame.unwrap().reason.to_string();
            }
        }
    };
    timeout(Duration::from_secs(30), wait).await.expect("nobody refuses it")
}

fn call_of(told: &Value) -> CallSid {
    CallSid::parse(told["call"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_call_from_a_page_waits_for_its_page_as_others_do_for_twilio() {
    let house = House::new().await;
    let badge = log_in(&house).await;
    let told = pressed(&house, &badge, "business-1").await;
    let call = call_of(&told);
    assert!(call.is_genuine() && house.app.bridge.is_waiting(&call, 1), "{told}");
    assert_eq!((&told["parameters"]["to"], &told["parameters"]["from"]), (&json!(LINE), &json!("test call")));
    assert_eq!(told["page"], format!("/calls/{call}"));
    assert!(house.app.trail.sent().is_empty(), "Twilio was told of no stream");
    let mut socket = opened(&house, &badge).await;
    socket.send(start(&told)).await.unwrap();
    house.until("the call does not meet its page", async || !house.app.bridge.is_waiting(&call, 1)).await;
    house
        .until("its arrival is not kept", async || {
            house.store.call(&call).await.unwrap().is_some_and(|record| record.answered_ms.is_some())
        })
        .await;
    let record = house.store.call(&call).await.unwrap().unwrap();
    assert!(record.is_test() && record.business.as_str() == "business-1");
    assert!(house.app.trail.upgrades().is_empty(), "a doctor would take it for somebody at Twilio's door");
    assert_eq!(house.app.trail.upgrades_from_pages().len(), 1);
}

#[tokio::test]
async fn only_a_page_of_ours_with_a_badge_brings_a_caller() {
    let house = House::new().await;
    let badge = log_in(&house).await;
    let signature = sign(TOKEN, "wss://voice.example.com/phone/media", &[]);
    let evil = "https://evil.example.com";
    for (headers, status, reason) in [
        (vec![("origin", HOME)], 401, "log_in_first"),
        (vec![("origin", HOME), ("cookie", "__Host-frontdesk=9999999999.x.y")], 401, "log_in_first"),
        (vec![("origin", HOME), ("x-twilio-signature", signature.as_str())], 401, "log_in_first"),
        (vec![("cookie", badge.as_str())], 403, "origin"),
        (vec![("cookie", badge.as_str()), ("origin", evil)], 403, "origin"),
        (vec![("cookie", badge.as_str()), ("origin", "null")], 403, "origin"),
        // Who may listen may not speak.
        (vec![("cookie", badge.as_str()), ("origin", "https://desk.example.com")], 403, "origin"),
    ] {
        let Err(Error::Http(refused)) = open(&house, "/phone/media", &headers).await else {
            panic!("let in: {headers:?}")
        };
        let body = String::from_utf8(refused.body().clone().unwrap()).unwrap();
        assert_eq!(refused.status().as_u16(), status, "{headers:?} {body}");
        assert!(body.contains(&format!("\"reason\":\"{reason}\"")), "{headers:?} {body}");
    }
    let both = [("cookie", badge.as_str()), ("origin", HOME)];
    let Err(Error::Http(refused)) = open(&house, "/twilio-media", &both).await else {
        panic!("a badge opens Twilio's door")
    };
    assert_eq!(refused.status().as_u16(), 403);
    for path in ["/businesses/business-1/call", "/phone/over"] {
        let stranger = ask(&house, Request::post(path).header("origin", HOME), "seal=x").await;
        assert_eq!(stranger.status.as_u16(), 401, "{path}");
        let got =
            ask(&house, Request::builder().method(Method::GET).uri(path).header("cookie", &badge), "").await;
        assert_eq!(got.status.as_u16(), 405, "{path}");
    }
    assert!(house.app.registry.is_empty());
}

#[tokio::test]
async fn a_pass_is_good_once_and_at_the_door_it_was_made_for() {
    let house = House::new().await;
    let badge = log_in(&house).await;
    let told = pressed(&house, &badge, "business-1").await;
    assert_eq!(refusal(opened_by_twilio(&house).await, start(&told)).await, "foreign_token");
    let mut first = opened(&house, &badge).await;
    first.send(start(&told)).await.unwrap();
    let call = call_of(&told);
    house.until("the call does not meet its page", async || !house.app.bridge.is_waiting(&call, 1)).await;
    assert_eq!(refusal(opened(&house, &badge).await, start(&told)).await, "used_token");
    let answer = house.post("/twilio-voice", &RINGING).await;
    let parameters = json!({"token": answer.token()});
    let callers = json!({"call": CALL, "account": ACCOUNT, "stream": "MZ1", "parameters": parameters});
    assert_eq!(refusal(opened(&house, &badge).await, start(&callers)).await, "foreign_token");
    assert!(house.waits(1), "the caller's pass is still good");
    let none = json!({"call": CALL, "account": "frontdesk", "stream": "MZ1", "parameters": {}});
    assert_eq!(refusal(opened(&house, &badge).await, start(&none)).await, "no_token");
}

#[tokio::test]
async fn where_a_caller_would_not_get_the_model_the_page_says_what_they_would_get() {
    let house = House::new().await;
    let badge = log_in(&house).await;
    assert_eq!(
        pressed(&house, &badge, "nobody").await,
        json!({"instead": "There is no business of this id any more."})
    );
    for _ in 0..MOST_CALLS {
        assert!(pressed(&house, &badge, "business-1").await["call"].is_string());
    }
    for (business, says) in [
        ("business-1", "A caller would be put through to the front office."),
        ("business-2", "“Please write to sol@example.com.”"),
        ("business-3", "A caller would be asked to leave a message after a tone."),
    ] {
        let told = pressed(&house, &badge, business).await;
        let instead = told["instead"].as_str().unwrap();
        assert!(instead.starts_with("This instance carries as many") && instead.ends_with(says), "{told}");
    }
    let planless = House::without_plans().await;
    let badge = log_in(&planless).await;
    let told = pressed(&planless, &badge, "business-1").await;
    assert!(told["instead"].as_str().unwrap().starts_with("Its plan, premium, cannot be read."), "{told}");
}

#[tokio::test]
async fn a_page_is_told_how_its_own_call_ended_and_of_no_other() {
    let house = House::new().await;
    house.keep(1, None).await;
    let badge = log_in(&house).await;
    let seal = seal(&ask(&house, get("/businesses/business-1").header("cookie", &badge), "").await);
    let over = async |call: &str| {
        let asked = post("/phone/over").header("cookie", &badge);
        ask(&house, asked, &format!("seal={seal}&call={call}")).await
    };
    for call in ["", "CA9", CALL] {
        assert_eq!(over(call).await.status.as_u16(), 404, "{call}");
    }
    let told = pressed(&house, &badge, "business-1").await;
    let call = call_of(&told);
    let mut socket = opened(&house, &badge).await;
    socket.send(start(&told)).await.unwrap();
    socket.send(Message::text(r#"{"event":"stop"}"#)).await.unwrap();
    let answer = over(call.as_str()).await;
    assert_eq!(answer.json(), json!({"kind": "good", "says": "You hung up."}));
    let kept = house.store.call(&call).await.unwrap().unwrap();
    assert_eq!(kept.ending, Some(Ending::CallerHungUp));
}

#[tokio::test]
async fn the_microphone_is_for_the_page_with_the_telephone_alone() {
    let house = House::new().await;
    let badge = log_in(&house).await;
    for path in PAGES.into_iter().chain(["/login", "/assets/phone.js"]) {
        let page = ask(&house, get(path).header("cookie", &badge), "").await;
        let allowed = page.headers["permissions-policy"].to_str().unwrap().contains("microphone=(self)");
        assert_eq!(allowed, path == "/businesses/business-1", "{path}");
        assert_eq!(page.body.contains("id=\"phone\""), allowed, "{path}");
    }
}
