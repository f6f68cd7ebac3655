//! `+ - * / DIV %` and unary minus: integers with overflow errors, decimals in the source's precision, doubles as IEEE.

use std::cmp::Ordering;

use crate::error::Result;
use crate::schema::DataType;
use crate::sql::functions::{Function, coerce, mismatch, no_value, take};
use crate::sql::query::{Expr, ExprKind, Span};
use crate::sql::types::NumericClass;
use crate::sql::types::{
    BIGINT, Numeric, Refusal, TypeContext, constant, decimal_type, is_temporal, node, numeric, settle, to_decimal, to_double,
    type_name,
};
use crate::value::{Decimal, Value};

/// Decimal digits in one word of the source's decimal buffers, and how many words they have.
const WORD_DIGITS: u32 = 9;
const WORDS_MAX: u32 = 9;

/// Of integers and doubles.
const REMAINDER: Function = Function::Remainder { signs_zero: false };

pub(super) fn resolve(name: &str, arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    if name == "NEG" {
        let [operand] = take(name, arguments)?;
        return negate(operand, span, context);
    }
    let arguments: Vec<Expr> = arguments.into_iter().map(digits_of_date).collect();
    let [left, right] = take(name, arguments)?;
    let class = class_of(&left, name)?.max(class_of(&right, name)?);
    match (name, class) {
        ("/", NumericClass::Double) => doubles(Function::Divide { increment: 0 }, left, right, span, context),
        ("/", _) => divide(left, right, span, context),
        ("DIV", NumericClass::Double) => Err(inexact("DIV of a string or a floating-point number")),
        ("DIV", _) => integer_divide(left, right, span, context),
        ("%" | "MOD", NumericClass::Double) => doubles(REMAINDER, left, right, span, context),
        ("%" | "MOD", NumericClass::Integer) => {
            let unsigned = is_unsigned(&left);
            Ok(call_node(REMAINDER, vec![left, right], DataType::Integer { bits: 64, unsigned }, true, span))
        }
        ("+", NumericClass::Integer) => integers(Function::Add, left, right, span),
        ("-", NumericClass::Integer) => {
            let mut expr = integers(Function::Subtract, left, right, span)?;
            if context.has_mode("NO_UNSIGNED_SUBTRACTION") {
                expr.data_type = BIGINT;
            }
            Ok(expr)
        }
        ("*", NumericClass::Integer) => integers(Function::Multiply, left, right, span),
        ("+", NumericClass::Double) => doubles(Function::Add, left, right, span, context),
        ("-", NumericClass::Double) => doubles(Function::Subtract, left, right, span, context),
        ("*", NumericClass::Double) => doubles(Function::Multiply, left, right, span, context),
        _ => decimals(name, left, right, span, context),
    }
}

/// A bare NULL counts as a floating-point number with digits of its own.
pub(super) fn null_operand(name: &str) -> Refusal {
    Refusal::new(
        format!("{name} of a bare NULL, which the server computes in floating point"),
        "write CAST(NULL AS SIGNED) or CAST(NULL AS DECIMAL(p,s))",
    )
}

/// A date or time takes part in arithmetic as the number of its digits.
fn digits_of_date(expr: Expr) -> Expr {
    if is_temporal(&expr.data_type) { super::date_to_number(expr) } else { expr }
}

fn class_of(expr: &Expr, name: &str) -> Result<NumericClass, Refusal> {
    match &expr.data_type {
        DataType::Text { .. } => Ok(NumericClass::Double),
        DataType::Null => Err(null_operand(name)),
        data_type if is_temporal(data_type) => Err(Refusal::new(
            format!("{} is an operand of {name}", type_name(data_type)),
            "use INTERVAL, DATEDIFF or TIMESTAMPDIFF for dates",
        )),
        data_type => match numeric(expr) {
            Some(traits) => Ok(traits.class),
            None => Err(inexact(&format!("{name} of {}", type_name(data_type)))),
        },
    }
}

fn inexact(what: &str) -> Refusal {
    Refusal::new(format!("{what} is not carried exactly"), "convert the operands with CAST(.. AS DECIMAL(p,s)) or SIGNED")
}

