//! Events to be folded together.

use domain::{LogEvent, Part, Position};
use std::collections::BTreeMap;

/// What is wanted of each part: how far to go, and the events that came in already.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch(pub BTreeMap<Part, Wanted>);

/// One part of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Position to go to.
    pub up_to: Position,
    /// Events that came in, by position: the same one twice is one.
    pub events: BTreeMap<Position, LogEvent>,
}

impl Batch {
    /// Adds events that came in a message.
    pub fn add(&mut self, events: Vec<LogEvent>) {
        for event in events {
            let wanted = self.0.entry(event.part).or_default();
            wanted.up_to = wanted.up_to.max(event.pos);
            wanted.events.insert(event.pos, event);
        }
    }

    /// Asks for a part up to a position.
    pub fn ask(&mut self, part: Part, up_to: Position) {
        let wanted = self.0.entry(part).or_default();
        wanted.up_to = wanted.up_to.max(up_to);
    }

    /// Number of events that came in.
    pub fn events(&self) -> usize {
        self.0.values().map(|wanted| wanted.events.len()).sum()
    }
}

impl Wanted {
    /// The events after `from` if none is missing up to where this part is to go.
    pub fn whole_after(&self, from: Position) -> Option<Vec<LogEvent>> {
        let events: Vec<LogEvent> = self
            .events
            .range(from.next()..=self.up_to.max(from.next()))
            .map(|(_, event)| event.clone())
            .collect();
        let missing = usize::try_from(self.up_to.0 - from.0).unwrap_or(0);
        (events.len() == missing).then_some(events)
    }
}
