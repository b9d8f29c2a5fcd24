//! The scenarios by name.

use crate::bare::Bare;
use crate::drive::{Outcome, Plan, drive};
use crate::list_dropped;
use crate::statement;
use crate::traffic::{Ids, Pages, Pool, Reads, Traffic};
use anyhow::Result;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Longest time after the end for requests that are still due: what waits for longer was not answered.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scenario {
    /// Metas of products 1 to N, each as often
    RandomMeta,
    /// Lists of them
    RandomList,
    /// Both pages, the n-th product as often as 1/n says: a shop's real traffic
    Zipf,
    /// Metas of 11 products
    HotMeta,
    /// Lists of 11 products
    HotList,
    /// Reviews of 1,000 products
    Post,
    /// Helpful votes for their reviews
    Vote,
    /// 95 % reads, 3 % reviews, 2 % votes; answers are checked for what was acknowledged before
    Mixed,
    /// How soon after a review is stored no reader shows its product's list without it, beside reviews at the rate
    ListDropped,
    /// NGINX's own answer: the most that its settings allow
    CeilingLiteral,
    /// NGINX and readers that know one answer of a meta's size by heart
    CeilingStatic,
    /// The statement that stores a review, run by pgbench
    CeilingPost,
}

/// Where it is measured, and how.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    /// The front door, on loopback.
    pub(crate) front: SocketAddr,
    /// Data directory of the stack, for what is measured behind the front door.
    pub(crate) data: PathBuf,
    /// Highest product id.
    pub(crate) products: u64,
    pub(crate) connections: usize,
    /// Requests a second; none for each after the answer to the one before.
    pub(crate) rate: Option<f64>,
    pub(crate) time: Duration,
    /// Whether writes ask not to wait until they show.
    pub(crate) asynchronously: bool,
    /// Whether to show each second on stderr.
    pub(crate) shown: bool,
}

impl Scenario {
    /// As it is named on the command line.
    pub(crate) fn name(self) -> String {
        clap::ValueEnum::to_possible_value(&self).map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Whether it needs a stack's front door.
    pub(crate) const fn asks_the_front_door(self) -> bool {
        !matches!(self, Scenario::CeilingLiteral | Scenario::CeilingStatic)
    }

    /// Measures it.
    pub(crate) async fn run(self, setting: &Setting) -> Result<Outcome> {
        let bare = match self {
            Scenario::ListDropped => return list_dropped::measure(setting).await,
            Scenario::CeilingPost => return statement::measure(setting).await,
            Scenario::CeilingLiteral | Scenario::CeilingStatic => Some(Bare::start()?),
            _ => None,
        };
        let plan = Plan {
            front: bare.as_ref().map_or(setting.front, |bare| bare.front),
            connections: setting.connections,
            rate: setting.rate,
            time: setting.time,
            grace: GRACE,
            shown: setting.shown,
        };
        let traffic = self.traffic(setting).await?;
        let outcome = tokio::task::spawn_blocking(move || drive(plan, traffic)).await?;
        drop(bare);
        outcome
    }

    async fn traffic(self, setting: &Setting) -> Result<Traffic> {
        let Setting { products, asynchronously, .. } = *setting;
        let reads = |ids, pages| Traffic::Reads(Reads { ids, pages });
        let pool = async || Pool::read_from(setting.front, products).await.map(Arc::new);
        Ok(match self {
            Scenario::RandomMeta => reads(Ids::Uniform(products), Pages::Meta),
            Scenario::RandomList => reads(Ids::Uniform(products), Pages::List),
            Scenario::Zipf => reads(Ids::zipf(products), Pages::Both),
            Scenario::HotMeta => reads(Ids::Hot(products), Pages::Meta),
            Scenario::HotList => reads(Ids::Hot(products), Pages::List),
            // Of the last two, what is driven beside what is measured.
            Scenario::Post | Scenario::ListDropped | Scenario::CeilingPost => {
                Traffic::Posts { pool: pool().await?, asynchronously }
            }
            Scenario::Vote => Traffic::Votes { pool: pool().await?, asynchronously },
            Scenario::Mixed => Traffic::Mixed { pool: pool().await?, ids: Ids::Uniform(products) },
            Scenario::CeilingLiteral => Traffic::One("/healthz"),
            // The product's id spreads the requests over the readers, as it does those that are held against this.
            Scenario::CeilingStatic => reads(Ids::Uniform(products), Pages::Meta),
        })
    }
}
