//! One type for several results: CASE, COALESCE, IF, IFNULL, UNION ALL.

use crate::schema::DataType;
use crate::sql::functions::{Function, Part, TemporalRules};
use crate::sql::query::{Expr, ExprKind};
use crate::sql::types::numeric::{NumericClass, PRECISION_MAX, is_unsettled};
use crate::sql::types::{
    BIGINT, Refusal, TypeContext, aggregate_text, decimal_type, is_temporal, is_text, node, numeric, rules, text_length,
    to_bytes, to_date, to_datetime, to_double, to_text, type_name,
};

/// Converts the results of a choice (CASE, COALESCE, IF, GREATEST, ..) to their common type and says which it is.
///
/// # Errors
/// Where the source's common type or a conversion to it is not carried exactly.
pub fn unify(results: Vec<Expr>, context: &TypeContext<'_>) -> Result<(Vec<Expr>, DataType), Refusal> {
    common(results, true, context)
}

/// A date as a result of a choice between dates: MariaDB reads it under the session's rules, by which a zero date becomes NULL
/// where `sql_mode` forbids it.
pub(crate) fn chosen_date(result: Expr, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let result = if context.is_mariadb() { result } else { time_of_whole_date(result) };
    let forbids =
        context.is_mariadb() && ["NO_ZERO_DATE", "NO_ZERO_IN_DATE", "TRADITIONAL"].iter().any(|mode| context.has_mode(mode));
    let span = result.span.clone();
    match result.data_type {
        DataType::Date if forbids => to_date(result, span, context),
        DataType::DateTime { fraction } | DataType::Timestamp { fraction } if forbids => {
            to_datetime(result, fraction, span, context)
        }
        _ => Ok(result),
    }
}

/// The time of day of a date as a result of a choice: MySQL has one for a partly zero date in some places only.
fn time_of_whole_date(result: Expr) -> Expr {
    let Expr { kind, data_type, nullable, span } = result;
    let kind = match kind {
        ExprKind::Call { function: function @ Function::ToTime { .. }, arguments } => {
            let whole = |date: Expr| match date.data_type {
                DataType::Date | DataType::DateTime { .. } | DataType::Timestamp { .. } => {
                    let (of, nullable, span) = (date.data_type.clone(), date.nullable, date.span.clone());
                    node(ExprKind::Call { function: Function::StopIncomplete, arguments: vec![date] }, of, nullable, span)
                }
                _ => date,
            };
            ExprKind::Call { function, arguments: arguments.into_iter().map(whole).collect() }
        }
        kind => kind,
    };
    Expr { kind, data_type, nullable, span }
}

/// Converts the outputs of UNION ALL branches, position by position, to their common type and says which it is.
///
/// # Errors
/// As [`unify`].
pub fn unify_columns(results: Vec<Expr>, context: &TypeContext<'_>) -> Result<(Vec<Expr>, DataType), Refusal> {
    common(results, false, context)
}

/// Refuses a choice between a NULL that is computed and a date and time: MariaDB gives it six digits of a second in places.
///
/// # Errors
/// It is one.
pub(crate) fn refuse_computed_null(results: &[&Expr], context: &TypeContext<'_>) -> Result<(), Refusal> {
    let is_computed = |result: &&Expr| result.data_type == DataType::Null && !matches!(result.kind, ExprKind::Literal(_));
    if context.is_mariadb() && results.iter().any(is_computed) && results.iter().any(|result| is_temporal(&result.data_type)) {
        return Err(Refusal::new("a computed NULL beside dates, which MariaDB gives six digits of a second", "write NULL"));
    }
    Ok(())
}

/// The common type. In a choice a quotient keeps its digits until it leaves the expression; in a column it is rounded to the column.
fn common(results: Vec<Expr>, is_choice: bool, context: &TypeContext<'_>) -> Result<(Vec<Expr>, DataType), Refusal> {
    let present: Vec<&Expr> = results.iter().filter(|result| result.data_type != DataType::Null).collect();
    let Some(first) = present.first() else { return Ok((results, DataType::Null)) };
    let first_type = first.data_type.clone();
    let every = |test: fn(&DataType) -> bool| present.iter().all(|result| test(&result.data_type));
    if matches!(first_type, DataType::Json | DataType::Unsupported { .. }) {
        return Err(mixed(&first_type, &first_type));
    }
    if every(is_temporal) {
        refuse_computed_null(&results.iter().collect::<Vec<_>>(), context)?;
        if is_choice {
            let results = results.into_iter().map(|result| chosen_date(result, context)).collect::<Result<Vec<_>, _>>()?;
            return unify_temporal(results, context);
        }
        return unify_temporal(results, context);
    }
    if present.iter().all(|result| numeric(result).is_some()) {
        return unify_numbers(results, is_choice, context);
    }
    if present.iter().all(|result| result.data_type == first_type) {
        let (converted, data_type) = if is_text(&first_type) { unify_text(results, context)? } else { (results, first_type) };
        return Ok((converted, data_type));
    }
    if present.iter().any(|result| matches!(result.data_type, DataType::Bytes { .. })) {
        return unify_bytes(results, context);
    }
    if !is_choice {
        results.iter().try_for_each(super::printed::refuse_odd_column)?;
        return unify_text(results.into_iter().map(year_as_number).collect(), context);
    }
    unify_text(results, context)
}

