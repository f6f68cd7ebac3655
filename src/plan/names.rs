//! Names by which the state knows the parts of a plan, whatever their places in it: two plans give one name to what holds the same entries.

use xxhash_rust::xxh3::xxh3_128;

use crate::plan::{IndexPlan, NodePlan, Plan, TablePlan, print};

/// The names of everything that has entries in the state; the place of a name is the id of its part in the plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Stored tables, with what of them is stored.
    pub tables: Vec<String>,
    /// Indexes.
    pub indexes: Vec<String>,
    /// Target tables.
    pub nodes: Vec<String>,
    /// Mappings.
    pub mappings: Vec<String>,
}

impl Plan {
    /// The names of the parts of the plan.
    #[must_use]
    pub fn names(&self) -> Names {
        let tables: Vec<String> = self.tables.iter().map(table).collect();
        let index = |plan: &IndexPlan| {
            let table = self.tables.get(plan.table.0 as usize);
            let column =
                |place: usize| table.and_then(|table| table.layout.columns.get(place)).map(|stored| stored.column.name.clone());
            let named = |_, place: usize| column(place).unwrap_or_else(|| place.to_string());
            let part = |part: &crate::plan::IndexPart| {
                format!(
                    "{} by {}{}",
                    print::exact_expr(&part.expr, &named),
                    print::kind(&part.kind),
                    if part.null_safe { " null" } else { "" }
                )
            };
            let parts: Vec<String> = plan.parts.iter().map(part).collect();
            let of = tables.get(plan.table.0 as usize).map_or("", String::as_str);
            format!("{of} ({}){}", parts.join(", "), if plan.over_identity { " over the identity" } else { "" })
        };
        let node = |plan: &NodePlan| {
            let mapping = self.mappings.get(plan.mapping.0 as usize).map_or("", |mapping| mapping.name.as_str());
            format!("{mapping}/{}.{}", plan.table.schema.as_deref().unwrap_or_default(), plan.table.name)
        };
        Names {
            indexes: self.indexes.iter().map(index).collect(),
            nodes: self.nodes.iter().map(node).collect(),
            mappings: self.mappings.iter().map(|mapping| mapping.name.clone()).collect(),
            tables,
        }
    }
}

fn table(plan: &TablePlan) -> String {
    let layout = &plan.layout;
    let columns: Vec<_> = layout.columns.iter().map(|stored| (&stored.column.name, &stored.column.data_type)).collect();
    let stored = format!("{columns:?} {:?} {:?} {}", layout.identity, plan.identity_kinds, layout.transactional);
    format!("{} {:032x}", layout.name, xxh3_128(stored.as_bytes()))
}
