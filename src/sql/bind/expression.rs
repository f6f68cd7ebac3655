//! Expressions: one arm per form of the grammar. What has no arm of its own is refused by name.

use sqlparser::ast::{self, BinaryOperator, CaseWhen, UnaryOperator};

use super::logic::Position;
use super::scope::{Clause, ColumnName};
use super::subquery::subquery_of;
use super::typing::{collected, either, is_null, negated, not};
use super::{Binder, Bound, refusal, tree};
use crate::sql::query::{CompareOperator, Expr, ExprKind, Span};
use crate::sql::types;

impl Binder<'_> {
    /// Binds an expression whose value is used.
    pub(super) fn expr(&mut self, expr: &ast::Expr) -> Bound<Expr> {
        self.expr_in(expr, Position::Value)
    }

    /// Binds expressions side by side, reporting the findings of all.
    pub(super) fn exprs<'e>(&mut self, exprs: impl IntoIterator<Item = &'e ast::Expr>) -> Bound<Vec<Expr>> {
        let bound = exprs.into_iter().map(|expr| self.expr(expr)).collect();
        collected(bound)
    }

    /// The forms that MySQL has, some of which every dialect has.
    // size: one arm per syntax form
    pub(super) fn shared_form(&mut self, expr: &ast::Expr, position: Position) -> Bound<Expr> {
        self.check_grouping(expr)?;
        let span = self.span(expr);
        match expr {
            ast::Expr::Identifier(ident) => self.identifier(ident, span),
            ast::Expr::CompoundIdentifier(parts) => self.compound(parts, span),
            ast::Expr::Nested(inner) => self.expr_in(inner, position).map(|inner| Expr { span, ..inner }),
            ast::Expr::Value(value) => self.value(value, span),
            ast::Expr::TypedString(typed) => self.typed_string(typed, span),
            ast::Expr::BinaryOp { left, op, right } => self.binary(left, op, right, span, position),
            ast::Expr::UnaryOp { op, expr } => self.unary(op, expr, span, position),
            ast::Expr::IsNull(inner) => self.null_test(inner, false, span),
            ast::Expr::IsNotNull(inner) => self.null_test(inner, true, span),
            ast::Expr::IsUnknown(inner) => self.truth_test(inner, None, false, span),
            ast::Expr::IsNotUnknown(inner) => self.truth_test(inner, None, true, span),
            ast::Expr::IsTrue(inner) => self.truth_test(inner, Some(true), false, span),
            ast::Expr::IsNotTrue(inner) => self.truth_test(inner, Some(true), true, span),
            ast::Expr::IsFalse(inner) => self.truth_test(inner, Some(false), false, span),
            ast::Expr::IsNotFalse(inner) => self.truth_test(inner, Some(false), true, span),
            ast::Expr::InList { expr, list, negated } => self.in_list(expr, list, *negated, span),
            ast::Expr::InSubquery { expr, subquery, negated } => self.in_subquery(expr, subquery, *negated, span, position),
            ast::Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, is_some: _ } if subquery_of(right).is_some() => {
                self.quantified_subquery(left, right, false, span, position)
            }
            ast::Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right } if subquery_of(right).is_some() => {
                self.quantified_subquery(left, right, true, span, position)
            }
            ast::Expr::Between { expr, negated, low, high } => self.between(expr, low, high, *negated, span),
            ast::Expr::Like { negated, any, expr, pattern, escape_char } => {
                if *any {
                    return Err(self.refuse(span, "LIKE ANY is not supported", "write one LIKE per pattern"));
                }
                self.like(expr, pattern, escape_char.as_deref(), *negated, span)
            }
            ast::Expr::RLike { negated, expr, pattern, regexp: _ } => {
                let arguments = self.exprs([&**expr, &**pattern])?;
                let matches = self.resolve("REGEXP", arguments, span.clone())?;
                Ok(super::typing::negated(*negated, matches, span))
            }
            ast::Expr::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref(), span)
            }
            ast::Expr::Exists { subquery, negated } => {
                let exists = self.exists(subquery, span.clone())?;
                Ok(super::typing::negated(*negated, exists, span))
            }
            ast::Expr::Subquery(query) => self.scalar_subquery(query, span),
            ast::Expr::Function(function) => self.function(function, span),
            ast::Expr::Cast { kind, expr, data_type, format } => self.cast_call(kind, expr, data_type, format.as_ref(), span),
            ast::Expr::Convert { is_try, expr, data_type, charset, target_before_value, styles } => {
                if *is_try || *target_before_value || !styles.is_empty() {
                    return Err(self.refuse(span, "this form of CONVERT is not supported", "write CAST(expression AS type)"));
                }
                self.convert_call(expr, data_type.as_ref(), charset.as_ref(), span)
            }
            ast::Expr::Extract { field, syntax: _, expr } => self.extract(field, expr, span),
            ast::Expr::Ceil { expr, field } => self.ceil_or_floor("CEIL", expr, field, span),
            ast::Expr::Floor { expr, field } => self.ceil_or_floor("FLOOR", expr, field, span),
            ast::Expr::Position { expr, r#in } => {
                let arguments = self.exprs([&**expr, &**r#in])?;
                self.resolve("LOCATE", arguments, span)
            }
            ast::Expr::Substring { expr, substring_from, substring_for, special: _, shorthand: _ } => {
                let written = [Some(expr), substring_from.as_ref(), substring_for.as_ref()];
                let arguments = self.exprs(written.into_iter().flatten().map(|argument| &**argument))?;
                self.resolve("SUBSTRING", arguments, span)
            }
            ast::Expr::Trim { expr, trim_where, trim_what, trim_characters } => {
                if trim_characters.is_some() {
                    return Err(self.refuse(span, "this form of TRIM is not supported", "write TRIM(BOTH 'x' FROM expression)"));
                }
                self.trim(expr, trim_where.as_ref(), trim_what.as_deref(), span)
            }
            ast::Expr::Collate { expr, collation } => {
                let inner = self.expr(expr)?;
                let name = collation.to_string();
                let collated = types::collate(inner, &name.replace('`', ""), span.clone(), &self.context);
                self.typed(collated, &span)
            }
            ast::Expr::Interval(_) => Err(self.refuse(
                span,
                "INTERVAL can only be added to a date or subtracted from one",
                "write DATE_ADD(date, INTERVAL n unit)",
            )),
            other => {
                let (message, help) = refusal::form(other);
                Err(self.refuse(span, message, help))
            }
        }
    }

    fn identifier(&mut self, ident: &ast::Ident, span: Span) -> Bound<Expr> {
        self.check_name(ident, &span)?;
        if let Some(found) = self.named_output(ident, &span)? {
            return Ok(found);
        }
        let column = self.column(ColumnName { schema: None, table: None, column: ident }, &span)?;
        self.seen_by_having(column)
    }

    fn compound(&mut self, parts: &[ast::Ident], span: Span) -> Bound<Expr> {
        for part in parts {
            self.check_name(part, &span)?;
        }
        let name = match parts {
            [table, column] => ColumnName { schema: None, table: Some(table), column },
            [schema, table, column] => ColumnName { schema: Some(schema), table: Some(table), column },
            _ => {
                return Err(self.refuse(
                    span,
                    "a column is named as column, table.column or schema.table.column",
                    "shorten the name",
                ));
            }
        };
        let column = self.column(name, &span)?;
        self.seen_by_having(column)
    }

    /// HAVING sees group keys, outputs and aggregates, not the other columns of FROM.
    fn seen_by_having(&mut self, column: Expr) -> Bound<Expr> {
        let frame = self.frame()?;
        let bare = frame.clause == Clause::Having && !frame.in_aggregate;
        let known =
            frame.group_keys.iter().chain(frame.items.iter().map(|item| &item.expr)).any(|seen| tree::same(seen, &column));
        if bare && !known && self.is_own(&column) {
            return Err(self.refuse(
                column.span,
                "HAVING sees only group keys, outputs and aggregates",
                "move this condition to WHERE, or add the column to the outputs",
            ));
        }
        Ok(column)
    }

    /// Refuses variables, and strings where the server wants a name.
    fn check_name(&mut self, ident: &ast::Ident, span: &Span) -> Bound<()> {
        if ident.quote_style.is_none() && ident.value.starts_with('@') {
            return Err(self.refuse(
                span.clone(),
                format!("{} is a variable: its value belongs to a session, not to a row", ident.value),
                "write the value itself",
            ));
        }
        let string = ident.quote_style == Some('\'') || (ident.quote_style == Some('"') && !self.modes.ansi_quotes);
        if string {
            return Err(self.refuse(span.clone(), "a string stands where a name is meant", "quote names with backticks"));
        }
        Ok(())
    }

    fn binary(
        &mut self,
        left: &ast::Expr,
        op: &BinaryOperator,
        right: &ast::Expr,
        span: Span,
        position: Position,
    ) -> Bound<Expr> {
        if let Some(operator) = comparison(op) {
            return self.comparison(operator, left, right, span);
        }
        match op {
            BinaryOperator::And => self.connective(left, right, span, position, super::typing::both),
            BinaryOperator::Or => self.connective(left, right, span, position, either),
            BinaryOperator::StringConcat if self.modes.pipes_as_concat => {
                let arguments = self.exprs([left, right])?;
                self.resolve("CONCAT", arguments, span)
            }
            BinaryOperator::StringConcat => {
                Err(self.refuse(span, "|| means OR under this sql_mode", "write OR, or CONCAT(a, b) for text"))
            }
            BinaryOperator::Xor => self.exclusive_or(left, right, span),
            BinaryOperator::Arrow | BinaryOperator::LongArrow if !self.context.is_mariadb() => {
                if !matches!(left, ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_)) {
                    return Err(self.refuse(span, format!("{op} stands behind a column"), "write JSON_EXTRACT(..)"));
                }
                let arguments = self.exprs([left, right])?;
                let name = if *op == BinaryOperator::Arrow { "JSON_EXTRACT" } else { "->>" };
                self.resolve(name, arguments, span)
            }
            BinaryOperator::Plus | BinaryOperator::Minus => self.sum(left, *op == BinaryOperator::Minus, right, span),
            _ => {
                let Some(name) = arithmetic(op) else {
                    return Err(self.refuse(
                        span,
                        format!("the operator {op} is not supported"),
                        "write it with comparisons, AND, OR, NOT and arithmetic",
                    ));
                };
                let arguments = self.exprs([left, right])?;
                self.resolve(name, arguments, span)
            }
        }
    }

    /// `+` and `-`, also with an INTERVAL on one side.
    fn sum(&mut self, left: &ast::Expr, minus: bool, right: &ast::Expr, span: Span) -> Bound<Expr> {
        match (left, right) {
            (date, ast::Expr::Interval(interval)) => self.date_arithmetic(minus, date, interval, span),
            (ast::Expr::Interval(interval), date) if !minus => self.date_arithmetic(minus, date, interval, span),
            _ => {
                let arguments = self.exprs([left, right])?;
                self.resolve(if minus { "-" } else { "+" }, arguments, span)
            }
        }
    }

    fn unary(&mut self, op: &UnaryOperator, operand: &ast::Expr, span: Span, position: Position) -> Bound<Expr> {
        match op {
            UnaryOperator::Not => {
                if self.modes.high_not_precedence && !matches!(operand, ast::Expr::Nested(_)) {
                    return Err(self.refuse(
                        span,
                        "NOT binds tightly under sql_mode HIGH_NOT_PRECEDENCE",
                        "put its operand in parentheses",
                    ));
                }
                let operand = self.expr_in(operand, position.under_not())?;
                let operand = self.truth(operand)?;
                Ok(not(operand, span))
            }
            UnaryOperator::Minus => match self.negative_number(operand, &span) {
                Some(literal) => literal,
                None => {
                    let operand = self.expr(operand)?;
                    self.resolve("NEG", vec![operand], span)
                }
            },
            UnaryOperator::BitwiseNot => {
                let operand = self.expr(operand)?;
                self.resolve("~", vec![operand], span)
            }
            UnaryOperator::Plus => self.expr(operand).map(|operand| Expr { span, ..operand }),
            UnaryOperator::BangNot => Err(self.refuse(span, "the operator ! is not supported", "write NOT (..)")),
            other => {
                let message = format!("the operator {other} is not supported");
                Err(self.refuse(span, message, "write it with comparisons, AND, OR, NOT and arithmetic"))
            }
        }
    }

    fn null_test(&mut self, inner: &ast::Expr, is_not: bool, span: Span) -> Bound<Expr> {
        let inner = self.expr(inner)?;
        if !is_not {
            self.check_zero_date_test(&inner, &span)?;
        }
        Ok(negated(is_not, is_null(inner, span.clone()), span))
    }

    /// In conditions the server lets `IS NULL` (not `IS NOT NULL`) on a NOT NULL date match zero dates as well.
    fn check_zero_date_test(&mut self, inner: &Expr, span: &Span) -> Bound<()> {
        let conditional = matches!(self.frame()?.clause, Clause::On | Clause::Where | Clause::Having);
        let date = matches!(inner.data_type, crate::schema::DataType::Date | crate::schema::DataType::DateTime { .. });
        let ExprKind::Column { alias, column } = inner.kind else { return Ok(()) };
        let visible = self.frames.iter().flat_map(|frame| &frame.visible).find(|visible| visible.alias == alias);
        let declared = visible.and_then(|visible| visible.columns.get(column));
        if conditional && date && declared.is_some_and(|column| !column.nullable) {
            return Err(self.refuse(
                span.clone(),
                "IS NULL on a NOT NULL date also finds 0000-00-00 on this server",
                "compare with '0000-00-00', or test another column of that table",
            ));
        }
        Ok(())
    }

    fn case(
        &mut self,
        operand: Option<&ast::Expr>,
        conditions: &[CaseWhen],
        otherwise: Option<&ast::Expr>,
        span: Span,
    ) -> Bound<Expr> {
        let operand = operand.map(|operand| self.expr(operand)).transpose()?;
        let mut tests = Vec::new();
        let mut results = Vec::new();
        for CaseWhen { condition, result } in conditions {
            tests.push(match &operand {
                Some(operand) => self.when_equal(operand.clone(), condition),
                None => self.condition(condition),
            });
            results.push(self.expr(result));
        }
        results.extend(otherwise.map(|otherwise| self.expr(otherwise)));
        let (tests, results) = (collected(tests)?, collected(results)?);
        let nullable = otherwise.is_none() || results.iter().any(|result| result.nullable);
        let (mut results, data_type) = self.unify_case(results, otherwise.is_some(), &span)?;
        let otherwise = if otherwise.is_some() { results.pop().map(Box::new) } else { None };
        let branches = tests.into_iter().zip(results).collect();
        Ok(Expr { kind: ExprKind::Case { branches, otherwise }, data_type, nullable, span })
    }

    fn when_equal(&mut self, operand: Expr, when: &ast::Expr) -> Bound<Expr> {
        let when = self.expr(when)?;
        let span = when.span.clone();
        if self.context.is_mariadb() && (types::is_unsettled(&operand) || types::is_unsettled(&when)) {
            return Err(self.refuse(
                span,
                "CASE compares a quotient with all its digits here, and = with the digits of its type",
                "write CASE WHEN a / b = .. THEN .., or round it with CAST(.. AS DECIMAL(p,s))",
            ));
        }
        self.compare(CompareOperator::Equal, operand, when, span)
    }
}

fn comparison(op: &BinaryOperator) -> Option<CompareOperator> {
    Some(match op {
        BinaryOperator::Eq => CompareOperator::Equal,
        BinaryOperator::NotEq => CompareOperator::NotEqual,
        BinaryOperator::Lt => CompareOperator::Less,
        BinaryOperator::LtEq => CompareOperator::LessOrEqual,
        BinaryOperator::Gt => CompareOperator::Greater,
        BinaryOperator::GtEq => CompareOperator::GreaterOrEqual,
        BinaryOperator::Spaceship => CompareOperator::NullSafeEqual,
        _ => return None,
    })
}

fn arithmetic(op: &BinaryOperator) -> Option<&'static str> {
    Some(match op {
        BinaryOperator::Multiply => "*",
        BinaryOperator::Divide => "/",
        BinaryOperator::MyIntegerDivide => "DIV",
        BinaryOperator::Modulo => "%",
        BinaryOperator::BitwiseAnd => "&",
        BinaryOperator::BitwiseOr => "|",
        BinaryOperator::BitwiseXor => "^",
        BinaryOperator::PGBitwiseShiftLeft => "<<",
        BinaryOperator::PGBitwiseShiftRight => ">>",
        _ => return None,
    })
}
