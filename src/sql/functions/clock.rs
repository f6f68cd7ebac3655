//! Times of day and durations: MAKETIME, SEC_TO_TIME, ADDTIME, SUBTIME, TIMEDIFF, TIME_FORMAT, TO_SECONDS, CONVERT_TZ between
//! fixed offsets, TIMESTAMP(date, time), and strings read as TIME.

use crate::error::Result;
use crate::schema::DataType;
use crate::sql::functions::complete_dates::{as_it_is, complete, complete_on_mysql};
use crate::sql::functions::date_parts::day_number;
use crate::sql::functions::text_resolve::made_up;
use crate::sql::functions::{Function, coerce, date_format, mismatch, no_value, take};
use crate::sql::query::{Expr, ExprKind, Span};
use crate::sql::types::{
    BIGINT, NumericClass, Refusal, TypeContext, constant, literal_datetime, literal_time, node, numeric, settle,
    temporal_fraction, to_datetime, to_decimal, to_integer, type_name,
};
use crate::value::{DateTime, Decimal, Time, Value};

const SECOND_US: i128 = 1_000_000;
const DAY_US: i128 = 86_400 * SECOND_US;
/// The last whole second of a TIME, 838:59:59.
const LAST_SECOND: i128 = 3_020_399;

/// A function of times of day. `cut`: fractions are cut (MariaDB) and not rounded (MySQL), and too long times keep their fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the SQL function of its name")]
pub enum Clock {
    MakeTime { cut: bool },
    SecondsToTime { cut: bool },
    AddTime { subtract: bool, clamp: bool },
    TimeDifference { cut: bool },
    Format,
    ToSeconds,
    ConvertZone { from_s: i32, to_s: i32, last_s: i64 },
    TextToTime { cut: bool },
}

/// The names this file types.
pub(super) const NAMES: [&str; 8] =
    ["MAKETIME", "SEC_TO_TIME", "ADDTIME", "SUBTIME", "TIMEDIFF", "TIME_FORMAT", "TO_SECONDS", "CONVERT_TZ"];

pub(super) fn resolve(name: &str, arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let cut = context.is_mariadb();
    match name {
        "MAKETIME" => {
            let [hour, minute, second] = take(name, arguments)?;
            let (second, fraction) = seconds(name, second)?;
            let parts = vec![to_integer(hour)?, to_integer(minute)?, second];
            Ok(call_node(Clock::MakeTime { cut }, parts, DataType::Time { fraction }, span))
        }
        "SEC_TO_TIME" => {
            let [second] = take(name, arguments)?;
            let (second, fraction) = seconds(name, second)?;
            Ok(call_node(Clock::SecondsToTime { cut }, vec![second], DataType::Time { fraction }, span))
        }
        "ADDTIME" | "SUBTIME" => {
            let [base, time] = take(name, arguments)?;
            add_time(name, base, time, span, context)
        }
        "TIMEDIFF" => difference(arguments, span, context),
        "TIME_FORMAT" => format(arguments, span, context),
        "TO_SECONDS" => {
            let [value] = take(name, arguments)?;
            let value = complete(super::date_resolve::moment(value, context)?, context)?;
            Ok(call_node(Clock::ToSeconds, vec![value], BIGINT, span))
        }
        _ => convert_zone(arguments, span, context),
    }
}

fn call_node(kind: Clock, arguments: Vec<Expr>, data_type: DataType, span: Span) -> Expr {
    node(ExprKind::Call { function: Function::Clock(kind), arguments }, data_type, true, span)
}

/// Seconds as a decimal, and how many digits of their fraction are kept.
fn seconds(name: &str, expr: Expr) -> Result<(Expr, u8), Refusal> {
    match numeric(&expr) {
        Some(own) if own.class != NumericClass::Double => {
            Ok((to_decimal(settle(expr))?, u8::try_from(own.scale.min(6)).unwrap_or(6)))
        }
        _ => Err(Refusal::new(
            format!("{name} of {} is not carried exactly", type_name(&expr.data_type)),
            "convert the seconds with CAST(.. AS DECIMAL(p,s))",
        )),
    }
}

