//! Verify: is every target row what the source answers for the mapping's SELECT, while both move?
//!
//! There is no time machine. Per key range: the source runs the SELECT in a read-only snapshot; the log position behind it is noted; when
//! the checkpoint contains that position, the target rows are read and compared as typed values. A key that differs is *confirmed* only if
//! no derivation touched it since before the snapshot; touched keys are read again, and after several tries they are reported as
//! *unconfirmed*. The answer is the source's alone: no expression of the mapping is evaluated here.

pub mod compare;
pub mod confirm;
pub mod ranges;
pub mod statement;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::error::{Error, Result};
use crate::migrate::touched::key_hash;
use crate::plan::{NodePlan, output};
use crate::schema::{DataType, SourceCatalog, TargetTable};
use crate::source::Source;
use crate::target::{Checkpoint, Target};
use crate::value::Row;
use compare::{Mismatch, Rows, by_key, compare};
use ranges::Cut;
use statement::Statement;

/// The running engine's memory of what it wrote lately.
pub trait TouchedKeys: Send + Sync {
    /// Per key, whether the engine may have written it behind sequence `since`.
    fn may_have_changed<'a>(
        &'a self,
        mapping: &'a str,
        table: &'a str,
        since: u64,
        keys: Vec<u128>,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<bool>>> + Send + 'a>>;
}

/// How a verification is run.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// Rows of one range.
    pub range_rows_max: usize,
    /// Ranges compared at once.
    pub ranges_at_once: usize,
    /// How often a differing key is read again before it is unconfirmed.
    pub tries_max: u32,
    /// How long to wait for the checkpoint to contain a position.
    pub wait_max: Duration,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self { range_rows_max: 2_000, ranges_at_once: 4, tries_max: 8, wait_max: Duration::from_secs(60) }
    }
}

/// What became of one target table.
#[derive(Debug, Clone, Default)]
pub struct TableReport {
    /// Table name.
    pub table: String,
    /// Rows the source answered.
    pub row_count: u64,
    /// Keys that differ for certain.
    pub confirmed: Vec<Mismatch>,
    /// Keys that kept moving, or whose position the target did not reach.
    pub unconfirmed: Vec<Mismatch>,
}

impl TableReport {
    fn add(&mut self, settled: confirm::Settled) {
        self.confirmed.extend(settled.confirmed);
        self.unconfirmed.extend(settled.unconfirmed);
    }
}

/// One table under verification.
pub struct Verifier<'a, S, T> {
    /// The legacy database.
    pub source: &'a S,
    /// The service database.
    pub target: &'a T,
    /// The source's name in the checkpoint's frontier.
    pub source_name: &'a str,
    /// The catalogue the plan was made from.
    pub catalog: &'a SourceCatalog,
    /// Mapping name.
    pub mapping: &'a str,
    /// The table.
    pub node: &'a NodePlan,
    /// The running engine, if one answers.
    pub touched: Option<&'a dyn TouchedKeys>,
    /// Bounds.
    pub options: &'a VerifyOptions,
}

/// A range as both sides had it.
struct Compared {
    row_count: u64,
    mismatches: Vec<Mismatch>,
    /// Keys that the target held when it was cut and the source does not answer.
    surplus: Vec<u128>,
    since: u64,
}

