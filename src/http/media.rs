//! The media socket: Twilio opens it, says which call it carries, and is handed to the call that waits for it.
//!
//! A stranger gets as far as the signature; whoever has that, as far as the pass. Each attempt is one line in the log.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::App;
use super::answer::Leg;
use super::next::{LEDGER_PATIENCE, go_on};
use super::refusal::Refusal;
use super::signed::{likely_mistake, signature};
use super::upgrade::{Upgrade, in_json, look_at};
use crate::bridge::{Begun, CallerSocket, caller_socket_config};
use crate::call::{Command, Interruption, Opening};
use crate::domain::{
    AccountSid, CallRecord, CallSid, Ending, Intention, MicroDollars, Pii, StreamEnd, Usage,
};
use crate::registry::Slot;
use crate::telemetry::metrics::Named;
use crate::wire::Text;
use crate::wire::doctor::{Seen, UpgradeAttempt};
use crate::wire::stream_token::{Pass, PassError};
use crate::wire::twilio::media::{FromTwilio, Start};

/// Twilio sends `connected` and `start` at once. What has not said who it is after this long holds a socket for nothing.
const START_PATIENCE: Duration = Duration::from_secs(5);

/// Before `start` there is `connected`, and perhaps one day a word or two that we do not know.
const MAX_FRAMES_BEFORE_START: usize = 10;

/// The verdict over a socket that is carried.
pub(super) const ACCEPTED: &str = "accepted";

/// How long a refused peer may take to take its close frame.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// `GET /twilio-media`, with every other method refused by name.
pub(super) async fn media(State(app): State<Arc<App>>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let seen = look_at(&parts);
    match admit(&app, &mut parts, &seen) {
        Ok(upgrade) => take(app, seen, upgrade, Door::Twilio),
        Err(refusal) => refusal.into_response(),
    }
}

/// How somebody was let in who brings a caller. A pass opens the door it was made for, and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// By Twilio's signature.
    Twilio,
    /// By the badge of an operator, from a page of ours.
    Page,
}

/// A handshake that was let in, and by which door.
struct Guest {
    seen: Seen,
    door: Door,
}

/// Makes a socket of a handshake that was let in, and gives it to its call.
pub(super) fn take(app: Arc<App>, seen: Seen, upgrade: Upgrade, door: Door) -> Response {
    let guest = Guest { seen, door };
    let (response, socket) = upgrade.accept(caller_socket_config());
    let tasks = app.tasks.clone();
    tasks.spawn("media socket", async move {
        let Ok(mut socket) = socket.await else {
            app.turned_away(&guest, "connection_lost", "it was lost before our 101 was out");
            return;
        };
        match introduction(&app, &mut socket, door).await {
            Ok((pass, start)) => receive(&app, &guest, &pass, start, socket).await,
            Err(refused) => refuse(&app, &guest, refused, socket).await,
        }
    });
    response
}

/// The handshake, then the signature: whoever tests by hand learns first which header is missing.
fn admit(app: &App, parts: &mut Parts, seen: &Seen) -> Result<Upgrade, Refusal> {
    let mistake =
        likely_mistake(&parts.headers, app.stream_public_url.host(), "PUBLIC_URL (or STREAM_PUBLIC_URL)");
    let upgrade = Upgrade::of(parts).inspect_err(|refusal| {
        app.refused_upgrade(seen, refusal.reason, "the handshake is not whole, see upgrade and connection");
    })?;
    let refuse = |reason| Refusal::new(StatusCode::FORBIDDEN, reason).with("seen", in_json(seen));
    let Some(signed) = signature(&parts.headers) else {
        app.refused_upgrade(
            seen,
            "missing_signature",
            "Twilio signs the upgrade, so this is not Twilio, or a proxy drops headers",
        );
        return Err(refuse("missing_signature")
            .with("hint", "only Twilio may open this socket; its upgrade carries X-Twilio-Signature"));
    };
    if let Err(mismatch) = app.verifier.verify_upgrade(signed, &app.stream_url(), parts.uri.path()) {
        app.refused_upgrade(seen, "bad_signature", &format!("{mismatch}; {mistake}"));
        return Err(refuse("bad_signature").with("checked", mismatch.tried).with("hint", mistake));
    }
    Ok(upgrade)
}