fn call_node(function: Function, arguments: Vec<Expr>, data_type: DataType, nullable: bool, span: Span) -> Expr {
    let nullable = nullable || arguments.iter().any(|argument| argument.nullable);
    node(ExprKind::Call { function, arguments }, data_type, nullable, span)
}

fn is_unsigned(expr: &Expr) -> bool {
    numeric(expr).is_some_and(|traits| traits.unsigned)
}

fn integers(function: Function, left: Expr, right: Expr, span: Span) -> Result<Expr, Refusal> {
    let unsigned = is_unsigned(&left) || is_unsigned(&right);
    Ok(call_node(function, vec![left, right], DataType::Integer { bits: 64, unsigned }, false, span))
}

fn doubles(function: Function, left: Expr, right: Expr, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let nullable = matches!(function, Function::Divide { .. } | Function::Remainder { .. });
    let call = call_node(function, vec![to_double(left)?, to_double(right)?], DataType::Double, nullable, span);
    Ok(without_negative_zero(call, context))
}

/// MariaDB shows no negative zero where MySQL does: adding zero makes it a plain one and changes nothing else.
pub(super) fn without_negative_zero(expr: Expr, context: &TypeContext<'_>) -> Expr {
    if !context.is_mariadb() {
        return expr;
    }
    let span = expr.span.clone();
    let zero = node(ExprKind::Literal(Value::Double(0.0)), DataType::Double, false, span.clone());
    call_node(Function::Add, vec![expr, zero], DataType::Double, false, span)
}

fn traits(expr: &Expr) -> Numeric {
    numeric(expr).unwrap_or(Numeric { precision: 1, scale: 0, unsigned: false, class: NumericClass::Integer })
}

fn decimals(name: &str, left: Expr, right: Expr, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let (one, two) = (traits(&left), traits(&right));
    let integral = one.integral().max(two.integral());
    let scale = one.scale.max(two.scale);
    let unsigned = one.unsigned && two.unsigned;
    let (function, data_type) = match name {
        "+" => (Function::Add, decimal_type(integral + scale + 1, scale, unsigned)),
        "-" => {
            // MySQL knows no negative difference of unsigned numbers, and MariaDB makes 0 of it in places. Parts of dates are unsigned
            // on MySQL.
            let is_part = |expr: &Expr| {
                !context.is_mariadb() && matches!(&expr.kind, ExprKind::Call { function: Function::DatePart(_), .. })
            };
            let are_unsigned = (one.unsigned || is_part(&left)) && (two.unsigned || is_part(&right));
            let unsigned = are_unsigned && !context.has_mode("NO_UNSIGNED_SUBTRACTION");
            (Function::Subtract, decimal_type(integral + scale + 1, scale, unsigned))
        }
        "*" => {
            if one.scale + two.scale > 30 {
                return Err(inexact("a product with more than 30 digits after the point"));
            }
            (Function::Multiply, decimal_type(one.precision + two.precision, one.scale + two.scale, unsigned))
        }
        _ => {
            let digits = one.precision.max(two.precision) + u16::from(one.unsigned && !context.is_mariadb());
            (Function::Remainder { signs_zero: context.is_mariadb() }, decimal_type(digits, scale, one.unsigned))
        }
    };
    let nullable = matches!(function, Function::Remainder { .. });
    Ok(call_node(function, vec![to_decimal(left)?, to_decimal(right)?], data_type, nullable, span))
}

fn divide(left: Expr, right: Expr, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let increment = u16::try_from(context.catalog.session.div_precision_increment.min(30)).unwrap_or(30);
    let (one, two) = (traits(&left), traits(&right));
    let scale = one.scale + increment;
    if scale > 30 {
        return Err(inexact("a quotient with more than 30 digits after the point"));
    }
    let data_type = decimal_type(one.precision + two.scale + increment, scale, one.unsigned && two.unsigned);
    let quotient = call_node(Function::Divide { increment }, vec![to_decimal(left)?, to_decimal(right)?], data_type, true, span);
    // MySQL 9 rounds a quotient at once; MariaDB and older versions when it leaves the expression.
    Ok(if !context.is_mariadb() && context.catalog.version.0 >= 9 { settle(quotient) } else { quotient })
}

