//! `reviewsctl follow`: one review at every stop of its way, each said with where it was read.

mod outcome;
mod report;

use crate::config::Config;
use crate::fault::Fault;
use crate::status::{Stores, origin};
use anyhow::bail;
use domain::{Part, ProductId, ReviewId};
use meta::{Checkpoint, TracedProduct};
use primary::TracedEvent;
pub(crate) use report::Report;

/// How the broker shows who is connected.
const CONNECTION_NAME: &str = "reviewsctl follow";

/// Arguments of `reviewsctl follow`.
#[derive(Debug, clap::Args)]
pub(crate) struct FollowArgs {
    /// The review's id
    review_id: ReviewId,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Returns what was found, as text or JSON, and whether every store answered.
pub(crate) async fn run(args: &FollowArgs, config: &Config) -> anyhow::Result<(String, bool)> {
    let report = found(args.review_id, config).await?;
    let text = if args.json { serde_json::to_string_pretty(&report)? } else { report.to_string() };
    Ok((text, report.is_whole()))
}

/// Looks for a review at every stop.
pub(crate) async fn found(id: ReviewId, config: &Config) -> anyhow::Result<Report> {
    let stores = Stores::new(config)?;
    let Some(row) = stores.of_primary(primary::traced_row(&stores.primary, id)).await? else {
        bail!(Fault::Unknown(format!(
            "there is no review {id} in the primary; ids are in the answer to a POST, and in lists"
        )));
    };
    let part = row.product_id.part();
    // In the direction of the way: what moves on meanwhile is met again, and not missed.
    let event = stores.of_primary(primary::traced_event(&stores.primary, row.product_id, id)).await;
    let published = stores.of_primary(primary::published(&stores.primary, part)).await;
    let queues = broker::queue_depths(&stores.broker, CONNECTION_NAME).await;
    let queues = queues.map_err(|error| stores.named.broker.broker_failed(error));
    let traced = event.as_ref().ok().and_then(Option::as_ref);
    let in_meta = in_meta(&stores, (row.product_id, id), traced).await;
    Ok(Report::new(id, &row, said(event), said(published), said(queues), said(in_meta)))
}

/// What meta has.
#[derive(Debug)]
struct InMeta {
    products: Vec<TracedProduct>,
    other_log: bool,
    given_up: bool,
}

async fn in_meta(
    stores: &Stores,
    (id, review): (ProductId, ReviewId),
    event: Option<&TracedEvent>,
) -> anyhow::Result<InMeta> {
    let products = stores.of_meta(meta::traced_product(&stores.meta, id)).await?;
    let other_log = of_other_log(stores, &products, id.part()).await?;
    let discarded = stores.of_meta(meta::discarded_events_of(&stores.meta, [id])).await?;
    let given_up = discarded.has_review(id, review)
        || event.is_some_and(|event| discarded.events.contains(&event.event_id));
    Ok(InMeta { products, other_log, given_up })
}

/// Whether what answers was made from another log than the primary's, so that its numbers say nothing of this one's events.
async fn of_other_log(stores: &Stores, product: &[TracedProduct], part: Part) -> anyhow::Result<bool> {
    let Some(answers) = product.iter().find(|product| product.answers) else { return Ok(false) };
    let checkpoints = stores.of_meta(meta::checkpoints_of(&stores.meta, answers.generation)).await?;
    let of_part: Vec<Checkpoint> = checkpoints.into_iter().filter(|c| c.part == part).collect();
    let log = stores.of_primary(primary::pull_events(&stores.primary, &origin::ranges(&of_part))).await?;
    Ok(origin::other_log(&of_part, &log).is_some())
}

fn said<T>(reading: anyhow::Result<T>) -> Result<T, String> {
    reading.map_err(|error| format!("{error:#}"))
}
