//! Settings as people set them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use secrecy::ExposeSecret;

use super::*;
use crate::domain::{FirestoreAccess, FirestorePlace, Place};

type Pairs<'a> = &'a [(&'a str, &'a str)];

const SID: &str = "AC0123456789abcdef0123456789abcdef";
const KEY: &str = "sk-proj-0123456789";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const SECRET: &str = "fedcba9876543210fedcba9876543210";

const RAILWAY: Pairs<'_> = &[
    ("RAILWAY_PUBLIC_DOMAIN", "desk.up.railway.app"),
    ("RAILWAY_DEPLOYMENT_DRAINING_SECONDS", "900"),
    ("RAILWAY_VOLUME_MOUNT_PATH", "/data"),
    ("DATA_DIR", "/data"),
    ("OPENAI_API_KEY", KEY),
    ("TWILIO_ACCOUNT_SID", SID),
    ("TWILIO_AUTH_TOKEN", TOKEN),
    ("STREAM_TOKEN_SECRET", SECRET),
    ("PORT", "3000"),
];

#[test]
fn an_empty_environment_is_a_laptop_with_the_simulated_model() {
    let (config, warnings) = taken(&[]);
    assert_eq!(config.platform, Platform::Laptop);
    assert_eq!(config.listen, Listen { host: "[::]".into(), port: 8080 });
    assert_eq!(config.public.url.as_str(), "http://localhost:8080");
    assert_eq!(config.public.stream, config.public.url);
    assert!(matches!(config.model, ModelChoice::Simulated));
    assert!(matches!(config.twilio.auth, TwilioAuth::Local));
    assert_eq!(config.twilio.api_url.as_str(), "https://api.twilio.com/");
    assert!(config.stream_token_secret.is_none());
    assert_eq!(config.storage.place, Place::Sqlite("sqlite://data/frontdesk.db".into()));
    assert_eq!(config.storage.event_log_days, 7);
    assert_eq!(config.drain, Drain { grace: seconds(10), lame_duck: seconds(0) });
    assert_eq!(config.log, Log { format: None, filter: "info".into(), collector: None });
    let loud = [String::from(
        "OPENAI_API_KEY is not set: the built-in simulated model answers; \
         set it to a key from https://platform.openai.com/api-keys",
    )];
    assert_eq!(warnings, loud);
}

#[test]
fn a_well_kept_platform_has_no_warnings() {
    let (config, warnings) = taken(RAILWAY);
    assert_eq!(warnings, [""; 0]);
    assert_eq!(config.platform, Platform::Railway);
    assert_eq!(config.public.url.as_str(), "https://desk.up.railway.app");
    assert_eq!(config.drain, Drain { grace: seconds(900), lame_duck: seconds(5) });
    let ModelChoice::Realtime(Realtime { url, model, auth: RealtimeAuth::Bearer(key) }) = config.model else {
        panic!("no model")
    };
    assert_eq!(url.as_str(), "wss://api.openai.com/v1/realtime");
    assert_eq!(model, "gpt-realtime-2.1");
    assert_eq!(key.expose_secret(), KEY);
}

#[test]
fn all_mistakes_come_together_each_with_its_remedy() {
    let errors = refused(&[
        ("RENDER", "true"),
        ("PORT", "abc"),
        ("PUBLIC_URL", "http://desk.example.com"),
        ("LOG_FORMAT", "loud"),
    ]);
    assert_eq!(
        errors,
        "6 settings are wrong

  PORT is \"abc\"
    → write a whole number from 1 to 65535, or leave it off

  PUBLIC_URL begins with http://, which Twilio cannot call
    → write https://desk.example.com; plain http is for localhost alone

  OPENAI_API_KEY is missing
    → set it to a key from https://platform.openai.com/api-keys

  TWILIO_AUTH_TOKEN is missing; webhooks that are not signed by Twilio are never served
    → copy it from https://console.twilio.com, Account Info

  STREAM_TOKEN_SECRET is missing; the webhook and its stream may reach different instances, before and after a deploy
    → set it to the output of `openssl rand -hex 32`, the same on every instance

  LOG_FORMAT is \"loud\"
    → write `pretty` or `json`, or leave it off"
    );
}