fn integer_divide(left: Expr, right: Expr, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let unsigned = is_unsigned(&left) || is_unsigned(&right);
    if context.is_mariadb() && constant(&left).is_some() && !matches!(constant(&right), Some(Value::Int(1..))) {
        return Err(inexact("DIV of a constant by what may be negative, for whose sign MariaDB leaves no room in a table,"));
    }
    // MySQL computes the quotient of integers without its sign, in which the least BIGINT has no room.
    let function = Function::IntegerDivide { least: context.is_mariadb() };
    Ok(call_node(function, vec![left, right], DataType::Integer { bits: 64, unsigned }, true, span))
}

fn negate(operand: Expr, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let folded = match constant(&operand) {
        Some(Value::Int(value)) => value.checked_neg().map(Value::Int),
        Some(Value::UInt(value)) if *value == 1 << 63 => Some(Value::Int(i64::MIN)),
        Some(Value::Decimal(value)) => Some(Value::Decimal(value.neg())),
        Some(Value::Double(value)) => Some(Value::Double(-value)),
        _ => None,
    };
    if let Some(value) = folded {
        let data_type = if matches!(value, Value::Int(i64::MIN)) { BIGINT } else { operand.data_type };
        return Ok(node(ExprKind::Literal(value), data_type, false, span));
    }
    let (operand, data_type) = match class_of(&operand, "-")? {
        NumericClass::Integer => (operand, BIGINT),
        NumericClass::Decimal => {
            let own = traits(&operand);
            (operand, decimal_type(own.precision, own.scale, false))
        }
        NumericClass::Double => (to_double(operand)?, DataType::Double),
    };
    let is_double = data_type == DataType::Double;
    let call = call_node(Function::Negate, vec![operand], data_type, false, span);
    Ok(if is_double { without_negative_zero(call, context) } else { call })
}

pub(super) fn call(function: &Function, expr: &Expr, values: &[Value]) -> Result<Value> {
    let (Some(left), right) = (values.first(), values.get(1).unwrap_or(&Value::Null)) else {
        return Err(mismatch("an arithmetic operator"));
    };
    match &expr.data_type {
        DataType::Double => double_call(function, expr, left, right),
        DataType::Integer { unsigned, .. } if matches!((left, right), (Value::Decimal(_), _) | (_, Value::Decimal(_))) => {
            decimal_div_integer(expr, left, right, *unsigned)
        }
        DataType::Integer { unsigned, .. } => integer_call(function, expr, left, right, *unsigned),
        _ => decimal_call(function, expr, left, right),
    }
}

fn integer_call(function: &Function, expr: &Expr, left: &Value, right: &Value, unsigned: bool) -> Result<Value> {
    let left = coerce::integer(left)?;
    if *function == Function::Negate {
        return in_range(left.checked_neg(), false, expr);
    }
    let right = coerce::integer(right)?;
    let result = match function {
        Function::Add => left.checked_add(right),
        Function::Subtract => left.checked_sub(right),
        Function::Multiply => left.checked_mul(right),
        _ if right == 0 => return Ok(Value::Null),
        Function::IntegerDivide { least } => left.checked_div(right).filter(|wide| *least || *wide != i128::from(i64::MIN)),
        _ => left.checked_rem(right),
    };
    in_range(result, unsigned, expr)
}

/// The result as BIGINT or BIGINT UNSIGNED; out of range is the source's error, never a wrapped value.
fn in_range(result: Option<i128>, unsigned: bool, expr: &Expr) -> Result<Value> {
    let value = result.and_then(|wide| match unsigned {
        true => u64::try_from(wide).ok().map(Value::UInt),
        false => i64::try_from(wide).ok().map(Value::Int),
    });
    value.ok_or_else(|| {
        no_value(expr, if unsigned { "a BIGINT UNSIGNED value is out of range" } else { "a BIGINT value is out of range" })
    })
}

