//! Answers that can be revalidated: a strong entity tag for each encoding, 304 for who has it, and
//! compression where it pays.

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate, SizeAbove};

/// Shortest body that is compressed, in bytes: one below fits into a packet or two either way.
const COMPRESSED_BYTES_MIN: u64 = 1024;
/// Bytes of the hash in an entity tag: 2^64 answers of one address before two are likely to share one.
const TAG_BYTES: usize = 16;

/// Compressed and uncompressed bodies differ, so caches must keep them apart.
const VARY_ENCODING: HeaderValue = HeaderValue::from_static("Accept-Encoding");
/// May be stored, must be revalidated: a change shows at once.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

/// The entity tag of a body: a hash of it. Whatever made it, the same bytes have the same tag and others have another.
pub fn entity_tag(body: &[u8]) -> HeaderValue {
    let hash = URL_SAFE_NO_PAD.encode(&Sha256::digest(body)[..TAG_BYTES]);
    // Letters, digits, `-` and `_` are fit for a header.
    HeaderValue::from_str(&format!("\"{hash}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// A body as an answer that can be revalidated.
pub fn representation(content_type: &'static str, body: Vec<u8>) -> Response {
    let tag = entity_tag(&body);
    tagged_representation(content_type, body.into(), tag)
}

/// The same with the tag that [`entity_tag`] gave for it.
pub fn tagged_representation(content_type: &'static str, body: Bytes, tag: HeaderValue) -> Response {
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, REVALIDATE);
    headers.insert(ETAG, tag);
    response
}

/// Compresses the answers of a router for clients that take it, and answers 304 to who has them.
pub fn with_representations<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    let pays = SizeAbove::new(COMPRESSED_BYTES_MIN).and(DefaultPredicate::new());
    let compression = CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(pays);
    // In one: each layer of its own costs every request a copy of all that is below it.
    router.layer((from_fn(revalidate), compression))
}

async fn revalidate(mut request: Request, next: Next) -> Response {
    // A HEAD is answered as the GET would be, compressed or not, so that both say the same.
    let head = request.method() == Method::HEAD;
    if head {
        *request.method_mut() = Method::GET;
    }
    let known = known_tags(request.headers());
    let mut response = next.run(request).await;
    // A client that says it takes no encoding at all gets the body as it is rather than nothing.
    if response.status() == StatusCode::NOT_ACCEPTABLE {
        *response.status_mut() = StatusCode::OK;
    }
    let headers = response.headers_mut();
    if let Some(tag) = headers.get(ETAG).map(|tag| of_encoding(tag, headers.get(CONTENT_ENCODING))) {
        headers.insert(VARY, VARY_ENCODING);
        headers.insert(ETAG, tag.clone());
        if response.status() == StatusCode::OK && known.iter().any(|known| matches(known, &tag)) {
            return not_modified(response);
        }
    }
    if head { without_body(response) } else { response }
}

/// The tag of a body in an encoding.
fn of_encoding(tag: &HeaderValue, encoding: Option<&HeaderValue>) -> HeaderValue {
    let text = |value: &HeaderValue| value.to_str().map(str::to_owned).unwrap_or_default();
    match encoding {
        Some(encoding) => {
            let tagged = format!("{}-{}\"", text(tag).trim_end_matches('"'), text(encoding));
            HeaderValue::from_str(&tagged).unwrap_or_else(|_| tag.clone())
        }
        None => tag.clone(),
    }
}

fn known_tags(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    // A comma within a tag splits it in two that match nothing; ours have none.
    lines.flat_map(|line| line.split(',')).map(|tag| tag.trim().to_owned()).collect()
}

/// The weak comparison of RFC 9110, as `If-None-Match` asks for.
fn matches(known: &str, tag: &HeaderValue) -> bool {
    known == "*" || tag.as_bytes() == known.strip_prefix("W/").unwrap_or(known).as_bytes()
}

fn not_modified(mut response: Response) -> Response {
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    *response.body_mut() = Body::empty();
    for of_body in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING] {
        response.headers_mut().remove(of_body);
    }
    response
}

fn without_body(mut response: Response) -> Response {
    if let Some(length) = response.body().size_hint().exact() {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    *response.body_mut() = Body::empty();
    response
}
