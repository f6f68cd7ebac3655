//! Where the letters of a number or a time, or the number that a string is read as, depend on more than the value: such uses are refused.

use crate::schema::DataType;
use crate::sql::functions::{Clock, Function};
use crate::sql::query::{Expr, ExprKind};
use crate::sql::types::{Refusal, TypeContext, is_text, temporal_fraction};

/// Refuses a number or a time as a string where the server prints more or less than its value.
///
/// # Errors
/// For a remainder on MariaDB; for choices of several scales and sums of times with fractions on MySQL.
pub(super) fn refuse_odd_text(expr: &Expr, context: &TypeContext<'_>) -> Result<(), Refusal> {
    if context.is_mariadb() {
        return refuse_signed_zero(expr);
    }
    if has_several_scales(expr) {
        return Err(Refusal::new(
            "a choice between numbers of several scales is used as a string, which MySQL prints with the scale of the chosen one",
            "give the choices one type with CAST(.. AS DECIMAL(p,s))",
        ));
    }
    if temporal_fraction(&expr.data_type) > 0 && any_result(expr, &adds_times) {
        return Err(Refusal::new(
            "a sum of times with a fraction is used as a string, which MySQL prints with six digits or none",
            "cast it to TIME(n) first",
        ));
    }
    Ok(())
}

/// Refuses a decimal as a JSON number where the server prints more or less than its value.
///
/// # Errors
/// For a remainder; for anything computed on MySQL.
pub(crate) fn refuse_odd_json(expr: &Expr, context: &TypeContext<'_>) -> Result<(), Refusal> {
    if context.is_mariadb() {
        return refuse_signed_zero(expr);
    }
    let is_decimal = matches!(expr.data_type, DataType::Decimal { .. });
    if is_decimal && (any_result(expr, &is_computed) || any_result(expr, &is_rescaled)) {
        return Err(Refusal::new(
            "a computed decimal becomes a JSON number, which MySQL prints without digits behind the point where it is zero",
            "write CAST(.. AS DECIMAL(p,s))",
        ));
    }
    Ok(())
}

fn refuse_signed_zero(expr: &Expr) -> Result<(), Refusal> {
    if matches!(expr.data_type, DataType::Decimal { .. }) && any_result(expr, &is_remainder) {
        return Err(Refusal::new(
            "a remainder is used as a string, which MariaDB prints with fewer digits where nothing is left",
            "add 0 to it",
        ));
    }
    Ok(())
}

/// Refuses a computed decimal that a UNION makes text of.
///
/// # Errors
/// For anything but a column, a constant or a text: a zero is printed without digits behind the point there.
pub(super) fn refuse_odd_column(expr: &Expr) -> Result<(), Refusal> {
    let is_stored = matches!(expr.kind, ExprKind::Column { .. } | ExprKind::Literal(_));
    if matches!(expr.data_type, DataType::Decimal { .. }) && !is_stored {
        return Err(Refusal::new(
            "a computed decimal becomes text in a UNION, which prints a zero without digits behind the point",
            "write CAST(.. AS CHAR)",
        ));
    }
    Ok(())
}

/// Refuses GREATEST or LEAST of strings in a function of bytes.
///
/// # Errors
/// For such an expression on MySQL, which compares the bytes then.
pub(crate) fn refuse_extreme_in_bytes(expr: &Expr, context: &TypeContext<'_>) -> Result<(), Refusal> {
    if context.is_mariadb() {
        return Ok(());
    }
    refuse_extreme_of_strings(expr)
}

/// Refuses what a regular expression cuts out of a string as an exact number.
///
/// # Errors
/// For such an expression on MySQL, which reads it wrongly.
pub(super) fn refuse_number_of_match(expr: &Expr, context: &TypeContext<'_>) -> Result<(), Refusal> {
    let is_match = |expr: &Expr| matches!(&expr.kind, ExprKind::Call { function: Function::Regexp(_), .. });
    if !context.is_mariadb() && is_text(&expr.data_type) && any_result(expr, &is_match) {
        return Err(Refusal::new(
            "the result of a regular expression is cast to an exact number, of which MySQL loses digits",
            "write CAST(CAST(.. AS CHAR(n)) AS DECIMAL(p,s))",
        ));
    }
    Ok(())
}

