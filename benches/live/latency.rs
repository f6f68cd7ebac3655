//! From a commit to the moment another server shows it, at an even rate: the same measurement for every replica.
//!
//! One connection commits at its own pace, whatever the other sees; one asks the target again and again for the row of the oldest
//! transaction that it has not seen. It rests a tenth of a millisecond between two questions: asking without a pause takes both cores
//! away from what is measured, and shows the waits for them instead.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::support::Outcome;

/// Transactions that are committed before anything counts.
const WARM_UP: u64 = 200;
/// Between two questions.
const REST: Duration = Duration::from_micros(100);
/// The slowest transactions that are told one by one.
const SLOWEST: usize = 5;

/// Milliseconds.
#[derive(Debug, Clone)]
pub struct Latency {
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
    pub count: usize,
    /// Transactions per second that the source really took.
    pub rate: f64,
    /// The slowest: seconds since the first that counts, and the wait.
    pub slowest: Vec<(f64, f64)>,
}

impl std::fmt::Display for Latency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { p50, p99, max, count, rate, .. } = self;
        write!(f, "p50 {p50:>7.2} ms  p99 {p99:>7.2} ms  max {max:>8.2} ms  ({count} transactions at {rate:.0}/s)")
    }
}

impl Latency {
    /// When the slowest were committed, to be compared with what else went on.
    pub fn slowest(&self) -> String {
        let one = |(second, wait): &(f64, f64)| format!("{wait:.1} ms at {second:.1} s");
        self.slowest.iter().map(one).collect::<Vec<_>>().join(", ")
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
            tokio::task::block_in_place(|| std::thread::sleep(REST));
        }
        if number > WARM_UP {
            waits_ms.push((number, at.elapsed().as_secs_f64() * 1e3));
        }
    }
    let elapsed = writer.await??;
    waits_ms.sort_by(|left, right| left.1.total_cmp(&right.1));
    let at = |share: f64| waits_ms.get((waits_ms.len() as f64 * share) as usize).map_or(0.0, |(_, wait)| *wait);
    let seconds = |number: u64| (number - WARM_UP) as f64 / per_second;
    let slowest = waits_ms.iter().rev().take(SLOWEST).map(|(number, wait)| (seconds(*number), *wait)).collect();
    Ok(Latency {
        p50: at(0.5),
        p99: at(0.99),
        max: waits_ms.last().map_or(0.0, |(_, wait)| *wait),
        count: waits_ms.len(),
        rate: (count + WARM_UP) as f64 / elapsed.as_secs_f64(),
        slowest,
    })
}
