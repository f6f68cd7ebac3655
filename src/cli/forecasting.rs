//! Forecasting: whether disk and log last for a first load, before it from estimates and while it runs from what is measured.

use std::path::Path;

use super::project::{Planned, Project};
use super::text;
use crate::config::Project as Config;
use crate::error::{Class, Error, Result};
use crate::finding::{Finding, Severity};
use crate::migrate::EngineOptions;
use crate::migrate::forecast::{Course, Forecast, Shortage, forecast};
use crate::review::preflight::Report;
use crate::review::preview::{self, Preview};
use crate::source::Source;
use crate::source::retention::Retention;
use crate::state::disk;

/// Legacy rows per second from the first read to live, where nothing is measured yet: what a machine of two cores does that also runs both servers
/// (`docs/capacity.md`: 12 to 16 µs a row; the slower of the two).
pub const ASSUMED_ROWS_PER_S: u64 = 60_000;

/// A forecast from estimates.
pub struct Before {
    /// What is forecast.
    pub forecast: Forecast,
    /// Bytes of the state when the load is done.
    pub state_bytes: u64,
    /// Rows of the legacy tables.
    pub row_count: u64,
}

/// What this account may write on the disk of a folder that may not be there yet.
#[must_use]
pub fn free_bytes(folder: &Path) -> Option<u64> {
    // A relative path ends above its first part, which is the working folder.
    let folders = folder.ancestors().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    folders.into_iter().find(|folder| folder.exists()).and_then(disk::free_bytes)
}

/// Forecasts the first load of a plan.
///
/// # Errors
/// A source cannot be asked.
pub async fn before(project: &Project, planned: &Planned) -> Result<Before> {
    let preview = preview::preview(&planned.plan, &planned.catalog, &|_, _| Vec::new());
    let retention = project.source.retention().await?;
    Ok(of_estimates(&project.config, &preview, retention, |source| {
        let own = planned.catalog.of_source(source).unwrap_or_else(|| planned.catalog.clone());
        own.tables.iter().map(|table| table.row_estimate).sum()
    }))
}

fn of_estimates(config: &Config, preview: &Preview, retention: Vec<Retention>, rows_of: impl Fn(&str) -> u64) -> Before {
    let row_count: u64 = preview.stored.iter().map(|table| table.row_estimate).sum();
    let row_bytes: u64 = preview.stored.iter().map(|table| table.bytes_estimate).sum();
    let mut left_s = row_count.div_ceil(ASSUMED_ROWS_PER_S);
    for source in retention.iter().map(|kept| kept.source.as_str()) {
        let Some(limits) = config.sources.get(source).map(|entry| &entry.limits.limits) else { continue };
        let rows = rows_of(source);
        let by_rows = limits.rows_per_second.map(|rate| rows.div_ceil(rate));
        let bytes = u128::from(row_bytes) * u128::from(rows) / u128::from(row_count.max(1));
        let by_bytes = limits.mb_per_second.map(|rate| u64::try_from(bytes / (u128::from(rate) * 1_000_000)).unwrap_or(u64::MAX));
        left_s = by_rows.into_iter().chain(by_bytes).fold(left_s, u64::max);
    }
    let course = Course {
        left_s: Some(left_s),
        derived_bytes_per_s: 0,
        spool_bytes_per_s: retention.iter().filter_map(|kept| kept.log_bytes_per_s).sum(),
        state_bytes_more: preview.state_bytes_estimate,
        spool_bytes: 0,
        spool_bytes_max: EngineOptions::default().spool_bytes_max,
        free_bytes: free_bytes(&config.state),
    };
    Before { forecast: forecast(&course, retention), state_bytes: preview.state_bytes_estimate, row_count }
}

/// The shortages of a forecast as findings; estimates may be wrong, so they only warn.
pub fn report(report: &mut Report, forecast: &Forecast) {
    let findings = forecast.shortages.iter().map(|shortage| Finding {
        severity: Severity::Warning,
        check: "forecast",
        object: shortage.of.clone(),
        message: shortage.message.clone(),
        remedy: shortage.remedy.clone(),
    });
    report.add("the first load", findings.collect());
}

