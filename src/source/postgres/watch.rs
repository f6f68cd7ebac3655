//! The watch beside the stream: what the log does not tell, and how much of it the slot holds.
//!
//! A rewrite by ALTER TABLE .. TYPE .. USING, a renamed enum label and a partition that was dropped or detached change rows without a trace
//! in the stream. A rewrite shows as another file of the table together with another version of a column's catalogue row; VACUUM FULL
//! changes the file alone. Asked every few seconds on a connection of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::catalog;
use super::connect::{Lease, OnExceed, Pool};
use super::history;
use crate::error::{Class, Error, Result};
use crate::schema::{DataType, TableName, TableSchema};
use crate::source::Layouts;

/// How often the server is asked.
const EVERY: Duration = Duration::from_secs(10);

/// What the watch has found.
#[derive(Debug)]
pub(super) enum News {
    /// Rows of mapped tables changed without a trace in the log.
    Changed(Vec<TableName>, String),
    /// The slot holds more log than it may.
    SlotLimit(Error),
}

/// The state of a table's files, as the catalogue reader writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Revision {
    /// Object id of the table itself.
    #[serde(default)]
    pub(super) id: String,
    /// Per table or partition its file, by object id.
    pub(super) files: BTreeMap<String, String>,
    /// The partitions that were tables before they were attached, by object id: their rows may be older than that.
    #[serde(default)]
    pub(super) attached: BTreeSet<String>,
    /// Per column the transaction that last wrote its catalogue row.
    pub(super) columns: BTreeMap<String, String>,
}

impl Revision {
    /// The revision of a table that this source's catalogue reader made.
    pub(super) fn of(table: &TableSchema) -> Self {
        serde_json::from_str(&table.revision).unwrap_or_default()
    }
}

/// How a table differs from what was recorded, in a way that the log does not tell.
pub(super) fn difference(recorded: &TableSchema, found: &TableSchema, mapped: &BTreeSet<&str>) -> Option<String> {
    let (before, now) = (Revision::of(recorded), Revision::of(found));
    let name = &recorded.name;
    if before.id != now.id {
        return Some(format!("replaces {name} by another table"));
    }
    if before.files.keys().any(|id| !now.files.contains_key(id)) {
        return Some(format!("drops or detaches a partition of {name}"));
    }
    if now.attached.iter().any(|id| !before.files.contains_key(id)) {
        return Some(format!("attaches a table with its rows to {name}"));
    }
    let moved = before.files.iter().any(|(id, file)| now.files.get(id) != Some(file));
    let rewritten = before.columns.iter().find(|(column, version)| {
        mapped.contains(column.as_str()) && now.columns.get(*column).is_some_and(|now| now != *version)
    });
    if let (true, Some((column, _))) = (moved, rewritten) {
        return Some(format!("rewrites column {name}.{column}"));
    }
    recorded.columns.iter().filter(|column| mapped.contains(column.name.as_str())).find_map(|column| {
        let now = found.columns.iter().find(|candidate| candidate.name == column.name)?;
        let (DataType::NamedEnum { labels: before, .. }, DataType::NamedEnum { labels: after, .. }) =
            (&column.data_type, &now.data_type)
        else {
            return None;
        };
        let gone = before.iter().any(|label| !after.contains(label));
        gone.then(|| format!("renames a label of the type of column {name}.{}", column.name))
    })
}

/// Compares the mapped tables with what was recorded.
///
/// # Errors
/// Errors of the server.
pub(super) async fn compare(lease: &Lease, recorded: &[TableSchema], layouts: &Layouts) -> Result<Option<News>> {
    let names: Vec<TableName> = layouts.iter().map(|layout| layout.name.clone()).collect();
    let (found, _) = catalog::read(lease, &names).await?;
    for layout in layouts.iter() {
        let Some(before) = recorded.iter().find(|table| table.name == layout.name) else { continue };
        let mapped: BTreeSet<&str> = layout.columns.iter().map(|column| column.column.name.as_str()).collect();
        let described = match found.iter().find(|found| found.table.name == layout.name) {
            None => Some(format!("drops or renames {}", layout.name)),
            Some(now) => difference(before, &now.table, &mapped),
        };
        if let Some(description) = described {
            return Ok(Some(News::Changed(vec![layout.name.clone()], description)));
        }
    }
    Ok(None)
}

