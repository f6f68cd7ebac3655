//! Live: how fast a backlog is caught up and how soon a commit is visible, beside what the servers do without an engine, in one run.
//!
//! Back of the envelope: decoding is far above 1M row images/s; one changed row costs 2 to 10 state reads and as many writes (16 to 24k puts/s a
//! thread) and one to three target upserts (45 to 70k/s); the state is expected to be the limit. A commit costs one sync of the state's disk
//! and two round trips to the target on its way.
//!
//! Ends with an error, after everything is printed, where a goal is not met: changes per second while a backlog is caught up, commit to visible at
//! an even rate, the cap of memory.
//!
//! `BENCH_ORDERS` (default 50,000), `BENCH_TRANSACTIONS` (default 60,000, more than 200,000 row changes), `BENCH_PULSES` (default 4,000) and `BENCH_RATE`
//! (default 200 per second) set the sizes; `BENCH_STRANGLER` is another program to measure.

#![expect(clippy::indexing_slicing, reason = "a JSON value answers null for what it does not have")]

#[path = "live/alone.rs"]
mod alone;
#[path = "live/engine.rs"]
mod engine;
#[path = "live/goals.rs"]
mod goals;
#[path = "live/latency.rs"]
mod latency;
#[path = "live/native.rs"]
mod native;
#[path = "../tests/support/socket.rs"]
mod socket;
mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use engine::{Engine, stage_us};
use goals::Goals;
use latency::Latency;
use mysql_async::prelude::Queryable;
use serde_json::Value;
use strangler::demo::shop::Writer;
use support::{Outcome, Stage, folder_bytes, raw_copy, raw_drain, size};

/// Row changes of mapped tables per second while a backlog is caught up.
const SUSTAINED: f64 = 20_000.0;
/// Milliseconds from the commit to the target, half of all and 99 of 100.
const P50_MS: f64 = 3.0;
const P99_MS: f64 = 10.0;
/// What the project file allows the engine.
const MEMORY_MIB: u64 = 512;

const STAGES: [&str; 6] = ["decode", "queue", "step", "state_commit", "outbox", "target_apply"];

#[tokio::main]
async fn main() -> Outcome<()> {
    let orders = size("BENCH_ORDERS", 50_000);
    let transactions = size("BENCH_TRANSACTIONS", 60_000);
    let mut goals = Goals::default();
    let stage = Stage::new(orders).await?;
    stage.run_until_caught_up()?;
    let (drained, drain_s) = raw_drain(&stage.mariadb).await?;
    let (copied, copy_s) = raw_copy(&stage.postgres).await?;
    println!("raw SELECT drain        {:>12.0} rows/s", drained as f64 / drain_s);
    println!("raw COPY, keyed         {:>12.0} rows/s", copied as f64 / copy_s);
    let applied = catch_up(&stage, transactions, &mut goals).await?;
    let pulses = u64::from(size("BENCH_PULSES", 4_000));
    let per_second = f64::from(size("BENCH_RATE", 200));
    let ours = pulse(&stage, pulses, per_second).await?;
    println!("commit to visible at {per_second:.0} transactions/s");
    println!("  orders, MariaDB to PostgreSQL        {ours}");
    for (what, figure, goal) in [("p50", ours.p50, P50_MS), ("p99", ours.p99, P99_MS)] {
        println!("    {what} {figure:.2} ms, {}", goals.below_ms(&format!("commit to visible, {what}"), figure, goal));
    }
    println!("    the slowest: {}", ours.slowest());
    let (native, engine) = native::compared(&stage.postgres, stage.folder.path(), pulses, per_second).await?;
    println!("  one table, PostgreSQL to PostgreSQL  {engine}");
    println!("    the slowest: {}", engine.slowest());
    println!("  the same, native logical replication {native}");
    println!("    the slowest: {}", native.slowest());
    println!("  ratio of the medians                 {:.1}", engine.p50 / native.p50);
    // Last: it takes the mapping over, so that no engine goes on behind it.
    let alone = alone::rate(&stage, "order-service", applied.rows_per_transaction as usize).await?;
    let Applied { rate, rows_per_transaction } = applied;
    println!(
        "target alone            {alone:>12.0} rows/s   same tables, {rows_per_transaction} rows per transaction, all of them updates"
    );
    println!("engine, catching up     {rate:>12.0} rows/s   {:.3} of the target alone", rate / alone);
    goals.outcome()
}

