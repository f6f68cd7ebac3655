//! Verify: is every target row what the source answers for the mapping's SELECT, while both move?
//!
//! There is no time machine. Per key range: the source runs the SELECT in a read-only snapshot; the log position behind it is noted; when
//! the checkpoint contains that position, the target rows are read and compared as typed values. Keys that differ are read again; a
//! difference is *confirmed* only if no derivation touched the key since before that reading, and after several tries it is reported as
//! *unconfirmed*. The answer is the source's alone: no expression of the mapping is evaluated here. A mapping over several sources has no server
//! that could answer; [`base`] says what is done then.

pub mod base;
pub mod compare;
pub mod confirm;
pub mod driven;
pub mod naive;
pub mod ranges;
pub mod statement;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::error::{Class, Error, Result};
use crate::migrate::touched::{key_hash, key_of};
use crate::plan::{NodePlan, Plan, output};
use crate::position::Position;
use crate::schema::{DataType, SourceCatalog, TargetTable};
use crate::source::Source;
use crate::target::{Checkpoint, Phase, Target};
use crate::value::{KeyKind, Row, Value};
use compare::{Mismatch, Rows, compare};
use ranges::Held;
use statement::Range;

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
    /// How often a passing fault of a database is tried again.
    pub faults_max: u32,
    /// Whether ranges may be read that no index drives at the source.
    pub full_scan: bool,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self {
            range_rows_max: 2_000,
            ranges_at_once: 4,
            tries_max: 8,
            wait_max: Duration::from_secs(60),
            faults_max: 5,
            full_scan: false,
        }
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

/// How far a comparison is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compared {
    /// Rows the source answered so far.
    pub row_count: u64,
    /// Rows the target held when the comparison began: about how many there will be.
    pub row_estimate: u64,
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
    /// The plan of all mappings.
    pub plan: &'a Plan,
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
struct RangeAnswer {
    hashes: Vec<u128>,
    mismatches: Vec<Mismatch>,
}

