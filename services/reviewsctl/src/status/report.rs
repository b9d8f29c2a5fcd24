//! The status, as text and as JSON.

use anyhow::Error;
use broker::QueueDepth;
use chrono::{DateTime, Utc};
use meta::ProjectionStatus;
use primary::PartStatus;
use serde::Serialize;
use std::fmt;

/// All that is known. A section that could not be read says why.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    log: Section<Log>,
    projection: Section<Option<Projection>>,
    lag: Section<Lag>,
    parked: Section<Vec<Parked>>,
    queues: Section<Vec<Queue>>,
}

/// Something, and where it was read.
#[derive(Debug, Serialize)]
struct Section<T> {
    read_from: &'static str,
    #[serde(flatten)]
    read: Read<T>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Read<T> {
    Is(T),
    Away(String),
}

#[derive(Debug, Serialize)]
struct Log {
    head: i64,
    unsequenced: i64,
    unpublished: i64,
    parts: Vec<LogPart>,
}

#[derive(Debug, Serialize)]
struct LogPart {
    part: i16,
    head: i64,
    published: i64,
    unsequenced: i64,
}

#[derive(Debug, Serialize)]
struct Projection {
    generation: i32,
    projection_version: i32,
    parts: Vec<ProjectionPart>,
}

#[derive(Debug, Serialize)]
struct ProjectionPart {
    part: i16,
    applied: i64,
}

#[derive(Debug, Serialize)]
struct Lag {
    events: i64,
    oldest_seconds: Option<f64>,
    parts: Vec<LagPart>,
}

#[derive(Debug, Serialize)]
struct LagPart {
    part: i16,
    events: i64,
    oldest_seconds: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Parked {
    product: i64,
    part: i16,
    position: i64,
    version: i64,
    reason: String,
    since: DateTime<Utc>,
}

#[derive(Debug, Serialize)]
struct Queue {
    queue: String,
    messages: u32,
    consumers: u32,
}

impl<T> Section<T> {
    fn new(read_from: &'static str, read: Result<T, String>) -> Self {
        Self { read_from, read: read.map_or_else(Read::Away, Read::Is) }
    }

    const fn away(&self) -> Option<&String> {
        match &self.read {
            Read::Is(_) => None,
            Read::Away(why) => Some(why),
        }
    }
}

impl Report {
    pub(super) fn new(
        now: DateTime<Utc>,
        log: Result<Vec<PartStatus>, Error>,
        projection: Result<Option<ProjectionStatus>, Error>,
        queues: Result<Vec<QueueDepth>, Error>,
    ) -> Self {
        let log = log.map_err(|e| format!("{e:#}"));
        let projection = projection.map_err(|e| format!("{e:#}"));
        let lag = match (&log, &projection) {
            (Ok(parts), Ok(Some(projection))) => Ok(lag(now, parts, projection)),
            (Ok(_), Ok(None)) => Err("meta has no generation yet: no projector has run".to_owned()),
            (Err(why), _) | (_, Err(why)) => Err(why.clone()),
        };
        let parked = projection.as_ref().map_err(Clone::clone);
        let parked = parked.map(|p| p.iter().flat_map(|p| &p.parked).map(parked_product).collect());
        let queues = queues.map_err(|e| format!("{e:#}"));
        Self {
            log: Section::new("primary: log_head, log_published, outbox", log.map(|parts| whole_log(&parts))),
            projection: Section::new(
                "meta: active_generation, checkpoint",
                projection.map(|p| p.as_ref().map(whole_projection)),
            ),
            lag: Section::new("primary: event_log and outbox, behind meta: checkpoint", lag),
            parked: Section::new("meta: parked_product", parked),
            queues: Section::new(
                "broker: passive declaration",
                queues.map(|q| q.into_iter().map(queue).collect()),
            ),
        }
    }

