//! The binary form of `numeric`: base-10000 digits with a weight, a sign and a display scale.
//!
//! [`encode`] and [`decode`] are exact in both directions, the scale included. What is not well formed does not decode.

use num_bigint::BigInt;

use crate::value::{Decimal, NonFinite, Value};

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xc000;
const INFINITY: u16 = 0xd000;
const NEGATIVE_INFINITY: u16 = 0xf000;
/// The largest display scale of PostgreSQL.
const SCALE_MAX: u16 = 16_383;
/// Below it, a magnitude times 1,000 still fits 128 bits.
const NARROW_MAX: u128 = 100_000_000_000_000_000_000_000_000_000_000_000;

/// Appends the binary form; `None` if PostgreSQL cannot hold the decimal.
pub(super) fn encode(decimal: &Decimal, out: &mut Vec<u8>) -> Option<()> {
    let scale = decimal.scale();
    if scale > SCALE_MAX {
        return None;
    }
    let fraction_groups = scale.div_ceil(4);
    let padding = fraction_groups * 4 - scale;
    let mut groups = match decimal.small() {
        Some(unscaled) if unscaled.unsigned_abs() < NARROW_MAX => groups_narrow(unscaled.unsigned_abs(), padding),
        _ => groups_wide(&decimal.unscaled().magnitude().to_string(), padding)?,
    };
    // `groups` runs from the least significant group; zeros at both ends are not stored.
    while groups.last() == Some(&0) {
        groups.pop();
    }
    let weight = if groups.is_empty() { 0 } else { i32::try_from(groups.len()).ok()? - i32::from(fraction_groups) - 1 };
    let trailing = groups.iter().take_while(|group| **group == 0).count();
    let sign = if decimal.is_negative() { NEGATIVE } else { 0 };
    out.extend_from_slice(&i16::try_from(groups.len() - trailing).ok()?.to_be_bytes());
    out.extend_from_slice(&i16::try_from(weight).ok()?.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&scale.to_be_bytes());
    for group in groups.iter().skip(trailing).rev() {
        out.extend_from_slice(&group.to_be_bytes());
    }
    Some(())
}

fn groups_narrow(magnitude: u128, padding: u16) -> Vec<u16> {
    let mut rest = magnitude * 10_u128.pow(u32::from(padding));
    let mut groups = Vec::with_capacity(10);
    while rest > 0 {
        groups.push((rest % 10_000) as u16);
        rest /= 10_000;
    }
    groups
}

fn groups_wide(digits: &str, padding: u16) -> Option<Vec<u16>> {
    let padded = format!("{digits}{:0width$}", "", width = usize::from(padding)).replace(' ', "0");
    padded.as_bytes().rchunks(4).map(|chunk| std::str::from_utf8(chunk).ok()?.parse().ok()).collect()
}

/// Appends the binary form of NaN or an infinity.
pub(super) fn encode_non_finite(number: NonFinite, out: &mut Vec<u8>) {
    let sign = match number {
        NonFinite::NaN => NAN,
        NonFinite::Infinity => INFINITY,
        NonFinite::NegativeInfinity => NEGATIVE_INFINITY,
    };
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&[0; 2]);
}

/// The value of a binary `numeric`; `None` for malformed bytes.
pub(super) fn decode(bytes: &[u8]) -> Option<Value> {
    // The server sets a display scale for the infinities that means nothing.
    let sign = bytes.get(4..6).and_then(|sign| sign.try_into().ok()).map(u16::from_be_bytes);
    match (sign, bytes.len()) {
        (Some(NAN), 8) => Some(Value::NonFinite(NonFinite::NaN)),
        (Some(INFINITY), 8) => Some(Value::NonFinite(NonFinite::Infinity)),
        (Some(NEGATIVE_INFINITY), 8) => Some(Value::NonFinite(NonFinite::NegativeInfinity)),
        _ => decode_finite(bytes).map(Value::Decimal),
    }
}

fn decode_finite(bytes: &[u8]) -> Option<Decimal> {
    let mut words = bytes.chunks(2).map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?)));
    let stored = usize::from(words.next()??);
    let weight = i64::from(words.next()??.cast_signed());
    let negative = match words.next()?? {
        0 => false,
        NEGATIVE => true,
        _ => return None,
    };
    let scale = words.next()??;
    let groups: Vec<u16> = words.collect::<Option<_>>()?;
    if groups.len() != stored {
        return None;
    }
    // The last stored group stands for 10000^(weight - stored + 1); shift it to units of 10^-scale.
    let shift = (weight - i64::try_from(stored).ok()? + 1) * 4 + i64::from(scale);
    if let (true, Ok(power)) = (stored <= 5, u32::try_from(shift))
        && power <= 16
    {
        let magnitude = groups.iter().fold(0_i128, |sum, group| sum * 10_000 + i128::from(*group)) * 10_i128.pow(power);
        return Some(Decimal::from_small(if negative { -magnitude } else { magnitude }, scale));
    }
    let magnitude = if stored == 0 { BigInt::ZERO } else { shifted(&groups, shift)? };
    Some(Decimal::from_unscaled(if negative { -magnitude } else { magnitude }, scale))
}

/// The integer of the groups, times 10^`shift`; digits that a negative shift drops must be zeros.
fn shifted(groups: &[u16], shift: i64) -> Option<BigInt> {
    let mut digits: String = groups.iter().map(|group| format!("{group:04}")).collect();
    if let Ok(zeros) = usize::try_from(shift) {
        digits.extend(std::iter::repeat_n('0', zeros));
    } else {
        let kept = digits.len().checked_sub(usize::try_from(-shift).ok()?)?;
        let (head, tail) = digits.split_at_checked(kept)?;
        if tail.bytes().any(|digit| digit != b'0') {
            return None;
        }
        digits = format!("0{head}");
    }
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_comes_back_with_its_scale() {
        let long = "9".repeat(65);
        for unscaled in
            ["0", "1", "-1", "9999", "10000", "123456789", "-100000000", "99999999999999999999999999999999999999", long.as_str()]
        {
            for scale in [0, 1, 2, 3, 4, 5, 8, 30, 37, 200] {
                let value = Decimal::from_unscaled(unscaled.parse().unwrap(), scale);
                let mut bytes = Vec::new();
                encode(&value, &mut bytes).unwrap();
                assert_eq!(decode(&bytes).unwrap(), Value::Decimal(value), "{unscaled} scale {scale}");
            }
        }
    }

    #[test]
    fn bytes_are_those_of_the_server() {
        // select numeric_send(12345.678::numeric)
        let mut bytes = Vec::new();
        encode(&Decimal::from_small(12_345_678, 3), &mut bytes).unwrap();
        assert_eq!(bytes, [0, 3, 0, 1, 0, 0, 0, 3, 0, 1, 0x09, 0x29, 0x1a, 0x7c]);
    }

    #[test]
    fn nan_and_infinities_come_back_and_torn_bytes_do_not_decode() {
        for number in [NonFinite::NaN, NonFinite::Infinity, NonFinite::NegativeInfinity] {
            let mut bytes = Vec::new();
            encode_non_finite(number, &mut bytes);
            assert_eq!(decode(&bytes), Some(Value::NonFinite(number)));
        }
        for bytes in [&[0, 1, 0, 0, 0, 0, 0, 0][..], &[0], &[0, 1, 0, 0, 0xc0, 0, 0, 0, 0, 0]] {
            assert_eq!(decode(bytes), None);
        }
    }
}
