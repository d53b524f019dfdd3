//! Traefik cannot be had from Debian, so its files are read and not run. Only the keys we ship are known here: a
//! misspelled one, which Traefik would refuse or, worse, leave out, is found.

use std::collections::BTreeMap;

use frontdesk::http::paths;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::proxies::read;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Static {
    entry_points: BTreeMap<String, EntryPoint>,
    providers: Providers,
    certificates_resolvers: BTreeMap<String, Resolver>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryPoint {
    address: String,
    http: Option<EntryPointHttp>,
    transport: Option<Transport>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct EntryPointHttp {
    redirections: Redirections,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Redirections {
    entry_point: Redirection,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Redirection {
    to: String,
    scheme: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Transport {
    life_cycle: LifeCycle,
    responding_timeouts: RespondingTimeouts,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct LifeCycle {
    request_accept_grace_timeout: String,
    grace_time_out: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RespondingTimeouts {
    read_timeout: String,
    write_timeout: String,
    idle_timeout: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Providers {
    file: FileProvider,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileProvider {
    filename: String,
    watch: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resolver {
    acme: Acme,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Acme {
    email: String,
    storage: String,
    tls_challenge: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dynamic {
    http: Http,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Http {
    routers: BTreeMap<String, Router>,
    services: BTreeMap<String, Service>,
    servers_transports: BTreeMap<String, ServersTransport>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Router {
    rule: String,
    entry_points: Vec<String>,
    service: String,
    tls: RouterTls,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RouterTls {
    cert_resolver: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Service {
    load_balancer: LoadBalancer,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct LoadBalancer {
    pass_host_header: bool,
    health_check: HealthCheck,
    servers_transport: String,
    servers: Vec<Server>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HealthCheck {
    path: String,
    interval: String,
    timeout: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Server {
    url: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ServersTransport {
    #[serde(rename = "disableHTTP2")]
    disable_http2: bool,
    forwarding_timeouts: ForwardingTimeouts,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ForwardingTimeouts {
    dial_timeout: String,
    response_header_timeout: String,
    idle_conn_timeout: String,
}

/// Twilio's own limit.
const LONGEST_CALL_S: u64 = 4 * 60 * 60;

fn parsed<T: DeserializeOwned>(name: &str) -> T {
    serde_yaml_ng::from_str(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn seconds(text: &str) -> u64 {
    let (number, unit) = text.split_at(text.len() - 1);
    let seconds = match unit {
        "h" => 3_600,
        "m" => 60,
        _ => 1,
    };
    number.parse::<u64>().unwrap() * seconds
}

#[test]
fn traefik_lets_calls_live_when_it_ends_and_is_in_no_hurry_with_them() {
    let Static { entry_points, providers, certificates_resolvers } = parsed("traefik.yaml");
    let (web, secure) = (&entry_points["web"], &entry_points["websecure"]);
    assert_eq!((web.address.as_str(), secure.address.as_str()), (":80", ":443"));
    let Redirection { to, scheme } = &web.http.as_ref().unwrap().redirections.entry_point;
    assert_eq!((to.as_str(), scheme.as_str()), ("websecure", "https"));
    assert!(secure.http.is_none());
    let Transport { life_cycle, responding_timeouts } = secure.transport.as_ref().unwrap();
    assert!(seconds(&life_cycle.grace_time_out) >= LONGEST_CALL_S && web.transport.is_none());
    assert!(seconds(&life_cycle.request_accept_grace_timeout) > 0);
    let RespondingTimeouts { read_timeout, write_timeout, idle_timeout } = responding_timeouts;
    assert_eq!((seconds(read_timeout), seconds(write_timeout)), (0, 0), "0 is none");
    assert!(seconds(idle_timeout) > 0);
    assert!(providers.file.watch && providers.file.filename.ends_with("/traefik-routes.yaml"));
    let Acme { email, storage, tls_challenge } = &certificates_resolvers["letsencrypt"].acme;
    assert!(email.contains('@') && storage.starts_with('/') && tls_challenge.is_empty());
}

#[test]
fn traefik_leads_everything_to_one_server_over_http_1() {
    let (files, Dynamic { http }): (Static, Dynamic) =
        (parsed("traefik.yaml"), parsed("traefik-routes.yaml"));
    let router = &http.routers["frontdesk"];
    assert_eq!(router.rule, "Host(`voice.example.com`)");
    assert!(router.entry_points.iter().all(|point| files.entry_points.contains_key(point)));
    assert!(files.certificates_resolvers.contains_key(&router.tls.cert_resolver));
    let LoadBalancer { pass_host_header, health_check, servers_transport, servers } =
        &http.services[&router.service].load_balancer;
    assert!(pass_host_header, "what a caller's webhook was sent to is worth a line in the log");
    assert_eq!(health_check.path, paths::HEALTH);
    assert!(seconds(&health_check.timeout) < seconds(&health_check.interval));
    assert_eq!(
        servers.iter().map(|server| server.url.as_str()).collect::<Vec<_>>(),
        ["http://127.0.0.1:8080"]
    );
    let ServersTransport { disable_http2, forwarding_timeouts } = &http.servers_transports[servers_transport];
    assert!(disable_http2);
    let ForwardingTimeouts { dial_timeout, response_header_timeout, idle_conn_timeout } = forwarding_timeouts;
    assert!(seconds(dial_timeout) <= 5 && seconds(idle_conn_timeout) > 0);
    assert!(seconds(response_header_timeout) > 15, "Twilio waits 15 s for a webhook");
}
