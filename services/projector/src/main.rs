//! The projector: keeps meta up to date with the log.

mod config;

mod consume;
mod projector;

use axum::Router;
use changes::announcer;
use config::Config;
use futures_util::FutureExt;
use projector::Projector;
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
    let (announcing, announcer) = announcer(config.broker.clone(), "projector: changes", shutdown.clone());
    let (consumer, inbox) = consume::consumer(config.broker, shutdown.clone());
    let projector = Projector::new(config.primary, config.meta, announcer, works);

    let mut tasks = JoinSet::new();
    tasks.spawn(serve(
        config.listen,
        with_manners(Router::new().merge(health_routes(ready)), Cors::Any),
        shutdown.clone(),
    ));
    tasks.spawn(consumer);
    tasks.spawn(announcing.map(Ok));
    tasks.spawn(projector.run(inbox, shutdown.clone()));
    together(tasks, &shutdown).await
}
