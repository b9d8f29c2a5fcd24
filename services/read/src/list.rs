//! Which reviews a product has.

use crate::api::{List1, List2, PageQuery, ProductPath, ProductQuery};
use crate::cache::{Answer, Question, Source};
use crate::consistency::Tokens;
use crate::pages::{self, Paging};
use crate::query::Query;
use crate::router::Read;
use axum::extract::{RawQuery, State};
use axum::http::HeaderValue;
use axum::http::header::HeaderMap;
use axum::response::Response;
use contract::{Family, ListAnswer, list_body};
use domain::ProductId;
use postgres::retry_lost;
use primary::{ListQuery, Sort, Start};
use service::openapi::ReadHeaders;
use service::{HttpProblem, PathText, product_id};
use std::sync::Arc;

/// List a product's reviews
///
/// Reported reviews are not listed. `Link` leads to the next page, while there is one.
///
/// `curl -i 'http://127.0.0.1:8080/reviews/5/list?sort=newest&count=1'`
#[utoipa::path(
    get, path = "/reviews/{product_id}/list", operation_id = "list1", tag = "Family 1",
    params(ProductPath, PageQuery, ReadHeaders),
    responses((status = 200, description = "The page; empty when there is nothing.", body = List1)),
)]
pub(crate) async fn of_path(
    State(read): State<Arc<Read>>,
    PathText(id): PathText,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, HttpProblem> {
    let query = query.unwrap_or_default();
    answer(&read, Family::One, product_id(&id)?, Query(&query), &headers).await
}

/// List a product's reviews
///
/// `curl -i 'http://127.0.0.1:8080/reviews?product_id=5&count=1'`
#[utoipa::path(
    get, path = "/reviews", operation_id = "list2", tag = "Family 2",
    params(ProductQuery, PageQuery, ReadHeaders),
    responses((status = 200, description = "The page; empty when there is nothing.", body = List2)),
)]
pub(crate) async fn of_query(
    State(read): State<Arc<Read>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, HttpProblem> {
    let query = query.unwrap_or_default();
    answer(&read, read.family2, Query(&query).product_id()?, Query(&query), &headers).await
}

async fn answer(
    read: &Read,
    family: Family,
    product_id: ProductId,
    query: Query<'_>,
    headers: &HeaderMap,
) -> Result<Response, HttpProblem> {
    let tokens = Tokens::read(headers)?;
    let default = if family == Family::One { Sort::Newest } else { Sort::Relevant };
    let (count, total) = (query.count()?, query.total());
    let Paging { sort, ratings, start, page, offset } =
        pages::paging(read, product_id, query, default, count).await?;
    let question = match start {
        Start::Offset(_) => {
            let ratings = pages::star_bits(&ratings);
            Some(Question::List { family, sort, page, count, ratings, total })
        }
        // Whoever reads on page by page is rarely followed by another.
        Start::After(_) => None,
    };
    let wanted = ListQuery { sort, start, count, ratings, total };
    let load = async || {
        let listed = retry_lost(|| {
            read.primary.on(async |primary| primary::list_reviews(primary, product_id, &wanted).await)
        })
        .await?;
        let reviews = &listed.reviews;
        let body =
            list_body(&ListAnswer { family, product_id, page, offset, count, total: listed.total, reviews })?;
        let mut answer = Answer::new(Source::Primary, listed.version, body);
        if let Some(place) = listed.next {
            let after = pages::After { product_id, place, offset: offset.saturating_add(count) };
            let next = pages::next_link(read, family, &wanted, &after).await?;
            answer.link = HeaderValue::from_str(&next).ok();
        }
        Ok::<_, HttpProblem>(answer)
    };
    if let Some((question, named)) = question.zip(read.cache.named(product_id, &tokens)) {
        let answer = read.cache.answer(product_id, question, named, async || load().await).await?;
        if answer.version >= named {
            return Ok(answer.into_response());
        }
    }
    // The primary has what any token names.
    let needs = tokens.needs(read, &[product_id]).await?;
    let answer = match question {
        Some(question) => {
            read.cache.answer(product_id, question, needs.of(product_id), async || load().await).await?
        }
        None => load().await?,
    };
    let mut response = answer.into_response();
    needs.warn(&mut response);
    Ok(response)
}
