//! A bound query becomes a plan: stored columns, indexes, anchors, walks and key proofs.
//!
//! In: bound queries of every mapping and the source catalogue. Out: a [`Plan`], plain data that `derive` interprets. The plan is
//! a pure function of its inputs; [`Plan::fingerprint`] changes when anything that gives state its meaning changes.

mod access;
mod accumulate;
mod anchor;
mod apart;
mod builder;
mod dependence;
mod explain;
pub(crate) mod expr;
mod facts;
mod grouping;
mod indexes;
mod input;
mod kinds;
mod layout;
mod members;
mod missing;
mod names;
mod normal;
pub mod output;
pub(crate) mod print;
mod proof;
mod scopes;
mod typing;
mod unproven;
mod walks;

#[cfg(test)]
mod tests;

pub use builder::Builder;
pub use input::{ColumnOptions, Fact, MappingInput, PlanFinding, TableInput};
pub(crate) use kinds::own_kind;
pub use names::Names;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::schema::{TableId, TableLayout, TableName, TableSchema, TargetTable};
use crate::sql::query::{AliasId, Branch, Expr};
use crate::sql::total::Upkeep;
use crate::value::KeyKind;

/// An index over stored rows; unique in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IndexId(pub u32);

/// An accumulator: groups that are kept up row by row; unique in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccumulatorId(pub u32);

/// A target table over all mappings; unique in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u32);

/// The index of a mapping in its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MappingId(pub u32);

/// Everything the engine needs to know about the mappings over one source.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Legacy tables; index = [`TableId`].
    pub tables: Vec<TablePlan>,
    /// Indexes; index = [`IndexId`].
    pub indexes: Vec<IndexPlan>,
    /// Groups that are kept up row by row; index = [`AccumulatorId`].
    pub accumulators: Vec<AccumulatorPlan>,
    /// Mappings; index = [`MappingId`].
    pub mappings: Vec<MappingPlan>,
    /// Target tables of all mappings; index = [`NodeId`].
    pub nodes: Vec<NodePlan>,
    /// What mappings declare about the data beyond the schema, watched at run time.
    pub facts: Vec<FactPlan>,
}

/// A declared fact: an index over the columns in which no key may have two rows.
#[derive(Debug, Clone)]
pub struct FactPlan {
    /// The mapping that declares it.
    pub mapping: MappingId,
    /// The index; it has entries for rows that fulfil the condition only.
    pub index: IndexId,
    /// The table, for messages and statements.
    pub table: TableName,
    /// Its columns, for messages and statements.
    pub columns: Vec<String>,
    /// The condition as written; empty: all rows.
    pub condition: String,
}

impl std::fmt::Display for FactPlan {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "unique {} ({})", self.table, self.columns.join(", "))?;
        if self.condition.is_empty() { Ok(()) } else { write!(formatter, " where {}", self.condition) }
    }
}

/// A stored legacy table.
#[derive(Debug, Clone)]
pub struct TablePlan {
    /// The table in the catalogue.
    pub schema: TableSchema,
    /// Its stored columns.
    pub layout: TableLayout,
    /// How identity values become key bytes, per identity column; empty for a bag.
    pub identity_kinds: Vec<KeyKind>,
    /// Indexes over it.
    pub indexes: Vec<IndexId>,
}

/// An index: stored rows of one table by expressions over them.
#[derive(Debug, Clone)]
pub struct IndexPlan {
    /// The table.
    pub table: TableId,
    /// Expressions over the stored row; every column reference has alias 0.
    pub parts: Vec<IndexPart>,
    /// The parts are the leading identity columns by their own kinds: the base keyspace itself answers probes, and the index keyspace
    /// stays empty.
    pub over_identity: bool,
}

/// One key part of an index.
#[derive(Debug, Clone)]
pub struct IndexPart {
    /// The expression over the stored row.
    pub expr: Expr,
    /// How its value becomes key bytes.
    pub kind: KeyKind,
    /// Whether NULL is indexed (`<=>`); otherwise a NULL part means no entry.
    pub null_safe: bool,
}

/// One mapping.
#[derive(Debug, Clone)]
pub struct MappingPlan {
    /// Its name: its identity.
    pub name: String,
    /// Its target tables, in the order of the file.
    pub nodes: Vec<NodeId>,
    /// Output policies.
    pub policies: Policies,
}

/// What a mapping does where the exact answer is not to be had, or not at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policies {
    /// For zero and partly zero dates.
    pub zero_date: ZeroDate,
    /// For a changed row that very many target rows are derived from.
    #[serde(default)]
    pub hot_change: HotChange,
}

