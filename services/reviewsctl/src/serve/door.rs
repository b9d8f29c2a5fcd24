//! Who is let in: whoever brings the token, and no page of a browser.

use super::Admin;
use super::token::Token;
use axum::Router;
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, HOST, ORIGIN, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use contract::Problem;
use service::HttpProblem;
use std::net::IpAddr;
use std::sync::Arc;

/// What is answered without a token: whether it lives, and whether it is ready.
const OPEN: [&str; 2] = ["/livez", "/readyz"];

/// Who is let in.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) token: Token,
    /// It listens on loopback only.
    pub(crate) loopback: bool,
}

/// Lets nobody else to a router, not even to learn which paths there are.
pub(crate) fn guarded(router: Router<Admin>, door: Arc<Door>) -> Router<Admin> {
    router.layer(from_fn(move |request: Request, next: Next| {
        let refused = door.refused(&request);
        async move {
            let mut response = match refused {
                Some(response) => response,
                None => next.run(request).await,
            };
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
    }))
}

impl Door {
    /// The answer to whoever is not let in.
    fn refused(&self, request: &Request) -> Option<Response> {
        let headers = request.headers();
        if headers.contains_key(ORIGIN) {
            return Some(forbidden("no page of a browser is answered: leave the header Origin out"));
        }
        if self.loopback && !is_loopback(headers) {
            return Some(forbidden(
                "it is reached by 127.0.0.1, [::1] or localhost only: say so in the header Host",
            ));
        }
        if OPEN.contains(&request.uri().path()) || bearer(headers).is_some_and(|token| self.token.is(token)) {
            return None;
        }
        tracing::warn!("a request without the right token was refused");
        let mut response = HttpProblem(Problem::unauthorized()).into_response();
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        Some(response)
    }
}

fn forbidden(detail: &str) -> Response {
    HttpProblem(Problem::forbidden(detail)).into_response()
}

/// What a request brings as its one token.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next()?.as_bytes(), values.next()) else { return None };
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

/// Whether a request was meant for this machine, not for a name that somebody made to lead here.
fn is_loopback(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else { return false };
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, _)) => name,
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_names_of_this_machine_are_its_own() {
        for own in ["localhost", "LOCALHOST:8090", "127.0.0.1:8090", "127.1.2.3", "[::1]:8090", "[::1]"] {
            assert!(is_loopback(&headers(&[("host", own)])), "{own}");
        }
        for other in ["", "example.com:8090", "localhost.example.com", "10.0.0.1", "[fe80::1]:8090", "::1"] {
            assert!(!is_loopback(&headers(&[("host", other)])), "{other}");
        }
        assert!(!is_loopback(&headers(&[])));
    }

    #[test]
    fn a_token_is_read_in_any_case_of_its_scheme_and_only_alone() {
        let read = |all: &[(&'static str, &'static str)]| bearer(&headers(all)).map(<[u8]>::to_vec);
        assert_eq!(read(&[("authorization", "Bearer abc")]).as_deref(), Some(&b"abc"[..]));
        assert_eq!(read(&[("authorization", "bEARER  abc")]).as_deref(), Some(&b"abc"[..]));
        for none in ["", "Bearer", "Basic abc", "abc", "Bearerabc"] {
            assert_eq!(read(&[("authorization", none)]), None, "{none}");
        }
        let mut two = headers(&[("authorization", "Bearer abc")]);
        two.append(AUTHORIZATION, HeaderValue::from_static("Bearer abc"));
        assert_eq!(bearer(&two), None);
    }
}
