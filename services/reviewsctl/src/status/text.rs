//! The status, as text.

use super::report::{
    Alarm, Canary, Invalid, LagPart, Log, OriginFound, Parked, Projection, Queue, Report, Snapshots, Writers,
};
use super::state::State;
use crate::generations::surplus_line;
use crate::store::Place;
use replay::counted;
use std::cmp::Ordering;
use std::fmt;

/// First what it comes to, then one line for each thing, and a line for each part that is behind.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.verdict(f)?;
        below(f)?;
        self.log.line(f, "log", |f, log| {
            let Log { head, unsequenced, unpublished, .. } = log;
            write!(
                f,
                "{}, {unsequenced} without a position, {unpublished} not published",
                counted(*head, "event")
            )
        })?;
        below(f)?;
        self.projection.line(f, "projection", |f, projection| match projection {
            None => write!(f, "no generation answers"),
            Some(Projection {
                generation,
                projection_version: version,
                program_version,
                surplus,
                invalid,
                parts,
            }) => {
                let applied: i64 = parts.iter().map(|p| p.applied).sum();
                let than_ours = match version.cmp(program_version) {
                    Ordering::Less => format!(", older than this program's {program_version}"),
                    Ordering::Equal => String::new(),
                    Ordering::Greater => format!(", newer than this program's {program_version}"),
                };
                let applied = counted(applied, "event");
                write!(f, "generation {generation} (version {version}{than_ours}), {applied} applied")?;
                for Invalid { generation, because } in invalid.iter().flatten() {
                    write!(f, "\n{:<12}generation {generation} is left out: {because}", "")?;
                }
                match surplus.as_deref().and_then(surplus_line) {
                    Some(line) => write!(f, "\n{:<12}{line}", ""),
                    None => Ok(()),
                }
            }
        })?;
        below(f)?;
        self.origin.line(f, "origin", |f, origin| match origin {
            None => write!(f, "no generation answers"),
            Some(OriginFound { why: None, .. }) => write!(f, "meta was made from this log"),
            Some(OriginFound { why: Some(why), .. }) => f.write_str(why),
        })?;
        below(f)?;
        self.lag.line(f, "lag", |f, lag| {
            write!(f, "{}{}", counted(lag.events, "event"), oldest(lag.oldest_seconds))?;
            for LagPart { part, events, oldest_seconds } in lag.parts.iter().filter(|p| p.events > 0) {
                let events = counted(*events, "event");
                write!(f, "\n{:<12}part {part}: {events}{}", "", oldest(*oldest_seconds))?;
            }
            Ok(())
        })?;
        let canary = |f: &mut fmt::Formatter<'_>, Canary { beat, age_seconds }: &Canary| {
            write!(f, "beat {beat}, {age_seconds:.1} s ago")
        };
        below(f)?;
        self.canary.primary.line(f, "canary", canary)?;
        below(f)?;
        self.canary.meta.line(f, "", canary)?;
        below(f)?;
        self.writers.line(f, "writers", writers)?;
        below(f)?;
        self.parked.line(f, "parked", |f, parked| {
            f.write_str(&counted(parked.len(), "product"))?;
            for Parked { product, position, version, reason, since, .. } in parked {
                let since = since.format("%Y-%m-%dT%H:%M:%SZ");
                write!(
                    f,
                    "\n{:<12}product {product} at version {version}, position {position}, since {since}: {reason}",
                    ""
                )?;
            }
            Ok(())
        })?;
        below(f)?;
        self.queues.line(f, "queues", |f, queues| {
            let all: u64 = queues.iter().map(|q| u64::from(q.messages)).sum();
            f.write_str(&counted(all, "message"))?;
            for Queue { queue, messages, consumers } in queues {
                let (messages, consumers) = (counted(*messages, "message"), counted(*consumers, "consumer"));
                write!(f, "\n{:<12}{queue}: {messages}, {consumers}", "")?;
            }
            Ok(())
        })?;
        below(f)?;
        self.snapshots.primary.line(f, "snapshots", snapshots)?;
        below(f)?;
        self.snapshots.meta.line(f, "", snapshots)
    }
}

impl Report {
    /// The worst state on the first line, other alarms below it, each with its command.
    fn verdict(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.alarm_lines();
        if lines.is_empty() {
            lines.push(said(self.state, self.state.command(), None, None));
        }
        write!(f, "{:<12}{}", "state", lines.join(&format!("\n{:<12}", "")))
    }

    /// A line for each alarm, the worst first.
    pub(super) fn alarm_lines(&self) -> Vec<String> {
        let line =
            |alarm: &Alarm| said(alarm.state, alarm.command.as_deref(), alarm.database, alarm.place.as_ref());
        self.alarms.iter().map(line).collect()
    }
}

fn said(state: State, command: Option<&str>, database: Option<&str>, place: Option<&Place>) -> String {
    let command = command.map(|command| format!("; `{command}`")).unwrap_or_default();
    let place = place.map(|Place { setting, address }| {
        format!(", or {setting} names another place than it should ({address})")
    });
    let database = database.map(|database| format!(" in the {database} database")).unwrap_or_default();
    format!("{}: {}{command}{database}{}", state.id(), state.meaning(), place.unwrap_or_default())
}

fn writers(f: &mut fmt::Formatter<'_>, writers: &Writers) -> fmt::Result {
    let Writers { writers, silent, commands, worst_p99_ms } = writers;
    f.write_str(&counted(*writers, "writer"))?;
    if *silent > 0 {
        write!(f, " (and {silent} silent)")?;
    }
    write!(f, ", {} of late", counted(*commands, "command"))?;
    match worst_p99_ms {
        Some(ms) => write!(f, ", 99 of 100 within {ms:.1} ms at the worst"),
        None => Ok(()),
    }
}

fn snapshots(f: &mut fmt::Formatter<'_>, snapshots: &Snapshots) -> fmt::Result {
    match &snapshots.oldest {
        Some(oldest) => write!(f, "the oldest {}", oldest.line())?,
        None => write!(f, "none")?,
    }
    if !snapshots.sees_all {
        write!(f, "; those of other roles are not shown to this one: GRANT pg_read_all_stats TO it")?;
    }
    Ok(())
}

/// Between two lines.
fn below(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("\n")
}

fn oldest(seconds: Option<f64>) -> String {
    seconds.map_or_else(String::new, |seconds| format!(", the oldest {seconds:.1} s ago"))
}
