//! Small transactions at an even rate, and how long each takes until the target shows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::Outcome;
use crate::stage::Stage;

/// From one commit to the next.
const EVERY: Duration = Duration::from_millis(50);
/// Between two looks at the target.
const REST: Duration = Duration::from_millis(2);

/// When each was committed, and seen.
#[derive(Debug, Default)]
pub struct Seen(Vec<(Instant, Instant)>);

/// How long they took.
pub struct Waits(Vec<Duration>);

impl Seen {
    /// Those that were committed between two moments.
    pub fn between(&self, from: Instant, to: Instant) -> Waits {
        let inside = self.0.iter().filter(|(committed, _)| (from..to).contains(committed));
        let mut waits: Vec<Duration> = inside.map(|(committed, seen)| seen.saturating_duration_since(*committed)).collect();
        waits.sort_unstable();
        Waits(waits)
    }
}

impl std::fmt::Display for Waits {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = |share: f64| {
            let place = ((self.0.len() as f64 * share) as usize).min(self.0.len().saturating_sub(1));
            self.0.get(place).map_or(0.0, |wait| wait.as_secs_f64() * 1e3)
        };
        let (count, every) = (self.0.len(), EVERY.as_millis());
        write!(
            formatter,
            "{count}, one every {every} ms; commit to visible p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
            at(0.5),
            at(0.99),
            at(1.0)
        )
    }
}

/// Both ends at work.
pub struct Beats {
    writer: JoinHandle<Outcome<()>>,
    watcher: JoinHandle<Outcome<Seen>>,
    is_over: Arc<AtomicBool>,
}

impl Beats {
    /// Begins: each transaction writes its number to row 0, and to another row.
    pub async fn start(stage: &Stage) -> Outcome<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let (sender, receiver) = mpsc::unbounded_channel();
        let (mut session, row_count, ends) = (stage.session().await?, stage.row_count, Arc::clone(&is_over));
        // Row 0 has the last number of who wrote there before.
        let first = session.ask("SELECT CAST(amt AS CHAR(20)) FROM x_row WHERE no = 0").await?.parse::<i64>()? + 1;
        let writer = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(EVERY);
            for number in first.. {
                if ends.load(Ordering::Relaxed) {
                    break;
                }
                ticks.tick().await;
                let other = fastrand::u64(1..row_count);
                session.run(&format!("UPDATE x_row SET amt = {number} WHERE no IN (0, {other})")).await?;
                if sender.send((number, Instant::now())).is_err() {
                    break;
                }
            }
            Ok(())
        });
        let watcher = tokio::spawn(watch(stage.target.connect("service").await?, receiver));
        Ok(Self { writer, watcher, is_over })
    }

    /// Ends, once the last is seen.
    pub async fn stop(self) -> Outcome<Seen> {
        self.is_over.store(true, Ordering::Relaxed);
        self.writer.await??;
        self.watcher.await?
    }
}

async fn watch(client: tokio_postgres::Client, mut committed: mpsc::UnboundedReceiver<(i64, Instant)>) -> Outcome<Seen> {
    let question = client.prepare("SELECT amount::bigint FROM orders WHERE no = 0").await?;
    let (mut seen, mut shown) = (Seen::default(), 0);
    while let Some((number, at)) = committed.recv().await {
        while shown < number {
            shown = client.query_one(&question, &[]).await?.try_get(0)?;
            if shown < number {
                tokio::time::sleep(REST).await;
            }
        }
        seen.0.push((at, Instant::now()));
    }
    Ok(seen)
}
