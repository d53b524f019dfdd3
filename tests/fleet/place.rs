//! Where a fleet keeps what it keeps: a SQLite file that all instances share, or the Firestore emulator.

use std::sync::Arc;

use frontdesk::domain::{self, FirestorePlace};
use frontdesk::store::Store;
use tempfile::TempDir;

use crate::emulator::{Emulator, fresh_place, patient};

/// A store for all instances, as long as this is there.
#[derive(Clone)]
pub(crate) enum Place {
    /// A file.
    Sqlite(Arc<TempDir>),
    /// A project of its own in the emulator.
    Firestore(Arc<Emulator>, FirestorePlace),
}

impl Place {
    /// A file of its own.
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(Arc::new(tempfile::tempdir().unwrap()))
    }

    /// A project of its own; none, with the reason printed, where no emulator can be had.
    pub(crate) fn firestore() -> Option<Self> {
        let emulator = Arc::new(Emulator::start()?);
        let place = fresh_place(emulator.address());
        Some(Self::Firestore(emulator, place))
    }

    /// What it is called in a report.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Firestore(..) => "Firestore",
        }
    }

    /// The settings that lead an instance there.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Sqlite(folder) => vec![("DATABASE_URL", file(folder))],
            Self::Firestore(emulator, place) => vec![
                ("DATABASE_URL", format!("firestore://{}", place.project)),
                ("FIRESTORE_EMULATOR_HOST", emulator.address().to_string()),
            ],
        }
    }

    /// The store, opened once more.
    pub(crate) async fn open(&self) -> Store {
        match self {
            Self::Sqlite(folder) => Store::open(&domain::Place::Sqlite(file(folder))).await.unwrap(),
            Self::Firestore(_, place) => Store::Firestore(patient(place).await),
        }
    }
}

fn file(folder: &TempDir) -> String {
    format!("sqlite://{}/frontdesk.db", folder.path().display())
}
