//! The description of the read service's operations, for `docs/openapi.json`, and the page that shows
//! all operations.

use crate::{jsonld, list, meta, one};
use axum::Router;
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use service::HttpProblem;
use service::openapi::{FieldProblem, Problem, complete};
use std::collections::BTreeMap;
use utoipa::openapi::OpenApi;
use utoipa::{IntoParams, OpenApi as _, ToSchema};
use utoipa_swagger_ui::{Config, SwaggerUi};

/// The descriptions of both services' operations, and of the events, as committed.
const OPENAPI: &str = include_str!("../../../docs/openapi.json");
const ASYNCAPI: &str = include_str!("../../../docs/asyncapi.json");

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Reviews",
        description = "Product reviews: which ones a product has, and what they add up to. Two families of paths \
                       serve the same data in different types. A slash at the end of a path means the same, and \
                       HEAD works where GET does.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    servers((url = "/")),
    tags(
        (name = "Family 1", description = "The product stands in the path; numbers."),
        (name = "Family 2", description = "The product stands in the query or the body; strings and booleans."),
    ),
    paths(list::of_path, list::of_query, meta::of_path, meta::of_query, one::of_id, jsonld::of_path),
    components(schemas(Problem, FieldProblem, Meta2)),
)]
struct Api;

pub(crate) fn openapi() -> OpenApi {
    let mut openapi = Api::openapi();
    complete(&mut openapi);
    openapi
}

/// The documents, and a page at `/docs` that shows them without any other server.
pub(crate) fn documents<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let json = |document: &'static str| {
        get(move || async move { service::representation("application/json", document.into()) })
    };
    let page = SwaggerUi::new("/docs").config(Config::from("/openapi.json").try_it_out_enabled(true));
    let mut router = Router::from(page).layer(map_response(problem_instead));
    for (path, document) in [("/openapi.json", OPENAPI), ("/asyncapi.json", ASYNCAPI)] {
        router = router.route(path, json(document)).route(&format!("{path}/"), json(document));
    }
    router
}

/// What the page's own files answer to an address that is none of theirs says nothing, or too much.
async fn problem_instead(response: Response) -> Response {
    if response.status().is_client_error() {
        return HttpProblem(contract::Problem::not_found("there is nothing at this path")).into_response();
    }
    response
}

/// The product of a path.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "a description only")]
pub(crate) struct ProductPath {
    /// The product.
    #[param(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 5)]
    product_id: i64,
}

/// The review of a path.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "a description only")]
pub(crate) struct ReviewPath {
    /// The review.
    #[param(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 11)]
    id: i64,
}

/// The product of a query.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "a description only")]
pub(crate) struct ProductQuery {
    /// The product.
    #[param(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 5)]
    product_id: i64,
}

/// The product of a query, or many.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "a description only")]
pub(crate) struct ProductsQuery {
    /// The product. This or `product_ids` must be given, not both.
    #[param(required = false, minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 5)]
    product_id: i64,
    /// Up to 100 products, separated by commas: the answer is an array of metas in this order.
    #[param(required = false, pattern = "^[0-9]+(,[0-9]+)*$")]
    product_ids: String,
}

/// A page of a list.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "a description only")]
pub(crate) struct PageQuery {
    /// `newest`, `helpful` or `relevant`; anything else means the default of the family.
    #[param(required = false, example = "newest")]
    sort: String,
    /// Number of the page, from 1; 0 means 1. Not together with `cursor`.
    #[param(required = false, minimum = 0, example = 1)]
    page: i64,
    /// Reviews of a page; above 1000 it is served as 1000.
    #[param(required = false, minimum = 0, example = 5)]
    count: i64,
    /// Only reviews with these stars, separated by commas.
    #[param(required = false, pattern = "^[1-5](,[1-5])*$", example = "4,5")]
    rating: String,
    /// From the `Link` of a page: the page after it, wherever its reviews stand by now.
    #[param(required = false)]
    cursor: String,
    /// `true`: the answer says how many reviews are listed under the filter.
    #[param(required = false, example = true)]
    total: bool,
}

/// The name of a product.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "a description only")]
pub(crate) struct NameQuery {
    /// The product's name, which only the shop knows; search engines ask for one.
    #[param(required = false, max_length = 200, example = "Walking shoe")]
    name: String,
}

/// A photo of a review.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "a description only")]
pub(crate) struct Photo {
    /// Its id.
    id: i64,
    /// Where it is.
    url: String,
}

