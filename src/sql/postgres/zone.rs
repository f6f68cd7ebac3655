//! Time zones: instants in UTC to local time and back, as PostgreSQL does it.
//!
//! Names come from the zone database of the machine that the engine runs on. A local time that a change of the clock skips or repeats is
//! read with the offset before the change, as PostgreSQL reads it (`DetermineTimeZoneOffset`).

use jiff::Timestamp;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

use super::routine::Fault;
use crate::value::{Date, DateTime};

const RANGE: Fault = "timestamp out of range";

/// A session's `TimeZone`: `UTC`, a name, or the `<+09>-09` that offsets are kept as.
#[must_use]
pub fn session(text: &str) -> Option<TimeZone> {
    if ["UTC", "GMT", "Etc/UTC", "Z", "Zulu"].iter().any(|name| name.eq_ignore_ascii_case(text)) {
        return Some(TimeZone::UTC);
    }
    if let Some((_, posix)) = text.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        // POSIX counts west of Greenwich.
        return fixed(-offset_s(posix)?);
    }
    if text.starts_with(['+', '-']) {
        return fixed(offset_s(text)?);
    }
    TimeZone::get(text).ok()
}

/// A zone as `AT TIME ZONE` names it: a name of the database, or UTC. Offsets and abbreviations have signs and meanings of their own there.
#[must_use]
pub fn named(text: &str) -> Option<TimeZone> {
    if text.contains('/') || ["UTC", "GMT"].iter().any(|name| name.eq_ignore_ascii_case(text)) { session(text) } else { None }
}

fn fixed(offset_s: i32) -> Option<TimeZone> {
    Offset::from_seconds(offset_s).ok().map(TimeZone::fixed)
}

/// Seconds of `+09`, `-3:30`, `9:30:15`.
#[must_use]
pub fn offset_s(text: &str) -> Option<i32> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut parts = digits.split(':').map(|part| (1..=2).contains(&part.len()).then(|| part.parse::<i32>().ok())?);
    let hours = parts.next()??;
    let (minutes, seconds) = (parts.next().unwrap_or(Some(0))?, parts.next().unwrap_or(Some(0))?);
    (parts.next().is_none() && hours <= 15 && minutes < 60 && seconds < 60)
        .then_some(sign * (hours * 3_600 + minutes * 60 + seconds))
}

/// The local time of an instant and the offset there, seconds east of Greenwich.
///
/// # Errors
/// Outside of the years that the zone database covers.
pub fn local(at: DateTime, zone: &TimeZone) -> Result<(DateTime, i32), Fault> {
    if zone == &TimeZone::UTC {
        return Ok((at, 0));
    }
    let us = crate::value::calendar::moment_us(at).ok_or(RANGE)?;
    let instant = Timestamp::from_second(us.div_euclid(1_000_000) + 946_684_800).map_err(|_| RANGE)?;
    let offset_s = zone.to_offset(instant).seconds();
    let shifted = us.checked_add(i64::from(offset_s) * 1_000_000).ok_or(RANGE)?;
    Ok((crate::value::calendar::moment_of(shifted).ok_or(RANGE)?, offset_s))
}

/// The instant of a local time.
///
/// # Errors
/// Outside of the years that the zone database covers.
pub fn instant(at: DateTime, zone: &TimeZone) -> Result<DateTime, Fault> {
    if zone == &TimeZone::UTC || !at.date.is_finite() {
        return Ok(at);
    }
    let seconds = at.time_us / 1_000_000;
    let small = |number: i64| i8::try_from(number).map_err(|_| RANGE);
    let Date { year, month, day } = at.date;
    let civil = jiff::civil::DateTime::new(
        i16::try_from(year).ok().filter(|year| *year > 0).ok_or(RANGE)?,
        small(i64::from(month))?,
        small(i64::from(day))?,
        small(seconds / 3_600)?,
        small(seconds / 60 % 60)?,
        small(seconds % 60)?,
        0,
    )
    .map_err(|_| RANGE)?;
    let offset = match zone.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset,
        // In a gap the standard time of before the change, in a fold the standard time of after it.
        AmbiguousOffset::Gap { before, .. } => before,
        AmbiguousOffset::Fold { after, .. } => after,
    };
    let us = crate::value::calendar::moment_us(at).ok_or(RANGE)?;
    let shifted = us.checked_sub(i64::from(offset.seconds()) * 1_000_000).ok_or(RANGE)?;
    crate::value::calendar::moment_of(shifted).ok_or(RANGE)
}
