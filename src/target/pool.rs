//! Connections of one role: how many there may be, which are idle, and that a broken one never comes back.
//!
//! A connection goes back only after an operation that ended cleanly; every other is closed, which makes the server roll back.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::{Error, Result};

/// A connection that a pool can keep.
pub(super) trait Pooled: Send + Sized + 'static {
    /// What is needed to open one.
    type Options: Send + Sync;

    /// Opens one.
    fn open(options: &Self::Options) -> impl Future<Output = Result<Self>> + Send;

    /// Whether an idle one may still be used.
    fn is_usable(&self) -> bool;

    /// It goes back to the idle ones.
    fn rest(&mut self) {}
}

/// Idle connections of one role, and how many more may be opened.
pub(super) struct Pool<C> {
    idle: Mutex<Vec<C>>,
    permits: Semaphore,
}

/// A connection taken from the pool.
pub(super) struct Lease<'p, C> {
    /// The connection.
    pub(super) connection: C,
    pool: &'p Pool<C>,
    _permit: SemaphorePermit<'p>,
}

impl<C: Pooled> Pool<C> {
    /// An empty pool.
    pub(super) fn new(connections_max: usize) -> Self {
        Self { idle: Mutex::new(Vec::new()), permits: Semaphore::new(connections_max.max(1)) }
    }

    /// Takes an idle connection or opens one.
    pub(super) async fn take(&self, options: &C::Options) -> Result<Lease<'_, C>> {
        let permit = self.permits.acquire().await.map_err(|_| Error::bug("the connection pool of a target is closed"))?;
        let idle = self.pop();
        let connection = match idle {
            Some(connection) => connection,
            None => C::open(options).await?,
        };
        Ok(Lease { connection, pool: self, _permit: permit })
    }

    /// Closes the idle connections, and with them what they remember of the target's tables.
    pub(super) fn forget(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn pop(&self) -> Option<C> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(C::is_usable);
        idle.pop()
    }
}

impl<C: Pooled> Lease<'_, C> {
    /// Gives the connection back if all went well; else it is closed, and the server rolls back what it held.
    pub(super) fn settle<T>(mut self, result: Result<T>) -> Result<T> {
        if result.is_ok() {
            // It is outside any transaction.
            self.connection.rest();
            self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(self.connection);
        }
        result
    }
}
