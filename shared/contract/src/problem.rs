//! Errors as clients see them (RFC 9457).

use domain::FieldError;
use serde::Serialize;

/// Content type of a [`Problem`].
pub const PROBLEM_CONTENT_TYPE: &str = "application/problem+json";

const UNDER_WAY: &str = "/problems/under-way";

/// What went wrong, in words meant for clients. Never holds an internal text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// A name that never changes, relative to the project's documentation.
    #[serde(rename = "type")]
    pub slug: &'static str,
    /// The kind of problem.
    pub title: &'static str,
    /// HTTP status.
    pub status: u16,
    /// This case, and what would be right.
    pub detail: String,
    /// For forms: every field that cannot be taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

impl Problem {
    fn new(status: u16, slug: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Problem { slug, title, status, detail: detail.into(), errors: Vec::new() }
    }

    /// The request cannot be understood.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(400, "/problems/bad-request", "Bad request", detail)
    }

    /// The request does not bring the token that it needs.
    pub fn unauthorized() -> Self {
        let detail =
            "this needs the header Authorization: Bearer TOKEN, with the token that the service was given";
        Self::new(401, "/problems/unauthorized", "Unauthorized", detail)
    }

    /// Nothing from there is answered, whatever it brings.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(403, "/problems/forbidden", "Forbidden", detail)
    }

    /// Whether the same request may be answered otherwise in a moment.
    pub fn is_passing(&self) -> bool {
        self.status == 503 || self.slug == UNDER_WAY
    }

    /// There is nothing at this path.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(404, "/problems/not-found", "Not found", detail)
    }

    /// The path exists, but not with this method.
    pub fn method_not_allowed() -> Self {
        let detail = "this method is not allowed here; the Allow header names those that are";
        Self::new(405, "/problems/method-not-allowed", "Method not allowed", detail)
    }

    /// The first request with the same `Idempotency-Key` is not answered yet.
    pub fn under_way() -> Self {
        let detail = "a request with this Idempotency-Key is under way; send it again after the seconds in \
                      Retry-After for its answer";
        Self::new(409, UNDER_WAY, "Under way", detail)
    }

    /// It cannot be done as things are, and repeating it alone does not change that.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(409, "/problems/conflict", "Conflict", detail)
    }

    /// The `Idempotency-Key` belongs to another request.
    pub fn key_taken() -> Self {
        let detail = "this Idempotency-Key was used for another request; use a new one for each";
        Self::new(422, "/problems/idempotency-key-taken", "Idempotency-Key taken", detail)
    }

    /// The body is too large.
    pub fn too_large(bytes_max: usize) -> Self {
        let detail = format!("the body must be at most {bytes_max} bytes long");
        Self::new(413, "/problems/content-too-large", "Content too large", detail)
    }

    /// The body is of a type that is not read.
    pub fn unsupported_media_type() -> Self {
        let detail = "the body must be JSON, with the header Content-Type: application/json";
        Self::new(415, "/problems/unsupported-media-type", "Unsupported media type", detail)
    }

    /// A parameter or the whole request makes no sense.
    pub fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(422, "/problems/invalid-parameter", "Invalid parameter", detail)
    }

    /// Fields of a form cannot be taken.
    pub fn invalid_fields(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [one] => format!("{} {}", one.pointer, one.message),
            many => format!("{} fields cannot be taken; errors names each", many.len()),
        };
        Problem { errors, ..Self::new(422, "/problems/invalid-fields", "Invalid fields", detail) }
    }

    /// A defect of ours.
    pub fn internal() -> Self {
        let detail = "something went wrong on our side; the request's X-Request-Id helps to find it";
        Self::new(500, "/problems/internal", "Internal error", detail)
    }

    /// A store is away, or there is too much to do: worth another try soon.
    pub fn unavailable() -> Self {
        Self::away("the service cannot answer at the moment; try again after the seconds in Retry-After")
    }

    /// The same, for operations people: which store, and the mend.
    pub fn away(detail: impl Into<String>) -> Self {
        Self::new(503, "/problems/unavailable", "Service unavailable", detail)
    }
}
