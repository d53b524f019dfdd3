//! Which Firestore is meant, and what opens it.

use std::path::PathBuf;

use super::platform::Platform;
use super::reader::Reader;
use crate::domain::{FirestoreAccess, FirestorePlace, ServiceAccountKey};

const URL: &str = "DATABASE_URL";
const EMULATOR: &str = "FIRESTORE_EMULATOR_HOST";
const FILE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
const KEY: &str = "FIREBASE_SERVICE_ACCOUNT";

const URL_REMEDY: &str = "write firestore://PROJECT, with the project ID from https://console.firebase.google.com, \
                          Project settings";
const KEY_REMEDY: &str = "paste the whole JSON file that Firebase gives under Project settings, Service accounts, \
                          Generate new private key";

/// Reads `firestore://PROJECT[/DATABASE]` and what opens it; nothing after a mistake.
pub(super) fn place(reader: &mut Reader<'_>, platform: Platform, url: &str) -> Option<FirestorePlace> {
    let named = named(reader, url);
    let access = access(reader, platform);
    let ((project, database), access) = named.zip(access)?;
    if let FirestoreAccess::Key(key) = &access
        && let Some(other) = key.project().filter(|other| *other != project)
    {
        reader.warn(
            KEY,
            format!(
                "is a key of the project {other}, and {URL} names {project}: see that it may be used there"
            ),
        );
    }
    Some(FirestorePlace { project, database, access })
}

fn named(reader: &mut Reader<'_>, url: &str) -> Option<(String, String)> {
    let path = url.strip_prefix("firestore:").unwrap_or(url);
    let Some(path) = path.strip_prefix("//") else {
        reader.mistake(URL, "begins with firestore: and not with firestore://", URL_REMEDY);
        return None;
    };
    let (project, database) = path.split_once('/').unwrap_or((path, ""));
    if project.is_empty() {
        reader.mistake(URL, "names no project", URL_REMEDY);
        return None;
    }
    if !is_project(project) {
        // What else stands there may be a password of another kind of database.
        reader.mistake(
            URL,
            "names a project whose ID is not 6 to 30 small letters, digits and hyphens, a letter first",
            URL_REMEDY,
        );
        return None;
    }
    let database = match database.trim_end_matches('/') {
        "" | "default" => FirestorePlace::DEFAULT_DATABASE,
        database if database == FirestorePlace::DEFAULT_DATABASE || is_database(database) => database,
        _ => {
            reader.mistake(
                URL,
                "names a database that is not 4 to 63 small letters, digits and hyphens, a letter first",
                format!("leave it off for the project's own database: firestore://{project}"),
            );
            return None;
        }
    };
    Some((project.to_owned(), database.to_owned()))
}

fn is_project(text: &str) -> bool {
    // Old projects of companies are `example.com:project`.
    let name = text.split_once(':').filter(|(domain, _)| domain.contains('.')).map_or(text, |(_, name)| name);
    (6..=30).contains(&name.len()) && is_word(name)
}

fn is_database(text: &str) -> bool {
    (4..=63).contains(&text.len()) && is_word(text)
}

fn is_word(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.bytes().all(legal)
}

fn access(reader: &mut Reader<'_>, platform: Platform) -> Option<FirestoreAccess> {
    let (emulator, file, key) = (reader.text(EMULATOR), reader.text(FILE), reader.text(KEY));
    if let Some(emulator) = emulator {
        return emulated(reader, platform, &emulator);
    }
    match (file, key) {
        (Some(_), Some(_)) => {
            reader.mistake(KEY, format!("is set, and {FILE} too"), "leave one of them off");
            None
        }
        (None, Some(text)) => pasted(reader, &text),
        (Some(text), None) if text.trim_start().starts_with('{') => {
            reader.mistake(
                FILE,
                "holds the key itself, and not the name of its file",
                format!("move it to {KEY}"),
            );
            None
        }
        (Some(path), None) => Some(FirestoreAccess::File(PathBuf::from(path))),
        (None, None) if platform == Platform::Laptop => Some(FirestoreAccess::Machine),
        (None, None) => {
            reader.mistake(KEY, "is missing; nothing else opens Firestore here", KEY_REMEDY);
            None
        }
    }
}

fn pasted(reader: &mut Reader<'_>, text: &str) -> Option<FirestoreAccess> {
    match ServiceAccountKey::parse(text) {
        Ok(key) => Some(FirestoreAccess::Key(key)),
        Err(error) => {
            let is_path = text.ends_with(".json") && !text.contains('{');
            let remedy =
                if is_path { format!("it names a file; move it to {FILE}") } else { KEY_REMEDY.to_owned() };
            reader.mistake(KEY, error, remedy);
            None
        }
    }
}

fn emulated(reader: &mut Reader<'_>, platform: Platform, host: &str) -> Option<FirestoreAccess> {
    let host = host.strip_prefix("http://").unwrap_or(host).trim_end_matches('/').to_owned();
    let port = host.rsplit_once(':').and_then(|(name, port)| (!name.is_empty()).then_some(port));
    if port.and_then(|port| port.parse::<u16>().ok()).is_none() || host.contains('/') {
        reader.mistake(EMULATOR, "is not a host and a port", "write it like 127.0.0.1:8080, or leave it off");
        return None;
    }
    if platform != Platform::Laptop {
        reader.warn(
            EMULATOR,
            format!("is set: calls are kept in the emulator at {host}, which forgets them; leave it off for Firestore"),
        );
    }
    Some(FirestoreAccess::Emulator(host))
}
