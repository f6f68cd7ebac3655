//! Rehearsal: a first load while the shop goes on, killed again and again, live at its end, verified; at several sizes in one run.
//!
//! Back of the envelope: the cost of a legacy row must not grow with their number, so the times of the sizes are as their rows, but for what each kill costs: a
//! start, the chunk and the slice at hand, and the indexes or groups that were being made. Memory is bounded, the state grows with the rows.
//!
//! `REHEARSAL_ORDERS` is a list of sizes (default `50000,200000`, about eleven legacy rows each), `REHEARSAL_KILLS` how often the engine is killed in each (default 3),
//! `REHEARSAL_RATE` how many transactions a second the shop writes meanwhile (default 20). Kills come by chance within the time that a size takes at 80,000 rows/s. Fails
//! where a row differs, where the engine was live before all kills had come, and where it took more memory than its 512 MiB.

#[allow(dead_code)]
mod support;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use strangler::demo::shop::Writer;
use support::{Outcome, Stage, folder_bytes, size};
use tokio::sync::watch;

/// How fast kills take the load to be.
const ROWS_PER_S: f64 = 110_000.0;

/// The memory that the engine may take.
const CAP_MIB: u64 = 512;

/// What a size came to.
struct Figures {
    orders: u32,
    row_count: u64,
    seconds: f64,
    kills: u32,
    kills_asked: u32,
    peak_mib: u64,
    state_bytes: u64,
    written: u64,
    verify_s: f64,
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let sizes = std::env::var("REHEARSAL_ORDERS").unwrap_or_else(|_| "50000,200000".to_owned());
    let sizes = sizes.split(',').map(|text| text.trim().parse::<u32>()).collect::<Result<Vec<_>, _>>()?;
    let mut all = Vec::new();
    for orders in sizes {
        let figures = rehearse(orders).await?;
        all.push(figures);
        print(&all);
    }
    let missed: Vec<String> = all.iter().filter_map(missed).collect();
    if missed.is_empty() { Ok(()) } else { Err(missed.join("; ").into()) }
}

/// What a size did not keep, if anything.
fn missed(figures: &Figures) -> Option<String> {
    let Figures { orders, kills, kills_asked, peak_mib, .. } = *figures;
    let fewer =
        (kills < kills_asked).then(|| format!("{orders} orders: killed {kills} times of {kills_asked}, it was live before"));
    let more = (peak_mib > CAP_MIB).then(|| format!("{orders} orders: {peak_mib} MiB of memory, more than {CAP_MIB}"));
    let missed: Vec<String> = fewer.into_iter().chain(more).collect();
    (!missed.is_empty()).then(|| missed.join("; "))
}

fn print(all: &[Figures]) {
    println!(
        "orders      legacy rows  live after  rows/s    us/row  kills  peak memory  state     bytes/row  written meanwhile  verify"
    );
    for figures in all {
        let (rows, seconds) = (figures.row_count as f64, figures.seconds);
        println!(
            "{:<10} {:>12}  {:>8.1} s  {:>7.0}  {:>6.1}  {:>5}  {:>7} MiB  {:>5} MiB  {:>8.1}  {:>17}  clean, {:.1} s",
            figures.orders,
            figures.row_count,
            seconds,
            rows / seconds,
            seconds * 1e6 / rows,
            figures.kills,
            figures.peak_mib,
            figures.state_bytes >> 20,
            figures.state_bytes as f64 / rows,
            figures.written,
            figures.verify_s
        );
    }
}

