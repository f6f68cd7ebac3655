//! Comparisons: which rule the source compares two operands by.

use crate::schema::DataType;
use crate::sql::functions::Function;
use crate::sql::query::{CompareOperator, Expr, ExprKind, Span};
use crate::sql::types::numeric::NumericClass;
use crate::sql::types::{
    BOOLEAN, Refusal, TypeContext, aggregate_text, charset_of, constant, is_null_literal, is_temporal, is_text, node, numeric,
    settle, temporal_literal, to_bytes, to_double, to_text, type_name,
};
use crate::value::{Collation, KeyKind, Value};

/// A comparison by the source's rule for these operands, with their implicit conversions.
///
/// # Errors
/// Where the source's rule is not carried exactly.
pub fn compare(
    operator: CompareOperator,
    left: Expr,
    right: Expr,
    span: Span,
    context: &TypeContext<'_>,
) -> Result<Expr, Refusal> {
    // A quotient is compared with the digits of its type.
    let (mut operands, rule) = alike(vec![settle(left), settle(right)], context)?;
    let (Some(right), Some(left)) = (operands.pop(), operands.pop()) else {
        return Err(Refusal::new("a comparison needs two operands", ""));
    };
    let nullable = operator != CompareOperator::NullSafeEqual && (left.nullable || right.nullable);
    let kind = ExprKind::Compare { operator, rule, left: Box::new(left), right: Box::new(right) };
    Ok(node(kind, BOOLEAN, nullable, span))
}

/// `[NOT] BETWEEN`.
///
/// # Errors
/// As [`compare`].
pub fn between(
    negated: bool,
    value: Expr,
    low: Expr,
    high: Expr,
    span: Span,
    context: &TypeContext<'_>,
) -> Result<Expr, Refusal> {
    let (operands, rule) = alike(vec![value, low, high], context)?;
    let mut operands = operands.into_iter();
    let (Some(value), Some(low), Some(high)) = (operands.next(), operands.next(), operands.next()) else {
        return Err(Refusal::new("BETWEEN needs three operands", ""));
    };
    let nullable = value.nullable || low.nullable || high.nullable;
    let test = |operator, bound: Expr| {
        let kind = ExprKind::Compare { operator, rule: rule.clone(), left: Box::new(value.clone()), right: Box::new(bound) };
        node(kind, BOOLEAN, nullable, span.clone())
    };
    let both = vec![test(CompareOperator::GreaterOrEqual, low), test(CompareOperator::LessOrEqual, high)];
    let inside = node(ExprKind::And(both), BOOLEAN, nullable, span.clone());
    Ok(negate(negated, inside))
}

/// `[NOT] IN (list)`.
///
/// # Errors
/// As [`compare`]; strings of several collations must aggregate to one.
pub fn in_list(negated: bool, value: Expr, list: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    if list.is_empty() {
        return Err(Refusal::new("IN needs at least one value", ""));
    }
    if !context.is_mariadb() && list.iter().any(|item| constant(item).is_none()) {
        refuse_mixed_signs(&value, &list)?;
    }
    let mut tests = Vec::with_capacity(list.len());
    if is_text(&value.data_type) && list.iter().all(|item| is_text(&item.data_type) || is_null_literal(item)) {
        let mut operands = vec![value];
        operands.extend(list);
        let (operands, rule) = alike(operands, context)?;
        let mut operands = operands.into_iter();
        let Some(value) = operands.next() else { return Err(Refusal::new("IN needs a value", "")) };
        for item in operands {
            let nullable = value.nullable || item.nullable;
            let (left, right) = (Box::new(value.clone()), Box::new(item));
            let kind = ExprKind::Compare { operator: CompareOperator::Equal, rule: rule.clone(), left, right };
            tests.push(node(kind, BOOLEAN, nullable, span.clone()));
        }
    } else {
        for item in list {
            tests.push(compare(CompareOperator::Equal, value.clone(), item, span.clone(), context)?);
        }
    }
    let nullable = tests.iter().any(|test| test.nullable);
    Ok(negate(negated, node(ExprKind::Or(tests), BOOLEAN, nullable, span)))
}

