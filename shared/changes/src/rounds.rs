//! Notices on their way round: a change shows when every reader has thrown away what it makes old.

use contract::{ChangeNotice, Origin, Receipt};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// A reader that has sent nothing for so long is not waited for: it sends a receipt for each announcer's sign of life.
const READER_SILENCE_MAX: Duration = Duration::from_secs(3);
/// Notices of one announcer that wait for receipts at most; past it the oldest counts as taken in.
const NOTICES_WAITING_MAX: usize = 10_000;
/// Readers remembered at most; past it a new one is not waited for.
const READERS_MAX: usize = 1_000;

/// Notices that readers have not all taken in.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    readers: HashMap<Uuid, Reader>,
    /// By announcer, in order of their numbers.
    waiting: HashMap<Uuid, VecDeque<(u64, ChangeNotice)>>,
}

#[derive(Debug)]
struct Reader {
    seen: Instant,
    taken_in: HashMap<Uuid, u64>,
}

impl Rounds {
    /// Takes in a notice. Returns those that have been all the way round by now.
    pub(crate) fn notice(&mut self, notice: ChangeNotice, now: Instant) -> Vec<ChangeNotice> {
        self.readers.retain(|_, reader| now.duration_since(reader.seen) < READER_SILENCE_MAX);
        match notice.origin {
            // One that readers hear of as others do: nothing more is known of it.
            Some(Origin { receipt: false, .. }) | None => {
                let mut round = self.round();
                round.push(notice);
                return round;
            }
            Some(Origin { announcer, number, .. }) => {
                self.waiting.entry(announcer).or_default().push_back((number, notice));
            }
        }
        self.round()
    }

    /// Takes in a receipt. Returns the notices that have been all the way round by now.
    pub(crate) fn receipt(&mut self, receipt: Receipt, now: Instant) -> Vec<ChangeNotice> {
        if receipt.leaves {
            self.readers.remove(&receipt.reader);
            return self.round();
        }
        if self.readers.len() >= READERS_MAX && !self.readers.contains_key(&receipt.reader) {
            return Vec::new();
        }
        let reader = self
            .readers
            .entry(receipt.reader)
            .or_insert_with(|| Reader { seen: now, taken_in: HashMap::new() });
        reader.seen = now;
        for (announcer, number) in receipt.taken_in {
            let last = reader.taken_in.entry(announcer).or_insert(number);
            *last = number.max(*last);
        }
        self.round()
    }

    fn round(&mut self) -> Vec<ChangeNotice> {
        let mut round = Vec::new();
        for (announcer, waiting) in &mut self.waiting {
            let by_all = self.readers.values().map(|reader| reader.taken_in.get(announcer).copied()).min();
            // Where there are no readers, nobody keeps anything.
            let by_all = by_all.unwrap_or(Some(u64::MAX)).unwrap_or(0);
            while let Some((number, _)) = waiting.front()
                && (*number <= by_all || waiting.len() > NOTICES_WAITING_MAX)
            {
                round.extend(waiting.pop_front().map(|(_, notice)| notice));
            }
        }
        self.waiting.retain(|_, waiting| !waiting.is_empty());
        round
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::Store;
    use domain::{ProductId, Version};

    const A: Uuid = Uuid::from_u128(1);
    const B: Uuid = Uuid::from_u128(2);
    const READER: Uuid = Uuid::from_u128(11);
    const OTHER: Uuid = Uuid::from_u128(12);

    fn notice(announcer: Uuid, number: u64) -> ChangeNotice {
        let changes = vec![(ProductId::try_from(5).unwrap(), Version(1))];
        let origin = Some(Origin { announcer, number, receipt: true });
        ChangeNotice { origin, ..ChangeNotice::of(Store::Primary, changes) }
    }

    fn receipt(reader: Uuid, announcer: Uuid, number: u64) -> Receipt {
        Receipt { reader, taken_in: vec![(announcer, number)], leaves: false }
    }

    #[test]
    fn without_readers_nothing_is_waited_for() {
        let mut rounds = Rounds::default();
        assert_eq!(rounds.notice(notice(A, 1), Instant::now()), [notice(A, 1)]);
    }

    #[test]
    fn a_notice_is_round_when_every_reader_has_taken_it_in() {
        let (mut rounds, now) = (Rounds::default(), Instant::now());
        assert!(rounds.receipt(receipt(READER, A, 1), now).is_empty());
        assert!(rounds.receipt(receipt(OTHER, A, 1), now).is_empty());
        assert!(rounds.notice(notice(A, 2), now).is_empty());
        assert!(rounds.notice(notice(A, 3), now).is_empty());
        assert!(rounds.receipt(receipt(READER, A, 3), now).is_empty());
        assert_eq!(rounds.receipt(receipt(OTHER, A, 2), now), [notice(A, 2)]);
        assert!(rounds.receipt(receipt(OTHER, B, 9), now).is_empty(), "another's");
        assert!(rounds.receipt(receipt(READER, A, 2), now).is_empty(), "an older receipt takes nothing back");
        assert_eq!(rounds.receipt(receipt(OTHER, A, 7), now), [notice(A, 3)]);
        assert_eq!(rounds.notice(notice(A, 4), now), [], "READER has not");
    }

    #[test]
    fn a_notice_that_nobody_waits_for_passes() {
        let (mut rounds, now) = (Rounds::default(), Instant::now());
        rounds.receipt(receipt(READER, A, 1), now);
        let mut by_the_way = notice(A, 2);
        by_the_way.origin = Some(Origin { announcer: A, number: 2, receipt: false });
        assert_eq!(rounds.notice(by_the_way.clone(), now), [by_the_way]);
        let old = ChangeNotice { origin: None, ..notice(A, 3) };
        assert_eq!(rounds.notice(old.clone(), now), [old]);
    }

    #[test]
    fn a_reader_that_is_gone_is_not_waited_for() {
        let (mut rounds, now) = (Rounds::default(), Instant::now());
        rounds.receipt(receipt(READER, A, 1), now);
        rounds.receipt(receipt(OTHER, A, 1), now);
        assert!(rounds.notice(notice(A, 2), now).is_empty());
        let later = now + READER_SILENCE_MAX;
        rounds.receipt(receipt(READER, A, 2), later);
        let round = rounds.notice(notice(A, 3), later);
        assert_eq!(round, [notice(A, 2)], "READER has it, and OTHER is gone");
        assert_eq!(rounds.readers.len(), 1);
    }

    #[test]
    fn a_reader_that_leaves_is_not_waited_for() {
        let (mut rounds, now) = (Rounds::default(), Instant::now());
        rounds.receipt(receipt(READER, A, 1), now);
        rounds.receipt(receipt(OTHER, A, 1), now);
        assert!(rounds.notice(notice(A, 2), now).is_empty());
        assert!(rounds.receipt(receipt(READER, A, 2), now).is_empty());
        let goodbye = Receipt { leaves: true, ..receipt(OTHER, A, 1) };
        assert_eq!(rounds.receipt(goodbye, now), [notice(A, 2)]);
    }

    #[test]
    fn what_waits_is_bounded() {
        let (mut rounds, now) = (Rounds::default(), Instant::now());
        rounds.receipt(receipt(READER, A, 1), now);
        let notices = u64::try_from(NOTICES_WAITING_MAX).unwrap();
        assert!((2..notices + 2).all(|number| rounds.notice(notice(A, number), now).is_empty()));
        assert_eq!(rounds.notice(notice(A, notices + 2), now), [notice(A, 2)]);
    }
}
