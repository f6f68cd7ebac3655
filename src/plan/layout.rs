//! Which columns of each legacy table are stored, and the change from catalogue ordinals to places in the stored row.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::expr::{rewrite, rewrite_select, visit_columns, visit_select_columns};
use crate::plan::indexes::{IndexPool, Indexed};
use crate::plan::{
    AccessPath, AccumulatorUse, BranchPlan, GroupProbe, IndexId, IndexPart, IndexPlan, Regrouped, SelectAccess, TablePlan, Walk,
    Whole,
};
use crate::schema::{SourceCatalog, StoredColumn, TableId, TableLayout};
use crate::sql::query::{AliasId, Branch, Expr, ExprKind};

/// Where each stored ordinal of each table went.
pub(crate) struct Places {
    by_table: Vec<BTreeMap<usize, usize>>,
}

impl Places {
    fn of(&self, table: TableId, ordinal: usize) -> Option<usize> {
        self.by_table.get(table.0 as usize)?.get(&ordinal).copied()
    }
}

/// The stored columns of all tables: those that any branch or index reads, and the identity.
pub(crate) fn plan_tables<'a>(
    catalog: &SourceCatalog,
    branches: impl Iterator<Item = &'a Branch>,
    pool: &IndexPool,
) -> (Vec<TablePlan>, Places) {
    let mut used: Vec<BTreeSet<usize>> = catalog.tables.iter().map(|_| BTreeSet::new()).collect();
    let mut read = |table: Option<TableId>, column: usize| {
        if let Some(columns) = table.and_then(|table| used.get_mut(table.0 as usize)) {
            columns.insert(column);
        }
    };
    for branch in branches {
        visit_select_columns(&branch.select, &mut |alias, column| {
            read(branch.aliases.get(alias.0).and_then(|definition| definition.table), column);
        });
    }
    for plan in &pool.plans {
        for part in &plan.parts {
            visit_columns(&part.expr, &mut |_, column| read(Some(plan.table), column));
        }
    }
    let mut tables = Vec::new();
    let mut by_table = Vec::new();
    for (index, mut columns) in used.into_iter().enumerate() {
        let Some(table) = u32::try_from(index).ok().map(TableId).and_then(|id| table_plan(catalog, id, &mut columns, pool))
        else {
            continue;
        };
        by_table.push(columns.into_iter().enumerate().map(|(place, ordinal)| (ordinal, place)).collect());
        tables.push(table);
    }
    (tables, Places { by_table })
}

fn table_plan(catalog: &SourceCatalog, id: TableId, columns: &mut BTreeSet<usize>, pool: &IndexPool) -> Option<TablePlan> {
    let indexed = Indexed::of(catalog, id)?;
    let schema = indexed.schema;
    let identity = schema.identity().map(|key| key.columns.clone());
    columns.extend(identity.iter().flatten());
    let place = |ordinal: &usize| columns.iter().position(|column| column == ordinal);
    let stored = |ordinal: &usize| Some(StoredColumn { ordinal: *ordinal, column: schema.columns.get(*ordinal)?.clone() });
    let indexes = pool.plans.iter().enumerate().filter(|(_, plan)| plan.table == id);
    Some(TablePlan {
        schema: schema.clone(),
        layout: TableLayout {
            id,
            name: schema.name.clone(),
            columns: columns.iter().filter_map(stored).collect(),
            identity: identity.as_ref().map(|key| key.iter().filter_map(place).collect()),
            transactional: schema.transactional,
            source_column_count: schema.columns.len(),
        },
        identity_kinds: identity.iter().flatten().filter_map(|ordinal| indexed.column_kind(*ordinal)).collect(),
        indexes: indexes.filter_map(|(index, _)| u32::try_from(index).ok().map(IndexId)).collect(),
    })
}

