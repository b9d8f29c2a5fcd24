//! Reading query strings as front ends send them.

use contract::Problem;
use domain::{ProductId, Rating};
use primary::Sort;
use service::HttpProblem;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Page size when none is asked for.
const COUNT_DEFAULT: i64 = 5;
/// Largest page served; a larger one is served as this.
const COUNT_MAX: i64 = 1000;
/// Products whose metas one request may ask for.
const PRODUCTS_MAX: usize = 100;
/// Longest name of a product, in characters.
const PRODUCT_NAME_CHARS_MAX: usize = 200;

/// A query string. Of a repeated key the first counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query<'a>(pub(crate) &'a str);

impl<'a> Query<'a> {
    fn get(self, key: &str) -> Option<Cow<'a, str>> {
        form_urlencoded::parse(self.0.as_bytes()).find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// A text that is neither missing nor empty.
    pub(crate) fn text(self, key: &str) -> Option<Cow<'a, str>> {
        self.get(key).filter(|text| !text.trim().is_empty())
    }

    /// The product that is asked for.
    pub(crate) fn product_id(self) -> Result<ProductId, HttpProblem> {
        service::product_id(&self.get("product_id").unwrap_or_default())
    }

    /// The products that are asked for in one request, in that order; `None` when it is not such a one.
    pub(crate) fn product_ids(self) -> Result<Option<Vec<ProductId>>, HttpProblem> {
        let Some(text) = self.get("product_ids") else { return Ok(None) };
        let wrong = |detail: &str| Err(Problem::unprocessable(detail).into());
        if self.get("product_id").is_some() {
            return wrong("product_id and product_ids exclude each other");
        }
        let products: Result<Vec<ProductId>, _> =
            text.split(',').take(PRODUCTS_MAX + 1).map(str::parse).collect();
        match products {
            Ok(products) if products.len() <= PRODUCTS_MAX => Ok(Some(products)),
            Ok(_) => wrong("product_ids must be at most 100 products"),
            Err(_) => wrong("Error: invalid product_ids provided; they must be ids separated by commas"),
        }
    }

    /// Number of the page, from 1; 0 means 1.
    pub(crate) fn page(self) -> Result<i64, HttpProblem> {
        Ok(self.whole_number("page", 1)?.max(1))
    }

    /// Size of the page, as served.
    pub(crate) fn count(self) -> Result<i64, HttpProblem> {
        Ok(self.whole_number("count", COUNT_DEFAULT)?.min(COUNT_MAX))
    }

    /// The order; `None` for what is empty, quoted or unknown.
    pub(crate) fn sort(self) -> Option<Sort> {
        match self.get("sort").as_deref() {
            Some("newest") => Some(Sort::Newest),
            Some("helpful") => Some(Sort::Helpful),
            Some("relevant" | "relevance") => Some(Sort::Relevant),
            _ => None,
        }
    }

    /// Only reviews with these stars, ascending; `None` for all.
    pub(crate) fn ratings(self) -> Result<Option<Vec<Rating>>, HttpProblem> {
        let Some(text) = self.text("rating") else { return Ok(None) };
        let stars = text.split(',').map(|stars| match stars.trim().as_bytes() {
            [digit @ b'1'..=b'5'] => Rating::try_from(i64::from(digit - b'0')).ok(),
            _ => None,
        });
        let ratings: Option<BTreeSet<Rating>> = stars.collect();
        match ratings {
            Some(ratings) => Ok(Some(ratings.into_iter().collect())),
            None => {
                Err(Problem::unprocessable("rating must be numbers from 1 to 5 separated by commas").into())
            }
        }
    }

    /// Whether the number of all reviews is asked for.
    pub(crate) fn total(self) -> bool {
        matches!(self.get("total").as_deref(), Some("true" | "1"))
    }

    /// The product's name, which only the shop knows.
    pub(crate) fn name(self) -> Result<Option<Cow<'a, str>>, HttpProblem> {
        match self.text("name") {
            Some(name) if name.chars().count() > PRODUCT_NAME_CHARS_MAX => {
                Err(Problem::unprocessable("name must be at most 200 characters").into())
            }
            name => Ok(name),
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
            assert_eq!(Query(query).sort(), None, "{query}");
        }
        assert_eq!(Query("sort=relevance").sort(), Some(Sort::Relevant));
        assert_eq!(Query("sort=helpful&sort=newest").sort(), Some(Sort::Helpful));
    }

    #[test]
    fn a_filter_is_stars_and_nothing_else() {
        let ratings = |query| {
            let stars = |ratings: Vec<Rating>| ratings.into_iter().map(Rating::get).collect::<Vec<_>>();
            status(Query(query).ratings()).map(|ratings| ratings.map(stars))
        };
        assert_eq!(ratings("rating=5,%204,5"), Ok(Some(vec![4, 5])));
        for none in ["", "rating=", "rating=%20"] {
            assert_eq!(ratings(none), Ok(None), "{none}");
        }
        for junk in ["rating=0", "rating=6", "rating=4,", "rating=4.0", "rating=x", "rating=4;5", "rating=-1"]
        {
            assert_eq!(ratings(junk), Err(422), "{junk}");
        }
    }

    #[test]
    fn many_products_keep_their_order_and_their_number() {
        let products = |query: &str| {
            let ids = |products: Vec<ProductId>| products.into_iter().map(i64::from).collect::<Vec<_>>();
            status(Query(query).product_ids()).map(|products| products.map(ids))
        };
        assert_eq!(products("product_ids=3,1,3"), Ok(Some(vec![3, 1, 3])));
        assert_eq!(products("product_id=3"), Ok(None));
        let hundred = ["7"; 100].join(",");
        assert_eq!(products(&format!("product_ids={hundred}")).map(|ids| ids.unwrap().len()), Ok(100));
        for bad in [
            &format!("product_ids={hundred},7"),
            "product_ids=",
            "product_ids=1,,2",
            "product_ids=1,x",
            "product_ids=1&product_id=1",
            "product_id=&product_ids=1",
        ] {
            assert_eq!(products(bad), Err(422), "{bad}");
        }
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
