//! Conditions from which the source concludes that a LEFT joined row is there, although they hold for a missing one.
//!
//! The optimizers of MariaDB and MySQL make an inner join of a LEFT join whose missing rows WHERE would throw away. They believe that of
//! every comparison of a function of such a row, also where the function makes something of NULL: `FIELD(b.x, 'a') = 0` drops the rows
//! without a `b`. What the source shows then depends on its plan, so that such a condition is refused.

use std::collections::BTreeSet;

use crate::plan::expr::{children, free_aliases};
use crate::plan::input::PlanFinding;
use crate::plan::scopes::{Scope, Scopes};
use crate::schema::Flavor;
use crate::sql::functions::Function;
use crate::sql::query::{AliasId, Expr, ExprKind, JoinKind};

/// Refuses the conditions of a branch that the source misjudges.
///
/// # Errors
/// One finding per call.
pub(crate) fn check_missing_rows(scopes: &Scopes<'_>) -> Result<(), Vec<PlanFinding>> {
    if scopes.catalog.flavor == Flavor::PostgreSql {
        return Ok(());
    }
    let findings: Vec<PlanFinding> = scopes.scopes.iter().flat_map(|scope| misjudged(scopes, scope)).collect();
    if findings.is_empty() { Ok(()) } else { Err(findings) }
}

fn misjudged(scopes: &Scopes<'_>, scope: &Scope<'_>) -> Vec<PlanFinding> {
    let left = scope.select.from.iter().filter(|item| item.join == JoinKind::Left);
    let left: BTreeSet<AliasId> = left.map(|item| item.alias).collect();
    if left.is_empty() {
        return vec![];
    }
    let mariadb = scopes.catalog.flavor == Flavor::MariaDb;
    scope.pool.iter().filter_map(|conjunct| call_of_missing(conjunct, &left, mariadb)).map(finding).collect()
}

/// The first such call; what the optimizers look through is looked through here.
fn call_of_missing<'e>(expr: &'e Expr, left: &BTreeSet<AliasId>, mariadb: bool) -> Option<&'e Expr> {
    match &expr.kind {
        ExprKind::Case { .. } | ExprKind::IsNull(_) | ExprKind::Call { function: Function::Coalesce, .. } => return None,
        ExprKind::Call { function, .. } if function.is_taken_for_null(mariadb) && !free_aliases(expr).is_disjoint(left) => {
            return Some(expr);
        }
        _ => {}
    }
    children(expr).into_iter().find_map(|child| call_of_missing(child, left, mariadb))
}

fn finding(expr: &Expr) -> PlanFinding {
    PlanFinding::at(
        &expr.span,
        "the source takes this for NULL where the LEFT joined row is missing, which it is not: its optimizer drops the row",
        "write CASE WHEN .. IS NULL THEN .. ELSE .. END, or JOIN instead of LEFT JOIN",
    )
}
