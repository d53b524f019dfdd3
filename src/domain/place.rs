//! Where what we keep is: a file, or a database of Google's Firestore.

use std::fmt;
use std::path::PathBuf;

use super::ServiceAccountKey;

/// Where what we keep is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file: `sqlite://PATH` or `sqlite::memory:`.
    Sqlite(String),
    /// A database of Firestore.
    Firestore(FirestorePlace),
}

/// A database of Firestore, and what opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirestorePlace {
    /// The project it belongs to.
    pub project: String,
    /// Its name in the project; mostly `(default)`.
    pub database: String,
    /// What opens it.
    pub access: FirestoreAccess,
}

/// What opens a database of Firestore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirestoreAccess {
    /// Nothing: it is Google's emulator, at this host and port.
    Emulator(String),
    /// The key of a service account.
    Key(ServiceAccountKey),
    /// A file with the key of a service account, or with another credential of Google's.
    File(PathBuf),
    /// What the machine has: the login of `gcloud` on a laptop, the service account of a machine of Google's.
    Machine,
}

impl FirestorePlace {
    /// What a project's only database is called.
    pub const DEFAULT_DATABASE: &str = "(default)";
}

impl Place {
    /// Whether nothing of it is left when the process ends.
    pub fn is_in_memory(&self) -> bool {
        matches!(self, Self::Sqlite(url) if url.contains(":memory:") || url.contains("mode=memory"))
    }
}

impl fmt::Display for Place {
    /// As `DATABASE_URL` says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(url) => f.write_str(url),
            Self::Firestore(place) => place.fmt(f),
        }
    }
}

impl fmt::Display for FirestorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "firestore://{}", self.project)?;
        if self.database == Self::DEFAULT_DATABASE { Ok(()) } else { write!(f, "/{}", self.database) }
    }
}
