//! DECIMAL in MySQL's binary format, to all 65 digits, exactly.
//!
//! Nine digits take four bytes, fewer take less, most significant first; the first bit is the inverted sign and every bit of a
//! negative number is inverted. Goes in: the bytes with precision and scale. Comes out: a [`Decimal`] of that scale.

use num_bigint::BigInt;

use super::reader::{Reader, malformed};
use crate::error::Result;
use crate::value::Decimal;

/// Bytes that `digits` (0 to 9) leading or trailing digits take.
const BYTES_OF_DIGITS: [usize; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];

/// How many bytes a DECIMAL(precision, scale) takes.
///
/// # Errors
/// The scale is above the precision, or the precision above 81 (nine groups), which no server writes.
pub fn width(precision: u8, scale: u8) -> Result<usize> {
    let integer =
        precision.checked_sub(scale).filter(|_| precision <= 81).ok_or_else(|| malformed("a decimal has a false precision"))?;
    Ok(part_width(integer) + part_width(scale))
}

/// Reads one DECIMAL(precision, scale).
///
/// # Errors
/// The bytes end early, or hold no decimal digits.
pub fn decimal(reader: &mut Reader<'_>, precision: u8, scale: u8) -> Result<Decimal> {
    let width = width(precision, scale)?;
    let mut bytes = [0_u8; 40];
    let bytes = bytes.get_mut(..width).ok_or_else(|| malformed("a decimal is too long"))?;
    bytes.copy_from_slice(reader.bytes(width)?);
    let Some(first) = bytes.first_mut() else {
        return Ok(Decimal::from_i64(0));
    };
    let negative = *first & 0x80 == 0;
    *first ^= 0x80;
    if negative {
        bytes.iter_mut().for_each(|byte| *byte = !*byte);
    }
    let mut digits = Digits::default();
    let mut reader = Reader::new(bytes);
    let integer = usize::from(precision - scale);
    digits.group(&mut reader, integer % 9)?;
    for _ in 0..integer / 9 + usize::from(scale) / 9 {
        digits.group(&mut reader, 9)?;
    }
    digits.group(&mut reader, usize::from(scale) % 9)?;
    Ok(digits.finish(negative, u16::from(scale)))
}

fn part_width(digits: u8) -> usize {
    usize::from(digits / 9) * 4 + BYTES_OF_DIGITS.get(usize::from(digits % 9)).copied().unwrap_or(0)
}

/// Groups of decimal digits, summed in 128 bits as long as they fit.
#[derive(Default)]
struct Digits {
    small: i128,
    small_digits: usize,
    big: Option<BigInt>,
}

impl Digits {
    fn group(&mut self, reader: &mut Reader<'_>, digits: usize) -> Result<()> {
        if digits == 0 {
            return Ok(());
        }
        let value = reader.big(BYTES_OF_DIGITS.get(digits).copied().unwrap_or(0))?;
        let power = 10_u64.pow(u32::try_from(digits).unwrap_or(0));
        if value >= power {
            return Err(malformed("a decimal holds a false digit group"));
        }
        match &mut self.big {
            Some(big) => *big = std::mem::take(big) * power + value,
            None if self.small_digits + digits <= 38 => self.small = self.small * i128::from(power) + i128::from(value),
            None => self.big = Some(BigInt::from(self.small) * power + value),
        }
        self.small_digits += digits;
        Ok(())
    }

    fn finish(self, negative: bool, scale: u16) -> Decimal {
        let magnitude = self.big.unwrap_or_else(|| BigInt::from(self.small));
        Decimal::from_unscaled(if negative { -magnitude } else { magnitude }, scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8], precision: u8, scale: u8) -> String {
        decimal(&mut Reader::new(bytes), precision, scale).unwrap().to_string()
    }

    #[test]
    fn f71_the_examples_of_the_format() {
        // 1234567890.1234 as DECIMAL(14,4), the example in the server's own source.
        assert_eq!(text(&[0x81, 0x0d, 0xfb, 0x38, 0xd2, 0x04, 0xd2], 14, 4), "1234567890.1234");
        assert_eq!(text(&[0x7e, 0xf2, 0x04, 0xc7, 0x2d, 0xfb, 0x2d], 14, 4), "-1234567890.1234");
        assert_eq!(text(&[0x80, 0x00], 3, 2), "0.00");
    }

    #[test]
    fn a_false_group_is_an_error() {
        assert!(decimal(&mut Reader::new(&[0xff, 0xff, 0xff, 0xff]), 9, 0).is_err());
    }
}
