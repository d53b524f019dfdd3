//! The actors over loopback, against small servers written here.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{RawForm, State};
use axum::http::{HeaderMap, header};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{accept_hdr_async, connect_async};

use super::*;
use crate::audio::wav;
use crate::domain::{AccountSid, PhoneNumber, PublicUrl, StreamSid};
use crate::sim::model::{ModelFault, Reply, Script};
use crate::sim::{Act, Step, When, tone};
use crate::wire::twilio::form::Pairs;
use crate::wire::twilio::media::{FromTwilio, ToTwilio};
use crate::wire::twilio::signature::sign;
use crate::wire::twilio::twiml::{ConnectStream, Record, Twiml, Verb};

const TOKEN: &str = "2b7e151628aed2a6abf7158809cf4f3c";

fn account() -> AccountSid {
    AccountSid::parse("AC00000000000000000000000000000001").unwrap()
}

/// A webhook that answers `/voice` with a stream and `/next` with a transfer; both check the signature.
struct Webhook {
    base: String,
    stream: String,
}

async fn webhook(stream: String, serving: &mut JoinSet<()>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let state = Arc::new(Webhook { base: base.clone(), stream });
    let answer = |path: &'static str, twiml: fn(&Webhook, &Pairs) -> Twiml| {
        post(
            move |State(state): State<Arc<Webhook>>, headers: HeaderMap, RawForm(body): RawForm| async move {
                let form = Pairs::parse(&body).unwrap();
                let expected = sign(TOKEN, &format!("{}{path}", state.base), form.as_slice());
                assert_eq!(headers["x-twilio-signature"], expected.as_str());
                ([(header::CONTENT_TYPE, "text/xml")], twiml(&state, &form).to_xml())
            },
        )
    };
    let router = Router::new()
        .route(
            "/voice",
            answer("/voice", |state, _| {
                let connect = ConnectStream {
                    action: format!("{}/next", state.base),
                    stream: PublicUrl::parse(&state.stream).unwrap().stream("/media"),
                    status_callback: format!("{}/stream", state.base),
                    parameters: vec![("token".to_owned(), "pass".to_owned())],
                };
                Twiml::connect_stream(connect, format!("{}/next", state.base))
            }),
        )
        .route(
            "/next",
            answer("/next", |state, _| {
                let (number, action) =
                    (PhoneNumber::parse("+15550001111").unwrap(), format!("{}/dial", state.base));
                Twiml(vec![Verb::Dial { caller_id: None, number, timeout_s: 20, action }])
            }),
        )
        .route(
            "/dial",
            answer("/dial", |_, form| {
                Twiml::say_and_hang_up(format!("It was {}.", form.first("DialCallStatus").unwrap()), None)
            }),
        )
        .route(
            "/mailbox",
            answer("/mailbox", |state, _| {
                let record = Record {
                    action: format!("{}/left", state.base),
                    status_callback: format!("{}/recording", state.base),
                    max_length_s: 2,
                    timeout_s: 1,
                    finish_on_key: "#".to_owned(),
                    play_beep: true,
                };
                let nothing = Verb::Say { text: "Nothing.".to_owned(), language: None };
                Twiml(vec![Verb::Record(Box::new(record)), nothing])
            }),
        )
        .route(
            "/left",
            answer("/left", |_, form| {
                assert!(form.first("RecordingUrl").unwrap().contains("/Recordings/RE"));
                let said = |name| form.first(name).unwrap();
                let text = format!("{:?} {}", said("Digits"), said("RecordingDuration"));
                Twiml::say_and_hang_up(text, None)
            }),
        )
        .route(
            "/recording",
            answer("/recording", |_, form| {
                assert!(
                    form.first("From").is_none() && form.first("RecordingSid").unwrap().starts_with("RE")
                );
                let (status, length) = (form.first("RecordingStatus"), form.first("RecordingDuration"));
                assert_eq!(status == Some("absent"), length == Some("0"));
                Twiml::default()
            }),
        )
        .route(
            "/stream",
            answer("/stream", |_, form| {
                assert!(form.first("StreamSid").unwrap().starts_with("MZ"));
                Twiml::default()
            }),
        )
        .with_state(state);
    serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
    base
}

