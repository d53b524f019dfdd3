//! Rows C: edges and proxies.

use std::sync::atomic::{AtomicUsize, Ordering};

use frontdesk::doctor::row::Row;

use crate::deployment::{behind, behind_for, built, examination, examined, media, named, stranger};
use crate::fixture::{Fixture, fault, warning};
use crate::front::{Gate, cut, pass, say};
use crate::head::Reply;

pub(super) fn all() -> Vec<Fixture> {
    vec![
        fault(Row::UpgradeStripped, "a proxy that drops Upgrade and Connection", || {
            behind(|request, server| {
                request.headers.remove("upgrade");
                request.headers.remove("connection");
                pass(server)
            })
        }),
        fault(Row::UpgradeStripped, "a proxy that drops Upgrade alone", || {
            behind(|request, server| {
                request.headers.remove("upgrade");
                pass(server)
            })
        }),
        fault(Row::UpgradeStripped, "the same, to a doctor who has no tokens", || {
            behind_for(stranger, |request, server| {
                request.headers.remove("upgrade");
                request.headers.remove("connection");
                pass(server)
            })
        }),
        fault(Row::Http10Upstream, "a proxy that speaks HTTP/1.0", || {
            behind(|request, server| {
                request.version = "HTTP/1.0";
                pass(server)
            })
        }),
        fault(Row::StreamRedirected, "308 to www, for the media socket alone", || {
            media(|_, _| say(Reply::new(308, "").with("location", "https://www.example.com/twilio-media")))
        }),
        fault(Row::StreamRedirected, "307 to the path with a slash", || {
            media(|request, _| say(Reply::new(307, "").with("location", &format!("{}/", request.target))))
        }),
        fault(Row::Blocked, "a bot rule that knows Twilio's user agent", || {
            media(|request, server| {
                let is_bot = request.headers.get("user-agent").is_some_and(|it| it.starts_with("Twilio"));
                if is_bot { say(Reply::new(403, "bots are not welcome")) } else { pass(server) }
            })
        }),
        fault(Row::Blocked, "a challenge that only a browser passes", || {
            media(|_, _| {
                let page =
                    "<html><title>Just a moment...</title><script src=/cdn-cgi/challenge-platform/x.js>";
                say(Reply::new(503, page).with("cf-mitigated", "challenge").with("server", "cloudflare"))
            })
        }),
        fault(Row::Blocked, "protection from attack for all that is no browser", || {
            behind(|request, server| {
                let browser = request.headers.get("user-agent").is_some_and(|it| it.starts_with("Mozilla"));
                if browser { pass(server) } else { say(Reply::new(403, "<html>Checking your browser")) }
            })
        }),
        fault(Row::BackendDown, "an edge with nobody behind it", || async {
            let gate = Gate::plain().await;
            let url = gate.url();
            let _front = gate
                .open(|_| say(Reply::new(502, "Application failed to respond").with("server", "an-edge")));
            examined(examination(&url)).await
        }),
        fault(Row::OtherService, "another service has the media path", || {
            media(|_, _| say(Reply::new(404, "no such page").with("server", "another")))
        }),
        fault(Row::UnknownDomain, "an edge that does not know the domain", || async {
            let gate = Gate::plain().await;
            let url = gate.url();
            let unknown = r#"{"status":"error","code":404,"message":"Application not found"}"#;
            let _front = gate.open(move |_| say(Reply::new(404, unknown)));
            examined(examination(&url)).await
        }),
        fault(Row::ComesAndGoes, "one of two instances is broken", || {
            let turn = AtomicUsize::new(0);
            media(
                move |_, server| {
                    if turn.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) { pass(server) } else { cut() }
                },
            )
        }),
        fault(Row::ComesAndGoes, "one of two instances answers 502", || {
            let turn = AtomicUsize::new(0);
            media(move |_, server| {
                let good = turn.fetch_add(1, Ordering::SeqCst) % 2 == 1;
                if good { pass(server) } else { say(Reply::new(502, "bad gateway")) }
            })
        }),
        fault(Row::Full, "an edge at its limit of connections", || {
            media(|_, _| say(Reply::new(503, "too many connections").with("server", "an-edge")))
        }),
        fault(Row::TunnelQuirk, "a tunnel that has ended", || {
            let gone = "The endpoint abc.ngrok-free.app is offline. ERR_NGROK_3200";
            named("abc.ngrok-free.app", &["127.0.0.1"], move |_, _| say(Reply::new(404, gone)))
        }),
        fault(Row::TunnelQuirk, "the warning page of a free tunnel", || {
            let page = "<!DOCTYPE html><html><body>You are about to visit…";
            named("abc.ngrok-free.app", &["127.0.0.1"], move |_, _| {
                say(Reply::new(200, page).with("content-type", "text/html"))
            })
        }),
        warning(Row::ComesAndGoes, "an instance on its way out", || async {
            let house = built(&[("DRAIN_SECONDS", "60")]).await;
            // A call that is still carried keeps it listening.
            let call = house.tasks.hard().clone();
            house.tasks.spawn("a call", async move { call.cancelled().await });
            house.tasks.soft().cancel();
            examined(examination(&house.base)).await
        }),
    ]
}
