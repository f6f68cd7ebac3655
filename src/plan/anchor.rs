//! What a branch can be derived from.
//!
//! Every way to cut the rows of a branch into parts that are derived on their own is a *candidate*: one row of a stored table that is
//! always there, or the rows of stored tables that share a group key. A grouped SELECT must never be cut through a group, a
//! numbered one never through a partition; what may be told apart inside of it is its *unit*. Derived tables are looked into.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::dependence::Dependence;
use crate::plan::expr::{bare_column, free_aliases, is_plain, same, with_alias};
use crate::plan::indexes::{IndexPool, Indexed};
use crate::plan::input::PlanFinding;
use crate::plan::kinds::own_kind;
use crate::plan::proof::{DeclaredKey, known_by_key};
use crate::plan::scopes::Scopes;
use crate::plan::{Anchor, IndexId, IndexPart};
use crate::sql::query::{AliasId, Expr, JoinKind, Relation, Select};

/// A way to cut the rows of a branch into parts.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// The relation of the branch's own FROM that it stands in.
    pub(crate) item: AliasId,
    /// What it cuts by.
    pub(crate) cut: Cut,
}

/// What a candidate cuts by.
#[derive(Debug, Clone)]
pub(crate) enum Cut {
    /// Single rows.
    Row(AliasId),
    /// Groups: per stored table, the expressions that tell them apart; of one kind each, table for table.
    Group(Vec<(AliasId, Vec<Expr>)>),
}

impl Candidate {
    /// The stored aliases whose rows are given before a derivation.
    pub(crate) fn aliases(&self) -> BTreeSet<AliasId> {
        match &self.cut {
            Cut::Row(alias) => BTreeSet::from([*alias]),
            Cut::Group(members) => members.iter().map(|(alias, _)| *alias).collect(),
        }
    }

    /// The anchor, with its indexes kept.
    ///
    /// # Errors
    /// A group expression whose type has no equality.
    pub(crate) fn anchor(&self, scopes: &Scopes<'_>, pool: &mut IndexPool) -> Result<Anchor, PlanFinding> {
        let members = match &self.cut {
            Cut::Row(alias) => return Ok(Anchor::Row { alias: *alias }),
            Cut::Group(members) => members,
        };
        let alone = members.len() == 1;
        let mut indexes = Vec::new();
        for (alias, exprs) in members {
            indexes.push((*alias, group_index(scopes, *alias, exprs, alone, pool)?));
        }
        match indexes.split_first() {
            Some(((alias, index), others)) => Ok(Anchor::Group { alias: *alias, index: *index, others: others.to_vec() }),
            None => Err(PlanFinding::declared("a group anchor without a table", "")),
        }
    }
}

/// All candidates of a branch, best first: one that fixes everything else, whose identity the key determines; then by how little it
/// leaves open.
pub(crate) fn candidates(scopes: &Scopes<'_>, key: &DeclaredKey<'_>) -> Vec<Candidate> {
    let select = &scopes.branch.select;
    let known = known_by_key(scopes, key);
    let rank = |candidate: &Candidate| {
        let mut dependence = Dependence::new(scopes, select, &[]);
        dependence.fixed.insert(candidate.item);
        dependence.settle();
        let identified = match &candidate.cut {
            Cut::Row(alias) => identity(scopes, *alias)
                .is_some_and(|columns| candidate.item != *alias || columns.iter().all(|column| known.is_known(*alias, *column))),
            Cut::Group(_) => true,
        };
        (dependence.open().len(), !identified, candidate.breadth(scopes))
    };
    let mut found = of_select(scopes, select);
    found.sort_by_cached_key(rank);
    found
}

impl Candidate {
    /// Wider groups are worse; a group that is one row is as good as a row.
    fn breadth(&self, scopes: &Scopes<'_>) -> usize {
        match &self.cut {
            Cut::Row(_) => 0,
            Cut::Group(members) if members.iter().all(|(alias, exprs)| holds_identity(scopes, *alias, exprs)) => 0,
            Cut::Group(members) => 1000_usize.saturating_sub(members.first().map_or(0, |(_, exprs)| exprs.len())),
        }
    }
}

/// The identity columns of a stored alias.
pub(crate) fn identity(scopes: &Scopes<'_>, alias: AliasId) -> Option<Vec<usize>> {
    let schema = Indexed::of(scopes.catalog, scopes.table(alias)?)?.schema;
    schema.identity().map(|key| key.columns.clone())
}

fn holds_identity(scopes: &Scopes<'_>, alias: AliasId, exprs: &[Expr]) -> bool {
    let columns: BTreeSet<usize> = exprs.iter().filter_map(bare_column).map(|(_, column)| column).collect();
    identity(scopes, alias).is_some_and(|key| key.iter().all(|column| columns.contains(column)))
}

/// What has one value in every part of a SELECT that must not be cut; `None`: any row may be taken on its own.
pub(crate) fn unit(select: &Select) -> Option<Vec<&Expr>> {
    let mut unit: Option<Vec<&Expr>> = select.group_by.as_ref().map(|groups| groups.iter().collect());
    if select.distinct {
        let outputs: Vec<&Expr> = select.outputs.iter().collect();
        unit = Some(match unit {
            Some(unit) => unit.into_iter().filter(|expr| outputs.iter().any(|output| same(output, expr))).collect(),
            None => outputs,
        });
    }
    for numbering in &select.numberings {
        let parts: Vec<&Expr> = numbering.partition_by.iter().collect();
        unit = Some(match unit {
            Some(unit) => unit.into_iter().filter(|expr| parts.iter().any(|part| same(part, expr))).collect(),
            None => parts,
        });
    }
    unit
}

