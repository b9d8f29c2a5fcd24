//! Events to be folded together.

use domain::{Epoch, LinkedEvent, LogEvent, Part, Position};
use meta::Checkpoint;
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
    pub events: BTreeMap<Position, Received>,
}

/// An event that came in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The log that the message says it is of.
    pub epoch: Option<Epoch>,
    /// The event, and the one before it.
    pub linked: LinkedEvent,
}

/// What the events are worth that came in of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Came {
    /// All that is wanted, each known to follow the one before it, from the checkpoint on.
    Whole(Vec<LogEvent>),
    /// Some are missing, or it is not said what one of them follows.
    Missing,
    /// One of them is of another log than a checkpoint, or does not follow what it should.
    Foreign,
}

impl Batch {
    /// Adds events that came in a message of the log `epoch`.
    pub fn add(&mut self, epoch: Option<Epoch>, events: Vec<LinkedEvent>) {
        for linked in events {
            let (part, pos) = (linked.event.part, linked.event.pos);
            let wanted = self.0.entry(part).or_default();
            wanted.up_to = wanted.up_to.max(pos);
            wanted.events.insert(pos, Received { epoch, linked });
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
    /// The events after `lowest`, the lowest of the part's `checkpoints`, if they are to be believed: a message is
    /// whatever the broker has kept, maybe from before the primary was restored.
    pub fn came_after(&self, lowest: &Checkpoint, checkpoints: &[Checkpoint]) -> Came {
        if checkpoints.iter().any(|checkpoint| self.is_foreign_to(checkpoint)) {
            return Came::Foreign;
        }
        let (mut pos, mut before) = (lowest.pos, lowest.event_id);
        let mut events = Vec::new();
        for (at, Received { epoch, linked }) in self.events.range(pos.next()..) {
            if *epoch != Some(lowest.epoch) {
                return Came::Foreign;
            }
            if *at != pos.next() {
                return Came::Missing;
            }
            if linked.previous != before {
                let unsaid = linked.previous.is_none() && before.is_some();
                return if unsaid { Came::Missing } else { Came::Foreign };
            }
            (pos, before) = (*at, Some(linked.event.event_id));
            events.push(linked.event.clone());
        }
        if pos < self.up_to { Came::Missing } else { Came::Whole(events) }
    }

    /// Whether another event came in for a checkpoint's position.
    fn is_foreign_to(&self, checkpoint: &Checkpoint) -> bool {
        let there = self.events.get(&checkpoint.pos);
        there.is_some_and(|received| {
            received.epoch != Some(checkpoint.epoch)
                || Some(received.linked.event.event_id) != checkpoint.event_id
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{EventId, ProductId, Version};

    const OURS: Epoch = Epoch::from_u128(1);
    const OTHER: Epoch = Epoch::from_u128(2);

    fn id(number: i64) -> EventId {
        EventId::from_u128(number.try_into().unwrap())
    }

    fn event(pos: i64, event: i64, previous: Option<i64>) -> LinkedEvent {
        let product_id = ProductId::try_from(1).unwrap();
        let event = LogEvent {
            part: product_id.part(),
            pos: Position(pos),
            product_id,
            version: Version(pos),
            event_id: id(event),
            event_type: String::new(),
            payload: String::new(),
            traceparent: None,
            at: Default::default(),
        };
        LinkedEvent { event, previous: previous.map(id) }
    }

    /// An event whose identity is its position.
    fn at(pos: i64) -> LinkedEvent {
        event(pos, pos, Some(pos - 1).filter(|before| *before > 0))
    }

    fn checkpoint(pos: i64, event: i64) -> Checkpoint {
        let (part, event_id) = (ProductId::try_from(1).unwrap().part(), Some(id(event)));
        Checkpoint {
            generation: 1,
            part,
            pos: Position(pos),
            epoch: OURS,
            event_id: event_id.filter(|_| pos > 0),
        }
    }

    fn batch(messages: &[(Epoch, Vec<LinkedEvent>)]) -> Wanted {
        let mut batch = Batch::default();
        messages.iter().cloned().for_each(|(epoch, events)| batch.add(Some(epoch), events));
        batch.0.into_values().next().unwrap_or_default()
    }

    /// What came in messages after checkpoints, the lowest first: how many events, or why none.
    fn came(messages: &[(Epoch, Vec<LinkedEvent>)], checkpoints: &[Checkpoint]) -> Result<usize, Came> {
        match batch(messages).came_after(&checkpoints[0], checkpoints) {
            Came::Whole(events) => Ok(events.len()),
            other => Err(other),
        }
    }

    #[test]
    fn given_all_events_from_the_checkpoint_on_then_they_are_whole() {
        let cases: [(&[i64], i64, Result<usize, Came>); 7] = [
            (&[], 0, Ok(0)),
            (&[1, 2, 3], 0, Ok(3)),
            (&[3, 2, 2, 1], 1, Ok(2)),
            (&[1, 2, 3], 3, Ok(0)),
            (&[1, 2, 3], 9, Ok(0)),
            (&[2, 3], 0, Err(Came::Missing)),
            (&[1, 3], 0, Err(Came::Missing)),
        ];
        for (positions, after, expected) in cases {
            let message = positions.iter().map(|pos| at(*pos)).collect();
            assert_eq!(
                came(&[(OURS, message)], &[checkpoint(after, after)]),
                expected,
                "{positions:?} after {after}"
            );
        }
        let mut asked = batch(&[(OURS, vec![at(1)])]);
        asked.up_to = Position(2);
        assert_eq!(asked.came_after(&checkpoint(0, 0), &[]), Came::Missing);
    }

    #[test]
    fn given_an_event_that_follows_another_than_the_checkpoints_then_it_is_foreign() {
        let ours = [checkpoint(4, 4)];
        assert_eq!(came(&[(OURS, vec![at(5), at(6)])], &ours), Ok(2));
        assert_eq!(
            came(&[(OURS, vec![event(5, 95, Some(94)), event(6, 96, Some(95))])], &ours),
            Err(Came::Foreign)
        );
        // Nothing said, as by an older writer: not believed.
        assert_eq!(came(&[(OURS, vec![event(5, 5, None), at(6)])], &ours), Err(Came::Missing));
        // In the middle of what came: two messages, each whole in itself.
        assert_eq!(
            came(&[(OURS, vec![at(5)]), (OURS, vec![event(6, 96, Some(95))])], &ours),
            Err(Came::Foreign)
        );
        assert_eq!(came(&[(OURS, vec![at(5)]), (OURS, vec![event(6, 96, None)])], &ours), Err(Came::Missing));
        // At the first position nothing stands before.
        assert_eq!(came(&[(OURS, vec![event(1, 91, Some(90))])], &[checkpoint(0, 0)]), Err(Came::Foreign));
    }

    #[test]
    fn given_another_event_at_a_checkpoints_position_then_it_is_foreign_even_if_nothing_is_new() {
        assert_eq!(came(&[(OURS, vec![at(4)])], &[checkpoint(4, 4)]), Ok(0));
        assert_eq!(came(&[(OURS, vec![event(4, 94, Some(3))])], &[checkpoint(4, 4)]), Err(Came::Foreign));
        // Of two generations the one that is further.
        let both = |further| [checkpoint(4, 4), Checkpoint { generation: 2, ..checkpoint(6, further) }];
        let message = || vec![at(5), at(6), at(7)];
        assert_eq!(came(&[(OURS, message())], &both(6)), Ok(3));
        assert_eq!(came(&[(OURS, message())], &both(96)), Err(Came::Foreign));
    }

    #[test]
    fn given_a_message_of_another_epoch_then_it_is_foreign() {
        assert_eq!(came(&[(OTHER, vec![at(5)])], &[checkpoint(4, 4)]), Err(Came::Foreign));
        assert_eq!(came(&[(OTHER, vec![at(1)])], &[checkpoint(0, 0)]), Err(Came::Foreign));
        assert_eq!(came(&[(OTHER, vec![at(4)])], &[checkpoint(4, 4)]), Err(Came::Foreign));
        assert_eq!(
            came(&[(OURS, vec![at(5)]), (OTHER, vec![at(6)])], &[checkpoint(4, 4)]),
            Err(Came::Foreign)
        );
        // The same event of both: the last that came counts, and it is of ours.
        assert_eq!(came(&[(OTHER, vec![at(5)]), (OURS, vec![at(5)])], &[checkpoint(4, 4)]), Ok(1));
    }
}
