//! The sockets: what arrives of a handshake, a bare one, the real one as Twilio opens it, and a call on it.

use std::time::Duration;

use futures_util::future::join_all;
use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::super::ask::{PATIENCE, Request, ask};
use super::super::call::carry;
use super::super::facts::{Call, Handshake, Held, Place, Then, Variant};
use super::super::handshake::{LOOKED_AT, TWILIO, as_twilio, become_of, open, shake};
use super::super::verdict::is_rightly_refused;
use super::{Tone, Visit, opens, said_of, said_of_socket};
use crate::domain::StreamSid;
use crate::sim::StreamNames;
use crate::sim::socket::Clock;
use crate::wire::doctor::Echo;
use crate::wire::twilio::signature::sign;

/// Enough to see what comes and goes with two instances: all five meet the good one by chance once in 32 times.
const HANDSHAKES: usize = 5;

/// The first is looked at; the others only have to open.
const GLANCE: Duration = Duration::from_millis(175);

impl Visit<'_> {
    /// What only an operator may ask: what arrives, and a socket with no business in it.
    pub(super) async fn behind_the_token(&mut self) {
        let answers = self.plan.answers;
        let (echo_at, bare_at) = (self.beside_media(answers.echo), self.beside_media(answers.socket));
        let Some(operator) = self.plan.operator(&echo_at) else {
            let seen = "not asked: set ADMIN_TOKEN to the server's, to see what arrives at the application";
            return self.note("echo", Tone::Skipped, seen);
        };
        let headers = [as_twilio(None), operator].concat();
        let request =
            Request { method: "GET", target: echo_at.path.clone(), headers: headers.clone(), body: "" };
        let trust = self.trust.clone();
        let both = async {
            tokio::join!(
                ask(&echo_at, &trust, &request, PATIENCE),
                shake(&bare_at, &trust, headers, LOOKED_AT)
            )
        };
        let Some(((asked, body), bare)) = self.in_time("echo", both).await else { return };
        let echo = serde_json::from_str::<Echo>(&body).map_err(|_| asked);
        let arrived = |echo: &Echo| echo.headers.iter().any(|header| header.name == "upgrade");
        match &echo {
            Ok(echo) if arrived(echo) => {
                self.note("echo", Tone::Good, format!("the upgrade headers arrive, over {}", echo.version));
            }
            Ok(echo) => self.note("echo", Tone::Bad, format!("no Upgrade arrives, over {}", echo.version)),
            Err(asked) => self.note("echo", Tone::Skipped, locked(asked)),
        }
        let (tone, seen) = said_of_socket(&bare);
        let is_locked = matches!(&bare, Handshake::Refused(answer) if matches!(answer.status, 401 | 403));
        self.note("bare socket", if is_locked { Tone::Skipped } else { tone }, seen);
        self.facts.echo = Some(echo);
        self.facts.bare = Some(bare);
    }

    /// The media socket, exactly as Twilio opens it.
    pub(super) async fn handshakes(&mut self) {
        let (stream, trust) = (self.facts.stream.clone(), self.trust.clone());
        let one = shake(&stream, &trust, as_twilio(self.signature()), LOOKED_AT);
        let Some(first) = self.in_time("media socket", one).await else { return };
        self.note_shaken(1, &first);
        self.facts.handshakes.push(first);
        let others = (1..HANDSHAKES).map(|_| shake(&stream, &trust, as_twilio(self.signature()), GLANCE));
        let others: Vec<_> = others.collect();
        let Some(others) = self.in_time("media socket", join_all(others)).await else { return };
        for shaken in others {
            self.note_shaken(self.facts.handshakes.len() + 1, &shaken);
            self.facts.handshakes.push(shaken);
        }
    }

    fn note_shaken(&mut self, number: usize, shaken: &Handshake) {
        let (mut tone, mut seen) = said_of_socket(shaken);
        if is_rightly_refused(&self.facts, shaken) {
            (tone, seen) = (Tone::Good, "arrives whole, and is refused for want of a signature".to_owned());
        }
        self.note("media socket", tone, format!("{number} of {HANDSHAKES}: {seen}"));
    }

    /// When the real thing fails: the same with one thing changed, which tells what it hangs on.
    pub(super) async fn variants(&mut self) {
        let facts = &self.facts;
        if facts.handshakes.iter().all(|shaken| opens(shaken) || is_rightly_refused(facts, shaken)) {
            return;
        }
        let (stream, trust) = (self.facts.stream.clone(), self.trust.clone());
        let all = [Variant::OtherUserAgent, Variant::WithOrigin, Variant::WithSlash, Variant::WithQuery];
        let changed: Vec<_> =
            all.into_iter().map(|variant| changed(&stream, self.signature(), variant)).collect();
        let shaken = changed.into_iter().map(|(place, headers)| {
            let trust = &trust;
            async move { shake(&place, trust, headers, GLANCE).await }
        });
        let shaken: Vec<_> = shaken.collect();
        let Some(shaken) = self.in_time("variants", join_all(shaken)).await else { return };
        for (variant, shaken) in all.into_iter().zip(shaken) {
            let (_, seen) = said_of_socket(&shaken);
            let tone = if opens(&shaken) { Tone::Good } else { Tone::Bad };
            self.note("variant", tone, format!("{variant}: {seen}"));
            self.facts.variants.push((variant, shaken));
        }
    }

    /// A whole call on the stream that the TwiML named.
    pub(super) async fn call(&mut self) {
        if !self.plan.call || !self.facts.handshakes.iter().any(opens) {
            return;
        }
        let Some(rung) = &mut self.rung else { return };
        let Ok(stream) = StreamSid::parse(&format!("MZ{}", Uuid::new_v4().simple())) else { return };
        let names = StreamNames {
            account: self.plan.account.clone(),
            call: rung.call.clone(),
            stream,
            parameters: rung.parameters.drain(..).collect(),
        };
        rung.is_over = true;
        let (place, trust, headers) =
            (self.facts.stream.clone(), self.trust.clone(), as_twilio(self.signature()));
        let placed = async {
            match open(&place, &trust, headers).await {
                Ok((_, socket)) => Some(carry(socket, names).await),
                // It opened before; that it comes and goes is the handshakes' to say.
                Err(_) => None,
            }
        };
        let Some(placed) = self.in_time("call", placed).await else { return };
        match placed {
            Some(placed) => {
                let (tone, seen) = said_of_call(&placed);
                self.note("call", tone, seen);
                self.facts.call = Some(placed);
            }
            None => self.note("call", Tone::Bad, "the stream did not open again"),
        }
    }

    /// A bare socket on which nothing moves, for as long as somebody wants to know.
    pub(super) async fn hold(&mut self) {
        let Some(hold) = self.plan.hold else { return };
        let place = self.beside_media(self.plan.answers.socket);
        let Some(operator) = self.plan.operator(&place) else {
            return self.note("hold", Tone::Skipped, "no socket is held: set ADMIN_TOKEN to the server's");
        };
        let headers = [as_twilio(None), operator].concat();
        let trust = self.trust.clone();
        let Some(opened) = self.in_time("hold", open(&place, &trust, headers)).await else { return };
        let Ok((_, socket)) = opened else {
            return self.note("hold", Tone::Skipped, "no bare socket opens that could be held");
        };
        let clock = Clock::start();
        let then = become_of(socket, hold).await.unwrap_or(Then::Open);
        let ms = clock.now().as_millis();
        let tone = if then == Then::Open { Tone::Good } else { Tone::Bad };
        self.note("hold", tone, format!("a socket on which nothing moves {then} after {} s", ms / 1_000));
        self.facts.held = Some(Held { ms, then });
    }

    /// What signs a handshake: the URL as Twilio opens it.
    fn signature(&self) -> Option<String> {
        let token = self.plan.auth_token.as_ref()?;
        Some(sign(token.expose_secret(), &self.facts.stream.url, &[]))
    }
}

