//! All routes of the admin API.

use super::{Admin, api, generations, look, parked, people, replays, verifications};
use axum::Router;
use axum::routing::{MethodRouter, get, post};

const ROUTES: usize = 23;

fn routes() -> [(&'static str, MethodRouter<Admin>); ROUTES] {
    [
        ("/admin/v1/status", get(look::status_now)),
        ("/admin/v1/reviews/{review_id}/way", get(look::way)),
        ("/admin/v1/replays", get(replays::list).post(replays::begin)),
        ("/admin/v1/replays/forecast", get(replays::ahead)),
        ("/admin/v1/replays/current", get(replays::current)),
        ("/admin/v1/replays/current/pause", post(replays::pause)),
        ("/admin/v1/replays/current/resume", post(replays::resume)),
        ("/admin/v1/replays/current/cancel", post(replays::cancel)),
        ("/admin/v1/replays/{generation}", get(replays::one)),
        ("/admin/v1/verifications", post(verifications::begin)),
        ("/admin/v1/verifications/current", get(verifications::current)),
        ("/admin/v1/rollback", post(generations::rollback)),
        ("/admin/v1/generations", get(generations::list)),
        ("/admin/v1/generations/prune", post(generations::prune)),
        ("/admin/v1/products/{product_id}/rebuild", post(generations::rebuild)),
        ("/admin/v1/parked", get(parked::list)),
        ("/admin/v1/parked/redrive", post(parked::redrive_all)),
        ("/admin/v1/parked/{product_id}", get(parked::show)),
        ("/admin/v1/parked/{product_id}/redrive", post(parked::redrive)),
        ("/admin/v1/parked/{product_id}/discard", post(parked::discard)),
        ("/admin/v1/dead-letters", get(parked::dead).delete(parked::throw_away)),
        ("/admin/v1/erasures", post(people::erasures)),
        ("/admin/v1/exports", post(people::exports)),
    ]
}

/// The routes, and their description.
pub(crate) fn router() -> Router<Admin> {
    let all = routes().into_iter().fold(Router::new(), |router, (path, methods)| router.route(path, methods));
    all.route("/admin/openapi.json", get(api::document))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use serde_json::Value;
    use std::collections::BTreeSet;
    use tower::ServiceExt as _;
    use utoipa::openapi::path::PathItem;

    fn methods(item: &PathItem) -> BTreeSet<&'static str> {
        let all = [
            ("GET", item.get.is_some()),
            ("POST", item.post.is_some()),
            ("PUT", item.put.is_some()),
            ("PATCH", item.patch.is_some()),
            ("DELETE", item.delete.is_some()),
        ];
        all.into_iter().filter(|(_, there)| *there).map(|(method, _)| method).collect()
    }

    fn references(json: &Value, found: &mut Vec<String>) {
        match json {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_of_the_description_leads_somewhere() {
        let document = serde_json::to_value(api::openapi()).unwrap();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 100, "{}", found.len());
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[tokio::test]
    async fn the_description_names_exactly_the_routes_that_there_are() {
        let described = api::openapi().paths.paths;
        let paths: BTreeSet<&str> = routes().into_iter().map(|(path, _)| path).collect();
        assert_eq!(described.keys().map(String::as_str).collect::<BTreeSet<_>>(), paths);
        for (path, item) in &described {
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
                // No store is known: whatever is asked for, nothing is done.
                let router = router().with_state(Admin::new(Config::default()));
                let uri = path
                    .replace("{review_id}", "1")
                    .replace("{product_id}", "1")
                    .replace("{generation}", "1");
                let request = Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
                let status = router.oneshot(request).await.unwrap().status();
                let is_route = status != StatusCode::METHOD_NOT_ALLOWED && status != StatusCode::OK;
                assert_eq!(is_route, methods(item).contains(method), "{method} {path}: {status}");
            }
        }
    }
}