#[test]
fn each_platform_says_where_the_world_reaches_us_unless_we_are_told() {
    let url = |pairs: Pairs<'_>| {
        let mut all =
            vec![("OPENAI_API_KEY", KEY), ("TWILIO_AUTH_TOKEN", TOKEN), ("STREAM_TOKEN_SECRET", SECRET)];
        all.extend(pairs);
        taken(&all).0.public.url.to_string()
    };
    assert_eq!(
        url(&[("RAILWAY_PROJECT_ID", "p"), ("RAILWAY_STATIC_URL", "old.up.railway.app")]),
        "https://old.up.railway.app"
    );
    assert_eq!(
        url(&[("RENDER", "true"), ("RENDER_EXTERNAL_URL", "https://desk.onrender.com")]),
        "https://desk.onrender.com"
    );
    assert_eq!(url(&[("FLY_APP_NAME", "desk")]), "https://desk.fly.dev");
    assert_eq!(
        url(&[("FLY_APP_NAME", "desk"), ("PUBLIC_URL", "desk.example.com")]),
        "https://desk.example.com"
    );
    assert_eq!(url(&[("PUBLIC_URL", "https://desk.example.com/voice/")]), "https://desk.example.com/voice");
    let silent = refused(&[("RAILWAY_PROJECT_ID", "p"), ("FLY_APP_NAME", "desk")]);
    assert!(silent.contains("PUBLIC_URL is missing, and Railway does not say under which name"), "{silent}");
}

#[test]
fn the_socket_may_have_a_domain_of_its_own_under_either_name() {
    for (name, warnings_more) in [("STREAM_PUBLIC_URL", 0), ("WEBSOCKET_PUBLIC_DOMAIN", 1)] {
        let (config, warnings) = taken(&[(name, "media.example.com")]);
        assert_eq!(
            config.public.stream.stream("/twilio-media").as_str(),
            "wss://media.example.com/twilio-media"
        );
        assert_eq!(config.public.url.as_str(), "http://localhost:8080");
        assert_eq!(warnings.len(), taken(&[]).1.len() + warnings_more, "{warnings:?}");
    }
}

#[test]
fn old_names_are_taken_with_a_word_about_what_to_set_instead() {
    let railway = |name, value| {
        let service = [("RAILWAY_PROJECT_ID", "p"), ("RAILWAY_PUBLIC_DOMAIN", ""), (name, value)];
        let (config, warnings) = taken(&[RAILWAY, &service].concat());
        (config.public, warnings.join("\n"))
    };
    let (public, said) = railway("RAILWAY_STATIC_URL", "old.up.railway.app");
    assert_eq!(public.url.as_str(), "https://old.up.railway.app");
    assert!(said.contains("RAILWAY_STATIC_URL is an old name") && said.contains("set PUBLIC_URL"), "{said}");
    let beside = |pairs: Pairs<'_>| {
        let (config, warnings) = taken(&[RAILWAY, pairs].concat());
        (config.public.stream.to_string(), warnings.join("\n"))
    };
    // Railway itself may still set it: no reason to say anything while its new name is there.
    assert_eq!(
        beside(&[("RAILWAY_STATIC_URL", "old.up.railway.app")]),
        ("https://desk.up.railway.app".to_owned(), String::new())
    );
    let (stream, said) = beside(&[("WEBSOCKET_PUBLIC_DOMAIN", "media.example.com")]);
    assert_eq!(stream, "https://media.example.com");
    assert!(
        said.contains("WEBSOCKET_PUBLIC_DOMAIN is an old name") && said.contains("set STREAM_PUBLIC_URL"),
        "{said}"
    );
    let (stream, said) =
        beside(&[("WEBSOCKET_PUBLIC_DOMAIN", "old.example.com"), ("STREAM_PUBLIC_URL", "new.example.com")]);
    assert_eq!(stream, "https://new.example.com");
    assert!(said.contains("which is set and counts; remove it"), "{said}");
    let (_, said) = beside(&[("RAILWAY_WEBSOCKET_ENABLED", "true")]);
    assert!(said.contains("RAILWAY_WEBSOCKET_ENABLED does nothing"), "{said}");
}

