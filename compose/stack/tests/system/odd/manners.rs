//! Headers that stand on every answer, exactly.

use crate::commands::review;
use crate::http::{Answer, Front, Request};
use crate::sql::Database;

const EXPOSED: &str =
    "ETag, Link, Location, Consistency-Token, Preference-Applied, Retry-After, X-Request-Id";

/// CORS for every origin, on answers of the services and of the front door alike.
pub(crate) fn any_origin_may_read(front: Front) {
    for target in ["/reviews/2/list", "/reviews", "/reviews/helpful/3", "/reviews/meta/"] {
        let preflight = front.ask(
            &Request::new("OPTIONS", target)
                .header("Origin", "https://shop.example")
                .header("Access-Control-Request-Method", "PUT")
                .header("Access-Control-Request-Headers", "authorization"),
        );
        assert_eq!((preflight.status, preflight.text().as_str()), (204, ""), "OPTIONS {target}");
        for (name, value) in [
            ("access-control-allow-origin", "*"),
            ("access-control-allow-methods", "GET, HEAD, POST, PUT, DELETE, OPTIONS"),
            (
                "access-control-allow-headers",
                "Authorization, Content-Type, Idempotency-Key, Visitor-Id, Consistency-Token, Prefer, If-None-Match",
            ),
            ("access-control-max-age", "7200"),
            ("access-control-expose-headers", EXPOSED),
        ] {
            assert_eq!(preflight.all(name), [value], "OPTIONS {target}: {name}");
        }
    }
    let posted = Request::post("/reviews/700005", review(3, "CORS.").to_string());
    for request in [
        Request::get("/reviews/2/list"),
        Request::get("/reviews/2/meta"),
        Request::get("/nowhere"),
        Request::get("/reviews/abc/meta"),
        Request::new("POST", "/reviews"),
        posted,
        Request::put("/reviews/helpful/22"),
        Request::put("/reviews/helpful/88888888"),
        Request::new("TRACE", "/reviews"),
    ] {
        let answer = front.ask(&request.clone().header("Origin", "https://shop.example"));
        assert_eq!(answer.all("access-control-allow-origin"), ["*"], "{request:?}: {answer:?}");
        assert_eq!(answer.all("access-control-expose-headers"), [EXPOSED], "{request:?}: {answer:?}");
    }
}

/// A request keeps the id it came with, if that is fit for a log, and gets one of its own otherwise.
pub(crate) fn requests_have_ids(front: Front) {
    let id_of = |answer: &Answer| answer.all("x-request-id").join(" and ");
    let long = "a".repeat(64);
    let too_long = "a".repeat(65);
    for target in ["/reviews/2/list", "/reviews/abc/list", "/nowhere"] {
        for id in ["mine", "0.A_z-9", long.as_str()] {
            assert_eq!(
                id_of(&front.ask(&Request::get(target).header("X-Request-Id", id))),
                id,
                "GET {target}"
            );
        }
        for id in ["", "a b", "a;b", "<b>", "é", "$host", too_long.as_str()] {
            let given = id_of(&front.ask(&Request::get(target).header("X-Request-Id", id)));
            assert!(given != id && given.len() >= 16, "GET {target} with id {id:?} has id {given:?}");
        }
    }
    let ids: Vec<String> = (0..3).map(|_| id_of(&front.get("/reviews/2/list"))).collect();
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "ids repeat: {ids:?}");
}

/// A well-formed trace goes with the event into the log.
pub(crate) fn traces_reach_the_log(front: Front, primary: &Database) {
    let trace = "00-11112222333344445555666677778888-aaaabbbbccccdddd-01";
    let request =
        Request::post("/reviews/700005", review(3, "Traced.").to_string()).header("traceparent", trace);
    let id = front.ask(&request).json()["review_id"].clone();
    let statement = format!(
        "SELECT count(*)
         FROM (SELECT traceparent, payload FROM outbox UNION ALL SELECT traceparent, payload FROM event_log) e
         WHERE traceparent = '{trace}' AND payload ->> 'review_id' = '{id}'"
    );
    // An event is in one of the two tables at any moment, and one statement sees one moment.
    assert_eq!(primary.number(&statement), 1);
}
