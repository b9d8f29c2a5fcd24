//! Which pages of other origins may use the service from a browser.

use anyhow::bail;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, VARY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

const ANY: HeaderValue = HeaderValue::from_static("*");
const ALLOW_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, OPTIONS");
/// By name: a `*` would not cover `Authorization`.
const ALLOW_HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Idempotency-Key, Visitor-Id, Consistency-Token, Prefer, If-None-Match",
);
const EXPOSE_HEADERS: HeaderValue = HeaderValue::from_static(
    "ETag, Link, Location, Consistency-Token, Preference-Applied, Retry-After, X-Request-Id",
);
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// The origins that are allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cors {
    /// Every one.
    Any,
    /// These.
    Listed(Vec<HeaderValue>),
    /// None: a browser's page has no business here.
    Nobody,
}

impl Cors {
    /// Reads `*`, or origins as `https://shop.example.com` separated by commas.
    ///
    /// # Errors
    /// When one of them is no origin.
    pub fn read(text: &str) -> anyhow::Result<Self> {
        if text.trim() == "*" {
            return Ok(Cors::Any);
        }
        let mut origins = Vec::new();
        for origin in text.split(',').map(str::trim) {
            let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-:[]".contains(&b);
            match HeaderValue::from_str(origin) {
                Ok(value) if host.is_some_and(|host| !host.is_empty() && host.bytes().all(plain)) => {
                    origins.push(value);
                }
                _ => bail!(
                    "CORS_ORIGINS must be * or origins as https://shop.example.com separated by commas, \
                     in lower case and without a path; {origin:?} is none"
                ),
            }
        }
        Ok(Cors::Listed(origins))
    }

    /// The answer to a browser that asks what it may send.
    pub(crate) fn preflight() -> Response {
        let mut response = StatusCode::NO_CONTENT.into_response();
        response.headers_mut().extend([
            (ACCESS_CONTROL_ALLOW_METHODS, ALLOW_METHODS),
            (ACCESS_CONTROL_ALLOW_HEADERS, ALLOW_HEADERS),
            (ACCESS_CONTROL_MAX_AGE, MAX_AGE),
        ]);
        response
    }

    /// Puts on an answer what lets the page of an origin read it.
    pub(crate) fn put_on(&self, headers: &mut HeaderMap, origin: Option<&HeaderValue>) {
        match self {
            Cors::Nobody => {}
            Cors::Any => {
                headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSE_HEADERS);
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
            }
            Cors::Listed(origins) => {
                headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSE_HEADERS);
                headers.append(VARY, HeaderValue::from_static("Origin"));
                if let Some(origin) = origin.filter(|origin| origins.contains(origin)) {
                    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_any_or_a_list() {
        assert_eq!(Cors::read(" * ").unwrap(), Cors::Any);
        let listed = Cors::read("https://shop.example.com, http://localhost:3000").unwrap();
        let origins = ["https://shop.example.com", "http://localhost:3000"].map(HeaderValue::from_static);
        assert_eq!(listed, Cors::Listed(origins.to_vec()));
        for bad in [
            "",
            "*,https://a",
            "shop.example.com",
            "https://a/",
            "https://A",
            "https://a b",
            "https://",
            "null",
        ] {
            let error = Cors::read(bad).unwrap_err().to_string();
            assert!(error.starts_with("CORS_ORIGINS must be"), "{bad}: {error}");
        }
    }

    #[test]
    fn a_listed_origin_may_read_and_others_may_not() {
        let cors = Cors::read("https://shop.example.com").unwrap();
        let allowed = |origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            cors.put_on(&mut headers, origin.map(HeaderValue::from_static).as_ref());
            assert_eq!(headers[VARY], "Origin");
            headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(allowed(Some("https://shop.example.com")).as_deref(), Some("https://shop.example.com"));
        assert_eq!(allowed(Some("https://evil.example.com")), None);
        assert_eq!(allowed(None), None);
    }

    #[test]
    fn where_pages_have_no_business_no_answer_names_an_origin() {
        let mut headers = HeaderMap::new();
        Cors::Nobody.put_on(&mut headers, Some(&HeaderValue::from_static("https://shop.example.com")));
        assert!(headers.is_empty(), "{headers:?}");
    }
}
