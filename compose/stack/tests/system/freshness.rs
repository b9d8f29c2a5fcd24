//! Reading one's own writes, many at a time: with a token whatever happens, and without one while
//! everything runs.
//!
//! Nothing but posts is done to the products here, so the numbers say how old an answer is: a product that
//! had `reviews` reviews at version `version` has one more at each later version.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::http::Front;
use crate::sql::Database;
use crate::stack::Stack;
use crate::wait::until;

/// Posts of each run, each followed by its reads.
const POSTS: usize = 10_000;
const CONNECTIONS: usize = 64;
/// Every so many posts of a connection go to a product that all share.
const SHARED_EVERY: usize = 4;
const SHARED_PRODUCT: i64 = 7;
/// Products that one connection has for itself.
const OWN_PRODUCTS: usize = 15;
/// What no request may take longer than.
const REQUEST_LIMIT: Duration = Duration::from_secs(20);
/// Requests of a run that may be told to come again: a machine that stands still for two seconds, as a shared one may,
/// makes a store look away. What is told then is never wrong.
const TOLD_TO_COME_AGAIN_MAX: usize = POSTS * 3 / 1_000;
/// From the projector's return to a complete meta.
const CAUGHT_UP_LIMIT: Duration = Duration::from_secs(60);
/// Sequential posts while nobody projects, and how many of them may wait in vain.
const POSTS_IN_VAIN: usize = 20;
const WAITS_IN_VAIN_MAX: usize = 5;
/// What a wait in vain takes at least.
const WAIT_IN_VAIN: Duration = Duration::from_millis(450);

/// A product before the run.
#[derive(Debug, Clone, Copy)]
struct Before {
    version: i64,
    /// All reviews, which meta counts.
    reviews: i64,
    /// Those that are listed.
    listed: i64,
}

/// A product that was never heard of.
const NOTHING: Before = Before { version: 0, reviews: 0, listed: 0 };

/// What all connections of a run have in common.
struct Run {
    front: String,
    /// The products before it.
    before: BTreeMap<i64, Before>,
    told_to_come_again: AtomicUsize,
}

/// One connection to the front door.
struct Connection {
    client: Client,
    run: Arc<Run>,
}

/// An acknowledged post.
struct Posted {
    product: i64,
    version: i64,
    token: String,
    /// The answer did not wait for readers.
    at_commit: bool,
}

impl Run {
    fn new(front: Front, primary: &Database) -> Arc<Self> {
        let (front, before) = (format!("http://127.0.0.1:{}", front.port), products(primary));
        Arc::new(Run { front, before, told_to_come_again: AtomicUsize::new(0) })
    }
}

fn products(primary: &Database) -> BTreeMap<i64, Before> {
    let rows = primary.rows(
        "SELECT s.product_id, s.version, count(r.review_id),
                count(r.review_id) FILTER (WHERE NOT r.hidden_by_reports AND NOT r.hidden_by_moderation)
         FROM product_stream s LEFT JOIN reviews r USING (part, product_id) GROUP BY s.product_id, s.version",
    );
    let number = |text: &String| text.parse::<i64>().unwrap();
    let before = |row: &Vec<String>| Before {
        version: number(&row[1]),
        reviews: number(&row[2]),
        listed: number(&row[3]),
    };
    rows.iter().map(|row| (number(&row[0]), before(row))).collect()
}

impl Connection {
    fn new(run: &Arc<Run>) -> Self {
        let client = Client::builder().timeout(REQUEST_LIMIT).pool_max_idle_per_host(1).build().unwrap();
        Self { client, run: Arc::clone(run) }
    }

    /// Sends a request, and does as it is told when it is told to come again.
    async fn send(&self, request: RequestBuilder) -> Response {
        loop {
            let answer = request.try_clone().unwrap().send().await.unwrap();
            if answer.status() != StatusCode::SERVICE_UNAVAILABLE {
                return answer;
            }
            let told = self.run.told_to_come_again.fetch_add(1, Ordering::Relaxed) + 1;
            assert!(told <= TOLD_TO_COME_AGAIN_MAX, "told to come again {told} times, now by {answer:?}");
            let after = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            tokio::time::sleep(Duration::from_secs(after)).await;
        }
    }

