//! Operators and functions of numbers: integers with their overflows, numerics with their scales, floats where IEEE leaves no choice.
//!
//! Scales follow `numeric.c`: sums take the larger scale, products the sum of scales, quotients at least 16 significant digits
//! (`select_div_scale`). What depends on the machine's mathematical library (power, exp, logarithms, trigonometry) is not carried.

use super::convert;
use super::kind::Kind::{self, Float4, Float8, Int2, Int4, Int8, Numeric};
use super::routine::{Arguments, Compute, Fault, Routine, WRONG};
use crate::value::{Decimal, NonFinite, Value};

const fn row(name: &'static str, arguments: &'static [Kind], result: Kind, compute: Compute) -> Routine {
    Routine { name, arguments, result, strict: true, compute: Some(compute) }
}

const fn absent(name: &'static str, arguments: &'static [Kind], result: Kind) -> Routine {
    Routine { name, arguments, result, strict: true, compute: None }
}

macro_rules! arithmetic {
    ($name:literal, $integer:expr, $numeric:expr, $float:expr) => {
        [
            row($name, &[Int2, Int2], Int2, $integer),
            row($name, &[Int2, Int4], Int4, $integer),
            row($name, &[Int4, Int2], Int4, $integer),
            row($name, &[Int4, Int4], Int4, $integer),
            row($name, &[Int2, Int8], Int8, $integer),
            row($name, &[Int8, Int2], Int8, $integer),
            row($name, &[Int4, Int8], Int8, $integer),
            row($name, &[Int8, Int4], Int8, $integer),
            row($name, &[Int8, Int8], Int8, $integer),
            row($name, &[Numeric, Numeric], Numeric, $numeric),
            row($name, &[Float4, Float4], Float4, $float),
            row($name, &[Float4, Float8], Float8, $float),
            row($name, &[Float8, Float4], Float8, $float),
            row($name, &[Float8, Float8], Float8, $float),
        ]
    };
}

macro_rules! bits {
    ($name:literal, $compute:expr) => {
        [
            row($name, &[Int2, Int2], Int2, $compute),
            row($name, &[Int4, Int4], Int4, $compute),
            row($name, &[Int8, Int8], Int8, $compute),
        ]
    };
}

static ADD: [Routine; 14] =
    arithmetic!("+", |a| integers(a, i64::checked_add), |a| numerics(a, add), |a| floats(a, |x, y| x + y, false));
static SUBTRACT: [Routine; 14] = arithmetic!(
    "-",
    |a| integers(a, i64::checked_sub),
    |a| numerics(a, |x, y| add(x, &negated(y))),
    |a| floats(a, |x, y| x - y, false)
);
static MULTIPLY: [Routine; 14] =
    arithmetic!("*", |a| integers(a, i64::checked_mul), |a| numerics(a, multiply), |a| floats(a, |x, y| x * y, true));
static DIVIDE: [Routine; 14] = arithmetic!("/", divide_integers, |a| numerics(a, divide), |a| {
    if a.double(1)? == 0.0 && !a.double(0)?.is_nan() { Err(BY_ZERO) } else { floats(a, |x, y| x / y, true) }
});
static AND: [Routine; 3] = bits!("&", |a| Ok(Value::Int(a.int(0)? & a.int(1)?)));
static OR: [Routine; 3] = bits!("|", |a| Ok(Value::Int(a.int(0)? | a.int(1)?)));
static XOR: [Routine; 3] = bits!("#", |a| Ok(Value::Int(a.int(0)? ^ a.int(1)?)));
static REMAINDER: [Routine; 3] = bits!("%", remainder);
static MOD: [Routine; 3] = bits!("mod", remainder);
static GCD: [Routine; 2] = [row("gcd", &[Int4, Int4], Int4, greatest_divisor), row("gcd", &[Int8, Int8], Int8, greatest_divisor)];

