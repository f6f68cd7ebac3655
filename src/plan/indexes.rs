//! Which indexes are kept: one per table and list of expressions, shared by everything that probes it.
//!
//! Probes that pin the leading identity columns need no index of their own: the base keyspace is ordered by identity. Constants join an
//! index only where they make it find at most one row, because flags like `use_yn = 'Y'` select little and cost bytes in every entry.

use crate::plan::expr::{bare_column, same, with_alias};
use crate::plan::kinds::{own_kind, pinned};
use crate::plan::{AccumulatorPlan, IndexId, IndexPart, IndexPlan};
use crate::schema::{SourceCatalog, TableId, TableSchema};
use crate::sql::query::{AliasId, Expr};
use crate::value::KeyKind;

/// An equality that pins an expression over one stored row to a value known beforehand.
#[derive(Debug, Clone)]
pub(crate) struct Term {
    /// The expression over the stored row; every reference is to one alias.
    pub(crate) expr: Expr,
    /// The value it must equal.
    pub(crate) value: Expr,
    /// The rule of the comparison.
    pub(crate) rule: KeyKind,
    /// `<=>`.
    pub(crate) null_safe: bool,
    /// The value is a constant.
    pub(crate) constant: bool,
}

/// The indexes and accumulators of all mappings, in catalogue ordinals until the layouts are known.
#[derive(Default, Clone)]
pub(crate) struct IndexPool {
    /// Index = [`IndexId`].
    pub(crate) plans: Vec<IndexPlan>,
    /// Index = [`crate::plan::AccumulatorId`].
    pub(crate) accumulators: Vec<AccumulatorPlan>,
}

/// An index that would serve, with the values that would probe it. It is kept only once it is used.
pub(crate) struct Probe {
    table: TableId,
    parts: Vec<IndexPart>,
    over_identity: bool,
    /// One value per part.
    pub(crate) values: Vec<Expr>,
    /// At most one row answers.
    pub(crate) unique: bool,
}

impl Probe {
    /// Whether the index takes space of its own.
    pub(crate) fn costs_space(&self) -> bool {
        !self.over_identity
    }
}

/// What is indexed: a table of the catalogue.
pub(crate) struct Indexed<'a> {
    /// The catalogue.
    pub(crate) catalog: &'a SourceCatalog,
    /// The table's id.
    pub(crate) table: TableId,
    /// The table.
    pub(crate) schema: &'a TableSchema,
}

impl<'a> Indexed<'a> {
    /// A table of the catalogue by id.
    pub(crate) fn of(catalog: &'a SourceCatalog, table: TableId) -> Option<Self> {
        Some(Self { catalog, table, schema: catalog.tables.get(table.0 as usize)? })
    }

    /// The kind of a column's own equality.
    pub(crate) fn column_kind(&self, ordinal: usize) -> Option<KeyKind> {
        own_kind(&self.schema.columns.get(ordinal)?.data_type, self.catalog)
    }

    /// The terms that pin the columns of a unique key, one per column; `None` if a column is not pinned by its own equality.
    pub(crate) fn pins<'t>(&self, columns: &[usize], terms: &[&'t Term]) -> Option<Vec<&'t Term>> {
        columns.iter().map(|ordinal| self.pin(*ordinal, terms)).collect()
    }

    fn pin<'t>(&self, ordinal: usize, terms: &[&'t Term]) -> Option<&'t Term> {
        let nullable = self.schema.columns.get(ordinal).is_none_or(|column| column.nullable);
        let pins = |term: &Term| {
            pinned(&term.expr, &term.rule, self.catalog).is_some_and(|(_, column)| column == ordinal)
                && !(term.null_safe && nullable)
        };
        terms.iter().copied().find(|term| pins(term))
    }

    /// Whether the terms pin all columns of some unique key: then at most one row answers.
    pub(crate) fn is_unique(&self, terms: &[&Term]) -> bool {
        let keys = self.schema.primary_key.iter().chain(&self.schema.unique_keys);
        keys.into_iter().any(|key| !key.columns.is_empty() && self.pins(&key.columns, terms).is_some())
    }

    /// The terms that pin a prefix of the identity by exactly the identity's own kinds.
    fn identity_prefix<'t>(&self, terms: &[&'t Term]) -> Vec<&'t Term> {
        let columns = self.schema.identity().map(|key| key.columns.as_slice()).unwrap_or_default();
        let exact = |ordinal: &usize| {
            let kind = self.column_kind(*ordinal)?;
            self.pin(*ordinal, terms).filter(|term| term.rule == kind && bare_column(&term.expr).is_some())
        };
        columns.iter().map_while(exact).collect()
    }
}

