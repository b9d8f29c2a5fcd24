//! Whether meta was made from this log: the comparison that the projector makes too.

use domain::{Epoch, EventId, Position};
use meta::Checkpoint;
use primary::{LogRange, PartStatus, Pulled};

/// What comparing checkpoints with the log came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// The log has each checkpoint's event at its place, and goes on from there.
    SameLog,
    /// It has not: where, and what it has.
    OtherLog(String),
    /// It has, but nothing after it, though its head is past it.
    LogBroken(String),
}

/// What has to be read of the log for it: of each part the event at the checkpoint and the one after it.
pub(super) fn ranges(checkpoints: &[Checkpoint]) -> Vec<LogRange> {
    checkpoints.iter().map(|c| LogRange { part: c.part, after: c.pos, events_max: 1 }).collect()
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
        let goes_on = log.events.iter().any(|e| e.part == part && e.pos == pos.next());
        if !goes_on && heads.iter().any(|h| h.part == part && h.head > pos) {
            let missing = pos.next();
            return Origin::LogBroken(format!(
                "the log has no event at position {missing} of part {part}, though its head is past it"
            ));
        }
    }
    Origin::SameLog
}

fn event(id: Option<EventId>, epoch: Epoch) -> String {
    match id {
        Some(id) => format!("event {id} of log {epoch}"),
        None => format!("no event of log {epoch}"),
    }
}
