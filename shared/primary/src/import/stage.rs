//! Filling and emptying `staging`.

use super::copy::CopyRows;
use futures_util::TryStreamExt;
use sqlx::{PgConnection, PgPool};

/// A line that will not be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Name of the file.
    pub file: String,
    /// Line in the file, the header being 1.
    pub line: i64,
    /// Why, for a person.
    pub reason: String,
}

/// Empties all of `staging` and drops the indexes that an import makes there.
///
/// # Errors
/// When the database cannot be reached.
pub async fn clear_staging(pool: &PgPool) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    sqlx::query!(
        "-- import.clear
        TRUNCATE staging.reviews, staging.photos, staging.characteristics, staging.values, staging.rejects,
                 staging.attached"
    )
    .execute(&mut *transaction)
    .await?;
    sqlx::query!(
        "-- import.drop_indexes
        DROP INDEX IF EXISTS staging.reviews_review_id, staging.reviews_product, staging.photos_photo_id,
                             staging.photos_review_id, staging.characteristics_characteristic_id,
                             staging.characteristics_product, staging.values_review_id, staging.attached_product"
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await
}

/// Adds rows to their table, in a transaction of their own.
///
/// # Errors
/// When the database cannot be reached.
pub async fn copy_rows(connection: &mut PgConnection, rows: CopyRows) -> Result<u64, sqlx::Error> {
    let mut copy = connection.copy_in_raw(rows.table().copy_statement()).await?;
    copy.send(rows.finish()).await?;
    copy.finish().await
}

/// Makes the indexes that the checks and the appending need, and counts for the planner. The
/// values, three quarters of all lines, get the kind of index that costs one look at each: files
/// are nearly in order of id, and where one is not, only time is lost.
///
/// # Errors
/// When the database cannot be reached.
pub async fn index_staging(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query!("CREATE INDEX reviews_review_id ON staging.reviews (review_id)").execute(pool).await?;
    sqlx::query!("CREATE INDEX reviews_product ON staging.reviews (part, product_id, date, review_id)")
        .execute(pool)
        .await?;
    sqlx::query!("CREATE INDEX photos_photo_id ON staging.photos (photo_id)").execute(pool).await?;
    sqlx::query!("CREATE INDEX photos_review_id ON staging.photos USING brin (review_id)")
        .execute(pool)
        .await?;
    sqlx::query!(
        "CREATE INDEX characteristics_characteristic_id ON staging.characteristics (characteristic_id)"
    )
    .execute(pool)
    .await?;
    sqlx::query!("CREATE INDEX characteristics_product ON staging.characteristics (part, product_id)")
        .execute(pool)
        .await?;
    sqlx::query!("CREATE INDEX values_review_id ON staging.values USING brin (review_id)")
        .execute(pool)
        .await?;
    sqlx::query!("ANALYZE staging.reviews, staging.photos, staging.characteristics, staging.values")
        .execute(pool)
        .await?;
    Ok(())
}

/// Adds to the lines that will not be imported.
///
/// # Errors
/// When the database cannot be reached.
pub async fn add_rejects(pool: &PgPool, rejects: &[Reject]) -> Result<(), sqlx::Error> {
    let files: Vec<String> = rejects.iter().map(|r| r.file.clone()).collect();
    let lines: Vec<i64> = rejects.iter().map(|r| r.line).collect();
    let reasons: Vec<String> = rejects.iter().map(|r| r.reason.clone()).collect();
    sqlx::query!(
        "-- import.reject
        INSERT INTO staging.rejects (file, line, reason)
        SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[])",
        &files,
        &lines,
        &reasons,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// How many lines of each file will not be imported, by name of the file.
///
/// # Errors
/// When the database cannot be reached.
pub async fn reject_count(pool: &PgPool) -> Result<Vec<(String, i64)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"-- import.reject_count
        SELECT file, count(*) AS "lines!" FROM staging.rejects GROUP BY file ORDER BY file"#
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.file, row.lines)).collect())
}

/// Gives the lines that will not be imported to `each`, by file and line, at most `lines_max`.
///
/// # Errors
/// When the database cannot be reached; whatever `each` returns ends it too.
pub async fn rejects<E: From<sqlx::Error>>(
    pool: &PgPool,
    lines_max: i64,
    mut each: impl FnMut(Reject) -> Result<(), E>,
) -> Result<(), E> {
    let mut rows = sqlx::query_as!(
        Reject,
        "-- import.rejects
        SELECT file, line, reason FROM staging.rejects ORDER BY file, line, reason LIMIT $1",
        lines_max,
    )
    .fetch(pool);
    while let Some(reject) = rows.try_next().await? {
        each(reject)?;
    }
    Ok(())
}
