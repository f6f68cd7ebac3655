//! Exact decimals: an integer of any size and a scale.
//!
//! In: text, integers, digits with a scale. Out: the same digits, never rounded unless a method says so. `PartialEq` is
//! structural (`1.0` and `1.00` differ, as their text differs); [`Decimal::compare`] is by value. There is no negative zero.
//! Digits that fit 128 bits stay there; everything larger falls back to a big integer with the same results.
//! What precision and scale a result should have by a server's rules is decided by the callers.

use std::cmp::Ordering;
use std::fmt;

use num_bigint::{BigInt, Sign};

/// An exact decimal with its scale.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Decimal(Packed);

/// Rows are mostly made of values that are no decimals: in this form, with the scale beside the tag and halves instead of a number that
/// asks for 16-byte alignment, a decimal does not make every other value larger.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Packed {
    Small { scale: u16, halves: [u64; 2] },
    Large { scale: u16, number: Box<BigInt> },
}

/// The unscaled integer while it is computed with; `Large` only where `Small` cannot hold it, so that equal numbers are structurally equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Digits {
    Small(i128),
    Large(Box<BigInt>),
}

/// How a division or a cut treats what is left over.
#[derive(Clone, Copy)]
enum Rounding {
    HalfAway,
    Truncate,
    Floor,
    Ceiling,
}

impl Digits {
    fn from_big(number: BigInt) -> Self {
        i128::try_from(&number).map_or_else(|_| Self::Large(Box::new(number)), Self::Small)
    }

    fn to_big(&self) -> BigInt {
        match self {
            Self::Small(number) => BigInt::from(*number),
            Self::Large(number) => (**number).clone(),
        }
    }

    fn is_negative(&self) -> bool {
        match self {
            Self::Small(number) => *number < 0,
            Self::Large(number) => number.sign() == Sign::Minus,
        }
    }
}

