//! What is read: lists, metas, one review, JSON-LD, and the documents.

use serde_json::{Value, json};

use super::commands::review_of;
use super::{LISTED, Route, not_allowed};
use crate::commands::review;
use crate::http::{Answer, Request};

/// What all routes that are read have in common. The target is right as it is.
pub(super) fn read(route: &Route<'_>, target: &str) -> Answer {
    let answer = route.get(target);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.all("cache-control"), ["no-cache"]);
    assert_eq!(answer.all("vary"), ["Accept-Encoding"]);
    let [tag] = answer.all("etag")[..] else { panic!("one entity tag: {answer:?}") };
    let with = |name: &str, value: &str| Request::get(target).header(name, value);
    for known in [tag, "*", &format!("\"other\", W/{tag}")] {
        let known = route.ask(&with("If-None-Match", known));
        assert_eq!((known.status, known.text().as_str()), (304, ""), "{known:?}");
        assert_eq!(known.all("etag"), [tag]);
    }
    assert_eq!(route.ask(&with("If-None-Match", "\"other\"")).text(), answer.text());
    let head = route.ask(&Request::new("HEAD", target));
    assert_eq!(
        (head.status, head.all("etag"), head.all("content-length")),
        (200, vec![tag], answer.all("content-length"))
    );
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    assert_eq!(route.get(&format!("{path}/?{query}")).text(), answer.text());
    // A token of another product asks for nothing, one of another log is named, one that is none is refused.
    let old = format!("{:032x}.{{}}.1", 7);
    assert_eq!(route.ask(&with("Consistency-Token", &old.replace("{}", "999999"))).all("warning").len(), 0);
    route.refuses(400, &with("Consistency-Token", "x").header("Prefer", "wait=0"));
    not_allowed(route, "PATCH", target);
    answer
}

/// Tokens of the product itself: one of another log, and one that was never given out.
pub(super) fn tokens(route: &Route<'_>, target: &str, product: i64) {
    let with = |token: &str| Request::get(target).header("Consistency-Token", token);
    let other_log = route.ask(&with(&format!("{:032x}.{product}.1", 7)));
    assert_eq!(other_log.status, 200);
    assert!(other_log.all("warning")[0].contains("another log"), "{other_log:?}");
    let mark = review(3, "For its token.");
    let posted = route.front.ask(&Request::post(&format!("/reviews/{product}"), mark.to_string()));
    let token = posted.all("consistency-token")[0].to_owned();
    assert_eq!(route.ask(&with(&token)).status, 200);
    let (start, version) = token.rsplit_once('.').unwrap();
    let next = format!("{start}.{}", version.parse::<i64>().unwrap() + 1);
    assert_eq!(route.refuses(400, &with(&next))["type"], "/problems/bad-request");
}

