//! The rules of the project, without I/O: what a review is, what may happen to it, and what a
//! product's events add up to. Read in the order of the modules.

mod average;
mod event;
mod ids;
mod listed_review;
mod log_event;
mod new_review;
mod posted_json;
mod product_meta;
mod projection;
mod shown;
mod values;
mod why_not;

pub use average::{four_decimals, postgres_decimals};
pub use event::{CharacteristicDefined, Event, EventUnreadable, PostedReview};
pub use ids::{
    Beat, CharacteristicId, Epoch, EventId, ID_MAX, IdInvalid, PARTS, Part, PhotoId, Position, ProductId,
    Rating, ReviewId, Version, log_parts,
};
pub use listed_review::{ListedReview, Photo};
pub use log_event::{EventRef, LinkedEvent, LogEvent};
pub use new_review::{
    BODY_CHARS_MAX, EMAIL_CHARS_MAX, FieldError, NAME_CHARS_MAX, NewReview, PHOTO_URL_CHARS_MAX, PHOTOS_MAX,
    ReviewRefused, SUMMARY_CHARS_MAX, lenient_integer, read_new_review,
};
pub use product_meta::{Applied, CannotApply, CharacteristicMeta, ProductMeta, apply};
pub use projection::{Apply, PROJECTION_VERSION, PROJECTION_VERSIONS, projection};
pub use shown::shortened;
pub use values::Values;