impl<S: Source, T: Target> Verifier<'_, S, T> {
    /// Compares the whole table. `progress` hears the number of rows compared so far.
    ///
    /// # Errors
    /// A database cannot be read.
    pub async fn verify(&self, progress: &(dyn Fn(u64) + Sync)) -> Result<TableReport> {
        let order = self.node_types()?.get(self.leading()?).and_then(|data_type| ranges::order_of(data_type, self.catalog));
        let cuts = ranges::cut(self.target, self.mapping, self.table(), order.as_ref(), self.options.range_rows_max).await?;
        let mut report = TableReport { table: self.table().name.clone(), ..TableReport::default() };
        let mut compared = stream::iter(cuts).map(|cut| self.compare_range(cut)).buffer_unordered(self.options.ranges_at_once.max(1));
        let mut surplus = Vec::new();
        while let Some(range) = compared.try_next().await? {
            report.row_count += range.row_count;
            progress(report.row_count);
            surplus.extend(range.surplus);
            report.add(self.confirm(range.mismatches, range.since).await?);
        }
        drop(compared);
        if !surplus.is_empty() {
            let held = compare(self.table(), &Rows::new(), &self.held_by_hash(&surplus).await?);
            report.add(self.confirm(held, 0).await?);
        }
        Ok(report)
    }

    fn table(&self) -> &TargetTable {
        &self.node.table
    }

    fn leading(&self) -> Result<usize> {
        self.table().key.first().copied().ok_or_else(|| Error::bug("a target table has no key"))
    }

    fn node_types(&self) -> Result<Vec<DataType>> {
        output_types(self.node)
    }

    async fn compare_range(&self, cut: Cut) -> Result<Compared> {
        let before = self.checkpoint().await?;
        let statement = statement::of_range(&self.node.sql, self.table(), &cut.range);
        let source = answered(self.source, self.node, &statement).await?;
        let arrived = self.wait_for_source().await?;
        let keys: Vec<Row> = source.values().map(|row| crate::migrate::touched::key_of(self.table(), row)).collect();
        let target = self.held(&keys).await?;
        let surplus = cut.held.into_iter().filter(|hash| !source.contains_key(hash)).collect();
        let mismatches = compare(self.table(), &source, &target);
        let since = if arrived { before.sequence } else { 0 };
        Ok(Compared { row_count: source.len() as u64, mismatches, surplus, since })
    }

    async fn checkpoint(&self) -> Result<Checkpoint> {
        let checkpoint = self.target.checkpoint(self.mapping).await?;
        checkpoint.ok_or_else(|| crate::migrate::start::checkpoint_lost(self.mapping))
    }

    /// Waits until the target contains everything that the source's answer may have shown; `false` if it does not get there.
    async fn wait_for_source(&self) -> Result<bool> {
        let high = self.source.current_position().await?;
        let deadline = tokio::time::Instant::now() + self.options.wait_max;
        loop {
            let checkpoint = self.checkpoint().await?;
            if checkpoint.frontier.0.get(self.source_name).is_some_and(|position| position.contains(&high)) {
                return Ok(true);
            }
            // Without an engine nothing will move.
            if tokio::time::Instant::now() > deadline || self.touched.is_none() {
                return Ok(false);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Target rows by key.
    async fn held(&self, keys: &[Row]) -> Result<Rows> {
        let (_, rows) = self.target.read_keys(self.mapping, self.table(), keys).await?;
        Ok(by_key(self.table(), rows))
    }

    /// Target rows by key hash: one scan, needed only where the source does not answer keys that the target held.
    async fn held_by_hash(&self, hashes: &[u128]) -> Result<Rows> {
        let wanted: std::collections::BTreeSet<u128> = hashes.iter().copied().collect();
        let mut found = Rows::new();
        let mut after: Option<Row> = None;
        loop {
            let (_, rows) = self.target.read_after(self.mapping, self.table(), after.as_ref(), 5_000).await?;
            let Some(last) = rows.last() else { return Ok(found) };
            after = Some(crate::migrate::touched::key_of(self.table(), last));
            found.extend(by_key(self.table(), rows).into_iter().filter(|(hash, _)| wanted.contains(hash)));
        }
    }
}

/// The types of a node's output columns, as the binder unified them.
///
/// # Errors
/// `Bug` if the plan has no branch.
pub fn output_types(node: &NodePlan) -> Result<Vec<DataType>> {
    let branch = node.branches.first().ok_or_else(|| Error::bug("a target table has no branch"))?;
    Ok(branch.branch.select.outputs.iter().map(|expr| expr.data_type.clone()).collect())
}

/// The source's answer to a statement over a node's SELECT, as the target would hold it.
///
/// # Errors
/// The source cannot be read, or answers a value that the mapping cannot carry.
pub async fn answered<S: Source>(source: &S, node: &NodePlan, statement: &Statement) -> Result<Rows> {
    let types = output_types(node)?;
    let mut rows = Vec::new();
    let mut keep = |row: Row| {
        let converted = row.into_iter().zip(&node.table.columns).map(|(value, column)| output::convert(value, column, &node.policies));
        rows.push(converted.collect::<Result<Row>>()?);
        Ok(())
    };
    source.select(&statement.sql, &statement.parameters, &types, &mut keep).await?;
    Ok(by_key(&node.table, rows))
}

/// The hash under which the engine remembers a key.
#[must_use]
pub fn hash_of(mismatch: &Mismatch) -> u128 {
    key_hash(&mismatch.key)
}
