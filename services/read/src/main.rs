//! The read service: answers list from the primary and meta from the meta database.

mod cache;

mod config;

mod router;

mod jsonld;
mod list;
mod meta;
mod one;

mod api;

mod consistency;
mod metas;
mod pages;
mod query;

mod version;
mod watch;

use cache::Cache;
use changes::{Patience, reader};
use config::Config;
use futures_util::FutureExt;
use postgres::Lanes;
use service::{Settings, health_routes, run, serve, stop_signal, together, with_limit, with_manners};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> ExitCode {
    run("read", Some(api::openapi), read).await
}

async fn read(settings: Settings) -> anyhow::Result<()> {
    let config = Config::read(settings)?;
    let shutdown = stop_signal()?;
    let cache = Arc::new(Cache::new(config.cache));
    let (listening, listener) = reader(config.broker, "read: changes", cache.clone(), shutdown.clone());
    let state = Arc::new(router::Read {
        primary: Arc::new(Lanes::of(config.primary.clone())),
        meta: Arc::new(Lanes::of(config.meta.clone())),
        cache: cache.clone(),
        listener,
        patience: Patience::default(),
        cursor_key: OnceCell::new(),
        family2: config.family2,
    });
    for lanes in [state.primary.clone(), state.meta.clone()] {
        tokio::spawn(async move { lanes.open().await });
    }
    let stores = state.clone();
    let ready = move || {
        let stores = stores.clone();
        async move { stores.are_ready().await }
    };
    let routes = with_limit(router::routes(), config.requests_max).merge(health_routes(ready));
    let app = with_manners(routes, config.cors).with_state(state);

    let mut tasks = JoinSet::new();
    tasks.spawn(serve(config.listen, app, shutdown.clone()));
    tasks.spawn(listening.map(Ok));
    tasks.spawn(version::watch(config.meta.clone(), shutdown.clone()).map(Ok));
    tasks.spawn(watch::watch(config.primary, config.meta, cache, shutdown.clone()).map(Ok));
    together(tasks, &shutdown).await
}
