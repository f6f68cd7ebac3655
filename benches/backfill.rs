//! Backfill: legacy rows per second through the thirty-table order mapping, as ratios to raw baselines of the same run.
//!
//! Back of the envelope, two cores shared with both servers: a raw drain moves above 1M rows/s of this shop, a raw COPY into a keyed table
//! about 150k rows/s, both servers and a client in between about 250k rows/s of one table. The engine decodes, stores, indexes, derives (10
//! to 20 lookups a target row) and copies: with 15 us of its own work per legacy row it would reach half of the single-table copy.
//!
//! `BENCH_ORDERS` sets the size (default 50,000 orders, about 550,000 legacy rows). Every number is from this machine and this run.

#[path = "support/peers.rs"]
mod peers;
mod support;

use peers::{pgloader, single_table_copy};
use strangler::migrate::EngineStatus;
use strangler::migrate::steps::{StageTime, StepTime};
use strangler::state::meta;
use support::{Outcome, Stage, folder_bytes, raw_copy, raw_drain, size};

#[tokio::main]
async fn main() -> Outcome<()> {
    let orders = size("BENCH_ORDERS", 50_000);
    let stage = Stage::new(orders).await?;
    println!("backfill of {orders} orders, {} legacy rows; load of the machine {}", stage.row_count, machine_load());
    let (drained, drain_s) = raw_drain(&stage.mariadb).await?;
    let (run, peak_mib) = stage.run_until_caught_up()?;
    let (copied, copy_s) = raw_copy(&stage.postgres).await?;
    let (single, single_s) = single_table_copy(&stage.mariadb, &stage.postgres).await?;
    let pgloader = pgloader(&stage).await?;
    let (drain_rate, copy_rate, single_rate) = (drained as f64 / drain_s, copied as f64 / copy_s, single as f64 / single_s);
    println!("raw SELECT drain            {drain_rate:>10.0} rows/s, every table");
    println!("raw COPY, keyed             {copy_rate:>10.0} rows/s, the {copied} target rows");
    println!("raw copy of a single table  {single_rate:>10.0} rows/s, {single} rows from server to server");
    let pgloader_rate = pgloader.map(|(rows, seconds)| rows as f64 / seconds);
    match pgloader_rate {
        Some(rate) => println!("pgloader                    {rate:>10.0} rows/s, every table"),
        None => println!("pgloader                    is not installed here"),
    }
    let legacy_rate = stage.row_count as f64 / run.as_secs_f64();
    println!("engine, legacy rows         {legacy_rate:>10.0} rows/s, {:.1} s from its start to its end", run.as_secs_f64());
    println!("  to the raw drain          {:>10.2}", legacy_rate / drain_rate);
    println!("  to the single-table copy  {}", at_least(legacy_rate / single_rate, 0.5));
    if let Some(rate) = pgloader_rate {
        println!("  to pgloader               {}", at_least(legacy_rate / rate, 2.0));
    }
    let status = status_of(&stage)?;
    let load = status.load_stages.iter().find(|stage| stage.stage == meta::Stage::Load).ok_or("the engine loaded nothing")?;
    let load_s = load.wall_ms as f64 / 1_000.0;
    let load_rate = copied as f64 / load_s;
    println!("engine, load phase          {load_rate:>10.0} target rows/s, {load_s:.1} s");
    println!("  to the raw COPY, keyed    {}", at_least(load_rate / copy_rate, 0.8));
    println!("engine, peak memory         {peak_mib:>10} MiB   cap 512, {}", verdict(peak_mib <= 512));
    let mapped: u64 = status.tables.iter().map(|table| table.byte_count).sum();
    let state = folder_bytes(&stage.state_path());
    println!("engine, state on disk       {:>10} MiB, journals not counted", state >> 20);
    let ratio = state as f64 / mapped as f64;
    println!("  to the mapped bytes       {ratio:>10.2}   goal 1.60 at most, {}", verdict(ratio <= 1.6));
    for StageTime { stage, wall_ms } in &status.load_stages {
        println!("stage {stage:?}: {wall_ms} ms");
    }
    for StepTime { step, work_ms, row_count } in &status.load_steps {
        println!("{}: {work_ms} ms of work, {row_count} rows", step.words());
    }
    println!("load of the machine {} at the end", machine_load());
    Ok(())
}

/// A ratio beside its goal, and whether it is met.
fn at_least(ratio: f64, goal: f64) -> String {
    format!("{ratio:>10.2}   goal {goal:.2}, {}", verdict(ratio >= goal))
}

fn verdict(is_met: bool) -> &'static str {
    if is_met { "met" } else { "NOT met" }
}

/// What the engine said of itself when it ended.
fn status_of(stage: &Stage) -> Outcome<EngineStatus> {
    #[derive(serde::Deserialize)]
    struct Ended {
        engine: EngineStatus,
    }
    let text = std::fs::read_to_string(stage.folder.path().join("run.json"))?;
    Ok(serde_json::from_str::<Ended>(&text)?.engine)
}

/// What waits for a processor, on average over the last minute.
fn machine_load() -> String {
    let averages = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    averages.split_whitespace().next().unwrap_or("unknown").to_owned()
}
