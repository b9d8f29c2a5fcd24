use super::*;
use axum::http::{HeaderMap, HeaderName};
use contract::{ConsistencyToken, Origin};
use std::convert::Infallible;
use std::sync::atomic::AtomicUsize;
use tokio::sync::oneshot;
use uuid::Uuid;

const QUESTION: Question = Question::Meta(Family::One);
const MIB: u64 = 1 << 20;

fn product(id: i64) -> ProductId {
    id.try_into().unwrap()
}

fn list(page: i64) -> Question {
    Question::List { family: Family::One, sort: Sort::Newest, page, count: 5, ratings: 0, total: false }
}

fn answer_from(source: Source, version: i64, body: &str) -> Answer {
    Answer::new(source, Version(version), body.as_bytes().to_vec())
}

fn answer(version: i64, body: &str) -> Answer {
    answer_from(Source::Generation(1), version, body)
}

fn notice(store: Store, id: i64, version: i64) -> ChangeNotice {
    let origin = Some(Origin { announcer: Uuid::from_u128(1), number: 1, receipt: false });
    ChangeNotice { origin, ..ChangeNotice::of(store, vec![(product(id), Version(version))]) }
}

fn cache_of(bytes_max: u64, age_max: Duration) -> Cache {
    let cache = Cache::new(Bounds { bytes_max, age_max });
    Store::ALL.into_iter().for_each(|store| cache.hears(store, true));
    cache
}

fn cache() -> Cache {
    cache_of(MIB, Duration::from_secs(60))
}

/// The body that is answered when the store has this one.
async fn ask(cache: &Cache, id: i64, question: Question, needed: i64, stored: Answer) -> String {
    let load = async || Ok::<_, Infallible>(stored);
    let answer = cache.answer(product(id), question, Version(needed), load).await.unwrap();
    String::from_utf8(answer.body.to_vec()).unwrap()
}

#[tokio::test]
async fn an_answer_is_kept_until_its_product_moves_in_its_store() {
    let cache = cache();
    assert_eq!(ask(&cache, 5, QUESTION, 0, answer(3, "a")).await, "a");
    for elsewhere in [notice(Store::Meta, 6, 9), notice(Store::Primary, 5, 9), notice(Store::Meta, 5, 3)] {
        cache.hear(&elsewhere);
        assert_eq!(ask(&cache, 5, QUESTION, 3, answer(3, "b")).await, "a", "{elsewhere:?}");
    }
    cache.hear(&notice(Store::Meta, 5, 4));
    assert_eq!(ask(&cache, 5, QUESTION, 0, answer(4, "c")).await, "c");
}

#[tokio::test]
async fn questions_are_told_apart_and_change_together() {
    let cache = cache();
    let two = Question::Meta(Family::Two);
    assert_eq!(ask(&cache, 5, QUESTION, 0, answer(3, "one")).await, "one");
    assert_eq!(ask(&cache, 5, two, 0, answer(3, "two")).await, "two");
    assert_eq!(ask(&cache, 5, list(1), 0, answer(7, "list")).await, "list");
    assert_eq!(ask(&cache, 6, QUESTION, 0, answer(1, "other")).await, "other");
    assert_eq!(ask(&cache, 5, QUESTION, 0, answer(3, "-")).await, "one");
    // One that was loaded later shows a later version: the others of the product are old.
    let with_total = Question::List {
        family: Family::One,
        sort: Sort::Newest,
        page: 1,
        count: 5,
        ratings: 0,
        total: true,
    };
    assert_eq!(ask(&cache, 5, with_total, 0, answer(8, "total")).await, "total");
    assert_eq!(ask(&cache, 5, list(1), 0, answer(8, "new list")).await, "new list");
    assert_eq!(ask(&cache, 5, two, 0, answer(3, "-")).await, "two");
}

#[tokio::test]
async fn whoever_needs_more_than_is_kept_gets_it() {
    let cache = cache();
    assert_eq!(ask(&cache, 5, QUESTION, 0, answer(3, "a")).await, "a");
    assert_eq!(ask(&cache, 5, QUESTION, 4, answer(4, "b")).await, "b");
    assert_eq!(ask(&cache, 5, QUESTION, 0, answer(5, "c")).await, "b", "and it is kept from then on");
}

