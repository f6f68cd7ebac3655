//! Result types of the date functions.

use crate::schema::DataType;
use crate::sql::functions::complete_dates::{as_it_is, complete, complete_on_mysql, complete_or_zero};
use crate::sql::functions::text_resolve::made_up;
use crate::sql::functions::{Function, Part, Unit, arity, clock, date_format, str_to_date, take};
use crate::sql::query::{Expr, ExprKind, Span};
use crate::sql::types::{
    BIGINT, BOOLEAN, Refusal, TypeContext, constant, node, rules, temporal_fraction, to_date, to_datetime, to_integer, to_text,
    to_time, type_name,
};
use crate::value::Value;

pub(super) fn resolve(name: &str, arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    if let Some(part) = part(name) {
        let mut arguments = arguments;
        let part = week_mode(name, part, &mut arguments)?;
        let [value] = take(name, arguments)?;
        let mut call = part_call(part, value, span, context)?;
        if part == Part::Year && !context.is_mariadb() {
            // MySQL's is of the type YEAR, which has no sign: a difference of years cannot fall below zero. EXTRACT gives an INT.
            call.data_type = DataType::Integer { bits: 16, unsigned: true };
        }
        return Ok(call);
    }
    match name {
        "DATE" => {
            let [value] = take(name, arguments)?;
            to_date(value, span, context)
        }
        "TIME" => {
            let [value] = take(name, arguments)?;
            let fraction = temporal_fraction(&value.data_type);
            to_time(value, fraction, span, context)
        }
        "TIMESTAMP" if arguments.len() == 2 => clock::timestamp(arguments, span, context),
        "TIMESTAMP" => {
            let [value] = take(name, arguments)?;
            let fraction = if matches!(value.data_type, DataType::Text { .. }) { 6 } else { temporal_fraction(&value.data_type) };
            to_datetime(value, fraction, span, context)
        }
        "ADD_MONTHS" if context.is_mariadb() => {
            let [date, months] = take(name, arguments)?;
            date_add(date, months, Unit::Month, false, span, context)
        }
        "DATE_FORMAT" => format(arguments, span, context),
        "STR_TO_DATE" => {
            let [text, format] = take(name, arguments)?;
            let data_type = match constant(&format) {
                Some(Value::Text(format)) => str_to_date::result_type(format)?,
                _ => return Err(Refusal::new("the format of STR_TO_DATE is not a constant", "write it as a string")),
            };
            let arguments = vec![to_text(text, context)?, format];
            Ok(nullable_call(Function::StrToDate(rules(context)?), arguments, data_type, span))
        }
        "DATEDIFF" => {
            let [left, right] = take(name, arguments)?;
            let arguments = vec![complete(moment(left, context)?, context)?, complete(moment(right, context)?, context)?];
            Ok(nullable_call(Function::DateDifference, arguments, BOOLEAN, span))
        }
        "LAST_DAY" => last_day(take(name, arguments)?, span, context),
        "MAKEDATE" => {
            let [year, day] = take(name, arguments)?;
            Ok(nullable_call(Function::MakeDate, vec![to_integer(year)?, to_integer(day)?], DataType::Date, span))
        }
        "FROM_DAYS" => {
            let [days] = take(name, arguments)?;
            Ok(nullable_call(Function::FromDays, vec![to_integer(days)?], DataType::Date, span))
        }
        "UNIX_TIMESTAMP" => {
            let [value] = take(name, arguments)?;
            unix_timestamp(value, span, context)
        }
        "FROM_UNIXTIME" => {
            let [seconds] = take(name, arguments)?;
            from_unix_time(seconds, span, context)
        }
        _ => Err(Refusal::new(
            format!("the function {name} is not carried"),
            "leave it to the service, or store its result in the source",
        )),
    }
}

fn last_day([value]: [Expr; 1], span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let rules = rules(context)?;
    if rules.mariadb && rules.no_zero_in_date {
        // NULL for a partly zero date, as a conversion under the same rules makes it.
        let date = to_date(value, span.clone(), context)?;
        return Ok(nullable_call(Function::LastDay, vec![date], DataType::Date, span));
    }
    Ok(nullable_call(Function::LastDay, vec![moment(value, context)?], DataType::Date, span))
}

fn part(name: &str) -> Option<Part> {
    Some(match name {
        "YEAR" => Part::Year,
        "QUARTER" => Part::Quarter,
        "MONTH" => Part::Month,
        "DAY" | "DAYOFMONTH" => Part::Day,
        "DAYOFWEEK" => Part::DayOfWeek,
        "WEEKDAY" => Part::Weekday,
        "DAYOFYEAR" => Part::DayOfYear,
        "WEEK" => Part::Week { mode: 0 },
        "WEEKOFYEAR" => Part::Week { mode: 3 },
        "YEARWEEK" => Part::YearWeek { mode: 0 },
        "TO_DAYS" => Part::ToDays,
        "DAYNAME" => Part::DayName,
        "MONTHNAME" => Part::MonthName,
        "HOUR" => Part::Hour,
        "MINUTE" => Part::Minute,
        "SECOND" => Part::Second,
        "MICROSECOND" => Part::Microsecond,
        "TIME_TO_SEC" => Part::TimeToSeconds,
        _ => return None,
    })
}

