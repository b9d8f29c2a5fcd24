//! What fields a body may have, and what is wrong with one, in words for people.

use domain::{ID_MAX, shortened};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A body, with all fields that it may have.
pub(crate) trait Asked: DeserializeOwned {
    /// Its fields.
    const FIELDS: &'static [Field];
}

/// A field of a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    name: &'static str,
    kind: Kind,
    must: Must,
}

/// Whether a field must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Must {
    Be,
    /// It may be missing, but is never null.
    NotBeNull,
    /// It may be missing, or null, which is the same.
    Not,
}

/// What a field may be.
#[derive(Debug, Clone, Copy)]
enum Kind {
    YesNo,
    /// A number above 0.
    Number,
    OneOf(&'static [&'static str]),
    Text,
    Ids,
}

impl Field {
    /// True or false; false when it is missing.
    pub(crate) const fn yes_no(name: &'static str) -> Self {
        Field { name, kind: Kind::YesNo, must: Must::NotBeNull }
    }

    /// A whole number above 0.
    pub(crate) const fn number(name: &'static str) -> Self {
        Field { name, kind: Kind::Number, must: Must::Not }
    }

    /// One of these words; the default of them when it is missing.
    pub(crate) const fn one_of(name: &'static str, words: &'static [&'static str]) -> Self {
        Field { name, kind: Kind::OneOf(words), must: Must::NotBeNull }
    }

    /// A text.
    pub(crate) const fn text(name: &'static str) -> Self {
        Field { name, kind: Kind::Text, must: Must::Not }
    }

    /// Ids of reviews.
    pub(crate) const fn ids(name: &'static str) -> Self {
        Field { name, kind: Kind::Ids, must: Must::Not }
    }

    /// The same, which must be there.
    pub(crate) const fn needed(self) -> Self {
        Field { must: Must::Be, ..self }
    }

    /// What it must be.
    fn allowed(self) -> String {
        match self.kind {
            Kind::YesNo => "true or false".to_owned(),
            Kind::Number => "a whole number from 1".to_owned(),
            Kind::OneOf(words) => listed(words, "or"),
            Kind::Text => "a text".to_owned(),
            Kind::Ids => format!("an array of ids of reviews, whole numbers from 1 to {ID_MAX}"),
        }
    }

    fn allows(self, value: &Value) -> bool {
        match self.kind {
            Kind::YesNo => value.is_boolean(),
            Kind::Number => value.as_i64().is_some_and(|number| number > 0),
            Kind::OneOf(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Kind::Text => value.is_string(),
            Kind::Ids => value.as_array().is_some_and(|ids| ids.iter().all(is_id)),
        }
    }

    /// What it is instead. A text may be somebody's address.
    fn found(self, value: &Value) -> String {
        match (self.kind, value) {
            (Kind::OneOf(_), Value::String(_)) | (_, Value::Null | Value::Bool(_) | Value::Number(_)) => {
                short(value)
            }
            (Kind::Ids, Value::Array(ids)) => match ids.iter().find(|id| !is_id(id)) {
                Some(id) => format!("an array with {}", self.found(id)),
                None => "an array".to_owned(),
            },
            (_, Value::String(_)) => "a text".to_owned(),
            (_, Value::Array(_)) => "an array".to_owned(),
            (_, Value::Object(_)) => "an object".to_owned(),
        }
    }
}

/// The first thing that is wrong with a body of these fields.
pub(crate) fn wrong(body: &Map<String, Value>, fields: &[Field]) -> Option<String> {
    let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
    if let Some(unknown) = body.keys().find(|name| !names.contains(&name.as_str())) {
        let unknown = short(&Value::from(unknown.as_str()));
        return Some(format!(
            "the body has a field {unknown}, which is not known: it may have {}",
            listed(&names, "and")
        ));
    }
    fields.iter().find_map(|field| {
        let Field { name, must, .. } = field;
        match body.get(*name) {
            None => (*must == Must::Be)
                .then(|| format!("the field {name} is missing: it must be {}", field.allowed())),
            Some(Value::Null) if *must == Must::Not => None,
            Some(value) if field.allows(value) => None,
            Some(value) => {
                Some(format!("the field {name} must be {}, not {}", field.allowed(), field.found(value)))
            }
        }
    })
}

fn is_id(value: &Value) -> bool {
    value.as_i64().is_some_and(|id| (1..=ID_MAX).contains(&id))
}

/// `a, b or c`.
fn listed(words: &[&str], last: &str) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [before @ .., end] => format!("{} {last} {end}", before.join(", ")),
    }
}