#[tokio::test]
async fn what_was_read_before_a_notice_and_comes_after_it_is_not_kept() {
    let cache = cache();
    let old = async || {
        cache.hear(&notice(Store::Meta, 5, 4));
        Ok::<_, Infallible>(answer(3, "old"))
    };
    cache.answer(product(5), QUESTION, Version(0), old).await.unwrap();
    assert_eq!(ask(&cache, 5, QUESTION, 0, answer(4, "new")).await, "new");
    assert_eq!(
        ask(&cache, 5, QUESTION, 0, answer(9, "-")).await,
        "new",
        "what is as new as the notice is kept"
    );
}

#[tokio::test]
async fn what_was_read_before_a_flush_is_not_kept() {
    let cache = cache();
    for flush in [|cache: &Cache| cache.missed(), |cache: &Cache| cache.flush(Store::Meta)] {
        let old = async || {
            flush(&cache);
            Ok::<_, Infallible>(answer(3, "old"))
        };
        cache.answer(product(5), QUESTION, Version(0), old).await.unwrap();
        assert_eq!(ask(&cache, 5, QUESTION, 0, answer(3, "new")).await, "new");
        cache.missed();
    }
}

#[tokio::test]
async fn a_flush_of_a_store_leaves_the_other() {
    let cache = cache();
    ask(&cache, 5, QUESTION, 0, answer(3, "meta")).await;
    ask(&cache, 5, list(1), 0, answer(3, "list")).await;
    cache.flush(Store::Primary);
    assert_eq!(ask(&cache, 5, QUESTION, 0, answer(3, "-")).await, "meta");
    assert_eq!(ask(&cache, 5, list(1), 0, answer(3, "new list")).await, "new list");
}

/// Tokens, as a request brings them.
fn tokens(text: &str) -> Tokens {
    let header = (HeaderName::from_static("consistency-token"), text.parse().unwrap());
    Tokens::read(&HeaderMap::from_iter([header])).unwrap()
}

#[tokio::test]
async fn tokens_are_met_by_what_is_of_their_log_and_shows_as_much() {
    let cache = cache();
    ask(&cache, 5, list(1), 0, answer_from(Source::Primary, 3, "list")).await;
    let shown = |tokens: &Tokens| {
        let named = cache.named(product(5), tokens)?;
        cache.kept(product(5), list(1), named).map(|answer| answer.version)
    };
    let log = Uuid::from_u128;
    let text = |epoch: u128, product_id: i64, version: i64| {
        let token = ConsistencyToken {
            epoch: log(epoch),
            product_id: product(product_id),
            version: Version(version),
        };
        token.to_string()
    };
    assert_eq!(shown(&tokens(&text(4, 5, 3))), None, "the log was not seen yet");
    cache.log_is(log(4));
    assert_eq!(shown(&tokens(&text(4, 5, 3))), None, "what was kept of an unknown log is gone");
    ask(&cache, 5, list(1), 0, answer_from(Source::Primary, 3, "list")).await;
    cache.log_is(log(4));
    for (of, met) in
        [(text(4, 5, 2), true), (text(4, 5, 3), true), (text(4, 5, 4), false), (text(3, 5, 3), false)]
    {
        assert_eq!(shown(&tokens(&of)).is_some(), met, "{of}");
        // Those of other products ask for nothing.
        let with_other = format!("{of},{}", text(3, 6, 9));
        assert_eq!(shown(&tokens(&with_other)).is_some(), met, "{with_other}");
    }
    let later = format!("{},{}", text(4, 5, 2), text(4, 5, 4));
    assert_eq!(shown(&tokens(&later)), None, "the latest of them counts");
    assert_eq!(cache.named(product(5), &tokens(&later)), Some(Version(4)), "what an answer has to show");
}

#[tokio::test]
async fn a_generation_that_answered_for_a_moment_leaves_nothing() {
    let cache = cache();
    cache.generation_answers(1);
    // Product 5 is asked between a swap and the swap back, both between two looks at who answers.
    let swapped = answer_from(Source::Generation(2), 3, "of 2");
    ask(&cache, 6, QUESTION, 0, answer(3, "of 1")).await;
    assert_eq!(ask(&cache, 5, QUESTION, 0, swapped.clone()).await, "of 2");
    let of_6 = answer_from(Source::Generation(2), 3, "of 2");
    assert_eq!(ask(&cache, 6, QUESTION, 0, of_6).await, "of 2", "who answers is known by what was read");
    assert_eq!(ask(&cache, 5, QUESTION, 0, swapped).await, "of 2");
    cache.generation_answers(1);
    assert_eq!(ask(&cache, 5, QUESTION, 0, answer(3, "of 1")).await, "of 1");
    cache.generation_answers(1);
    assert_eq!(ask(&cache, 5, QUESTION, 0, answer(3, "-")).await, "of 1", "nothing has changed since");
}

