//! What the handlers of all commands have in common: their headers, and their answers.

use crate::router::Write;
use axum::http::HeaderMap;
use axum::http::header::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use contract::{ConsistencyToken, Problem};
use primary::{Age, Command, IdempotencyKey, Outcome, Reached};
use service::{HttpProblem, header_text, prefer, traceparent};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Longest `Idempotency-Key`, in characters.
const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;
/// Longest `Visitor-Id`, in characters.
const VISITOR_ID_CHARS_MAX: usize = 64;

const CONSISTENCY_TOKEN: HeaderName = HeaderName::from_static("consistency-token");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const RESPOND_ASYNC: HeaderValue = HeaderValue::from_static("respond-async");

/// The headers of a command.
#[derive(Debug)]
pub(crate) struct Headers {
    pub(crate) traceparent: Option<String>,
    /// Under which the command is carried out once.
    pub(crate) key: Option<String>,
    /// Who votes.
    pub(crate) visitor: Option<String>,
    pub(crate) respond_async: bool,
}

impl Headers {
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, HttpProblem> {
        Ok(Headers {
            traceparent: traceparent(headers).map(str::to_owned),
            key: name(headers, "idempotency-key", IDEMPOTENCY_KEY_CHARS_MAX)?,
            visitor: name(headers, "visitor-id", VISITOR_ID_CHARS_MAX)?,
            respond_async: prefer(headers).respond_async,
        })
    }

    /// The command that a request is. `sent` is all of it that makes another request of it.
    pub(crate) fn command(&self, sent: &[&[u8]]) -> Command<'_> {
        let key = self.key.as_deref().map(|key| IdempotencyKey { key, request: hash(sent) });
        Command { event_id: Uuid::now_v7(), traceparent: self.traceparent.as_deref(), key }
    }
}

/// A name that a client gives to something, visible characters only.
fn name(headers: &HeaderMap, header: &'static str, chars_max: usize) -> Result<Option<String>, HttpProblem> {
    let Some(text) = header_text(headers, header)? else { return Ok(None) };
    let text = text.trim();
    if text.len() > chars_max || !text.bytes().all(|b| b.is_ascii_graphic()) {
        let wrong = format!("the header {header} must be at most {chars_max} visible ASCII characters");
        return Err(Problem::unprocessable(wrong).into());
    }
    Ok(Some(text.to_owned()))
}

/// SHA-256 of texts, each with its length so that no two lists of texts are alike.
fn hash(texts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.len().to_be_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}

/// When a command was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Now,
    Before(Age),
}

/// What a command came to, now or before.
pub(crate) fn done<T>(outcome: Outcome<T>) -> Result<(T, When), HttpProblem> {
    match outcome {
        Outcome::Done(done) => Ok((done, When::Now)),
        Outcome::Before(done, age) => Ok((done, When::Before(age))),
        Outcome::UnderWay => Err(Problem::under_way().into()),
        Outcome::KeyTaken => Err(Problem::key_taken().into()),
    }
}

/// Announces what a command has changed, and answers it when readers show it, in meta too if it is
/// `in_meta`; or says that the answer did not wait for that.
pub(crate) async fn answer(
    write: &Write,
    headers: &Headers,
    reached: Reached,
    when: When,
    in_meta: bool,
    answer: impl IntoResponse,
) -> Response {
    let Reached { epoch, product_id, version } = reached;
    if when == When::Now {
        write.visibility.committed(product_id, version, !headers.respond_async);
    }
    let seen = match when {
        _ if headers.respond_async => false,
        // What is announced was announced long ago: nothing will be heard of it any more.
        When::Before(Age::Old) => write.visibility.is_likely(in_meta),
        When::Now | When::Before(Age::Recent) => write.visibility.wait(product_id, version, in_meta).await,
    };
    let mut response = answer.into_response();
    let token = ConsistencyToken { epoch, product_id, version }.to_string();
    if let Ok(token) = HeaderValue::from_str(&token) {
        response.headers_mut().insert(CONSISTENCY_TOKEN, token);
    }
    if !seen {
        response.headers_mut().insert(PREFERENCE_APPLIED, RESPOND_ASYNC);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &'static str, value: &str) -> Result<Headers, u16> {
        let mut headers = HeaderMap::new();
        headers.insert(header, value.parse().unwrap());
        Headers::read(&headers).map_err(|problem| problem.0.status)
    }

    #[test]
    fn names_are_visible_characters_up_to_their_length() {
        assert_eq!(read("visitor-id", &"v".repeat(64)).unwrap().visitor, Some("v".repeat(64)));
        assert_eq!(read("visitor-id", " a ").unwrap().visitor.as_deref(), Some("a"));
        assert_eq!(read("visitor-id", "").unwrap().visitor, None);
        assert_eq!(read("visitor-id", &"v".repeat(65)).unwrap_err(), 422);
        assert_eq!(read("visitor-id", "a b").unwrap_err(), 422);
        assert_eq!(read("visitor-id", "é").unwrap_err(), 422);
        assert!(read("idempotency-key", &"k".repeat(255)).is_ok());
        assert_eq!(read("idempotency-key", &"k".repeat(256)).unwrap_err(), 422);
    }

    #[test]
    fn other_requests_have_another_hash() {
        let hashes = [hash(&[b"ab", b"c"]), hash(&[b"a", b"bc"]), hash(&[b"abc"]), hash(&[b"abc", b""])];
        for (n, one) in hashes.iter().enumerate() {
            assert!(!hashes[n + 1..].contains(one));
        }
    }
}
