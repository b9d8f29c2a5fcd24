//! Receives messages and hands them on. What is handed on stays the broker's until it is folded.

use broker::{BrokerAddress, Delivery, Subscription};
use service::{Shutdown, log_chain};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::sleep;

/// Messages that wait to be folded, at most.
const INBOX_MESSAGES_MAX: usize = 64;
/// Pauses between attempts to reach the broker double from the first to the last.
const CONNECT_PAUSE_MIN: Duration = Duration::from_millis(250);
const CONNECT_PAUSE_MAX: Duration = Duration::from_secs(4);

/// Where messages come in.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) deliveries: mpsc::Receiver<Delivery>,
    /// Whether messages can come in at all at the moment.
    pub(crate) connected: Arc<AtomicBool>,
}

/// The receiving end as a task, and where it puts messages.
pub(crate) fn consumer(
    broker: BrokerAddress,
    shutdown: Shutdown,
) -> (impl Future<Output = anyhow::Result<()>> + Send + 'static, Inbox) {
    let (sender, deliveries) = mpsc::channel(INBOX_MESSAGES_MAX);
    let connected = Arc::new(AtomicBool::new(false));
    (run(broker, sender, connected.clone(), shutdown), Inbox { deliveries, connected })
}

async fn run(
    broker: BrokerAddress,
    sender: mpsc::Sender<Delivery>,
    connected: Arc<AtomicBool>,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let mut pause = CONNECT_PAUSE_MIN;
    while !shutdown.is_stopped() {
        let connect = shutdown.unless_stopped(Subscription::connect(&broker, "projector")).await;
        let Some(connect) = connect else { break };
        let failure = match connect {
            Ok(mut subscription) => {
                tracing::info!(?broker, "receiving");
                connected.store(true, Ordering::Relaxed);
                pause = CONNECT_PAUSE_MIN;
                let ended = shutdown.unless_stopped(receive(&mut subscription, &sender)).await;
                connected.store(false, Ordering::Relaxed);
                match ended {
                    Some(failure) => failure,
                    None => {
                        subscription.close().await;
                        break;
                    }
                }
            }
            Err(failure) => failure,
        };
        tracing::warn!(cause = log_chain(&failure), "the broker is away: events are pulled until it is back");
        let _ = shutdown.unless_stopped(sleep(pause)).await;
        pause = (pause * 2).min(CONNECT_PAUSE_MAX);
    }
    Ok(())
}

/// Receives until the connection ends, and returns why it did.
async fn receive(subscription: &mut Subscription, sender: &mpsc::Sender<Delivery>) -> broker::BrokerError {
    loop {
        match subscription.next().await {
            Ok(delivery) => {
                if sender.send(delivery).await.is_err() {
                    return broker::BrokerError::Ended;
                }
            }
            Err(error) => return error,
        }
    }
}
