//! The buckets, and what is told of them in a real database.

use super::*;
use primary::{WriteLatency, write_latency};
use testkit::{eventually, primary_database};
use tokio::sync::watch;
use tokio::task::JoinHandle;

fn us(us: u64) -> Duration {
    Duration::from_micros(us)
}

#[test]
fn a_bucket_is_at_most_an_eighth_wide() {
    let mut last = 0;
    for time in (0..5_000).chain((5_000..30_000_000).step_by(997)) {
        let bucket = bucket_of(time);
        assert!(bucket == last || bucket == last + 1 || time >= 5_000 && bucket > last, "{time}");
        let longest = longest_us(bucket);
        assert!(time <= longest && longest - time <= time / 8, "{time} is in a bucket up to {longest}");
        last = bucket;
    }
    assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
}

#[test]
fn the_slowest_hundredth_is_seen_and_a_single_one_of_many_is_not() {
    let slice = Slice::default();
    assert_eq!(summary([slice.take()].iter()), CommandLatency::default());
    (0..990).for_each(|_| slice.note(us(1_000)));
    (0..9).for_each(|_| slice.note(us(50_000)));
    let first = slice.take();
    let one = summary([first].iter());
    assert_eq!((one.commands, one.max), (999, us(50_000)));
    assert!(one.p99 >= us(1_000) && one.p99 < us(1_130), "{one:?}");
    (0..100).for_each(|_| slice.note(us(50_000)));
    slice.note(us(70_000));
    let two = summary([slice.take()].iter());
    // Never longer than the longest.
    assert_eq!((two.commands, two.max), (101, us(70_000)));
    assert!(two.p50 >= us(50_000) && two.p50 < us(56_250), "{two:?}");
    assert!(two.p99 >= us(50_000) && two.p99 <= us(56_250), "{two:?}");
    slice.note(us(33));
    assert_eq!(summary([slice.take()].iter()).p99, us(33));
}

#[tokio::test]
async fn what_fails_or_is_given_up_counts_too() {
    let latency = Latency::default();
    latency.measure(async { Err::<(), _>("no") }).await.unwrap_err();
    let (given_up, (begins, begun)) = (latency.clone(), tokio::sync::oneshot::channel());
    let waiting = tokio::spawn(async move {
        let statement = async {
            begins.send(()).unwrap();
            std::future::pending::<()>().await;
        };
        given_up.measure(statement).await;
    });
    begun.await.unwrap();
    waiting.abort();
    waiting.await.unwrap_err();
    assert_eq!(summary([latency.0.take()].iter()).commands, 2);
}

fn telling(pool: &PgPool) -> (Latency, watch::Sender<bool>, JoinHandle<anyhow::Result<()>>) {
    let latency = Latency::default();
    let (stop, shutdown) = Shutdown::manual();
    let task = tokio::spawn(run(pool.clone(), latency.clone(), shutdown));
    (latency, stop, task)
}

async fn until(pool: &PgPool, what: &str, is_so: impl Fn(&WriteLatency) -> bool) -> WriteLatency {
    eventually(what, || async { write_latency(pool).await.ok().filter(|read| is_so(read)) }).await
}

#[tokio::test]
async fn the_worst_writer_counts_and_one_that_is_gone_does_not() {
    let database = primary_database().await;
    let pool = database.pool_of("reviews_write");
    let none = WriteLatency { worst_p99: None, commands: 0, writers: 0, silent: 0 };
    assert_eq!(write_latency(&pool).await.unwrap(), none);
    // One was killed a while ago, one just now, and its hour was bad.
    for seconds in [61, 6] {
        sqlx::query(
            "INSERT INTO write_latency (writer, at, commands, p50_us, p99_us, max_us)
             VALUES (gen_random_uuid(), now() - make_interval(secs => $1), 9, 9, 9000000, 9000000)",
        )
        .bind(f64::from(seconds))
        .execute(&database.pool)
        .await
        .unwrap();
    }
    assert_eq!(write_latency(&pool).await.unwrap(), WriteLatency { silent: 1, ..none });

    let (slow, stop_slow, slow_task) = telling(&pool);
    let (quick, stop_quick, quick_task) = telling(&pool);
    (0..10).for_each(|_| slow.0.note(us(80_000)));
    (0..1_000).for_each(|_| quick.0.note(us(900)));
    let both = until(&pool, "both have told", |read| read.writers == 2 && read.commands == 1_010).await;
    assert_eq!(both.worst_p99, Some(us(80_000)));
    let rows = || async {
        sqlx::query_scalar::<_, i64>("SELECT count(*) FROM write_latency").fetch_one(&pool).await.unwrap()
    };
    eventually("the one of a minute ago is forgotten", || async { (rows().await <= 3).then_some(()) }).await;

    stop_slow.send(true).unwrap();
    slow_task.await.unwrap().unwrap();
    let one = write_latency(&pool).await.unwrap();
    assert_eq!(one.writers, 1, "{one:?}");
    // The window passes, and it is told that no commands come.
    let quiet = until(&pool, "there are no commands", |read| read.commands == 0).await;
    assert_eq!((quiet.worst_p99, quiet.writers), (None, 1));
    stop_quick.send(true).unwrap();
    quick_task.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_primary_that_is_away_ends_nothing_and_holds_nothing_up() {
    let nowhere = postgres::pool("postgres://reviews_write@127.0.0.1:1/reviews".parse().unwrap(), 1);
    let (latency, stop, task) = telling(&nowhere);
    // The slice is taken while the primary is away, and again.
    for count in 1..=2 {
        latency.measure(async {}).await;
        let taken = || async {
            let left: u32 = latency.0.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum();
            (left == 0).then_some(())
        };
        eventually(&format!("slice {count} is taken"), taken).await;
    }
    assert!(!task.is_finished());
    stop.send(true).unwrap();
    task.await.unwrap().unwrap();
}
