//! How we get into Firestore: the credentials, and the connection.

use std::path::Path;

use firestore::errors::FirestoreError;
use firestore::gcloud_sdk::google_cloud_auth::credentials::service_account::{self, AccessSpecifier};
use firestore::gcloud_sdk::google_cloud_auth::credentials::{
    Builder, CacheableResource, Credentials, CredentialsProvider, EntityTag, external_account, user_account,
};
use firestore::gcloud_sdk::google_cloud_auth::errors::CredentialsError;
use firestore::gcloud_sdk::tonic::codegen::http::header::AUTHORIZATION;
use firestore::gcloud_sdk::tonic::codegen::http::{Extensions, HeaderValue};
use firestore::gcloud_sdk::{GoogleAuthHeaders, HeaderMap};
use firestore::{FirestoreDb, FirestoreDbOptions};
use serde_json::Value;

use crate::domain::{FirestoreAccess, FirestorePlace, ServiceAccountKey};
use crate::store::{Source, StoreError};

/// Where Firestore is. Said outright, so that nothing but our own settings says where the calls are kept.
const FIRESTORE: &str = "https://firestore.googleapis.com";

/// What the key may do: read and write documents.
const SCOPE: &str = "https://www.googleapis.com/auth/datastore";

/// What the settings are called that say what opens Firestore; for remedies.
const FILE: &str = "GOOGLE_APPLICATION_CREDENTIALS";

/// Takes the credentials of a place. A key that cannot sign is found here; what needs the network is not asked.
pub(super) async fn credentials(place: &FirestorePlace) -> Result<Credentials, StoreError> {
    let unusable = |source: Option<Source>, remedy: String| StoreError::Unopenable {
        url: place.to_string(),
        remedy,
        source,
    };
    match &place.access {
        FirestoreAccess::Emulator(_) => Ok(Credentials::from(EmulatorOwner { tag: EntityTag::new() })),
        FirestoreAccess::Key(key) => signing(key).await.map_err(|source| {
            let remedy = "FIREBASE_SERVICE_ACCOUNT holds a private key that cannot sign; make a new key for the \
                          service account and paste its whole JSON";
            unusable(Some(source), remedy.to_owned())
        }),
        FirestoreAccess::File(path) => of_file(path).await.map_err(|(source, wrong)| {
            let remedy = format!(
                "{FILE} names {}, which {wrong}; put the JSON key of a service account there, or paste it into \
                 FIREBASE_SERVICE_ACCOUNT",
                path.display()
            );
            unusable(source, remedy)
        }),
        FirestoreAccess::Machine => {
            Builder::default().with_scopes([SCOPE]).build().map_err(|source| {
                let remedy = format!(
                    "nothing on this machine opens it; set {FILE} or FIREBASE_SERVICE_ACCOUNT to the key of a \
                     service account, or log in with `gcloud auth application-default login`"
                );
                unusable(Some(source.into()), remedy)
            })
        }
    }
}

/// Credentials that have signed once.
async fn signing(key: &ServiceAccountKey) -> Result<Credentials, Source> {
    let scope = AccessSpecifier::from_scopes([SCOPE]);
    let credentials = service_account::Builder::new(key.reveal()).with_access_specifier(scope).build()?;
    credentials.headers(Extensions::new()).await?;
    Ok(credentials)
}

async fn of_file(path: &Path) -> Result<Credentials, (Option<Source>, String)> {
    let text = tokio::fs::read_to_string(path).await;
    let text = text.map_err(|source| (Some(source.into()), "cannot be read".to_owned()))?;
    let other: Option<Value> = serde_json::from_str(&text).ok();
    let kind = other.as_ref().and_then(|json| json.get("type")).and_then(Value::as_str).unwrap_or_default();
    let built = match (kind, &other) {
        ("external_account", Some(json)) => {
            external_account::Builder::new(json.clone()).with_scopes([SCOPE]).build()
        }
        ("authorized_user", Some(json)) => {
            user_account::Builder::new(json.clone()).with_scopes([SCOPE]).build()
        }
        _ => {
            let key = ServiceAccountKey::parse(&text).map_err(|error| (None, error.to_string()))?;
            return signing(&key)
                .await
                .map_err(|source| (Some(source), "holds a private key that cannot sign".to_owned()));
        }
    };
    built.map_err(|source| (Some(source.into()), "cannot be used".to_owned()))
}

