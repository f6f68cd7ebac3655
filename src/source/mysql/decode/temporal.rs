//! Dates and times of the log, in the formats of MySQL 5.6 and later and in the older ones.
//!
//! Goes in: the bytes of one value. Comes out: [`Date`], [`DateTime`], [`Time`], zero and partly zero ones included, or the
//! microseconds since 1970 of a TIMESTAMP. Nothing is normalised and no zone is applied.

use super::reader::{Reader, malformed};
use crate::error::Result;
use crate::value::{Date, DateTime, Time};

const SECOND_US: i64 = 1_000_000;

/// DATE: three bytes, day in 5 bits, month in 4, year above.
///
/// # Errors
/// The bytes end early.
pub fn date(reader: &mut Reader<'_>) -> Result<Date> {
    let packed = reader.u24()?;
    Ok(date_of(packed >> 9, (packed >> 5) & 15, packed & 31))
}

/// DATETIME(fraction) since 5.6: 5 bytes most significant first, then the fraction.
///
/// # Errors
/// The bytes end early, or the value is negative.
pub fn datetime2(reader: &mut Reader<'_>, fraction: u8) -> Result<DateTime> {
    let packed = reader.big(5)?.checked_sub(0x80_0000_0000).ok_or_else(|| malformed("a datetime is negative"))?;
    let fraction_us = positive_fraction(reader, fraction)?;
    Ok(unpack_datetime(packed, fraction_us))
}

/// TIMESTAMP(fraction) since 5.6: microseconds since 1970; 0 is the zero timestamp.
///
/// # Errors
/// The bytes end early.
pub fn timestamp2(reader: &mut Reader<'_>, fraction: u8) -> Result<i64> {
    let seconds = reader.big(4)?.cast_signed();
    Ok(seconds * SECOND_US + positive_fraction(reader, fraction)?)
}

/// TIME(fraction) since 5.6: seconds and fraction are one signed number above an offset.
///
/// # Errors
/// The bytes end early.
pub fn time2(reader: &mut Reader<'_>, fraction: u8) -> Result<Time> {
    let width = fraction_width(fraction)?;
    let bits = 8 * u32::try_from(width).unwrap_or(0);
    let wide = (reader.big(3 + width)?).cast_signed() - (0x80_0000_i64 << bits);
    let magnitude = wide.abs();
    let (whole, part) = (magnitude >> bits, magnitude & ((1_i64 << bits) - 1));
    let seconds = ((whole >> 12) & 0x3ff) * 3600 + ((whole >> 6) & 63) * 60 + (whole & 63);
    let absolute_us = seconds * SECOND_US + part * unit_us(width);
    Ok(Time(if wide < 0 { -absolute_us } else { absolute_us }))
}

/// DATETIME before 5.6: decimal digits `YYYYMMDDhhmmss` in eight bytes.
///
/// # Errors
/// The bytes end early, or the digits are no date-time.
pub fn datetime_old(reader: &mut Reader<'_>) -> Result<DateTime> {
    let packed = reader.u64()?;
    let (day, clock) = (packed / 1_000_000, packed % 1_000_000);
    let day = u32::try_from(day).map_err(|_| malformed("a datetime is out of range"))?;
    let seconds = clock / 10_000 * 3600 + clock / 100 % 100 * 60 + clock % 100;
    Ok(DateTime { date: date_of(day / 10_000, day / 100 % 100, day % 100), time_us: seconds.cast_signed() * SECOND_US })
}

/// TIMESTAMP before 5.6: seconds, least significant byte first; as microseconds since 1970.
///
/// # Errors
/// The bytes end early.
pub fn timestamp_old(reader: &mut Reader<'_>) -> Result<i64> {
    Ok(i64::from(reader.u32()?) * SECOND_US)
}

