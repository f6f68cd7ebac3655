//! The plan as text, for the person who decides whether to run it: what each target row is derived from, how its relations are
//! found, what a changed legacy row sets in motion, and which indexes the state keeps for it.

use std::fmt::Write;

use crate::plan::expr::conjuncts;
use crate::plan::print::{Names, brief};
use crate::plan::{
    AccessPath, AccumulatorUse, Anchor, BranchPlan, Hop, IndexId, IndexPlan, Plan, Regrouped, SelectAccess, TablePlan, Whole,
};
use crate::schema::TableId;
use crate::sql::query::{AliasId, Expr, ExprKind, JoinKind, Relation, Select};

impl Plan {
    /// The whole plan as text. Fan-outs come from the source's own row estimates and are left out where it has none.
    #[must_use]
    pub fn explain(&self) -> String {
        let mut text = String::new();
        for mapping in &self.mappings {
            let _ = writeln!(text, "mapping {}", mapping.name);
            for node in mapping.nodes.iter().filter_map(|id| self.nodes.get(id.0 as usize)) {
                for (number, branch) in node.branches.iter().enumerate() {
                    let of = if node.branches.len() > 1 {
                        format!(", branch {} of {}", number + 1, node.branches.len())
                    } else {
                        String::new()
                    };
                    let _ = writeln!(text, "\n  {}{of}", node.table.name);
                    Picture { plan: self, branch }.draw(&mut text);
                }
            }
        }
        self.explain_indexes(&mut text);
        self.explain_facts(&mut text);
        text
    }

    fn explain_indexes(&self, text: &mut String) {
        text.push_str("\nstate\n");
        for table in &self.tables {
            let layout = &table.layout;
            let _ = writeln!(text, "  {}: {} of {} columns", layout.name, layout.columns.len(), layout.source_column_count);
            for index in table.indexes.iter().filter_map(|id| self.index(*id)) {
                let parts = index.parts.iter().map(|part| brief(&part.expr, &|_, column| column_name(table, column)));
                let parts = parts.collect::<Vec<_>>().join(", ");
                let note = if index.over_identity { "part of the key, no space of its own" } else { "index" };
                let _ = writeln!(text, "    ({parts}) {note}");
            }
        }
    }

    fn explain_facts(&self, text: &mut String) {
        if !self.facts.is_empty() {
            text.push_str("\nfacts, watched at run time\n");
        }
        for fact in &self.facts {
            let _ = writeln!(text, "  {fact}");
        }
    }

    fn index(&self, id: IndexId) -> Option<&IndexPlan> {
        self.indexes.get(id.0 as usize)
    }

    fn table(&self, id: TableId) -> Option<&TablePlan> {
        self.tables.get(id.0 as usize)
    }
}

fn column_name(table: &TablePlan, column: usize) -> String {
    table.layout.columns.get(column).map_or_else(|| format!("#{column}"), |stored| stored.column.name.clone())
}

impl BranchPlan {
    /// Where the groups of its grouped SELECTs come from, in words.
    #[must_use]
    pub fn groups(&self, plan: &Plan) -> Vec<String> {
        let picture = Picture { plan, branch: self };
        let grouped = self.access.iter().filter_map(|(first, access)| Some((*first, access.regrouped.as_ref()?)));
        grouped.map(|(first, regrouped)| picture.group(first, regrouped)).collect()
    }
}

/// One branch, drawn.
struct Picture<'a> {
    plan: &'a Plan,
    branch: &'a BranchPlan,
}

