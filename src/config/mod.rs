//! What the environment says, read once and whole; every mistake is reported together with its remedy.
//!
//! Nothing here reaches out, generates or opens anything: text in, settings or a list of mistakes out.

mod environment;
mod firestore;
mod listen;
mod mistakes;
mod model;
mod platform;
mod prices;
mod reader;
mod settings;
mod storage;
mod twilio;
mod window;

use std::time::Duration;

pub use self::environment::process_environment;
pub use self::listen::{Listen, Public};
pub use self::mistakes::{ConfigErrors, Mistake, Warning};
pub use self::model::{ModelChoice, Realtime, RealtimeAuth};
pub use self::platform::{Drain, MOST_GRACE_S, Platform};
pub use self::settings::{BESIDE, SETTINGS, Setting, settings_help};
pub use self::storage::Storage;
pub use self::twilio::{RestKey, SharedKey, Twilio, TwilioAuth};
pub use self::window::Window;

use secrecy::SecretString;
use url::Url;

use self::reader::Reader;

use crate::domain::PriceTable;

/// Everything that can be set, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where we run.
    pub platform: Platform,
    /// Where we listen.
    pub listen: Listen,
    /// Where the world reaches us.
    pub public: Public,
    /// Who speaks.
    pub model: ModelChoice,
    /// What speech models cost.
    pub prices: PriceTable,
    /// How we know Twilio, and how Twilio knows us.
    pub twilio: Twilio,
    /// Signs the pass between webhook and stream; none on a single machine, where one is made at every start.
    pub stream_token_secret: Option<SecretString>,
    /// Shown by whoever may see and change everything; none opens the API to this machine alone.
    pub admin_token: Option<SecretString>,
    /// How the pages are kept up to date.
    pub window: Window,
    /// What we keep, and where.
    pub storage: Storage,
    /// How we end.
    pub drain: Drain,
    /// What we tell of ourselves.
    pub log: Log,
}

/// What a command needs that looks at a deployment from outside. It goes on without what cannot be read: what is wrong
/// with it is part of what is looked at.
#[derive(Debug)]
pub struct Doctor {
    /// How Twilio signs.
    pub twilio: Option<Twilio>,
    /// Where a token of this machine is kept.
    pub storage: Option<Storage>,
    /// Opens the doctor's own routes.
    pub admin_token: Option<SecretString>,
    /// What else the settings say.
    pub told: Told,
}

/// What the settings say of a deployment.
#[derive(Debug, Clone)]
pub struct Told {
    /// Where we run.
    pub platform: Platform,
    /// Where the world reaches the deployment; none after a mistake.
    pub public: Option<Public>,
    /// Whether a setting or the platform says so; else it is this machine.
    pub says_public: bool,
    /// What is wrong with what a doctor reads.
    pub mistakes: Vec<Mistake>,
    /// And what is odd about it.
    pub warnings: Vec<Warning>,
}

/// What we tell of ourselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// How lines look; nothing said means for eyes on a terminal, and JSON elsewhere.
    pub format: Option<LogFormat>,
    /// Which lines are written, in the words of `RUST_LOG`.
    pub filter: String,
    /// The OpenTelemetry collector that takes traces of calls, if there is one.
    pub collector: Option<Url>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For eyes.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// A secret shorter than this could be guessed: characters, 128 bits written in hexadecimal.
const SHORTEST_SECRET: usize = 32;

impl Config {
    /// Reads every setting through `read`, which gives the value of a variable. Fails with all mistakes at once;
    /// what is odd but no mistake comes back as warnings, to be logged.
    pub fn from_env(read: impl Fn(&str) -> Option<String>) -> Result<(Self, Vec<Warning>), ConfigErrors> {
        let mut reader = Reader::new(&read);
        let platform = Platform::detect(&read);
        let listen = Listen::read(&mut reader, platform);
        let public = Public::read(&mut reader, platform, listen.port);
        let model = ModelChoice::read(&mut reader, platform);
        let prices = prices::prices(&mut reader);
        let loopback = public.as_ref().is_some_and(|public| public.url.is_loopback());
        let twilio = Twilio::read(&mut reader, platform, loopback);
        let stream_token_secret = stream_token_secret(&mut reader, platform);
        let admin_token = admin_token(&mut reader);
        let window = Window::read(&mut reader);
        let storage = Storage::read(&mut reader, platform);
        let drain = Drain::read(&mut reader, platform);
        let log = log(&mut reader);
        let config =
            public.zip(model).zip(twilio).zip(storage).map(|(((public, model), twilio), storage)| Self {
                platform,
                listen,
                public,
                model,
                prices,
                twilio,
                stream_token_secret,
                admin_token,
                window,
                storage,
                drain,
                log,
            });
        reader.finish(config)
    }

    /// Reads the port alone, for a command that only knocks. Fails when it is none.
    pub fn port(read: impl Fn(&str) -> Option<String>) -> Result<u16, ConfigErrors> {
        let mut reader = Reader::new(&read);
        let port = listen::port(&mut reader);
        reader.finish(Some(port)).map(|(port, _)| port)
    }

