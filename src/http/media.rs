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
use super::next::LEDGER_PATIENCE;
use super::refusal::Refusal;
use super::signed::{likely_mistake, signature};
use super::upgrade::{Seen, Upgrade};
use crate::bridge::{Begun, CallerSocket, caller_socket_config};
use crate::call::{Interruption, Opening};
use crate::domain::{CallRecord, CallSid, Ending, Intention, Pii, Usage};
use crate::wire::Text;
use crate::wire::stream_token::Pass;
use crate::wire::twilio::media::{FromTwilio, Start};

/// Twilio sends `connected` and `start` at once. What has not said who it is after this long holds a socket for nothing.
const START_PATIENCE: Duration = Duration::from_secs(5);

/// Before `start` there is `connected`, and perhaps one day a word or two that we do not know.
const MAX_FRAMES_BEFORE_START: usize = 10;

/// How long a refused peer may take to take its close frame.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// `GET /twilio-media`, with every other method refused by name.
pub(super) async fn media(State(app): State<Arc<App>>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let seen = Seen::of(&parts);
    match admit(&app, &mut parts, &seen) {
        Ok(upgrade) => {
            let (response, socket) = upgrade.accept(caller_socket_config());
            let tasks = app.tasks.clone();
            tasks.spawn("media socket", async move {
                let Ok(mut socket) = socket.await else {
                    log_refused(&seen, "connection_lost", "it was lost before our 101 was out");
                    return;
                };
                match introduction(&app, &mut socket).await {
                    Ok((pass, start)) => receive(&app, &seen, &pass, start, socket).await,
                    Err(refused) => refuse(&seen, refused, socket).await,
                }
            });
            response
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// The handshake, then the signature: whoever tests by hand learns first which header is missing.
fn admit(app: &App, parts: &mut Parts, seen: &Seen) -> Result<Upgrade, Refusal> {
    let signed = signature(&parts.headers).map(str::to_owned);
    let mistake = likely_mistake(&parts.headers, app.stream_public_url.host(), "PUBLIC_URL (or STREAM_PUBLIC_URL)");
    let upgrade = Upgrade::of(parts).inspect_err(|refusal| {
        log_refused(seen, refusal.reason, "the handshake is not whole, see upgrade and connection");
    })?;
    let refuse = |reason| Refusal::new(StatusCode::FORBIDDEN, reason).with("seen", seen.to_json());
    let Some(signed) = signed else {
        log_refused(seen, "missing_signature", "Twilio signs the upgrade, so this is not Twilio, or a proxy drops headers");
        return Err(refuse("missing_signature")
            .with("hint", "only Twilio may open this socket; its upgrade carries X-Twilio-Signature"));
    };
    if let Err(checked) = app.verifier.verify_upgrade(&app.stream_url(), &signed) {
        log_refused(seen, "bad_signature", &format!("we hashed {}; {mistake}", app.stream_url()));
        return Err(refuse("bad_signature").with("checked", checked).with("hint", mistake));
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
    BadToken,
    ExpiredToken,
    ForeignToken,
    UsedToken,
    Format,
    UnknownCall,
    TooManyCalls,
}

impl Refused {
    /// One word for programs, which is also the reason in the close frame.
    fn reason(self) -> &'static str {
        match self {
            Self::NoStart => "no_start",
            Self::TooManyFrames => "too_many_frames",
            Self::Gone => "gone",
            Self::NoToken => "no_token",
            Self::BadToken => "bad_token",
            Self::ExpiredToken => "expired_token",
            Self::ForeignToken => "foreign_token",
            Self::UsedToken => "used_token",
            Self::Format => "media_format",
            Self::UnknownCall => "unknown_call",
            Self::TooManyCalls => "too_many_calls",
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
            Self::BadToken => "its token is not one of ours; instances must share STREAM_TOKEN_SECRET",
            Self::ExpiredToken => "its token is too old, or the clocks of our instances differ",
            Self::ForeignToken => "its token is for another call or account",
            Self::UsedToken => "its token was used before",
            Self::Format => "its audio is not 8 kHz mu-law, mono; remove audioFormat and sampleRate from <Stream>",
            Self::UnknownCall => "nobody can be found to answer this call any more",
            Self::TooManyCalls => "this instance carries as many calls as it may",
        })
    }
}

/// Reads until the stream says who it is, and checks that it may be that.
async fn introduction(app: &App, socket: &mut CallerSocket) -> Result<(Pass, Start), Refused> {
    let start = tokio::time::timeout(START_PATIENCE, first_start(socket)).await.unwrap_or(Err(Refused::NoStart))?;
    let token = start.custom_parameters.get("token").ok_or(Refused::NoToken)?;
    let pass = app.pass_key.verify(token, (app.clock)()).map_err(|_| Refused::BadToken)?;
    if pass.call != start.call_sid || pass.account != start.account_sid {
        return Err(Refused::ForeignToken);
    }
    if !app.bridge.first_use(&pass.call, pass.attempt) {
        return Err(Refused::UsedToken);
    }
    if !start.media_format.is_mulaw_8k_mono() {
        app.give_up_on_streams(&pass.call).await;
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
async fn receive(app: &App, seen: &Seen, pass: &Pass, start: Start, socket: CallerSocket) {
    let (start, socket) = match app.bridge.arrive(&pass.call, pass.attempt, start, socket) {
        Ok(()) => return log_accepted(seen, pass, "met by the call that waited for it"),
        Err(back) => back,
    };
    match begin_here(app, pass, &start).await {
        Ok(()) => match app.bridge.arrive(&pass.call, pass.attempt, start, socket) {
            Ok(()) => log_accepted(seen, pass, "its webhook was answered elsewhere, or long ago"),
            Err((_, socket)) => refuse(seen, Refused::UsedToken, socket).await,
        },
        Err(refused) => refuse(seen, refused, socket).await,
    }
}

/// Begins a call from what the pass and the ledger say of it.
async fn begin_here(app: &App, pass: &Pass, start: &Start) -> Result<(), Refused> {
    let said = |name: &str| Pii::new(start.custom_parameters.get(name).cloned().unwrap_or_default());
    let (from, to) = (said("from"), said("to"));
    let leg = Leg { call: &pass.call, account: &pass.account, from: &from, to: &to };
    let answerer = app.who_answers(Some(&pass.business), &to).await.map_err(|nobody| {
        tracing::warn!(call.id = %pass.call, "nobody answers a stream: {nobody}");
        Refused::UnknownCall
    })?;
    let kept = app.kept(&pass.call).await;
    let record = CallRecord {
        attempts: pass.attempt,
        instance: app.instance.clone(),
        ..kept.unwrap_or_else(|| app.record(&leg, &answerer))
    };
    let opening = if pass.attempt > 1 {
        Opening::Resume { history: app.history(&pass.call).await, why: Interruption::LineLost }
    } else {
        Opening::Greet
    };
    match app.bridge.begin(app.brief(&answerer, &record, opening), record) {
        Begun::Now | Begun::Already => Ok(()),
        Begun::TooMany => Err(Refused::TooManyCalls),
    }
}

impl App {
    /// Another stream of this call would be no better: keeps why, and that its caller gets the fallback.
    async fn give_up_on_streams(&self, call: &CallSid) {
        let ending = Ending::StreamRefused(Refused::Format.reason().to_owned());
        let keep = async {
            self.ledger.intend(call, Some(&Intention::FallBack)).await?;
            self.ledger.end_stream(call, &ending, &Usage::default(), (self.clock)()).await
        };
        match tokio::time::timeout(LEDGER_PATIENCE, keep).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(call.id = %call, %error, "cannot keep why a stream was refused"),
            Err(_) => tracing::warn!(call.id = %call, "the ledger did not keep in time why a stream was refused"),
        }
    }
}

async fn refuse(seen: &Seen, refused: Refused, mut socket: CallerSocket) {
    log_refused(seen, refused.reason(), &refused.to_string());
    let frame = CloseFrame { code: CloseCode::Policy, reason: refused.reason().into() };
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

fn log_accepted(seen: &Seen, pass: &Pass, how: &str) {
    tracing::info!(
        call.id = %pass.call,
        business.id = %pass.business,
        attempt = pass.attempt,
        upgrade = seen.upgrade.as_deref(),
        connection = seen.connection.as_deref(),
        user_agent = seen.user_agent.as_deref(),
        query = seen.had_query,
        verdict = "accepted",
        "media socket accepted, {how}: {seen}"
    );
}

fn log_refused(seen: &Seen, reason: &str, why: &str) {
    tracing::warn!(
        upgrade = seen.upgrade.as_deref(),
        connection = seen.connection.as_deref(),
        user_agent = seen.user_agent.as_deref(),
        query = seen.had_query,
        verdict = reason,
        "media socket refused ({reason}): {why}: {seen}"
    );
}
