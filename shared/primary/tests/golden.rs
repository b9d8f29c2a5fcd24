//! What the statements write, as the relay sends it, is the golden events: payloads are made in SQL, so
//! no type of Rust says what they look like.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use contract::{read_batch, write_batch};
use domain::{Event, LinkedEvent, NewReview, Part, Position, ReviewId};
use primary::import::{CHUNK_EVENTS_MAX, append_chunk, plan_part};
use primary::{
    Command, Erased, Outcome, Vote, VoteKind, erase_review, post_review, raise_published, sequence_events,
    unpublished_events,
};
use sqlx::PgPool;
use testkit::{TestDatabase, new_review, primary_database, product};
use uuid::Uuid;

const GOLDEN: &str = include_str!("../../contract/golden/events.json");
/// The log that the golden events say they are of.
const EPOCH: Uuid = Uuid::from_u128(10);

fn golden() -> Vec<LinkedEvent> {
    read_batch(GOLDEN.as_bytes()).unwrap()
}

fn part() -> Part {
    product(66).part()
}

/// The golden review, whose id is the next of the sequence.
async fn golden_review(admin: &PgPool) -> NewReview {
    sqlx::query("ALTER SEQUENCE review_id_seq RESTART 9").execute(admin).await.unwrap();
    let mut review = new_review(4);
    let value = |id: i64, value: i64| (id.try_into().unwrap(), value.try_into().unwrap(), "".into());
    review.characteristics = vec![value(14, 5), value(15, 2)];
    review
}

/// Appends what the staging tables hold, as an import does.
async fn import(admin: &PgPool) {
    for chunk in plan_part(admin, part(), CHUNK_EVENTS_MAX).await.unwrap() {
        append_chunk(admin, &chunk).await.unwrap();
    }
}

/// Imports the golden product's characteristics.
async fn define(admin: &PgPool) {
    sqlx::query(
        "INSERT INTO staging.characteristics (part, line, characteristic_id, product_id, name)
         VALUES (2, 2, 15, 66, 'Width'), (2, 3, 14, 66, 'Size')",
    )
    .execute(admin)
    .await
    .unwrap();
    import(admin).await;
}

/// The commands of the golden events, in order, one each.
async fn carry_out(database: &TestDatabase) {
    let review_id = ReviewId::try_from(9).unwrap();
    let pool = &database.pool_of("reviews_write");
    let event_id = Uuid::from_u128;
    let traced = golden()[1].event.traceparent.clone();
    let review = golden_review(&database.pool).await;
    define(&database.pool).await;
    let command = Command { traceparent: traced.as_deref(), ..Command::plain(event_id(2)) };
    post_review(pool, product(66), &review, &command).await.unwrap();
    for (number, kind, take_back) in [
        (3, VoteKind::Helpful, false),
        (4, VoteKind::Report, false),
        (5, VoteKind::Helpful, true),
        (6, VoteKind::Report, true),
    ] {
        let vote = Vote { review_id, kind, visitor: Some("ada"), take_back, report_threshold: 9 };
        let outcome = primary::vote(pool, &vote, &Command::plain(event_id(number))).await.unwrap();
        assert!(matches!(outcome, Some(Outcome::Done(_))), "{vote:?}");
    }
    let erased = erase_review(&database.pool, review_id, event_id(7)).await.unwrap();
    assert!(matches!(erased, Erased::Done(_)), "{erased:?}");
}

/// An event of another product of the part, which was offered before the golden ones come.
async fn one_event_before(admin: &PgPool) {
    let command = Command::plain(Uuid::from_u128(100));
    post_review(admin, product(2), &new_review(3), &command).await.unwrap();
    let mut connection = admin.acquire().await.unwrap();
    while !sequence_events(&mut connection).await.unwrap().is_empty() {}
    raise_published(&mut connection, &[(part(), Position(1))]).await.unwrap();
}

/// All further events, as the relay reads them.
async fn log(admin: &PgPool) -> Vec<LinkedEvent> {
    let mut connection = admin.acquire().await.unwrap();
    while !sequence_events(&mut connection).await.unwrap().is_empty() {}
    unpublished_events(&mut connection, 100).await.unwrap()
}

/// The events as one message.
fn message(events: &[LinkedEvent]) -> String {
    String::from_utf8(write_batch(EPOCH, events).unwrap()).unwrap()
}

/// Puts in what differs from run to run: when it was, and the identities that the import draws.
fn pin(events: &mut [LinkedEvent], drawn: usize) {
    for (number, (linked, golden)) in events.iter_mut().zip(golden()).enumerate() {
        linked.event.at = golden.event.at;
        if number < drawn {
            linked.event.event_id = golden.event.event_id;
        }
    }
}

#[tokio::test]
async fn what_the_commands_write_is_the_golden_events() {
    let database = primary_database().await;
    one_event_before(&database.pool).await;
    carry_out(&database).await;
    let mut events = log(&database.pool).await;
    pin(&mut events, 1);
    assert_eq!(events.len(), Event::TYPE_NAMES.len());
    assert_eq!(message(&events), message(&golden()));
}

#[tokio::test]
async fn what_an_import_writes_is_the_golden_events() {
    let database = primary_database().await;
    one_event_before(&database.pool).await;
    for statement in [
        "INSERT INTO staging.reviews (part, line, review_id, product_id, rating, date, summary, body, recommend, hidden,
                                      reviewer_name, reviewer_email, helpfulness)
         VALUES (2, 2, 9, 66, 4, now(), '', 'b', true, false, 'n', 'e@x', 3)",
        r#"INSERT INTO staging.attached (part, product_id, review_id, photos, characteristics)
           VALUES (2, 66, 9, '[]', '{"15": 2, "14": 5}')"#,
    ] {
        sqlx::query(statement).execute(&database.pool).await.unwrap();
    }
    define(&database.pool).await;
    let mut events = log(&database.pool).await;
    pin(&mut events, 2);
    let mut expected = golden();
    expected.truncate(2);
    // An import was no request, so nothing is traced.
    expected[1].event.traceparent = None;
    assert_eq!(message(&events), message(&expected));
}
