//! The broker in memory, which does its worst.

use crate::dice::Dice;
use domain::{Epoch, EventId, LinkedEvent};
use std::collections::BTreeMap;

/// Messages of a queue at most; past it the broker refuses.
const QUEUE_MESSAGES_MAX: usize = 5;

/// A message, as it lies in a queue.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) epoch: Epoch,
    pub(crate) events: Vec<LinkedEvent>,
}

#[derive(Default)]
pub(crate) struct Broker {
    queues: BTreeMap<String, Vec<Message>>,
}

impl Broker {
    /// Takes a message, or refuses it.
    pub(crate) fn publish(&mut self, queue: String, message: Message) -> bool {
        let queue = self.queues.entry(queue).or_default();
        let takes = queue.len() < QUEUE_MESSAGES_MAX;
        if takes {
            queue.push(message);
        }
        takes
    }

    /// A queue with something in it.
    fn some(&mut self, dice: &mut Dice) -> Option<&mut Vec<Message>> {
        let mut full: Vec<&mut Vec<Message>> =
            self.queues.values_mut().filter(|queue| !queue.is_empty()).collect();
        if full.is_empty() { None } else { Some(full.swap_remove(dice.below(full.len()))) }
    }

    /// The first messages of a queue, which stay until they are acknowledged.
    pub(crate) fn deliver(&mut self, dice: &mut Dice) -> Option<(String, Vec<Message>)> {
        let full: Vec<&String> =
            self.queues.iter().filter(|(_, queue)| !queue.is_empty()).map(|(name, _)| name).collect();
        let name = if full.is_empty() { return None } else { full[dice.below(full.len())].clone() };
        let count = dice.below(4) + 1;
        let first = self.queues[&name].iter().take(count).cloned().collect();
        Some((name, first))
    }

    pub(crate) fn acknowledge(&mut self, queue: &str, count: usize) {
        self.queues.get_mut(queue).unwrap().drain(..count);
    }

    pub(crate) fn lose(&mut self, dice: &mut Dice) -> bool {
        let Some(queue) = self.some(dice) else { return false };
        let at = dice.below(queue.len());
        queue.remove(at);
        true
    }

    pub(crate) fn repeat(&mut self, dice: &mut Dice) -> bool {
        let Some(queue) = self.some(dice) else { return false };
        let again = queue[dice.below(queue.len())].clone();
        let at = dice.below(queue.len() + 1);
        queue.insert(at, again);
        true
    }

    pub(crate) fn reorder(&mut self, dice: &mut Dice) -> bool {
        let Some(queue) = self.some(dice).filter(|queue| queue.len() > 1) else { return false };
        let (one, other) = (dice.below(queue.len()), dice.below(queue.len()));
        queue.swap(one, other);
        one != other
    }

    /// A message loses an event in its middle, as one of a part that was written by hand.
    pub(crate) fn tear(&mut self, dice: &mut Dice) -> bool {
        let Some(queue) = self.some(dice) else { return false };
        let at = dice.below(queue.len());
        if queue[at].events.len() < 2 {
            return false;
        }
        let torn = dice.below(queue[at].events.len());
        queue[at].events.remove(torn);
        true
    }

    /// A message turns out to be of another log: one that was there before a restore.
    pub(crate) fn make_foreign(&mut self, dice: &mut Dice) -> bool {
        let Some(queue) = self.some(dice) else { return false };
        let at = dice.below(queue.len());
        let message = &mut queue[at];
        // Nothing stands before a part's first event: only the epoch tells two of them apart.
        if dice.one_in(2) || message.events.iter().any(|linked| linked.previous.is_none()) {
            message.epoch = Epoch::from_u128(2);
        }
        for linked in &mut message.events {
            linked.event.event_id = EventId::from_u128(linked.event.event_id.as_u128() + (1 << 64));
            linked.event.payload = r#"{"review_id":1,"rating":1,"recommend":false}"#.to_owned();
            linked.previous = linked.previous.map(|id| EventId::from_u128(id.as_u128() + (1 << 64)));
        }
        true
    }

    pub(crate) fn wipe(&mut self) {
        self.queues.clear();
    }
}
