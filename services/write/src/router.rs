//! All routes of the write service.

use crate::latency::Latency;
use crate::visibility::Visibility;
use crate::{post_review, vote};
use axum::Router;
use axum::routing::{post, put};
use service::public_routes;
use sqlx::PgPool;
use std::sync::Arc;

/// What handlers work with. Shared: a request's way through the layers copies it several times.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) primary: PgPool,
    pub(crate) report_threshold: i32,
    pub(crate) visibility: Visibility,
    pub(crate) latency: Latency,
}

pub(crate) fn routes() -> Router<Arc<Write>> {
    let helpful = put(vote::helpful).delete(vote::helpful_back);
    let report = put(vote::report).delete(vote::report_back);
    public_routes([
        // Family 1.
        ("/reviews/{id}", post(post_review::of_product)),
        ("/reviews/helpful/{id}", helpful.clone()),
        ("/reviews/report/{id}", report.clone()),
        // Family 2.
        ("/reviews", post(post_review::of_body)),
        ("/reviews/{id}/helpful", helpful),
        ("/reviews/{id}/report", report),
    ])
}
