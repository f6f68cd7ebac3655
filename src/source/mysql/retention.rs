//! How long the binary log is kept, from the server's settings and the files that are there.

use std::collections::BTreeMap;

use super::connect::{Pool, Use};
use super::select::all_rows;
use crate::error::{Class, Result};
use crate::source::retention::Retention;

const SETTINGS: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('binlog_expire_logs_seconds', 'expire_logs_days', \
     'binlog_expire_logs_auto_purge', 'max_binlog_total_size')";
const COUNTERS: &str = "SHOW GLOBAL STATUS WHERE Variable_name IN ('Uptime', 'Binlog_bytes_written')";

/// Asks the server; a list of files that the account may not see is left out.
///
/// # Errors
/// Connection errors.
pub async fn read(pool: &Pool) -> Result<Retention> {
    let (limit, mut lease) = (pool.answer_limit(), pool.lease(Use::Rows).await?);
    let settings = named(all_rows(lease.conn(), limit, "read how long the log is kept", SETTINGS).await?);
    let counters = named(all_rows(lease.conn(), limit, "read how fast the log grows", COUNTERS).await?);
    let files = match all_rows(lease.conn(), limit, "list the binary logs", "SHOW BINARY LOGS").await {
        Err(error) if error.class() == Class::Privilege => None,
        other => Some(other?),
    };
    lease.give_back().await?;
    Ok(of(&pool.options().name, &settings, &counters, files.as_deref()))
}

fn named(rows: Vec<Vec<String>>) -> BTreeMap<String, String> {
    rows.into_iter().filter_map(|row| Some((row.first()?.to_lowercase(), row.get(1)?.clone()))).collect()
}

fn of(
    source: &str,
    settings: &BTreeMap<String, String>,
    counters: &BTreeMap<String, String>,
    files: Option<&[Vec<String>]>,
) -> Retention {
    let number =
        |of: &BTreeMap<String, String>, name: &str| of.get(name).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    let seconds = number(settings, "binlog_expire_logs_seconds").max(number(settings, "expire_logs_days") * 86_400.0);
    let is_purged =
        settings.get("binlog_expire_logs_auto_purge").is_none_or(|word| word.eq_ignore_ascii_case("on") || word == "1");
    let kept_s = (seconds > 0.0 && is_purged).then_some(seconds as u64);
    let kept_bytes = Some(number(settings, "max_binlog_total_size")).filter(|bytes| *bytes > 0.0).map(|bytes| bytes as u64);
    let held_bytes = files.map(|files| files.iter().filter_map(|row| row.get(1)?.parse::<u64>().ok()).sum::<u64>());
    let uptime_s = number(counters, "uptime").max(1.0);
    let written = number(counters, "binlog_bytes_written");
    let log_bytes_per_s = match held_bytes {
        _ if written > 0.0 => Some(written / uptime_s),
        // MySQL does not count. What is there was written since the start or within the retention; files from before the start make it more.
        Some(held) => Some(held as f64 / kept_s.map_or(uptime_s, |kept| uptime_s.min(kept as f64))),
        None => None,
    };
    Retention {
        source: source.to_owned(),
        kept_s,
        kept_bytes,
        held_bytes,
        oldest_file: files.and_then(|files| files.first()?.first().cloned()),
        log_bytes_per_s: log_bytes_per_s.map(|rate| rate.ceil() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn f02_the_retention_is_read_from_either_setting() {
        let files = [vec!["b.000007".to_owned(), "600000".to_owned()], vec!["b.000008".to_owned(), "400000".to_owned()]];
        let mariadb = map(&[("expire_logs_days", "0.5"), ("max_binlog_total_size", "0")]);
        let kept = of("erp", &mariadb, &map(&[("uptime", "100"), ("binlog_bytes_written", "5000")]), Some(&files));
        assert_eq!((kept.kept_s, kept.kept_bytes, kept.held_bytes), (Some(43_200), None, Some(1_000_000)));
        assert_eq!((kept.oldest_file.as_deref(), kept.log_bytes_per_s), (Some("b.000007"), Some(50)));
        let mysql = map(&[("binlog_expire_logs_seconds", "500"), ("binlog_expire_logs_auto_purge", "ON")]);
        let kept = of("erp", &mysql, &map(&[("uptime", "100000")]), Some(&files));
        assert_eq!((kept.kept_s, kept.log_bytes_per_s), (Some(500), Some(2_000)));
        let never = map(&[("binlog_expire_logs_seconds", "500"), ("binlog_expire_logs_auto_purge", "OFF")]);
        assert_eq!(of("erp", &never, &map(&[]), None).kept_s, None);
        assert_eq!(of("erp", &map(&[]), &map(&[]), None).log_bytes_per_s, None);
    }
}