#[test]
fn what_people_paste_in_the_wrong_place_gets_a_remedy_of_its_own() {
    for (name, value, expected) in [
        (
            "PUBLIC_URL",
            "https://x.example.com/twilio-voice/",
            "write https://x.example.com alone; the paths are added",
        ),
        (
            "PUBLIC_URL",
            "https://x.example.com/twilio-voice?businessId=1",
            "write https://x.example.com alone",
        ),
        ("PUBLIC_URL", "https://x.example.com/?businessId=1", "write https://x.example.com alone"),
        ("PUBLIC_URL", "https://me:pw@x.example.com", "user name or password"),
        ("STREAM_PUBLIC_URL", "wss://x.example.com/twilio-media", "write wss://x.example.com alone"),
        ("HOST", "https://x.example.com", "what the world calls us is PUBLIC_URL"),
        ("PORT", "0", "from 1 to 65535"),
        ("PORT", "70000", "from 1 to 65535"),
        ("OPENAI_API_KEY", "sk-abc\n def", "in one piece"),
        ("OPENAI_API_KEY", "“sk-abc”", "in one piece"),
        ("OPENAI_API_KEY", "sk-...", "is the text of an example"),
        ("TWILIO_AUTH_TOKEN", SID, "is the Account SID; the Auth Token stands below it"),
        ("TWILIO_AUTH_TOKEN", "abc def", "a blank or a line break"),
        ("TWILIO_AUTH_TOKEN", " , ", "nothing but commas"),
        ("TWILIO_ACCOUNT_SID", "SK0123456789abcdef0123456789abcdef", "belongs in TWILIO_API_KEY"),
        ("TWILIO_ACCOUNT_SID", "AC0123", "has 6 characters"),
        ("TWILIO_ACCOUNT_SID", TOKEN, "does not begin with AC"),
        ("TWILIO_API_KEY", "SK0123456789abcdef0123456789abcdef", "TWILIO_API_SECRET is missing"),
        ("TWILIO_API_SECRET", "s", "TWILIO_API_KEY is missing"),
        ("TWILIO_API_URL", "http://twilio.example.com", "leave it off for https://api.twilio.com"),
        ("STREAM_TOKEN_SECRET", "short", "openssl rand -hex 32"),
        ("ADMIN_TOKEN", "short", "openssl rand -hex 32"),
        ("ADMIN_TOKEN", "of thirty-two characters and blanks", "no `Authorization` header can carry"),
        ("CORS_ORIGINS", "desk.example.com", "which is no origin"),
        ("CORS_ORIGINS", "https://a.example.com,https://b.example.com/path", "https://b.example.com/path"),
        ("WEBSOCKET_ENABLED", "maybe", "`true` or `false`"),
        ("REALTIME_URL", "https://api.openai.com/v1/realtime", "write wss://api.openai.com/v1/realtime"),
        ("REALTIME_URL", "wss://h/v1/realtime?model=x", "set REALTIME_MODEL"),
        ("REALTIME_URL", "ws://h.example.com/v1/realtime", "show the key to everybody"),
        ("REALTIME_URL", "wss://h.example.com/v1/realtime", "or REALTIME_AUTH=none if it wants none"),
        ("REALTIME_URL", "api.openai.com", "which is no URL"),
        ("REALTIME_AUTH", "basic", "`bearer`, `api-key` or `none`"),
        ("DATABASE_URL", "firestore://", "names no project"),
        ("DATABASE_URL", "firestore:luna-desk", "and not with firestore://"),
        (
            "DATABASE_URL",
            "firestore://Luna Dental",
            "with the project ID from https://console.firebase.google.com",
        ),
        ("DATABASE_URL", "firestore://me:pw@h/db", "not 6 to 30 small letters"),
        ("DATABASE_URL", "firestore://luna-desk/Calls", "leave it off for the project's own database"),
        ("DATABASE_URL", "postgres://me:pw@h/db", "begins with \"postgres\", a database we do not know"),
        ("DRAIN_SECONDS", "5m", "whole number from 0 to 14400"),
        ("EVENT_LOG_DAYS", "-1", "whole number from 0 to 365"),
        ("RUST_LOG", "frontdesk=loud", "frontdesk=debug,info"),
    ] {
        let text = refused(&[(name, value)]);
        assert!(text.contains(expected), "{name}={value}\n{text}");
        assert!(!text.contains("pw@"), "{text}");
    }
    let on_platform =
        refused(&[("RENDER", "true"), ("HOST", "127.0.0.1"), ("PUBLIC_URL", "http://localhost:1")]);
    assert!(on_platform.contains("which Render cannot reach"), "{on_platform}");
    assert!(on_platform.contains("an address of this machine alone"), "{on_platform}");
}

