//! What a shopper does through a front end: a review, then votes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http::{Front, Request};
use crate::import::reviewsctl;
use crate::sql::Database;
use crate::stack::{Stack, succeeds};
use crate::wait::until;

/// Within this time of a POST its rating is in meta.
const META_LIMIT: Duration = Duration::from_secs(1);
/// The highest ids in `compose/sample`.
const SAMPLE_REVIEW_ID_MAX: i64 = 6053;
const SAMPLE_PHOTO_ID_MAX: i64 = 2774;
/// Reviews in `compose/sample`.
const SAMPLE_REVIEWS: i64 = 6014;

/// A review that can be taken as it is.
pub(crate) fn review(rating: i64, body: &str) -> Value {
    json!({ "rating": rating, "summary": "A summary", "body": body, "recommend": true, "name": "ada",
            "email": "ada@example.com" })
}

/// The reviews of a list.
pub(crate) fn listed(front: Front, target: &str) -> Vec<Value> {
    front.json(target)["results"].as_array().expect("results is an array").clone()
}

/// The sample is whole, and what comes after it gets ids of its own.
pub(crate) fn an_import_leaves_the_next_ids_free(front: Front, primary: &Database) {
    assert_eq!(primary.number("SELECT count(*) FROM reviews"), SAMPLE_REVIEWS);
    let mut body = review(3, "With a photo.");
    body["photos"] = json!(["https://images.example.com/new.jpg"]);
    let id = front.posted("/reviews/11", &body);
    assert!(id > SAMPLE_REVIEW_ID_MAX, "review {id} has an id of the sample's range");
    let newest = &listed(front, "/reviews/11/list?sort=newest")[0];
    assert_eq!(newest["review_id"], id);
    let photo = newest["photos"][0]["id"].as_i64().expect("the id of the photo");
    assert!(photo > SAMPLE_PHOTO_ID_MAX, "photo {photo} has an id of the sample's range");
}

/// A POST of each family: first in newest at once, in meta within a second.
pub(crate) fn a_review_is_listed_at_once_and_in_meta_within_a_second(front: Front) {
    let mut body = review(1, "Posted through family 1.");
    body["characteristics"] = json!({ "5": 1 });
    let id = measured_post(front, "/reviews/2", &body, &json!({ "1": 1, "2": 1, "3": 1, "4": 2, "5": 1 }));
    let expected = json!({ "review_id": id, "rating": 1, "summary": "A summary", "recommend": 1, "response": null,
        "body": "Posted through family 1.", "reviewer_name": "ada", "helpfulness": 0, "photos": [] });
    assert_eq!(without_date(&listed(front, "/reviews/2/list?sort=newest")[0]), expected);
    // (4 + 5 + 3 + 5 + 4 + 1) / 6
    assert_eq!(front.json("/reviews/2/meta")["characteristics"]["Quality"]["value"], "3.6667");
    assert_eq!(
        front.json("/reviews/meta?product_id=2")["characteristics"]["Quality"]["value"],
        "3.6666666666666667"
    );

    let mut body = review(5, "Posted through family 2.");
    body["product_id"] = json!(2);
    body["recommend"] = json!(false);
    body["photos"] = json!(["https://images.example.com/a.jpg", "https://images.example.com/b.jpg"]);
    measured_post(front, "/reviews", &body, &json!({ "1": 1, "2": 1, "3": 1, "4": 2, "5": 2 }));
    let newest = &listed(front, "/reviews?product_id=2&sort=newest")[0];
    assert_eq!(newest["recommend"], json!(false));
    let urls: Vec<&Value> =
        newest["photos"].as_array().expect("photos").iter().map(|photo| &photo["url"]).collect();
    assert_eq!(urls, ["https://images.example.com/a.jpg", "https://images.example.com/b.jpg"]);
    assert_eq!(front.json("/reviews/2/meta")["recommended"], json!({ "0": 3, "1": 4 }));
}

