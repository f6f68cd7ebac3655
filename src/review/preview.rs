//! Preview: a plan as people read it: what is joined and how it is found, what a change touches, what is stored, what is created.
//!
//! In: a plan and the definitions of its target tables. Out: [`Preview`], plain data for JSON and for text. Row counts come from the source's
//! own estimates, sizes from declared types; both are estimates and named so.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::plan::{
    AccessPath, AccumulatorPlan, Anchor, BranchPlan, Hop, IndexPlan, MappingPlan, NodePlan, Plan, Whole, expr, print,
};
use crate::review::preflight::qualified;
use crate::schema::{DataType, SourceCatalog, TableId};
use crate::sql::query::{AliasId, Expr, FromItem, JoinKind, Relation, Select};

/// A whole plan.
#[derive(Debug, Clone, Serialize)]
pub struct Preview {
    /// Version of this structure: fields are added, never renamed.
    pub format_version: u32,
    /// Target tables of all mappings.
    pub targets: Vec<TargetPreview>,
    /// Legacy tables that are kept in the state.
    pub stored: Vec<StoredPreview>,
    /// Estimated size of the state, bytes.
    pub state_bytes_estimate: u64,
}

/// One target table.
#[derive(Debug, Clone, Serialize)]
pub struct TargetPreview {
    /// Its mapping.
    pub mapping: String,
    /// Its name.
    pub table: String,
    /// Its key columns.
    pub key: Vec<String>,
    /// How many rows it will have at most, by the source's estimates.
    pub row_estimate: u64,
    /// UNION ALL branches.
    pub branches: Vec<BranchPreview>,
    /// The statements that create it.
    pub definition: Vec<String>,
    /// The mapping's SELECT.
    pub sql: String,
}

/// One branch.
#[derive(Debug, Clone, Serialize)]
pub struct BranchPreview {
    /// What one derivation starts from.
    pub anchor: String,
    /// Relations in the order in which they are read.
    pub joins: Vec<JoinPreview>,
    /// Where the groups of grouped SELECTs come from, in words.
    pub groups: Vec<String>,
    /// Per alias, how a changed row finds the rows it affects.
    pub walks: Vec<WalkPreview>,
}

/// One relation of a branch.
#[derive(Debug, Clone, Serialize)]
pub struct JoinPreview {
    /// How deep it is nested: 0 for the SELECT itself.
    pub depth: usize,
    /// Alias.
    pub alias: String,
    /// Legacy table, or `derived table`.
    pub table: String,
    /// `from`, `join`, `left join`, `subquery`.
    pub kind: &'static str,
    /// How its rows are found.
    pub by: String,
}

/// The way of a change.
#[derive(Debug, Clone, Serialize)]
pub struct WalkPreview {
    /// Alias of the changed row.
    pub alias: String,
    /// Its legacy table.
    pub table: String,
    /// Steps to the anchor; empty: the row is the anchor.
    pub hops: Vec<String>,
}

/// One stored legacy table.
#[derive(Debug, Clone, Serialize)]
pub struct StoredPreview {
    /// Its name.
    pub table: String,
    /// Stored columns.
    pub column_count: usize,
    /// Columns of the legacy table.
    pub column_count_source: usize,
    /// The source's estimate.
    pub row_estimate: u64,
    /// Indexes kept over it besides its key.
    pub indexes: Vec<String>,
    /// Estimated size, bytes.
    pub bytes_estimate: u64,
}

/// Describes a plan. `definition` gives the statements that create a target table of a mapping.
#[must_use]
pub fn preview(plan: &Plan, catalog: &SourceCatalog, definition: &dyn Fn(&MappingPlan, &NodePlan) -> Vec<String>) -> Preview {
    let mut targets = Vec::new();
    for mapping in &plan.mappings {
        for node in mapping.nodes.iter().filter_map(|id| plan.nodes.get(id.0 as usize)) {
            targets.push(target(plan, catalog, mapping, node, definition(mapping, node)));
        }
    }
    let stored: Vec<StoredPreview> = (0..plan.tables.len()).filter_map(|index| stored(plan, catalog, index)).collect();
    let emitted: u64 = targets.iter().map(|target| target.row_estimate.saturating_mul(EMITTED_BYTES)).sum();
    let kept_up: u64 = plan.accumulators.iter().map(|accumulator| accumulator_bytes(catalog, accumulator)).sum();
    let tables: u64 = stored.iter().map(|table| table.bytes_estimate).sum();
    let state_bytes_estimate = tables.saturating_add(emitted).saturating_add(kept_up);
    Preview { format_version: 1, targets, stored, state_bytes_estimate }
}

/// Key and fingerprint of one emitted row.
const EMITTED_BYTES: u64 = 40;

/// Key and totals of one group, and so many members to a group: nobody knows how many there are.
const GROUP_BYTES: u64 = 60;
const MEMBERS_PER_GROUP: u64 = 4;

