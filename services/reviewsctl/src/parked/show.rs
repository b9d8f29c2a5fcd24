//! `reviewsctl parked show`: one product, wherever it stands still.

use super::{ParkingJson, active, parked, time};
use crate::fault::Fault;
use crate::replay::{stored_values, values};
use crate::say;
use crate::stores::Named;
use anyhow::bail;
use chrono::{DateTime, Utc};
use domain::{LogEvent, Position, ProductId, ProductMeta};
use meta::{GenerationState, ParkedProduct, StoredProduct};
use primary::LogRange;
use replay::ReplayError;
use serde::Serialize;
use utoipa::ToSchema;

/// A product in one generation.
struct InGeneration {
    generation: i32,
    projection_version: i32,
    stored: StoredProduct,
    /// Position up to which the product's part is folded.
    applied: Position,
    /// Why it stands still, and what the log has there.
    parked: Option<(ParkedProduct, Option<LogEvent>)>,
}

/// A product, wherever there is something of it.
struct Found {
    product_id: ProductId,
    active: i32,
    generations: Vec<InGeneration>,
    /// What its reviews add up to.
    summed: ProductMeta,
}

async fn found(product_id: ProductId, named: &Named) -> anyhow::Result<Found> {
    let active = active(named).await?;
    let summed = primary::product_meta(&named.stores.primary, product_id).await;
    let summed = summed.map_err(|error| named.failed(ReplayError::Primary(error), ""))?;
    let generations = in_generations(named, product_id).await?;
    if summed.version.0 == 0 && generations.iter().all(|g| g.parked.is_none()) {
        bail!(Fault::Unknown(format!("product {product_id} has no events: check the id")));
    }
    Ok(Found { product_id, active, generations, summed })
}

/// A product, for programs.
pub(crate) async fn shown(product_id: ProductId, named: &Named) -> anyhow::Result<ShownJson> {
    Ok(ShownJson::from(&found(product_id, named).await?))
}

/// Shows a product.
pub(super) async fn run(product_id: ProductId, json: bool, named: &Named) -> anyhow::Result<()> {
    let found = found(product_id, named).await?;
    match json {
        true => say::result(serde_json::to_string_pretty(&ShownJson::from(&found))?),
        false => tell(&found.generations, &found.summed, found.active),
    }
}

async fn in_generations(named: &Named, product_id: ProductId) -> anyhow::Result<Vec<InGeneration>> {
    let stores = &named.stores;
    let mut parked = parked(named, Some(product_id)).await?;
    let mut found = Vec::new();
    for g in meta::generations(&stores.meta).await.map_err(|e| named.meta_failed(&e))? {
        if g.state != GenerationState::Live {
            continue;
        }
        let at = meta::product_at(&stores.meta, g.generation, product_id).await;
        let (stored, applied) = at.map_err(|error| named.meta_failed(&error))?;
        let parked = match parked.iter().position(|parked| parked.generation == g.generation) {
            Some(at) => {
                let parked = parked.swap_remove(at);
                let event = event_of(named, &parked).await?;
                Some((parked, event))
            }
            None => None,
        };
        let (generation, projection_version) = (g.generation, g.projection_version);
        found.push(InGeneration { generation, projection_version, stored, applied, parked });
    }
    Ok(found)
}

/// The event for which a product stands still, as the log has it.
pub(super) async fn event_of(named: &Named, parked: &ParkedProduct) -> anyhow::Result<Option<LogEvent>> {
    let range = LogRange { part: parked.part, after: Position(parked.pos.0 - 1), events_max: 1 };
    let pulled = primary::pull_events(&named.stores.primary, &[range]).await;
    let pulled = pulled.map_err(|error| named.failed(ReplayError::Primary(error), ""))?;
    Ok(pulled.events.into_iter().find(|event| event.event_id == parked.event_id))
}

fn tell(generations: &[InGeneration], summed: &ProductMeta, active: i32) -> anyhow::Result<()> {
    for g in generations {
        let InGeneration { generation, projection_version, stored, applied, parked } = g;
        let answers = if *generation == active { ", which answers" } else { "" };
        say::result(format_args!("generation  {generation} (version {projection_version}){answers}"))?;
        say::result(format_args!("  meta has  {}", stored_values(&stored.meta, stored.damaged)))?;
        let Some((parked, event)) = parked else {
            say::result(format_args!("  goes on   the part is folded up to position {applied}"))?;
            continue;
        };
        say::result(format_args!("  parked    since {}: {}", time(parked.parked_at), parked.reason))?;
        let ParkedProduct { part, pos, version, event_id, .. } = parked;
        match event {
            Some(LogEvent { event_type, at, traceparent, payload, .. }) => {
                let trace = traceparent.as_deref().unwrap_or("none");
                say::result(format_args!(
                    "  event     {event_id}, {event_type}, version {version}, position {pos} of part {part}, at {}, \
                     traceparent {trace}\n  payload   {payload}",
                    time(*at)
                ))?;
            }
            None => say::result(format_args!(
                "  event     {event_id}, version {version}, position {pos} of part {part}: the log does not have it there"
            ))?,
        }
    }
    say::result(format_args!("reviews     {}", values(summed)))
}

/// A product, wherever there is something of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ParkedProduct)]
pub(crate) struct ShownJson {
    product: i64,
    generations: Vec<InGenerationJson>,
    /// What its reviews add up to.
    reviews: String,
}

/// A product in one generation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProductInGeneration)]
struct InGenerationJson {
    generation: i32,
    projection_version: i32,
    /// Whether this generation answers.
    answers: bool,
    /// What it has of the product.
    meta: String,
    /// Position up to which the product's part is folded.
    applied: i64,
    /// Null when it goes on.
    parked: Option<WithEvent>,
}

/// Why it stands still, and what the log has there.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ParkingWithEvent)]
struct WithEvent {
    #[serde(flatten)]
    parking: ParkingJson,
    /// Null when the log does not have it there.
    event: Option<EventJson>,
}

/// The event that could not be applied.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ParkedEvent)]
struct EventJson {
    #[serde(rename = "type")]
    event_type: String,
    /// JSON, as a text.
    payload: String,
    at: DateTime<Utc>,
    traceparent: Option<String>,
}

impl From<&Found> for ShownJson {
    fn from(found: &Found) -> Self {
        let in_generation = |g: &InGeneration| InGenerationJson {
            generation: g.generation,
            projection_version: g.projection_version,
            answers: g.generation == found.active,
            meta: stored_values(&g.stored.meta, g.stored.damaged),
            applied: g.applied.0,
            parked: g.parked.as_ref().map(|(parked, event)| WithEvent {
                parking: ParkingJson::of(parked, found.active),
                event: event.as_ref().map(EventJson::from),
            }),
        };
        ShownJson {
            product: found.product_id.get(),
            generations: found.generations.iter().map(in_generation).collect(),
            reviews: values(&found.summed),
        }
    }
}

impl From<&LogEvent> for EventJson {
    fn from(event: &LogEvent) -> Self {
        let LogEvent { event_type, payload, at, traceparent, .. } = event.clone();
        EventJson { event_type, payload, at, traceparent }
    }
}
