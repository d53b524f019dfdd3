//! Every query we make, on one page: what of them needs an index is in `migrations/firestore/firestore.indexes.json`, and
//! a test holds the two against each other.

use firestore::gcloud_sdk::google::firestore::v1::structured_query::composite_filter::Operator as All;
use firestore::gcloud_sdk::google::firestore::v1::structured_query::field_filter::Operator;
use firestore::gcloud_sdk::google::firestore::v1::structured_query::filter::FilterType;
use firestore::gcloud_sdk::google::firestore::v1::structured_query::{
    CollectionSelector, CompositeFilter, Direction, FieldFilter, FieldReference, Filter, Order,
};
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::google::firestore::v1::{Cursor, StructuredQuery, Value};
use serde_json::{Value as Json, json};

use super::codec;
use super::names::Names;
use crate::domain::{BusinessId, CallSid, PhoneNumber, PlanId};
use crate::store::{CallKey, MESSAGES_LISTED, NOTICES_LISTED, VOICEMAILS_LISTED};

/// So many values one filter may name at once.
pub(super) const MOST_VALUES: usize = 30;

/// The field that stands for a document's own name.
const NAME: &str = "__name__";

/// A query for documents of one collection.
#[derive(Debug, Clone)]
pub(super) struct Query {
    collection: &'static str,
    scope: Scope,
    filters: Vec<(&'static str, Operator, Json)>,
    orders: Vec<(&'static str, Direction)>,
    after: Option<After>,
    limit: Option<u32>,
}

/// Where the collection is.
#[derive(Debug, Clone)]
enum Scope {
    /// At the top.
    Top,
    /// Beneath this document.
    Beneath(String),
    /// Wherever there is one of that name.
    Group,
}

/// Behind which document a query begins: the values it is ordered by, and its collection and id.
#[derive(Debug, Clone)]
struct After {
    values: Vec<Json>,
    collection: &'static str,
    id: String,
}

/// All documents of a collection, to be listened to.
pub(super) fn everything(collection: &'static str) -> Query {
    Query::of(collection)
}

/// Documents of a collection by id, from behind one.
pub(super) fn by_id(collection: &'static str, after: Option<&str>, most: u32) -> Query {
    let query = Query::of(collection).ordered(NAME, Direction::Ascending).at_most(most);
    let after = after.map(|id| After { values: Vec::new(), collection, id: id.to_owned() });
    Query { after, ..query }
}

/// The businesses that say themselves that they own a line.
pub(super) fn businesses_with_line(line: &PhoneNumber) -> Query {
    Query::of("businesses").with("lines", Operator::ArrayContains, json!(line)).at_most(2)
}

/// The businesses that say themselves that they own any of some lines.
pub(super) fn businesses_with_lines(lines: &[&PhoneNumber]) -> Query {
    Query::of("businesses").with("lines", Operator::ArrayContainsAny, json!(lines))
}

/// A business that has a plan.
pub(super) fn businesses_with_plan(plan: &PlanId) -> Query {
    Query::of("businesses").with("plan", Operator::Equal, json!(plan)).at_most(1)
}

/// The lines some businesses own.
pub(super) fn lines_of(owners: &[&BusinessId]) -> Query {
    Query::of("lines").with("businessId", Operator::In, json!(owners))
}

/// The calls of a business, the latest first, from behind one.
pub(super) fn calls_of(business: &BusinessId, after: Option<&CallKey>, most: u32) -> Query {
    let query = Query::of("calls")
        .with("business", Operator::Equal, json!(business))
        .ordered("startedMs", Direction::Descending)
        .ordered(NAME, Direction::Descending)
        .at_most(most);
    let after = after.map(|key| After {
        values: vec![json!(key.started_ms)],
        collection: "calls",
        id: key.call.to_string(),
    });
    Query { after, ..query }
}

/// The turns of a call.
pub(super) fn turns_of(call: String) -> Query {
    Query { scope: Scope::Beneath(call), ..Query::of("turns") }
}

/// The newest messages of a business, of all its calls.
pub(super) fn messages_of(business: &BusinessId) -> Query {
    Query { scope: Scope::Group, ..Query::of("messages") }
        .with("business", Operator::Equal, json!(business))
        .ordered("takenMs", Direction::Descending)
        .at_most(MESSAGES_LISTED)
}

/// The newest voicemails of a business.
pub(super) fn voicemails_for(business: &BusinessId) -> Query {
    Query::of("voicemails")
        .with("business", Operator::Equal, json!(business))
        .ordered("leftMs", Direction::Descending)
        .at_most(VOICEMAILS_LISTED)
}

/// The voicemails of a call.
pub(super) fn voicemails_in(call: &CallSid) -> Query {
    Query::of("voicemails").with("call", Operator::Equal, json!(call)).at_most(VOICEMAILS_LISTED)
}

/// The months in which a business used anything.
pub(super) fn months_of(business: &BusinessId) -> Query {
    Query::of("usage").with("business", Operator::Equal, json!(business))
}

/// The places of a business that are taken.
pub(super) fn slots_of(business: &BusinessId) -> Query {
    Query::of("slots").with("business", Operator::Equal, json!(business))
}

/// The leases of a business's calls.
pub(super) fn leases_of(business: &BusinessId) -> Query {
    Query::of("leases").with("business", Operator::Equal, json!(business))
}

/// The leases that ended before a time, the longest ended first.
pub(super) fn lapsed_leases(before_ms: i64, most: u32) -> Query {
    Query::of("leases")
        .with("untilMs", Operator::LessThan, json!(before_ms))
        .ordered("untilMs", Direction::Ascending)
        .at_most(most)
}

/// The notices that are due, the longest due first.
pub(super) fn due_notices(now_ms: i64, most: u32) -> Query {
    Query::of("outbox")
        .with("dueMs", Operator::LessThanOrEqual, json!(now_ms))
        .ordered("dueMs", Direction::Ascending)
        .at_most(most)
}

/// The notices of a business that were not delivered, the latest first.
pub(super) fn notices_of(business: &BusinessId, state: &[&str]) -> Query {
    Query::of("outbox")
        .with("business", Operator::Equal, json!(business))
        .with("state", Operator::In, json!(state))
        .ordered("createdMs", Direction::Descending)
        .at_most(NOTICES_LISTED)
}

/// The notices that were settled before a time.
pub(super) fn settled_notices(before_ms: i64, most: u32) -> Query {
    Query::of("outbox").with("settledMs", Operator::LessThan, json!(before_ms)).at_most(most)
}

impl Query {
    fn of(collection: &'static str) -> Self {
        let (filters, orders) = (Vec::new(), Vec::new());
        Self { collection, scope: Scope::Top, filters, orders, after: None, limit: None }
    }

    fn with(mut self, field: &'static str, operator: Operator, value: Json) -> Self {
        self.filters.push((field, operator, value));
        self
    }

    fn ordered(mut self, field: &'static str, direction: Direction) -> Self {
        self.orders.push((field, direction));
        self
    }

    fn at_most(self, limit: u32) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// Beneath what the collection is, and the query in Firestore's words.
    pub(super) fn into_parts(self, names: &Names) -> (String, StructuredQuery) {
        let from = CollectionSelector {
            collection_id: self.collection.to_owned(),
            all_descendants: matches!(self.scope, Scope::Group),
        };
        let filters: Vec<_> = self.filters.into_iter().map(filter).collect();
        let all = CompositeFilter { op: All::And.into(), filters };
        let order = |(path, direction): (&str, Direction)| Order {
            field: Some(field(path)),
            direction: direction.into(),
        };
        let query = StructuredQuery {
            from: vec![from],
            r#where: (!all.filters.is_empty())
                .then_some(Filter { filter_type: Some(FilterType::CompositeFilter(all)) }),
            order_by: self.orders.into_iter().map(order).collect(),
            start_at: self.after.map(|after| after.cursor(names)),
            limit: self.limit.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX)),
            ..StructuredQuery::default()
        };
        let beneath = match self.scope {
            Scope::Top | Scope::Group => names.documents().to_owned(),
            Scope::Beneath(name) => name,
        };
        (beneath, query)
    }
}