static REST: &[Routine] = &[
    row("%", &[Numeric, Numeric], Numeric, |a| numerics(a, modulo)),
    row("mod", &[Numeric, Numeric], Numeric, |a| numerics(a, modulo)),
    row("~", &[Int2], Int2, |a| Ok(Value::Int(!a.int(0)?))),
    row("~", &[Int4], Int4, |a| Ok(Value::Int(!a.int(0)?))),
    row("~", &[Int8], Int8, |a| Ok(Value::Int(!a.int(0)?))),
    row("<<", &[Int2, Int4], Int2, |a| Ok(Value::Int(i64::from(((a.int(0)? as i32).wrapping_shl(a.int(1)? as u32)) as i16)))),
    row("<<", &[Int4, Int4], Int4, |a| Ok(Value::Int(i64::from((a.int(0)? as i32).wrapping_shl(a.int(1)? as u32))))),
    row("<<", &[Int8, Int4], Int8, |a| Ok(Value::Int(a.int(0)?.wrapping_shl(a.int(1)? as u32)))),
    row(">>", &[Int2, Int4], Int2, |a| Ok(Value::Int(i64::from(((a.int(0)? as i32).wrapping_shr(a.int(1)? as u32)) as i16)))),
    row(">>", &[Int4, Int4], Int4, |a| Ok(Value::Int(i64::from((a.int(0)? as i32).wrapping_shr(a.int(1)? as u32))))),
    row(">>", &[Int8, Int4], Int8, |a| Ok(Value::Int(a.int(0)?.wrapping_shr(a.int(1)? as u32)))),
    row("-", &[Int2], Int2, |a| negate(a, Int2)),
    row("-", &[Int4], Int4, |a| negate(a, Int4)),
    row("-", &[Int8], Int8, |a| negate(a, Int8)),
    row("-", &[Numeric], Numeric, |a| Ok(negated(a.get(0)))),
    row("-", &[Float4], Float4, |a| Ok(float(a, -a.double(0)?))),
    row("-", &[Float8], Float8, |a| Ok(float(a, -a.double(0)?))),
    row("+", &[Int2], Int2, same),
    row("+", &[Int4], Int4, same),
    row("+", &[Int8], Int8, same),
    row("+", &[Numeric], Numeric, same),
    row("+", &[Float4], Float4, same),
    row("+", &[Float8], Float8, same),
    row("@", &[Int2], Int2, |a| absolute(a, Int2)),
    row("@", &[Int4], Int4, |a| absolute(a, Int4)),
    row("@", &[Int8], Int8, |a| absolute(a, Int8)),
    row("@", &[Float4], Float4, |a| Ok(float(a, a.double(0)?.abs()))),
    row("@", &[Float8], Float8, |a| Ok(float(a, a.double(0)?.abs()))),
    absent("gcd", &[Numeric, Numeric], Numeric),
    row("@", &[Numeric], Numeric, |a| Ok(magnitude(a.get(0)))),
    row("abs", &[Int2], Int2, |a| absolute(a, Int2)),
    row("abs", &[Int4], Int4, |a| absolute(a, Int4)),
    row("abs", &[Int8], Int8, |a| absolute(a, Int8)),
    row("abs", &[Numeric], Numeric, |a| Ok(magnitude(a.get(0)))),
    row("abs", &[Float4], Float4, |a| Ok(float(a, a.double(0)?.abs()))),
    row("abs", &[Float8], Float8, |a| Ok(float(a, a.double(0)?.abs()))),
    row("sign", &[Numeric], Numeric, |a| sign(a.get(0))),
    row("sign", &[Float8], Float8, |a| {
        let number = a.double(0)?;
        Ok(Value::Double(if number > 0.0 {
            1.0
        } else if number < 0.0 {
            -1.0
        } else {
            0.0
        }))
    }),
    row("ceil", &[Numeric], Numeric, |a| Ok(map(a.get(0), Decimal::ceil))),
    row("ceil", &[Float8], Float8, |a| Ok(Value::Double(a.double(0)?.ceil()))),
    row("ceiling", &[Numeric], Numeric, |a| Ok(map(a.get(0), Decimal::ceil))),
    row("ceiling", &[Float8], Float8, |a| Ok(Value::Double(a.double(0)?.ceil()))),
    row("floor", &[Numeric], Numeric, |a| Ok(map(a.get(0), Decimal::floor))),
    row("floor", &[Float8], Float8, |a| Ok(Value::Double(a.double(0)?.floor()))),
    row("round", &[Numeric], Numeric, |a| Ok(map(a.get(0), |number| number.round(0)))),
    row("round", &[Numeric, Int4], Numeric, |a| {
        let places = a.int(1)?;
        Ok(map(a.get(0), |number| placed(number, places, Decimal::round, Decimal::round_left)))
    }),
    row("round", &[Float8], Float8, |a| Ok(Value::Double(a.double(0)?.round_ties_even()))),
    row("trunc", &[Numeric], Numeric, |a| Ok(map(a.get(0), |number| number.truncate(0)))),
    row("trunc", &[Numeric, Int4], Numeric, |a| {
        let places = a.int(1)?;
        Ok(map(a.get(0), |number| placed(number, places, Decimal::truncate, Decimal::truncate_left)))
    }),
    row("trunc", &[Float8], Float8, |a| Ok(Value::Double(a.double(0)?.trunc()))),
    absent("trunc", &[Kind::Native], Kind::Native),
    row("div", &[Numeric, Numeric], Numeric, |a| numerics(a, whole_quotient)),
    row("scale", &[Numeric], Int4, |a| Ok(decimal(a.get(0)).map_or(Value::Null, |number| Value::Int(i64::from(number.scale()))))),
    row("min_scale", &[Numeric], Int4, |a| {
        Ok(decimal(a.get(0)).map_or(Value::Null, |number| Value::Int(i64::from(trimmed(number).scale()))))
    }),
    row("trim_scale", &[Numeric], Numeric, |a| Ok(map(a.get(0), trimmed))),
    row("sqrt", &[Float8], Float8, |a| {
        let number = a.double(0)?;
        if number < 0.0 { Err("cannot take square root of a negative number") } else { Ok(Value::Double(number.sqrt())) }
    }),
    absent("sqrt", &[Numeric], Numeric),
    absent("^", &[Numeric, Numeric], Numeric),
    absent("^", &[Float8, Float8], Float8),
    absent("power", &[Numeric, Numeric], Numeric),
    absent("power", &[Float8, Float8], Float8),
    absent("pow", &[Numeric, Numeric], Numeric),
    absent("pow", &[Float8, Float8], Float8),
    absent("exp", &[Numeric], Numeric),
    absent("exp", &[Float8], Float8),
    absent("ln", &[Numeric], Numeric),
    absent("ln", &[Float8], Float8),
    absent("log", &[Numeric], Numeric),
    absent("log", &[Float8], Float8),
    absent("log", &[Numeric, Numeric], Numeric),
    row("width_bucket", &[Numeric, Numeric, Numeric, Int4], Int4, width_bucket),
    absent("width_bucket", &[Float8, Float8, Float8, Int4], Int4),
    absent("width_bucket", &[Kind::Element, Kind::Array], Int4),
    row("degrees", &[Float8], Float8, |a| angle(a.double(0)?, |number| number / 0.017_453_292_519_943_295)),
    row("radians", &[Float8], Float8, |a| angle(a.double(0)?, |number| number * 0.017_453_292_519_943_295)),
    row("to_hex", &[Int4], Kind::Text, |a| Ok(Value::text(format!("{:x}", a.int(0)? as i32)))),
    row("to_hex", &[Int8], Kind::Text, |a| Ok(Value::text(format!("{:x}", a.int(0)?)))),
];

