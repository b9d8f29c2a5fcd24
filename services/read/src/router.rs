//! All routes of the read service.

use crate::{list, meta};
use axum::Router;
use axum::routing::get;
use domain::ProductId;
use sqlx::PgPool;

/// What handlers work with.
#[derive(Debug, Clone)]
pub(crate) struct Read {
    pub(crate) primary: PgPool,
    pub(crate) meta: PgPool,
}

impl Read {
    /// Whether both databases answer, and meta has a generation to answer from.
    pub(crate) async fn are_ready(&self) -> bool {
        let Ok(product) = ProductId::try_from(1) else { return false };
        let page = primary::Page { offset: 0, count: 0 };
        let list = primary::list_reviews(&self.primary, product, primary::Sort::Newest, page);
        let meta = ::meta::product_answer(&self.meta, product);
        list.await.is_ok() && matches!(meta.await, Ok(Some(_)))
    }
}

pub(crate) fn routes() -> Router<Read> {
    let mut router = Router::new();
    for (path, method) in [
        // Family 1.
        ("/reviews/{product_id}/list", get(list::of_path)),
        ("/reviews/{product_id}/meta", get(meta::of_path)),
        // Family 2.
        ("/reviews", get(list::of_query)),
        ("/reviews/meta", get(meta::of_query)),
    ] {
        router = router.route(path, method.clone()).route(&format!("{path}/"), method);
    }
    router
}
