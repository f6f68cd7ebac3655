//! Whether anchors of a target table can ever give the same key, at whatever times they are derived.
//!
//! A proven key tells the rows of one state apart. A sweep derives anchors at different times, so that rows of two states stand side by
//! side: where a joined row decides the key, one anchor may give a key away after another one has taken it.

use crate::plan::expr::bare_column;
use crate::plan::proof::injective_core;
use crate::plan::{Anchor, NodePlan, Plan};
use crate::schema::TableId;
use crate::sql::query::AliasId;

impl NodePlan {
    /// Whether what tells the anchors apart stands in the key of the table, column by column, so that no two anchors ever share a key.
    #[must_use]
    pub fn anchors_are_apart(&self, plan: &Plan) -> bool {
        let [branch] = self.branches.as_slice() else { return false };
        let keys = self.table.key.iter().filter_map(|column| branch.branch.select.outputs.get(*column));
        let shown: Vec<(AliasId, usize)> = keys.map(injective_core).filter_map(bare_column).collect();
        // Groups are few beside what they are made of, and their rows go with one epoch.
        let Anchor::Row { alias } = &branch.anchor else { return false };
        let definition = branch.branch.aliases.get(alias.0);
        let Some(TableId(table)) = definition.and_then(|definition| definition.table) else { return false };
        let identity = plan.tables.get(table as usize).and_then(|table| table.layout.identity.as_ref());
        identity.is_some_and(|columns| columns.iter().all(|column| shown.contains(&(*alias, *column))))
    }
}
