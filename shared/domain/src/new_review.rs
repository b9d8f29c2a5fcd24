//! Reading a review as front ends send it: all that can be taken is taken, and what cannot is
//! named, all of it at once.

use crate::{CharacteristicId, Rating};
use serde::Serialize;
use serde_json::{Map, Value};

/// Longest summary, in characters: the data set's are up to about 60, front ends allow 200.
pub const SUMMARY_CHARS_MAX: usize = 200;
/// Longest text, in characters: five times what front ends allow.
pub const BODY_CHARS_MAX: usize = 5000;
/// Longest name, in characters.
pub const NAME_CHARS_MAX: usize = 255;
/// Longest e-mail address, in characters: the most that mail can be sent to.
pub const EMAIL_CHARS_MAX: usize = 254;
/// Longest address of a photo, in characters: what browsers and proxies all take.
pub const PHOTO_URL_CHARS_MAX: usize = 2048;
/// Most photos of one review.
pub const PHOTOS_MAX: usize = 10;

/// A review that may be stored. Whether its characteristics are the product's, the database knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReview {
    /// Stars.
    pub rating: Rating,
    /// Headline, empty when none was sent.
    pub summary: String,
    /// Text.
    pub body: String,
    /// Whether the reviewer recommends the product.
    pub recommend: bool,
    /// Name to show.
    pub name: String,
    /// Address, never shown.
    pub email: String,
    /// Addresses of photos, at most [`PHOTOS_MAX`].
    pub photos: Vec<String>,
    /// Values by characteristic, each with the name it was sent under.
    pub characteristics: Vec<(CharacteristicId, Rating, Value)>,
    /// Characteristics that were dropped, as they were named.
    pub ignored_characteristics: Vec<Value>,
    /// Photos that were dropped, as they were sent.
    pub ignored_photos: Vec<Value>,
}

/// One field that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Where, as a JSON pointer (RFC 6901).
    pub pointer: &'static str,
    /// What is wrong, for programs: `required`, `blank`, `invalid`, `out_of_range`, `too_long`.
    pub code: &'static str,
    /// What is wrong and what would be right, for people.
    pub message: String,
}

/// A review that cannot be stored, with every reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} of the review's fields cannot be taken", .0.len())]
pub struct ReviewRefused(pub Vec<FieldError>);

/// Reads the body of a POST.
///
/// # Errors
/// [`ReviewRefused`] with every field that cannot be taken.
pub fn read_new_review(body: &Value) -> Result<NewReview, ReviewRefused> {
    let empty = Map::new();
    let fields = body.as_object().unwrap_or(&empty);
    let mut errors = Vec::new();
    let rating = read_rating(fields.get("rating"), &mut errors);
    let summary = read_text(fields, &Text::SUMMARY, &mut errors);
    let text = read_text(fields, &Text::BODY, &mut errors);
    let name = read_text(fields, &Text::NAME, &mut errors);
    let email = read_text(fields, &Text::EMAIL, &mut errors);
    if email.as_ref().is_some_and(|email| !email.contains('@')) {
        let message = "must be an e-mail address, with an @".to_owned();
        errors.push(FieldError { pointer: "/email", code: "invalid", message });
    }
    let (photos, ignored_photos) = read_photos(fields.get("photos"));
    let (characteristics, ignored_characteristics) = read_characteristics(fields.get("characteristics"));
    match (rating, summary, text, name, email) {
        (Some(rating), Some(summary), Some(body), Some(name), Some(email)) if errors.is_empty() => {
            Ok(NewReview {
                rating,
                summary,
                body,
                recommend: read_recommend(fields.get("recommend")),
                name,
                email,
                photos,
                characteristics,
                ignored_characteristics,
                ignored_photos,
            })
        }
        _ => Err(ReviewRefused(errors)),
    }
}

/// A whole number, sent as a number or as a string, with or without `.0`. `true` is no number.
pub fn lenient_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| whole(text.parse().ok()?))
        }
        _ => None,
    }
}

/// A float that is a whole number and exact.
fn whole(number: f64) -> Option<i64> {
    let exact = number.is_finite() && number.fract() == 0.0 && number.abs() <= crate::ID_MAX as f64;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
    exact.then_some(number as i64)
}

fn read_rating(value: Option<&Value>, errors: &mut Vec<FieldError>) -> Option<Rating> {
    let (code, message) = match value {
        None | Some(Value::Null) => ("required", "is missing; it must be a whole number from 1 to 5"),
        Some(value) => match lenient_integer(value).map(Rating::try_from) {
            Some(Ok(rating)) => return Some(rating),
            Some(Err(_)) => ("out_of_range", "must be from 1 to 5"),
            None => ("invalid", "must be a whole number from 1 to 5"),
        },
    };
    errors.push(FieldError { pointer: "/rating", code, message: message.to_owned() });
    None
}

