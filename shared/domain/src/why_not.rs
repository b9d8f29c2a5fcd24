//! What is wrong with a payload, in words for people: which field, what it is, and what it may be.

use crate::{ID_MAX, Rating, shortened};
use serde_json::{Map, Value};

/// A field of a payload.
pub(crate) struct Field {
    name: &'static str,
    kind: Kind,
    needed: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    Id,
    Stars,
    YesNo,
    /// Values by characteristic.
    Values,
    /// Characteristics with their names.
    Defined,
}

const fn needed(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, needed: true }
}

pub(crate) const DEFINED: &[Field] = &[needed("characteristics", Kind::Defined)];
pub(crate) const REVIEW: &[Field] = &[needed("review_id", Kind::Id)];
pub(crate) const POSTED: &[Field] = &[
    needed("review_id", Kind::Id),
    needed("rating", Kind::Stars),
    needed("recommend", Kind::YesNo),
    Field { name: "characteristics", kind: Kind::Values, needed: false },
];

/// The first thing for which a payload that could not be read does not have the shape of these fields.
pub(crate) fn why_not(payload: &str, fields: &[Field]) -> String {
    let object = match serde_json::from_str(payload) {
        Ok(Value::Object(object)) => object,
        Ok(other) => return format!("it is {}, and must be an object", shown(&other)),
        Err(_) => return "it is not JSON".to_owned(),
    };
    let wrong = fields.iter().find_map(|field| wrong(&object, field));
    // A reader of values takes the last of several.
    wrong.unwrap_or_else(|| "a field of it is there more than once".to_owned())
}

fn wrong(object: &Map<String, Value>, Field { name, kind, needed }: &Field) -> Option<String> {
    match object.get(*name) {
        None => needed.then(|| format!("it has no field {name}, which must be {}", kind.allowed())),
        Some(value) if kind.allows(value) => None,
        Some(value) => Some(format!("its field {name} is {}, and must be {}", shown(value), kind.allowed())),
    }
}

impl Kind {
    fn allows(self, value: &Value) -> bool {
        match self {
            Kind::Id => is_id(value),
            Kind::Stars => is_stars(value),
            Kind::YesNo => value.is_boolean(),
            Kind::Values => value.as_object().is_some_and(|values| {
                values.iter().all(|(id, value)| id.parse().is_ok_and(is_id_number) && is_stars(value))
            }),
            Kind::Defined => value.as_array().is_some_and(|all| all.iter().all(is_defined)),
        }
    }

    fn allowed(self) -> String {
        match self {
            Kind::Id => format!("a whole number from 1 to {ID_MAX}"),
            Kind::Stars => "a whole number from 1 to 5".to_owned(),
            Kind::YesNo => "true or false".to_owned(),
            Kind::Values => {
                "an object of ids of characteristics, each with a whole number from 1 to 5".to_owned()
            }
            Kind::Defined => {
                "an array of objects, each with an id, which is a whole number, and a name".to_owned()
            }
        }
    }
}

fn is_defined(value: &Value) -> bool {
    value.get("id").is_some_and(is_id) && value.get("name").is_some_and(Value::is_string)
}

fn is_id(value: &Value) -> bool {
    value.as_i64().is_some_and(is_id_number)
}

fn is_id_number(number: i64) -> bool {
    (1..=ID_MAX).contains(&number)
}

fn is_stars(value: &Value) -> bool {
    value.as_i64().is_some_and(|stars| Rating::try_from(stars).is_ok())
}

fn shown(value: &Value) -> String {
    shortened(&value.to_string()).into_owned()
}
