//! Products that are written to, spread over all: their characteristics and reviews, and what was acknowledged of them.

use super::known::{Asked, Known};
use super::{Stale, as_soon_as_stored, get, page, request};
use anyhow::{Context as _, Result, ensure};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::http::response::Parts;
use hyper::{Method, Request, header};
use serde_json::{Map, Value, json};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

/// Products of the pool.
const PRODUCTS: u64 = 1000;
/// Products whose metas one request asks for.
const METAS_AT_ONCE: usize = 100;

/// The products.
#[derive(Debug)]
pub(crate) struct Pool(Vec<Product>);

#[derive(Debug)]
struct Product {
    id: u64,
    characteristics: Vec<i64>,
    /// Listed reviews, to be voted for.
    reviews: Vec<i64>,
    known: Mutex<Known>,
}

impl Pool {
    /// Reads up to 1,000 of the products 1 to `products` through the front door, and of each a page of reviews.
    pub(crate) async fn read_from(front: SocketAddr, products: u64) -> Result<Self> {
        let front = format!("http://{front}");
        let client = reqwest::Client::new();
        let read = async |path: String| -> Result<Value> {
            let asked = client.get(format!("{front}{path}"));
            let answer = async { asked.send().await?.error_for_status()?.json().await };
            // The path names a hundred products.
            let path = path.split_once('?').map_or(path.as_str(), |(path, _)| path);
            answer.await.map_err(reqwest::Error::without_url).with_context(|| format!("GET {front}{path}"))
        };
        let step = (products / PRODUCTS).max(1);
        let ids: Vec<u64> = (0..products.min(PRODUCTS)).map(|n| 1 + n * step).collect();
        let mut pool = Vec::new();
        for ids in ids.chunks(METAS_AT_ONCE) {
            let asked: Vec<String> = ids.iter().map(u64::to_string).collect();
            let metas = read(format!("/reviews/meta?product_ids={}", asked.join(","))).await?;
            for (id, meta) in ids.iter().zip(metas.as_array().into_iter().flatten()) {
                let list = read(page(*id, true)).await?;
                let reviews = list["results"].as_array().into_iter().flatten();
                let of = meta["characteristics"].as_object().into_iter().flat_map(Map::values);
                pool.push(Product {
                    id: *id,
                    characteristics: of.filter_map(|c| c["id"].as_i64()).collect(),
                    reviews: reviews.filter_map(|review| review["review_id"].as_i64()).collect(),
                    known: Mutex::new(Known::with(reviews_of(meta))),
                });
            }
        }
        let voted = pool.iter().any(|product| !product.reviews.is_empty());
        ensure!(voted, "{front} has no reviews of the products 1 to {products}: import some first");
        Ok(Pool(pool))
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// The id of a product, and those of its characteristics.
    pub(crate) fn product(&self, number: u64) -> (u64, &[i64]) {
        let (_, product) = self.at(number);
        (product.id, &product.characteristics)
    }

    fn at(&self, number: u64) -> (usize, &Product) {
        let at = usize::try_from(number).unwrap_or(0) % self.0.len();
        (at, &self.0[at])
    }

    /// A review of a product.
    pub(crate) fn post(
        &self,
        number: u64,
        random: u64,
        asynchronously: bool,
    ) -> (Request<Full<Bytes>>, Asked) {
        let (at, product) = self.at(number);
        let values: Map<String, Value> = product
            .characteristics
            .iter()
            .enumerate()
            .map(|(n, id)| (id.to_string(), json!(1 + (random >> n) % 5)))
            .collect();
        let body = json!({
            "rating": 1 + random % 5, "recommend": !random.is_multiple_of(3), "summary": "Walked all day in them",
            "body": "True to size, soft where it matters, and the soles are still as new after a month of cobblestones.",
            "name": "cobblestone", "email": "cobblestone@example.com", "characteristics": values,
        });
        let mut post =
            request(Method::POST, &format!("/reviews/{}", product.id), Full::from(body.to_string()));
        post.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
        as_soon_as_stored(&mut post, asynchronously);
        (post, Asked::Post { at })
    }

    /// A vote for a review of a product, or of the next one that has reviews.
    pub(super) fn vote(&self, number: u64, random: u64, asynchronously: bool) -> Request<Full<Bytes>> {
        let (at, _) = self.at(number);
        let review = self.0[at..].iter().chain(&self.0).find_map(|product| {
            let count = product.reviews.len() as u64;
            product.reviews.get(usize::try_from(random.checked_rem(count)?).ok()?)
        });
        let path = format!("/reviews/helpful/{}", review.copied().unwrap_or(0));
        let mut vote = request(Method::PUT, &path, Full::default());
        as_soon_as_stored(&mut vote, asynchronously);
        vote
    }

    /// A read of a product, with its latest token if it has one and that is wanted.
    pub(crate) fn read(&self, number: u64, list: bool, with_token: bool) -> (Request<Full<Bytes>>, Asked) {
        let (_, product) = self.at(number);
        let known = product.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (due, kind, token) = known.due(with_token);
        drop(known);
        let mut read = get(&page(product.id, list));
        if let Some(token) = token {
            read.headers_mut().insert("consistency-token", token);
        }
        (read, if list { Asked::List { due, kind } } else { Asked::Meta { due, kind } })
    }

    /// Takes note of what a good answer to a write said, or checks what a read brought.
    pub(super) fn judge(&self, asked: &Asked, parts: &Parts, body: &Bytes) -> Result<Option<Stale>, String> {
        let json: Value = serde_json::from_slice(body).map_err(|_| "an answer that is no JSON".to_owned())?;
        let (is_there, kind) = match *asked {
            Asked::Post { at } => {
                let token = parts.headers.get("consistency-token");
                let version = token.and_then(|token| token.to_str().ok()?.rsplit('.').next()?.parse().ok());
                let (Some(token), Some(version), Some(id)) = (token, version, json["review_id"].as_i64())
                else {
                    return Err("an answer to a post without its id or token".to_owned());
                };
                let waited = !parts.headers.contains_key("preference-applied");
                let mut known = self.0[at].known.lock().unwrap_or_else(PoisonError::into_inner);
                known.added(id, version, waited, token.clone());
                return Ok(None);
            }
            Asked::Meta { due, kind } => (reviews_of(&json) >= due.reviews, kind),
            Asked::List { due, kind } => (listed(&json).into_iter().max().unwrap_or(0) >= due.youngest, kind),
        };
        Ok((!is_there).then_some(kind))
    }
}

/// The ids of a list's reviews.
pub(crate) fn listed(list: &Value) -> Vec<i64> {
    let results = list["results"].as_array().into_iter().flatten();
    results.filter_map(|review| review["review_id"].as_i64()).collect()
}

/// Reviews that a meta counts, in either family's types.
fn reviews_of(meta: &Value) -> u64 {
    let counts = meta["ratings"].as_object().into_iter().flat_map(Map::values);
    counts.filter_map(|count| count.as_u64().or_else(|| count.as_str()?.parse().ok())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Response;

    fn pool() -> Pool {
        let known = Mutex::new(Known::with(2));
        Pool(vec![Product { id: 7, characteristics: vec![14, 15], reviews: Vec::new(), known }])
    }

    fn parts(headers: &[(&'static str, &'static str)]) -> Parts {
        let mut response = Response::new(());
        for (name, value) in headers {
            response.headers_mut().insert(*name, header::HeaderValue::from_static(value));
        }
        response.into_parts().0
    }

    fn judged(
        pool: &Pool,
        asked: &Asked,
        headers: &[(&'static str, &'static str)],
        body: &Value,
    ) -> Result<Option<Stale>, String> {
        pool.judge(asked, &parts(headers), &body.to_string().into())
    }

    #[test]
    fn an_answer_without_what_was_acknowledged_is_stale() {
        let pool = pool();
        let (_, post) = pool.post(0, 1, false);
        let (_, before) = pool.read(0, false, false);
        let token = [("consistency-token", "e4.7.5")];
        assert_eq!(judged(&pool, &post, &token, &json!({"review_id": 70})), Ok(None));
        let (metas, lists) = (
            [2, 3].map(|n| json!({"ratings": {"4": n}})),
            [69, 70].map(|id| json!({"results": [{"review_id": id}]})),
        );
        // It was asked for before.
        assert_eq!(judged(&pool, &before, &[], &metas[0]), Ok(None));
        for (with_token, kind) in [(false, Stale::NoToken), (true, Stale::Token)] {
            let (request, meta) = pool.read(0, false, with_token);
            assert_eq!(request.headers().contains_key("consistency-token"), with_token);
            assert_eq!(judged(&pool, &meta, &[], &metas[0]), Ok(Some(kind)));
            assert_eq!(judged(&pool, &meta, &[], &metas[1]), Ok(None));
            let (_, list) = pool.read(0, true, with_token);
            assert_eq!(judged(&pool, &list, &[], &lists[0]), Ok(Some(kind)));
            assert_eq!(judged(&pool, &list, &[], &lists[1]), Ok(None));
        }
    }

    #[test]
    fn an_answer_to_a_post_without_its_id_or_token_is_an_error() {
        let pool = pool();
        let (request, post) = pool.post(0, 1, true);
        assert_eq!(request.headers()["prefer"], "respond-async");
        assert!(judged(&pool, &post, &[], &json!({"review_id": 70})).is_err());
        assert!(judged(&pool, &post, &[("consistency-token", "e4.7.5")], &json!({})).is_err());
        assert!(judged(&pool, &post, &[("consistency-token", "odd")], &json!({"review_id": 70})).is_err());
    }
}
