//! Subqueries inside expressions: scalar, EXISTS and IN.

use sqlparser::ast::{self, Query};

use super::logic::Position;
use super::select::Purpose;
use super::typing::negated;
use super::{Binder, Bound, tree};
use crate::sql::query::{CompareOperator, Expr, ExprKind, Select, Span};
use crate::sql::types::BOOLEAN;

impl Binder<'_> {
    /// `(SELECT one value ..)`.
    pub(super) fn scalar_subquery(&mut self, query: &Query, span: Span) -> Bound<Expr> {
        let select = self.one_column(query, &span)?;
        let Some(output) = select.outputs.first() else { return Err(self.broken("a subquery without outputs")) };
        // One group over all rows always gives a row; anything else may give none, which is NULL.
        let always_a_row = select.group_by.as_ref().is_some_and(Vec::is_empty) && select.having.is_none();
        let (data_type, nullable) = (output.data_type.clone(), output.nullable || !always_a_row);
        Ok(Expr { kind: ExprKind::ScalarSubquery(Box::new(select)), data_type, nullable, span })
    }

    /// `EXISTS (SELECT ..)`.
    pub(super) fn exists(&mut self, query: &Query, span: Span) -> Bound<Expr> {
        let select = self.subselect(query, Purpose::Exists)?.select;
        Ok(Expr { kind: ExprKind::Exists(Box::new(select)), data_type: BOOLEAN, nullable: false, span })
    }

    /// `value [NOT] IN (SELECT column ..)` becomes EXISTS where the two agree: where neither side can be NULL, or where only truth
    /// matters and nothing is negated.
    pub(super) fn in_subquery(
        &mut self,
        expr: &ast::Expr,
        query: &Query,
        is_not: bool,
        span: Span,
        position: Position,
    ) -> Bound<Expr> {
        let value = self.expr(expr);
        let select = self.one_column(query, &span);
        let (value, mut select) = (value?, select?);
        let plain = select.group_by.is_none() && select.limit.is_none() && !select.distinct;
        if !plain || tree::has_aggregate(&value) {
            return Err(self.refuse(
                span,
                "IN over a grouped or limited subquery is not supported",
                "join the subquery as a derived table",
            ));
        }
        let Some(output) = select.outputs.first().cloned() else { return Err(self.broken("a subquery without outputs")) };
        let exact = (!value.nullable && !output.nullable) || (position == Position::Filter && !is_not);
        if !exact {
            let side = if value.nullable { value } else { output };
            return Err(self.refuse(
                side.span,
                "this can be NULL, and then IN is neither true nor false",
                "write EXISTS or NOT EXISTS with the comparison in its WHERE",
            ));
        }
        let same = self.compare(CompareOperator::Equal, output, value, span.clone())?;
        let filter = select.filter.take();
        select.filter = self.all_of(filter.into_iter().chain([same]).collect());
        let exists = Expr { kind: ExprKind::Exists(Box::new(select)), data_type: BOOLEAN, nullable: false, span: span.clone() };
        Ok(negated(is_not, exists, span))
    }

    fn one_column(&mut self, query: &Query, span: &Span) -> Bound<Select> {
        let select = self.subselect(query, Purpose::Scalar)?.select;
        match select.outputs.len() {
            1 => Ok(select),
            width => Err(self.refuse(
                span.clone(),
                format!("this subquery has {width} columns where one is meant"),
                "select one column",
            )),
        }
    }
}
