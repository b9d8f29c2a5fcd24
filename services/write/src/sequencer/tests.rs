//! The canary beside the giving of positions, in a real database.

use super::*;
use postgres::{Fault, fault};
use sqlx::ConnectOptions;
use testkit::{eventually, new_review, post, primary_database, product};

#[tokio::test]
async fn the_canary_beats_once_a_second_with_nothing_to_do_and_events_before_a_beat_have_positions() {
    let database = primary_database().await;
    let connection = database.options_of("reviews_write").connect().await.unwrap();
    let seer = database.pool_of("reviews_projector");
    let (written, sequenced) = (Notify::new(), Notify::new());
    let (stop, shutdown) = Shutdown::manual();
    let begun = Instant::now();
    let beats = async {
        let third = || async { primary::canary(&seer).await.ok().filter(|canary| canary.beat.0 >= 3) };
        let third = eventually("the third beat", third).await;
        assert!(third.age < Duration::from_secs(30), "{third:?}");
        assert!(begun.elapsed() >= 2 * BEAT_INTERVAL, "{third:?} after {:?}", begun.elapsed());
        post(&database.pool_of("reviews_write"), product(5), &new_review(4)).await;
        // The round before the next beat but one began after the commit.
        let seen = || async {
            let seen = primary::heads_at_beat(&seer).await.ok()?;
            (seen.beat.0 >= third.beat.0 + 2).then_some(seen)
        };
        assert_eq!(eventually("two beats", seen).await.heads[5].0, 1);
        stop.send(true).unwrap();
    };
    let (ended, ()) = tokio::join!(run(connection, &written, &sequenced, &shutdown), beats);
    ended.unwrap();
}

#[tokio::test]
async fn a_round_that_fails_is_followed_by_no_beat() {
    let database = primary_database().await;
    let before = primary::canary(&database.pool).await.unwrap().beat;
    sqlx::raw_sql("REVOKE SELECT ON log_head FROM reviews_write").execute(&database.pool).await.unwrap();
    let connection = database.options_of("reviews_write").connect().await.unwrap();
    let (written, sequenced) = (Notify::new(), Notify::new());
    let (_stop, shutdown) = Shutdown::manual();
    let error = run(connection, &written, &sequenced, &shutdown).await.unwrap_err();
    assert_eq!(fault(&error), Fault::Bug, "{error}");
    assert_eq!(primary::canary(&database.pool).await.unwrap().beat, before);
}
