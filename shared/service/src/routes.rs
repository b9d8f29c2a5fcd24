//! Every public path with its methods. Reads and writes go to different services, and a request with
//! a wrong method may come to either: both say what the path allows.

use crate::HttpProblem;
use axum::Router;
use axum::http::header::ALLOW;
use axum::routing::MethodRouter;
use contract::Problem;

const READ_AND_ADD: &str = "GET, HEAD, POST, OPTIONS";
const READ: &str = "GET, HEAD, OPTIONS";
const VOTE: &str = "PUT, DELETE, OPTIONS";

const ROUTES: [(&str, &str); 10] = [
    ("/reviews", READ_AND_ADD),
    ("/reviews/{id}", READ_AND_ADD),
    ("/reviews/meta", READ),
    ("/reviews/{id}/list", READ),
    ("/reviews/{id}/meta", READ),
    ("/reviews/{id}/jsonld", READ),
    ("/reviews/helpful/{id}", VOTE),
    ("/reviews/report/{id}", VOTE),
    ("/reviews/{id}/helpful", VOTE),
    ("/reviews/{id}/report", VOTE),
];

/// A router of all public paths, with or without a slash at the end: a service's own are given, each
/// with its methods; all else is a method that is not allowed.
///
/// # Panics
/// When a path is given that is not public.
pub fn public_routes<S: Clone + Send + Sync + 'static>(
    own: impl IntoIterator<Item = (&'static str, MethodRouter<S>)>,
) -> Router<S> {
    let mut own: Vec<_> = own.into_iter().collect();
    let mut router = Router::new();
    for (path, allow) in ROUTES {
        let refuse = move || async move { ([(ALLOW, allow)], HttpProblem(Problem::method_not_allowed())) };
        let mine = own.iter().position(|(own, _)| *own == path).map(|at| own.swap_remove(at).1);
        let methods = mine.unwrap_or_default().fallback(refuse);
        router = router.route(path, methods.clone()).route(&format!("{path}/"), methods);
    }
    assert!(
        own.is_empty(),
        "not among the public paths: {:?}",
        own.iter().map(|(path, _)| path).collect::<Vec<_>>()
    );
    router
}
