//! A product's reviews for search engines: schema.org's `Product`, as JSON-LD.

use crate::list_body::date_text;
use domain::{ListedReview, ProductId, ProductMeta, four_decimals};
use serde::Serialize;
use serde_json::value::RawValue;

/// Content type of JSON-LD.
pub const JSON_LD_CONTENT_TYPE: &str = "application/ld+json";

/// What is said of a product.
#[derive(Debug, Clone, Copy)]
pub struct ProductPage<'a> {
    /// The product.
    pub product_id: ProductId,
    /// Its name, which only the shop knows.
    pub name: Option<&'a str>,
    /// What its reviews add up to.
    pub meta: &'a ProductMeta,
    /// Those that are shown.
    pub reviews: &'a [ListedReview],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Product<'a> {
    #[serde(rename = "@context")]
    context: &'static str,
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "productID")]
    product_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aggregate_rating: Option<AggregateRating>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    review: Vec<Review<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AggregateRating {
    #[serde(rename = "@type")]
    kind: &'static str,
    rating_value: Box<RawValue>,
    review_count: i64,
    best_rating: u8,
    worst_rating: u8,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    #[serde(rename = "@type")]
    kind: &'static str,
    author: Person<'a>,
    date_published: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    review_body: &'a str,
    review_rating: Rating,
}

#[derive(Serialize)]
struct Person<'a> {
    #[serde(rename = "@type")]
    kind: &'static str,
    name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rating {
    #[serde(rename = "@type")]
    kind: &'static str,
    rating_value: i16,
    best_rating: u8,
    worst_rating: u8,
}

/// Writes a product as JSON-LD that may stand in a `script` element as it is. Without a review there is
/// no rating: search engines refuse one of nothing.
///
/// # Errors
/// Never in practice: there is nothing in it that JSON cannot say.
pub fn jsonld(page: &ProductPage<'_>) -> Result<Vec<u8>, serde_json::Error> {
    let product = Product {
        context: "https://schema.org",
        kind: "Product",
        product_id: page.product_id.to_string(),
        name: page.name,
        aggregate_rating: aggregate_rating(page.meta)?,
        review: page.reviews.iter().map(review).collect(),
    };
    Ok(safe_in_html(&serde_json::to_string(&product)?))
}

/// The mean of the stars, to 4 decimals at most.
fn aggregate_rating(meta: &ProductMeta) -> Result<Option<AggregateRating>, serde_json::Error> {
    let count = meta.ratings.iter().sum();
    let sum = (1..).zip(meta.ratings).map(|(stars, count)| stars * count).sum();
    let Some(mean) = four_decimals(sum, count) else { return Ok(None) };
    let mean = mean.trim_end_matches('0').trim_end_matches('.').to_owned();
    Ok(Some(AggregateRating {
        kind: "AggregateRating",
        rating_value: RawValue::from_string(mean)?,
        review_count: count,
        best_rating: 5,
        worst_rating: 1,
    }))
}

fn review(review: &ListedReview) -> Review<'_> {
    Review {
        kind: "Review",
        author: Person { kind: "Person", name: &review.reviewer_name },
        date_published: date_text(review.date),
        name: &review.summary,
        review_body: &review.body,
        review_rating: Rating {
            kind: "Rating",
            rating_value: review.rating,
            best_rating: 5,
            worst_rating: 1,
        },
    }
}

/// The same JSON without the characters by which a text could end the `script` element that it stands
/// in, or a line of it in older browsers.
fn safe_in_html(json: &str) -> Vec<u8> {
    let mut safe = String::with_capacity(json.len() + json.len() / 16);
    for character in json.chars() {
        match character {
            '<' => safe.push_str("\\u003c"),
            '>' => safe.push_str("\\u003e"),
            '&' => safe.push_str("\\u0026"),
            '\u{2028}' => safe.push_str("\\u2028"),
            '\u{2029}' => safe.push_str("\\u2029"),
            plain => safe.push(plain),
        }
    }
    safe.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use domain::Version;

    fn text(page: &ProductPage<'_>) -> String {
        String::from_utf8(jsonld(page).unwrap()).unwrap()
    }

    #[test]
    fn a_product_with_reviews_has_a_rating_and_shows_them() {
        let meta = ProductMeta {
            version: Version(4),
            ratings: [0, 1, 0, 1, 1],
            recommended_true: 3,
            ..ProductMeta::default()
        };
        let review = ListedReview {
            review_id: 5.try_into().unwrap(),
            rating: 4,
            summary: String::new(),
            recommend: true,
            response: None,
            body: "</script><b>\u{2028}&".to_owned(),
            date: DateTime::from_timestamp_millis(1_555_200_000_007).unwrap(),
            reviewer_name: "ada".to_owned(),
            helpfulness: 5,
            photos: Vec::new(),
        };
        let page = ProductPage {
            product_id: 2.try_into().unwrap(),
            name: Some("Shoe"),
            meta: &meta,
            reviews: &[review],
        };
        let expected = r#"{"@context":"https://schema.org","@type":"Product","productID":"2","name":"Shoe","aggregateRating":{"@type":"AggregateRating","ratingValue":3.6667,"reviewCount":3,"bestRating":5,"worstRating":1},"review":[{"@type":"Review","author":{"@type":"Person","name":"ada"},"datePublished":"2019-04-14T00:00:00.007Z","reviewBody":"\u003c/script\u003e\u003cb\u003e\u2028\u0026","reviewRating":{"@type":"Rating","ratingValue":4,"bestRating":5,"worstRating":1}}]}"#;
        assert_eq!(text(&page), expected);
    }

    #[test]
    fn a_product_without_reviews_has_no_rating() {
        let page = ProductPage {
            product_id: 2.try_into().unwrap(),
            name: None,
            meta: &ProductMeta::default(),
            reviews: &[],
        };
        assert_eq!(text(&page), r#"{"@context":"https://schema.org","@type":"Product","productID":"2"}"#);
    }

    #[test]
    fn a_mean_is_a_number_without_needless_zeros() {
        let meta = |ratings| ProductMeta { ratings, ..ProductMeta::default() };
        let mean = |ratings| aggregate_rating(&meta(ratings)).unwrap().unwrap().rating_value.get().to_owned();
        assert_eq!(mean([0, 0, 0, 0, 2]), "5");
        assert_eq!(mean([1, 1, 0, 0, 0]), "1.5");
        assert_eq!(mean([1, 0, 0, 0, 0]), "1");
    }
}
