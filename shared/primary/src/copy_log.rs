//! The log copied out in binary, by ranges: the fastest way out of it.

use crate::unfit;
use domain::{EventRef, Part, Position, ProductId, Version};
use futures_util::TryStreamExt;
use postgres::{BinaryReader, BinaryRow};
use sqlx::PgConnection;
use std::fmt::Write as _;

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

/// Gives the events of some ranges to `each`: range after range, each in order of position. One statement, so
/// one snapshot, which lives as long as this takes.
///
/// # Errors
/// When the database cannot be reached or a stored value breaks a rule; whatever `each` returns ends it too.
pub async fn copy_log(
    connection: &mut PgConnection,
    ranges: &[CopyRange],
    mut each: impl FnMut(Part, EventRef<'_>),
) -> Result<(), sqlx::Error> {
    let mut statement = String::from("COPY (");
    for (n, CopyRange { part, after, through }) in ranges.iter().enumerate() {
        if n > 0 {
            statement.push_str(" UNION ALL ");
        }
        // COPY takes no parameters; these are numbers.
        let _ = write!(
            statement,
            "(SELECT pos, product_id, version, event_id, type, payload FROM event_log \
             WHERE part = {part}::smallint AND pos > {after} AND pos <= {through} ORDER BY pos)"
        );
    }
    statement.push_str(") TO STDOUT (FORMAT binary) -- log.copy_out");
    copy_events(connection, statement, |event| each(event.product_id.part(), event)).await
}

/// Gives a product's events after a version to `each`, in order of version.
///
/// # Errors
/// As [`copy_log`].
pub async fn copy_product_events(
    connection: &mut PgConnection,
    product_id: ProductId,
    after: Version,
    each: impl FnMut(EventRef<'_>),
) -> Result<(), sqlx::Error> {
    let statement = format!(
        "COPY (SELECT pos, product_id, version, event_id, type, payload FROM event_log \
               WHERE part = {}::smallint AND product_id = {product_id} AND version > {after} ORDER BY version) \
         TO STDOUT (FORMAT binary) -- log.copy_product",
        product_id.part()
    );
    copy_events(connection, statement, each).await
}

async fn copy_events(
    connection: &mut PgConnection,
    statement: String,
    mut each: impl FnMut(EventRef<'_>),
) -> Result<(), sqlx::Error> {
    let mut reader = BinaryReader::default();
    let mut messages = connection.copy_out_raw(&statement).await?;
    while let Some(message) = messages.try_next().await? {
        reader.read(&message, |row| {
            each(read_event(row)?);
            Ok::<(), sqlx::Error>(())
        })?;
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
