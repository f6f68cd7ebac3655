//! Functional dependencies inside one SELECT: which columns have one value once some columns have.
//!
//! Used twice: for columns of a grouped SELECT that are neither grouped nor aggregated, and for the question whether an ORDER BY
//! leaves ties. Sound, not complete: what is not proven here is refused by the callers. Dependencies follow only from declared
//! keys (primary, or unique over NOT NULL columns), from the grouping of derived tables, and from equalities that compare by the
//! column's own rule, because a key is only unique under that rule.

use std::collections::BTreeSet;

use super::{Binder, tree};
use crate::schema::{DataType, Flavor};
use crate::sql::functions::Function;
use crate::sql::query::{AliasId, CompareOperator, Expr, ExprKind, FromItem, JoinKind, NumberingFunction, Relation, Select};
use crate::value::KeyKind;

/// A column of an alias.
type ColumnId = (AliasId, usize);

/// What is known to have one value.
#[derive(Debug)]
pub(super) struct Determined {
    /// Aliases of the SELECT.
    own: BTreeSet<AliasId>,
    columns: BTreeSet<ColumnId>,
    rows: BTreeSet<AliasId>,
}

impl Determined {
    /// Whether an expression has one value; columns of outer SELECTs do.
    pub(super) fn has(&self, expr: &Expr) -> bool {
        tree::columns(expr).into_iter().all(|column| self.has_column(column))
    }

    /// Whether a column has one value.
    pub(super) fn has_column(&self, column: ColumnId) -> bool {
        !self.own.contains(&column.0) || self.rows.contains(&column.0) || self.columns.contains(&column)
    }

    /// Whether the whole row of an alias is known.
    pub(super) fn has_row(&self, alias: AliasId) -> bool {
        self.rows.contains(&alias)
    }

    /// Whether every expression reads only rows that are wholly known, so that its very bytes are.
    pub(super) fn has_exactly(&self, expr: &Expr) -> bool {
        tree::columns(expr).iter().all(|(alias, _)| !self.own.contains(alias) || self.rows.contains(alias))
    }
}

