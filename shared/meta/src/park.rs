//! Products that stand still.

use domain::{EventId, Position, ProductId, Version};
use sqlx::PgConnection;

/// The first event of a product that could not be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parking {
    /// The product.
    pub product_id: ProductId,
    /// The event's position in the product's part.
    pub pos: Position,
    /// Its version.
    pub version: Version,
    /// Its identity.
    pub event_id: EventId,
    /// Why, for operations people.
    pub reason: String,
}

/// Notes why a product stands still. The first reason stays.
///
/// # Errors
/// When the database cannot be reached.
pub async fn park(
    connection: &mut PgConnection,
    generation: i32,
    parking: &Parking,
) -> Result<(), sqlx::Error> {
    let Parking { product_id, pos, version, event_id, reason } = parking;
    // A reason may quote the payload, and U+0000 cannot be stored.
    let reason = reason.replace('\0', "\u{fffd}");
    sqlx::query!(
        "-- parked_product.park
        INSERT INTO parked_product (generation, part, product_id, pos, version, event_id, reason)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (generation, part, product_id) DO NOTHING",
        generation,
        product_id.part().get(),
        product_id.get(),
        pos.0,
        version.0,
        *event_id,
        reason,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Makes a product stand still as it is stored, or empty if it is not.
///
/// # Errors
/// When the database cannot be reached.
pub async fn mark_parked(
    connection: &mut PgConnection,
    generation: i32,
    product_id: ProductId,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "-- product_meta.mark_parked
        INSERT INTO product_meta (generation, part, product_id, version, parked) VALUES ($1, $2, $3, 0, true)
        ON CONFLICT (generation, part, product_id) DO UPDATE SET parked = true",
        generation,
        product_id.part().get(),
        product_id.get(),
    )
    .execute(connection)
    .await?;
    Ok(())
}
