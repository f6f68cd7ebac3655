//! Stores: the state's own store (fjall) beside LMDB on a load like that of live epochs, in one run; which of them the design's rule chooses.
//!
//! The rule (design D11): the engine is bound by its writes, so random bulk puts and epochs decide; where they are close, durability does, and
//! LMDB has no checksums. LMDB comes through `lmdb-rkv`: `heed`, the better kept of its wrappers, opens an environment only from unsafe code, which
//! this crate forbids; opening one here is a safe call. The LMDB within is 0.9.24.
//!
//! Back of the envelope: a get from fjall is 5 to 10 us and a prefix scan 15 to 30 us, from LMDB a fourth and a tenth of that; a put is 2 to 5 us to
//! fjall, wherever it lands, and to LMDB 2 us plus 4 KiB of disk for each page it touches. An epoch has 64 gets, 64 scans and 257 writes: 2 to 4 ms
//! with fjall, 1 to 2 ms with LMDB while its file fits in memory. One sync of the disk, 1 to 10 ms, is shared by 8 epochs. A run at the defaults
//! takes some minutes and 3 GB of disk.
//!
//! Neither measures what the other does not have: fjall checks every block it reads and compresses it, and holds itself to its cache of 128 MiB; LMDB
//! reads through the system's cache of files, which is as large as the machine's free memory. For a machine whose state is larger than its memory run
//! this in a control group with a limit. LMDB is not asked to sync each commit, because the engine is not: without that a power loss may leave its
//! file damaged where the disk does not keep the order of writes. What it does when it syncs each is a line of its own. Its keys
//! end at 511 bytes, those of the engine at 65,531.
//!
//! `STORE_ROWS` (default 2,000,000) sets the base rows, `STORE_EPOCHS` (default 2,000) the epochs, `STORE_WARM_UP` (default a tenth of them) those before
//! them that are not counted, `STORE_BULK` (default half the rows) the rows put in random order. `TMPDIR` is the disk.

#[path = "store/contenders.rs"]
mod contenders;
#[path = "store/load.rs"]
mod load;
#[path = "store/process.rs"]
mod process;

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use contenders::{Contender, Fjall, Lmdb};
use load::{Load, Sizes};

/// The allocator of the engine.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What a run measured, by name.
type Figures = BTreeMap<String, f64>;

/// Tells a child which store is its own.
const ONE: &str = "STORE_ONE";
/// Within this factor stores count as equal: one run does not tell such differences from chance.
const MARGIN: f64 = 1.25;

/// Name and heading of every line of the table, and the digits behind the point.
const LINES: [(&str, &str, usize); 15] = [
    ("fill", "sorted fill, rows/s", 0),
    ("fill_rest", "sorted fill of index and fingerprints, entries/s", 0),
    ("epochs", "epochs/s, every 8th synced", 1),
    ("epoch_p99_ms", "  p99 of an epoch, ms", 2),
    ("epoch_max_ms", "  the slowest epoch, ms", 2),
    ("gets", "  gets/s, 64 at once", 0),
    ("scans", "  prefix scans/s, 64 at once", 0),
    ("puts", "  puts and deletes/s, 257 at once", 0),
    ("epochs_synced", "epochs/s, each synced", 1),
    ("bulk", "random bulk puts/s, 10,000 at once", 0),
    ("disk_filled_mib", "on disk when filled, MiB", 0),
    ("disk_mib", "on disk at the end, MiB", 0),
    ("peak_mib", "growth of peak resident memory, MiB", 0),
    ("own_mib", "growth of memory that is not of files, MiB", 0),
    ("cpu_s", "processor time, s", 1),
];

