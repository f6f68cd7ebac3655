//! Decimals against fixed examples and against an independent implementation.

use std::cmp::Ordering;
use std::str::FromStr;

use bigdecimal::BigDecimal;
use num_bigint::BigInt;
use proptest::prelude::*;

use super::strategies;
use crate::value::Decimal;

fn decimal(text: &str) -> Decimal {
    Decimal::parse(text).unwrap()
}

/// The same number in an independent implementation.
fn oracle(decimal: &Decimal) -> BigDecimal {
    BigDecimal::from_str(&decimal.to_string()).unwrap()
}

#[test]
fn f71_decimal_65_30_keeps_every_digit() {
    let text = format!("-{}.{}", "9".repeat(35), "9".repeat(30));
    let number = decimal(&text);
    assert_eq!(number.to_string(), text);
    assert_eq!((number.scale(), number.digits()), (30, 65));
    assert_eq!(
        number.sub(&decimal("0.000000000000000000000000000001")).to_string(),
        format!("-1{}.{}", "0".repeat(35), "0".repeat(30))
    );
    let square = number.mul(&number);
    assert_eq!(square.scale(), 60);
    assert_eq!(square.unscaled(), number.unscaled() * number.unscaled());
    assert_eq!(square.div(&number, 30).unwrap(), number);
}

#[test]
fn text_keeps_its_scale() {
    for text in ["0", "0.00", "1.10", "-0.001", "123456789012345678901234567890123456789012345.5"] {
        assert_eq!(decimal(text).to_string(), text);
    }
    assert_eq!(decimal("-0.00").to_string(), "0.00");
    assert_eq!(decimal("+007.5").to_string(), "7.5");
    assert_eq!(decimal(".5").to_string(), "0.5");
    assert_eq!(decimal("5.").to_string(), "5");
}

#[test]
fn text_that_is_no_plain_number_is_refused() {
    for text in ["", ".", "-", "+", "1e3", " 1", "1 ", "1.2.3", "--1", "+-1", "١", "1_000", "0x1f", "nan"] {
        assert_eq!(Decimal::parse(text), None, "{text}");
    }
}

#[test]
fn equality_is_structural_and_comparison_by_value() {
    assert_ne!(decimal("1.0"), decimal("1.00"));
    assert_eq!(decimal("1.0").compare(&decimal("1.00")), Ordering::Equal);
    let by_small = decimal("1.00");
    let by_large = Decimal::from_unscaled(BigInt::from(100), 2);
    assert_eq!(by_small, by_large);
}

#[test]
fn rounding_is_half_away_from_zero() {
    for (text, scale, rounded) in [
        ("2.5", 0, "3"),
        ("-2.5", 0, "-3"),
        ("2.49", 0, "2"),
        ("1.005", 2, "1.01"),
        ("-1.004", 2, "-1.00"),
        ("0.4", 0, "0"),
        ("9.99", 1, "10.0"),
        ("1.5", 4, "1.5000"),
    ] {
        assert_eq!(decimal(text).round(scale).to_string(), rounded);
    }
    assert_eq!(decimal("1250").round_left(2).to_string(), "1300");
    assert_eq!(decimal("-1249.9").round_left(2).to_string(), "-1200");
    assert_eq!(decimal("1290.5").truncate_left(2).to_string(), "1200");
    assert_eq!(decimal("40").round_left(2).to_string(), "0");
    assert_eq!(decimal(&i128::MAX.to_string()).round_left(38).to_string(), format!("2{}", "0".repeat(38)));
}

#[test]
fn truncate_floor_and_ceiling_go_their_own_ways() {
    let (above, below) = (decimal("2.7"), decimal("-2.7"));
    assert_eq!((above.truncate(0).to_string(), below.truncate(0).to_string()), ("2".into(), "-2".into()));
    assert_eq!((above.floor().to_string(), below.floor().to_string()), ("2".into(), "-3".into()));
    assert_eq!((above.ceil().to_string(), below.ceil().to_string()), ("3".into(), "-2".into()));
    assert_eq!((decimal("2.00").floor().to_string(), decimal("-2.00").ceil().to_string()), ("2".into(), "-2".into()));
    let large = decimal(&format!("-{}.5", "1".repeat(50)));
    assert_eq!(large.floor().to_string(), format!("-{}2", "1".repeat(49)));
    assert_eq!(large.ceil().to_string(), format!("-{}", "1".repeat(50)));
    assert_eq!(large.round(0).to_string(), format!("-{}2", "1".repeat(49)));
}

#[test]
fn division_cuts_and_division_by_zero_is_none() {
    assert_eq!(decimal("1").div(&decimal("3"), 4).unwrap().to_string(), "0.3333");
    assert_eq!(decimal("-2").div(&decimal("3"), 4).unwrap().to_string(), "-0.6666");
    assert_eq!(decimal("1.2345").div(&decimal("1"), 1).unwrap().to_string(), "1.2");
    assert_eq!(decimal("1").div(&decimal("0.00"), 4), None);
    assert_eq!(decimal("7.5").rem(&decimal("-2")).unwrap().to_string(), "1.5");
    assert_eq!(decimal("-7.5").rem(&decimal("2.00")).unwrap().to_string(), "-1.50");
    assert_eq!(decimal("1").rem(&decimal("0")), None);
}

