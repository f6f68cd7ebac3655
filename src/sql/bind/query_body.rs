//! What stands around a SELECT: UNION ALL, ORDER BY, LIMIT, WITH. Every field is named, so that nothing is dropped in silence.

use sqlparser::ast::{
    self, LimitClause, OrderBy, OrderByExpr, OrderByKind, OrderByOptions, Query, Select, SetExpr, SetOperator, SetQuantifier,
};

use super::{Binder, Bound, BoundSelect, select::Purpose};
use crate::sql::query::{ExprKind, OrderItem, Span};
use crate::sql::types;
use crate::value::Value;

/// ORDER BY and LIMIT of one SELECT.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ending<'q> {
    pub(super) order_by: &'q [OrderByExpr],
    pub(super) limit: Option<u64>,
}

impl Binder<'_> {
    /// The SELECTs of a statement at top level: UNION ALL flattened, everything else around them refused.
    pub(super) fn union_branches<'q>(&mut self, query: &'q Query) -> Bound<Vec<&'q Select>> {
        let body = self.body(query, Purpose::Table)?;
        self.flatten(body)
    }

    fn flatten<'q>(&mut self, body: &'q SetExpr) -> Bound<Vec<&'q Select>> {
        match body {
            SetExpr::Select(select) => Ok(vec![select]),
            SetExpr::Query(query) => self.union_branches(query),
            SetExpr::SetOperation { left, op: SetOperator::Union, set_quantifier: SetQuantifier::All, right } => {
                let mut branches = self.flatten(left)?;
                branches.extend(self.flatten(right)?);
                Ok(branches)
            }
            SetExpr::SetOperation { left: _, op, set_quantifier: _, right } => {
                let span = self.range(&**right);
                let word = self.tokens.before(span.start).find(|token| {
                    ["UNION", "EXCEPT", "INTERSECT", "MINUS"]
                        .iter()
                        .any(|word| token.token.to_string().eq_ignore_ascii_case(word))
                });
                let place = word.map_or(span, |token| token.span.clone());
                Err(match op {
                    SetOperator::Union => self.refuse(
                        place,
                        "UNION removes duplicate rows, which is not supported yet",
                        "write UNION ALL, with WHERE conditions that keep the rows apart",
                    ),
                    SetOperator::Except | SetOperator::Intersect | SetOperator::Minus => {
                        self.refuse(place, format!("{op} is not supported"), "write NOT EXISTS or EXISTS")
                    }
                })
            }
            SetExpr::Values(_)
            | SetExpr::Insert(_)
            | SetExpr::Update(_)
            | SetExpr::Delete(_)
            | SetExpr::Merge(_)
            | SetExpr::Table(_) => {
                let span = self.range(body);
                Err(self.refuse(span, "a mapping is one SELECT, or several with UNION ALL", "write SELECT columns FROM tables"))
            }
        }
    }

    /// Binds a subquery or a derived table: exactly one SELECT.
    pub(super) fn subselect(&mut self, query: &Query, purpose: Purpose) -> Bound<BoundSelect> {
        let body = self.body(query, purpose)?;
        let select = match body {
            SetExpr::Select(select) => select,
            SetExpr::Query(inner) if query.order_by.is_none() && query.limit_clause.is_none() => {
                return self.subselect(inner, purpose);
            }
            _ => {
                let branches = self.flatten(body)?;
                let span = branches.get(1).map_or_else(|| self.range(query), |second| self.range(*second));
                return Err(self.refuse(
                    span,
                    "UNION ALL is only supported between the SELECTs of a table, not inside of one",
                    "repeat the outer SELECT for each part and put UNION ALL between them",
                ));
            }
        };
        let limit = query.limit_clause.as_ref().map(|clause| self.limit(clause, query, purpose)).transpose()?.flatten();
        let order_by = query.order_by.as_ref().map_or(Ok(&[][..]), |order_by| self.order_list(order_by, query))?;
        let closed = purpose == Purpose::Derived;
        self.select(select, purpose, closed, &Ending { order_by, limit })
    }

    /// Refuses what cannot stand around a SELECT with this purpose and returns its body.
    fn body<'q>(&mut self, query: &'q Query, purpose: Purpose) -> Bound<&'q SetExpr> {
        let Query { with, body, order_by, limit_clause, fetch, locks, for_clause, settings, format_clause, pipe_operators } =
            query;
        let span = self.range(query);
        if with.is_some() {
            let place = self.clause(&span, "WITH");
            return Err(self.refuse(
                place,
                "WITH is not supported",
                "write the SELECT as a derived table: JOIN (SELECT ..) name",
            ));
        }
        let ordered = purpose == Purpose::Scalar || (order_by.is_none() && limit_clause.is_none());
        let tail = self.range(&**body).end..self.tokens.whole().end;
        if !ordered && (purpose != Purpose::Exists || order_by.is_some()) {
            let keyword = if order_by.is_some() { "ORDER" } else { "LIMIT" };
            let place = self.clause(&tail, keyword);
            return Err(if order_by.is_some() {
                self.refuse(place, "ORDER BY has no meaning here", "row order means nothing to a table; remove it")
            } else {
                self.refuse(place, "LIMIT has no meaning here", "select the rows by a condition instead")
            });
        }
        if !locks.is_empty() {
            let place = self.clause(&tail, "FOR");
            return Err(self.refuse(
                place,
                "locking reads are refused: the legacy database is only ever read",
                "remove FOR UPDATE or FOR SHARE",
            ));
        }
        let foreign = fetch.is_some() || for_clause.is_some() || settings.is_some() || format_clause.is_some();
        if foreign || !pipe_operators.is_empty() {
            return Err(self.refuse(tail, "what follows this SELECT is not supported", "remove it"));
        }
        Ok(body)
    }

    fn order_list<'q>(&mut self, order_by: &'q OrderBy, query: &Query) -> Bound<&'q [OrderByExpr]> {
        match order_by {
            OrderBy { kind: OrderByKind::Expressions(expressions), interpolate: None } => Ok(expressions),
            OrderBy { .. } => {
                let span = self.range(query);
                Err(self.refuse(span, "this ORDER BY is not supported", "order by a list of expressions"))
            }
        }
    }

    /// The LIMIT of a subquery: 1 for a scalar, anything but 0 for EXISTS, which it does not change.
    fn limit(&mut self, clause: &LimitClause, query: &Query, purpose: Purpose) -> Bound<Option<u64>> {
        let LimitClause::LimitOffset { limit: Some(limit), offset: None, limit_by } = clause else {
            let span = self.range(query);
            return Err(self.refuse(
                span,
                "OFFSET is not supported in a mapping",
                "select the row by a condition, or write LIMIT 1",
            ));
        };
        let span = self.span(limit);
        let number = types::literal_number(self.tokens.text(&span), span.clone());
        let number = self.typed(number, &span)?;
        match (number.kind, purpose) {
            (ExprKind::Literal(Value::Int(1)), Purpose::Scalar) if limit_by.is_empty() => Ok(Some(1)),
            (ExprKind::Literal(Value::Int(1..)), Purpose::Exists) if limit_by.is_empty() => Ok(None),
            _ => Err(self.refuse(span, "a scalar subquery has one row: only LIMIT 1 is supported", "write LIMIT 1")),
        }
    }

    /// Binds one element of ORDER BY.
    pub(super) fn order_item(&mut self, item: &OrderByExpr) -> Bound<OrderItem> {
        let (expr, descending) = self.order_parts(item)?;
        let bound = self.expr(expr)?;
        let (expr, rule) = self.order_rule(bound)?;
        Ok(OrderItem { expr, rule, descending })
    }

    /// The expression of an ORDER BY element and whether it descends.
    pub(super) fn order_parts<'q>(&mut self, item: &'q OrderByExpr) -> Bound<(&'q ast::Expr, bool)> {
        let OrderByExpr { expr, options: OrderByOptions { sort, nulls_first }, with_fill } = item;
        let span: Span = self.span(expr);
        if nulls_first.is_some() || with_fill.is_some() || matches!(sort, Some(ast::OrderBySort::Using(_))) {
            return Err(self.refuse(
                span,
                "only ASC and DESC can follow an ORDER BY expression",
                "remove NULLS FIRST or NULLS LAST",
            ));
        }
        if matches!(expr, ast::Expr::Value(ast::ValueWithSpan { value: ast::Value::Number(..), span: _ })) {
            return Err(self.refuse(span, "ORDER BY a column number is not supported", "write the expression"));
        }
        Ok((expr, matches!(sort, Some(ast::OrderBySort::Desc))))
    }
}
