//! `reviewsctl parked`: products that stand still, messages that nobody could read, and what to do about both.

mod discard;
mod letters;
mod list;
mod redrive;
mod show;

use crate::config::Config;
use crate::replay::product;
use crate::stores::Named;
use anyhow::bail;
use chrono::{DateTime, Utc};
use clap::Subcommand;
pub(crate) use discard::{DiscardedJson, discarded};
use domain::{EventId, ProductId};
pub(crate) use letters::{LettersJson, ThrownAway, letters, thrown_away};
pub(crate) use list::{ListedJson, listed};
use meta::ParkedProduct;
pub(crate) use redrive::{RedrivenAllJson, Which, redriven};
use replay::ReplayError;
use serde::Serialize;
pub(crate) use show::{ShownJson, shown};
use utoipa::ToSchema;

/// Products that stand still that one command looks at.
const PARKED_PRODUCTS_MAX: i64 = 10_000;
/// How the broker shows who is connected.
const CONNECTION_NAME: &str = "reviewsctl parked";

/// What to do about what stands still.
#[derive(Debug, Subcommand)]
pub(crate) enum ParkedCommand {
    /// Show products that stand still, and messages that nobody could read
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show why a product stands still: the event, what meta has, and what the reviews add up to
    Show {
        /// The product
        #[arg(value_parser = product)]
        product: ProductId,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Rebuild products from their events, after the cause is gone
    Redrive(redrive::RedriveArgs),
    /// Give up, for good, the event for which a product stands still; or throw the dead letters away
    Discard(discard::DiscardArgs),
}

/// Does what was asked, and returns whether all is well.
pub(crate) async fn run(command: &ParkedCommand, config: &Config) -> anyhow::Result<bool> {
    match command {
        ParkedCommand::List { json } => list::run(*json, config).await,
        ParkedCommand::Show { product, json } => {
            show::run(*product, *json, &Named::new(config)?).await?;
            Ok(true)
        }
        ParkedCommand::Redrive(args) => redrive::run(args, &Named::new(config)?).await,
        ParkedCommand::Discard(args) => discard::run(args, config).await,
    }
}

/// Products that stand still in generations that are kept up to date, or one of them, the longest first.
async fn parked(named: &Named, product_id: Option<ProductId>) -> anyhow::Result<Vec<ParkedProduct>> {
    let parked = meta::parked_products(&named.stores.meta, None, product_id, PARKED_PRODUCTS_MAX).await;
    parked.map_err(|error| named.meta_failed(&error))
}

/// The generation that answers.
async fn active(named: &Named) -> anyhow::Result<i32> {
    match meta::active_generation(&named.stores.meta).await {
        Ok(Some((generation, _))) => Ok(generation),
        Ok(None) => bail!(ReplayError::NoGeneration),
        Err(error) => Err(named.meta_failed(&error)),
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Where and why a product stands still, in one line.
fn parking_line(parked: &ParkedProduct, active: i32) -> String {
    let ParkedProduct { generation, product_id, part, pos, version, reason, parked_at, .. } = parked;
    let answers = if *generation == active { ", which answers" } else { "" };
    format!(
        "product {product_id} in generation {generation}{answers}, since {}: the event at version {version}, position \
         {pos} of part {part}: {reason}",
        time(*parked_at)
    )
}

/// Where and why a product stands still.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Parking)]
pub(crate) struct ParkingJson {
    generation: i32,
    /// Whether this generation answers.
    answers: bool,
    product: i64,
    part: i16,
    /// Position of the event that could not be applied.
    position: i64,
    /// Its version.
    version: i64,
    #[schema(value_type = String, format = "uuid")]
    event_id: EventId,
    reason: String,
    since: DateTime<Utc>,
}

impl ParkingJson {
    fn of(parked: &ParkedProduct, active: i32) -> Self {
        ParkingJson {
            generation: parked.generation,
            answers: parked.generation == active,
            product: parked.product_id.get(),
            part: parked.part.get(),
            position: parked.pos.0,
            version: parked.version.0,
            event_id: parked.event_id,
            reason: parked.reason.clone(),
            since: parked.parked_at,
        }
    }

    fn all(parked: &[ParkedProduct], active: i32) -> Vec<Self> {
        parked.iter().map(|parked| Self::of(parked, active)).collect()
    }
}
