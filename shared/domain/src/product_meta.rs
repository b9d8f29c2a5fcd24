//! What a product's events add up to, and the one function that adds them.

use crate::{CharacteristicId, Event, PostedReview, Rating, Version};
use serde::{Deserialize, Serialize};

/// Version of [`apply`]: raised whenever the same events would give another result.
/// A generation of meta is written only by the version that began it.
pub const PROJECTION_VERSION: i32 = 1;

/// A product's answer to meta, at a version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProductMeta {
    /// Version of the last event applied, 0 before the first.
    pub version: Version,
    /// Number of reviews by stars, one star first.
    pub ratings: [i64; 5],
    /// Number of reviews that do not recommend the product.
    pub recommended_false: i64,
    /// Number of reviews that recommend it.
    pub recommended_true: i64,
    /// Its characteristics, by id.
    pub characteristics: Vec<CharacteristicMeta>,
}

/// A characteristic with the values it was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CharacteristicMeta {
    /// Its id.
    pub id: CharacteristicId,
    /// Its name.
    pub name: String,
    /// Number of values.
    pub count: i64,
    /// Their sum.
    pub sum: i64,
}

/// What [`apply`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// The event is in.
    Yes,
    /// It was in already: its version is not above the product's.
    Before,
}

/// Why an event cannot be applied. The state is then as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotApply {
    /// Events in between are missing.
    #[error("version {event} does not follow version {product}")]
    Hole {
        /// The product's version.
        product: Version,
        /// The event's version.
        event: Version,
    },
    /// A value is for a characteristic that no earlier event defined.
    #[error("characteristic {0} is not one of the product's")]
    UnknownCharacteristic(CharacteristicId),
}

/// Adds one event to a product. Pure: the result depends on nothing but its arguments, and live
/// projection, replay and verification all use it.
///
/// # Errors
/// [`CannotApply`], with `meta` unchanged.
pub fn apply(meta: &mut ProductMeta, version: Version, event: &Event) -> Result<Applied, CannotApply> {
    if version <= meta.version {
        return Ok(Applied::Before);
    }
    if version.0 != meta.version.0 + 1 {
        return Err(CannotApply::Hole { product: meta.version, event: version });
    }
    match event {
        Event::CharacteristicsDefined { characteristics } => {
            for defined in characteristics {
                define(&mut meta.characteristics, defined.id, &defined.name);
            }
        }
        Event::ReviewPosted(review) => add(meta, review)?,
        Event::ReviewMarkedHelpful { .. }
        | Event::ReviewReported { .. }
        | Event::ReviewHelpfulTakenBack { .. }
        | Event::ReviewReportTakenBack { .. } => {}
    }
    meta.version = version;
    Ok(Applied::Yes)
}

fn define(characteristics: &mut Vec<CharacteristicMeta>, id: CharacteristicId, name: &str) {
    match characteristics.binary_search_by_key(&id, |c| c.id) {
        Ok(at) => name.clone_into(&mut characteristics[at].name),
        Err(at) => {
            characteristics.insert(at, CharacteristicMeta { id, name: name.to_owned(), count: 0, sum: 0 });
        }
    }
}

fn add(meta: &mut ProductMeta, review: &PostedReview) -> Result<(), CannotApply> {
    let find = |characteristics: &[CharacteristicMeta], id: CharacteristicId| {
        characteristics
            .binary_search_by_key(&id, |c| c.id)
            .map_err(|_| CannotApply::UnknownCharacteristic(id))
    };
    for id in review.characteristics.keys() {
        find(&meta.characteristics, *id)?;
    }
    for (id, value) in &review.characteristics {
        let at = find(&meta.characteristics, *id)?;
        let characteristic = &mut meta.characteristics[at];
        characteristic.count += 1;
        characteristic.sum += i64::from(Rating::get(*value));
    }
    meta.ratings[review.rating.index()] += 1;
    if review.recommend {
        meta.recommended_true += 1;
    } else {
        meta.recommended_false += 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CharacteristicDefined, ReviewId};

    fn id(id: i64) -> CharacteristicId {
        id.try_into().unwrap()
    }

    fn defined(ids: &[(i64, &str)]) -> Event {
        let characteristics = ids
            .iter()
            .map(|(i, name)| CharacteristicDefined { id: id(*i), name: (*name).to_owned() })
            .collect();
        Event::CharacteristicsDefined { characteristics }
    }

    fn posted(rating: i64, recommend: bool, values: &[(i64, i64)]) -> Event {
        Event::ReviewPosted(PostedReview {
            review_id: ReviewId::try_from(1).unwrap(),
            rating: rating.try_into().unwrap(),
            recommend,
            characteristics: values.iter().map(|(i, v)| (id(*i), (*v).try_into().unwrap())).collect(),
        })
    }

    fn given(events: &[Event]) -> ProductMeta {
        let mut meta = ProductMeta::default();
        for (event, version) in events.iter().zip(1..) {
            assert_eq!(apply(&mut meta, Version(version), event), Ok(Applied::Yes));
        }
        meta
    }

    #[test]
    fn given_definitions_and_reviews_then_counts_and_sums() {
        let helpful = Event::ReviewMarkedHelpful { review_id: ReviewId::try_from(1).unwrap() };
        let meta = given(&[
            defined(&[(2, "Size"), (1, "Fit")]),
            posted(5, true, &[(1, 4), (2, 1)]),
            helpful,
            posted(3, false, &[(1, 3)]),
            defined(&[(1, "Fit"), (2, "Size"), (3, "Width")]),
        ]);
        assert_eq!(meta.version, Version(5));
        assert_eq!(meta.ratings, [0, 0, 1, 0, 1]);
        assert_eq!((meta.recommended_false, meta.recommended_true), (1, 1));
        let sums: Vec<_> =
            meta.characteristics.iter().map(|c| (c.id.get(), c.name.as_str(), c.count, c.sum)).collect();
        assert_eq!(sums, [(1, "Fit", 2, 7), (2, "Size", 1, 1), (3, "Width", 0, 0)]);
    }

    #[test]
    fn given_an_event_again_then_nothing_changes() {
        let mut meta = given(&[defined(&[(1, "Fit")]), posted(5, true, &[(1, 4)])]);
        let before = meta.clone();
        for version in [0, 1, 2] {
            assert_eq!(apply(&mut meta, Version(version), &posted(1, true, &[])), Ok(Applied::Before));
        }
        assert_eq!(meta, before);
    }

    #[test]
    fn given_a_hole_or_a_foreign_characteristic_then_an_error_and_nothing_changes() {
        let mut meta = given(&[defined(&[(1, "Fit")])]);
        let before = meta.clone();
        let hole = apply(&mut meta, Version(3), &posted(5, true, &[])).unwrap_err();
        assert_eq!(hole.to_string(), "version 3 does not follow version 1");
        let foreign = apply(&mut meta, Version(2), &posted(5, true, &[(1, 4), (9, 4)])).unwrap_err();
        assert_eq!(foreign.to_string(), "characteristic 9 is not one of the product's");
        assert_eq!(meta, before);
    }
}
