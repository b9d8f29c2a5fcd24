//! The read service: answers list from the primary and meta from the meta database.

mod config;

mod router;

mod list;
mod meta;

mod query;

use config::Config;
use service::{Settings, health_routes, run, serve, stop_signal, with_manners};
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    run("read", read).await
}

async fn read(settings: Settings) -> anyhow::Result<()> {
    let config = Config::read(settings)?;
    let state = router::Read { primary: config.primary, meta: config.meta };
    let stores = state.clone();
    let ready = move || {
        let stores = stores.clone();
        async move { stores.are_ready().await }
    };
    let app = with_manners(router::routes().merge(health_routes(ready))).with_state(state);
    serve(config.listen, app, stop_signal()?).await
}