impl Picture<'_> {
    fn draw(&self, text: &mut String) {
        let what = match &self.branch.anchor {
            Anchor::Row { .. } => "one row of",
            Anchor::Group { .. } => "the groups of",
        };
        let relations: Vec<String> = self.branch.anchor.members().map(|(alias, _)| self.relation(alias)).collect();
        let _ = writeln!(text, "    derived from {what} {}", relations.join(" and "));
        self.select(&self.branch.branch.select, 3, text);
        let groups = self.branch.groups(self.plan);
        if !groups.is_empty() {
            text.push_str("    groups\n");
        }
        for group in groups {
            let _ = writeln!(text, "      {group}");
        }
        text.push_str("    a change in\n");
        for (start, walk) in &self.branch.walks {
            if let Some(whole) = &walk.whole {
                let when = if matches!(whole, Whole::Row) { "" } else { " if the subquery's answer changes" };
                let _ = writeln!(text, "      {} derives every row again{when}", self.alias(*start));
                continue;
            }
            if walk.hops.is_empty() {
                let _ = writeln!(text, "      {} derives itself again", self.alias(*start));
                continue;
            }
            let way: Vec<String> = walk.hops.iter().map(|hop| self.hop(hop)).collect();
            let fan_out = self.fan_out(*start, &walk.hops).map(|rows| format!(": about {rows} rows each")).unwrap_or_default();
            let _ = writeln!(text, "      {} -> {}{fan_out}", self.alias(*start), way.join(" -> "));
        }
    }

    fn group(&self, first: AliasId, regrouped: &Regrouped) -> String {
        let relation = self.relation(first);
        match regrouped {
            Regrouped::KeptUp(used) => {
                let searched = self.searched(used).map(|searched| format!("; {searched}")).unwrap_or_default();
                format!("of {relation} by {}: kept up row by row, whatever their size{searched}", self.group_key(used))
            }
            Regrouped::Whole(reason) => format!("of {relation}: derived from all of their rows; {reason}"),
        }
    }

    /// The rows that a search for a match may read one after the other: those without a row of a LEFT joined table are members too, and more
    /// conditions than the table's index answers must hold of a match.
    fn searched(&self, used: &AccumulatorUse) -> Option<String> {
        let accumulator = self.plan.accumulators.get(used.id.0 as usize)?;
        accumulator.bodies.iter().find_map(|body| {
            body.branch.select.filter.iter().flat_map(conjuncts).find_map(|conjunct| {
                let ExprKind::Not(inner) = &conjunct.kind else { return None };
                let ExprKind::Exists(found) = &inner.kind else { return None };
                let alias = found.from.first()?.alias;
                let AccessPath::Probe { index, values } = &body.access.get(&alias)?.steps.first()?.path else { return None };
                let asked = found.filter.iter().flat_map(conjuncts).count();
                let relation = self.relation(alias);
                (asked > values.len()).then(|| {
                    format!(
                        "a change reads the rows of {relation} {} until one meets the whole ON",
                        self.found_by(*index, values)
                    )
                })
            })
        })
    }

    fn group_key(&self, used: &AccumulatorUse) -> String {
        let Some(accumulator) = self.plan.accumulators.get(used.id.0 as usize) else { return String::new() };
        let Some(body) = accumulator.bodies.first() else { return String::new() };
        let outputs = &body.branch.select.outputs;
        let parts = accumulator.key.iter().filter_map(|part| outputs.get(part.output));
        parts.map(|part| brief(part, &|alias, column| self.column(alias, column))).collect::<Vec<_>>().join(", ")
    }

    fn select(&self, select: &Select, depth: usize, text: &mut String) {
        let Some(access) = select.from.first().and_then(|item| self.branch.access.get(&item.alias)) else { return };
        self.steps(select, access, depth, text);
    }

    fn steps(&self, select: &Select, access: &SelectAccess, depth: usize, text: &mut String) {
        let indent = "  ".repeat(depth);
        for step in &access.steps {
            let Some(item) = select.from.get(step.item) else { continue };
            let join = if item.join == JoinKind::Left { "LEFT JOIN" } else { "JOIN" };
            let found = match &step.path {
                AccessPath::Bound => continue,
                AccessPath::Derived => "computed for each row".to_owned(),
                AccessPath::Probe { index, values } => self.found_by(*index, values),
            };
            let _ = writeln!(text, "{indent}{join} {} {found}", self.relation(item.alias));
            if let Relation::Derived(arms) = &item.relation {
                arms.iter().for_each(|arm| self.select(arm, depth + 1, text));
            }
        }
    }

    fn found_by(&self, id: IndexId, values: &[Expr]) -> String {
        let Some(index) = self.plan.index(id) else { return String::new() };
        let Some(table) = self.plan.table(index.table) else { return String::new() };
        let names: Names<'_> = &|alias, column| self.column(alias, column);
        let pairs = index.parts.iter().zip(values).map(|(part, value)| {
            let sign = if part.null_safe { "<=>" } else { "=" };
            format!("{} {sign} {}", brief(&part.expr, &|_, column| column_name(table, column)), brief(value, names))
        });
        let pairs = pairs.collect::<Vec<_>>();
        if pairs.is_empty() { "read whole".to_owned() } else { format!("by {}", pairs.join(" and ")) }
    }

    fn hop(&self, hop: &Hop) -> String {
        format!("{} {}", self.alias(hop.to), self.found_by(hop.index, &hop.probe))
    }

    /// How many anchor rows one changed row reaches, if all values were equally frequent.
    fn fan_out(&self, start: AliasId, hops: &[Hop]) -> Option<u64> {
        let mut rows = 1;
        let mut from = self.estimate(start)?;
        for hop in hops {
            let to = self.estimate(hop.to)?;
            let index = self.plan.index(hop.index)?;
            let whole_key = index.over_identity && self.plan.table(index.table)?.identity_kinds.len() == index.parts.len();
            rows *= if whole_key { 1 } else { (to / from).max(1) };
            from = to;
        }
        Some(rows)
    }

    fn estimate(&self, alias: AliasId) -> Option<u64> {
        let table = self.branch.branch.aliases.get(alias.0)?.table?;
        Some(self.plan.table(table)?.schema.row_estimate).filter(|rows| *rows > 0)
    }

    fn alias(&self, alias: AliasId) -> String {
        self.branch.branch.aliases.get(alias.0).map_or_else(|| "?".to_owned(), |definition| definition.name.clone())
    }

    fn relation(&self, alias: AliasId) -> String {
        let table = self.branch.branch.aliases.get(alias.0).and_then(|definition| definition.table);
        match table.and_then(|table| self.plan.table(table)) {
            Some(table) if table.layout.name.name != self.alias(alias) => {
                format!("{} {}", table.layout.name.name, self.alias(alias))
            }
            Some(_) => self.alias(alias),
            None => format!("(SELECT ..) {}", self.alias(alias)),
        }
    }

    fn column(&self, alias: AliasId, column: usize) -> String {
        let table = self.branch.branch.aliases.get(alias.0).and_then(|definition| definition.table);
        match table.and_then(|table| self.plan.table(table)) {
            Some(table) => format!("{}.{}", self.alias(alias), column_name(table, column)),
            None => format!("{}.{}", self.alias(alias), self.output(alias, column)),
        }
    }

    /// The name of a derived table's output, if it is a bare column; else its number.
    fn output(&self, alias: AliasId, column: usize) -> String {
        let items = self.branch.branch.select.from.iter();
        let derived = items.filter(|item| item.alias == alias).find_map(|item| match &item.relation {
            Relation::Derived(arms) => arms.first().and_then(|arm| arm.outputs.get(column)),
            Relation::Table(_) => None,
        });
        derived.map_or_else(|| format!("#{}", column + 1), |output| brief(output, &|alias, column| self.column(alias, column)))
    }
}