/// All rows of this file.
pub static TABLES: [&[Routine]; 11] = [&ADD, &SUBTRACT, &MULTIPLY, &DIVIDE, &AND, &OR, &XOR, &REMAINDER, &MOD, &GCD, REST];

const BY_ZERO: Fault = "division by zero";
const OUT_OF_RANGE: Fault = "integer out of range";

fn same(a: &Arguments<'_>) -> Result<Value, Fault> {
    Ok(a.get(0).clone())
}

fn integers(a: &Arguments<'_>, compute: fn(i64, i64) -> Option<i64>) -> Result<Value, Fault> {
    convert::integer(compute(a.int(0)?, a.int(1)?).ok_or(OUT_OF_RANGE)?, Kind::of(a.result))
}

fn divide_integers(a: &Arguments<'_>) -> Result<Value, Fault> {
    if a.int(1)? == 0 {
        return Err(BY_ZERO);
    }
    integers(a, i64::checked_div)
}

fn remainder(a: &Arguments<'_>) -> Result<Value, Fault> {
    match a.int(1)? {
        0 => Err(BY_ZERO),
        // The smallest integer has no counterpart to divide into.
        -1 => Ok(Value::Int(0)),
        divisor => Ok(Value::Int(a.int(0)? % divisor)),
    }
}

fn greatest_divisor(a: &Arguments<'_>) -> Result<Value, Fault> {
    let (mut left, mut right) = (a.int(0)?.unsigned_abs(), a.int(1)?.unsigned_abs());
    while right != 0 {
        (left, right) = (right, left % right);
    }
    convert::integer(i64::try_from(left).map_err(|_| OUT_OF_RANGE)?, Kind::of(a.result))
}

fn negate(a: &Arguments<'_>, kind: Kind) -> Result<Value, Fault> {
    convert::integer(a.int(0)?.checked_neg().ok_or(OUT_OF_RANGE)?, kind)
}

fn absolute(a: &Arguments<'_>, kind: Kind) -> Result<Value, Fault> {
    convert::integer(a.int(0)?.checked_abs().ok_or(OUT_OF_RANGE)?, kind)
}

