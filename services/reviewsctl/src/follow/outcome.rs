//! Where a review is, or where it waits and for whom.

use super::InMeta;
use domain::{Position, Version};
use primary::TracedEvent;

/// The last stop that it has reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Readers show it in meta.
    Arrived { parked_at: Option<Version> },
    /// Its row has no event.
    NoEvent,
    /// It has no position.
    InOutbox,
    /// Meta does not answer from anything.
    NoGeneration,
    /// It has a position that the broker was not offered.
    InLog,
    /// It was offered, and meta has not come to it.
    Offered { checkpoint: Position },
    /// Its product stands still before it.
    Parked { at: Version },
    /// Meta is past it, and has not counted it.
    Missed,
    /// It was counted, and is erased.
    Erased,
    /// Its event was given up, and its product goes on without it.
    GivenUp,
    /// What answers was made from another log, and says nothing of this event.
    OtherLog,
}

/// Decides by the event, what was offered of its part, and what meta has.
pub(super) fn outcome(event: Option<&TracedEvent>, published: Position, in_meta: &InMeta) -> Outcome {
    let Some(event) = event else {
        return if in_meta.given_up { Outcome::GivenUp } else { Outcome::NoEvent };
    };
    let Some(pos) = event.pos else { return Outcome::InOutbox };
    let Some(answers) = in_meta.products.iter().find(|product| product.answers) else {
        return Outcome::NoGeneration;
    };
    if in_meta.other_log {
        return Outcome::OtherLog;
    }
    match (answers.parked_at, answers.version) {
        (Some(at), _) if at <= event.version => Outcome::Parked { at },
        (_, Some(version)) if version >= event.version && in_meta.given_up => Outcome::GivenUp,
        (parked_at, Some(version)) if version >= event.version => Outcome::Arrived { parked_at },
        _ if answers.checkpoint >= pos => Outcome::Missed,
        _ if published >= pos => Outcome::Offered { checkpoint: answers.checkpoint },
        _ => Outcome::InLog,
    }
}

impl Outcome {
    /// The same of a review that was erased.
    pub(super) fn of_erased(self) -> Self {
        match self {
            Outcome::Arrived { .. } => Outcome::Erased,
            other => other,
        }
    }

