//! Signals: the first one asks the engine to end in order, the second one ends the process at once. Neither loses anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::exit::Code;
use super::printer::Printer;
use crate::error::{Class, Error, Result};

/// Listens for SIGINT and SIGTERM.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// A listening task; remembers which signal came.
pub struct Stopping {
    task: tokio::task::JoinHandle<()>,
    received: Arc<AtomicU8>,
}

impl Signals {
    /// Begins to listen: from here on a signal no longer kills the process by itself.
    ///
    /// # Errors
    /// `Local` if the system refuses.
    pub fn listen() -> Result<Self> {
        let failed = |error: std::io::Error| Error::new(Class::Local, "cannot listen for signals").because(error);
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
        })
    }

    /// Sets `stop` at the first signal, ends the process at the second.
    #[must_use]
    pub fn stop_on_first(mut self, stop: watch::Sender<bool>, printer: Printer) -> Stopping {
        let received = Arc::new(AtomicU8::new(0));
        let noted = Arc::clone(&received);
        let task = tokio::spawn(async move {
            let first = self.next().await;
            noted.store(first.number(), Ordering::SeqCst);
            printer.note("stopping: the checkpoint is being written; a second signal ends at once");
            stop.send_replace(true);
            let second = self.next().await;
            std::process::exit(i32::from(second.number()));
        });
        Stopping { task, received }
    }

    /// Waits for a signal.
    pub async fn next(&mut self) -> Code {
        tokio::select! {
            _ = self.interrupt.recv() => Code::Interrupted,
            _ = self.terminate.recv() => Code::Terminated,
        }
    }
}

impl Stopping {
    /// Ends the listening; the code of the signal that came, if one did.
    #[must_use]
    pub fn finish(self) -> Option<Code> {
        self.task.abort();
        let received = self.received.load(Ordering::SeqCst);
        [Code::Interrupted, Code::Terminated].into_iter().find(|code| code.number() == received)
    }
}