/// A double as the type of the result.
fn float(a: &Arguments<'_>, number: f64) -> Value {
    if Kind::of(a.result) == Float4 { Value::Float(number as f32) } else { Value::Double(number) }
}

/// `scales`: zero from numbers that are not is an underflow.
fn floats(a: &Arguments<'_>, compute: fn(f64, f64) -> f64, scales: bool) -> Result<Value, Fault> {
    let (left, right) = (a.double(0)?, a.double(1)?);
    let exact = compute(left, right);
    // Single precision: the double result of two singles rounds once more to what IEEE defines for singles.
    let result = if Kind::of(a.result) == Float4 { f64::from(exact as f32) } else { exact };
    if result.is_infinite() && left.is_finite() && right.is_finite() {
        return Err("value out of range: overflow");
    }
    if scales && result == 0.0 && left != 0.0 && right != 0.0 && right.is_finite() {
        return Err("value out of range: underflow");
    }
    Ok(float(a, result))
}

fn angle(number: f64, compute: fn(f64) -> f64) -> Result<Value, Fault> {
    let result = compute(number);
    if result.is_infinite() && number.is_finite() {
        return Err("value out of range: overflow");
    }
    if result == 0.0 && number != 0.0 { Err("value out of range: underflow") } else { Ok(Value::Double(result)) }
}

fn decimal(value: &Value) -> Option<&Decimal> {
    match value {
        Value::Decimal(number) => Some(number),
        _ => None,
    }
}

/// Applies to decimals; infinities and NaN stay as they are.
fn map(value: &Value, compute: impl Fn(&Decimal) -> Decimal) -> Value {
    decimal(value).map_or_else(|| value.clone(), |number| Value::Decimal(compute(number)))
}

fn numerics(a: &Arguments<'_>, compute: fn(&Value, &Value) -> Result<Value, Fault>) -> Result<Value, Fault> {
    compute(a.get(0), a.get(1))
}

/// -1, 0 or 1; `None` for NaN.
fn signum(value: &Value) -> Result<Option<i32>, Fault> {
    Ok(match value {
        Value::Decimal(number) if number.is_zero() => Some(0),
        Value::Decimal(number) => Some(if number.is_negative() { -1 } else { 1 }),
        Value::NonFinite(NonFinite::Infinity) => Some(1),
        Value::NonFinite(NonFinite::NegativeInfinity) => Some(-1),
        Value::NonFinite(NonFinite::NaN) => None,
        _ => return Err(WRONG),
    })
}

fn infinity(sign: i32) -> Value {
    Value::NonFinite(if sign < 0 { NonFinite::NegativeInfinity } else { NonFinite::Infinity })
}

const NAN: Value = Value::NonFinite(NonFinite::NaN);

/// The sum of two numerics.
///
/// # Errors
/// The values are no numerics.
pub fn add(left: &Value, right: &Value) -> Result<Value, Fault> {
    if let (Some(left), Some(right)) = (decimal(left), decimal(right)) {
        return Ok(Value::Decimal(left.add(right)));
    }
    let (Some(left_sign), Some(right_sign)) = (signum(left)?, signum(right)?) else { return Ok(NAN) };
    Ok(match (decimal(left), decimal(right)) {
        (None, None) if left_sign != right_sign => NAN,
        (None, _) => left.clone(),
        _ => right.clone(),
    })
}

fn negated(value: &Value) -> Value {
    match value {
        Value::NonFinite(NonFinite::Infinity) => infinity(-1),
        Value::NonFinite(NonFinite::NegativeInfinity) => infinity(1),
        other => map(other, Decimal::neg),
    }
}

fn magnitude(value: &Value) -> Value {
    match value {
        Value::NonFinite(NonFinite::NegativeInfinity) => infinity(1),
        other => map(other, Decimal::abs),
    }
}

fn sign(value: &Value) -> Result<Value, Fault> {
    Ok(signum(value)?.map_or(NAN, |sign| Value::Decimal(Decimal::from_i64(i64::from(sign)))))
}

fn multiply(left: &Value, right: &Value) -> Result<Value, Fault> {
    if let (Some(left), Some(right)) = (decimal(left), decimal(right)) {
        return Ok(Value::Decimal(left.mul(right)));
    }
    let (Some(left), Some(right)) = (signum(left)?, signum(right)?) else { return Ok(NAN) };
    Ok(if left * right == 0 { NAN } else { infinity(left * right) })
}

