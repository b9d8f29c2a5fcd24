//! The meta database: every statement on it. First what readers ask, then how a batch of events
//! gets in, in the order of its transaction.

mod answer;

mod checkpoint;
mod generation;
mod park;
mod products;

mod status;

pub use answer::{MetaAnswer, product_answer, product_answers};
pub use checkpoint::{Checkpoint, lock_checkpoints, move_checkpoints, read_checkpoints};
pub use generation::{begin_first_generation, live_generations};
pub use park::{Parking, mark_parked, park};
pub use products::{StoredProduct, load_products, store_products};
pub use status::{ParkedProduct, ProjectionStatus, projection_status};

/// Creates and changes the tables of this database.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations/meta");

/// A value of a row that breaks the rules of its column.
fn unfit(
    table: &'static str,
    column: &'static str,
    key: i64,
    problem: impl std::fmt::Display,
) -> sqlx::Error {
    sqlx::Error::Decode(format!("{table}.{column} of row {key}: {problem}").into())
}
