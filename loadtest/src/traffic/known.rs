//! What is known of a product that is written to: which reviews were acknowledged, and what must therefore show.

use super::Stale;
use hyper::header::HeaderValue;

/// A product, and what its answers must have.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Reviews that were there before.
    before: u64,
    /// Versions of the product at which reviews were added, with their ids.
    added: Vec<(i64, i64)>,
    /// Highest version of which an answer said that it shows.
    shows: i64,
    /// The latest token.
    token: Option<(i64, HeaderValue)>,
}

/// What an answer must have: so many reviews in meta, a review at least so young in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    pub(super) reviews: u64,
    pub(super) youngest: i64,
}

/// What was asked of a product of the pool.
#[derive(Debug)]
pub(crate) enum Asked {
    Post { at: usize },
    Meta { due: Due, kind: Stale },
    List { due: Due, kind: Stale },
}

impl Known {
    pub(super) fn with(before: u64) -> Self {
        Known { before, ..Known::default() }
    }

    /// Takes note of an acknowledged review; `shows` unless its answer said that it did not wait.
    pub(super) fn added(&mut self, review_id: i64, version: i64, shows: bool, token: HeaderValue) {
        self.added.push((version, review_id));
        if shows {
            self.shows = self.shows.max(version);
        }
        if self.token.as_ref().is_none_or(|(latest, _)| *latest < version) {
            self.token = Some((version, token));
        }
    }

    /// What an answer must have that is asked for now, with the latest token or without, and that token.
    pub(super) fn due(&self, with_token: bool) -> (Due, Stale, Option<HeaderValue>) {
        let token = self.token.as_ref().filter(|_| with_token);
        let (version, kind) = match token {
            Some((version, _)) => (*version.max(&self.shows), Stale::Token),
            None => (self.shows, Stale::NoToken),
        };
        let added = || self.added.iter().filter(|(at, _)| *at <= version);
        let due = Due {
            reviews: self.before + added().count() as u64,
            youngest: added().map(|(_, id)| *id).max().unwrap_or(0),
        };
        (due, kind, token.map(|(_, token)| token.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &'static str) -> HeaderValue {
        HeaderValue::from_static(text)
    }

    #[test]
    fn what_was_acknowledged_as_visible_is_due_without_a_token_and_the_rest_with_one() {
        let mut known = Known::with(3);
        assert_eq!(known.due(true), (Due { reviews: 3, youngest: 0 }, Stale::NoToken, None));
        known.added(70, 5, true, token("5"));
        known.added(72, 7, false, token("7"));
        // Its answer came later than that of the one after it.
        known.added(71, 6, false, token("6"));
        assert_eq!(known.due(false), (Due { reviews: 4, youngest: 70 }, Stale::NoToken, None));
        assert_eq!(known.due(true), (Due { reviews: 6, youngest: 72 }, Stale::Token, Some(token("7"))));
        // What shows at a version shows with all before it.
        known.added(73, 8, true, token("8"));
        assert_eq!(known.due(false).0, Due { reviews: 7, youngest: 73 });
    }
}
