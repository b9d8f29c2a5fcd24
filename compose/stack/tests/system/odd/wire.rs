//! Odd headers, and bytes that are hardly HTTP.

use super::Case;
use crate::commands::review;
use crate::http::Request;

/// Traces in the log that no well-formed header of these cases named.
pub(super) const FOREIGN_TRACES: &str = "SELECT count(*) FROM event_log
    WHERE traceparent IS NOT NULL AND traceparent !~ '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$'";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = header_values();
    cases.extend(header_sizes());
    cases.extend(lengths());
    cases.extend(request_lines());
    cases
}

fn header_values() -> Vec<Case> {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let upper = trace.to_uppercase();
    let long = "a".repeat(5000);
    let values: [(&str, &[&str]); 14] = [
        (
            "traceparent",
            &[
                trace,
                "",
                "00",
                "junk",
                &upper,
                "'; DROP TABLE reviews; --",
                "🦀",
                &long,
                "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            ],
        ),
        ("tracestate", &["", "🦀", &long]),
        (
            "X-Request-Id",
            &[
                "mine-1",
                "",
                "a b",
                "\"><script>alert(1)</script>",
                "🦀",
                &long,
                "$host",
                "${x}",
                "a\tb",
                "a%0d%0aSet-Cookie:x",
            ],
        ),
        ("Authorization", &["", "Bearer", "Bearer junk", "Basic 🦀", &long]),
        ("If-None-Match", &["*", "", "\"x\"", "W/\"", "junk", &long]),
        ("Consistency-Token", &[""]),
        ("Prefer", &["", "wait=1", "wait=-1", "respond-async", "junk;;=", "🦀"]),
        ("Visitor-Id", &["", "v"]),
        ("Origin", &["null", "http://evil.example", "🦀", ""]),
        ("Accept", &["", "text/html", "application/xml;q=1", "*/*;q=abc", "🦀"]),
        ("Accept-Encoding", &["gzip, br", "identity;q=0", "🦀"]),
        ("Range", &["bytes=0-1", "bytes=5-1", "junk"]),
        ("Cookie", &["a=b", &long]),
        ("X-Forwarded-For", &["127.0.0.1", "'", &long]),
    ];
    let mut cases = Vec::new();
    for name in [
        "Idempotency-Key",
        "Visitor-Id",
        "Prefer",
        "If-None-Match",
        "Accept-Encoding",
        "traceparent",
        "Origin",
        "Consistency-Token",
    ] {
        for control in ["\u{1}", "\u{7f}", "a\u{1f}b"] {
            let get = Request::get("/reviews/2/list").header(name, control);
            cases.push(Case::new(&get, format!("GET with a control character in {name}"), &[400]));
        }
    }
    for (name, values) in values {
        for value in values {
            let shown = format!("{name}: {value:.40}");
            // Tokens and conditions are for reads; a post must be taken whatever stands in these.
            let get = Request::get("/reviews/2/list").header(name, value);
            let right: &[u16] = if name == "If-None-Match" { &[200, 304] } else { &[200, 206] };
            cases.push(Case::new(&get, format!("GET with {shown}"), right));
            let post =
                Request::post("/reviews/700002", review(3, "A header.").to_string()).header(name, value);
            cases.push(Case::new(&post, format!("POST with {shown}"), &[201]));
            let put = Request::put("/reviews/21/helpful").header(name, value);
            cases.push(Case::new(&put, format!("PUT with {shown}"), &[204]));
        }
    }
    let twice = Request::post("/reviews/700002", review(3, "Two traces.").to_string());
    let twice = twice
        .header("traceparent", trace)
        .header("traceparent", "junk")
        .header("X-Request-Id", "a")
        .header("X-Request-Id", "b");
    cases.push(Case::new(&twice, "POST with repeated headers", &[201]));
    let preflight = Request::new("OPTIONS", "/reviews/2/list").header("Origin", "http://shop.example");
    let preflight = preflight
        .header("Access-Control-Request-Method", "JUNK")
        .header("Access-Control-Request-Headers", "🦀");
    cases.push(Case::new(&preflight, "an odd preflight", &[204]));
    let upgrade =
        Request::get("/reviews/2/list").header("Upgrade", "websocket").header("Sec-WebSocket-Version", "13");
    cases.push(Case::new(&upgrade, "GET that wants a web socket", &[200]));
    cases
}

fn header_sizes() -> Vec<Case> {
    let get = |headers: &str| {
        format!("GET /reviews/2/list HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n{headers}\r\n")
    };
    let many: String = (0..80).map(|n| format!("X-Header-{n}: {n}\r\n")).collect();
    let too_many: String = (0..10).map(|n| format!("X-Header-{n}: {}\r\n", "x".repeat(7000))).collect();
    let uri = |bytes: usize| {
        format!(
            "GET /reviews/2/list?x={} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n",
            "x".repeat(bytes)
        )
    };
    vec![
        Case::wire("80 headers", get(&many), &[200]),
        Case::wire("a header of 7,000 bytes", get(&format!("X-Long: {}\r\n", "x".repeat(7000))), &[200]),
        Case::wire("a header of 9,000 bytes", get(&format!("X-Long: {}\r\n", "x".repeat(9000))), &[431]),
        Case::wire("70,000 bytes of headers", get(&too_many), &[431]),
        Case::wire("a header name of 9,000 bytes", get(&format!("{}: x\r\n", "x".repeat(9000))), &[431]),
        Case::wire("a URI of 8,000 bytes", uri(8000), &[200]),
        Case::wire("a URI of 9,000 bytes", uri(9000), &[414]),
        Case::wire("a URI of 100,000 bytes", uri(100_000), &[414]),
        Case::wire("a header without a colon", get("X-Odd\r\n"), &[]),
        Case::wire("a header with a blank in its name", get("X Odd: 1\r\n"), &[]),
        Case::wire("a header without a name", get(": 1\r\n"), &[]),
        Case::wire("a header with U+0000", get("X-Odd: a\0b\r\n"), &[400]),
        Case::wire("a folded header", get("X-Odd: a\r\n b\r\n"), &[]),
        Case::wire(
            "a header of raw bytes",
            [get("").trim_end().as_bytes(), b"\r\nX-Odd: \xff\xfe\x80\r\n\r\n"].concat(),
            &[200],
        ),
    ]
}

/// Lengths that are none, or two.
fn lengths() -> Vec<Case> {
    let post = |headers: &str, body: &str| {
        format!("POST /reviews/700003 HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n{headers}\r\n{body}")
    };
    let good = review(3, "A length.").to_string();
    let length = good.len();
    vec![
        Case::wire("no length", post("", ""), &[400, 411]),
        Case::wire("the length abc", post("Content-Length: abc\r\n", &good), &[400]),
        Case::wire("a negative length", post("Content-Length: -1\r\n", &good), &[400]),
        Case::wire(
            "a length of 20 digits",
            post("Content-Length: 99999999999999999999\r\n", &good),
            &[400, 413],
        ),
        Case::wire("a length of 3 GB", post("Content-Length: 3000000000\r\n", &good), &[413]),
        Case::wire(
            "two lengths",
            post(&format!("Content-Length: {length}\r\nContent-Length: 5\r\n"), &good),
            &[400],
        ),
        Case::wire(
            "a length and chunks",
            post(&format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"), "0\r\n\r\n"),
            &[400],
        ),
        Case::wire("an unknown transfer encoding", post("Transfer-Encoding: gzip\r\n", &good), &[501]),
        Case::wire("a chunk without a size", post("Transfer-Encoding: chunked\r\n", "xyz\r\n\r\n"), &[400]),
        Case::wire(
            "a chunk of too many digits",
            post("Transfer-Encoding: chunked\r\n", "ffffffffffffffffff\r\n"),
            &[400, 413],
        ),
        Case::wire("no chunks", post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"), &[400]),
        Case::wire(
            "more than the length",
            post(&format!("Content-Length: {length}\r\n"), &format!("{good}GET / junk\r\n\r\n")),
            &[201],
        ),
        Case::wire(
            "a GET with a body",
            "GET /reviews/2/list HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
            &[200],
        ),
    ]
}

fn request_lines() -> Vec<Case> {
    let rest = "Host: shop\r\nConnection: close\r\n\r\n";
    vec![
        Case::wire("HTTP/1.0 without a host", "GET /reviews/2/list HTTP/1.0\r\n\r\n", &[200]),
        Case::wire(
            "HTTP/1.1 without a host",
            "GET /reviews/2/list HTTP/1.1\r\nConnection: close\r\n\r\n",
            &[400],
        ),
        Case::wire("two hosts", format!("GET /reviews/2/list HTTP/1.1\r\nHost: a\r\n{rest}"), &[400]),
        Case::wire(
            "a host that is none",
            "GET /reviews/2/list HTTP/1.1\r\nHost: a b/🦀\r\nConnection: close\r\n\r\n",
            &[400],
        ),
        Case::wire(
            "raw quotes",
            format!("GET /reviews/2/list?sort=\"newest\"&count=0 HTTP/1.1\r\n{rest}"),
            &[200],
        ),
        Case::wire("one raw quote", format!("GET /reviews/2/list?sort=\" HTTP/1.1\r\n{rest}"), &[400]),
        Case::wire("raw angle brackets", format!("GET /reviews/<2>/list HTTP/1.1\r\n{rest}"), &[400]),
        Case::wire("a raw backtick", format!("GET /reviews/`/list HTTP/1.1\r\n{rest}"), &[400]),
        Case::wire(
            "150 headers",
            format!("GET /reviews/2/list HTTP/1.1\r\n{}{rest}", "X-A: b\r\n".repeat(150)),
            &[200],
        ),
        Case::wire("HTTP/9.9", format!("GET /reviews/2/list HTTP/9.9\r\n{rest}"), &[505]),
        Case::wire("HTTP/x", format!("GET /reviews/2/list HTTP/x\r\n{rest}"), &[400]),
        Case::wire("no method", format!(" /reviews/2/list HTTP/1.1\r\n{rest}"), &[400]),
        Case::wire("a blank in the path", format!("GET /reviews/2/ list HTTP/1.1\r\n{rest}"), &[400, 404]),
        Case::wire("a path without a slash", format!("GET reviews/2/list HTTP/1.1\r\n{rest}"), &[400]),
        Case::wire("raw UTF-8 in the path", format!("GET /reviews/🦀/list HTTP/1.1\r\n{rest}"), &[400, 422]),
        Case::wire(
            "raw bytes in the path",
            [b"GET /reviews/\xff\xfe/list HTTP/1.1\r\n", rest.as_bytes()].concat(),
            &[400, 422],
        ),
        Case::wire("U+0000 in the path", format!("GET /reviews/\0/list HTTP/1.1\r\n{rest}"), &[400]),
        Case::wire(
            "raw UTF-8 in the query",
            format!("GET /reviews?product_id=🦀 HTTP/1.1\r\n{rest}"),
            &[400, 422],
        ),
        Case::wire(
            "a TLS greeting",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(),
            &[400],
        ),
        Case::wire("words", "hello there\r\n\r\n", &[400]),
        Case::wire("an HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[400, 405, 505]),
        Case::wire(
            "bare line feeds",
            format!("GET /reviews/2/list HTTP/1.1\n{}", rest.replace('\r', "")),
            &[200],
        ),
    ]
}
