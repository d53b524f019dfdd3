//! Rows D: the application, and what answers in its name.

use frontdesk::doctor::row::Row;
use frontdesk::doctor::{Examination, Examined};
use frontdesk::http::paths;

use crate::deployment::{address, behind, built, examination, examined, media, server_with};
use crate::fixture::{Fixture, fault};
use crate::front::{Deed, Gate, cut, pass, say};
use crate::head::{Reply, Request};

/// What shows that an answer is ours.
const HOP: &str = "x-frontdesk-hop";

pub(super) fn all() -> Vec<Fixture> {
    vec![
        fault(Row::WrongPath, "a proxy that rewrites the media path", || {
            media(|request, server| {
                request.target = "/media".to_owned();
                pass(server)
            })
        }),
        fault(Row::WrongPath, "a route that takes the method of forms alone", || {
            media(|request, server| {
                request.method = "POST".to_owned();
                pass(server)
            })
        }),
        fault(Row::RefusedByProxyRule, "an application that wants an Origin", || {
            foreign(|request| request.headers.get("origin").is_none().then_some(403))
        }),
        fault(Row::NeedsMore, "an application that wants values in the query", || {
            foreign(|request| (!request.has_query()).then_some(400))
        }),
        fault(Row::NeedsMore, "an application that wants a cookie", || {
            foreign(|request| request.headers.get("cookie").is_none().then_some(401))
        }),
        fault(Row::SignedOverAnotherUrl, "PUBLIC_URL is not where Twilio calls", || async {
            let house = built(&[("PUBLIC_URL", "http://localhost:8080")]).await;
            examined(examination(&house.base)).await
        }),
        fault(Row::SignedOverAnotherUrl, "a proxy adds a slash to the webhook's path", || async {
            let gate = Gate::plain().await;
            let url = gate.url();
            let house = server_with(&format!("{url}/voice"), &[]).await;
            let server = address(&house);
            let _front = gate.open(move |_| pass(server));
            examined(examination(&url)).await
        }),
        fault(Row::WrongToken, "the auth token of another account", || async {
            let house = built(&[]).await;
            let auth_token = Some("00000000000000000000000000000000".into());
            examined(Examination { auth_token, ..examination(&house.base) }).await
        }),
        fault(Row::RefusedByProxyRule, "a proxy that checks the Origin of every socket", || {
            media(|request, server| {
                if request.headers.get("origin").is_some() {
                    pass(server)
                } else {
                    say(Reply::new(403, "origin"))
                }
            })
        }),
        fault(Row::UnknownCall, "two instances that do not share STREAM_TOKEN_SECRET", || async {
            let gate = Gate::plain().await;
            let url = gate.url();
            let house = server_with(&url, &[]).await;
            let second = server_with(&url, &[("STREAM_TOKEN_SECRET", &"0".repeat(64))]).await;
            let (server, other) = (address(&house), address(&second));
            let _front =
                gate.open(move |request| pass(if request.is(paths::MEDIA) { other } else { server }));
            examined(examination(&url)).await
        }),
        fault(Row::SlowUpgrade, "something is waited for before the 101", || {
            media(|_, server| pass(server).late(2_300))
        }),
        fault(Row::Panics, "the connection ends in place of an answer", || media(|_, _| cut())),
        fault(Row::Panics, "a proxy says 502 for the media path alone", || {
            media(|_, _| say(Reply::new(502, "bad gateway").with("server", "nginx")))
        }),
        fault(Row::ResetAfterUpgrade, "the 101 comes, and the end with it", || {
            media(|_, server| pass(server).cut_after(0))
        }),
        fault(Row::WrongUpgrade, "a 101 for another handshake", || {
            upgraded(|reply| reply.headers.set("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
        }),
        fault(Row::WrongUpgrade, "a subprotocol nobody offered", || {
            upgraded(|reply| reply.headers.set("sec-websocket-protocol", "graphql-ws"))
        }),
        fault(Row::WrongUpgrade, "compression nobody offered", || {
            upgraded(|reply| reply.headers.set("sec-websocket-extensions", "permessage-deflate"))
        }),
    ]
}

/// The media socket opens, and its 101 is changed.
async fn upgraded(change: impl Fn(&mut Reply) + Clone + Send + Sync + 'static) -> Examined {
    media(move |_, server| pass(server).mending(change.clone())).await
}

/// An application that is not ours, and answers so on its media path to what lacks something.
async fn foreign(refuses: impl Fn(&Request) -> Option<u16> + Send + Sync + 'static) -> Examined {
    let hide = |deed: Deed| deed.mending(|reply| reply.headers.remove(HOP));
    behind(move |request, server| match refuses(request) {
        Some(status) if request.is(paths::MEDIA) => say(Reply::new(status, "")),
        _ => hide(pass(server)),
    })
    .await
}
