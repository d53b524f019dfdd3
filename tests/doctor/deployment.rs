//! A deployment as a doctor meets it: the real server with everything around it, behind a front.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

use frontdesk::config::Config;
use frontdesk::doctor::{Answers, Examination, Examined};
use frontdesk::domain::{AccountSid, Pii};
use frontdesk::http::paths;
use frontdesk::telemetry::wall_clock;
use rustls::pki_types::CertificateDer;

use crate::certificates::Authority;
use crate::front::{Deed, Gate, pass};
use crate::head::Request;
use crate::house::{ACCOUNT, AUTH_TOKEN, House, LINE, Plans};
use crate::scenes::plain;

/// Opens the doctor's own routes.
pub(crate) const ADMIN_TOKEN: &str = "ae2d8a571e03ac9c9eb76fac45af8e51ae2d8a571e03ac9c9eb76fac45af8e51";

/// The server, told that the world reaches it at that URL.
pub(crate) async fn server(public_url: &str) -> House {
    server_with(public_url, &[]).await
}

/// The same with other settings.
pub(crate) async fn server_with(public_url: &str, settings: &[(&'static str, &str)]) -> House {
    built(&[&[("PUBLIC_URL", public_url)], settings].concat()).await
}

/// The server with these settings; without a public URL the world reaches it itself.
pub(crate) async fn built(settings: &[(&'static str, &str)]) -> House {
    let mut plans = Plans::new("doctor", vec![plain()]);
    plans.settings = settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    plans.settings.push(("ADMIN_TOKEN", ADMIN_TOKEN.to_owned()));
    House::build(plans).await
}

/// Where it listens.
pub(crate) fn address(house: &House) -> SocketAddr {
    house.base.trim_start_matches("http://").parse().unwrap()
}

/// What a doctor is asked about a deployment of ours: everything.
pub(crate) fn examination(public_url: &str) -> Examination {
    Examination {
        webhook: format!("{public_url}{}", paths::VOICE).parse().unwrap(),
        to: Some(Pii::new(LINE.to_owned())),
        account: AccountSid::parse(ACCOUNT).unwrap(),
        auth_token: Some(AUTH_TOKEN.into()),
        admin_token: Some(ADMIN_TOKEN.into()),
        rest: None,
        roots: Vec::new(),
        names: Vec::new(),
        call: true,
        hold: None,
        told: Config::doctor(|name| (name == "PUBLIC_URL").then(|| public_url.to_owned())).told,
        answers: Answers {
            health: paths::HEALTH,
            echo: paths::DOCTOR_ECHO,
            socket: paths::DOCTOR_WS,
            recent: paths::DOCTOR_RECENT,
            media: paths::MEDIA,
            voice: paths::VOICE,
            status: paths::STATUS,
            businesses: "/api/businesses",
        },
        now_ms: wall_clock(),
    }
}

/// Examines, and tells nobody meanwhile.
pub(crate) async fn examined(examination: Examination) -> Examined {
    examination.run(&mut |_| {}).await.unwrap()
}

/// Examines the server behind a front that does that with what is for the server.
pub(crate) async fn behind(
    rule: impl Fn(&mut Request, SocketAddr) -> Deed + Send + Sync + 'static,
) -> Examined {
    behind_for(|everything| everything, rule).await
}

/// The same for a doctor who is asked something else than everything.
pub(crate) async fn behind_for(
    ask: impl FnOnce(Examination) -> Examination,
    rule: impl Fn(&mut Request, SocketAddr) -> Deed + Send + Sync + 'static,
) -> Examined {
    let gate = Gate::plain().await;
    let url = gate.url();
    let house = server(&url).await;
    let server = address(&house);
    let _front = gate.open(move |request| rule(request, server));
    examined(ask(examination(&url))).await
}

/// Without any of the deployment's tokens: what a stranger can be told.
pub(crate) fn stranger(examination: Examination) -> Examination {
    Examination { auth_token: None, admin_token: None, ..examination }
}

/// The same where only the media socket meets anything odd.
pub(crate) async fn media(
    rule: impl Fn(&mut Request, SocketAddr) -> Deed + Send + Sync + 'static,
) -> Examined {
    behind(move |request, server| if request.is(paths::MEDIA) { rule(request, server) } else { pass(server) })
        .await
}

/// The same where only the webhook does.
pub(crate) async fn webhook(
    rule: impl Fn(&mut Request, SocketAddr) -> Deed + Send + Sync + 'static,
) -> Examined {
    behind(move |request, server| if request.is(paths::VOICE) { rule(request, server) } else { pass(server) })
        .await
}

/// Examines the server behind a gate of TLS, in the eyes of somebody who believes these.
pub(crate) async fn behind_tls(gate: Gate, roots: Vec<CertificateDer<'static>>) -> Examined {
    let url = gate.url();
    let house = server(&url).await;
    let server = address(&house);
    let _front = gate.open(move |_| pass(server));
    examined(Examination { roots, ..examination(&url) }).await
}

/// Examines a deployment that the world knows by that name, which leads to these addresses; this machine is the first.
pub(crate) async fn named(
    name: &str,
    addresses: &[&str],
    rule: impl Fn(&mut Request, SocketAddr) -> Deed + Send + Sync + 'static,
) -> Examined {
    let root = Authority::root("a root");
    let gate = Gate::secure(root.issue(&[name]).server(&["http/1.1"])).await;
    let url = format!("https://{name}:{}", gate.address().port());
    let house = server(&url).await;
    let server = address(&house);
    let _front = gate.open(move |request| rule(request, server));
    let names = addresses.iter().map(|address| (name.to_owned(), address.parse().unwrap())).collect();
    examined(Examination { roots: vec![root.der()], names, ..examination(&url) }).await
}

/// What the server remembers of the last minutes.
pub(crate) async fn recent(house: &House) -> String {
    let asked = house.http.get(format!("{}{}", house.base, paths::DOCTOR_RECENT)).bearer_auth(ADMIN_TOKEN);
    asked.send().await.unwrap().text().await.unwrap()
}

/// A port of this machine at which nobody listens, and nobody will who takes what the system gives: those are higher.
pub(crate) fn free_port() -> u16 {
    const FIRST: u32 = 20_000;
    const MANY: u32 = 10_000;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    loop {
        // Other runs on this machine begin elsewhere.
        let number = std::process::id().wrapping_mul(211).wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST + number % MANY).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