/// Refuses the greatest or least of strings as a number.
///
/// # Errors
/// For such an expression: MariaDB compares its strings as numbers then.
pub(super) fn refuse_extreme_of_strings(expr: &Expr) -> Result<(), Refusal> {
    let is_extreme = |expr: &Expr| {
        matches!(&expr.kind, ExprKind::Call { function: Function::Greatest { .. } | Function::Least { .. }, .. })
            && is_text(&expr.data_type)
    };
    let is_label = |expr: &Expr| {
        let label = |result: &Expr| matches!(&result.kind, ExprKind::Cast(inner) if matches!(inner.data_type, DataType::Enum { .. } | DataType::Set { .. }));
        matches!(&expr.data_type, DataType::Text { .. }) && label(expr)
    };
    if is_text(&expr.data_type) && any_result(expr, &is_label) {
        return Err(Refusal::new(
            "a choice of an ENUM or SET is used as a number, which may be that of its label",
            "write CONCAT(.., '') of it",
        ));
    }
    if is_text(&expr.data_type) && any_result(expr, &is_extreme) {
        return Err(Refusal::new(
            "GREATEST or LEAST of strings is used as a number or as bytes, and the server compares numbers or bytes then",
            "convert its arguments first",
        ));
    }
    Ok(())
}

/// Whether a result of the expression, seen through choices, is made by `test`.
fn any_result(expr: &Expr, test: &dyn Fn(&Expr) -> bool) -> bool {
    let again = |inner: &Expr| any_result(inner, test);
    test(expr)
        || match &expr.kind {
            ExprKind::Case { branches, otherwise } => {
                branches.iter().any(|(_, result)| again(result)) || otherwise.as_deref().is_some_and(again)
            }
            ExprKind::Call { function: Function::NullIf { .. }, arguments } => arguments.first().is_some_and(again),
            ExprKind::Call {
                function:
                    Function::Coalesce | Function::Greatest { .. } | Function::Least { .. } | Function::Negate | Function::Absolute,
                arguments,
            } => arguments.iter().any(again),
            ExprKind::ScalarSubquery(select) => select.outputs.iter().any(again),
            _ => false,
        }
}

fn is_remainder(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Call { function: Function::Remainder { .. }, .. })
}

fn is_computed(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Call { function, .. } => matches!(
            function,
            Function::Add | Function::Subtract | Function::Multiply | Function::Divide { .. } | Function::Remainder { .. }
        ),
        ExprKind::Aggregate(_) => true,
        _ => false,
    }
}

fn adds_times(expr: &Expr) -> bool {
    let is_sum = matches!(&expr.kind, ExprKind::Call { function: Function::Clock(Clock::AddTime { .. }), .. });
    is_sum && matches!(expr.data_type, DataType::Time { .. })
}

/// Whether a result of a choice was converted to the common scale.
fn is_rescaled(expr: &Expr) -> bool {
    let converted = |result: &Expr| matches!(&result.kind, ExprKind::Cast(inner) if inner.data_type != result.data_type);
    match &expr.kind {
        ExprKind::Case { branches, otherwise } => {
            branches.iter().any(|(_, result)| converted(result)) || otherwise.as_deref().is_some_and(converted)
        }
        ExprKind::Call { function: Function::Coalesce | Function::Greatest { .. } | Function::Least { .. }, arguments } => {
            arguments.iter().any(converted)
        }
        _ => false,
    }
}

/// Whether a CASE chooses between numbers that were converted to their common scale.
fn has_several_scales(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Case { .. }) && matches!(expr.data_type, DataType::Decimal { .. }) && is_rescaled(expr)
}
