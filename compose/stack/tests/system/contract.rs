//! Every row of the table of routes in `docs/API.md`, tried: each parameter is used, and the statuses and
//! headers that come back are those of the row, no more and no fewer.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::commands::review;
use crate::http::{Answer, Front, Request};
use crate::sql::Database;
use crate::wait::until;

/// Statuses that any route may have and none can be made to have here.
const OF_ALL: [u16; 7] = [413, 414, 431, 500, 502, 503, 504];

/// Headers that stand on every answer, or that HTTP itself brings along.
const OF_EVERY_ANSWER: [&str; 12] = [
    "server",
    "date",
    "content-type",
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "x-request-id",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "cache-control",
    "vary",
];

/// Products of the tests here, which the sample does not have.
const LISTED: i64 = 710_001;
const POSTED: i64 = 710_002;
const VOTED: i64 = 710_003;

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    route: String,
    parameters: BTreeSet<String>,
    statuses: BTreeSet<u16>,
    headers: BTreeSet<String>,
}

/// A route while it is tried, and what was seen of it.
struct Route<'a> {
    front: Front,
    primary: &'a Database,
    seen: RefCell<Row>,
}

impl Route<'_> {
    /// Asks, and notes what was sent and what came back.
    fn ask(&self, request: &Request) -> Answer {
        let answer = self.front.ask(request);
        let mut seen = self.seen.borrow_mut();
        seen.statuses.insert(answer.status);
        let names = answer.headers.iter().map(|(name, _)| name.clone());
        seen.headers.extend(names.filter(|name| !OF_EVERY_ANSWER.contains(&name.as_str())));
        let query = request.target.split_once('?').map_or("", |(_, query)| query);
        seen.parameters.extend(query.split('&').filter_map(|pair| Some(pair.split_once('=')?.0.to_owned())));
        // The type of a body means nothing here.
        let names = request.headers.iter().map(|(name, _)| name.clone());
        seen.parameters.extend(names.filter(|name| name != "Content-Type"));
        answer
    }

    fn get(&self, target: &str) -> Answer {
        self.ask(&Request::get(target))
    }

    fn json(&self, target: &str) -> Value {
        let answer = self.get(target);
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
        answer.json()
    }

    fn refuses(&self, status: u16, request: &Request) -> Value {
        let answer = self.ask(request);
        assert_eq!(answer.status, status, "{} {}: {answer:?}", request.method, request.target);
        assert_eq!(answer.all("content-type"), ["application/problem+json"], "{answer:?}");
        let problem = answer.json();
        assert_eq!(problem["status"], status);
        problem
    }

    fn posts(&self, target: &str, review: &Value) -> Answer {
        let answer = self.ask(&Request::post(target, review.to_string()));
        assert_eq!(answer.status, 201, "{target}: {answer:?}");
        answer
    }
}

/// Tries every row; a row without a trial and a trial without a row are faults too.
pub(crate) fn every_row_holds(front: Front, primary: &Database) {
    let rows = rows();
    let trials = trials();
    let routes: BTreeSet<&str> = rows.iter().map(|row| row.route.as_str()).collect();
    assert_eq!(
        routes,
        trials.iter().map(|(route, _)| *route).collect::<BTreeSet<_>>(),
        "docs/API.md, All routes"
    );
    prepare(front);
    for row in rows {
        let (_, trial) = trials.iter().find(|(route, _)| *route == row.route).unwrap();
        let nothing =
            Row { route: row.route.clone(), parameters: [].into(), statuses: [].into(), headers: [].into() };
        let route = Route { front, primary, seen: RefCell::new(nothing) };
        trial(&route);
        let mut seen = route.seen.into_inner();
        seen.statuses.retain(|status| !OF_ALL.contains(status));
        assert_eq!(seen, row, "left: what was seen; right: docs/API.md, All routes");
    }
}

