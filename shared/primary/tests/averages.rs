//! Averages as text: Postgres itself is the arbiter.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use domain::{four_decimals, postgres_decimals};
use testkit::primary_database;

/// Sums and counts as ratings give them: 1 to 5 a value, up to a million values, spread over all
/// magnitudes.
fn cases() -> Vec<(i64, i64)> {
    let mut state = 20_261_124_u64;
    let mut random = move |below: i64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(state >> 33).unwrap() % below
    };
    let mut cases: Vec<(i64, i64)> =
        (1..=60).flat_map(|count| (count..=5 * count).map(move |sum| (sum, count))).collect();
    for magnitude in 1..=6 {
        for _ in 0..3_000 {
            let count = random(10_i64.pow(magnitude)) + 1;
            cases.push((count + random(4 * count + 1), count));
        }
    }
    for count in [9_999, 10_000, 10_001, 99_999_999, 100_000_000, 100_000_001] {
        cases.extend([(count, count), (2 * count, count), (5 * count, count), (5 * count - 1, count)]);
    }
    cases
}

#[tokio::test]
async fn every_average_reads_as_postgres_writes_it() {
    let database = primary_database().await;
    let cases = cases();
    let (sums, counts): (Vec<i64>, Vec<i64>) = cases.iter().copied().unzip();
    let texts: Vec<(String, String)> = sqlx::query_as(
        "SELECT (sum::numeric / count)::text, round(sum::numeric / count, 4)::text
         FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS c (sum, count, n) ORDER BY n",
    )
    .bind(&sums)
    .bind(&counts)
    .fetch_all(&database.pool)
    .await
    .unwrap();
    for ((sum, count), (long, short)) in cases.into_iter().zip(texts) {
        assert_eq!(postgres_decimals(sum, count), Some(long), "{sum} / {count}");
        assert_eq!(four_decimals(sum, count), Some(short), "{sum} / {count}");
    }
}

#[tokio::test]
async fn a_division_is_what_avg_does() {
    let database = primary_database().await;
    for (count, spread) in [(1, 1), (3, 5), (7, 2), (1_000, 5), (10_001, 3), (1_000_000, 5)] {
        let (average, sum): (String, i64) = sqlx::query_as(
            "SELECT avg(value)::text, sum(value)::bigint FROM (SELECT 1 + (n % $2)::int AS value FROM generate_series(1, $1) n) v",
        )
        .bind(count)
        .bind(spread)
        .fetch_one(&database.pool)
        .await
        .unwrap();
        assert_eq!(postgres_decimals(sum, count), Some(average), "{sum} / {count}");
    }
}