fn main() -> Outcome<()> {
    let sizes = sizes()?;
    if let Ok(name) = std::env::var(ONE) {
        for (name, figure) in measured(&name, sizes)? {
            println!("{name}\t{figure}");
        }
        return Ok(());
    }
    let Sizes { rows, epochs, warm_up, bulk } = sizes;
    println!("{rows} base rows, {epochs} epochs after {warm_up} to warm up, {bulk} rows in random order; one store at a time");
    let (fjall, lmdb) = (alone("fjall")?, alone("lmdb")?);
    if (figure(&fjall, "answers")? - figure(&lmdb, "answers")?).abs() > 0.5 {
        return Err("the stores do not give the same answers".into());
    }
    println!("{:<52} {:>12} {:>12} {:>12}", "", "fjall", "LMDB", "fjall/LMDB");
    for (name, heading, digits) in LINES {
        let (ours, other) = (figure(&fjall, name)?, figure(&lmdb, name)?);
        println!("{heading:<52} {ours:>12.digits$} {other:>12.digits$} {:>12.2}", ours / other);
    }
    conclusion(&fjall, &lmdb)
}

/// A size from the environment.
fn size(name: &str, default: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn sizes() -> Outcome<Sizes> {
    // Whole groups of index entries.
    let rows = size("STORE_ROWS", 2_000_000) / load::MEMBERS * load::MEMBERS;
    if rows < 1_000 {
        return Err("STORE_ROWS is less than 1,000: there would not be 64 rows and groups to choose from".into());
    }
    let epochs = size("STORE_EPOCHS", 2_000).max(8);
    Ok(Sizes { rows, epochs, warm_up: size("STORE_WARM_UP", epochs / 10), bulk: size("STORE_BULK", rows / 2).max(1) })
}

/// A store in a process of its own, so that the memory of one is not counted for the other.
fn alone(name: &str) -> Outcome<Figures> {
    let output = Command::new(std::env::current_exe()?).env(ONE, name).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{name} ended with {}", output.status).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let figures = text.lines().filter_map(|line| line.split_once('\t'));
    figures.map(|(name, figure)| Ok((name.to_owned(), figure.parse()?))).collect()
}

fn measured(name: &str, sizes: Sizes) -> Outcome<Figures> {
    let folder = tempfile::tempdir()?;
    let load = Load::new(sizes)?;
    let resident_mib = process::memory_mib("VmRSS:");
    let store: Box<dyn Contender> = match name {
        "fjall" => Box::new(Fjall::open(folder.path())?),
        "lmdb" => Box::new(Lmdb::open(folder.path())?),
        other => return Err(format!("there is no store {other}").into()),
    };
    let mut figures = load.run(store.as_ref(), folder.path())?;
    figures.insert("peak_mib".into(), process::memory_mib("VmHWM:") - resident_mib);
    figures.insert("cpu_s".into(), process::cpu_s());
    Ok(figures)
}

fn figure(figures: &Figures, name: &str) -> Outcome<f64> {
    figures.get(name).copied().ok_or_else(|| format!("{name} was not measured").into())
}

/// What the rule says of the figures.
fn conclusion(fjall: &Figures, lmdb: &Figures) -> Outcome<()> {
    let ratio = |ours: &str, other: &str| -> Outcome<f64> { Ok(figure(fjall, ours)? / figure(lmdb, other)?) };
    let (bulk, epochs) = (ratio("bulk", "bulk")?, ratio("epochs", "epochs")?);
    println!(
        "fjall has {bulk:.2} of LMDB's random bulk puts and {epochs:.2} of its epochs, {:.2} in the geometric mean",
        mean(bulk, epochs)
    );
    println!("by these two the rule chooses {}", chosen(mean(bulk, epochs)));
    // What survives a power loss in either store.
    let durable = ratio("epochs", "epochs_synced")?;
    println!(
        "where the disk does not keep the order of writes, LMDB survives a power loss only if it syncs each epoch: \
         fjall, every 8th synced, has {durable:.2} of these epochs, {:.2} in the mean with bulk puts",
        mean(bulk, durable)
    );
    println!("by these two the rule chooses {}", chosen(mean(bulk, durable)));
    Ok(())
}

fn mean(left: f64, right: f64) -> f64 {
    (left * right).sqrt()
}

fn chosen(score: f64) -> String {
    if score >= MARGIN {
        format!("fjall: it is ahead by more than {MARGIN}, and has the checksums")
    } else if score >= 1.0 / MARGIN {
        format!("fjall: they are within {MARGIN} of each other, and LMDB has no checksums")
    } else {
        format!("LMDB: it is ahead by {:.2}, and the engine would have to keep checksums itself", 1.0 / score)
    }
}
