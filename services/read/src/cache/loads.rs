//! One load of an answer at a time.

use crate::cache::Question;
use domain::ProductId;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

type Key = (ProductId, Question);

/// Who loads what at the moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Loads(Arc<Mutex<HashMap<Key, watch::Receiver<()>>>>);

/// Whose turn it is.
#[derive(Debug)]
pub(crate) enum Turn {
    /// The caller's, for as long as it holds this.
    Ours(Ours),
    /// Somebody loads it.
    After(Other),
}

/// The caller loads.
#[derive(Debug)]
pub(crate) struct Ours {
    loads: Loads,
    key: Key,
    /// Dropped, it tells those who wait.
    _ended: watch::Sender<()>,
}

/// Somebody else loads.
#[derive(Debug)]
pub(crate) struct Other(watch::Receiver<()>);

impl Loads {
    fn under_way(&self) -> MutexGuard<'_, HashMap<Key, watch::Receiver<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the turn, if nobody has it.
    pub(crate) fn turn(&self, key: Key) -> Turn {
        match self.under_way().entry(key) {
            Entry::Occupied(other) => Turn::After(Other(other.get().clone())),
            Entry::Vacant(free) => {
                let (ended, told) = watch::channel(());
                free.insert(told);
                Turn::Ours(Ours { loads: self.clone(), key, _ended: ended })
            }
        }
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.loads.under_way().remove(&self.key);
    }
}

impl Other {
    /// Waits until that load has ended, or was given up.
    pub(crate) async fn ended(mut self) {
        // Nothing is ever sent: an error says that the sender is gone.
        let _ = self.0.changed().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::Family;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test]
    async fn others_wait_for_who_loads_and_for_nobody_else() {
        let loads = Loads::default();
        let key = (ProductId::try_from(5).unwrap(), Question::Meta(Family::One));
        let Turn::Ours(ours) = loads.turn(key) else { panic!("nobody loads") };
        let Turn::After(other) = loads.turn(key) else { panic!("somebody loads") };
        let another = (ProductId::try_from(5).unwrap(), Question::Meta(Family::Two));
        assert!(matches!(loads.turn(another), Turn::Ours(_)));
        let mut ended = Box::pin(other.ended());
        assert!(timeout(Duration::ZERO, &mut ended).await.is_err());
        drop(ours);
        assert!(timeout(Duration::from_secs(5), ended).await.is_ok());
        assert!(matches!(loads.turn(key), Turn::Ours(_)), "its place is free again");
        assert!(loads.under_way().is_empty());
    }
}
