//! Diff: the rows that a mapping would insert, change or delete in the target as it is now. Writes nothing.
//!
//! The target is cut into key ranges, the source answers the mapping's SELECT for each, and both are compared as typed values. Nobody
//! waits for anybody: rows that move meanwhile show as they were read.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::error::Result;
use crate::plan::{NodePlan, Plan};
use crate::schema::SourceCatalog;
use crate::source::Source;
use crate::target::{TableState, Target};
use crate::verify::base::{Evaluated, expected_rows, held_rows};
use crate::verify::compare::{Difference, Mismatch, Rows, compare};
use crate::verify::ranges::{self, Held};
use crate::verify::statement::{self, Range};
use crate::verify::{Compared, answered, dialect, driven, held_by_hash, leading_order};

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
    /// Keys that the source answers more than once: the mapping cannot be loaded as it stands.
    pub repeated_count: u64,
    /// The first differences in the order of the key ranges, up to the bound the caller gave.
    pub examples: Vec<Mismatch>,
}

impl TableDiff {
    /// How many rows would be written or deleted, or cannot be decided.
    #[must_use]
    pub fn pending_count(&self) -> u64 {
        self.insert_count + self.change_count + self.delete_count + self.repeated_count
    }

    fn add(&mut self, mismatches: Vec<Mismatch>, examples_max: usize) {
        for mismatch in mismatches {
            match &mismatch.difference {
                Difference::Missing => self.insert_count += 1,
                Difference::Surplus => self.delete_count += 1,
                Difference::Repeated => self.repeated_count += 1,
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

/// What is compared with what.
pub struct Differ<'a, S, T> {
    /// The legacy database.
    pub source: &'a S,
    /// The service database.
    pub target: &'a T,
    /// The catalogue the plan was made from.
    pub catalog: &'a SourceCatalog,
    /// The plan of all mappings.
    pub plan: &'a Plan,
    /// Mapping name.
    pub mapping: &'a str,
    /// The table.
    pub node: &'a NodePlan,
    /// How many differences to keep.
    pub examples_max: usize,
    /// Whether ranges may be read that no index drives at the source.
    pub full_scan: bool,
}

impl<S: Source, T: Target> Differ<'_, S, T> {
    /// The diff of one target table. `progress` hears how far it is after each range.
    ///
    /// # Errors
    /// A database cannot be read, the table exists otherwise than declared, or ranges are not driven by an index.
    pub async fn diff(&self, progress: &(dyn Fn(Compared) + Sync)) -> Result<TableDiff> {
        let table = &self.node.table;
        let absent = self.is_absent().await?;
        let mut report = TableDiff { table: table.name.clone(), absent, ..TableDiff::default() };
        let mut held =
            if absent { Held::default() } else { Held::read(self.target, self.mapping, table, RANGE_ROWS_MAX).await? };
        let order = leading_order(self.node, self.catalog)?;
        let root = ranges::root_layout(self.plan, self.node);
        let ranges = ranges::cut(self.source, root, order.as_ref(), &held, RANGE_ROWS_MAX).await?;
        if !self.full_scan {
            driven::refuse_scans(self.source, self.node, &ranges, self.catalog).await?;
        }
        let mut compared = stream::iter(&ranges).map(|range| self.compare_range(range, absent)).buffered(RANGES_AT_ONCE);
        while let Some((hashes, mismatches)) = compared.try_next().await? {
            report.row_count += hashes.len() as u64;
            hashes.into_iter().for_each(|hash| held.strike(hash));
            progress(Compared { row_count: report.row_count, row_estimate: held.count() });
            report.add(mismatches, self.examples_max);
        }
        drop(compared);
        let surplus = held_by_hash(self.target, self.mapping, self.node, held.left()).await?;
        report.add(compare(table, &Rows::default(), &surplus), self.examples_max);
        Ok(report)
    }

    /// The diff of one target table of a mapping over several sources, whose tables are read whole.
    ///
    /// # Errors
    /// A database cannot be read, the table exists otherwise than declared, or the legacy tables are too large.
    pub async fn diff_from_bases(&self, evaluated: &Evaluated) -> Result<TableDiff> {
        let table = &self.node.table;
        let absent = self.is_absent().await?;
        let expected = expected_rows(self.source, self.plan, self.node, evaluated).await?;
        let held = if absent { Rows::default() } else { held_rows(self.target, self.mapping, self.node).await? };
        let mut report = TableDiff { table: table.name.clone(), absent, row_count: expected.count(), ..TableDiff::default() };
        report.add(compare(table, &expected, &held), self.examples_max);
        Ok(report)
    }

    async fn is_absent(&self) -> Result<bool> {
        match self.target.inspect(&self.node.table).await? {
            TableState::Absent => Ok(true),
            TableState::Present { .. } | TableState::Unkeyed { .. } => Ok(false),
            TableState::Differs(differences) => Err(crate::migrate::start::altered(self.mapping, &differences)),
        }
    }

    async fn compare_range(&self, range: &Range, absent: bool) -> Result<(Vec<u128>, Vec<Mismatch>)> {
        let table = &self.node.table;
        let sql = statement::of_range(&self.node.sql, table, range, &dialect(self.source, self.catalog))?;
        let source = answered(self.source, self.node, &sql).await?;
        let target = match absent {
            true => Rows::default(),
            false => Rows::of(table, self.target.read_keys(self.mapping, table, &source.keys(table)).await?.1),
        };
        Ok((source.hashes().collect(), compare(table, &source, &target)))
    }
}
