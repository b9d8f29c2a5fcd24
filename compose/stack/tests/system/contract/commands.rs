//! What is ordered: reviews, votes, and votes taken back.

use std::time::Duration;

use serde_json::{Value, json};

use super::{POSTED, Route, VOTED, not_allowed};
use crate::commands::review;
use crate::http::{Answer, Front, Request};
use crate::wait::until;

pub(super) fn add(route: &Route<'_>, target: &str, product: Option<i64>) {
    let mut body = review(4, "Added.");
    if let Some(product) = product {
        body["product_id"] = json!(product);
    }
    let posted = route.posts(target, &body);
    let id = posted.json()["review_id"].as_i64().unwrap();
    assert_eq!(posted.all("location"), [format!("/reviews/{id}")]);
    assert_eq!(route.front.get(&format!("/reviews/{id}")).status, 200);
    assert!(posted.all("consistency-token")[0].contains(&format!(".{POSTED}.")));
    assert_eq!(posted.all("preference-applied"), [] as [&str; 0], "the answer waited");

    let post = |body: &Value| Request::post(target, body.to_string());
    let at_once = route.ask(&post(&body).header("Prefer", "respond-async"));
    assert_eq!((at_once.status, at_once.all("preference-applied")), (201, vec!["respond-async"]));

    let key = format!("key of {target}");
    route.refuses(422, &post(&body).header("Idempotency-Key", &key));
    let key = key.replace(' ', "-");
    let first = route.ask(&post(&body).header("Idempotency-Key", &key));
    let again = route.ask(&post(&body).header("Idempotency-Key", &key));
    for name in ["location", "consistency-token"] {
        assert_eq!(first.all(name), again.all(name));
    }
    assert_eq!((first.status, first.text()), (again.status, again.text()));
    let mut other = body.clone();
    other["rating"] = json!(1);
    let taken = route.refuses(422, &post(&other).header("Idempotency-Key", &key));
    assert_eq!(taken["type"], "/problems/idempotency-key-taken");
    let hold = format!("SELECT 1 FROM product_stream WHERE product_id = {POSTED} FOR UPDATE");
    under_way(route, &post(&body), &hold);

    not_allowed(route, "PATCH", target);
    route.refuses(400, &Request::post(target, "{"));
    route.refuses(413, &Request::post(target, " ".repeat(262_145)));
    let refused = route.refuses(422, &post(&json!({ "rating": 6 })));
    let pointers: Vec<&Value> =
        refused["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
    let expected: &[&str] = if product.is_some() {
        &["/product_id", "/rating", "/body", "/name", "/email"]
    } else {
        &["/rating", "/body", "/name", "/email"]
    };
    assert_eq!(pointers, expected);
}

/// A request whose twin is under way: held up by `hold`, with the key locked.
pub(super) fn under_way(route: &Route<'_>, request: &Request, hold: &str) {
    let key = format!("twins-of-{}", request.target.replace('/', "-"));
    let request = request.clone().header("Idempotency-Key", &key);
    let held = route.primary.hold(hold);
    let front = route.front;
    let first = std::thread::scope(|scope| {
        let first = scope.spawn(|| front.ask(&request));
        until("the first twin has its key", Duration::from_secs(10), || {
            let locked = "SELECT count(*) FROM pg_locks WHERE NOT granted";
            if route.primary.number(locked) > 0 { Ok(()) } else { Err("not yet".to_owned()) }
        });
        let told = route.refuses(409, &request);
        assert_eq!(told["type"], "/problems/under-way");
        drop(held);
        first.join().unwrap()
    });
    let again = route.ask(&request);
    assert_eq!((again.status, again.text()), (first.status, first.text()));
    assert_eq!(again.all("consistency-token"), first.all("consistency-token"));
}

pub(super) fn review_of(front: Front, product: i64) -> i64 {
    front.posted(&format!("/reviews/{product}"), &review(4, "To be voted on."))
}

pub(super) fn vote(route: &Route<'_>, target: fn(&str) -> String) {
    let id = review_of(route.front, VOTED).to_string();
    let put = |id: &str| Request::put(&target(id));
    let counted = route.ask(&put(&id));
    assert_eq!((counted.status, counted.text().as_str()), (204, ""));
    assert_eq!(counted.all("consistency-token").len(), 1);
    // Again, and with any body.
    assert_eq!(route.ask(&put(&id).header("Content-Type", "text/x-odd").body("{")).status, 204);
    let versions = |answer: &Answer| {
        answer.all("consistency-token")[0].rsplit('.').next().unwrap().parse::<i64>().unwrap()
    };
    let once = route.ask(&put(&id).header("Visitor-Id", "ada").header("Prefer", "respond-async"));
    assert_eq!(once.all("preference-applied"), ["respond-async"]);
    let twice = route.ask(&put(&id).header("Visitor-Id", "ada"));
    assert_eq!((versions(&once), twice.status), (versions(&twice), 204), "a visitor counts once");
    let key = format!("vote-{id}");
    let first = route.ask(&put(&id).header("Idempotency-Key", &key));
    let again = route.ask(&put(&id).header("Idempotency-Key", &key));
    assert_eq!((first.status, versions(&first)), (204, versions(&again)), "a key counts once");
    route.refuses(422, &put(&id).header("Idempotency-Key", &key).body("other"));
    under_way(route, &put(&id), &format!("SELECT 1 FROM reviews WHERE review_id = {id} FOR UPDATE"));
    route.refuses(422, &put(&id).header("Visitor-Id", &"v".repeat(65)));
    route.refuses(404, &put("88888888"));
    route.refuses(422, &put("abc"));
    not_allowed(route, "GET", &target(&id));
}

pub(super) fn take_back(route: &Route<'_>, target: fn(&str) -> String) {
    let id = review_of(route.front, VOTED).to_string();
    let delete = |id: &str| Request::new("DELETE", &target(id)).header("Visitor-Id", "ada");
    assert_eq!(route.front.ask(&Request::put(&target(&id)).header("Visitor-Id", "ada")).status, 204);
    let back = route.ask(&delete(&id));
    assert_eq!((back.status, back.text().as_str()), (204, ""));
    let again = route.ask(&delete(&id).header("Prefer", "respond-async"));
    assert_eq!(again.all("consistency-token"), back.all("consistency-token"), "nothing changed");
    let review = route.front.json(&format!("/reviews/{id}"));
    assert_eq!(review["helpfulness"], 0, "{review}");
    route.refuses(422, &Request::new("DELETE", &target(&id)));
    route.refuses(404, &delete("88888888"));
    route.refuses(422, &delete("abc"));
    not_allowed(route, "POST", &target(&id));
}

pub(super) fn preflight(route: &Route<'_>) {
    let answer = route.ask(&Request::new("OPTIONS", "/reviews/2/list"));
    assert_eq!(answer.status, 204);
}