#[test]
fn quotes_line_breaks_and_names_around_a_value_are_left_off_with_a_warning() {
    for (value, because) in [
        (format!("\"{KEY}\""), "quotes"),
        (format!("'{KEY}'\n"), "quotes"),
        (format!("{KEY}\n"), "line break"),
        (format!("OPENAI_API_KEY={KEY}"), "its own name"),
    ] {
        let (config, warnings) = taken(&[("OPENAI_API_KEY", &value)]);
        let ModelChoice::Realtime(Realtime { auth: RealtimeAuth::Bearer(key), .. }) = config.model else {
            panic!("no model")
        };
        assert_eq!(key.expose_secret(), KEY);
        assert!(warnings.iter().any(|warning| warning.contains(because)), "{warnings:?}");
    }
    assert!(matches!(taken(&[("OPENAI_API_KEY", " \n")]).0.model, ModelChoice::Simulated));
    assert!(matches!(taken(&[("OPENAI_API_KEY", "\"\"")]).0.model, ModelChoice::Simulated));
}

#[test]
fn webhooks_of_the_world_are_never_served_unsigned() {
    let text = refused(&[("PUBLIC_URL", "https://desk.example.com")]);
    assert!(text.contains("TWILIO_AUTH_TOKEN is missing"), "{text}");
    let (config, _) = taken(&[("TWILIO_AUTH_TOKEN", " one , two,")]);
    let TwilioAuth::Tokens(tokens) = config.twilio.auth else { panic!("no tokens") };
    assert_eq!(tokens.iter().map(ExposeSecret::expose_secret).collect::<Vec<_>>(), ["one", "two"]);
}

#[test]
fn shared_keys_stand_beside_the_token_or_in_its_place() {
    let public = ("PUBLIC_URL", "https://desk.example.com");
    let secret = ("STREAM_TOKEN_SECRET", "0123456789abcdef0123456789abcdef");
    let (config, _) = taken(&[public, secret, ("TWILIO_SHARED_KEYS", "WK1:se:cret, WK2:other,")]);
    let keys: Vec<_> =
        config.twilio.shared_keys.iter().map(|key| (key.id.as_str(), key.secret.expose_secret())).collect();
    assert_eq!(keys, [("WK1", "se:cret"), ("WK2", "other")]);
    assert!(matches!(&config.twilio.auth, TwilioAuth::Tokens(none) if none.is_empty()));
    assert!(!format!("{config:?}").contains("se:cret"));
    for wrong in ["WK1", "WK1:", ":secret"] {
        let text = refused(&[public, ("TWILIO_SHARED_KEYS", wrong)]);
        assert!(text.contains("TWILIO_SHARED_KEYS") && text.contains("ID:SECRET"), "{text}");
        assert!(!text.contains("secret\""), "{text}");
    }
}

