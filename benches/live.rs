//! Live: row changes per second while the engine catches up on a prepared backlog, as ratios to raw baselines of the same run.
//!
//! Back of the envelope: decoding is far above 1M row images/s; one changed row costs 2 to 10 state reads and as many writes (16 to 24k puts/s a
//! thread) and one to three target upserts (45 to 70k/s); the state is expected to be the limit.
//!
//! `BENCH_ORDERS` (default 10,000) and `BENCH_TRANSACTIONS` (default 20,000) set the sizes.

mod support;

use mysql_async::prelude::Queryable;
use strangler::demo::shop::Writer;
use support::{Outcome, Stage, folder_bytes, raw_copy, raw_drain, size};

#[tokio::main]
async fn main() -> Outcome<()> {
    let orders = size("BENCH_ORDERS", 10_000);
    let transactions = size("BENCH_TRANSACTIONS", 20_000);
    let stage = Stage::new(orders).await?;
    stage.run_until_caught_up()?;
    let (drained, drain_s) = raw_drain(&stage.mariadb).await?;
    let (copied, copy_s) = raw_copy(&stage.postgres).await?;
    let (drain_rate, copy_rate) = (drained as f64 / drain_s, copied as f64 / copy_s);
    let before = changed_rows(&stage).await?;
    let mut writer = Writer::connect(&stage.mariadb.url_of("homeshop"), 7).await?;
    writer.step(u64::from(transactions)).await?;
    let changes = changed_rows(&stage).await? - before;
    let (elapsed, peak_mib) = stage.run_until_caught_up()?;
    let rate = changes as f64 / elapsed.as_secs_f64();
    println!("catching up on {transactions} transactions, {changes} changed legacy rows");
    println!("raw SELECT drain        {drain_rate:>12.0} rows/s   1.00");
    println!("raw COPY, keyed         {copy_rate:>12.0} rows/s   1.00");
    println!(
        "engine, row changes     {rate:>12.0} /s       {:.3} of the drain, {:.3} of the COPY",
        rate / drain_rate,
        rate / copy_rate
    );
    println!("engine, transactions    {:>12.0} /s", f64::from(transactions) / elapsed.as_secs_f64());
    println!("engine, whole catch-up  {:>12.1} s (start and end included)", elapsed.as_secs_f64());
    println!("engine, peak memory     {peak_mib:>12} MiB");
    println!("engine, state on disk   {:>12} MiB of {} legacy rows", folder_bytes(&stage.state_path()) >> 20, stage.row_count);
    Ok(())
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