fn measured_post(front: Front, target: &str, body: &Value, ratings: &Value) -> i64 {
    let answer = front.ask(&Request::post(target, body.to_string()));
    let begun = Instant::now();
    assert_eq!(answer.status, 201, "{}", answer.text());
    let (posted, id) = (answer.json(), answer.json()["review_id"].as_i64().expect("review_id is a number"));
    assert_eq!(posted, json!({ "review_id": id, "product_id": 2 }));
    assert_eq!(answer.all("location"), [format!("/reviews/{id}")]);
    assert_eq!(
        listed(front, "/reviews/2/list?sort=newest")[0]["review_id"],
        id,
        "not first in newest at once"
    );
    until("the rating is in meta", META_LIMIT, || {
        let meta = front.json("/reviews/2/meta");
        if meta["ratings"] == *ratings { Ok(()) } else { Err(meta.to_string()) }
    });
    eprintln!("        in meta {:.0} ms after its 201", begun.elapsed().as_secs_f64() * 1000.0);
    id
}

fn without_date(review: &Value) -> Value {
    let mut review = review.clone();
    let date = review.as_object_mut().and_then(|fields| fields.shift_remove("date")).unwrap_or_default();
    let date = date.as_str().unwrap_or_default();
    let shape: String = date.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z", "the date is {date}");
    review
}

/// Characteristics by id and by name, junk dropped and named, an unknown product.
pub(crate) fn a_post_takes_what_can_be_taken(front: Front) {
    let mut body = review(4, "Sizes.");
    body["rating"] = json!(" 4.0 ");
    body["product_id"] = json!(5);
    body["characteristics"] =
        json!({ "Size": { "id": 14, "value": "4" }, "15": 5, "5": 3, "16": null, "17": 6, "junk": 1 });
    body["photos"] = json!([null, "https://images.example.com/c.jpg", "", "javascript:alert(1)"]);
    let answer = front.ask(&Request::post("/reviews/", body.to_string()));
    assert_eq!(answer.status, 201, "{}", answer.text());
    let ignored = answer.json()["ignored_characteristics"].clone();
    let mut ignored: Vec<String> = serde_json::from_value(ignored).expect("names as they were sent");
    ignored.sort_unstable();
    assert_eq!(ignored, ["16", "17", "5", "junk"]);
    assert_eq!(answer.json()["ignored_photos"], json!([null, "", "javascript:alert(1)"]));
    let stored = &listed(front, "/reviews/5/list")[0];
    assert_eq!((&stored["rating"], stored["photos"].as_array().map(Vec::len)), (&json!(4), Some(1)));
    until("the values are in meta", META_LIMIT, || {
        let meta = front.json("/reviews/meta?product_id=5");
        let value = |name: &str| meta["characteristics"][name]["value"].clone();
        let seen = [value("Size"), value("Width"), value("Comfort")];
        // (4 + 4 + 4) / 3, (4 + 3 + 5) / 3, and as before.
        let wanted = ["4.0000000000000000", "4.0000000000000000", "4.0000000000000000"];
        if seen == wanted { Ok(()) } else { Err(meta.to_string()) }
    });

    let never_heard_of = 9_007_199_254_740_991_i64;
    let mut body = review(2, "The path's product wins.");
    body["product_id"] = json!(1);
    let answer = front.ask(&Request::post(&format!("/reviews/{never_heard_of}/"), body.to_string()));
    assert_eq!((answer.status, &answer.json()["product_id"]), (201, &json!(never_heard_of)));
    let target = format!("/reviews/{never_heard_of}/list");
    assert_eq!(listed(front, &target).len(), 1);
    let meta = format!(
        r#"{{"product_id":"{never_heard_of}","ratings":{{"2":"1"}},"recommended":{{"false":"0","true":"1"}},"characteristics":{{}}}}"#
    );
    until("the new product is in meta", META_LIMIT, || {
        let answer = front.get(&format!("/reviews/meta?product_id={never_heard_of}"));
        if answer.text() == meta { Ok(()) } else { Err(answer.text()) }
    });
}

/// Everything that is wrong with a review is named at once.
pub(crate) fn a_refusal_names_every_field(front: Front) {
    let body =
        json!({ "rating": 9, "summary": "s".repeat(201), "body": " ", "name": null, "email": "nobody" });
    let answer = front.ask(&Request::post("/reviews", body.to_string()));
    assert_eq!((answer.status, answer.all("content-type")), (422, vec!["application/problem+json"]));
    let problem = answer.json();
    let fields = problem["errors"].as_array().expect("errors").iter();
    let refused: Vec<(&str, &str)> = fields
        .map(|error| {
            assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{error}");
            (error["pointer"].as_str().unwrap_or_default(), error["code"].as_str().unwrap_or_default())
        })
        .collect();
    let expected = [
        ("/product_id", "required"),
        ("/rating", "out_of_range"),
        ("/summary", "too_long"),
        ("/body", "blank"),
        ("/name", "required"),
        ("/email", "invalid"),
    ];
    assert_eq!(refused, expected);
}

