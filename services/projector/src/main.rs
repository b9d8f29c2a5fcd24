//! The projector: keeps meta up to date with the log.

mod config;

mod consume;
mod projector;

mod batch;
mod fold;
mod project;

#[cfg(test)]
mod tests;

use axum::Router;
use config::Config;
use projector::Projector;
use service::{Settings, health_routes, run, serve, stop_signal, together, with_manners};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> ExitCode {
    run("projector", projector).await
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
    let (consumer, inbox) = consume::consumer(config.broker, shutdown.clone());
    let projector = Projector::new(config.primary, config.meta, works);

    let mut tasks = JoinSet::new();
    tasks.spawn(serve(
        config.listen,
        with_manners(Router::new().merge(health_routes(ready))),
        shutdown.clone(),
    ));
    tasks.spawn(consumer);
    tasks.spawn(projector.run(inbox, shutdown.clone()));
    together(tasks, &shutdown).await
}
