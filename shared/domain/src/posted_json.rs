//! A review's payload as the primary writes it, read without a parser: a replay reads millions, and a parser takes
//! several times as long. Any other form, right or wrong, is left to the parser.

use crate::{ID_MAX, PostedReview, Values};

/// Reads a payload whose fields are all there, in the order in which they are written, and nothing else. Blanks may
/// stand between them.
pub(crate) fn read_posted(json: &str) -> Option<PostedReview> {
    let mut rest = Rest(json.as_bytes());
    rest.mark(b"{")?;
    rest.mark(b"\"review_id\"")?;
    rest.mark(b":")?;
    let review_id = rest.number()?.try_into().ok()?;
    rest.mark(b",")?;
    rest.mark(b"\"rating\"")?;
    rest.mark(b":")?;
    let rating = rest.number()?.try_into().ok()?;
    rest.mark(b",")?;
    rest.mark(b"\"recommend\"")?;
    rest.mark(b":")?;
    let recommend = rest.boolean()?;
    rest.mark(b",")?;
    rest.mark(b"\"characteristics\"")?;
    rest.mark(b":")?;
    let characteristics = rest.values()?;
    rest.mark(b"}")?;
    rest.end()?;
    Some(PostedReview { review_id, rating, recommend, characteristics })
}

/// What was not read yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    #[inline]
    fn blanks(&mut self) {
        while let [b' ', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }

    /// What must come next, after blanks.
    fn mark(&mut self, mark: &[u8]) -> Option<()> {
        self.blanks();
        self.0 = self.0.strip_prefix(mark)?;
        Some(())
    }

    /// A whole number above 0.
    fn number(&mut self) -> Option<i64> {
        self.blanks();
        self.digits()
    }

    fn digits(&mut self) -> Option<i64> {
        let (mut number, mut rest) = (0, self.0);
        while let [digit @ b'0'..=b'9', after @ ..] = rest {
            number = number * 10 + i64::from(digit - b'0');
            // A parser refuses a number that begins with 0, and no id has so many digits.
            if number == 0 || number > ID_MAX {
                return None;
            }
            rest = after;
        }
        self.0 = rest;
        (number > 0).then_some(number)
    }

    fn boolean(&mut self) -> Option<bool> {
        self.mark(b"true").map(|()| true).or_else(|| self.mark(b"false").map(|()| false))
    }

    /// The object of characteristic ids and values.
    fn values(&mut self) -> Option<Values> {
        let mut values = Values::default();
        self.mark(b"{")?;
        if self.mark(b"}").is_some() {
            return Some(values);
        }
        loop {
            self.mark(b"\"")?;
            let id = self.digits()?.try_into().ok()?;
            // Within the quotes nothing else may stand.
            self.0 = self.0.strip_prefix(b"\"")?;
            self.mark(b":")?;
            values.set(id, self.number()?.try_into().ok()?);
            if self.mark(b",").is_none() {
                self.mark(b"}")?;
                return Some(values);
            }
        }
    }

    fn end(&mut self) -> Option<()> {
        self.blanks();
        self.0.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rating;
    use proptest::prelude::*;

    fn parsed(json: &str) -> Option<PostedReview> {
        serde_json::from_str(json).ok()
    }

    #[test]
    fn the_forms_that_are_written_need_no_parser() {
        for json in [
            r#"{"review_id" : 9, "rating" : 4, "recommend" : true, "characteristics" : {"14": 5, "15": 2}}"#,
            r#"{"review_id":9007199254740991,"rating":1,"recommend":false,"characteristics":{}}"#,
        ] {
            assert!(read_posted(json).is_some(), "{json}");
            assert_eq!(read_posted(json), parsed(json));
        }
    }

    #[test]
    fn other_forms_are_left_to_the_parser() {
        for json in [
            "",
            r#"{"review_id":9,"rating":4,"recommend":true}"#,
            r#"{"rating":4,"review_id":9,"recommend":true,"characteristics":{}}"#,
            r#"{"review_id":9,"rating":4,"recommend":true,"characteristics":{},"later":1}"#,
            r#"{"review_id":9,"rating":6,"recommend":true,"characteristics":{}}"#,
            r#"{"review_id":09,"rating":4,"recommend":true,"characteristics":{}}"#,
            r#"{"review_id":9007199254740992,"rating":4,"recommend":true,"characteristics":{}}"#,
            r#"{"review_id":10000000000000000000000009,"rating":4,"recommend":true,"characteristics":{}}"#,
            r#"{"review_id":9.0,"rating":4,"recommend":true,"characteristics":{}}"#,
            r#"{"review_id":9,"rating":4,"recommend":true,"characteristics":{" 1":2}}"#,
            r#"{"review_id":9,"rating":4,"recommend":true,"characteristics":{"1":2,}}"#,
            r#"{"review_id":9,"rating":4,"recommend":true,"characteristics":{}} x"#,
        ] {
            assert_eq!(read_posted(json), None, "{json}");
        }
    }

    fn blanks() -> impl Strategy<Value = String> {
        "( {0,2})"
    }

    proptest! {
        #[test]
        fn it_reads_what_the_parser_reads(
            (id, rating, recommend) in (1..=ID_MAX, 1_i64..=5, any::<bool>()),
            values in proptest::collection::vec((1..=ID_MAX, 1_i64..=5), 0..8),
            gaps in proptest::collection::vec(blanks(), 6),
        ) {
            let values: Vec<String> =
                values.iter().map(|(id, v)| format!("{}\"{id}\"{}:{v}{}", gaps[0], gaps[1], gaps[2])).collect();
            let json = format!(
                "{0}{{{1}\"review_id\"{2}:{0}{id}{1},\"rating\":{rating}{3},{4}\"recommend\":{5}{recommend},\
                 \"characteristics\":{2}{{{3}{6}}}{4}}}{5}",
                gaps[0], gaps[1], gaps[2], gaps[3], gaps[4], gaps[5], values.join(","),
            );
            prop_assert!(read_posted(&json).is_some(), "{json}");
            prop_assert_eq!(read_posted(&json), parsed(&json));
        }

        #[test]
        fn whatever_it_reads_of_a_damaged_payload_the_parser_reads_too(
            at in 0_usize..90, with in "[ \\t0-9a-z{}\":,.\\-]{0,2}", length in 0_usize..3,
        ) {
            let mut json =
                r#"{"review_id": 12, "rating": 4, "recommend": true, "characteristics": {"14": 5, "15": 2}}"#.to_owned();
            let from = at.min(json.len());
            json.replace_range(from..(from + length).min(json.len()), &with);
            if let Some(read) = read_posted(&json) {
                prop_assert_eq!(Some(read), parsed(&json), "{}", json);
            }
        }
    }

    #[test]
    fn a_rating_is_one_of_the_parsers() {
        let read = |rating: i64| {
            read_posted(&format!(
                r#"{{"review_id":1,"rating":{rating},"recommend":true,"characteristics":{{}}}}"#
            ))
        };
        for rating in 0..=6 {
            assert_eq!(read(rating).is_some(), Rating::try_from(rating).is_ok(), "{rating}");
        }
    }
}
