//! An event with its place in the log.

use crate::{EventId, Part, Position, ProductId, Version};
use chrono::{DateTime, Utc};

/// One event, as the log has it. The payload is JSON text, read only by whoever applies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    /// Its part of the log.
    pub part: Part,
    /// Its position there.
    pub pos: Position,
    /// The product that it is about.
    pub product_id: ProductId,
    /// The product's version with it.
    pub version: Version,
    /// Its identity.
    pub event_id: EventId,
    /// Name and version of the payload's shape.
    pub event_type: String,
    /// What happened.
    pub payload: String,
    /// Trace context of the command.
    pub traceparent: Option<String>,
    /// When the command was carried out.
    pub at: DateTime<Utc>,
}

/// An event of a message, with what tells whether it follows the event that a receiver has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedEvent {
    /// The event.
    pub event: LogEvent,
    /// The event before it in its part: none before the first, and none where nobody said which.
    pub previous: Option<EventId>,
}

/// An event borrowed from wherever it was read, without what folding does not need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventRef<'a> {
    /// Its position in the product's part of the log.
    pub pos: Position,
    /// The product that it is about.
    pub product_id: ProductId,
    /// The product's version with it.
    pub version: Version,
    /// Its identity.
    pub event_id: EventId,
    /// Name and version of the payload's shape.
    pub event_type: &'a str,
    /// What happened.
    pub payload: &'a str,
}

impl<'a> From<&'a LogEvent> for EventRef<'a> {
    fn from(event: &'a LogEvent) -> Self {
        EventRef {
            pos: event.pos,
            product_id: event.product_id,
            version: event.version,
            event_id: event.event_id,
            event_type: &event.event_type,
            payload: &event.payload,
        }
    }
}