/// What a media server does when its tone was played.
#[derive(Clone)]
enum Then {
    Close,
    Order { url: String, form: &'static str },
}

/// A media server that plays 200 ms, waits for its mark, and then ends the call one way or the other.
async fn media_server(then: impl FnOnce(&str) -> Then + Send + 'static, serving: &mut JoinSet<()>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let url = format!("{}/media", base.replace("http", "ws"));
    serving.spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        #[expect(clippy::result_large_err, reason = "the library's callback has this type")]
        let check = |request: &Request, response: Response| {
            let headers = request.headers();
            assert_eq!(headers["x-twilio-signature"], sign(TOKEN, &url, &[]).as_str());
            assert_eq!(headers["user-agent"], "Twilio.TmeWs/1.0");
            for absent in ["origin", "sec-websocket-protocol", "sec-websocket-extensions"] {
                assert!(!headers.contains_key(absent), "{absent}");
            }
            Ok(response)
        };
        let mut socket = accept_hdr_async(stream, check).await.unwrap();
        let mut then = Some(then);
        let mut ending = None;
        let mut stopped = false;
        while let Some(Ok(message)) = socket.next().await {
            let Message::Text(text) = message else { break };
            match FromTwilio::parse(&text.as_str().into()).unwrap() {
                FromTwilio::Start(start) => {
                    assert_eq!(start.custom_parameters.reveal()["token"], "pass");
                    ending = then.take().map(|then| then(start.call_sid.as_str()));
                    let audio = STANDARD.encode(tone::sine(440, 200));
                    for words in [ToTwilio::Media(audio.as_str().into()), ToTwilio::Mark("played".into())] {
                        socket.send(written(&words, &start.stream_sid)).await.unwrap();
                    }
                }
                FromTwilio::Mark(_) => match ending.take().unwrap() {
                    Then::Close => socket.close(None).await.unwrap(),
                    Then::Order { url, form } => {
                        let client = reqwest::Client::builder().no_proxy().build().unwrap();
                        let request = client.post(url).basic_auth(account().as_str(), Some("secret"));
                        let request =
                            request.header("content-type", "application/x-www-form-urlencoded").body(form);
                        assert_eq!(request.send().await.unwrap().status(), 200);
                    }
                },
                FromTwilio::Stop => stopped = true,
                FromTwilio::Connected
                | FromTwilio::Media { .. }
                | FromTwilio::Dtmf(_)
                | FromTwilio::Other(_) => {}
            }
        }
        assert!(stopped || ending.is_none());
    });
    base
}

fn written(words: &ToTwilio, stream: &StreamSid) -> Message {
    let mut out = String::new();
    words.write(stream, &mut out);
    Message::text(out)
}

fn plan(base: &str) -> CallPlan {
    let mut plan =
        CallPlan::new(format!("{base}/voice"), TOKEN, account(), "+15551234567", "+14155550123").unwrap();
    plan.dials = vec![DialResult::NoAnswer];
    plan.longest = Duration::from_secs(20);
    plan
}

fn kinds(report: &PhoneReport) -> Vec<String> {
    let word = |event: &PhoneEvent| format!("{event:?}").split([' ', '(']).next().unwrap().to_owned();
    report.events.iter().map(|(_, event)| word(event)).collect()
}

#[tokio::test]
async fn a_stream_that_the_server_closes_goes_on_with_the_twiml() {
    let mut serving = JoinSet::new();
    let stream = media_server(|_| Then::Close, &mut serving).await;
    let base = webhook(stream, &mut serving).await;
    let report = Phone::new(None).unwrap().call(plan(&base)).await;
    assert_eq!(report.problems(), Vec::<String>::new());
    assert_eq!(
        kinds(&report),
        [
            "Asked",
            "Answered",
            "StreamAsked",
            "Upgraded",
            "Started",
            "FirstAudio",
            "MarkBack",
            "ServerClosed",
            "Asked",
            "Answered",
            "Dialled",
            "Asked",
            "Answered",
            "Said",
            "Over"
        ]
    );
    let said = report.events.iter().find_map(|(_, event)| {
        if let PhoneEvent::Said(text) = event { Some(text.reveal().clone()) } else { None }
    });
    assert_eq!(said.as_deref(), Some("It was no-answer."));
    let first = report.when(|event| *event == PhoneEvent::FirstAudio).unwrap();
    let mark = report.when(|event| matches!(event, PhoneEvent::MarkBack(_))).unwrap();
    assert!(mark.since(first) >= Duration::from_millis(195), "a mark comes back when its audio was played");
    assert_eq!(report.streams[0].playout().pieces()[0].played, 1_600);
}

