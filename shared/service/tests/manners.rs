//! What every answer of a service has, tried on a router of the test's own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on ends, and a handler that panics on purpose"
)]

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, Response, StatusCode};
use axum::routing::get;
use service::{Cors, representation, with_limit, with_manners, with_representations};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tower::ServiceExt;

/// A body that is worth compressing, and one that is not.
const LONG: usize = 4_000;
const SHORT: usize = 100;

fn app() -> Router {
    let body = |length: usize| representation("application/json", "x".repeat(length).into_bytes());
    let router = Router::new()
        .route("/long", get(move || async move { body(LONG) }))
        .route("/short", get(move || async move { body(SHORT) }))
        .route("/panic", get(async || -> &'static str { panic!("a handler's own trouble") }));
    with_manners(with_representations(router), Cors::Any)
}

async fn ask(app: &Router, method: Method, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

async fn body(response: Response<Body>) -> Vec<u8> {
    to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()
}

#[tokio::test]
async fn each_encoding_has_a_tag_of_its_own_and_is_revalidated_by_it() {
    let app = app();
    let plain = ask(&app, Method::GET, "/long", &[]).await;
    let tag = header(&plain, "etag").unwrap().to_owned();
    assert_eq!(
        (header(&plain, "vary"), header(&plain, "cache-control")),
        (Some("Accept-Encoding"), Some("no-cache"))
    );
    for encoding in ["br", "zstd", "gzip"] {
        let accepts = [("accept-encoding", encoding)];
        let compressed = ask(&app, Method::GET, "/long", &accepts).await;
        assert_eq!(header(&compressed, "content-encoding"), Some(encoding));
        assert_eq!(header(&compressed, "vary"), Some("Accept-Encoding"));
        let own = format!("{}-{encoding}\"", tag.trim_end_matches('"'));
        assert_eq!(header(&compressed, "etag"), Some(own.as_str()));
        assert!(body(compressed).await.len() < LONG / 2);

        let known = ask(&app, Method::GET, "/long", &[accepts[0], ("if-none-match", &own)]).await;
        assert_eq!((known.status(), header(&known, "etag")), (StatusCode::NOT_MODIFIED, Some(own.as_str())));
        assert_eq!((header(&known, "content-encoding"), header(&known, "content-type")), (None, None));
        assert!(body(known).await.is_empty());
        let other = ask(&app, Method::GET, "/long", &[accepts[0], ("if-none-match", &tag)]).await;
        assert_eq!(other.status(), StatusCode::OK, "the tag of the plain body");

        let head = ask(&app, Method::HEAD, "/long", &accepts).await;
        assert_eq!(
            (header(&head, "etag"), header(&head, "content-encoding")),
            (Some(own.as_str()), Some(encoding))
        );
        assert!(body(head).await.is_empty());
    }
    let weak = format!("\"a\", W/{tag}");
    assert_eq!(
        ask(&app, Method::GET, "/long", &[("if-none-match", &weak)]).await.status(),
        StatusCode::NOT_MODIFIED
    );
}

#[tokio::test]
async fn what_does_not_pay_is_not_compressed_and_nobody_is_refused_for_what_he_takes() {
    let app = app();
    let short = ask(&app, Method::GET, "/short", &[("accept-encoding", "br, gzip")]).await;
    assert_eq!((header(&short, "content-encoding"), header(&short, "vary")), (None, Some("Accept-Encoding")));
    assert_eq!(body(short).await.len(), SHORT);
    for nothing in ["identity;q=0", "*;q=0", "x-odd", ";;;", ""] {
        let answer = ask(&app, Method::GET, "/long", &[("accept-encoding", nothing)]).await;
        assert_eq!(
            (answer.status(), header(&answer, "content-encoding")),
            (StatusCode::OK, None),
            "{nothing}"
        );
    }
    let head = ask(&app, Method::HEAD, "/long", &[]).await;
    assert_eq!(header(&head, "content-length"), Some(LONG.to_string().as_str()));
}

#[tokio::test]
async fn a_panic_is_a_problem_without_its_text() {
    let answer = ask(&app(), Method::GET, "/panic", &[("x-request-id", "mine")]).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "x-request-id")), (500, Some("mine")));
    assert_eq!(header(&answer, "content-type"), Some("application/problem+json"));
    assert_eq!(header(&answer, "access-control-allow-origin"), Some("*"));
    let text = String::from_utf8(body(answer).await).unwrap();
    assert!(text.contains("/problems/internal") && !text.contains("trouble"), "{text}");
}

#[tokio::test]
async fn more_requests_than_there_are_places_for_are_told_to_come_again() {
    // A handler that says when it began, and goes on when it is told to.
    let (began, go_on) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (tell, wait) = (began.clone(), go_on.clone());
    let slow = move || {
        let (tell, wait) = (tell.clone(), wait.clone());
        async move {
            tell.add_permits(1);
            wait.acquire().await.unwrap().forget();
            "done"
        }
    };
    let app = with_manners(with_limit(Router::new().route("/slow", get(slow)), 2), Cors::Any);
    let under_way: Vec<_> = (0..2)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move { ask(&app, Method::GET, "/slow", &[]).await.status() })
        })
        .collect();
    began.acquire_many(2).await.unwrap().forget();
    let refused = ask(&app, Method::GET, "/slow", &[]).await;
    assert_eq!((refused.status().as_u16(), header(&refused, "retry-after")), (503, Some("1")));
    assert_eq!(header(&refused, "content-type"), Some("application/problem+json"));
    go_on.add_permits(3);
    for request in under_way {
        assert_eq!(request.await.unwrap(), StatusCode::OK);
    }
    assert_eq!(ask(&app, Method::GET, "/slow", &[]).await.status(), StatusCode::OK);
}