/// Groups that are kept up, with the values that are listed one by one.
fn accumulator_bytes(catalog: &SourceCatalog, accumulator: &AccumulatorPlan) -> u64 {
    let members: u64 = accumulator.bodies.iter().map(|body| branch_estimate(catalog, body)).max().unwrap_or(0);
    let listed = accumulator.aggregates.iter().filter(|aggregate| aggregate.upkeep.lists_values());
    let values: u64 = listed.map(|aggregate| 30 + 10 * aggregate.arguments.len() as u64).sum();
    (members / MEMBERS_PER_GROUP).saturating_mul(GROUP_BYTES).saturating_add(members.saturating_mul(values))
}

fn target(
    plan: &Plan,
    catalog: &SourceCatalog,
    mapping: &MappingPlan,
    node: &NodePlan,
    definition: Vec<String>,
) -> TargetPreview {
    let column = |index: &usize| node.table.columns.get(*index).map_or_else(String::new, |column| column.name.clone());
    TargetPreview {
        mapping: mapping.name.clone(),
        table: qualified(&node.table),
        key: node.table.key.iter().map(column).collect(),
        row_estimate: anchor_estimate(catalog, node),
        branches: node.branches.iter().map(|branch| Names { plan, branch }.branch()).collect(),
        definition,
        sql: node.sql.clone(),
    }
}

/// How many anchors a target table has, by the source's estimates.
#[must_use]
pub fn anchor_estimate(catalog: &SourceCatalog, node: &NodePlan) -> u64 {
    node.branches.iter().map(|branch| branch_estimate(catalog, branch)).sum()
}

fn branch_estimate(catalog: &SourceCatalog, branch: &BranchPlan) -> u64 {
    let (Anchor::Row { alias } | Anchor::Group { alias, .. }) = branch.anchor;
    let table = branch.branch.aliases.get(alias.0).and_then(|definition| definition.table);
    table.and_then(|table| catalog.tables.get(table.0 as usize)).map_or(0, |table| table.row_estimate)
}

/// Names of a branch's columns.
struct Names<'a> {
    plan: &'a Plan,
    branch: &'a BranchPlan,
}

impl Names<'_> {
    fn alias(&self, alias: AliasId) -> String {
        self.branch.branch.aliases.get(alias.0).map_or_else(|| "?".to_owned(), |definition| definition.name.clone())
    }

    fn table_id(&self, alias: AliasId) -> Option<TableId> {
        self.branch.branch.aliases.get(alias.0)?.table
    }

    fn table(&self, alias: AliasId) -> String {
        let table = self.table_id(alias).and_then(|table| self.plan.tables.get(table.0 as usize));
        table.map_or_else(|| "derived table".to_owned(), |table| table.layout.name.name.clone())
    }

    fn expr(&self, expr: &Expr) -> String {
        print::brief(expr, &|alias, column| {
            let table = self.table_id(alias).and_then(|table| self.plan.tables.get(table.0 as usize));
            let name = table.and_then(|table| table.layout.columns.get(column)).map(|stored| stored.column.name.clone());
            format!("{}.{}", self.alias(alias), name.unwrap_or_else(|| format!("column {}", column + 1)))
        })
    }

    fn probe(&self, index: crate::plan::IndexId, values: &[Expr]) -> String {
        let Some(index) = self.plan.indexes.get(index.0 as usize) else { return "?".to_owned() };
        let parts: Vec<String> = index_parts(self.plan, index)
            .into_iter()
            .zip(values)
            .map(|(part, value)| format!("{part} = {}", self.expr(value)))
            .collect();
        match parts.is_empty() {
            true => "every row".to_owned(),
            false => format!("by {}", parts.join(" and ")),
        }
    }

    fn branch(&self) -> BranchPreview {
        let anchor = match &self.branch.anchor {
            Anchor::Row { alias } => format!("each row of {} {}", self.table(*alias), self.alias(*alias)),
            Anchor::Group { alias, index, .. } => {
                let parts =
                    self.plan.indexes.get(index.0 as usize).map(|index| index_parts(self.plan, index)).unwrap_or_default();
                format!("each group of {} {} by {}", self.table(*alias), self.alias(*alias), parts.join(", "))
            }
        };
        let mut joins = Vec::new();
        self.select(&self.branch.branch.select, "from", 0, &mut joins);
        let walks = self.branch.walks.iter().map(|(alias, walk)| WalkPreview {
            alias: self.alias(*alias),
            table: self.table(*alias),
            hops: match &walk.whole {
                Some(Whole::Row) => vec!["every row".to_owned()],
                Some(Whole::Answer(_)) => vec!["every row, if the subquery's answer changes".to_owned()],
                None => {
                    let hop = |hop: &Hop| format!("{} {}", self.alias(hop.to), self.probe(hop.index, &hop.probe));
                    walk.hops.iter().map(hop).collect()
                }
            },
        });
        BranchPreview { anchor, joins, groups: self.branch.groups(self.plan), walks: walks.collect() }
    }

    fn select(&self, select: &Select, first: &'static str, depth: usize, joins: &mut Vec<JoinPreview>) {
        let access = select.from.first().and_then(|item| self.branch.access.get(&item.alias));
        for (place, step) in access.iter().flat_map(|access| &access.steps).enumerate() {
            let Some(item) = select.from.get(step.item) else { continue };
            let kind = match (place, item.join) {
                (_, JoinKind::Left) => "left join",
                (0, JoinKind::Inner) => first,
                (_, JoinKind::Inner) => "join",
            };
            joins.push(self.join(item, &step.path, kind, depth));
            if let Relation::Derived(arms) = &item.relation {
                arms.iter().for_each(|arm| self.select(arm, "from", depth + 1, joins));
            }
        }
        for expression in expr::select_exprs(select) {
            self.subqueries(expression, depth, joins);
        }
    }

    fn subqueries(&self, expression: &Expr, depth: usize, joins: &mut Vec<JoinPreview>) {
        if let Some(select) = expr::subquery(expression) {
            self.select(select, "subquery", depth, joins);
        }
        for child in expr::children(expression) {
            self.subqueries(child, depth, joins);
        }
    }

    fn join(&self, item: &FromItem, path: &AccessPath, kind: &'static str, depth: usize) -> JoinPreview {
        let by = match path {
            AccessPath::Bound => "the anchor".to_owned(),
            AccessPath::Probe { index, values } => self.probe(*index, values),
            AccessPath::Derived => "its own SELECT, with the join's equalities inside".to_owned(),
        };
        JoinPreview { depth, alias: self.alias(item.alias), table: self.table(item.alias), kind, by }
    }
}

