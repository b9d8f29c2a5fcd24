//! Odd questions.

use super::Case;

/// Product and review ids that are none, as they stand in a path or a query.
pub(super) const BAD_IDS: [&str; 30] = [
    "abc",
    "5.55",
    "5.0",
    "-1",
    "0",
    "+1",
    "1e3",
    "0x10",
    "9007199254740992",
    "9223372036854775808",
    "99999999999999999999999999",
    "null",
    "undefined",
    "NaN",
    "Infinity",
    "true",
    "%00",
    "1%00",
    "%E2%80%8B5",
    "%D9%A3",
    "1,2",
    "1;2",
    "[1]",
    "%7B%7D",
    "'",
    "%22",
    "1'%20OR%20'1'='1",
    "..%2F..%2Fetc",
    "%F0%9F%A6%80",
    "1%0d%0aX:%20y",
];

/// Bytes that are no UTF-8, percent-encoded, and percent signs that encode nothing.
const BROKEN_ENCODINGS: [&str; 7] = ["%ff", "%c0%80", "%ed%a0%80", "%f5%80%80%80", "%", "%2", "%zz"];

/// Values of page and count that are none.
const BAD_NUMBERS: [&str; 12] =
    ["-1", "abc", "1.5", "1e3", "0x10", "%00", "--1", "1-1", "%D9%A3", "null", "1,2", "%F0%9F%A6%80"];

/// NGINX refuses a path that holds U+0000 or leads above its root before anybody reads the id in it.
pub(super) fn right_in_path(id: &str) -> &'static [u16] {
    if id.contains("%00") || id.contains("..") { &[400, 422] } else { &[422] }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for id in BAD_IDS {
        for target in
            [format!("/reviews/{id}/list"), format!("/reviews/{id}/meta"), format!("/reviews/{id}/list/")]
        {
            cases.push(Case::get(&target, right_in_path(id)));
        }
        cases.push(Case::get(&format!("/reviews?product_id={id}"), if id == "+1" { &[200] } else { &[422] }));
        cases.push(Case::get(
            &format!("/reviews/meta?product_id={id}"),
            if id == "+1" { &[200] } else { &[422] },
        ));
        cases.push(Case::get(&format!("/reviews/{id}"), &[]));
    }
    for broken in BROKEN_ENCODINGS {
        for target in [
            format!("/reviews/{broken}/list"),
            format!("/reviews/{broken}/meta"),
            format!("/reviews/1{broken}/list"),
            format!("/{broken}"),
            format!("/reviews/2/{broken}"),
        ] {
            cases.push(Case::get(&target, &[400, 404, 422]));
        }
        cases.push(Case::get(&format!("/reviews?product_id={broken}"), &[400, 422]));
        cases.push(Case::get(&format!("/reviews/meta?product_id={broken}"), &[400, 422]));
        cases.push(Case::get(&format!("/reviews/2/list?sort={broken}"), &[200, 400]));
        cases.push(Case::get(&format!("/reviews/2/list?{broken}={broken}"), &[200, 400]));
    }
    for target in [
        "/reviews",
        "/reviews/",
        "/reviews?",
        "/reviews?product_id",
        "/reviews?product_id=",
        "/reviews?product_id=%20",
        "/reviews?Product_id=2",
        "/reviews?product_id=&product_id=2",
        "/reviews?product_id[]=2",
        "/reviews/meta",
        "/reviews/meta/",
        "/reviews/meta?product_id=",
        "/reviews/meta?product=2",
        "/reviews/meta/list",
        "/reviews/meta/meta",
        "/reviews/list/list",
        "/reviews/meta?product_id=abc&product_id=2",
    ] {
        cases.push(Case::get(target, &[422]));
    }
    for list in ["/reviews/2/list?", "/reviews?product_id=2&"] {
        for key in ["page", "count"] {
            for value in BAD_NUMBERS {
                cases.push(Case::get(&format!("{list}{key}={value}"), &[422]));
            }
            for value in ["9007199254740992", "9223372036854775807", "99999999999999999999999999999999"] {
                cases.push(Case::get(&format!("{list}{key}={value}"), &[200]));
            }
        }
        cases.push(Case::get(&format!("{list}page=9223372036854775807&count=1000"), &[200]));
        cases.push(Case::get(&format!("{list}sort={}", "x".repeat(3000)), &[200]));
        cases.push(Case::get(&format!("{list}{}", "a=b&".repeat(1500)), &[200]));
    }
    cases.extend(unknown_paths());
    cases.extend(methods());
    cases
}

