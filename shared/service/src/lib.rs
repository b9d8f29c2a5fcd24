//! What every service does alike: read its settings, log, answer over HTTP in one manner, say
//! whether it is ready, and stop cleanly.

mod settings;
mod telemetry;

mod cors;
mod http;
mod problem;
mod representation;
mod request;
mod routes;

pub mod openapi;

mod health;
mod run;
mod shutdown;

pub use cors::Cors;
pub use health::{health_routes, healthcheck};
pub use http::{serve, serve_at, with_ids, with_limit, with_manners, with_problems};
pub use problem::{HttpProblem, log_chain};
pub use representation::{entity_tag, representation, tagged_representation, with_representations};
pub use request::{
    BODY_BYTES_MAX, PathText, header_text, prefer, product_id, read_body, read_json, review_id, traceparent,
};
pub use routes::public_routes;
pub use run::{run, together};
pub use settings::Settings;
pub use shutdown::{Shutdown, stop_signal};
pub use telemetry::start_logging;