    /// Reads how Twilio signs, and where a token of this machine is kept, for a command that plays Twilio's part. Fails
    /// with the mistakes in that.
    pub fn twilio(
        read: impl Fn(&str) -> Option<String>,
    ) -> Result<(Twilio, Storage, Vec<Warning>), ConfigErrors> {
        let mut reader = Reader::new(&read);
        let platform = Platform::detect(&read);
        let twilio = Twilio::read(&mut reader, platform, true);
        let storage = Storage::read(&mut reader, platform);
        let (both, warnings) = reader.finish(twilio.zip(storage))?;
        Ok((both.0, both.1, warnings))
    }

    /// Reads what a command needs that looks at a deployment from outside.
    pub fn doctor(read: impl Fn(&str) -> Option<String>) -> Doctor {
        let mut reader = Reader::new(&read);
        let platform = Platform::detect(&read);
        // That a token is missing is no mistake of whoever looks from outside.
        let twilio = Twilio::read(&mut reader, Platform::Laptop, true);
        let admin_token = admin_token(&mut reader);
        let port = listen::port(&mut reader);
        let public = Public::read(&mut reader, platform, port);
        let says_public = platform != Platform::Laptop || reader.text("PUBLIC_URL").is_some();
        let (mistakes, mut warnings) = reader.into_remarks();
        // What it costs a server not to have one is no question of a doctor's.
        warnings.retain(|warning| warning.setting != "TWILIO_ACCOUNT_SID");
        warnings.dedup();
        // What is odd about the storage is said when the server starts.
        let storage = Storage::read(&mut Reader::new(&read), platform);
        let told = Told { platform, public, says_public, mistakes, warnings };
        Doctor { twilio, storage, admin_token, told }
    }

    /// Reads what is kept and where, for commands that take no calls. Fails with the mistakes in that.
    pub fn storage(read: impl Fn(&str) -> Option<String>) -> Result<(Storage, Vec<Warning>), ConfigErrors> {
        let mut reader = Reader::new(&read);
        let storage = Storage::read(&mut reader, Platform::detect(&read));
        reader.finish(storage)
    }
}

fn stream_token_secret(reader: &mut Reader<'_>, platform: Platform) -> Option<SecretString> {
    const NAME: &str = "STREAM_TOKEN_SECRET";
    const REMEDY: &str = "set it to the output of `openssl rand -hex 32`, the same on every instance";
    let text = reader.text(NAME);
    match &text {
        Some(text) if text.chars().count() < SHORTEST_SECRET => {
            reader.mistake(NAME, format!("is shorter than {SHORTEST_SECRET} characters"), REMEDY);
        }
        None if platform != Platform::Laptop => {
            reader.mistake(
                NAME,
                "is missing; the webhook and its stream may reach different instances, before and after a deploy",
                REMEDY,
            );
        }
        Some(_) | None => {}
    }
    text.map(SecretString::from)
}

fn admin_token(reader: &mut Reader<'_>) -> Option<SecretString> {
    const NAME: &str = "ADMIN_TOKEN";
    const REMEDY: &str =
        "set it to the output of `openssl rand -hex 32`, or leave it off: then only this machine is answered";
    let text = reader.text(NAME)?;
    if text.chars().count() < SHORTEST_SECRET {
        reader.mistake(NAME, format!("is shorter than {SHORTEST_SECRET} characters"), REMEDY);
    } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        reader.mistake(NAME, "has characters that no `Authorization` header can carry", REMEDY);
    }
    Some(text.into())
}

fn log(reader: &mut Reader<'_>) -> Log {
    let format = match reader.text("LOG_FORMAT").as_deref() {
        Some("pretty") => Some(LogFormat::Pretty),
        Some("json") => Some(LogFormat::Json),
        Some(other) => {
            reader.mistake(
                "LOG_FORMAT",
                format!("is {other:?}"),
                "write `pretty` or `json`, or leave it off",
            );
            None
        }
        None => None,
    };
    let filter = reader.text("RUST_LOG").unwrap_or_else(|| settings::default_of("RUST_LOG").to_owned());
    if let Err(error) = tracing_subscriber::EnvFilter::try_new(&filter) {
        reader.mistake(
            "RUST_LOG",
            format!("is no filter: {error}"),
            "write it like `info` or `frontdesk=debug,info`",
        );
    }
    Log { format, filter, collector: collector(reader) }
}

fn collector(reader: &mut Reader<'_>) -> Option<Url> {
    const NAME: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    let text = reader.text(NAME)?;
    let url = Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if url.is_none() {
        reader.mistake(
            NAME,
            format!("is {text:?}"),
            "write the collector's base URL, like `http://localhost:4318`",
        );
    }
    url
}

/// A duration of whole seconds.
const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[cfg(test)]
mod tests;
