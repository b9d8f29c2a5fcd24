//! Starting and ending a service.

use crate::{Settings, Shutdown, healthcheck, settings, start_logging};
use std::process::ExitCode;
use tokio::task::JoinSet;

/// Runs the service `name`, or asks the one that runs whether it is ready when the only argument is
/// `healthcheck`. Whatever ends it early is one line on standard error, and a failure code.
pub async fn run<F>(name: &'static str, service: impl FnOnce(Settings) -> F) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
    let settings = settings(name);
    let asked = std::env::args().nth(1);
    let result = match asked.as_deref() {
        Some("healthcheck") => healthcheck(settings).await,
        Some(other) => Err(anyhow::anyhow!("{name} takes its settings from the environment, not {other:?}")),
        None => match start_logging(settings) {
            Ok(()) => service(settings).await,
            Err(error) => Err(error),
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the log may not have begun")]
            {
                eprintln!("{name}: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Waits for the parts of a service. One that ends by itself ends the service, so that whoever
/// supervises it notices.
///
/// # Errors
/// That of the first part that failed, or that one ended without having been told to.
pub async fn together(mut parts: JoinSet<anyhow::Result<()>>, shutdown: &Shutdown) -> anyhow::Result<()> {
    while let Some(ended) = parts.join_next().await {
        ended??;
        anyhow::ensure!(shutdown.is_stopped(), "a part of the service ended by itself");
    }
    Ok(())
}
