//! How the log becomes meta: batches of events, folded in one transaction with the checkpoints. The
//! projector does it for what comes in, the operations tool for a generation that it builds.

mod batch;
mod fold;
mod leave_out;
mod plan;
mod project;
mod rebuild;

pub use batch::{Batch, Came, Received, Wanted};
pub use fold::{Folding, ReadEvent};
pub use leave_out::leave_out;
pub use plan::{Looks, Plan, Whole, moved, new_events, plan, products_of};
pub use project::{MetaConnection, ProjectError, Projected, look, project, project_built, same_log, store};
pub use rebuild::Rebuild;
