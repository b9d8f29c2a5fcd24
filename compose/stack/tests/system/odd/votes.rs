//! Odd votes.

use super::Case;
use super::reads::{BAD_IDS, right_in_path};
use crate::http::Request;

/// A review of the sample that only these votes are for.
const REVIEW: i64 = 20;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for id in BAD_IDS {
        for target in [
            format!("/reviews/helpful/{id}"),
            format!("/reviews/report/{id}"),
            format!("/reviews/{id}/helpful"),
            format!("/reviews/{id}/report/"),
        ] {
            cases.push(Case::method("PUT", &target, right_in_path(id)));
        }
    }
    for target in
        ["/reviews/helpful/9007199254740991", "/reviews/88888888/report", "/reviews/88888888/helpful/"]
    {
        cases.push(Case::method("PUT", target, &[404]));
    }
    for target in
        ["/reviews/helpful/%ff", "/reviews/%c0%80/report", "/reviews/%/helpful", "/reviews/report/%zz"]
    {
        cases.push(Case::method("PUT", target, &[400, 404, 422]));
    }
    for target in [
        "/reviews/helpful",
        "/reviews/helpful/",
        "/reviews/20/helpful/x",
        "/reviews/20/unhelpful",
        "/reviews/20/HELPFUL",
    ] {
        cases.push(Case::method("PUT", target, &[404, 405, 422]));
    }
    for target in [format!("/reviews/helpful/{REVIEW}"), format!("/reviews/{REVIEW}/report")] {
        for method in ["POST", "PATCH"] {
            cases.push(Case::method(method, &target, &[404, 405]));
        }
        // A take-back needs a visitor.
        cases.push(Case::method("DELETE", &target, &[405, 422]));
        cases.extend(bodies(&target));
    }
    cases
}

/// A vote takes any body of any content type, and does not look at it.
fn bodies(target: &str) -> Vec<Case> {
    let bodies: [(&str, Vec<u8>); 7] = [
        ("nothing", Vec::new()),
        ("{}", b"{}".to_vec()),
        ("broken JSON", b"{\"a\":".to_vec()),
        ("null", b"null".to_vec()),
        ("binary", (0..=255).collect()),
        ("100,000 zeros", vec![0; 100_000]),
        ("256 KiB", vec![b'x'; 256 * 1024]),
    ];
    let mut cases = Vec::new();
    for (name, body) in bodies {
        for content_type in ["application/json", "text/plain", "🦀"] {
            let request = Request::put(target).header("Content-Type", content_type).body(body.clone());
            cases.push(Case::new(&request, format!("PUT {target} with {name} as {content_type}"), &[204]));
        }
    }
    let larger = Request::put(target).body(vec![b'x'; 256 * 1024 + 1]);
    cases.push(Case::new(&larger, format!("PUT {target} with more than 256 KiB"), &[204, 413]));
    let form = Request::put(&format!("{target}?a=b&%ff=%00")).header("Content-Type", "multipart/form-data");
    cases.push(Case::new(&form, format!("PUT {target} with a query"), &[204]));
    let chunked = format!(
        "PUT {target} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    );
    cases.push(Case::wire(&format!("PUT {target} in chunks"), chunked, &[204]));
    cases
}