/// Takes the mode of WEEK and YEARWEEK from the arguments; without one it is 0, the source's `default_week_format`.
fn week_mode(name: &str, part: Part, arguments: &mut Vec<Expr>) -> Result<Part, Refusal> {
    if !matches!(name, "WEEK" | "YEARWEEK") || arguments.len() < 2 {
        return Ok(part);
    }
    arity(name, arguments, 1..=2)?;
    match arguments.pop().as_ref().and_then(constant) {
        Some(Value::Int(mode @ 0..=7)) => {
            let mode = u8::try_from(*mode).unwrap_or(0);
            Ok(if name == "WEEK" { Part::Week { mode } } else { Part::YearWeek { mode } })
        }
        _ => Err(Refusal::new(format!("the mode of {name} is not a constant from 0 to 7"), "write it as a number")),
    }
}

fn part_call(part: Part, value: Expr, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let value = match &value.data_type {
        DataType::Time { .. } if part.is_clock() => value,
        DataType::Text { .. } if part.is_clock() => {
            return Err(Refusal::new(
                "the time of day of a string is not carried exactly",
                "use CAST(.. AS DATETIME) or STR_TO_DATE",
            ));
        }
        _ if part.needs_whole_date() => complete(moment(value, context)?, context)?,
        _ => as_it_is(moment(value, context)?, context),
    };
    if part == Part::TimeToSeconds && context.is_mariadb() && temporal_fraction(&value.data_type) > 0 {
        return Err(Refusal::new("TIME_TO_SEC of a time with a fraction, which MariaDB keeps", "cast it to TIME first"));
    }
    let data_type = match part {
        Part::DayName | Part::MonthName => made_up(9, context),
        Part::TimeToSeconds | Part::Packed(_) => BIGINT,
        _ => BOOLEAN,
    };
    Ok(nullable_call(Function::DatePart(part), vec![value], data_type, span))
}

fn nullable_call(function: Function, arguments: Vec<Expr>, data_type: DataType, span: Span) -> Expr {
    node(ExprKind::Call { function, arguments }, data_type, true, span)
}

/// An argument as a date or date and time; strings are read as CAST reads them.
pub(super) fn moment(value: Expr, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    match &value.data_type {
        DataType::Date | DataType::DateTime { .. } | DataType::Timestamp { .. } => Ok(value),
        DataType::Null => {
            let span = value.span.clone();
            to_date(value, span, context)
        }
        DataType::Text { .. } => {
            let rules = rules(context)?;
            if rules.no_zero_date || rules.no_zero_in_date {
                return Err(Refusal::new(
                    "a string is read as a date under a sql_mode without zero dates, which servers do differently",
                    "convert it with CAST(.. AS DATE) or STR_TO_DATE",
                ));
            }
            let span = value.span.clone();
            to_datetime(value, 6, span, context)
        }
        other => Err(Refusal::new(
            format!("{} is used as a date, which is not carried exactly", type_name(other)),
            "use a DATE or DATETIME, or STR_TO_DATE on a string",
        )),
    }
}

fn format(arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let [value, format] = take("DATE_FORMAT", arguments)?;
    let Some(Value::Text(text)) = constant(&format) else {
        return Err(Refusal::new("the format of DATE_FORMAT is not a constant", "write it as a string"));
    };
    let data_type = made_up(date_format::length_max(text), context);
    let arguments = vec![as_it_is(moment(value, context)?, context), format];
    Ok(nullable_call(Function::DateFormat(rules(context)?), arguments, data_type, span))
}

/// `DATE_ADD(base, INTERVAL amount unit)`, `DATE_SUB`, and `base + INTERVAL ..`.
///
/// # Errors
/// For strings and TIME values as base, and fractions of seconds.
pub fn date_add(
    base: Expr,
    amount: Expr,
    unit: Unit,
    subtract: bool,
    span: Span,
    context: &TypeContext<'_>,
) -> Result<Expr, Refusal> {
    if base.data_type == DataType::Null {
        return Err(Refusal::new(
            "an interval is added to NULL, whose type servers choose differently",
            "write CAST(NULL AS DATE)",
        ));
    }
    let (amount, own_fraction) = interval_amount(amount, unit, context)?;
    let data_type = match &base.data_type {
        DataType::Date if unit.is_date_unit() => DataType::Date,
        DataType::Date | DataType::DateTime { .. } | DataType::Timestamp { .. } => {
            let fraction = if unit.has_fraction() { 6 } else { temporal_fraction(&base.data_type).max(own_fraction) };
            DataType::DateTime { fraction }
        }
        other => {
            return Err(Refusal::new(
                format!("an interval is added to {}", type_name(other)),
                "convert it with CAST(.. AS DATE), CAST(.. AS DATETIME) or STR_TO_DATE",
            ));
        }
    };
    let arguments = vec![complete_on_mysql(as_it_is(base, context), context)?, amount];
    Ok(nullable_call(Function::AddInterval { unit, subtract }, arguments, data_type, span))
}

