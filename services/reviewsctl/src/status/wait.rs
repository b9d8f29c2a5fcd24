//! Waiting until meta has caught up.

use super::{Progress, Stores};
use crate::{progress, say};
use anyhow::bail;
use chrono::{DateTime, Utc};
use domain::Position;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Time between two lines where there is no terminal for a bar.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// Returns when meta's active generation has every event that was committed before the call.
pub(super) async fn wait(stores: &Stores, timeout: Duration) -> anyhow::Result<()> {
    let deadline = Instant::now() + timeout;
    let began = stores.clock().await?;
    let mut target = Target { began, positions: Vec::new() };
    let bar = progress::items("applying", "events", 0);
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let (lines, mut line_at) = (!std::io::stderr().is_terminal(), Instant::now());
    loop {
        looks.tick().await;
        // A store that is away may come back in time.
        let left = match stores.progress().await {
            Ok(progress) => target.left(&progress),
            Err(error) => Left::Unknown(format!("{error:#}")),
        };
        match &left {
            Left::Events { done, all } if done == all => break,
            Left::Events { done, all } => {
                bar.set_length(*all);
                bar.set_position(*done);
            }
            Left::Unknown(_) => {}
        }
        if lines && line_at.elapsed() >= LINE_EVERY {
            say::note(format_args!("waiting     {left}"));
            line_at = Instant::now();
        }
        if Instant::now() >= deadline {
            bar.finish_and_clear();
            bail!("meta has not caught up within {} s: {left}", timeout.as_secs());
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// How much is missing.
enum Left {
    Events { done: u64, all: u64 },
    Unknown(String),
}

impl std::fmt::Display for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Events { done, all } => {
                write!(
                    f,
                    "{} of {all} events are missing: `reviewsctl status` says what holds them up",
                    all - done
                )
            }
            Self::Unknown(why) => f.write_str(why),
        }
    }
}

/// What meta has to reach.
struct Target {
    /// When the call began, by the primary's clock.
    began: DateTime<Utc>,
    /// By part, once every event from before the call has a position.
    positions: Vec<Option<Position>>,
}

impl Target {
    fn left(&mut self, progress: &Progress) -> Left {
        self.positions.resize(progress.parts.len(), None);
        let Some(applied) = &progress.applied else {
            return Left::Unknown("no generation of it answers: `reviewsctl status` says more".to_owned());
        };
        let (mut done, mut all, mut unsequenced) = (0, 0, 0);
        for ((part, applied), target) in progress.parts.iter().zip(applied).zip(&mut self.positions) {
            // The oldest of the outbox is at least as old as this.
            let waits = part.unsequenced > 0 && part.oldest_behind.is_some_and(|at| at <= self.began);
            if target.is_none() && !waits {
                *target = Some(part.head);
            }
            let goal = target.unwrap_or(Position(part.head.0 + part.unsequenced));
            unsequenced += u64::from(target.is_none());
            done += applied.0.min(goal.0).unsigned_abs();
            all += goal.0.unsigned_abs();
        }
        // A part that still waits for positions is not done, whatever its head says.
        Left::Events { done, all: all + unsequenced }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use domain::log_parts;

    fn progress(head: i64, unsequenced: i64, oldest: Option<DateTime<Utc>>, applied: i64) -> Progress {
        let part = log_parts().next().unwrap();
        let status = primary::PartStatus {
            part,
            head: Position(head),
            published: Position(0),
            unsequenced,
            oldest_behind: oldest,
            oldest_age: None,
        };
        Progress { parts: vec![status], applied: Some(vec![Position(applied)]) }
    }

    fn counts(left: &Left) -> (u64, u64) {
        match left {
            Left::Events { done, all } => (*done, *all),
            Left::Unknown(why) => panic!("{why}"),
        }
    }

    #[test]
    fn events_committed_after_the_call_are_not_waited_for() {
        let began = Utc::now();
        let (before, after) = (began - TimeDelta::seconds(1), began + TimeDelta::seconds(1));
        let mut target = Target { began, positions: Vec::new() };
        // Three in the outbox from before: the head is not yet the goal.
        assert_eq!(counts(&target.left(&progress(5, 3, Some(before), 5))), (5, 9));
        // They have positions now, among newer ones.
        assert_eq!(counts(&target.left(&progress(9, 2, Some(after), 5))), (5, 9));
        // The goal stays, however far the head goes on.
        assert_eq!(counts(&target.left(&progress(50, 7, Some(after), 9))), (9, 9));
    }

    #[test]
    fn without_a_generation_nothing_is_known() {
        let mut target = Target { began: Utc::now(), positions: Vec::new() };
        let left = target.left(&Progress { applied: None, ..progress(1, 0, None, 0) });
        assert_eq!(left.to_string(), "no generation of it answers: `reviewsctl status` says more");
    }
}
