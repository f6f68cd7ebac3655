//! The publication: which tables and columns the server puts into our stream.
//!
//! Made before the slot, so that no change that the slot decodes is older than it. Columns are listed where the server can (15 and later)
//! and where it is safe: not with REPLICA IDENTITY FULL, where a list would make the application's own updates fail, and not on partitioned
//! tables, whose partitions are published one by one so that their truncation is seen.

use super::catalog::Found;
use super::connect::{Lease, cell};
use super::names::{identifier, literal, table};
use crate::error::{Class, Error, Result};
use crate::schema::TableLayout;
use crate::source::Layouts;

/// The first version with column lists.
const COLUMN_LISTS: u32 = 150_000;

/// The statement that makes it.
pub(super) fn create_statement(name: &str, tables: &str) -> String {
    format!("CREATE PUBLICATION {} FOR TABLE {tables}", identifier(name))
}

/// The tables of a publication as its statements list them.
pub(super) fn listed(layouts: &[TableLayout], found: &[Found], version: u32) -> String {
    let one = |layout: &TableLayout| {
        let facts = found.iter().find(|found| found.table.name == layout.name).map(|found| &found.facts);
        let whole = facts.is_none_or(|facts| facts.identity == "f" || facts.kind == "p");
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
        "SELECT pg_has_role(pubowner, 'USAGE'), pubinsert AND pubupdate AND pubdelete AND pubtruncate AND NOT pubviaroot \
         FROM pg_publication WHERE pubname = {}",
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
    Ok(Some(Existing { owned: cell(&row, 0) == "t", whole: cell(&row, 1) == "t", tables: tables.collect() }))
}

impl Existing {
    /// What is missing for the mapped tables; `None` if nothing is.
    pub(super) fn lacks(&self, layouts: &[TableLayout], found: &[Found]) -> Option<String> {
        if !self.whole {
            return Some("does not publish every kind of change, or publishes partitions under their root's name".to_owned());
        }
        layouts.iter().find_map(|layout| {
            let partitioned = found.iter().any(|found| found.table.name == layout.name && found.facts.kind == "p");
            // Partitions are listed in place of their root.
            if partitioned {
                return None;
            }
            let name = &layout.name;
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

/// Makes the publication, or makes it fit.
///
/// # Errors
/// `Privilege` with the statement that the owner of the tables has to run.
pub(super) async fn ensure(lease: &Lease, name: &str, layouts: &Layouts, found: &[Found], version: u32) -> Result<()> {
    let tables = listed(layouts, found, version);
    let statement = match read(lease, name).await? {
        Some(existing) if existing.lacks(layouts, found).is_none() => return Ok(()),
        Some(_) => format!(
            "ALTER PUBLICATION {0} SET (publish = 'insert, update, delete, truncate', publish_via_partition_root = false); \
             ALTER PUBLICATION {0} SET TABLE {tables}",
            identifier(name)
        ),
        None => create_statement(name, &tables),
    };
    let made = lease.execute(&format!("make the publication {name}"), &statement).await;
    made.map_err(|error| match error.class() {
        Class::Privilege => Error::new(Class::Privilege, error.message().to_owned())
            .with_hint(format!("let the owner of the tables run: {statement}")),
        _ => error,
    })
}
