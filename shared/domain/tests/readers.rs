//! Whatever comes in at the edge: numbers against a second, slow reading of the same text, and forms
//! against what is promised of any.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

use domain::{
    BODY_CHARS_MAX, EMAIL_CHARS_MAX, FieldError, ID_MAX, NAME_CHARS_MAX, NewReview, PHOTOS_MAX, ProductId,
    SUMMARY_CHARS_MAX, lenient_integer, read_new_review,
};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// A number in one of its spellings, or something like it. What has a point or an exponent has at most 15
/// digits: so many a float always tells apart.
fn number_text() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        "[+-]?[0-9]{1,20}",
        "[+-]?0{0,30}[0-9]{1,20}",
        "-?[0-9]{0,7}(\\.[0-9]{0,7})?([eE][+-]?[0-9]{1,2})?",
        "[1-9][0-9]{0,3}(\\.0{1,3})?([eE][+-]?[0-9])?",
        "-?[1-9](\\.[0-9]{1,6})?[eE]\\+?1[4-7]",
        "[-+0-9.eE ]{0,8}",
        "\\PC{0,8}",
        prop::sample::select(vec![
            "9007199254740991",
            "9007199254740992",
            "inf",
            "-infinity",
            "NaN",
            "0x7",
            "٣"
        ])
        .prop_map(str::to_owned),
    ];
    ("[ \t\n\u{a0}]{0,2}", text, "[ \t\n\u{a0}]{0,2}")
        .prop_map(|(before, text, after)| before + &text + &after)
}

/// Sign, digits and power of ten of a decimal number.
fn decimal(text: &str) -> Option<(bool, String, i64)> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            let plain = !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit());
            (mantissa, plain.then(|| exponent.parse::<i64>().ok())??)
        }
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| (negative, digits, exponent - i64::try_from(fraction.len()).unwrap()))
}

/// The whole number that a decimal text is, digit by digit: up to 2^53 - 1 in any spelling, and up to 64
/// bits without point and exponent.
fn slow_integer(text: &str) -> Option<i64> {
    let text = text.trim();
    let (negative, mut digits, power) = decimal(text)?;
    let is_plain = !text.contains(['.', 'e', 'E']);
    if power < 0 {
        let fraction = digits.split_off(digits.len().saturating_sub(usize::try_from(-power).unwrap()));
        if fraction.contains(|c| c != '0') {
            return None;
        }
    }
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    if significant.len() + usize::try_from(power.max(0)).unwrap() > 20 {
        return None;
    }
    let zeros = "0".repeat(usize::try_from(power.max(0)).unwrap());
    let magnitude: i128 = format!("{significant}{zeros}").parse().unwrap();
    let number = i64::try_from(if negative { -magnitude } else { magnitude }).ok()?;
    (is_plain || magnitude <= i128::from(ID_MAX)).then_some(number)
}

/// Lengths of the longest texts that are taken, and one more.
fn edge_length() -> impl Strategy<Value = usize> {
    let longest = [SUMMARY_CHARS_MAX, BODY_CHARS_MAX, NAME_CHARS_MAX, EMAIL_CHARS_MAX];
    (prop::sample::select(longest.to_vec()), 0..2_usize).prop_map(|(longest, more)| longest + more)
}

/// Any JSON, not deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-2_i64..8).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        number_text().prop_map(Value::from),
        "(?s).{0,6}".prop_map(Value::from),
        "https?://[a-z\u{0}]{0,3}".prop_map(Value::from),
        edge_length().prop_map(|length| format!("@{}", "é".repeat(length - 1)).into()),
    ];
    leaf.prop_recursive(2, 24, 14, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..14).prop_map(Value::from),
            vec((field_name(), inner), 0..6).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn field_name() -> impl Strategy<Value = String> {
    prop_oneof!["id", "value", "[1-3]", "1[0-9]{0,2}", " ?0?7", "\\PC{0,4}"]
}

/// A form that can be taken, but for some fields that are anything or not there.
fn form() -> impl Strategy<Value = Value> {
    let names = ["rating", "summary", "body", "recommend", "name", "email", "photos", "characteristics"];
    let change = (prop::sample::select(names.to_vec()), prop::option::weighted(0.9, any_json()));
    vec(change, 0..4).prop_map(|changes| {
        let mut form = json!({ "rating": 5, "summary": "s", "body": "b", "recommend": true, "name": "n", "email": "e@x" });
        for (name, value) in changes {
            match value {
                Some(value) => form[name] = value,
                None => drop(form.as_object_mut().unwrap().shift_remove(name)),
            }
        }
        form
    })
}

/// Every fault points at a field of the form, once, and says of what kind it is.
fn check_refusal(form: &Value, errors: &[FieldError]) -> Result<(), TestCaseError> {
    prop_assert!(!errors.is_empty());
    let pointers: BTreeSet<&str> = errors.iter().map(|error| error.pointer).collect();
    prop_assert_eq!(pointers.len(), errors.len());
    for error in errors {
        prop_assert!(["/rating", "/summary", "/body", "/name", "/email"].contains(&error.pointer));
        prop_assert!(!error.message.is_empty());
        let value = form.pointer(error.pointer).filter(|value| !value.is_null());
        prop_assert_eq!(value.is_none(), error.code == "required", "{:?}", error);
        prop_assert!(
            ["required", "blank", "invalid", "out_of_range", "too_long"].contains(&error.code),
            "{:?}",
            error
        );
    }
    Ok(())
}