impl After {
    fn cursor(self, names: &Names) -> Cursor {
        let name = format!("{}/{}/{}", names.documents(), self.collection, self.id);
        let mut values: Vec<_> = self.values.into_iter().map(codec::value).collect();
        values.push(Value { value_type: Some(ValueType::ReferenceValue(name)) });
        Cursor { values, before: false }
    }
}

fn filter((path, operator, value): (&'static str, Operator, Json)) -> Filter {
    let filter =
        FieldFilter { field: Some(field(path)), op: operator.into(), value: Some(codec::value(value)) };
    Filter { filter_type: Some(FilterType::FieldFilter(filter)) }
}

fn field(path: &str) -> FieldReference {
    FieldReference { field_path: path.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const INDEXES: &str = include_str!("../../../migrations/firestore/firestore.indexes.json");

    /// Every query of this page. One that is forgotten here is found by the compiler only where nothing else calls it;
    /// so the number of functions above is counted, too.
    fn all() -> Vec<Query> {
        let business = BusinessId::parse("luna").unwrap();
        let line = PhoneNumber::parse("+15551234567").unwrap();
        let key = CallKey { started_ms: 1, call: CallSid::parse("CA1").unwrap() };
        vec![
            everything("businesses"),
            by_id("businesses", Some("a"), 1),
            businesses_with_line(&line),
            businesses_with_lines(&[&line]),
            businesses_with_plan(&PlanId::parse("p").unwrap()),
            lines_of(&[&business]),
            calls_of(&business, Some(&key), 1),
            turns_of("calls/CA1".to_owned()),
            messages_of(&business),
            voicemails_for(&business),
            voicemails_in(&key.call),
            months_of(&business),
            slots_of(&business),
            leases_of(&business),
            lapsed_leases(1, 1),
            due_notices(1, 1),
            notices_of(&business, &["waiting"]),
            settled_notices(1, 1),
        ]
    }

    /// The index a query needs beside those of single fields that Firestore keeps by itself, which serve any equalities,
    /// and one field that is compared or ordered by, but not both, and not across collections.
    fn needed(query: &Query) -> Option<Json> {
        let equalities: BTreeSet<_> = query
            .filters
            .iter()
            .filter(|(_, operator, _)| matches!(operator, Operator::Equal | Operator::In))
            .map(|(field, ..)| *field)
            .collect();
        let others: BTreeSet<_> = query
            .filters
            .iter()
            .map(|(field, ..)| *field)
            .chain(query.orders.iter().map(|(field, _)| *field))
            .filter(|field| *field != NAME && !equalities.contains(field))
            .collect();
        let group = matches!(query.scope, Scope::Group);
        if (equalities.is_empty() || others.is_empty()) && others.len() < 2 && !group {
            return None;
        }
        let ascending = equalities.iter().map(|field| json!({"fieldPath": field, "order": "ASCENDING"}));
        let ordered = query
            .orders
            .iter()
            .filter(|(field, _)| *field != NAME)
            .map(|(field, direction)| json!({"fieldPath": field, "order": direction.as_str_name()}));
        let scope = if group { "COLLECTION_GROUP" } else { "COLLECTION" };
        let fields: Vec<_> = ascending.chain(ordered).collect();
        Some(json!({"collectionGroup": query.collection, "queryScope": scope, "fields": fields}))
    }

    #[test]
    fn every_query_that_needs_an_index_has_one_and_no_other_has() {
        let shipped: Json = serde_json::from_str(INDEXES).unwrap();
        let texts =
            |indexes: Vec<Json>| -> BTreeSet<String> { indexes.iter().map(Json::to_string).collect() };
        let shipped = texts(shipped["indexes"].as_array().unwrap().clone());
        let needed = texts(all().iter().filter_map(needed).collect());
        assert_eq!(needed, shipped);
        let functions = include_str!("queries.rs").matches(concat!("\npub(super) ", "fn ")).count();
        assert_eq!(functions, all().len(), "a query is missing in this test");
    }

    #[test]
    fn what_lasts_only_for_a_while_says_until_when() {
        let shipped: Json = serde_json::from_str(INDEXES).unwrap();
        let lasting: Vec<_> = shipped["fieldOverrides"].as_array().unwrap().iter().collect();
        let named = |field: &&Json| {
            assert_eq!((&field["fieldPath"], &field["ttl"]), (&json!("expiresAt"), &json!(true)));
            field["collectionGroup"].as_str().unwrap().to_owned()
        };
        assert_eq!(lasting.iter().map(named).collect::<Vec<_>>(), ["leases", "outbox"]);
    }
}