/// Tags follow the answers: while reviews are written, and when another generation of meta answers.
pub(crate) fn tags_follow_the_answers(front: Front, meta: &Database) {
    const PRODUCT: i64 = 710_008;
    let (list, meta_path) = (format!("/reviews/{PRODUCT}/list"), format!("/reviews/{PRODUCT}/meta"));
    let asked = |path: &str, tag: &str| front.ask(&Request::get(path).header("If-None-Match", tag));
    let tag = |answer: &Answer| answer.all("etag")[0].to_owned();
    let mut known = [tag(&front.get(&list)), tag(&front.get(&meta_path))];
    // Another writer votes meanwhile: its votes change the list and not meta.
    let voted = front.posted(&format!("/reviews/{PRODUCT}"), &review(3, "To be voted on."));
    std::thread::scope(|scope| {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || {
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                front.ask(&Request::put(&format!("/reviews/{voted}/helpful")));
            }
        });
        for n in 0..20 {
            front.posted(&format!("/reviews/{PRODUCT}"), &review(n % 5 + 1, "A review."));
            for (path, known) in [&list, &meta_path].into_iter().zip(&mut known) {
                let answer = asked(path, known);
                assert_eq!(answer.status, 200, "{path} changed, and {known} was still right");
                *known = tag(&answer);
            }
        }
        drop(stop);
    });
    for path in [&list, &meta_path] {
        let answer = front.get(path);
        let again = asked(path, &tag(&answer));
        assert_eq!((again.status, tag(&again)), (304, tag(&answer)), "{path} stands still");
    }

    // A generation in which the product has one more review of five stars.
    let before = front.get(&meta_path);
    let active = meta.number("SELECT generation FROM active_generation");
    meta.rows(&format!(
        "WITH g AS (INSERT INTO generation (projection_version, state) VALUES (2, 'building') RETURNING generation),
              m AS (INSERT INTO product_meta (generation, part, product_id, version, rating_5, recommended_true)
                    SELECT g.generation, m.part, m.product_id, m.version, m.rating_5 + 1, m.recommended_true + 1
                    FROM g CROSS JOIN product_meta m WHERE m.generation = {active} AND m.product_id = {PRODUCT})
         UPDATE active_generation SET generation = g.generation FROM g"
    ));
    let after = asked(&meta_path, &tag(&before));
    assert_eq!(after.status, 200, "another generation answers, and the tag was still right");
    meta.rows(&format!("UPDATE active_generation SET generation = {active}"));
    assert_eq!(asked(&meta_path, &tag(&after)).status, 200);
    assert_eq!(asked(&meta_path, &tag(&before)).status, 304, "the same answer as before");
}

/// The table of `docs/API.md`.
fn rows() -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/API.md");
    let text = std::fs::read_to_string(path).unwrap();
    let section = text.split("\n## All routes\n").nth(1).expect("docs/API.md has the table");
    let section = section.split("\n## ").next().unwrap();
    let codes = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let of_line = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [route, parameters, _, statuses, headers] = cells.as_slice() else {
            panic!("five cells: {line}")
        };
        Row {
            route: codes(route).concat(),
            parameters: codes(parameters).into_iter().collect(),
            statuses: statuses.split(", ").map(|status| status.parse().unwrap()).collect(),
            headers: codes(headers).iter().map(|name| name.to_ascii_lowercase()).collect(),
        }
    };
    section.lines().filter(|line| line.starts_with("| `")).map(of_line).collect()
}