/// Why a socket with a genuine handshake is not carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    NoStart,
    TooManyFrames,
    Gone,
    NoToken,
    Token(PassError),
    UsedToken,
    Format,
    UnknownCall,
    TooManyCalls,
    Leaving,
}

impl Refused {
    /// One word for programs, which is also the reason in the close frame.
    fn reason(self) -> &'static str {
        match self {
            Self::NoStart => "no_start",
            Self::TooManyFrames => "too_many_frames",
            Self::Gone => "gone",
            Self::NoToken => "no_token",
            Self::Token(PassError::BadShape | PassError::BadSignature) => "bad_token",
            Self::Token(PassError::Expired) => "expired_token",
            Self::Token(PassError::OtherCall) => "foreign_token",
            Self::UsedToken => "used_token",
            Self::Format => "media_format",
            Self::UnknownCall => "unknown_call",
            Self::TooManyCalls => "too_many_calls",
            Self::Leaving => "leaving",
        }
    }

    fn code(self) -> CloseCode {
        match self {
            Self::Leaving => CloseCode::Restart,
            Self::NoStart
            | Self::TooManyFrames
            | Self::Gone
            | Self::NoToken
            | Self::Token(_)
            | Self::UsedToken
            | Self::Format
            | Self::UnknownCall
            | Self::TooManyCalls => CloseCode::Policy,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoStart => "it did not say in time which call it carries",
            Self::TooManyFrames => "it said much, but not which call it carries",
            Self::Gone => "it closed before it said which call it carries",
            Self::NoToken => "its <Stream> had no token <Parameter>, so this TwiML was not ours",
            Self::Token(error) => return error.fmt(f),
            Self::UsedToken => "its token was used before",
            Self::Format => {
                "its audio is not 8 kHz mu-law, mono; remove audioFormat and sampleRate from <Stream>"
            }
            Self::UnknownCall => "nobody can be found to answer this call any more",
            Self::Leaving => {
                "this process is about to end and hands its calls over; the next question of Twilio's meets another, or is put off"
            }
            Self::TooManyCalls => "this instance carries as many calls as it may, or is about to stop",
        })
    }
}

/// Reads until the stream says who it is, and checks that it may be that.
async fn introduction(app: &App, socket: &mut CallerSocket, door: Door) -> Result<(Pass, Start), Refused> {
    let start =
        tokio::time::timeout(START_PATIENCE, first_start(socket)).await.unwrap_or(Err(Refused::NoStart))?;
    let token = start.custom_parameters.reveal().get("token").ok_or(Refused::NoToken)?;
    let pass = app.pass_key.check(token, app.now_unix()).map_err(Refused::Token)?;
    pass.matches(&start).map_err(Refused::Token)?;
    if (pass.account == AccountSid::of_test_calls()) != (door == Door::Page) {
        return Err(Refused::Token(PassError::OtherCall));
    }
    if app.is_leaving() && !app.bridge.is_waiting(&pass.call, pass.attempt) {
        // Before it counts: Twilio asks what is next, and learns there that we are alone.
        return Err(Refused::Leaving);
    }
    if !app.bridge.first_use(&pass.call, pass.attempt).await {
        return Err(Refused::UsedToken);
    }
    if !start.media_format.is_mulaw_8k_mono() {
        app.give_up_on_streams(&pass.call, pass.attempt).await;
        // What waits here for this caller waits in vain.
        app.bridge.tell(&pass.call, Command::HandOver);
        return Err(Refused::Format);
    }
    Ok((pass, start))
}