/// Helpful counts each time and moves the orders; a report hides from list and still counts in meta.
pub(crate) fn votes_count_and_reports_hide(front: Front) {
    let put = |target: &str| front.ask(&Request::put(target));
    let ids = |sort: &str| -> Vec<i64> {
        let list = listed(front, &format!("/reviews/4/list?sort={sort}"));
        list.iter().filter_map(|review| review["review_id"].as_i64()).collect()
    };
    for target in
        ["/reviews/helpful/10", "/reviews/10/helpful", "/reviews/helpful/10/", "/reviews/10/helpful/"]
    {
        let answer = put(target);
        assert_eq!((answer.status, answer.text().as_str()), (204, ""), "PUT {target}");
        assert!(answer.all("content-type").is_empty(), "PUT {target}: {answer:?}");
    }
    assert_eq!(ids("newest"), [10, 8, 9]);
    assert_eq!(listed(front, "/reviews/4/list?sort=newest")[0]["helpfulness"], 5);
    // 9: 14 votes, 8: 9, 10: 5; by powers of two 3, 3 and 2, and of 8 and 9 the later first.
    assert_eq!(ids("helpful"), [9, 8, 10]);
    assert_eq!(ids("relevant"), [8, 9, 10]);

    let meta = front.get("/reviews/4/meta").text();
    for target in ["/reviews/report/8", "/reviews/8/report", "/reviews/report/14"] {
        assert_eq!(put(target).status, 204, "PUT {target}");
    }
    assert_eq!(ids("newest"), [10, 9]);
    assert_eq!(put("/reviews/8/helpful").status, 204, "a reported review is still a review");
    assert_eq!(front.get("/reviews/4/meta").text(), meta, "a reported review still counts");
    for target in
        ["/reviews/helpful/99999999", "/reviews/99999999/report", "/reviews/report/9007199254740991"]
    {
        let answer = put(target);
        assert_eq!(
            (answer.status, answer.json()["type"].as_str()),
            (404, Some("/problems/not-found")),
            "{target}"
        );
    }
}

/// Of a product that stands still meta does not show the change, and the answer does not promise it.
pub(crate) fn what_stands_still_is_not_promised(stack: &Stack) {
    let (front, product) = (stack.front, 900_001);
    let (primary, meta) = (Database::primary(stack), Database::meta(stack));
    let promised = |body: &str| {
        let answer = front.ask(&Request::post(&format!("/reviews/{product}"), review(4, body).to_string()));
        assert_eq!(answer.status, 201, "{}", answer.text());
        match answer.all("preference-applied").as_slice() {
            [] => true,
            ["respond-async"] => false,
            other => panic!("preferences applied: {other:?}"),
        }
    };
    let becomes_promised = |body: &str| {
        until(body, Duration::from_secs(30), || {
            promised(body).then_some(()).ok_or_else(|| "an answer that promises nothing".to_owned())
        });
    };
    becomes_promised("A product that goes on.");
    primary.rows(&format!(
        "WITH s AS (UPDATE product_stream SET version = version + 1
                    WHERE part = {product} % 64 AND product_id = {product} RETURNING version)
         INSERT INTO outbox (part, product_id, version, event_id, type, payload)
         SELECT {product} % 64, {product}, version, gen_random_uuid(), 'ReviewPraised.v1', '{{}}' FROM s"
    ));
    until("the product stands still", Duration::from_secs(30), || {
        let parked = meta.column("SELECT product_id FROM parked_product");
        if parked == [product.to_string()] { Ok(()) } else { Err(format!("{parked:?} do")) }
    });
    for n in 1..=5 {
        assert!(!promised("One that meta does not show."), "answer {n} promises what meta does not show");
    }
    let mut discard = reviewsctl(stack);
    succeeds(discard.args(["parked", "discard", &product.to_string(), "--yes"]));
    becomes_promised("It goes on.");
    let meta = front.json(&format!("/reviews/{product}/meta"));
    let listed = listed(front, &format!("/reviews/{product}/list?count=100")).len();
    assert_eq!(meta["ratings"]["4"], listed, "{meta}");
}