/// MySQL compares the integers of a list that is no constant by their bits: -1 is 18446744073709551615.
fn refuse_mixed_signs(value: &Expr, list: &[Expr]) -> Result<(), Refusal> {
    let operands = || std::iter::once(value).chain(list);
    let is_wide = |expr: &Expr| matches!(expr.data_type, DataType::Integer { bits: 64, unsigned: true });
    let may_be_negative = |expr: &Expr| {
        matches!(expr.data_type, DataType::Integer { unsigned: false, .. })
            && !matches!(constant(expr), Some(Value::Int(number)) if *number >= 0)
    };
    if operands().any(is_wide) && operands().any(may_be_negative) {
        return Err(Refusal::new(
            "IN over integers with a sign and a BIGINT UNSIGNED, which MySQL compares by their bits",
            "write = and OR",
        ));
    }
    Ok(())
}

/// `[NOT] LIKE` with the escape character, `\` unless another was written; `None` for `ESCAPE ''`.
///
/// # Errors
/// For operands that are not strings or whose collation is not known.
pub fn like(
    negated: bool,
    text: Expr,
    pattern: Expr,
    escape: Option<char>,
    span: Span,
    context: &TypeContext<'_>,
) -> Result<Expr, Refusal> {
    let (text, pattern) = (to_text(text, context)?, to_text(pattern, context)?);
    let traits = aggregate_text(&[&text, &pattern], context)?;
    if traits.charset == "binary" {
        return Err(Refusal::new("LIKE on binary strings is not carried exactly", "compare with = or use LEFT"));
    }
    let nullable = text.nullable || pattern.nullable;
    let function = Function::Like { escape, collation: collation(&traits.collation, context)? };
    let call = node(ExprKind::Call { function, arguments: vec![text, pattern] }, BOOLEAN, nullable, span);
    Ok(negate(negated, call))
}

/// `expr COLLATE name`.
///
/// # Errors
/// For a collation of another charset, or one whose weights were not read.
pub fn collate(expr: Expr, name: &str, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let text = to_text(expr, context)?;
    let DataType::Text { length, charset, .. } = &text.data_type else {
        return Err(Refusal::new("COLLATE on a binary string", ""));
    };
    if charset_of(name) != charset {
        return Err(Refusal::new(format!("{name} is not a collation of {charset}"), ""));
    }
    collation(name, context)?;
    let data_type = DataType::Text { length: *length, fixed: false, charset: charset.clone(), collation: name.to_owned() };
    let nullable = text.nullable;
    Ok(node(ExprKind::Call { function: Function::Collate, arguments: vec![text] }, data_type, nullable, span))
}

/// An operand in a boolean position (WHERE, ON, AND, CASE WHEN): `expr <> 0`, unless it is a boolean already.
///
/// # Errors
/// For operands whose truth is not carried exactly.
pub fn truth(expr: Expr, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    match &expr.kind {
        ExprKind::Compare { .. }
        | ExprKind::And(_)
        | ExprKind::Or(_)
        | ExprKind::Not(_)
        | ExprKind::IsNull(_)
        | ExprKind::Exists(_)
        | ExprKind::Call { function: Function::Like { .. }, .. } => return Ok(expr),
        _ => {}
    }
    if is_temporal(&expr.data_type) {
        return Err(Refusal::new("a date or time stands where a condition is meant", "compare it with something"));
    }
    let span = expr.span.clone();
    let zero = node(ExprKind::Literal(Value::Int(0)), BOOLEAN, false, span.clone());
    compare(CompareOperator::NotEqual, expr, zero, span, context)
}

/// `NOT expr` where `negated`.
fn negate(negated: bool, expr: Expr) -> Expr {
    if !negated {
        return expr;
    }
    let (nullable, span) = (expr.nullable, expr.span.clone());
    node(ExprKind::Not(Box::new(expr)), BOOLEAN, nullable, span)
}

/// The weights of a collation.
///
/// # Errors
/// If the source's weights were not read.
pub fn collation(name: &str, context: &TypeContext<'_>) -> Result<Collation, Refusal> {
    let known = context.catalog.collations.get(name).cloned();
    // Results of JSON functions have these, whatever the columns have.
    let by_code_point = match name {
        "utf8mb4_bin" => Some(Collation::binary(name, "utf8mb4", true)),
        "utf8mb4_0900_bin" => Some(Collation::binary(name, "utf8mb4", false)),
        _ => None,
    };
    known.or(by_code_point).ok_or_else(|| {
        Refusal::new(
            format!("strings are compared by the collation {name}, whose order is not known here"),
            "name a collation that is, e.g. with COLLATE utf8mb4_bin",
        )
    })
}

