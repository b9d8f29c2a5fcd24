//! What the whole is in: one state, and every alarm with what it means and the command that mends it.

use super::origin::Origin;
use domain::{Beat, PROJECTION_VERSION};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// A canary that has not beaten for so long is dead: it beats once a second.
const CANARY_SILENCE: Duration = Duration::from_secs(5);
/// Beats that meta may be behind the primary before it is asked whether it moves at all.
const CANARY_BEATS_BEHIND: i64 = 5;
/// Older events that meta has not folded make it behind; younger ones are on their way.
const BEHIND_AFTER: Duration = Duration::from_secs(2);
/// A transaction that is open for longer keeps dead rows of the hot tables alive.
const LONG_SNAPSHOT: Duration = Duration::from_secs(10);

/// The states, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    PrimaryAway,
    MetaAway,
    NoGeneration,
    OtherLog,
    DamagedGeneration,
    LogBroken,
    RelayDead,
    ProjectorDead,
    BrokerAway,
    OldProjectionVersion,
    InvalidGeneration,
    Parked,
    DeadLetters,
    LongSnapshot,
    Behind,
    Well,
    Idle,
}

impl State {
    pub(super) const ALL: [State; 17] = [
        State::PrimaryAway,
        State::MetaAway,
        State::NoGeneration,
        State::OtherLog,
        State::DamagedGeneration,
        State::LogBroken,
        State::RelayDead,
        State::ProjectorDead,
        State::BrokerAway,
        State::OldProjectionVersion,
        State::InvalidGeneration,
        State::Parked,
        State::DeadLetters,
        State::LongSnapshot,
        State::Behind,
        State::Well,
        State::Idle,
    ];

    /// Its name, the same in texts, in JSON and in the documents.
    pub(super) const fn id(self) -> &'static str {
        match self {
            State::PrimaryAway => "primary-away",
            State::MetaAway => "meta-away",
            State::NoGeneration => "no-generation",
            State::OtherLog => "other-log",
            State::DamagedGeneration => "damaged-generation",
            State::LogBroken => "log-broken",
            State::RelayDead => "relay-dead",
            State::ProjectorDead => "projector-dead",
            State::BrokerAway => "broker-away",
            State::OldProjectionVersion => "old-projection-version",
            State::InvalidGeneration => "invalid-generation",
            State::Parked => "parked",
            State::DeadLetters => "dead-letters",
            State::LongSnapshot => "long-snapshot",
            State::Behind => "behind",
            State::Well => "well",
            State::Idle => "idle",
        }
    }

    /// What it means, in one line.
    pub(super) const fn meaning(self) -> &'static str {
        match self {
            State::PrimaryAway => "the primary database cannot be used: no reviews, votes and lists",
            State::MetaAway => "the meta database cannot be used: no metas but to tokens",
            State::NoGeneration => {
                "meta has no generation to answer from: no projector runs that begins one, or has one answer again"
            }
            State::OtherLog => {
                "meta was made from another log than the primary's, which was probably restored"
            }
            State::DamagedGeneration => {
                "the generation that answers does not fit the log, and the one before it does: its checkpoints were changed"
            }
            State::LogBroken => "the log has a hole where meta has to go on",
            State::RelayDead => "no relay gives events their positions: meta stands still",
            State::ProjectorDead => "no projector brings meta on",
            State::BrokerAway => {
                "the broker cannot be used: answers to commands come at commit, meta follows by pulling"
            }
            State::OldProjectionVersion => {
                "meta was made by an older version of the fold than this program's"
            }
            State::InvalidGeneration => {
                "a generation that does not answer does not fit the log: it is left out, and nobody can go back to it"
            }
            State::Parked => "some products stand still, since an event of theirs could not be applied",
            State::DeadLetters => {
                "the broker keeps messages that could not be used; nothing is missing in meta"
            }
            State::LongSnapshot => {
                "a transaction has been open for more than 10 s: it slows down the giving of positions"
            }
            State::Behind => "meta has not folded all events yet, and comes on",
            State::Well => "meta has everything, or what came in the last moment is on its way",
            State::Idle => "meta has everything, and no commands come",
        }
    }

    /// The command that mends it; none where there is nothing to mend.
    pub(super) const fn command(self) -> Option<&'static str> {
        match self {
            State::PrimaryAway => Some("cargo stack start primary"),
            State::MetaAway => Some("cargo stack start meta"),
            State::NoGeneration => Some("cargo stack start projector"),
            State::OtherLog => Some("cargo reviewsctl replay --fresh"),
            State::DamagedGeneration => Some("cargo reviewsctl rollback"),
            State::LogBroken => Some("pg_restore --clean --if-exists --no-owner --dbname PRIMARY_URL BACKUP"),
            State::RelayDead => Some("cargo stack restart write"),
            State::ProjectorDead => Some("cargo stack restart projector"),
            State::BrokerAway => Some("cargo stack start rabbitmq"),
            State::OldProjectionVersion => Some("cargo reviewsctl replay"),
            State::InvalidGeneration => Some("cargo reviewsctl generations prune --keep-previous"),
            State::Parked => Some("cargo reviewsctl parked redrive --all"),
            State::DeadLetters => Some("cargo reviewsctl parked discard --dead-letters"),
            State::LongSnapshot => Some("SELECT pg_terminate_backend(PID)"),
            State::Behind => Some("cargo reviewsctl status --wait"),
            State::Well | State::Idle => None,
        }
    }

    /// Whether somebody has to do something.
    pub(super) const fn is_alarm(self) -> bool {
        !matches!(self, State::Behind | State::Well | State::Idle)
    }
}

