//! What a product's reviews add up to.

use crate::query::{Query, product_id};
use crate::router::Read;
use axum::extract::{RawQuery, State};
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_TYPE, WARNING};
use axum::response::{IntoResponse, Response};
use contract::{Family, Problem, meta_body};
use domain::ProductId;
use postgres::retry_lost;
use service::{HttpProblem, PathText};

/// Says that a product stands still, since an event of it could not be applied.
const PARKED: HeaderValue = HeaderValue::from_static("199 - \"this product's meta is not up to date\"");

/// `GET /reviews/:product_id/meta`
pub(crate) async fn of_path(
    State(read): State<Read>,
    PathText(id): PathText,
) -> Result<Response, HttpProblem> {
    answer(&read, Family::One, product_id(&id)?).await
}

/// `GET /reviews/meta?product_id=`
pub(crate) async fn of_query(
    State(read): State<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, HttpProblem> {
    answer(&read, Family::Two, Query(&query.unwrap_or_default()).product_id()?).await
}

async fn answer(read: &Read, family: Family, product_id: ProductId) -> Result<Response, HttpProblem> {
    let answer = retry_lost(|| meta::product_answer(&read.meta, product_id)).await?;
    let answer = answer.ok_or_else(|| {
        tracing::warn!("meta has no generation yet: no projector has run");
        Problem::unavailable()
    })?;
    let body = meta_body(family, product_id, &answer.meta)?;
    let mut response = ([(CONTENT_TYPE, "application/json")], body).into_response();
    if answer.parked {
        response.headers_mut().insert(WARNING, PARKED);
    }
    Ok(response)
}
