//! The status, as it is shown and as JSON.

use super::origin::Origin;
use super::readings::{Readings, events_behind};
use super::snapshot::Snapshot;
use super::state::State;
use super::{Named, applied};
use crate::section::Section;
use crate::store::{Place, Store};
use broker::QueueDepth;
use chrono::{DateTime, Utc};
use domain::PROJECTION_VERSION;
use meta::ProjectionStatus;
use primary::{PartStatus, WriteLatency};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// All that is known. A section that could not be read says why.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Status)]
pub(crate) struct Report {
    pub(super) state: State,
    pub(super) alarms: Vec<Alarm>,
    pub(super) log: Section<Log>,
    pub(super) projection: Section<Option<Projection>>,
    pub(super) origin: Section<Option<OriginFound>>,
    pub(super) lag: Section<Lag>,
    pub(super) canary: OfBoth<Canary>,
    pub(super) writers: Section<Writers>,
    pub(super) parked: Section<Vec<Parked>>,
    pub(super) queues: Section<Vec<Queue>>,
    pub(super) snapshots: OfBoth<Snapshots>,
}

/// Something that somebody has to do something about.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Alarm {
    pub(super) state: State,
    pub(super) meaning: &'static str,
    pub(super) command: Option<String>,
    /// Where `command` is a statement, the database that it is for, `primary` or `meta`; null where it is for a shell.
    pub(super) database: Option<&'static str>,
    /// Of a store that is away, where it was looked for; null otherwise.
    pub(super) place: Option<Place>,
}

