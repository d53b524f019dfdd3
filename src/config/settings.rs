//! The one table of settings: what `.env.example` lists, what `--help` prints, and where defaults come from.

use std::fmt::Write as _;

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The variable.
    pub name: &'static str,
    /// What it is for, in one line.
    pub help: &'static str,
    /// What holds when it is not set; empty when that depends on where we run, or when there is none.
    pub default: &'static str,
    /// Whether its value must never be shown.
    pub secret: bool,
}

/// Every setting, in the order people meet them.
pub const SETTINGS: &[Setting] = &[
    secret("OPENAI_API_KEY", "key of the speech model; without it, on a laptop, a simulated model answers"),
    open(
        "TWILIO_ACCOUNT_SID",
        "",
        "account whose calls are ended and transferred through Twilio's REST interface",
    ),
    secret(
        "TWILIO_AUTH_TOKEN",
        "what Twilio signs its requests with; two, with a comma, while one replaces the other",
    ),
    secret(
        "TWILIO_SHARED_KEYS",
        "shared keys Twilio signs with by HMAC-SHA256, ID:SECRET; without TWILIO_AUTH_TOKEN, nothing else is taken",
    ),
    open(
        "PUBLIC_URL",
        "",
        "where Twilio reaches us; Railway, Render and Fly say it themselves, unless the domain is your own",
    ),
    secret(
        "STREAM_TOKEN_SECRET",
        "at least 32 characters, the same on every instance; made at start on a single machine",
    ),
    secret(
        "ADMIN_TOKEN",
        "at least 32 characters, shown by whoever may use pages and /api; without it only this machine may",
    ),
    open(
        "CORS_ORIGINS",
        "",
        "origins of other places whose pages may watch the live feed, with a comma between two",
    ),
    open("WEBSOCKET_ENABLED", "true", "false has the pages ask for what is new instead of being told"),
    open("PORT", "8080", "the port we listen on"),
    open("HOST", "[::]", "the address we listen on; the default is every one of IPv6 and IPv4"),
    open(
        "STREAM_PUBLIC_URL",
        "",
        "where Twilio reaches the media socket, when another service or domain carries it",
    ),
    open(
        "DATA_DIR",
        "data",
        "folder of the database, event logs, recordings, greetings and the last known businesses",
    ),
    open(
        "DATABASE_URL",
        "sqlite://data/frontdesk.db",
        "where all is kept, or firestore://PROJECT; the default is in DATA_DIR",
    ),
    secret("FIREBASE_SERVICE_ACCOUNT", "the JSON key of a service account, when calls are kept in Firestore"),
    open("GOOGLE_APPLICATION_CREDENTIALS", "", "the file of such a key, in place of its JSON"),
    open("FIRESTORE_EMULATOR_HOST", "", "host and port of Google's emulator, in place of Firestore"),
    open("EVENT_LOG_DAYS", "7", "days the event log of a call is kept; 0 keeps none"),
    open(
        "PHRASES_AT_ONCE",
        "4",
        "how many greetings and bridging phrases the model says ahead at once; 0 makes none",
    ),
    open(
        "DRAIN_SECONDS",
        "",
        "seconds from the platform's signal until it kills us: what calls have to end at a deploy",
    ),
    open(
        "REALTIME_URL",
        "wss://api.openai.com/v1/realtime",
        "the speech model's socket, or a server's that speaks like it",
    ),
    open("REALTIME_MODEL", "gpt-realtime-2.1", "the speech model"),
    open("REALTIME_AUTH", "bearer", "how the key is shown: bearer, api-key, or none"),
    open(
        "REALTIME_PRICES",
        "",
        "what models cost, as JSON in dollars per million tokens, where the built-in table is not right",
    ),
    open("TWILIO_API_KEY", "", "a key for Twilio's REST interface, in place of account and token"),
    secret("TWILIO_API_SECRET", "the secret of that key"),
    open(
        "TWILIO_API_URL",
        "https://api.twilio.com",
        "where Twilio's REST interface is; another place for a simulator",
    ),
    open("LOG_FORMAT", "", "pretty or json; the default is pretty on a terminal and json elsewhere"),
    open("RUST_LOG", "info", "which log lines are written, like frontdesk=debug,info"),
    open(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "",
        "the collector that takes a trace of each call, by OTLP over HTTP, like http://localhost:4318",
    ),
];

/// Variables that are read beside the settings: what platforms say of themselves, and what people still set from before.
pub const BESIDE: &[&str] = &[
    "FLY_APP_NAME",
    "FLY_MACHINE_ID",
    "RAILWAY_DEPLOYMENT_DRAINING_SECONDS",
    "RAILWAY_ENVIRONMENT_NAME",
    "RAILWAY_PROJECT_ID",
    "RAILWAY_PUBLIC_DOMAIN",
    "RAILWAY_STATIC_URL",
    "RAILWAY_VOLUME_MOUNT_PATH",
    "RAILWAY_WEBSOCKET_ENABLED",
    "RENDER",
    "RENDER_EXTERNAL_URL",
    "WEBSOCKET_PUBLIC_DOMAIN",
];

/// The settings as `--help` prints them.
pub fn settings_help() -> String {
    let mut text = "Settings (environment variables; a file .env is read in development):\n".to_owned();
    for Setting { name, help, default, .. } in SETTINGS {
        // A `String` takes everything.
        let _ok = write!(text, "  {name:<20} {help}");
        if !default.is_empty() {
            let _ok = write!(text, " [default: {default}]");
        }
        text.push('\n');
    }
    text
}

/// What holds when a setting is not set. Asking for one that is not in the table gives nothing.
pub(super) fn default_of(name: &str) -> &'static str {
    let setting = SETTINGS.iter().find(|setting| setting.name == name);
    debug_assert!(setting.is_some(), "{name} is not in the table of settings");
    setting.map_or("", |setting| setting.default)
}

const fn open(name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { name, help, default, secret: false }
}

const fn secret(name: &'static str, help: &'static str) -> Setting {
    Setting { name, help, default: "", secret: true }
}
