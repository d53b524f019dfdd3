//! The REST client against a small server that answers what a test tells it to.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::clients::tls_with_public_roots;
use crate::domain::{Pii, RecordingSid};

const NOT_FOUND: &str = r#"{"code":20404,"message":"The requested resource was not found","status":404}"#;

fn account() -> AccountSid {
    AccountSid::parse("AC1").unwrap()
}

fn call() -> CallSid {
    CallSid::parse("CA1").unwrap()
}

fn client(base: &str) -> TwilioRest {
    let credentials = Credentials::ApiKey { key: "SK1".to_owned(), secret: SecretString::from("hush") };
    TwilioRest::new(base, credentials, &tls_with_public_roots().unwrap()).unwrap()
}

/// Answers with `responses` in turn, a connection each, and returns the requests it saw.
async fn serve(listener: TcpListener, responses: &[(u16, &str)]) -> Vec<String> {
    let mut seen = Vec::new();
    for (status, body) in responses {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        loop {
            let read = tcp.read_buf(&mut request).await.unwrap();
            let text = String::from_utf8_lossy(&request);
            let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                let length = head.lines().find_map(|l| l.strip_prefix("content-length: "));
                length.is_none_or(|length| body.len() >= length.parse().unwrap())
            });
            if whole || read == 0 {
                break;
            }
        }
        seen.push(String::from_utf8(request).unwrap());
        let head =
            format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        tcp.write_all((head + body).as_bytes()).await.unwrap();
        tcp.shutdown().await.unwrap();
    }
    seen
}

async fn hang_up_against(responses: &[(u16, &str)]) -> (Result<Done, RestError>, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(&format!("http://{}", listener.local_addr().unwrap()));
    let (account, call) = (account(), call());
    tokio::join!(client.hang_up(&account, &call), serve(listener, responses))
}

