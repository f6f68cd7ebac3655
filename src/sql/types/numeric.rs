//! Precision, scale and sign of numbers, and the rounding that happens when a value leaves an expression.

use crate::schema::DataType;
use crate::sql::functions::Function;
use crate::sql::query::{Expr, ExprKind};
use crate::sql::types::{Refusal, TypeContext, constant, node};
use crate::value::Value;

/// The most digits a decimal of the source has.
pub const PRECISION_MAX: u16 = 65;

/// The numeric traits of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numeric {
    /// Decimal digits in all.
    pub precision: u16,
    /// Digits after the point; meaningless for floating point.
    pub scale: u16,
    /// UNSIGNED.
    pub unsigned: bool,
    /// Which arithmetic it asks for.
    pub class: NumericClass,
}

/// The arithmetic that a value asks for; the larger of two wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NumericClass {
    /// 64-bit integers.
    Integer,
    /// Exact decimals.
    Decimal,
    /// Double precision.
    Double,
}

impl Numeric {
    /// Digits before the point.
    #[must_use]
    pub fn integral(&self) -> u16 {
        self.precision.saturating_sub(self.scale)
    }
}

/// The numeric traits of a number; `None` for anything that is not one.
#[must_use]
pub fn numeric(expr: &Expr) -> Option<Numeric> {
    let of = |precision, scale, unsigned, class| Some(Numeric { precision, scale, unsigned, class });
    match &expr.data_type {
        DataType::Integer { bits, unsigned } => {
            let precision = match constant(expr) {
                Some(Value::Int(value)) => digits(value.unsigned_abs()),
                Some(Value::UInt(value)) => digits(*value),
                None if packed_digits(expr).is_some() => packed_digits(expr).unwrap_or(19),
                _ => integer_digits(*bits, *unsigned),
            };
            of(precision, 0, *unsigned, NumericClass::Integer)
        }
        DataType::Year => of(4, 0, true, NumericClass::Integer),
        DataType::Bit { length } => {
            let largest = u64::MAX.checked_shr(64_u32.saturating_sub(u32::from(*length))).unwrap_or(0);
            of(digits(largest), 0, true, NumericClass::Integer)
        }
        DataType::Decimal { precision, scale, unsigned } => of(*precision, *scale, *unsigned, NumericClass::Decimal),
        DataType::Float | DataType::Double => of(PRECISION_MAX, 31, false, NumericClass::Double),
        DataType::Null => of(1, 0, false, NumericClass::Integer),
        _ => None,
    }
}

/// The digits of a date that is computed with as a number.
fn packed_digits(expr: &Expr) -> Option<u16> {
    let ExprKind::Call { function: Function::Packing(_), arguments } = &expr.kind else { return None };
    arguments.first().map(|date| crate::sql::functions::date_digits(&date.data_type))
}

fn digits(value: u64) -> u16 {
    u16::try_from(value.to_string().len()).unwrap_or(20)
}

/// Decimal digits of an integer type.
#[must_use]
pub fn integer_digits(bits: u8, unsigned: bool) -> u16 {
    match (bits, unsigned) {
        (8, _) => 3,
        (16, _) => 5,
        (24, false) => 7,
        (24, true) => 8,
        (32, _) => 10,
        (_, false) => 19,
        (_, true) => 20,
    }
}

/// DECIMAL(precision, scale), both cut to what the source allows.
#[must_use]
pub fn decimal_type(precision: u16, scale: u16, unsigned: bool) -> DataType {
    let precision = precision.clamp(1, PRECISION_MAX);
    DataType::Decimal { precision, scale: scale.min(precision), unsigned }
}

/// Rounds a decimal to its own type where the expression may still carry more digits than its type says: the source keeps the
/// digits of a quotient (in groups of nine) while it computes, and rounds when the value leaves the expression. To be applied to
/// every output of a SELECT.
#[must_use]
pub fn settle(expr: Expr) -> Expr {
    if !is_unsettled(&expr) {
        return expr;
    }
    let (data_type, nullable, span) = (expr.data_type.clone(), expr.nullable, expr.span.clone());
    node(ExprKind::Cast(Box::new(expr)), data_type, nullable, span)
}

/// Refuses to compute with a quotient on MySQL 8, where versions differ in when they round it.
///
/// # Errors
/// For such an operand.
pub fn refuse_open_quotient(expr: &Expr, context: &TypeContext<'_>) -> Result<(), Refusal> {
    let is_mysql_8 = !context.is_mariadb() && context.catalog.version.0 == 8;
    if is_mysql_8 && !matches!(expr.kind, ExprKind::Aggregate(_)) && is_unsettled(expr) {
        return Err(Refusal::new(
            "a quotient is computed with, and versions of MySQL 8 round it differently",
            "divide last, and give the output column its numeric type",
        ));
    }
    Ok(())
}

/// Whether an expression may carry more digits than its type says, see [`settle`].
#[must_use]
pub fn is_unsettled(expr: &Expr) -> bool {
    if !matches!(expr.data_type, DataType::Decimal { .. }) {
        return false;
    }
    match &expr.kind {
        ExprKind::Aggregate(_) => true,
        ExprKind::Case { branches, otherwise } => {
            branches.iter().any(|(_, result)| is_unsettled(result)) || otherwise.as_deref().is_some_and(is_unsettled)
        }
        ExprKind::Call { function, arguments } => match function {
            Function::Divide { .. } => true,
            function if function.rounds() => false,
            _ => arguments.iter().any(is_unsettled),
        },
        ExprKind::ScalarSubquery(select) => select.outputs.iter().any(is_unsettled),
        _ => false,
    }
}
