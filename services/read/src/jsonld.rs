//! A product's reviews for search engines.

use crate::api::{JsonLd, NameQuery, ProductPath};
use crate::consistency::Tokens;
use crate::meta::PARKED;
use crate::metas::metas;
use crate::query::Query;
use crate::router::Read;
use axum::extract::{RawQuery, State};
use axum::http::header::{HeaderMap, WARNING};
use axum::response::Response;
use contract::{JSON_LD_CONTENT_TYPE, ProductPage, jsonld};
use postgres::retry_lost;
use primary::{ListQuery, Sort, Start};
use service::openapi::ReadHeaders;
use service::{HttpProblem, PathText, product_id, representation};
use std::sync::Arc;

/// Reviews that are shown: what fits on a page of results.
const REVIEWS_SHOWN: i64 = 5;

/// A product's reviews for search engines
///
/// May stand in a `script` element as it is.
///
/// `curl -i http://127.0.0.1:8080/reviews/5/jsonld`
#[utoipa::path(
    get, path = "/reviews/{product_id}/jsonld", operation_id = "jsonld", tag = "Family 1",
    params(ProductPath, NameQuery, ReadHeaders),
    responses((status = 200, description = "The product.", body = JsonLd, content_type = "application/ld+json")),
)]
pub(crate) async fn of_path(
    State(read): State<Arc<Read>>,
    PathText(id): PathText,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, HttpProblem> {
    let product_id = product_id(&id)?;
    let query = query.unwrap_or_default();
    let name = Query(&query).name()?;
    let tokens = Tokens::read(&headers)?;
    let needs = tokens.needs(&read, &[product_id]).await?;
    let top = ListQuery {
        sort: Sort::Relevant,
        start: Start::Offset(0),
        count: REVIEWS_SHOWN,
        ratings: Vec::new(),
        total: false,
    };
    let answers = metas(&read, &[product_id], &tokens, &needs).await?;
    let listed = retry_lost(|| {
        read.primary.on(async |primary| primary::list_reviews(primary, product_id, &top).await)
    })
    .await?;
    let parked = answers.iter().any(|answer| answer.parked);
    let meta = answers.into_iter().next().map(|answer| answer.meta).unwrap_or_default();
    let page = ProductPage { product_id, name: name.as_deref(), meta: &meta, reviews: &listed.reviews };
    let mut response = representation(JSON_LD_CONTENT_TYPE, jsonld(&page)?);
    if parked {
        response.headers_mut().append(WARNING, PARKED);
    }
    needs.warn(&mut response);
    Ok(response)
}
