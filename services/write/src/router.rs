//! All routes of the write service.

use crate::{post_review, vote};
use axum::Router;
use axum::http::header::ALLOW;
use axum::routing::{MethodRouter, any, post, put};
use contract::Problem;
use service::HttpProblem;
use sqlx::PgPool;
use std::sync::Arc;
use tokio::sync::Notify;

/// What handlers work with.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub(crate) primary: PgPool,
    pub(crate) report_threshold: i32,
    /// Told after each commit, so that the relay need not wait for its tick.
    pub(crate) written: Arc<Notify>,
}

pub(crate) fn routes() -> Router<Write> {
    let mut router = Router::new();
    for (path, method) in [
        // Family 1.
        ("/reviews/{id}", post(post_review::of_product)),
        ("/reviews/helpful/{id}", put(vote::helpful)),
        ("/reviews/report/{id}", put(vote::report)),
        // Family 2.
        ("/reviews", post(post_review::of_body)),
        ("/reviews/{id}/helpful", put(vote::helpful)),
        ("/reviews/{id}/report", put(vote::report)),
        // Paths that are only read.
        ("/reviews/meta", read_only()),
        ("/reviews/{id}/list", read_only()),
        ("/reviews/{id}/meta", read_only()),
    ] {
        router = router.route(path, method.clone()).route(&format!("{path}/"), method);
    }
    router
}

fn read_only() -> MethodRouter<Write> {
    any(|| async { ([(ALLOW, "GET, HEAD, OPTIONS")], HttpProblem(Problem::method_not_allowed())) })
}