/// Watches until something is found; `None` if nobody listens any more. A server that cannot be asked is the stream's concern.
pub(super) async fn watch(
    pool: &Arc<Pool>,
    recorded: Vec<TableSchema>,
    layouts: Layouts,
    news: &mpsc::Sender<News>,
) -> Option<News> {
    let mut warned = false;
    loop {
        tokio::time::sleep(EVERY).await;
        if news.is_closed() {
            return None;
        }
        match look(pool, &recorded, &layouts, &mut warned).await {
            Ok(Some(found)) => return Some(found),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the source could not be asked about its slot and its catalogue"),
        }
    }
}

async fn look(pool: &Arc<Pool>, recorded: &[TableSchema], layouts: &Layouts, warned: &mut bool) -> Result<Option<News>> {
    let lease = pool.own().await?;
    let options = pool.options();
    if let Some(slot) = history::slot(&lease, &options.slot).await? {
        if let Some(limit) = options.slot_limit.filter(|limit| slot.held_bytes > limit.bytes_max) {
            let message = format!(
                "replication slot {} holds {} bytes of log on the source, more than its limit of {}",
                options.slot, slot.held_bytes, limit.bytes_max
            );
            let hint = match limit.on_exceed {
                OnExceed::Drop => "the slot is dropped, as slot_limit.on_exceed says: run `strangler run --rebuild`",
                OnExceed::Stop => "give the target the time to catch up with a higher slot_limit, or run `strangler reset`",
            };
            return Ok(Some(News::SlotLimit(Error::new(Class::Person, message).with_hint(hint))));
        }
        let warning = slot.warning(options.slot_limit);
        if let Some(warning) = &warning
            && !*warned
        {
            tracing::warn!(
                slot = %options.slot, held_bytes = slot.held_bytes, status = %slot.status, safe_bytes = ?slot.safe_bytes, "{warning}"
            );
        }
        *warned = warning.is_some();
    }
    let found = compare(&lease, recorded, layouts).await?;
    lease.give_back();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(files: &[(&str, &str)], columns: &[(&str, &str)]) -> TableSchema {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        TableSchema {
            name: TableName { schema: "s".into(), name: "t".into() },
            columns: vec![],
            primary_key: None,
            unique_keys: vec![],
            engine: "heap".into(),
            transactional: true,
            comment: String::new(),
            row_estimate: 0,
            revision: serde_json::to_string(&revision(&map(files), &map(columns))).unwrap(),
        }
    }

    fn revision(files: &BTreeMap<String, String>, columns: &BTreeMap<String, String>) -> Revision {
        Revision { files: files.clone(), columns: columns.clone(), ..Revision::default() }
    }

    #[test]
    fn a_rewrite_needs_a_new_file_and_a_new_column_row() {
        let before = table(&[("1", "10")], &[("a", "7"), ("b", "7")]);
        let mapped = BTreeSet::from(["a"]);
        let differs = |now: &TableSchema| difference(&before, now, &mapped);
        assert_eq!(differs(&table(&[("1", "11")], &[("a", "7"), ("b", "7")])), None, "VACUUM FULL");
        assert_eq!(differs(&table(&[("1", "10")], &[("a", "9"), ("b", "7")])), None, "SET STATISTICS");
        assert_eq!(differs(&table(&[("1", "11")], &[("a", "7"), ("b", "9")])), None, "an unmapped column");
        assert_eq!(differs(&table(&[("1", "11")], &[("a", "9")])).as_deref(), Some("rewrites column s.t.a"));
        assert!(
            differs(&table(&[("2", "10")], &[("a", "7")])).is_some(),
            "another table of the name, or a partition that is gone"
        );
        assert_eq!(differs(&table(&[("1", "10"), ("2", "20")], &[("a", "7")])), None, "a new partition");
    }
}