fn index_parts(plan: &Plan, index: &IndexPlan) -> Vec<String> {
    let columns = plan.tables.get(index.table.0 as usize).map(|table| table.layout.columns.as_slice()).unwrap_or_default();
    let name =
        |_: AliasId, column: usize| columns.get(column).map_or_else(|| "?".to_owned(), |stored| stored.column.name.clone());
    index.parts.iter().map(|part| print::brief(&part.expr, &name)).collect()
}

fn stored(plan: &Plan, catalog: &SourceCatalog, index: usize) -> Option<StoredPreview> {
    let table = plan.tables.get(index)?;
    let row_estimate = catalog.tables.get(index)?.row_estimate;
    let kept: Vec<&IndexPlan> =
        table.indexes.iter().filter_map(|id| plan.indexes.get(id.0 as usize)).filter(|index| !index.over_identity).collect();
    let row: u64 = table.layout.columns.iter().map(|stored| width(&stored.column.data_type)).sum();
    let key: u64 = match &table.layout.identity {
        Some(identity) => identity
            .iter()
            .filter_map(|column| table.layout.columns.get(*column))
            .map(|stored| width(&stored.column.data_type))
            .sum(),
        None => 16,
    };
    let entries: u64 = kept.iter().map(|index| 8 * index.parts.len() as u64 + key).sum();
    Some(StoredPreview {
        table: table.layout.name.to_string(),
        column_count: table.layout.columns.len(),
        column_count_source: table.layout.source_column_count,
        row_estimate,
        indexes: kept.iter().map(|index| index_parts(plan, index).join(", ")).collect(),
        bytes_estimate: row_estimate.saturating_mul(row + key + entries),
    })
}

/// A typical stored width of a value, bytes.
fn width(data_type: &DataType) -> u64 {
    match data_type {
        DataType::Null | DataType::Boolean | DataType::Year | DataType::Enum { .. } => 2,
        DataType::Integer { bits, .. } => u64::from(*bits) / 12 + 1,
        DataType::Decimal { precision, .. } => u64::from(*precision) / 3 + 2,
        DataType::Float | DataType::Double | DataType::Bit { .. } | DataType::Set { .. } => 9,
        DataType::Text { length, .. } | DataType::Bytes { length, .. } => {
            u64::from(length.map_or(60, |length| (length / 2).clamp(2, 60)))
        }
        DataType::Date | DataType::DateTime { .. } | DataType::Timestamp { .. } | DataType::Time { .. } => 8,
        DataType::Numeric | DataType::TimestampTz { .. } | DataType::TimeOfDay { .. } | DataType::NamedEnum { .. } => 8,
        DataType::Interval | DataType::Uuid => 16,
        DataType::Native { .. } | DataType::Array { .. } => 30,
        DataType::Json | DataType::Jsonb => 120,
        DataType::Unsupported { .. } => 0,
    }
}

/// The tables of a preview by mapping, in order.
#[must_use]
pub fn by_mapping(preview: &Preview) -> BTreeMap<&str, Vec<&TargetPreview>> {
    let mut mappings: BTreeMap<&str, Vec<&TargetPreview>> = BTreeMap::new();
    for target in &preview.targets {
        mappings.entry(&target.mapping).or_default().push(target);
    }
    mappings
}
