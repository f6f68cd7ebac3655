//! Sessions that write at an even rate until they are stopped, and a beat by which any reader can tell how old a state is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fastrand::Rng;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::session::{Place, Session, is_collision};
use super::{Outcome, sysbench, tpcc};

/// Which load, and its size.
#[derive(Debug, Clone, Copy)]
pub enum Load {
    /// sysbench.
    Sysbench(sysbench::Scale),
    /// TPC-C.
    Tpcc(tpcc::Scale),
}

/// How often each kind of transaction was committed, and how often sessions met.
pub type Counts = BTreeMap<&'static str, u64>;

/// Running sessions.
pub struct Writers {
    stop: Arc<AtomicBool>,
    committed: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<Outcome<Counts>>>,
}

/// How far a session may be behind its rate before it gives up the difference: a burst after a stall would be another load.
const BEHIND_MAX: Duration = Duration::from_secs(2);
const BEAT_EVERY: Duration = Duration::from_millis(100);

/// The table of the beat.
pub const BEAT: [&str; 2] =
    ["CREATE TABLE beat (id INTEGER NOT NULL PRIMARY KEY, at_ms BIGINT NOT NULL)", "INSERT INTO beat VALUES (1, 0)"];

impl Writers {
    /// Begins, with so many sessions that share `per_second` transactions.
    pub async fn start(place: &Place, load: Load, sessions: u32, per_second: f64, seed: u64) -> Outcome<Self> {
        let mut writers = Self { stop: Arc::default(), committed: Arc::default(), tasks: Vec::new() };
        for number in 0..sessions {
            let session = Session::connect(place).await?;
            let rng = Rng::with_seed(seed.wrapping_mul(1_000) + u64::from(number));
            let period = Duration::from_secs_f64(f64::from(sessions) / per_second);
            let (stop, committed) = (Arc::clone(&writers.stop), Arc::clone(&writers.committed));
            writers.tasks.push(tokio::spawn(write(session, load, rng, period, stop, committed)));
        }
        Ok(writers)
    }

    /// Begins the beat.
    pub async fn beat(place: &Place) -> Outcome<Self> {
        let mut session = Session::connect(place).await?;
        let stop: Arc<AtomicBool> = Arc::default();
        let (stopped, committed): (_, Arc<AtomicU64>) = (Arc::clone(&stop), Arc::default());
        let task = tokio::spawn(async move {
            let mut count = 0;
            while !stopped.load(Ordering::Relaxed) {
                session.run("UPDATE beat SET at_ms = ? WHERE id = 1", &[now_ms().into()]).await?;
                count += 1;
                tokio::time::sleep(BEAT_EVERY).await;
            }
            Ok(Counts::from([("beat", count)]))
        });
        Ok(Self { stop, committed, tasks: vec![task] })
    }

    /// Transactions committed so far.
    pub fn committed(&self) -> u64 {
        self.committed.load(Ordering::Relaxed)
    }

    /// Ends the sessions; what they did, or why one of them could not go on.
    pub async fn stop(self) -> Outcome<Counts> {
        self.stop.store(true, Ordering::Relaxed);
        let mut counts = Counts::new();
        for task in self.tasks {
            for (kind, times) in task.await?? {
                *counts.entry(kind).or_default() += times;
            }
        }
        Ok(counts)
    }
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

async fn write(
    mut session: Session,
    load: Load,
    mut rng: Rng,
    period: Duration,
    stop: Arc<AtomicBool>,
    committed: Arc<AtomicU64>,
) -> Outcome<Counts> {
    let mut counts = Counts::new();
    let mut due = Instant::now() + period.mul_f64(rng.f64());
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep_until(due).await;
        due = (due + period).max(Instant::now() - BEHIND_MAX);
        let done = match load {
            Load::Sysbench(scale) => sysbench::transaction(&mut session, scale, &mut rng).await.map(|()| "sysbench"),
            Load::Tpcc(scale) => tpcc::transaction(&mut session, scale, &mut rng).await,
        };
        let kind = match done {
            Ok(kind) => {
                committed.fetch_add(1, Ordering::Relaxed);
                kind
            }
            Err(error) if is_collision(&*error) => {
                session.plain("ROLLBACK").await?;
                "collided"
            }
            Err(error) => return Err(error),
        };
        *counts.entry(kind).or_default() += 1;
    }
    Ok(counts)
}
