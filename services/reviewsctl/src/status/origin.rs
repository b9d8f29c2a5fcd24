//! Whether meta was made from this log: the comparison that the projector makes too.

use domain::{Epoch, EventId, Part, Position};
use meta::Checkpoint;
use primary::{LogRange, PartStatus, Pulled};

/// Events after a checkpoint that are looked through for a hole: as many as the projector folds at once, or more.
const EVENTS_MAX: i64 = 8_192;

/// What comparing checkpoints with the log came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// The log has each checkpoint's event at its place, and goes on from there.
    SameLog,
    /// It has not: where, and what it has.
    OtherLog(String),
    /// It has not, but it has those of the generation before it: so it is the generation that is not right.
    DamagedGeneration(String),
    /// It has, but has a hole after it, though its head is past it.
    LogBroken(String),
}

/// What has to be read of the log for it: of each part the event at the checkpoint.
pub(crate) fn ranges(checkpoints: &[Checkpoint]) -> Vec<LogRange> {
    checkpoints.iter().map(|c| LogRange { part: c.part, after: c.pos, events_max: 0 }).collect()
}

/// Where a checkpoint is not of this log; `None` when all are.
pub(crate) fn other_log(checkpoints: &[Checkpoint], log: &Pulled) -> Option<String> {
    checkpoints.iter().find_map(|checkpoint| {
        let Checkpoint { part, pos, epoch, event_id, .. } = *checkpoint;
        let there = log.before.iter().find(|(p, at, _)| *p == part && *at == pos).map(|(.., id)| *id);
        (epoch != log.epoch || pos != Position(0) && there != event_id).then(|| {
            let (ours, theirs) = (event(event_id, epoch), event(there, log.epoch));
            format!("part {part} stands at position {pos}, {ours}, where the log has {theirs}")
        })
    })
}

/// Where a hole may be that the projector meets: what comes after each checkpoint.
pub(super) fn ahead(checkpoints: &[Checkpoint], heads: &[PartStatus]) -> Vec<(Part, Position, Position)> {
    let ahead = checkpoints.iter().filter_map(|c| {
        let head = heads.iter().find(|head| head.part == c.part)?.head;
        let up_to = head.0.min(c.pos.0.saturating_add(EVENTS_MAX));
        (up_to > c.pos.0).then_some((c.part, c.pos, Position(up_to)))
    });
    ahead.collect()
}

/// What a hole means.
pub(super) fn broken((part, pos): (Part, Position)) -> Origin {
    Origin::LogBroken(format!(
        "the log has no event at position {pos} of part {part}, though its head is past it"
    ))
}

fn event(id: Option<EventId>, epoch: Epoch) -> String {
    match id {
        Some(id) => format!("event {id} of log {epoch}"),
        None => format!("no event of log {epoch}"),
    }
}
