//! The answer to meta, in the types of each family.

use crate::Family;
use domain::{ProductId, ProductMeta, four_decimals, postgres_decimals};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

#[derive(Serialize)]
struct Body<'a> {
    product_id: String,
    ratings: Ratings<'a>,
    recommended: Recommended<'a>,
    characteristics: Characteristics<'a>,
}

/// Writes a product's meta as JSON.
///
/// # Errors
/// Never in practice: there is nothing in it that JSON cannot say.
pub fn meta_body(
    family: Family,
    product_id: ProductId,
    meta: &ProductMeta,
) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Body::of(family, product_id, meta))
}

/// Writes the metas of many products as a JSON array.
///
/// # Errors
/// Never in practice: there is nothing in it that JSON cannot say.
pub fn metas_body(family: Family, metas: &[(ProductId, ProductMeta)]) -> Result<Vec<u8>, serde_json::Error> {
    let bodies: Vec<Body<'_>> = metas.iter().map(|(id, meta)| Body::of(family, *id, meta)).collect();
    serde_json::to_vec(&bodies)
}

impl<'a> Body<'a> {
    fn of(family: Family, product_id: ProductId, meta: &'a ProductMeta) -> Self {
        // Front ends in transition read meta in the types of family 1.
        let family = if family == Family::Two { Family::Two } else { Family::One };
        Body {
            product_id: product_id.to_string(),
            ratings: Ratings(family, meta),
            recommended: Recommended(family, meta),
            characteristics: Characteristics(family, meta),
        }
    }
}

struct Ratings<'a>(Family, &'a ProductMeta);
struct Recommended<'a>(Family, &'a ProductMeta);
struct Characteristics<'a>(Family, &'a ProductMeta);

/// Old front ends add the counts up (a string would be concatenated), new ones expect strings.
fn count_entry<M: SerializeMap>(map: &mut M, family: Family, key: &str, count: i64) -> Result<(), M::Error> {
    match family {
        Family::One | Family::Transition => map.serialize_entry(key, &count),
        Family::Two => map.serialize_entry(key, &count.to_string()),
    }
}

impl Serialize for Ratings<'_> {
    /// Only the stars that occur, ascending.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (stars, count) in (1..).zip(self.1.ratings).filter(|(_, count)| *count != 0) {
            count_entry(&mut map, self.0, &format!("{stars}"), count)?;
        }
        map.end()
    }
}

impl Serialize for Recommended<'_> {
    /// Both keys, but none for a product without reviews in family 2.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Recommended(family, meta) = self;
        let mut map = serializer.serialize_map(None)?;
        let (no, yes) = match family {
            Family::One | Family::Transition => ("0", "1"),
            Family::Two => ("false", "true"),
        };
        if *family != Family::Two || meta.ratings.iter().any(|count| *count != 0) {
            count_entry(&mut map, *family, no, meta.recommended_false)?;
            count_entry(&mut map, *family, yes, meta.recommended_true)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Characteristic {
    id: i64,
    value: Option<String>,
}

impl Serialize for Characteristics<'_> {
    /// By id; `null` for one that nobody rated.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Characteristics(family, meta) = self;
        let mut map = serializer.serialize_map(Some(meta.characteristics.len()))?;
        for c in &meta.characteristics {
            let value = match family {
                Family::One | Family::Transition => four_decimals(c.sum, c.count),
                Family::Two => postgres_decimals(c.sum, c.count),
            };
            map.serialize_entry(&c.name, &Characteristic { id: c.id.get(), value })?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{CharacteristicMeta, Version};

    fn body(family: Family, meta: &ProductMeta) -> String {
        let product = ProductId::try_from(2).unwrap();
        String::from_utf8(meta_body(family, product, meta).unwrap()).unwrap()
    }

    fn rated() -> ProductMeta {
        let characteristic = |id: i64, name: &str, count, sum| CharacteristicMeta {
            id: id.try_into().unwrap(),
            name: name.to_owned(),
            count,
            sum,
        };
        ProductMeta {
            version: Version(7),
            ratings: [0, 1, 1, 2, 1],
            recommended_false: 2,
            recommended_true: 3,
            characteristics: vec![characteristic(5, "Quality", 5, 21), characteristic(6, "Fit \"x\"", 0, 0)],
        }
    }

    #[test]
    fn family_1_has_numbers() {
        let expected = r#"{"product_id":"2","ratings":{"2":1,"3":1,"4":2,"5":1},"recommended":{"0":2,"1":3},"characteristics":{"Quality":{"id":5,"value":"4.2000"},"Fit \"x\"":{"id":6,"value":null}}}"#;
        assert_eq!(body(Family::One, &rated()), expected);
    }

    #[test]
    fn family_2_has_strings() {
        let expected = r#"{"product_id":"2","ratings":{"2":"1","3":"1","4":"2","5":"1"},"recommended":{"false":"2","true":"3"},"characteristics":{"Quality":{"id":5,"value":"4.2000000000000000"},"Fit \"x\"":{"id":6,"value":null}}}"#;
        assert_eq!(body(Family::Two, &rated()), expected);
    }

    #[test]
    fn a_product_never_heard_of_is_empty() {
        let one = r#"{"product_id":"2","ratings":{},"recommended":{"0":0,"1":0},"characteristics":{}}"#;
        let two = r#"{"product_id":"2","ratings":{},"recommended":{},"characteristics":{}}"#;
        assert_eq!(body(Family::One, &ProductMeta::default()), one);
        assert_eq!(body(Family::Two, &ProductMeta::default()), two);
    }

    #[test]
    fn many_are_an_array_and_in_transition_numbers() {
        let product = |id: i64| ProductId::try_from(id).unwrap();
        let metas = [(product(2), rated()), (product(9), ProductMeta::default())];
        let array = |family| String::from_utf8(metas_body(family, &metas).unwrap()).unwrap();
        let two = body(Family::Two, &rated());
        let empty = r#"{"product_id":"9","ratings":{},"recommended":{},"characteristics":{}}"#;
        assert_eq!(array(Family::Two), format!("[{two},{empty}]"));
        assert_eq!(array(Family::Transition), array(Family::One));
        assert_eq!(metas_body(Family::Two, &[]).unwrap(), b"[]");
    }
}
