//! What arrives, what is refused, and what the policies change.

use super::{convert, is_exact, parse_type, target_type};
use crate::error::Class;
use crate::plan::{Policies, ZeroDate};
use crate::schema::{DataType, TargetColumn, TargetType};
use crate::value::{Date, DateTime, Decimal, Interval, Time, Value};

fn to(target_type: TargetType, value: Value) -> crate::error::Result<Value> {
    with(ZeroDate::Stop, target_type, value)
}

fn with(zero_date: ZeroDate, target_type: TargetType, value: Value) -> crate::error::Result<Value> {
    let column = TargetColumn { name: "amount".into(), target_type, nullable: true, description: String::new() };
    convert(value, &column, &Policies { zero_date, ..Policies::default() })
}

fn decimal(text: &str) -> Value {
    Value::Decimal(Decimal::parse(text).unwrap())
}

fn refused(target_type: TargetType, value: Value) {
    let error = to(target_type, value).unwrap_err();
    assert_eq!(error.class(), Class::Person, "{error:?}");
    assert!(error.message().contains("amount"), "{error:?}");
}

#[test]
fn f69_bigint_unsigned_above_2_63_becomes_numeric_without_a_loss() {
    let data_type = DataType::Integer { bits: 64, unsigned: true };
    assert_eq!(to(target_type(&data_type), Value::UInt(u64::MAX)).unwrap(), decimal("18446744073709551615"));
    refused(TargetType::BigInt, Value::UInt(u64::MAX));
}

#[test]
fn numbers_keep_every_digit_or_are_refused() {
    assert_eq!(to(TargetType::Numeric(Some((5, 2))), decimal("1.5")).unwrap(), decimal("1.50"));
    assert_eq!(to(TargetType::Numeric(Some((5, 2))), decimal("1.500")).unwrap(), decimal("1.50"));
    assert_eq!(to(TargetType::Numeric(None), decimal("1.500")).unwrap(), decimal("1.500"));
    assert_eq!(to(TargetType::Integer, decimal("-7.00")).unwrap(), Value::Int(-7));
    refused(TargetType::Numeric(Some((5, 2))), decimal("1.505"));
    refused(TargetType::Numeric(Some((5, 2))), decimal("1000.00"));
    refused(TargetType::Integer, decimal("0.5"));
    refused(TargetType::SmallInt, Value::Int(32_768));
}

#[test]
fn text_with_a_nul_or_past_its_length_is_refused() {
    assert_eq!(to(TargetType::Varchar(2), Value::text("주문")).unwrap(), Value::text("주문"));
    refused(TargetType::Varchar(2), Value::text("abc"));
    refused(TargetType::Text, Value::text("a\0b"));
    assert_eq!(to(TargetType::Text, Value::Int(12)).unwrap(), Value::text("12"));
}

#[test]
fn zero_dates_follow_the_policy_and_only_they() {
    let zero = Date { year: 0, month: 0, day: 0 };
    let partly = Date { year: 2024, month: 5, day: 0 };
    let first = Date { year: 1, month: 1, day: 1 };
    let real = Date { year: 2024, month: 2, day: 29 };
    for date in [zero, partly] {
        refused(TargetType::Date, Value::Date(date));
        assert_eq!(with(ZeroDate::Null, TargetType::Date, Value::Date(date)).unwrap(), Value::Null);
        let at = Value::DateTime(DateTime { date, time_us: 7 });
        let replaced = with(ZeroDate::FirstDay, TargetType::Timestamp(6), at).unwrap();
        assert_eq!(replaced, Value::DateTime(DateTime { date: first, time_us: 0 }));
    }
    let at = Value::DateTime(DateTime { date: real, time_us: 7 });
    assert_eq!(with(ZeroDate::Null, TargetType::Timestamp(6), at.clone()).unwrap(), at);
}

#[test]
fn a_duration_past_one_day_is_no_time_of_day() {
    let long = Value::Time(Time(90_000_000_000));
    let interval = Value::Interval(Interval { months: 0, days: 0, us: 90_000_000_000 });
    assert_eq!(to(TargetType::Interval, long.clone()).unwrap(), interval);
    refused(TargetType::Time(6), long);
}

#[test]
fn null_is_refused_only_where_the_column_is_not_nullable() {
    let mut column =
        TargetColumn { name: "amount".into(), target_type: TargetType::Text, nullable: true, description: String::new() };
    assert_eq!(convert(Value::Null, &column, &Policies::default()).unwrap(), Value::Null);
    column.nullable = false;
    assert_eq!(convert(Value::Null, &column, &Policies::default()).unwrap_err().class(), Class::Person);
}

#[test]
fn declared_types_are_read_as_written() {
    let cases = [
        ("numeric(15,2)", Some(TargetType::Numeric(Some((15, 2))))),
        ("NUMERIC( 15 , 2 )", Some(TargetType::Numeric(Some((15, 2))))),
        ("varchar(20)", Some(TargetType::Varchar(20))),
        ("timestamp(3)", Some(TargetType::Timestamp(3))),
        ("double precision", Some(TargetType::Double)),
        ("numeric(2,5)", None),
        ("varchar(0)", None),
        ("money", Some(TargetType::Native("money".into()))),
        ("BIT(3)", Some(TargetType::Native("bit(3)".into()))),
        ("varchar(5)[]", Some(TargetType::Native("character varying(5)[]".into()))),
        ("sales.status", Some(TargetType::Native("sales.status".into()))),
        ("interger", None),
        ("a.b; drop table c", None),
    ];
    for (text, expected) in cases {
        assert_eq!(parse_type(text), expected, "{text}");
    }
}

#[test]
fn inexact_declarations_are_refused_before_any_value_comes() {
    let flag = DataType::Text { length: Some(1), fixed: true, charset: "utf8mb4".into(), collation: "utf8mb4_bin".into() };
    assert!(!is_exact(&flag, &TargetType::Boolean));
    assert!(!is_exact(&DataType::DateTime { fraction: 6 }, &TargetType::Timestamp(3)));
    assert!(!is_exact(&DataType::DateTime { fraction: 0 }, &TargetType::Date));
    assert!(!is_exact(&DataType::Double, &TargetType::Numeric(None)));
    assert!(is_exact(&DataType::Integer { bits: 64, unsigned: true }, &TargetType::Integer));
}
