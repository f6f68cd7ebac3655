//! Backfill: legacy rows per second through the thirty-table order mapping, as ratios to raw baselines of the same run.
//!
//! Back of the envelope, two cores shared with both servers: a raw drain moves about 400k rows/s, a raw COPY into a keyed table about 200k
//! rows/s. The engine decodes, stores with its indexes (about 100k index entries/s a core), derives (10 to 20 lookups a target row)
//! and copies; the derivation is expected to be the limit.
//!
//! `BENCH_ORDERS` sets the size (default 50,000 orders, about 550,000 legacy rows). Every number is from this machine and this run.

mod support;

use support::{Outcome, Stage, folder_bytes, raw_copy, raw_drain, size};

#[tokio::main]
async fn main() -> Outcome<()> {
    let orders = size("BENCH_ORDERS", 50_000);
    let stage = Stage::new(orders).await?;
    println!("backfill of {orders} orders, {} legacy rows", stage.row_count);
    let (drained, drain_s) = raw_drain(&stage.mariadb).await?;
    let drain_rate = drained as f64 / drain_s;
    let (elapsed, peak_mib) = stage.run_until_caught_up()?;
    let legacy_rate = stage.row_count as f64 / elapsed.as_secs_f64();
    let (copied, copy_s) = raw_copy(&stage.postgres).await?;
    let copy_rate = copied as f64 / copy_s;
    let target_rate = copied as f64 / elapsed.as_secs_f64();
    println!("raw SELECT drain        {drain_rate:>12.0} rows/s   1.00");
    println!("engine, legacy rows     {legacy_rate:>12.0} rows/s   {:.2} of the drain", legacy_rate / drain_rate);
    println!("raw COPY, keyed         {copy_rate:>12.0} rows/s   1.00");
    println!("engine, target rows     {target_rate:>12.0} rows/s   {:.2} of the COPY", target_rate / copy_rate);
    println!("engine, whole backfill  {:>12.1} s", elapsed.as_secs_f64());
    println!("engine, peak memory     {peak_mib:>12} MiB");
    println!("engine, state on disk   {:>12} MiB", folder_bytes(&stage.state_path()) >> 20);
    Ok(())
}
