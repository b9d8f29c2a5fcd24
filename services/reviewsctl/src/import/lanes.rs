//! Steps beside each other.

use super::LANES;
use super::stop::Stop;
use futures_util::{StreamExt as _, future, stream};
use std::cell::Cell;

/// Runs `step` for each item, as many beside each other as there are lanes. When one fails or an
/// end is asked for, those under way are finished and no other begins.
pub(crate) async fn each<I, T, F>(
    items: impl IntoIterator<Item = I>,
    stop: &Stop,
    step: impl Fn(I) -> F,
) -> anyhow::Result<Vec<T>>
where
    F: Future<Output = anyhow::Result<T>>,
{
    let failed = Cell::new(false);
    let results: Vec<anyhow::Result<T>> = stream::iter(items)
        .take_while(|_| future::ready(!failed.get() && !stop.is_asked()))
        .map(&step)
        .buffer_unordered(LANES)
        .inspect(|result| failed.set(failed.get() || result.is_err()))
        .collect()
        .await;
    let results = results.into_iter().collect::<anyhow::Result<_>>()?;
    stop.check()?;
    Ok(results)
}
