//! Members of groups that stand alone: a SELECT over one stored table and nothing else, whose rows need no search and no joining.
//!
//! Most groups are made of such members, and a first load adds up all of them.

use crate::derive::stored::{OneStored, Stored};
use crate::error::Result;
use crate::plan::expr::has_subquery;
use crate::plan::{AccessPath, Anchor, BranchPlan};
use crate::sql::evaluate::{evaluate, is_true};
use crate::sql::query::{AliasId, Expr};
use crate::value::Row;

/// A SELECT over its anchor alone.
pub(crate) struct Alone<'a> {
    alias: AliasId,
    conditions: Vec<&'a Expr>,
    outputs: &'a [Expr],
}

impl<'a> Alone<'a> {
    /// The SELECT of a branch, if it is one.
    pub(crate) fn of(branch: &'a BranchPlan) -> Option<Self> {
        let select = &branch.branch.select;
        let ([item], Anchor::Row { alias }) = (select.from.as_slice(), &branch.anchor) else { return None };
        let access = branch.access.get(&item.alias)?;
        let [step] = access.steps.as_slice() else { return None };
        let is_plain = select.numberings.is_empty()
            && select.group_by.is_none()
            && select.order_by.is_empty()
            && select.limit.is_none()
            && !select.distinct
            && access.regrouped.is_none();
        let is_anchor = *alias == item.alias && matches!(step.path, AccessPath::Bound) && step.matches.is_empty();
        let conditions: Vec<&Expr> = access.guards.iter().chain(&step.filters).collect();
        let mut exprs = conditions.iter().copied().chain(&select.outputs);
        let is_alone = is_plain && is_anchor && !exprs.any(has_subquery);
        is_alone.then_some(Self { alias: *alias, conditions, outputs: &select.outputs })
    }

    /// What the SELECT gives for a row of the anchor, as often as there are such rows; `None`: nothing.
    pub(crate) fn row(&self, stored: &Stored) -> Result<Option<Row>> {
        let scope = OneStored { alias: self.alias, stored };
        for condition in &self.conditions {
            if !is_true(condition, &scope)? {
                return Ok(None);
            }
        }
        self.outputs.iter().map(|output| evaluate(output, &scope)).collect::<Result<_>>().map(Some)
    }
}
