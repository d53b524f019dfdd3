//! What documents are called, and what none can be called.

use crate::domain::FirestorePlace;
use crate::store::StoreError;

/// The names of one database's documents.
#[derive(Debug, Clone)]
pub(super) struct Names {
    database: String,
    documents: String,
}

impl Names {
    pub(super) fn of(place: &FirestorePlace) -> Self {
        let database = format!("projects/{}/databases/{}", place.project, place.database);
        Self { documents: format!("{database}/documents"), database }
    }

    /// The database itself.
    pub(super) fn database(&self) -> &str {
        &self.database
    }

    /// What every document's name begins with.
    pub(super) fn documents(&self) -> &str {
        &self.documents
    }

    /// A document of a collection at the top. Fails when Firestore has no such name.
    pub(super) fn document(&self, collection: &str, id: &str) -> Result<String, StoreError> {
        if is_legal(id) {
            return Ok(format!("{}/{collection}/{id}", self.documents));
        }
        Err(StoreError::Unnameable { document: format!("{collection}/{id}") })
    }

    /// A document beneath another one of the top.
    pub(super) fn beneath(
        &self,
        (collection, id): (&str, &str),
        inner: &str,
        inner_id: &str,
    ) -> Result<String, StoreError> {
        Ok(format!("{}/{inner}/{inner_id}", self.document(collection, id)?))
    }

    /// The collection at the top that a document is in.
    pub(super) fn collection<'a>(&self, name: &'a str) -> &'a str {
        let path = name.strip_prefix(&self.documents).unwrap_or_default().trim_start_matches('/');
        path.split_once('/').map_or("", |(collection, _)| collection)
    }

    /// A name as people read it: `businesses/luna`. A line is personal, and shown by its end.
    pub(super) fn readable(&self, name: &str) -> String {
        let path = name.strip_prefix(&self.documents).unwrap_or(name).trim_start_matches('/');
        match path.strip_prefix("lines/") {
            Some(line) => format!("lines/…{}", line.get(line.len().saturating_sub(2)..).unwrap_or_default()),
            None => path.to_owned(),
        }
    }
}

/// The last part of a name: the id of the document in its collection.
pub(super) fn id_of(name: &str) -> &str {
    name.rsplit_once('/').map_or(name, |(_, id)| id)
}

/// What Firestore takes as the id of a document, of what our own identifiers can be.
fn is_legal(id: &str) -> bool {
    let reserved = id.len() >= 4 && id.starts_with("__") && id.ends_with("__");
    !matches!(id, "" | "." | "..") && !reserved && !id.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::FirestoreAccess;

    #[test]
    fn a_document_has_the_name_of_its_path_and_what_cannot_be_one_is_refused() {
        let place = FirestorePlace {
            project: "p".to_owned(),
            database: FirestorePlace::DEFAULT_DATABASE.to_owned(),
            access: FirestoreAccess::Machine,
        };
        let names = Names::of(&place);
        let luna = names.document("businesses", "luna:2").unwrap();
        assert_eq!(luna, "projects/p/databases/(default)/documents/businesses/luna:2");
        assert_eq!((id_of(&luna), names.readable(&luna).as_str()), ("luna:2", "businesses/luna:2"));
        let line = names.document("lines", "+15551234567").unwrap();
        assert_eq!(names.readable(&line), "lines/…67");
        for legal in ["_", "__", "___", "__a", "a__", "...", "-"] {
            assert!(names.document("businesses", legal).is_ok(), "{legal}");
        }
        for illegal in ["", ".", "..", "____", "__a__", "a/b"] {
            let error = names.document("businesses", illegal).unwrap_err().to_string();
            assert!(error.contains("choose another id"), "{error}");
        }
    }
}
