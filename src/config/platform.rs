//! Where we run, and how long we may take to end there.

use std::fmt;
use std::time::Duration;

use super::reader::Reader;
use super::seconds;

/// Where we run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// railway.com.
    Railway,
    /// render.com.
    Render,
    /// fly.io.
    Fly,
    /// Any machine that says nothing of itself: a laptop, a server of one's own.
    Laptop,
}

/// How we end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// From the platform's signal until it kills us.
    pub grace: Duration,
    /// How long after the signal the platform's edge may still send us callers.
    pub lame_duck: Duration,
}

/// The longest a call can be: Twilio ends it after four hours. Nothing needs more time to end, in seconds.
const LONGEST_CALL_S: u32 = 4 * 60 * 60;

/// The most Render (`maxShutdownDelaySeconds`) and Fly (`kill_timeout`) can be asked for, in seconds. The deploy
/// files ask for it.
pub const MOST_GRACE_S: u32 = 300;

/// What Railway should be asked for: a quarter of an hour is longer than nearly every call, in seconds.
const WISE_GRACE_S: u32 = 900;

/// Edges learn of a deploy within a second or two; each further second costs a deploy nothing.
const LAME_DUCK: Duration = Duration::from_secs(5);

impl Platform {
    /// Knows a platform by the variables it sets.
    pub fn detect(read: &dyn Fn(&str) -> Option<String>) -> Self {
        let any = |names: &[&str]| names.iter().any(|name| read(name).is_some_and(|value| !value.is_empty()));
        if any(&["RAILWAY_PROJECT_ID", "RAILWAY_ENVIRONMENT_NAME", "RAILWAY_PUBLIC_DOMAIN"]) {
            Self::Railway
        } else if any(&["RENDER", "RENDER_EXTERNAL_URL"]) {
            Self::Render
        } else if any(&["FLY_APP_NAME", "FLY_MACHINE_ID"]) {
            Self::Fly
        } else {
            Self::Laptop
        }
    }

    /// What is to be set so that it gives us longer to end.
    pub const fn grace_setting(self) -> &'static str {
        match self {
            Self::Railway => "RAILWAY_DEPLOYMENT_DRAINING_SECONDS",
            Self::Render => "maxShutdownDelaySeconds and DRAIN_SECONDS",
            Self::Fly => "kill_timeout and DRAIN_SECONDS",
            Self::Laptop => "DRAIN_SECONDS, and what stops us,",
        }
    }

    /// What it gives us from its signal to the end when nobody asked it for more, in seconds. On a laptop, what
    /// `docker stop` waits.
    const fn default_grace_s(self) -> u32 {
        match self {
            Self::Railway => 0,
            Self::Render => 30,
            Self::Fly => 5,
            Self::Laptop => 10,
        }
    }
}

impl Drain {
    pub(super) fn read(reader: &mut Reader<'_>, platform: Platform) -> Self {
        const NAME: &str = "DRAIN_SECONDS";
        const RAILWAYS: &str = "RAILWAY_DEPLOYMENT_DRAINING_SECONDS";
        let said = reader.text(NAME).map(|text| reader.parse_number(NAME, &text, 0..=LONGEST_CALL_S));
        let railways = reader.beside(RAILWAYS).and_then(|text| text.parse::<u32>().ok());
        let granted = railways.unwrap_or_else(|| platform.default_grace_s());
        let grace_s = said.unwrap_or(granted).min(LONGEST_CALL_S);
        match (platform, said) {
            (Platform::Railway, _) if granted == 0 => reader.warn(
                RAILWAYS,
                format!("is not set or 0: every deploy will cut live calls; set it to {WISE_GRACE_S} in the service's variables"),
            ),
            (Platform::Railway, Some(said)) if said > granted => {
                reader.warn(NAME, format!("is {said}, but {RAILWAYS}={granted} lets Railway kill us earlier"));
            }
            (Platform::Render | Platform::Fly, None) => reader.warn(
                NAME,
                format!(
                    "is not set, so calls get {grace_s} s to end at a deploy; set it to what {platform} grants \
                     (maxShutdownDelaySeconds, kill_timeout), at most {MOST_GRACE_S}"
                ),
            ),
            (Platform::Render | Platform::Fly, Some(said)) if said > MOST_GRACE_S => {
                reader.warn(NAME, format!("is {said}, but {platform} kills us after {MOST_GRACE_S} at most"));
            }
            (Platform::Railway | Platform::Render | Platform::Fly | Platform::Laptop, _) => {}
        }
        let lame_duck = if platform == Platform::Laptop { Duration::ZERO } else { LAME_DUCK };
        Self { grace: seconds(grace_s.into()), lame_duck }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Railway => "Railway",
            Self::Render => "Render",
            Self::Fly => "Fly",
            Self::Laptop => "this machine",
        })
    }
}
