//! From a commit to the moment another server shows it, at an even rate: the same measurement for every replica.
//!
//! One connection commits at its own pace, whatever the other sees; one asks the target again and again for the row of the oldest
//! transaction that it has not seen. Only what it asks for takes time there: it yields between two questions.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::support::Outcome;

/// Transactions that are committed before anything counts.
const WARM_UP: u64 = 200;

/// Milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Latency {
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
    pub count: usize,
    /// Transactions per second that the source really took.
    pub rate: f64,
}

impl std::fmt::Display for Latency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { p50, p99, max, count, rate } = self;
        write!(f, "p50 {p50:>7.2} ms  p99 {p99:>7.2} ms  max {max:>8.2} ms  ({count} transactions at {rate:.0}/s)")
    }
}

/// Commits `count` numbered transactions at `per_second` and watches for each; `shown` answers the newest number at a place.
pub async fn measured<C, S>(
    count: u64,
    per_second: f64,
    mut commit: impl FnMut(u64) -> C + Send + 'static,
    mut shown: impl FnMut(u64) -> S,
) -> Outcome<Latency>
where
    C: Future<Output = Outcome<()>> + Send,
    S: Future<Output = Outcome<u64>>,
{
    let (sender, mut committed) = mpsc::unbounded_channel();
    let began = Instant::now();
    let writer = tokio::spawn(async move {
        for number in 1..=count + WARM_UP {
            let due = began + Duration::from_secs_f64(number as f64 / per_second);
            tokio::time::sleep_until(due.into()).await;
            commit(number).await?;
            if sender.send((number, Instant::now())).is_err() {
                break;
            }
        }
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(began.elapsed())
    });
    let mut waits_ms = Vec::new();
    while let Some((number, at)) = committed.recv().await {
        while shown(number).await? < number {
            if at.elapsed() > Duration::from_secs(60) {
                return Err(format!("transaction {number} is not visible after a minute").into());
            }
            tokio::task::yield_now().await;
        }
        if number > WARM_UP {
            waits_ms.push(at.elapsed().as_secs_f64() * 1e3);
        }
    }
    let elapsed = writer.await??;
    waits_ms.sort_by(f64::total_cmp);
    let at = |share: f64| waits_ms.get((waits_ms.len() as f64 * share) as usize).copied().unwrap_or_default();
    Ok(Latency {
        p50: at(0.5),
        p99: at(0.99),
        max: waits_ms.last().copied().unwrap_or_default(),
        count: waits_ms.len(),
        rate: (count + WARM_UP) as f64 / elapsed.as_secs_f64(),
    })
}