/// What was seen of the parts, as far as their stores answered.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) primary: bool,
    pub(super) meta: bool,
    pub(super) broker: bool,
    /// Version of the fold that made the generation that answers.
    pub(super) projection_version: Option<i32>,
    pub(super) origin: Option<Origin>,
    /// Events that meta has not folded, and the age of the oldest.
    pub(super) behind: (i64, Option<Duration>),
    /// Where the canary is in the primary, and how long ago it beat.
    pub(super) canary_in_primary: Option<(Beat, Duration)>,
    /// Which beat came through to meta last.
    pub(super) canary_in_meta: Option<Beat>,
    /// Whether meta came on while it was looked at.
    pub(super) moves: bool,
    pub(super) commands: u64,
    /// Generations that are left out.
    pub(super) invalid: usize,
    pub(super) parked: usize,
    pub(super) dead_letters: u32,
    /// Age of the oldest transaction that has a snapshot.
    pub(super) snapshot: Option<Duration>,
}

impl Seen {
    /// Whether meta's canary is where that of the primary was a while ago. Then meta works on a backlog,
    /// or nobody brings it on: only looking longer tells.
    pub(super) fn canary_lags(&self) -> bool {
        match (self.canary_in_primary, self.canary_in_meta) {
            (Some((primary, _)), Some(meta)) => primary.0 - meta.0 > CANARY_BEATS_BEHIND,
            _ => false,
        }
    }

    /// Every alarm, the worst first.
    pub(super) fn alarms(&self) -> Vec<State> {
        State::ALL.into_iter().filter(|state| state.is_alarm() && self.is_in(*state)).collect()
    }

    /// The worst state of all that it is in.
    pub(super) fn state(&self) -> State {
        State::ALL.into_iter().find(|state| self.is_in(*state)).unwrap_or(State::Idle)
    }

    fn is_in(&self, state: State) -> bool {
        match state {
            State::PrimaryAway => !self.primary,
            State::MetaAway => !self.meta,
            State::NoGeneration => self.meta && self.projection_version.is_none(),
            State::OtherLog => matches!(self.origin, Some(Origin::OtherLog(_))),
            State::DamagedGeneration => matches!(self.origin, Some(Origin::DamagedGeneration(_))),
            State::LogBroken => matches!(self.origin, Some(Origin::LogBroken(_))),
            // Its age is by the primary's clock; ours has no say in any of these.
            State::RelayDead => self.canary_in_primary.is_some_and(|(_, age)| age > CANARY_SILENCE),
            // One that stands still for a reason that is told lives.
            State::ProjectorDead => {
                let told = !matches!(self.origin, None | Some(Origin::SameLog));
                self.projection_version.is_some() && self.canary_lags() && !self.moves && !told
            }
            State::BrokerAway => !self.broker,
            State::OldProjectionVersion => self.projection_version.is_some_and(|v| v < PROJECTION_VERSION),
            State::InvalidGeneration => self.invalid > 0,
            State::Parked => self.parked > 0,
            State::DeadLetters => self.dead_letters > 0,
            State::LongSnapshot => self.snapshot.is_some_and(|age| age > LONG_SNAPSHOT),
            State::Behind => self.behind.0 > 0 && self.behind.1.is_some_and(|age| age > BEHIND_AFTER),
            State::Well => self.behind.0 > 0 || self.commands > 0,
            State::Idle => true,
        }
    }
}

#[cfg(test)]
mod tests;