/// A handshake with one thing changed.
fn changed(
    stream: &Place,
    signature: Option<String>,
    variant: Variant,
) -> (Place, Vec<(&'static str, String)>) {
    let (mut place, mut headers) = (stream.clone(), as_twilio(signature));
    match variant {
        Variant::OtherUserAgent => headers.retain(|(_, value)| value != TWILIO),
        Variant::WithOrigin => headers.push(("Origin", format!("https://{}", stream.host))),
        Variant::WithSlash => place.path.push('/'),
        Variant::WithQuery => place.path.push_str("?callSid=CA00000000000000000000000000000000"),
    }
    (place, headers)
}

/// Why a route for operators did not answer as it should.
fn locked(asked: &super::Asked) -> String {
    match asked.answer() {
        Some(answer) if answer.is_ours() && answer.status == 401 => {
            "not seen: the server's ADMIN_TOKEN is another".to_owned()
        }
        Some(answer) if answer.is_ours() && answer.status == 403 => {
            "not seen: the server has no ADMIN_TOKEN, and then answers its own machine alone".to_owned()
        }
        Some(_) | None => format!("not seen: {}", said_of(asked).1),
    }
}

fn said_of_call(call: &Call) -> (Tone, String) {
    match (&call.ended, call.first_audio_ms) {
        (Some(then), _) => {
            let after = call.ended_after_ms.unwrap_or_default();
            (Tone::Bad, format!("the stream {then} after {after} ms"))
        }
        (None, Some(ms)) => {
            (Tone::Good, format!("carried; the first audio came {ms} ms after the stream opened"))
        }
        (None, None) => (Tone::Bad, "carried, and nothing was heard".to_owned()),
    }
}
