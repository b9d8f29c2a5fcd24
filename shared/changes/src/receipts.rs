//! Saying which notices were taken in.

use crate::pace::Pace;
use crate::{CONNECT_PAUSE_MAX, CONNECT_PAUSE_MIN};
use broker::{BrokerAddress, BrokerError, ChangeSender};
use contract::{Origin, Receipt};
use service::{Shutdown, log_chain};
use std::collections::HashMap;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

/// Time between two receipts, by how long it takes to send one: the first after a rest goes at once, and a writer with a hundred commands a
/// second gets no more messages than one with thousands.
const RECEIPT_PACE: Pace = Pace { min: Duration::from_millis(20), max: Duration::from_millis(30) };

/// Receipts to be sent: one for what came in while the one before was on its way.
#[derive(Debug)]
pub(crate) struct Receipts {
    next: Mutex<Receipt>,
    more: Notify,
}

impl Receipts {
    pub(crate) fn new() -> Self {
        Receipts { next: Mutex::new(nothing_yet()), more: Notify::new() }
    }

    fn next(&self) -> MutexGuard<'_, Receipt> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins anew: as another reader, who has nothing of what was before.
    pub(crate) fn begin(&self) {
        *self.next() = nothing_yet();
    }

    /// Notes that a notice was taken in for which a receipt is wanted.
    pub(crate) fn taken_in(&self, origin: Origin) {
        self.next().taken_in.push((origin.announcer, origin.number));
        self.more.notify_one();
    }

    /// Takes what is to be sent, of each announcer the last.
    fn take(&self) -> Option<Receipt> {
        let mut next = self.next();
        let mut last = HashMap::new();
        for (announcer, number) in mem::take(&mut next.taken_in) {
            // Numbers come in order.
            last.insert(announcer, number);
        }
        let taken_in: Vec<_> = last.into_iter().collect();
        (!taken_in.is_empty()).then(|| Receipt { reader: next.reader, taken_in, leaves: false })
    }

    /// Sends receipts until told to stop.
    pub(crate) async fn run(&self, broker: &BrokerAddress, name: &'static str, shutdown: &Shutdown) {
        let mut pause = CONNECT_PAUSE_MIN;
        while !shutdown.is_stopped() {
            let failure = match shutdown.unless_stopped(ChangeSender::connect(broker, name)).await {
                None => break,
                Some(Err(failure)) => failure,
                Some(Ok(sender)) => {
                    pause = CONNECT_PAUSE_MIN;
                    match shutdown.unless_stopped(self.send(&sender)).await {
                        Some(failure) => failure,
                        None => {
                            self.leave(&sender).await;
                            sender.close().await;
                            break;
                        }
                    }
                }
            };
            tracing::debug!(cause = log_chain(&failure), "receipts cannot be sent at the moment");
            shutdown.unless_stopped(sleep(pause)).await;
            pause = (pause * 2).min(CONNECT_PAUSE_MAX);
        }
    }

    /// Says goodbye, so that nobody waits for this reader.
    async fn leave(&self, sender: &ChangeSender) {
        let goodbye = Receipt { reader: self.next().reader, taken_in: Vec::new(), leaves: true };
        if let Ok(body) = goodbye.write() {
            // Whoever does not hear of it stops waiting by itself.
            let _ = sender.send_receipt(&body).await;
        }
    }

    /// Sends until the connection ends, and returns why it did.
    async fn send(&self, sender: &ChangeSender) -> BrokerError {
        loop {
            self.more.notified().await;
            let Some(receipt) = self.take() else { continue };
            let begun = Instant::now();
            match receipt.write() {
                Ok(body) => {
                    if let Err(error) = sender.send_receipt(&body).await {
                        return error;
                    }
                }
                Err(error) => tracing::error!(cause = log_chain(&error), "a receipt cannot be written"),
            }
            sleep_until(begun + RECEIPT_PACE.after(begun.elapsed())).await;
        }
    }
}

/// What a reader that has just begun has taken in.
fn nothing_yet() -> Receipt {
    Receipt { reader: Uuid::now_v7(), taken_in: Vec::new(), leaves: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_receipt_tells_the_last_of_each_announcer() {
        let receipts = Receipts::new();
        assert_eq!(receipts.take(), None);
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        for (announcer, number) in [(a, 1), (b, 7), (a, 2)] {
            receipts.taken_in(Origin { announcer, number, receipt: true });
        }
        let mut receipt = receipts.take().unwrap();
        receipt.taken_in.sort();
        assert_eq!(receipt.taken_in, [(a, 2), (b, 7)]);
        assert_eq!(receipts.take(), None, "told once");
        receipts.taken_in(Origin { announcer: a, number: 3, receipt: true });
        receipts.begin();
        assert_eq!(receipts.take(), None, "another reader has taken nothing in");
    }
}