/// Refuses a load whose state cannot fit, however wrong the estimates are: half of it is more than is free.
///
/// # Errors
/// `Preflight`.
pub fn fits(before: &Before) -> Result<()> {
    match before.forecast.disk_bytes_free {
        Some(free) if before.state_bytes / 2 > free => {
            let message = format!(
                "the disk of the state folder has {} free, and the state of the first load is estimated at {}",
                text::bytes(free),
                text::bytes(before.state_bytes)
            );
            Err(Error::new(Class::Preflight, message).with_hint("free space, or put `state:` on a larger disk"))
        }
        _ => Ok(()),
    }
}

/// The forecast of `plan` as text.
#[must_use]
pub fn before_text(before: &Before) -> String {
    let forecast = &before.forecast;
    let time = forecast.left_s.map_or_else(|| "-".to_owned(), |seconds| text::duration_ms(seconds.saturating_mul(1_000)));
    let mut lines = vec![format!(
        "  time     about {time} for {}, at {} rows/s (assumed) or the limits of the source; a run measures it",
        text::counted(before.row_count, "legacy row"),
        text::grouped(ASSUMED_ROWS_PER_S)
    )];
    lines.extend(forecast.catch_up_s.filter(|seconds| *seconds > 0).map(|seconds| {
        let time = text::duration_ms(seconds.saturating_mul(1_000));
        format!("  catch-up about {time} behind it, for what the source writes meanwhile")
    }));
    let spool = forecast.disk_bytes_needed.saturating_sub(before.state_bytes);
    let free = forecast.disk_bytes_free.map_or_else(|| "not known".to_owned(), text::bytes);
    lines.push(format!("  disk     state {}, spool {}; free now {free}", text::bytes(before.state_bytes), text::bytes(spool)));
    lines.extend(forecast.retention.iter().map(|kept| format!("  log      {}", kept_words(kept))));
    lines.extend(shortage_lines(&forecast.shortages));
    lines.join("\n")
}

/// `source erp keeps its log for 7 d 0 h, so that an engine may be stopped that long; it writes about 1.0 MiB/s`.
#[must_use]
pub fn kept_words(kept: &Retention) -> String {
    let reach = kept.reach_s(kept.log_bytes_per_s.unwrap_or(0));
    let bytes = kept.kept_bytes.map(|bytes| format!("{} of log", text::bytes(bytes)));
    let age = kept.kept_s.map(|seconds| format!("its log for {}", text::duration_ms(seconds.saturating_mul(1_000))));
    let keeps = [age, bytes].into_iter().flatten().collect::<Vec<_>>().join(" and at most ");
    let stopped = match reach {
        None => String::new(),
        Some(seconds) => {
            format!(", so that an engine may be stopped for about {}", text::duration_ms(seconds.saturating_mul(1_000)))
        }
    };
    let rate = kept.log_bytes_per_s.map_or_else(String::new, |rate| format!("; it writes about {}/s", text::bytes(rate)));
    let there = kept.held_bytes.map_or_else(String::new, |bytes| {
        let oldest = kept.oldest_file.as_ref().map_or_else(String::new, |file| format!(" from {file} on"));
        format!("; {} are there{oldest}", text::bytes(bytes))
    });
    let keeps = if keeps.is_empty() { "its log until somebody removes it".to_owned() } else { keeps };
    format!("source {} keeps {keeps}{stopped}{rate}{there}", kept.source)
}

/// What may not last, with what to do.
#[must_use]
pub fn shortage_lines(shortages: &[Shortage]) -> Vec<String> {
    let two = |shortage: &Shortage| [format!("  warning  {}", shortage.message), format!("           {}", shortage.remedy)];
    shortages.iter().flat_map(two).collect()
}