/// The `hot_change` policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HotChange {
    /// All target rows change in one target transaction.
    #[default]
    Strict,
    /// They change some at a time, between epochs: a sweep.
    Deferred,
}

/// The `zero_date` policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ZeroDate {
    /// Stop and say so.
    #[default]
    Stop,
    /// NULL.
    Null,
    /// The first day of the calendar.
    FirstDay,
}

/// One target table: how its rows follow from stored rows.
#[derive(Debug, Clone)]
pub struct NodePlan {
    /// The mapping it belongs to.
    pub mapping: MappingId,
    /// The target table.
    pub table: TargetTable,
    /// UNION ALL branches.
    pub branches: Vec<BranchPlan>,
    /// Output policies of the mapping.
    pub policies: Policies,
    /// The mapping's SQL text; for verify and diff.
    pub sql: String,
    /// A fingerprint of what the node computes, free of spans and of anything other mappings decide.
    pub meaning: u128,
}

/// One branch.
#[derive(Debug, Clone)]
pub struct BranchPlan {
    /// The branch; column references are indexes into stored layouts.
    pub branch: Branch,
    /// What a derivation starts from.
    pub anchor: Anchor,
    /// Per base-table alias, how a changed row finds the anchors it affects. An alias has several walks where a derived table of several
    /// SELECTs stands on the way: one through each of them.
    pub walks: Vec<(AliasId, Walk)>,
    /// How each SELECT of the branch, at any depth, reads its relations; by the alias of its first relation.
    pub access: BTreeMap<AliasId, SelectAccess>,
    /// Per stored table, the places of its row that nothing in the branch reads, as bits. Places from 64 on count as read.
    pub unread: BTreeMap<TableId, u64>,
}

/// How a SELECT reads its relations once its outer aliases (and the anchor alias) are bound.
#[derive(Debug, Clone, Default)]
pub struct SelectAccess {
    /// One step per relation of FROM, in evaluation order.
    pub steps: Vec<AccessStep>,
    /// A subquery that refers to nothing outside of it: it has one answer.
    pub standalone: bool,
    /// Conjuncts of WHERE and of inner joins that need none of the relations: over outer aliases and constants only.
    pub guards: Vec<Expr>,
    /// Per group expression, how its values are told apart.
    pub group_kinds: Vec<KeyKind>,
    /// Group expressions that an output shows: their values must be the same bytes in a whole group, because the source would show any
    /// of them.
    pub shown_groups: Vec<usize>,
    /// Per output, how DISTINCT tells its values apart; empty without DISTINCT.
    pub distinct_kinds: Vec<KeyKind>,
    /// Per numbering, how its partitions are told apart.
    pub partition_kinds: Vec<Vec<KeyKind>>,
    /// The equalities that the SELECT around a derived table asks of its rows: an expression over it, a value from outside.
    pub pushed: Vec<Expr>,
    /// Of a grouped or numbered SELECT, and of one with ORDER BY and LIMIT, where its groups or first rows come from.
    pub regrouped: Option<Regrouped>,
}

/// Where the groups of a SELECT come from.
#[derive(Debug, Clone)]
pub enum Regrouped {
    /// They are kept up row by row.
    KeptUp(AccumulatorUse),
    /// They are derived from all of their rows, and why.
    Whole(&'static str),
}

/// How a SELECT asks an accumulator for its groups.
#[derive(Debug, Clone)]
pub struct AccumulatorUse {
    /// The accumulator.
    pub id: AccumulatorId,
    /// Which groups.
    pub probe: GroupProbe,
    /// What outputs and HAVING read the group's own row by: its group expressions, then `extras`.
    pub alias: AliasId,
    /// Columns that have one value in a group.
    pub extras: Vec<Expr>,
}

/// The beginning of the keys of the groups that are asked for.
#[derive(Debug, Clone)]
pub enum GroupProbe {
    /// The anchor key.
    Anchor,
    /// Values from outside, one per leading part of the key.
    Values(Vec<Expr>),
}

/// Groups that are kept up row by row.
#[derive(Debug, Clone)]
pub struct AccumulatorPlan {
    /// The members: the rows of the SELECT without its grouping, as the rows of SELECTs that are each cut by rows of one stored table and
    /// have the same outputs. They read no accumulator themselves.
    pub bodies: Vec<BranchPlan>,
    /// The key of a group, over outputs of the bodies; the parts that are asked for come first.
    pub key: Vec<GroupKeyPart>,
    /// Outputs of the bodies that make the group's own row.
    pub shown: Vec<usize>,
    /// The aggregates.
    pub aggregates: Vec<KeptAggregate>,
    /// A fingerprint of what is kept up; entries of another are of no use.
    pub meaning: u128,
}

/// One part of the key of a group.
#[derive(Debug, Clone)]
pub struct GroupKeyPart {
    /// Output of the bodies.
    pub output: usize,
    /// How its value becomes key bytes.
    pub kind: KeyKind,
    /// Whether a NULL is a key; otherwise nothing asks for such a group.
    pub null_safe: bool,
}

/// One aggregate of a group.
#[derive(Debug, Clone)]
pub struct KeptAggregate {
    /// How it is kept up.
    pub upkeep: Upkeep,
    /// Its arguments, as outputs of the bodies.
    pub arguments: Vec<usize>,
    /// How listed values are told apart and ordered.
    pub rules: Vec<KeyKind>,
    /// Of [`Upkeep::First`], how its leading arguments order the rows, one for each rule.
    pub directions: Vec<Direction>,
}

/// Which way an ORDER BY goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Direction {
    /// DESC.
    pub descending: bool,
    /// NULLs stand before all values.
    pub nulls_first: bool,
}

