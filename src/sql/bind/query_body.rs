//! What stands around a SELECT: UNION, ORDER BY, LIMIT. Every field is named, so that nothing is dropped in silence.

use sqlparser::ast::{
    self, LimitClause, OrderBy, OrderByExpr, OrderByKind, OrderByOptions, Query, Select, SetExpr, SetOperator, SetQuantifier,
};

use super::{Binder, Bound, select::Purpose};
use crate::sql::query::{Direction, ExprKind, OrderItem, Span};
use crate::sql::types;
use crate::value::Value;

/// ORDER BY and LIMIT of one SELECT.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ending<'q> {
    pub(super) order_by: &'q [OrderByExpr],
    pub(super) limit: Option<u64>,
}

/// The SELECTs of a UNION in written order.
pub(super) struct Parts<'q> {
    pub(super) selects: Vec<&'q Select>,
    /// So many of the first form one set: a UNION without ALL stands behind them. 0: all are UNION ALL.
    pub(super) set_of_first: usize,
}

impl Binder<'_> {
    /// The SELECTs of a set operation: UNION flattened, every other operation refused.
    pub(super) fn flatten<'q>(&mut self, body: &'q SetExpr) -> Bound<Parts<'q>> {
        match body {
            SetExpr::Select(select) => Ok(Parts { selects: vec![select], set_of_first: 0 }),
            SetExpr::Query(query) => {
                if let Some(with) = &query.with {
                    let place = self.range(&with.with_token.0);
                    return Err(self.refuse(place, "WITH inside of a UNION is not supported", "put it before the first SELECT"));
                }
                let body = self.body(query, Purpose::LaterBranch)?;
                self.flatten(body)
            }
            SetExpr::SetOperation { left, op: SetOperator::Union, set_quantifier, right } => {
                let mut parts = self.flatten(left)?;
                let place = self.operator_before(right);
                let right = self.flatten(right)?;
                parts.selects.extend(&right.selects);
                match set_quantifier {
                    SetQuantifier::All if right.set_of_first == 0 => {}
                    SetQuantifier::Distinct | SetQuantifier::None => parts.set_of_first = parts.selects.len(),
                    SetQuantifier::All => {
                        return Err(self.refuse(
                            place,
                            "UNION ALL with a UNION in parentheses behind it is not supported",
                            "write the UNION first, or put it into a derived table",
                        ));
                    }
                    SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName => {
                        return Err(self.refuse(place, "UNION BY NAME is not supported", "write the columns in the same order"));
                    }
                }
                Ok(parts)
            }
            SetExpr::SetOperation { left: _, op, set_quantifier: _, right } => {
                let place = self.operator_before(right);
                Err(self.refuse(place, format!("{op} is not supported"), "write NOT EXISTS or EXISTS"))
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

    /// The word of the set operation before its right side.
    fn operator_before(&mut self, right: &SetExpr) -> Span {
        let span = self.range(right);
        let word = self.tokens.before(span.start).find(|token| {
            ["UNION", "EXCEPT", "INTERSECT", "MINUS"].iter().any(|word| token.token.to_string().eq_ignore_ascii_case(word))
        });
        word.map_or(span, |token| token.span.clone())
    }

    /// Refuses what cannot stand around a SELECT with this purpose and returns its body. WITH is the caller's.
    pub(super) fn body<'q>(&mut self, query: &'q Query, purpose: Purpose) -> Bound<&'q SetExpr> {
        let Query { with: _, body, order_by, limit_clause, fetch, locks, for_clause, settings, format_clause, pipe_operators } =
            query;
        let limits = purpose == Purpose::Derived && limit_clause.is_some();
        let chooses = purpose.may_choose() && matches!(&**body, SetExpr::Select(select) if is_distinct_on(select));
        let unordered = order_by.is_none() && limit_clause.is_none();
        let ordered = purpose == Purpose::Scalar || limits || chooses || unordered;
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

    pub(super) fn order_list<'q>(&mut self, order_by: &'q OrderBy, query: &Query) -> Bound<&'q [OrderByExpr]> {
        match order_by {
            OrderBy { kind: OrderByKind::Expressions(expressions), interpolate: None } => Ok(expressions),
            OrderBy { .. } => {
                let span = self.range(query);
                Err(self.refuse(span, "this ORDER BY is not supported", "order by a list of expressions"))
            }
        }
    }

    /// The LIMIT of a subquery: 1 for a scalar, anything but 0 for a derived table and for EXISTS, which it does not change.
    pub(super) fn limit(&mut self, clause: &LimitClause, query: &Query, purpose: Purpose) -> Bound<Option<u64>> {
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
            (ExprKind::Literal(Value::Int(rows @ 1..)), Purpose::Derived) if limit_by.is_empty() => Ok(u64::try_from(rows).ok()),
            (_, Purpose::Derived) => Err(self.refuse(span, "LIMIT takes a number of rows here", "write LIMIT 1")),
            _ => Err(self.refuse(span, "a scalar subquery has one row: only LIMIT 1 is supported", "write LIMIT 1")),
        }
    }

    /// Binds one element of ORDER BY.
    pub(super) fn order_item(&mut self, item: &OrderByExpr) -> Bound<OrderItem> {
        let (expr, Direction { descending, nulls_first }) = self.order_parts(item)?;
        let bound = self.expr(expr)?;
        let (expr, rule) = self.order_rule(bound)?;
        Ok(OrderItem { expr, rule, descending, nulls_first })
    }

    /// The expression of an ORDER BY element and which way it goes.
    pub(super) fn order_parts<'q>(&mut self, item: &'q OrderByExpr) -> Bound<(&'q ast::Expr, Direction)> {
        let OrderByExpr { expr, options: OrderByOptions { sort, nulls_first }, with_fill } = item;
        let span: Span = self.span(expr);
        let own_nulls = nulls_first.is_some() && !self.is_postgres();
        if own_nulls || with_fill.is_some() || matches!(sort, Some(ast::OrderBySort::Using(_))) {
            return Err(self.refuse(
                span,
                "only ASC and DESC can follow an ORDER BY expression",
                "remove NULLS FIRST or NULLS LAST",
            ));
        }
        if matches!(expr, ast::Expr::Value(ast::ValueWithSpan { value: ast::Value::Number(..), span: _ })) {
            return Err(self.refuse(span, "ORDER BY a column number is not supported", "write the expression"));
        }
        let descending = matches!(sort, Some(ast::OrderBySort::Desc));
        let nulls_first = nulls_first.unwrap_or(descending == self.is_postgres());
        Ok((expr, Direction { descending, nulls_first }))
    }
}

fn is_distinct_on(select: &Select) -> bool {
    matches!(select.distinct, Some(ast::Distinct::On(_)))
}
