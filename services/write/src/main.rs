//! The write service: takes reviews and votes, and carries what happened to the broker.

mod config;

mod router;

mod command;
mod post_review;
mod vote;

mod visibility;

mod api;

mod publisher;
mod relay;
mod sequencer;

mod forget;
mod latency;

use changes::{Patience, announcer, listener};
use config::Config;
use contract::Store;
use futures_util::FutureExt;
use latency::Latency;
use service::{Settings, health_routes, run, serve, stop_signal, together, with_limit, with_manners};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::task::JoinSet;
use visibility::Visibility;

#[tokio::main]
async fn main() -> ExitCode {
    run("write", Some(api::openapi), write).await
}

async fn write(settings: Settings) -> anyhow::Result<()> {
    let config = Config::read(settings)?;
    let shutdown = stop_signal()?;
    let (announcing, announcer) =
        announcer(config.broker.clone(), "write: changes", Store::Primary, shutdown.clone());
    let (listening, listener) = listener(config.broker.clone(), "write: changes", shutdown.clone());
    let (relay, written) = relay::relay(&config, announcer.clone(), shutdown.clone());
    let forgetting = forget::run(config.primary.clone(), shutdown.clone());
    let latency = Latency::default();
    let telling = latency::run(config.primary.clone(), latency.clone(), shutdown.clone());

    let (pool, opened) = (config.primary.clone(), config.primary.clone());
    let ready = move || {
        let pool = pool.clone();
        async move { primary::log_epoch(&pool).await.is_ok() }
    };
    let visibility = Visibility {
        announcer,
        listener,
        timeout: config.visible_timeout,
        written,
        of_primary: Patience::default(),
        of_meta: Patience::default(),
    };
    let state = Arc::new(router::Write {
        primary: config.primary,
        report_threshold: config.report_threshold,
        visibility,
        latency,
    });
    let routes = with_limit(router::routes(), config.requests_max).merge(health_routes(ready));
    let app = with_manners(routes, config.cors).with_state(state);

    tokio::spawn(postgres::open_connections(opened));
    let mut tasks = JoinSet::new();
    tasks.spawn(serve(config.listen, app, shutdown.clone()));
    tasks.spawn(relay);
    tasks.spawn(announcing.map(Ok));
    tasks.spawn(listening.map(Ok));
    tasks.spawn(forgetting);
    tasks.spawn(telling);
    together(tasks, &shutdown).await
}