/// TIME before 5.6: decimal digits `hhmmss` as a signed 3-byte number.
///
/// # Errors
/// The bytes end early.
pub fn time_old(reader: &mut Reader<'_>) -> Result<Time> {
    let raw = i64::from(reader.u24()?);
    let signed = if raw >= 0x80_0000 { raw - 0x100_0000 } else { raw };
    let digits = signed.abs();
    let seconds = digits / 10_000 * 3600 + digits / 100 % 100 * 60 + digits % 100;
    Ok(Time(signed.signum() * seconds * SECOND_US))
}

/// The packed 64-bit DATE or DATETIME inside a binary JSON value.
#[must_use]
pub fn json_datetime(packed: u64) -> DateTime {
    unpack_datetime(packed >> 24, (packed & 0xff_ffff).cast_signed())
}

/// The packed 64-bit TIME inside a binary JSON value.
#[must_use]
pub fn json_time(packed: i64) -> Time {
    let magnitude = packed.abs();
    let whole = magnitude >> 24;
    let seconds = ((whole >> 12) & 0x3ff) * 3600 + ((whole >> 6) & 63) * 60 + (whole & 63);
    let absolute_us = seconds * SECOND_US + (magnitude & 0xff_ffff);
    Time(if packed < 0 { -absolute_us } else { absolute_us })
}

/// How many bytes the fraction of a type since 5.6 takes.
///
/// # Errors
/// More than six digits.
pub fn fraction_width(fraction: u8) -> Result<usize> {
    if fraction > 6 {
        return Err(malformed("a time has more than six digits after the second"));
    }
    Ok(usize::from(fraction).div_ceil(2))
}

fn unit_us(width: usize) -> i64 {
    match width {
        1 => 10_000,
        2 => 100,
        _ => 1,
    }
}

fn positive_fraction(reader: &mut Reader<'_>, fraction: u8) -> Result<i64> {
    let width = fraction_width(fraction)?;
    Ok(reader.big(width)?.cast_signed() * unit_us(width))
}

/// `packed`: year times 13 plus month in 17 bits, day 5, hour 5, minute 6, second 6.
fn unpack_datetime(packed: u64, fraction_us: i64) -> DateTime {
    let (day_part, clock) = (packed >> 17, (packed & 0x1_ffff).cast_signed());
    let months = u32::try_from(day_part >> 5).unwrap_or(0);
    let day = u32::try_from(day_part & 31).unwrap_or(0);
    let seconds = (clock >> 12) * 3600 + ((clock >> 6) & 63) * 60 + (clock & 63);
    DateTime { date: date_of(months / 13, months % 13, day), time_us: seconds * SECOND_US + fraction_us }
}

fn date_of(year: u32, month: u32, day: u32) -> Date {
    Date { year: year.cast_signed(), month: u8::try_from(month).unwrap_or(u8::MAX), day: u8::try_from(day).unwrap_or(u8::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f68_time_at_both_ends_and_negative_fractions() {
        // -838:59:59, 838:59:59 and -00:00:00.001 as MariaDB 10.11 writes them.
        assert_eq!(time2(&mut Reader::new(&[0x4b, 0x91, 0x05]), 0).unwrap(), Time(-3_020_399 * SECOND_US));
        assert_eq!(time2(&mut Reader::new(&[0xb4, 0x6e, 0xfb]), 0).unwrap(), Time(3_020_399 * SECOND_US));
        assert_eq!(time2(&mut Reader::new(&[0x7f, 0xff, 0xff, 0xff, 0xf6]), 3).unwrap(), Time(-1000));
    }

    #[test]
    fn formats_before_5_6() {
        let digits = 20_240_131_102_030_u64.to_le_bytes();
        let value = datetime_old(&mut Reader::new(&digits)).unwrap();
        assert_eq!((value.date, value.time_us), (date_of(2024, 1, 31), (10 * 3600 + 20 * 60 + 30) * SECOND_US));
        assert_eq!(time_old(&mut Reader::new(&[0xff, 0xff, 0xff])).unwrap(), Time(-SECOND_US));
        assert_eq!(timestamp_old(&mut Reader::new(&[1, 0, 0, 0])).unwrap(), SECOND_US);
    }
}
