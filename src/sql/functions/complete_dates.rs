//! Dates that a function reads only if they have a year, a month and a day: what that asks of the expression below.
//!
//! TO_DAYS, DATEDIFF, WEEK and their like have no value for a zero or partly zero date, and the servers ask the argument itself for
//! a date without zeros. A COALESCE that is asked so takes its first *complete* date, not its first date that is not NULL.

use crate::schema::DataType;
use crate::sql::functions::{Function, TemporalRules};
use crate::sql::query::{Expr, ExprKind};
use crate::sql::types::{Refusal, TypeContext, node, temporal_fraction};

/// How complete a date has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// No part is zero.
    Whole,
    /// The zero date is one too.
    WholeOrZero,
}

/// An argument that is read as a complete date by a function that both servers have do so.
///
/// # Errors
/// For an argument that the server does not survive.
pub(super) fn complete(value: Expr, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    asked(value, Wanted::Whole, context)
}

/// An argument that only MySQL asks for a complete date.
///
/// # Errors
/// As [`complete`].
pub(super) fn complete_on_mysql(value: Expr, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    if context.is_mariadb() { Ok(value) } else { asked(value, Wanted::Whole, context) }
}

/// The argument of UNIX_TIMESTAMP, which has a number for the zero date.
///
/// # Errors
/// As [`complete`].
pub(super) fn complete_or_zero(value: Expr, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    if context.is_mariadb() { asked(as_it_is(value, context), Wanted::WholeOrZero, context) } else { Ok(value) }
}

/// An argument of any other function of dates. Under a `sql_mode` without zero dates MariaDB reads a choice by the rules of the session
/// where it is shown, and by those of the function where it is an argument.
pub(super) fn as_it_is(value: Expr, context: &TypeContext<'_>) -> Expr {
    if context.is_mariadb() && forbids_zeros(context) { without_zeros(value) } else { value }
}

/// A choice that stops at a zero or partly zero date.
fn without_zeros(value: Expr) -> Expr {
    let Expr { kind, data_type, nullable, span } = value;
    let kind = match kind {
        ExprKind::Call {
            function: function @ (Function::Coalesce | Function::Greatest { .. } | Function::Least { .. }),
            arguments,
        } => ExprKind::Call { function, arguments: arguments.into_iter().map(stop).collect() },
        ExprKind::Call { function: function @ (Function::ToDate(_) | Function::ToDateTime { .. }), arguments } => {
            ExprKind::Call { function, arguments: arguments.into_iter().map(without_zeros).collect() }
        }
        ExprKind::Case { branches, otherwise } => ExprKind::Case {
            branches: branches.into_iter().map(|(condition, result)| (condition, stop(result))).collect(),
            otherwise: otherwise.map(|result| Box::new(stop(*result))),
        },
        kind => kind,
    };
    Expr { kind, data_type, nullable, span }
}

/// A result of a choice, which was read by the rules of the session, as it was before, or nothing.
fn stop(result: Expr) -> Expr {
    if !is_date(&result.data_type) {
        return result;
    }
    let (data_type, span) = (result.data_type.clone(), result.span.clone());
    let arguments = match result.kind {
        ExprKind::Call { function: Function::ToDate(_) | Function::ToDateTime { .. }, arguments } => arguments,
        kind => vec![Expr { kind, ..result }],
    };
    let arguments = arguments.into_iter().map(without_zeros).collect();
    node(ExprKind::Call { function: Function::StopIncomplete, arguments }, data_type, true, span)
}

fn forbids_zeros(context: &TypeContext<'_>) -> bool {
    ["NO_ZERO_DATE", "NO_ZERO_IN_DATE", "TRADITIONAL"].iter().any(|mode| context.has_mode(mode))
}

fn asked(value: Expr, wanted: Wanted, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let again = |expr: Expr| asked(expr, wanted, context);
    let Expr { kind, data_type, nullable, span } = value;
    let kind = match kind {
        ExprKind::Call { function: Function::Coalesce, arguments } => {
            let whole = |expr: Expr| again(expr).map(|expr| null_if_incomplete(expr, wanted, context));
            let arguments = arguments.into_iter().map(whole).collect::<Result<Vec<_>, _>>()?;
            // Each may be incomplete, and then there is nothing to take.
            return Ok(node(ExprKind::Call { function: Function::Coalesce, arguments }, data_type, true, span));
        }
        ExprKind::Call {
            function: function @ (Function::ToDate(_) | Function::ToDateTime { .. } | Function::LastDay),
            arguments,
        } => {
            let arguments = arguments.into_iter().map(again).collect::<Result<_, _>>()?;
            ExprKind::Call { function, arguments }
        }
        ExprKind::Call { function: Function::NullIf { .. }, ref arguments } if arguments.first().is_some_and(is_choice) => {
            return Err(Refusal::new(
                "the day of a NULLIF of a choice, for which servers choose twice",
                "put the NULLIF into the choice",
            ));
        }
        ExprKind::Call { function: function @ (Function::Greatest { .. } | Function::Least { .. }), arguments }
            if context.is_mariadb() && forbids_zeros(context) =>
        {
            ExprKind::Call { function, arguments: arguments.into_iter().map(stop).collect() }
        }
        ExprKind::Call { function: Function::Greatest { .. } | Function::Least { .. }, .. }
            if !context.is_mariadb() && data_type == DataType::Date =>
        {
            return Err(Refusal::new(
                "a GREATEST or LEAST of dates where a complete date is asked for, on which MySQL itself fails for a zero date",
                "compare CAST(.. AS DATETIME) of each",
            ));
        }
        ExprKind::Case { branches, otherwise } => {
            let branches = branches.into_iter().map(|(condition, result)| Ok((condition, again(result)?)));
            let otherwise = otherwise.map(|result| again(*result).map(Box::new)).transpose()?;
            ExprKind::Case { branches: branches.collect::<Result<_, Refusal>>()?, otherwise }
        }
        ExprKind::Cast(inner) => ExprKind::Cast(Box::new(again(*inner)?)),
        kind @ (ExprKind::Aggregate(_) | ExprKind::ScalarSubquery(_)) if context.is_mariadb() && is_date(&data_type) => {
            let whole = node(kind, data_type.clone(), nullable, span.clone());
            ExprKind::Call { function: Function::StopIncomplete, arguments: vec![whole] }
        }
        kind => kind,
    };
    Ok(Expr { kind, data_type, nullable, span })
}

fn is_choice(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Case { .. }
        | ExprKind::Call { function: Function::Coalesce | Function::Greatest { .. } | Function::Least { .. }, .. } => true,
        ExprKind::Cast(inner) => is_choice(inner),
        ExprKind::Call { function: Function::ToDate(_) | Function::ToDateTime { .. }, arguments } => {
            arguments.iter().any(is_choice)
        }
        _ => false,
    }
}

fn is_date(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date | DataType::DateTime { .. } | DataType::Timestamp { .. })
}

fn null_if_incomplete(expr: Expr, wanted: Wanted, context: &TypeContext<'_>) -> Expr {
    let rules = TemporalRules { mariadb: context.is_mariadb(), no_zero_date: wanted == Wanted::Whole, no_zero_in_date: true };
    let function = match &expr.data_type {
        DataType::Date => Function::ToDate(rules),
        DataType::DateTime { .. } | DataType::Timestamp { .. } => {
            Function::ToDateTime { fraction: temporal_fraction(&expr.data_type), rules }
        }
        _ => return expr,
    };
    let (data_type, span) = (expr.data_type.clone(), expr.span.clone());
    node(ExprKind::Call { function, arguments: vec![expr] }, data_type, true, span)
}
