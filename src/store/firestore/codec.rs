//! Values of Firestore as JSON and back. What other programs write is read as they meant it: whole doubles are
//! integers, timestamps are milliseconds since 1970, null is not there.

use firestore::FirestoreDocument;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::google::firestore::v1::{ArrayValue, MapValue, Value};
use firestore::gcloud_sdk::prost_types::Timestamp;
use serde::Serialize;
use serde_json::{Map, Number, Value as Json};

use crate::store::StoreError;

/// The name under which a value is kept that JSON has no word for: a field that is not asked for may hold it, and one
/// that is does not read.
const NO_JSON: &str = "__no_json__";

/// Beyond it, doubles are not the whole numbers they look like.
const GREATEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// A document's fields, in the order of their names.
pub(super) type Fields = Vec<(String, Value)>;

/// The fields of a document of ours. What is null is left out.
pub(super) fn fields(document: &impl Serialize, doing: &'static str) -> Result<Fields, StoreError> {
    let failed = |source: serde_json::Error| StoreError::Failed { doing, source: source.into() };
    let Json::Object(fields) = serde_json::to_value(document).map_err(failed)? else {
        return Err(failed(serde::ser::Error::custom("a document is a map")));
    };
    Ok(from_map(fields))
}

fn from_map(fields: Map<String, Json>) -> Fields {
    fields.into_iter().filter(|(_, json)| !json.is_null()).map(|(name, json)| (name, value(json))).collect()
}

/// A value of JSON as Firestore's.
pub(super) fn value(json: Json) -> Value {
    let kind = match json {
        Json::Null => ValueType::NullValue(0),
        Json::Bool(truth) => ValueType::BooleanValue(truth),
        Json::Number(number) => number_value(&number),
        Json::String(text) => ValueType::StringValue(text),
        Json::Array(items) => {
            ValueType::ArrayValue(ArrayValue { values: items.into_iter().map(value).collect() })
        }
        Json::Object(fields) => {
            ValueType::MapValue(MapValue { fields: from_map(fields).into_iter().collect() })
        }
    };
    Value { value_type: Some(kind) }
}

/// Integers of Firestore end where those of 64 bits with a sign do; what is greater is kept as a double.
fn number_value(number: &Number) -> ValueType {
    match number.as_i64() {
        Some(whole) => ValueType::IntegerValue(whole),
        None => ValueType::DoubleValue(number.as_f64().unwrap_or_default()),
    }
}

/// A time as Firestore keeps times, which is what its policies of deletion go by.
pub(super) fn timestamp(at_ms: i64) -> Value {
    let nanos = i32::try_from(at_ms.rem_euclid(1_000)).unwrap_or_default().saturating_mul(1_000_000);
    let time = Timestamp { seconds: at_ms.div_euclid(1_000), nanos };
    Value { value_type: Some(ValueType::TimestampValue(time)) }
}

/// A document's fields as JSON.
pub(super) fn json_fields(document: FirestoreDocument) -> Map<String, Json> {
    map(document.fields)
}

fn map(fields: impl IntoIterator<Item = (String, Value)>) -> Map<String, Json> {
    let fields = fields.into_iter().map(|(name, value)| (name, json(value)));
    fields.filter(|(_, json)| !json.is_null()).collect()
}

fn json(value: Value) -> Json {
    match value.value_type {
        None | Some(ValueType::NullValue(_)) => Json::Null,
        Some(ValueType::BooleanValue(truth)) => truth.into(),
        Some(ValueType::IntegerValue(whole)) => whole.into(),
        Some(ValueType::DoubleValue(double)) => double_json(double),
        Some(ValueType::TimestampValue(time)) => {
            let millis = i64::from(time.nanos.div_euclid(1_000_000));
            time.seconds.saturating_mul(1_000).saturating_add(millis).into()
        }
        Some(ValueType::StringValue(text)) => text.into(),
        Some(ValueType::ArrayValue(array)) => array.values.into_iter().map(json).collect(),
        Some(ValueType::MapValue(inner)) => Json::Object(map(inner.fields)),
        Some(ValueType::BytesValue(_)) => no_json("bytes"),
        Some(ValueType::ReferenceValue(_)) => no_json("a reference"),
        Some(ValueType::GeoPointValue(_)) => no_json("a geo point"),
        // Words of queries: no document holds them.
        Some(
            ValueType::FieldReferenceValue(_)
            | ValueType::VariableReferenceValue(_)
            | ValueType::FunctionValue(_)
            | ValueType::PipelineValue(_),
        ) => no_json("part of a query"),
    }
}

fn double_json(double: f64) -> Json {
    if double.fract() == 0.0 && double.abs() <= GREATEST_EXACT {
        return (double as i64).into();
    }
    // What was too great to be kept as an integer, rounded to the nearest double.
    if double.fract() == 0.0 && double > i64::MAX as f64 {
        return (double as u64).into();
    }
    Number::from_f64(double).map_or_else(|| no_json("not a number"), Json::Number)
}

fn no_json(what: &str) -> Json {
    Json::Object(Map::from_iter([(NO_JSON.to_owned(), what.into())]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn there_and_back(json: Json) -> Json {
        super::json(value(json))
    }

    fn read(kind: ValueType) -> Json {
        json(Value { value_type: Some(kind) })
    }

    #[test]
    fn what_is_written_comes_back() {
        for same in [
            json!(true),
            json!("日本語"),
            json!(-7),
            json!(i64::MIN),
            json!(u64::MAX),
            json!(0.699_999_988_079_071),
            json!([1, [2], {"a": "b"}]),
            json!({"empty": {}, "deep": {"er": [true]}}),
        ] {
            assert_eq!(there_and_back(same.clone()), same);
        }
        assert_eq!(there_and_back(json!({"gone": null, "here": 1})), json!({"here": 1}));
    }

    #[test]
    fn what_other_programs_write_is_read_as_they_meant_it() {
        assert_eq!(read(ValueType::DoubleValue(30.0)), json!(30));
        assert_eq!(read(ValueType::DoubleValue(-0.0)), json!(0));
        assert_eq!(read(ValueType::DoubleValue(0.5)), json!(0.5));
        let time = Timestamp { seconds: 1_790_000_000, nanos: 123_456_789 };
        assert_eq!(read(ValueType::TimestampValue(time)), json!(1_790_000_000_123_i64));
        let before_1970 = timestamp(-1);
        assert_eq!(json(before_1970), json!(-1));
        assert_eq!(json(timestamp(1_790_000_000_123)), json!(1_790_000_000_123_i64));
    }

    #[test]
    fn what_json_has_no_word_for_reads_as_nothing_that_could_be_meant() {
        for odd in [
            ValueType::DoubleValue(f64::NAN),
            ValueType::DoubleValue(f64::INFINITY),
            ValueType::BytesValue(vec![1]),
            ValueType::ReferenceValue("projects/p".to_owned()),
            ValueType::GeoPointValue(Default::default()),
        ] {
            let json = read(odd);
            assert!(serde_json::from_value::<String>(json.clone()).is_err(), "{json}");
            assert!(serde_json::from_value::<Vec<String>>(json.clone()).is_err(), "{json}");
            assert!(serde_json::from_value::<Option<u64>>(json).is_err());
        }
    }
}
