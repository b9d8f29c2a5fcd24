//! The reviews added up, many products at once and without the log: the other source of meta. Nothing of the
//! fold is used here, so that each may find what is wrong with the other.

use crate::unfit;
use domain::{
    CharacteristicId, CharacteristicMeta, Epoch, EventId, Part, Position, ProductId, ProductMeta, Version,
};
use futures_util::TryStreamExt;
use postgres::{BinaryReader, BinaryRow};
use serde::Deserializer;
use serde::de::{MapAccess, Visitor};
use sqlx::{Connection, PgConnection};
use std::collections::{HashMap, HashSet};
use std::fmt;

/// All products of some parts, as one snapshot of the database has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Which log the versions are of.
    pub epoch: Epoch,
    /// Of each part the log's head and the event there. The reviews may be ahead of it, by events that have no
    /// position yet: a product's version says how far it is.
    pub heads: Vec<(Part, Position, Option<EventId>)>,
    /// What each product's reviews add up to, at its version.
    pub products: HashMap<ProductId, ProductMeta>,
    /// Products that are ahead of their part's head: some of their events have no position yet.
    pub ahead: HashSet<ProductId>,
    /// Reviews added up.
    pub reviews: u64,
}

/// Adds up the reviews of some parts in one snapshot, hidden ones among them and erased ones left out.
///
/// # Errors
/// When the database cannot be reached or a stored value breaks a rule.
pub async fn sum_reviews(connection: &mut PgConnection, parts: &[Part]) -> Result<Snapshot, sqlx::Error> {
    let list: Vec<String> = parts.iter().map(ToString::to_string).collect();
    let list = list.join(", ");
    let numbers: Vec<i16> = parts.iter().map(|part| part.get()).collect();
    let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
    // Rows of nearly all parts are neighbours on the disk: pages in their order, not an index's.
    sqlx::query("SET LOCAL enable_indexscan = off -- snapshot.plan").execute(&mut *transaction).await?;
    let heads = sqlx::query!(
        r#"-- snapshot.heads
        SELECT i.epoch, h.part, h.head, (SELECT l.event_id FROM event_log l WHERE l.part = h.part AND l.pos = h.head)
        FROM log_head h CROSS JOIN log_identity i WHERE h.part = ANY ($1) ORDER BY h.part"#,
        &numbers,
    )
    .fetch_all(&mut *transaction)
    .await?;
    let epoch = heads.first().map(|row| row.epoch).unwrap_or_default();
    let heads = heads
        .into_iter()
        .map(|row| {
            let part = row.part.try_into().map_err(|e| unfit("log_head", "part", i64::from(row.part), e))?;
            Ok((part, Position(row.head), row.event_id))
        })
        .collect::<Result<_, sqlx::Error>>()?;
    let mut sums = Sums::default();
    // COPY takes no parameters; these are numbers.
    copy(
        &mut transaction,
        format!("SELECT product_id, version FROM product_stream WHERE part IN ({list}) -- snapshot.versions"),
        |row| sums.version(row),
    )
    .await?;
    copy(
        &mut transaction,
        format!(
            "SELECT product_id, characteristic_id, name FROM characteristics WHERE part IN ({list}) \
             ORDER BY part, product_id, characteristic_id -- snapshot.characteristics"
        ),
        |row| sums.characteristic(row),
    )
    .await?;
    copy(
        &mut transaction,
        format!(
            "SELECT product_id, review_id, rating, recommend, characteristics FROM reviews \
             WHERE part IN ({list}) AND erased_at IS NULL -- snapshot.reviews"
        ),
        |row| sums.review(row),
    )
    .await?;
    // An event is either in the log up to the head or here: it goes from one to the other in one statement.
    copy(
        &mut transaction,
        format!("SELECT DISTINCT product_id FROM outbox WHERE part IN ({list}) -- snapshot.ahead"),
        |row| sums.ahead(row),
    )
    .await?;
    transaction.commit().await?;
    Ok(Snapshot { epoch, heads, products: sums.products, ahead: sums.ahead, reviews: sums.reviews })
}

async fn copy(
    connection: &mut PgConnection,
    query: String,
    mut each: impl FnMut(&mut BinaryRow<'_>) -> Result<(), sqlx::Error>,
) -> Result<(), sqlx::Error> {
    let mut reader = BinaryReader::default();
    let statement = format!("COPY ({query}\n) TO STDOUT (FORMAT binary)");
    let mut messages = connection.copy_out_raw(&statement).await?;
    while let Some(message) = messages.try_next().await? {
        reader.read(message, &mut each)?;
    }
    Ok(())
}

#[derive(Default)]
struct Sums {
    products: HashMap<ProductId, ProductMeta>,
    ahead: HashSet<ProductId>,
    reviews: u64,
}

impl Sums {
    fn ahead(&mut self, row: &mut BinaryRow<'_>) -> Result<(), sqlx::Error> {
        let id = row.bigint()?;
        self.ahead.insert(id.try_into().map_err(|e| unfit("outbox", "product_id", id, e))?);
        Ok(())
    }

    fn version(&mut self, row: &mut BinaryRow<'_>) -> Result<(), sqlx::Error> {
        let product = self.of(row.bigint()?, "product_stream")?;
        product.version = Version(row.bigint()?);
        Ok(())
    }

    fn characteristic(&mut self, row: &mut BinaryRow<'_>) -> Result<(), sqlx::Error> {
        let product = self.of(row.bigint()?, "characteristics")?;
        let id = row.bigint()?;
        let id = id.try_into().map_err(|e| unfit("characteristics", "characteristic_id", id, e))?;
        product.characteristics.push(CharacteristicMeta {
            id,
            name: row.text()?.to_owned(),
            count: 0,
            sum: 0,
        });
        Ok(())
    }

    fn review(&mut self, row: &mut BinaryRow<'_>) -> Result<(), sqlx::Error> {
        let product_id = row.bigint()?;
        let review = row.bigint()?;
        let product = self.of(product_id, "reviews")?;
        let rating = row.smallint()?;
        let stars =
            usize::try_from(rating).ok().and_then(|stars| product.ratings.get_mut(stars.wrapping_sub(1)));
        *stars.ok_or_else(|| unfit("reviews", "rating", review, rating))? += 1;
        *(if row.boolean()? { &mut product.recommended_true } else { &mut product.recommended_false }) += 1;
        let values = Values { to: &mut product.characteristics };
        serde_json::Deserializer::from_slice(row.jsonb()?)
            .deserialize_map(values)
            .map_err(|e| unfit("reviews", "characteristics", review, e))?;
        self.reviews += 1;
        Ok(())
    }

    fn of(&mut self, product_id: i64, table: &'static str) -> Result<&mut ProductMeta, sqlx::Error> {
        let id = product_id.try_into().map_err(|e| unfit(table, "product_id", product_id, e))?;
        Ok(self.products.entry(id).or_default())
    }
}

/// Adds the values of one review, `{"14": 5, ...}`, to its product's characteristics.
struct Values<'a> {
    to: &'a mut Vec<CharacteristicMeta>,
}

impl<'de> Visitor<'de> for Values<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of characteristic ids and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((id, value)) = map.next_entry::<CharacteristicId, i64>()? {
            let Ok(at) = self.to.binary_search_by_key(&id, |characteristic| characteristic.id) else {
                return Err(serde::de::Error::custom(format_args!(
                    "{id} is not a characteristic of the product"
                )));
            };
            self.to[at].count += 1;
            self.to[at].sum += value;
        }
        Ok(())
    }
}
