//! Odd reviews.

use serde_json::{Value, json};

use super::Case;
use super::reads::{BAD_IDS, right_in_path};
use crate::commands::review;
use crate::http::Request;

/// Longest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// Reviews of odd requests go to a product of their own.
const PRODUCT: &str = "/reviews/700001";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, body, right) in not_json() {
        for target in [PRODUCT, "/reviews", "/reviews/700001/"] {
            let request = Request::post(target, body.clone());
            cases.push(Case::new(&request, format!("POST {target} with {name}"), right));
        }
    }
    for id in BAD_IDS {
        let request = Request::post(&format!("/reviews/{id}"), review(3, "A bad product.").to_string());
        cases.push(Case::new(&request, format!("POST /reviews/{id}"), right_in_path(id)));
    }
    for id in [
        json!(null),
        json!("abc"),
        json!(5.5),
        json!(-1),
        json!(0),
        json!(true),
        json!([2]),
        json!({}),
        json!(""),
        json!(9_007_199_254_740_992_i64),
        json!(1e300),
        json!("9223372036854775808"),
        json!("2\u{0}"),
    ] {
        let mut body = review(3, "A bad product in the body.");
        body["product_id"] = id.clone();
        let request = Request::post("/reviews", body.to_string());
        cases.push(Case::new(&request, format!("POST /reviews with product_id {id}"), &[422]));
    }
    for (field, value, right) in fields() {
        let mut body = review(3, "An odd field.");
        body[field] = value.clone();
        let request = Request::post(PRODUCT, body.to_string());
        cases.push(Case::new(&request, format!("POST with {field}: {value:.80}"), right));
    }
    for (name, text, right) in raw_values() {
        let request = Request::post(PRODUCT, text);
        cases.push(Case::new(&request, format!("POST with {name}"), right));
    }
    cases.extend(sizes());
    cases.extend(content_types());
    cases
}

