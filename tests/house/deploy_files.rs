//! The deploy files agree with the code and with each other. Only the keys we ship are known here, so that a
//! misspelled one, which a platform would ignore, is found.

mod railway;

use std::collections::BTreeMap;

use frontdesk::config::{BESIDE, Config, MOST_GRACE_S, Platform, SETTINGS};
use frontdesk::http::paths;
use frontdesk::lifecycle::HAND_OVER_MARGIN;
use frontdesk::server::MOST_CALLS;
use serde::Deserialize;

use crate::tree;

/// What a person has to give every deployment; a deploy file holds their names, and never their values.
const NEEDED: [&str; 5] =
    ["OPENAI_API_KEY", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "STREAM_TOKEN_SECRET", "ADMIN_TOKEN"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fly {
    app: String,
    primary_region: String,
    kill_signal: String,
    kill_timeout: u32,
    build: FlyBuild,
    deploy: FlyDeploy,
    env: BTreeMap<String, String>,
    http_service: FlyService,
    vm: Vec<FlyMachine>,
    restart: Vec<FlyRestart>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlyBuild {
    dockerfile: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlyDeploy {
    strategy: String,
    wait_timeout: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlyService {
    internal_port: u16,
    force_https: bool,
    auto_stop_machines: String,
    auto_start_machines: bool,
    min_machines_running: u32,
    concurrency: FlyConcurrency,
    checks: Vec<FlyCheck>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlyConcurrency {
    r#type: String,
    soft_limit: u32,
    hard_limit: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlyCheck {
    grace_period: String,
    interval: String,
    timeout: String,
    method: String,
    path: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlyMachine {
    size: String,
    memory: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlyRestart {
    policy: String,
}

#[test]
fn fly_keeps_calls_through_a_deploy_and_never_sleeps() {
    let fly: Fly = toml::from_str(&tree::read("fly.toml")).unwrap();
    assert_eq!((fly.app.as_str(), fly.primary_region.as_str()), ("frontdesk", "iad"));
    assert_eq!(fly.kill_signal, "SIGTERM");
    assert_eq!(fly.kill_timeout, MOST_GRACE_S);
    assert_eq!(fly.build.dockerfile, "Dockerfile");
    assert_eq!(fly.deploy.strategy, "bluegreen");
    // The old machines go only when their calls are over.
    let minutes: u32 = fly.deploy.wait_timeout.strip_suffix('m').unwrap().parse().unwrap();
    assert!(minutes * 60 > fly.kill_timeout);

    let service = fly.http_service;
    assert_eq!(service.internal_port, port());
    assert_eq!(fly.env["PORT"], service.internal_port.to_string());
    assert!(service.force_https && service.auto_start_machines);
    assert_eq!(service.auto_stop_machines, "off");
    assert!(service.min_machines_running >= 1);
    assert_eq!(service.concurrency.r#type, "connections");
    // At the edge's limit a caller meets nobody; at ours, the business's fallback. A call at its webhooks has a second.
    assert!(service.concurrency.soft_limit < service.concurrency.hard_limit);
    assert!(service.concurrency.hard_limit as usize > MOST_CALLS);
    let [check] = &service.checks[..] else { panic!("one check, of the service, as only such gate traffic") };
    assert_eq!((check.method.as_str(), check.path.as_str()), ("GET", paths::READY));
    assert!([&check.grace_period, &check.interval, &check.timeout].iter().all(|time| time.ends_with('s')));
    assert!(!fly.vm[0].size.is_empty() && fly.vm[0].memory.ends_with("mb"));
    assert_eq!(fly.restart[0].policy, "always");
    for name in fly.env.keys() {
        assert!(is_known(name) && !is_secret(name), "{name} is nothing we read, or a secret");
    }
    let text = tree::read("fly.toml");
    for needed in NEEDED {
        assert!(text.contains(&format!("{needed}=")), "the command above does not set {needed}");
    }
    the_program_is_content(Platform::Fly, &fly.env, &[("FLY_APP_NAME", &fly.app)], fly.kill_timeout);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Render {
    services: Vec<RenderService>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RenderService {
    r#type: String,
    name: String,
    runtime: String,
    dockerfile_path: String,
    plan: String,
    region: String,
    num_instances: u32,
    health_check_path: String,
    max_shutdown_delay_seconds: u32,
    auto_deploy_trigger: String,
    env_vars: Vec<RenderVariable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RenderVariable {
    key: String,
    value: Option<String>,
    sync: Option<bool>,
    generate_value: Option<bool>,
}

#[test]
fn render_keeps_calls_through_a_deploy_and_never_sleeps() {
    let render: Render = serde_yaml_ng::from_str(&tree::read("render.yaml")).unwrap();
    let [service] = &render.services[..] else { panic!("one service") };
    assert_eq!((service.r#type.as_str(), service.name.as_str()), ("web", "frontdesk"));
    assert_eq!((service.runtime.as_str(), service.dockerfile_path.as_str()), ("docker", "./Dockerfile"));
    assert!(!["free", "starter"].contains(&service.plan.as_str()), "it sleeps, or has half a core");
    assert_eq!(service.region, "virginia");
    assert!(service.num_instances >= 1);
    assert_eq!(service.health_check_path, paths::HEALTH, "what fails there is restarted with its calls");
    assert_eq!(service.max_shutdown_delay_seconds, MOST_GRACE_S);
    assert_eq!(service.auto_deploy_trigger, "checksPass");

    let mut values = BTreeMap::new();
    for variable in &service.env_vars {
        let name = &variable.key;
        assert!(is_known(name), "{name} is nothing we read");
        assert!(!(is_secret(name) && variable.value.is_some()), "{name} is a secret");
        let sources =
            [variable.value.is_some(), variable.sync == Some(false), variable.generate_value == Some(true)];
        assert_eq!(sources.iter().filter(|said| **said).count(), 1, "{name}");
        values.extend(variable.value.clone().map(|value| (variable.key.clone(), value)));
    }
    for needed in NEEDED {
        assert!(service.env_vars.iter().any(|variable| variable.key == needed), "{needed} is needed");
    }
    assert_eq!(values["PORT"], port().to_string());
    let own = [("RENDER", "true"), ("RENDER_EXTERNAL_URL", "https://frontdesk.onrender.com")];
    the_program_is_content(Platform::Render, &values, &own, service.max_shutdown_delay_seconds);
}

#[test]
fn the_image_is_small_unprivileged_and_hears_its_signals() {
    let dockerfile = tree::read("Dockerfile");
    let lines: Vec<&str> = dockerfile.lines().collect();
    let has = |wanted: &str| lines.iter().any(|line| line.trim() == wanted);
    let port = port();
    for wanted in [
        "USER 65532:65532",
        "STOPSIGNAL SIGTERM",
        r#"ENTRYPOINT ["/frontdesk"]"#,
        r#"CMD ["serve"]"#,
        &format!("EXPOSE {port}"),
        &format!("ENV DATA_DIR=/data PORT={port}"),
    ] {
        assert!(has(wanted), "{wanted} is missing");
    }
    let check = lines.iter().find(|line| line.starts_with("HEALTHCHECK")).unwrap();
    assert!(check.ends_with(r#"CMD ["/frontdesk", "healthcheck"]"#), "{check}");
    assert!(!lines.iter().any(|line| line.starts_with("VOLUME")), "Railway refuses it");
    let last = lines.iter().rfind(|line| line.starts_with("FROM")).unwrap();
    assert!(last.contains("distroless/cc"), "the root certificates and a C library, and no shell: {last}");
    let toolchain = tree::read("Cargo.toml");
    let version =
        toolchain.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    assert!(lines[0].starts_with(&format!("FROM rust:{version}-")), "{}", lines[0]);
}

#[test]
fn the_image_is_built_from_everything_the_program_is_made_of() {
    let dockerfile = tree::read("Dockerfile");
    let ignored = tree::read(".dockerignore");
    let mut folders = vec!["src".to_owned()];
    for (_, text) in tree::rust_below("src") {
        for reading in ["include_bytes!(", "include_str!(", "include_dir!(", "migrate!("] {
            for (at, _) in text.match_indices(reading) {
                let inside = text[at + reading.len()..].split(')').next().unwrap();
                let known = ["fixtures", "migrations"].into_iter().filter(|folder| inside.contains(folder));
                folders.extend(known.map(str::to_owned));
            }
        }
    }
    if tree::read("Cargo.toml").contains("[[bench]]") {
        folders.push("benches".to_owned());
    }
    for folder in folders {
        assert!(
            dockerfile.contains(&format!("COPY {folder} {folder}\n")),
            "{folder} is not in the image's build"
        );
        assert!(ignored.contains(&format!("!{folder}\n")), "{folder} is ignored");
    }
}

/// Reads what a deploy file sets as the program would there, with the secrets a person adds.
fn the_program_is_content(
    platform: Platform,
    values: &BTreeMap<String, String>,
    own: &[(&str, &str)],
    granted_s: u32,
) {
    let secrets = [
        ("OPENAI_API_KEY", "sk-x"),
        ("TWILIO_ACCOUNT_SID", "AC0123456789abcdef0123456789abcdef"),
        ("TWILIO_AUTH_TOKEN", "0123456789abcdef0123456789abcdef"),
        ("STREAM_TOKEN_SECRET", "0123456789abcdef0123456789abcdef"),
        ("ADMIN_TOKEN", "0123456789abcdef0123456789abcdef"),
        // Of the Dockerfile.
        ("DATA_DIR", "/data"),
    ];
    let read = |name: &str| {
        let beside = secrets.iter().chain(own).find(|(key, _)| *key == name);
        values.get(name).cloned().or_else(|| beside.map(|(_, value)| (*value).to_owned()))
    };
    let (config, warnings) = Config::from_env(read).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.platform, platform);
    assert_eq!(
        config.drain.grace.as_secs(),
        u64::from(granted_s),
        "DRAIN_SECONDS says what the platform grants"
    );
    assert!(config.drain.grace > 3 * HAND_OVER_MARGIN);
    let about: Vec<_> = warnings.iter().map(|warning| warning.setting).collect();
    assert_eq!(about, ["DATABASE_URL"], "only that SQLite forgets at a deploy");
}

/// Whether we read a variable of this name.
fn is_known(name: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.name == name) || BESIDE.contains(&name)
}

fn is_secret(name: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.name == name && setting.secret)
}

/// A test that could not be made must not count as one that held.
#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says whether any may be skipped")]
fn skip(why: &str) {
    let all = std::env::var("FRONTDESK_TEST_ALL").is_ok_and(|all| all == "1");
    assert!(!all, "{why}");
    println!("skipped: {why}");
}

/// The port the program listens on when nobody says otherwise.
fn port() -> u16 {
    Config::port(|_| None).unwrap()
}