/// Connects. Fails when nobody is there.
pub(super) async fn connect(
    place: &FirestorePlace,
    credentials: &Credentials,
) -> Result<FirestoreDb, FirestoreError> {
    let url = match &place.access {
        FirestoreAccess::Emulator(host) => format!("http://{host}"),
        FirestoreAccess::Key(_) | FirestoreAccess::File(_) | FirestoreAccess::Machine => FIRESTORE.to_owned(),
    };
    let options = FirestoreDbOptions::new(place.project.clone())
        .with_database_id(place.database.clone())
        .with_firebase_api_url(url);
    FirestoreDb::with_options_auth(options, GoogleAuthHeaders::from(credentials.clone())).await
}

/// Whom the emulator lets past its rules, as Google's own libraries name themselves to it.
#[derive(Debug)]
struct EmulatorOwner {
    tag: EntityTag,
}

impl CredentialsProvider for EmulatorOwner {
    async fn headers(&self, known: Extensions) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        if known.get::<EntityTag>() == Some(&self.tag) {
            return Ok(CacheableResource::NotModified);
        }
        let owner = (AUTHORIZATION, HeaderValue::from_static("Bearer owner"));
        Ok(CacheableResource::New { entity_tag: self.tag.clone(), data: HeaderMap::from_iter([owner]) })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::store::Firestore;

    fn place(access: FirestoreAccess) -> FirestorePlace {
        FirestorePlace { project: "luna".to_owned(), database: "(default)".to_owned(), access }
    }

    fn key_file(private_key: &str) -> String {
        serde_json::json!({
            "type": "service_account", "project_id": "luna", "private_key_id": "1",
            "client_email": "desk@luna.iam.gserviceaccount.com", "private_key": private_key,
            "token_uri": "https://oauth2.googleapis.com/token",
        })
        .to_string()
    }

    /// A key nobody uses, that signs.
    fn signing_key() -> String {
        rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap().serialize_pem()
    }

    async fn refused(access: FirestoreAccess) -> String {
        let error = Firestore::open(&place(access)).await.unwrap_err();
        assert!(!error.is_temporary());
        error.to_string()
    }

    #[tokio::test]
    async fn a_key_that_signs_opens_the_store_without_a_network() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.json");
        let text = key_file(&signing_key());
        std::fs::write(&file, &text).unwrap();
        for access in
            [FirestoreAccess::File(file), FirestoreAccess::Key(ServiceAccountKey::parse(&text).unwrap())]
        {
            let store = Firestore::open(&place(access)).await.unwrap();
            assert_eq!(format!("{store:?}"), "Firestore(firestore://luna)");
        }
    }

    #[tokio::test]
    async fn what_cannot_sign_is_found_at_the_start_with_its_remedy() {
        let broken = "-----BEGIN PRIVATE KEY-----\nAAECAwQFBgc=\n-----END PRIVATE KEY-----\n";
        let key = ServiceAccountKey::parse(&key_file(broken)).unwrap();
        let text = refused(FirestoreAccess::Key(key)).await;
        assert!(text.contains("FIREBASE_SERVICE_ACCOUNT holds a private key that cannot sign"), "{text}");
        assert!(!text.contains("AAEC"), "{text}");

        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            FirestoreAccess::File(path)
        };
        for (access, wrong) in [
            (FirestoreAccess::File(PathBuf::from("nowhere/key.json")), "which cannot be read"),
            (file("broken.json", &key_file(broken)), "which holds a private key that cannot sign"),
            (file("text.json", "hello"), "which is not the JSON of a service account's key"),
            (file("half.json", r#"{"type":"service_account"}"#), "which has no `client_email`"),
            (file("other.json", r#"{"type":"robot"}"#), r#"of the type "robot""#),
            (file("user.json", r#"{"type":"authorized_user"}"#), "which cannot be used"),
        ] {
            let text = refused(access).await;
            assert!(text.contains("GOOGLE_APPLICATION_CREDENTIALS names ") && text.contains(wrong), "{text}");
        }
    }
}