/// Binds one relation of FROM.
#[derive(Debug, Clone)]
pub struct AccessStep {
    /// Index into [`crate::sql::query::Select::from`].
    pub item: usize,
    /// Where its candidate rows come from.
    pub path: AccessPath,
    /// For a LEFT relation: all conjuncts of its ON. A candidate that fails one does not match; without a match the relation is NULL.
    pub matches: Vec<Expr>,
    /// Conjuncts of WHERE and of inner joins that are decidable from here on.
    pub filters: Vec<Expr>,
}

/// Where the candidate rows of a relation come from.
#[derive(Debug, Clone)]
pub enum AccessPath {
    /// The alias is bound before the SELECT runs: the anchor.
    Bound,
    /// An index, probed with expressions over aliases already bound.
    Probe {
        /// The index.
        index: IndexId,
        /// One value per index part.
        values: Vec<Expr>,
    },
    /// The derived table's own SELECT, whose access already contains the equalities pushed into it.
    Derived,
}

/// What a derivation starts from: all output rows of one anchor key are derived together.
#[derive(Debug, Clone)]
pub enum Anchor {
    /// One row of a root table, by its identity.
    Row {
        /// The root alias.
        alias: AliasId,
    },
    /// One group: all rows of `alias` with the same values of an index.
    Group {
        /// The alias whose columns make the (leading part of the) group key.
        alias: AliasId,
        /// The index over exactly those group expressions; its key bytes are the anchor key.
        index: IndexId,
        /// Further stored tables whose rows share the groups, with their indexes of the same kinds: grouping over a UNION.
        others: Vec<(AliasId, IndexId)>,
    },
}

impl Anchor {
    /// The aliases whose rows are given before a derivation, with the index that makes their anchor keys; `None`: their identity.
    pub fn members(&self) -> impl Iterator<Item = (AliasId, Option<IndexId>)> + '_ {
        let (first, others): (_, &[(AliasId, IndexId)]) = match self {
            Self::Row { alias } => ((*alias, None), &[]),
            Self::Group { alias, index, others } => ((*alias, Some(*index)), others),
        };
        std::iter::once(first).chain(others.iter().map(|(alias, index)| (*alias, Some(*index))))
    }
}

/// The way from a changed row to anchors.
#[derive(Debug, Clone)]
pub struct Walk {
    /// Conjuncts that every contributing row of the start alias fulfils; if both images fail one, nothing is affected.
    pub local: Vec<Expr>,
    /// Stored columns of the start alias that the branch reads (layout indexes); if both images agree on them, nothing is affected.
    pub columns: Vec<usize>,
    /// Steps; the last one yields an anchor alias. Empty if the start alias is one.
    pub hops: Vec<Hop>,
    /// No equality leads to an anchor, so that a change may affect them all.
    pub whole: Option<Whole>,
}

/// What decides whether a change affects all anchors.
#[derive(Debug, Clone)]
pub enum Whole {
    /// What is read of the changed row: it stands beside every row, like a row of settings.
    Row,
    /// The answer of a subquery that refers to nothing outside of it.
    Answer(Expr),
}

/// One step of a walk: probe an index with expressions over the row at hand.
#[derive(Debug, Clone)]
pub struct Hop {
    /// The alias of the row at hand.
    pub from: AliasId,
    /// Probe values, over the row at hand (column references of alias `from`) or constants.
    pub probe: Vec<Expr>,
    /// The index to probe.
    pub index: IndexId,
    /// The alias of the rows it yields.
    pub to: AliasId,
}
