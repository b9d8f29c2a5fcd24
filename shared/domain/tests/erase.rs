//! Whatever is erased of what was posted, and whenever: what remains adds up as if the rest had never been.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

use domain::{
    Applied, CannotApply, CharacteristicDefined, CharacteristicId, Event, PostedReview, ProductMeta, Version,
    apply, projection,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

const CHARACTERISTICS: i64 = 3;

/// A review, and how many events after it the one that erases it comes, if there is one.
fn reviews() -> impl Strategy<Value = Vec<(PostedReview, Option<usize>)>> {
    let values = btree_map(1..=CHARACTERISTICS, 1..=5_i64, 0..=3);
    let review = (1..=5_i64, any::<bool>(), values, option::of(0..20_usize));
    vec(review, 0..20).prop_map(|reviews| {
        let numbered = (1..).zip(reviews);
        numbered
            .map(|(id, (rating, recommend, values, erased))| {
                (review_of(id, rating, recommend, values), erased)
            })
            .collect()
    })
}

fn review_of(
    id: i64,
    rating: i64,
    recommend: bool,
    values: impl IntoIterator<Item = (i64, i64)>,
) -> PostedReview {
    PostedReview {
        review_id: id.try_into().unwrap(),
        rating: rating.try_into().unwrap(),
        recommend,
        characteristics: values
            .into_iter()
            .map(|(i, v)| (i.try_into().unwrap(), v.try_into().unwrap()))
            .collect(),
    }
}

fn definitions() -> Event {
    let defined = |id: CharacteristicId| CharacteristicDefined { id, name: id.to_string() };
    let ids = (1..=CHARACTERISTICS).map(|id| id.try_into().unwrap());
    Event::CharacteristicsDefined { characteristics: ids.map(defined).collect() }
}

fn fold(events: &[Event]) -> ProductMeta {
    let mut meta = ProductMeta::default();
    for (event, version) in events.iter().zip(1..) {
        assert_eq!(apply(&mut meta, Version(version), event), Ok(Applied::Yes));
    }
    meta
}

/// Posts in order, each erasing somewhere after its post.
fn events(reviews: &[(PostedReview, Option<usize>)]) -> Vec<Event> {
    let mut placed: Vec<(usize, Event)> = Vec::new();
    for (number, (review, erased)) in reviews.iter().enumerate() {
        placed.push((number, Event::ReviewPosted(review.clone())));
        placed.extend(erased.map(|after| (number + after, Event::ReviewErased(review.clone()))));
    }
    // Stable: of the same place, what was put in first comes first, a post before what erases it.
    placed.sort_by_key(|(place, _)| *place);
    [definitions()].into_iter().chain(placed.into_iter().map(|(_, event)| event)).collect()
}

proptest! {
    #[test]
    fn what_remains_is_the_fold_of_the_posts_that_remain(reviews in reviews()) {
        let events = events(&reviews);
        let folded = fold(&events);
        prop_assert_eq!(folded.version, Version(i64::try_from(events.len()).unwrap()));
        let remaining = reviews.iter().filter(|(_, erased)| erased.is_none());
        let posts = remaining.map(|(review, _)| Event::ReviewPosted(review.clone()));
        let expected = fold(&[definitions()].into_iter().chain(posts).collect::<Vec<_>>());
        prop_assert_eq!(ProductMeta { version: expected.version, ..folded }, expected);
    }

    #[test]
    fn the_version_before_stops_at_the_first_that_is_erased_and_agrees_until_there(reviews in reviews()) {
        let events = events(&reviews);
        let first = events.iter().position(|event| matches!(event, Event::ReviewErased(_)));
        let apply_before = projection(1).unwrap();
        let mut meta = ProductMeta::default();
        for (event, version) in events.iter().zip(1..).take(first.unwrap_or(events.len())) {
            prop_assert_eq!(apply_before(&mut meta, Version(version), event), Ok(Applied::Yes));
        }
        prop_assert_eq!(&meta, &fold(&events[..first.unwrap_or(events.len())]));
        if let Some(first) = first {
            let version = Version(meta.version.0 + 1);
            let stopped = apply_before(&mut meta, version, &events[first]);
            prop_assert_eq!(
                stopped,
                Err(CannotApply::UnknownToVersion { version: 1, event_type: "ReviewErased.v1" })
            );
        }
    }
}