impl Binder<'_> {
    /// Everything that follows from `seeds` having one value each.
    pub(super) fn determined(&self, select: &Select, seeds: &[&Expr]) -> Determined {
        let own = select.from.iter().map(|item| item.alias).collect();
        let columns = seeds.iter().filter_map(|seed| column_of(self.uncollated(seed))).collect();
        let mut known = Determined { own, columns, rows: BTreeSet::new() };
        loop {
            let before = (known.columns.len(), known.rows.len());
            self.derive_equalities(select, &mut known);
            for item in &select.from {
                if !known.rows.contains(&item.alias) && self.row_follows(item, &known) {
                    known.rows.insert(item.alias);
                }
            }
            if before == (known.columns.len(), known.rows.len()) {
                return known;
            }
        }
    }

    /// The string that is ordered under another collation, where equal means equal bytes under both: its ties are those of the string.
    fn uncollated<'e>(&self, expr: &'e Expr) -> &'e Expr {
        let by_bytes = |collation: &str| {
            let known = self.catalog.collations.get(collation).and_then(|known| known.postgres_behaviour());
            matches!(collation, "C" | "POSIX" | "ucs_basic") || known.is_some_and(|behaviour| behaviour.deterministic)
        };
        match (&expr.kind, &expr.data_type) {
            (ExprKind::Call { function: Function::Collate, arguments }, DataType::Text { collation, .. })
                if self.catalog.flavor == Flavor::PostgreSql && by_bytes(collation) =>
            {
                arguments.first().unwrap_or(expr)
            }
            _ => expr,
        }
    }

    /// Columns that WHERE or an inner join holds equal to something known.
    fn derive_equalities(&self, select: &Select, known: &mut Determined) {
        let inner = select.from.iter().filter(|item| item.join == JoinKind::Inner).filter_map(|item| item.on.as_ref());
        for condition in select.filter.iter().chain(inner).flat_map(tree::conjuncts) {
            for column in self.equated(condition, known) {
                known.columns.insert(column);
            }
        }
    }

    /// The columns that `condition` makes equal to something known.
    fn equated(&self, condition: &Expr, known: &Determined) -> Vec<ColumnId> {
        let ExprKind::Compare { operator: CompareOperator::Equal | CompareOperator::NullSafeEqual, rule, left, right } =
            &condition.kind
        else {
            return Vec::new();
        };
        let side = |one: &Expr, other: &Expr| {
            column_of(one).filter(|column| !known.has_column(*column) && self.keeps_keys(one, rule) && known.has(other))
        };
        side(left, right).into_iter().chain(side(right, left)).collect()
    }

    /// Whether the row of `item` follows from what is known: one of its keys is.
    fn row_follows(&self, item: &FromItem, known: &Determined) -> bool {
        let mut covered: BTreeSet<usize> =
            known.columns.iter().filter(|(alias, _)| *alias == item.alias).map(|(_, column)| *column).collect();
        if item.join == JoinKind::Left {
            let conditions: Vec<&Expr> = item.on.iter().flat_map(tree::conjuncts).collect();
            // Whether there is a partner at all depends on everything ON reads from the left.
            let left_known = conditions
                .iter()
                .flat_map(|condition| tree::columns(condition))
                .all(|column| column.0 == item.alias || known.has_column(column));
            if !left_known {
                return false;
            }
            let equated = conditions.iter().flat_map(|condition| self.equated(condition, known));
            covered.extend(equated.filter(|(alias, _)| *alias == item.alias).map(|(_, column)| column));
        }
        self.keys(&item.relation).iter().any(|key| key.iter().all(|column| covered.contains(column)))
    }

    /// The keys of a relation, as column indexes. An empty key means at most one row.
    fn keys(&self, relation: &Relation) -> Vec<Vec<usize>> {
        match relation {
            Relation::Table(table) => {
                let Some(table) = self.catalog.tables.get(table.0 as usize) else { return Vec::new() };
                let not_null = |columns: &[usize]| {
                    columns.iter().all(|column| table.columns.get(*column).is_some_and(|column| !column.nullable))
                };
                let unique = table.unique_keys.iter().filter(|key| not_null(&key.columns));
                table.primary_key.iter().chain(unique).map(|key| key.columns.clone()).collect()
            }
            Relation::Derived(arms) => match arms.as_slice() {
                [select] => derived_keys(select),
                _ => Vec::new(),
            },
        }
    }

    /// Whether a comparison by `rule` tells the values of a column apart as its keys do.
    pub(super) fn keeps_keys(&self, column: &Expr, rule: &KeyKind) -> bool {
        match (&column.data_type, rule) {
            (
                DataType::Integer { .. } | DataType::Decimal { .. } | DataType::Year | DataType::Bit { .. },
                KeyKind::Integer | KeyKind::Decimal,
            )
            | (DataType::Bytes { .. }, KeyKind::Bytes)
            | (DataType::Date, KeyKind::Date | KeyKind::DateTime)
            | (DataType::DateTime { .. } | DataType::Timestamp { .. }, KeyKind::DateTime)
            | (DataType::Time { .. }, KeyKind::Time) => true,
            (
                DataType::Text { collation, .. } | DataType::Enum { collation, .. } | DataType::Set { collation, .. },
                KeyKind::Text(rule),
            ) => self.catalog.collations.get(collation) == Some(rule),
            _ => false,
        }
    }
}

/// The keys of a derived table: its groups, all columns of a DISTINCT, the partition with the row's number.
fn derived_keys(select: &Select) -> Vec<Vec<usize>> {
    let groups = select.group_by.iter().filter_map(|group_by| grouped_key(select, group_by));
    let distinct = select.distinct.then(|| (0..select.outputs.len()).collect());
    let numbered = select.numberings.iter().enumerate().filter_map(|(index, numbering)| {
        let unique = numbering.function == NumberingFunction::RowNumber;
        let mut key = grouped_key(select, &numbering.partition_by).filter(|_| unique)?;
        if !numbering.keeps_first {
            let number = |output: &Expr| matches!(output.kind, ExprKind::RowNumber(number) if number == index);
            key.push(select.outputs.iter().position(number)?);
        }
        Some(key)
    });
    groups.chain(distinct).chain(numbered).collect()
}

/// The outputs of a grouped SELECT that hold its group keys, if all of them are outputs.
fn grouped_key(select: &Select, group_by: &[Expr]) -> Option<Vec<usize>> {
    group_by.iter().map(|key| select.outputs.iter().position(|output| tree::same(output, key))).collect()
}

/// The column that an expression is; a conversion that keeps its values apart does not hide it.
fn column_of(expr: &Expr) -> Option<ColumnId> {
    match &expr.kind {
        ExprKind::Column { alias, column } => Some((*alias, *column)),
        _ => None,
    }
}
