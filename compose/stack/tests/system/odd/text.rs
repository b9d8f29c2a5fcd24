//! Text of any script goes in and comes out unchanged.

use serde_json::{Value, json};

use crate::commands::{listed, review};
use crate::http::{Front, Request};

/// Reviews of this check go to a product of their own.
const PRODUCT: &str = "/reviews/700004";

const TEXTS: [&str; 26] = [
    "🦀 👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 ☺︎ 1️⃣",
    "שלום עולם, العربية من اليمين",
    "\u{202e}right to left\u{202c} \u{200f}\u{200e}\u{2066}x\u{2069}",
    "e\u{301} is not é, a\u{308}\u{304}\u{323}",
    "Z̸̧̢a̷͔l̵̨g̶̱ȯ̴",
    "𝒜𝓁𝓁 𠜎𠜱𠝹 four bytes \u{10ffff} \u{1fffe}",
    "日本語 한국어 ภาษาไทย हिन्दी",
    "İstanbul ıI ß ẞ ﬁ Ǆ",
    "<script>alert('x')</script><img src=x onerror=alert(1)>",
    "</script><!-- --> <b>&amp; &lt; &#39;",
    r#"" ' ` “curly” «guillemets» \ \\ \" \u0041 \n"#,
    "tab\tline\nreturn\r\nform\u{c}feed\u{8}",
    "controls \u{1}\u{7f}\u{85}\u{9f}",
    "separators \u{2028}\u{2029}\u{a0}\u{3000}\u{200b}",
    "\u{feff}a byte order mark\u{feff}",
    "not a character \u{fffe}\u{ffff}\u{fdd0}, replaced \u{fffd}",
    "  blanks before, between   and after  ",
    "'); DROP TABLE reviews; --",
    "$1 $$ {x} {{x}} ${x} #{x} %s %d %n %00 %2F ?a=b&c=d",
    "null",
    "undefined",
    "true",
    "0",
    "NULL\\N",
    "=HYPERLINK(\"http://evil.example\")",
    "../../etc/passwd",
];

pub(crate) fn text_comes_out_as_it_went_in(front: Front) {
    for text in TEXTS {
        let mut body = review(4, text);
        body["summary"] = json!(text);
        body["name"] = json!(text);
        body["photos"] = json!([format!("https://images.example.com/{text}")]);
        for target in [PRODUCT, "/reviews"] {
            assert_comes_out(front, target, &body);
        }
    }
    longest_texts_come_out_whole(front);
    escapes_are_read(front);
}

/// Posts a review in the family of the target, and looks for its texts in both lists.
fn assert_comes_out(front: Front, target: &str, body: &Value) {
    let mut sent = body.clone();
    sent["product_id"] = json!(700_004);
    let id = front.posted(target, &sent);
    for list in [format!("{PRODUCT}/list"), "/reviews?product_id=700004&sort=newest".to_owned()] {
        let newest = &listed(front, &list)[0];
        assert_eq!(newest["review_id"], id, "{target}: {body}");
        for (field, from) in [("summary", "summary"), ("body", "body"), ("reviewer_name", "name")] {
            assert_eq!(newest[field], body[from], "{target}: {field}");
        }
        assert_eq!(newest["photos"][0]["url"], body["photos"][0], "{target}");
        assert!(newest.get("reviewer_email").is_none() && newest.get("email").is_none());
    }
}

/// As many characters as each field takes, the widest that there are, and one more of one of them.
fn longest_texts_come_out_whole(front: Front) {
    let limits = [("summary", 200), ("body", 5000), ("name", 255), ("email", 254)];
    for wide in ["🦀", "\u{10ffff}", "x\u{2028}", "e\u{301}"] {
        let of = |field: &str, limit: usize| {
            let start = if field == "email" { "@" } else { "" };
            let text: String = start.chars().chain(wide.chars().cycle()).take(limit).collect();
            json!(text)
        };
        let mut body = review(4, wide);
        body["photos"] = json!(["https://images.example.com/x"]);
        for (field, limit) in limits {
            body[field] = of(field, limit);
        }
        for target in [PRODUCT, "/reviews"] {
            assert_comes_out(front, target, &body);
            for (field, limit) in limits {
                let mut longer = body.clone();
                longer["product_id"] = json!(700_004);
                longer[field] = of(field, limit + 1);
                let answer = front.ask(&Request::post(target, longer.to_string()));
                assert_eq!(answer.status, 422, "{field} of {} characters: {answer:?}", limit + 1);
                let errors = json!([{ "pointer": format!("/{field}"), "code": "too_long" }]);
                assert_eq!(named(&answer.json()), errors, "{field}: {answer:?}");
            }
        }
    }
}

/// The errors of a problem without what they say to people.
fn named(problem: &Value) -> Value {
    let mut errors = problem["errors"].clone();
    for error in errors.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        error.remove("message");
    }
    errors
}

/// The same characters sent as escapes.
fn escapes_are_read(front: Front) {
    let escaped = review(4, "B").to_string().replace(r#""B""#, r#""\ud83e\udd80 \u00e9 \u202e \/ \u0041""#);
    assert_eq!(front.ask(&Request::post(PRODUCT, escaped)).status, 201);
    assert_eq!(listed(front, &format!("{PRODUCT}/list"))[0]["body"], "🦀 é \u{202e} / A");
}
