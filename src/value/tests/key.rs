//! Keys: byte order is the order of the rule, part by part.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::strategies;
use crate::error::Class;
use crate::value::{Collation, Date, DateTime, Decimal, Interval, KeyKind, NonFinite, Value, encode_key};

fn key(kind: &KeyKind, value: &Value) -> Vec<u8> {
    encode_key(std::slice::from_ref(kind), std::slice::from_ref(value)).unwrap()
}

/// A kind and two of its values.
fn pair_of(kind: KeyKind, values: impl Strategy<Value = Value> + Clone + 'static) -> BoxedStrategy<(KeyKind, Value, Value)> {
    (values.clone(), values).prop_map(move |(left, right)| (kind.clone(), left, right)).boxed()
}

fn pair() -> impl Strategy<Value = (KeyKind, Value, Value)> {
    let number = || prop_oneof![strategies::integer(), strategies::decimal().prop_map(Value::Decimal)].boxed();
    let any_number =
        || prop_oneof![number(), strategies::double().prop_map(Value::Double), any::<f32>().prop_map(Value::Float)].boxed();
    let text = || strategies::text().prop_map(Value::text).boxed();
    let moment = || {
        prop_oneof![strategies::any_date().prop_map(Value::Date), strategies::any_date_time().prop_map(Value::DateTime)].boxed()
    };
    prop_oneof![
        pair_of(KeyKind::Integer, strategies::integer().boxed()),
        pair_of(KeyKind::Decimal, prop_oneof![4 => number(), 1 => strategies::non_finite()].boxed()),
        pair_of(KeyKind::Interval, strategies::interval().prop_map(Value::Interval).boxed()),
        pair_of(KeyKind::Double, any_number()),
        pair_of(KeyKind::Text(strategies::folding(true)), text()),
        pair_of(KeyKind::Text(strategies::mixed_length()), text()),
        pair_of(KeyKind::Text(Collation::binary("utf8mb4_bin", "utf8mb4", true)), text()),
        pair_of(KeyKind::Text(Collation::binary("utf8mb4_0900_bin", "utf8mb4", false)), text()),
        pair_of(KeyKind::Bytes, strategies::bytes().prop_map(|bytes| Value::Bytes(bytes.into())).boxed()),
        pair_of(KeyKind::Date, moment()),
        pair_of(KeyKind::DateTime, moment()),
        pair_of(KeyKind::Time, strategies::time().prop_map(Value::Time).boxed()),
    ]
}

/// One part of a key, sometimes NULL; NULL sorts first.
fn part() -> impl Strategy<Value = (KeyKind, Value, Value)> {
    (pair(), 0..10).prop_map(|((kind, left, right), null)| match null {
        0 => (kind, Value::Null, right),
        1 => (kind, left, Value::Null),
        2 => (kind, left.clone(), left),
        _ => (kind, left, right),
    })
}

