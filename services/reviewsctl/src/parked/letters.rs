//! Messages that nobody could read: what the broker keeps of them, and throwing them away.

use super::{CONNECTION_NAME, time};
use crate::config::Config;
use crate::say;
use crate::store::Store;
use broker::{DeadLetter, DeadLetters};
use chrono::{DateTime, Utc};
use contract::read_batch;
use domain::{Epoch, LinkedEvent};
use replay::counted;
use serde::Serialize;
use utoipa::ToSchema;

/// Dead letters that are shown; all are counted.
const LETTERS_SHOWN_MAX: u16 = 20;

/// The dead letters.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetters)]
pub(crate) struct LettersJson {
    /// All of them.
    count: u32,
    /// The oldest, twenty at most.
    letters: Vec<LetterJson>,
}

impl From<&DeadLetters> for LettersJson {
    fn from(found: &DeadLetters) -> Self {
        LettersJson { count: found.count, letters: found.letters.iter().map(LetterJson::from).collect() }
    }
}

/// A message that nobody could read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetter)]
struct LetterJson {
    /// Where it was before.
    queue: Option<String>,
    /// The broker's word for why it left it.
    reason: Option<String>,
    at: Option<DateTime<Utc>>,
    /// How often that happened.
    times: Option<i64>,
    /// The log that its events are of.
    #[schema(value_type = Option<String>, format = "uuid")]
    epoch: Option<Epoch>,
    bytes: usize,
    /// Null when it cannot be read.
    events: Option<Vec<Range>>,
    /// Why not.
    unreadable: Option<String>,
}

impl From<&DeadLetter> for LetterJson {
    fn from(letter: &DeadLetter) -> Self {
        let (events, unreadable) = match ranges(&letter.body) {
            Ok(ranges) => (Some(ranges), None),
            Err(unreadable) => (None, Some(unreadable)),
        };
        LetterJson {
            queue: letter.queue.clone(),
            reason: letter.reason.clone(),
            at: died_at(letter),
            times: letter.times,
            epoch: letter.epoch,
            bytes: letter.body.len(),
            events,
            unreadable,
        }
    }
}

/// Asks the broker.
pub(super) async fn found(config: &Config) -> anyhow::Result<DeadLetters> {
    let address = config.broker()?;
    let letters = broker::dead_letters(&address, CONNECTION_NAME, LETTERS_SHOWN_MAX).await;
    letters.map_err(|error| Store::broker(&address).broker_failed(error))
}

/// The dead letters, for programs.
pub(crate) async fn letters(config: &Config) -> anyhow::Result<LettersJson> {
    Ok(LettersJson::from(&found(config).await?))
}

/// How many there are.
pub(super) async fn count(config: &Config) -> anyhow::Result<u32> {
    let address = config.broker()?;
    let found = broker::dead_letters(&address, CONNECTION_NAME, 0).await;
    found.map(|found| found.count).map_err(|error| Store::broker(&address).broker_failed(error))
}

/// How many were thrown away.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ThrownAway {
    pub(super) thrown_away: u32,
}

/// Throws all of them away: their events are in the log.
pub(crate) async fn thrown_away(config: &Config) -> anyhow::Result<ThrownAway> {
    let address = config.broker()?;
    let purged = broker::purge_dead_letters(&address, CONNECTION_NAME).await;
    let thrown_away = purged.map_err(|error| Store::broker(&address).broker_failed(error))?;
    Ok(ThrownAway { thrown_away })
}

/// Says how many there are, and what is in the oldest.
pub(super) fn tell_letters(letters: &Result<DeadLetters, String>) -> anyhow::Result<()> {
    let DeadLetters { count, letters } = match letters {
        Ok(letters) => letters,
        Err(away) => return say::result(format_args!("dead        {away}")),
    };
    let shown = if letters.len() < usize::try_from(*count).unwrap_or(usize::MAX) {
        format!(", the oldest {}:", letters.len())
    } else {
        String::new()
    };
    say::result(format_args!("dead        {}{shown}", counted(*count, "letter")))?;
    for letter in letters {
        say::result(format_args!("{:<12}{}", "", letter_line(letter)))?;
    }
    if *count > 0 {
        say::result(
            "mend        their events are pulled from the log: nothing is missing. `reviewsctl parked discard \
             --dead-letters` throws them away",
        )?;
    }
    Ok(())
}

/// Positions of one part that follow each other.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PositionRange)]
struct Range {
    part: i16,
    from: i64,
    to: i64,
}

/// What a message holds, if it can be read.
fn ranges(body: &[u8]) -> Result<Vec<Range>, String> {
    let events = read_batch(body).map_err(|unreadable| unreadable.to_string())?;
    let goes_on =
        |a: &LinkedEvent, b: &LinkedEvent| a.event.part == b.event.part && a.event.pos.next() == b.event.pos;
    let range = |events: &[LinkedEvent]| {
        let (first, last) = (&events.first()?.event, &events.last()?.event);
        Some(Range { part: first.part.get(), from: first.pos.0, to: last.pos.0 })
    };
    Ok(events.chunk_by(goes_on).filter_map(range).collect())
}

fn died_at(letter: &DeadLetter) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(i64::try_from(letter.at?).ok()?, 0)
}

fn letter_line(letter: &DeadLetter) -> String {
    let unknown = "unknown";
    let reason = letter.reason.as_deref().unwrap_or(unknown);
    let queue = letter.queue.as_deref().unwrap_or(unknown);
    let at = died_at(letter).map_or_else(|| unknown.to_owned(), time);
    let times = match letter.times {
        Some(times) if times > 1 => format!(", {times} times"),
        _ => String::new(),
    };
    let content = match ranges(&letter.body) {
        Ok(ranges) if ranges.is_empty() => "no events".to_owned(),
        Ok(ranges) => {
            let range = |Range { part, from, to }: &Range| format!("positions {from} to {to} of part {part}");
            ranges.iter().map(range).collect::<Vec<_>>().join(", ")
        }
        Err(unreadable) => format!("{}, {unreadable}", counted(letter.body.len(), "byte")),
    };
    format!("from {queue}, {reason} at {at}{times}: {content}")
}