    /// Whether every store answered.
    pub(super) const fn is_whole(&self) -> bool {
        self.log.away().is_none() && self.projection.away().is_none() && self.queues.away().is_none()
    }
}

fn whole_log(parts: &[PartStatus]) -> Log {
    let sum = |of: fn(&PartStatus) -> i64| parts.iter().map(of).sum();
    Log {
        head: sum(|p| p.head.0),
        unsequenced: sum(|p| p.unsequenced),
        unpublished: sum(|p| p.head.0 - p.published.0),
        parts: parts
            .iter()
            .map(|p| LogPart {
                part: p.part.get(),
                head: p.head.0,
                published: p.published.0,
                unsequenced: p.unsequenced,
            })
            .collect(),
    }
}

fn whole_projection(projection: &ProjectionStatus) -> Projection {
    let parts = projection.checkpoints.iter();
    Projection {
        generation: projection.generation,
        projection_version: projection.projection_version,
        parts: parts.map(|c| ProjectionPart { part: c.part.get(), applied: c.pos.0 }).collect(),
    }
}

/// Events behind are counted from the positions; their age is the log's, not the messages'.
fn lag(now: DateTime<Utc>, parts: &[PartStatus], projection: &ProjectionStatus) -> Lag {
    let behind: Vec<LagPart> = parts
        .iter()
        .map(|p| {
            let applied = projection.checkpoints.iter().find(|c| c.part == p.part).map_or(0, |c| c.pos.0);
            LagPart {
                part: p.part.get(),
                events: (p.head.0 - applied).max(0) + p.unsequenced,
                oldest_seconds: p.oldest_behind.map(|at| (now - at).as_seconds_f64().max(0.0)),
            }
        })
        .collect();
    Lag {
        events: behind.iter().map(|p| p.events).sum(),
        oldest_seconds: behind.iter().filter_map(|p| p.oldest_seconds).max_by(f64::total_cmp),
        parts: behind,
    }
}

fn parked_product(parked: &meta::ParkedProduct) -> Parked {
    Parked {
        product: parked.product_id.get(),
        part: parked.part.get(),
        position: parked.pos.0,
        version: parked.version.0,
        reason: parked.reason.clone(),
        since: parked.parked_at,
    }
}

fn queue(depth: QueueDepth) -> Queue {
    Queue { queue: depth.queue, messages: depth.messages, consumers: depth.consumers }
}

/// One line for each thing, and a line for each part that is behind.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, "log", &self.log, |f, log| {
            let Log { head, unsequenced, unpublished, .. } = log;
            write!(f, "{head} events, {unsequenced} without a position, {unpublished} not published")
        })?;
        line(f, "projection", &self.projection, |f, projection| match projection {
            None => write!(f, "no generation yet: no projector has run"),
            Some(Projection { generation, projection_version, parts }) => {
                let applied: i64 = parts.iter().map(|p| p.applied).sum();
                write!(f, "generation {generation} (version {projection_version}), {applied} events applied")
            }
        })?;
        line(f, "lag", &self.lag, |f, lag| {
            write!(f, "{} events{}", lag.events, oldest(lag.oldest_seconds))?;
            for LagPart { part, events, oldest_seconds } in lag.parts.iter().filter(|p| p.events > 0) {
                write!(f, "\n{:<12}part {part}: {events} events{}", "", oldest(*oldest_seconds))?;
            }
            Ok(())
        })?;
        line(f, "parked", &self.parked, |f, parked| {
            write!(f, "{} products", parked.len())?;
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
        line(f, "queues", &self.queues, |f, queues| {
            write!(f, "{} messages", queues.iter().map(|q| u64::from(q.messages)).sum::<u64>())?;
            for Queue { queue, messages, consumers } in queues {
                write!(f, "\n{:<12}{queue}: {messages} messages, {consumers} consumers", "")?;
            }
            Ok(())
        })
    }
}

fn line<T>(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    section: &Section<T>,
    show: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    let separator = if name == "log" { "" } else { "\n" };
    write!(f, "{separator}{name:<12}")?;
    match &section.read {
        Read::Is(value) => show(f, value)?,
        Read::Away(why) => f.write_str(why)?,
    }
    write!(f, "\n{:<12}read from {}", "", section.read_from)
}

fn oldest(seconds: Option<f64>) -> String {
    seconds.map_or_else(String::new, |seconds| format!(", the oldest {seconds:.1} s ago"))
}