impl<S: Source, T: Target> Verifier<'_, S, T> {
    /// Compares the whole table. `progress` hears how far it is after each range.
    ///
    /// # Errors
    /// A database cannot be read, the mapping is not live, or ranges are not driven by an index.
    pub async fn verify(&self, progress: &(dyn Fn(Compared) + Sync)) -> Result<TableReport> {
        self.expect_live().await?;
        let rows_max = self.options.range_rows_max;
        let mut held = self.retried(|| Held::read(self.target, self.mapping, self.table(), rows_max)).await?;
        let order = leading_order(self.node, self.catalog)?;
        let root = ranges::root_layout(self.plan, self.node);
        let ranges = self.retried(|| ranges::cut(self.source, root, order.as_ref(), &held, rows_max)).await?;
        if !self.options.full_scan {
            driven::refuse_scans(self.source, self.node, &ranges, self.catalog).await?;
        }
        let mut report = TableReport { table: self.table().name.clone(), ..TableReport::default() };
        let mut answers =
            stream::iter(&ranges).map(|range| self.settled_range(range)).buffer_unordered(self.options.ranges_at_once.max(1));
        while let Some((hashes, settled)) = answers.try_next().await? {
            report.row_count += hashes.len() as u64;
            hashes.into_iter().for_each(|hash| held.strike(hash));
            progress(Compared { row_count: report.row_count, row_estimate: held.count() });
            report.add(settled);
        }
        drop(answers);
        let surplus = self.retried(|| held_by_hash(self.target, self.mapping, self.node, held.left())).await?;
        report.add(self.confirm(compare(self.table(), &Rows::default(), &surplus)).await?);
        Ok(report)
    }

    fn table(&self) -> &TargetTable {
        &self.node.table
    }

    async fn expect_live(&self) -> Result<()> {
        if self.checkpoint().await?.phase == Phase::Live {
            return Ok(());
        }
        let message = format!("mapping {} is still loading: there is nothing to verify before it is live", self.mapping);
        Err(Error::new(Class::Retry, message).with_hint("`strangler status --watch` shows when it is"))
    }

    /// Compares a range and settles what differs. Both happen here, in the future that is polled beside those of other ranges: awaited
    /// between two polls of them, a second reading would wait for a legacy TRUNCATE that waits for the read view of a range which
    /// nobody drives on.
    async fn settled_range(&self, range: &Range) -> Result<(Vec<u128>, confirm::Settled)> {
        let answer = self.retried(|| self.compare_range(range)).await?;
        Ok((answer.hashes, self.confirm(answer.mismatches).await?))
    }

    async fn compare_range(&self, range: &Range) -> Result<RangeAnswer> {
        let sql = statement::of_range(&self.node.sql, self.table(), range, &dialect(self.source, self.catalog))?;
        let source = answered(self.source, self.node, &sql).await?;
        // The engine may need a moment for what the source has shown; if it stands still, the rows are read again later anyway.
        self.wait_for_source().await?;
        let target = self.held(&source.keys(self.table())).await?;
        Ok(RangeAnswer { mismatches: compare(self.table(), &source, &target), hashes: source.hashes().collect() })
    }

    async fn checkpoint(&self) -> Result<Checkpoint> {
        let checkpoint = self.retried(|| self.target.checkpoint(self.mapping)).await?;
        checkpoint.ok_or_else(|| {
            let message = format!("the target holds no checkpoint row of mapping {}: there is nothing to verify", self.mapping);
            Error::new(Class::Person, message).with_hint("`strangler run` makes it; `strangler diff` shows what it would write")
        })
    }

    /// Waits until the target contains everything that the source's answer may have shown; `false` if it does not get there, or if a sweep is
    /// under way by then, so that rows still lack what the position has.
    async fn wait_for_source(&self) -> Result<bool> {
        let high = self.source.current_position().await?;
        let deadline = tokio::time::Instant::now() + self.options.wait_max;
        loop {
            let checkpoint = self.checkpoint().await?;
            if self.contains(&checkpoint, &high) {
                return Ok(checkpoint.pending_sweeps == 0);
            }
            // Without an engine nothing will move.
            if tokio::time::Instant::now() > deadline || self.touched.is_none() {
                return Ok(false);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn contains(&self, checkpoint: &Checkpoint, high: &Position) -> bool {
        let held = |name: &str, high: &Position| checkpoint.frontier.0.get(name).is_some_and(|position| position.contains(high));
        match high {
            Position::Several(parts) => parts.iter().all(|(name, part)| held(name, part)),
            one => held(self.source_name, one),
        }
    }

    /// Target rows by key.
    async fn held(&self, keys: &[Row]) -> Result<Rows> {
        let (_, rows) = self.target.read_keys(self.mapping, self.table(), keys).await?;
        Ok(Rows::of(self.table(), rows))
    }

    /// Runs a step again through passing faults of the databases: a verification of hours does not end with one lost connection.
    async fn retried<R, F: Future<Output = Result<R>>>(&self, step: impl Fn() -> F) -> Result<R> {
        let mut fault_count = 0;
        loop {
            match step().await {
                Err(error) if error.class().is_transient() && fault_count < self.options.faults_max => {
                    fault_count += 1;
                    tracing::debug!(error = ?error, "reading again after a passing fault");
                    tokio::time::sleep(FAULT_PAUSE * fault_count).await;
                }
                other => return other,
            }
        }
    }
}

/// How often the checkpoint is looked at.
const POLL: Duration = Duration::from_millis(20);
/// The pause after a passing fault grows by this with each further one.
const FAULT_PAUSE: Duration = Duration::from_millis(500);
/// Rows read from the target at once.
const PAGE_ROWS: u32 = 5_000;

/// How the source orders the leading key column of a target table, if that is known.
///
/// # Errors
/// `Bug` if the plan has no key or no branch.
pub fn leading_order(node: &NodePlan, catalog: &SourceCatalog) -> Result<Option<KeyKind>> {
    let leading = node.table.key.first().ok_or_else(|| Error::bug("a target table has no key"))?;
    Ok(output_types(node)?.get(*leading).and_then(|data_type| ranges::order_of(data_type, catalog)))
}

/// Target rows by ascending key hash: one scan, needed only where the source does not answer keys that the target held.
///
/// # Errors
/// The target cannot be read.
pub async fn held_by_hash<T: Target>(target: &T, mapping: &str, node: &NodePlan, hashes: Vec<u128>) -> Result<Rows> {
    let mut found = Rows::default();
    let mut after: Option<Row> = None;
    while !hashes.is_empty() {
        let (_, rows) = target.read_after(mapping, &node.table, after.as_ref(), PAGE_ROWS).await?;
        let Some(last) = rows.last() else { break };
        after = Some(key_of(&node.table, last));
        let wanted = rows.into_iter().filter(|row| hashes.binary_search(&key_hash(&key_of(&node.table, row))).is_ok());
        found.extend(&node.table, wanted);
    }
    Ok(found)
}

/// The types of a node's output columns, as the binder unified them.
///
/// # Errors
/// `Bug` if the plan has no branch.
pub fn output_types(node: &NodePlan) -> Result<Vec<DataType>> {
    let branch = node.branches.first().ok_or_else(|| Error::bug("a target table has no branch"))?;
    Ok(branch.branch.select.outputs.iter().map(|expr| expr.data_type.clone()).collect())
}

/// How values and names are written in statements for the source.
pub fn dialect<'a, S: Source>(source: &'a S, catalog: &'a SourceCatalog) -> impl statement::Dialect + use<'a, S> {
    SourceDialect { source, catalog }
}

struct SourceDialect<'a, S> {
    source: &'a S,
    catalog: &'a SourceCatalog,
}

impl<S: Source> statement::Dialect for SourceDialect<'_, S> {
    fn literal(&self, value: &Value) -> Result<String> {
        self.source.literal(value, &self.catalog.session)
    }

    fn identifier(&self, name: &str) -> String {
        self.source.identifier(name)
    }
}

/// The source's answer to a statement over a node's SELECT, as the target would hold it.
///
/// # Errors
/// The source cannot be read, or answers a value that the mapping cannot carry.
pub async fn answered<S: Source>(source: &S, node: &NodePlan, sql: &str) -> Result<Rows> {
    let types = output_types(node)?;
    let mut rows = Vec::new();
    let mut keep = |row: Row| {
        let converted =
            row.into_iter().zip(&node.table.columns).map(|(value, column)| output::convert(value, column, &node.policies));
        rows.push(converted.collect::<Result<Row>>()?);
        Ok(())
    };
    source.select(sql, &[], &types, &mut keep).await?;
    Ok(Rows::of(&node.table, rows))
}

/// The hash under which the engine remembers a key.
#[must_use]
pub fn hash_of(mismatch: &Mismatch) -> u128 {
    key_hash(&mismatch.key)
}