type Trial = fn(&Route<'_>);

fn trials() -> Vec<(&'static str, Trial)> {
    vec![
        ("GET /reviews/PRODUCT/list", |route| list(route, &format!("/reviews/{LISTED}/list?"), "newest")),
        ("GET /reviews", |route| list(route, &format!("/reviews?product_id={LISTED}&"), "relevant")),
        ("GET /reviews/PRODUCT/meta", |route| meta(route, "/reviews/4/meta", "3.6667")),
        ("GET /reviews/meta", |route| {
            meta(route, "/reviews/meta?product_id=4", "3.6666666666666667");
            many_metas(route);
        }),
        ("GET /reviews/REVIEW", one_review),
        ("GET /reviews/PRODUCT/jsonld", jsonld),
        ("POST /reviews/PRODUCT", |route| add(route, &format!("/reviews/{POSTED}"), None)),
        ("POST /reviews", |route| add(route, "/reviews", Some(POSTED))),
        ("PUT /reviews/helpful/REVIEW", |route| vote(route, |id| format!("/reviews/helpful/{id}"))),
        ("PUT /reviews/REVIEW/helpful", |route| vote(route, |id| format!("/reviews/{id}/helpful"))),
        ("PUT /reviews/report/REVIEW", |route| vote(route, |id| format!("/reviews/report/{id}"))),
        ("PUT /reviews/REVIEW/report", |route| vote(route, |id| format!("/reviews/{id}/report"))),
        ("DELETE /reviews/helpful/REVIEW", |route| take_back(route, |id| format!("/reviews/helpful/{id}"))),
        ("DELETE /reviews/REVIEW/helpful", |route| take_back(route, |id| format!("/reviews/{id}/helpful"))),
        ("DELETE /reviews/report/REVIEW", |route| take_back(route, |id| format!("/reviews/report/{id}"))),
        ("DELETE /reviews/REVIEW/report", |route| take_back(route, |id| format!("/reviews/{id}/report"))),
        ("OPTIONS /reviews/...", preflight),
        ("GET /docs/", |route| {
            let page = route.get("/docs/");
            assert!(page.text().contains("swagger-ui"), "{page:?}");
            // Nothing of the page comes from elsewhere.
            assert!(!page.text().contains("//cdn"), "{page:?}");
            assert_eq!(route.get("/docs").status, 303);
            assert_eq!(route.get("/docs/nowhere").status, 404);
        }),
        ("GET /openapi.json", |route| document(route, "/openapi.json", "openapi")),
        ("GET /asyncapi.json", |route| document(route, "/asyncapi.json", "asyncapi")),
        ("GET /healthz", |route| {
            assert_eq!(route.get("/healthz").text(), "ok\n");
            route.refuses(405, &Request::new("POST", "/healthz"));
        }),
    ]
}

/// Twelve reviews of a product to be listed, with 2 to 5 stars.
fn prepare(front: Front) {
    for n in 0..12 {
        front.posted(&format!("/reviews/{LISTED}"), &review(n % 4 + 2, &format!("Review {n}.")));
    }
}

/// What all routes that are read have in common. The target is right as it is.
fn read(route: &Route<'_>, target: &str) -> Answer {
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

fn not_allowed(route: &Route<'_>, method: &str, target: &str) {
    let answer = route.ask(&Request::new(method, target));
    assert_eq!((answer.status, answer.all("allow").len()), (405, 1), "{method} {target}: {answer:?}");
    assert!(!answer.all("allow")[0].contains(method), "{answer:?}");
}

/// Tokens of the product itself: one of another log, and one that was never given out.
fn tokens(route: &Route<'_>, target: &str, product: i64) {
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

fn list(route: &Route<'_>, target: &str, default: &str) {
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

fn meta(route: &Route<'_>, target: &str, average: &str) {
    let meta = read(route, target).json();
    assert_eq!(meta["characteristics"]["Quality"]["value"], average);
    let problem = route.refuses(422, &Request::get(&target.replace('4', "abc")));
    assert_eq!(problem["detail"], "Error: invalid product_id provided");
    tokens(route, &target.replace('4', "710005"), 710_005);
}

fn many_metas(route: &Route<'_>) {
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

fn one_review(route: &Route<'_>) {
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

fn jsonld(route: &Route<'_>) {
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

fn add(route: &Route<'_>, target: &str, product: Option<i64>) {
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
fn under_way(route: &Route<'_>, request: &Request, hold: &str) {
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

fn review_of(front: Front, product: i64) -> i64 {
    front.posted(&format!("/reviews/{product}"), &review(4, "To be voted on."))
}

fn vote(route: &Route<'_>, target: fn(&str) -> String) {
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

fn take_back(route: &Route<'_>, target: fn(&str) -> String) {
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

fn preflight(route: &Route<'_>) {
    let answer = route.ask(&Request::new("OPTIONS", "/reviews/2/list"));
    assert_eq!(answer.status, 204);
}

fn document(route: &Route<'_>, target: &str, version: &str) {
    let document = route.get(target);
    assert!(document.json()[version].is_string(), "{target}");
    let again = Request::get(target).header("If-None-Match", document.all("etag")[0]);
    assert_eq!(route.ask(&again).status, 304);
    not_allowed(route, "POST", target);
}