impl Decimal {
    /// Reads `[+-]digits[.digits]`; the digits after the point become the scale. `None` for anything else, exponents included.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.as_bytes().first()? {
            b'-' => (true, text.get(1..)?),
            b'+' => (false, text.get(1..)?),
            _ => (false, text),
        };
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let only_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !only_digits(whole) || !only_digits(fraction) {
            return None;
        }
        let scale = u16::try_from(fraction.len()).ok()?;
        // 38 digits always fit an i128; one more may not.
        let digits = if whole.len() + fraction.len() <= 38 {
            let magnitude = whole.bytes().chain(fraction.bytes()).fold(0_i128, |sum, byte| sum * 10 + i128::from(byte - b'0'));
            Digits::Small(if negative { -magnitude } else { magnitude })
        } else {
            let magnitude = BigInt::parse_bytes(format!("{whole}{fraction}").as_bytes(), 10)?;
            Digits::from_big(if negative { -magnitude } else { magnitude })
        };
        Some(Self::of(digits, scale))
    }

    /// A signed integer, scale 0.
    #[must_use]
    pub fn from_i64(number: i64) -> Self {
        Self::of(Digits::Small(i128::from(number)), 0)
    }

    /// An unsigned integer, scale 0.
    #[must_use]
    pub fn from_u64(number: u64) -> Self {
        Self::of(Digits::Small(i128::from(number)), 0)
    }

    /// `unscaled` / 10^`scale`.
    #[must_use]
    pub fn from_unscaled(unscaled: BigInt, scale: u16) -> Self {
        Self::of(Digits::from_big(unscaled), scale)
    }

    /// `unscaled` / 10^`scale`, without a big integer on the way.
    #[must_use]
    pub fn from_small(unscaled: i128, scale: u16) -> Self {
        Self::of(Digits::Small(unscaled), scale)
    }

    /// All digits as one integer: the value times 10^scale.
    #[must_use]
    pub fn unscaled(&self) -> BigInt {
        self.number().to_big()
    }

    /// All digits as one integer, where 128 bits hold them.
    #[must_use]
    pub fn small(&self) -> Option<i128> {
        match self.0 {
            Packed::Small { halves, .. } => Some(joined(halves)),
            Packed::Large { .. } => None,
        }
    }

    /// Digits after the point.
    #[must_use]
    pub fn scale(&self) -> u16 {
        match self.0 {
            Packed::Small { scale, .. } | Packed::Large { scale, .. } => scale,
        }
    }

    /// The smallest precision of a `DECIMAL(precision, scale)` that holds this value; at least 1.
    #[must_use]
    pub fn digits(&self) -> u32 {
        let length = match &self.number() {
            Digits::Small(0) => 1,
            Digits::Small(number) => number.unsigned_abs().ilog10() + 1,
            Digits::Large(number) => u32::try_from(number.magnitude().to_string().len()).unwrap_or(u32::MAX),
        };
        length.max(u32::from(self.scale()))
    }

    /// Whether all digits as one integer are 10^`precision` or more, of either sign.
    #[must_use]
    pub fn is_beyond(&self, precision: u32) -> bool {
        match (self.small(), small_power_of_ten(precision)) {
            (Some(number), Some(power)) => number.unsigned_abs() >= power.unsigned_abs(),
            // 128 bits hold less than the first power that they do not hold.
            (Some(_), None) => false,
            _ => self.unscaled().magnitude() >= power_of_ten(precision).magnitude(),
        }
    }

    /// Whether the value is zero, at any scale.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        matches!(self.0, Packed::Small { halves: [0, 0], .. })
    }

    /// Whether the value is below zero.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.number().is_negative()
    }

    /// The exact sum; the larger scale.
    #[must_use]
    pub fn add(&self, other: &Self) -> Self {
        let scale = self.scale().max(other.scale());
        if let (Some(left), Some(right)) = (self.small_at(scale), other.small_at(scale))
            && let Some(sum) = left.checked_add(right)
        {
            return Self::from_small(sum, scale);
        }
        Self::from_unscaled(self.big_at(scale) + other.big_at(scale), scale)
    }

    /// The exact difference; the larger scale.
    #[must_use]
    pub fn sub(&self, other: &Self) -> Self {
        self.add(&other.neg())
    }

    /// The exact product; the sum of the scales (at most 65,535, where digits past it are cut).
    #[must_use]
    pub fn mul(&self, other: &Self) -> Self {
        let scale = u32::from(self.scale()) + u32::from(other.scale());
        let digits = match (self.small(), other.small()) {
            (Some(left), Some(right)) => left.checked_mul(right).map(Digits::Small),
            _ => None,
        };
        let digits = digits.unwrap_or_else(|| Digits::from_big(self.unscaled() * other.unscaled()));
        match u16::try_from(scale) {
            Ok(scale) => Self::of(digits, scale),
            Err(_) => {
                let excess = scale - u32::from(u16::MAX);
                Self::of(cut(&digits, excess, Rounding::Truncate), u16::MAX)
            }
        }
    }

    /// The quotient cut (not rounded) to `scale` digits after the point; `None` if `other` is zero.
    #[must_use]
    pub fn div(&self, other: &Self, scale: u16) -> Option<Self> {
        if other.is_zero() {
            return None;
        }
        let shift = i64::from(scale) + i64::from(other.scale()) - i64::from(self.scale());
        let (up, down) = (u32::try_from(shift).unwrap_or(0), u32::try_from(-shift).unwrap_or(0));
        if let (Some(left), Some(right)) = (self.small(), other.small())
            && let (Some(up), Some(down)) = (small_power_of_ten(up), small_power_of_ten(down))
            && let (Some(left), Some(right)) = (left.checked_mul(up), right.checked_mul(down))
            && let Some(quotient) = left.checked_div(right)
        {
            return Some(Self::from_small(quotient, scale));
        }
        let quotient = (self.unscaled() * power_of_ten(up)) / (other.unscaled() * power_of_ten(down));
        Some(Self::from_unscaled(quotient, scale))
    }

    /// The remainder of the truncating integer division, with the sign of `self` and the larger scale; `None` if `other` is zero.
    #[must_use]
    pub fn rem(&self, other: &Self) -> Option<Self> {
        if other.is_zero() {
            return None;
        }
        let scale = self.scale().max(other.scale());
        if let (Some(left), Some(right)) = (self.small_at(scale), other.small_at(scale))
            && let Some(rest) = left.checked_rem(right)
        {
            return Some(Self::from_small(rest, scale));
        }
        Some(Self::from_unscaled(self.big_at(scale) % other.big_at(scale), scale))
    }

    /// The value with the other sign.
    #[must_use]
    pub fn neg(&self) -> Self {
        let digits = match &self.number() {
            Digits::Small(number) => number.checked_neg().map_or_else(|| Digits::from_big(-BigInt::from(*number)), Digits::Small),
            Digits::Large(number) => Digits::from_big(-(**number).clone()),
        };
        Self::of(digits, self.scale())
    }

    /// The value without its sign.
    #[must_use]
    pub fn abs(&self) -> Self {
        if self.is_negative() { self.neg() } else { self.clone() }
    }

    /// The value at exactly `scale` digits: rounded half away from zero, or filled with zeros.
    #[must_use]
    pub fn round(&self, scale: u16) -> Self {
        self.at_scale(scale, Rounding::HalfAway)
    }

    /// The value at exactly `scale` digits: cut towards zero, or filled with zeros.
    #[must_use]
    pub fn truncate(&self, scale: u16) -> Self {
        self.at_scale(scale, Rounding::Truncate)
    }

    /// Rounds half away from zero `places` digits left of the point, e.g. 1250 at 2 is 1300; scale 0.
    #[must_use]
    pub fn round_left(&self, places: u16) -> Self {
        self.left_of_point(places, Rounding::HalfAway)
    }

    /// Replaces everything right of the `places` digits left of the point by zeros, e.g. 1290 at 2 is 1200; scale 0.
    #[must_use]
    pub fn truncate_left(&self, places: u16) -> Self {
        self.left_of_point(places, Rounding::Truncate)
    }

    /// The largest integer not above the value; scale 0.
    #[must_use]
    pub fn floor(&self) -> Self {
        self.at_scale(0, Rounding::Floor)
    }

    /// The smallest integer not below the value; scale 0.
    #[must_use]
    pub fn ceil(&self) -> Self {
        self.at_scale(0, Rounding::Ceiling)
    }

    /// The value rounded half away from zero; `None` outside the range.
    #[must_use]
    pub fn to_i64(&self) -> Option<i64> {
        self.round(0).small().and_then(|number| i64::try_from(number).ok())
    }

    /// The value rounded half away from zero; `None` outside the range.
    #[must_use]
    pub fn to_u64(&self) -> Option<u64> {
        self.round(0).small().and_then(|number| u64::try_from(number).ok())
    }

    /// The nearest double; infinite beyond its range.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        // The standard parser rounds correctly, which a division of two doubles would not.
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// The order by value, whatever the scales.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Ordering {
        let scale = self.scale().max(other.scale());
        if let (Some(left), Some(right)) = (self.small_at(scale), other.small_at(scale)) {
            return left.cmp(&right);
        }
        self.big_at(scale).cmp(&other.big_at(scale))
    }

    fn of(digits: Digits, scale: u16) -> Self {
        Self(match digits {
            // The low half is cut off on purpose; the high half keeps the sign.
            Digits::Small(number) => Packed::Small { scale, halves: [(number >> 64) as u64, number as u64] },
            Digits::Large(number) => Packed::Large { scale, number },
        })
    }

    fn number(&self) -> Digits {
        match &self.0 {
            Packed::Small { halves, .. } => Digits::Small(joined(*halves)),
            Packed::Large { number, .. } => Digits::Large(number.clone()),
        }
    }

    fn at_scale(&self, scale: u16, rounding: Rounding) -> Self {
        if scale >= self.scale() {
            let digits = self.small_at(scale).map_or_else(|| Digits::from_big(self.big_at(scale)), Digits::Small);
            return Self::of(digits, scale);
        }
        Self::of(cut(&self.number(), u32::from(self.scale() - scale), rounding), scale)
    }

    fn left_of_point(&self, places: u16, rounding: Rounding) -> Self {
        let kept = cut(&self.number(), u32::from(self.scale()) + u32::from(places), rounding);
        Self::from_unscaled(kept.to_big() * power_of_ten(u32::from(places)), 0)
    }

    /// The unscaled integer at a scale not below the own one, where 128 bits hold it.
    fn small_at(&self, scale: u16) -> Option<i128> {
        let factor = small_power_of_ten(u32::from(scale.checked_sub(self.scale())?))?;
        self.small()?.checked_mul(factor)
    }

    /// The unscaled integer at a scale not below the own one.
    fn big_at(&self, scale: u16) -> BigInt {
        self.unscaled() * power_of_ten(u32::from(scale.saturating_sub(self.scale())))
    }
}

