//! Forecast: whether the disk and the source's log last until a first load has caught up, and what to do if not.
//!
//! During the load the stream is spooled to this machine's disk and acknowledged, so that the source may forget its log as it writes it. What can
//! run out is therefore, in this order: the disk of the state folder; the bound of the spool, from which on the stream stands still and the
//! source's own retention begins to count; and at any time the retention while no engine runs.

use serde::{Deserialize, Serialize};

use super::outbox_forecast::OutboxForecast;
use crate::source::retention::Retention;

/// What is known of a first load, measured or estimated.
#[derive(Debug, Clone, Default)]
pub struct Course {
    /// Seconds until it is done.
    pub left_s: Option<u64>,
    /// Bytes that the spool grows by per second.
    pub spool_bytes_per_s: u64,
    /// Bytes that the state will still grow by.
    pub state_bytes_more: u64,
    /// Bytes in the spool.
    pub spool_bytes: u64,
    /// The bound of the spool, bytes.
    pub spool_bytes_max: u64,
    /// Bytes that are free on the disk of the state folder.
    pub free_bytes: Option<u64>,
}

/// One thing that may not last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    /// What it is: `disk`, `spool` or `retention`.
    pub of: String,
    /// In words.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// What a first load needs, and whether it gets it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    /// Seconds until the load is done; absent where nobody can tell yet.
    pub left_s: Option<u64>,
    /// Bytes that the spool grows by per second.
    pub spool_bytes_per_s: u64,
    /// Bytes that will still be written to the disk of the state folder.
    pub disk_bytes_needed: u64,
    /// Bytes that are free on it.
    pub disk_bytes_free: Option<u64>,
    /// What each source keeps of its log.
    pub retention: Vec<Retention>,
    /// What may not last.
    pub shortages: Vec<Shortage>,
    /// The outboxes that fill or are emptied, once the first load is done.
    #[serde(default)]
    pub outboxes: Vec<OutboxForecast>,
}

/// Forecasts.
#[must_use]
pub fn forecast(course: &Course, retention: Vec<Retention>) -> Forecast {
    let left_s = course.left_s.unwrap_or(0);
    let spooled = course.spool_bytes_per_s.saturating_mul(left_s);
    let spool_left = course.spool_bytes_max.saturating_sub(course.spool_bytes);
    let disk_bytes_needed = course.state_bytes_more.saturating_add(spooled.min(spool_left));
    let mut shortages = Vec::new();
    shortages.extend(course.free_bytes.filter(|free| *free < disk_bytes_needed).map(|free| disk(free, disk_bytes_needed)));
    // From the bound of the spool to the end of the load nobody reads the log.
    let until_full_s = spool_left.checked_div(course.spool_bytes_per_s).unwrap_or(u64::MAX);
    let unread_s = left_s.saturating_sub(until_full_s);
    if unread_s > 0 {
        let expiring = retention.iter().filter(|kept| {
            kept.reach_s(kept.log_bytes_per_s.unwrap_or(course.spool_bytes_per_s)).is_some_and(|reach| reach < unread_s)
        });
        let expiring: Vec<Shortage> = expiring.map(|kept| expires(kept, unread_s)).collect();
        if expiring.is_empty() {
            shortages.push(spool(unread_s));
        }
        shortages.extend(expiring);
    }
    Forecast {
        left_s: course.left_s,
        spool_bytes_per_s: course.spool_bytes_per_s,
        disk_bytes_needed,
        disk_bytes_free: course.free_bytes,
        retention,
        shortages,
        outboxes: Vec::new(),
    }
}

fn shortage(of: &str, message: String, remedy: String) -> Shortage {
    Shortage { of: of.to_owned(), message, remedy }
}

fn disk(free: u64, needed: u64) -> Shortage {
    let message = format!(
        "the disk of the state folder has {} MiB free, and about {} MiB more will be written",
        free >> 20,
        needed.div_ceil(1 << 20)
    );
    let remedy = "free space, or put `state:` on a larger disk before the run begins; a full disk stops the run, which goes on once there is room";
    shortage("disk", message, remedy.to_owned())
}

fn spool(unread_s: u64) -> Shortage {
    let message =
        format!("the spool reaches its bound, and the stream stands still for the last {} h of the load", hours(unread_s));
    shortage(
        "spool",
        message,
        "nothing is lost: the source keeps its log that long; a faster load (more `connections`) shortens it".to_owned(),
    )
}

fn expires(kept: &Retention, unread_s: u64) -> Shortage {
    let message = format!(
        "the spool reaches its bound {} h before the load ends, and source {} removes log that is not read for so long",
        hours(unread_s),
        kept.source
    );
    let remedy = match kept.kept_s {
        Some(_) => format!(
            "keep the binary log for at least {} s more (binlog_expire_logs_seconds, on MariaDB also expire_logs_days), load with more `connections` or fewer mappings at once",
            unread_s.saturating_mul(2)
        ),
        None => {
            "raise max_slot_wal_keep_size or `slot_limit.max_retained`, load with more `connections` or fewer mappings at once"
                .to_owned()
        }
    };
    shortage("retention", message, remedy)
}

/// `12.3`.
fn hours(seconds: u64) -> String {
    let tenths = seconds.div_ceil(360);
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course() -> Course {
        Course {
            left_s: Some(36_000),
            spool_bytes_per_s: 1 << 20,
            state_bytes_more: 10 << 30,
            spool_bytes: 0,
            spool_bytes_max: 64 << 30,
            free_bytes: Some(100 << 30),
        }
    }

    fn kept(kept_s: Option<u64>, kept_bytes: Option<u64>) -> Vec<Retention> {
        vec![Retention { source: "erp".into(), kept_s, kept_bytes, ..Retention::default() }]
    }

    #[test]
    fn while_the_spool_has_room_a_short_retention_is_no_danger() {
        let found = forecast(&course(), kept(Some(3_600), None));
        assert_eq!(found.shortages, []);
        assert_eq!(found.disk_bytes_needed, (10 << 30) + (36_000 << 20));
    }

    #[test]
    fn f88_a_disk_that_is_too_small_is_told_with_both_sizes() {
        let found = forecast(&Course { free_bytes: Some(20 << 30), ..course() }, kept(None, None));
        let [disk] = found.shortages.as_slice() else { panic!("{found:?}") };
        assert!(disk.of == "disk" && disk.message.contains("20480 MiB free") && disk.message.contains("46240 MiB"), "{disk:?}");
    }

    #[test]
    fn f02_beyond_the_spool_the_retention_of_the_source_decides() {
        let small = Course { spool_bytes_max: 3_600 << 20, ..course() };
        // The stream stands still for the last nine hours.
        let found = forecast(&small, kept(Some(8 * 3_600), None));
        let [log] = found.shortages.as_slice() else { panic!("{found:?}") };
        assert!(
            log.of == "retention" && log.message.contains("9.0 h") && log.remedy.contains("binlog_expire_logs_seconds"),
            "{log:?}"
        );
        let found = forecast(&small, kept(Some(10 * 3_600), None));
        assert_eq!(found.shortages.iter().map(|shortage| shortage.of.as_str()).collect::<Vec<_>>(), ["spool"]);
        let found = forecast(&small, kept(None, Some(20 << 30)));
        assert!(found.shortages.iter().any(|shortage| shortage.remedy.contains("max_slot_wal_keep_size")), "{found:?}");
    }

    #[test]
    fn what_cannot_be_told_is_no_shortage() {
        let unknown = Course { left_s: None, free_bytes: None, ..course() };
        assert_eq!(forecast(&unknown, kept(Some(1), None)).shortages, []);
    }
}
