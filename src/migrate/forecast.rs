//! Forecast: whether the disk and the source's log last until a first load has caught up, and what to do if not.
//!
//! During the load the stream is spooled to this machine's disk and acknowledged, so that the source may forget its log as it writes it. Behind the load
//! what is spooled is derived, and only then the log is read again. What can run out is therefore, in this order: the disk of the state
//! folder; the bound of the spool, from which on the stream stands still and the source's own retention begins to count; the retention while the
//! spool is derived; and at any time the retention while no engine runs.

use serde::{Deserialize, Serialize};

use super::outbox_forecast::OutboxForecast;
use crate::source::retention::Retention;

/// Bytes of spooled changes that are derived per second, where nothing is measured yet: 20,000 changes of about 200 bytes, which is what a machine of
/// two cores does that also runs both servers.
pub const ASSUMED_DERIVED_BYTES_PER_S: u64 = 4 << 20;

/// What is known of a first load, measured or estimated.
#[derive(Debug, Clone, Default)]
pub struct Course {
    /// Seconds until it is done.
    pub left_s: Option<u64>,
    /// Bytes that the spool grows by per second.
    pub spool_bytes_per_s: u64,
    /// Bytes of spooled changes that are derived per second behind the load; 0: not measured.
    pub derived_bytes_per_s: u64,
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
    /// What it is: `disk`, `spool`, `retention` or `catch_up`.
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
    /// Seconds from its end until everything that changed meanwhile is derived, and what changed while that was; absent where the source changes
    /// faster than that.
    #[serde(default)]
    pub catch_up_s: Option<u64>,
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
    // From the bound of the spool to the end of the load nobody reads the log, and not while the spool is derived.
    let until_full_s = spool_left.checked_div(course.spool_bytes_per_s).unwrap_or(u64::MAX);
    let still_s = left_s.saturating_sub(until_full_s);
    let derived_bytes_per_s = match course.derived_bytes_per_s {
        0 => ASSUMED_DERIVED_BYTES_PER_S,
        measured => measured,
    };
    let spool_bytes = course.spool_bytes.saturating_add(spooled.min(spool_left));
    let unread_s = still_s.saturating_add(spool_bytes / derived_bytes_per_s);
    if course.left_s.is_some() && unread_s > 0 {
        let expiring = retention.iter().filter(|kept| {
            kept.reach_s(kept.log_bytes_per_s.unwrap_or(course.spool_bytes_per_s)).is_some_and(|reach| reach < unread_s)
        });
        let expiring: Vec<Shortage> = expiring.map(|kept| expires(kept, still_s, unread_s)).collect();
        if expiring.is_empty() && still_s > 0 {
            shortages.push(spool(still_s));
        }
        shortages.extend(expiring);
    }
    let catch_up_s = caught_up_after(course, unread_s, derived_bytes_per_s);
    // An average of a server's whole log, its beginning included, is no measure of what is mapped: only the spool is.
    if course.spool_bytes > 0 && course.left_s.is_some() && catch_up_s.is_none() {
        shortages.push(never_catches_up(course.spool_bytes_per_s, derived_bytes_per_s));
    }
    Forecast {
        left_s: course.left_s,
        catch_up_s,
        spool_bytes_per_s: course.spool_bytes_per_s,
        disk_bytes_needed,
        disk_bytes_free: course.free_bytes,
        retention,
        shortages,
        outboxes: Vec::new(),
    }
}

/// Seconds until what was not read for `unread_s`, and what came while that was derived, is derived; `None` if more comes than that.
fn caught_up_after(course: &Course, unread_s: u64, derived_bytes_per_s: u64) -> Option<u64> {
    let gained = derived_bytes_per_s.checked_sub(course.spool_bytes_per_s).filter(|gained| *gained > 0)?;
    let behind_s = u128::from(unread_s) * u128::from(derived_bytes_per_s) / u128::from(gained);
    Some(u64::try_from(behind_s).unwrap_or(u64::MAX))
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

fn never_catches_up(spool_bytes_per_s: u64, derived_bytes_per_s: u64) -> Shortage {
    let message = format!(
        "changes come in at {} KiB/s, and about {} KiB/s are derived: behind the load the engine would not catch up",
        spool_bytes_per_s >> 10,
        derived_bytes_per_s >> 10
    );
    let remedy = "begin when less is written, map fewer columns and tables, or split the mappings over several engines";
    shortage("catch_up", message, remedy.to_owned())
}

fn expires(kept: &Retention, still_s: u64, unread_s: u64) -> Shortage {
    let before = match still_s {
        0 => String::new(),
        _ => format!("the spool reaches its bound {} h before the load ends; ", hours(still_s)),
    };
    let message = format!(
        "{before}until what was spooled is derived nobody reads the log for {} h, and source {} removes log that is not read for so long",
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
            derived_bytes_per_s: 0,
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
    fn while_the_spool_has_room_a_retention_need_only_last_while_it_is_derived() {
        // Ten hours at 1 MiB/s are derived in two and a half.
        let found = forecast(&course(), kept(Some(10_000), None));
        assert_eq!(found.shortages, []);
        assert_eq!(found.disk_bytes_needed, (10 << 30) + (36_000 << 20));
        assert_eq!(found.catch_up_s, Some(12_000), "a third more comes meanwhile");
        let found = forecast(&course(), kept(Some(8_000), None));
        let [log] = found.shortages.as_slice() else { panic!("{found:?}") };
        assert!(
            log.of == "retention" && log.message.starts_with("until what was spooled") && log.message.contains("2.5 h"),
            "{log:?}"
        );
        let measured = Course { derived_bytes_per_s: 6 << 20, ..course() };
        assert_eq!(forecast(&measured, kept(Some(8_000), None)).shortages, [], "a faster machine needs less");
    }

    #[test]
    fn a_source_that_changes_faster_than_changes_are_derived_is_told() {
        let busy = Course { spool_bytes_per_s: 5 << 20, spool_bytes_max: u64::MAX, free_bytes: None, ..course() };
        assert_eq!(forecast(&busy, kept(None, None)).shortages, [], "nothing is spooled yet");
        let found = forecast(&Course { spool_bytes: 1, ..busy }, kept(None, None));
        assert_eq!(found.catch_up_s, None);
        let [behind] = found.shortages.as_slice() else { panic!("{found:?}") };
        assert!(
            behind.of == "catch_up" && behind.message.contains("5120 KiB/s") && behind.message.contains("4096 KiB/s"),
            "{behind:?}"
        );
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
        // The stream stands still for the last nine hours, and what is spooled is derived in another quarter of one.
        let found = forecast(&small, kept(Some(8 * 3_600), None));
        let [log] = found.shortages.as_slice() else { panic!("{found:?}") };
        assert!(
            log.of == "retention"
                && log.message.contains("9.0 h")
                && log.message.contains("9.3 h")
                && log.remedy.contains("binlog_expire_logs_seconds"),
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
