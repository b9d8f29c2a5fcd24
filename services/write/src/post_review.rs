//! A front end adds a review.

use crate::router::Write;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use contract::Problem;
use domain::{FieldError, NewReview, ProductId, lenient_integer, read_new_review};
use serde::Serialize;
use serde_json::Value;
use service::{HttpProblem, PathText, read_json, traceparent};
use uuid::Uuid;

#[derive(Serialize)]
struct Answer {
    review_id: i64,
    product_id: i64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignored_characteristics: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignored_photos: Vec<Value>,
}

/// `POST /reviews/:product_id`: the path's product, whatever the body says.
pub(crate) async fn of_product(
    State(write): State<Write>,
    PathText(product_id): PathText,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, HttpProblem> {
    let body = read_json(body).await?;
    let product_id =
        product_id.parse().map_err(|_| Problem::unprocessable("Error: invalid product_id provided"))?;
    let review = read_new_review(&body).map_err(|refused| Problem::invalid_fields(refused.0))?;
    store(&write, product_id, review, &headers).await
}

/// `POST /reviews`: the product is in the body.
pub(crate) async fn of_body(
    State(write): State<Write>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, HttpProblem> {
    let body = read_json(body).await?;
    match (read_product(&body), read_new_review(&body)) {
        (Ok(product_id), Ok(review)) => store(&write, product_id, review, &headers).await,
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
) -> Result<Response, HttpProblem> {
    let posted =
        primary::post_review(&write.primary, product_id, &review, Uuid::now_v7(), traceparent(headers))
            .await?;
    write.written.notify_one();
    // What the product does not have was not stored either.
    let mut ignored_characteristics = review.ignored_characteristics;
    let foreign = review.characteristics.into_iter().filter(|(id, ..)| !posted.characteristics.contains(id));
    ignored_characteristics.extend(foreign.map(|(.., name)| name));
    let answer = Answer {
        review_id: posted.review_id.get(),
        product_id: product_id.get(),
        ignored_characteristics,
        ignored_photos: review.ignored_photos,
    };
    let location = [(header::LOCATION, format!("/reviews/{}", posted.review_id))];
    Ok((StatusCode::CREATED, location, Json(answer)).into_response())
}
