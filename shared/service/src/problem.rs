//! Errors on their way to a client: the public text goes out, the cause goes to the log.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use contract::{PROBLEM_CONTENT_TYPE, Problem};
use postgres::Fault;
use std::error::Error;
use std::fmt::Write;

/// Seconds after which a client may try again.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// A problem as an HTTP answer.
#[derive(Debug)]
pub struct HttpProblem(pub Problem);

impl From<Problem> for HttpProblem {
    fn from(problem: Problem) -> Self {
        HttpProblem(problem)
    }
}

impl From<sqlx::Error> for HttpProblem {
    /// Logs the cause, once, and keeps it from the client.
    fn from(error: sqlx::Error) -> Self {
        match postgres::fault(&error) {
            Fault::Away | Fault::Conflict => {
                tracing::warn!(cause = log_chain(&error), "a store is away");
                HttpProblem(Problem::unavailable())
            }
            Fault::Data | Fault::Bug => {
                tracing::error!(cause = log_chain(&error), "a statement failed");
                HttpProblem(Problem::internal())
            }
        }
    }
}

impl From<serde_json::Error> for HttpProblem {
    fn from(error: serde_json::Error) -> Self {
        tracing::error!(cause = log_chain(&error), "an answer could not be written");
        HttpProblem(Problem::internal())
    }
}

impl IntoResponse for HttpProblem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_CONTENT_TYPE));
        if self.0.is_passing() {
            response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        response
    }
}

/// An error and all its sources in one line, for the log.
pub fn log_chain(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(line, ": {cause}");
        source = cause.source();
    }
    line
}
