//! Making meta anew while it answers: a generation is built beside the one that does, catches up, is verified
//! and swapped in. Also what comes with it: one product made anew, verification, rollback, pruning.

mod words;

mod error;
mod stores;

mod progress;
mod throttle;

mod gate;

mod run;

mod groups;

mod build;
mod compare;

mod swap;

mod give_up;

mod fold_log;
mod forecast;
mod product;
mod verify;

pub use compare::{Compared, Difference};
pub use error::ReplayError;
pub use forecast::{Forecast, forecast};
pub use give_up::{Asked, ask, cancel, prune};
pub use product::{Rebuilt, rebuild_product};
pub use progress::{At, Progress, Stage, Waiting};
pub use run::{PRODUCTS_AT_ONCE, Plan, Replayed, replay};
pub use stores::Stores;
pub use swap::{RolledBack, rollback};
pub use throttle::Throttle;
pub use verify::{Repaired, Verified, repair, verify, verify_products};
pub use words::counted;