/// What is asked of a text.
struct Text {
    pointer: &'static str,
    chars_max: usize,
    required: bool,
}

impl Text {
    const SUMMARY: Self = Self { pointer: "/summary", chars_max: SUMMARY_CHARS_MAX, required: false };
    const BODY: Self = Self { pointer: "/body", chars_max: BODY_CHARS_MAX, required: true };
    const NAME: Self = Self { pointer: "/name", chars_max: NAME_CHARS_MAX, required: true };
    const EMAIL: Self = Self { pointer: "/email", chars_max: EMAIL_CHARS_MAX, required: true };
}

fn read_text(fields: &Map<String, Value>, rule: &Text, errors: &mut Vec<FieldError>) -> Option<String> {
    let refused = match fields.get(&rule.pointer[1..]) {
        None | Some(Value::Null) if !rule.required => return Some(String::new()),
        None | Some(Value::Null) => ("required", "is missing".to_owned()),
        Some(Value::Object(_) | Value::Array(_)) => ("invalid", "must be a text".to_owned()),
        Some(value) => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            match refuse_text(&text, rule) {
                None => return Some(text),
                Some(refused) => refused,
            }
        }
    };
    errors.push(FieldError { pointer: rule.pointer, code: refused.0, message: refused.1 });
    None
}

fn refuse_text(text: &str, rule: &Text) -> Option<(&'static str, String)> {
    if rule.required && text.trim().is_empty() {
        Some(("blank", "must not be blank".to_owned()))
    } else if text.contains('\0') {
        Some(("invalid", "must not contain the character U+0000".to_owned()))
    } else if text.chars().count() > rule.chars_max {
        Some(("too_long", format!("must be at most {} characters long", rule.chars_max)))
    } else {
        None
    }
}

/// True, 1 and either as a string; all else is false.
fn read_recommend(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(yes)) => *yes,
        Some(Value::String(text)) if text.trim().eq_ignore_ascii_case("true") => true,
        Some(value) => lenient_integer(value) == Some(1),
        None => false,
    }
}

fn read_photos(value: Option<&Value>) -> (Vec<String>, Vec<Value>) {
    let photos = match value {
        None | Some(Value::Null) => return (Vec::new(), Vec::new()),
        Some(Value::Array(photos)) => photos,
        Some(other) => return (Vec::new(), vec![other.clone()]),
    };
    let (mut taken, mut ignored) = (Vec::new(), Vec::new());
    for photo in photos {
        match photo.as_str() {
            Some(url) if taken.len() < PHOTOS_MAX && is_photo_url(url) => taken.push(url.to_owned()),
            _ => ignored.push(photo.clone()),
        }
    }
    (taken, ignored)
}

fn is_photo_url(url: &str) -> bool {
    let after = |scheme: &str| {
        url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
            && url.len() > scheme.len()
    };
    (after("https://") || after("http://"))
        && !url.contains('\0')
        && url.chars().count() <= PHOTO_URL_CHARS_MAX
}

type Characteristics = (Vec<(CharacteristicId, Rating, Value)>, Vec<Value>);

/// Either `{"14": 5}` or `{"Size": {"id": 14, "value": "4"}}`; of the same id twice, the last.
fn read_characteristics(value: Option<&Value>) -> Characteristics {
    let mut taken: Vec<(CharacteristicId, Rating, Value)> = Vec::new();
    let mut ignored = Vec::new();
    match value {
        Some(Value::Object(fields)) => {
            for (key, value) in fields {
                let name = Value::String(key.clone());
                match read_characteristic(key, value) {
                    Some((id, rating)) => {
                        taken.retain(|(earlier, ..)| *earlier != id);
                        taken.push((id, rating, name));
                    }
                    None => ignored.push(name),
                }
            }
        }
        None | Some(Value::Null) => {}
        Some(Value::Array(values)) => ignored.extend(values.iter().cloned()),
        Some(other) => ignored.push(other.clone()),
    }
    (taken, ignored)
}

