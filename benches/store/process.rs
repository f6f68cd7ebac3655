//! What this process and a folder take: memory, processor time, disk. Limit: what the system counts, pages of 4 KiB and hundredths of a second.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::Outcome;

/// The kernel's unit of processor time as it shows it, whatever its own.
const TICKS_PER_S: f64 = 100.0;
/// The unit of the blocks that the system counts.
const BLOCK_BYTES: u64 = 512;

/// A field of this process' status, MiB.
pub fn memory_mib(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0) / 1_024.0
}

/// Seconds of processor time of all threads so far.
pub fn cpu_s() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may hold anything: the state and ten more, then the user's and the system's time.
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_S
}

/// MiB that a folder takes on disk; a file with holes counts for what is written of it.
pub fn disk_mib(folder: &Path) -> Outcome<f64> {
    Ok(blocks(folder)? as f64 * BLOCK_BYTES as f64 / f64::from(1 << 20))
}

fn blocks(folder: &Path) -> Outcome<u64> {
    let mut count = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        count += match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => blocks(&entry.path())?,
            Ok(metadata) => metadata.blocks(),
            // A table that was merged away meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error.into()),
        };
    }
    Ok(count)
}