/// A TIME operand; a constant string is read as one.
fn time_operand(name: &str, expr: Expr) -> Result<Expr, Refusal> {
    match (&expr.data_type, constant(&expr)) {
        (DataType::Time { .. }, _) => Ok(expr),
        (_, Some(Value::Text(text))) => literal_time(text, expr.span.clone()),
        (other, _) => Err(Refusal::new(
            format!("{name} adds or subtracts {}", type_name(other)),
            "give it a TIME, e.g. with CAST(.. AS TIME)",
        )),
    }
}

fn add_time(name: &str, base: Expr, time: Expr, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let time = time_operand(name, time)?;
    let fraction = temporal_fraction(&base.data_type).max(temporal_fraction(&time.data_type));
    let data_type = match &base.data_type {
        DataType::Time { .. } => DataType::Time { fraction },
        DataType::DateTime { .. } | DataType::Timestamp { .. } => DataType::DateTime { fraction },
        other => {
            return Err(Refusal::new(
                format!("{name} to {} is not carried exactly", type_name(other)),
                "convert it with CAST(.. AS DATETIME) or CAST(.. AS TIME)",
            ));
        }
    };
    let kind = Clock::AddTime { subtract: name == "SUBTIME", clamp: context.is_mariadb() };
    Ok(call_node(kind, vec![complete_on_mysql(as_it_is(base, context), context)?, time], data_type, span))
}

/// `TIMESTAMP(date, time)`.
pub(super) fn timestamp(arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let [base, time] = take("TIMESTAMP", arguments)?;
    let base = match &base.data_type {
        DataType::DateTime { .. } | DataType::Timestamp { .. } => base,
        DataType::Date => {
            let (nullable, inner) = (base.nullable, base.span.clone());
            node(ExprKind::Cast(Box::new(base)), DataType::DateTime { fraction: 0 }, nullable, inner)
        }
        DataType::Null => {
            return Err(Refusal::new("TIMESTAMP of NULL and a time", "write CAST(NULL AS DATETIME)"));
        }
        _ => to_datetime(base, 6, span.clone(), context)?,
    };
    add_time("ADDTIME", base, time, span, context)
}

fn difference(arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let [left, right] = take("TIMEDIFF", arguments)?;
    let is_time = |expr: &Expr| matches!(expr.data_type, DataType::Time { .. });
    let is_moment = |expr: &Expr| matches!(expr.data_type, DataType::DateTime { .. } | DataType::Timestamp { .. });
    if !(is_time(&left) && is_time(&right) || is_moment(&left) && is_moment(&right)) {
        return Err(Refusal::new(
            format!("TIMEDIFF of {} and {} is not carried exactly", type_name(&left.data_type), type_name(&right.data_type)),
            "give it two TIMEs or two DATETIMEs",
        ));
    }
    let fraction = temporal_fraction(&left.data_type).max(temporal_fraction(&right.data_type));
    let kind = Clock::TimeDifference { cut: context.is_mariadb() };
    Ok(call_node(kind, vec![left, right], DataType::Time { fraction }, span))
}

fn format(arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let [value, format] = take("TIME_FORMAT", arguments)?;
    let Some(Value::Text(text)) = constant(&format) else {
        return Err(Refusal::new("the format of TIME_FORMAT is not a constant", "write it as a string"));
    };
    if !matches!(value.data_type, DataType::Time { .. } | DataType::DateTime { .. } | DataType::Timestamp { .. }) {
        return Err(Refusal::new(format!("TIME_FORMAT of {}", type_name(&value.data_type)), "give it a TIME or a DATETIME"));
    }
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == '%' && !characters.next().is_some_and(|specifier| "HkhIlisSfprT%".contains(specifier)) {
            return Err(Refusal::new("TIME_FORMAT with a part of a date", "use DATE_FORMAT for dates"));
        }
    }
    let data_type = made_up(date_format::length_max(text), context);
    Ok(call_node(Clock::Format, vec![value, format], data_type, span))
}

