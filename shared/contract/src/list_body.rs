//! The answer to list, in the types of each family.

use crate::Family;
use chrono::{DateTime, Utc};
use domain::{ListedReview, Photo, ProductId};
use serde::Serialize;
use serde::ser::Serializer;

/// A page to be written.
#[derive(Debug, Clone, Copy)]
pub struct ListAnswer<'a> {
    /// Whose paths were used.
    pub family: Family,
    /// The product.
    pub product_id: ProductId,
    /// Number of the page, from 1.
    pub page: i64,
    /// Rows before the page.
    pub offset: i64,
    /// Reviews of a page at most, as served.
    pub count: i64,
    /// Number of reviews that are listed under the filter, if it was asked for.
    pub total: Option<i64>,
    /// The page's reviews.
    pub reviews: &'a [ListedReview],
}

#[derive(Serialize)]
struct Body<'a> {
    product: String,
    page: i64,
    count: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<i64>,
    results: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct OneBody<'a> {
    #[serde(flatten)]
    item: Item<'a>,
    product_id: i64,
}

#[derive(Serialize)]
struct Item<'a> {
    review_id: i64,
    rating: i16,
    summary: &'a str,
    recommend: Recommend,
    response: Option<&'a str>,
    body: &'a str,
    date: String,
    reviewer_name: &'a str,
    helpfulness: i32,
    photos: &'a [Photo],
}

struct Recommend(Family, bool);

impl Serialize for Recommend {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Family::One | Family::Transition => serializer.serialize_u8(u8::from(self.1)),
            Family::Two => serializer.serialize_bool(self.1),
        }
    }
}

/// Writes a page as JSON. Family 1 echoes the number of the page, family 2 the offset of its first
/// row.
///
/// # Errors
/// Never in practice: there is nothing in it that JSON cannot say.
pub fn list_body(answer: &ListAnswer<'_>) -> Result<Vec<u8>, serde_json::Error> {
    let ListAnswer { family, page, offset, count, total, .. } = *answer;
    let page = match family {
        Family::One => page,
        Family::Two | Family::Transition => offset,
    };
    let results = answer.reviews.iter().map(|review| Item::of(family, review)).collect();
    serde_json::to_vec(&Body { product: answer.product_id.to_string(), page, count, total, results })
}

/// Writes a review with its product as JSON.
///
/// # Errors
/// Never in practice: there is nothing in it that JSON cannot say.
pub fn review_body(
    family: Family,
    product_id: ProductId,
    review: &ListedReview,
) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&OneBody { item: Item::of(family, review), product_id: product_id.get() })
}

impl<'a> Item<'a> {
    fn of(family: Family, review: &'a ListedReview) -> Self {
        Item {
            review_id: review.review_id.get(),
            rating: review.rating,
            summary: &review.summary,
            recommend: Recommend(family, review.recommend),
            response: match family {
                Family::One | Family::Two => review.response.as_deref(),
                Family::Transition => Some(review.response.as_deref().unwrap_or_default()),
            },
            body: &review.body,
            date: date_text(review.date),
            reviewer_name: &review.reviewer_name,
            helpfulness: review.helpfulness,
            photos: &review.photos,
        }
    }
}

/// `2019-04-14T00:00:00.000Z`: clients cut it by position.
pub(crate) fn date_text(date: DateTime<Utc>) -> String {
    date.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn review() -> ListedReview {
        ListedReview {
            review_id: 5.try_into().unwrap(),
            rating: 3,
            summary: "<b>\"naïve\"</b> 🦀".to_owned(),
            recommend: false,
            response: None,
            body: "a\nb".to_owned(),
            date: DateTime::from_timestamp_millis(1_555_200_000_007).unwrap(),
            reviewer_name: "שלום".to_owned(),
            helpfulness: 5,
            photos: vec![Photo { id: 1, url: "https://x/1".to_owned() }],
        }
    }

    fn body(family: Family) -> String {
        let product_id = 2.try_into().unwrap();
        let reviews = [review()];
        let answer =
            ListAnswer { family, product_id, page: 3, offset: 10, count: 5, total: None, reviews: &reviews };
        String::from_utf8(list_body(&answer).unwrap()).unwrap()
    }

    #[test]
    fn family_1_has_numbers_and_the_page() {
        let expected = r#"{"product":"2","page":3,"count":5,"results":[{"review_id":5,"rating":3,"summary":"<b>\"naïve\"</b> 🦀","recommend":0,"response":null,"body":"a\nb","date":"2019-04-14T00:00:00.007Z","reviewer_name":"שלום","helpfulness":5,"photos":[{"id":1,"url":"https://x/1"}]}]}"#;
        assert_eq!(body(Family::One), expected);
    }

    #[test]
    fn family_2_has_booleans_and_the_offset() {
        let expected = r#"{"product":"2","page":10,"count":5,"results":[{"review_id":5,"rating":3,"summary":"<b>\"naïve\"</b> 🦀","recommend":false,"response":null,"body":"a\nb","date":"2019-04-14T00:00:00.007Z","reviewer_name":"שלום","helpfulness":5,"photos":[{"id":1,"url":"https://x/1"}]}]}"#;
        assert_eq!(body(Family::Two), expected);
    }

    #[test]
    fn in_transition_family_2_has_numbers_and_no_null() {
        let expected = r#"{"product":"2","page":10,"count":5,"results":[{"review_id":5,"rating":3,"summary":"<b>\"naïve\"</b> 🦀","recommend":0,"response":"","body":"a\nb","date":"2019-04-14T00:00:00.007Z","reviewer_name":"שלום","helpfulness":5,"photos":[{"id":1,"url":"https://x/1"}]}]}"#;
        assert_eq!(body(Family::Transition), expected);
    }

    #[test]
    fn a_total_stands_before_the_results() {
        let product_id = 2.try_into().unwrap();
        let answer = ListAnswer {
            family: Family::One,
            product_id,
            page: 1,
            offset: 0,
            count: 0,
            total: Some(7),
            reviews: &[],
        };
        let body = String::from_utf8(list_body(&answer).unwrap()).unwrap();
        assert_eq!(body, r#"{"product":"2","page":1,"count":0,"total":7,"results":[]}"#);
    }

    #[test]
    fn one_review_is_an_item_with_its_product() {
        let body = review_body(Family::Two, 2.try_into().unwrap(), &review()).unwrap();
        let expected = r#"{"review_id":5,"rating":3,"summary":"<b>\"naïve\"</b> 🦀","recommend":false,"response":null,"body":"a\nb","date":"2019-04-14T00:00:00.007Z","reviewer_name":"שלום","helpfulness":5,"photos":[{"id":1,"url":"https://x/1"}],"product_id":2}"#;
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }
}
