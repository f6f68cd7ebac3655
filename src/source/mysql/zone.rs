//! The session time zone: TIMESTAMP values of the log become the date-times that the session would show.
//!
//! Goes in: microseconds since 1970 as the log stores them. Comes out: the local date-time. The zero timestamp stays zero.
//! Named zones come from the zone database of the machine the engine runs on; `SYSTEM` is refused, because it means another
//! machine's zone.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use crate::error::{Class, Error, Result};
use crate::value::{Date, DateTime};

/// A session time zone.
#[derive(Debug, Clone)]
pub struct SessionZone(TimeZone);

impl SessionZone {
    /// Reads `+09:00`, `-03:30`, `UTC` or a zone name such as `Asia/Seoul`.
    ///
    /// # Errors
    /// The zone is `SYSTEM`, or neither an offset nor a name that the zone database knows.
    pub fn parse(text: &str) -> Result<Self> {
        let refused = |why: &str| {
            Error::new(Class::Preflight, format!("cannot use session time zone '{text}': {why}"))
                .with_hint("set `session.time_zone` of the source to an offset such as \"+09:00\"")
        };
        if text.eq_ignore_ascii_case("system") {
            return Err(refused("it means the zone of another machine"));
        }
        if let Some(seconds) = parse_offset(text) {
            let offset = Offset::from_seconds(seconds).map_err(|_| refused("the offset is out of range"))?;
            return Ok(Self(TimeZone::fixed(offset)));
        }
        if text.eq_ignore_ascii_case("utc") {
            return Ok(Self(TimeZone::UTC));
        }
        let zone =
            TimeZone::get(text).map_err(|cause| refused("the zone database of this machine does not know it").because(cause))?;
        Ok(Self(zone))
    }

    /// The local date-time of `epoch_us`; 0 is the zero timestamp.
    ///
    /// # Errors
    /// The instant lies outside the years 0 to 9999.
    pub fn datetime(&self, epoch_us: i64) -> Result<DateTime> {
        if epoch_us == 0 {
            return Ok(DateTime { date: Date { year: 0, month: 0, day: 0 }, time_us: 0 });
        }
        let instant = Timestamp::from_microsecond(epoch_us)
            .map_err(|cause| Error::new(Class::Person, "a timestamp is out of range").because(cause))?;
        let local = self.0.to_datetime(instant);
        let seconds = (i64::from(local.hour()) * 60 + i64::from(local.minute())) * 60 + i64::from(local.second());
        let date = Date { year: i32::from(local.year()), month: local.month().unsigned_abs(), day: local.day().unsigned_abs() };
        Ok(DateTime { date, time_us: seconds * 1_000_000 + i64::from(local.subsec_nanosecond()) / 1000 })
    }
}

impl SessionZone {
    /// Instants, seconds since 1970, at which another database of zones would differ if it differs at all before `end`: both sides of every
    /// change of this zone, and every week. None for a zone of fixed offset, which needs no database.
    #[must_use]
    pub fn probes(&self, end: i64) -> Vec<i64> {
        const WEEK_S: i64 = 7 * 86_400;
        if self.0.to_fixed_offset().is_ok() {
            return Vec::new();
        }
        let changes = self.0.following(Timestamp::UNIX_EPOCH).map(|change| change.timestamp().as_second());
        let changes = changes.take_while(|second| *second < end).flat_map(|second| [second - 1, second]);
        let mut probes: Vec<i64> =
            changes.chain((0..end / WEEK_S).map(|week| week * WEEK_S + 1)).filter(|second| *second > 0).collect();
        probes.sort_unstable();
        probes.dedup();
        probes
    }
}

/// Seconds east of Greenwich of `+09:00`, `-3:30`; `None` if the text is no offset.
fn parse_offset(text: &str) -> Option<i32> {
    let (sign, digits) = match text.strip_prefix('+') {
        Some(digits) => (1, digits),
        None => (-1, text.strip_prefix('-')?),
    };
    let (hours, minutes) = digits.split_once(':')?;
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 14 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(zone: &str, epoch_us: i64) -> (i32, u8, u8, i64) {
        let value = SessionZone::parse(zone).unwrap().datetime(epoch_us).unwrap();
        (value.date.year, value.date.month, value.date.day, value.time_us)
    }

    #[test]
    fn f64_timestamps_take_the_session_zone() {
        assert_eq!(at("+00:00", 1_000_000), (1970, 1, 1, 1_000_000));
        assert_eq!(at("+09:00", 1_000_000), (1970, 1, 1, 9 * 3_600_000_000 + 1_000_000));
        assert_eq!(at("-03:30", 1), (1969, 12, 31, (20 * 60 + 30) * 60_000_000 + 1));
        assert_eq!(at("+09:00", 0), (0, 0, 0, 0));
    }

    #[test]
    fn f65_daylight_saving_edges_of_named_zones() {
        // 2024-03-10 02:00 in St. John's jumps to 03:00; Seoul has no daylight saving.
        assert_eq!(at("America/St_Johns", 1_710_048_600_000_000 - 1), (2024, 3, 10, 2 * 3_600_000_000 - 1));
        assert_eq!(at("America/St_Johns", 1_710_048_600_000_000), (2024, 3, 10, 3 * 3_600_000_000));
        assert_eq!(at("Asia/Seoul", 1_710_048_600_000_000), (2024, 3, 10, 14 * 3_600_000_000 + 30 * 60_000_000));
    }

    #[test]
    fn f65_probes_stand_on_both_sides_of_every_change() {
        let probes = SessionZone::parse("Asia/Seoul").unwrap().probes(i64::from(i32::MAX));
        // 1987-05-10 02:00 local time, the first of its four changes after 1970.
        assert!(probes.contains(&547_578_000) && probes.contains(&547_577_999), "{:?}", probes.len());
        assert!(probes.len() > 3_000);
        assert!(SessionZone::parse("+09:00").unwrap().probes(i64::from(i32::MAX)).is_empty());
    }

    #[test]
    fn the_system_zone_is_refused() {
        assert!(SessionZone::parse("SYSTEM").is_err());
        assert!(SessionZone::parse("Nowhere/City").is_err());
    }
}
