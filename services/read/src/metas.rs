//! Metas as fresh as a request needs them: from the projection, or added up from the primary when the
//! projection cannot be there in time.

use crate::consistency::{Needs, Tokens};
use crate::router::Read;
use contract::{Problem, Store};
use domain::{ProductId, ProductMeta, Version};
use futures_util::future::join_all;
use meta::MetaAnswer;
use postgres::{Lanes, retry_lost};
use service::HttpProblem;
use std::time::Duration;
use tokio::time::sleep;

/// How often meta is looked at again while a request waits: a notice may get lost.
const LOOK_AGAIN_INTERVAL: Duration = Duration::from_millis(100);
/// Pause after a notice that came before what it tells of.
const EARLY_NOTICE_PAUSE: Duration = Duration::from_millis(5);

/// Stands for the primary, where a meta was added up from it.
pub(crate) const NO_GENERATION: i32 = 0;

/// The metas of products in the order asked, none older than is needed.
pub(crate) async fn metas(
    read: &Read,
    products: &[ProductId],
    tokens: &Tokens,
    needs: &Needs,
) -> Result<Vec<MetaAnswer>, HttpProblem> {
    let all_needed = products.iter().all(|product_id| needs.of(*product_id) > Version(0));
    let mut answers = match look(&read.meta, products).await {
        // Meta is away, and the primary can answer for all.
        Err(_) if all_needed => return products_from_primary(read, products).await,
        answers => answers?,
    };
    let moving = behind(products, &answers, needs).filter(|(_, answer)| !answer.parked);
    let awaited: Vec<_> = moving.map(|(product_id, _)| (product_id, needs.of(product_id))).collect();
    if !awaited.is_empty()
        && !tokens.wait.is_zero()
        && read.patience.wait(tokens.wait, reached(read, awaited)).await.is_some()
    {
        // Should meta have gone away since, the primary answers for what is late.
        answers = look(&read.meta, products).await.unwrap_or(answers);
    }
    let late: Vec<ProductId> = behind(products, &answers, needs).map(|(product_id, _)| product_id).collect();
    for product_id in late {
        let meta = from_primary(read, product_id).await?;
        for (_, answer) in products.iter().zip(&mut answers).filter(|(id, _)| **id == product_id) {
            *answer = MetaAnswer { generation: NO_GENERATION, meta: meta.clone(), parked: false };
        }
    }
    Ok(answers)
}

async fn products_from_primary(read: &Read, products: &[ProductId]) -> Result<Vec<MetaAnswer>, HttpProblem> {
    let mut answers = Vec::with_capacity(products.len());
    for product_id in products {
        let meta = from_primary(read, *product_id).await?;
        answers.push(MetaAnswer { generation: NO_GENERATION, meta, parked: false });
    }
    Ok(answers)
}

async fn from_primary(read: &Read, product_id: ProductId) -> Result<ProductMeta, HttpProblem> {
    let meta =
        retry_lost(|| read.primary.on(async |primary| primary::product_meta(primary, product_id).await))
            .await?;
    tracing::debug!(product.id = %product_id, "meta was added up from the primary");
    Ok(meta)
}

/// The products whose metas are older than is needed.
fn behind<'a>(
    products: &'a [ProductId],
    answers: &'a [MetaAnswer],
    needs: &'a Needs,
) -> impl Iterator<Item = (ProductId, &'a MetaAnswer)> {
    let pairs = products.iter().copied().zip(answers);
    pairs.filter(|(product_id, answer)| answer.meta.version < needs.of(*product_id))
}

async fn look(meta: &Lanes, products: &[ProductId]) -> Result<Vec<MetaAnswer>, HttpProblem> {
    let answers = match products {
        [one] => {
            let answer = retry_lost(|| meta.on(async |meta| meta::product_answer(meta, *one).await)).await?;
            answer.map(|answer| vec![answer])
        }
        many => retry_lost(|| meta.on(async |meta| meta::product_answers(meta, many).await)).await?,
    };
    answers.ok_or_else(|| {
        tracing::warn!(
            "no generation of meta answers: no projector runs that begins one, or has one answer again"
        );
        Problem::unavailable().into()
    })
}

/// Waits until meta has these versions, or those of them that it will have.
fn reached(read: &Read, awaited: Vec<(ProductId, Version)>) -> impl Future<Output = ()> + Send + 'static {
    let (meta, listener) = (read.meta.clone(), read.listener.clone());
    async move {
        let products: Vec<ProductId> = awaited.iter().map(|(product_id, _)| *product_id).collect();
        loop {
            let told =
                join_all(awaited.iter().map(|(id, version)| listener.reached(Store::Meta, *id, *version)));
            tokio::select! {
                _ = told => {}
                () = sleep(LOOK_AGAIN_INTERVAL) => {}
            }
            let there = match look(&meta, &products).await {
                Ok(answers) => {
                    let mut all = answers.iter().zip(&awaited);
                    all.all(|(answer, (_, version))| answer.parked || answer.meta.version >= *version)
                }
                Err(_) => false,
            };
            if there {
                return;
            }
            sleep(EARLY_NOTICE_PAUSE).await;
        }
    }
}
