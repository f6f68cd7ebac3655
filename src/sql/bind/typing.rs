//! The binder's way to the typing rules: what they refuse becomes a finding under the expression.

use super::{Binder, Bound, Reported};
use crate::schema::DataType;
use crate::sql::aggregate;
use crate::sql::functions;
use crate::sql::postgres::compare as postgres_compare;
use crate::sql::postgres::typing as postgres;
use crate::sql::query::{Aggregate, CompareOperator, Diagnostic, Expr, ExprKind, Span};
use crate::sql::types::{self, BOOLEAN, CastTarget, Refusal};
use crate::value::KeyKind;

/// An aggregate call as written, with its operands bound.
pub(super) struct AggregateCall {
    pub(super) name: String,
    pub(super) distinct: bool,
    pub(super) arguments: Vec<Expr>,
    /// Expressions of ORDER BY, and whether they descend.
    pub(super) order_by: Vec<(Expr, bool)>,
    pub(super) separator: Option<String>,
}

impl Binder<'_> {
    /// What a typing rule said, as a finding at `span` if it refused.
    pub(super) fn typed<T>(&mut self, result: Result<T, Refusal>, span: &Span) -> Bound<T> {
        result.map_err(|Refusal { message, help }| self.report(Diagnostic::new(span.clone(), message).with_help(help)))
    }

    /// A function or an arithmetic operator.
    pub(super) fn resolve(&mut self, name: &str, arguments: Vec<Expr>, span: Span) -> Bound<Expr> {
        let resolved = functions::resolve(name, arguments, span.clone(), &self.context);
        self.typed(resolved, &span)
    }

    /// A comparison.
    pub(super) fn compare(&mut self, operator: CompareOperator, left: Expr, right: Expr, span: Span) -> Bound<Expr> {
        if self.is_postgres() {
            let compared = postgres_compare::compare(operator, left, right, span.clone(), self.catalog);
            return self.typed(compared, &span);
        }
        let compared = types::compare(operator, left, right, span.clone(), &self.context);
        self.typed(compared, &span)
    }

    /// An operand that stands where a condition is meant.
    pub(super) fn truth(&mut self, expr: Expr) -> Bound<Expr> {
        let span = expr.span.clone();
        let truth =
            if self.is_postgres() { postgres_compare::truth(expr, self.catalog) } else { types::truth(expr, &self.context) };
        self.typed(truth, &span)
    }

    /// One type for several results.
    pub(super) fn unify(&mut self, results: Vec<Expr>, span: &Span) -> Bound<(Vec<Expr>, DataType)> {
        let unified =
            if self.is_postgres() { postgres::unify(results, self.catalog) } else { types::unify(results, &self.context) };
        self.typed(unified, span)
    }

    /// One type for the results of a CASE; PostgreSQL asks ELSE, which stands last, first.
    pub(super) fn unify_case(&mut self, mut results: Vec<Expr>, has_else: bool, span: &Span) -> Bound<(Vec<Expr>, DataType)> {
        let turns = self.is_postgres() && has_else;
        if turns {
            results.rotate_right(1);
        }
        let (mut results, data_type) = self.unify(results, span)?;
        if turns {
            results.rotate_left(1);
        }
        Ok((results, data_type))
    }

    /// One type for the outputs that UNION ALL puts under each other.
    pub(super) fn unify_columns(&mut self, results: Vec<Expr>, span: &Span) -> Bound<(Vec<Expr>, DataType)> {
        let unified = if self.is_postgres() {
            postgres::unify(results, self.catalog)
        } else {
            types::unify_columns(results, &self.context)
        };
        self.typed(unified, span)
    }

    /// A cast.
    pub(super) fn cast(&mut self, expr: Expr, target: &CastTarget, span: Span) -> Bound<Expr> {
        let cast = types::cast(expr, target, span.clone(), &self.context);
        self.typed(cast, &span)
    }

    /// An aggregate.
    pub(super) fn resolve_aggregate(&mut self, call: AggregateCall, span: Span) -> Bound<Aggregate> {
        let AggregateCall { name, distinct, arguments, order_by, separator } = call;
        let aggregate = aggregate::resolve(&name, distinct, arguments, order_by, separator, span.clone(), &self.context);
        self.typed(aggregate, &span)
    }

    /// How the values of an ORDER BY expression compare, with the conversion this needs: as the value compares with itself.
    pub(super) fn order_rule(&mut self, expr: Expr) -> Bound<(Expr, KeyKind)> {
        let span = expr.span.clone();
        if self.is_postgres() {
            let ordered = postgres_compare::own_rule(expr, true, self.catalog);
            return self.typed(ordered, &span);
        }
        if matches!(expr.data_type, DataType::Enum { .. } | DataType::Set { .. }) {
            return Err(self.refuse(span, "ENUM and SET are ordered by position, not by name", "order by another column"));
        }
        let compared = self.compare(CompareOperator::Equal, expr.clone(), expr, span)?;
        match compared.kind {
            ExprKind::Compare { operator: _, rule, left, right: _ } => Ok((*left, rule)),
            _ => Err(self.refuse(compared.span, "this is no order", "order by a column")),
        }
    }

    /// AND over conditions; `None` for none.
    pub(super) fn all_of(&self, mut conditions: Vec<Expr>) -> Option<Expr> {
        if conditions.len() < 2 {
            return conditions.pop();
        }
        let span = conditions.iter().map(|condition| condition.span.start).min().unwrap_or(0)
            ..conditions.iter().map(|condition| condition.span.end).max().unwrap_or(0);
        Some(both(conditions, span))
    }
}

/// AND.
pub(super) fn both(operands: Vec<Expr>, span: Span) -> Expr {
    let operands = operands.into_iter().flat_map(|operand| match operand.kind {
        ExprKind::And(inner) => inner,
        _ => vec![operand],
    });
    let operands: Vec<Expr> = operands.collect();
    let nullable = operands.iter().any(|operand| operand.nullable);
    Expr { kind: ExprKind::And(operands), data_type: BOOLEAN, nullable, span }
}

/// OR.
pub(super) fn either(operands: Vec<Expr>, span: Span) -> Expr {
    let operands = operands.into_iter().flat_map(|operand| match operand.kind {
        ExprKind::Or(inner) => inner,
        _ => vec![operand],
    });
    let operands: Vec<Expr> = operands.collect();
    let nullable = operands.iter().any(|operand| operand.nullable);
    Expr { kind: ExprKind::Or(operands), data_type: BOOLEAN, nullable, span }
}

/// NOT.
pub(super) fn not(operand: Expr, span: Span) -> Expr {
    let nullable = operand.nullable;
    Expr { kind: ExprKind::Not(Box::new(operand)), data_type: BOOLEAN, nullable, span }
}

/// NOT where `negated`.
pub(super) fn negated(negated: bool, operand: Expr, span: Span) -> Expr {
    if negated { not(operand, span) } else { operand }
}

/// IS NULL.
pub(super) fn is_null(operand: Expr, span: Span) -> Expr {
    Expr { kind: ExprKind::IsNull(Box::new(operand)), data_type: BOOLEAN, nullable: false, span }
}

/// The finding was reported already.
pub(super) fn collected<T>(results: Vec<Bound<T>>) -> Bound<Vec<T>> {
    // Every operand is bound before the first failure counts, so that all findings are shown at once.
    results.into_iter().collect::<Result<Vec<T>, Reported>>()
}