/// Moves the indexes to stored places.
pub(crate) fn place_indexes(plans: Vec<IndexPlan>, places: &Places) -> Vec<IndexPlan> {
    let placed = |mut plan: IndexPlan| {
        for IndexPart { expr, .. } in &mut plan.parts {
            let table = plan.table;
            rewrite(expr, &mut |node| place_node(node, &|_| Some(table), places));
        }
        plan
    };
    plans.into_iter().map(placed).collect()
}

/// Moves a branch, its walks and its access to stored places.
pub(crate) fn place_branch(plan: &mut BranchPlan, places: &Places) {
    let tables: Vec<Option<TableId>> = plan.branch.aliases.iter().map(|definition| definition.table).collect();
    let table = |alias: AliasId| tables.get(alias.0).copied().flatten();
    let mut change = |node: &mut Expr| place_node(node, &table, places);
    rewrite_select(&mut plan.branch.select, &mut change);
    for (alias, walk) in &mut plan.walks {
        place_walk(walk, &mut change);
        let of = table(*alias);
        walk.columns = walk.columns.iter().filter_map(|column| places.of(of?, *column)).collect();
    }
    for access in plan.access.values_mut() {
        place_access(access, &mut change);
    }
    plan.unread = unread(plan);
}

/// The places of stored rows that nothing in a placed branch reads.
fn unread(plan: &mut BranchPlan) -> BTreeMap<TableId, u64> {
    let tables: Vec<Option<TableId>> = plan.branch.aliases.iter().map(|definition| definition.table).collect();
    let mut unread: BTreeMap<TableId, u64> = tables.iter().flatten().map(|table| (*table, u64::MAX)).collect();
    let mut read = |alias: AliasId, place: usize| {
        let bits = tables.get(alias.0).copied().flatten().and_then(|table| unread.get_mut(&table));
        if let (Some(bits), Some(bit)) = (bits, u32::try_from(place).ok().and_then(|place| 1_u64.checked_shl(place))) {
            *bits &= !bit;
        }
    };
    visit_select_columns(&plan.branch.select, &mut read);
    let accessed = plan.access.values_mut().flat_map(SelectAccess::exprs_mut);
    accessed.for_each(|expr| visit_columns(expr, &mut read));
    unread
}

fn place_walk(walk: &mut Walk, change: &mut dyn FnMut(&mut Expr)) {
    let probes = walk.hops.iter_mut().flat_map(|hop| &mut hop.probe);
    for expr in walk.local.iter_mut().chain(probes) {
        rewrite(expr, change);
    }
    if let Some(Whole::Answer(expr)) = &mut walk.whole {
        rewrite(expr, change);
    }
}

fn place_access(access: &mut SelectAccess, change: &mut dyn FnMut(&mut Expr)) {
    access.exprs_mut().into_iter().for_each(|expr| rewrite(expr, change));
}

impl SelectAccess {
    /// Every expression that is evaluated where the SELECT reads its relations.
    pub(crate) fn exprs_mut(&mut self) -> Vec<&mut Expr> {
        let mut exprs: Vec<&mut Expr> = self.guards.iter_mut().chain(&mut self.pushed).collect();
        for step in &mut self.steps {
            if let AccessPath::Probe { values, .. } = &mut step.path {
                exprs.extend(values);
            }
            exprs.extend(step.matches.iter_mut().chain(&mut step.filters));
        }
        if let Some(Regrouped::KeptUp(AccumulatorUse { probe, extras, .. })) = &mut self.regrouped {
            if let GroupProbe::Values(values) = probe {
                exprs.extend(values);
            }
            exprs.extend(extras);
        }
        exprs
    }
}

/// A column of a stored table moves to its place in the stored row; one of a derived table stays.
fn place_node(node: &mut Expr, table: &dyn Fn(AliasId) -> Option<TableId>, places: &Places) {
    if let ExprKind::Column { alias, column } = &mut node.kind
        && let Some(place) = table(*alias).and_then(|table| places.of(table, *column))
    {
        *column = place;
    }
}