#[tokio::test]
async fn hanging_up_is_one_form_post_with_basic_auth_under_the_calls_own_account() {
    let (done, seen) = hang_up_against(&[(200, "{}")]).await;
    assert_eq!(done.unwrap(), Done::Changed);
    let [request] = &seen[..] else { panic!("{} requests", seen.len()) };
    assert!(request.starts_with("POST /2010-04-01/Accounts/AC1/Calls/CA1.json HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("authorization: Basic U0sxOmh1c2g="), "{request}");
    assert!(request.contains("content-type: application/x-www-form-urlencoded"), "{request}");
    assert!(request.ends_with("\r\n\r\nStatus=completed"), "{request}");
}

#[tokio::test]
async fn a_transfer_sends_the_twiml_as_one_field() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(&format!("http://{}/", listener.local_addr().unwrap()));
    let (account, call) = (account(), call());
    let transfer = client.transfer(&account, &call, "<Response><Dial>+1 & 2</Dial></Response>");
    let (done, seen) = tokio::join!(transfer, serve(listener, &[(200, "{}")]));
    assert_eq!(done.unwrap(), Done::Changed);
    let form = "Twiml=%3CResponse%3E%3CDial%3E%2B1+%26+2%3C%2FDial%3E%3C%2FResponse%3E";
    assert!(seen[0].ends_with(form), "{}", seen[0]);
}

#[tokio::test]
async fn too_many_requests_are_asked_again() {
    let (done, seen) = hang_up_against(&[(429, r#"{"code":20429}"#), (200, "{}")]).await;
    assert_eq!((done.unwrap(), seen.len()), (Done::Changed, 2));
}

#[tokio::test]
async fn a_call_that_is_over_already_is_no_error() {
    for over in [(404, NOT_FOUND), (400, r#"{"code":21220}"#)] {
        let (done, seen) = hang_up_against(&[over]).await;
        assert_eq!((done.unwrap(), seen.len()), (Done::AlreadyOver, 1), "{over:?}");
    }
}

#[tokio::test]
async fn a_404_of_somebody_else_is_not_taken_for_twilios() {
    let (done, _) = hang_up_against(&[(404, "<html>no such page</html>")]).await;
    assert!(matches!(done, Err(RestError::Refused { status: 404, code: None })), "{done:?}");
}

#[tokio::test]
async fn after_four_failures_it_is_given_up() {
    let (done, seen) = hang_up_against(&[(500, ""), (503, ""), (502, "x"), (500, "{}")]).await;
    let error = done.unwrap_err();
    assert!(error.is_temporary() && matches!(error, RestError::Refused { status: 500, .. }), "{error:?}");
    assert_eq!(seen.len(), 4);
}

#[tokio::test]
async fn a_wrong_key_is_not_tried_twice_and_the_error_has_twilios_code_and_no_secret() {
    let (done, seen) = hang_up_against(&[(401, r#"{"code":20003,"message":"Authenticate"}"#)]).await;
    let error = done.unwrap_err();
    assert_eq!((seen.len(), error.is_temporary()), (1, false));
    assert!(error.to_string().contains("20003"), "{error}");
    let shown = format!("{error:?} {error} {:?}", client("http://localhost"));
    assert!(!shown.contains("hush") && !shown.contains("SK1"), "{shown}");
}

#[tokio::test]
async fn a_transfer_whose_answer_was_lost_is_not_repeated() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(&format!("http://{}", listener.local_addr().unwrap()));
    let (account, call) = (account(), call());
    let serve = async {
        let (tcp, _) = listener.accept().await.unwrap();
        drop(tcp);
    };
    let (done, ()) = tokio::join!(client.transfer(&account, &call, "<Response/>"), serve);
    assert!(matches!(done, Err(RestError::Unreachable(_))), "{done:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = client(&base).hang_up(&account(), &call()).await.unwrap_err();
    assert!(matches!(error, RestError::Unreachable(_)) && error.is_temporary(), "{error:?}");
}

/// What a look at `base` finds, against these answers.
async fn look_against<T>(
    responses: &[(u16, &str)],
    look: impl AsyncFnOnce(TwilioRest) -> Result<T, RestError>,
) -> (Result<T, RestError>, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(&format!("http://{}", listener.local_addr().unwrap()));
    tokio::join!(look(client), serve(listener, responses))
}

#[tokio::test]
async fn a_call_is_looked_at_and_nothing_of_it_read_but_where_it_stands() {
    let body = r#"{"sid":"CA1","status":"in-progress","direction":"inbound","from":"+14155550123",
        "date_created":"Fri, 20 Nov 2026 15:04:05 +0000","price":null,"new_field":[1]}"#;
    let (found, seen) =
        look_against(&[(200, body)], async |rest| rest.standing(&account(), &call()).await).await;
    let standing = found.unwrap().unwrap();
    assert_eq!((standing.status.as_str(), standing.direction.as_str()), ("in-progress", "inbound"));
    assert_eq!(standing.began_ms, Some(1_795_187_045_000));
    assert!(!format!("{standing:?}").contains("555"), "{standing:?}");
    assert!(seen[0].starts_with("GET /2010-04-01/Accounts/AC1/Calls/CA1.json HTTP/1.1"), "{}", seen[0]);
    assert!(seen[0].contains("authorization: Basic U0sxOmh1c2g="), "{}", seen[0]);
}

#[tokio::test]
async fn a_look_is_made_once_and_says_what_it_found() {
    let standing = async |responses: &[(u16, &str)]| {
        look_against(responses, async |rest| rest.standing(&account(), &call()).await).await.0
    };
    assert_eq!(standing(&[(404, NOT_FOUND)]).await.unwrap(), None);
    let busy = standing(&[(429, r#"{"code":20429}"#)]).await.unwrap_err();
    assert!(busy.is_temporary(), "{busy}");
    for garbage in ["", "<html>", r#"{"status":"completed"}"#] {
        let unreadable = standing(&[(200, garbage)]).await.unwrap_err();
        assert!(matches!(unreadable, RestError::Unreadable) && !unreadable.is_temporary(), "{garbage}");
    }
}

#[tokio::test]
async fn the_list_is_read_page_by_page_and_our_credentials_go_nowhere_else() {
    let page = |sid: &str, next: &str| {
        format!(
            r#"{{"calls":[{{"sid":"{sid}","status":"in-progress"}},{{"sid":"no name!"}}],"next_page_uri":{next}}}"#
        )
    };
    let list = async |pages: [&str; 2]| {
        let responses = pages.map(|page| (200, page));
        let responses = responses.into_iter().filter(|(_, page)| !page.is_empty()).collect::<Vec<_>>();
        look_against(&responses, async |rest| rest.in_progress(&account()).await).await
    };
    let next =
        r#""/2010-04-01/Accounts/AC1/Calls.json?Status=in-progress&PageSize=1000&Page=1&PageToken=PA1""#;
    let (found, seen) = list([&page("CA1", next), &page("CA2", "null")]).await;
    let found = found.unwrap();
    let calls: Vec<_> = found.calls.iter().map(|standing| standing.call.as_str()).collect();
    assert_eq!((calls, found.complete), (vec!["CA1", "CA2"], true));
    assert!(seen[0].starts_with("GET /2010-04-01/Accounts/AC1/Calls.json?Status=in-progress&PageSize=1000 "));
    assert!(seen[1].contains("Page=1&PageToken=PA1"), "{}", seen[1]);
    let elsewhere = list([&page("CA1", r#""https://evil.example/Calls.json""#), ""]).await;
    assert!(matches!(elsewhere.0, Err(RestError::Unreadable)));
}

#[tokio::test]
async fn a_call_is_redirected_once_unless_it_surely_was_not() {
    let (account, call) = (account(), call());
    let next = "https://voice.example.com/twilio-next";
    let redirect = async |rest: TwilioRest| rest.redirect(&account, &call, next).await;
    let (done, seen) = look_against(&[(429, r#"{"code":20429}"#), (200, "{}")], redirect).await;
    assert_eq!((done.unwrap(), seen.len()), (Done::Changed, 2), "a 429 was never heard");
    assert!(seen[0].ends_with("Url=https%3A%2F%2Fvoice.example.com%2Ftwilio-next"), "{}", seen[0]);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rest = client(&format!("http://{}", listener.local_addr().unwrap()));
    let hangs_up = async {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let _read = tcp.read_u8().await.unwrap();
    };
    let (done, ()) = tokio::join!(rest.redirect(&account, &call, next), hangs_up);
    assert!(matches!(done, Err(RestError::Unreachable(_))), "{done:?}");
}

async fn heard_against(responses: &[(u16, &str)]) -> (Result<String, RestError>, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(&format!("http://{}", listener.local_addr().unwrap()));
    let hear = async {
        let mut audio = client.recording(&account(), &RecordingSid::parse("RE1").unwrap()).await?;
        let mut whole = Vec::new();
        while let Some(piece) = audio.next().await? {
            whole.extend(piece);
        }
        assert_eq!(audio.size(), Some(whole.len() as u64));
        Ok(String::from_utf8(whole).unwrap())
    };
    tokio::join!(hear, serve(listener, responses))
}

#[tokio::test]
async fn the_audio_of_a_recording_is_asked_for_once_with_basic_auth_under_its_own_account() {
    let (heard, seen) = heard_against(&[(200, "RIFF")]).await;
    assert_eq!(heard.unwrap(), "RIFF");
    assert!(seen[0].starts_with("GET /2010-04-01/Accounts/AC1/Recordings/RE1.wav HTTP/1.1\r\n"), "{seen:?}");
    assert!(seen[0].contains("authorization: Basic U0sxOmh1c2g="), "{seen:?}");
    let (heard, seen) = heard_against(&[(404, NOT_FOUND)]).await;
    let refused = heard.unwrap_err();
    assert!(matches!(refused, RestError::Refused { status: 404, code: Some(20_404) }), "{refused:?}");
    assert_eq!(seen.len(), 1);
}

#[tokio::test]
async fn a_recording_that_is_none_by_its_size_is_not_taken() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(&format!("http://{}", listener.local_addr().unwrap()));
    let recording = RecordingSid::parse("RE1").unwrap();
    let account = account();
    let serve = async {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        tcp.read_buf(&mut request).await.unwrap();
        let head = format!("HTTP/1.1 200 X\r\ncontent-length: {}\r\n\r\n", audio::MOST_AUDIO_BYTES + 1);
        tcp.write_all(head.as_bytes()).await.unwrap();
    };
    let (heard, ()) = tokio::join!(client.recording(&account, &recording), serve);
    assert!(matches!(heard, Err(RestError::TooLarge)), "{heard:?}");
}

#[tokio::test]
async fn numbers_are_read_with_their_webhooks_and_without_what_stands_behind_them() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(&format!("http://{}", listener.local_addr().unwrap()));
    let page = [(
        200,
        r#"{"incoming_phone_numbers":[
        {"phone_number":"+15551234567","voice_url":"https://h/voice?from=%2B1415","voice_method":"POST","trunk_sid":""},
        {"phone_number":"+15551234568","voice_url":null,"voice_method":"GET","voice_application_sid":"AP1"}]}"#,
    )];
    let account = account();
    let (numbers, seen) = tokio::join!(client.numbers(&account), serve(listener, &page));
    let start = "GET /2010-04-01/Accounts/AC1/IncomingPhoneNumbers.json?PageSize=100 HTTP/1.1";
    assert!(seen[0].starts_with(start), "{}", seen[0]);
    let numbers = numbers.unwrap();
    assert_eq!((numbers[0].voice_url.as_str(), numbers[0].elsewhere), ("https://h/voice", false));
    assert_eq!((numbers[1].voice_url.as_str(), numbers[1].elsewhere), ("", true));
    assert!(!format!("{numbers:?}").contains("+1555"), "a number is personal");
}

#[tokio::test]
async fn errors_are_asked_for_since_a_time_and_told_without_their_queries() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(&format!("http://{}", listener.local_addr().unwrap()));
    let page = [(
        200,
        r#"{"alerts":[
        {"error_code":"31920","date_generated":"2026-11-20T10:00:00Z","request_url":"wss://h/media?to=%2B1415"},
        {"error_code":null},{"error_code":"many"}]}"#,
    )];
    let (alerts, seen) = tokio::join!(client.alerts(1_763_632_800_000), serve(listener, &page));
    let start = "GET /v1/Alerts?LogLevel=error&StartDate=2025-11-20T10%3A00%3A00Z&PageSize=30 HTTP/1.1";
    assert!(seen[0].starts_with(start), "{}", seen[0]);
    let alerts = alerts.unwrap();
    assert_eq!((alerts.len(), alerts[0].code, alerts[0].url.as_str()), (1, 31_920, "wss://h/media"));
}

#[tokio::test]
async fn the_region_of_a_number_is_where_its_calls_are_processed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(&format!("http://{}", listener.local_addr().unwrap()));
    let number = Pii::new("+15551234567".to_owned());
    let answer = [(200, r#"{"voice_region":"ie1","sid":"QQ1"}"#)];
    let (region, seen) = tokio::join!(client.region_of(&number), serve(listener, &answer));
    assert!(seen[0].starts_with("GET /v2/PhoneNumbers/+15551234567 HTTP/1.1"), "{}", seen[0]);
    assert_eq!(region.unwrap(), "ie1");
}

#[test]
fn what_twilio_keeps_beside_calls_is_on_hosts_of_its_own() {
    let at = |base: &str| client(base).beside("monitor", "/v1/Alerts").unwrap().to_string();
    assert_eq!(at("https://api.twilio.com"), "https://monitor.twilio.com/v1/Alerts");
    assert_eq!(at("https://api.dublin.ie1.twilio.com"), "https://monitor.dublin.ie1.twilio.com/v1/Alerts");
    assert_eq!(at("http://127.0.0.1:8080"), "http://127.0.0.1:8080/v1/Alerts");
}
