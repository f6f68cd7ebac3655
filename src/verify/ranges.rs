//! Cuts a mapped table into ranges of the leading key column, in the source's order, and notes which keys the target held.
//!
//! Any ascending list of boundaries covers every row once, because the first and the last range are open; boundaries only decide how
//! much one statement reads. They come from the source's own index where the leading key column is the leading identity column of a
//! root table, else from the target's rows. A key that the target held and no range answered is a candidate for a surplus row.
//! 17 bytes a target row.

use super::statement::Range;
use crate::error::Result;
use crate::migrate::touched::{key_hash, key_of};
use crate::plan::{Anchor, NodePlan, Plan};
use crate::schema::{DataType, SourceCatalog, TableLayout, TargetTable};
use crate::source::Source;
use crate::sql::query::ExprKind;
use crate::target::Target;
use crate::value::{KeyKind, Row, Value};

/// Rows read from the target at once.
const PAGE_ROWS: u32 = 5_000;

/// The keys that a target table held at one time, by hash; each is struck when the source answers it.
#[derive(Debug, Default)]
pub struct Held {
    hashes: Vec<u128>,
    answered: Vec<bool>,
    /// Every n-th leading key value, for boundaries.
    sample: Vec<Value>,
}

impl Held {
    /// Reads the keys of a target table in its own order, keeping every `sample_every`-th leading value.
    ///
    /// # Errors
    /// The target cannot be read.
    pub async fn read<T: Target>(target: &T, mapping: &str, table: &TargetTable, sample_every: usize) -> Result<Self> {
        let mut held = Self::default();
        let mut after: Option<Row> = None;
        loop {
            let (_, rows) = target.read_after(mapping, table, after.as_ref(), PAGE_ROWS).await?;
            let Some(last) = rows.last() else { break };
            after = Some(key_of(table, last));
            for row in &rows {
                held.note(&key_of(table, row), sample_every);
            }
        }
        held.hashes.sort_unstable();
        held.answered = vec![false; held.hashes.len()];
        Ok(held)
    }

    fn note(&mut self, key: &Row, sample_every: usize) {
        self.hashes.push(key_hash(key));
        if self.hashes.len().is_multiple_of(sample_every.max(1)) {
            self.sample.extend(key.first().cloned());
        }
    }

    /// How many keys were held.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.hashes.len() as u64
    }

    /// The source answers this key.
    pub fn strike(&mut self, hash: u128) {
        if let Ok(index) = self.hashes.binary_search(&hash)
            && let Some(answered) = self.answered.get_mut(index)
        {
            *answered = true;
        }
    }

    /// The keys that were never struck, ascending.
    #[must_use]
    pub fn left(&self) -> Vec<u128> {
        self.hashes.iter().zip(&self.answered).filter(|(_, answered)| !**answered).map(|(hash, _)| *hash).collect()
    }
}

/// How the source orders a key column of this type; `None` where its order is not known here.
#[must_use]
pub fn order_of(data_type: &DataType, catalog: &SourceCatalog) -> Option<KeyKind> {
    match data_type {
        DataType::Integer { .. } | DataType::Year => Some(KeyKind::Integer),
        DataType::Decimal { .. } => Some(KeyKind::Decimal),
        DataType::Text { collation, .. } => catalog.collations.get(collation).cloned().map(KeyKind::Text),
        DataType::Bytes { .. } => Some(KeyKind::Bytes),
        DataType::Date => Some(KeyKind::Date),
        DataType::DateTime { .. } => Some(KeyKind::DateTime),
        _ => None,
    }
}

/// The root table whose leading identity column is the leading key column of a target table, if a branch has one.
#[must_use]
pub fn root_layout<'p>(plan: &'p Plan, node: &NodePlan) -> Option<&'p TableLayout> {
    let leading = *node.table.key.first()?;
    node.branches.iter().find_map(|branch| {
        let Anchor::Row { alias: root } = branch.anchor else { return None };
        let ExprKind::Column { alias, column } = branch.branch.select.outputs.get(leading)?.kind else { return None };
        let table = branch.branch.aliases.get(root.0)?.table?;
        let layout = &plan.tables.get(table.0 as usize)?.layout;
        (alias == root && layout.identity.as_ref()?.first() == Some(&column)).then_some(layout)
    })
}

