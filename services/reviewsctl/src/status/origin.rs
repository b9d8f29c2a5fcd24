//! Whether meta was made from this log: the comparison that the projector makes too.

use domain::{Epoch, EventId, Position};
use meta::Checkpoint;
use primary::{LogRange, PartStatus, Pulled};

/// Events after a checkpoint that are looked through for a hole. The projector folds a range as one, so that one further
/// on holds up what is before it. Its ranges may be longer: a hole that is further away is not seen here.
const EVENTS_MAX: i64 = 200;

/// What comparing checkpoints with the log came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// The log has each checkpoint's event at its place, and goes on from there.
    SameLog,
    /// It has not: where, and what it has.
    OtherLog(String),
    /// It has, but has a hole after it, though its head is past it.
    LogBroken(String),
}

/// What has to be read of the log for it: of each part the event at the checkpoint and those after it.
pub(super) fn ranges(checkpoints: &[Checkpoint]) -> Vec<LogRange> {
    checkpoints.iter().map(|c| LogRange { part: c.part, after: c.pos, events_max: EVENTS_MAX }).collect()
}

/// Compares. The heads must have been read before the ranges.
pub(super) fn compare(checkpoints: &[Checkpoint], heads: &[PartStatus], log: &Pulled) -> Origin {
    for checkpoint in checkpoints {
        let Checkpoint { part, pos, epoch, event_id, .. } = *checkpoint;
        let there = log.before.iter().find(|(p, at, _)| *p == part && *at == pos).map(|(.., id)| *id);
        if epoch != log.epoch || pos != Position(0) && there != event_id {
            let (ours, theirs) = (event(event_id, epoch), event(there, log.epoch));
            return Origin::OtherLog(format!(
                "part {part} stands at position {pos}, {ours}, where the log has {theirs}"
            ));
        }
        let head = heads.iter().find(|h| h.part == part).map_or(pos, |h| h.head);
        let found = log.events.iter().filter(|e| e.part == part).map(|e| e.pos);
        if let Some(missing) = hole(pos, head, found.collect()) {
            return Origin::LogBroken(format!(
                "the log has no event at position {missing} of part {part}, though its head is past it"
            ));
        }
    }
    Origin::SameLog
}

/// The first position that is missing among those found after `pos`, as far as was looked.
fn hole(pos: Position, head: Position, mut found: Vec<Position>) -> Option<Position> {
    found.sort_unstable();
    let looked_to = head.0.min(pos.0.saturating_add(EVENTS_MAX));
    (pos.0 + 1..=looked_to)
        .map(Position)
        .zip(found.into_iter().map(Some).chain(std::iter::repeat(None)))
        .find_map(|(expected, there)| (there != Some(expected)).then_some(expected))
}

fn event(id: Option<EventId>, epoch: Epoch) -> String {
    match id {
        Some(id) => format!("event {id} of log {epoch}"),
        None => format!("no event of log {epoch}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_found_as_far_as_is_looked() {
        let hole = |pos: i64, head: i64, found: &[i64]| {
            let found = found.iter().rev().copied().map(Position).collect();
            hole(Position(pos), Position(head), found).map(|missing| missing.0)
        };
        assert_eq!(hole(5, 5, &[]), None, "nothing comes after it");
        assert_eq!(hole(5, 5, &[6, 7]), None, "what came after the head was read");
        assert_eq!(hole(5, 7, &[6, 7]), None);
        assert_eq!(hole(5, 7, &[7]), Some(6));
        assert_eq!(hole(5, 8, &[6, 8]), Some(7));
        assert_eq!(hole(5, 8, &[6, 7]), Some(8));
        let all: Vec<i64> = (6..6 + EVENTS_MAX).collect();
        assert_eq!(hole(5, 10_000, &all), None, "further than was looked");
    }
}
