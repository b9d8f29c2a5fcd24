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