/// Cuts a table into ranges of about `rows_max` rows of its root table, or of the target.
///
/// # Errors
/// The source cannot be read, or a boundary has no place in the key's order (`Bug`).
pub async fn cut<S: Source>(
    source: &S,
    root: Option<&TableLayout>,
    order: Option<&KeyKind>,
    held: &Held,
    rows_max: usize,
) -> Result<Vec<Range>> {
    let Some(order) = order else { return Ok(between(Vec::new())) };
    let boundaries = match root {
        Some(layout) => {
            let ranges = source.ranges(layout, u32::try_from(rows_max).unwrap_or(u32::MAX)).await?;
            ranges.into_iter().filter_map(|range| range.after?.first().cloned()).collect()
        }
        None => held.sample.clone(),
    };
    Ok(between(ascending(boundaries, order)?))
}

/// Sorted by the source's rule, values that the source calls equal only once.
fn ascending(values: Vec<Value>, order: &KeyKind) -> Result<Vec<Value>> {
    let mut encoded = Vec::with_capacity(values.len());
    for value in values {
        let mut bytes = Vec::new();
        order.encode(&value, &mut bytes)?;
        encoded.push((bytes, value));
    }
    encoded.sort_by(|left, right| left.0.cmp(&right.0));
    encoded.dedup_by(|left, right| left.0 == right.0);
    Ok(encoded.into_iter().map(|(_, value)| value).collect())
}

fn between(boundaries: Vec<Value>) -> Vec<Range> {
    let mut ranges = Vec::with_capacity(boundaries.len() + 1);
    let mut after = None;
    for boundary in boundaries {
        ranges.push(Range { after: after.replace(boundary.clone()), up_to: Some(boundary) });
    }
    ranges.push(Range { after, up_to: None });
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Collation;

    fn ranges_of(values: &[Value], order: &KeyKind) -> Vec<Range> {
        between(ascending(values.to_vec(), order).unwrap())
    }

    #[test]
    fn ranges_cover_everything_once_whatever_the_order_of_the_boundaries() {
        let ranges = ranges_of(&[Value::Int(5), Value::Int(1), Value::Int(5), Value::Int(3)], &KeyKind::Integer);
        let bounds: Vec<_> = ranges.iter().map(|range| (range.after.clone(), range.up_to.clone())).collect();
        let at = |number: i64| Some(Value::Int(number));
        assert_eq!(bounds, [(None, at(1)), (at(1), at(3)), (at(3), at(5)), (at(5), None)]);
    }

    #[test]
    fn boundaries_that_the_source_calls_equal_make_no_empty_range() {
        let folded = Collation::weighted(
            "ci",
            "utf8mb4",
            true,
            ('a'..='z').flat_map(|letter| [(letter, vec![letter as u8]), (letter.to_ascii_uppercase(), vec![letter as u8])]),
            None,
        );
        let ranges = ranges_of(&[Value::text("b"), Value::text("B"), Value::text("a ")], &KeyKind::Text(folded));
        assert_eq!(ranges.len(), 3);
    }

    #[test]
    fn no_boundary_is_one_open_range() {
        assert_eq!(between(Vec::new()), [Range { after: None, up_to: None }]);
    }

    #[test]
    fn a_held_key_is_left_until_the_source_answers_it() {
        let mut held = Held::default();
        for key in [3, 1, 2] {
            held.note(&Row::from([Value::Int(key)]), 2);
        }
        held.hashes.sort_unstable();
        held.answered = vec![false; 3];
        held.strike(key_hash(&[Value::Int(2)]));
        held.strike(key_hash(&[Value::Int(9)]));
        let mut expected = vec![key_hash(&[Value::Int(1)]), key_hash(&[Value::Int(3)])];
        expected.sort_unstable();
        assert_eq!(held.left(), expected);
        assert_eq!(held.sample, [Value::Int(1)]);
    }
}
