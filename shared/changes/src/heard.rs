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
    told: oneshot::Sender<bool>,
}

/// Whether there is anything to wait for.
#[derive(Debug)]
pub(crate) enum Wait {
    /// It was heard already; `shown` unless its product stands still before it.
    Heard { shown: bool },
    /// Whether it is shown is told when it is heard.
    Begun(Ticket, oneshot::Receiver<bool>),
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
            let shown = !notice.standing_still.contains(product_id);
            self.tell((notice.store, *product_id), *version, shown);
        }
    }

    fn tell(&mut self, key: Key, version: Version, shown: bool) {
        let Some(waiters) = self.waiting.get_mut(&key) else { return };
        for waiter in waiters.extract_if(.., |waiter| waiter.version <= version) {
            // Nobody there any more: no matter.
            let _ = waiter.told.send(shown);
        }
        if waiters.is_empty() {
            self.waiting.remove(&key);
        }
    }

    /// Begins to wait for a version, unless it, or a later one, was heard already.
    pub(crate) fn wait(&mut self, key: Key, version: Version) -> Wait {
        if self.memory.version(key.0, key.1).is_some_and(|heard| heard >= version) {
            return Wait::Heard { shown: self.memory.is_shown(key.0, key.1) };
        }
        let (told, receiver) = oneshot::channel();
        let number = self.next_waiter;
        self.next_waiter += 1;
        self.waiting.entry(key).or_default().push(Waiter { number, version, told });
        Wait::Begun(Ticket { key, number }, receiver)
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

    fn begun(heard: &mut Heard, key: Key, version: i64) -> (Ticket, oneshot::Receiver<bool>) {
        match heard.wait(key, Version(version)) {
            Wait::Begun(ticket, told) => (ticket, told),
            Wait::Heard { shown } => panic!("version {version} was heard already: {shown}"),
        }
    }

    #[test]
    fn a_wait_ends_with_its_version_or_a_later_one() {
        let mut heard = Heard::default();
        let now = Instant::now();
        let key = (Store::Meta, product(5));
        let (_, mut third) = begun(&mut heard, key, 3);
        let (_, mut fifth) = begun(&mut heard, key, 5);
        heard.hear(&notice(6, 9), now);
        heard.hear(&notice(5, 2), now);
        assert!(third.try_recv().is_err() && fifth.try_recv().is_err());
        heard.hear(&notice(5, 4), now);
        assert!(third.try_recv().is_ok() && fifth.try_recv().is_err());
        // A notice that comes late takes nothing back.
        heard.hear(&notice(5, 1), now);
        assert!(matches!(heard.wait(key, Version(4)), Wait::Heard { shown: true }));
        begun(&mut heard, (Store::Primary, product(5)), 1);
        heard.hear(&notice(5, 5), now);
        assert_eq!(fifth.try_recv(), Ok(true));
    }

    #[test]
    fn a_wait_for_a_product_that_stands_still_ends_and_says_so() {
        let standing = |version| ChangeNotice { standing_still: vec![product(5)], ..notice(5, version) };
        let (mut heard, now) = (Heard::default(), Instant::now());
        let key = (Store::Meta, product(5));
        let (_, mut waiting) = begun(&mut heard, key, 3);
        heard.hear(&standing(3), now);
        assert_eq!(waiting.try_recv(), Ok(false));
        assert!(matches!(heard.wait(key, Version(3)), Wait::Heard { shown: false }));
        // It was redriven, and goes on.
        heard.hear(&notice(5, 4), now);
        assert!(matches!(heard.wait(key, Version(3)), Wait::Heard { shown: true }));
    }

    #[test]
    fn whoever_gives_up_leaves_nothing_behind() {
        let mut heard = Heard::default();
        let key = (Store::Meta, product(5));
        let (first, _receiver) = begun(&mut heard, key, 1);
        let (second, mut receiver) = begun(&mut heard, key, 1);
        heard.leave(&first);
        heard.hear(&notice(5, 1), Instant::now());
        assert!(receiver.try_recv().is_ok());
        heard.leave(&second);
        assert!(heard.is_empty());
    }
}
