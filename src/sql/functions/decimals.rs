//! ABS, SIGN, ROUND, TRUNCATE, CEIL and FLOOR of integers and decimals; of floating point and strings in [`doubles`].

use crate::error::Result;
use crate::schema::DataType;
use crate::sql::functions::{DoubleFunction, Function, arithmetic, arity, coerce, doubles, mismatch, no_value};
use crate::sql::query::{Expr, ExprKind, Span};
use crate::sql::types::NumericClass;
use crate::sql::types::{BIGINT, BOOLEAN, Numeric, Refusal, TypeContext, constant, decimal_type, node, numeric};
use crate::value::{Decimal, Value};

pub(super) fn resolve(name: &str, mut arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let most = match name {
        "ROUND" | "TRUNCATE" => 2,
        _ => 1,
    };
    arity(name, &arguments, 1..=most)?;
    let places = if arguments.len() == 2 { places(name, arguments.pop())? } else { 0 };
    let Some(operand) = arguments.pop() else {
        return Err(Refusal::new(format!("{name} takes an argument"), ""));
    };
    let own = match numeric(&operand) {
        _ if operand.data_type == DataType::Null => return Err(arithmetic::null_operand(name)),
        Some(own) if own.class != NumericClass::Double => own,
        _ => return doubles::typed(of_doubles(name, places), operand, span, context),
    };
    let function = match name {
        "ABS" => Function::Absolute,
        "SIGN" => Function::Sign,
        "ROUND" => Function::Round { truncate: false },
        "TRUNCATE" => Function::Round { truncate: true },
        "FLOOR" => Function::Floor,
        _ => Function::Ceiling,
    };
    let data_type = result_type(&function, &own, places, context);
    let nullable = operand.nullable;
    let mut arguments = vec![operand];
    if matches!(function, Function::Round { .. }) {
        arguments.push(node(ExprKind::Literal(Value::Int(places)), BIGINT, false, span.clone()));
    }
    Ok(node(ExprKind::Call { function, arguments }, data_type, nullable, span))
}

fn of_doubles(name: &str, places: i64) -> DoubleFunction {
    match name {
        "ABS" => DoubleFunction::Absolute,
        "SIGN" => DoubleFunction::Sign,
        "ROUND" => DoubleFunction::Round { places },
        "TRUNCATE" => DoubleFunction::Truncate { places },
        "FLOOR" => DoubleFunction::Floor,
        _ => DoubleFunction::Ceiling,
    }
}

fn places(name: &str, argument: Option<Expr>) -> Result<i64, Refusal> {
    match argument.as_ref().and_then(constant) {
        Some(Value::Int(places)) if (-65..=30).contains(places) => Ok(*places),
        _ => Err(Refusal::new(
            format!("the number of places of {name} is not a constant between -65 and 30"),
            "write it as a number",
        )),
    }
}

fn result_type(function: &Function, own: &Numeric, places: i64, context: &TypeContext<'_>) -> DataType {
    let integer = DataType::Integer { bits: 64, unsigned: own.unsigned };
    match function {
        Function::Sign => BOOLEAN,
        Function::Absolute if own.class == NumericClass::Integer => integer,
        Function::Absolute => decimal_type(own.precision, own.scale, own.unsigned),
        _ if own.class == NumericClass::Integer => integer,
        Function::Round { truncate } => {
            let wanted = u16::try_from(places.max(0)).unwrap_or(0);
            let scale = if context.is_mariadb() { wanted } else { wanted.min(own.scale) };
            let by_tens = places < 0 && !context.is_mariadb();
            let carry = u16::from((scale < own.scale || by_tens) && !truncate);
            // MySQL forgets that a rounded number has no sign.
            decimal_type((own.integral() + scale + carry).max(1), scale, own.unsigned && context.is_mariadb())
        }
        _ => {
            let width = own.integral() + 1 + u16::from(own.scale > 0);
            if width >= 20 {
                decimal_type(own.integral() + 1, 0, own.unsigned)
            } else if context.is_mariadb() {
                integer
            } else {
                BIGINT
            }
        }
    }
}

pub(super) fn call(function: &Function, expr: &Expr, values: &[Value]) -> Result<Value> {
    let Some(operand) = values.first() else { return Err(mismatch("a numeric function")) };
    let places = values.get(1).map(coerce::integer).transpose()?.unwrap_or(0);
    match operand {
        Value::Int(_) | Value::UInt(_) => integer(function, expr, coerce::integer(operand)?, places),
        Value::Decimal(decimal) => exact(function, expr, decimal, places),
        _ => Err(mismatch("a numeric function")),
    }
}

fn integer(function: &Function, expr: &Expr, operand: i128, places: i128) -> Result<Value> {
    let result = match function {
        Function::Absolute => operand.abs(),
        Function::Sign => operand.signum(),
        Function::Round { truncate } if places < 0 => {
            let step = u32::try_from(-places).ok().and_then(|places| 10_i128.checked_pow(places));
            match step {
                None => 0,
                Some(step) if *truncate => operand / step * step,
                Some(step) => {
                    let half = if operand < 0 { -(step / 2) } else { step / 2 };
                    (operand + half) / step * step
                }
            }
        }
        _ => operand,
    };
    to_type(expr, Decimal::from_unscaled(result.into(), 0))
}

fn exact(function: &Function, expr: &Expr, operand: &Decimal, places: i128) -> Result<Value> {
    let left = u16::try_from(-places).unwrap_or(0);
    let right = u16::try_from(places).unwrap_or(0);
    let result = match function {
        Function::Absolute => operand.abs(),
        Function::Sign if operand.is_zero() => return Ok(Value::Int(0)),
        Function::Sign => return Ok(Value::Int(if operand.is_negative() { -1 } else { 1 })),
        Function::Round { truncate: false } if places < 0 => operand.round_left(left),
        Function::Round { truncate: true } if places < 0 => operand.truncate_left(left),
        Function::Round { truncate: false } => coerce::rescale(operand, right),
        Function::Round { truncate: true } if operand.scale() > right => operand.truncate(right),
        Function::Round { truncate: true } => coerce::rescale(operand, right),
        Function::Floor => operand.floor(),
        _ => operand.ceil(),
    };
    if *function == Function::Absolute {
        return Ok(Value::Decimal(result));
    }
    to_type(expr, result)
}

/// The result in the call's own type.
fn to_type(expr: &Expr, result: Decimal) -> Result<Value> {
    let value = match &expr.data_type {
        DataType::Integer { unsigned: true, .. } => result.to_u64().map(Value::UInt),
        DataType::Integer { .. } => result.to_i64().map(Value::Int),
        DataType::Decimal { scale, .. } => Some(Value::Decimal(coerce::rescale(&result, *scale))),
        _ => None,
    };
    value.ok_or_else(|| no_value(expr, "a number is out of range"))
}
