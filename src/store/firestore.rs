//! The store in Google's Firestore: for many instances at once, none of which has a disk.
//!
//! | where | what |
//! | --- | --- |
//! | `businesses/{id}` `plans/{id}` | as in the import file |
//! | `lines/{E.164}` | `businessId`: who owns the line |
//! | `calls/{CallSid}` | what is known of a call, with `turns` and `messages` beneath |
//! | `voicemails/{RecordingSid}` | whose a recording at Twilio is |
//! | `usage/{business}:{month}` | what a business used in a month |
//! | `slots/{business}:{number}` | that a place is taken, and by which call |
//! | `leases/{business}~{CallSid}` | until when a call is seated, and by whom |
//! | `outbox/{id}` | what a business is to be told |

mod ask;
mod call_document;
mod codec;
mod connection;
mod directory;
mod import;
mod ledger;
mod names;
mod outbox;
mod queries;
mod slots;
mod usage;
mod voicemails;
mod watch;
mod write;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use firestore::FirestoreDb;
use firestore::gcloud_sdk::google_cloud_auth::credentials::Credentials;
use tokio::sync::OnceCell;

use self::ask::Stored;
use self::names::Names;
use super::{Listing, StoreError};
use crate::domain::FirestorePlace;

/// All four traits in one Firestore database.
///
/// It is connected to when it is first asked, so that a server starts while Firestore is away; the connection then mends
/// itself. There is no cache and no transaction: a change is one commit that names what it was decided on, and is decided
/// anew when that is no longer so.
#[derive(Clone)]
pub struct Firestore {
    inner: Arc<Inner>,
}

struct Inner {
    place: FirestorePlace,
    names: Names,
    credentials: Credentials,
    patience: Duration,
    connected: OnceCell<FirestoreDb>,
}

impl Firestore {
    /// Takes the credentials, and connects to nothing. Fails when they cannot be used.
    pub async fn open(place: &FirestorePlace) -> Result<Self, StoreError> {
        Self::open_with_patience(place, ask::CALL_PATIENCE).await
    }

    /// The same, for whoever can wait longer for an answer than a caller who hears it ring.
    pub async fn open_with_patience(place: &FirestorePlace, patience: Duration) -> Result<Self, StoreError> {
        let credentials = connection::credentials(place).await?;
        let inner = Inner {
            place: place.clone(),
            names: Names::of(place),
            credentials,
            patience,
            connected: OnceCell::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Asks for a document that is not there: whether Firestore can be reached, and lets us in.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.get_one("reach Firestore", ask::Patience::List, self.names().document("plans", "-")?).await?;
        Ok(())
    }

    fn names(&self) -> &Names {
        &self.inner.names
    }

    async fn connected(&self) -> Result<&FirestoreDb, firestore::errors::FirestoreError> {
        let Inner { place, credentials, connected, .. } = &*self.inner;
        connected.get_or_try_init(|| connection::connect(place, credentials)).await
    }
}

/// Documents, of which one more than `most` was asked for, as a part of a list. One that does not read takes no other
/// with it.
fn page<T, K>(
    mut found: Vec<Stored>,
    most: u32,
    next: impl FnOnce(&[Stored]) -> Option<K>,
    read: impl Fn(Stored) -> Result<T, StoreError>,
) -> Listing<T, K> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let goes_on = found.len() > most;
    found.truncate(most);
    let next = if goes_on { next(&found) } else { None };
    let mut listing = Listing { items: Vec::with_capacity(found.len()), unreadable: Vec::new(), next };
    for stored in found {
        match read(stored) {
            Ok(item) => listing.items.push(item),
            Err(error) => listing.unreadable.push(error),
        }
    }
    listing
}

impl fmt::Debug for Firestore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Firestore({})", self.inner.place)
    }
}