async fn first_start(socket: &mut CallerSocket) -> Result<Start, Refused> {
    for _ in 0..MAX_FRAMES_BEFORE_START {
        let Some(Ok(message)) = socket.next().await else {
            return Err(Refused::Gone);
        };
        let Message::Text(text) = message else {
            continue;
        };
        // What is no message of a media stream is as good as a word we do not know.
        let Ok(text) = Text::from_utf8(text.into()) else { continue };
        if let Ok(FromTwilio::Start(start)) = FromTwilio::parse(&text) {
            return Ok(*start);
        }
    }
    Err(Refused::TooManyFrames)
}

/// Hands the caller to the call that waits here, or to one made now when the webhook was answered elsewhere.
async fn receive(app: &Arc<App>, guest: &Guest, pass: &Pass, start: Start, socket: CallerSocket) {
    let (start, socket) = match app.bridge.arrive(&pass.call, pass.attempt, start, socket) {
        Ok(()) => return app.accepted_upgrade(guest, pass, "met by the call that waited for it"),
        Err(back) => *back,
    };
    match begin_here(app, pass, &start).await {
        Ok(()) => match app.bridge.arrive(&pass.call, pass.attempt, start, socket) {
            Ok(()) => {
                app.accepted_upgrade(guest, pass, "its webhook was answered elsewhere, or long ago");
            }
            Err(back) => refuse(app, guest, Refused::UsedToken, back.1).await,
        },
        Err(refused) => refuse(app, guest, refused, socket).await,
    }
}

/// Begins a call from what the pass and the ledger say of it.
async fn begin_here(app: &Arc<App>, pass: &Pass, start: &Start) -> Result<(), Refused> {
    let said = |name: &str| Pii::new(start.custom_parameters.reveal().get(name).cloned().unwrap_or_default());
    let (from, to) = (said("from"), said("to"));
    let leg = Leg { call: &pass.call, account: &pass.account, from: &from, to: &to };
    let answerer = app.who_answers(Some(&pass.business), &to).await.map_err(|nobody| {
        tracing::warn!(call.id = %pass.call, "nobody answers a stream: {nobody}");
        Refused::UnknownCall
    })?;
    let history = async { if pass.attempt > 1 { Some(app.history(&pass.call).await) } else { None } };
    // The caller hears nothing meanwhile: both are asked at once.
    let (kept, history) = tokio::join!(app.kept(&pass.call), history);
    let record = CallRecord {
        attempts: pass.attempt,
        instance: app.instance.clone(),
        ..kept.unwrap_or_else(|| app.record(&leg, &answerer))
    };
    let opening = history.map_or(Opening::Greet, |history| go_on(history, Interruption::LineLost));
    if record.intention.is_some() {
        // Whoever waits for this caller elsewhere has given up on the model there. It is tried again here, and if it
        // answers, nothing was meant.
        app.nothing_meant(&pass.call).await;
    }
    // Its slot is taken over from whoever waits for it.
    match app.begin(&answerer, record, opening, Slot::Wanted) {
        Begun::New | Begun::Already => Ok(()),
        Begun::Full => Err(Refused::TooManyCalls),
    }
}

impl App {
    /// Another stream of this call would be no better: keeps why, and that its caller gets the fallback.
    async fn give_up_on_streams(&self, call: &CallSid, attempt: u8) {
        let end = StreamEnd {
            attempt,
            instance: self.instance.clone(),
            ending: Ending::StreamRefused(Refused::Format.reason().to_owned()),
            usage: Usage::default(),
            cost: MicroDollars::default(),
            at_ms: (self.clock)(),
        };
        let keep = async {
            self.ledger.intend(call, Some(&Intention::FallBack)).await?;
            self.ledger.end_stream(call, &end).await
        };
        match tokio::time::timeout(LEDGER_PATIENCE, keep).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(call.id = %call, %error, "cannot keep why a stream was refused"),
            Err(_) => {
                tracing::warn!(call.id = %call, "the ledger did not keep in time why a stream was refused");
            }
        }
    }
}

