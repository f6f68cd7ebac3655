//! The proof that the declared target key identifies the rows of a branch, and that two UNION ALL branches cannot share a key.
//!
//! One value of the key must determine every relation of FROM: then no two rows of the SELECT share it. In a grouped SELECT it must
//! determine the group.

use crate::plan::Policies;
use crate::plan::dependence::Dependence;
use crate::plan::expr::{bare_column, is_constant, same};
use crate::plan::input::PlanFinding;
use crate::plan::output::convert;
use crate::plan::scopes::Scopes;
use crate::plan::unproven;
use crate::schema::{DataType, TargetColumn, TargetTable};
use crate::sql::functions::Function;
use crate::sql::query::{Branch, Expr, ExprKind};
use crate::value::Value;

/// The declared key of a target table: output indexes and their names.
pub(crate) struct DeclaredKey<'a> {
    /// Indexes into the outputs.
    pub(crate) columns: &'a [usize],
    /// Names, for messages.
    pub(crate) names: &'a [String],
    /// Names of all outputs, for messages.
    pub(crate) outputs: &'a [String],
}

/// Proves that no two rows of a branch share a key.
///
/// # Errors
/// What the key does not determine, and the `facts:` entry that would complete the proof.
pub(crate) fn prove_key(scopes: &Scopes<'_>, key: &DeclaredKey<'_>) -> Result<(), PlanFinding> {
    let select = &scopes.branch.select;
    if select.limit.is_some() {
        return Err(PlanFinding::at(&select.span, "LIMIT makes the rows of a target depend on each other", "remove it"));
    }
    if select.numberings.iter().any(|numbering| numbering.partition_by.is_empty()) {
        return Err(PlanFinding::at(
            &select.span,
            "rows are numbered over whole tables: every change would number them all again",
            "add PARTITION BY with the columns of a key",
        ));
    }
    let kept = select.numberings.iter().filter(|numbering| numbering.keeps_first);
    let known = known_by_key(scopes, key);
    if kept.into_iter().any(|numbering| numbering.partition_by.iter().all(|part| is_shown(&known, key, scopes, part))) {
        return Ok(());
    }
    match &select.group_by {
        Some(groups) if groups.is_empty() => Err(PlanFinding::at(
            &select.span,
            "an aggregate over whole tables has no key: every change would read them whole",
            "add GROUP BY with the key columns",
        )),
        Some(groups) => prove_group_key(scopes, key, groups),
        None if known.open().is_empty() => Ok(()),
        None => Err(unproven::key(scopes, key, &known)),
    }
}

/// What one value of the declared key determines.
pub(crate) fn known_by_key<'a, 'b>(scopes: &'a Scopes<'b>, key: &DeclaredKey<'_>) -> Dependence<'a, 'b> {
    let select = &scopes.branch.select;
    let mut dependence = Dependence::new(scopes, select, &[]);
    for output in key.columns.iter().filter_map(|column| select.outputs.get(*column)) {
        dependence.known.extend(bare_column(injective_core(output)));
    }
    dependence.settle();
    dependence
}

/// Whether the key determines an expression.
fn is_shown(known: &Dependence<'_, '_>, key: &DeclaredKey<'_>, scopes: &Scopes<'_>, expr: &Expr) -> bool {
    let outputs = &scopes.branch.select.outputs;
    let mut declared = key.columns.iter().filter_map(|column| outputs.get(*column));
    declared.any(|output| same(output, expr) || same(injective_core(output), expr))
        || bare_column(expr).is_some_and(|(alias, column)| known.is_known(alias, column))
        || is_constant(expr)
        || known.is_exact(expr)
}

fn prove_group_key(scopes: &Scopes<'_>, key: &DeclaredKey<'_>, groups: &[Expr]) -> Result<(), PlanFinding> {
    let select = &scopes.branch.select;
    let known = known_by_key(scopes, key);
    if let Some(group) = groups.iter().find(|group| !is_shown(&known, key, scopes, group)) {
        return Err(PlanFinding::at(
            &group.span,
            format!("the key [{}] is not proven: it does not determine this group expression", key.names.join(", ")),
            format!("select {} and add it to the key, or leave it out of GROUP BY", quoted(scopes, group)),
        ));
    }
    let grouped = |output: &&&Expr| {
        let core = injective_core(output);
        is_constant(core) || groups.iter().any(|group| same(group, core) || same(group, output))
    };
    let declared: Vec<&Expr> = key.columns.iter().filter_map(|column| select.outputs.get(*column)).collect();
    match declared.iter().find(|output| !grouped(output)) {
        // A key column that the groups only determine is right as well, but then two groups could share a value of it.
        Some(output) if !known.is_exact(output) => Err(PlanFinding::at(
            &output.span,
            "a key column of a grouped SELECT must be one of its group expressions",
            "group by it, or take it out of the key",
        )),
        _ => Ok(()),
    }
}

/// The expression that an output is an injective function of: casts that keep everything and a constant put before or behind are
/// peeled off.
pub(crate) fn injective_core(expr: &Expr) -> &Expr {
    match &expr.kind {
        ExprKind::Cast(inner) if keeps_everything(&inner.data_type, &expr.data_type) => injective_core(inner),
        // Different values of a column stay different in another dialect.
        ExprKind::Call { function: Function::Adopted(_), arguments } => arguments.first().map_or(expr, injective_core),
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
        (Integer { bits, .. }, Text { length, .. }) => length.is_none_or(|length| length >= characters(*bits)),
        (DataType::Year, Text { length, .. }) => length.is_none_or(|length| length >= 4),
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

/// The most characters that an integer of so many bits has, its sign among them.
fn characters(bits: u8) -> u32 {
    match bits {
        ..=8 => 4,
        9..=16 => 6,
        17..=24 => 8,
        25..=32 => 11,
        _ => 20,
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
