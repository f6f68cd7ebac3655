//! Soak: sysbench's and TPC-C's loads for half an hour from MariaDB and from PostgreSQL, each to a PostgreSQL, with what must hold all the while.
//!
//! Fails, with the reason, unless: lag stays flat; every sampled state of the target fulfils the invariants of both loads; `verify` is clean at
//! the end; the engine has used less processor time than the source's server.
//!
//! Back of the envelope: a sysbench transaction is 18 statements at the source (0.5 to 2 ms of processor time) and 4 changed rows, a TPC-C one 25
//! statements and 12 changed rows; a changed row costs the engine 20 to 60 us, so it should need a third of the source's time. Lag is one
//! sync of the state and two round trips, some milliseconds, whatever the rate.
//!
//! `SOAK_SOURCE` (`mariadb`, `postgres` or `both`, the default: at the same time), `SOAK_MINUTES` (default 30), `SOAK_RATE` (transactions per second of
//! each load at each source, default 60), `SOAK_WAREHOUSES` (default 4) and `SOAK_ROWS` (of each sysbench table, default 10,000); `BENCH_STRANGLER` is
//! another program to measure. Servers are the tests' own: loopback, no fsync, so that a source spends less than it would in earnest.

#![allow(
    clippy::indexing_slicing,
    reason = "a JSON value answers null for what it does not have, a row has the columns it was asked for"
)]

#[path = "soak/engine.rs"]
mod engine;
// The tests of `oltp` prove these loads, mappings and invariants.
#[allow(dead_code)]
#[path = "../tests/oltp/load/mod.rs"]
mod load;
#[path = "soak/processes.rs"]
mod processes;
#[path = "soak/series.rs"]
mod series;
#[path = "../tests/support/socket.rs"]
mod socket;
#[path = "soak/stage.rs"]
mod stage;
#[path = "soak/watch.rs"]
mod watch;

use std::time::{Duration, Instant};

use load::invariants::{Sampler, Scope};
use load::writers::{Load, Writers};
use load::{Outcome, sysbench, tpcc};
use stage::{Kind, Stage};

/// Sessions of each load.
const SESSIONS: u32 = 4;
/// How long a state may take to come.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a run is asked to do.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    minutes: u32,
    per_second: f64,
    tpcc: tpcc::Scale,
    sysbench: sysbench::Scale,
}

/// A size from the environment.
fn size(name: &str, default: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let options = Options {
        minutes: size("SOAK_MINUTES", 30),
        per_second: f64::from(size("SOAK_RATE", 60)),
        tpcc: tpcc::Scale { warehouses: i64::from(size("SOAK_WAREHOUSES", 4)), customers: 300, items: 2_000 },
        sysbench: sysbench::Scale { tables: 3, rows: i64::from(size("SOAK_ROWS", 10_000)) },
    };
    let source = std::env::var("SOAK_SOURCE").unwrap_or_else(|_| "both".into());
    let failures = match source.as_str() {
        "mariadb" => run(Kind::MariaDb, options).await?,
        "postgres" => run(Kind::Postgres, options).await?,
        "both" => {
            let (mariadb, postgres) = tokio::try_join!(run(Kind::MariaDb, options), run(Kind::Postgres, options))?;
            [mariadb, postgres].concat()
        }
        other => return Err(format!("SOAK_SOURCE is mariadb, postgres or both, not {other}").into()),
    };
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

/// One source's run; what did not hold, with the source's name.
async fn run(kind: Kind, options: Options) -> Outcome<Vec<String>> {
    let name = kind.name();
    let stage = Stage::new(kind, options).await?;
    let mut engine = stage.engine()?;
    let began = Instant::now();
    engine.until(PATIENCE, engine::is_caught_up).await?;
    println!("[{name}] live after {:.1} s", began.elapsed().as_secs_f64());
    let mut sampler = Sampler::new(stage.target.connect("service").await?, options.tpcc, options.sysbench.rows, 11);
    let place = stage.place();
    let loads = [
        Writers::start(&place, Load::Sysbench(options.sysbench), SESSIONS, options.per_second, 1).await?,
        Writers::start(&place, Load::Tpcc(options.tpcc), SESSIONS, options.per_second, 2).await?,
    ];
    let beat = Writers::beat(&place).await?;
    // The first beat is there, so that the age of a state means something.
    while sampler.sample(Scope::Whole).await?.age_ms > 1_000_000 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut watch = watch::Watch::new(&stage, &mut engine, &loads, sampler)?;
    let mut failures = watch.during(options.minutes).await?;
    failures.extend(watch.report()?);
    let mut sampler = watch.into_sampler();
    for writers in loads.into_iter().chain([beat]) {
        println!("[{name}] {}", counts(&writers.stop().await?));
    }
    let began = Instant::now();
    engine.until(PATIENCE, engine::is_caught_up).await?;
    println!("[{name}] caught up {:.2} s after the loads ended", began.elapsed().as_secs_f64());
    failures.extend(sampler.sample(Scope::Whole).await?.violations);
    failures.extend(stage.verify(&engine)?);
    println!("[{name}] peak memory of the engine {} MiB", processes::peak_mib(engine.id()));
    engine.stop()?;
    failures.iter().for_each(|failure| println!("[{name}] FAILED: {failure}"));
    Ok(failures.into_iter().map(|failure| format!("[{name}] {failure}")).collect())
}

fn counts(counts: &load::writers::Counts) -> String {
    counts.iter().map(|(kind, times)| format!("{kind} {times}")).collect::<Vec<_>>().join(", ")
}