#[test]
fn a_server_of_ones_own_may_be_plain_and_keyless() {
    let (config, _) =
        taken(&[("REALTIME_URL", "ws://gpu.local:9000/v1/realtime?x=1"), ("REALTIME_AUTH", "none")]);
    let ModelChoice::Realtime(Realtime { url, auth: RealtimeAuth::None, .. }) = config.model else {
        panic!()
    };
    assert_eq!(url.as_str(), "ws://gpu.local:9000/v1/realtime?x=1");
    let (config, _) = taken(&[
        ("REALTIME_URL", "ws://127.0.0.1:9000/"),
        ("REALTIME_AUTH", "api-key"),
        ("OPENAI_API_KEY", "any"),
    ]);
    assert!(matches!(config.model, ModelChoice::Realtime(Realtime { auth: RealtimeAuth::ApiKey(_), .. })));
}

#[test]
fn a_platform_that_kills_calls_at_a_deploy_is_said_at_start() {
    let warned = |pairs: Pairs<'_>| {
        let mut all: Vec<_> = RAILWAY.to_vec();
        all.extend(pairs);
        let (config, warnings) = taken(&all);
        (config.drain.grace.as_secs(), warnings.join("\n"))
    };
    let (grace, said) = warned(&[("RAILWAY_DEPLOYMENT_DRAINING_SECONDS", "")]);
    assert_eq!(grace, 0);
    assert!(said.contains("every deploy will cut live calls; set it to 900"), "{said}");
    let (grace, said) = warned(&[("DRAIN_SECONDS", "1200")]);
    assert_eq!(grace, 1200);
    assert!(said.contains("lets Railway kill us earlier"), "{said}");
    let base = [("OPENAI_API_KEY", KEY), ("TWILIO_AUTH_TOKEN", TOKEN), ("STREAM_TOKEN_SECRET", SECRET)];
    for (seconds, expected) in [("", "calls get 5 s"), ("600", "kills us after 300 at most")] {
        let (_, warnings) =
            taken(&[base.as_slice(), &[("FLY_APP_NAME", "desk"), ("DRAIN_SECONDS", seconds)]].concat());
        assert!(warnings.join("\n").contains(expected), "{warnings:?}");
    }
}

#[test]
fn the_database_lies_in_the_data_folder_and_a_folder_that_will_be_forgotten_is_said() {
    let (config, _) = taken(&[("DATA_DIR", "/data/")]);
    assert_eq!(config.storage.place, Place::Sqlite("sqlite:///data/frontdesk.db".into()));
    let mut elsewhere = RAILWAY.to_vec();
    elsewhere.push(("DATA_DIR", "data"));
    let (_, warnings) = taken(&elsewhere);
    assert!(warnings.join("\n").contains("a deploy forgets every business"), "{warnings:?}");
}

#[test]
fn a_command_reads_only_what_it_needs() {
    let env = |name: &str| (name == "RENDER" || name == "PORT").then(|| "10000".to_owned());
    assert_eq!(Config::port(env).unwrap(), 10_000);
    assert_eq!(Config::storage(env).unwrap().0.place.to_string(), "sqlite://data/frontdesk.db");
    assert!(Config::from_env(env).is_err());
    assert!(Config::port(|_| Some("x".into())).is_err());
}

