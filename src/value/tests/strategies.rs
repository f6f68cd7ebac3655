//! Generators of values: the whole range, with the corners often.

use std::sync::LazyLock;

use num_bigint::BigInt;
use proptest::prelude::*;

use crate::value::{Collation, Date, DateTime, Decimal, Interval, NonFinite, Time, Value};

pub fn decimal() -> impl Strategy<Value = Decimal> {
    prop_oneof![
        (-1_000_i128..1_000, 0_u16..6).prop_map(|(digits, scale)| Decimal::from_small(digits, scale)),
        (any::<i128>(), 0_u16..40).prop_map(|(digits, scale)| Decimal::from_small(digits, scale)),
        (any::<i128>(), any::<i128>(), 0_u16..80)
            .prop_map(|(left, right, scale)| Decimal::from_unscaled(BigInt::from(left) * BigInt::from(right), scale)),
    ]
}

pub fn date() -> impl Strategy<Value = Date> + Clone {
    prop_oneof![
        1 => Just(Date::ZERO),
        9 => (0_i32..=9999, 0_u8..=12, 0_u8..=31).prop_map(|(year, month, day)| Date { year, month, day }),
    ]
}

/// Dates of either family, PostgreSQL's infinities and years before the first among them.
pub fn any_date() -> impl Strategy<Value = Date> + Clone {
    prop_oneof![
        1 => Just(Date::INFINITY),
        1 => Just(Date::NEGATIVE_INFINITY),
        2 => (-4714_i32..=5_874_897, 1_u8..=12, 1_u8..=31).prop_map(|(year, month, day)| Date { year, month, day }),
        6 => date(),
    ]
}

pub fn any_date_time() -> impl Strategy<Value = DateTime> + Clone {
    (any_date(), date_time()).prop_map(|(date, at)| DateTime { date, time_us: at.time_us })
}

pub fn date_time() -> impl Strategy<Value = DateTime> + Clone {
    let time_us = prop_oneof![Just(0), Just(86_399_999_999), 0..86_400_000_000_i64];
    (date(), time_us).prop_map(|(date, time_us)| DateTime { date, time_us })
}

pub fn time() -> impl Strategy<Value = Time> {
    (-Time::MAX.0..=Time::MAX.0).prop_map(Time)
}

pub fn non_finite() -> impl Strategy<Value = Value> + Clone {
    let all = [NonFinite::NegativeInfinity, NonFinite::Infinity, NonFinite::NaN];
    prop::sample::select(all.to_vec()).prop_map(Value::NonFinite)
}

pub fn interval() -> impl Strategy<Value = Interval> {
    prop_oneof![
        // Months, days and hours that often amount to the same.
        (-2_i32..3, -60_i32..61, -50_i64..51).prop_map(|(months, days, hours)| Interval {
            months,
            days,
            us: hours * 3_600_000_000
        }),
        (any::<i32>(), any::<i32>(), any::<i64>()).prop_map(|(months, days, us)| Interval { months, days, us }),
    ]
}

pub fn integer() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-300_i64..300).prop_map(Value::Int),
        any::<i64>().prop_map(Value::Int),
        any::<u64>().prop_map(Value::UInt),
        prop_oneof![Just(0), Just(u64::MAX), Just(1 << 63), Just((1 << 63) - 1)].prop_map(Value::UInt),
        prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(-1), Just(0)].prop_map(Value::Int),
    ]
}

pub fn double() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        any::<u64>().prop_map(f64::from_bits),
        prop_oneof![Just(0.0), Just(-0.0), Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY)],
    ]
}

/// Short strings of few characters, so that near misses are frequent: blanks, controls, case, accents, Hangul, beyond the BMP.
pub fn text() -> impl Strategy<Value = String> {
    let characters = prop::sample::select(vec![
        ' ', ' ', ' ', '\t', '\0', '\u{1f}', '!', 'a', 'A', 'b', 'ß', 's', 'é', '가', '각', '\u{a0}', '\u{ad}', '😀', '𝄞',
    ]);
    prop::collection::vec(characters, 0..7).prop_map(|characters| characters.into_iter().collect())
}

pub fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(0xff), any::<u8>()], 0..8)
}

pub fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        integer(),
        decimal().prop_map(Value::Decimal),
        any::<u32>().prop_map(|bits| Value::Float(f32::from_bits(bits))),
        double().prop_map(Value::Double),
        any::<String>().prop_map(Value::text),
        bytes().prop_map(|bytes| Value::Bytes(bytes.into())),
        any_date().prop_map(Value::Date),
        any_date_time().prop_map(Value::DateTime),
        time().prop_map(Value::Time),
        non_finite(),
        interval().prop_map(Value::Interval),
    ]
}

/// Two bytes per weight in the manner of `utf8mb4_unicode_ci`: case and accents folded, ß as two letters, the no-break space
/// as a blank, the soft hyphen ignored, a shared weight beyond the BMP.
///
/// Built once: a property test asks for it thousands of times.
pub fn folding(pad_space: bool) -> Collation {
    static PADDED: LazyLock<Collation> = LazyLock::new(|| build_folding(true));
    static PLAIN: LazyLock<Collation> = LazyLock::new(|| build_folding(false));
    if pad_space { PADDED.clone() } else { PLAIN.clone() }
}

fn build_folding(pad_space: bool) -> Collation {
    let fold = |character: char| -> Vec<u8> {
        let letters: &[char] = match character {
            '\u{ad}' => &[],
            'ß' => &['S', 'S'],
            'é' | 'É' => &['E'],
            '\u{a0}' => &[' '],
            other => &[other.to_ascii_uppercase()],
        };
        letters.iter().flat_map(|letter| (u32::from(*letter) as u16).to_be_bytes()).collect()
    };
    let characters = (0..=0xffff).filter_map(char::from_u32).map(|character| (character, fold(character)));
    Collation::weighted("test_unicode_ci", "utf8mb4", pad_space, characters, Some(vec![0xff, 0xfd]))
}

/// Weights of one or two bytes in the manner of `gbk_chinese_ci`, where the second byte of a character may be a blank's.
pub fn mixed_length() -> Collation {
    let characters = (0..=0x7f_u8).map(|byte| (char::from(byte), vec![byte.to_ascii_uppercase()]));
    let wide = [('가', vec![0x81, 0x20]), ('각', vec![0x81, 0x09]), ('é', vec![0x81, 0x21])];
    Collation::weighted("test_chinese_ci", "gbk", true, characters.chain(wide), None)
}
