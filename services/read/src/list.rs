//! Which reviews a product has.

use crate::query::{Query, product_id};
use crate::router::Read;
use axum::extract::{RawQuery, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use contract::{Family, ListAnswer, list_body};
use domain::ProductId;
use postgres::retry_lost;
use primary::{Page, Sort};
use service::{HttpProblem, PathText};

/// `GET /reviews/:product_id/list`
pub(crate) async fn of_path(
    State(read): State<Read>,
    PathText(id): PathText,
    RawQuery(query): RawQuery,
) -> Result<Response, HttpProblem> {
    let query = query.unwrap_or_default();
    answer(&read, Family::One, product_id(&id)?, Query(&query)).await
}

/// `GET /reviews?product_id=`
pub(crate) async fn of_query(
    State(read): State<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, HttpProblem> {
    let query = query.unwrap_or_default();
    answer(&read, Family::Two, Query(&query).product_id()?, Query(&query)).await
}

async fn answer(
    read: &Read,
    family: Family,
    product_id: ProductId,
    query: Query<'_>,
) -> Result<Response, HttpProblem> {
    let sort = query.sort(match family {
        Family::One => Sort::Newest,
        Family::Two => Sort::Relevant,
    });
    let (page, count) = (query.page()?, query.count()?);
    let rows = Page { offset: (page - 1).saturating_mul(count), count };
    let listed = retry_lost(|| primary::list_reviews(&read.primary, product_id, sort, rows)).await?;
    let body = list_body(&ListAnswer { family, product_id, page, count, reviews: &listed.reviews })?;
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}
