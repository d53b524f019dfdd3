//! What we keep, and where.

use std::path::PathBuf;

use super::firestore;
use super::platform::Platform;
use super::reader::Reader;
use super::settings::default_of;
use crate::domain::Place;

/// What we keep, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// Where businesses and calls are.
    pub place: Place,
    /// The folder of event logs, recordings, greetings and the last known businesses.
    pub dir: PathBuf,
    /// How many days the event log of a call is kept; 0 writes none.
    pub event_log_days: u32,
    /// How many greetings and phrases are made ahead at once; 0 makes none.
    pub phrases_at_once: u32,
}

/// A year: what a call said is personal, and nobody debugs an older one.
const MOST_EVENT_LOG_DAYS: u32 = 365;

/// Each is a session with the model that is no call's, and is over in seconds.
const MOST_PHRASES_AT_ONCE: u32 = 32;

/// The database's name in the data folder.
const DATABASE_FILE: &str = "frontdesk.db";

impl Storage {
    /// Nothing when there was a mistake.
    pub(super) fn read(reader: &mut Reader<'_>, platform: Platform) -> Option<Self> {
        let dir = reader.text("DATA_DIR").unwrap_or_else(|| default_of("DATA_DIR").to_owned());
        let place = place(reader, platform, &dir);
        let event_log_days = reader.number("EVENT_LOG_DAYS", 0..=MOST_EVENT_LOG_DAYS);
        let phrases_at_once = reader.number("PHRASES_AT_ONCE", 0..=MOST_PHRASES_AT_ONCE);
        let volume = reader.beside("RAILWAY_VOLUME_MOUNT_PATH");
        if let Some(Place::Sqlite(url)) = &place {
            let file = url.trim_start_matches("sqlite:").trim_start_matches("//");
            let on_volume = volume.is_some_and(|mount| file.starts_with(&mount));
            if platform != Platform::Laptop && !on_volume {
                reader.warn(
                    NAME,
                    format!(
                        "is {url}: unless a volume of {platform} is mounted there, a deploy forgets every business \
                         and call; mount one and point DATA_DIR at it, or keep them in Firestore"
                    ),
                );
            }
        }
        Some(Self { place: place?, dir: dir.into(), event_log_days, phrases_at_once })
    }
}

const NAME: &str = "DATABASE_URL";

fn place(reader: &mut Reader<'_>, platform: Platform, dir: &str) -> Option<Place> {
    let Some(text) = reader.text(NAME) else {
        return Some(Place::Sqlite(format!("sqlite://{}/{DATABASE_FILE}", dir.trim_end_matches('/'))));
    };
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    match scheme {
        "sqlite" => Some(Place::Sqlite(text)),
        "firestore" => firestore::place(reader, platform, &text).map(Place::Firestore),
        // The rest of such a URL mostly holds a password.
        other => {
            reader.mistake(
                NAME,
                format!("begins with {other:?}, a database we do not know"),
                format!("write a file like {}, or firestore://PROJECT", default_of(NAME)),
            );
            None
        }
    }
}
