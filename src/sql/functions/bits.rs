//! `& | ^ ~ << >>` on integers: 64 bits, unsigned, as the source computes them.

use crate::error::Result;
use crate::schema::DataType;
use crate::sql::functions::{Function, coerce, mismatch, take};
use crate::sql::query::{Expr, ExprKind, Span};
use crate::sql::types::{BIGINT_UNSIGNED, Refusal, node, to_integer, type_name};
use crate::value::Value;

pub(super) fn resolve(name: &str, arguments: Vec<Expr>, span: Span) -> Result<Expr, Refusal> {
    for argument in &arguments {
        if matches!(argument.data_type, DataType::Text { .. } | DataType::Bytes { .. }) {
            return Err(Refusal::new(
                format!("{name} is applied to {}", type_name(&argument.data_type)),
                "convert the operand with CAST(.. AS UNSIGNED)",
            ));
        }
        refuse_wide(argument, name)?;
    }
    let (function, arguments) = match name {
        "~" => (Function::BitNot, take::<1>(name, arguments)?.to_vec()),
        _ => {
            let function = match name {
                "&" => Function::BitAnd,
                "|" => Function::BitOr,
                "^" => Function::BitXor,
                "<<" => Function::ShiftLeft,
                _ => Function::ShiftRight,
            };
            (function, take::<2>(name, arguments)?.to_vec())
        }
    };
    let arguments = arguments.into_iter().map(to_integer).collect::<Result<Vec<_>, _>>()?;
    let nullable = arguments.iter().any(|argument| argument.nullable);
    Ok(node(ExprKind::Call { function, arguments }, BIGINT_UNSIGNED, nullable, span))
}

/// Refuses a decimal whose bits are not those of its integer.
pub(super) fn refuse_wide(argument: &Expr, name: &str) -> Result<(), Refusal> {
    match &argument.data_type {
        DataType::Decimal { precision, scale, .. }
            if precision - scale > 18 || !matches!(argument.kind, ExprKind::Column { .. } | ExprKind::Literal(_)) =>
        {
            Err(Refusal::new(
                format!("{name} of a decimal that is computed, or may have more than 18 digits before the point"),
                "convert it with CAST(.. AS SIGNED) or CAST(.. AS UNSIGNED)",
            ))
        }
        _ => Ok(()),
    }
}

pub(super) fn call(function: &Function, values: &[Value]) -> Result<Value> {
    let Some(left) = values.first() else { return Err(mismatch("a bit operator")) };
    let left = pattern(left)?;
    let right = values.get(1).map(pattern).transpose()?.unwrap_or(0);
    Ok(Value::UInt(match function {
        Function::BitAnd => left & right,
        Function::BitOr => left | right,
        Function::BitXor => left ^ right,
        Function::BitNot => !left,
        Function::ShiftLeft => u32::try_from(right).ok().and_then(|places| left.checked_shl(places)).unwrap_or(0),
        _ => u32::try_from(right).ok().and_then(|places| left.checked_shr(places)).unwrap_or(0),
    }))
}

/// The 64 bits of an integer; negative numbers are their two's complement.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the source works on the low 64 bits")]
fn pattern(value: &Value) -> Result<u64> {
    Ok(coerce::integer(value)? as u64)
}
