//! The thread that derives epochs: one for as long as an engine lives, so that its time is told from that of everything else.

use std::sync::mpsc;

use tokio::sync::oneshot;

use crate::error::{Class, Error, Result};

type Task = Box<dyn FnOnce() + Send>;

/// A thread of its own for one task after the other; it ends when this is dropped and its task is done.
pub(super) struct Worker(mpsc::Sender<Task>);

impl Worker {
    /// Starts a thread of this name.
    ///
    /// # Errors
    /// `Local` if the system has no more threads.
    pub(super) fn start(name: &str) -> Result<Self> {
        let (sender, tasks) = mpsc::channel::<Task>();
        let thread = std::thread::Builder::new().name(name.to_owned());
        let spawned = thread.spawn(move || tasks.into_iter().for_each(|task| task()));
        spawned.map_err(|error| Error::new(Class::Local, format!("cannot start the {name} thread")).because(error))?;
        Ok(Self(sender))
    }

    /// Runs a task there and waits for its answer. A task that panics ends the thread, which is a bug.
    pub(super) async fn run<R: Send + 'static>(&self, task: impl FnOnce() -> Result<R> + Send + 'static) -> Result<R> {
        let (sender, answer) = oneshot::channel();
        let task = Box::new(move || drop(sender.send(task())));
        let ended = || Error::bug("a worker thread ended");
        self.0.send(task).map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tasks_run_on_the_named_thread_until_one_panics() {
        let worker = Worker::start("derive").unwrap();
        let name = || Ok(std::thread::current().name().map(str::to_owned));
        assert_eq!(worker.run(name).await.unwrap().as_deref(), Some("derive"));
        assert_eq!(worker.run::<()>(|| Err(Error::bug("own"))).await.unwrap_err().to_string(), Error::bug("own").to_string());
        assert_eq!(worker.run::<()>(|| panic!("a panic of the test")).await.unwrap_err().class(), Class::Bug);
        assert_eq!(worker.run(|| Ok(())).await.unwrap_err().class(), Class::Bug);
    }
}