fn order(kind: &KeyKind, left: &Value, right: &Value) -> Ordering {
    kind.compare(left, right).unwrap().unwrap_or_else(|| right.is_null().cmp(&left.is_null()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn keys_order_as_the_rule_compares((kind, left, right) in pair()) {
        let expected = kind.compare(&left, &right).unwrap().unwrap();
        prop_assert_eq!(key(&kind, &left).cmp(&key(&kind, &right)), expected);
        prop_assert_eq!(kind.compare(&right, &left).unwrap().unwrap(), expected.reverse());
    }

    #[test]
    fn keys_of_several_parts_compare_part_by_part(parts in prop::collection::vec(part(), 1..4)) {
        let kinds: Vec<KeyKind> = parts.iter().map(|part| part.0.clone()).collect();
        let lefts: Vec<Value> = parts.iter().map(|part| part.1.clone()).collect();
        let rights: Vec<Value> = parts.iter().map(|part| part.2.clone()).collect();
        let expected = parts.iter().map(|(kind, left, right)| order(kind, left, right)).find(|order| order.is_ne());
        let (left, right) = (encode_key(&kinds, &lefts).unwrap(), encode_key(&kinds, &rights).unwrap());
        prop_assert_eq!(left.cmp(&right), expected.unwrap_or(Ordering::Equal));
        for length in 0..kinds.len() {
            prop_assert!(left.starts_with(&encode_key(&kinds[..length], &lefts[..length]).unwrap()));
        }
        // Self-delimiting: no key is the beginning of another one of the same kinds.
        prop_assert!(left == right || !right.starts_with(&left));
    }

    #[test]
    fn text_of_a_real_alphabet_orders_as_it_compares(left in any::<String>(), right in any::<String>()) {
        for collation in [Collation::binary("utf8mb4_bin", "utf8mb4", true), Collation::binary("x", "utf8mb4", false)] {
            let kind = KeyKind::Text(collation);
            let (left, right) = (Value::text(left.clone()), Value::text(right.clone()));
            prop_assert_eq!(Some(key(&kind, &left).cmp(&key(&kind, &right))), kind.compare(&left, &right).unwrap());
        }
    }
}

#[test]
fn f69_bigint_unsigned_above_2_63_sorts_after_every_signed_integer() {
    let ascending = [
        Value::Null,
        Value::Int(i64::MIN),
        Value::Int(-256),
        Value::Int(-255),
        Value::Int(-1),
        Value::Int(0),
        Value::Int(255),
        Value::Int(256),
        Value::Int(i64::MAX),
        Value::UInt(1 << 63),
        Value::UInt(u64::MAX),
    ];
    for kind in [KeyKind::Integer, KeyKind::Decimal] {
        for window in ascending.windows(2) {
            assert!(key(&kind, &window[0]) < key(&kind, &window[1]), "{window:?}");
        }
        assert_eq!(key(&kind, &Value::Int(7)), key(&kind, &Value::UInt(7)));
    }
    assert_eq!(key(&KeyKind::Integer, &Value::Bool(true)), key(&KeyKind::Integer, &Value::Int(1)));
}

#[test]
fn f71_decimal_65_30_keys_are_by_value_whatever_the_scale() {
    let parse = |text: &str| Value::Decimal(Decimal::parse(text).unwrap());
    let nines = "9".repeat(35);
    let ascending = [
        format!("-{nines}.{}", "9".repeat(30)),
        format!("-{nines}.{}8", "9".repeat(29)),
        "-1.01".into(),
        "-1".into(),
        "-0.1".into(),
        format!("-0.{}1", "0".repeat(29)),
        "0".into(),
        format!("0.{}1", "0".repeat(29)),
        "0.09".into(),
        "0.1".into(),
        "0.11".into(),
        "1".into(),
        "1.0000001".into(),
        "9.9".into(),
        "10".into(),
        nines.clone(),
        format!("{nines}.{}", "9".repeat(30)),
    ];
    for window in ascending.windows(2) {
        assert!(key(&KeyKind::Decimal, &parse(&window[0])) < key(&KeyKind::Decimal, &parse(&window[1])), "{window:?}");
    }
    assert_eq!(key(&KeyKind::Decimal, &parse("100")), key(&KeyKind::Decimal, &parse("100.000")));
    assert_eq!(key(&KeyKind::Decimal, &parse("0.00")), key(&KeyKind::Decimal, &Value::Int(0)));
}

#[test]
fn f75_case_and_trailing_blanks_do_not_count_in_keys() {
    let kind = KeyKind::Text(strategies::folding(true));
    let same = ["a", "A", "a ", "A   ", "a\u{a0}", "a\u{ad}", "\u{ad}a \u{ad} "].map(|text| key(&kind, &Value::text(text)));
    assert!(same.windows(2).all(|window| window[0] == window[1]));
    assert_eq!(key(&kind, &Value::text("")), key(&kind, &Value::text("  ")));
    assert_ne!(key(&kind, &Value::text(" a")), key(&kind, &Value::text("a")));
    assert_ne!(key(&kind, &Value::text("")), key(&kind, &Value::Null));
}

#[test]
fn f75_control_characters_sort_before_the_end_of_a_padded_string() {
    for collation in [strategies::folding(true), strategies::mixed_length(), Collation::binary("latin1_bin", "latin1", true)] {
        let kind = KeyKind::Text(collation);
        let ascending = ["a\t", "a \t", "a", "a !", "a!"].map(Value::text);
        for window in ascending.windows(2) {
            assert_eq!(kind.compare(&window[0], &window[1]).unwrap(), Some(Ordering::Less), "{window:?}");
            assert!(key(&kind, &window[0]) < key(&kind, &window[1]), "{window:?}");
        }
    }
}

#[test]
fn zeros_and_nans_have_one_double_key() {
    let double = |number: f64| key(&KeyKind::Double, &Value::Double(number));
    assert_eq!(double(0.0), double(-0.0));
    assert_eq!(double(f64::NAN), double(-f64::NAN));
    assert!(double(f64::INFINITY) < double(f64::NAN));
    assert_eq!(double(0.5), key(&KeyKind::Double, &Value::Float(0.5)));
}

#[test]
fn dates_and_date_times_share_their_keys() {
    let date = Date::parse("2024-05-00").unwrap();
    for kind in [KeyKind::Date, KeyKind::DateTime] {
        assert_eq!(key(&kind, &Value::Date(date)), key(&kind, &Value::DateTime(DateTime { date, time_us: 0 })));
    }
}

#[test]
fn a_value_of_another_kind_is_a_bug_and_never_shown() {
    let secret = Value::text("secret");
    use KeyKind::{Bytes, Date, DateTime, Decimal, Double, Integer, Interval, Time};
    for kind in [Integer, Decimal, Double, Bytes, Date, DateTime, Time, Interval] {
        for error in [kind.encode(&secret, &mut Vec::new()).unwrap_err(), kind.compare(&secret, &secret).unwrap_err()] {
            assert_eq!(error.class(), Class::Bug);
            assert!(!format!("{error:?}").contains("secret"));
        }
    }
    assert!(KeyKind::Text(strategies::folding(true)).encode(&Value::Int(1), &mut Vec::new()).is_err());
    assert_eq!(encode_key(&[KeyKind::Integer], &[]).unwrap_err().class(), Class::Bug);
    assert_eq!(KeyKind::Integer.compare(&Value::Null, &Value::Int(1)).unwrap(), None);
}

#[test]
fn numeric_infinities_and_nan_stand_where_postgresql_puts_them() {
    let special = |number: NonFinite| key(&KeyKind::Decimal, &Value::NonFinite(number));
    let huge = Decimal::from_unscaled(num_bigint::BigInt::from(10).pow(2_000), 0);
    let number = |decimal: &Decimal| key(&KeyKind::Decimal, &Value::Decimal(decimal.clone()));
    assert!(special(NonFinite::NegativeInfinity) < number(&huge.neg()));
    assert!(number(&huge) < special(NonFinite::Infinity));
    assert!(special(NonFinite::Infinity) < special(NonFinite::NaN));
    assert!(key(&KeyKind::Decimal, &Value::Null) < special(NonFinite::NegativeInfinity));
}

#[test]
fn a_month_of_postgresql_equals_thirty_days_and_prints_otherwise() {
    let interval = |months, days, us| Interval { months, days, us };
    let same = [interval(1, 0, 0), interval(0, 30, 0), interval(0, 29, 86_400_000_000)];
    let keys = same.map(|interval| key(&KeyKind::Interval, &Value::Interval(interval)));
    assert!(keys.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(same.map(|interval| interval.to_string()), ["1 mon", "30 days", "29 days 24:00:00"]);
    let mixed = [interval(14, -3, 14_706_700_000), interval(-1, 1, -1), interval(-14, 0, 0), interval(0, 0, 0)];
    let texts = ["1 year 2 mons -3 days +04:05:06.7", "-1 mons +1 day -00:00:00.000001", "-1 years -2 mons", "00:00:00"];
    assert_eq!(mixed.map(|interval| interval.to_string()), texts);
}
