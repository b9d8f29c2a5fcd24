//! What the projector counts, at `/metrics` of its own listener.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// The counters. All begin at 0 with the process.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Events folded, of all generations.
    pub(crate) folded: Counter,
    /// Events of them that had to be pulled.
    pub(crate) pulled: Counter,
    /// Products that came to stand still.
    pub(crate) parked: Counter,
    /// Products that were compared with the primary in the background.
    pub(crate) checked: Counter,
    /// Products of them that differed.
    pub(crate) differing: Counter,
    registry: Registry,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics =
            Metrics { registry: Registry::with_prefix("reviews_projector"), ..Metrics::default() };
        let Metrics { folded, pulled, parked, checked, differing, registry } = &mut metrics;
        registry.register("events_folded", "Events folded, of all generations", folded.clone());
        registry.register("events_pulled", "Events of them that no message brought", pulled.clone());
        registry.register("products_parked", "Products that came to stand still", parked.clone());
        registry.register("products_checked", "Products compared with the primary", checked.clone());
        registry.register("products_differing", "Products of them that differed", differing.clone());
        metrics
    }

    /// As Prometheus reads them.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