fn joined([high, low]: [u64; 2]) -> i128 {
    (i128::from(high) << 64) | i128::from(low)
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decimal({self})")
    }
}

/// 10^`exponent`, where 128 bits hold it. Multiplications of 128 bits are slow, and seldom needed.
fn small_power_of_ten(exponent: u32) -> Option<i128> {
    if exponent <= 18 { Some(i128::from(10_i64.pow(exponent))) } else { 10_i128.checked_pow(exponent) }
}

fn power_of_ten(exponent: u32) -> BigInt {
    BigInt::from(10).pow(exponent)
}

/// Drops the last `places` digits of an integer.
fn cut(digits: &Digits, places: u32, rounding: Rounding) -> Digits {
    if let (Digits::Small(number), Some(divisor)) = (digits, small_power_of_ten(places)) {
        let (quotient, rest) = (number / divisor, number % divisor);
        let away = match rounding {
            // `rest` is below `divisor` in size, so that the subtraction cannot overflow where doubling could.
            Rounding::HalfAway => rest.abs() >= divisor - rest.abs(),
            Rounding::Truncate => false,
            Rounding::Floor => rest < 0,
            Rounding::Ceiling => rest > 0,
        };
        return Digits::Small(if away && rest != 0 { quotient + rest.signum() } else { quotient });
    }
    let (number, divisor) = (digits.to_big(), power_of_ten(places));
    let (quotient, rest) = (&number / &divisor, &number % &divisor);
    let away = match rounding {
        Rounding::HalfAway => (rest.magnitude() * 2_u32) >= *divisor.magnitude(),
        Rounding::Truncate => false,
        Rounding::Floor => rest.sign() == Sign::Minus,
        Rounding::Ceiling => rest.sign() == Sign::Plus,
    };
    let step = match (away, rest.sign()) {
        (true, Sign::Minus) => -1,
        (true, Sign::Plus) => 1,
        _ => 0,
    };
    Digits::from_big(quotient + step)
}

impl fmt::Display for Decimal {
    /// Exactly `scale` digits after the point, a zero before it where there is nothing else, no exponent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = match &self.number() {
            Digits::Small(number) => number.unsigned_abs().to_string(),
            Digits::Large(number) => number.magnitude().to_string(),
        };
        let sign = if self.is_negative() { "-" } else { "" };
        let scale = usize::from(self.scale());
        if scale == 0 {
            return write!(f, "{sign}{magnitude}");
        }
        let padded = format!("{magnitude:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at_checked(padded.len() - scale).unwrap_or(("0", &padded));
        write!(f, "{sign}{whole}.{fraction}")
    }
}
