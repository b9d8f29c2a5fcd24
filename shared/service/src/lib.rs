//! What every service does alike: read its settings, log, answer over HTTP in one manner, say
//! whether it is ready, and stop cleanly.

mod settings;
mod telemetry;

mod http;
mod problem;
mod request;

mod health;
mod run;
mod shutdown;

use health::healthcheck;
use settings::settings;
use telemetry::start_logging;

pub use health::health_routes;
pub use http::{serve, with_manners};
pub use problem::{HttpProblem, log_chain};
pub use request::{BODY_BYTES_MAX, PathText, read_json, traceparent};
pub use run::{run, together};
pub use settings::Settings;
pub use shutdown::{Shutdown, stop_signal};
