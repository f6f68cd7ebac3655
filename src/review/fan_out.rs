//! Fan-out: which legacy rows are joined by so many target rows that a change of one of them is a sweep, named before it happens.
//!
//! In: a plan and the source. Out: per walk from a legacy row to target rows how many it reaches on average, by the source's row counts, and at
//! most, by how often the most frequent value stands in a sample of the newest rows. Both are estimates; a table without a key is not sampled.

use std::collections::BTreeMap;

use serde::Serialize;

use super::preflight::qualified;
use crate::plan::{BranchPlan, Hop, HotChange, IndexId, Plan};
use crate::schema::DataType;
use crate::source::Source;
use crate::sql::query::{AliasId, ExprKind};
use crate::value::{Row, Value};

/// From so many target rows on a change is worth a word.
pub const HOT_ROWS: u64 = 10_000;
/// Rows of a sample.
const SAMPLE_ROWS: u64 = 10_000;

/// A legacy row that many target rows are derived from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FanOut {
    /// The mapping.
    pub mapping: String,
    /// The target table.
    pub target: String,
    /// The legacy table.
    pub table: String,
    /// Its alias in the SELECT.
    pub alias: String,
    /// Target rows that one of its rows reaches, if all were equally frequent.
    pub rows_average: u64,
    /// Target rows that the most frequent of them reaches.
    pub rows_most: u64,
    /// Its change is deferred: the rows follow by a sweep.
    pub is_deferred: bool,
    /// Whether the most was sampled; otherwise it is the average.
    pub is_sampled: bool,
}

/// The fan-outs of [`HOT_ROWS`] and more, the widest first.
pub async fn fan_outs<S: Source>(source: &S, plan: &Plan) -> Vec<FanOut> {
    let mut found: Vec<FanOut> = Vec::new();
    let mut samples = BTreeMap::new();
    for node in &plan.nodes {
        let mapping = plan.mappings.get(node.mapping.0 as usize).map_or_else(String::new, |mapping| mapping.name.clone());
        for branch in &node.branches {
            for (alias, walk) in &branch.walks {
                let ways = if walk.whole.is_some() { Some(every(plan, branch)) } else { ways(plan, branch, *alias, &walk.hops) };
                let Some(ways) = ways else { continue };
                let share = match (ways.is_wide(), walk.hops.first()) {
                    (true, Some(hop)) => most_frequent(source, plan, hop, &mut samples).await,
                    _ => None,
                };
                let rows_most = share.map_or(ways.average(), |share| ways.most(share));
                if rows_most < HOT_ROWS {
                    continue;
                }
                let definition = branch.branch.aliases.get(alias.0);
                let table = definition.and_then(|definition| plan.tables.get(definition.table?.0 as usize));
                found.push(FanOut {
                    mapping: mapping.clone(),
                    target: qualified(&node.table),
                    table: table.map_or_else(String::new, |table| table.layout.name.name.clone()),
                    alias: definition.map_or_else(String::new, |definition| definition.name.clone()),
                    is_deferred: node.policies.hot_change == HotChange::Deferred && node.anchors_are_apart(plan),
                    rows_average: ways.average(),
                    rows_most,
                    is_sampled: share.is_some(),
                });
            }
        }
    }
    found.sort_by(|left, right| (right.rows_most, &left.table, &left.alias).cmp(&(left.rows_most, &right.table, &right.alias)));
    found.dedup();
    found
}

/// The steps of a walk in rows.
struct Ways {
    /// Rows of the table that the first step finds.
    first_rows: u64,
    /// Rows that the first step finds on average.
    first: u64,
    /// Rows that the further steps find for each of those.
    further: u64,
    /// Rows of the table that the last step finds: no more can be reached.
    last_rows: u64,
}

impl Ways {
    fn is_wide(&self) -> bool {
        self.first > 1 && self.first_rows.saturating_mul(self.further) >= HOT_ROWS
    }

    fn average(&self) -> u64 {
        self.first.saturating_mul(self.further).min(self.last_rows)
    }

    fn most(&self, (most, of): (u64, u64)) -> u64 {
        let first = u128::from(self.first_rows) * u128::from(most) / u128::from(of.max(1));
        let first = u64::try_from(first).unwrap_or(u64::MAX).max(self.first);
        first.saturating_mul(self.further).min(self.last_rows)
    }
}

/// A row that stands beside every target row, like one of settings.
fn every(plan: &Plan, branch: &BranchPlan) -> Ways {
    let rows = branch.anchor.members().filter_map(|(alias, _)| rows_of(plan, branch, alias)).max().unwrap_or(1);
    Ways { first_rows: rows, first: rows, further: 1, last_rows: rows }
}

/// The source's estimate for the table of an alias, at least one.
fn rows_of(plan: &Plan, branch: &BranchPlan, alias: AliasId) -> Option<u64> {
    let table = branch.branch.aliases.get(alias.0)?.table?;
    Some(plan.tables.get(table.0 as usize)?.schema.row_estimate.max(1))
}

