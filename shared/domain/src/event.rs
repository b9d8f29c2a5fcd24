//! What can happen to a product, as the log keeps it for ever.

use crate::posted_json::read_posted;
use crate::why_not::{DEFINED, Field, POSTED, REVIEW, why_not};
use crate::{CharacteristicId, Rating, ReviewId, Values};
use serde::{Deserialize, Serialize};

/// One thing that happened. The name that the log and messages carry ([`Event::type_name`]) ends in
/// the version of the payload's shape; unknown fields of a payload are passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The product has these characteristics, those it had before among them.
    CharacteristicsDefined { characteristics: Vec<CharacteristicDefined> },
    /// A review was added.
    ReviewPosted(PostedReview),
    /// Somebody found a review helpful.
    ReviewMarkedHelpful { review_id: ReviewId },
    /// Somebody reported a review.
    ReviewReported { review_id: ReviewId },
    /// Somebody took a helpful vote back.
    ReviewHelpfulTakenBack { review_id: ReviewId },
    /// Somebody took a report back.
    ReviewReportTakenBack { review_id: ReviewId },
    /// A review was erased: what it had added is subtracted.
    ReviewErased(PostedReview),
}

/// A characteristic of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CharacteristicDefined {
    /// Its id.
    pub id: CharacteristicId,
    /// Its name, as `Fit`.
    pub name: String,
}

/// The part of a review that meta is made of: what posting it adds, and what erasing it subtracts. No
/// personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostedReview {
    /// The review.
    pub review_id: ReviewId,
    /// Stars.
    pub rating: Rating,
    /// Whether the reviewer recommends the product.
    pub recommend: bool,
    /// Values 1 to 5 of characteristics of the product.
    #[serde(default)]
    pub characteristics: Values,
}

