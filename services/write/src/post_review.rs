//! A front end adds a review.

use crate::api::{Added, NewReview as NewReviewSchema, NewReviewOfProduct, ProductPath};
use crate::command::{self, Headers};
use crate::router::Write;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use contract::Problem;
use domain::{FieldError, NewReview, ProductId, lenient_integer, read_new_review};
use serde::Serialize;
use serde_json::Value;
use service::openapi::{CommandHeaders, KeyHeader};
use service::{HttpProblem, PathText, read_body, read_json};
use std::sync::Arc;

#[derive(Serialize)]
struct Answer {
    review_id: i64,
    product_id: i64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignored_characteristics: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignored_photos: Vec<Value>,
}

/// Add a review
///
/// The path's product counts, whatever the body says. All that can be taken is taken, whatever the content
/// type says; what was dropped is named in the answer.
///
/// `curl -i http://127.0.0.1:8080/reviews/6 -d '{"rating": 5, "body": "Bought it twice.", "name": "ada",
/// "email": "ada@example.com"}'`
#[utoipa::path(
    post, path = "/reviews/{id}", operation_id = "add1", tag = "Family 1",
    params(ProductPath, KeyHeader, CommandHeaders),
    request_body = NewReviewSchema,
    responses((status = 201, description = "Added.", body = Added, headers(("Location" = String, description = "The review's path.")))),
)]
pub(crate) async fn of_product(
    State(write): State<Arc<Write>>,
    PathText(product_id): PathText,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, HttpProblem> {
    let body = read_body(body).await?;
    let json = read_json(&body)?;
    let product_id = service::product_id(&product_id)?;
    let review = read_new_review(&json).map_err(|refused| Problem::invalid_fields(refused.0))?;
    store(&write, product_id, review, &headers, &body).await
}

/// Add a review
///
/// The product is in the body.
///
/// `curl -i http://127.0.0.1:8080/reviews -d '{"product_id": 6, "rating": 5, "body": "Bought it twice.",
/// "name": "ada", "email": "ada@example.com"}'`
#[utoipa::path(
    post, path = "/reviews", operation_id = "add2", tag = "Family 2",
    params(KeyHeader, CommandHeaders),
    request_body = NewReviewOfProduct,
    responses((status = 201, description = "Added.", body = Added, headers(("Location" = String, description = "The review's path.")))),
)]
pub(crate) async fn of_body(
    State(write): State<Arc<Write>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, HttpProblem> {
    let body = read_body(body).await?;
    let json = read_json(&body)?;
    match (read_product(&json), read_new_review(&json)) {
        (Ok(product_id), Ok(review)) => store(&write, product_id, review, &headers, &body).await,
        (product_id, review) => {
            let mut errors: Vec<FieldError> = product_id.err().into_iter().collect();
            errors.extend(review.err().into_iter().flat_map(|refused| refused.0));
            Err(Problem::invalid_fields(errors).into())
        }
    }
}

fn read_product(body: &Value) -> Result<ProductId, FieldError> {
    let refused =
        |code, message: &str| FieldError { pointer: "/product_id", code, message: message.to_owned() };
    match body.get("product_id") {
        None | Some(Value::Null) => Err(refused("required", "is missing; it must be the id of a product")),
        Some(value) => lenient_integer(value)
            .and_then(|id| id.try_into().ok())
            .ok_or_else(|| refused("invalid", "must be a whole number from 1 to 9007199254740991")),
    }
}

async fn store(
    write: &Write,
    product_id: ProductId,
    review: NewReview,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, HttpProblem> {
    let headers = Headers::read(headers)?;
    let command = headers.command(&[body]);
    let posted = primary::post_review(&write.primary, product_id, &review, &command);
    let outcome = write.latency.measure(posted).await?;
    let (posted, when) = command::done(outcome)?;
    // What the product does not have was not stored either.
    let mut ignored_characteristics = review.ignored_characteristics;
    let foreign = review.characteristics.into_iter().filter(|(id, ..)| !posted.characteristics.contains(id));
    ignored_characteristics.extend(foreign.map(|(.., name)| name));
    let body = Answer {
        review_id: posted.review_id.get(),
        product_id: product_id.get(),
        ignored_characteristics,
        ignored_photos: review.ignored_photos,
    };
    let location = [(header::LOCATION, format!("/reviews/{}", posted.review_id))];
    let created = (StatusCode::CREATED, location, Json(body));
    Ok(command::answer(write, &headers, posted.reached, when, true, created).await)
}