/// How a backlog arrived at the target.
struct Applied {
    /// Rows per second, start and end included.
    rate: f64,
    rows_per_transaction: u64,
}

fn environment(stage: &Stage) -> [(&'static str, &str); 2] {
    [("BENCH_SOURCE_PASSWORD", stage.mariadb.password()), ("BENCH_TARGET_PASSWORD", stage.postgres.password())]
}

/// Catches up on a prepared backlog.
async fn catch_up(stage: &Stage, transactions: u32, goals: &mut Goals) -> Outcome<Applied> {
    let before = changed_rows(stage).await?;
    let mut writer = Writer::connect(&stage.mariadb.url_of("homeshop"), 7).await?;
    writer.step(u64::from(transactions)).await?;
    let changes = changed_rows(stage).await? - before;
    let began = Instant::now();
    let mut engine = Engine::start(&stage.folder.path().join("strangler.yaml"), &environment(stage))?;
    let (mut first, mut last) = (None, (0, Instant::now()));
    let status = engine
        .until(|status| {
            let done = status["change_count"].as_u64().unwrap_or(0);
            if done > 0 {
                first.get_or_insert((done, Instant::now()));
            }
            if done > last.0 {
                last = (done, Instant::now());
            }
            done > 0 && status["mappings"][0]["lag_ms"] == 0 && status["outbox_bytes"] == 0
        })
        .await?;
    let elapsed_s = began.elapsed().as_secs_f64();
    let (taken, writes) = (status["change_count"].as_u64().unwrap_or(0), status["write_count"].as_u64().unwrap_or(0));
    let sustained = first.map_or(0.0, |(at, when)| (last.0 - at) as f64 / (last.1 - when).as_secs_f64());
    let (cpu, threads, peak_mib) = (engine.cpu_s()?, engine.cpu_by_thread()?, engine.peak_mib());
    engine.stop()?;
    let batches = stage_us(&status, "target_apply", "count").max(1.0);
    let rate = writes as f64 / elapsed_s;
    println!(
        "catching up on {transactions} transactions: {changes} rows changed on the source, {taken} of mapped tables, {writes} target rows"
    );
    println!("engine, mapped changes  {:>12.0} /s       start and end included ({elapsed_s:.1} s)", taken as f64 / elapsed_s);
    println!(
        "engine, sustained       {sustained:>12.0} /s       between the first and the last that was seen; {}",
        goals.at_least("mapped changes per second, sustained", sustained, SUSTAINED)
    );
    println!("engine, target rows     {rate:>12.0} /s");
    println!("engine, processor       {:>12.1} s per million changes", per_million(cpu, taken));
    processor(&status, &threads, taken);
    busy(&status, taken);
    let [hits, misses] = ["state_hit_count", "state_miss_count"].map(|count| status[count].as_f64().unwrap_or(0.0));
    let reads = hits + misses;
    println!(
        "engine, state reads     {reads:>12.0} of stored entries, {:.0} % of them from memory",
        100.0 * hits / reads.max(1.0)
    );
    println!("engine, peak memory     {peak_mib:>12} MiB     {}", goals.within("peak memory in MiB", peak_mib, MEMORY_MIB));
    println!("engine, state on disk   {:>12} MiB of {} legacy rows", folder_bytes(&stage.state_path()) >> 20, stage.row_count);
    Ok(Applied { rate, rows_per_transaction: (writes as f64 / batches).ceil() as u64 })
}

fn per_million(seconds: f64, changes: u64) -> f64 {
    seconds * 1e6 / changes.max(1) as f64
}

/// Processor time by stage, from the clocks of the threads: epochs are derived and synced on threads of their own, and the state flushes and
/// compacts on others. Decoding shares the threads of the asynchronous work with the target: it never waits, so it is told apart by its own
/// clock.
fn processor(status: &Value, threads: &BTreeMap<String, f64>, changes: u64) {
    let of = |names: &[&str]| names.iter().filter_map(|name| threads.get(*name)).sum::<f64>();
    let decode = stage_us(status, "decode", "total_us") / 1e6;
    let (step, state, shared) = (of(&["epochs", "derive", "sync"]), of(&["fjall:worker"]), of(&["async"]));
    let all = threads.values().sum::<f64>();
    let stages = [
        ("decode", decode),
        ("step, state_commit", step),
        ("outbox, target_apply", shared - decode),
        ("flush, compaction", state),
        ("rest", all - step - state - shared),
    ];
    for (name, seconds) in stages {
        println!("  processor {name:<22} {:>6.1} s per million changes", per_million(seconds, changes));
    }
}

/// How long each stage was busy; waits are in `queue` and `outbox`.
fn busy(status: &Value, changes: u64) {
    for stage in STAGES {
        let [count, total, p50, p99, max] =
            ["count", "total_us", "p50_us", "p99_us", "max_us"].map(|field| stage_us(status, stage, field));
        println!(
            "  stage {stage:<14} {:>8.1} s busy per million changes, {count} times, p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
            per_million(total / 1e6, changes),
            p50 / 1e3,
            p99 / 1e3,
            max / 1e3
        );
    }
}

/// The latency of single updates of orders through an engine with nothing else to do.
async fn pulse(stage: &Stage, count: u64, per_second: f64) -> Outcome<Latency> {
    let mut engine = Engine::start(&stage.folder.path().join("strangler.yaml"), &environment(stage))?;
    engine.until(|status| status["mappings"][0]["lag_ms"] == 0).await?;
    let target = stage.postgres.connect("orders").await?;
    let select = target.prepare("SELECT receiver_phone FROM orders WHERE order_id = $1").await?;
    let rows = target.query("SELECT order_id FROM orders ORDER BY order_id LIMIT 100", &[]).await?;
    let orders: Arc<[String]> = rows.iter().map(|row| row.get(0)).collect();
    let of = |orders: &Arc<[String]>, number: u64| orders.get(number as usize % orders.len().max(1)).cloned().unwrap_or_default();
    let source = mysql_async::Conn::from_url(stage.mariadb.url_of("homeshop")).await?;
    let source = Arc::new(tokio::sync::Mutex::new(source));
    let places = Arc::clone(&orders);
    let commit = move |number: u64| {
        let (source, order) = (Arc::clone(&source), of(&places, number));
        async move {
            let mut source = source.lock().await;
            let update = "UPDATE tb_ord_mst SET rcv_hp_no = ? WHERE ord_no = ?";
            Ok(source.exec_drop(update, (number.to_string(), order)).await?)
        }
    };
    let (target, select, orders) = (&target, &select, &orders);
    let shown = |number: u64| async move {
        let row = target.query_opt(select, &[&of(orders, number)]).await?;
        let text: Option<String> = row.and_then(|row| row.get(0));
        Ok(text.and_then(|text| text.parse().ok()).filter(|shown| *shown < 1_000_000).unwrap_or(0))
    };
    let measured = latency::measured(count, per_second, commit, shown).await?;
    let status = engine.until(|status| status["mappings"][0]["lag_ms"] == 0).await?;
    let own = &status["mappings"][0]["latency"];
    println!("what the engine itself measured, from {}", own["counted_from"]);
    let [p50, p99, max] = ["p50_us", "p99_us", "max_us"].map(|field| own[field].as_f64().unwrap_or(0.0) / 1e3);
    println!("  commit to visible p50 {p50:.2} ms, p99 {p99:.2} ms, max {max:.2} ms over {} transactions", own["count"]);
    busy(&status, count);
    engine.stop()?;
    Ok(measured)
}

/// Rows that the server has inserted, updated or deleted since it started.
async fn changed_rows(stage: &Stage) -> Outcome<u64> {
    let mut connection = mysql_async::Conn::from_url(stage.mariadb.url_of("homeshop")).await?;
    let counts: Vec<(String, u64)> = connection
        .query("SHOW GLOBAL STATUS WHERE Variable_name IN ('Handler_write', 'Handler_update', 'Handler_delete')")
        .await?;
    connection.disconnect().await?;
    Ok(counts.into_iter().map(|(_, count)| count).sum())
}
