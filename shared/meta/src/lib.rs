//! The meta database: every statement on it. First what readers ask, then how a batch of events
//! gets in, in the order of its transaction; then generations that are built beside the one that answers.

mod answer;

mod checkpoint;
mod generation;
mod park;
mod products;

mod replay;
mod swap;

mod canary;
mod status;
mod trace;
mod version;

pub use answer::{AnswersOf, MetaAnswer, answers_of, product_answer, product_answers};
pub use canary::{Canary, canary, store_beat};
pub use checkpoint::{Checkpoint, checkpoints_of, lock_checkpoints, move_checkpoints, read_checkpoints};
pub use generation::{
    GenerationInfo, GenerationState, WrittenGeneration, active_generation, begin_first_generation,
    built_generation, delete_generation, drop_generation, generations, invalid_generations,
    invalidate_generation, live_generations, see_to_an_answer, surplus_generations,
};
pub use park::{
    Discarded, ParkedProduct, Parking, discard_parked, discarded_events, discarded_events_of, mark_parked,
    park, parked_anew, parked_products, products_given_up_in, products_given_up_since, remove_product,
};
pub use products::{
    StoredProduct, copy_in_products, copy_out_products, load_products, product_at, store_products,
};
pub use replay::{
    NewReplay, Phase, PhaseResult, Replay, Source, Wanted, add_checkpoints, begin_replay, enter_phase,
    lock_replay, make_live, note_building, replays, unended_replay, unlock_replay, want, wanted,
};
pub use status::{ProjectionStatus, projection_status};
pub use swap::{Over, Swap, SwapReason, Swapped, previous_generation, swap};
pub use trace::{TracedProduct, traced_product};
pub use version::VersionWatch;

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