/// Seconds east of UTC of a zone written as an offset.
fn zone_offset(expr: &Expr) -> Result<i32, Refusal> {
    let offset = match constant(expr) {
        Some(Value::Text(zone)) => zone.split_once(':').and_then(|(hours, minutes)| {
            let sign = if hours.starts_with('-') { -1 } else { 1 };
            let digits = hours.strip_prefix(['+', '-'])?;
            let is_short = (1..=2).contains(&digits.len()) && minutes.len() == 2;
            let seconds = digits.parse::<u16>().ok()? * 60 + minutes.parse::<u16>().ok().filter(|minutes| *minutes < 60)?;
            Some(sign * i32::from(seconds) * 60).filter(|offset| is_short && (-46_740..=46_800).contains(offset))
        }),
        _ => None,
    };
    offset.ok_or_else(|| {
        Refusal::new("CONVERT_TZ with a zone that is not a constant offset", "write offsets such as '+09:00' and '+00:00'")
    })
}

fn convert_zone(arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let [value, from, to] = take("CONVERT_TZ", arguments)?;
    let (from_s, to_s) = (zone_offset(&from)?, zone_offset(&to)?);
    let value = match constant(&value) {
        Some(Value::Text(text)) => literal_datetime(text, value.span.clone(), context)?,
        _ => value,
    };
    if matches!(value.data_type, DataType::Text { .. }) {
        return Err(Refusal::new("CONVERT_TZ of a string", "write CAST(.. AS DATETIME)"));
    }
    let fraction = temporal_fraction(&value.data_type);
    let version = context.catalog.version;
    // The last moment that the server's own zone arithmetic knows.
    let last_s = match context.is_mariadb() {
        true if version >= (11, 5, 0) => 4_294_967_295,
        false if version >= (8, 0, 28) => 32_536_771_199,
        _ => 2_147_483_647,
    };
    let value = complete(super::date_resolve::moment(value, context)?, context)?;
    Ok(call_node(Clock::ConvertZone { from_s, to_s, last_s }, vec![value], DataType::DateTime { fraction }, span))
}

/// A string as a TIME, as CAST reads it.
pub(crate) fn text_to_time(text: Expr, fraction: u8, span: Span, context: &TypeContext<'_>) -> Expr {
    call_node(Clock::TextToTime { cut: context.is_mariadb() }, vec![text], DataType::Time { fraction }, span)
}

pub(super) fn call(kind: Clock, expr: &Expr, values: &[Value]) -> Result<Value> {
    let fraction = temporal_fraction(&expr.data_type);
    match (kind, values) {
        (Clock::MakeTime { cut }, [hour, minute, second]) => {
            let whole_us = seconds_us(second, fraction, cut)?;
            make_time(coerce::integer(hour)?, coerce::integer(minute)?, whole_us, second, fraction, cut)
        }
        (Clock::SecondsToTime { cut }, [second]) => {
            let us = seconds_us(second, fraction, cut)?;
            let is_long = us.abs() / SECOND_US > LAST_SECOND;
            Ok(time(if is_long { longest(fraction, cut) * us.signum() } else { us }))
        }
        (Clock::AddTime { subtract, clamp }, [base, amount]) => {
            let Value::Time(amount) = amount else { return Err(mismatch("ADDTIME")) };
            let amount_us = if subtract { -i128::from(amount.0) } else { i128::from(amount.0) };
            match base {
                Value::Time(base) => Ok(bounded(i128::from(base.0) + amount_us, fraction, clamp)),
                other => shifted(expr, coerce::moment(other)?, amount_us),
            }
        }
        (Clock::TimeDifference { cut }, [left, right]) => {
            let (left, right) = (point_us(left)?, point_us(right)?);
            Ok(time(limited(left - right, fraction, cut)))
        }
        (Clock::Format, [value, format]) => {
            let us = match value {
                Value::Time(time) => time.0,
                other => coerce::moment(other)?.time_us,
            };
            format_time(us, coerce::text(format)?)
        }
        (Clock::ToSeconds, [value]) => {
            let moment = coerce::moment(value)?;
            let days = moment.date.day_number();
            Ok(days.map_or(Value::Null, |days| Value::Int(days * 86_400 + moment.time_us / 1_000_000)))
        }
        (Clock::ConvertZone { from_s, to_s, last_s }, [value]) => Ok(converted(coerce::moment(value)?, from_s, to_s, last_s)),
        (Clock::TextToTime { cut }, [text]) => text_time(expr, coerce::text(text)?, fraction, cut),
        _ => Err(mismatch("a function of times")),
    }
}

