//! The forms of PostgreSQL's grammar that differ from MySQL's; everything they share is bound where MySQL's is.

mod call;
mod data_type;
mod literal;

use sqlparser::ast::{self, BinaryOperator, UnaryOperator, ValueWithSpan};

use super::logic::Position;
use super::typing::{both, collected, either, is_null, negated};
use super::{Binder, Bound};
use crate::schema::DataType;
use crate::sql::postgres::{array_calls, regular, typing};
use crate::sql::query::{CompareOperator, Expr, ExprKind, Span};
use crate::value::Value;

impl Binder<'_> {
    /// Whether the source is PostgreSQL.
    pub(super) fn is_postgres(&self) -> bool {
        self.modes.postgres
    }

    /// A literal that nothing asked for is text in PostgreSQL; elsewhere nothing changes.
    pub(super) fn settled(&mut self, expr: Expr) -> Bound<Expr> {
        if !self.is_postgres() {
            return Ok(expr);
        }
        let span = expr.span.clone();
        let settled = typing::settle(expr, self.catalog);
        self.typed(settled, &span)
    }

    /// Binds an expression; conditions are real booleans in PostgreSQL.
    pub(super) fn expr_in(&mut self, expr: &ast::Expr, position: Position) -> Bound<Expr> {
        if !self.is_postgres() {
            return self.shared_form(expr, position);
        }
        let span = self.span(expr);
        let mut bound = match self.postgres_form(expr, &span) {
            Some(bound) => bound?,
            None => self.shared_form(expr, position)?,
        };
        let is_condition = matches!(
            bound.kind,
            ExprKind::And(_)
                | ExprKind::Or(_)
                | ExprKind::Not(_)
                | ExprKind::IsNull(_)
                | ExprKind::Compare { .. }
                | ExprKind::Exists(_)
        );
        if is_condition {
            bound.data_type = DataType::Boolean;
        }
        Ok(bound)
    }

    /// The forms of PostgreSQL's own; `None` for those that are bound alike.
    // size: one arm per syntax form
    fn postgres_form(&mut self, expr: &ast::Expr, span: &Span) -> Option<Bound<Expr>> {
        let span = span.clone();
        Some(match expr {
            ast::Expr::Value(value) => return self.postgres_value(value, span),
            ast::Expr::TypedString(typed) => self.postgres_typed_string(typed, span),
            ast::Expr::Interval(interval) => self.postgres_interval(interval, span),
            ast::Expr::BinaryOp { left, op, right } => return self.postgres_binary(left, op, right, span),
            ast::Expr::UnaryOp { op: UnaryOperator::Not, .. } => return None,
            ast::Expr::UnaryOp { op, expr } => self.postgres_unary(op, expr, span),
            ast::Expr::IsNull(inner) => self.expr(inner).map(|inner| is_null(inner, span)),
            ast::Expr::IsNotNull(inner) => self.expr(inner).map(|inner| negated(true, is_null(inner, span.clone()), span)),
            ast::Expr::IsDistinctFrom(left, right) => self.distinct(left, right, true, span),
            ast::Expr::IsNotDistinctFrom(left, right) => self.distinct(left, right, false, span),
            ast::Expr::InList { expr, list, negated } if !matches!(**expr, ast::Expr::Tuple(_)) => {
                self.postgres_in(expr, list, *negated, span)
            }
            ast::Expr::AnyOp { left, compare_op, right, is_some: _ } => self.quantified(left, compare_op, right, false, span),
            ast::Expr::AllOp { left, compare_op, right } => self.quantified(left, compare_op, right, true, span),
            ast::Expr::Between { expr, negated, low, high } => self.postgres_between(expr, low, high, *negated, span),
            ast::Expr::Like { negated, any: false, expr, pattern, escape_char } => {
                self.postgres_like("like", [expr, pattern], escape_char.as_deref(), *negated, span)
            }
            ast::Expr::ILike { negated, any: false, expr, pattern, escape_char } => {
                self.postgres_like("ilike", [expr, pattern], escape_char.as_deref(), *negated, span)
            }
            ast::Expr::SimilarTo { negated, expr, pattern, escape_char } => {
                self.postgres_similar(expr, pattern, escape_char.as_deref(), *negated, span)
            }
            ast::Expr::Cast { kind, expr, data_type, format } => {
                let known = matches!(kind, ast::CastKind::Cast | ast::CastKind::DoubleColon) && format.is_none();
                if !known {
                    return Some(Err(self.refuse(span, "this form of CAST is not PostgreSQL's", "write x::type")));
                }
                self.postgres_cast(expr, data_type, span)
            }
            ast::Expr::AtTimeZone { timestamp, time_zone } => {
                self.exprs([&**time_zone, &**timestamp]).and_then(|arguments| self.call("timezone", arguments, span))
            }
            ast::Expr::Extract { field, syntax: _, expr } => {
                let unit = typing::literal_string(&field.to_string().to_ascii_lowercase(), span.clone());
                self.expr(expr).and_then(|inner| self.call("extract", vec![unit, inner], span))
            }
            ast::Expr::Ceil { expr, field } => self.postgres_ceil("ceil", expr, field, span),
            ast::Expr::Floor { expr, field } => self.postgres_ceil("floor", expr, field, span),
            ast::Expr::Position { expr, r#in } => {
                self.exprs([&**r#in, &**expr]).and_then(|arguments| self.call("position", arguments, span))
            }
            ast::Expr::Substring { expr, substring_from, substring_for, special: _, shorthand } => {
                let name = if *shorthand { "substr" } else { "substring" };
                self.postgres_substring(name, expr, substring_from.as_deref(), substring_for.as_deref(), span)
            }
            ast::Expr::Trim { expr, trim_where, trim_what, trim_characters } => {
                let name = match trim_where {
                    None | Some(ast::TrimWhereField::Both) => "btrim",
                    Some(ast::TrimWhereField::Leading) => "ltrim",
                    Some(ast::TrimWhereField::Trailing) => "rtrim",
                };
                let listed = trim_characters.iter().flatten();
                let written: Vec<&ast::Expr> = [&**expr].into_iter().chain(trim_what.as_deref()).chain(listed).collect();
                self.exprs(written).and_then(|arguments| self.call(name, arguments, span))
            }
            ast::Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                let written = [&**expr, overlay_what, overlay_from].into_iter().chain(overlay_for.as_deref());
                self.exprs(written).and_then(|arguments| self.call("overlay", arguments, span))
            }
            ast::Expr::Array(ast::Array { elem, named: true }) => self.exprs(elem).and_then(|elements| {
                let array = array_calls::constructor(elements, span.clone(), self.catalog);
                self.typed(array, &span)
            }),
            ast::Expr::CompoundFieldAccess { root, access_chain } => self.postgres_subscript(root, access_chain, span),
            ast::Expr::Collate { expr, collation } => {
                let name = match collation.0.last().and_then(|part| part.as_ident()) {
                    Some(ident) => ident.value.clone(),
                    None => collation.to_string(),
                };
                self.expr(expr).and_then(|inner| {
                    let collated = typing::collate(inner, &name, span.clone(), self.catalog);
                    self.typed(collated, &span)
                })
            }
            _ => return None,
        })
    }

    /// An operator or a function by its name in the tables.
    fn call(&mut self, name: &str, arguments: Vec<Expr>, span: Span) -> Bound<Expr> {
        let resolved = typing::resolve(name, arguments, false, span.clone(), self.catalog);
        self.typed(resolved, &span)
    }

    fn operator(&mut self, sign: &str, arguments: Vec<Expr>, span: Span) -> Bound<Expr> {
        let resolved = typing::resolve(sign, arguments, true, span.clone(), self.catalog);
        self.typed(resolved, &span)
    }

    fn postgres_value(&mut self, value: &ValueWithSpan, span: Span) -> Option<Bound<Expr>> {
        Some(match &value.value {
            ast::Value::Number(..) => {
                let literal = typing::literal_number(self.tokens.text(&span), span.clone());
                self.typed(literal, &span)
            }
            ast::Value::SingleQuotedString(_) => match self.string_literal(value) {
                Ok(text) => Ok(typing::literal_string(&text.unwrap_or_default(), span)),
                Err(reported) => Err(reported),
            },
            ast::Value::DollarQuotedString(quoted) => Ok(typing::literal_string(&quoted.value, span)),
            ast::Value::Boolean(truth) => {
                Ok(Expr { kind: ExprKind::Literal(Value::Bool(*truth)), data_type: DataType::Boolean, nullable: false, span })
            }
            ast::Value::EscapedStringLiteral(_) => {
                let literal = literal::escaped(self.tokens.text(&span)).map(|text| typing::literal_string(&text, span.clone()));
                self.typed(literal, &span)
            }
            ast::Value::UnicodeStringLiteral(_) => {
                Err(self.refuse(span, "U&'' strings are not read", "write the characters themselves between plain quotes"))
            }
            ast::Value::HexStringLiteral(_) | ast::Value::SingleQuotedByteStringLiteral(_) => {
                Err(self.refuse(span, "bit strings are not supported", "write '\\x0a1b'::bytea for bytes"))
            }
            _ => return None,
        })
    }

    fn postgres_typed_string(&mut self, typed: &ast::TypedString, span: Span) -> Bound<Expr> {
        let ast::TypedString { data_type, value, uses_odbc_syntax } = typed;
        let target = self.postgres_type(data_type, &span)?;
        match self.string_literal(value)? {
            Some(text) if !uses_odbc_syntax => {
                let literal = typing::coerce(typing::literal_string(&text, span.clone()), &target, self.catalog);
                self.typed(literal, &span)
            }
            _ => Err(self.refuse(span, "this literal is not supported", "write a string between single quotes")),
        }
    }

    /// `INTERVAL '1 day'` and `INTERVAL '1' DAY`.
    fn postgres_interval(&mut self, interval: &ast::Interval, span: Span) -> Bound<Expr> {
        let ast::Interval { value, leading_field, leading_precision, last_field, fractional_seconds_precision } = interval;
        let plain = leading_precision.is_none() && last_field.is_none() && fractional_seconds_precision.is_none();
        let text = match &**value {
            ast::Expr::Value(value) => self.string_literal(value)?,
            _ => None,
        };
        let Some(text) = text.filter(|_| plain) else {
            return Err(self.refuse(span, "this form of INTERVAL is not supported", "write INTERVAL '1 day'"));
        };
        let text = match leading_field {
            None => text,
            // With a field, a bare number counts in it, and a larger text is cut to it.
            Some(field) if text.trim().trim_start_matches(['-', '+']).bytes().all(|byte| byte.is_ascii_digit()) => {
                format!("{} {field}", text.trim())
            }
            Some(_) => return Err(self.refuse(span, "a field behind this INTERVAL would cut it", "write INTERVAL '1 day'")),
        };
        let literal = typing::coerce(typing::literal_string(&text, span.clone()), &DataType::Interval, self.catalog);
        self.typed(literal, &span)
    }

    fn postgres_binary(&mut self, left: &ast::Expr, op: &BinaryOperator, right: &ast::Expr, span: Span) -> Option<Bound<Expr>> {
        let sign = match op {
            BinaryOperator::And | BinaryOperator::Or => return None,
            BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq => return None,
            BinaryOperator::Spaceship => {
                return Some(Err(self.refuse(span, "<=> is MySQL's", "write IS NOT DISTINCT FROM")));
            }
            BinaryOperator::Overlaps => return Some(self.overlaps(left, right, span)),
            other => other.to_string(),
        };
        Some(self.exprs([left, right]).and_then(|arguments| self.operator(&sign, arguments, span)))
    }

    /// `(start, end) OVERLAPS (start, end)`.
    fn overlaps(&mut self, left: &ast::Expr, right: &ast::Expr, span: Span) -> Bound<Expr> {
        let (ast::Expr::Tuple(one), ast::Expr::Tuple(two)) = (left, right) else {
            return Err(self.refuse(span, "OVERLAPS takes two pairs", "write (start, end) OVERLAPS (start, end)"));
        };
        if one.len() != 2 || two.len() != 2 {
            return Err(self.refuse(span, "OVERLAPS takes two pairs", "write (start, end) OVERLAPS (start, end)"));
        }
        let arguments = self.exprs(one.iter().chain(two))?;
        self.call("overlaps", arguments, span)
    }

    fn postgres_unary(&mut self, op: &UnaryOperator, operand: &ast::Expr, span: Span) -> Bound<Expr> {
        if let (UnaryOperator::Minus, ast::Expr::Value(ValueWithSpan { value: ast::Value::Number(..), span: _ })) = (op, operand)
        {
            let digits = self.span(operand);
            let literal = typing::literal_number(&format!("-{}", self.tokens.text(&digits)), span.clone());
            return self.typed(literal, &span);
        }
        let sign = match op {
            UnaryOperator::Minus => "-",
            UnaryOperator::Plus => "+",
            UnaryOperator::BitwiseNot => "~",
            UnaryOperator::PGAbs => "@",
            other => {
                let message = format!("the operator {other} is not supported");
                return Err(self.refuse(span, message, "write it with functions and arithmetic"));
            }
        };
        let operand = self.expr(operand)?;
        self.operator(sign, vec![operand], span)
    }

    fn distinct(&mut self, left: &ast::Expr, right: &ast::Expr, is: bool, span: Span) -> Bound<Expr> {
        let same = self.comparison(CompareOperator::NullSafeEqual, left, right, span.clone())?;
        Ok(negated(is, same, span))
    }

    fn postgres_in(&mut self, expr: &ast::Expr, list: &[ast::Expr], is_not: bool, span: Span) -> Bound<Expr> {
        let value = self.expr(expr);
        let list = self.exprs(list);
        let value = value?;
        let tests = list?.into_iter().map(|item| self.compare(CompareOperator::Equal, value.clone(), item, span.clone()));
        let tests = collected(tests.collect())?;
        Ok(negated(is_not, either(tests, span.clone()), span))
    }

    /// `x = ANY (ARRAY[..])` and `x <> ALL (column)`.
    fn quantified(&mut self, left: &ast::Expr, op: &BinaryOperator, right: &ast::Expr, all: bool, span: Span) -> Bound<Expr> {
        let array = match right {
            ast::Expr::Nested(inner) => inner,
            other => other,
        };
        let operator = match op {
            BinaryOperator::Eq => CompareOperator::Equal,
            BinaryOperator::NotEq => CompareOperator::NotEqual,
            BinaryOperator::Lt => CompareOperator::Less,
            BinaryOperator::LtEq => CompareOperator::LessOrEqual,
            BinaryOperator::Gt => CompareOperator::Greater,
            BinaryOperator::GtEq => CompareOperator::GreaterOrEqual,
            other => {
                let message = format!("{other} ANY is not supported");
                return Err(self.refuse(span, message, "write one comparison per element"));
            }
        };
        let value = self.expr(left);
        let ast::Expr::Array(ast::Array { elem, named: true }) = array else {
            let array = self.expr(array);
            let quantified = array_calls::quantify(operator, value?, array?, all, span.clone(), self.catalog);
            return self.typed(quantified, &span);
        };
        let elements = self.exprs(elem);
        let value = value?;
        let tests = elements?.into_iter().map(|item| self.compare(operator, value.clone(), item, span.clone()));
        let tests = collected(tests.collect())?;
        Ok(if all { both(tests, span) } else { either(tests, span) })
    }

    fn postgres_between(&mut self, expr: &ast::Expr, low: &ast::Expr, high: &ast::Expr, is_not: bool, span: Span) -> Bound<Expr> {
        let operands = [self.expr(expr), self.expr(low), self.expr(high)];
        let [value, low, high] = operands;
        let (value, low, high) = (value?, low?, high?);
        let above = self.compare(CompareOperator::GreaterOrEqual, value.clone(), low, span.clone())?;
        let below = self.compare(CompareOperator::LessOrEqual, value, high, span.clone())?;
        Ok(negated(is_not, both(vec![above, below], span.clone()), span))
    }

    fn postgres_like(
        &mut self,
        name: &str,
        operands: [&ast::Expr; 2],
        escape: Option<&ast::Expr>,
        is_not: bool,
        span: Span,
    ) -> Bound<Expr> {
        let escape = self.like_escape(escape, &span)?;
        let mut arguments = self.exprs(operands)?;
        arguments.push(typing::literal_string(&escape, span.clone()));
        let tested = self.call(name, arguments, span.clone())?;
        Ok(negated(is_not, tested, span))
    }

    /// `array[1]`.
    fn postgres_subscript(&mut self, root: &ast::Expr, chain: &[ast::AccessExpr], span: Span) -> Bound<Expr> {
        let [ast::AccessExpr::Subscript(ast::Subscript::Index { index })] = chain else {
            return Err(self.refuse(span, "slices, fields and several subscripts are not carried", "write one subscript: x[1]"));
        };
        let array = self.expr(root);
        let index = self.expr(index);
        let element = array_calls::subscript(array?, index?, span.clone(), self.catalog);
        self.typed(element, &span)
    }

    fn like_escape(&mut self, escape: Option<&ast::Expr>, span: &Span) -> Bound<String> {
        match escape {
            None => Ok("\\".to_owned()),
            Some(ast::Expr::Value(value)) => match self.string_literal(value)? {
                Some(text) if text.chars().count() <= 1 => Ok(text),
                _ => Err(self.refuse(span.clone(), "ESCAPE takes one character between quotes", "write ESCAPE '|'")),
            },
            Some(_) => Err(self.refuse(span.clone(), "ESCAPE takes one character between quotes", "write ESCAPE '|'")),
        }
    }

    /// `text SIMILAR TO 'pattern'` is a regular expression in other clothes.
    fn postgres_similar(
        &mut self,
        text: &ast::Expr,
        pattern: &ast::Expr,
        escape: Option<&ast::Expr>,
        is_not: bool,
        span: Span,
    ) -> Bound<Expr> {
        let escape = self.like_escape(escape, &span)?;
        let text = self.expr(text)?;
        let written = match pattern {
            ast::Expr::Value(value) => self.string_literal(value)?,
            _ => None,
        };
        let Some(written) = written else {
            let place = self.span(pattern);
            return Err(self.refuse(place, "a SIMILAR TO pattern is not a constant", "write it as a string"));
        };
        let expression = regular::similar(&written, escape.chars().next());
        let expression = self.typed(expression, &span)?;
        let pattern = typing::literal_string(&expression, span.clone());
        let tested = self.call("similar to", vec![text, pattern], span.clone())?;
        Ok(negated(is_not, tested, span))
    }

    fn postgres_cast(&mut self, expr: &ast::Expr, data_type: &ast::DataType, span: Span) -> Bound<Expr> {
        let inner = self.expr(expr);
        let target = self.postgres_type(data_type, &span);
        let cast = typing::cast(inner?, &target?, span.clone(), self.catalog);
        self.typed(cast, &span)
    }

    fn postgres_ceil(&mut self, name: &str, expr: &ast::Expr, field: &ast::CeilFloorKind, span: Span) -> Bound<Expr> {
        if *field != ast::CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) {
            return Err(self.refuse(span, format!("{name} takes one number"), "write round(x, n) for other precisions"));
        }
        let inner = self.expr(expr)?;
        self.call(name, vec![inner], span)
    }

    fn postgres_substring(
        &mut self,
        name: &str,
        expr: &ast::Expr,
        from: Option<&ast::Expr>,
        length: Option<&ast::Expr>,
        span: Span,
    ) -> Bound<Expr> {
        let mut arguments = vec![self.expr(expr)?];
        match from {
            Some(from) => arguments.push(self.expr(from)?),
            None => {
                let one = typing::literal_number("1", span.clone());
                arguments.push(self.typed(one, &span)?);
            }
        }
        if let Some(length) = length {
            arguments.push(self.expr(length)?);
        }
        self.call(name, arguments, span)
    }
}