fn unknown_paths() -> Vec<Case> {
    let mut cases: Vec<Case> = [
        "/",
        "/index.html",
        "/favicon.ico",
        "/robots.txt",
        "/review",
        "/reviewsx",
        "/reviews.json",
        "/Reviews/2/list",
        "/reviews/2/list/3",
        "/reviews/2/lists",
        "/reviews/2/LIST",
        "/reviews/2/meta/x",
        "/reviews/2/list%20",
        "/reviews/2/list;a=b",
        "/reviews%2F2/list",
        "/metrics",
        "/livez",
        "/readyz",
        "/_write",
        "/_problem",
        "/_health",
        "/.env",
        "/.git/config",
        "/reviews/%2e%2e/livez",
        "/reviews/../livez",
        "/reviews/2/../../readyz",
        "/a/../../etc/passwd",
        "//reviews/2/list",
        "/reviews/2//list",
        "/reviews//2/list",
        "/reviews/./2/list",
        "/reviews/2/list/..",
        "/livez?x=/reviews",
        "/reviews/helpful/3",
        "/reviews/3/helpful",
        "/reviews/report/3",
        "/reviews/2/photos",
        "/reviews/2/characteristics",
        "/healthzz",
    ]
    .iter()
    .map(|target| Case::get(target, &[400, 404, 405]))
    .collect();
    cases.extend(
        ["/docs/%FF", "/docs/nowhere", "/docs/../x"].iter().map(|target| Case::get(target, &[400, 404])),
    );
    // A review's path, with an id that is none.
    cases.push(Case::get("/reviews/2%2Flist", &[422]));
    cases.push(Case::get("/reviews//list", &[404, 422]));
    cases.push(Case::get("/reviews//meta", &[404, 422]));
    cases.push(Case::get("/reviews///", &[404]));
    cases.push(Case::get("/reviews?product_id=2#fragment", &[]));
    cases.push(Case::get("http://shop/reviews/2/list", &[200, 404]));
    cases.push(Case::get("*", &[400, 404]));
    cases
}

fn methods() -> Vec<Case> {
    let mut cases = Vec::new();
    for target in ["/reviews/2/list", "/reviews/2/meta", "/reviews/meta?product_id=2", "/reviews/2/list/"] {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            cases.push(Case::method(method, target, &[405]));
        }
    }
    for target in ["/reviews", "/reviews/2"] {
        for method in ["PUT", "PATCH", "DELETE"] {
            cases.push(Case::method(method, target, &[404, 405]));
        }
    }
    for target in
        ["/reviews/2/list", "/reviews", "/reviews/3/helpful", "/reviews/2/meta/", "/reviews/report/3"]
    {
        cases.push(Case::method("OPTIONS", target, &[204]));
        for method in ["TRACE", "PROPFIND", "LOCK", "PURGE", "BREW", "LINK", "get", "M-SEARCH"] {
            cases.push(Case::method(method, target, &[400, 404, 405]));
        }
        cases.push(Case::method("CONNECT", target, &[400, 404, 405]));
    }
    for target in
        ["/reviews/2/list?sort=newest", "/reviews?product_id=2", "/reviews/meta?product_id=2", "/healthz"]
    {
        cases.push(Case::method("HEAD", target, &[200]));
    }
    for target in ["/reviews/abc/list", "/reviews/0/meta", "/reviews?product_id=", "/reviews/meta"] {
        cases.push(Case::method("HEAD", target, &[422]));
    }
    for target in ["/nowhere", "/reviews/2/nowhere"] {
        cases.push(Case::method("HEAD", target, &[404]));
    }
    cases
}
