//! The log copied out in binary, by ranges: the fastest way out of it.

use crate::unfit;
use domain::{EventRef, PARTS, Part, Position, ProductId, Version};
use futures_util::TryStreamExt;
use postgres::{BinaryReader, BinaryRow};
use sqlx::PgConnection;

/// A range of one part of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyRange {
    /// The part.
    pub part: Part,
    /// The position before it.
    pub after: Position,
    /// Its last position.
    pub through: Position,
}

/// Events of some ranges in memory, as whoever asked for them read them.
#[derive(Debug)]
pub struct CopiedLog<T> {
    ranges: Vec<CopyRange>,
    after: i64,
    /// Those of each range, at their positions.
    events: Vec<Option<T>>,
    width: usize,
}

impl<T> CopiedLog<T> {
    /// Gives the events of those parts to `each`: range after range, in order of position, and nothing where the
    /// log has none.
    pub fn each(&self, of: impl Fn(Part) -> bool, mut each: impl FnMut(Part, Position, Option<&T>)) {
        for (range, events) in self.ranges.iter().zip(self.events.chunks(self.width.max(1))) {
            if !of(range.part) {
                continue;
            }
            let wanted = usize::try_from(range.through.0 - self.after).unwrap_or(0);
            let mut pos = Position(self.after);
            for event in events.iter().take(wanted) {
                pos = pos.next();
                each(range.part, pos, event.as_ref());
            }
        }
    }
}

/// Copies the events of some ranges out, which begin at the same position, and keeps what `read` makes of each. One
/// statement, so one snapshot, which lives as long as this takes.
///
/// The rows come as they lie on the disk, not in order: events of all parts are neighbours there, and to follow an
/// index from one to the next costs three times as much as to read the pages and put them in order here.
///
/// # Errors
/// When the database cannot be reached or a stored value breaks a rule.
pub async fn copy_log<T>(
    connection: &mut PgConnection,
    ranges: Vec<CopyRange>,
    read: impl Fn(EventRef<'_>) -> T,
) -> Result<CopiedLog<T>, sqlx::Error> {
    let after = ranges.iter().map(|range| range.after.0).min().unwrap_or(0);
    let through = ranges.iter().map(|range| range.through.0).max().unwrap_or(0);
    let width = usize::try_from(through - after).unwrap_or(0);
    let mut places = [None; PARTS as usize];
    for (n, range) in ranges.iter().enumerate() {
        places[range.part.index()] = Some(n * width);
    }
    let parts: Vec<String> = ranges.iter().map(|range| range.part.to_string()).collect();
    // COPY takes no parameters; these are numbers.
    let statement = format!(
        "COPY (SELECT pos, product_id, version, event_id, type, payload FROM event_log \
               WHERE part = ANY ('{{{}}}'::smallint[]) AND pos > {after} AND pos <= {through}) \
         TO STDOUT (FORMAT binary) -- log.copy_out",
        parts.join(",")
    );
    let mut events: Vec<Option<T>> = Vec::new();
    events.resize_with(ranges.len() * width, || None);
    copy_events(connection, statement, |event| {
        let place = places[event.product_id.part().index()];
        let offset = usize::try_from(event.pos.0 - after - 1).ok();
        let kept = place.zip(offset).and_then(|(place, offset)| events.get_mut(place + offset));
        *kept.ok_or_else(|| unfit("event_log", "part", event.pos.0, "not the product's"))? =
            Some(read(event));
        Ok(())
    })
    .await?;
    Ok(CopiedLog { ranges, after, events, width })
}

/// Keeps the planner of a session from reading whole tables where [`copy_log`] asks for a range: a table that has
/// grown fast has no statistics yet. And no page is asked for ahead: nearly all are wanted, one after another, which
/// the operating system sees by itself.
///
/// # Errors
/// When the database cannot be reached.
pub async fn prefer_ranges(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("SET enable_seqscan = off; SET effective_io_concurrency = 0 -- log.prefer_ranges")
        .execute(connection)
        .await?;
    Ok(())
}

/// Gives a product's events after a version to `each`, in order of version.
///
/// # Errors
/// As [`copy_log`].
pub async fn copy_product_events(
    connection: &mut PgConnection,
    product_id: ProductId,
    after: Version,
    mut each: impl FnMut(EventRef<'_>),
) -> Result<(), sqlx::Error> {
    let statement = format!(
        "COPY (SELECT pos, product_id, version, event_id, type, payload FROM event_log \
               WHERE part = {}::smallint AND product_id = {product_id} AND version > {after} ORDER BY version) \
         TO STDOUT (FORMAT binary) -- log.copy_product",
        product_id.part()
    );
    copy_events(connection, statement, |event| {
        each(event);
        Ok(())
    })
    .await
}

async fn copy_events(
    connection: &mut PgConnection,
    statement: String,
    mut each: impl FnMut(EventRef<'_>) -> Result<(), sqlx::Error>,
) -> Result<(), sqlx::Error> {
    let mut reader = BinaryReader::default();
    let mut messages = connection.copy_out_raw(&statement).await?;
    while let Some(message) = messages.try_next().await? {
        reader.read(message, |row| each(read_event(row)?))?;
    }
    Ok(())
}

fn read_event<'a>(row: &mut BinaryRow<'a>) -> Result<EventRef<'a>, sqlx::Error> {
    let (pos, product_id) = (row.bigint()?, row.bigint()?);
    Ok(EventRef {
        pos: Position(pos),
        product_id: product_id.try_into().map_err(|e| unfit("event_log", "product_id", pos, e))?,
        version: Version(row.bigint()?),
        event_id: row.uuid()?,
        event_type: row.text()?,
        payload: row.text()?,
    })
}