fn read_characteristic(key: &str, value: &Value) -> Option<(CharacteristicId, Rating)> {
    let (id, value) = match value {
        Value::Object(nested) => (lenient_integer(nested.get("id")?)?.try_into().ok()?, nested.get("value")?),
        plain => (key.parse().ok()?, plain),
    };
    Some((id, lenient_integer(value)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn good() -> Value {
        json!({ "rating": 5, "summary": "s", "body": "b", "recommend": true, "name": "n", "email": "e@x" })
    }

    fn with(field: &str, value: Value) -> Value {
        let mut body = good();
        body[field] = value;
        body
    }

    fn refusals(body: &Value) -> Vec<(&'static str, &'static str)> {
        read_new_review(body).unwrap_err().0.iter().map(|e| (e.pointer, e.code)).collect()
    }

    #[test]
    fn names_everything_that_is_wrong_at_once() {
        let all =
            [("/rating", "required"), ("/body", "required"), ("/name", "required"), ("/email", "required")];
        for body in [json!({}), json!(null), json!([]), json!("x"), json!(7)] {
            assert_eq!(refusals(&body), all, "{body}");
        }
        let body = json!({ "rating": 6, "summary": {}, "body": " \n", "name": "a\u{0}b", "email": "x" });
        let expected = [
            ("/rating", "out_of_range"),
            ("/summary", "invalid"),
            ("/body", "blank"),
            ("/name", "invalid"),
            ("/email", "invalid"),
        ];
        assert_eq!(refusals(&body), expected);
    }

    #[test]
    fn takes_numbers_in_every_form_that_means_a_whole_number() {
        for rating in [json!(5), json!(5.0), json!("5"), json!(" 5 "), json!("5.0")] {
            assert_eq!(read_new_review(&with("rating", rating.clone())).unwrap().rating.get(), 5, "{rating}");
        }
        for rating in
            [json!(true), json!([5]), json!("five"), json!(4.5), json!(""), json!("NaN"), json!("inf")]
        {
            assert_eq!(refusals(&with("rating", rating.clone())), [("/rating", "invalid")], "{rating}");
        }
        for rating in [json!(0), json!(-1), json!(6), json!("6"), json!(1e15)] {
            assert_eq!(refusals(&with("rating", rating.clone())), [("/rating", "out_of_range")], "{rating}");
        }
    }

    #[test]
    fn recommend_is_false_unless_it_says_yes() {
        for yes in [json!(true), json!(1), json!("1"), json!("true"), json!(" True "), json!(1.0)] {
            assert!(read_new_review(&with("recommend", yes.clone())).unwrap().recommend, "{yes}");
        }
        for no in [
            json!(false),
            json!(0),
            json!("0"),
            json!("false"),
            json!(null),
            json!("yes?"),
            json!({}),
            json!(2),
        ] {
            assert!(!read_new_review(&with("recommend", no.clone())).unwrap().recommend, "{no}");
        }
    }

    #[test]
    fn counts_characters_not_bytes() {
        for (field, max) in [("summary", 200), ("body", 5000), ("name", 255)] {
            assert!(read_new_review(&with(field, json!("🦀".repeat(max)))).is_ok(), "{field}");
            let pointer = format!("/{field}");
            let long = read_new_review(&with(field, json!("e".repeat(max + 1)))).unwrap_err();
            assert_eq!((long.0[0].pointer, long.0[0].code), (pointer.as_str(), "too_long"));
        }
        assert!(read_new_review(&with("email", json!(format!("@{}", "e".repeat(253))))).is_ok());
        assert_eq!(
            refusals(&with("email", json!(format!("@{}", "e".repeat(254))))),
            [("/email", "too_long")]
        );
    }

    #[test]
    fn drops_photos_that_are_none_and_names_them() {
        let mut photos: Vec<Value> = (0..11).map(|i| json!(format!("https://x/{i}"))).collect();
        photos.splice(
            0..0,
            [json!(null), json!(""), json!("ftp://x"), json!(7), json!("HTTP://x"), json!("https://")],
        );
        let review = read_new_review(&with("photos", json!(photos))).unwrap();
        assert_eq!(review.photos.len(), 10);
        assert_eq!(review.photos[0], "HTTP://x");
        let ignored = [
            json!(null),
            json!(""),
            json!("ftp://x"),
            json!(7),
            json!("https://"),
            json!("https://x/9"),
            json!("https://x/10"),
        ];
        assert_eq!(review.ignored_photos, ignored);
        for none in [json!({}), json!("https://x"), json!(7)] {
            let review = read_new_review(&with("photos", none.clone())).unwrap();
            assert_eq!((review.photos.len(), review.ignored_photos), (0, vec![none]));
        }
        let review = read_new_review(&with("photos", json!(null))).unwrap();
        assert_eq!((review.photos.len(), review.ignored_photos.len()), (0, 0));
    }

    #[test]
    fn takes_characteristics_by_id_and_nested_and_the_last_of_two() {
        let sent = json!({ "14": "5", "Size": { "id": "15", "value": 4.0 }, "16": null, "17": 0, "18": "", "x": 3,
            "19": 6, "Fit": { "id": 14, "value": 2 }, "Bad": { "value": 1 } });
        let review = read_new_review(&with("characteristics", sent)).unwrap();
        let taken: Vec<_> =
            review.characteristics.iter().map(|(id, v, name)| (id.get(), v.get(), name.clone())).collect();
        assert_eq!(taken, [(15, 4, json!("Size")), (14, 2, json!("Fit"))]);
        assert_eq!(review.ignored_characteristics, ["16", "17", "18", "x", "19", "Bad"].map(|n| json!(n)));
    }
}
