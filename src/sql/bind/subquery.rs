//! Subqueries inside expressions: scalar, EXISTS and IN.

use sqlparser::ast::{self, Query};

use super::logic::Position;
use super::select::Purpose;
use super::typing::{either, is_null, negated};
use super::{Binder, Bound, Reported, tree};
use crate::sql::query::{CompareOperator, Expr, ExprKind, Select, Span};
use crate::sql::types::BOOLEAN;
use crate::value::Value;

/// The subquery of ANY or ALL.
pub(super) fn subquery_of(expr: &ast::Expr) -> Option<&Query> {
    match expr {
        ast::Expr::Subquery(query) => Some(query),
        ast::Expr::Nested(inner) => subquery_of(inner),
        _ => None,
    }
}

impl Binder<'_> {
    /// `(SELECT one value ..)`.
    pub(super) fn scalar_subquery(&mut self, query: &Query, span: Span) -> Bound<Expr> {
        let select = self.columns_of(query, 1, &span)?;
        let Some(output) = select.outputs.first() else { return Err(self.broken("a subquery without outputs")) };
        // One group over all rows always gives a row; anything else may give none, which is NULL.
        let always_a_row = select.group_by.as_ref().is_some_and(Vec::is_empty) && select.having.is_none();
        let (data_type, nullable) = (output.data_type.clone(), output.nullable || !always_a_row);
        Ok(Expr { kind: ExprKind::ScalarSubquery(Box::new(select)), data_type, nullable, span })
    }

    /// `EXISTS (SELECT ..)`.
    pub(super) fn exists(&mut self, query: &Query, span: Span) -> Bound<Expr> {
        let select = self.subselect(query, Purpose::Exists)?;
        Ok(exists(select, span))
    }

    /// `value = ANY (SELECT ..)` is IN, `value <> ALL (SELECT ..)` is NOT IN.
    pub(super) fn quantified_subquery(
        &mut self,
        left: &ast::Expr,
        right: &ast::Expr,
        is_not: bool,
        span: Span,
        position: Position,
    ) -> Bound<Expr> {
        match subquery_of(right) {
            Some(query) => self.in_subquery(left, query, is_not, span, position),
            None => Err(self.broken("ANY or ALL without a subquery")),
        }
    }

    /// `value [NOT] IN (SELECT column ..)` becomes EXISTS. Where FALSE and NULL differ and a side can be NULL, a second EXISTS asks whether
    /// some comparison is neither true nor false.
    pub(super) fn in_subquery(
        &mut self,
        expr: &ast::Expr,
        query: &Query,
        is_not: bool,
        span: Span,
        position: Position,
    ) -> Bound<Expr> {
        let values: Vec<&ast::Expr> = match expr {
            ast::Expr::Tuple(values) => values.iter().collect(),
            one => vec![one],
        };
        let bound = self.exprs(values.iter().copied());
        let select = self.columns_of(query, values.len(), &span);
        let (values, mut select) = (bound?, select?);
        if select.limit.is_some() || !select.numberings.is_empty() {
            return Err(self.refuse(
                span,
                "IN over limited or numbered rows is not supported",
                "join a derived table with the rows meant",
            ));
        }
        if let Some(value) = values.iter().find(|value| tree::has_aggregate(value)) {
            return Err(self.refuse(
                value.span.clone(),
                "IN compares an aggregate with a subquery, which is not supported",
                "compute the aggregate in a derived table, and compare its column",
            ));
        }
        let nullable = values.iter().chain(&select.outputs).find(|side| side.nullable).cloned();
        let only_truth = position == Position::Filter && !is_not;
        let unknown = match nullable.filter(|_| !only_truth) {
            Some(side) => Some(self.some_unknown(&values, query, &side, &span)?),
            None => None,
        };
        let outputs = select.outputs.clone();
        let equal = outputs
            .into_iter()
            .zip(values)
            .map(|(output, value)| self.compare(CompareOperator::Equal, output, value, span.clone()));
        let equal = super::typing::collected(equal.collect())?;
        self.restrict(&mut select, equal);
        let exists = exists(select, span.clone());
        let Some(unknown) = unknown else { return Ok(negated(is_not, exists, span)) };
        let constant = |value: i64| literal(Value::Int(value), false, &span);
        let case = ExprKind::Case {
            branches: vec![(exists, constant(1)), (unknown, literal(Value::Null, true, &span))],
            otherwise: Some(Box::new(constant(0))),
        };
        let three_valued = Expr { kind: case, data_type: BOOLEAN, nullable: true, span: span.clone() };
        Ok(negated(is_not, three_valued, span))
    }

    /// Whether comparing some row of the subquery gives NULL: only a single column is understood, and only where the subquery is
    /// correlated, because one NULL in a whole table would decide about every row.
    fn some_unknown(&mut self, values: &[Expr], query: &Query, side: &Expr, span: &Span) -> Bound<Expr> {
        // Bound a second time: its relations need aliases of their own.
        let mut select = self.columns_of(query, values.len(), span)?;
        let correlated = {
            let own: Vec<_> = select.from.iter().map(|item| item.alias).collect();
            let conditions = select.filter.iter().chain(select.from.iter().filter_map(|item| item.on.as_ref()));
            conditions.flat_map(tree::columns).any(|(alias, _)| !own.contains(&alias))
        };
        let ([value], [output]) = (values, select.outputs.as_slice()) else {
            return Err(self.undecided(side));
        };
        if !correlated {
            return Err(self.undecided(side));
        }
        let sides = [value, output].into_iter().filter(|side| side.nullable);
        let tests = sides.map(|side| is_null(side.clone(), span.clone())).collect();
        let unknown = either(tests, span.clone());
        self.restrict(&mut select, vec![unknown]);
        Ok(exists(select, span.clone()))
    }

    fn undecided(&mut self, side: &Expr) -> Reported {
        self.refuse(
            side.span.clone(),
            "this can be NULL, and then IN is neither true nor false",
            "write EXISTS or NOT EXISTS with the comparison in its WHERE",
        )
    }

    /// Keeps the rows of a subquery, or its groups, that fulfil conditions over its outputs. What it shows does not matter any more.
    fn restrict(&mut self, select: &mut Select, conditions: Vec<Expr>) {
        select.distinct = false;
        let Some(groups) = &select.group_by else {
            let filter = select.filter.take();
            select.filter = self.all_of(filter.into_iter().chain(conditions).collect());
            return;
        };
        // A condition on a group expression by its own equality holds for all rows of a group or for none: asked of the rows, it finds
        // them through an index.
        let of_rows = conditions.iter().filter(|condition| self.parts_groups_never(condition, groups)).cloned();
        let of_rows: Vec<Expr> = select.filter.iter().cloned().chain(of_rows).collect();
        let having = select.having.take();
        select.having = self.all_of(having.into_iter().chain(conditions).collect());
        select.filter = self.all_of(of_rows);
    }

    fn parts_groups_never(&self, condition: &Expr, groups: &[Expr]) -> bool {
        let ExprKind::Compare { operator: CompareOperator::Equal, rule, left, right: _ } = &condition.kind else { return false };
        groups.iter().any(|group| tree::same(group, left)) && self.keeps_keys(left, rule)
    }

    fn columns_of(&mut self, query: &Query, width: usize, span: &Span) -> Bound<Select> {
        let select = self.subselect(query, Purpose::Scalar)?;
        let found = select.outputs.len();
        if found == width {
            return Ok(select);
        }
        let message = match width {
            1 => format!("this subquery has {found} columns where one is meant"),
            _ => format!("this subquery has {found} columns where {width} are meant"),
        };
        let help = if width == 1 { "select one column" } else { "select as many columns as are compared" };
        Err(self.refuse(span.clone(), message, help))
    }
}

fn exists(select: Select, span: Span) -> Expr {
    Expr { kind: ExprKind::Exists(Box::new(select)), data_type: BOOLEAN, nullable: false, span }
}

fn literal(value: Value, nullable: bool, span: &Span) -> Expr {
    Expr { kind: ExprKind::Literal(value), data_type: BOOLEAN, nullable, span: span.clone() }
}
