//! What the operating system says of processes: processor time with all children, memory, and how busy the machine is.

use std::collections::BTreeMap;

/// Ticks of `/proc` in a second; the kernel reports in these whatever its own clock is.
const TICKS_PER_S: f64 = 100.0;

/// Seconds of processor time so far of a process, of its ended children and of those that run.
pub fn cpu_s(id: u32) -> f64 {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let stats: BTreeMap<u32, Stat> =
        all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter_map(|id| Some((id, Stat::of(id)?))).collect();
    let children = stats.values().filter(|stat| stat.parent == id).map(|stat| stat.own_s + stat.ended_s);
    stats.get(&id).map_or(0.0, |stat| stat.own_s + stat.ended_s) + children.sum::<f64>()
}

/// The same of a process alone.
pub fn own_s(id: u32) -> f64 {
    Stat::of(id).map_or(0.0, |stat| stat.own_s)
}

/// The same of those children that a predicate on their title picks.
pub fn cpu_of_children_s(id: u32, is_meant: impl Fn(&str) -> bool) -> f64 {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let children = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).filter_map(|child| {
        let stat = Stat::of(child).filter(|stat| stat.parent == id)?;
        let title = std::fs::read_to_string(format!("/proc/{child}/cmdline")).ok()?;
        is_meant(&title).then_some(stat.own_s)
    });
    children.sum()
}

/// `/proc/ID/stat`, as far as it matters here.
struct Stat {
    parent: u32,
    own_s: f64,
    /// Of children that were waited for.
    ended_s: f64,
}

impl Stat {
    fn of(id: u32) -> Option<Self> {
        let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name stands in parentheses and may contain any: what follows its last one is regular.
        let fields: Vec<&str> = text.rsplit_once(") ")?.1.split_whitespace().collect();
        let seconds = |at: usize| Some(fields.get(at)?.parse::<u64>().ok()? as f64 / TICKS_PER_S);
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own_s: seconds(11)? + seconds(12)?,
            ended_s: seconds(13)? + seconds(14)?,
        })
    }
}

/// Seconds that all processors of the machine were busy so far.
pub fn machine_busy_s() -> f64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks =
        text.lines().next().into_iter().flat_map(str::split_whitespace).skip(1).map(|field| field.parse().unwrap_or(0_u64));
    // user, nice, system, idle, iowait, irq, softirq, steal; what follows is contained in user and nice.
    ticks.take(8).enumerate().filter(|(place, _)| ![3, 4].contains(place)).map(|(_, ticks)| ticks as f64 / TICKS_PER_S).sum()
}

/// The most memory of a process so far, MiB.
pub fn peak_mib(id: u32) -> u64 {
    memory_kib(id, "VmHWM:") / 1_024
}

/// The memory of a process now, MiB.
pub fn resident_mib(id: u32) -> u64 {
    memory_kib(id, "VmRSS:") / 1_024
}

fn memory_kib(id: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
