//! Row bytes: canonical, and damage is noticed.

use proptest::prelude::*;

use super::strategies;
use crate::error::Class;
use crate::value::{Decimal, Row, Value, row};

fn encoded(values: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    row::encode(values, &mut out);
    out
}

#[test]
fn small_values_take_few_bytes() {
    assert_eq!(encoded(&[]).len(), 1);
    assert_eq!(encoded(&[Value::Null, Value::Int(-1), Value::UInt(127), Value::text("Y")]).len(), 1 + 1 + 2 + 2 + 3);
}

#[test]
fn f69_bigint_unsigned_above_2_63_round_trips() {
    let values: Row = [Value::UInt(u64::MAX), Value::UInt(1 << 63), Value::Int(i64::MIN)].into();
    assert_eq!(row::decode(&encoded(&values)).unwrap(), values);
}

#[test]
fn f71_decimal_65_30_round_trips() {
    let values: Row = ["9", "-9"]
        .map(|digit| {
            Value::Decimal(Decimal::parse(&format!("{}.{}", digit.replace('9', &"9".repeat(35)), "9".repeat(30))).unwrap())
        })
        .into();
    assert_eq!(row::decode(&encoded(&values)).unwrap(), values);
}

#[test]
fn f112_presence_length_and_type_change_the_fingerprint() {
    let rows: Vec<Vec<Value>> = vec![
        vec![],
        vec![Value::Null],
        vec![Value::Null, Value::Null],
        vec![Value::text("")],
        vec![Value::Bytes([].into())],
        vec![Value::text(" ")],
        vec![Value::text("a"), Value::text("bc")],
        vec![Value::text("ab"), Value::text("c")],
        vec![Value::Int(1)],
        vec![Value::UInt(1)],
        vec![Value::Decimal(Decimal::parse("1").unwrap())],
        vec![Value::Decimal(Decimal::parse("1.0").unwrap())],
        vec![Value::text("x".repeat(70_000))],
        vec![Value::text("x".repeat(70_001))],
    ];
    let prints: std::collections::BTreeSet<u128> = rows.iter().map(|values| row::fingerprint(values)).collect();
    assert_eq!(prints.len(), rows.len());
}

#[test]
fn damage_is_an_error_of_the_local_disk() {
    let whole = encoded(&[Value::Int(300), Value::text("가"), Value::Decimal(Decimal::parse(&"9".repeat(60)).unwrap())]);
    for length in 0..whole.len() {
        let error = row::decode(&whole[..length]).unwrap_err();
        assert_eq!(error.class(), Class::Local);
        assert!(error.message().contains("the state is damaged"));
    }
    let trailing = [whole.as_slice(), &[0]].concat();
    // Bad tag, longer form of a number, a count without values, a length beyond the end, text that is not UTF-8, leading zero.
    for bytes in [
        &trailing,
        &vec![1, 99],
        &vec![1, 3, 0x80, 0],
        &vec![0xff, 0xff, 0xff, 0xff, 0x7f],
        &vec![1, 10, 0xff, 0xff, 0x7f],
        &vec![1, 10, 1, 0xff],
        &vec![1, 6, 0, 1, 5],
    ] {
        assert_eq!(row::decode(bytes).unwrap_err().class(), Class::Local, "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn rows_round_trip(values in prop::collection::vec(strategies::value(), 0..6)) {
        let decoded = row::decode(&encoded(&values)).unwrap();
        prop_assert_eq!(decoded.as_ref(), values.as_slice());
    }

    #[test]
    fn whatever_decodes_is_canonical(bytes in prop::collection::vec(prop_oneof![0_u8..16, any::<u8>()], 0..24)) {
        if let Ok(values) = row::decode(&bytes) {
            prop_assert_eq!(encoded(&values), bytes);
        }
    }
}
