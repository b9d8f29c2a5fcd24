//! Loading a data set beside live writers. The files' lines are laid out in `staging`, checked there
//! by sets until every line that cannot be taken is known, and only then appended.
//!
//! Whatever ends an import, all that it appended is whole, because each chunk is one transaction;
//! the next import finds those reviews stored with the same content and passes over them.

mod lock;

mod copy;

mod stage;

mod ids;

mod check;

mod gather;

mod append;

pub use append::{CHUNK_EVENTS_MAX, ImportChunk, append_chunk, plan_part, refresh_statistics};
pub use check::{
    check_characteristic_names, check_characteristics, check_photos, check_reviews, check_stored_photos,
};
pub use copy::{CopyRows, StagedCharacteristic, StagedPhoto, StagedReview, StagedValue, StagingTable};
pub use gather::{Gathered, gather, index_gathered};
pub use ids::{IMPORT_ID_MAX, Raised, raise_sequences};
pub use lock::{import_pool, lock_import};
pub use stage::{Reject, add_rejects, clear_staging, copy_rows, index_staging, reject_count, rejects};

/// Ids above `after` up to and with `through`: the checks go through the files by ranges, so that
/// no snapshot lives long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdRange {
    /// The id before the range.
    pub after: i64,
    /// Its last id.
    pub through: i64,
}
