//! Events in a message: the JSON batch format of CloudEvents 1.0, with extension attributes for the
//! place in the log. Numbers that may pass 2^31 are strings there, since CloudEvents has no longer
//! integer.

use chrono::{DateTime, SecondsFormat, Utc};
use domain::{Epoch, EventId, LinkedEvent, LogEvent, Part, Position, Version};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The body of a message that is not a batch of our events.
#[derive(Debug, thiserror::Error)]
#[error("the message is not a batch of events: {0}")]
pub struct BatchUnreadable(String);

#[derive(Serialize, Deserialize)]
struct CloudEvent<'a> {
    specversion: Cow<'a, str>,
    id: EventId,
    source: Cow<'a, str>,
    #[serde(rename = "type")]
    event_type: Cow<'a, str>,
    time: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    traceparent: Option<Cow<'a, str>>,
    part: i16,
    position: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    previousid: Option<EventId>,
    productid: Cow<'a, str>,
    productversion: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// Writes events of the log `epoch` as the body of a message. Which event stands before one is said where a
/// range begins: within a range it is the one before it in the message.
///
/// # Errors
/// When a payload is not JSON, which the log's column type rules out.
pub fn write_batch(epoch: Epoch, events: &[LinkedEvent]) -> Result<Vec<u8>, serde_json::Error> {
    let source = format!("/reviews/log/{epoch}");
    let batch: Vec<CloudEvent<'_>> = events
        .iter()
        .enumerate()
        .map(|(at, LinkedEvent { event, previous })| {
            let goes_on = at.checked_sub(1).is_some_and(|before| follows(&events[before].event, event));
            Ok(CloudEvent {
                specversion: "1.0".into(),
                id: event.event_id,
                source: source.as_str().into(),
                event_type: event.event_type.as_str().into(),
                time: event.at.to_rfc3339_opts(SecondsFormat::Micros, true).into(),
                traceparent: event.traceparent.as_deref().map(Cow::from),
                part: event.part.get(),
                position: event.pos.to_string().into(),
                previousid: previous.filter(|_| !goes_on),
                productid: event.product_id.to_string().into(),
                productversion: event.version.to_string().into(),
                data: serde_json::from_str(&event.payload)?,
            })
        })
        .collect::<Result<_, serde_json::Error>>()?;
    serde_json::to_vec(&batch)
}

/// Whether `event` stands right after `before` in the log.
fn follows(before: &LogEvent, event: &LogEvent) -> bool {
    before.part == event.part && before.pos.next() == event.pos
}

/// Reads the body of a message. Unknown attributes are passed over; payloads are left as they are.
///
/// # Errors
/// When the body is not a batch, or an event of it lacks its place in the log.
pub fn read_batch(body: &[u8]) -> Result<Vec<LinkedEvent>, BatchUnreadable> {
    let batch: Vec<CloudEvent<'_>> = serde_json::from_slice(body).map_err(unreadable)?;
    let mut events: Vec<LinkedEvent> = Vec::with_capacity(batch.len());
    for event in batch {
        let said = event.previousid;
        let event = read_event(event)?;
        let before = events.last().map(|last| &last.event).filter(|last| follows(last, &event));
        let previous = said.or_else(|| before.map(|before| before.event_id));
        events.push(LinkedEvent { event, previous });
    }
    Ok(events)
}

fn read_event(event: CloudEvent<'_>) -> Result<LogEvent, BatchUnreadable> {
    let product_id: domain::ProductId = event.productid.parse().map_err(unreadable)?;
    let part = Part::try_from(event.part).map_err(unreadable)?;
    if product_id.part() != part {
        return Err(BatchUnreadable(format!("product {product_id} is not in part {part}")));
    }
    Ok(LogEvent {
        part,
        pos: Position(event.position.parse().map_err(unreadable)?),
        product_id,
        version: Version(event.productversion.parse().map_err(unreadable)?),
        event_id: event.id,
        event_type: event.event_type.into_owned(),
        payload: event.data.get().to_owned(),
        traceparent: event.traceparent.map(Cow::into_owned),
        at: DateTime::parse_from_rfc3339(&event.time).map_err(unreadable)?.with_timezone(&Utc),
    })
}

