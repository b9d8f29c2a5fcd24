//! What is asked, and whether an answer is good.

mod known;
mod pool;

pub(crate) use pool::{Pool, listed};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::http::response::Parts;
use hyper::{Method, Request, header};
use known::Asked as AskedOfPool;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng as _;
use rand_distr::{Distribution as _, Zipf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Products of the hot scenarios: the original's load tests repeated so many ids.
const HOT: u64 = 11;
/// Of a hundred requests of the mixed scenario, those that read, those that post a review, and the rest vote.
const MIXED_READS: u64 = 95;
const MIXED_POSTS: u64 = 3;
/// Of a hundred reads of the mixed scenario, those of products that are written to, whose answers are checked.
const MIXED_CHECKED: u64 = 40;

/// A kind of traffic.
#[derive(Debug)]
pub(crate) enum Traffic {
    /// One address, whatever it answers with 200.
    One(&'static str),
    /// Reads of products.
    Reads(Reads),
    /// Reviews of products of the pool.
    Posts { pool: Arc<Pool>, asynchronously: bool },
    /// Helpful votes for reviews of the pool.
    Votes { pool: Arc<Pool>, asynchronously: bool },
    /// All of it, and answers checked for what was acknowledged before they were asked for.
    Mixed { pool: Arc<Pool>, ids: Ids },
}

/// Which products are read.
#[derive(Debug, Clone)]
pub(crate) enum Ids {
    /// 1 to so many, each as often.
    Uniform(u64),
    /// 1 to so many, the n-th as often as 1/n says.
    Zipf(Zipf<f64>),
    /// A few, spread over 1 to so many.
    Hot(u64),
    /// 1 to so many, one after the other; the counter says how many were picked.
    InTurn(Arc<AtomicU64>, u64),
}

/// Which pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pages {
    Meta,
    List,
    /// Each as often.
    Both,
}

/// Reads.
#[derive(Debug, Clone)]
pub(crate) struct Reads {
    pub(crate) ids: Ids,
    pub(crate) pages: Pages,
}

/// An answer older than it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stale {
    /// The request brought a token.
    Token,
    /// It brought none; what it lacks was acknowledged as visible before.
    NoToken,
}

/// What must be known of a request to judge its answer.
#[derive(Debug)]
pub(crate) enum Asked {
    Nothing,
    OfPool(AskedOfPool),
}

impl Ids {
    /// The most products of all products, by their share of the reads, that there are.
    pub(crate) fn zipf(products: u64) -> Self {
        // Both numbers are good: at least one product, and an exponent above 0.
        Zipf::new(products as f64, 1.0).map_or(Ids::Uniform(products), Ids::Zipf)
    }

    fn pick(&self, random: &mut ChaCha8Rng) -> u64 {
        match self {
            Ids::Uniform(products) => 1 + below(random, *products),
            // A whole number, as a float.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "from 1 to the number of products"
            )]
            Ids::Zipf(zipf) => zipf.sample(random) as u64,
            Ids::Hot(products) => 1 + below(random, HOT) * (products / HOT).max(1),
            Ids::InTurn(picked, products) => 1 + picked.fetch_add(1, Ordering::Relaxed) % products.max(&1),
        }
    }
}

/// A number below another.
fn below(random: &mut ChaCha8Rng, bound: u64) -> u64 {
    // As even as matters here: the bound is far below 2^64.
    random.next_u64() % bound.max(1)
}

impl Traffic {
    /// The next request, without a host.
    pub(crate) fn next(&self, random: &mut ChaCha8Rng) -> (Request<Full<Bytes>>, Asked) {
        match self {
            Traffic::One(path) => (get(path), Asked::Nothing),
            Traffic::Reads(reads) => (reads.next(random), Asked::Nothing),
            Traffic::Posts { pool, asynchronously } => {
                let (request, asked) =
                    pool.post(below(random, pool.len()), random.next_u64(), *asynchronously);
                (request, Asked::OfPool(asked))
            }
            Traffic::Votes { pool, asynchronously } => {
                (pool.vote(below(random, pool.len()), random.next_u64(), *asynchronously), Asked::Nothing)
            }
            Traffic::Mixed { pool, ids } => {
                let (what, product) = (below(random, 100), below(random, pool.len()));
                if what >= MIXED_READS + MIXED_POSTS {
                    return (pool.vote(product, random.next_u64(), false), Asked::Nothing);
                }
                if what >= MIXED_READS {
                    let (request, asked) = pool.post(product, random.next_u64(), false);
                    return (request, Asked::OfPool(asked));
                }
                if below(random, 100) >= MIXED_CHECKED {
                    return (Reads { ids: ids.clone(), pages: Pages::Both }.next(random), Asked::Nothing);
                }
                let (request, asked) = pool.read(product, below(random, 2) == 0, below(random, 2) == 0);
                (request, Asked::OfPool(asked))
            }
        }
    }

    /// Whether an answer is good, and not older than it may be; else what it is.
    pub(crate) fn judge(&self, asked: &Asked, parts: &Parts, body: &Bytes) -> Result<Option<Stale>, String> {
        if !parts.status.is_success() {
            return Err(format!("status {}", parts.status.as_u16()));
        }
        match (self, asked) {
            (Traffic::Posts { pool, .. } | Traffic::Mixed { pool, .. }, Asked::OfPool(asked)) => {
                pool.judge(asked, parts, body)
            }
            _ => Ok(None),
        }
    }
}

impl Reads {
    fn next(&self, random: &mut ChaCha8Rng) -> Request<Full<Bytes>> {
        let id = self.ids.pick(random);
        let list = match self.pages {
            Pages::Meta => false,
            Pages::List => true,
            Pages::Both => below(random, 2) == 0,
        };
        get(&page(id, list))
    }
}

/// The path of a product's page.
fn page(product: u64, list: bool) -> String {
    format!("/reviews/{product}/{}", if list { "list" } else { "meta" })
}

fn get(path: &str) -> Request<Full<Bytes>> {
    request(Method::GET, path, Full::default())
}

fn request(method: Method, path: &str, body: Full<Bytes>) -> Request<Full<Bytes>> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    // All paths are made here, of numbers and plain letters.
    *request.uri_mut() = path.parse().unwrap_or_default();
    request
}

/// Asks for an answer as soon as the command is stored, instead of when it shows.
fn as_soon_as_stored(request: &mut Request<Full<Bytes>>, asynchronously: bool) {
    if asynchronously {
        request.headers_mut().insert("prefer", header::HeaderValue::from_static("respond-async"));
    }
}