/// The same thing of both databases.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OfBoth<T: ToSchema> {
    pub(super) primary: Section<T>,
    pub(super) meta: Section<T>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Log {
    pub(super) head: i64,
    pub(super) unsequenced: i64,
    pub(super) unpublished: i64,
    pub(super) parts: Vec<LogPart>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LogPart {
    pub(super) part: i16,
    pub(super) head: i64,
    pub(super) published: i64,
    pub(super) unsequenced: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Projection {
    pub(super) generation: i32,
    pub(super) projection_version: i32,
    /// The version that this program has.
    pub(super) program_version: i32,
    /// Generations that are kept up to date beside it and the one before it: each is one more write with every event. Null
    /// where this role may not see that.
    pub(super) surplus: Option<Vec<i32>>,
    /// Generations that were found not to fit the log and are left out: nobody keeps them up to date or can go back to them.
    pub(super) invalid: Option<Vec<Invalid>>,
    pub(super) parts: Vec<ProjectionPart>,
}

/// A generation that is left out.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = InvalidGeneration)]
pub(super) struct Invalid {
    pub(super) generation: i32,
    /// Where it does not fit the log.
    pub(super) because: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProjectionPart {
    pub(super) part: i16,
    pub(super) applied: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Lag {
    pub(super) events: i64,
    pub(super) oldest_seconds: Option<f64>,
    pub(super) parts: Vec<LagPart>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LagPart {
    pub(super) part: i16,
    pub(super) events: i64,
    pub(super) oldest_seconds: Option<f64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Parked {
    pub(super) product: i64,
    pub(super) part: i16,
    pub(super) position: i64,
    pub(super) version: i64,
    pub(super) reason: String,
    pub(super) since: DateTime<Utc>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Queue {
    pub(super) queue: String,
    pub(super) messages: u32,
    pub(super) consumers: u32,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OriginFound {
    pub(super) same_log: bool,
    /// Where it differs or breaks off.
    pub(super) why: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Canary {
    pub(super) beat: i64,
    pub(super) age_seconds: f64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Writers {
    pub(super) writers: u32,
    /// Those that have told nothing for some seconds.
    pub(super) silent: u32,
    pub(super) commands: u64,
    pub(super) worst_p99_ms: Option<f64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Snapshots {
    pub(super) oldest: Option<Snapshot>,
    /// Whether sessions of all roles could be looked at.
    pub(super) sees_all: bool,
}

/// What mends a database that lacks its tables.
const MIGRATE: &str = "cargo reviewsctl migrate";

impl Report {
    pub(super) fn new(readings: &Readings, named: &Named) -> Self {
        let seen = readings.seen();
        let alarm = |state: State| {
            let store = match state {
                State::PrimaryAway => Some(&named.primary),
                State::MetaAway => Some(&named.meta),
                State::BrokerAway => Some(&named.broker),
                _ => None,
            };
            // The session is known.
            let session = readings.oldest_snapshot().filter(|_| state == State::LongSnapshot);
            let command = match state {
                State::PrimaryAway if readings.unmigrated.primary => Some(MIGRATE.to_owned()),
                State::MetaAway if readings.unmigrated.meta => Some(MIGRATE.to_owned()),
                State::LongSnapshot => {
                    session.map(|(_, snapshot)| format!("SELECT pg_terminate_backend({})", snapshot.pid()))
                }
                state => state.command().map(str::to_owned),
            };
            let database = session.map(|(database, _)| database);
            Alarm { state, meaning: state.meaning(), command, database, place: store.map(Store::place) }
        };
        let lag = match (&readings.log, &readings.projection) {
            (Ok(parts), Ok(Some(projection))) => Ok(lag(parts, projection)),
            (Ok(_), Ok(None)) => Err("no generation of meta answers".to_owned()),
            (Err(why), _) | (_, Err(why)) => Err(why.clone()),
        };
        let parked = |p: &Option<ProjectionStatus>| {
            p.iter().flat_map(|p| &p.parked).map(parked_product).collect::<Vec<_>>()
        };
        Self {
            state: seen.state(),
            alarms: seen.alarms().into_iter().map(alarm).collect(),
            log: section("primary: log_head, log_published, outbox", &readings.log, |log| whole_log(log)),
            projection: section(
                "meta: active_generation, checkpoint, generation",
                &readings.projection,
                |projection| projection.as_ref().map(|p| whole_projection(p, readings)),
            ),
            origin: section(
                "primary: log_identity, event_log, at meta: checkpoint",
                &readings.origin,
                |origin| origin.as_ref().map(origin_found),
            ),
            lag: Section::new("primary: event_log and outbox, behind meta: checkpoint", lag),
            canary: OfBoth {
                primary: section("primary: canary", &readings.canary_in_primary, |c| Canary {
                    beat: c.beat.0,
                    age_seconds: c.age.as_secs_f64(),
                }),
                meta: section("meta: canary", &readings.canary_in_meta, |c| Canary {
                    beat: c.beat.0,
                    age_seconds: c.age.as_secs_f64(),
                }),
            },
            writers: section("primary: write_latency", &readings.writers, writers),
            parked: section("meta: parked_product", &readings.projection, parked),
            queues: section("broker: passive declaration", &readings.queues, |q| {
                q.iter().map(queue).collect()
            }),
            snapshots: OfBoth {
                primary: section("primary: pg_stat_activity", &readings.snapshot_of_primary, snapshots),
                meta: section("meta: pg_stat_activity", &readings.snapshot_of_meta, snapshots),
            },
        }
    }

    /// Whether every store answered.
    pub(super) const fn is_whole(&self) -> bool {
        self.log.away().is_none() && self.projection.away().is_none() && self.queues.away().is_none()
    }

    /// Whether nobody brings meta on, as far as that could be watched.
    pub(super) fn projector_stands(&self) -> bool {
        self.alarms.iter().any(|alarm| alarm.state == State::ProjectorDead)
    }

    /// Whether nobody has to do anything.
    pub(super) const fn is_well(&self) -> bool {
        !self.state.is_alarm()
    }
}

fn section<T, U: ToSchema>(
    read_from: &'static str,
    read: &Result<T, String>,
    show: impl FnOnce(&T) -> U,
) -> Section<U> {
    Section::new(read_from, read.as_ref().map(show).map_err(Clone::clone))
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

fn whole_projection(projection: &ProjectionStatus, readings: &Readings) -> Projection {
    let parts = projection.checkpoints.iter();
    let invalid =
        |(generation, because): &(i32, String)| Invalid { generation: *generation, because: because.clone() };
    Projection {
        generation: projection.generation,
        projection_version: projection.projection_version,
        program_version: PROJECTION_VERSION,
        surplus: readings.surplus.as_ref().ok().cloned(),
        invalid: readings.invalid.as_ref().ok().map(|all| all.iter().map(invalid).collect()),
        parts: parts.map(|c| ProjectionPart { part: c.part.get(), applied: c.pos.0 }).collect(),
    }
}

/// Events behind are counted from the positions; their age is the log's, not the messages', by the clock
/// that dated them.
fn lag(parts: &[PartStatus], projection: &ProjectionStatus) -> Lag {
    let applied = applied(Some(projection));
    let behind: Vec<LagPart> = parts
        .iter()
        .map(|p| LagPart {
            part: p.part.get(),
            events: events_behind(p, applied[p.part.index()]),
            oldest_seconds: p.oldest_age.map(|age| age.as_secs_f64()),
        })
        .collect();
    Lag {
        events: behind.iter().map(|p| p.events).sum(),
        oldest_seconds: behind.iter().filter_map(|p| p.oldest_seconds).max_by(f64::total_cmp),
        parts: behind,
    }
}

fn origin_found(origin: &Origin) -> OriginFound {
    match origin {
        Origin::SameLog => OriginFound { same_log: true, why: None },
        Origin::OtherLog(why) => OriginFound { same_log: false, why: Some(why.clone()) },
        Origin::DamagedGeneration(why) => OriginFound { same_log: false, why: Some(why.clone()) },
        Origin::LogBroken(why) => OriginFound { same_log: true, why: Some(why.clone()) },
    }
}

fn writers(latency: &WriteLatency) -> Writers {
    let WriteLatency { worst_p99, commands, writers, silent } = *latency;
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    Writers { writers, silent, commands, worst_p99_ms: worst_p99.map(millis) }
}

fn snapshots((sees_all, oldest): &(bool, Option<Snapshot>)) -> Snapshots {
    Snapshots { oldest: oldest.clone(), sees_all: *sees_all }
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

fn queue(depth: &QueueDepth) -> Queue {
    Queue { queue: depth.queue.clone(), messages: depth.messages, consumers: depth.consumers }
}