impl IndexPool {
    /// The index of a table over exactly these parts, made if it does not exist.
    pub(crate) fn intern(&mut self, table: TableId, parts: Vec<IndexPart>, over_identity: bool) -> IndexId {
        let same_part = |left: &IndexPart, right: &IndexPart| {
            left.kind == right.kind && left.null_safe == right.null_safe && same(&left.expr, &right.expr)
        };
        let found = self.plans.iter().position(|plan| {
            plan.table == table
                && plan.over_identity == over_identity
                && plan.parts.len() == parts.len()
                && plan.parts.iter().zip(&parts).all(|(left, right)| same_part(left, right))
        });
        let index = found.unwrap_or_else(|| {
            self.plans.push(IndexPlan { table, parts, over_identity });
            self.plans.len() - 1
        });
        IndexId(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// Keeps the index of a probe.
    pub(crate) fn keep(&mut self, probe: Probe) -> (IndexId, Vec<Expr>) {
        (self.intern(probe.table, probe.parts, probe.over_identity), probe.values)
    }
}

/// The cheapest way to find the rows that fulfil `terms`; `None` if they pin too little to be worth a probe: nothing but constants,
/// without pinning a unique key.
pub(crate) fn choose(indexed: &Indexed<'_>, terms: &[Term]) -> Option<Probe> {
    let all: Vec<&Term> = terms.iter().collect();
    let joined: Vec<&Term> = terms.iter().filter(|term| !term.constant).collect();
    let unique = indexed.is_unique(&all);
    if joined.is_empty() && !unique {
        return None;
    }
    let prefix = indexed.identity_prefix(&all);
    let whole = indexed.schema.identity().is_some_and(|key| key.columns.len() == prefix.len());
    let covers = |term: &&Term| prefix.iter().any(|pinned| same(&pinned.expr, &term.expr));
    if !prefix.is_empty() && (whole || (joined.iter().all(covers) && !joined.is_empty())) {
        return Some(probe(indexed, &prefix, true, whole || unique));
    }
    let chosen = if unique || indexed.schema.identity().is_none() { all } else { joined };
    let mut distinct: Vec<&Term> = Vec::new();
    for term in chosen {
        if !distinct.iter().any(|other| same(&other.expr, &term.expr) && other.rule == term.rule) {
            distinct.push(term);
        }
    }
    distinct.sort_by_key(|term| bare_column(&term.expr).map_or(usize::MAX, |(_, column)| column));
    Some(probe(indexed, &distinct, false, unique))
}

/// A way to find the rows of a small table that fulfil `terms`: those under the constants that its identity begins with, or all.
pub(crate) fn choose_whole(indexed: &Indexed<'_>, terms: &[Term]) -> Probe {
    let constants: Vec<&Term> = terms.iter().filter(|term| term.constant).collect();
    probe(indexed, &indexed.identity_prefix(&constants), true, false)
}

fn probe(indexed: &Indexed<'_>, terms: &[&Term], over_identity: bool, unique: bool) -> Probe {
    let part =
        |term: &&Term| IndexPart { expr: with_alias(&term.expr, AliasId(0)), kind: term.rule.clone(), null_safe: term.null_safe };
    Probe {
        table: indexed.table,
        parts: terms.iter().map(part).collect(),
        over_identity,
        values: terms.iter().map(|term| term.value.clone()).collect(),
        unique,
    }
}