/// What is taken keeps the rules, and what is not is named.
fn check_review(form: &Value, review: &NewReview) -> Result<(), TestCaseError> {
    for (text, chars_max) in [
        (&review.summary, SUMMARY_CHARS_MAX),
        (&review.body, BODY_CHARS_MAX),
        (&review.name, NAME_CHARS_MAX),
        (&review.email, EMAIL_CHARS_MAX),
    ] {
        prop_assert!(text.chars().count() <= chars_max && !text.contains('\0'));
    }
    prop_assert!(
        review.email.contains('@') && !review.body.trim().is_empty() && !review.name.trim().is_empty()
    );
    prop_assert!(review.photos.len() <= PHOTOS_MAX && review.photos.iter().all(|url| !url.contains('\0')));
    check_photos(&form["photos"], review)?;
    check_characteristics(&form["characteristics"], review)
}

fn check_photos(sent: &Value, review: &NewReview) -> Result<(), TestCaseError> {
    let Value::Array(sent) = sent else {
        prop_assert!(review.photos.is_empty());
        return named_whole(sent, &review.ignored_photos);
    };
    // Both keep the order, so that taking one by one from the front of either gives what was sent.
    let (mut taken, mut ignored) = (review.photos.iter().peekable(), review.ignored_photos.iter().peekable());
    for photo in sent {
        let next = if taken.peek().is_some_and(|url| photo == url.as_str()) {
            taken.next().map(drop)
        } else {
            ignored.next_if_eq(&photo).map(drop)
        };
        prop_assert!(next.is_some(), "{photo} is neither taken nor named");
    }
    prop_assert!(taken.next().is_none() && ignored.next().is_none());
    Ok(())
}

fn check_characteristics(sent: &Value, review: &NewReview) -> Result<(), TestCaseError> {
    let taken: BTreeSet<i64> = review.characteristics.iter().map(|(id, ..)| id.get()).collect();
    prop_assert_eq!(taken.len(), review.characteristics.len(), "an id stands twice");
    let Value::Object(sent) = sent else {
        prop_assert!(taken.is_empty());
        return match sent {
            Value::Array(values) => {
                prop_assert_eq!(values, &review.ignored_characteristics);
                Ok(())
            }
            other => named_whole(other, &review.ignored_characteristics),
        };
    };
    let named = |name: &Value| {
        review.ignored_characteristics.contains(name)
            || review.characteristics.iter().any(|(.., n)| n == name)
    };
    for (key, value) in sent {
        // One of two values for the same id gives way to the other.
        let gave_way = id_of(key, value).is_some_and(|id| taken.contains(&id));
        prop_assert!(named(&json!(key)) || gave_way, "{key} is neither taken nor named");
    }
    let known = |name: &Value| name.as_str().is_some_and(|name| sent.contains_key(name));
    prop_assert!(review.ignored_characteristics.iter().all(known));
    Ok(())
}

/// The id that a characteristic is sent under.
fn id_of(key: &str, value: &Value) -> Option<i64> {
    match value {
        Value::Object(nested) => lenient_integer(nested.get("id")?),
        _ => slow_integer(key),
    }
}

/// What is not of the right kind at all is named as a whole; null and nothing are nothing.
fn named_whole(sent: &Value, named: &[Value]) -> Result<(), TestCaseError> {
    let expected = if sent.is_null() { Vec::new() } else { vec![sent.clone()] };
    prop_assert_eq!(named, expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn a_text_is_the_whole_number_that_its_digits_say(text in number_text()) {
        prop_assert_eq!(lenient_integer(&json!(text)), slow_integer(&text));
    }

    #[test]
    fn a_number_is_the_whole_number_that_its_digits_say(
        text in "-?(0|[1-9][0-9]{0,6})(\\.[0-9]{1,7})?([eE][+-]?[0-9]{1,2})?|-?[1-9][0-9]{0,19}|[1-9](\\.[0-9]{1,6})?e1[4-7]",
    ) {
        let number: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(lenient_integer(&number), slow_integer(&text));
    }

    #[test]
    fn what_is_no_number_and_no_text_is_no_whole_number(value in any_json()) {
        for nested in [json!([value]), json!({ "id": value }), json!(true), json!(null)] {
            prop_assert_eq!(lenient_integer(&nested), None);
        }
    }

    #[test]
    fn an_id_is_digits_from_1_to_2_to_the_53rd_minus_1(text in number_text()) {
        let plain = text.trim().bytes().all(|b| b.is_ascii_digit());
        let expected = slow_integer(&text).filter(|id| plain && (1..=ID_MAX).contains(id));
        prop_assert_eq!(text.parse::<ProductId>().ok().map(ProductId::get), expected);
    }

    #[test]
    fn an_id_is_read_as_it_is_written(id in 1..=ID_MAX) {
        let id = ProductId::try_from(id).unwrap();
        prop_assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn a_form_is_taken_or_every_fault_is_named(form in form()) {
        match read_new_review(&form) {
            Ok(review) => check_review(&form, &review)?,
            Err(refused) => check_refusal(&form, &refused.0)?,
        }
    }

    #[test]
    fn what_is_no_form_lacks_everything_that_is_required(value in any_json()) {
        let empty = read_new_review(&Value::Object(Map::new())).unwrap_err();
        if !value.is_object() {
            prop_assert_eq!(read_new_review(&value), Err(empty));
        }
    }
}