#[tokio::test]
async fn nothing_is_kept_or_served_while_nothing_is_heard() {
    let cache = cache();
    ask(&cache, 5, QUESTION, 0, answer(3, "a")).await;
    ask(&cache, 5, list(1), 0, answer(3, "list")).await;
    cache.hears(Store::Meta, false);
    assert_eq!(ask(&cache, 5, QUESTION, 0, answer(3, "b")).await, "b");
    assert_eq!(ask(&cache, 5, QUESTION, 0, answer(3, "c")).await, "c");
    assert_eq!(ask(&cache, 5, list(1), 0, answer(3, "-")).await, "list", "of the other store it is heard");
    cache.missed();
    cache.hears(Store::Meta, true);
    assert_eq!(ask(&cache, 5, QUESTION, 0, answer(3, "d")).await, "d");
}

#[tokio::test]
async fn nothing_is_served_past_its_age() {
    let cache = cache_of(MIB, Duration::ZERO);
    assert_eq!(ask(&cache, 5, QUESTION, 0, answer(3, "a")).await, "a");
    assert_eq!(ask(&cache, 5, QUESTION, 0, answer(3, "b")).await, "b");
}

#[tokio::test]
async fn what_is_for_one_request_is_not_kept() {
    let cache = cache();
    let once = answer_from(Source::StandIn, 3, "once");
    assert_eq!(ask(&cache, 5, QUESTION, 0, once).await, "once");
    assert_eq!(ask(&cache, 5, QUESTION, 0, answer(3, "usual")).await, "usual");
}

#[tokio::test]
async fn it_holds_as_many_bytes_as_it_may() {
    let cache = cache_of(MIB, Duration::from_secs(60));
    let body = "x".repeat(1_000);
    for id in 1..=5_000 {
        ask(&cache, id, QUESTION, 0, answer(1, &body)).await;
    }
    assert!((MIB / 2..=MIB).contains(&cache.entries.weight()), "{}", cache.entries.weight());
    for page in 1..=100 {
        ask(&cache, 5, list(page), 0, answer(1, &page.to_string())).await;
    }
    let entry = cache.entries.get(&(Store::Primary, product(5))).unwrap();
    let pages: Vec<Question> = entry.answers.iter().map(|(question, _)| *question).collect();
    assert_eq!(pages, (85..=100).map(list).collect::<Vec<_>>(), "the last sixteen of a product");
    let off = cache_of(0, Duration::from_secs(60));
    assert_eq!(ask(&off, 5, QUESTION, 0, answer(1, "a")).await, "a");
    assert_eq!(ask(&off, 5, QUESTION, 0, answer(1, "b")).await, "b");
}

#[tokio::test]
async fn of_many_who_ask_at_once_one_loads() {
    let cache = Arc::new(cache());
    let loads = Arc::new(AtomicUsize::new(0));
    let (go, gone) = oneshot::channel::<()>();
    let mut gone = Some(gone);
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (cache, loads, gone) = (cache.clone(), loads.clone(), gone.take());
        asking.spawn(async move {
            let load = async || {
                loads.fetch_add(1, Ordering::Relaxed);
                if let Some(gone) = gone {
                    gone.await.unwrap();
                }
                Ok::<_, Infallible>(answer(3, "a"))
            };
            cache.answer(product(5), QUESTION, Version(0), load).await.unwrap().body
        });
        // The first is loading before the others come.
        tokio::task::yield_now().await;
    }
    go.send(()).unwrap();
    let bodies = asking.join_all().await;
    assert!(bodies.iter().all(|body| body == "a"));
    assert_eq!(loads.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_load_that_fails_or_is_given_up_lets_others_load() {
    let cache = cache();
    let failed = cache.answer(product(5), QUESTION, Version(0), async || Err::<Answer, _>("away")).await;
    assert_eq!(failed.unwrap_err(), "away");
    let never = async || {
        std::future::pending::<()>().await;
        Ok::<_, Infallible>(answer(1, "never"))
    };
    let given_up = cache.answer(product(5), QUESTION, Version(0), never);
    assert!(tokio::time::timeout(Duration::ZERO, given_up).await.is_err());
    assert_eq!(ask(&cache, 5, QUESTION, 0, answer(1, "a")).await, "a");
}