#[test]
fn f69_bigint_unsigned_above_2_63_stays_positive() {
    let number = Decimal::from_u64(u64::MAX);
    assert_eq!(number.to_string(), "18446744073709551615");
    assert_eq!((number.to_u64(), number.to_i64()), (Some(u64::MAX), None));
    assert_eq!(decimal("18446744073709551615.5").to_u64(), None);
    assert_eq!(decimal("9223372036854775807.4").to_i64(), Some(i64::MAX));
    assert_eq!(decimal("-9223372036854775808.4").to_i64(), Some(i64::MIN));
    assert_eq!(decimal("-0.5").to_u64(), None);
    assert_eq!(decimal("-0.4").to_u64(), Some(0));
}

#[test]
fn doubles_are_the_nearest() {
    assert_eq!(decimal("0.1").to_f64(), 0.1);
    assert_eq!(decimal("-123456789.123456789").to_f64(), -123_456_789.123_456_79);
}

#[test]
fn the_smallest_128_bit_integer_has_a_negative() {
    let smallest = Decimal::from_small(i128::MIN, 0);
    assert_eq!(smallest.neg().to_string(), smallest.to_string()[1..]);
    assert_eq!(smallest.abs().neg(), smallest);
    assert_eq!(smallest.div(&decimal("-1"), 0).unwrap(), smallest.neg());
    assert_eq!(smallest.rem(&decimal("-1")).unwrap().to_string(), "0");
    assert_eq!(smallest.digits(), 39);
}

#[test]
fn precision_counts_the_places_after_the_point() {
    for (text, digits) in [("0", 1), ("0.00", 2), ("0.001", 3), ("12.5", 3), ("-100", 3)] {
        assert_eq!(decimal(text).digits(), digits, "{text}");
    }
}

proptest! {
    #[test]
    fn text_round_trips(number in strategies::decimal()) {
        prop_assert_eq!(decimal(&number.to_string()), number);
    }

    #[test]
    fn arithmetic_equals_an_independent_implementation(left in strategies::decimal(), right in strategies::decimal()) {
        prop_assert_eq!(oracle(&left.add(&right)), oracle(&left) + oracle(&right));
        prop_assert_eq!(oracle(&left.sub(&right)), oracle(&left) - oracle(&right));
        prop_assert_eq!(oracle(&left.mul(&right)), oracle(&left) * oracle(&right));
        prop_assert_eq!(left.compare(&right), oracle(&left).cmp(&oracle(&right)));
        prop_assert_eq!(left.add(&right).scale(), left.scale().max(right.scale()));
    }

    #[test]
    fn quotient_and_remainder_make_the_dividend(left in strategies::decimal(), right in strategies::decimal(), scale in 0_u16..40) {
        prop_assume!(!right.is_zero());
        let quotient = left.div(&right, scale).unwrap();
        prop_assert_eq!(quotient.scale(), scale);
        let rest = left.sub(&quotient.mul(&right)).abs();
        let step = Decimal::from_small(1, scale).mul(&right).abs();
        prop_assert_eq!(rest.compare(&step), Ordering::Less);
        prop_assert!(quotient.is_zero() || quotient.is_negative() == (left.is_negative() != right.is_negative()));
        let whole = left.div(&right, 0).unwrap();
        prop_assert_eq!(whole.mul(&right).add(&left.rem(&right).unwrap()).compare(&left), Ordering::Equal);
    }

    #[test]
    fn rounding_equals_an_independent_implementation(number in strategies::decimal(), scale in 0_u16..40) {
        let half_up = oracle(&number).with_scale_round(i64::from(scale), bigdecimal::RoundingMode::HalfUp);
        prop_assert_eq!(oracle(&number.round(scale)), half_up);
        let down = oracle(&number).with_scale_round(i64::from(scale), bigdecimal::RoundingMode::Down);
        prop_assert_eq!(oracle(&number.truncate(scale)), down);
        prop_assert_eq!(number.round(scale).scale(), scale);
        prop_assert_ne!(number.floor().compare(&number), Ordering::Greater);
        prop_assert_ne!(number.ceil().compare(&number), Ordering::Less);
    }
}

#[test]
fn a_value_is_no_larger_than_its_text_variant_needs() {
    // Rows are held by the million: a decimal must not make every other value larger.
    assert_eq!(size_of::<crate::value::Value>(), 24);
}

#[test]
fn the_ends_of_128_bits_survive_being_halved() {
    for number in [0, 1, -1, i128::MAX, i128::MIN, i128::from(u64::MAX), -i128::from(u64::MAX), 1 << 64, -(1 << 64)] {
        let decimal = Decimal::from_small(number, 7);
        assert_eq!((decimal.small(), decimal.scale()), (Some(number), 7));
        assert_eq!(decimal.unscaled(), num_bigint::BigInt::from(number));
    }
}
