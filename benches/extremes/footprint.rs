//! What an engine takes of memory and disk, and what it says of itself meanwhile.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::socket;

/// Between two looks.
const REST: Duration = Duration::from_millis(250);
/// Between two lines of progress.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The peaks, and what was said.
#[derive(Debug, Default)]
pub struct Held {
    /// The most memory, MiB.
    pub memory_mib: u64,
    /// The most on disk in the state folder, files without a name included, MiB.
    pub state_mib: u64,
    /// What status gave as the reason to wait, its numbers left out, with how long; in the order in which they came first.
    said: Vec<(String, Duration)>,
}

impl Held {
    /// What status said, in one line.
    pub fn said(&self) -> String {
        let one = |(words, time): &(String, Duration)| format!("{words} ({:.1} s)", time.as_secs_f64());
        self.said.iter().map(one).collect::<Vec<_>>().join("; ")
    }

    fn add(&mut self, words: String, time: Duration) {
        match self.said.iter_mut().find(|(known, _)| *known == words) {
            Some((_, total)) => *total += time,
            None => self.said.push((words, time)),
        }
    }
}

/// A watch over one engine.
pub struct Footprint {
    thread: JoinHandle<Held>,
    is_over: Arc<AtomicBool>,
}

impl Footprint {
    /// Begins to watch.
    pub fn start(name: &str, id: u32, state: PathBuf) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (name, ends) = (name.to_owned(), Arc::clone(&is_over));
        Self { thread: std::thread::spawn(move || watch(&name, id, &state, &ends)), is_over }
    }

    /// Ends it.
    pub fn stop(self) -> Held {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

fn watch(name: &str, id: u32, state: &Path, ends: &AtomicBool) -> Held {
    let (mut held, began) = (Held::default(), Instant::now());
    let (mut looked, mut printed) = (began, began);
    while !ends.load(Ordering::Relaxed) {
        let status = socket::status(&state.join("control.sock")).unwrap_or_default();
        let state_mib = (folder_bytes(state) + nameless_bytes(id)) >> 20;
        held.state_mib = held.state_mib.max(state_mib);
        held.memory_mib = held.memory_mib.max(memory_mib(id, "VmHWM:"));
        let (now, words) = (Instant::now(), words(&status));
        held.add(words.chars().filter(|letter| !letter.is_ascii_digit()).collect(), now - looked);
        looked = now;
        if printed.elapsed() > LINE_EVERY {
            printed = now;
            println!(
                "[{name}] {:>5.0} s  memory {} MiB (peak {})  state {state_mib} MiB  outbox {} MiB  lag {} ms  {words}",
                began.elapsed().as_secs_f64(),
                memory_mib(id, "VmRSS:"),
                held.memory_mib,
                status["outbox_bytes"].as_u64().unwrap_or(0) >> 20,
                status["mappings"][0]["lag_ms"],
            );
        }
        std::thread::sleep(REST);
    }
    held
}

/// Why it is not idle, as status has it.
fn words(status: &Value) -> String {
    let sweep = &status["sweep"];
    let swept = || format!("{} of {} rows derived", sweep["row_count"], sweep["row_total"]);
    let applying = &status["mappings"][0]["applying"];
    match (status["waiting"].as_str(), sweep.is_object()) {
        (Some(reason), _) => reason.to_owned(),
        (None, true) => swept(),
        (None, false) if applying.is_object() => format!("{} of {} rows sent", applying["row_count"], applying["row_total"]),
        (None, false) if status["mappings"][0]["lag_ms"] == 0 => "nothing to do".into(),
        (None, false) => "behind, no reason given".into(),
    }
}

fn memory_mib(id: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1_024
}

fn folder_bytes(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let bytes_of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()),
        Ok(metadata) => metadata.blocks() * 512,
        Err(_) => 0,
    };
    entries.map(bytes_of).sum()
}

/// Files that a process has open and that have no name any more: what it has spilled.
fn nameless_bytes(id: u32) -> u64 {
    let files = std::fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten();
    let open = files.filter_map(|file| std::fs::metadata(file.path()).ok());
    open.filter(|file| file.is_file() && file.nlink() == 0).map(|file| file.blocks() * 512).sum()
}