fn double_call(function: &Function, expr: &Expr, left: &Value, right: &Value) -> Result<Value> {
    let left = coerce::double(left)?;
    let right = if *function == Function::Negate { 0.0 } else { coerce::double(right)? };
    let result = match function {
        Function::Add => left + right,
        Function::Subtract => left - right,
        Function::Multiply => left * right,
        Function::Negate => -left,
        _ if right == 0.0 => return Ok(Value::Null),
        Function::Divide { .. } => left / right,
        _ => left % right,
    };
    if result.is_finite() { Ok(Value::Double(result)) } else { Err(no_value(expr, "a DOUBLE value is out of range")) }
}

fn decimal_call(function: &Function, expr: &Expr, left: &Value, right: &Value) -> Result<Value> {
    let left = coerce::decimal(left)?;
    if *function == Function::Negate {
        return Ok(Value::Decimal(left.neg()));
    }
    let right = coerce::decimal(right)?;
    let result = match function {
        Function::Add => left.add(&right),
        Function::Subtract => left.sub(&right),
        // Past 65 digits the source cuts the factors.
        Function::Multiply if left.digits() + right.digits() > 65 => {
            return Err(no_value(expr, "a product of more than 65 digits"));
        }
        Function::Multiply => left.mul(&right),
        Function::Divide { increment } => match quotient(&left, &right, u32::from(*increment)) {
            Some(result) => result,
            None => return Ok(Value::Null),
        },
        _ => match left.rem(&right) {
            Some(result) if result.is_zero() && left.is_negative() && *function != REMAINDER => {
                return Err(no_value(expr, "nothing is left of a negative number, which MariaDB holds for another zero,"));
            }
            Some(result) => result,
            None => return Ok(Value::Null),
        },
    };
    fits(result, expr).map(Value::Decimal)
}

/// The result if the source's buffer of nine words holds it; the source would cut or refuse it otherwise.
pub(crate) fn fits(result: Decimal, expr: &Expr) -> Result<Decimal> {
    let scale = u32::from(result.scale());
    let integral = result.digits().saturating_sub(scale);
    let is_below_zero =
        result.is_negative() && !result.is_zero() && matches!(expr.data_type, DataType::Decimal { unsigned: true, .. });
    if is_below_zero || integral.div_ceil(WORD_DIGITS) + scale.div_ceil(WORD_DIGITS) > WORDS_MAX || integral > 65 {
        return Err(no_value(expr, "a DECIMAL value is out of range"));
    }
    Ok(result)
}

/// A quotient with as many digits as the source computes: whole words of nine digits, cut, not rounded. `None` for a zero divisor.
pub(crate) fn quotient(left: &Decimal, right: &Decimal, increment: u32) -> Option<Decimal> {
    let padded = |scale: u32| scale.div_ceil(WORD_DIGITS) * WORD_DIGITS;
    let (left_scale, right_scale) = (u32::from(left.scale()), u32::from(right.scale()));
    let (left_padded, right_padded) = (padded(left_scale), padded(right_scale));
    let free = (left_padded - left_scale) + (right_padded - right_scale);
    let mut words = (left_padded + right_padded + increment.saturating_sub(free)).div_ceil(WORD_DIGITS);
    words = words.min(WORDS_MAX - quotient_words(left, right).min(WORDS_MAX));
    left.div(right, u16::try_from(words * WORD_DIGITS).unwrap_or(u16::MAX))
}

/// Words before the point that the source reserves for a quotient.
fn quotient_words(left: &Decimal, right: &Decimal) -> u32 {
    let integral =
        |number: &Decimal| i64::from(number.unscaled().magnitude().to_string().len() as u32) - i64::from(number.scale());
    let larger = left.abs().compare(&right.abs()) != Ordering::Less;
    let digits = integral(left) - integral(right) + i64::from(larger);
    u32::try_from(digits.max(0)).unwrap_or(0).div_ceil(WORD_DIGITS)
}

fn decimal_div_integer(expr: &Expr, left: &Value, right: &Value, unsigned: bool) -> Result<Value> {
    let Some(result) = coerce::decimal(left)?.div(&coerce::decimal(right)?, 0) else { return Ok(Value::Null) };
    let value = if unsigned { result.to_u64().map(Value::UInt) } else { result.to_i64().map(Value::Int) };
    value.ok_or_else(|| no_value(expr, "a BIGINT value is out of range"))
}
