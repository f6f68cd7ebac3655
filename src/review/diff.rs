//! Diff: the rows that a mapping would insert, change or delete in the target as it is now. Writes nothing.
//!
//! The target is cut into key ranges, the source answers the mapping's SELECT for each, and both are compared as typed values. Nobody
//! waits for anybody: rows that move meanwhile show as they were read.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::error::{Error, Result};
use crate::migrate::touched::key_of;
use crate::plan::NodePlan;
use crate::schema::SourceCatalog;
use crate::source::Source;
use crate::target::{TableState, Target};
use crate::value::Row;
use crate::verify::compare::{Difference, Mismatch, Rows, by_key, compare};
use crate::verify::ranges::{self, Cut};
use crate::verify::{answered, output_types, statement};

/// Rows of one range.
const RANGE_ROWS_MAX: usize = 2_000;
/// Ranges compared at once.
const RANGES_AT_ONCE: usize = 4;

/// What a mapping would do to one target table.
#[derive(Debug, Clone, Default)]
pub struct TableDiff {
    /// Table name.
    pub table: String,
    /// Whether the table would be created first.
    pub absent: bool,
    /// Rows the source answers.
    pub row_count: u64,
    /// Rows that would be inserted.
    pub insert_count: u64,
    /// Rows that would change.
    pub change_count: u64,
    /// Rows that would be deleted.
    pub delete_count: u64,
    /// Per column, in how many rows it would change.
    pub column_counts: BTreeMap<String, u64>,
    /// The first differences, up to the bound the caller gave.
    pub examples: Vec<Mismatch>,
}

impl TableDiff {
    /// How many rows would be written or deleted.
    #[must_use]
    pub fn pending_count(&self) -> u64 {
        self.insert_count + self.change_count + self.delete_count
    }

    fn add(&mut self, mismatches: Vec<Mismatch>, examples_max: usize) {
        for mismatch in mismatches {
            match &mismatch.difference {
                Difference::Missing => self.insert_count += 1,
                Difference::Surplus => self.delete_count += 1,
                Difference::Changed(columns) => {
                    self.change_count += 1;
                    for column in columns {
                        *self.column_counts.entry(column.clone()).or_default() += 1;
                    }
                }
            }
            if self.examples.len() < examples_max {
                self.examples.push(mismatch);
            }
        }
    }
}

/// The diff of one target table.
///
/// # Errors
/// A database cannot be read, or the table exists otherwise than declared.
pub async fn diff<S: Source, T: Target>(
    source: &S,
    target: &T,
    catalog: &SourceCatalog,
    mapping: &str,
    node: &NodePlan,
    examples_max: usize,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<TableDiff> {
    let table = &node.table;
    let mut report = TableDiff { table: table.name.clone(), ..TableDiff::default() };
    let cuts = match target.inspect(table).await? {
        TableState::Absent => {
            report.absent = true;
            vec![Cut { range: statement::Range { after: None, up_to: None }, held: Vec::new() }]
        }
        TableState::Present { .. } => {
            let leading = table.key.first().copied().ok_or_else(|| Error::bug("a target table has no key"))?;
            let order = output_types(node)?.get(leading).and_then(|data_type| ranges::order_of(data_type, catalog));
            ranges::cut(target, mapping, table, order.as_ref(), RANGE_ROWS_MAX).await?
        }
        TableState::Differs(differences) => return Err(crate::migrate::start::altered(mapping, &differences)),
    };
    let absent = report.absent;
    let mut compared = stream::iter(cuts)
        .map(|cut| async move {
            let source_rows = answered(source, node, &statement::of_range(&node.sql, table, &cut.range)).await?;
            let target_rows = if absent { Rows::new() } else { held(target, mapping, node, &source_rows).await? };
            let surplus: Vec<u128> = cut.held.into_iter().filter(|hash| !source_rows.contains_key(hash)).collect();
            Ok::<_, Error>((source_rows.len() as u64, compare(table, &source_rows, &target_rows), surplus))
        })
        .buffer_unordered(RANGES_AT_ONCE);
    let mut surplus = BTreeSet::new();
    while let Some((row_count, mismatches, range_surplus)) = compared.try_next().await? {
        report.row_count += row_count;
        progress(report.row_count);
        report.add(mismatches, examples_max);
        surplus.extend(range_surplus);
    }
    drop(compared);
    if !surplus.is_empty() {
        let rows = scan(target, mapping, node, &surplus).await?;
        report.add(compare(table, &Rows::new(), &rows), examples_max);
    }
    Ok(report)
}

async fn held<T: Target>(target: &T, mapping: &str, node: &NodePlan, source: &Rows) -> Result<Rows> {
    let keys: Vec<Row> = source.values().map(|row| key_of(&node.table, row)).collect();
    Ok(by_key(&node.table, target.read_keys(mapping, &node.table, &keys).await?.1))
}

async fn scan<T: Target>(target: &T, mapping: &str, node: &NodePlan, wanted: &BTreeSet<u128>) -> Result<Rows> {
    let mut found = Rows::new();
    let mut after: Option<Row> = None;
    loop {
        let (_, rows) = target.read_after(mapping, &node.table, after.as_ref(), 5_000).await?;
        let Some(last) = rows.last() else { return Ok(found) };
        after = Some(key_of(&node.table, last));
        found.extend(by_key(&node.table, rows).into_iter().filter(|(hash, _)| wanted.contains(hash)));
    }
}
