//! Functions of floating point that IEEE 754 fixes to the bit: ROUND, TRUNCATE, CEIL, FLOOR, ABS, SIGN, SQRT, DEGREES, RADIANS.
//!
//! What a C library computes (EXP, LN, LOG, POW with fractions, SIN ..) is refused: its last bits differ from library to library.

use crate::error::Result;
use crate::schema::DataType;
use crate::sql::functions::{Function, coerce, mismatch, no_value, take};
use crate::sql::query::{Expr, ExprKind, Span};
use crate::sql::types::{BOOLEAN, Refusal, TypeContext, node, to_double};
use crate::value::Value;

/// A function of a double.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the SQL function of its name")]
pub enum DoubleFunction {
    Absolute,
    Sign,
    Round { places: i64 },
    Truncate { places: i64 },
    Ceiling,
    Floor,
    SquareRoot,
    Degrees,
    Radians,
}

/// The names that only floating point has.
pub(super) const NAMES: [&str; 3] = ["SQRT", "DEGREES", "RADIANS"];

pub(super) fn resolve(name: &str, arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let [operand] = take(name, arguments)?;
    let function = match name {
        "SQRT" => DoubleFunction::SquareRoot,
        "DEGREES" => DoubleFunction::Degrees,
        _ => DoubleFunction::Radians,
    };
    typed(function, crate::sql::types::settle(operand), span, context)
}

/// The call of a function of doubles.
pub(super) fn typed(function: DoubleFunction, operand: Expr, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let operand = to_double(operand)?;
    let nullable = operand.nullable || function == DoubleFunction::SquareRoot;
    let data_type = if function == DoubleFunction::Sign { BOOLEAN } else { DataType::Double };
    let call = ExprKind::Call { function: Function::Double(function), arguments: vec![operand] };
    let call = node(call, data_type, nullable, span);
    Ok(if function == DoubleFunction::Sign { call } else { super::arithmetic::without_negative_zero(call, context) })
}

pub(super) fn call(function: DoubleFunction, expr: &Expr, values: &[Value]) -> Result<Value> {
    let [operand] = values else { return Err(mismatch("a function of floating point")) };
    let number = coerce::double(operand)?;
    let result = match function {
        DoubleFunction::Absolute => number.abs(),
        DoubleFunction::Sign => {
            let sign = if number < 0.0 { -1 } else { i64::from(number > 0.0) };
            return Ok(Value::Int(sign));
        }
        DoubleFunction::Round { places } => rounded(number, places, f64::round_ties_even, f64::round_ties_even),
        DoubleFunction::Truncate { places } => rounded(number, places, f64::floor, f64::ceil),
        DoubleFunction::Ceiling => number.ceil(),
        DoubleFunction::Floor => number.floor(),
        DoubleFunction::SquareRoot if number < 0.0 => return Ok(Value::Null),
        DoubleFunction::SquareRoot => number.sqrt(),
        DoubleFunction::Degrees => number * (180.0 / std::f64::consts::PI),
        DoubleFunction::Radians => number * (std::f64::consts::PI / 180.0),
    };
    if result.is_finite() { Ok(Value::Double(result)) } else { Err(no_value(expr, "a DOUBLE value is out of range")) }
}

/// Scaled, rounded and scaled back, as the source does it: no correction for what the scaling loses.
fn rounded(number: f64, places: i64, positive: fn(f64) -> f64, negative: fn(f64) -> f64) -> f64 {
    let round = if number >= 0.0 { positive } else { negative };
    let power = format!("1e{}", places.unsigned_abs()).parse::<f64>().unwrap_or(f64::INFINITY);
    if places < 0 {
        return if power.is_infinite() { 0.0 } else { round(number / power) * power };
    }
    let scaled = number * power;
    if power.is_infinite() || !scaled.is_finite() { number } else { round(scaled) / power }
}