pub(super) fn list(route: &Route<'_>, target: &str, default: &str) {
    let ids = |page: &Value| -> Vec<i64> {
        page["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|review| review["review_id"].as_i64().unwrap())
            .collect()
    };
    let plain = read(route, target.trim_end_matches(['?', '&'])).json();
    assert_eq!((ids(&plain).len(), &plain["count"]), (5, &json!(5)));
    assert_eq!(route.json(&format!("{target}sort={default}&page=1&count=5")), plain);
    let all = route.json(&format!("{target}count=99999999&total=true"));
    assert_eq!((&all["count"], &all["total"], ids(&all).len()), (&json!(1000), &json!(12), 12));
    assert_eq!(ids(&route.json(&format!("{target}count=0"))), [] as [i64; 0]);
    assert_eq!(ids(&route.json(&format!("{target}page=2&count=5"))), ids(&all)[5..10]);
    let filtered = route.json(&format!("{target}rating=5,2&total=true"));
    assert_eq!(filtered["total"], 6);
    for stars in filtered["results"].as_array().unwrap().iter().map(|review| &review["rating"]) {
        assert!(*stars == 2 || *stars == 5, "{filtered}");
    }
    // From page to page by cursor, while a review is added.
    let mut next = Some(format!("{target}count=5&total=true"));
    let mut walked = Vec::new();
    let mut pages = 0;
    while let Some(page) = next {
        let answer = route.get(&page);
        assert_eq!(answer.status, 200, "{answer:?}");
        walked.extend(ids(&answer.json()));
        next = answer.all("link").first().map(|link| {
            let link = link.strip_suffix(">; rel=\"next\"").expect("one relation");
            link.strip_prefix('<').expect("a target").to_owned()
        });
        pages += 1;
    }
    assert_eq!((walked, pages), (ids(&all), 3));
    let first = route.get(&format!("{target}count=5"));
    let cursor = first.all("link")[0].split("cursor=").nth(1).unwrap().split('>').next().unwrap().to_owned();
    let swap = |c: char| if c == 'A' { 'B' } else { 'A' };
    let tampered: String = cursor.char_indices().map(|(at, c)| if at == 20 { swap(c) } else { c }).collect();
    for bad in [
        "page=x",
        "count=-1",
        "page=1.5",
        "rating=6",
        "rating=4;5",
        "cursor=x",
        &format!("cursor={tampered}"),
        &format!("cursor={cursor}&page=2"),
        &format!("cursor={cursor}&sort=helpful"),
        &format!("cursor={cursor}&rating=5"),
    ] {
        route.refuses(422, &Request::get(&format!("{target}{bad}")));
    }
    let other = target.replace(&LISTED.to_string(), "2");
    route.refuses(422, &Request::get(&format!("{other}cursor={cursor}")));
    for bad in ["abc", "5.55", "-1", "0", "9007199254740992"] {
        let problem = route.refuses(422, &Request::get(&target.replace(&LISTED.to_string(), bad)));
        assert_eq!(problem["detail"], "Error: invalid product_id provided");
    }
    let unknown = route.json(&target.replace(&LISTED.to_string(), "710999"));
    assert_eq!(unknown["results"], json!([]));
    tokens(route, &target.replace(&LISTED.to_string(), "710004"), 710_004);
    let compressed = route.ask(&Request::get(&format!("{target}count=12")).header("Accept-Encoding", "gzip"));
    assert_eq!(compressed.all("content-encoding"), ["gzip"]);
    let tag = compressed.all("etag")[0].to_owned();
    assert!(tag.ends_with("-gzip\""), "{tag}");
    let again = Request::get(&format!("{target}count=12")).header("If-None-Match", &tag);
    assert_eq!(route.ask(&again).status, 200, "the tag of another encoding");
    assert_eq!(route.ask(&again.header("Accept-Encoding", "gzip")).status, 304);
}

pub(super) fn meta(route: &Route<'_>, target: &str, average: &str) {
    let meta = read(route, target).json();
    assert_eq!(meta["characteristics"]["Quality"]["value"], average);
    let problem = route.refuses(422, &Request::get(&target.replace('4', "abc")));
    assert_eq!(problem["detail"], "Error: invalid product_id provided");
    tokens(route, &target.replace('4', "710005"), 710_005);
}

pub(super) fn many_metas(route: &Route<'_>) {
    let metas = route.json("/reviews/meta?product_ids=4,710999,4");
    let one = route.json("/reviews/meta?product_id=4");
    assert_eq!((&metas[0], &metas[1]["characteristics"], &metas[2]), (&one, &json!({}), &one));
    let hundred_and_one = ["4"; 101].join(",");
    for bad in [
        "product_ids=",
        "product_ids=1,x",
        "product_ids=1&product_id=1",
        &format!("product_ids={hundred_and_one}"),
    ] {
        route.refuses(422, &Request::get(&format!("/reviews/meta?{bad}")));
    }
}

pub(super) fn one_review(route: &Route<'_>) {
    let review = read(route, "/reviews/5").json();
    assert_eq!(
        (&review["review_id"], &review["product_id"], &review["recommend"]),
        (&json!(5), &json!(2), &json!(true))
    );
    let list = route.front.json("/reviews?product_id=2&sort=newest&count=1000");
    let mut listed =
        list["results"].as_array().unwrap().iter().find(|item| item["review_id"] == 5).unwrap().clone();
    listed["product_id"] = json!(2);
    assert_eq!(review, listed);
    route.refuses(404, &Request::get("/reviews/88888888"));
    // Reported in the sample.
    route.refuses(404, &Request::get("/reviews/14"));
    route.refuses(422, &Request::get("/reviews/abc"));
    let posted = review_of(route.front, 710_006);
    tokens(route, &format!("/reviews/{posted}"), 710_006);
}

pub(super) fn jsonld(route: &Route<'_>) {
    let answer = read(route, &format!("/reviews/{LISTED}/jsonld"));
    assert_eq!(answer.all("content-type"), ["application/ld+json"]);
    let product = answer.json();
    assert_eq!(product["@type"], "Product");
    assert_eq!(product["aggregateRating"]["reviewCount"], 12);
    assert_eq!(product["review"].as_array().unwrap().len(), 5);
    let named = route.json("/reviews/3/jsonld?name=Walking%20shoe");
    assert_eq!((&named["name"], named.get("aggregateRating")), (&json!("Walking shoe"), None));
    let long = "n".repeat(201);
    route.refuses(422, &Request::get(&format!("/reviews/4/jsonld?name={long}")));
    route.refuses(422, &Request::get("/reviews/abc/jsonld"));
    tokens(route, "/reviews/710007/jsonld", 710_007);
}

pub(super) fn document(route: &Route<'_>, target: &str, version: &str) {
    let document = route.get(target);
    assert!(document.json()[version].is_string(), "{target}");
    let again = Request::get(target).header("If-None-Match", document.all("etag")[0]);
    assert_eq!(route.ask(&again).status, 304);
    not_allowed(route, "POST", target);
}
