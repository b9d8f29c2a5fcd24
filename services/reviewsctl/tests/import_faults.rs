//! `reviewsctl import` on bad days: killed, interrupted, twice at once, and beside live writers.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use primary::import::lock_import;
use sqlx::PgPool;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use support::{Folder, content, counts, finished, import, imported, post, rows, stderr};
use testkit::{
    TestDatabase, assert_log_is_whole, eventually, fold_of_log, new_review, primary_database, product,
};

const SIZE: [&str; 6] = ["--products", "1500", "--reviews", "9000", "--seed", "3"];

/// Ends the import as soon as `moment` selects true, or finds it ended by itself.
async fn kill_at(database: &TestDatabase, folder: &Folder, moment: &'static str, signal: &str) -> bool {
    let mut command = import(database, folder, &[]);
    let mut child: Child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let cell = std::cell::RefCell::new(&mut child);
    let met = eventually(moment, async || {
        let ended = cell.borrow_mut().try_wait().unwrap().is_some();
        let met: bool = sqlx::query_scalar(moment).fetch_one(&database.pool).await.unwrap();
        (met || ended).then_some(met && !ended)
    })
    .await;
    let sent = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    child.wait().unwrap();
    met && sent.success()
}

#[tokio::test]
async fn an_import_killed_at_any_moment_is_completed_by_the_next() {
    let folder = Folder::generated(&SIZE);
    let whole = primary_database().await;
    imported(&whole, &folder).await;
    let database = primary_database().await;
    let mut killed = 0;
    for moment in [
        "SELECT EXISTS (SELECT FROM staging.values)",
        "SELECT to_regclass('staging.values_review_id') IS NOT NULL",
        "SELECT EXISTS (SELECT FROM staging.attached)",
        "SELECT EXISTS (SELECT FROM event_log)",
        "SELECT count(*) > 3000 FROM event_log",
        "SELECT count(*) > 3000 FROM event_log",
        "SELECT count(*) > 7000 FROM event_log",
    ] {
        killed += u32::from(kill_at(&database, &folder, moment, "-KILL").await);
        assert_log_is_whole(&database.pool).await;
    }
    assert!(killed >= 3, "the moments came too late: {killed} kills");
    let said = imported(&database, &folder).await;
    let [read, new, already, rejected] = counts(&said, "reviews.csv");
    assert_eq!((read, new + already, rejected), (9000, 9000, 0), "{said}");
    assert_log_is_whole(&database.pool).await;
    assert!(content(&database.pool).await == content(&whole.pool).await, "not what one import gives");
    let posted = post(&database, 1, 1).await;
    let highest = rows(&whole.pool, "SELECT max(review_id)::text FROM reviews").await;
    assert_eq!(posted, highest[0].parse::<i64>().unwrap() + 1);
}

#[tokio::test]
async fn an_interrupted_import_says_that_it_can_be_run_again() {
    let folder = Folder::generated(&SIZE);
    let database = primary_database().await;
    let mut command = import(&database, &folder, &[]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // In the order in which the import locks them when it empties them: otherwise both might wait for each other.
    let reading = "SELECT EXISTS (SELECT FROM staging.reviews) OR EXISTS (SELECT FROM staging.values)";
    eventually("lines in the work space", async || {
        let met: bool = sqlx::query_scalar(reading).fetch_one(&database.pool).await.unwrap();
        met.then_some(())
    })
    .await;
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "reviewsctl: interrupted; what was imported so far is whole: run the same command again for the rest\n"
    );
    imported(&database, &folder).await;
    assert_log_is_whole(&database.pool).await;
}

#[tokio::test]
async fn an_import_that_loses_the_primary_names_it_and_can_be_run_again() {
    let folder = Folder::generated(&SIZE);
    let database = primary_database().await;
    let mut command = import(&database, &folder, &[]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let cell = std::cell::RefCell::new(&mut child);
    eventually("the import ended", async || {
        let end = "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity
                   WHERE datname = current_database() AND application_name = 'reviewsctl'";
        rows(&database.pool, end).await;
        cell.borrow_mut().try_wait().unwrap()
    })
    .await;
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.starts_with("reviewsctl: the primary database is away ("), "{said}");
    assert!(said.contains("; start it (`cargo stack start primary`) or check PRIMARY_URL"), "{said}");
    imported(&database, &folder).await;
    assert_log_is_whole(&database.pool).await;
}