fn time(us: i128) -> Value {
    i64::try_from(us).map_or(Value::Null, |us| Value::Time(Time(us)))
}

/// The longest TIME: MariaDB fills its fraction with nines.
fn longest(fraction: u8, cut: bool) -> i128 {
    let step = 10_i128.pow(6 - u32::from(fraction.min(6)));
    LAST_SECOND * SECOND_US + if cut { SECOND_US - step } else { 0 }
}

fn limited(us: i128, fraction: u8, cut: bool) -> i128 {
    let most = longest(fraction, cut);
    us.clamp(-most, most)
}

/// A sum of TIMEs: too long is the longest one on MariaDB, NULL on MySQL.
fn bounded(us: i128, fraction: u8, clamp: bool) -> Value {
    if clamp {
        return time(limited(us, fraction, true));
    }
    if us.abs() > LAST_SECOND * SECOND_US { Value::Null } else { time(us) }
}

/// Decimal seconds in microseconds, with as many digits as the result shows.
fn seconds_us(value: &Value, fraction: u8, cut: bool) -> Result<i128> {
    let seconds = coerce::decimal(value)?;
    let shown = if cut { seconds.truncate(fraction.into()) } else { seconds.round(fraction.into()) };
    let us = shown.round(6).small();
    // Far too long for any TIME: the limit is all that is seen of it.
    Ok(us.unwrap_or(if shown.is_negative() { i128::MIN / 4 } else { i128::MAX / 4 }))
}

fn make_time(hour: i128, minute: i128, second_us: i128, second: &Value, fraction: u8, cut: bool) -> Result<Value> {
    let written = coerce::decimal(second)?;
    let is_valid = (0..60).contains(&minute)
        && !written.is_negative()
        && written.compare(&Decimal::from_i64(60)) == std::cmp::Ordering::Less;
    if !is_valid {
        return Ok(Value::Null);
    }
    let sign = if hour < 0 { -1 } else { 1 };
    let us = (hour.abs().min(10_000) * 3600 + minute * 60) * SECOND_US + second_us;
    Ok(time(sign * limited(us, fraction, cut)))
}

fn point_us(value: &Value) -> Result<i128> {
    Ok(match value {
        Value::Time(time) => i128::from(time.0),
        other => {
            let moment = coerce::moment(other)?;
            i128::from(day_number(moment.date)) * DAY_US + i128::from(moment.time_us)
        }
    })
}

fn shifted(expr: &Expr, base: DateTime, amount_us: i128) -> Result<Value> {
    if base.date.is_zero() {
        return Ok(Value::Null);
    }
    if !base.date.is_calendar() {
        return Err(no_value(expr, "a time is added to a date that is not in the calendar"));
    }
    let moved = i64::try_from(amount_us).ok().and_then(|us| base.add_us(us));
    match moved {
        None if amount_us < 0 => Err(no_value(expr, "a date before the year 1 is computed")),
        None => Ok(Value::Null),
        Some(moment) => Ok(Value::DateTime(moment)),
    }
}