/// Bodies that are no JSON, or JSON but no form.
fn not_json() -> Vec<(&'static str, Vec<u8>, &'static [u16])> {
    let good = review(3, "x").to_string();
    let mut invalid_utf8 = good.clone().into_bytes();
    let at = good.find("A summary").expect("the summary");
    invalid_utf8[at] = 0xff;
    vec![
        ("no body", Vec::new(), &[400]),
        ("blanks", b" \r\n\t ".to_vec(), &[400]),
        ("an open object", b"{".to_vec(), &[400]),
        ("half a review", good.as_bytes()[..good.len() / 2].to_vec(), &[400]),
        ("a comma too many", br#"{"rating":5,}"#.to_vec(), &[400]),
        ("single quotes", b"{'rating':5}".to_vec(), &[400]),
        ("a bare word", b"undefined".to_vec(), &[400]),
        ("NaN", br#"{"rating":NaN}"#.to_vec(), &[400]),
        ("a comment", br#"{"rating":5/*x*/}"#.to_vec(), &[400]),
        ("two documents", format!("{good}{good}").into_bytes(), &[400]),
        ("a form", b"rating=5&body=x&name=ada&email=a%40b".to_vec(), &[400]),
        ("XML", b"<?xml version=\"1.0\"?><review/>".to_vec(), &[400]),
        ("invalid UTF-8", invalid_utf8, &[400]),
        ("UTF-16", good.encode_utf16().flat_map(u16::to_le_bytes).collect(), &[400]),
        ("zeros", vec![0; 1000], &[400]),
        ("random bytes", (0..=255).collect(), &[400]),
        ("gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03".to_vec(), &[400]),
        ("a lone high surrogate", good.replace("A summary", r"\ud83d").into_bytes(), &[400]),
        ("a lone low surrogate", good.replace("A summary", r"\udc00 x").into_bytes(), &[400]),
        ("surrogates the wrong way round", good.replace("A summary", r"\udc00\ud83d").into_bytes(), &[400]),
        ("half an escape", good.replace("A summary", r"\u12").into_bytes(), &[400]),
        ("a raw control character", good.replace("A summary", "a\u{1}b").into_bytes(), &[400]),
        ("a raw line break", good.replace("A summary", "a\nb").into_bytes(), &[400]),
        ("100,000 brackets", b"[".repeat(100_000), &[400]),
        ("100,000 objects", br#"{"a":"#.repeat(40_000), &[400]),
        ("an empty object", b"{}".to_vec(), &[422]),
        ("an empty array", b"[]".to_vec(), &[422]),
        ("an array of reviews", format!("[{good}]").into_bytes(), &[422]),
        ("null", b"null".to_vec(), &[422]),
        ("true", b"true".to_vec(), &[422]),
        ("a number", b"5".to_vec(), &[422]),
        ("a string", br#""rating""#.to_vec(), &[422]),
        ("a string in a string", json!(good).to_string().into_bytes(), &[422]),
    ]
}

/// One odd field in an otherwise good review.
fn fields() -> Vec<(&'static str, Value, &'static [u16])> {
    let taken: &[u16] = &[201];
    let refused: &[u16] = &[422];
    let mut fields: Vec<(&str, Value, &[u16])> = Vec::new();
    for good in [json!(1), json!("5"), json!(" 4 "), json!(5.0), json!("5.0")] {
        fields.push(("rating", good, taken));
    }
    for bad in [
        json!(0),
        json!(6),
        json!(-3),
        json!(4.5),
        json!(true),
        json!(null),
        json!(""),
        json!("five"),
        json!([5]),
        json!({ "value": 5 }),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(1e308),
        json!("5\u{0}"),
        json!("٥"),
    ] {
        fields.push(("rating", bad, refused));
    }
    for required in ["body", "name", "email"] {
        for bad in
            [json!(null), json!(""), json!("  \n\t\u{a0}\u{3000}"), json!([]), json!({}), json!("a@\u{0}b")]
        {
            fields.push((required, bad, refused));
        }
    }
    fields.extend([
        ("email", json!("nobody"), refused),
        ("email", json!("@"), taken),
        ("email", json!("a@b@c"), taken),
    ]);
    for (field, limit) in [("summary", 200), ("body", 5000), ("name", 255)] {
        for one in ["x", "é", "🦀", "\u{10ffff}", "\"", "\\"] {
            fields.push((field, json!(one.repeat(limit)), taken));
            fields.push((field, json!(one.repeat(limit + 1)), refused));
        }
    }
    fields.push(("email", json!(format!("@{}", "🦀".repeat(253))), taken));
    fields.push(("email", json!(format!("@{}", "🦀".repeat(254))), refused));
    fields.extend([
        ("summary", json!(null), taken),
        ("summary", json!(""), taken),
        ("summary", json!("\u{0}"), refused),
    ]);
    for any in
        [json!(null), json!("yes"), json!([]), json!({ "a": 1 }), json!(7), json!(-1e308), json!("\u{0}")]
    {
        for field in ["recommend", "photos", "characteristics", "product_id", "helpfulness", "__proto__", ""]
        {
            fields.push((field, any.clone(), taken));
        }
    }
    fields.push(("photos", json!(vec!["https://images.example.com/x.jpg"; 500]), taken));
    fields.push((
        "photos",
        json!(["https://x/\u{0}", "https://x/🦀", format!("https://{}", "x".repeat(3000)), {}, [[]]]),
        taken,
    ));
    fields.push((
        "characteristics",
        json!({ "\u{0}": 5, "": 5, "-1": 5, "99999999999999999999": 5, "1": { "id": {} } }),
        taken,
    ));
    let many: Value =
        (1..=5000).map(|id| (id.to_string(), json!(3))).collect::<serde_json::Map<_, _>>().into();
    fields.push(("characteristics", many, taken));
    fields
}

/// JSON that serde would not write: repeated keys, huge numbers, depth.
fn raw_values() -> Vec<(&'static str, String, &'static [u16])> {
    let with = |field: &str| review(3, "Raw.").to_string().replacen('{', &format!("{{{field},"), 1);
    let nested = |open: &str, close: &str, depth: usize| {
        with(&format!("\"x\":{}{}", open.repeat(depth), close.repeat(depth)))
    };
    vec![
        ("a repeated key", with(r#""rating":1,"body":"first""#), &[201]),
        ("100 levels in an unknown field", nested("[", "]", 100), &[201]),
        ("1,000 levels in an unknown field", nested("[", "]", 1000), &[201, 400]),
        ("60,000 levels in an unknown field", nested("[", "]", 60_000), &[201, 400]),
        ("1e999", with(r#""x":1e999"#), &[201, 400]),
        ("a number of 5,000 digits", with(&format!("\"x\":{}", "9".repeat(5000))), &[201, 400]),
        (
            "a rating of 5,000 digits",
            with("\"x\":1").replace("\"rating\":3", &format!("\"rating\":{}", "9".repeat(5000))),
            &[400, 422],
        ),
        ("a byte order mark", format!("\u{feff}{}", with("\"x\":1")), &[201, 400]),
        ("a key of 100,000 characters", with(&format!("\"{}\":1", "k".repeat(100_000))), &[201]),
        (
            "20,000 unknown keys",
            with(&(0..20_000).map(|n| format!("\"k{n}\":1")).collect::<Vec<_>>().join(",")),
            &[201, 413],
        ),
    ]
}

/// A body of exactly the limit, and one byte more, with its length said before and in chunks.
fn sizes() -> Vec<Case> {
    let padded = |bytes: usize| {
        let mut body = review(3, "Padded to the limit.").to_string();
        body.push_str(&" ".repeat(bytes - body.len()));
        body
    };
    let chunked = |target: &str, body: &str| {
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        let chunks: String = body
            .as_bytes()
            .chunks(60_000)
            .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk)))
            .collect();
        format!("{head}{chunks}0\r\n\r\n")
    };
    let mut cases = Vec::new();
    for (bytes, right) in [(BODY_BYTES_MAX, 201), (BODY_BYTES_MAX + 1, 413), (4 * BODY_BYTES_MAX, 413)] {
        let request = Request::post(PRODUCT, padded(bytes));
        cases.push(Case::new(&request, format!("POST of {bytes} bytes"), &[right]));
        let wire = chunked(PRODUCT, &padded(bytes));
        cases.push(Case::wire(&format!("POST of {bytes} bytes in chunks"), wire, &[right]));
    }
    let junk = Request::post("/reviews", vec![b'x'; 3 * BODY_BYTES_MAX]);
    cases.push(Case::new(&junk, "POST of much junk", &[413]));
    cases
}

/// JSON is JSON whatever the header says.
fn content_types() -> Vec<Case> {
    let types = [
        "",
        "text/plain",
        "text/html; charset=utf-16",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "application/json; charset=latin1",
        ";;;",
        "🦀",
        "application/xml",
        "image/png",
    ];
    let body = review(3, "A content type.").to_string();
    let mut cases: Vec<Case> = types
        .iter()
        .map(|content_type| {
            let request =
                Request::new("POST", PRODUCT).header("Content-Type", content_type).body(body.clone());
            Case::new(&request, format!("POST as {content_type:?}"), &[201])
        })
        .collect();
    let none = Request::new("POST", PRODUCT).body(body.clone());
    cases.push(Case::new(&none, "POST without a content type", &[201]));
    let encoded = Request::post(PRODUCT, body.clone()).header("Content-Encoding", "gzip");
    cases.push(Case::new(&encoded, "POST that says gzip and is not", &[]));
    let expecting = Request::post(PRODUCT, body).header("Expect", "100-continue");
    cases.push(Case::new(&expecting, "POST that expects 100", &[201]));
    cases
}