/// A review with the type that its family gives `recommend`, and what else is given.
macro_rules! review {
    ($(#[$doc:meta])* $name:ident, $(#[$recommend_doc:meta])* $recommend:ty $(, $(#[$more_doc:meta])* $more:ident: $type:ty)*) => {
        $(#[$doc])*
        #[derive(Debug, ToSchema)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "a description only")]
        pub(crate) struct $name {
            /// Its id.
            #[schema(minimum = 1)]
            review_id: i64,
            /// Stars.
            #[schema(minimum = 1, maximum = 5)]
            rating: i32,
            /// Headline; empty when there is none.
            summary: String,
            /// Whether the reviewer recommends the product.
            $(#[$recommend_doc])*
            recommend: $recommend,
            /// The shop's answer.
            #[schema(required = true)]
            response: Option<String>,
            /// Text, as it was sent.
            body: String,
            /// When it was written.
            #[schema(pattern = r"^\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", example = "2019-04-14T00:00:00.000Z")]
            date: String,
            /// Name to show.
            reviewer_name: String,
            /// Number of helpful votes.
            #[schema(minimum = 0)]
            helpfulness: i32,
            /// Its photos, by id.
            photos: Vec<Photo>,
            $($(#[$more_doc])* $more: $type,)*
        }
    };
}

review!(
    /// A review, family 1.
    Review1,
    #[schema(minimum = 0, maximum = 1)]
    i32
);
review!(
    /// A review, family 2.
    Review2,
    bool
);
review!(
    /// A review with its product.
    OneReview,
    bool,
    /// Its product.
    #[schema(minimum = 1)]
    product_id: i64
);

/// A page of a product's reviews.
macro_rules! list {
    ($(#[$doc:meta])* $name:ident, $review:ty, $(#[$page_doc:meta])* page) => {
        $(#[$doc])*
        #[derive(Debug, ToSchema)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "a description only")]
        pub(crate) struct $name {
            /// The product's id.
            #[schema(pattern = "^[0-9]+$")]
            product: String,
            $(#[$page_doc])*
            page: i64,
            /// The count that was served.
            #[schema(minimum = 0, maximum = 1000)]
            count: i64,
            /// Number of reviews that are listed under the filter, if it was asked for.
            #[schema(minimum = 0)]
            total: Option<i64>,
            /// The page's reviews.
            results: Vec<$review>,
        }
    };
}

list!(
    /// A page of a product's reviews, family 1.
    List1,
    Review1,
    /// Number of the page, from 1.
    #[schema(minimum = 1)]
    page
);
list!(
    /// A page of a product's reviews, family 2.
    List2,
    Review2,
    /// Offset of the page's first review.
    #[schema(minimum = 0)]
    page
);

/// A characteristic of a product.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "a description only")]
pub(crate) struct Characteristic {
    /// Its id.
    #[schema(minimum = 1)]
    id: i64,
    /// The average, null when nobody rated it: 4 decimals in family 1, as Postgres prints `avg` in family 2.
    #[schema(required = true, pattern = r"^\d+\.\d+$", example = "4.2000")]
    value: Option<String>,
}

/// What a product's reviews add up to.
macro_rules! meta {
    ($(#[$doc:meta])* $name:ident, $count:ty) => {
        $(#[$doc])*
        #[derive(Debug, ToSchema)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "a description only")]
        pub(crate) struct $name {
            /// The product's id.
            #[schema(pattern = "^[0-9]+$")]
            product_id: String,
            /// Reviews by stars, only the stars that occur.
            ratings: BTreeMap<String, $count>,
            /// Reviews by whether they recommend the product.
            recommended: BTreeMap<String, $count>,
            /// By name, in order of id.
            characteristics: BTreeMap<String, Characteristic>,
        }
    };
}

meta!(
    /// What a product's reviews add up to, family 1.
    Meta1,
    i64
);
meta!(
    /// What a product's reviews add up to, family 2.
    Meta2,
    String
);

/// One product's meta, or an array of many.
#[derive(Debug, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "a description only")]
pub(crate) enum MetaOrMetas {
    One(Meta2),
    Many(Vec<Meta2>),
}

/// schema.org's `Product`.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "a description only")]
pub(crate) struct JsonLd {
    #[schema(rename = "@context", pattern = "^https://schema.org$")]
    context: String,
    #[schema(rename = "@type", pattern = "^Product$")]
    kind: String,
    /// The product's id.
    #[schema(rename = "productID")]
    product_id: String,
    /// As it was given in the request.
    name: Option<String>,
    /// Left out when there is no review.
    #[schema(rename = "aggregateRating")]
    aggregate_rating: Option<BTreeMap<String, serde_json::Value>>,
    /// The most relevant reviews, five at most.
    review: Option<Vec<BTreeMap<String, serde_json::Value>>>,
}