fn unreadable(problem: impl std::fmt::Display) -> BatchUnreadable {
    BatchUnreadable(problem.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const GOLDEN: &str = include_str!("../golden/events.json");

    /// The golden events: one of each type, all of one product, after one event of another. Their payloads are as
    /// Postgres writes them, blanks and all.
    fn events() -> Vec<LinkedEvent> {
        let review = r#"{"review_id" : 9}"#;
        let whole =
            r#"{"review_id" : 9, "rating" : 4, "recommend" : true, "characteristics" : {"14": 5, "15": 2}}"#;
        let payloads = [
            r#"{"characteristics" : [{"id" : 14, "name" : "Size"}, {"id" : 15, "name" : "Width"}]}"#,
            whole,
            review,
            review,
            review,
            review,
            whole,
        ];
        let product_id = domain::ProductId::try_from(66).unwrap();
        let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let event = |((event_type, payload), number): ((&str, &str), i64)| LogEvent {
            part: product_id.part(),
            pos: Position(number + 1),
            product_id,
            version: Version(number),
            event_id: Uuid::from_u128(number.try_into().unwrap()),
            event_type: event_type.to_owned(),
            payload: payload.to_owned(),
            traceparent: (event_type == "ReviewPosted.v1").then(|| traceparent.to_owned()),
            at: DateTime::from_timestamp_micros(1_555_200_000_123_456 + number * 1_000_000).unwrap(),
        };
        let events = domain::Event::TYPE_NAMES.into_iter().zip(payloads).zip(1..).map(event);
        let mut previous = Some(Uuid::from_u128(100));
        let linked = |event: LogEvent| LinkedEvent { previous: previous.replace(event.event_id), event };
        events.map(linked).collect()
    }

    #[test]
    fn writes_and_reads_the_golden_events() {
        let body = write_batch(Uuid::from_u128(10), &events()).unwrap();
        assert_eq!(String::from_utf8(body).unwrap(), GOLDEN.trim_end());
        assert_eq!(read_batch(GOLDEN.as_bytes()).unwrap(), events());
    }

    #[test]
    fn says_which_event_stands_before_each_range_and_no_more() {
        let mut events = events();
        events.remove(3);
        events[5].previous = None;
        let body = write_batch(Uuid::nil(), &events).unwrap();
        let written: Vec<serde_json::Value> = serde_json::from_slice(&body).unwrap();
        let said: Vec<Option<u128>> = written
            .iter()
            .map(|event| Some(event.get("previousid")?.as_str()?.parse::<Uuid>().ok()?.as_u128()))
            .collect();
        assert_eq!(said, [Some(100), None, None, Some(4), None, None]);
        // Within a range it is the one before it, said or not.
        events[5].previous = Some(Uuid::from_u128(6));
        assert_eq!(read_batch(&body).unwrap(), events);
    }

    #[test]
    fn of_a_writer_that_does_not_say_it_the_first_of_a_range_is_not_linked() {
        let older = GOLDEN.replacen(r#""previousid":"00000000-0000-0000-0000-000000000064","#, "", 1);
        assert_ne!(older, GOLDEN);
        let mut expected = events();
        expected[0].previous = None;
        assert_eq!(read_batch(older.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn passes_over_what_it_does_not_know() {
        let later = GOLDEN.replacen("\"part\"", "\"later\":{\"a\":[1]},\"part\"", 1);
        assert_ne!(later, GOLDEN);
        assert_eq!(read_batch(later.as_bytes()).unwrap(), events());
    }

    #[test]
    fn refuses_what_is_no_batch() {
        let elsewhere = GOLDEN.replacen("\"part\":2", "\"part\":3", 1);
        let nowhere = GOLDEN.replacen("\"position\":\"2\"", "\"position\":\"\"", 1);
        for body in ["", "{}", "[{}]", "[1]", "\u{0}", elsewhere.as_str(), nowhere.as_str()] {
            assert!(read_batch(body.as_bytes()).is_err(), "{body}");
        }
    }
}
