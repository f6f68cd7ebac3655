//! Is a range read by an index at the source? What is not needs somebody's consent, because it would read whole tables once per range.

use super::dialect;
use super::statement::{self, Range};
use crate::error::{Class, Error, Result};
use crate::plan::NodePlan;
use crate::schema::SourceCatalog;
use crate::source::{PlannedAccess, Source};

/// A table of about so many rows may be read whole for every range. It is ten times the rows of a range: where a server has the choice,
/// it reads that much at once rather than by thousands of look-ups, and the whole comparison reads ten rows for one.
const SMALL_TABLE_ROWS: u64 = 20_000;

/// Refuses ranges that the source's plan does not drive by an index.
///
/// # Errors
/// `Preflight`, naming what would be read whole; errors of the source.
pub async fn refuse_scans<S: Source>(source: &S, node: &NodePlan, ranges: &[Range], catalog: &SourceCatalog) -> Result<()> {
    // The ends are open and may look bigger than they are; the middle is what most statements will be.
    let Some(range) = ranges.get(ranges.len() / 2) else { return Ok(()) };
    let sql = statement::of_range(&node.sql, &node.table, range, &dialect(source, catalog))?;
    let accesses = source.explain(&sql).await?;
    let scans: Vec<String> = accesses.iter().filter(|access| is_scan(access)).map(described).collect();
    if scans.is_empty() {
        return Ok(());
    }
    let message = format!(
        "comparing {} would read at the source, for each of {} ranges, all of {}",
        node.table.name,
        ranges.len(),
        scans.join(", ")
    );
    Err(Error::new(Class::Preflight, message)
        .with_hint("`--full-scan` accepts that load; an index on what the SELECT joins by avoids it"))
}

fn is_scan(access: &PlannedAccess) -> bool {
    access.is_whole() && access.row_estimate >= SMALL_TABLE_ROWS
}

fn described(access: &PlannedAccess) -> String {
    format!("{} (access {}, about {} rows)", access.table, access.access, access.row_estimate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(table: &str, access: &str, row_estimate: u64) -> PlannedAccess {
        PlannedAccess { table: table.into(), access: access.into(), row_estimate, is_repeated: false, is_neglected: false }
    }

    #[test]
    fn a_large_table_read_whole_is_a_scan_and_a_small_one_is_not() {
        assert!(is_scan(&access("p", "ALL", 30_000)));
        assert!(is_scan(&access("p", "index", 30_000)), "a whole index is a whole table");
        assert!(is_scan(&access("p", "hash_ALL", 30_000)));
        assert!(!is_scan(&access("st", "ALL", 60)));
        assert!(!is_scan(&access("o", "range", 200_000)));
        assert!(!is_scan(&access("d", "ref", 200_000)));
        assert!(!is_scan(&access("<derived2>", "ALL", 200_000)), "its own lines are looked at");
    }
}