/// Brings operands to one comparable form and says how they compare.
pub(crate) fn alike(operands: Vec<Expr>, context: &TypeContext<'_>) -> Result<(Vec<Expr>, KeyKind), Refusal> {
    if operands.iter().any(super::is_unsettled) {
        return Err(Refusal::new(
            "a quotient or an average is compared, and the source rounds it in some places and not in others",
            "round it with CAST(.. AS DECIMAL(p,s))",
        ));
    }
    let present = || operands.iter().map(|operand| &operand.data_type).filter(|data_type| **data_type != DataType::Null);
    if present().all(is_text) && present().next().is_some() {
        let parts: Vec<&Expr> = operands.iter().collect();
        let rule = KeyKind::Text(collation(&aggregate_text(&parts, context)?.collation, context)?);
        let operands = operands.into_iter().map(|operand| to_text(operand, context)).collect::<Result<_, _>>()?;
        return Ok((operands, rule));
    }
    if present().any(|data_type| matches!(data_type, DataType::Bytes { .. })) {
        let operands = operands
            .into_iter()
            .map(|operand| if operand.data_type == DataType::Null { Ok(operand) } else { to_bytes(operand) })
            .collect::<Result<_, _>>()?;
        return Ok((operands, KeyKind::Bytes));
    }
    if present().any(is_temporal) {
        return alike_temporal(operands, context);
    }
    alike_numbers(operands)
}

fn alike_temporal(operands: Vec<Expr>, context: &TypeContext<'_>) -> Result<(Vec<Expr>, KeyKind), Refusal> {
    let Some(model) = operands.iter().map(|operand| &operand.data_type).find(|data_type| is_temporal(data_type)).cloned() else {
        return Err(Refusal::new("a date comparison without a date", ""));
    };
    let is_made = |operand: &Expr| {
        matches!(operand.data_type, DataType::Time { .. })
            && !matches!(operand.kind, ExprKind::Column { .. } | ExprKind::Literal(_))
    };
    let is_string = |operand: &Expr| matches!(constant(operand), Some(Value::Text(_)));
    if !context.is_mariadb() && operands.iter().any(is_made) && operands.iter().any(is_string) {
        return Err(Refusal::new(
            "a computed TIME is compared with a string, which MySQL may do letter by letter",
            "write TIME 'hh:mm:ss'",
        ));
    }
    let mut converted = Vec::with_capacity(operands.len());
    for operand in operands {
        let span = operand.span.clone();
        converted.push(match (constant(&operand), &operand.data_type) {
            (Some(Value::Text(text)), _) => temporal_literal(text, &model, span, context)?,
            (_, DataType::Null) => operand,
            (_, data_type) if is_temporal(data_type) => operand,
            (_, data_type) => {
                return Err(Refusal::new(
                    format!("{} is compared with {}", type_name(&model), type_name(data_type)),
                    "write the constant as 'YYYY-MM-DD', or bring both sides to one type with CAST or DATE_FORMAT",
                ));
            }
        });
    }
    let is_time = |expr: &&Expr| matches!(expr.data_type, DataType::Time { .. });
    let times = converted.iter().filter(is_time).count();
    let nulls = converted.iter().filter(|expr| expr.data_type == DataType::Null).count();
    let rule = if times > 0 {
        if times + nulls < converted.len() {
            return Err(Refusal::new(
                "a TIME is compared with a date, which depends on today",
                "compare DATE with DATE or TIME with TIME",
            ));
        }
        KeyKind::Time
    } else if converted.iter().all(|expr| matches!(expr.data_type, DataType::Date | DataType::Null)) {
        KeyKind::Date
    } else {
        KeyKind::DateTime
    };
    Ok((converted, rule))
}

fn alike_numbers(operands: Vec<Expr>) -> Result<(Vec<Expr>, KeyKind), Refusal> {
    if operands.iter().any(|operand| is_text(&operand.data_type)) {
        return alike_text_and_number(operands);
    }
    if operands.iter().any(|operand| operand.data_type == DataType::Year) && operands.iter().any(is_short_year) {
        return Err(Refusal::new(
            "a YEAR is compared with a number that may have one or two digits, which the source may read as a year of this or the last century",
            "write the year with four digits",
        ));
    }
    let mut class = NumericClass::Integer;
    for operand in &operands {
        match numeric(operand) {
            Some(traits) => class = class.max(traits.class),
            None => {
                return Err(Refusal::new(
                    format!("{} is compared, which is not carried exactly", type_name(&operand.data_type)),
                    "convert it with CAST",
                ));
            }
        }
    }
    let rule = match class {
        NumericClass::Integer => KeyKind::Integer,
        NumericClass::Decimal => KeyKind::Decimal,
        NumericClass::Double => KeyKind::Double,
    };
    Ok((operands, rule))
}

