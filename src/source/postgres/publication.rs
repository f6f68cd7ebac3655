//! The publication: which tables and columns the server puts into our stream.
//!
//! Made before the slot, so that no change that the slot decodes is older than it. Columns are listed where the server can (15 and later)
//! and where it is safe: not with REPLICA IDENTITY FULL, where a list would make the application's own updates fail, and not on partitioned
//! tables, whose partitions are published one by one so that their truncation is seen.

use std::time::Duration;

use super::catalog::Found;
use super::connect::{Lease, cell};
use super::failure::malformed;
use super::names::{identifier, literal, table};
use crate::change::Visibility;
use crate::error::{Class, Error, Result};
use crate::schema::TableLayout;
use crate::source::Layouts;

/// How often it is asked whether older transactions have ended.
const SETTLE_PAUSE: Duration = Duration::from_millis(100);
/// The first version with column lists.
const COLUMN_LISTS: u32 = 150_000;

/// The first version that can log generated columns: those that a list names, and all stored ones if the publication says so.
const GENERATED_COLUMNS: u32 = 180_000;

/// The statement that makes it; `generated` asks for stored generated columns of tables without a list.
pub(super) fn create_statement(name: &str, tables: &str, generated: bool) -> String {
    let with = if generated { " WITH (publish_generated_columns = stored)" } else { "" };
    format!("CREATE PUBLICATION {} FOR TABLE {tables}{with}", identifier(name))
}

/// Whether stored generated columns have to be asked for: with REPLICA IDENTITY FULL they are part of it, and the application's own updates
/// fail unless they are published.
fn wants_generated(found: &[Found], version: u32) -> bool {
    found.iter().any(|found| found.is_published_whole() && logs_generated(found, version))
}

/// Whether the table has generated columns that the log could hold.
pub(super) fn logs_generated(found: &Found, version: u32) -> bool {
    version >= GENERATED_COLUMNS && found.facts.generated_stored
}

/// The tables of a publication as its statements list them.
pub(super) fn listed(layouts: &[TableLayout], found: &[Found], version: u32) -> String {
    let one = |layout: &TableLayout| {
        let whole = found.iter().find(|found| found.table.name == layout.name).is_none_or(Found::is_published_whole);
        let columns: Vec<String> = layout.columns.iter().map(|column| identifier(&column.column.name)).collect();
        if version < COLUMN_LISTS || whole || columns.is_empty() {
            table(&layout.name)
        } else {
            format!("{} ({})", table(&layout.name), columns.join(", "))
        }
    };
    layouts.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// What is there under the name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Existing {
    /// Whether this role may alter it.
    pub(super) owned: bool,
    /// Whether it publishes every kind of change, of partitions under their own names.
    pub(super) whole: bool,
    /// Whether stored generated columns of tables without a list are published; `None` where the server cannot.
    pub(super) generated: Option<bool>,
    /// Per published table: schema, name, published columns (`None`: all), whether rows are filtered.
    pub(super) tables: Vec<(String, String, Option<Vec<String>>, bool)>,
}

/// Reads a publication.
///
/// # Errors
/// Errors of the server.
pub(super) async fn read(lease: &Lease, name: &str) -> Result<Option<Existing>> {
    let attempt = "read the publication";
    let sql = format!(
        "SELECT pg_has_role(pubowner, 'USAGE'), pubinsert AND pubupdate AND pubdelete AND pubtruncate AND NOT pubviaroot, \
         to_json(p) ->> 'pubgencols' FROM pg_publication p WHERE pubname = {}",
        literal(name)
    );
    let Some(row) = lease.rows(attempt, &sql).await?.into_iter().next() else { return Ok(None) };
    let sql = format!(
        "SELECT schemaname, tablename, to_json(t) ->> 'attnames', to_json(t) ->> 'rowfilter' FROM pg_publication_tables t WHERE pubname = {}",
        literal(name)
    );
    let tables = lease.rows(attempt, &sql).await?.into_iter().map(|row| {
        let columns = row.get(2).cloned().flatten().and_then(|names| serde_json::from_str(&names).ok());
        let filtered = row.get(3).is_some_and(Option::is_some);
        (cell(&row, 0).to_owned(), cell(&row, 1).to_owned(), columns, filtered)
    });
    let generated = row.get(2).cloned().flatten().map(|kind| kind == "s");
    Ok(Some(Existing { owned: cell(&row, 0) == "t", whole: cell(&row, 1) == "t", generated, tables: tables.collect() }))
}

