//! `reviewsctl serve`: the admin API. It does over HTTP what the other commands do, by the same functions, for
//! whoever brings its token.

mod door;
mod token;

mod router;

mod look;

mod replays;
mod verifications;

mod generations;
mod parked;

mod people;

mod answer;
mod body;
mod fields;
mod job;

mod api;

use crate::config::Config;
use crate::say;
use crate::stores::Named;
use clap::{Args, ValueEnum};
use door::Door;
use job::Slot;
use replay::Stores;
use service::{
    Cors, Settings, health_routes, healthcheck, serve_at, stop_signal, with_ids, with_limit, with_problems,
};
use std::sync::Arc;
use std::time::Duration;
use token::Token;

/// Longest time for one answer: what is worked through product by product or review by review takes its time. What
/// takes longer goes on without the answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
/// Requests under way at most: each has connections of its own.
const REQUESTS_MAX: usize = 16;
/// Its name in logs.
const NAME: &str = "reviewsctl serve";

/// Arguments of `reviewsctl serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Do this instead
    #[arg(value_enum)]
    instead: Option<Instead>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Instead {
    /// Ask the one that runs whether it is ready
    Healthcheck,
    /// Print the description of its operations
    Openapi,
}

impl ServeArgs {
    pub(crate) fn start_logging(&self) -> anyhow::Result<()> {
        match self.instead {
            None => service::start_logging(Settings::of(NAME)),
            Some(_) => Ok(()),
        }
    }
}

/// What handlers work with. Stores are connected to by each request, as by each command.
#[derive(Debug, Clone)]
pub(crate) struct Admin {
    config: Arc<Config>,
    replays: Arc<Slot<crate::replay::ReplayedJson>>,
    verifications: Arc<Slot<crate::verify::Json>>,
}

impl Admin {
    fn new(config: Config) -> Self {
        Admin { config: Arc::new(config), replays: Arc::default(), verifications: Arc::default() }
    }
}

/// Serves until it is told to stop.
pub(crate) async fn run(args: &ServeArgs, config: Config) -> anyhow::Result<()> {
    match args.instead {
        Some(Instead::Healthcheck) => return healthcheck(NAME, config.admin_listen()?).await,
        Some(Instead::Openapi) => return say::result(service::openapi::printed(&api::openapi())?),
        None => {}
    }
    let listen = config.admin_listen()?;
    let door =
        Arc::new(Door { token: Token::read(&config.admin_token()?)?, loopback: listen.ip().is_loopback() });
    if !door.loopback {
        tracing::warn!(%listen, "the admin API can be reached from other machines: whoever has its token can do everything");
    }
    // Addresses that cannot be read are said now, not to the first who asks.
    let stores = Named::new(&config)?.stores;
    config.broker()?;
    let admin = Admin::new(config);
    let shutdown = stop_signal()?;
    let routes =
        with_limit(router::router(), REQUESTS_MAX).merge(health_routes(move || are_ready(stores.clone())));
    let guarded = door::guarded(with_problems(routes), door);
    let app = with_ids(guarded, Cors::Nobody, REQUEST_TIMEOUT).with_state(admin.clone());
    serve_at("ADMIN_LISTEN", listen, app, shutdown).await?;
    if admin.replays.is_under_way() {
        tracing::info!(
            "a replay is left as it is: it goes on by a request to resume it, or by `reviewsctl replay resume`"
        );
    }
    Ok(())
}

async fn are_ready(stores: Stores) -> bool {
    primary::log_epoch(&stores.primary).await.is_ok() && meta::active_generation(&stores.meta).await.is_ok()
}