#[test]
fn no_secret_is_shown_by_a_debugger_an_error_or_a_warning() {
    let secrets = [
        ("OPENAI_API_KEY", "sk-hush-model"),
        ("TWILIO_AUTH_TOKEN", "hush-token,hush-other"),
        ("TWILIO_API_KEY", "SK0123456789abcdef0123456789abcdef"),
        ("TWILIO_API_SECRET", "hush-rest"),
        ("STREAM_TOKEN_SECRET", "hush-hush-hush-hush-hush-hush-hush"),
        ("ADMIN_TOKEN", "hush-again-hush-again-hush-again-h"),
        ("DATABASE_URL", "firestore://luna-desk"),
        ("FIREBASE_SERVICE_ACCOUNT", ACCOUNT),
    ];
    let (config, _) = taken(&secrets);
    let shown = format!("{config:#?}");
    assert!(!shown.contains("hush") && !shown.contains("c2Vj"), "{shown}");
    assert!(shown.contains("REDACTED"), "{shown}");
    let mangled = secrets.iter().filter(|(name, _)| *name != "DATABASE_URL");
    let mangled: Vec<_> = mangled.map(|(name, value)| (*name, format!("'hush {value}'"))).collect();
    let mangled: Vec<_> = mangled.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let errors = refused(&mangled);
    assert!(!errors.contains("hush"), "{errors}");
    for setting in SETTINGS.iter().filter(|setting| secrets.iter().any(|(name, _)| *name == setting.name)) {
        assert!(
            setting.secret || ["TWILIO_API_KEY", "DATABASE_URL"].contains(&setting.name),
            "{} is a secret",
            setting.name
        );
    }
}

const ACCOUNT: &str = r#"{"type":"service_account","project_id":"luna-desk","client_email":"d@x.example",
    "private_key":"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"}"#;

fn firestore(pairs: Pairs<'_>) -> (FirestorePlace, Vec<String>) {
    let (config, warnings) = taken(&[&[("DATABASE_URL", "firestore://luna-desk")], pairs].concat());
    let Place::Firestore(place) = config.storage.place else { panic!("no Firestore") };
    (place, warnings)
}

#[test]
fn firestore_is_opened_by_whatever_is_given() {
    let (place, _) = firestore(&[]);
    assert_eq!((place.project.as_str(), place.database.as_str()), ("luna-desk", "(default)"));
    assert_eq!(place.access, FirestoreAccess::Machine);
    let (place, _) = firestore(&[("DATABASE_URL", "firestore://example.com:luna-desk/calls")]);
    assert_eq!(place.to_string(), "firestore://example.com:luna-desk/calls");
    assert_eq!(firestore(&[("DATABASE_URL", "firestore://luna-desk/(default)/")]).0.database, "(default)");
    let (place, _) = firestore(&[("GOOGLE_APPLICATION_CREDENTIALS", "key.json")]);
    assert_eq!(place.access, FirestoreAccess::File("key.json".into()));
    for pasted in [ACCOUNT.to_owned(), format!("'{}'", ACCOUNT.replace('\n', " ").replace("\\n", "\\\\n"))] {
        let (place, warnings) = firestore(&[("FIREBASE_SERVICE_ACCOUNT", &pasted)]);
        assert!(matches!(place.access, FirestoreAccess::Key(_)), "{place:?}");
        assert!(!warnings.join("\n").contains("is a key of the project"), "{warnings:?}");
    }
    for host in ["127.0.0.1:8081", "http://127.0.0.1:8081/"] {
        let (place, _) =
            firestore(&[("FIRESTORE_EMULATOR_HOST", host), ("FIREBASE_SERVICE_ACCOUNT", ACCOUNT)]);
        assert_eq!(place.access, FirestoreAccess::Emulator("127.0.0.1:8081".into()));
    }
}

