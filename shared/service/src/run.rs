//! Starting and ending a service.

use crate::{Settings, healthcheck, settings, start_logging};
use std::process::ExitCode;

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
