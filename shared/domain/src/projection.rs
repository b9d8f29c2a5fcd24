//! The versions of the fold that this program carries.

use crate::{Applied, CannotApply, Event, ProductMeta, Version, apply};

/// A fold: adds one event to a product.
pub type Apply = fn(&mut ProductMeta, Version, &Event) -> Result<Applied, CannotApply>;

/// Version of [`apply`]: raised whenever the same events would give another result, and whenever there
/// are events that the one before cannot apply. A generation of meta is written only by the version that
/// began it.
pub const PROJECTION_VERSION: i32 = 2;

/// All versions that this program can write, ascending: the current one, and the one before it, so that a
/// generation goes on while its successor is made.
pub const PROJECTION_VERSIONS: [i32; 2] = [1, PROJECTION_VERSION];

/// The fold of a version; `None` when this program does not carry it.
pub fn projection(version: i32) -> Option<Apply> {
    match version {
        1 => Some(apply_without_erasing),
        PROJECTION_VERSION => Some(apply),
        _ => None,
    }
}

/// Version 1, from before reviews could be erased.
fn apply_without_erasing(
    meta: &mut ProductMeta,
    version: Version,
    event: &Event,
) -> Result<Applied, CannotApply> {
    match event {
        Event::ReviewErased(_) if version.0 == meta.version.0 + 1 => {
            Err(CannotApply::UnknownToVersion { version: 1, event_type: event.type_name() })
        }
        _ => apply(meta, version, event),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PostedReview;

    fn review() -> PostedReview {
        PostedReview {
            review_id: 7.try_into().unwrap(),
            rating: 4.try_into().unwrap(),
            recommend: true,
            characteristics: Default::default(),
        }
    }

    #[test]
    fn given_a_version_then_its_fold_and_none_of_others() {
        for version in PROJECTION_VERSIONS {
            assert!(projection(version).is_some(), "{version}");
        }
        for version in [i32::MIN, -1, 0, PROJECTION_VERSION + 1, i32::MAX] {
            assert!(projection(version).is_none(), "{version}");
        }
    }

    #[test]
    fn given_an_erased_review_then_version_1_cannot_apply_it_and_nothing_changes() {
        let [before, now] = PROJECTION_VERSIONS.map(|version| projection(version).unwrap());
        let mut meta = ProductMeta::default();
        assert_eq!(before(&mut meta, Version(1), &Event::ReviewPosted(review())), Ok(Applied::Yes));
        let posted = meta.clone();
        let erased = Event::ReviewErased(review());
        let reason = before(&mut meta, Version(2), &erased).unwrap_err();
        assert_eq!(reason.to_string(), "projection version 1 does not know events of type ReviewErased.v1");
        // What holds for every event holds for this one too.
        assert_eq!(before(&mut meta, Version(1), &erased), Ok(Applied::Before));
        let hole = before(&mut meta, Version(3), &erased);
        assert_eq!(hole, Err(CannotApply::Hole { product: Version(1), event: Version(3) }));
        assert_eq!(meta, posted);
        assert_eq!(now(&mut meta, Version(2), &erased), Ok(Applied::Yes));
        assert_eq!(meta, ProductMeta { version: Version(2), ..ProductMeta::default() });
    }
}