fn format_time(us: i64, format: &str) -> Result<Value> {
    if format.is_empty() {
        return Ok(Value::Null);
    }
    let mut out = String::from(if us < 0 { "-" } else { "" });
    let us = us.abs();
    let (hour, minute, second) = (us / 3_600_000_000, us / 60_000_000 % 60, us / 1_000_000 % 60);
    let twelve = (hour % 24 + 11) % 12 + 1;
    let half = if hour % 24 < 12 { "AM" } else { "PM" };
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            out.push(character);
            continue;
        }
        let part = match characters.next() {
            Some('H') => format!("{hour:02}"),
            Some('k') => hour.to_string(),
            Some('h' | 'I') => format!("{twelve:02}"),
            Some('l') => twelve.to_string(),
            Some('i') => format!("{minute:02}"),
            Some('s' | 'S') => format!("{second:02}"),
            Some('f') => format!("{:06}", us % 1_000_000),
            Some('p') => half.to_owned(),
            Some('r') => format!("{twelve:02}:{minute:02}:{second:02} {half}"),
            Some('T') => format!("{hour:02}:{minute:02}:{second:02}"),
            Some('%') => "%".to_owned(),
            _ => return Err(mismatch("TIME_FORMAT")),
        };
        out.push_str(&part);
    }
    Ok(Value::text(out))
}

const EPOCH_DAY: i64 = 719_528;

/// A moment in another zone; what the source's UNIX time does not reach stays as it is.
fn converted(moment: DateTime, from_s: i32, to_s: i32, last_s: i64) -> Value {
    let Some(day) = moment.date.day_number() else { return Value::Null };
    let utc_s = (day - EPOCH_DAY) * 86_400 + moment.time_us / 1_000_000 - i64::from(from_s);
    if !(1..=last_s).contains(&utc_s) {
        return Value::DateTime(moment);
    }
    let shift_us = i64::from(to_s - from_s) * 1_000_000;
    moment.add_us(shift_us).map_or(Value::Null, Value::DateTime)
}

/// `[-]h:mm`, `[-]h:mm:ss[.f]` and up to six plain digits; other forms are read differently from version to version.
fn text_time(expr: &Expr, text: &str, fraction: u8, cut: bool) -> Result<Value> {
    let unsure = || no_value(expr, "a string is read as a time in a form that servers read differently");
    let (negative, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (clock, digits) = unsigned.split_once('.').map_or((unsigned, ""), |(clock, digits)| (clock, digits));
    let is_plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = clock.split(':').collect();
    let well_formed = parts.iter().all(|part| is_plain(part)) && digits.len() <= 6 && (digits.is_empty() || is_plain(digits));
    if !well_formed || (unsigned.contains('.') && parts.len() != 3) {
        return Err(unsure());
    }
    let number = |part: &str| part.parse::<i128>().unwrap_or(i128::from(u32::MAX));
    let (hour, minute, second) = match parts.as_slice() {
        [all] if all.len() <= 6 => (number(all) / 10_000, number(all) / 100 % 100, number(all) % 100),
        [hour, minute] if hour.len() <= 3 && minute.len() <= 2 => (number(hour), number(minute), 0),
        [hour, minute, second] if hour.len() <= 3 && minute.len() <= 2 && second.len() <= 2 => {
            (number(hour), number(minute), number(second))
        }
        _ => return Err(unsure()),
    };
    if minute > 59 || second > 59 {
        return Ok(Value::Null);
    }
    let scale = u32::try_from(6 - digits.len()).unwrap_or(0);
    let us = ((hour * 60 + minute) * 60 + second) * SECOND_US
        + if digits.is_empty() { 0 } else { number(digits) * 10_i128.pow(scale) };
    if us / SECOND_US > LAST_SECOND {
        return Err(unsure());
    }
    let signed = Time(i64::try_from(if negative { -us } else { us }).unwrap_or(0));
    let step = 10_i64.pow(6 - u32::from(fraction.min(6)));
    Ok(Value::Time(if cut { Time(signed.0 / step * step) } else { signed.round(fraction) }))
}

#[cfg(test)]
mod tests {
    use super::EPOCH_DAY;
    use crate::value::Date;

    #[test]
    fn the_epoch_is_the_first_of_january_1970() {
        assert_eq!(Date { year: 1970, month: 1, day: 1 }.day_number(), Some(EPOCH_DAY));
    }
}