#[tokio::test]
async fn an_order_of_the_rest_interface_ends_the_call_or_moves_it() {
    for (form, last) in [("Status=completed", "Ordered"), ("Twiml=<Response><Hangup/></Response>", "Ordered")]
    {
        let mut serving = JoinSet::new();
        let rest = RestServer::start(RestPlan {
            account: account(),
            user: account().as_str().to_owned(),
            password: "secret".to_owned(),
            refusals: Vec::new(),
        })
        .await
        .unwrap();
        let url = rest.url();
        let then = move |call: &str| Then::Order {
            url: format!("{url}/2010-04-01/Accounts/{}/Calls/{call}.json", account()),
            form,
        };
        let stream = media_server(then, &mut serving).await;
        let base = webhook(stream, &mut serving).await;
        let report = Phone::new(Some(rest.line())).unwrap().call(plan(&base)).await;
        assert_eq!(report.problems(), Vec::<String>::new());
        let kinds = kinds(&report);
        assert_eq!(kinds[kinds.len() - 3..], [last, "Stopped", "Over"]);
        assert_eq!(rest.requests()[0].status, 200);
    }
}

#[tokio::test]
async fn the_rest_interface_refuses_strangers_and_calls_that_are_over() {
    let rest = RestServer::start(RestPlan {
        account: account(),
        user: "SK1".to_owned(),
        password: "secret".to_owned(),
        refusals: vec![429],
    })
    .await
    .unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/2010-04-01/Accounts/{}/Calls/CA1.json", rest.url(), account());
    for (password, status, code) in [("secret", 429, 20_429), ("wrong", 401, 20_003), ("secret", 404, 20_404)]
    {
        let request = client
            .post(&url)
            .basic_auth("SK1", Some(password))
            .header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body("Status=completed").send().await.unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["code"], code);
    }
}

#[tokio::test]
async fn a_stream_that_cannot_be_opened_is_a_problem_and_the_twiml_goes_on() {
    let mut serving = JoinSet::new();
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let base = webhook(format!("http://{nobody}"), &mut serving).await;
    let mut plan = plan(&base);
    plan.dials = vec![DialResult::Completed];
    let report = Phone::new(None).unwrap().call(plan).await;
    assert!(report.problems()[0].starts_with("31920"), "{:?}", report.problems());
    assert!(report.events.iter().any(|(_, event)| matches!(event, PhoneEvent::Dialled { .. })));
}

#[tokio::test]
async fn a_caller_who_hangs_up_ends_the_call() {
    let mut serving = JoinSet::new();
    let stream = media_server(|_| Then::Close, &mut serving).await;
    let base = webhook(stream, &mut serving).await;
    let mut plan = plan(&base);
    plan.caller = vec![Step { when: When::After(0), act: Act::HangUp }];
    let report = Phone::new(None).unwrap().call(plan).await;
    let kinds = kinds(&report);
    assert_eq!(kinds[kinds.len() - 2..], ["Stopped", "Over"]);
}

#[tokio::test]
async fn a_caller_is_recorded_until_a_key_silence_the_longest_time_or_the_end() {
    let mut serving = JoinSet::new();
    let base = webhook("ws://127.0.0.1:9".to_owned(), &mut serving).await;
    let speaks = |ms| Step { when: When::AfterSilence(100), act: Act::Say(tone::sine(220, ms)) };
    let then = |act| Step { when: When::After(60), act };
    let calls = [
        (vec![speaks(300), then(Act::Press('5')), then(Act::Press('#'))], 300, Some("\"#\" 1")),
        (vec![speaks(300)], 300, Some("\"\" 1")),
        (vec![speaks(9_000)], 1_920, Some("\"\" 2")),
        (vec![speaks(300), then(Act::HangUp)], 300, None),
        (vec![], 0, Some("Nothing.")),
        (vec![Step { when: When::AfterSilence(100), act: Act::HangUp }], 0, None),
    ];
    let stories = calls.into_iter().map(|(caller, length_ms, last_words)| {
        let webhook = format!("{base}/mailbox");
        async move {
            let plan = CallPlan { webhook, caller, ..plan("") };
            let report = Phone::new(None).unwrap().call(plan).await;
            assert_eq!(report.problems(), Vec::<String>::new());
            let recorded = report.events.iter().find_map(|(_, event)| {
                if let PhoneEvent::Recorded { length_ms } = event { Some(*length_ms) } else { None }
            });
            assert_eq!(recorded, Some(length_ms), "{:?}", kinds(&report));
            let said = report.events.iter().find_map(|(_, event)| {
                if let PhoneEvent::Said(text) = event { Some(text.reveal().clone()) } else { None }
            });
            assert_eq!(said.as_deref(), last_words, "{:?}", kinds(&report));
        }
    });
    futures_util::future::join_all(stories).await;
}

