//! The primary database: every statement on it, in the order in which a review meets them.

mod command;
mod post;
mod vote;

mod erase;

mod export;

mod audit;

mod stream;

mod list;
mod product_meta;

mod sequence;

mod publish;

mod copy_log;
mod log;
mod snapshot;

mod canary;
mod latency;

mod status;
mod trace;

pub mod import;

pub use audit::{Audit, AuditAction, record_audit};
pub use canary::{Canary, HeadsAtBeat, beat, canary, heads_at_beat};
pub use command::{Age, Command, IdempotencyKey, Outcome, Reached, forget_keys};
pub use copy_log::{CopiedLog, CopyRange, copy_log, copy_product_events, prefer_ranges};
pub use erase::{Erased, erase_review, operations_pool};
pub use export::{ExportedReview, ExportedValue, export_reviews, reviews_of};
pub use latency::{CommandLatency, WriteLatency, forget_writers, publish_write_latency, write_latency};
pub use list::{ListQuery, OneReview, Place, ReviewPage, Sort, Start, cursor_key, list_reviews, one_review};
pub use log::{LogRange, Pulled, log_epoch, log_heads, log_hole, product_events, pull_events};
pub use post::{Posted, post_review};
pub use product_meta::product_meta;
pub use publish::{hold_relay_lock, raise_published, skip_backlog, unpublished_events};
pub use sequence::{SEQUENCE_EVENTS_MAX, sequence_events, sequence_part};
pub use snapshot::{Snapshot, sum_reviews};
pub use status::{PartStatus, log_status};
pub use stream::{
    TableEstimates, product_reached, products_after, products_reached, random_products, table_estimates,
};
pub use trace::{TracedEvent, TracedRow, published, traced_event, traced_row, unnamed_review};
pub use vote::{Vote, VoteKind, vote};

/// Creates and changes the tables of this database.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations/primary");

/// A value of a row that breaks the rules of its column.
fn unfit(
    table: &'static str,
    column: &'static str,
    key: i64,
    problem: impl std::fmt::Display,
) -> sqlx::Error {
    sqlx::Error::Decode(format!("{table}.{column} of row {key}: {problem}").into())
}