    /// In one line, with the command that tells more where it is stuck.
    pub(super) fn says(&self) -> String {
        match self {
            Outcome::Arrived { parked_at: None } => "arrived: meta shows it".to_owned(),
            Outcome::Arrived { parked_at: Some(at) } => format!(
                "arrived: meta shows it, but its product stands still since version {at} (`cargo reviewsctl parked show ID`)"
            ),
            Outcome::NoEvent => "lost: the row has no event, as no command leaves it; the primary was \
                                 changed by hand, and meta will not show it"
                .to_owned(),
            Outcome::InOutbox => "waits in the outbox: the relay gives it a position within moments, \
                                  if one lives (`cargo reviewsctl status`)"
                .to_owned(),
            Outcome::NoGeneration => {
                "waits in the log: meta has no generation yet (`cargo stack start projector`)".to_owned()
            }
            Outcome::InLog => "waits in the log: it was not offered to the broker yet, and a projector \
                               pulls it (`cargo reviewsctl status`)"
                .to_owned(),
            Outcome::Offered { checkpoint } => format!(
                "waits for the projector: it was offered to the broker, and meta stands at position {checkpoint} \
                 (`cargo reviewsctl status`)"
            ),
            Outcome::Parked { at } => format!(
                "stuck: its product stands still in meta at the event of version {at} (`cargo reviewsctl parked show ID`)"
            ),
            Outcome::Erased => {
                "erased: lists do not show it, and meta takes it out with the event of its erasing, which \
                                goes the same way"
                    .to_owned()
            }
            Outcome::GivenUp => {
                "given up: its event could not be applied, and the product goes on without it; meta \
                                 will not show it"
                    .to_owned()
            }
            Outcome::OtherLog => {
                "not known: meta was made from another log than the primary's, and its versions are of \
                                  other events (`cargo reviewsctl status`)"
                    .to_owned()
            }
            Outcome::Missed => "lost: meta is past its event and does not have it in its product, which the \
                                next event of the product mends"
                .to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use meta::TracedProduct;

    fn event(pos: Option<i64>) -> TracedEvent {
        TracedEvent {
            pos: pos.map(Position),
            version: Version(4),
            event_id: domain::EventId::from_u128(1),
            event_type: "ReviewPosted.v1".to_owned(),
            at: DateTime::UNIX_EPOCH,
        }
    }

    fn product(checkpoint: i64, version: Option<i64>, parked_at: Option<i64>) -> TracedProduct {
        TracedProduct {
            generation: 1,
            state: "live".to_owned(),
            answers: true,
            checkpoint: Position(checkpoint),
            version: version.map(Version),
            parked_at: parked_at.map(Version),
        }
    }

    #[test]
    fn each_stop_is_told_from_the_others() {
        let in_meta = |products: &[TracedProduct]| InMeta {
            products: products.to_vec(),
            other_log: false,
            given_up: false,
        };
        let at = |pos, published, product: &TracedProduct| {
            outcome(Some(&event(pos)), Position(published), &in_meta(std::slice::from_ref(product)))
        };
        let behind = product(8, Some(3), None);
        assert_eq!(outcome(None, Position(9), &in_meta(&[])), Outcome::NoEvent);
        assert_eq!(at(None, 9, &behind), Outcome::InOutbox);
        assert_eq!(outcome(Some(&event(Some(9))), Position(9), &in_meta(&[])), Outcome::NoGeneration);
        assert_eq!(at(Some(9), 8, &behind), Outcome::InLog);
        assert_eq!(at(Some(9), 9, &behind), Outcome::Offered { checkpoint: Position(8) });
        assert_eq!(at(Some(9), 9, &product(8, None, None)), Outcome::Offered { checkpoint: Position(8) });
        assert_eq!(at(Some(9), 9, &product(9, Some(4), None)), Outcome::Arrived { parked_at: None });
        // Rebuilt from the log, beyond the checkpoint.
        assert_eq!(at(Some(9), 9, &product(8, Some(4), None)), Outcome::Arrived { parked_at: None });
        assert_eq!(at(Some(9), 9, &product(9, Some(3), Some(4))), Outcome::Parked { at: Version(4) });
        let later = Outcome::Arrived { parked_at: Some(Version(6)) };
        assert_eq!(at(Some(9), 9, &product(12, Some(5), Some(6))), later);
        assert_eq!(at(Some(9), 9, &product(9, Some(3), None)), Outcome::Missed);
        assert_eq!(at(Some(9), 9, &product(9, None, None)), Outcome::Missed);
        // Another generation has it, but does not answer.
        let building = TracedProduct { answers: false, ..product(20, Some(9), None) };
        assert_eq!(
            outcome(Some(&event(Some(9))), Position(9), &in_meta(&[behind, building])),
            Outcome::Offered { checkpoint: Position(8) }
        );
        // Versions of another log say nothing, and of what was given up that it is behind.
        let there = in_meta(&[product(9, Some(4), None)]);
        let with = |in_meta: &InMeta, pos| outcome(Some(&event(pos)), Position(9), in_meta);
        let other_log = InMeta { other_log: true, ..in_meta(&there.products) };
        assert_eq!(with(&other_log, Some(9)), Outcome::OtherLog);
        assert_eq!(with(&other_log, None), Outcome::InOutbox);
        let given_up = InMeta { given_up: true, ..in_meta(&there.products) };
        assert_eq!(with(&given_up, Some(9)), Outcome::GivenUp);
        let redriven = InMeta { given_up: true, ..in_meta(&[product(9, Some(3), Some(4))]) };
        assert_eq!(with(&redriven, Some(9)), Outcome::Parked { at: Version(4) });
    }
}
