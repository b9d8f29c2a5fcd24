//! Connections that go from one short statement to the next without a way through their pool.

use crate::{ACQUIRE_TIMEOUT, PING_AFTER_IDLE};
use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, PgConnection, PgPool, Postgres};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How long a connection is kept from its pool, which replaces those that are old.
const KEPT_MAX: Duration = Duration::from_secs(60);

/// Connections of a pool for statements that are many and short. A pool takes each back in a task of its own, and looks at it
/// before it gives it out: a third of what such a statement costs whoever sends it. Here whoever has ended leaves it to whoever
/// comes next. One that failed or was cut off goes back to the pool, as does one that was kept for long.
///
/// They are kept from the pool also while nothing comes: whoever asks the pool finds one connection, so what comes often
/// must come here.
#[derive(Debug)]
pub struct Lanes {
    pool: PgPool,
    lanes: u32,
    turns: Semaphore,
    idle: Mutex<Vec<Kept>>,
}

#[derive(Debug)]
struct Kept {
    connection: PoolConnection<Postgres>,
    since: Instant,
    used: Instant,
}

impl Lanes {
    /// At most as many as the pool has, but one, which stays for whoever asks the pool.
    pub fn of(pool: PgPool) -> Self {
        let lanes = pool.options().get_max_connections().saturating_sub(1).max(1);
        Lanes { pool, lanes, turns: Semaphore::new(lanes as usize), idle: Mutex::default() }
    }

    /// Does something with a connection.
    ///
    /// # Errors
    /// That of the work; or that there is no connection, as a pool says it.
    pub async fn on<T>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let turn = timeout(ACQUIRE_TIMEOUT, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| sqlx::Error::PoolClosed)?;
        let mut kept = self.take().await?;
        // Failed or cut off, it goes back to its pool, which finds out whether it is good.
        let done = work(&mut kept.connection).await?;
        self.keep(kept);
        Ok(done)
    }

    /// Opens the connections that are handed on, one after another, so that the first burst of a service that has just started
    /// finds them: opened all at once, each of them would be late. One lane stays free for whoever comes meanwhile. Ends when one
    /// cannot be opened; whoever needs one says why.
    pub async fn open(&self) {
        let mut opened = Vec::new();
        for _ in 1..self.lanes {
            let Ok(turn) = self.turns.acquire().await else { return };
            match self.take().await {
                Ok(kept) => opened.push((turn, kept)),
                Err(_) => break,
            }
        }
        opened.into_iter().for_each(|(_turn, kept)| self.keep(kept));
    }

    fn keep(&self, mut kept: Kept) {
        kept.used = Instant::now();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
    }

    async fn take(&self) -> Result<Kept, sqlx::Error> {
        let last = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(mut kept) = last
            && kept.since.elapsed() <= KEPT_MAX
            && (kept.used.elapsed() <= PING_AFTER_IDLE || kept.connection.ping().await.is_ok())
        {
            return Ok(kept);
        }
        let connection = self.pool.acquire().await?;
        let now = Instant::now();
        Ok(Kept { connection, since: now, used: now })
    }
}
