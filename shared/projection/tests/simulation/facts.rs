//! What writers mean by their events, as text for the log and as what it says; and now and then a text that nobody
//! can apply.

use crate::dice::Dice;
use domain::{CharacteristicDefined, Event, PostedReview, ReviewId};

/// Something that happened to a product.
#[derive(Debug, Clone)]
pub(crate) struct Fact {
    pub(crate) event_type: String,
    pub(crate) payload: String,
    /// What it says; nothing when no fold can apply it.
    pub(crate) says: Option<Event>,
    /// The review that its text says was added, whether or not the rest can be applied.
    pub(crate) adds: Option<ReviewId>,
    /// What its command did to the reviews; nothing when it is of no command of ours.
    pub(crate) did: Option<Event>,
}

/// One time in so many an event cannot be applied.
const POISON_ONE_IN: usize = 70;
/// Characteristics that a product may have.
const CHARACTERISTICS: i64 = 4;

/// The next event of a product with these characteristics and reviews.
pub(crate) fn next(
    dice: &mut Dice,
    product: i64,
    characteristics: i64,
    posted: &[PostedReview],
    id: i64,
) -> Fact {
    if dice.one_in(POISON_ONE_IN) {
        return poison(dice, product, characteristics, id);
    }
    if characteristics == 0 || (characteristics < CHARACTERISTICS && dice.one_in(10)) {
        return sound(defined(product, characteristics + 1));
    }
    let old = if posted.is_empty() { None } else { Some(posted[dice.below(posted.len())].clone()) };
    let Some(old) = old else {
        return sound(Event::ReviewPosted(review(dice, product, characteristics, id)));
    };
    let review_id = old.review_id;
    sound(match dice.below(10) {
        0 => Event::ReviewMarkedHelpful { review_id },
        1 => Event::ReviewReported { review_id },
        2 => Event::ReviewHelpfulTakenBack { review_id },
        3 => Event::ReviewReportTakenBack { review_id },
        4 if dice.one_in(2) => Event::ReviewErased(old),
        _ => Event::ReviewPosted(review(dice, product, characteristics, id)),
    })
}

fn sound(event: Event) -> Fact {
    let adds = match &event {
        Event::ReviewPosted(review) => Some(review.review_id),
        _ => None,
    };
    Fact {
        event_type: event.type_name().to_owned(),
        payload: payload(&event),
        says: Some(event.clone()),
        adds,
        did: Some(event),
    }
}

fn poison(dice: &mut Dice, product: i64, characteristics: i64, id: i64) -> Fact {
    let good = Event::ReviewPosted(review(dice, product, characteristics, id));
    let foreign = |id: i64| {
        format!(r#"{{"review_id":{id},"rating":5,"recommend":true,"characteristics":{{"999":5}}}}"#)
    };
    let added = |id: i64| ReviewId::try_from(id).ok();
    let (event_type, payload, adds, did) = match dice.below(5) {
        // A command was carried out, and what the log says of it cannot be read.
        0 => ("ReviewPosted.v9", payload(&good), added(id), Some(good)),
        1 => ("ReviewPosted.v1", "{}".to_owned(), None, Some(good)),
        2 => ("ReviewPosted.v1", foreign(id), added(id), None),
        3 => ("ReviewErased.v1", foreign(id), None, None),
        _ => {
            let unstorable =
                format!(r#"{{"characteristics":[{{"id":{},"name":"a\u0000b"}}]}}"#, product * 10 + 9);
            ("CharacteristicsDefined.v1", unstorable, None, None)
        }
    };
    Fact { event_type: event_type.to_owned(), payload, says: None, adds, did }
}

fn defined(product: i64, count: i64) -> Event {
    let one =
        |n: i64| CharacteristicDefined { id: (product * 10 + n).try_into().unwrap(), name: format!("C{n}") };
    Event::CharacteristicsDefined { characteristics: (0..count).map(one).collect() }
}

fn review(dice: &mut Dice, product: i64, characteristics: i64, id: i64) -> PostedReview {
    let stars = |dice: &mut Dice| i64::try_from(dice.below(5) + 1).unwrap().try_into().unwrap();
    let values = (0..characteristics).filter_map(|n| {
        let value = stars(dice);
        (!dice.one_in(3)).then(|| ((product * 10 + n).try_into().unwrap(), value))
    });
    let characteristics = values.collect();
    let rating = stars(dice);
    PostedReview { review_id: id.try_into().unwrap(), rating, recommend: dice.one_in(2), characteristics }
}

fn payload(event: &Event) -> String {
    match event {
        Event::CharacteristicsDefined { characteristics } => {
            let one = |c: &CharacteristicDefined| format!(r#"{{"id":{},"name":"{}"}}"#, c.id, c.name);
            let all: Vec<String> = characteristics.iter().map(one).collect();
            format!(r#"{{"characteristics":[{}]}}"#, all.join(","))
        }
        Event::ReviewPosted(review) | Event::ReviewErased(review) => {
            let values: Vec<String> = review
                .characteristics
                .iter()
                .map(|(id, value)| format!(r#""{id}":{}"#, value.get()))
                .collect();
            let PostedReview { review_id, rating, recommend, .. } = review;
            format!(
                r#"{{"review_id":{review_id},"rating":{},"recommend":{recommend},"characteristics":{{{}}}}}"#,
                rating.get(),
                values.join(",")
            )
        }
        Event::ReviewMarkedHelpful { review_id }
        | Event::ReviewReported { review_id }
        | Event::ReviewHelpfulTakenBack { review_id }
        | Event::ReviewReportTakenBack { review_id } => format!(r#"{{"review_id":{review_id}}}"#),
    }
}