fn short(value: &Value) -> String {
    shortened(&value.to_string()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::generations::Prune;
    use super::super::people::{Erase, Export};
    use super::super::replays::{Begin, Resume};
    use super::super::verifications::Verify;
    use super::*;
    use serde_json::json;

    fn good(field: Field) -> Value {
        match field.kind {
            Kind::YesNo => json!(true),
            Kind::Number => json!(1),
            Kind::OneOf(words) => json!(words[0]),
            Kind::Text => json!("a"),
            Kind::Ids => json!([1, ID_MAX]),
        }
    }

    /// What the fields say of a body, its reader says too.
    fn assert_read_as_described<T: Asked>() {
        let read =
            |body: &Map<String, Value>| serde_json::from_value::<T>(Value::Object(body.clone())).map(drop);
        let whole: Map<String, Value> = T::FIELDS.iter().map(|f| (f.name.to_owned(), good(*f))).collect();
        let bad = [json!(null), json!(-1), json!(1.5), json!("other"), json!([0]), json!([null]), json!({})];
        let bad = bad.into_iter().chain([json!(true), json!(1), json!([])]);
        for field in T::FIELDS {
            for value in bad.clone().chain([good(*field)]) {
                let mut body = whole.clone();
                body.insert(field.name.to_owned(), value);
                let wrong = wrong(&body, T::FIELDS);
                // A number below 1 makes no sense, though it can be read.
                assert!(wrong.is_some() || read(&body).is_ok(), "{body:?}");
                let of_sense = matches!(field.kind, Kind::Number) && body[field.name] == -1;
                assert!(wrong.is_none() || read(&body).is_err() || of_sense, "{body:?}: {wrong:?}");
            }
            let mut without = whole.clone();
            without.remove(field.name);
            assert_eq!(wrong(&without, T::FIELDS).is_none(), read(&without).is_ok(), "{without:?}");
        }
        let unknown: Map<String, Value> = [("no such field".to_owned(), json!(1))].into_iter().collect();
        let known = read(&unknown).unwrap_err().to_string();
        assert_eq!(known.matches('`').count(), 2 * (T::FIELDS.len() + 1), "{known}");
        assert!(T::FIELDS.iter().all(|field| known.contains(&format!("`{}`", field.name))), "{known}");
        assert!(wrong(&unknown, T::FIELDS).is_some());
    }

    #[test]
    fn every_body_is_read_as_its_fields_are_described() {
        assert_read_as_described::<Begin>();
        assert_read_as_described::<Resume>();
        assert_read_as_described::<Verify>();
        assert_read_as_described::<Prune>();
        assert_read_as_described::<Erase>();
        assert_read_as_described::<Export>();
    }

    #[test]
    fn what_is_wrong_is_said_with_what_is_allowed() {
        let says = |fields: &[Field], body: Value| wrong(body.as_object().unwrap(), fields).unwrap();
        assert_eq!(
            says(Begin::FIELDS, json!({ "source": "backup" })),
            "the field source must be log, snapshot or both, not \"backup\""
        );
        assert_eq!(
            says(Begin::FIELDS, json!({ "fresh": 1 })),
            "the field fresh must be true or false, not 1"
        );
        assert_eq!(
            says(Verify::FIELDS, json!({ "sample": "all" })),
            "the field sample must be a whole number from 1, not a text"
        );
        assert_eq!(
            says(Resume::FIELDS, json!({ "max_write_p99_ms": 0 })),
            "the field max_write_p99_ms must be a whole number from 1, not 0"
        );
        assert_eq!(
            says(Erase::FIELDS, json!({ "reviews": [1, 0] })),
            "the field reviews must be an array of ids of reviews, whole numbers from 1 to 9007199254740991, not an array \
             with 0"
        );
        assert_eq!(says(Export::FIELDS, json!({})), "the field email is missing: it must be a text");
        assert_eq!(
            says(Erase::FIELDS, json!({ "emails": "ada@example.com" })),
            "the body has a field \"emails\", which is not known: it may have reviews and email"
        );
    }
}