/// The quotient of two numerics, with the scale that the server chooses.
///
/// # Errors
/// Division by zero.
pub fn divide(left: &Value, right: &Value) -> Result<Value, Fault> {
    let (Some(left_sign), Some(right_sign)) = (signum(left)?, signum(right)?) else { return Ok(NAN) };
    if right_sign == 0 {
        return Err(BY_ZERO);
    }
    Ok(match (decimal(left), decimal(right)) {
        (Some(left), Some(right)) => {
            let scale = division_scale(left, right);
            // One digit more, cut, rounds as the whole quotient would.
            Value::Decimal(left.div(right, scale + 1).ok_or(BY_ZERO)?.round(scale))
        }
        (None, Some(_)) => infinity(left_sign * right_sign),
        (Some(_), None) => Value::Decimal(Decimal::from_i64(0)),
        (None, None) => NAN,
    })
}

/// `select_div_scale`: 16 significant digits, and no fewer after the point than either operand has.
fn division_scale(left: &Decimal, right: &Decimal) -> u16 {
    let ((left_weight, left_first), (right_weight, right_first)) = (weight(left), weight(right));
    let quotient_weight = left_weight - right_weight - i64::from(left_first <= right_first);
    let scale = (16 - quotient_weight * 4).max(i64::from(left.scale())).max(i64::from(right.scale()));
    u16::try_from(scale.clamp(0, 1_000)).unwrap_or(1_000)
}

/// The place of the first group of four digits, and the group; 0 and 0 for zero.
fn weight(number: &Decimal) -> (i64, u32) {
    if number.is_zero() {
        return (0, 0);
    }
    let digits = number.unscaled().magnitude().to_string();
    let first_place = digits.len() as i64 - i64::from(number.scale()) - 1;
    let weight = first_place.div_euclid(4);
    let count = (first_place - weight * 4 + 1) as usize;
    let first =
        digits.bytes().chain(std::iter::repeat(b'0')).take(count).fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    (weight, first)
}

fn modulo(left: &Value, right: &Value) -> Result<Value, Fault> {
    let (Some(_), Some(right_sign)) = (signum(left)?, signum(right)?) else { return Ok(NAN) };
    if right_sign == 0 {
        return Err(BY_ZERO);
    }
    Ok(match (decimal(left), decimal(right)) {
        (Some(left), Some(right)) => Value::Decimal(left.rem(right).ok_or(BY_ZERO)?),
        (None, _) => NAN,
        (Some(_), None) => left.clone(),
    })
}

fn whole_quotient(left: &Value, right: &Value) -> Result<Value, Fault> {
    match (decimal(left), decimal(right)) {
        (Some(left), Some(right)) => left.div(right, 0).map(Value::Decimal).ok_or(BY_ZERO),
        _ => divide(left, right),
    }
}

fn placed(number: &Decimal, places: i64, right: fn(&Decimal, u16) -> Decimal, left: fn(&Decimal, u16) -> Decimal) -> Decimal {
    let places = places.clamp(-2_000, 2_000);
    match u16::try_from(places) {
        Ok(places) => right(number, places),
        Err(_) => left(number, places.unsigned_abs() as u16),
    }
}

fn trimmed(number: &Decimal) -> Decimal {
    let digits = number.to_string();
    if number.scale() == 0 {
        return number.clone();
    }
    let kept = digits.trim_end_matches('0');
    let gone = digits.len() - kept.len();
    number.round(number.scale() - u16::try_from(gone).unwrap_or(0).min(number.scale()))
}

fn width_bucket(a: &Arguments<'_>) -> Result<Value, Fault> {
    let count = a.int(3)?;
    if count <= 0 {
        return Err("count must be greater than zero");
    }
    let (Some(operand), Some(low), Some(high)) = (decimal(a.get(0)), decimal(a.get(1)), decimal(a.get(2))) else {
        return Err("operand, lower bound, and upper bound cannot be NaN or infinite");
    };
    if low.compare(high).is_eq() {
        return Err("lower bound cannot equal upper bound");
    }
    let descends = low.compare(high).is_gt();
    let (below, past) = if descends {
        (operand.compare(low).is_gt(), operand.compare(high).is_le())
    } else {
        (operand.compare(low).is_lt(), operand.compare(high).is_ge())
    };
    if below {
        return Ok(Value::Int(0));
    }
    if past {
        return convert::integer(count + 1, Int4);
    }
    let (part, whole) = (operand.sub(low).abs(), high.sub(low).abs());
    let bucket = part.mul(&Decimal::from_i64(count)).div(&whole, 0).and_then(|bucket| bucket.to_i64()).ok_or(WRONG)?;
    Ok(Value::Int(bucket + 1))
}
