//! What the descriptions of all services have in common: problems, headers, and how to print one.

use contract::PROBLEM_CONTENT_TYPE;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr};
use utoipa::{IntoParams, ToSchema};

/// What went wrong (RFC 9457).
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "a description only")]
pub struct Problem {
    /// A name that never changes; there is no page behind it.
    #[schema(rename = "type", example = "/problems/invalid-fields", pattern = "^/problems/[a-z-]+$")]
    kind: String,
    /// The kind of problem.
    #[schema(example = "Invalid fields")]
    title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: i32,
    /// This case, and what would be right.
    #[schema(example = "/rating must be from 1 to 5")]
    detail: String,
    /// Every field of a review that cannot be taken.
    errors: Option<Vec<FieldProblem>>,
}

/// A field that cannot be taken.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "a description only")]
pub struct FieldProblem {
    /// Where it is in what was sent, as a JSON pointer (RFC 6901).
    #[schema(example = "/rating", pattern = "^(/.*)?$")]
    pointer: String,
    /// What is wrong, for programs.
    #[schema(pattern = "^(required|blank|invalid|out_of_range|too_long)$", example = "out_of_range")]
    code: String,
    /// What is wrong and what would be right, for people.
    message: String,
}

/// Headers of a read.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "a description only")]
pub struct ReadHeaders {
    /// Tokens of earlier commands, separated by commas: the answer is not older than any of them. One of
    /// another product asks for nothing.
    #[param(
        rename = "Consistency-Token",
        required = false,
        pattern = r"^[0-9a-f]{32}\.[1-9][0-9]{0,14}\.[1-9][0-9]{0,17}(,[0-9a-f]{32}\.[1-9][0-9]{0,14}\.[1-9][0-9]{0,17})*$",
        example = "0123456789abcdef0123456789abcdef.5.1"
    )]
    consistency_token: String,
    /// `wait=SECONDS`: how long to wait for what a token names, with a fraction or without; 0.5 unless
    /// given, 5 at most.
    #[param(rename = "Prefer", required = false, example = "wait=0.5")]
    prefer: String,
    /// Entity tags that the client has: 304 if one of them is still right.
    #[param(rename = "If-None-Match", required = false)]
    if_none_match: String,
}

/// Headers of a command.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "a description only")]
pub struct CommandHeaders {
    /// `respond-async`: answer at commit, without waiting until readers show the change.
    #[param(rename = "Prefer", required = false, example = "respond-async")]
    prefer: String,
}

/// The header of a command that may be sent again.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "a description only")]
pub struct KeyHeader {
    /// A name for this request, of visible ASCII characters. Sent again within 24 hours with the same
    /// bytes, it gives the first answer again and is carried out once.
    #[param(rename = "Idempotency-Key", required = false, max_length = 255, pattern = "^[!-~]{1,255}$")]
    idempotency_key: String,
}

/// Ways to fail that an operation has beside those of HTTP itself.
#[derive(Debug, Clone, Copy)]
pub struct Failure {
    /// The status.
    pub status: &'static str,
    /// When.
    pub when: &'static str,
    /// Whether `Retry-After` comes with it.
    pub passing: bool,
}

const OF_ALL: [Failure; 8] = [
    Failure {
        status: "400",
        when: "The request is not well-formed, or a Consistency-Token was never given out.",
        passing: false,
    },
    Failure { status: "414", when: "The request line is longer than 8,192 bytes.", passing: false },
    Failure {
        status: "422",
        when: "An id, a parameter, a header or a field makes no sense.",
        passing: false,
    },
    Failure { status: "431", when: "A header line is longer than 8,192 bytes.", passing: false },
    Failure { status: "500", when: "A defect of the service.", passing: false },
    Failure {
        status: "502",
        when: "A service gave no answer. A command may have been carried out.",
        passing: true,
    },
    Failure {
        status: "503",
        when: "A store is away, or there is too much to do. A command may have been carried out.",
        passing: true,
    },
    Failure {
        status: "504",
        when: "A service took too long. A command may have been carried out.",
        passing: true,
    },
];
const NOT_FOUND: Failure = Failure { status: "404", when: "There is no such review.", passing: false };
const OF_BODIES: [Failure; 2] = [
    Failure { status: "409", when: "A request with this Idempotency-Key is under way.", passing: true },
    Failure { status: "413", when: "The body is longer than 262,144 bytes.", passing: false },
];

/// Adds to every operation what all of its kind have: 304 and entity tags, tokens, and problems.
pub fn complete(openapi: &mut OpenApi) {
    for (path, item) in &mut openapi.paths.paths {
        if let Some(read) = &mut item.get {
            read_answers(read);
            failures(read, if path.ends_with("/{id}") { &[NOT_FOUND] } else { &[] });
        }
        for command in [&mut item.post, &mut item.put, &mut item.delete].into_iter().flatten() {
            command_answers(command);
            failures(command, &OF_BODIES);
            failures(command, if path.contains("{review_id}") { &[NOT_FOUND] } else { &[] });
        }
    }
}

fn read_answers(read: &mut Operation) {
    let not_modified = ResponseBuilder::new().description("What the client has is still right.").build();
    read.responses.responses.insert("304".to_owned(), RefOr::T(not_modified));
    for status in ["200", "304"] {
        let Some(RefOr::T(response)) = read.responses.responses.get_mut(status) else { continue };
        header(response, "ETag", "Strong entity tag of the body in its encoding.");
        header(response, "Cache-Control", "`no-cache`: may be stored, must be revalidated.");
        header(response, "Vary", "`Accept-Encoding`: bodies come compressed where that pays.");
    }
}

fn command_answers(command: &mut Operation) {
    for status in ["201", "204"] {
        let Some(RefOr::T(response)) = command.responses.responses.get_mut(status) else { continue };
        header(
            response,
            "Consistency-Token",
            "`EPOCH.PRODUCT.VERSION`, for reads that must show the change.",
        );
        optional_header(
            response,
            "Preference-Applied",
            "`respond-async` when readers may not show the change yet.",
        );
    }
}

fn failures(operation: &mut Operation, more: &[Failure]) {
    add_failures(operation, OF_ALL.iter().chain(more));
}

/// Adds to an operation how it may fail, each as a problem.
pub fn add_failures<'a>(operation: &mut Operation, failures: impl IntoIterator<Item = &'a Failure>) {
    for failure in failures {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let mut response =
            ResponseBuilder::new().description(failure.when).content(PROBLEM_CONTENT_TYPE, content).build();
        if failure.passing {
            header(&mut response, "Retry-After", "Seconds after which to try again.");
        }
        operation.responses.responses.insert(failure.status.to_owned(), RefOr::T(response));
    }
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            header(response, "X-Request-Id", "The id of the request, the client's if it sent a fit one.");
        }
    }
}

fn header(response: &mut Response, name: &str, description: &str) {
    let text = ObjectBuilder::new().schema_type(Type::String);
    let header = HeaderBuilder::new().schema(Some(text)).description(Some(description)).build();
    response.headers.insert(name.to_owned(), RefOr::T(header));
}

/// A header that an answer need not have is described in words only: checkers take a described header
/// for one that must be there.
fn optional_header(response: &mut Response, name: &str, description: &str) {
    response.description.push_str(&format!(" `{name}`: {description}"));
}

/// A description as `SERVICE openapi` prints it.
///
/// # Errors
/// Never in practice: there is nothing in it that JSON cannot say.
pub fn printed(openapi: &OpenApi) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(openapi)
}
