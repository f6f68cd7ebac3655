//! The shop while it is open: a writer in the background that places, pays, ships, cancels, renames, deletes and re-keys.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::failure::{StoryError, Told};
use crate::demo::shop::{ShopError, Writer, WriterCounters, WriterCounts};

/// An open shop; dropped, it closes at once.
pub struct OpenShop {
    task: JoinHandle<Result<(), ShopError>>,
    stop: watch::Sender<bool>,
    counters: Arc<WriterCounters>,
}

impl OpenShop {
    /// Opens it at so many transactions a second.
    pub async fn open(url: &str, transactions_per_second: f64) -> Told<Self> {
        let mut writer = Writer::connect(url, 1).await?;
        let counters = writer.counters();
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(async move { writer.run(transactions_per_second, stopped).await });
        Ok(Self { task, stop, counters })
    }

    /// What was done so far; an error if the writer has ended.
    pub fn counts(&self) -> Told<WriterCounts> {
        if self.task.is_finished() {
            return Err(StoryError::Unexpected("the shop's writer has ended by itself".to_owned()));
        }
        Ok(self.counters.read())
    }

    /// Closes it after the transaction at hand.
    pub async fn close(mut self) -> Told<WriterCounts> {
        self.stop.send_replace(true);
        match (&mut self.task).await {
            Ok(ended) => ended?,
            Err(error) => return Err(StoryError::Unexpected(format!("the shop's writer has failed: {error}"))),
        }
        Ok(self.counters.read())
    }
}

impl Drop for OpenShop {
    fn drop(&mut self) {
        self.task.abort();
    }
}
