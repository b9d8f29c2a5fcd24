//! Why a replay, a verification or a rebuild did not come to its end.

use crate::words::counted;
use domain::{Part, Position, ProductId, Version};
use meta::{Phase, Source};
use projection::ProjectError;
use std::time::Duration;

/// Why it ended early. What was built stays, and the same call goes on with it.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A statement on the primary failed, or it is away.
    #[error("a statement on the primary database failed")]
    Primary(#[source] sqlx::Error),
    /// A statement on meta failed, or it is away.
    #[error("a statement on the meta database failed")]
    Meta(#[source] sqlx::Error),
    /// Events could not be folded.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// Positions are missing in the log.
    #[error(
        "the log has no event at position {pos} of part {part}, though its head is past it: restore the primary, or \
         end this replay (`reviewsctl replay cancel`) and rebuild from the reviews (`reviewsctl replay --source snapshot`, \
         then `reviewsctl generations prune`, as nothing brings the one before past the hole)"
    )]
    LogBroken {
        /// The part.
        part: Part,
        /// The missing position.
        pos: Position,
    },
    /// Another process works at a replay.
    #[error("{}", busy(*.generation, *.paused))]
    Busy {
        /// The generation that it builds, once it is known.
        generation: Option<i32>,
        /// Whether it waits for `resume`.
        paused: bool,
    },
    /// Another process was at work, and its replay ended while this call waited for it.
    #[error(
        "the replay of generation {generation}, which another process worked at, has just ended ({}): no other one is begun; \
         run the same command again if one is wanted", ended.name()
    )]
    EndedMeanwhile {
        /// The generation that it built.
        generation: i32,
        /// How it ended.
        ended: Phase,
    },
    /// A replay of another kind has not ended.
    #[error(
        "the replay of generation {generation} (--source {}{}) has not ended: go on with it by the same options, or end it \
         by `reviewsctl replay cancel`", made_from.name(), if *fresh { " --fresh" } else { "" }
    )]
    Unended {
        /// The generation that it builds.
        generation: i32,
        /// Its source.
        made_from: Source,
        /// Whether it begins anew with another log.
        fresh: bool,
    },
    /// A replay that this program cannot write.
    #[error(
        "generation {generation} is being built by projection version {version}, which this program does not write: end \
         it by `reviewsctl replay cancel`"
    )]
    UnknownVersion {
        /// The generation.
        generation: i32,
        /// Its version.
        version: i32,
    },
    /// It was told to give up.
    #[error("the replay of generation {0} was cancelled: meta answers as before")]
    Cancelled(i32),
    /// The log is the same, so there is nothing to begin anew.
    #[error("meta follows this primary's log: --fresh is for a primary that was restored; leave it out")]
    SameLog,
    /// The log changed under a replay.
    #[error(
        "the log is not the one that generation {0} was begun from: end it by `reviewsctl replay cancel`, then begin again"
    )]
    LogChanged(i32),
    /// Nobody gives positions.
    #[error(
        "product {product_id} cannot be compared: it is at version {version}, and its last events have had no position for \
         {} s: does a write service run? (`reviewsctl status`); run the same command again afterwards", .waited.as_secs()
    )]
    NoPositions {
        /// The product.
        product_id: ProductId,
        /// Its version in the generation.
        version: Version,
        /// How long was waited.
        waited: Duration,
    },
    /// Nobody advances the generation.
    #[error(
        "generation {generation} is {} behind the one that answers and does not move: is the projector well? \
         (`reviewsctl status`); run the same command again afterwards", counted(*.events, "event")
    )]
    NotAdvanced {
        /// The generation.
        generation: i32,
        /// Events that it lacks.
        events: i64,
    },
    /// Nobody advances the generation that is to answer.
    #[error(
        "generation {0} is behind the one that answers, and nobody brings it up to date: is the projector well? \
         (`reviewsctl status`); run the same command again afterwards"
    )]
    Behind(i32),
    /// Products would stand still that do not where readers look now.
    #[error(
        "generation {generation} is not swapped in: {} {} still in it and not in the one that answers, as product {first} \
         (`reviewsctl parked show {first}` says why): mend the cause, `reviewsctl parked redrive --all`, and run the same \
         command again; with --with-parked it is swapped in as it is", counted(*.products, "product"),
        if *.products == 1 { "stands" } else { "stand" }
    )]
    ParkedAnew {
        /// The generation that was built.
        generation: i32,
        /// The first of them.
        first: ProductId,
        /// How many.
        products: i64,
    },
    /// The generation that answers changed meanwhile.
    #[error(
        "generation {found} answers now instead of {expected}, swapped in by somebody else: run the command again"
    )]
    Swapped {
        /// The generation that answered.
        expected: i32,
        /// The one that does.
        found: i32,
    },
    /// The generation to swap in is gone.
    #[error("generation {0} is not kept up to date any more: see `reviewsctl generations list`")]
    NotLive(i32),
    /// There is nothing to roll back to.
    #[error("there is no generation to roll back to: none answered before, or it was pruned")]
    NoPrevious,
    /// Which generation is not needed nobody can tell.
    #[error(
        "no generation answers, so that none is deleted: a projector that runs has one answer within ten seconds; \
         `reviewsctl status` says more"
    )]
    NoneAnswers,
    /// None was begun yet, or the row that names it is gone.
    #[error(
        "no generation of meta answers: a projector that runs begins one, or has one answer again (`reviewsctl status`)"
    )]
    NoGeneration,
}

impl ReplayError {
    /// Whether it says what is in the way, instead of a statement that failed.
    pub const fn is_foreseen(&self) -> bool {
        !matches!(
            self,
            ReplayError::Primary(_) | ReplayError::Meta(_) | ReplayError::Project(ProjectError::Store(_))
        )
    }

    /// Whether a generation does not fit the log.
    pub const fn is_other_log(&self) -> bool {
        matches!(self, ReplayError::Project(ProjectError::OtherLog { .. }))
    }
}

fn busy(generation: Option<i32>, paused: bool) -> String {
    let replay =
        generation.map_or_else(|| "a replay".to_owned(), |g| format!("the replay of generation {g}"));
    match paused {
        true => format!(
            "another process is at {replay}, which is paused: `reviewsctl replay resume` lets it go on, `reviewsctl replay \
             cancel` ends it"
        ),
        false => format!("another process works at {replay}: follow it by `reviewsctl replay list`"),
    }
}

/// Says that an error is the primary's.
pub(crate) fn primary<T>(result: Result<T, sqlx::Error>) -> Result<T, ReplayError> {
    result.map_err(ReplayError::Primary)
}

/// Says that an error is meta's.
pub(crate) fn meta<T>(result: Result<T, sqlx::Error>) -> Result<T, ReplayError> {
    result.map_err(ReplayError::Meta)
}