    async fn post(&self, product: i64, prefer: Option<&str>) -> Posted {
        let review =
            json!({ "rating": product % 5 + 1, "body": "fresh", "name": "f", "email": "f@example.com" });
        let mut request =
            self.client.post(format!("{}/reviews/{product}", self.run.front)).body(review.to_string());
        if let Some(prefer) = prefer {
            request = request.header("Prefer", prefer);
        }
        let answer = self.send(request).await;
        assert_eq!(answer.status(), 201, "{answer:?}");
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let token = header("consistency-token").expect("every command has a token");
        let version = token.rsplit('.').next().unwrap().parse().unwrap();
        Posted { product, version, token, at_commit: header("preference-applied").is_some() }
    }

    async fn get(&self, path: &str, token: Option<&str>) -> Value {
        let mut request = self.client.get(format!("{}{path}", self.run.front));
        if let Some(token) = token {
            request = request.header("Consistency-Token", token);
        }
        let answer = self.send(request).await;
        assert_eq!(answer.status(), 200, "GET {path}: {answer:?}");
        answer.json().await.unwrap()
    }

    /// How many of the posts up to that one list and meta lack, in the paths of one family or the other.
    async fn lack(&self, posted: &Posted, token: Option<&str>) -> (i64, i64) {
        let Posted { product, version, .. } = *posted;
        let before = self.run.before.get(&product).copied().unwrap_or(NOTHING);
        let (list, meta) = if version % 2 == 0 {
            (format!("/reviews/{product}/list?count=1&total=true"), format!("/reviews/{product}/meta"))
        } else {
            (
                format!("/reviews?product_id={product}&count=1&total=true"),
                format!("/reviews/meta?product_id={product}"),
            )
        };
        let new = version - before.version;
        let listed = self.get(&list, token).await["total"].as_i64().unwrap();
        let counted = sum(&self.get(&meta, token).await["ratings"]);
        (before.listed + new - listed, before.reviews + new - counted)
    }
}

