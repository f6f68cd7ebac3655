//! Small steps of the key proof: what an output lets one see again, and when two UNION ALL branches cannot share a key.

use crate::plan::Policies;
use crate::plan::expr::{bare_column, is_constant};
use crate::plan::input::PlanFinding;
use crate::plan::output::convert;
use crate::plan::scopes::Scopes;
use crate::schema::{DataType, TargetColumn, TargetTable};
use crate::sql::functions::Function;
use crate::sql::query::{Branch, Expr, ExprKind};
use crate::value::Value;

/// The expression that an output is an injective function of: casts that keep everything and a constant put before or behind are
/// peeled off.
pub(crate) fn injective_core(expr: &Expr) -> &Expr {
    match &expr.kind {
        ExprKind::Cast(inner) if keeps_everything(&inner.data_type, &expr.data_type) => injective_core(inner),
        ExprKind::Call { function, arguments } if is_concat(function) => {
            let mut varying = arguments.iter().filter(|argument| !is_constant(argument));
            match (varying.next(), varying.next()) {
                (Some(only), None) => injective_core(only),
                _ => expr,
            }
        }
        _ => expr,
    }
}

fn is_concat(function: &Function) -> bool {
    matches!(function, Function::Concat)
}

/// Whether different values stay different under a cast.
fn keeps_everything(from: &DataType, to: &DataType) -> bool {
    use DataType::{Bytes, Date, DateTime, Decimal, Enum, Integer, Set, Text, Timestamp};
    match (from, to) {
        _ if from == to => true,
        (Integer { bits, unsigned, .. }, Integer { bits: to_bits, unsigned: to_unsigned }) => {
            (unsigned == to_unsigned && to_bits >= bits) || (*unsigned && to_bits > bits)
        }
        (Integer { .. } | DataType::Year, Decimal { precision, scale, .. }) => precision.saturating_sub(*scale) >= 20,
        (Integer { .. } | DataType::Year, Text { length, .. }) => length.is_none_or(|length| length >= 21),
        (DataType::Year, Integer { .. }) => true,
        (Decimal { precision, scale, .. }, Decimal { precision: to_precision, scale: to_scale, .. }) => {
            to_scale >= scale && to_precision.saturating_sub(*to_scale) >= precision.saturating_sub(*scale)
        }
        (Text { length, .. }, Text { length: to_length, .. }) => match (length, to_length) {
            (_, None) => true,
            (Some(length), Some(to_length)) => to_length >= length,
            (None, Some(_)) => false,
        },
        (Enum { .. } | Set { .. }, Text { length, .. }) => length.is_none(),
        (Bytes { length, fixed: false }, Bytes { length: to_length, fixed: false }) => match (length, to_length) {
            (_, None) => true,
            (Some(length), Some(to_length)) => to_length >= length,
            (None, Some(_)) => false,
        },
        (Date, DateTime { .. } | Timestamp { .. }) => true,
        _ => false,
    }
}

/// Proves that no two branches share a key: in some key column each pair has constants, or constant beginnings, that differ once they are
/// what the target column holds.
///
/// # Errors
/// The first pair for which there is no such column.
pub(crate) fn prove_branches_apart(
    branches: &[&Branch],
    table: &TargetTable,
    policies: &Policies,
    names: &[String],
) -> Result<(), PlanFinding> {
    for (index, left) in branches.iter().enumerate() {
        for right in branches.iter().skip(index + 1) {
            let apart = table.key.iter().any(|position| {
                let sides =
                    (left.select.outputs.get(*position), right.select.outputs.get(*position), table.columns.get(*position));
                matches!(sides, (Some(left), Some(right), Some(column)) if differ(left, right, column, policies))
            });
            if !apart {
                return Err(PlanFinding::at(
                    &right.select.span,
                    format!("two branches of UNION ALL may give the same key [{}]", names.join(", ")),
                    "give each branch its own constant in one key column, e.g. 'CARD' AS pay_kind",
                ));
            }
        }
    }
    Ok(())
}

fn differ(left: &Expr, right: &Expr, column: &TargetColumn, policies: &Policies) -> bool {
    match (beginning(left), beginning(right)) {
        // 1 as a signed and 1 as an unsigned number are one key: only what the target holds counts.
        (Some((left, true)), Some((right, true))) => {
            let held = |value: &Value| convert(value.clone(), column, policies).ok();
            held(left).zip(held(right)).is_some_and(|(left, right)| left != right)
        }
        (Some((left, _)), Some((right, _))) => match (text(left), text(right)) {
            (Some(left), Some(right)) => !left.starts_with(right) && !right.starts_with(left),
            _ => false,
        },
        _ => false,
    }
}

/// The constant an expression is, or the constant text it begins with; `true`: the whole of it.
fn beginning(expr: &Expr) -> Option<(&Value, bool)> {
    match &expr.kind {
        ExprKind::Literal(value) if !value.is_null() => Some((value, true)),
        ExprKind::Cast(inner)
            if matches!((&inner.data_type, &expr.data_type), (DataType::Text { .. }, DataType::Text { .. })) =>
        {
            keeps_everything(&inner.data_type, &expr.data_type).then(|| beginning(inner)).flatten()
        }
        ExprKind::Call { function, arguments } if is_concat(function) => match &arguments.first()?.kind {
            ExprKind::Literal(value @ Value::Text(_)) => Some((value, false)),
            _ => None,
        },
        _ => None,
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// An expression as a few words for a message.
pub(crate) fn quoted(scopes: &Scopes<'_>, expr: &Expr) -> String {
    match bare_column(expr) {
        Some((alias, column)) => {
            let schema = scopes.table(alias).and_then(|table| scopes.catalog.tables.get(table.0 as usize));
            let name = schema.and_then(|schema| schema.columns.get(column)).map_or("?", |column| column.name.as_str());
            format!("{}.{name}", scopes.name(alias))
        }
        None => "the expression".to_owned(),
    }
}
