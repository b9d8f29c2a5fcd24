//! What was found at each stop, as text and as JSON.

use super::InMeta;
use super::outcome::{Outcome, outcome};
use crate::section::Section;
use broker::QueueDepth;
use chrono::{DateTime, SecondsFormat, Utc};
use contract::queue_of;
use domain::{EventId, Position, ReviewId};
use meta::TracedProduct;
use primary::{TracedEvent, TracedRow};
use replay::counted;
use serde::Serialize;
use std::fmt;
use utoipa::ToSchema;

/// The stops, in the order of the way.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Way)]
pub(crate) struct Report {
    review: i64,
    row: Section<Row>,
    event: Section<Option<Event>>,
    offered: Section<Offered>,
    queue: Section<Option<Queue>>,
    checkpoints: Section<Vec<Checkpoint>>,
    meta: Section<Vec<Product>>,
    /// Null when a store that had to be asked is away.
    arrived: Option<bool>,
    says: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReviewRow)]
struct Row {
    product: i64,
    part: i16,
    written: DateTime<Utc>,
    listed: bool,
    erased: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReviewEvent)]
struct Event {
    position: Option<i64>,
    version: i64,
    #[schema(value_type = String, format = "uuid")]
    id: EventId,
    #[serde(rename = "type")]
    event_type: String,
    at: DateTime<Utc>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Offered)]
struct Offered {
    part: i16,
    up_to: i64,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QueueOfPart)]
struct Queue {
    queue: String,
    messages: u32,
    consumers: u32,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GenerationCheckpoint)]
struct Checkpoint {
    generation: i32,
    state: String,
    answers: bool,
    position: i64,
    /// Whether the event is at or before it.
    applied: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GenerationProduct)]
struct Product {
    generation: i32,
    version: Option<i64>,
    parked_at_version: Option<i64>,
    /// Whether the event is in the product's numbers.
    folded: bool,
}

impl Report {
    pub(super) fn new(
        review_id: ReviewId,
        row: &TracedRow,
        event: Result<Option<TracedEvent>, String>,
        published: Result<Position, String>,
        queues: Result<Vec<QueueDepth>, String>,
        in_meta: Result<InMeta, String>,
    ) -> Self {
        let TracedRow { product_id, date, listed, erased } = *row;
        let part = product_id.part();
        let outcome = match (&event, &published, &in_meta) {
            (Ok(event), Ok(published), Ok(in_meta)) => {
                let outcome = outcome(event.as_ref(), *published, in_meta);
                Ok(if erased { outcome.of_erased() } else { outcome })
            }
            (Err(why), ..) | (_, Err(why), _) | (.., Err(why)) => Err(format!("not known: {why}")),
        };
        let traced = event.as_ref().ok().and_then(Option::as_ref);
        let checkpoints = in_meta.as_ref().map_err(Clone::clone);
        let checkpoints =
            checkpoints.map(|in_meta| in_meta.products.iter().map(|p| checkpoint(p, traced)).collect());
        let queue = |queues: Vec<QueueDepth>| {
            let found = queues.into_iter().find(|queue| queue.queue == queue_of(part));
            found.map(|QueueDepth { queue, messages, consumers }| Queue { queue, messages, consumers })
        };
        let products = in_meta.map(|in_meta| in_meta.products.iter().map(|p| folded(p, traced)).collect());
        let row = Row { product: product_id.get(), part: part.get(), written: date, listed, erased };
        let read_from = match traced {
            None => "primary: outbox, event_log",
            Some(TracedEvent { pos: None, .. }) => "primary: outbox",
            Some(TracedEvent { pos: Some(_), .. }) => "primary: event_log",
        };
        Self {
            review: review_id.get(),
            row: Section::new("primary: reviews", Ok(row)),
            event: Section::new(read_from, event.map(|event| event.map(Event::from))),
            offered: Section::new(
                "primary: log_published",
                published.map(|up_to| Offered { part: part.get(), up_to: up_to.0 }),
            ),
            queue: Section::new("broker: passive declaration", queues.map(queue)),
            checkpoints: Section::new("meta: checkpoint, generation", checkpoints),
            meta: Section::new("meta: product_meta, parked_product", products),
            arrived: outcome.as_ref().ok().map(|outcome| matches!(outcome, Outcome::Arrived { .. })),
            says: outcome.map_or_else(|why| why, |outcome| outcome.says()),
        }
    }