/// The amount of an interval: text for composite units, decimal seconds, else an integer; and the digits of its fraction.
fn interval_amount(amount: Expr, unit: Unit, context: &TypeContext<'_>) -> Result<(Expr, u8), Refusal> {
    if unit.is_composite() {
        return Ok((to_text(amount, context)?, 0));
    }
    match &amount.data_type {
        DataType::Decimal { scale, .. } if unit == Unit::Second => {
            let fraction = u8::try_from((*scale).min(6)).unwrap_or(6);
            if *scale > 6 {
                return Err(Refusal::new(
                    "an interval of seconds with more than six digits after the point",
                    "cast it to DECIMAL(p,6)",
                ));
            }
            Ok((crate::sql::types::settle(amount), fraction))
        }
        DataType::Integer { .. } | DataType::Null => Ok((to_integer(amount)?, 0)),
        _ if unit == Unit::Second => {
            Err(Refusal::new("an interval of seconds that is not a number", "convert it with CAST(.. AS SIGNED)"))
        }
        _ => Ok((to_integer(amount)?, 0)),
    }
}

/// `TIMESTAMPDIFF(unit, from, to)`.
///
/// # Errors
/// For operands that are no dates.
pub fn timestamp_diff(unit: Unit, from: Expr, to: Expr, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    if unit.is_composite() {
        return Err(Refusal::new("TIMESTAMPDIFF counts in one simple unit", "write YEAR, MONTH, DAY, HOUR or another unit"));
    }
    let arguments = vec![complete(moment(from, context)?, context)?, complete(moment(to, context)?, context)?];
    Ok(nullable_call(Function::TimestampDifference { unit }, arguments, BIGINT, span))
}

/// `EXTRACT(unit FROM value)`.
///
/// # Errors
/// For WEEK, hours of a TIME on MariaDB, and operands that are no dates.
pub fn extract(unit: Unit, value: Expr, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let part = match unit {
        Unit::Year => Part::Year,
        Unit::Quarter => Part::Quarter,
        Unit::Month => Part::Month,
        Unit::Week => {
            return Err(Refusal::new("EXTRACT(WEEK ..) of a zero date is no number on either server", "write WEEK(..)"));
        }
        Unit::Day => Part::Day,
        Unit::Hour => Part::Hour,
        Unit::Minute => Part::Minute,
        Unit::Second => Part::Second,
        Unit::Microsecond => Part::Microsecond,
        composite => Part::Packed(composite),
    };
    if context.is_mariadb()
        && matches!(value.data_type, DataType::Time { .. })
        && !matches!(unit, Unit::Minute | Unit::Second | Unit::Microsecond)
    {
        return Err(Refusal::new(
            "EXTRACT of a TIME, whose days MariaDB splits off",
            "write HOUR(..), MINUTE(..) or TIME_FORMAT",
        ));
    }
    let part = match value.data_type {
        DataType::Time { .. } if part.is_clock() => Part::Packed(unit),
        _ => part,
    };
    part_call(part, value, span, context)
}

/// Seconds east of UTC of a fixed-offset session zone.
fn offset_s(context: &TypeContext<'_>) -> Result<i32, Refusal> {
    let zone = context.catalog.session.time_zone.as_str();
    let offset = zone.split_once(':').and_then(|(hours, minutes)| {
        let sign = if hours.starts_with('-') { -1 } else { 1 };
        let hours: i32 = hours.trim_start_matches(['+', '-']).parse().ok()?;
        Some(sign * (hours * 3600 + minutes.parse::<i32>().ok()? * 60))
    });
    match offset {
        Some(offset) => Ok(offset),
        None if zone.eq_ignore_ascii_case("UTC") => Ok(0),
        None => Err(Refusal::new(
            format!("UNIX time in the time zone {zone}, whose offset changes"),
            "set session: time_zone to a fixed offset such as +09:00 in the project file",
        )),
    }
}

fn unix_timestamp(value: Expr, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    if !matches!(value.data_type, DataType::Date | DataType::DateTime { fraction: 0 } | DataType::Timestamp { fraction: 0 }) {
        return Err(Refusal::new(
            format!("UNIX_TIMESTAMP of {} is not carried exactly", type_name(&value.data_type)),
            "use a DATE or a DATETIME without a fraction",
        ));
    }
    let function = Function::UnixTimestamp { offset_s: offset_s(context)? };
    Ok(nullable_call(function, vec![complete_or_zero(value, context)?], BIGINT, span))
}

fn from_unix_time(seconds: Expr, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    if !matches!(seconds.data_type, DataType::Integer { .. }) {
        return Err(Refusal::new("FROM_UNIXTIME of something else than an integer", "convert it with CAST(.. AS SIGNED)"));
    }
    let function = Function::FromUnixTime { offset_s: offset_s(context)? };
    Ok(nullable_call(function, vec![seconds], DataType::DateTime { fraction: 0 }, span))
}
