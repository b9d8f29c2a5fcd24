//! What a product's reviews add up to, and those of many.

use crate::api::{Meta1, MetaOrMetas, ProductPath, ProductsQuery};
use crate::cache::{Answer, Question, Source};
use crate::consistency::{Needs, Tokens};
use crate::metas::{NO_GENERATION, metas};
use crate::query::Query;
use crate::router::Read;
use axum::extract::{RawQuery, State};
use axum::http::HeaderValue;
use axum::http::header::{HeaderMap, WARNING};
use axum::response::Response;
use contract::{Family, Problem, meta_body, metas_body};
use domain::ProductId;
use meta::MetaAnswer;
use service::openapi::ReadHeaders;
use service::{HttpProblem, PathText, product_id, representation};
use std::sync::Arc;

/// Says that a product stands still, since an event of it could not be applied.
pub(crate) const PARKED: HeaderValue =
    HeaderValue::from_static("199 - \"this product's meta is not up to date\"");

/// What a product's reviews add up to
///
/// `curl -i http://127.0.0.1:8080/reviews/5/meta`
#[utoipa::path(
    get, path = "/reviews/{product_id}/meta", operation_id = "meta1", tag = "Family 1",
    params(ProductPath, ReadHeaders),
    responses((status = 200, description = "The meta; empty when nothing is known of the product.", body = Meta1)),
)]
pub(crate) async fn of_path(
    State(read): State<Arc<Read>>,
    PathText(id): PathText,
    headers: HeaderMap,
) -> Result<Response, HttpProblem> {
    one(&read, Family::One, product_id(&id)?, &headers).await
}

/// What a product's reviews add up to, or those of many products
///
/// `curl -i 'http://127.0.0.1:8080/reviews/meta?product_id=5'`
///
/// `curl -i 'http://127.0.0.1:8080/reviews/meta?product_ids=5,4,5'`
#[utoipa::path(
    get, path = "/reviews/meta", operation_id = "meta2", tag = "Family 2",
    params(ProductsQuery, ReadHeaders),
    responses((status = 200, description = "The meta, or an array of them.", body = MetaOrMetas)),
)]
pub(crate) async fn of_query(
    State(read): State<Arc<Read>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, HttpProblem> {
    let query = query.unwrap_or_default();
    match Query(&query).product_ids()? {
        Some(products) => many(&read, &products, &headers).await,
        None => one(&read, read.family2, Query(&query).product_id()?, &headers).await,
    }
}

async fn one(
    read: &Read,
    family: Family,
    product_id: ProductId,
    headers: &HeaderMap,
) -> Result<Response, HttpProblem> {
    let (tokens, question) = (Tokens::read(headers)?, Question::Meta(family));
    let load = async |needs: &Needs| {
        let found = metas(read, &[product_id], &tokens, needs).await?;
        let MetaAnswer { generation, meta, parked } =
            found.into_iter().next().ok_or_else(Problem::internal)?;
        // The primary stands in for meta only for who brings a token.
        let source =
            if generation == NO_GENERATION { Source::StandIn } else { Source::Generation(generation) };
        let mut answer = Answer::new(source, meta.version, meta_body(family, product_id, &meta)?);
        answer.warning = parked.then_some(PARKED);
        Ok::<_, HttpProblem>(answer)
    };
    if let Some(named) = read.cache.named(product_id, &tokens) {
        let as_it_is = async || load(&Needs::default()).await;
        match read.cache.answer(product_id, question, named, as_it_is).await {
            Ok(answer) if answer.version >= named => return Ok(answer.into_response()),
            Err(error) if tokens.are_none() => return Err(error),
            // Meta is behind or away: the primary may have what is named.
            Ok(_) | Err(_) => {}
        }
    }
    let needs = tokens.needs(read, &[product_id]).await?;
    let answer =
        read.cache.answer(product_id, question, needs.of(product_id), async || load(&needs).await).await?;
    let mut response = answer.into_response();
    needs.warn(&mut response);
    Ok(response)
}

async fn many(read: &Read, products: &[ProductId], headers: &HeaderMap) -> Result<Response, HttpProblem> {
    let tokens = Tokens::read(headers)?;
    let needs = tokens.needs(read, products).await?;
    let answers = metas(read, products, &tokens, &needs).await?;
    let parked = answers.iter().any(|answer| answer.parked);
    let metas: Vec<_> = products.iter().copied().zip(answers.into_iter().map(|answer| answer.meta)).collect();
    let mut response = representation("application/json", metas_body(read.family2, &metas)?);
    if parked {
        response.headers_mut().append(WARNING, PARKED);
    }
    needs.warn(&mut response);
    Ok(response)
}
