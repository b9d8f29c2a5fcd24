//! A steady background load of reviews and votes, and a record of what was acknowledged.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;

use crate::commands::review;
use crate::http::{Front, Request};
use crate::wait::{pause, until};

/// The sample's first products: twenty parts of the log.
pub(crate) const PRODUCTS: std::ops::RangeInclusive<i64> = 1..=20;
/// What every body of the load begins with.
pub(crate) const MARK: &str = "load ";

const THREADS: usize = 4;
/// Every review of this number is found helpful by a second request.
const VOTE_EVERY: usize = 2;
/// How long the load may get nothing acknowledged while everything should work.
const PROGRESS_LIMIT: Duration = Duration::from_secs(30);

/// A characteristic of each product, as far as it has one.
pub(crate) type Characteristics = BTreeMap<i64, Vec<i64>>;

/// Everything the load was told, over all its runs.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Acknowledged reviews by id: product and body.
    pub(crate) reviews: BTreeMap<i64, (i64, String)>,
    /// Votes by review: acknowledged, and sent without an answer.
    pub(crate) votes: BTreeMap<i64, (i64, i64)>,
    /// Bodies of reviews that were not acknowledged.
    pub(crate) unanswered: Vec<String>,
    /// Answers that a good review or vote must never get.
    pub(crate) wrong: Vec<String>,
}

/// A running load.
#[derive(Debug)]
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts posting; `day` makes the bodies unique over all runs.
    pub(crate) fn start(
        front: Front,
        day: &str,
        characteristics: &Arc<Characteristics>,
        ledger: &Arc<Mutex<Ledger>>,
    ) -> Self {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let threads = (0..THREADS)
            .map(|thread| {
                let shopper = Shopper {
                    front,
                    name: format!("{MARK}{day} {thread}"),
                    characteristics: Arc::clone(characteristics),
                    ledger: Arc::clone(ledger),
                    acknowledged: Arc::clone(&acknowledged),
                };
                let stop = Arc::clone(&stop);
                std::thread::spawn(move || {
                    for number in (thread..).step_by(THREADS) {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        shopper.shop(number);
                        pause();
                    }
                })
            })
            .collect();
        Self { stop, acknowledged, threads }
    }

    /// Waits until as many more reviews have been acknowledged.
    pub(crate) fn progresses(&self, reviews: usize, why: &str) {
        let wanted = self.acknowledged.load(Ordering::Relaxed) + reviews;
        until(&format!("{why}: {reviews} more reviews are acknowledged"), PROGRESS_LIMIT, || {
            let now = self.acknowledged.load(Ordering::Relaxed);
            if now >= wanted { Ok(()) } else { Err(format!("{} to go", wanted - now)) }
        });
    }

    /// Ends the load; all its requests have had their answers or their ends.
    pub(crate) fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("a thread of the load ended well");
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct Shopper {
    front: Front,
    name: String,
    characteristics: Arc<Characteristics>,
    ledger: Arc<Mutex<Ledger>>,
    acknowledged: Arc<AtomicUsize>,
}

impl Shopper {
    fn shop(&self, number: usize) {
        let index = i64::try_from(number).unwrap();
        let product = PRODUCTS.start() + index % (PRODUCTS.end() - PRODUCTS.start() + 1);
        let text = format!("{} {number}", self.name);
        let mut body = review(1 + index % 5, &text);
        body["recommend"] = json!(index % 3 == 0);
        let values = self.characteristics.get(&product).into_iter().flatten();
        body["characteristics"] = values.map(|id| (id.to_string(), json!(1 + (index + id) % 5))).collect();
        let Some(id) = self.post(product, text, &body.to_string()) else { return };
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
        if number.is_multiple_of(VOTE_EVERY) {
            self.vote(id);
        }
    }

    fn post(&self, product: i64, text: String, body: &str) -> Option<i64> {
        let answer = self.front.send(&Request::post(&format!("/reviews/{product}"), body));
        let mut ledger = self.ledger.lock().unwrap();
        match answer {
            Ok(answer) if answer.status == 201 => {
                let id = answer.json()["review_id"].as_i64().unwrap();
                if let Some((_, other)) = ledger.reviews.insert(id, (product, text)) {
                    ledger.wrong.push(format!("review {id} was given out twice, first for {other:?}"));
                }
                return Some(id);
            }
            Ok(answer) if answer.status < 500 => ledger.wrong.push(format!("{text}: {answer:?}")),
            _ => ledger.unanswered.push(text),
        }
        None
    }

    fn vote(&self, review: i64) {
        let answer = self.front.send(&Request::put(&format!("/reviews/{review}/helpful")));
        let mut ledger = self.ledger.lock().unwrap();
        let votes = ledger.votes.entry(review).or_default();
        match answer {
            Ok(answer) if answer.status == 204 => votes.0 += 1,
            Ok(answer) if answer.status < 500 => {
                ledger.wrong.push(format!("a vote for review {review}: {answer:?}"));
            }
            _ => votes.1 += 1,
        }
    }
}
