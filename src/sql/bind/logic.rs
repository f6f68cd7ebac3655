//! Conditions: comparisons, IN, BETWEEN, LIKE, AND, OR and tests for truth, with the server's three-valued logic.

use sqlparser::ast;

use super::typing::{both, collected, either, is_null, negated, not};
use super::{Binder, Bound};
use crate::sql::query::{CompareOperator, Expr, Span};
use crate::sql::types;

/// Whether the difference between FALSE and NULL can be seen where an expression stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    /// The value itself is used: NULL and FALSE differ.
    Value,
    /// Only whether it is true matters.
    Filter,
}

impl Position {
    /// The position of the operand of a NOT: NOT FALSE is true, NOT NULL is not.
    pub(super) fn under_not(self) -> Self {
        Self::Value
    }
}

impl Binder<'_> {
    /// Binds an expression of which only its truth matters.
    pub(super) fn condition(&mut self, expr: &ast::Expr) -> Bound<Expr> {
        let bound = self.expr_in(expr, Position::Filter)?;
        self.truth(bound)
    }

    pub(super) fn connective(
        &mut self,
        left: &ast::Expr,
        right: &ast::Expr,
        span: Span,
        position: Position,
        join: fn(Vec<Expr>, Span) -> Expr,
    ) -> Bound<Expr> {
        let operands = [left, right].into_iter().map(|operand| {
            let bound = self.expr_in(operand, position)?;
            self.truth(bound)
        });
        let operands = collected(operands.collect())?;
        Ok(join(operands, span))
    }

    /// XOR: NULL if either side is, else whether their truths differ.
    pub(super) fn exclusive_or(&mut self, left: &ast::Expr, right: &ast::Expr, span: Span) -> Bound<Expr> {
        let operands = [left, right].into_iter().map(|operand| {
            let bound = self.expr(operand)?;
            self.truth(bound)
        });
        let operands: [Expr; 2] = match collected(operands.collect())?.try_into() {
            Ok(operands) => operands,
            Err(_) => return Err(self.broken("an XOR without two sides")),
        };
        let [left, right] = operands;
        self.compare(CompareOperator::NotEqual, left, right, span)
    }

    /// A comparison of two values, or of two rows of values.
    pub(super) fn comparison(
        &mut self,
        operator: CompareOperator,
        left: &ast::Expr,
        right: &ast::Expr,
        span: Span,
    ) -> Bound<Expr> {
        if let (Some(left), Some(right)) = (row(left), row(right)) {
            return self.row_comparison(operator, left, right, span);
        }
        let operands: [Expr; 2] = match self.exprs([left, right])?.try_into() {
            Ok(operands) => operands,
            Err(_) => return Err(self.broken("a comparison without two sides")),
        };
        let [left, right] = operands;
        self.compare(operator, left, right, span)
    }

    fn row_comparison(&mut self, operator: CompareOperator, left: &[ast::Expr], right: &[ast::Expr], span: Span) -> Bound<Expr> {
        if left.len() != right.len() {
            return Err(self.refuse(
                span,
                "these rows have different numbers of columns",
                "compare as many columns as there are",
            ));
        }
        if !matches!(operator, CompareOperator::Equal | CompareOperator::NullSafeEqual) {
            return Err(self.refuse(span, "rows can only be compared with = and <=>", "write the comparison column by column"));
        }
        let pairs = left.iter().zip(right).map(|(left, right)| self.comparison(operator, left, right, span.clone()));
        let pairs = collected(pairs.collect())?;
        Ok(both(pairs, span))
    }

    pub(super) fn in_list(&mut self, expr: &ast::Expr, list: &[ast::Expr], is_not: bool, span: Span) -> Bound<Expr> {
        if let Some(columns) = row(expr) {
            let mut matches = Vec::new();
            for element in list {
                let Some(values) = row(element) else {
                    let span = self.span(element);
                    return Err(self.refuse(span, "a row is compared with a single value", "write (a, b) IN ((1, 2), ..)"));
                };
                matches.push(self.row_comparison(CompareOperator::Equal, columns, values, span.clone()));
            }
            return Ok(negated(is_not, either(collected(matches)?, span.clone()), span));
        }
        let value = self.expr(expr);
        let list = self.exprs(list);
        let tested = types::in_list(is_not, value?, list?, span.clone(), &self.context);
        self.typed(tested, &span)
    }

    pub(super) fn between(
        &mut self,
        expr: &ast::Expr,
        low: &ast::Expr,
        high: &ast::Expr,
        is_not: bool,
        span: Span,
    ) -> Bound<Expr> {
        let operands = [self.expr(expr), self.expr(low), self.expr(high)];
        let [value, low, high] = operands;
        let tested = types::between(is_not, value?, low?, high?, span.clone(), &self.context);
        self.typed(tested, &span)
    }

    pub(super) fn like(
        &mut self,
        expr: &ast::Expr,
        pattern: &ast::Expr,
        escape: Option<&ast::Expr>,
        is_not: bool,
        span: Span,
    ) -> Bound<Expr> {
        let operands = [self.expr(expr), self.expr(pattern)];
        let escape = match escape {
            None if self.modes.no_backslash_escapes => None,
            None => Some('\\'),
            Some(escape) => self.escape_character(escape)?,
        };
        let [text, pattern] = operands;
        let tested = types::like(is_not, text?, pattern?, escape, span.clone(), &self.context);
        self.typed(tested, &span)
    }

    fn escape_character(&mut self, escape: &ast::Expr) -> Bound<Option<char>> {
        let span = self.span(escape);
        if let ast::Expr::Value(value) = escape
            && let Some(text) = self.string_literal(value)?
        {
            let mut characters = text.chars();
            if let (first, None) = (characters.next(), characters.next()) {
                return Ok(first);
            }
        }
        Err(self.refuse(span, "ESCAPE takes one character between quotes", "write ESCAPE '|'"))
    }

    /// `IS [NOT] TRUE | FALSE | UNKNOWN`; `wanted` is `None` for UNKNOWN.
    pub(super) fn truth_test(&mut self, inner: &ast::Expr, wanted: Option<bool>, is_not: bool, span: Span) -> Bound<Expr> {
        let inner = self.expr(inner)?;
        let inner = self.truth(inner)?;
        let null = is_null(inner.clone(), span.clone());
        let test = match wanted {
            None => null,
            Some(wanted) => {
                let holds = negated(!wanted, inner, span.clone());
                let mut test = both(vec![not(null, span.clone()), holds], span.clone());
                // FALSE AND NULL is FALSE: the test itself is never NULL.
                test.nullable = false;
                test
            }
        };
        Ok(negated(is_not, test, span))
    }
}

/// The columns of a row in parentheses.
fn row(expr: &ast::Expr) -> Option<&[ast::Expr]> {
    match expr {
        ast::Expr::Tuple(elements) => Some(elements),
        _ => None,
    }
}
