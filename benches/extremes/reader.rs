//! A reader of the target that looks again and again, at some rows and now and then at all, each time in one snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use strangler::demo::servers::Postgres;
use tokio::task::JoinHandle;

use crate::Outcome;
use crate::scenario::{Scenario, Table};

/// Rows of a small sample.
const SAMPLE_ROWS: usize = 200;
/// Between two small samples.
const REST: Duration = Duration::from_millis(20);
/// Between two looks at the whole table.
const WHOLE_EVERY: Duration = Duration::from_secs(10);
/// Partial states that are told.
const TOLD_MAX: usize = 5;

/// What was seen.
#[derive(Debug, Default)]
pub struct Found {
    /// How often it looked.
    pub samples: u64,
    /// Each state with how often it was seen.
    pub states: BTreeMap<String, u64>,
    /// Samples that showed rows of more than one state.
    pub partial_count: u64,
    /// Some of those.
    pub partial: Vec<String>,
    /// When another state than the first was seen first.
    pub first_after: Option<Instant>,
}

/// A reader at work.
pub struct Reader {
    task: JoinHandle<Outcome<Found>>,
    is_over: Arc<AtomicBool>,
    saw_after: Arc<AtomicBool>,
}

impl Reader {
    /// Begins to look.
    pub async fn start(target: &Postgres, scenario: Scenario, row_count: u64) -> Outcome<Self> {
        let client = target.connect("service").await?;
        let [is_over, saw_after] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let (ends, shows) = (Arc::clone(&is_over), Arc::clone(&saw_after));
        let task = tokio::spawn(look(client, scenario, row_count, ends, shows));
        Ok(Self { task, is_over, saw_after })
    }

    /// Whether it has seen something else than at the beginning.
    pub fn saw_after(&self) -> bool {
        self.saw_after.load(Ordering::Relaxed)
    }

    /// Ends it with a look at everything.
    pub async fn stop(self) -> Outcome<Found> {
        self.is_over.store(true, Ordering::Relaxed);
        self.task.await?
    }
}

async fn look(
    client: tokio_postgres::Client,
    scenario: Scenario,
    row_count: u64,
    ends: Arc<AtomicBool>,
    shows: Arc<AtomicBool>,
) -> Outcome<Found> {
    let label = scenario.label;
    let of_keys = |keys: &str| {
        format!("SELECT coalesce(string_agg(DISTINCT {label}, ', '), '-') FROM {keys} AS k(no) LEFT JOIN orders o ON o.no = k.no")
    };
    let some = client.prepare(&of_keys("unnest($1::int[])")).await?;
    let whole = match scenario.table {
        Table::Thin => format!("SELECT string_agg(DISTINCT {label}, ', ') FROM orders o"),
        Table::Wide => of_keys(&format!("generate_series(1, {row_count})")),
    };
    let key_end = i32::try_from(row_count)?;
    let (mut found, mut first) = (Found::default(), None);
    let mut looked_at_all = Instant::now();
    loop {
        let is_last = ends.load(Ordering::Relaxed);
        let state: String = if is_last || looked_at_all.elapsed() > WHOLE_EVERY {
            let state = client.query_one(&whole, &[]).await?.try_get(0)?;
            looked_at_all = Instant::now();
            state
        } else {
            let keys: Vec<i32> = (0..SAMPLE_ROWS).map(|_| fastrand::i32(1..key_end)).collect();
            client.query_one(&some, &[&keys]).await?.try_get(0)?
        };
        found.samples += 1;
        if state.contains(',') {
            found.partial_count += 1;
            if found.partial.len() < TOLD_MAX {
                found.partial.push(state.clone());
            }
        }
        let first = first.get_or_insert_with(|| state.clone());
        if state != *first && found.first_after.is_none() {
            found.first_after = Some(Instant::now());
            shows.store(true, Ordering::Relaxed);
        }
        *found.states.entry(state).or_default() += 1;
        if is_last {
            return Ok(found);
        }
        tokio::time::sleep(REST).await;
    }
}
