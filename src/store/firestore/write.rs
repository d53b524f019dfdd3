//! One change of one document, as part of a commit.

use firestore::FirestoreDocument;
use firestore::gcloud_sdk::google::firestore::v1::document_transform::FieldTransform;
use firestore::gcloud_sdk::google::firestore::v1::document_transform::field_transform::TransformType;
use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::google::firestore::v1::write::Operation;
use firestore::gcloud_sdk::google::firestore::v1::{DocumentMask, Precondition, Value, Write};

use super::ask::Version;
use super::codec::Fields;

/// On what a change depends.
#[derive(Debug, Clone, Copy)]
pub(super) enum If {
    /// Nothing: it is made whatever is there.
    Ever,
    /// The document is not there yet.
    New,
    /// The document is there.
    There,
    /// The document is as it was read.
    Still(Version),
}

impl If {
    /// The document is as it was read, be it that it was not there.
    pub(super) fn as_read(version: Option<Version>) -> Self {
        version.map_or(Self::New, Self::Still)
    }

    fn precondition(self) -> Option<Precondition> {
        let condition = match self {
            Self::Ever => return None,
            Self::New => ConditionType::Exists(false),
            Self::There => ConditionType::Exists(true),
            Self::Still(version) => ConditionType::UpdateTime(version.0),
        };
        Some(Precondition { condition_type: Some(condition) })
    }
}

/// Puts a whole document in the place of what is there.
pub(super) fn put(name: String, fields: Fields, only: If) -> Write {
    update(name, fields, None, only)
}

/// Changes those fields of a document and leaves the others; one that is named and not given is taken away.
pub(super) fn merge(name: String, fields: Fields, paths: &[&str], only: If) -> Write {
    let field_paths = paths.iter().map(|path| (*path).to_owned()).collect();
    update(name, fields, Some(DocumentMask { field_paths }), only)
}

/// Takes a document away.
pub(super) fn delete(name: String, only: If) -> Write {
    Write {
        operation: Some(Operation::Delete(name)),
        current_document: only.precondition(),
        ..Write::default()
    }
}

/// Changes nothing, and lets the whole commit fail when the document is not there.
pub(super) fn require(name: String) -> Write {
    merge(name, Fields::new(), &[], If::There)
}

/// Adds to fields in the same change, whatever they hold.
pub(super) fn adding(write: Write, sums: impl IntoIterator<Item = (String, i64)>) -> Write {
    let adding = |(field_path, more): (String, i64)| {
        let more = Value { value_type: Some(ValueType::IntegerValue(more)) };
        FieldTransform { field_path, transform_type: Some(TransformType::Increment(more)) }
    };
    Write { update_transforms: sums.into_iter().map(adding).collect(), ..write }
}

fn update(name: String, fields: Fields, update_mask: Option<DocumentMask>, only: If) -> Write {
    let document =
        FirestoreDocument { name, fields: fields.into_iter().collect(), ..FirestoreDocument::default() };
    Write {
        operation: Some(Operation::Update(document)),
        update_mask,
        current_document: only.precondition(),
        ..Write::default()
    }
}
