//! All routes of the read service.

use crate::api::documents;
use crate::cache::Cache;
use crate::{jsonld, list, meta, one};
use axum::Router;
use axum::routing::get;
use changes::{Listener, Patience};
use contract::{CursorKey, Family};
use domain::ProductId;
use postgres::{Lanes, retry_lost};
use primary::{ListQuery, Sort, Start};
use service::{public_routes, with_representations};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// What handlers work with. Shared: a request's way through the layers copies it several times.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) primary: Arc<Lanes>,
    pub(crate) meta: Arc<Lanes>,
    pub(crate) cache: Arc<Cache>,
    /// Hears of what moves in meta.
    pub(crate) listener: Listener,
    /// Whether waiting for meta pays.
    pub(crate) patience: Patience,
    /// What cursors are signed with, once it was needed.
    pub(crate) cursor_key: OnceCell<CursorKey>,
    /// The types on the paths of family 2.
    pub(crate) family2: Family,
}

impl Read {
    /// Whether both databases answer, and meta has a generation to answer from.
    pub(crate) async fn are_ready(&self) -> bool {
        let Ok(product) = ProductId::try_from(1) else { return false };
        let nothing = ListQuery {
            sort: Sort::Newest,
            start: Start::Offset(0),
            count: 0,
            ratings: Vec::new(),
            total: false,
        };
        let list = retry_lost(|| {
            self.primary.on(async |primary| primary::list_reviews(primary, product, &nothing).await)
        });
        let meta = retry_lost(|| self.meta.on(async |meta| ::meta::product_answer(meta, product).await));
        list.await.is_ok() && matches!(meta.await, Ok(Some(_)))
    }
}

pub(crate) fn routes() -> Router<Arc<Read>> {
    let router = public_routes([
        // Family 1.
        ("/reviews/{id}/list", get(list::of_path)),
        ("/reviews/{id}/meta", get(meta::of_path)),
        ("/reviews/{id}/jsonld", get(jsonld::of_path)),
        // Family 2.
        ("/reviews", get(list::of_query)),
        ("/reviews/meta", get(meta::of_query)),
        ("/reviews/{id}", get(one::of_id)),
    ]);
    with_representations(router.merge(documents()))
}
