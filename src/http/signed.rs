//! A genuine request of Twilio's. A handler that needs one takes a [`Signed`]; it cannot exist unsigned.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};

use super::App;
use super::body::{self, BodyError};
use super::refusal::Refusal;
use crate::wire::twilio::form::{Form, FormError, Pairs};
use crate::wire::twilio::signature::Signature;

/// Twilio's largest forms are some 4 KB, most of it the caller's identity headers; the rest is room for what it adds
/// "without advance notice".
const MAX_BODY_BYTES: usize = 64 * 1024;

/// Twilio sends a form in one piece. It gives up on us after 15 s, so a body that takes longer helps nobody.
const BODY_PATIENCE: Duration = Duration::from_secs(5);

/// The header of the signature. HTTP/1.1 lets Twilio write it in any case.
pub(super) const SIGNATURE: &str = "x-twilio-signature";

/// The header that says how it was made, when not with the account's token.
const SETTINGS: &str = "x-twilio-webhooks-signature-settings";

/// A form whose signature is Twilio's, over the URL we are configured with and all of its fields.
#[derive(Debug)]
pub(super) struct Signed<T> {
    form: T,
    query: Pairs,
}

impl<T> Signed<T> {
    /// The form: the body of a POST, the query of a GET.
    pub(super) fn into_form(self) -> T {
        self.form
    }

    /// What the webhook's URL said behind its question mark. It is ours: whoever configured the number wrote it.
    pub(super) fn query(&self) -> &Pairs {
        &self.query
    }
}

impl<T: Form> FromRequest<Arc<App>> for Signed<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let query = read(parts.uri.query().unwrap_or_default().as_bytes())?;
        // The fields of a GET are in its URL, which is signed whole.
        let (form, signed) = if parts.method == Method::POST {
            let form = read(&whole(body).await?)?;
            (form.clone(), form)
        } else {
            (query.clone(), Pairs::default())
        };
        check(app, &parts, &signed)?;
        let form = T::read(&form).map_err(|error| {
            tracing::warn!(path = parts.uri.path(), %error, "a genuine form of Twilio's cannot be read");
            bad_form(&error)
        })?;
        Ok(Self { form, query })
    }
}

fn read(text: &[u8]) -> Result<Pairs, Refusal> {
    Pairs::parse(text).map_err(|error| bad_form(&error))
}

fn bad_form(error: &FormError) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "bad_form").with("hint", error.to_string())
}

/// Reads the body to its end, within its limits.
async fn whole(body: Body) -> Result<Vec<u8>, Refusal> {
    body::whole(body, MAX_BODY_BYTES, BODY_PATIENCE).await.map_err(|error| match error {
        BodyError::Broken => Refusal::new(StatusCode::BAD_REQUEST, "body_broken"),
        BodyError::TooLarge(most) => {
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large").with("mostBytes", most)
        }
        BodyError::TooSlow => Refusal::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow"),
    })
}

fn check(app: &App, parts: &Parts, signed: &Pairs) -> Result<(), Refusal> {
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let Some(signature) = signature(&parts.headers) else {
        tracing::warn!(
            path = parts.uri.path(),
            "a webhook was refused (missing_signature): it is not from Twilio"
        );
        return Err(Refusal::new(StatusCode::FORBIDDEN, "missing_signature")
            .with("hint", "only Twilio may ask this; its requests carry X-Twilio-Signature"));
    };
    app.verifier.verify_request(signature, &app.public_url, target, signed.as_slice()).map_err(|mismatch| {
        let likely = || likely_mistake(&parts.headers, app.public_url.host(), "PUBLIC_URL");
        let mistake = mismatch.scheme.as_ref().map_or_else(likely, ToString::to_string);
        tracing::warn!(
            path = parts.uri.path(),
            "a webhook was refused (bad_signature): {mismatch}; {mistake}"
        );
        Refusal::new(StatusCode::FORBIDDEN, "bad_signature")
            .with("checked", mismatch.tried)
            .with("hint", mistake)
    })
}

/// The signature, if there is one. What cannot be read of how it was made is no word about it, and then fits nothing.
pub(super) fn signature(headers: &HeaderMap) -> Option<Signature<'_>> {
    let text = headers.get(SIGNATURE).and_then(|value| value.to_str().ok())?;
    let settings = headers.get(SETTINGS).map(|value| value.to_str().unwrap_or("algorithm=unreadable"));
    Some(Signature { text, settings })
}