/// A YEAR that a UNION makes text of has as many digits as its number.
fn year_as_number(expr: Expr) -> Expr {
    if expr.data_type != DataType::Year {
        return expr;
    }
    let (nullable, span) = (expr.nullable, expr.span.clone());
    node(ExprKind::Cast(Box::new(expr)), DataType::Integer { bits: 16, unsigned: true }, nullable, span)
}

fn mixed(left: &DataType, right: &DataType) -> Refusal {
    Refusal::new(
        format!("{} and {} are mixed in one result", type_name(left), type_name(right)),
        "bring them to one type with CAST",
    )
}

fn unify_numbers(results: Vec<Expr>, is_choice: bool, context: &TypeContext<'_>) -> Result<(Vec<Expr>, DataType), Refusal> {
    let traits: Vec<_> = results.iter().filter(|result| result.data_type != DataType::Null).filter_map(numeric).collect();
    let class = traits.iter().map(|one| one.class).max().unwrap_or(NumericClass::Integer);
    let data_type = match class {
        NumericClass::Integer => integer_type(&results, context),
        NumericClass::Decimal => {
            let scale = traits.iter().map(|one| one.scale).max().unwrap_or(0);
            let integral = traits.iter().map(super::Numeric::integral).max().unwrap_or(0);
            // A choice of decimals has a sign on MySQL.
            let unsigned = traits.iter().all(|one| one.unsigned) && (context.is_mariadb() || !is_choice);
            let is_week = |result: &Expr| {
                matches!(&result.kind, ExprKind::Call { function: Function::DatePart(Part::YearWeek { .. }), .. })
            };
            if context.is_mariadb() && results.iter().any(is_week) {
                return Err(Refusal::new(
                    "YEARWEEK and a decimal are mixed in one result, for which MariaDB keeps one digit too few",
                    "write CAST(YEARWEEK(..) AS SIGNED)",
                ));
            }
            if integral + scale > 65 {
                return Err(Refusal::new("the common decimal type has more than 65 digits", "cast the results to one DECIMAL"));
            }
            decimal_type(integral + scale, scale, unsigned)
        }
        NumericClass::Double => DataType::Double,
    };
    let converted = results.into_iter().map(|result| {
        let is_open = is_unsettled(&result);
        if result.data_type == DataType::Null || (is_open && is_choice) || (!is_open && result.data_type == data_type) {
            return Ok(result);
        }
        if data_type == DataType::Double {
            return to_double(result);
        }
        let (nullable, span) = (result.nullable, result.span.clone());
        let to = match &data_type {
            // A choice takes the digits as they are, even more than its type has; only the scale is its own.
            DataType::Decimal { scale, .. } if is_choice => decimal_type(PRECISION_MAX, *scale, false),
            to => to.clone(),
        };
        Ok(node(ExprKind::Cast(Box::new(result)), to, nullable, span))
    });
    Ok((converted.collect::<Result<_, _>>()?, data_type))
}