async fn refuse(app: &App, guest: &Guest, refused: Refused, mut socket: CallerSocket) {
    app.turned_away(guest, refused.reason(), &refused.to_string());
    let frame = CloseFrame { code: refused.code(), reason: refused.reason().into() };
    let close = async {
        socket.send(Message::Close(Some(frame))).await?;
        // The peer's own close frame ends the stream of messages; then the connection may go.
        while let Some(message) = socket.next().await {
            message?;
        }
        Ok::<(), tokio_tungstenite::tungstenite::Error>(())
    };
    // Whether it took the frame or not, it is gone now, and was not ours.
    let _gone = tokio::time::timeout(CLOSE_PATIENCE, close).await;
}

impl App {
    fn accepted_upgrade(&self, Guest { seen, door }: &Guest, pass: &Pass, how: &str) {
        tracing::info!(
            call.id = %pass.call,
            business.id = %pass.business,
            attempt = pass.attempt,
            upgrade = seen.upgrade.as_deref(),
            connection = seen.connection.as_deref(),
            user_agent = seen.user_agent.as_deref(),
            query = seen.query,
            verdict = ACCEPTED,
            "media socket accepted, {how}: {seen}"
        );
        self.remember(seen, *door, ACCEPTED, how, Some(pass));
    }

    fn turned_away(&self, guest: &Guest, reason: &'static str, why: &str) {
        match guest.door {
            Door::Twilio => self.refused_upgrade(&guest.seen, reason, why),
            // Not remembered: it says nothing of the way from Twilio, on which lost callers are looked for.
            Door::Page => {
                tracing::warn!(verdict = reason, "the stream of a test call was refused ({reason}): {why}");
            }
        }
    }

    fn refused_upgrade(&self, seen: &Seen, reason: &'static str, why: &str) {
        tracing::warn!(
            upgrade = seen.upgrade.as_deref(),
            connection = seen.connection.as_deref(),
            user_agent = seen.user_agent.as_deref(),
            query = seen.query,
            verdict = reason,
            "media socket refused ({reason}): {why}: {seen}"
        );
        self.remember(seen, Door::Twilio, reason, why, None);
    }

