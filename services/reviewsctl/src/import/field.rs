//! Reading one field. All that can be taken is taken; the error is a reason for a person.

use chrono::{DateTime, Datelike as _, NaiveDate, TimeZone as _, Utc};
use domain::{IdInvalid, lenient_integer, shortened};
use primary::import::IMPORT_ID_MAX;

/// Highest number of helpful votes: the database counts on from it.
const HELPFULNESS_MAX: i64 = 2_147_483_646;

/// Years of a date, in UTC.
const YEARS: std::ops::RangeInclusive<i32> = 1..=9999;

/// An id of any kind.
pub(crate) fn id<T: TryFrom<i64, Error = IdInvalid>>(column: &str, field: &[u8]) -> Result<T, String> {
    integer(field)
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| format!("{column} {} is not a whole number from 1 to 9007199254740991", shown(field)))
}

/// An id after which the database will give ids of its own.
pub(crate) fn given_id<T: TryFrom<i64, Error = IdInvalid> + Copy + Into<i64>>(
    column: &str,
    field: &[u8],
) -> Result<T, String> {
    let id: T = id(column, field)?;
    if id.into() > IMPORT_ID_MAX {
        return Err(format!("{column} {} leaves no room for new ids: at most {IMPORT_ID_MAX}", shown(field)));
    }
    Ok(id)
}

/// A whole number from 1 to 5.
pub(crate) fn rating(column: &str, field: &[u8]) -> Result<domain::Rating, String> {
    integer(field)
        .and_then(|number| number.try_into().ok())
        .ok_or_else(|| format!("{column} {} is not a whole number from 1 to 5", shown(field)))
}

/// A count of votes; nothing means none.
pub(crate) fn helpfulness(column: &str, field: &[u8]) -> Result<i32, String> {
    if is_missing(field) {
        return Ok(0);
    }
    integer(field)
        .filter(|number| (0..=HELPFULNESS_MAX).contains(number))
        .and_then(|number| i32::try_from(number).ok())
        .ok_or_else(|| format!("{column} {} is not a whole number from 0 to {HELPFULNESS_MAX}", shown(field)))
}

/// True or false, as a word, as its first letter or as a number; nothing means false, as in a POST.
pub(crate) fn truth(column: &str, field: &[u8]) -> Result<bool, String> {
    let is = |word: &[u8]| field.trim_ascii().eq_ignore_ascii_case(word);
    if is(b"true") || is(b"1") || is(b"t") {
        Ok(true)
    } else if is(b"false") || is(b"0") || is(b"f") || is_missing(field) {
        Ok(false)
    } else {
        Err(format!("{column} {} is neither true nor false", shown(field)))
    }
}

/// A day, a moment of RFC 3339, or milliseconds since 1970; to the millisecond, in the years 1 to 9999:
/// events and answers show them with four digits, and there is no year 0.
pub(crate) fn date(column: &str, field: &[u8]) -> Result<DateTime<Utc>, String> {
    let text = std::str::from_utf8(field).unwrap_or_default().trim();
    let date = moment(text).ok_or_else(|| {
        format!("{column} {} is neither YYYY-MM-DD, nor RFC 3339, nor milliseconds since 1970", shown(field))
    })?;
    if YEARS.contains(&date.year()) {
        Ok(date)
    } else {
        Err(format!("{column} {} is not in the years 1 to 9999", shown(field)))
    }
}

fn moment(text: &str) -> Option<DateTime<Utc>> {
    let number = |range: std::ops::Range<usize>| {
        let digits = text.get(range)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    if text.len() == 10 && text.as_bytes()[4] == b'-' && text.as_bytes()[7] == b'-' {
        return day(i32::try_from(number(0..4)?).ok()?, number(5..7)?, number(8..10)?);
    }
    match text.parse() {
        Ok(ms) => DateTime::from_timestamp_millis(ms),
        Err(_) => {
            let date = DateTime::parse_from_rfc3339(text).ok()?;
            DateTime::from_timestamp_millis(date.timestamp_millis())
        }
    }
}

fn day(year: i32, month: u32, day: u32) -> Option<DateTime<Utc>> {
    Some(Utc.from_utc_datetime(&NaiveDate::from_ymd_opt(year, month, day)?.and_hms_opt(0, 0, 0)?))
}

/// A text that can be stored and shown.
pub(crate) fn text<'a>(column: &str, field: &'a [u8], chars_max: usize) -> Result<&'a str, String> {
    let text = std::str::from_utf8(field)
        .map_err(|e| format!("{column} is not UTF-8, from its byte {} on", e.valid_up_to() + 1))?;
    if text.contains('\0') {
        Err(format!("{column} contains the character U+0000"))
    } else if text.len() > chars_max && text.chars().count() > chars_max {
        Err(format!("{column} is longer than {chars_max} characters"))
    } else {
        Ok(text)
    }
}

/// A text that must not be blank.
pub(crate) fn filled<'a>(column: &str, field: &'a [u8], chars_max: usize) -> Result<&'a str, String> {
    let text = text(column, field, chars_max)?;
    if text.trim().is_empty() { Err(format!("{column} is blank")) } else { Ok(text) }
}

