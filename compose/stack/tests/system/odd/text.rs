//! Text of any script goes in and comes out unchanged.

use serde_json::json;

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
        let id = front.posted(PRODUCT, &body);
        for list in [format!("{PRODUCT}/list"), "/reviews?product_id=700004&sort=newest".to_owned()] {
            let newest = &listed(front, &list)[0];
            assert_eq!(newest["review_id"], id, "{text:?}");
            for field in ["summary", "body", "reviewer_name"] {
                assert_eq!(newest[field], text, "{field}");
            }
            assert_eq!(newest["photos"][0]["url"], format!("https://images.example.com/{text}"));
            assert!(newest.get("reviewer_email").is_none() && newest.get("email").is_none());
        }
    }
    escapes_are_read(front);
}

/// The same characters sent as escapes.
fn escapes_are_read(front: Front) {
    let escaped = review(4, "B").to_string().replace(r#""B""#, r#""\ud83e\udd80 \u00e9 \u202e \/ \u0041""#);
    assert_eq!(front.ask(&Request::post(PRODUCT, escaped)).status, 201);
    assert_eq!(listed(front, &format!("{PRODUCT}/list"))[0]["body"], "🦀 é \u{202e} / A");
}