impl Existing {
    /// Whether it publishes a table, with whatever columns; partitions are listed in place of a partitioned one.
    pub(super) fn lists(&self, found: &Found) -> bool {
        let name = &found.table.name;
        found.facts.kind == "p" || self.tables.iter().any(|(schema, table, ..)| *schema == name.schema && *table == name.name)
    }

    /// What is missing for the mapped tables; `None` if nothing is.
    pub(super) fn lacks(&self, layouts: &[TableLayout], found: &[Found]) -> Option<String> {
        if !self.whole {
            return Some("does not publish every kind of change, or publishes partitions under their root's name".to_owned());
        }
        layouts.iter().find_map(|layout| {
            let (name, found) = (&layout.name, found.iter().find(|found| found.table.name == layout.name));
            if let (Some(false), Some(found)) = (self.generated, found)
                && found.facts.generated_stored
                && found.is_published_whole()
            {
                return Some(format!("does not publish the generated columns of {name}"));
            }
            // Partitions are listed in place of their root.
            if found.is_some_and(|found| found.facts.kind == "p") {
                return None;
            }
            match self.tables.iter().find(|(schema, table, ..)| *schema == name.schema && *table == name.name) {
                None => Some(format!("does not publish {name}")),
                Some((.., true)) => Some(format!("publishes {name} with a row filter")),
                Some((_, _, Some(columns), false)) => {
                    let missing = layout.columns.iter().find(|stored| !columns.contains(&stored.column.name));
                    missing.map(|stored| format!("does not publish column {name}.{}", stored.column.name))
                }
                Some((_, _, None, false)) => None,
            }
        })
    }
}

/// Waits until every transaction that is older than what the publication says now has ended. Answers which those are: the log may hold a part
/// of their changes only, and every later read shows them.
///
/// # Errors
/// Errors of the server.
pub(super) async fn settled(lease: &Lease) -> Result<Visibility> {
    let attempt = "wait for transactions that are older than the publication";
    let ask = async |what: &str| {
        let rows = lease.rows(attempt, &format!("SELECT pg_snapshot_{what}(pg_current_snapshot())")).await?;
        rows.first().and_then(|row| cell(row, 0).parse::<u64>().ok()).ok_or_else(|| malformed("a snapshot that cannot be read"))
    };
    let end = ask("xmax").await?;
    while ask("xmin").await? < end {
        tokio::time::sleep(SETTLE_PAUSE).await;
    }
    Ok(Visibility { xmin: end, xmax: end, in_progress: Vec::new() })
}

/// Makes the publication, or makes it fit.
///
/// # Errors
/// `Privilege` with the statement that the owner of the tables has to run.
pub(super) async fn ensure(lease: &Lease, name: &str, layouts: &Layouts, found: &[Found], version: u32) -> Result<()> {
    let tables = listed(layouts, found, version);
    let generated = wants_generated(found, version);
    let statement = match read(lease, name).await? {
        Some(existing) if existing.lacks(layouts, found).is_none() => return Ok(()),
        Some(_) => format!(
            "ALTER PUBLICATION {0} SET (publish = 'insert, update, delete, truncate', publish_via_partition_root = false{1}); \
             ALTER PUBLICATION {0} SET TABLE {tables}",
            identifier(name),
            if generated { ", publish_generated_columns = stored" } else { "" }
        ),
        None => create_statement(name, &tables, generated),
    };
    let made = lease.execute(&format!("make the publication {name}"), &statement).await;
    made.map_err(|error| match error.class() {
        Class::Privilege => Error::new(Class::Privilege, error.message().to_owned())
            .with_hint(format!("let the owner of the tables run: {statement}")),
        _ => error,
    })
}
