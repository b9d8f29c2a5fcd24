//! Starting and ending a service.

use crate::openapi::printed;
use crate::{Settings, Shutdown, healthcheck, start_logging};
use std::process::ExitCode;
use tokio::task::JoinSet;
use utoipa::openapi::OpenApi;

/// Runs the service `name`. With the argument `healthcheck` it asks the one that runs whether it is
/// ready, and with `openapi` it prints the description of its operations instead. Whatever ends it early is one line on standard error, and a failure code.
pub async fn run<F>(
    name: &'static str,
    openapi: Option<fn() -> OpenApi>,
    service: impl FnOnce(Settings) -> F,
) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
    let settings = Settings::of(name);
    let asked = std::env::args().nth(1);
    let result = match (asked.as_deref(), openapi) {
        (Some("healthcheck"), _) => match settings.listen() {
            Ok(address) => healthcheck(name, address).await,
            Err(error) => Err(error),
        },
        (Some("openapi"), Some(openapi)) => print(&openapi()),
        (Some(other), _) => {
            Err(anyhow::anyhow!("{name} takes its settings from the environment, not {other:?}"))
        }
        (None, _) => match start_logging(settings) {
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

#[expect(clippy::print_stdout, reason = "what the argument asks for")]
fn print(openapi: &OpenApi) -> anyhow::Result<()> {
    println!("{}", printed(openapi)?);
    Ok(())
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
