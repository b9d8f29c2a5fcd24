//! Logs: one line an event, as text or JSON, to standard output. No personal data, ever.

use crate::Settings;
use anyhow::bail;
use tracing_subscriber::EnvFilter;

/// Begins to log, by `LOG` (a filter, `info` by default) and `LOG_FORMAT` (`text` or `json`).
///
/// # Errors
/// When either cannot be read.
pub fn start_logging(settings: Settings) -> anyhow::Result<()> {
    // The client library of the broker reports every lost connection itself, at error.
    let filter: EnvFilter = settings.or("LOG", EnvFilter::new("info,lapin=off"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    match settings.or("LOG_FORMAT", "text".to_owned())?.as_str() {
        "text" => builder.with_ansi(false).init(),
        "json" => builder.json().flatten_event(true).init(),
        other => bail!("LOG_FORMAT must be text or json, not {other:?}"),
    }
    Ok(())
}
