//! Keeping the files' ids and those of live writers apart.

use sqlx::PgPool;

/// Highest id of a review, photo or characteristic that an import takes: above it there must be
/// room for those that are given afterwards, a trillion of them.
pub const IMPORT_ID_MAX: i64 = domain::ID_MAX - 1_000_000_000_000;
/// How often the lock is asked for. Each time gives up after two seconds, during which new writers
/// stand behind it; more than a cleaning of the table needs to make way, which is a second.
const LOCK_ATTEMPTS_MAX: u32 = 15;

/// How the sequences were before they were raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raised {
    /// Whether a photo that is stored may have an id of the files.
    pub photos_may_overlap: bool,
}

struct Maxima {
    review: i64,
    photo: i64,
    characteristic: i64,
    first_photo: i64,
}

/// Raises the sequences above the files' ids, and waits for the writers that drew theirs before:
/// after this, no writer can take an id of the files, and what took one can be seen.
///
/// # Errors
/// When the database cannot be reached, or transactions that write reviews stay open.
pub async fn raise_sequences(pool: &PgPool) -> Result<Raised, sqlx::Error> {
    let maxima = sqlx::query_as!(
        Maxima,
        r#"-- import.maxima
        SELECT coalesce((SELECT max(review_id) FROM staging.reviews), 0) AS "review!",
               coalesce((SELECT max(photo_id) FROM staging.photos), 0) AS "photo!",
               coalesce((SELECT max(characteristic_id) FROM staging.characteristics), 0) AS "characteristic!",
               coalesce((SELECT min(photo_id) FROM staging.photos), 0) AS "first_photo!""#
    )
    .fetch_one(pool)
    .await?;
    let mut attempts = 1;
    loop {
        match raise(pool, &maxima).await {
            Err(error) if lock_not_available(&error) && attempts < LOCK_ATTEMPTS_MAX => attempts += 1,
            result => return result,
        }
    }
}

async fn raise(pool: &PgPool, maxima: &Maxima) -> Result<Raised, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    sqlx::query!("SET LOCAL lock_timeout = '2s'").execute(&mut *transaction).await?;
    // A statement that inserts a review draws its id after it has locked the table.
    sqlx::query!("LOCK TABLE reviews IN SHARE MODE").execute(&mut *transaction).await?;
    let photos_may_overlap = sqlx::query_scalar!(
        r#"SELECT is_called AND last_value >= $1 AS "overlap!" FROM photo_id_seq"#,
        maxima.first_photo
    )
    .fetch_one(&mut *transaction)
    .await?;
    sqlx::query!(
        "-- import.raise_sequences
        SELECT (SELECT setval('review_id_seq', $1) FROM review_id_seq WHERE last_value <= $1) AS review,
               (SELECT setval('photo_id_seq', $2) FROM photo_id_seq WHERE last_value <= $2) AS photo,
               (SELECT setval('characteristic_id_seq', $3) FROM characteristic_id_seq WHERE last_value <= $3)
                   AS characteristic",
        maxima.review,
        maxima.photo,
        maxima.characteristic,
    )
    .fetch_one(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(Raised { photos_may_overlap })
}

fn lock_not_available(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|e| e.code().as_deref() == Some("55P03"))
}
