//! Durable: the thread that syncs the state's disk, so that the next epoch is derived while the disk takes in the last one.
//!
//! A batch of an epoch is visible here when it is committed, and counts for nobody outside before it is durable: no target commits it, no source is told of
//! it. What waits for that is done on this thread, in the order of the batches; one sync makes durable all that came before it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use tokio::sync::{Notify, oneshot};

use crate::error::{Class, Error, Result};
use crate::state::Store;

/// What is done when the batches up to a number are durable.
struct Request {
    number: u64,
    then: Box<dyn FnOnce() + Send>,
}

/// The thread and what it shares with the others.
pub(super) struct Durable {
    shared: Arc<Shared>,
    requests: Option<mpsc::Sender<Request>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    /// Batches that are committed.
    committed: AtomicU64,
    failure: Mutex<Option<Error>>,
    failed: Notify,
}

impl Shared {
    fn take_failure(&self) -> Option<Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Syncs for one request and all that wait behind it, until nobody is left who could ask. A failure is final: what waits then is dropped.
    fn run(&self, store: &dyn Store, requests: &mpsc::Receiver<Request>) {
        let mut durable = 0;
        while let Ok(first) = requests.recv() {
            let waiting: Vec<Request> = std::iter::once(first).chain(requests.try_iter()).collect();
            if waiting.iter().any(|request| request.number > durable) {
                let committed = self.committed.load(Ordering::Acquire);
                if let Err(error) = store.sync() {
                    *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    self.failed.notify_one();
                    return;
                }
                durable = committed;
            }
            waiting.into_iter().for_each(|request| (request.then)());
        }
    }
}

impl Durable {
    /// Starts the thread over a store.
    pub(super) fn start(store: Arc<dyn Store>) -> Self {
        let shared = Arc::new(Shared::default());
        let (sender, requests) = mpsc::channel();
        let run = {
            let shared = Arc::clone(&shared);
            move || shared.run(&*store, &requests)
        };
        // Without a thread every request is dropped, which says that nothing becomes durable.
        let thread = std::thread::Builder::new().name("sync".to_owned()).spawn(run).ok();
        Self { shared, requests: Some(sender), thread: Mutex::new(thread) }
    }

    /// A batch was committed that is not synced yet.
    pub(super) fn committed(&self) {
        self.shared.committed.fetch_add(1, Ordering::Release);
    }

    /// Does something when all that was committed is durable; `then` is dropped if it never will be.
    pub(super) fn then(&self, then: impl FnOnce() + Send + 'static) {
        let number = self.shared.committed.load(Ordering::Acquire);
        if let Some(requests) = &self.requests {
            // A thread that has ended drops it, as it should.
            drop(requests.send(Request { number, then: Box::new(then) }));
        }
    }

    /// Waits until all that was committed before the call is durable.
    ///
    /// # Errors
    /// Why it never will be.
    pub(super) async fn all(&self) -> Result<()> {
        let (sender, answer) = oneshot::channel();
        self.then(move || {
            sender.send(()).ok();
        });
        let unknown = || Error::new(Class::Local, "the state did not become durable");
        answer.await.map_err(|_| self.shared.take_failure().unwrap_or_else(unknown))
    }

    /// Waits for a sync that fails; answers why.
    pub(super) async fn failed(&self) -> Error {
        loop {
            self.shared.failed.notified().await;
            if let Some(error) = self.shared.take_failure() {
                return error;
            }
        }
    }
}

impl Drop for Durable {
    /// The thread holds the store, and the state folder stays locked until it has ended.
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::derive::{Arrangements, Mutation, Space, Visit};
    use crate::state::{Durability, SortedEntries};

    /// Counts its syncs, and fails when it is told to.
    #[derive(Default)]
    struct Counting {
        syncs: AtomicU64,
        fails: AtomicBool,
    }

    impl Arrangements for Counting {
        fn get(&self, _: Space, _: &[u8]) -> Result<Option<Vec<u8>>> {
            Ok(None)
        }
        fn scan(&self, _: Space, _: &[u8], _: Option<&[u8]>, _: Visit<'_>) -> Result<()> {
            Ok(())
        }
    }

    impl Store for Counting {
        fn commit(&self, _: Vec<Mutation>, _: Durability) -> Result<()> {
            Ok(())
        }
        fn ingest(&self, _: Space, _: &mut dyn SortedEntries) -> Result<()> {
            Ok(())
        }
        fn sync(&self) -> Result<()> {
            if self.fails.load(Ordering::Relaxed) {
                return Err(Error::new(Class::Local, "the disk is gone"));
            }
            self.syncs.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
        fn clear(&self, _: Space) -> Result<()> {
            Ok(())
        }
        fn snapshot(&self) -> Arc<dyn Arrangements> {
            Arc::new(Self::default())
        }
        fn disk_bytes(&self) -> u64 {
            0
        }
    }

    #[tokio::test]
    async fn what_is_durable_already_is_not_synced_again() {
        let store = Arc::new(Counting::default());
        let durable = Durable::start(Arc::clone(&store) as Arc<dyn Store>);
        durable.all().await.unwrap();
        assert_eq!(store.syncs.load(Ordering::Relaxed), 0, "nothing was committed");
        durable.committed();
        durable.all().await.unwrap();
        durable.all().await.unwrap();
        assert_eq!(store.syncs.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_sync_that_fails_is_told_and_nothing_behind_it_is_done() {
        let store = Arc::new(Counting::default());
        let durable = Durable::start(Arc::clone(&store) as Arc<dyn Store>);
        store.fails.store(true, Ordering::Relaxed);
        durable.committed();
        durable.then(|| panic!("nothing is durable"));
        assert_eq!(durable.failed().await.to_string(), "the disk is gone");
        assert_eq!(durable.all().await.unwrap_err().class(), Class::Local);
    }
}
