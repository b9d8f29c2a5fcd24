//! Every row of the table of routes in `docs/API.md`, tried: each parameter is used, and the statuses and
//! headers that come back are those of the row, no more and no fewer.

mod commands;
mod reads;
mod tags;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::commands::review;
use crate::http::{Answer, Front, Request};
use crate::sql::Database;

use commands::{add, preflight, take_back, vote};
use reads::{document, jsonld, list, many_metas, meta, one_review};

pub(crate) use tags::tags_follow_the_answers;

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

fn not_allowed(route: &Route<'_>, method: &str, target: &str) {
    let answer = route.ask(&Request::new(method, target));
    assert_eq!((answer.status, answer.all("allow").len()), (405, 1), "{method} {target}: {answer:?}");
    assert!(!answer.all("allow")[0].contains(method), "{answer:?}");
}
