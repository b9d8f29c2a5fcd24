//! What commands come to, as answers.

use crate::fault::Fault;
use crate::say::error_line;
use contract::Problem;
use replay::ReplayError;
use service::HttpProblem;
use std::future::Future;
use tracing::Instrument as _;

/// An error of a command as a problem. Operations people are told what a terminal would say, unless nobody foresaw it:
/// then the log is.
pub(crate) fn problem(error: &anyhow::Error) -> Problem {
    let line = error_line(error);
    match error.downcast_ref::<Fault>() {
        Some(Fault::Unknown(_)) => return Problem::not_found(line),
        Some(Fault::Conflict(_)) => return Problem::conflict(line),
        Some(Fault::Away(_)) => {
            tracing::warn!(cause = line, "a store is away");
            return Problem::away(line);
        }
        None => {}
    }
    let lost = error.chain().filter_map(|cause| cause.downcast_ref::<sqlx::Error>());
    if lost.map(postgres::fault).any(|fault| fault == postgres::Fault::Away) {
        tracing::warn!(cause = line, "a store is away");
        return Problem::away(line);
    }
    if error.downcast_ref::<ReplayError>().is_some_and(ReplayError::is_foreseen) {
        return Problem::conflict(line);
    }
    tracing::error!(cause = line, "a command failed");
    Problem::internal()
}

/// The same, as the end of a request.
#[expect(clippy::needless_pass_by_value, reason = "for map_err: the error ends here")]
pub(crate) fn refused(error: anyhow::Error) -> HttpProblem {
    HttpProblem(problem(&error))
}

/// Does work to its end, also when whoever asked hangs up or has waited too long: half of it would help nobody.
pub(crate) async fn whole<T: Send + 'static>(
    work: impl Future<Output = anyhow::Result<T>> + Send + 'static,
) -> Result<T, HttpProblem> {
    match tokio::spawn(work.in_current_span()).await {
        Ok(done) => done.map_err(refused),
        Err(_) => {
            tracing::error!("a command panicked; the message above says where");
            Err(Problem::internal().into())
        }
    }
}