/// Why a signature that should be right is not: the host first, because that can be seen from here.
pub(super) fn likely_mistake(headers: &HeaderMap, ours: &str, setting: &str) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name: String = without_port(host).chars().take(255).collect();
    if name.eq_ignore_ascii_case(ours) {
        return "the host is right, so probably TWILIO_AUTH_TOKEN is not the token of the account (or subaccount) \
                that owns the number, or the request is forged"
            .to_owned();
    }
    format!(
        "{setting} is on {ours}, but the request was sent to {name:?}: if that is where Twilio calls, set {setting} to it"
    )
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::super::house::{Answer, House, RINGING, TOKEN, post, sign};
    use super::*;

    const VOICE: &str = "/twilio-voice";

    async fn signed_as(house: &House, target: &str, signature: &str) -> Answer {
        house.ask(post(target, &RINGING).header(SIGNATURE, signature), &RINGING).await
    }

    #[tokio::test]
    async fn what_is_not_signed_or_signed_wrongly_is_refused_with_what_we_hashed() {
        let house = House::new().await;
        let unsigned = house.ask(post(VOICE, &RINGING), &RINGING).await;
        assert_eq!(
            (unsigned.status.as_u16(), unsigned.json()["reason"].as_str()),
            (403, Some("missing_signature"))
        );
        let url = "https://voice.example.com/twilio-voice";
        for wrong in [
            sign("another token", url, &RINGING),
            sign(TOKEN, "https://evil.example.com/twilio-voice", &RINGING),
            sign(TOKEN, "https://voice.example.com/twilio-next", &RINGING),
            sign(TOKEN, url, &RINGING[..4]),
            sign(TOKEN, url, &[]),
            String::new(),
        ] {
            let answer = signed_as(&house, VOICE, &wrong).await;
            assert_eq!(
                (answer.status.as_u16(), answer.json()["reason"].as_str()),
                (403, Some("bad_signature"))
            );
            assert_eq!(answer.json()["hop"], "app");
            assert!(answer.json()["checked"].as_array().unwrap().contains(&url.into()), "{}", answer.body);
        }
        assert_eq!(signed_as(&house, VOICE, &sign("an older token", url, &RINGING)).await.status, 200);
    }

    #[tokio::test]
    async fn a_signature_by_another_scheme_than_ours_is_refused_and_named_though_it_would_fit() {
        let house = House::new().await;
        let right = sign(TOKEN, "https://voice.example.com/twilio-voice", &RINGING);
        for (settings, named) in [
            ("key=WK1,algorithm=HMAC_SHA256", "TWILIO_SHARED_KEYS"),
            ("algorithm=none", "neither HMAC_SHA1 nor HMAC_SHA256"),
        ] {
            let request = post(VOICE, &RINGING).header(SIGNATURE, &right).header(SETTINGS, settings);
            let answer = house.ask(request, &RINGING).await;
            assert_eq!(answer.status, 403, "{settings}");
            assert!(
                answer.json()["hint"].as_str().is_some_and(|hint| hint.contains(named)),
                "{}",
                answer.body
            );
        }
        let by_name = post(VOICE, &RINGING).header(SIGNATURE, &right).header(SETTINGS, "algorithm=HMAC_SHA1");
        assert_eq!(house.ask(by_name, &RINGING).await.status, 200);
    }

    #[tokio::test]
    async fn forwarded_headers_change_nothing() {
        let house = House::new().await;
        let evil = sign(TOKEN, "https://evil.example.com/twilio-voice", &RINGING);
        let request = post(VOICE, &RINGING)
            .header(SIGNATURE, evil)
            .header("host", "evil.example.com:443")
            .header("x-forwarded-host", "evil.example.com")
            .header("x-forwarded-proto", "https");
        let answer = house.ask(request, &RINGING).await;
        assert_eq!(answer.status, 403);
        let hint = answer.json()["hint"].as_str().unwrap().to_owned();
        assert!(hint.contains("voice.example.com") && hint.contains(r#""evil.example.com""#), "{hint}");
    }

    #[tokio::test]
    async fn odd_forms_of_twilios_verify_as_they_come() {
        let house = House::new().await;
        let mut form = RINGING.to_vec();
        form.extend([
            ("CallerName", "Zoë Müller & Söhne"),
            ("CallerCity", ""),
            ("NewIn2027", "{\"a\":[1]}"),
            ("MediaUrl", "b"),
            ("MediaUrl", "a"),
            ("MediaUrl", "a"),
        ]);
        assert_eq!(house.post(VOICE, &form).await.status, 200);
        assert_eq!(house.post("/twilio-voice?x=%2B1&tenant=acme%20co&o='", &form).await.status, 200);
    }

    #[tokio::test]
    async fn a_prefix_is_signed_whether_the_proxy_takes_it_off_or_not() {
        let house = House::at("https://example.com/voice").await;
        let signature = sign(TOKEN, "https://example.com/voice/twilio-voice", &RINGING);
        for target in ["/twilio-voice", "/voice/twilio-voice"] {
            let answer = signed_as(&house, target, &signature).await;
            assert_eq!(answer.status, 200, "{target}");
            assert!(answer.twiml().contains(r#"url="wss://example.com/voice/twilio-media""#));
        }
        assert_eq!(signed_as(&house, "/other/twilio-voice", &signature).await.status, 404);
    }

    #[tokio::test]
    async fn a_body_has_a_limit() {
        let house = House::new().await;
        let long = "x".repeat(MAX_BODY_BYTES);
        let answer = house.post(VOICE, &[("CallSid", &long)]).await;
        assert_eq!((answer.status.as_u16(), answer.json()["reason"].as_str()), (413, Some("body_too_large")));
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_not_waited_for() {
        let house = House::new().await;
        tokio::time::pause();
        let body = Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
        let answer = house.ask_raw(post(VOICE, &[]).body(body).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.json()["reason"].as_str()), (408, Some("body_too_slow")));
    }

    #[tokio::test]
    async fn a_genuine_form_without_a_call_is_named_as_such() {
        let house = House::new().await;
        let answer = house.post(VOICE, &[("AccountSid", "AC1")]).await;
        assert_eq!((answer.status.as_u16(), answer.json()["reason"].as_str()), (400, Some("bad_form")));
    }
}