    fn remember(&self, seen: &Seen, door: Door, verdict: &'static str, why: &str, pass: Option<&Pass>) {
        self.metrics.upgrades.get_or_create(&Named::of(verdict)).inc();
        let attempt = UpgradeAttempt {
            at_ms: (self.clock)(),
            seen: seen.clone(),
            verdict: verdict.to_owned(),
            why: why.to_owned(),
            call: pass.map(|pass| pass.call.clone()),
            attempt: pass.map(|pass| pass.attempt),
        };
        match door {
            Door::Twilio => self.trail.arrived(attempt),
            Door::Page => self.trail.arrived_from_page(attempt),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;
    use tokio_tungstenite::tungstenite::Error;
    use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
    use tokio_tungstenite::{WebSocketStream, client_async};

    use super::super::house::{ACCOUNT, CALL, CALLER, House, LINE, NOW_S, RINGING, TOKEN, sign};
    use super::*;
    use crate::domain::BusinessId;

    const STREAM_URL: &str = "wss://voice.example.com/twilio-media";

    type Socket = WebSocketStream<TcpStream>;

    async fn open(house: &House, signature: &str) -> Result<Socket, Error> {
        let address = house.listen().await;
        let mut request = format!("ws://{address}/twilio-media").into_client_request().unwrap();
        if !signature.is_empty() {
            request.headers_mut().insert("x-twilio-signature", signature.parse().unwrap());
        }
        let stream = TcpStream::connect(address).await.unwrap();
        client_async(request, stream).await.map(|(socket, _)| socket)
    }

    async fn opened(house: &House) -> Socket {
        open(house, &sign(TOKEN, STREAM_URL, &[])).await.unwrap()
    }

    fn pass() -> Pass {
        Pass {
            call: CallSid::parse(CALL).unwrap(),
            account: AccountSid::parse(ACCOUNT).unwrap(),
            business: BusinessId::parse("business-1").unwrap(),
            attempt: 1,
            expires_at: NOW_S + 30,
        }
    }

    fn start(token: &str, encoding: &str) -> Message {
        let start = serde_json::json!({"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": {
            "accountSid": ACCOUNT, "streamSid": "MZ1", "callSid": CALL, "tracks": ["inbound"],
            "mediaFormat": {"encoding": encoding, "sampleRate": 8000, "channels": 1},
            "customParameters": {"token": token, "to": LINE, "from": CALLER}}});
        Message::text(start.to_string())
    }

    /// Says hello as Twilio does; gives the reason with which we close.
    async fn refusal(mut socket: Socket, first: Vec<Message>) -> String {
        for message in first {
            socket.send(message).await.unwrap();
        }
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(Some(frame)))) => {
                    assert_eq!(frame.code, CloseCode::Policy);
                    return frame.reason.to_string();
                }
                Some(Ok(_)) => {}
                other => panic!("no close frame: {other:?}"),
            }
        }
    }

    async fn until(what: impl Fn() -> bool) {
        let wait = async {
            while !what() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), wait).await.expect("it does not happen");
    }

    #[tokio::test]
    async fn a_stranger_is_refused_before_the_101() {
        let house = House::new().await;
        let https = sign(TOKEN, "https://evil.example.com/twilio-media", &[]);
        for (signature, reason) in [
            (String::new(), "missing_signature"),
            ("AAAA".to_owned(), "bad_signature"),
            (sign("another token", STREAM_URL, &[]), "bad_signature"),
            (https, "bad_signature"),
        ] {
            let Err(Error::Http(response)) = open(&house, &signature).await else {
                panic!("let in: {reason}")
            };
            assert_eq!(response.status(), StatusCode::FORBIDDEN);
            let body: serde_json::Value = serde_json::from_slice(response.body().as_ref().unwrap()).unwrap();
            assert_eq!((&body["hop"], &body["reason"]), (&"app".into(), &reason.into()));
            if reason == "bad_signature" {
                assert!(body["checked"].as_array().unwrap().contains(&STREAM_URL.into()), "{body}");
            }
        }
        open(&house, &sign(TOKEN, &format!("{STREAM_URL}/"), &[])).await.expect("Twilio may append a slash");
    }

    #[tokio::test]
    async fn a_socket_of_another_service_is_signed_over_its_own_url_and_tells_the_webhooks_host_of_its_end() {
        let house = House::apart("https://media.example.com").await;
        let answer = house.post("/twilio-voice", &RINGING).await;
        for (name, url) in [
            ("url", "wss://media.example.com/twilio-media"),
            ("action", "https://voice.example.com/twilio-next"),
            ("statusCallback", "https://voice.example.com/twilio-stream-status"),
        ] {
            assert!(answer.twiml().contains(&format!("{name}=\"{url}\"")), "{}", answer.body);
        }
        let Err(Error::Http(refused)) = open(&house, &sign(TOKEN, STREAM_URL, &[])).await else {
            panic!("signed over the webhook's host")
        };
        let body = String::from_utf8(refused.body().clone().unwrap()).unwrap();
        assert!(
            body.contains("bad_signature") && body.contains("wss://media.example.com/twilio-media"),
            "{body}"
        );
        let signature = sign(TOKEN, "wss://media.example.com/twilio-media", &[]);
        open(&house, &signature).await.expect("signed over STREAM_PUBLIC_URL");
    }

    #[tokio::test]
    async fn a_caller_meets_the_call_that_waits_since_the_webhook() {
        let house = House::new().await;
        let answer = house.post("/twilio-voice", &RINGING).await;
        assert!(house.waits(1));
        let mut socket = opened(&house).await;
        socket
            .send(Message::text(r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#))
            .await
            .unwrap();
        socket.send(start(answer.token(), "audio/x-mulaw")).await.unwrap();
        until(|| !house.waits(1)).await;
        assert_eq!(house.app.registry.len(), 1);
    }

    #[tokio::test]
    async fn a_caller_whose_webhook_was_answered_elsewhere_is_carried_here() {
        let house = House::new().await;
        let token = house.app.pass_key.issue(&pass());
        let mut socket = opened(&house).await;
        socket.send(start(&token, "audio/x-mulaw")).await.unwrap();
        until(|| house.app.registry.contains(&pass().call)).await;
    }

    #[tokio::test]
    async fn only_a_pass_for_this_call_opens_the_way_to_the_model() {
        let house = House::new().await;
        let key = &house.app.pass_key;
        let foreign_call = Pass { call: CallSid::parse("CA2").unwrap(), ..pass() };
        let foreign_account = Pass { account: AccountSid::parse("AC2").unwrap(), ..pass() };
        let expired = Pass { expires_at: NOW_S - 61, ..pass() };
        for (token, reason) in [
            ("", "bad_token"),
            ("forged", "bad_token"),
            (key.issue(&expired).as_str(), "expired_token"),
            (key.issue(&foreign_call).as_str(), "foreign_token"),
            (key.issue(&foreign_account).as_str(), "foreign_token"),
        ] {
            let refusal = refusal(opened(&house).await, vec![start(token, "audio/x-mulaw")]).await;
            assert_eq!(refusal, reason, "{token:?}");
        }
        let none = start("", "audio/x-mulaw").into_text().unwrap().replace(r#""token""#, r#""other""#);
        assert_eq!(refusal(opened(&house).await, vec![Message::text(none)]).await, "no_token");
        assert!(house.app.registry.is_empty());
    }

    #[tokio::test]
    async fn a_pass_is_good_once() {
        let house = House::new().await;
        let answer = house.post("/twilio-voice", &RINGING).await;
        let mut first = opened(&house).await;
        first.send(start(answer.token(), "audio/x-mulaw")).await.unwrap();
        until(|| !house.waits(1)).await;
        let again = vec![start(answer.token(), "audio/x-mulaw")];
        assert_eq!(refusal(opened(&house).await, again).await, "used_token");
    }

    #[tokio::test]
    async fn audio_we_cannot_carry_is_refused_and_its_caller_gets_the_fallback() {
        let house = House::new().await;
        house.keep(1, None).await;
        let token = house.app.pass_key.issue(&pass());
        let pass = vec![start(&token, "audio/x-l16")];
        assert_eq!(refusal(opened(&house).await, pass).await, "media_format");
        let record = house.record().await;
        assert_eq!(record.intention, Some(Intention::FallBack));
        assert_eq!(record.ending, Some(Ending::StreamRefused("media_format".to_owned())));
    }

    #[tokio::test]
    async fn who_does_not_say_which_call_it_is_is_not_waited_for() {
        let house = House::new().await;
        let noise = || Message::text(r#"{"event":"surprise"}"#);
        let binary = Message::binary(vec![0_u8; 100]);
        let mut much = vec![binary, Message::text("no json")];
        much.extend((0..MAX_FRAMES_BEFORE_START).map(|_| noise()));
        assert_eq!(refusal(opened(&house).await, much).await, "too_many_frames");
        let silent = opened(&house).await;
        tokio::time::pause();
        assert_eq!(refusal(silent, vec![]).await, "no_start");
    }

    #[tokio::test]
    async fn a_stream_whose_store_is_down_is_refused_and_not_left_open() {
        let house = House::new().await;
        let token = house.app.pass_key.issue(&pass());
        house.store.close().await;
        assert_eq!(refusal(opened(&house).await, vec![start(&token, "audio/x-mulaw")]).await, "unknown_call");
    }
}