    /// Whether every store answered.
    pub(super) const fn is_whole(&self) -> bool {
        self.event.away().is_none() && self.queue.away().is_none() && self.meta.away().is_none()
    }
}

impl From<TracedEvent> for Event {
    fn from(event: TracedEvent) -> Self {
        let TracedEvent { pos, version, event_id, event_type, at } = event;
        Event { position: pos.map(|pos| pos.0), version: version.0, id: event_id, event_type, at }
    }
}

fn checkpoint(product: &TracedProduct, event: Option<&TracedEvent>) -> Checkpoint {
    let TracedProduct { generation, answers, checkpoint, .. } = *product;
    let applied = event.and_then(|event| event.pos).is_some_and(|pos| pos <= checkpoint);
    Checkpoint { generation, state: product.state.clone(), answers, position: checkpoint.0, applied }
}

fn folded(product: &TracedProduct, event: Option<&TracedEvent>) -> Product {
    let TracedProduct { generation, version, parked_at, .. } = *product;
    Product {
        generation,
        version: version.map(|version| version.0),
        parked_at_version: parked_at.map(|version| version.0),
        folded: version.zip(event).is_some_and(|(version, event)| event.version <= version),
    }
}

/// A line for each stop, and one for what they come to.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.row.line(f, "row", |f, Row { product, part, written, listed, erased }| {
            let listed = match (listed, erased) {
                (_, true) => "erased",
                (true, false) => "listed",
                (false, false) => "hidden from lists",
            };
            write!(f, "product {product}, part {part}, written {}, {listed}", time(*written))
        })?;
        self.event.line(below(f)?, "event", |f, event| match event {
            None => write!(f, "none"),
            Some(Event { position, version, id, event_type, at }) => {
                write!(f, "{event_type} of {}, version {version}, id {id}, ", time(*at))?;
                match position {
                    Some(position) => write!(f, "position {position}"),
                    None => write!(f, "without a position"),
                }
            }
        })?;
        self.offered.line(below(f)?, "offered", |f, Offered { part, up_to }| {
            write!(f, "up to position {up_to} of part {part}")
        })?;
        self.queue.line(below(f)?, "queue", |f, queue| match queue {
            None => write!(f, "the broker has none for this part"),
            Some(Queue { queue, messages, consumers }) => {
                let (messages, consumers) = (counted(*messages, "message"), counted(*consumers, "consumer"));
                write!(f, "{queue}: {messages}, {consumers}")
            }
        })?;
        self.checkpoints.line(below(f)?, "checkpoint", |f, checkpoints| {
            each(f, checkpoints, |f, Checkpoint { generation, state, answers, position, applied }| {
                let answers = if *answers { ", answers" } else { "" };
                let applied = if *applied { "applied" } else { "not applied" };
                write!(f, "generation {generation} ({state}{answers}): position {position}, {applied}")
            })
        })?;
        self.meta.line(below(f)?, "meta", |f, products| {
            each(f, products, |f, Product { generation, version, parked_at_version, folded }| {
                write!(f, "generation {generation}: ")?;
                match version {
                    Some(version) => write!(f, "version {version}")?,
                    None => write!(f, "no row of the product")?,
                }
                if let Some(at) = parked_at_version {
                    write!(f, ", standing still at version {at}")?;
                }
                write!(f, ", {}", if *folded { "folded" } else { "not folded" })
            })
        })?;
        write!(below(f)?, "{}", self.says)
    }
}

/// Ends a line.
fn below<'f, 'g>(f: &'f mut fmt::Formatter<'g>) -> Result<&'f mut fmt::Formatter<'g>, fmt::Error> {
    f.write_str("\n")?;
    Ok(f)
}

/// A line for each generation, indented as the first is.
fn each<T>(
    f: &mut fmt::Formatter<'_>,
    all: &[T],
    show: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    if all.is_empty() {
        return write!(f, "no generation yet");
    }
    for (n, one) in all.iter().enumerate() {
        if n > 0 {
            write!(f, "\n{:<12}", "")?;
        }
        show(f, one)?;
    }
    Ok(())
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