/// The common type of integers. Signed and unsigned together are a DECIMAL on MariaDB, and on MySQL where 64 bits do not do.
fn integer_type(results: &[Expr], context: &TypeContext<'_>) -> DataType {
    let present = || results.iter().filter(|result| result.data_type != DataType::Null);
    let width = |expr: &Expr| match &expr.data_type {
        DataType::Integer { bits, .. } => *bits,
        DataType::Year => 16,
        _ => 64,
    };
    let is_unsigned = |expr: &Expr| !matches!(expr.data_type, DataType::Integer { unsigned: false, .. });
    let bits = present().map(width).max().unwrap_or(64);
    let is_null = |expr: &Expr| expr.data_type == DataType::Null;
    if context.is_mariadb() && results.iter().any(is_null) && present().all(is_unsigned) {
        // A bare NULL is signed there.
        return decimal_type(present().filter_map(numeric).map(|traits| traits.precision).max().unwrap_or(20), 0, false);
    }
    if present().all(is_unsigned) {
        return if present().all(|expr| expr.data_type == DataType::Year) {
            DataType::Year
        } else {
            DataType::Integer { bits, unsigned: true }
        };
    }
    if !present().any(is_unsigned) {
        return DataType::Integer { bits, unsigned: false };
    }
    let digits = present().filter_map(numeric).map(|traits| traits.precision).max().unwrap_or(20);
    let wide = present().any(|expr| is_unsigned(expr) && width(expr) == 64);
    if context.is_mariadb() || wide { decimal_type(digits, 0, false) } else { BIGINT }
}

/// Digits after the second of a date or time type; 0 for anything else.
#[must_use]
pub fn temporal_fraction(data_type: &DataType) -> u8 {
    match data_type {
        DataType::DateTime { fraction } | DataType::Timestamp { fraction } | DataType::Time { fraction } => *fraction,
        _ => 0,
    }
}

fn unify_temporal(results: Vec<Expr>, context: &TypeContext<'_>) -> Result<(Vec<Expr>, DataType), Refusal> {
    let present = || results.iter().map(|result| &result.data_type).filter(|data_type| **data_type != DataType::Null);
    let fraction = present().map(temporal_fraction).max().unwrap_or(0);
    let times = present().filter(|data_type| matches!(data_type, DataType::Time { .. })).count();
    let data_type = if times > 0 {
        if times < present().count() {
            return Err(Refusal::new(
                "a TIME and a date are mixed in one result, which depends on today",
                "bring them to one type",
            ));
        }
        DataType::Time { fraction }
    } else if present().all(|data_type| *data_type == DataType::Date) {
        DataType::Date
    } else if present().all(|data_type| matches!(data_type, DataType::Timestamp { .. })) {
        DataType::Timestamp { fraction }
    } else {
        DataType::DateTime { fraction }
    };
    let mixes_dates = data_type != DataType::Date && present().any(|one| *one == DataType::Date);
    let rules = rules(context)?;
    if mixes_dates && !rules.mariadb && (rules.no_zero_date || rules.no_zero_in_date) {
        // MySQL keeps zero dates here whatever sql_mode says.
        return Ok((with_midnight(results, fraction, rules.lenient(), &data_type), data_type));
    }
    Ok((with_midnight(results, fraction, rules, &data_type), data_type))
}

fn with_midnight(results: Vec<Expr>, fraction: u8, rules: TemporalRules, data_type: &DataType) -> Vec<Expr> {
    let converted = results.into_iter().map(|result| match (&result.data_type, data_type) {
        (DataType::Date, DataType::DateTime { .. }) => {
            let (nullable, span) = (result.nullable, result.span.clone());
            let function = Function::ToDateTime { fraction, rules };
            node(ExprKind::Call { function, arguments: vec![result] }, data_type.clone(), nullable, span)
        }
        _ => result,
    });
    converted.collect()
}

fn unify_bytes(results: Vec<Expr>, context: &TypeContext<'_>) -> Result<(Vec<Expr>, DataType), Refusal> {
    let converted = results
        .into_iter()
        .map(|result| if result.data_type == DataType::Null { Ok(result) } else { to_bytes(to_text(result, context)?) })
        .collect::<Result<Vec<_>, _>>()?;
    let length = converted.iter().map(text_length).try_fold(0, |longest: u32, one| Some(longest.max(one?)));
    Ok((converted, DataType::Bytes { length, fixed: false }))
}

fn unify_text(results: Vec<Expr>, context: &TypeContext<'_>) -> Result<(Vec<Expr>, DataType), Refusal> {
    let converted = results
        .into_iter()
        .map(|result| if result.data_type == DataType::Null { Ok(result) } else { to_text(result, context) })
        .collect::<Result<Vec<_>, _>>()?;
    let parts: Vec<&Expr> = converted.iter().filter(|result| result.data_type != DataType::Null).collect();
    let traits = aggregate_text(&parts, context)?;
    let length = parts.iter().map(|part| text_length(part)).try_fold(0, |longest: u32, one| Some(longest.max(one?)));
    let data_type = DataType::Text { length, fixed: false, charset: traits.charset, collation: traits.collation };
    Ok((converted, data_type))
}
