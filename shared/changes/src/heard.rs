//! What was heard lately, and who waits to hear more.

use crate::memory::Memory;
use contract::{ChangeNotice, Store};
use domain::{ProductId, Version};
use std::collections::HashMap;
use std::time::Instant;
use tokio::sync::oneshot;

type Key = (Store, ProductId);

/// What was heard, and who waits for more.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    memory: Memory,
    waiting: HashMap<Key, Vec<Waiter>>,
    next_waiter: u64,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    version: Version,
    told: oneshot::Sender<()>,
}

/// Somebody's place among those who wait.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) key: Key,
    pub(crate) number: u64,
}

impl Heard {
    /// Takes in a notice, and tells those who waited for it.
    pub(crate) fn hear(&mut self, notice: &ChangeNotice, now: Instant) {
        self.memory.hear(notice, now);
        for (product_id, version) in &notice.changes {
            self.tell((notice.store, *product_id), *version);
        }
    }

    fn tell(&mut self, key: Key, version: Version) {
        let Some(waiters) = self.waiting.get_mut(&key) else { return };
        for waiter in waiters.extract_if(.., |waiter| waiter.version <= version) {
            // Nobody there any more: no matter.
            let _ = waiter.told.send(());
        }
        if waiters.is_empty() {
            self.waiting.remove(&key);
        }
    }

    /// Begins to wait for a version; `None` when it, or a later one, was heard already.
    pub(crate) fn wait(&mut self, key: Key, version: Version) -> Option<(Ticket, oneshot::Receiver<()>)> {
        if self.memory.version(key.0, key.1).is_some_and(|heard| heard >= version) {
            return None;
        }
        let (told, receiver) = oneshot::channel();
        let number = self.next_waiter;
        self.next_waiter += 1;
        self.waiting.entry(key).or_default().push(Waiter { number, version, told });
        Some((Ticket { key, number }, receiver))
    }

    /// Gives a place up.
    pub(crate) fn leave(&mut self, ticket: &Ticket) {
        if let Some(waiters) = self.waiting.get_mut(&ticket.key) {
            waiters.retain(|waiter| waiter.number != ticket.number);
            if waiters.is_empty() {
                self.waiting.remove(&ticket.key);
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::tests::{notice, product};

    #[test]
    fn a_wait_ends_with_its_version_or_a_later_one() {
        let mut heard = Heard::default();
        let now = Instant::now();
        let key = (Store::Meta, product(5));
        let (_, mut third) = heard.wait(key, Version(3)).unwrap();
        let (_, mut fifth) = heard.wait(key, Version(5)).unwrap();
        heard.hear(&notice(6, 9), now);
        heard.hear(&notice(5, 2), now);
        assert!(third.try_recv().is_err() && fifth.try_recv().is_err());
        heard.hear(&notice(5, 4), now);
        assert!(third.try_recv().is_ok() && fifth.try_recv().is_err());
        // A notice that comes late takes nothing back.
        heard.hear(&notice(5, 1), now);
        assert!(heard.wait(key, Version(4)).is_none());
        assert!(heard.wait((Store::Primary, product(5)), Version(1)).is_some());
        heard.hear(&notice(5, 5), now);
        assert!(fifth.try_recv().is_ok());
    }

    #[test]
    fn whoever_gives_up_leaves_nothing_behind() {
        let mut heard = Heard::default();
        let key = (Store::Meta, product(5));
        let (first, _receiver) = heard.wait(key, Version(1)).unwrap();
        let (second, mut receiver) = heard.wait(key, Version(1)).unwrap();
        heard.leave(&first);
        heard.hear(&notice(5, 1), Instant::now());
        assert!(receiver.try_recv().is_ok());
        heard.leave(&second);
        assert!(heard.is_empty());
    }
}
