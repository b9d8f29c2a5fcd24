//! The description of the write service's operations, for `docs/openapi.json`.

use crate::{post_review, vote};
use service::openapi::{FieldProblem, Problem, complete};
use std::collections::BTreeMap;
use utoipa::openapi::{OpenApi, PathItem};
use utoipa::{IntoParams, OpenApi as _, ToSchema};

#[derive(utoipa::OpenApi)]
#[openapi(
    paths(
        post_review::of_product,
        post_review::of_body,
        vote::helpful,
        vote::report,
        vote::helpful_back,
        vote::report_back
    ),
    components(schemas(Problem, FieldProblem))
)]
struct Api;

pub(crate) fn openapi() -> OpenApi {
    let mut openapi = Api::openapi();
    for kind in ["helpful", "report"] {
        // An attribute describes one path, and votes have two.
        let votes = openapi.paths.paths.get(&format!("/reviews/{{review_id}}/{kind}")).cloned();
        if let Some(votes) = votes {
            openapi.paths.paths.insert(format!("/reviews/{kind}/{{review_id}}"), of_family_1(votes));
        }
    }
    complete(&mut openapi);
    openapi
}

fn of_family_1(mut votes: PathItem) -> PathItem {
    for operation in [&mut votes.put, &mut votes.delete].into_iter().flatten() {
        operation.tags = Some(vec!["Family 1".to_owned()]);
        operation.operation_id = operation.operation_id.as_deref().map(|id| id.replace('2', "1"));
        // The example of family 2's path would mislead here.
        operation.description = None;
    }
    votes
}

/// A review to add.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"rating": 5, "summary": "Fits", "body": "Bought it twice.", "recommend": true,
                          "name": "ada", "email": "ada@example.com", "photos": [], "characteristics": {"18": 4}}))]
#[expect(dead_code, reason = "a description only")]
pub(crate) struct NewReview {
    /// Stars. A string of digits will do, and so will `5.0`.
    #[schema(minimum = 1, maximum = 5)]
    rating: i64,
    /// Headline.
    #[schema(max_length = 200)]
    summary: Option<String>,
    /// Text; not blank.
    #[schema(min_length = 1, max_length = 5000, pattern = r"[^\s\u0085]")]
    body: String,
    /// Anything that is not `true`, `1`, or either as a string, is false.
    recommend: Option<bool>,
    /// Name to show; not blank.
    #[schema(min_length = 1, max_length = 255, pattern = r"[^\s\u0085]")]
    name: String,
    /// Never shown.
    #[schema(max_length = 254, pattern = "@")]
    email: String,
    /// Addresses of photos; the first ten good ones are taken.
    photos: Option<Vec<String>>,
    /// Values from 1 to 5 by characteristic's id, or `{"Fit": {"id": 18, "value": 4}}`.
    characteristics: Option<BTreeMap<String, serde_json::Value>>,
}

/// A review to add, with its product.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"product_id": 6, "rating": 5, "body": "Bought it twice.", "name": "ada",
                          "email": "ada@example.com"}))]
#[expect(dead_code, reason = "a description only")]
pub(crate) struct NewReviewOfProduct {
    /// The product; it need not exist before.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    product_id: i64,
    #[serde(flatten)]
    review: NewReview,
}

/// A review that was added.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "a description only")]
pub(crate) struct Added {
    /// Its id.
    #[schema(minimum = 1)]
    review_id: i64,
    /// Its product.
    #[schema(minimum = 1)]
    product_id: i64,
    /// Characteristics that were dropped, as they were named.
    ignored_characteristics: Option<Vec<serde_json::Value>>,
    /// Photos that were dropped, as they were sent.
    ignored_photos: Option<Vec<serde_json::Value>>,
}

/// The product of a path.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "a description only")]
pub(crate) struct ProductPath {
    /// The product.
    #[param(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 6)]
    id: i64,
}

/// The review of a path.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "a description only")]
pub(crate) struct ReviewPath {
    /// The review.
    #[param(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 11)]
    review_id: i64,
}

/// Who votes.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "a description only")]
pub(crate) struct Visitor {
    /// The shop's own id of a shopper, of visible ASCII characters: counts once for each review and kind.
    /// Without it every vote counts.
    #[param(
        rename = "Visitor-Id",
        required = false,
        max_length = 64,
        pattern = "^[!-~]{1,64}$",
        example = "shopper-4711"
    )]
    visitor_id: String,
}

/// Who takes a vote back.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "a description only")]
pub(crate) struct VisitorWhoVoted {
    /// The shop's own id of the shopper who voted.
    #[param(
        rename = "Visitor-Id",
        min_length = 1,
        max_length = 64,
        pattern = "^[!-~]{1,64}$",
        example = "shopper-4711"
    )]
    visitor_id: String,
}