/// The steps of a walk; `None` for one that begins at the target row itself.
fn ways(plan: &Plan, branch: &BranchPlan, start: AliasId, hops: &[Hop]) -> Option<Ways> {
    let rows_of = |alias: AliasId| rows_of(plan, branch, alias);
    let mut from = rows_of(start)?;
    let mut steps = Vec::new();
    for hop in hops {
        let to = rows_of(hop.to)?;
        steps.push(if is_whole_key(plan, hop.index) { 1 } else { (to / from).max(1) });
        from = to;
    }
    let (first, further) = steps.split_first()?;
    let first_rows = rows_of(hops.first()?.to)?;
    let by_key = is_whole_key(plan, hops.first()?.index);
    // A step by a whole key finds one row; every other may find many, however few it finds on average.
    let first = if by_key { 1 } else { (*first).max(2) };
    Some(Ways { first_rows, first, further: further.iter().product(), last_rows: from })
}

fn is_whole_key(plan: &Plan, id: IndexId) -> bool {
    let Some(index) = plan.indexes.get(id.0 as usize) else { return false };
    let table = plan.tables.get(index.table.0 as usize);
    index.over_identity && table.is_some_and(|table| table.identity_kinds.len() == index.parts.len())
}

type Samples = BTreeMap<u32, Option<(u64, u64)>>;

/// How often the most frequent value that a step looks for stands in how many of the newest rows.
async fn most_frequent<S: Source>(source: &S, plan: &Plan, hop: &Hop, samples: &mut Samples) -> Option<(u64, u64)> {
    if let Some(sampled) = samples.get(&hop.index.0) {
        return *sampled;
    }
    let sampled = match question(source, plan, hop) {
        None => None,
        Some(sql) => {
            let (mut most, mut of) = (0, 0);
            let integer = DataType::Integer { bits: 64, unsigned: false };
            let number = |value: Option<&Value>| match value {
                Some(Value::Int(number)) => u64::try_from(*number).unwrap_or(0),
                Some(Value::UInt(number)) => *number,
                _ => 0,
            };
            let mut visit = |row: Row| {
                let (count, is_value) = (number(row.first()), number(row.get(1)) == 1);
                most = if is_value { count.max(most) } else { most };
                of += count;
                Ok(())
            };
            // A sample that takes too long for a statement is one less, and no reason to show nothing.
            let sampled = source.select(&sql, &[], &[integer.clone(), integer], &mut visit).await;
            sampled.is_ok().then_some((most, of)).filter(|(_, of)| *of > 0)
        }
    };
    samples.insert(hop.index.0, sampled);
    sampled
}

/// Counts the values of an index's columns in the newest rows by key.
fn question<S: Source>(source: &S, plan: &Plan, hop: &Hop) -> Option<String> {
    let index = plan.indexes.get(hop.index.0 as usize)?;
    let table = plan.tables.get(index.table.0 as usize)?;
    let name = |column: usize| table.layout.columns.get(column).map(|stored| source.identifier(&stored.column.name));
    let columns: Option<Vec<String>> = index
        .parts
        .iter()
        .map(|part| match part.expr.kind {
            ExprKind::Column { column, .. } => name(column),
            _ => None,
        })
        .collect();
    let columns = columns.filter(|columns| !columns.is_empty())?;
    // NULL joins nothing, however frequent it is.
    let is_null = columns.iter().map(|column| format!("{column} IS NULL")).collect::<Vec<_>>().join(" OR ");
    let columns = columns.join(", ");
    let key: Option<Vec<String>> = table.layout.identity.as_ref()?.iter().map(|column| name(*column)).collect();
    let newest = key?.iter().map(|column| format!("{column} DESC")).collect::<Vec<_>>().join(", ");
    let of = &table.schema.name;
    let from = format!("{}.{}", source.identifier(&of.schema), source.identifier(&of.name));
    Some(format!(
        "SELECT COUNT(*) AS n, MIN(CASE WHEN {is_null} THEN 0 ELSE 1 END) AS is_value \
         FROM (SELECT {columns} FROM {from} ORDER BY {newest} LIMIT {SAMPLE_ROWS}) AS newest GROUP BY {columns}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_value_decides_and_no_more_rows_than_there_are() {
        let ways = Ways { first_rows: 1_000_000, first: 200_000, further: 1, last_rows: 1_000_000 };
        assert!(ways.is_wide());
        assert_eq!(ways.average(), 200_000);
        assert_eq!(ways.most((9_100, 10_000)), 910_000);
        assert_eq!(ways.most((1, 10_000)), 200_000, "a sample may miss what is frequent elsewhere");
        let children = Ways { further: 10, last_rows: 4_000_000, ..ways };
        assert_eq!(children.most((9_100, 10_000)), 4_000_000);
    }
}