/// Whether a constant is one that a YEAR column would store as another number: 99 as 1999.
fn is_short_year(expr: &Expr) -> bool {
    match constant(expr) {
        Some(Value::Int(number)) => (1..100).contains(number),
        Some(Value::UInt(number)) => (1..100).contains(number),
        Some(Value::Decimal(number)) => {
            !number.is_negative() && !number.is_zero() && number.floor().to_i64().is_some_and(|whole| whole < 100)
        }
        Some(Value::Double(number)) => *number > 0.0 && *number < 100.0,
        Some(_) => false,
        // The source computes a constant first and stores it into a YEAR then.
        None => is_computed_constant(expr),
    }
}

fn is_computed_constant(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Literal(_) => true,
        ExprKind::Cast(inner) | ExprKind::Not(inner) | ExprKind::IsNull(inner) => is_computed_constant(inner),
        ExprKind::Compare { left, right, .. } => is_computed_constant(left) && is_computed_constant(right),
        ExprKind::And(operands) | ExprKind::Or(operands) => operands.iter().all(is_computed_constant),
        ExprKind::Call { arguments, .. } => arguments.iter().all(is_computed_constant),
        ExprKind::Case { branches, otherwise } => {
            branches.iter().all(|(condition, result)| is_computed_constant(condition) && is_computed_constant(result))
                && otherwise.as_deref().is_none_or(is_computed_constant)
        }
        _ => false,
    }
}

/// A string and a number are compared as doubles; a constant that is a plain integer is compared as one.
fn alike_text_and_number(operands: Vec<Expr>) -> Result<(Vec<Expr>, KeyKind), Refusal> {
    let mixes_labels = operands.iter().any(|operand| matches!(operand.data_type, DataType::Enum { .. } | DataType::Set { .. }));
    if mixes_labels {
        return Err(Refusal::new("an ENUM or SET is compared with a number", "compare it with the label, as a string"));
    }
    let has_big_column = operands.iter().any(|operand| {
        constant(operand).is_none()
            && matches!(
                operand.data_type,
                DataType::Integer { bits: 64, .. } | DataType::Decimal { .. } | DataType::Year | DataType::Bit { .. }
            )
    });
    let constants_are_integers = operands.iter().filter(|operand| is_text(&operand.data_type)).all(|operand| {
        matches!(constant(operand), Some(Value::Text(text)) if text.len() <= 15 && text.parse::<i64>().is_ok_and(|number| number.to_string() == **text))
    });
    let integers = operands.iter().all(|operand| {
        is_text(&operand.data_type)
            || matches!(operand.data_type, DataType::Integer { .. } | DataType::Null | DataType::Bit { .. })
    });
    if constants_are_integers && integers {
        let parsed = operands.into_iter().map(|operand| match constant(&operand) {
            Some(Value::Text(text)) => {
                let value = Value::Int(text.parse().unwrap_or_default());
                node(ExprKind::Literal(value), super::BIGINT, false, operand.span.clone())
            }
            _ => operand,
        });
        return Ok((parsed.collect(), KeyKind::Integer));
    }
    if has_big_column && operands.iter().any(|operand| is_text(&operand.data_type) && constant(operand).is_some()) {
        return Err(Refusal::new("a number is compared with a string constant", "write the constant as a number"));
    }
    let operands = operands.into_iter().map(to_double).collect::<Result<_, _>>()?;
    Ok((operands, KeyKind::Double))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Decimal;

    fn compared(number: Value, data_type: DataType) -> Result<(Vec<Expr>, KeyKind), Refusal> {
        let year = node(ExprKind::Column { alias: crate::sql::query::AliasId(0), column: 0 }, DataType::Year, true, 0..0);
        alike_numbers(vec![year, node(ExprKind::Literal(number), data_type, false, 0..0)])
    }

    #[test]
    fn a_year_compared_with_two_digits_is_refused_because_the_source_reads_99_as_1999() {
        let half = |text: &str| Value::Decimal(Decimal::parse(text).unwrap());
        for number in [1, 5, 99] {
            assert!(compared(Value::Int(number), BOOLEAN).is_err(), "{number}");
            assert!(compared(Value::UInt(number.unsigned_abs()), BOOLEAN).is_err(), "{number}");
        }
        assert!(compared(half("99.0"), DataType::Decimal { precision: 3, scale: 1, unsigned: false }).is_err());
        assert!(compared(Value::Double(99.0), DataType::Double).is_err());
        for number in [-1, 0, 100, 1999, 2155] {
            assert!(compared(Value::Int(number), BOOLEAN).is_ok(), "{number}");
        }
    }
}
