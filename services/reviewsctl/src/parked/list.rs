//! `reviewsctl parked list`.

use super::{CONNECTION_NAME, PARKED_PRODUCTS_MAX, active, parked, parking_json, parking_line, time};
use crate::config::Config;
use crate::say;
use crate::store::Store;
use crate::stores::Named;
use broker::{DeadLetter, DeadLetters};
use chrono::DateTime;
use contract::read_batch;
use domain::{LinkedEvent, Part, Position};
use serde_json::json;

/// Dead letters that are shown; all are counted.
const LETTERS_SHOWN_MAX: u16 = 20;

/// Shows what stands still. Returns whether the broker could be asked too.
pub(super) async fn run(json: bool, config: &Config) -> anyhow::Result<bool> {
    let named = Named::new(config)?;
    let active = active(&named).await?;
    let parked = parked(&named, None).await?;
    let broker = config.broker()?;
    let letters = broker::dead_letters(&broker, CONNECTION_NAME, LETTERS_SHOWN_MAX).await;
    let letters = letters.map_err(|error| format!("{:#}", Store::broker(&broker).broker_failed(error)));
    if json {
        let products: Vec<_> = parked.iter().map(|parked| parking_json(parked, active)).collect();
        let letters = match &letters {
            Ok(DeadLetters { count, letters }) => {
                json!({ "count": count, "letters": letters.iter().map(letter_json).collect::<Vec<_>>() })
            }
            Err(away) => json!({ "away": away }),
        };
        let all = json!({ "products": products, "dead_letters": letters });
        say::result(serde_json::to_string_pretty(&all)?)?;
    } else {
        tell_parked(&parked, active)?;
        tell_letters(&letters)?;
    }
    Ok(letters.is_ok())
}

fn tell_parked(parked: &[meta::ParkedProduct], active: i32) -> anyhow::Result<()> {
    let more = i64::try_from(parked.len()).is_ok_and(|products| products >= PARKED_PRODUCTS_MAX);
    let more = if more { " or more" } else { "" };
    say::result(format_args!("parked      {} products{more}", parked.len()))?;
    for parked in parked {
        say::result(format_args!("{:<12}{}", "", parking_line(parked, active)))?;
    }
    if !parked.is_empty() {
        say::result(
            "mend        `reviewsctl parked show PRODUCT` says more; when the cause is gone, `reviewsctl parked redrive \
             --all`; if it never will be, `reviewsctl parked discard PRODUCT`",
        )?;
    }
    Ok(())
}

fn tell_letters(letters: &Result<DeadLetters, String>) -> anyhow::Result<()> {
    let DeadLetters { count, letters } = match letters {
        Ok(letters) => letters,
        Err(away) => return say::result(format_args!("dead        {away}")),
    };
    let shown = if letters.len() < usize::try_from(*count).unwrap_or(usize::MAX) {
        format!(", the oldest {}:", letters.len())
    } else {
        String::new()
    };
    say::result(format_args!("dead        {count} letters{shown}"))?;
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
#[derive(Debug, PartialEq, Eq)]
struct Range {
    part: Part,
    from: Position,
    to: Position,
}

/// What a message holds, if it can be read.
fn ranges(body: &[u8]) -> Result<Vec<Range>, String> {
    let events = read_batch(body).map_err(|unreadable| unreadable.to_string())?;
    let goes_on =
        |a: &LinkedEvent, b: &LinkedEvent| a.event.part == b.event.part && a.event.pos.next() == b.event.pos;
    let range = |events: &[LinkedEvent]| {
        let (first, last) = (&events.first()?.event, &events.last()?.event);
        Some(Range { part: first.part, from: first.pos, to: last.pos })
    };
    Ok(events.chunk_by(goes_on).filter_map(range).collect())
}

fn died_at(letter: &DeadLetter) -> Option<DateTime<chrono::Utc>> {
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
        Err(unreadable) => format!("{} bytes, {unreadable}", letter.body.len()),
    };
    format!("from {queue}, {reason} at {at}{times}: {content}")
}

fn letter_json(letter: &DeadLetter) -> serde_json::Value {
    let (events, unreadable) = match ranges(&letter.body) {
        Ok(ranges) => {
            let range = |r: &Range| json!({ "part": r.part, "from": r.from, "to": r.to });
            (Some(ranges.iter().map(range).collect::<Vec<_>>()), None)
        }
        Err(unreadable) => (None, Some(unreadable)),
    };
    json!({
        "queue": letter.queue,
        "reason": letter.reason,
        "at": died_at(letter),
        "times": letter.times,
        "epoch": letter.epoch,
        "bytes": letter.body.len(),
        "events": events,
        "unreadable": unreadable,
    })
}