#[tokio::test]
async fn what_was_recorded_is_heard_by_whoever_has_the_credentials() {
    let mut serving = JoinSet::new();
    let base = webhook("ws://127.0.0.1:9".to_owned(), &mut serving).await;
    let (account, password) = (account(), "secret".to_owned());
    let user = account.as_str().to_owned();
    let rest = RestServer::start(RestPlan { account, user: user.clone(), password, refusals: Vec::new() });
    let rest = rest.await.unwrap();
    let caller = vec![
        Step { when: When::AfterSilence(100), act: Act::Say(tone::sine(220, 300)) },
        Step { when: When::After(0), act: Act::Press('#') },
    ];
    let plan = CallPlan { webhook: format!("{base}/mailbox"), caller, ..plan("") };
    let report = Phone::new(Some(rest.line())).unwrap().call(plan).await;
    assert_eq!(report.problems(), Vec::<String>::new());
    let [recording] = &rest.line().kept()[..] else { panic!("one recording") };
    let url = format!("{}/2010-04-01/Accounts/{user}/Recordings/{recording}.wav", rest.url());
    let ask = async |password: &str, url: &str| {
        reqwest::Client::new().get(url).basic_auth(&user, Some(password)).send().await.unwrap()
    };
    assert_eq!(ask("wrong", &url).await.status(), 401);
    assert_eq!(ask("secret", &url.replace(recording.as_str(), "RE1")).await.status(), 404);
    let file = ask("secret", &url).await.bytes().await.unwrap();
    assert_eq!(wav::read(&file).unwrap().to_mulaw_8k(), tone::sine(220, 300));
}

fn script() -> Script {
    Script::new(Reply::speech(tone::sine(440, 500), "Hello."), Reply::default())
}

fn model(script: Script) -> ModelServerPlan {
    ModelServerPlan {
        scripts: vec![script],
        authorization: Some("Bearer sk-1".to_owned()),
        seed: 1,
        keep_events: true,
    }
}

#[tokio::test]
async fn the_model_answers_over_a_socket_and_keeps_what_it_heard() {
    let server = ModelServer::start(model(script())).await.unwrap();
    let mut request = format!("{}?model=m", server.url()).into_client_request().unwrap();
    request.headers_mut().insert("authorization", "Bearer sk-1".parse().unwrap());
    let (mut socket, _) = connect_async(request).await.unwrap();
    socket.send(Message::text(r#"{"type":"session.update","session":{"type":"realtime"}}"#)).await.unwrap();
    socket
        .send(Message::text(r#"{"type":"response.create","response":{"instructions":"Greet."}}"#))
        .await
        .unwrap();
    socket.send(Message::text(r#"{"type":"response.cancel","response_id":"no"}"#)).await.unwrap();
    let mut kinds = Vec::new();
    while let Some(Ok(Message::Text(text))) = socket.next().await {
        let event: serde_json::Value = serde_json::from_str(&text).unwrap();
        kinds.push(event["type"].as_str().unwrap().to_owned());
        if kinds.last().unwrap() == "response.done" {
            break;
        }
    }
    socket.close(None).await.unwrap();
    assert_eq!(kinds[..3], ["session.created", "session.updated", "response.created"]);
    let logs = server.until(|logs| logs.iter().any(|log| log.over)).await;
    assert_eq!(logs[0].target, "/v1/realtime?model=m");
    assert_eq!(logs[0].refusals.len(), 1);
    assert_eq!(server.client_events(0).len(), 3);
}

#[tokio::test]
async fn the_model_refuses_handshakes() {
    let mut refusing = script();
    refusing.faults = vec![ModelFault::RefuseHandshake(503)];
    for (script, key, status) in [(script(), "Bearer sk-2", 401), (refusing, "Bearer sk-1", 503)] {
        let server = ModelServer::start(model(script)).await.unwrap();
        let mut request = server.url().into_client_request().unwrap();
        request.headers_mut().insert("authorization", key.parse().unwrap());
        let Err(Error::Http(response)) = connect_async(request).await else { panic!() };
        assert_eq!(response.status(), status);
        server.until(|logs| logs[0].over).await;
    }
}
