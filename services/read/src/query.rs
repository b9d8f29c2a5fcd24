//! Reading query strings as front ends send them.

use contract::Problem;
use domain::ProductId;
use primary::Sort;
use service::HttpProblem;
use std::borrow::Cow;

/// Page size when none is asked for.
const COUNT_DEFAULT: i64 = 5;
/// Largest page served; a larger one is served as this.
const COUNT_MAX: i64 = 1000;

/// A query string. Of a repeated key the first counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query<'a>(pub(crate) &'a str);

impl<'a> Query<'a> {
    fn get(self, key: &str) -> Option<Cow<'a, str>> {
        form_urlencoded::parse(self.0.as_bytes()).find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The product that is asked for.
    pub(crate) fn product_id(self) -> Result<ProductId, HttpProblem> {
        product_id(&self.get("product_id").unwrap_or_default())
    }

    /// Number of the page, from 1; 0 means 1.
    pub(crate) fn page(self) -> Result<i64, HttpProblem> {
        Ok(self.whole_number("page", 1)?.max(1))
    }

    /// Size of the page, as served.
    pub(crate) fn count(self) -> Result<i64, HttpProblem> {
        Ok(self.whole_number("count", COUNT_DEFAULT)?.min(COUNT_MAX))
    }

    /// The order; what is empty, quoted or unknown falls to the default.
    pub(crate) fn sort(self, default: Sort) -> Sort {
        match self.get("sort").as_deref() {
            Some("newest") => Sort::Newest,
            Some("helpful") => Sort::Helpful,
            Some("relevant" | "relevance") => Sort::Relevant,
            _ => default,
        }
    }

    /// A number that may be missing or empty. One past what is countable is as good as the highest.
    fn whole_number(self, key: &'static str, default: i64) -> Result<i64, HttpProblem> {
        let text = self.get(key).unwrap_or_default();
        match text.trim() {
            "" => Ok(default),
            digits if digits.bytes().all(|b| b.is_ascii_digit()) => Ok(digits.parse().unwrap_or(i64::MAX)),
            _ => Err(Problem::unprocessable(format!("{key} must be a whole number, not negative")).into()),
        }
    }
}

/// A product id from a path or a query.
pub(crate) fn product_id(text: &str) -> Result<ProductId, HttpProblem> {
    text.parse().map_err(|_| Problem::unprocessable("Error: invalid product_id provided").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status<T>(result: Result<T, HttpProblem>) -> Result<T, u16> {
        result.map_err(|problem| problem.0.status)
    }

    #[test]
    fn reads_pages_as_front_ends_send_them() {
        let page = |query| status(Query(query).page());
        let count = |query| status(Query(query).count());
        for (query, expected) in [
            ("", 1),
            ("page=", 1),
            ("page=0", 1),
            ("page=3", 3),
            ("page=2&page=9", 2),
            ("page=99999999999999999999", i64::MAX),
        ] {
            assert_eq!(page(query), Ok(expected), "{query}");
        }
        for (query, expected) in
            [("", 5), ("count=", 5), ("count=0", 0), ("count=1000", 1000), ("count=99999999", 1000)]
        {
            assert_eq!(count(query), Ok(expected), "{query}");
        }
        for bad in ["page=-1", "page=x", "page=1.5", "page=%00"] {
            assert_eq!(page(bad), Err(422), "{bad}");
        }
        assert_eq!(count("count=-5"), Err(422));
    }

    #[test]
    fn an_unknown_order_falls_to_the_default() {
        for query in ["", "sort=", "sort=%22newest%22", "sort=rating", "sort=NEWEST", "sort=date;drop"] {
            assert_eq!(Query(query).sort(Sort::Relevant), Sort::Relevant, "{query}");
        }
        assert_eq!(Query("sort=relevance").sort(Sort::Newest), Sort::Relevant);
        assert_eq!(Query("sort=helpful&sort=newest").sort(Sort::Newest), Sort::Helpful);
    }

    #[test]
    fn a_product_is_a_positive_whole_number() {
        assert_eq!(status(Query("product_id=5").product_id()).map(i64::from), Ok(5));
        for bad in [
            "",
            "product_id=",
            "product_id=abc",
            "product_id=5.55",
            "product_id=-1",
            "product_id=9007199254740992",
        ] {
            assert_eq!(status(Query(bad).product_id()).map(i64::from), Err(422), "{bad}");
        }
    }
}