/// The number of reviews of a meta, in either family's types.
fn sum(ratings: &Value) -> i64 {
    let count = |count: &Value| count.as_i64().or_else(|| count.as_str()?.parse().ok()).unwrap();
    ratings.as_object().unwrap().values().map(count).sum()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Posts and reads back with the token over all connections, telling `half_way` when half is done.
async fn with_tokens(run: &Arc<Run>, half_way: impl FnOnce() + Send + 'static) {
    let done = Arc::new(AtomicUsize::new(0));
    let mut connections = JoinSet::new();
    for number in 0..CONNECTIONS {
        let connection = Connection::new(run);
        let done = Arc::clone(&done);
        connections.spawn(async move {
            for n in (number..POSTS).step_by(CONNECTIONS) {
                let own = number * OWN_PRODUCTS + n / CONNECTIONS % OWN_PRODUCTS;
                let shared = (n / CONNECTIONS).is_multiple_of(SHARED_EVERY);
                let product = if shared { SHARED_PRODUCT } else { i64::try_from(own).unwrap() + 20 };
                let posted = connection.post(product, Some("respond-async")).await;
                assert!(posted.at_commit);
                let (list, meta) = connection.lack(&posted, Some(&posted.token)).await;
                assert!(list <= 0 && meta <= 0, "product {product}: an older answer to {}", posted.token);
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let watch = tokio::task::spawn_blocking(move || {
        until("half of the posts", Duration::from_secs(300), || {
            let done = done.load(Ordering::Relaxed);
            if done >= POSTS / 2 { Ok(()) } else { Err(format!("{done} done")) }
        });
        half_way();
    });
    while let Some(ended) = connections.join_next().await {
        ended.unwrap();
    }
    watch.await.unwrap();
}

/// A token is never answered with anything older.
pub(crate) fn a_token_is_never_answered_with_less(front: Front, primary: &Database) {
    let begun = Instant::now();
    runtime().block_on(with_tokens(&Run::new(front, primary), || {}));
    eprintln!("        {POSTS} posts and {} reads with a token: {:.1?}", POSTS * 2, begun.elapsed());
}

/// Not even when the projector is killed half-way; and commands do not wait for it one by one.
pub(crate) fn nor_without_a_projector(stack: &Stack, primary: &Database) {
    let begun = Instant::now();
    let run = Run::new(stack.front, primary);
    let pid = stack.pids()["projector"];
    runtime().block_on(with_tokens(&run, move || crate::stack::kill_all(&[pid])));
    eprintln!("        {POSTS} posts and {} reads, the projector killed: {:.1?}", POSTS * 2, begun.elapsed());

    let in_vain = runtime().block_on(async {
        let connection = Connection::new(&run);
        let mut in_vain = 0;
        for _ in 0..POSTS_IN_VAIN {
            let begun = Instant::now();
            let posted = connection.post(SHARED_PRODUCT, None).await;
            assert!(posted.at_commit, "nobody projects, and yet the answer says that meta shows it");
            in_vain += usize::from(begun.elapsed() >= WAIT_IN_VAIN);
            let (list, meta) = connection.lack(&posted, Some(&posted.token)).await;
            assert_eq!((list, meta), (0, 0), "{}", posted.token);
        }
        in_vain
    });
    assert!(in_vain <= WAITS_IN_VAIN_MAX, "{in_vain} of {POSTS_IN_VAIN} posts waited in vain");
    stack.run("restart", &["projector"]);
    let (version, product) =
        (primary.number("SELECT max(version) FROM product_stream WHERE product_id = 7"), SHARED_PRODUCT);
    until("meta has caught up", CAUGHT_UP_LIMIT, || {
        let before = run.before[&product];
        let wanted = before.reviews + version - before.version;
        let counted = sum(&stack.front.json(&format!("/reviews/{product}/meta"))["ratings"]);
        if counted == wanted { Ok(()) } else { Err(format!("{counted} of {wanted}")) }
    });
}

/// Without a token, one connection for each product: what was acknowledged as visible is visible, and it
/// says how many were acknowledged earlier and were late.
pub(crate) fn without_a_token_an_acknowledged_post_shows(front: Front, primary: &Database) {
    let begun = Instant::now();
    let run = Run::new(front, primary);
    let (at_commit, late, longest) = runtime().block_on(async {
        let mut connections = JoinSet::new();
        for number in 0..CONNECTIONS {
            let connection = Connection::new(&run);
            connections.spawn(async move {
                let product = i64::try_from(number).unwrap() + 20;
                let (mut at_commit, mut late, mut longest) = (0, 0, Duration::ZERO);
                for _ in (number..POSTS).step_by(CONNECTIONS) {
                    let posted = connection.post(product, None).await;
                    let answered = Instant::now();
                    at_commit += usize::from(posted.at_commit);
                    let mut lack = connection.lack(&posted, None).await;
                    if lack != (0, 0) {
                        assert!(
                            posted.at_commit,
                            "{lack:?} lacking, though {} was said to show",
                            posted.token
                        );
                        late += 1;
                    }
                    while lack != (0, 0) {
                        assert!(answered.elapsed() < REQUEST_LIMIT, "{lack:?} lacking for ever");
                        lack = connection.lack(&posted, None).await;
                        longest = longest.max(answered.elapsed());
                    }
                }
                (at_commit, late, longest)
            });
        }
        let runs = connections.join_all().await;
        runs.into_iter().fold((0, 0, Duration::ZERO), |a, b| (a.0 + b.0, a.1 + b.1, a.2.max(b.2)))
    });
    eprintln!(
        "        {POSTS} posts without a token: {at_commit} answered before readers showed them, {late} seen late, \
         by {} ms at most; {:.1?}",
        longest.as_millis(),
        begun.elapsed()
    );
}