#[test]
fn what_does_not_open_firestore_gets_a_remedy_and_is_not_shown() {
    for (name, value, expected) in [
        ("FIREBASE_SERVICE_ACCOUNT", "hush", "Generate new private key"),
        ("FIREBASE_SERVICE_ACCOUNT", "/keys/hush.json", "move it to GOOGLE_APPLICATION_CREDENTIALS"),
        (
            "FIREBASE_SERVICE_ACCOUNT",
            r#"{"type":"service_account","private_key":"hush"}"#,
            "has no `client_email`",
        ),
        ("FIREBASE_SERVICE_ACCOUNT", r#"{"apiKey":"hush"}"#, "web app, which opens no database"),
        (
            "GOOGLE_APPLICATION_CREDENTIALS",
            r#"{"private_key":"hush"}"#,
            "move it to FIREBASE_SERVICE_ACCOUNT",
        ),
        ("FIRESTORE_EMULATOR_HOST", "localhost", "write it like 127.0.0.1:8080"),
    ] {
        let text = refused(&[("DATABASE_URL", "firestore://luna-desk"), (name, value)]);
        assert!(text.contains(expected), "{name}={value}\n{text}");
        assert!(!text.contains("hush"), "{text}");
    }
    let both = [("FIREBASE_SERVICE_ACCOUNT", ACCOUNT), ("GOOGLE_APPLICATION_CREDENTIALS", "key.json")];
    let text = refused(&[&[("DATABASE_URL", "firestore://luna-desk")], both.as_slice()].concat());
    assert!(text.contains("leave one of them off"), "{text}");
    let text = refused(&[RAILWAY, &[("DATABASE_URL", "firestore://luna-desk")]].concat());
    assert!(text.contains("FIREBASE_SERVICE_ACCOUNT is missing"), "{text}");
}

#[test]
fn on_firestore_a_deploy_forgets_nothing_and_what_is_odd_is_said() {
    let on_platform = |pairs: Pairs<'_>| {
        let base = [("DATABASE_URL", "firestore://luna-desk"), ("DATA_DIR", "data")];
        taken(&[RAILWAY, &base, pairs].concat()).1.join("\n")
    };
    assert_eq!(on_platform(&[("FIREBASE_SERVICE_ACCOUNT", ACCOUNT)]), "");
    let said =
        on_platform(&[("FIREBASE_SERVICE_ACCOUNT", ACCOUNT), ("DATABASE_URL", "firestore://sol-desk")]);
    assert!(said.contains("is a key of the project luna-desk"), "{said}");
    let said = on_platform(&[("FIRESTORE_EMULATOR_HOST", "emulator:8080")]);
    assert!(said.contains("which forgets them"), "{said}");
}

#[test]
fn the_table_has_every_variable_that_is_read_and_no_other() {
    let asked = RefCell::new(BTreeSet::new());
    let railway = RAILWAY.iter().copied().collect::<BTreeMap<_, _>>();
    for platform in ["", "RAILWAY_PROJECT_ID", "RENDER", "FLY_APP_NAME"] {
        let read = |name: &str| {
            asked.borrow_mut().insert(name.to_owned());
            if name == "DATABASE_URL" {
                Some("firestore://luna-desk".to_owned())
            } else {
                (name == platform).then(|| "1".to_owned())
            }
        };
        let _either = Config::from_env(read);
        let _outside = Config::doctor(read);
        let _known = Config::from_env(|name| {
            asked.borrow_mut().insert(name.to_owned());
            railway.get(name).map(|value| (*value).to_owned())
        });
    }
    let table: BTreeSet<_> = SETTINGS
        .iter()
        .map(|setting| setting.name)
        .chain(BESIDE.iter().copied())
        .map(str::to_owned)
        .collect();
    assert_eq!(asked.into_inner(), table);
}

#[test]
fn help_lists_every_setting_with_its_default() {
    let help = settings_help();
    assert_eq!(help.lines().count(), SETTINGS.len() + 1);
    assert!(help.contains("  PORT                 the port we listen on [default: 8080]\n"), "{help}");
    assert!(help.lines().all(|line| line.chars().count() <= 130), "{help}");
}

fn taken(pairs: Pairs<'_>) -> (Config, Vec<String>) {
    let (config, warnings) = Config::from_env(reader(pairs)).unwrap_or_else(|errors| panic!("{errors}"));
    (config, warnings.iter().map(ToString::to_string).collect())
}

fn refused(pairs: Pairs<'_>) -> String {
    let Err(errors) = Config::from_env(reader(pairs)) else { panic!("{pairs:?} was taken") };
    errors.to_string()
}

/// A later pair stands for an earlier one of the same name.
fn reader(pairs: Pairs<'_>) -> impl Fn(&str) -> Option<String> {
    move |name| pairs.iter().rev().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
}
