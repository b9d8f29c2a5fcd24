//! The description of the admin API, for `docs/admin-openapi.json`.

use super::{generations, look, parked, people, replays, verifications};
use crate::replay::Source;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use service::HttpProblem;
use service::openapi::{Failure, FieldProblem, Problem, add_failures, printed};
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::{IntoParams, OpenApi as _};

/// How the token is called in the description.
const TOKEN: &str = "token";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Reviews: admin",
        description = "What `reviewsctl` does, over HTTP: `reviewsctl serve`. On loopback unless it is told otherwise, never \
                       through the front door, and only for whoever brings the token.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    servers((url = "http://127.0.0.1:8090")),
    tags(
        (name = "Look", description = "How it all is; where one review is."),
        (name = "Replays", description = "Meta made anew while it answers."),
        (name = "Verify", description = "Meta held against what the reviews add up to."),
        (name = "Generations", description = "Which generation answers, and one product made anew."),
        (name = "Parked", description = "Products that stand still, and messages that nobody could read."),
        (name = "People", description = "A person's rights."),
    ),
    paths(
        look::status_now, look::way,
        replays::list, replays::begin, replays::ahead, replays::current, replays::pause, replays::resume, replays::cancel,
        replays::one,
        verifications::begin, verifications::current,
        generations::rollback, generations::list, generations::prune, generations::rebuild,
        parked::list, parked::redrive_all, parked::show, parked::redrive, parked::discard, parked::dead, parked::throw_away,
        people::erasures, people::exports,
    ),
    components(schemas(Problem, FieldProblem)),
)]
struct Api;

const OF_ALL: [Failure; 4] = [
    Failure { status: "401", when: "The token is missing or wrong.", passing: false },
    Failure {
        status: "403",
        when: "It came from a browser's page, or by a name that is not this machine's.",
        passing: false,
    },
    Failure { status: "500", when: "A defect; the log says more.", passing: false },
    Failure {
        status: "503",
        when: "A store is away, there is too much to do, or it took more than 120 s: then it goes on.",
        passing: true,
    },
];
const NOT_FOUND: Failure = Failure { status: "404", when: "There is none.", passing: false };
const UNFIT: Failure = Failure {
    status: "422",
    when: "An id, a parameter or a field makes no sense, or is unknown.",
    passing: false,
};
const CONFLICT: Failure = Failure {
    status: "409",
    when: "It cannot be done as things are; `detail` says the mend.",
    passing: false,
};
const OF_BODIES: [Failure; 3] = [
    Failure { status: "400", when: "The body is not JSON.", passing: false },
    Failure { status: "413", when: "The body is longer than 262,144 bytes.", passing: false },
    Failure { status: "415", when: "The body is not said to be JSON.", passing: false },
];

/// Which replay to look ahead at.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "a description only")]
pub(crate) struct ForecastQuery {
    /// As of a replay.
    #[param(required = false)]
    source: Source,
    /// As of a replay: `true` or `false`.
    #[param(required = false)]
    fresh: bool,
}

/// The description.
pub(crate) fn openapi() -> OpenApi {
    let mut openapi = Api::openapi();
    let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    openapi.components.get_or_insert_default().security_schemes.insert(TOKEN.to_owned(), scheme.into());
    let none: [&str; 0] = [];
    openapi.security = Some(vec![SecurityRequirement::new(TOKEN, none)]);
    for (path, item) in &mut openapi.paths.paths {
        let commands = [&mut item.post, &mut item.delete].into_iter().flatten();
        commands.for_each(|command| complete(path, command, &[CONFLICT]));
        item.get.iter_mut().for_each(|read| complete(path, read, &[]));
    }
    openapi
}

fn complete(path: &str, operation: &mut Operation, more: &[Failure]) {
    let (has_body, has_parameters) = (operation.request_body.is_some(), operation.parameters.is_some());
    let some = |of: &'static [Failure], has: bool| if has { of } else { &[] };
    let named = path.contains('{') || path.contains("/current");
    add_failures(operation, OF_ALL.iter().chain(more));
    add_failures(operation, some(&OF_BODIES, has_body));
    add_failures(operation, some(&[UNFIT], has_body || has_parameters));
    add_failures(operation, some(&[NOT_FOUND], named));
}

/// The description, as an answer.
pub(crate) async fn document() -> Result<Response, HttpProblem> {
    let text = printed(&openapi())?;
    Ok(([(CONTENT_TYPE, "application/json")], text).into_response())
}
