//! What a product's events add up to, and the one function that adds them.

use crate::{CharacteristicId, Event, PostedReview, ReviewId, Version};
use serde::{Deserialize, Serialize};

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
    /// What a review added is not there to be subtracted.
    #[error("review {0} cannot be subtracted: a count would go below zero")]
    BelowZero(ReviewId),
    /// The event came into being after this version of the fold.
    #[error("projection version {version} does not know events of type {event_type}")]
    UnknownToVersion {
        /// The version of the fold.
        version: i32,
        /// The event's type.
        event_type: &'static str,
    },
}

/// Adds one event to a product, as [`PROJECTION_VERSION`](crate::PROJECTION_VERSION) does. Pure: the result depends on nothing but its arguments, and live
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
        Event::ReviewErased(review) => subtract(meta, review)?,
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

/// Where a characteristic is; first looks at `hint`, since a review mostly has a value for each, in the same order.
fn find(
    characteristics: &[CharacteristicMeta],
    hint: usize,
    id: CharacteristicId,
) -> Result<usize, CannotApply> {
    if characteristics.get(hint).is_some_and(|c| c.id == id) {
        return Ok(hint);
    }
    characteristics.binary_search_by_key(&id, |c| c.id).map_err(|_| CannotApply::UnknownCharacteristic(id))
}

fn add(meta: &mut ProductMeta, review: &PostedReview) -> Result<(), CannotApply> {
    for (hint, (id, _)) in review.characteristics.iter().enumerate() {
        find(&meta.characteristics, hint, id)?;
    }
    change(meta, review, 1)
}

/// The opposite of [`add`], where all of it can be subtracted.
fn subtract(meta: &mut ProductMeta, review: &PostedReview) -> Result<(), CannotApply> {
    let split = if review.recommend { meta.recommended_true } else { meta.recommended_false };
    let mut there = meta.ratings[review.rating.index()] > 0 && split > 0;
    for (hint, (id, value)) in review.characteristics.iter().enumerate() {
        let characteristic = &meta.characteristics[find(&meta.characteristics, hint, id)?];
        there &= characteristic.count > 0 && characteristic.sum >= i64::from(value.get());
    }
    if there { change(meta, review, -1) } else { Err(CannotApply::BelowZero(review.review_id)) }
}

/// Counts a review `times` times.
fn change(meta: &mut ProductMeta, review: &PostedReview, times: i64) -> Result<(), CannotApply> {
    for (hint, (id, value)) in review.characteristics.iter().enumerate() {
        let at = find(&meta.characteristics, hint, id)?;
        let characteristic = &mut meta.characteristics[at];
        characteristic.count += times;
        characteristic.sum += times * i64::from(value.get());
    }
    meta.ratings[review.rating.index()] += times;
    if review.recommend {
        meta.recommended_true += times;
    } else {
        meta.recommended_false += times;
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

    fn review(rating: i64, recommend: bool, values: &[(i64, i64)]) -> PostedReview {
        PostedReview {
            review_id: ReviewId::try_from(1).unwrap(),
            rating: rating.try_into().unwrap(),
            recommend,
            characteristics: values.iter().map(|(i, v)| (id(*i), (*v).try_into().unwrap())).collect(),
        }
    }

    fn posted(rating: i64, recommend: bool, values: &[(i64, i64)]) -> Event {
        Event::ReviewPosted(review(rating, recommend, values))
    }

    fn erased(rating: i64, recommend: bool, values: &[(i64, i64)]) -> Event {
        Event::ReviewErased(review(rating, recommend, values))
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
    #[test]
    fn given_an_erased_review_then_what_it_added_is_gone() {
        let others = [defined(&[(1, "Fit"), (2, "Size")]), posted(5, true, &[(1, 4)])];
        let [definitions, other] = others.clone();
        let mut meta = given(&[
            definitions,
            posted(3, false, &[(1, 2), (2, 5)]),
            other,
            erased(3, false, &[(1, 2), (2, 5)]),
        ]);
        assert_eq!(meta.version, Version(4));
        meta.version = Version(2);
        assert_eq!(meta, given(&others));
    }

    #[test]
    fn given_nothing_to_subtract_then_an_error_and_nothing_changes() {
        let mut meta = given(&[defined(&[(1, "Fit"), (2, "Size")]), posted(5, true, &[(1, 4)])]);
        let before = meta.clone();
        for event in [
            erased(4, true, &[]),
            erased(5, false, &[]),
            erased(5, true, &[(1, 4), (2, 1)]),
            erased(5, true, &[(1, 5)]),
        ] {
            let reason = apply(&mut meta, Version(3), &event).unwrap_err();
            assert_eq!(reason.to_string(), "review 1 cannot be subtracted: a count would go below zero");
        }
        let foreign = apply(&mut meta, Version(3), &erased(5, true, &[(1, 4), (9, 4)])).unwrap_err();
        assert_eq!(foreign.to_string(), "characteristic 9 is not one of the product's");
        assert_eq!(meta, before);
    }
}
