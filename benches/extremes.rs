//! Extremes: one source transaction of five million changed rows, one of two gibibytes, and one changed code that five million target rows
//! join, strict and deferred.
//!
//! Fails, with the reason, unless: no reader of the target sees a part of a transaction (a deferred change excepted); the engine's memory stays
//! under its cap; the target equals the source in the end, by counts and checksums that each server computes over the same SELECT.
//!
//! Back of the envelope, per changed row on two cores with both servers beside the engine: 1 us to decode, 10 to 20 us to take it into the state,
//! as much to derive it, 15 to 25 us for the target to merge it; nothing overlaps, because a transaction is whole before it is derived and
//! derived before it is sent. So five million rows take 3 to 5 minutes, and a transaction of 2 GiB passes the disk six times (log, spill, state, its
//! journal, outbox, target): at 150 MB/s about two minutes. A hot code is half of that, for it needs no new state. Memory is that of an idle
//! engine and its buffers, whatever the size.
//!
//! `EXTREME_ROWS` (default 5,000,000), `EXTREME_BYTES` (default 2 GiB), `EXTREME_MEMORY_MIB` (the cap, default 512), `EXTREME_SOURCE` (`mariadb`,
//! `postgres` or `both`, the default: one after the other), `EXTREME_ONLY` (some of `rows,bytes,strict,deferred`); `BENCH_STRANGLER` is another
//! program to measure. Servers are the tests' own: loopback, no fsync. The disk needs about eight times `EXTREME_BYTES`.

#![allow(clippy::indexing_slicing, reason = "a JSON value answers null for what it does not have")]

#[path = "extremes/beats.rs"]
mod beats;
#[allow(dead_code)]
#[path = "soak/engine.rs"]
mod engine;
#[path = "extremes/footprint.rs"]
mod footprint;
#[path = "extremes/reader.rs"]
mod reader;
#[path = "extremes/scenario.rs"]
mod scenario;
#[path = "../tests/support/socket.rs"]
mod socket;
#[path = "extremes/stage.rs"]
mod stage;

use std::time::{Duration, Instant};

use beats::Beats;
use footprint::Footprint;
use reader::Reader;
use scenario::{Expects, Scenario, Table};
use stage::{Kind, Stage};

/// What the bench's own steps answer.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How long a state may take to come.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// What a run is asked to do.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    rows: u64,
    bytes: u64,
    memory_mib: u64,
}

fn size(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let sizes = Sizes {
        rows: size("EXTREME_ROWS", 5_000_000),
        bytes: size("EXTREME_BYTES", 2 << 30),
        memory_mib: size("EXTREME_MEMORY_MIB", 512),
    };
    let only = std::env::var("EXTREME_ONLY").unwrap_or_else(|_| "rows,bytes,strict,deferred".into());
    let is_asked = |scenario: &Scenario| only.split(',').any(|name| name == scenario.name);
    let kinds = match std::env::var("EXTREME_SOURCE").as_deref().unwrap_or("both") {
        "mariadb" => vec![Kind::MariaDb],
        "postgres" => vec![Kind::Postgres],
        "both" => vec![Kind::MariaDb, Kind::Postgres],
        other => return Err(format!("EXTREME_SOURCE is mariadb, postgres or both, not {other}").into()),
    };
    let (mut lines, mut failures) = (Vec::new(), Vec::new());
    for kind in kinds {
        for table in [Table::Thin, Table::Wide] {
            let scenarios: Vec<Scenario> = scenario::all().into_iter().filter(|scenario| scenario.table == table).collect();
            let scenarios: Vec<Scenario> =
                scenarios.into_iter().filter(is_asked).filter(|scenario| scenario.is_of(kind)).collect();
            if scenarios.is_empty() {
                continue;
            }
            let stage = Stage::new(kind, table, sizes).await?;
            for scenario in scenarios {
                let report = run(&stage, scenario, sizes).await?;
                lines.push(report.line);
                failures.extend(report.failures);
            }
        }
    }
    println!("\n{}", heading());
    lines.iter().for_each(|line| println!("{line}"));
    failures.iter().for_each(|failure| println!("FAILED: {failure}"));
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

struct Report {
    line: String,
    failures: Vec<String>,
}

fn heading() -> String {
    format!(
        "{:<20} {:>10} {:>9} {:>9} {:>10} {:>11} {:>11} {:>9} {:>8} {:>6} {:>7}",
        "scenario",
        "changed",
        "commit s",
        "visible s",
        "rows/s",
        "memory MiB",
        "of the cap",
        "state MiB",
        "samples",
        "states",
        "partial"
    )
}

/// One scenario with an engine of its own, so that its peak of memory is that of the scenario.
async fn run(stage: &Stage, scenario: Scenario, sizes: Sizes) -> Outcome<Report> {
    let name = format!("{} {}", stage.kind.name(), scenario.name);
    stage.write_mapping(scenario.policies)?;
    let mut engine = stage.engine()?;
    engine.until(PATIENCE, engine::is_caught_up).await?;
    let footprint = Footprint::start(&name, engine.id(), stage.state_path());
    let reader = Reader::start(&stage.target, scenario, stage.row_count).await?;
    let beats = match scenario.has_beats {
        true => Some(Beats::start(stage).await?),
        false => None,
    };
    tokio::time::sleep(Duration::from_secs(2)).await;
    let began = Instant::now();
    stage.session().await?.run(&scenario.transaction(stage.kind, stage.row_count)).await?;
    let committed = Instant::now();
    println!("[{name}] the source took {:.1} s for the transaction", (committed - began).as_secs_f64());
    let is_swept = |status: &serde_json::Value| status["mappings"][0]["pending_sweeps"] == 0;
    engine.until(PATIENCE, |status| engine::is_caught_up(status) && is_swept(status) && reader.saw_after()).await?;
    let caught_up = Instant::now();
    let beats = match beats {
        Some(beats) => Some(beats.stop().await?.between(committed, caught_up)),
        None => None,
    };
    let found = reader.stop().await?;
    let held = footprint.stop();
    let visible_s = match scenario.expects {
        Expects::Whole => found.first_after.ok_or("the change was never seen")?.saturating_duration_since(committed),
        Expects::Sweep => caught_up - committed,
    }
    .as_secs_f64();
    let mut failures = Vec::new();
    if scenario.expects == Expects::Whole {
        failures.extend(found.partial.iter().map(|state| format!("[{name}] a reader saw a part of the transaction: {state}")));
    }
    if held.memory_mib > sizes.memory_mib {
        failures.push(format!("[{name}] {} MiB of memory, the cap is {} MiB", held.memory_mib, sizes.memory_mib));
    }
    failures.extend(stage.differs().await?.map(|difference| format!("[{name}] the target differs: {difference}")));
    engine.stop()?;
    let changed = stage.row_count;
    println!("[{name}] status said meanwhile: {}", held.said());
    beats.iter().for_each(|beats| println!("[{name}] small transactions meanwhile: {beats}"));
    let line = format!(
        "{name:<20} {changed:>10} {:>9.1} {visible_s:>9.1} {:>10.0} {:>11} {:>10.0}% {:>9} {:>8} {:>6} {:>7}",
        (committed - began).as_secs_f64(),
        changed as f64 / visible_s,
        held.memory_mib,
        held.memory_mib as f64 * 100.0 / sizes.memory_mib as f64,
        held.state_mib,
        found.samples,
        found.states.len(),
        found.partial_count,
    );
    println!("{}\n{line}", heading());
    Ok(Report { line, failures })
}
