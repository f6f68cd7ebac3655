//! Verify for a mapping over several sources, whose SELECT no server can run.
//!
//! Each server returns the rows of its tables, in key ranges and short read-only transactions as in a first load; [`super::naive`] evaluates the
//! SELECT over them, and the answer is compared with the whole target table. The tables of one reading are not of one moment. That is told from
//! a wrong row by reading everything again: a key is *confirmed* only if it differs in two readings one after the other and no source has moved
//! from before the second reading to behind it, or if it differs in the same way in several readings one after the other and was not written
//! since before the last one ([`super::confirm`]).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::compare::{Mismatch, Rows, compare};
use super::confirm::Readings;
use super::naive::{Bases, rows_of};
use super::{Compared, PAGE_ROWS, TableReport, Verifier, hash_of};
use crate::error::{Class, Error, Result};
use crate::migrate::touched::key_of;
use crate::plan::{NodePlan, Plan, output};
use crate::schema::{SourceCatalog, TableId, TableLayout};
use crate::source::{ReadBounds, Source};
use crate::sql::query::Query;
use crate::target::Target;
use crate::value::{Row, Value};

/// Rows of all tables of one reading, held in memory.
pub const BASE_ROWS_MAX: usize = 500_000;
/// Rows read from a source at once.
const CHUNK_ROWS: u32 = 5_000;
/// The pause before everything is read again grows by this with each further time.
const PAUSE: Duration = Duration::from_millis(200);

/// A mapping's SELECT as it is evaluated here.
#[derive(Debug, Clone)]
pub struct Evaluated {
    /// The bound query, columns as catalogue ordinals.
    pub query: Arc<Query>,
    /// The catalogue that it was planned over.
    pub catalog: Arc<SourceCatalog>,
}

/// One reading of both sides.
struct Reading {
    expected: Rows,
    mismatches: Vec<Mismatch>,
    /// The sequence before the reading; `None` if the target did not reach what the sources may have shown.
    since: Option<u64>,
    /// No source moved meanwhile.
    is_still: bool,
}

/// The rows that a node's SELECT has over its base tables now.
///
/// # Errors
/// A source cannot be read; `Preflight` if the tables are too large to be held in memory.
pub async fn expected_rows<S: Source>(source: &S, plan: &Plan, node: &NodePlan, evaluated: &Evaluated) -> Result<Rows> {
    let mut bases = Bases::new();
    let mut row_count = 0;
    for id in tables_named(&evaluated.query) {
        let layout = plan.tables.get(id.0 as usize).map(|table| &table.layout);
        let layout = layout.ok_or_else(|| Error::bug("a legacy table is not in the plan"))?;
        let rows = base_rows(source, layout, row_count).await?;
        row_count += rows.len();
        bases.insert(id, rows);
    }
    let evaluated = evaluated.clone();
    let work = move || rows_of(&evaluated.query, &evaluated.catalog, bases);
    let rows = tokio::task::spawn_blocking(work).await.map_err(|panic| Error::bug("the evaluation ended").because(panic))??;
    let mut converted = Vec::new();
    for row in rows {
        let values = row.into_iter().zip(&node.table.columns);
        converted.push(values.map(|(value, column)| output::convert(value, column, &node.policies)).collect::<Result<Row>>()?);
    }
    Ok(Rows::of(&node.table, converted))
}

/// All rows of a table, by catalogue ordinals.
async fn base_rows<S: Source>(source: &S, layout: &TableLayout, held: usize) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (index, range) in (0..).zip(source.ranges(layout, CHUNK_ROWS).await?) {
        let chunk = source.read_chunk(layout, index, &range, ReadBounds::NONE).await?;
        if held + rows.len() + chunk.rows.len() > BASE_ROWS_MAX {
            let message = format!(
                "the tables of a mapping over several sources are compared in memory, and with {} they have more than {BASE_ROWS_MAX} rows",
                layout.name
            );
            let hint =
                "compare its smaller target tables with `--table`, or count and add up both sides with queries of your own";
            return Err(Error::new(Class::Preflight, message).with_hint(hint));
        }
        for stored in chunk.rows {
            let mut row = vec![Value::Null; layout.source_column_count];
            for (value, column) in stored.into_iter().zip(&layout.columns) {
                if let Some(place) = row.get_mut(column.ordinal) {
                    *place = value;
                }
            }
            rows.push(row.into());
        }
    }
    Ok(rows)
}

/// All rows of a target table.
///
/// # Errors
/// The target cannot be read.
pub async fn held_rows<T: Target>(target: &T, mapping: &str, node: &NodePlan) -> Result<Rows> {
    let mut found = Rows::default();
    let mut after: Option<Row> = None;
    loop {
        let (_, rows) = target.read_after(mapping, &node.table, after.as_ref(), PAGE_ROWS).await?;
        let Some(last) = rows.last() else { return Ok(found) };
        after = Some(key_of(&node.table, last));
        found.extend(&node.table, rows);
    }
}

impl<S: Source, T: Target> Verifier<'_, S, T> {
    /// Compares the whole table with what the SELECT gives over the base tables of all sources.
    ///
    /// # Errors
    /// A database cannot be read, the mapping is not live, or the tables are too large.
    pub async fn verify_from_bases(&self, evaluated: &Evaluated, progress: &(dyn Fn(Compared) + Sync)) -> Result<TableReport> {
        self.expect_live().await?;
        let first = self.retried(|| self.read_bases(evaluated)).await?;
        let row_count = first.expected.count();
        let mut report = TableReport { table: self.node.table.name.clone(), row_count, ..TableReport::default() };
        progress(Compared { row_count, row_estimate: row_count });
        let mut readings = Readings::default();
        readings.note(&first.mismatches);
        let mut open = first.mismatches;
        for attempt in 0..self.tries_max() {
            if open.is_empty() {
                return Ok(report);
            }
            tokio::time::sleep(PAUSE * attempt).await;
            let again = self.retried(|| self.read_bases(evaluated)).await?;
            readings.note(&again.mismatches);
            let asked: BTreeSet<u128> = open.iter().map(hash_of).collect();
            let (both, new): (Vec<_>, Vec<_>) = again.mismatches.into_iter().partition(|one| asked.contains(&hash_of(one)));
            let (certain, mut moving) = match again.since {
                Some(_) if again.is_still => (both, Vec::new()),
                since => self.split(both, since, &readings).await?,
            };
            report.confirmed.extend(certain);
            moving.extend(new.into_iter().filter(|one| report.confirmed.iter().all(|known| known.key != one.key)));
            open = moving;
        }
        report.unconfirmed = open;
        Ok(report)
    }

    async fn read_bases(&self, evaluated: &Evaluated) -> Result<Reading> {
        let before = self.checkpoint().await?;
        let low = self.source.current_position().await?;
        let expected = expected_rows(self.source, self.plan, self.node, evaluated).await?;
        let arrived = self.wait_for_source().await?;
        let held = held_rows(self.target, self.mapping, self.node).await?;
        // What the target holds was in the logs before: where they end as they did, it is what was read.
        let is_still = self.source.current_position().await? == low;
        let mismatches = compare(&self.node.table, &expected, &held);
        Ok(Reading { expected, mismatches, since: arrived.then_some(before.sequence), is_still })
    }
}

/// The tables that a bound query names.
fn tables_named(query: &Query) -> BTreeSet<TableId> {
    query.branches.iter().flat_map(|branch| &branch.aliases).filter_map(|alias| alias.table).collect()
}
