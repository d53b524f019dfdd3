//! Voicemails as an operator's program meets them, and a Twilio that has their audio, or has it not.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use tokio::net::TcpListener;

use super::*;
use crate::clients::{Credentials, TwilioRest, tls_with_public_roots};
use crate::domain::{AccountSid, CallSid, Pii, RecordingSid, Voicemail};
use crate::http::house::{CALL, Furniture, NOW_MS};
use crate::lifecycle::Tasks;
use crate::store::{Directory as _, Ledger as _, Sqlite};

const VOICEMAILS: &str = "/api/businesses/business-1/voicemails";

/// What Twilio has of a recording, if its name is no HTTP status.
const AUDIO: &str = "RIFF and so on";

/// Twilio's REST interface, as far as audio goes.
async fn twilio() -> TwilioRest {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new().route(
        "/2010-04-01/Accounts/AC1/Recordings/{file}",
        get(async |headers: HeaderMap, Path(file): Path<String>| {
            assert_eq!(headers["authorization"], "Basic U0sxOmh1c2g=");
            let name = file.strip_prefix("RE").unwrap().strip_suffix(".wav").unwrap();
            let status = name.parse().ok().and_then(|status| StatusCode::from_u16(status).ok());
            (status.unwrap_or(StatusCode::OK), AUDIO)
        }),
    );
    Tasks::new().spawn_background("twilio", async move { axum::serve(listener, routes).await.unwrap() });
    let credentials = Credentials::ApiKey { key: "SK1".to_owned(), secret: "hush".into() };
    TwilioRest::new(&base, credentials, &tls_with_public_roots().unwrap()).unwrap()
}

async fn operator(twilio: Option<TwilioRest>) -> Operator {
    let store = Sqlite::open("sqlite::memory:").await.unwrap();
    let mut import = one_business();
    import.businesses[0].id = BusinessId::parse("business-1").unwrap();
    store.import(&import).await.unwrap();
    Operator::of(House::furnished(Furniture { twilio, ..Furniture::of(&store) }))
}

async fn leave(operator: &Operator, recording: &str) {
    let voicemail = Voicemail {
        recording: RecordingSid::parse(recording).unwrap(),
        call: CallSid::parse(CALL).unwrap(),
        account: AccountSid::parse("AC1").unwrap(),
        business: BusinessId::parse("business-1").unwrap(),
        from: Pii::new("+14155550123".to_owned()),
        to: Pii::new("+15551234567".to_owned()),
        url: Pii::new("https://169.254.169.254/never-asked".to_owned()),
        length_ms: 7_000,
        left_ms: NOW_MS,
    };
    operator.house.store.keep_voicemail(&voicemail, None).await.unwrap();
}

#[tokio::test]
async fn voicemails_are_listed_for_their_business() {
    let operator = operator(None).await;
    assert_eq!(operator.get(VOICEMAILS).await.json(), json!({"items": []}));
    leave(&operator, "RE1").await;
    let expected = json!({"items": [{"recordingSid": "RE1", "callSid": CALL, "from": "+14155550123",
        "to": "+15551234567", "lengthMs": 7_000, "leftAt": "2026-09-21T14:13:20.000Z"}]});
    assert_eq!(operator.get(VOICEMAILS).await.json(), expected);
    let nobody = operator.get("/api/businesses/nobody/voicemails").await;
    assert_eq!(problem(&nobody), (404, "not-found".to_owned()));
}

#[tokio::test]
async fn the_audio_of_a_voicemail_comes_from_twilio_by_our_credentials() {
    let operator = operator(Some(twilio().await)).await;
    leave(&operator, "REgood").await;
    let answer = operator.get(&format!("{VOICEMAILS}/REgood/audio")).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, AUDIO));
    assert_eq!(answer.headers["content-type"], "audio/wav");
    assert_eq!(answer.headers["content-length"], AUDIO.len().to_string());
    assert_eq!(answer.headers["content-disposition"], "attachment; filename=\"REgood.wav\"");
}

#[tokio::test]
async fn a_voicemail_that_cannot_be_heard_says_why() {
    let operator = operator(Some(twilio().await)).await;
    for (recording, status, name) in [
        ("RE404", 404, "not-found"),
        ("RE429", 503, "twilio-away"),
        ("RE500", 503, "twilio-away"),
        ("RE401", 502, "twilio-refused"),
        ("RE302", 502, "twilio-refused"),
    ] {
        leave(&operator, recording).await;
        let answer = operator.get(&format!("{VOICEMAILS}/{recording}/audio")).await;
        assert_eq!(problem(&answer), (status, name.to_owned()), "{recording}");
        assert_eq!(answer.headers.contains_key("retry-after"), status == 503, "{recording}");
        assert!(!answer.body.contains("hush") && !answer.body.contains("SK1"), "{}", answer.body);
    }
    for unknown in
        [format!("{VOICEMAILS}/RE9/audio"), "/api/businesses/business-2/voicemails/RE404/audio".into()]
    {
        assert_eq!(problem(&operator.get(&unknown).await), (404, "not-found".to_owned()), "{unknown}");
    }
}

#[tokio::test]
async fn without_credentials_nothing_is_heard() {
    let operator = operator(None).await;
    leave(&operator, "REgood").await;
    let answer = operator.get(&format!("{VOICEMAILS}/REgood/audio")).await;
    assert_eq!(problem(&answer), (501, "no-twilio".to_owned()));
}

#[tokio::test]
async fn a_twilio_that_is_not_there_is_asked_again_later() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let credentials = Credentials::ApiKey { key: "SK1".to_owned(), secret: "hush".into() };
    let nobody = TwilioRest::new(&base, credentials, &tls_with_public_roots().unwrap()).unwrap();
    let operator = operator(Some(nobody)).await;
    leave(&operator, "REgood").await;
    let answer = operator.get(&format!("{VOICEMAILS}/REgood/audio")).await;
    assert_eq!(problem(&answer), (503, "twilio-away".to_owned()));
}
