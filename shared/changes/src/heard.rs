//! What was heard lately, and who waits to hear more.

use contract::{ChangeNotice, Store};
use domain::{ProductId, Version};
use std::collections::HashMap;
use std::mem;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long what was heard is remembered at least: whoever begins to wait later than a change by less
/// than this still learns of it.
const REMEMBERED: Duration = Duration::from_secs(5);
/// Products remembered at most, twice: past it what is older goes early.
const REMEMBERED_PRODUCTS_MAX: usize = 100_000;

type Key = (Store, ProductId);

/// What was heard, forgotten in two steps so that forgetting costs nothing.
#[derive(Debug)]
pub(crate) struct Heard {
    recent: HashMap<Key, Version>,
    older: HashMap<Key, Version>,
    since: Instant,
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
    pub(crate) fn new() -> Self {
        Heard {
            recent: HashMap::new(),
            older: HashMap::new(),
            since: Instant::now(),
            waiting: HashMap::new(),
            next_waiter: 0,
        }
    }

    /// Takes in a notice, and tells those who waited for it.
    pub(crate) fn hear(&mut self, notice: &ChangeNotice, now: Instant) {
        if now.duration_since(self.since) >= REMEMBERED || self.recent.len() >= REMEMBERED_PRODUCTS_MAX {
            self.older = mem::take(&mut self.recent);
            self.since = now;
        }
        for (product_id, version) in &notice.changes {
            let key = (notice.store, *product_id);
            let highest = self.recent.entry(key).or_insert(*version);
            *highest = (*version).max(*highest);
            self.tell(key, *version);
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
        let heard = self.recent.get(&key).max(self.older.get(&key));
        if heard.is_some_and(|heard| *heard >= version) {
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

    fn product(id: i64) -> ProductId {
        id.try_into().unwrap()
    }

    fn notice(id: i64, version: i64) -> ChangeNotice {
        ChangeNotice { store: Store::Meta, changes: vec![(product(id), Version(version))] }
    }

    #[test]
    fn a_wait_ends_with_its_version_or_a_later_one() {
        let mut heard = Heard::new();
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
    fn what_was_heard_is_remembered_for_a_while_and_not_for_ever() {
        let mut heard = Heard::new();
        let key = (Store::Meta, product(5));
        let begin = Instant::now();
        heard.hear(&notice(5, 7), begin);
        heard.hear(&notice(6, 1), begin + REMEMBERED);
        assert!(heard.wait(key, Version(7)).is_none());
        heard.hear(&notice(6, 2), begin + REMEMBERED * 2);
        assert!(heard.wait(key, Version(7)).is_some());
    }

    #[test]
    fn whoever_gives_up_leaves_nothing_behind() {
        let mut heard = Heard::new();
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
