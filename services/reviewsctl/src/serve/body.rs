//! Reading what is asked for: JSON bodies and ids of paths, in which everything must be known.

use super::fields::{Asked, wrong};
use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use contract::Problem;
use domain::ProductId;
use replay::Throttle;
use serde_json::{Map, Value};
use service::{HttpProblem, read_body, read_json};
use std::time::Duration;

/// Above this, in milliseconds, work stops beside live writers, where nothing else is said.
const MAX_WRITE_P99_MS: u64 = 20;

/// Reads a body; none at all, or null, is an object without fields.
///
/// # Errors
/// 415 when it is not said to be JSON, 400 when it is not JSON, 422 when a field is unknown, missing or of another type.
pub(crate) async fn body<T: Asked>(headers: &HeaderMap, body: Body) -> Result<T, HttpProblem> {
    let bytes = read_body(body).await?;
    let json = match bytes.is_empty() {
        true => Value::Null,
        false if is_json(headers) => read_json(&bytes)?,
        false => return Err(Problem::unsupported_media_type().into()),
    };
    let fields = match json {
        Value::Null => Map::new(),
        Value::Object(fields) => fields,
        // An array would fill the fields by their order, whatever was meant.
        _ => return Err(Problem::unprocessable("the body must be a JSON object").into()),
    };
    if let Some(wrong) = wrong(&fields, T::FIELDS) {
        return Err(Problem::unprocessable(wrong).into());
    }
    serde_json::from_value(Value::Object(fields)).map_err(|_| {
        Problem::unprocessable("the body does not have the fields that are described for it").into()
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()) else { return false };
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// The product of a path.
pub(crate) fn product(text: &str) -> Result<ProductId, HttpProblem> {
    let wrong = "the id of a product must be a whole number from 1 to 9007199254740991";
    text.parse().map_err(|_| Problem::unprocessable(wrong).into())
}

/// How much to stay out of the way of live writers.
pub(crate) fn throttle(
    max_write_p99_ms: Option<u64>,
    unthrottled: bool,
) -> Result<Option<Throttle>, HttpProblem> {
    match (max_write_p99_ms, unthrottled) {
        (Some(_), true) => Err(Problem::unprocessable(
            "max_write_p99_ms and unthrottled exclude each other: give one of them",
        )
        .into()),
        (None, true) => Ok(None),
        (ms, false) => Ok(Some(Throttle::new(Duration::from_millis(ms.unwrap_or(MAX_WRITE_P99_MS))))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::fields::Field;

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Of {
        reviews: Vec<i64>,
    }

    impl Asked for Of {
        const FIELDS: &'static [Field] = &[Field::ids("reviews")];
    }

    #[tokio::test]
    async fn only_an_object_or_nothing_is_a_body() {
        let headers: HeaderMap = [(CONTENT_TYPE, "application/json".parse().unwrap())].into_iter().collect();
        for nothing in ["", "null", "{}"] {
            assert_eq!(body::<Of>(&headers, nothing.into()).await.unwrap(), Of::default(), "{nothing}");
        }
        let asked = body::<Of>(&headers, r#"{"reviews":[11]}"#.into()).await.unwrap();
        assert_eq!(asked, Of { reviews: vec![11] });
        for other in ["[]", "[[11]]", "7", "true", r#""x""#] {
            assert!(body::<Of>(&headers, other.into()).await.is_err(), "{other}");
        }
    }
}
