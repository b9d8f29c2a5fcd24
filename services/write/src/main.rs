//! The write service: takes reviews and votes, and carries what happened to the broker.

mod config;

mod router;

mod post_review;
mod vote;

mod publisher;
mod relay;
mod sequencer;

use config::Config;
use service::{Settings, health_routes, run, serve, stop_signal, together, with_manners};
use std::process::ExitCode;
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> ExitCode {
    run("write", write).await
}

async fn write(settings: Settings) -> anyhow::Result<()> {
    let config = Config::read(settings)?;
    let shutdown = stop_signal()?;
    let (relay, written) = relay::relay(&config, shutdown.clone());

    let pool = config.primary.clone();
    let ready = move || {
        let pool = pool.clone();
        async move { primary::log_epoch(&pool).await.is_ok() }
    };
    let state = router::Write { primary: config.primary, report_threshold: config.report_threshold, written };
    let app = with_manners(router::routes().merge(health_routes(ready))).with_state(state);

    let mut tasks = JoinSet::new();
    tasks.spawn(serve(config.listen, app, shutdown.clone()));
    tasks.spawn(relay);
    together(tasks, &shutdown).await
}