fn of_select(scopes: &Scopes<'_>, select: &Select) -> Vec<Candidate> {
    let present = select.from.iter().filter(|item| item.join == JoinKind::Inner);
    let unit = unit(select);
    let mut found = Vec::new();
    for item in present {
        let cuts = match (&unit, &item.relation) {
            (Some(unit), _) => groups(scopes, select, item.alias, unit),
            (None, Relation::Table(_)) => vec![Cut::Row(item.alias)],
            (None, Relation::Derived(arms)) => match arms.as_slice() {
                [arm] if arm.limit.is_none() => of_select(scopes, arm).into_iter().map(|inner| inner.cut).collect(),
                _ => vec![],
            },
        };
        found.extend(cuts.into_iter().map(|cut| Candidate { item: item.alias, cut }));
    }
    found
}

/// Unit expressions over one relation, traced to stored tables: those that lead to the same tables make one cut.
fn groups(scopes: &Scopes<'_>, select: &Select, item: AliasId, unit: &[&Expr]) -> Vec<Cut> {
    let mut by_tables: BTreeMap<Vec<AliasId>, Vec<Vec<Expr>>> = BTreeMap::new();
    for expr in unit.iter().filter(|expr| is_plain(expr) && free_aliases(expr) == BTreeSet::from([item])) {
        let Some(traced) = traced(scopes, select, expr) else { continue };
        let (aliases, exprs): (Vec<AliasId>, Vec<Expr>) = traced.into_iter().unzip();
        if own_kind(&expr.data_type, scopes.catalog).is_some() || aliases.len() == 1 {
            by_tables.entry(aliases).or_default().push(exprs);
        }
    }
    let cut = |(aliases, columns): (Vec<AliasId>, Vec<Vec<Expr>>)| {
        let members = aliases.into_iter().enumerate();
        let of = |member: usize| columns.iter().filter_map(|exprs| exprs.get(member)).cloned().collect();
        Cut::Group(members.map(|(member, alias)| (alias, of(member))).collect())
    };
    by_tables.into_iter().map(cut).collect()
}

/// An expression over one relation of a SELECT, as expressions over the stored tables behind it; `None` if groups of it could be cut.
fn traced(scopes: &Scopes<'_>, select: &Select, expr: &Expr) -> Option<Vec<(AliasId, Expr)>> {
    let free = free_aliases(expr);
    let (alias, None) = (free.first().copied()?, free.iter().nth(1)) else { return None };
    let item = select.from.iter().find(|item| item.alias == alias && item.join == JoinKind::Inner)?;
    let arms = match &item.relation {
        Relation::Table(_) => return Some(vec![(alias, expr.clone())]),
        Relation::Derived(arms) => arms,
    };
    let (_, column) = bare_column(expr)?;
    let own = own_kind(&expr.data_type, scopes.catalog)?;
    let mut found = Vec::new();
    for arm in arms {
        let output = crate::plan::scopes::pushable(arm, column, &own, scopes.catalog)?;
        let kept = own_kind(&output.data_type, scopes.catalog)? == own;
        found.extend(traced(scopes, arm, output).filter(|_| kept)?);
    }
    Some(found)
}

fn group_index(
    scopes: &Scopes<'_>,
    alias: AliasId,
    over: &[Expr],
    alone: bool,
    pool: &mut IndexPool,
) -> Result<IndexId, PlanFinding> {
    let no_equality =
        |expr: &Expr| PlanFinding::at(&expr.span, "values of this type cannot be grouped", "cast it to a type with an equality");
    let missing = || PlanFinding::declared("a group anchor without a table", "");
    let table = scopes.table(alias).ok_or_else(missing)?;
    let indexed = Indexed::of(scopes.catalog, table).ok_or_else(missing)?;
    let identity: Vec<usize> = indexed.schema.identity().map(|key| key.columns.clone()).unwrap_or_default();
    let position = |expr: &Expr| {
        let (_, column) = bare_column(expr)?;
        identity.iter().position(|candidate| *candidate == column)
    };
    let mut ordered: Vec<&Expr> = over.iter().collect();
    if alone {
        // Tables that share groups have their parts in one order; a table alone may follow its own key, and needs no more than that.
        ordered.sort_by_key(|expr| position(expr).unwrap_or(usize::MAX));
        if holds_identity(scopes, alias, over) {
            ordered.truncate(identity.len());
        }
    }
    let is_prefix = alone && ordered.iter().enumerate().all(|(index, expr)| position(expr) == Some(index));
    let mut parts = Vec::new();
    for expr in ordered {
        let kind = own_kind(&expr.data_type, scopes.catalog).ok_or_else(|| no_equality(expr))?;
        // Over the identity no part is ever NULL; then the index is the one that joins use.
        parts.push(IndexPart { expr: with_alias(expr, AliasId(0)), kind, null_safe: !is_prefix });
    }
    Ok(pool.intern(table, parts, is_prefix))
}
