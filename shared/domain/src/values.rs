//! The values that a review gives to characteristics of its product.

use crate::{CharacteristicId, Rating};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smallvec::SmallVec;
use std::fmt;

/// Values that are kept in place: more than most products have characteristics.
const IN_PLACE: usize = 5;

/// Values by characteristic, in order of id, each once: `{"14": 5, "15": 3}` in JSON. A few at most, and read for every
/// event that is folded: no memory of their own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Values(SmallVec<[(CharacteristicId, Rating); IN_PLACE]>);

impl Values {
    /// Sets a value, the last one of a characteristic counts.
    pub fn set(&mut self, id: CharacteristicId, value: Rating) {
        // Mostly they come in order.
        if self.0.last().is_none_or(|(last, _)| *last < id) {
            self.0.push((id, value));
            return;
        }
        match self.0.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.0.insert(at, (id, value)),
        }
    }

    /// All of them, in order of id.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (CharacteristicId, Rating)> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<(CharacteristicId, Rating)> for Values {
    fn from_iter<I: IntoIterator<Item = (CharacteristicId, Rating)>>(values: I) -> Self {
        let mut all = Values::default();
        values.into_iter().for_each(|(id, value)| all.set(id, value));
        all
    }
}

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Values;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of characteristic ids and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Values, A::Error> {
        let mut values = Values::default();
        while let Some((id, value)) = map.next_entry()? {
            values.set(id, value);
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_order_each_once_and_the_last_counts() {
        let values: Values = serde_json::from_str(r#"{"15":3,"14":5,"15":4,"2":1}"#).unwrap();
        assert_eq!(serde_json::to_string(&values).unwrap(), r#"{"2":1,"14":5,"15":4}"#);
        let many: Values =
            serde_json::from_str(r#"{"9":1,"8":2,"7":3,"6":4,"5":5,"4":4,"3":3,"1":1}"#).unwrap();
        assert_eq!(
            serde_json::to_string(&many).unwrap(),
            r#"{"1":1,"3":3,"4":4,"5":5,"6":4,"7":3,"8":2,"9":1}"#
        );
        for wrong in [r#"{"0":3}"#, r#"{"x":3}"#, r#"{"14":6}"#, "[]"] {
            assert!(serde_json::from_str::<Values>(wrong).is_err(), "{wrong}");
        }
    }
}
