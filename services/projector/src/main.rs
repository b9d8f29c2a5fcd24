//! The projector: keeps meta up to date with the log.

mod config;

mod consume;
mod projector;

mod canary;

mod check;
mod metrics;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use changes::announcer;
use config::Config;
use contract::Store;
use futures_util::FutureExt;
use metrics::Metrics;
use projector::Projector;
use replay::Stores;
use service::{Cors, Settings, health_routes, run, serve, stop_signal, together, with_manners};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> ExitCode {
    run("projector", None, projector).await
}

async fn projector(settings: Settings) -> anyhow::Result<()> {
    let config = Config::read(settings)?;
    let shutdown = stop_signal()?;

    let works = Arc::new(AtomicBool::new(false));
    let is_ready = works.clone();
    let ready = move || {
        let ready = is_ready.load(Ordering::Relaxed);
        async move { ready }
    };
    let (announcing, announcer) =
        announcer(config.broker.clone(), "projector: changes", Store::Meta, shutdown.clone());
    let (consumer, inbox) = consume::consumer(config.broker, shutdown.clone());
    let metrics = Arc::new(Metrics::new());
    let stores = Stores { primary: config.primary.clone(), meta: config.meta.clone() };
    let projector = Projector::new(config.primary, config.meta, announcer, works, metrics.clone());

    let mut tasks = JoinSet::new();
    tasks.spawn(serve(
        config.listen,
        with_manners(
            Router::new().merge(health_routes(ready)).merge(metrics_route(metrics.clone())),
            Cors::Any,
        ),
        shutdown.clone(),
    ));
    tasks.spawn(consumer);
    tasks.spawn(announcing.map(Ok));
    tasks.spawn(projector.run(inbox, shutdown.clone()));
    tasks.spawn(check::check(stores, metrics, shutdown.clone()));
    together(tasks, &shutdown).await
}

fn metrics_route(metrics: Arc<Metrics>) -> Router {
    let text = move || {
        let text = metrics.text();
        async move { ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text) }
    };
    Router::new().route("/metrics", get(text))
}
