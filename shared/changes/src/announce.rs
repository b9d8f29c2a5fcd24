//! Saying that products moved.

use crate::{CONNECT_PAUSE_MAX, CONNECT_PAUSE_MIN};
use broker::{BrokerAddress, BrokerError, ChangeSender};
use contract::{ChangeNotice, Store};
use domain::{ProductId, Version};
use service::{Shutdown, log_chain};
use std::collections::BTreeMap;
use std::future::Future;
use tokio::sync::mpsc;
use tokio::time::sleep;

/// Changes that wait to be announced at most; more are not announced, as a lost notice does no harm.
const WAITING_CHANGES_MAX: usize = 20_000;
/// Changes in one notice at most.
const NOTICE_CHANGES_MAX: usize = 500;

type Change = (Store, ProductId, Version);

/// Takes changes to be announced. Clones all lead to the same connection.
#[derive(Debug, Clone)]
pub struct Announcer(mpsc::Sender<Change>);

impl Announcer {
    /// Announces that a product has reached a version in a store. Never waits.
    pub fn announce(&self, store: Store, product_id: ProductId, version: Version) {
        let _ = self.0.try_send((store, product_id, version));
    }
}

/// The sending end as a task, and where it takes changes.
pub fn announcer(
    broker: BrokerAddress,
    name: &'static str,
    shutdown: Shutdown,
) -> (impl Future<Output = ()> + Send + 'static, Announcer) {
    let (sender, changes) = mpsc::channel(WAITING_CHANGES_MAX);
    (run(broker, name, changes, shutdown), Announcer(sender))
}

async fn run(
    broker: BrokerAddress,
    name: &'static str,
    mut changes: mpsc::Receiver<Change>,
    shutdown: Shutdown,
) {
    let mut pause = CONNECT_PAUSE_MIN;
    while !shutdown.is_stopped() {
        let connect = shutdown.unless_stopped(ChangeSender::connect(&broker, name)).await;
        let failure = match connect {
            None => break,
            Some(Err(failure)) => failure,
            Some(Ok(sender)) => {
                pause = CONNECT_PAUSE_MIN;
                // What waited while there was no connection is news to nobody.
                while changes.try_recv().is_ok() {}
                match shutdown.unless_stopped(send(&sender, &mut changes)).await {
                    Some(Err(failure)) => failure,
                    Some(Ok(())) | None => {
                        sender.close().await;
                        break;
                    }
                }
            }
        };
        tracing::debug!(cause = log_chain(&failure), "changes cannot be announced at the moment");
        shutdown.unless_stopped(sleep(pause)).await;
        pause = (pause * 2).min(CONNECT_PAUSE_MAX);
    }
}

/// Sends what comes in, together what came in together, until all announcers are gone.
async fn send(sender: &ChangeSender, changes: &mut mpsc::Receiver<Change>) -> Result<(), BrokerError> {
    let mut together = Vec::with_capacity(NOTICE_CHANGES_MAX);
    while changes.recv_many(&mut together, NOTICE_CHANGES_MAX).await > 0 {
        for notice in notices(&mut together) {
            match notice.write() {
                Ok(body) => sender.send(&body).await?,
                Err(error) => {
                    tracing::error!(cause = log_chain(&error), "a notice of a change cannot be written");
                }
            }
        }
    }
    Ok(())
}

/// One notice for each store, of several versions of a product only the highest.
fn notices(changes: &mut Vec<Change>) -> Vec<ChangeNotice> {
    let (mut primary, mut meta) = (BTreeMap::new(), BTreeMap::new());
    for (store, product_id, version) in changes.drain(..) {
        let of_store = if store == Store::Primary { &mut primary } else { &mut meta };
        let highest = of_store.entry(product_id).or_insert(version);
        *highest = version.max(*highest);
    }
    [(Store::Primary, primary), (Store::Meta, meta)]
        .into_iter()
        .filter(|(_, changes)| !changes.is_empty())
        .map(|(store, changes)| ChangeNotice { store, changes: changes.into_iter().collect() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_versions_the_highest_is_told() {
        let product = |id: i64| ProductId::try_from(id).unwrap();
        let mut changes = vec![
            (Store::Meta, product(5), Version(3)),
            (Store::Primary, product(5), Version(4)),
            (Store::Primary, product(4), Version(1)),
            (Store::Primary, product(5), Version(2)),
        ];
        let primary = ChangeNotice {
            store: Store::Primary,
            changes: vec![(product(4), Version(1)), (product(5), Version(4))],
        };
        let meta = ChangeNotice { store: Store::Meta, changes: vec![(product(5), Version(3))] };
        assert_eq!(notices(&mut changes), [primary, meta]);
        assert!(changes.is_empty());
    }
}
