//! A person's rights: erasing, and giving out what is held. An address stands in bodies only, and in no log.

use super::Admin;
use super::answer::whole;
use super::body::body;
use super::fields::{Asked, Field};
use crate::erase::{self, distinct, erase};
use crate::export;
use crate::person::{Address, Primary};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use contract::Problem;
use domain::ReviewId;
use indicatif::ProgressBar;
use serde::Deserialize;
use service::HttpProblem;
use utoipa::ToSchema;

/// Reviews of a person that are given out in one answer, which is made in memory.
const EXPORTED_HERE_MAX: usize = 10_000;
/// What the audit says behind the user that the server runs as.
const WAY: &str = ", by the admin API";

/// Whose reviews to erase: one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Erase {
    /// These reviews.
    #[serde(default)]
    #[schema(value_type = Option<Vec<i64>>, min_items = 1)]
    reviews: Option<Vec<ReviewId>>,
    /// All that came with this e-mail address.
    #[serde(default)]
    #[schema(example = "ada@example.com")]
    email: Option<String>,
}

impl Asked for Erase {
    const FIELDS: &'static [Field] = &[Field::ids("reviews"), Field::text("email")];
}

/// Erase reviews for good
///
/// Summary, text, name, address and photos are emptied; the event that follows takes them out of meta. This cannot be
/// undone. A row in `audit` is written first.
#[utoipa::path(
    post, path = "/admin/v1/erasures", operation_id = "erase", tag = "People",
    request_body = Erase,
    responses((status = 200, description = "What became of each, also of unknown ones.", body = erase::Report)),
)]
pub(crate) async fn erasures(
    State(admin): State<Admin>,
    headers: HeaderMap,
    asked: Body,
) -> Result<Json<erase::Report>, HttpProblem> {
    let (named, email) = match body(&headers, asked).await? {
        Erase { reviews: Some(reviews), email: None } if !reviews.is_empty() => (distinct(&reviews), None),
        Erase { reviews: None, email: Some(email) } => (Vec::new(), Some(address(&email)?)),
        _ => {
            return Err(Problem::unprocessable("either reviews, at least one, or email must be given").into());
        }
    };
    tracing::info!(admin.action = "erase", reviews = named.len(), by_address = email.is_some(), "asked for");
    whole(async move {
        let primary = Primary::by_way_of(WAY, &admin.config)?;
        let reviews = match &email {
            Some(email) => primary.reviews_of(email, &ProgressBar::hidden()).await?,
            None => named,
        };
        erase(&primary, &reviews, email.as_ref(), |_| Ok(())).await.map(Json)
    })
    .await
}

/// Whose data to give out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Export {
    /// The person's e-mail address, letters' case aside.
    #[schema(example = "ada@example.com")]
    email: String,
}

impl Asked for Export {
    const FIELDS: &'static [Field] = &[Field::text("email").needed()];
}

/// Everything that is held of a person.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "a description only")]
pub(crate) struct Exported {
    /// As it was asked for.
    email: String,
    #[schema(format = DateTime)]
    exported_at: String,
    /// All that is stored of each review, by id.
    reviews: Vec<serde_json::Value>,
}

/// Everything that is held of a person
///
/// A row in `audit` is written first. More than ten thousand reviews are 409: `reviewsctl export` writes them.
#[utoipa::path(
    post, path = "/admin/v1/exports", operation_id = "export", tag = "People",
    request_body = Export,
    responses((status = 200, description = "The document; nothing held is an empty array.", body = Exported)),
)]
pub(crate) async fn exports(
    State(admin): State<Admin>,
    headers: HeaderMap,
    asked: Body,
) -> Result<Response, HttpProblem> {
    let Export { email } = body(&headers, asked).await?;
    let email = address(&email)?;
    tracing::info!(admin.action = "export", "asked for");
    let document = whole(async move {
        let primary = Primary::by_way_of(WAY, &admin.config)?;
        let mut document = Vec::new();
        export::write(&primary, &email, (EXPORTED_HERE_MAX, &ProgressBar::hidden()), &mut document).await?;
        Ok(document)
    })
    .await?;
    Ok(([(CONTENT_TYPE, "application/json")], document).into_response())
}

fn address(text: &str) -> Result<Address, HttpProblem> {
    text.parse().map_err(|error| Problem::unprocessable(format!("email: {error}")).into())
}