/// A payload that this version of the program cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventUnreadable {
    /// The type is not one of ours, or of a later shape.
    #[error("event type {0:?} is unknown to this version")]
    UnknownType(String),
    /// The payload does not have its type's shape.
    #[error("payload of a {event_type} does not have its shape: {problem}")]
    Payload {
        /// The type.
        event_type: String,
        /// What is wrong with it.
        problem: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Characteristics {
    characteristics: Vec<CharacteristicDefined>,
}

#[derive(Serialize, Deserialize)]
struct Review {
    review_id: ReviewId,
}

impl Event {
    /// The names of all types, in the order of their variants.
    pub const TYPE_NAMES: [&str; 7] = [
        "CharacteristicsDefined.v1",
        "ReviewPosted.v1",
        "ReviewMarkedHelpful.v1",
        "ReviewReported.v1",
        "ReviewHelpfulTakenBack.v1",
        "ReviewReportTakenBack.v1",
        "ReviewErased.v1",
    ];

    /// Name and version of the payload's shape, as stored and sent.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Event::CharacteristicsDefined { .. } => "CharacteristicsDefined.v1",
            Event::ReviewPosted(_) => "ReviewPosted.v1",
            Event::ReviewMarkedHelpful { .. } => "ReviewMarkedHelpful.v1",
            Event::ReviewReported { .. } => "ReviewReported.v1",
            Event::ReviewHelpfulTakenBack { .. } => "ReviewHelpfulTakenBack.v1",
            Event::ReviewReportTakenBack { .. } => "ReviewReportTakenBack.v1",
            Event::ReviewErased(_) => "ReviewErased.v1",
        }
    }

    /// The review that it is of, if it is of one.
    pub const fn review_id(&self) -> Option<ReviewId> {
        match self {
            Event::CharacteristicsDefined { .. } => None,
            Event::ReviewPosted(review) | Event::ReviewErased(review) => Some(review.review_id),
            Event::ReviewMarkedHelpful { review_id }
            | Event::ReviewReported { review_id }
            | Event::ReviewHelpfulTakenBack { review_id }
            | Event::ReviewReportTakenBack { review_id } => Some(*review_id),
        }
    }

    /// Whether an event of a type added a review, also of a later shape.
    pub fn adds_review(event_type: &str) -> bool {
        event_type.starts_with("ReviewPosted.")
    }

    /// The review that an event added, also when this version cannot read all of the event; `None` when it added none
    /// or does not say which.
    pub fn added_review(event_type: &str, payload: &str) -> Option<ReviewId> {
        if !Self::adds_review(event_type) {
            return None;
        }
        let payload: serde_json::Value = serde_json::from_str(payload).ok()?;
        payload.get("review_id")?.as_i64()?.try_into().ok()
    }

    /// Reads a payload by its type's name.
    ///
    /// # Errors
    /// [`EventUnreadable`] when the type is unknown or the payload is not of its shape.
    pub fn read(event_type: &str, payload: &str) -> Result<Self, EventUnreadable> {
        // The parser's own words are of its types, and of places in a text that nobody sees.
        let wrong = |fields: &[Field]| EventUnreadable::Payload {
            event_type: event_type.to_owned(),
            problem: why_not(payload, fields),
        };
        let review = |payload| match serde_json::from_str(payload) {
            Ok(Review { review_id }) => Ok(review_id),
            Err(_) => Err(wrong(REVIEW)),
        };
        let posted = |payload| match read_posted(payload) {
            Some(posted) => Ok(posted),
            None => serde_json::from_str(payload).map_err(|_| wrong(POSTED)),
        };
        Ok(match event_type {
            "CharacteristicsDefined.v1" => {
                let defined = serde_json::from_str(payload);
                let Characteristics { characteristics } = defined.map_err(|_| wrong(DEFINED))?;
                Event::CharacteristicsDefined { characteristics }
            }
            "ReviewPosted.v1" => Event::ReviewPosted(posted(payload)?),
            "ReviewMarkedHelpful.v1" => Event::ReviewMarkedHelpful { review_id: review(payload)? },
            "ReviewReported.v1" => Event::ReviewReported { review_id: review(payload)? },
            "ReviewHelpfulTakenBack.v1" => Event::ReviewHelpfulTakenBack { review_id: review(payload)? },
            "ReviewReportTakenBack.v1" => Event::ReviewReportTakenBack { review_id: review(payload)? },
            "ReviewErased.v1" => Event::ReviewErased(posted(payload)?),
            unknown => return Err(EventUnreadable::UnknownType(unknown.to_owned())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_each_type_and_passes_over_unknown_fields() {
        let posted = Event::read(
            "ReviewPosted.v1",
            r#"{"review_id":7,"rating":4,"recommend":true,"characteristics":{"14":5},"later":[1]}"#,
        )
        .unwrap();
        let Event::ReviewPosted(review) = &posted else { unreachable!("{posted:?}") };
        assert_eq!(
            review.characteristics.iter().map(|(id, v)| (id.get(), v.get())).collect::<Vec<_>>(),
            [(14, 5)]
        );
        let defined =
            Event::read("CharacteristicsDefined.v1", r#"{"characteristics":[{"id":1,"name":"Fit"}]}"#)
                .unwrap();
        for (event, name) in [
            (posted, "ReviewPosted.v1"),
            (defined, "CharacteristicsDefined.v1"),
            (Event::read("ReviewMarkedHelpful.v1", r#"{"review_id":7}"#).unwrap(), "ReviewMarkedHelpful.v1"),
            (Event::read("ReviewReported.v1", r#"{"review_id":7}"#).unwrap(), "ReviewReported.v1"),
            (
                Event::read("ReviewHelpfulTakenBack.v1", r#"{"review_id":7}"#).unwrap(),
                "ReviewHelpfulTakenBack.v1",
            ),
            (
                Event::read("ReviewReportTakenBack.v1", r#"{"review_id":7}"#).unwrap(),
                "ReviewReportTakenBack.v1",
            ),
            (
                Event::read("ReviewErased.v1", r#"{"review_id":7,"rating":4,"recommend":true,"later":1}"#)
                    .unwrap(),
                "ReviewErased.v1",
            ),
        ] {
            assert_eq!(event.type_name(), name);
        }
    }

    /// Place of an event's type among the names. A new variant does not compile before it is here; its
    /// number is the length of the list until it is there too.
    const fn place(event: &Event) -> usize {
        match event {
            Event::CharacteristicsDefined { .. } => 0,
            Event::ReviewPosted(_) => 1,
            Event::ReviewMarkedHelpful { .. } => 2,
            Event::ReviewReported { .. } => 3,
            Event::ReviewHelpfulTakenBack { .. } => 4,
            Event::ReviewReportTakenBack { .. } => 5,
            Event::ReviewErased(_) => 6,
        }
    }

    #[test]
    fn the_names_are_those_of_all_types() {
        let all = r#"{"review_id":7,"rating":4,"recommend":true,"characteristics":[]}"#;
        let whole = r#"{"review_id":7,"rating":4,"recommend":true}"#;
        for (number, name) in Event::TYPE_NAMES.into_iter().enumerate() {
            let payload = match name {
                "ReviewPosted.v1" | "ReviewErased.v1" => whole,
                _ => all,
            };
            let event = Event::read(name, payload).unwrap();
            assert_eq!((place(&event), event.type_name()), (number, name));
        }
    }

    #[test]
    fn the_review_that_an_event_added_is_known_though_the_rest_cannot_be_read() {
        let seven = ReviewId::try_from(7).ok();
        for (name, payload, added) in [
            ("ReviewPosted.v1", r#"{"review_id":7,"rating":4,"recommend":true}"#, seven),
            ("ReviewPosted.v1", r#"{"review_id":7,"rating":9}"#, seven),
            ("ReviewPosted.v9", r#"{"review_id":7,"stars":[]}"#, seven),
            ("ReviewPosted.v1", r#"{"review_id":"7"}"#, None),
            ("ReviewPosted.v1", r#"{"review_id":0}"#, None),
            ("ReviewPosted.v1", r#"{"review_id":7.5}"#, None),
            ("ReviewPosted.v1", "[7]", None),
            ("ReviewPosted.v1", "{", None),
            ("ReviewErased.v1", r#"{"review_id":7,"rating":4,"recommend":true}"#, None),
            ("ReviewReported.v1", r#"{"review_id":7}"#, None),
        ] {
            assert_eq!(Event::added_review(name, payload), added, "{name} {payload}");
        }
    }

    #[test]
    fn every_event_of_a_review_names_it() {
        let all = r#"{"review_id":7,"rating":4,"recommend":true,"characteristics":[]}"#;
        let whole = r#"{"review_id":7,"rating":4,"recommend":true}"#;
        for name in Event::TYPE_NAMES {
            let event = Event::read(name, all).or_else(|_| Event::read(name, whole)).unwrap();
            let named = event.review_id().map(ReviewId::get);
            assert_eq!(named, (name != "CharacteristicsDefined.v1").then_some(7), "{name}");
        }
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        let unknown = Event::read("ReviewPosted.v9", "{}").unwrap_err();
        assert_eq!(unknown.to_string(), "event type \"ReviewPosted.v9\" is unknown to this version");
        for payload in ["", "{}", "[]", r#"{"review_id":0}"#, r#"{"review_id":"7"}"#] {
            assert!(Event::read("ReviewReported.v1", payload).is_err(), "{payload}");
        }
        let rating = r#"{"review_id":7,"rating":6,"recommend":true}"#;
        for name in ["ReviewPosted.v1", "ReviewErased.v1"] {
            assert!(Event::read(name, rating).is_err(), "{name}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_payload_is_said_in_words_of_ours() {
        let says = |name: &str, payload: &str| Event::read(name, payload).unwrap_err().to_string();
        let posted = "payload of a ReviewPosted.v1 does not have its shape: ";
        for (payload, problem) in [
            ("{", "it is not JSON"),
            ("[1]", "it is [1], and must be an object"),
            (
                r#"{"rating":4,"recommend":true}"#,
                "it has no field review_id, which must be a whole number from 1 to ",
            ),
            (
                r#"{"review_id":7,"rating":9,"recommend":true}"#,
                "its field rating is 9, and must be a whole number from 1 to 5",
            ),
            (
                r#"{"review_id":7,"rating":4,"recommend":"yes"}"#,
                "its field recommend is \"yes\", and must be true or false",
            ),
            (
                r#"{"review_id":7,"rating":4,"recommend":true,"characteristics":{"14":6}}"#,
                "its field characteristics is {\"14\":6}, and must be an object of ids ",
            ),
            (
                r#"{"review_id":7,"review_id":7,"rating":4,"recommend":true}"#,
                "a field of it is there more than once",
            ),
        ] {
            let said = says("ReviewPosted.v1", payload);
            assert!(said.starts_with(&format!("{posted}{problem}")), "{said}");
        }
        let said = says("ReviewReported.v1", "{}");
        assert!(said.contains("it has no field review_id"), "{said}");
        let long = "x".repeat(100);
        let said =
            says("CharacteristicsDefined.v1", &format!(r#"{{"characteristics":[{{"name":"{long}"}}]}}"#));
        assert!(
            said.contains("…, and must be an array of objects, each with an id") && said.len() < 250,
            "{said}"
        );
    }
}
