//! Tokens: what a client has seen, and must not see undone.

use crate::router::Read;
use axum::http::header::{HeaderMap, HeaderValue, WARNING};
use axum::response::Response;
use contract::{ConsistencyToken, Problem, read_tokens};
use domain::{Epoch, ProductId, Version};
use postgres::{Fault, fault, retry_lost};
use service::{HttpProblem, header_text, prefer};
use std::collections::HashMap;
use std::time::Duration;

/// How long a read waits for what its token names, unless the client says otherwise.
const TOKEN_WAIT: Duration = Duration::from_millis(500);

/// Says that a token was given out before the database was restored from a dump.
const OTHER_LOG: HeaderValue =
    HeaderValue::from_static("199 - \"a Consistency-Token is of another log and was ignored\"");

/// What a request brings along.
#[derive(Debug)]
pub(crate) struct Tokens {
    tokens: Vec<ConsistencyToken>,
    /// How long to wait for what they name.
    pub(crate) wait: Duration,
}

/// What an answer must show.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    versions: HashMap<ProductId, Version>,
    other_log: bool,
}

impl Tokens {
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, HttpProblem> {
        let text = header_text(headers, "consistency-token")?.unwrap_or_default();
        let tokens = read_tokens(&text).map_err(|_| {
            Problem::bad_request(
                "the header Consistency-Token must be tokens as they were given out, separated by commas",
            )
        })?;
        Ok(Tokens { tokens, wait: prefer(headers).wait.unwrap_or(TOKEN_WAIT) })
    }

    /// Whether the request brought none.
    pub(crate) fn are_none(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The version of a product that its tokens name, if all of them are of this log.
    pub(crate) fn named(&self, log: Epoch, product_id: ProductId) -> Option<Version> {
        let mut tokens = self.tokens.iter().filter(|token| token.product_id == product_id);
        tokens.try_fold(Version(0), |named, token| (token.epoch == log).then(|| named.max(token.version)))
    }

    /// What an answer about these products must show. Tokens of other products ask for nothing, nor do
    /// those of another log.
    pub(crate) async fn needs(&self, read: &Read, products: &[ProductId]) -> Result<Needs, HttpProblem> {
        let tokens: Vec<_> =
            self.tokens.iter().filter(|token| products.contains(&token.product_id)).collect();
        let mut needs = Needs::default();
        if tokens.is_empty() {
            return Ok(needs);
        }
        let named: Vec<ProductId> = tokens.iter().map(|token| token.product_id).collect();
        let known = match retry_lost(|| {
            read.primary.on(async |primary| primary::products_reached(primary, &named).await)
        })
        .await
        {
            Ok(known) => Some(known),
            // Tokens cannot be checked. Meta may have what they name all the same.
            Err(error) if fault(&error) == Fault::Away => None,
            Err(error) => return Err(error.into()),
        };
        if let Some((log, _)) = &known {
            read.cache.log_is(*log);
        }
        for token in tokens {
            if let Some((epoch, reached)) = &known {
                if token.epoch != *epoch {
                    needs.other_log = true;
                    continue;
                }
                // A token is given out after its commit: what is not there now was never given out.
                if reached.get(&token.product_id).is_none_or(|reached| *reached < token.version) {
                    let wrong =
                        format!("the Consistency-Token of product {} was never given out", token.product_id);
                    return Err(Problem::bad_request(wrong).into());
                }
            }
            let needed = needs.versions.entry(token.product_id).or_insert(token.version);
            *needed = token.version.max(*needed);
        }
        Ok(needs)
    }
}

impl Needs {
    /// The version that an answer about this product must have at least.
    pub(crate) fn of(&self, product_id: ProductId) -> Version {
        self.versions.get(&product_id).copied().unwrap_or_default()
    }

    /// Says on an answer what was not honoured.
    pub(crate) fn warn(&self, response: &mut Response) {
        if self.other_log {
            response.headers_mut().append(WARNING, OTHER_LOG);
        }
    }
}
