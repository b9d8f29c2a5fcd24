//! Reading requests.

use crate::HttpProblem;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use bytes::Bytes;
use contract::{Prefer, Problem, read_prefer};
use domain::{ProductId, ReviewId};
use serde_json::Value;
use std::convert::Infallible;

/// Longest body of a request, in bytes: fifty times the longest text, so that any review fits in any
/// encoding of its characters.
pub const BODY_BYTES_MAX: usize = 256 * 1024;

/// The one parameter of a path, decoded; empty when it cannot be, which no id is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathText(pub String);

impl<S: Send + Sync> FromRequestParts<S> for PathText {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        Ok(PathText(path.map(|Path(text)| text).unwrap_or_default()))
    }
}

/// A product's id in a path or a query.
///
/// # Errors
/// 422 when it is none.
pub fn product_id(text: &str) -> Result<ProductId, HttpProblem> {
    text.parse().map_err(|_| Problem::unprocessable("Error: invalid product_id provided").into())
}

/// A review's id in a path.
///
/// # Errors
/// 422 when it is none.
pub fn review_id(text: &str) -> Result<ReviewId, HttpProblem> {
    let wrong = "the id of a review must be a whole number from 1 to 9007199254740991";
    text.parse().map_err(|_| Problem::unprocessable(wrong).into())
}

/// Reads a body whole.
///
/// # Errors
/// 413 when it is longer than [`BODY_BYTES_MAX`], 400 when it broke off.
pub async fn read_body(body: Body) -> Result<Bytes, HttpProblem> {
    let bytes = axum::body::to_bytes(body, BODY_BYTES_MAX + 1).await.map_err(|error| {
        let too_long =
            std::error::Error::source(&error).is_some_and(|source| source.to_string().contains("limit"));
        if too_long { Problem::too_large(BODY_BYTES_MAX) } else { Problem::bad_request("the body broke off") }
    })?;
    if bytes.len() > BODY_BYTES_MAX {
        return Err(Problem::too_large(BODY_BYTES_MAX).into());
    }
    Ok(bytes)
}

/// Reads a body as JSON, whatever its content type says.
///
/// # Errors
/// 400 when it is not JSON.
pub fn read_json(body: &[u8]) -> Result<Value, HttpProblem> {
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    serde_json::from_slice(text)
        .map_err(|error| Problem::bad_request(format!("the body is not JSON: {error}")).into())
}

/// The text of a header, several lines of it joined by commas; `None` when there is none.
///
/// # Errors
/// 422 when it is not visible ASCII and blanks.
pub fn header_text(headers: &HeaderMap, name: &'static str) -> Result<Option<String>, HttpProblem> {
    let mut text: Option<String> = None;
    for value in headers.get_all(name) {
        let line = value.to_str().map_err(|_| {
            Problem::unprocessable(format!("the header {name} must be visible ASCII characters"))
        })?;
        match &mut text {
            Some(text) => {
                text.push(',');
                text.push_str(line);
            }
            None => text = Some(line.to_owned()),
        }
    }
    Ok(text.filter(|text| !text.trim().is_empty()))
}

/// What a client would like; nothing where its header cannot be read.
pub fn prefer(headers: &HeaderMap) -> Prefer {
    header_text(headers, "prefer").ok().flatten().map(|text| read_prefer(&text)).unwrap_or_default()
}

/// The trace context of a request, if it is a well-formed W3C `traceparent`.
pub fn traceparent(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let fields: Vec<&str> = text.split('-').collect();
    let hex = |field: &str, length: usize| {
        field.len() == length && field.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    match fields.as_slice() {
        [version, trace, span, flags] => {
            let formed = hex(version, 2) && hex(trace, 32) && hex(span, 16) && hex(flags, 2);
            let named = trace.bytes().any(|b| b != b'0') && span.bytes().any(|b| b != b'0');
            (formed && named && *version != "ff").then_some(text)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_only_a_well_formed_traceparent() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", text.parse().unwrap());
            traceparent(&headers).map(str::to_owned)
        };
        assert_eq!(read(good).as_deref(), Some(good));
        for bad in [
            "",
            "00",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            &good.to_uppercase(),
            &good[1..],
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