#[tokio::test]
async fn one_import_at_a_time() {
    let database = primary_database().await;
    let options = (*database.pool.connect_options()).clone();
    let lock = lock_import(&options).await.unwrap();
    assert!(lock.is_some());
    let folder = Folder::with("1,1,5,2019-01-01,s,b,1,0,n,e,,0\n", "", "", "");
    let output = finished(import(&database, &folder, &[])).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "reviewsctl: another import is running on this database: wait for its end, then run this one again\n"
    );
    drop(lock);
    let again = eventually("the lock is free", async || lock_import(&options).await.unwrap()).await;
    drop(again);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_live_writers_and_a_relay_nothing_is_lost_or_doubled() {
    let first =
        ["--first-review-id", "1000000", "--first-photo-id", "1000000", "--first-characteristic-id", "1000"];
    let folder =
        Folder::generated(&[&["--products", "200", "--reviews", "6000", "--seed", "5"], &first[..]].concat());
    let database = primary_database().await;
    let writers = database.pool_of("reviews_write");
    let (stop, posts, votes) = (Arc::new(AtomicBool::new(false)), Arc::default(), Arc::default());
    let mut tasks = Vec::new();
    for writer in 0..6 {
        let (pool, stop, posts, votes) =
            (writers.clone(), Arc::clone(&stop), Arc::clone(&posts), Arc::clone(&votes));
        tasks.push(tokio::spawn(async move { write(&pool, writer, &stop, &posts, &votes).await }));
    }
    let relay = tokio::spawn({
        let (pool, stop) = (writers.clone(), Arc::clone(&stop));
        async move {
            let mut connection = pool.acquire().await.unwrap();
            while !stop.load(Ordering::Relaxed) {
                primary::sequence_events(&mut connection).await.unwrap();
            }
        }
    });
    eventually("the writers are at it", async || (posts.load(Ordering::Relaxed) > 50).then_some(())).await;
    let (begun, said) = (posts.load(Ordering::Relaxed), imported(&database, &folder).await);
    let ended = posts.load(Ordering::Relaxed);
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    relay.await.unwrap();
    assert!(ended > begun + 50, "the writers stood still: {begun} to {ended}");
    assert_eq!(counts(&said, "reviews.csv"), [6000, 6000, 0, 0], "{said}");

    let mut connection = database.pool.acquire().await.unwrap();
    while !primary::sequence_events(&mut connection).await.unwrap().is_empty() {}
    assert_log_is_whole(&database.pool).await;
    let reviews: i64 =
        fold_of_log(&database.pool).await.values().map(|p| p.ratings.iter().sum::<i64>()).sum();
    let posted = i64::try_from(posts.load(Ordering::Relaxed)).unwrap();
    assert_eq!(reviews, 6000 + posted);
    let stored = rows(&database.pool, "SELECT count(*)::text FROM reviews").await;
    assert_eq!(stored, [(6000 + posted).to_string()]);
    let helpful = "SELECT count(*)::text FROM event_log WHERE type = 'ReviewMarkedHelpful.v1'";
    assert_eq!(rows(&database.pool, helpful).await, [votes.load(Ordering::Relaxed).to_string()]);
}

/// Posts to the products of the data set and votes on whatever is stored, until it is told to stop.
async fn write(pool: &PgPool, writer: i64, stop: &AtomicBool, posts: &AtomicU64, votes: &AtomicU64) {
    let mut number = writer;
    while !stop.load(Ordering::Relaxed) {
        number += 7;
        testkit::post(pool, product(number % 200 + 1), &new_review(number % 5 + 1)).await;
        posts.fetch_add(1, Ordering::Relaxed);
        // Reviews of the files, some of which are there already.
        let review = (1_000_000 + number % 6000).try_into().unwrap();
        if testkit::vote(pool, review, primary::VoteKind::Helpful).await.is_some() {
            votes.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[tokio::test]
async fn sequences_are_raised_behind_the_writers_that_drew_before() {
    let database = primary_database().await;
    // A writer has drawn id 1 and has not committed.
    let mut slow = database.pool.begin().await.unwrap();
    sqlx::query(
        "INSERT INTO reviews (part, review_id, product_id, rating, date, summary, body, recommend, reviewer_name,
                              reviewer_email)
         VALUES (1, nextval('review_id_seq'), 1, 5, now(), '', 'live', true, 'n', 'e')",
    )
    .execute(&mut *slow)
    .await
    .unwrap();
    let folder =
        Folder::with("1,1,4,2019-01-01,s,file,1,0,n,e,,0\n2,1,4,2019-01-01,s,b,1,0,n,e,,0\n", "", "", "");
    let import = tokio::spawn(finished(import(&database, &folder, &[])));
    eventually("the import waits for the writer", async || {
        let waiting =
            "SELECT count(*)::text FROM pg_locks WHERE relation = 'reviews'::regclass AND NOT granted";
        (rows(&database.pool, waiting).await != ["0"]).then_some(())
    })
    .await;
    slow.commit().await.unwrap();
    let output = import.await.unwrap();
    assert!(
        stderr(&output).starts_with("reviews.csv line 2: review 1 is already stored with other content\n"),
        "{}",
        stderr(&output)
    );
    let stored = "SELECT format('%s %s', review_id, body) FROM reviews ORDER BY review_id";
    assert_eq!(rows(&database.pool, stored).await, ["1 live", "2 b"]);
}
