//! The read service: answers list from the primary and meta from the meta database.

mod config;

mod router;

mod list;
mod meta;

mod query;

use config::Config;
use service::{health_routes, healthcheck, serve, settings, start_logging, stop_signal, with_manners};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings = settings("read");
    if std::env::args().nth(1).as_deref() == Some("healthcheck") {
        return healthcheck(settings).await;
    }
    start_logging(settings)?;
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
