//! `reviewsctl parked show`: one product, wherever it stands still.

use super::{active, parked, parking_json, time};
use crate::replay::values;
use crate::say;
use crate::stores::Named;
use anyhow::bail;
use domain::{LogEvent, Position, ProductId, ProductMeta};
use meta::{GenerationState, ParkedProduct, StoredProduct};
use primary::LogRange;
use replay::ReplayError;
use serde_json::json;

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

/// Shows a product.
pub(super) async fn run(product_id: ProductId, json: bool, named: &Named) -> anyhow::Result<()> {
    let active = active(named).await?;
    let summed = primary::product_meta(&named.stores.primary, product_id).await;
    let summed = summed.map_err(|error| named.failed(ReplayError::Primary(error), ""))?;
    let generations = in_generations(named, product_id).await?;
    if summed.version.0 == 0 && generations.iter().all(|g| g.parked.is_none()) {
        bail!("product {product_id} has no events: check the id");
    }
    if json {
        let generations: Vec<_> = generations.iter().map(|g| generation_json(g, active)).collect();
        let all = json!({ "product": product_id, "generations": generations, "reviews": values(&summed) });
        say::result(serde_json::to_string_pretty(&all)?)?;
    } else {
        tell(&generations, &summed, active)?;
    }
    Ok(())
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
async fn event_of(named: &Named, parked: &ParkedProduct) -> anyhow::Result<Option<LogEvent>> {
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
        say::result(format_args!("  meta has  {}", values(&stored.meta)))?;
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

fn generation_json(g: &InGeneration, active: i32) -> serde_json::Value {
    let parked = g.parked.as_ref().map(|(parked, event)| {
        let mut json = parking_json(parked, active);
        json["event"] = event.as_ref().map_or(serde_json::Value::Null, |event| {
            json!({
                "type": event.event_type,
                "payload": event.payload,
                "at": event.at,
                "traceparent": event.traceparent,
            })
        });
        json
    });
    json!({
        "generation": g.generation,
        "projection_version": g.projection_version,
        "answers": g.generation == active,
        "meta": values(&g.stored.meta),
        "applied": g.applied,
        "parked": parked,
    })
}