async fn rehearse(orders: u32) -> Outcome<Figures> {
    eprintln!("{orders} orders: the legacy database is filled");
    let stage = Stage::new(orders).await?;
    eprintln!("{orders} orders: {} legacy rows; the engine begins", stage.row_count);
    let (stop, stopped) = watch::channel(false);
    let writing = tokio::spawn(write(stage.mariadb.url_of("homeshop"), stopped));
    let began = Instant::now();
    let (mut kills_left, mut peak_mib) = (size("REHEARSAL_KILLS", 3), 0);
    let kills = kills_left;
    let mut random = fastrand::Rng::with_seed(u64::from(orders));
    let life_s = stage.row_count as f64 / ROWS_PER_S / f64::from(kills + 1);
    loop {
        let after = (kills_left > 0).then(|| Duration::from_secs_f64((0.5 + random.f64() / 2.0) * life_s));
        let (is_done, peak) = live(&stage, after)?;
        peak_mib = peak_mib.max(peak);
        if is_done {
            break;
        }
        kills_left -= 1;
        eprintln!("{orders} orders: killed after {:.1} s", began.elapsed().as_secs_f64());
    }
    let seconds = began.elapsed().as_secs_f64();
    stop.send_replace(true);
    let written = writing.await??;
    // What was written since the goal of the last life was read.
    live(&stage, None)?;
    let verify_s = verified(&stage)?;
    Ok(Figures {
        orders,
        row_count: stage.row_count,
        seconds,
        kills: kills - kills_left,
        kills_asked: kills,
        peak_mib,
        state_bytes: folder_bytes(&stage.state_path()),
        written,
        verify_s,
    })
}

/// The shop goes on until it is told to stop; answers its transactions.
async fn write(url: String, stopped: watch::Receiver<bool>) -> Outcome<u64> {
    let mut writer = Writer::connect(&url, 11).await?;
    let mut pace = tokio::time::interval(Duration::from_secs_f64(1.0 / f64::from(size("REHEARSAL_RATE", 20).max(1))));
    let mut written = 0;
    while !*stopped.borrow() {
        pace.tick().await;
        writer.step(1).await?;
        written += 1;
    }
    Ok(written)
}

fn strangler(stage: &Stage, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strangler"));
    command.args(arguments).arg("--config").arg(stage.folder.path().join("strangler.yaml"));
    command.env("BENCH_SOURCE_PASSWORD", stage.mariadb.password()).env("BENCH_TARGET_PASSWORD", stage.postgres.password());
    command.stdin(Stdio::null());
    command
}

/// One life of an engine, killed when its time is over: whether it came to its end, and the peak of its memory in MiB.
fn live(stage: &Stage, killed_after: Option<Duration>) -> Outcome<(bool, u64)> {
    let path = stage.folder.path().join("run.log");
    let (log, began) = (std::fs::File::create(&path)?, Instant::now());
    let mut child = strangler(stage, &["run", "--until-caught-up"]).stdout(Stdio::null()).stderr(log).spawn()?;
    let mut peak_mib = 0;
    loop {
        peak_mib = peak_mib.max(peak_of(&child));
        match child.try_wait()? {
            Some(status) if status.success() => return Ok((true, peak_mib)),
            Some(status) => return Err(told(&path, &format!("the engine ended with {status}"))),
            None if killed_after.is_some_and(|after| began.elapsed() >= after) => {
                child.kill()?;
                child.wait()?;
                return Ok((false, peak_mib));
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn told(log: &Path, what: &str) -> Box<dyn std::error::Error + Send + Sync> {
    format!("{what}:\n{}", std::fs::read_to_string(log).unwrap_or_default()).into()
}

/// The most memory of a process so far, MiB.
fn peak_of(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) >> 10
}

/// Every target row against the source's own answer; seconds.
fn verified(stage: &Stage) -> Outcome<f64> {
    let (path, began) = (stage.folder.path().join("verify.log"), Instant::now());
    let log = std::fs::File::create(&path)?;
    let status = strangler(stage, &["verify", "--full-scan"]).stdout(log.try_clone()?).stderr(log).status()?;
    match status.success() {
        true => Ok(began.elapsed().as_secs_f64()),
        false => Err(told(&path, &format!("verify ended with {status}"))),
    }
}