/// A text that may be absent: nothing, or the bare word null.
pub(crate) fn optional<'a>(
    column: &str,
    field: &'a [u8],
    chars_max: usize,
) -> Result<Option<&'a str>, String> {
    if is_missing(field) { Ok(None) } else { text(column, field, chars_max).map(Some) }
}

fn is_missing(field: &[u8]) -> bool {
    field.is_empty() || field == b"null"
}

fn integer(field: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(field).ok()?.trim();
    if !text.is_empty() && text.len() <= 18 && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok();
    }
    lenient_integer(&serde_json::Value::String(text.to_owned()))
}

fn shown(field: &[u8]) -> String {
    format!("{:?}", shortened(&String::from_utf8_lossy(field)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{ProductId, ReviewId};

    #[test]
    fn numbers_are_whole_and_within_their_bounds() {
        for good in ["7", " 7 ", "007", "7.0"] {
            assert_eq!(id::<ProductId>("id", good.as_bytes()).map(i64::from), Ok(7), "{good:?}");
        }
        for bad in ["", "0", "-1", "7.5", "x", "null", "9007199254740992", "99999999999999999999"] {
            assert!(id::<ProductId>("id", bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(id::<ProductId>("id", b"9007199254740991").is_ok());
        let refused = given_id::<ReviewId>("id", b"9007199254740991").unwrap_err();
        assert_eq!(refused, "id \"9007199254740991\" leaves no room for new ids: at most 9006199254740991");
        assert_eq!(rating("rating", b"6").unwrap_err(), "rating \"6\" is not a whole number from 1 to 5");
        assert_eq!(helpfulness("helpfulness", b"2147483646"), Ok(2_147_483_646));
        assert_eq!(helpfulness("helpfulness", b""), Ok(0));
        assert!(helpfulness("helpfulness", b"2147483647").is_err() && helpfulness("h", b"-1").is_err());
    }

    #[test]
    fn truth_is_a_word_a_letter_or_a_number() {
        for (text, value) in [("true", true), ("TRUE", true), ("1", true), ("t", true), ("False", false)] {
            assert_eq!(truth("recommend", text.as_bytes()), Ok(value), "{text}");
        }
        assert_eq!(
            (truth("r", b"0"), truth("r", b""), truth("r", b"null")),
            (Ok(false), Ok(false), Ok(false))
        );
        assert_eq!(
            truth("recommend", b"maybe").unwrap_err(),
            "recommend \"maybe\" is neither true nor false"
        );
    }

    #[test]
    fn dates_of_both_editions_and_of_rfc_3339() {
        for (text, shows) in [
            ("2019-01-01", "2019-01-01T00:00:00.000Z"),
            ("1546300800123", "2019-01-01T00:00:00.123Z"),
            ("0", "1970-01-01T00:00:00.000Z"),
            ("-1", "1969-12-31T23:59:59.999Z"),
            ("2019-01-01T02:00:00.5+02:00", "2019-01-01T00:00:00.500Z"),
            ("0001-01-01", "0001-01-01T00:00:00.000Z"),
            ("-62135596800000", "0001-01-01T00:00:00.000Z"),
            ("9999-12-31T23:59:59.9999Z", "9999-12-31T23:59:59.999Z"),
        ] {
            let date = date("date", text.as_bytes()).unwrap();
            assert_eq!(date.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(), shows, "{text}");
        }
        for bad in ["", "null", "2019-02-30", "2019-1-1", "yesterday", "2019-01-0é"] {
            let refused = date("date", bad.as_bytes()).unwrap_err();
            assert!(refused.ends_with(", nor milliseconds since 1970"), "{bad}: {refused}");
        }
    }

    #[test]
    fn dates_are_in_the_years_1_to_9999() {
        for bad in [
            "0000-01-01",
            "0000-12-31T23:59:59.999Z",
            "0001-01-01T00:00:00+01:00",
            "-62135596800001",
            "253402300800000",
            "+999999999999999",
        ] {
            let refused = date("date", bad.as_bytes()).unwrap_err();
            assert_eq!(refused, format!("date {bad:?} is not in the years 1 to 9999"));
        }
        assert!(date("date", b"253402300799999").is_ok());
    }

    #[test]
    fn texts_are_utf_8_without_nul_and_not_too_long() {
        assert_eq!(text("body", "ä\u{1F980}".as_bytes(), 2), Ok("ä\u{1F980}"));
        assert_eq!(text("body", b"abc", 2).unwrap_err(), "body is longer than 2 characters");
        assert_eq!(text("body", b"ab\xff", 9).unwrap_err(), "body is not UTF-8, from its byte 3 on");
        assert_eq!(text("body", b"a\0", 9).unwrap_err(), "body contains the character U+0000");
        assert_eq!(filled("url", b" ", 9).unwrap_err(), "url is blank");
        assert_eq!((optional("response", b"null", 9), optional("response", b"", 9)), (Ok(None), Ok(None)));
        assert_eq!(optional("response", b"null and void", 20), Ok(Some("null and void")));
    }

    #[test]
    fn a_reason_repeats_only_the_beginning_of_a_value() {
        let refused = truth("recommend", "x".repeat(50).as_bytes()).unwrap_err();
        assert_eq!(refused, format!("recommend \"{}…\" is neither true nor false", "x".repeat(40)));
    }
}
