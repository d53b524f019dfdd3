//! Real proxies: as users would run them, and as they mostly are when calls do not get through.

use std::time::Duration;

use frontdesk::doctor::row::Row;

use crate::fixture::{Fixture, fault, healthy, warning};
use crate::proxies::{Broken, Kind, behind};

/// Longer than the timeouts that are edited in, shorter than a person's patience.
const HOLD: Option<Duration> = Some(Duration::from_secs(4));

pub(super) fn all() -> Vec<Fixture> {
    Kind::here()
        .into_iter()
        .flat_map(|kind| match kind {
            Kind::Nginx => nginx(),
            Kind::Caddy => caddy(),
            Kind::Haproxy => haproxy(),
        })
        .collect()
}

fn nginx() -> Vec<Fixture> {
    let broken = |edits| Broken { edits, ..Broken::default() };
    vec![
        healthy("nginx, as nginx.conf has it", || {
            behind(Kind::Nginx, Broken { hold: HOLD, ..Broken::default() })
        }),
        healthy("nginx, reloaded in the midst of a call", || {
            behind(Kind::Nginx, Broken { reloaded: true, ..Broken::default() })
        }),
        fault(Row::CutOff, "nginx that gives old workers a second, reloaded in the midst of a call", || {
            let edits = &[("worker_shutdown_timeout 4h", "worker_shutdown_timeout 1s")];
            behind(Kind::Nginx, Broken { edits, reloaded: true, ..Broken::default() })
        }),
        healthy("nginx with http2", move || behind(Kind::Nginx, broken(&[(" ssl;", " ssl http2;")]))),
        fault(Row::WebhookRedirected, "nginx, and Twilio was given the http URL", || {
            behind(Kind::Nginx, Broken { plain: true, ..Broken::default() })
        }),
        fault(Row::Http10Upstream, "nginx without proxy_http_version", move || {
            behind(Kind::Nginx, broken(&[("proxy_http_version 1.1;", "")]))
        }),
        fault(Row::UpgradeStripped, "nginx without the two headers of an upgrade", move || {
            behind(
                Kind::Nginx,
                broken(&[
                    ("proxy_set_header Upgrade    $http_upgrade;", ""),
                    ("proxy_set_header Connection $connection_upgrade;", ""),
                ]),
            )
        }),
        fault(Row::StreamRedirected, "nginx that puts a slash behind the media path", move || {
            const REDIRECT: &str =
                "location = /twilio-media { return 301 /twilio-media/; }\n        location / {";
            behind(Kind::Nginx, broken(&[("location / {", REDIRECT)]))
        }),
        fault(Row::BackendDown, "nginx with nobody behind it", || {
            behind(Kind::Nginx, Broken { dead: true, ..Broken::default() })
        }),
        fault(Row::MissingIntermediate, "nginx with cert.pem in place of fullchain.pem", || {
            behind(Kind::Nginx, Broken { leaf_alone: true, ..Broken::default() })
        }),
        fault(Row::RefusedByProxyRule, "nginx that wants an Origin on the media path", move || {
            behind(
                Kind::Nginx,
                broken(&[(
                    "        location / {",
                    "        set $asked $uri$http_origin;\n        if ($asked = /twilio-media) { return 403; }\n        location / {",
                )]),
            )
        }),
        warning(Row::IdleTimeout, "nginx with a short proxy_read_timeout", || {
            let edits = &[("proxy_read_timeout 4h;", "proxy_read_timeout 2s;")];
            behind(Kind::Nginx, Broken { edits, hold: HOLD, ..Broken::default() })
        }),
    ]
}

fn caddy() -> Vec<Fixture> {
    let broken = |edits| Broken { edits, ..Broken::default() };
    vec![
        healthy("Caddy, as Caddyfile has it", || {
            behind(Kind::Caddy, Broken { hold: HOLD, ..Broken::default() })
        }),
        fault(Row::UpgradeStripped, "Caddy that takes the headers of an upgrade away", move || {
            behind(
                Kind::Caddy,
                broken(&[("\t\tflush_interval -1", "\t\theader_up -Upgrade\n\t\tflush_interval -1")]),
            )
        }),
        fault(Row::StreamRedirected, "Caddy that puts a slash behind the media path", move || {
            behind(
                Kind::Caddy,
                broken(&[("\treverse_proxy", "\tredir /twilio-media /twilio-media/ 308\n\treverse_proxy")]),
            )
        }),
        fault(Row::BackendDown, "Caddy with nobody behind it", || {
            behind(Kind::Caddy, Broken { dead: true, ..Broken::default() })
        }),
        fault(Row::Blocked, "Caddy that turns away what calls itself Twilio", move || {
            behind(
                Kind::Caddy,
                broken(&[(
                    "\treverse_proxy",
                    "\t@bots {\n\t\tpath /twilio-media\n\t\theader User-Agent Twilio*\n\t}\n\trespond @bots 403\n\treverse_proxy",
                )]),
            )
        }),
    ]
}

fn haproxy() -> Vec<Fixture> {
    let broken = |edits| Broken { edits, ..Broken::default() };
    vec![
        healthy("HAProxy, as haproxy.cfg has it", || {
            behind(Kind::Haproxy, Broken { hold: HOLD, ..Broken::default() })
        }),
        fault(Row::WebhookRedirected, "HAProxy, and Twilio was given the http URL", || {
            behind(Kind::Haproxy, Broken { plain: true, ..Broken::default() })
        }),
        healthy("HAProxy, reloaded in the midst of a call", || {
            behind(Kind::Haproxy, Broken { reloaded: true, ..Broken::default() })
        }),
        fault(Row::UpgradeStripped, "HAProxy that takes Upgrade away", move || {
            behind(
                Kind::Haproxy,
                broken(&[(
                    "    option forwardfor",
                    "    http-request del-header Upgrade\n    option forwardfor",
                )]),
            )
        }),
        fault(Row::BackendDown, "HAProxy with nobody behind it", || {
            behind(Kind::Haproxy, Broken { dead: true, ..Broken::default() })
        }),
        fault(Row::Full, "HAProxy that lets nobody else to the media path", move || {
            behind(
                Kind::Haproxy,
                broken(&[(
                    "    option forwardfor",
                    "    http-request return status 503 if { path /twilio-media }\n    option forwardfor",
                )]),
            )
        }),
        warning(Row::IdleTimeout, "HAProxy with a short timeout tunnel", || {
            let edits = &[("timeout tunnel  4h", "timeout tunnel  2s")];
            behind(Kind::Haproxy, Broken { edits, hold: HOLD, ..Broken::default() })
        }),
    ]
}
