//! How every service answers over HTTP.

use crate::{Cors, HttpProblem, Shutdown};
use anyhow::Context;
use axum::Router;
use axum::extract::Request;
use axum::http::header::ORIGIN;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use contract::Problem;
use futures_util::FutureExt;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tracing::Instrument;
use uuid::Uuid;

/// Longest time for one answer; past it the request is given up.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time for requests under way when the service is told to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(8);
/// Longest id of a request that is taken over from the client, in characters.
const REQUEST_ID_CHARS_MAX: usize = 64;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives a router the manners of the house: problems for unknown paths, wrong methods, panics and
/// timeouts, an id for every request, and answers that the allowed origins may read.
pub fn with_manners<S: Clone + Send + Sync + 'static>(router: Router<S>, cors: Cors) -> Router<S> {
    with_ids(with_problems(router), cors, REQUEST_TIMEOUT)
}

/// Problems for unknown paths and wrong methods.
pub fn with_problems<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router
        .fallback(|| async { HttpProblem(Problem::not_found("there is nothing at this path")) })
        .method_not_allowed_fallback(|| async { HttpProblem(Problem::method_not_allowed()) })
}

/// An id for every request, in the log and in the answer; problems for panics and for what takes longer than
/// `timeout`; and answers that the allowed origins may read.
pub fn with_ids<S: Clone + Send + Sync + 'static>(
    router: Router<S>,
    cors: Cors,
    timeout: Duration,
) -> Router<S> {
    let cors = Arc::new(cors);
    router.layer(from_fn(move |request, next| manners(cors.clone(), timeout, request, next)))
}

async fn manners(cors: Arc<Cors>, timeout: Duration, request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let origin = request.headers().get(ORIGIN).cloned();
    let preflight = request.method() == Method::OPTIONS && *cors != Cors::Nobody;
    let span = tracing::info_span!("request", request.id = %id, http.method = %request.method());
    let mut response =
        if preflight { Cors::preflight() } else { answer(request, next, timeout).instrument(span).await };
    let headers = response.headers_mut();
    cors.put_on(headers, origin.as_ref());
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(X_REQUEST_ID, id);
    }
    response
}

/// Refuses requests while as many as `requests_max` are under way: an answer at once is worth more to
/// whoever balances the load than one that comes too late.
pub fn with_limit<S: Clone + Send + Sync + 'static>(router: Router<S>, requests_max: usize) -> Router<S> {
    let places = Arc::new(Semaphore::new(requests_max));
    router.layer(from_fn(move |request, next: Next| {
        let place = places.clone().try_acquire_owned();
        async move {
            match place {
                Ok(_place) => next.run(request).await,
                Err(_) => {
                    tracing::warn!(requests = requests_max, "a request was refused: too many are under way");
                    HttpProblem(Problem::unavailable()).into_response()
                }
            }
        }
    }))
}

async fn answer(request: Request, next: Next, timeout: Duration) -> Response {
    let run = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(timeout, run).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            tracing::error!("a handler panicked; the message above says where");
            HttpProblem(Problem::internal()).into_response()
        }
        Err(_) => {
            tracing::warn!(timeout_s = timeout.as_secs(), "a request took too long and was given up");
            HttpProblem(Problem::unavailable()).into_response()
        }
    }
}

/// The client's id of the request, if it is fit for a log, or a new one.
fn request_id(request: &Request) -> String {
    let fit = |id: &&str| {
        let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        plain && (1..=REQUEST_ID_CHARS_MAX).contains(&id.len())
    };
    let given = request.headers().get(X_REQUEST_ID).and_then(|value| value.to_str().ok()).filter(fit);
    given.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// Answers requests until the service is told to stop, then lets those under way finish.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(listen: SocketAddr, router: Router, shutdown: Shutdown) -> anyhow::Result<()> {
    serve_at("LISTEN", listen, router, shutdown).await
}

/// The same, at an address that another setting names.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve_at(
    setting: &str,
    listen: SocketAddr,
    router: Router,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("cannot listen on {listen}; another process may: end it, or set {setting} to another port")
    })?;
    // Port 0 means any that is free.
    let listen = listener.local_addr().unwrap_or(listen);
    tracing::info!(%listen, "listening");
    let stopping = shutdown.clone();
    let server =
        axum::serve(listener, router).with_graceful_shutdown(async move { stopping.stopped().await });
    tokio::select! {
        result = server.into_future() => result.context("the listener failed"),
        () = async { shutdown.stopped().await; tokio::time::sleep(DRAIN_TIMEOUT).await } => {
            tracing::warn!(timeout_s = DRAIN_TIMEOUT.as_secs(), "requests were still under way and were ended");
            Ok(())
        }
    }
}
