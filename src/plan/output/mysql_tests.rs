//! What arrives on MySQL and MariaDB, what is refused, and which types follow from the source's.

use super::convert;
use super::mysql::{Place, collation_of, is_exact, parse_type, target_type};
use crate::error::Class;
use crate::plan::{Policies, ZeroDate};
use crate::schema::{DataType, LongSize, MySqlType, TargetColumn, TargetKind, TargetType};
use crate::value::{Date, DateTime, Decimal, NonFinite, Time, Value};

const COLUMN: Place = Place { kind: TargetKind::MySql, in_key: false, is_column: true, prints_json: true };

fn to(own: MySqlType, value: Value) -> crate::error::Result<Value> {
    let column =
        TargetColumn { name: "amount".into(), target_type: TargetType::MySql(own), nullable: true, description: String::new() };
    convert(value, &column, &Policies { zero_date: ZeroDate::Stop, ..Policies::default() })
}

fn refused(own: MySqlType, value: Value) {
    let error = to(own, value).unwrap_err();
    assert_eq!(error.class(), Class::Person, "{error:?}");
    assert!(error.message().contains("amount"), "{error:?}");
}

fn text(length: Option<u32>, fixed: bool) -> DataType {
    DataType::Text { length, fixed, charset: "euckr".into(), collation: "euckr_korean_ci".into() }
}

fn varchar(length: u32) -> MySqlType {
    MySqlType::Varchar { length, collation: "utf8mb4_bin".into() }
}

#[test]
fn columns_keep_their_kind_and_expressions_get_room() {
    let integer = DataType::Integer { bits: 64, unsigned: true };
    assert_eq!(target_type(&integer, COLUMN).unwrap(), MySqlType::Integer { bits: 64, unsigned: true });
    assert_eq!(target_type(&text(Some(20), false), COLUMN).unwrap(), varchar(20));
    assert_eq!(
        target_type(&text(Some(2), true), COLUMN).unwrap(),
        MySqlType::Char { length: 2, collation: "utf8mb4_bin".into() }
    );
    let expression = Place { is_column: false, ..COLUMN };
    let long = MySqlType::Text { size: LongSize::Long, collation: "utf8mb4_bin".into() };
    assert_eq!(target_type(&text(Some(20), false), expression).unwrap(), long);
    let labels = vec!["소".to_owned(), "대형".to_owned()];
    let set = DataType::Set { labels, charset: "utf8mb4".into(), collation: "utf8mb4_bin".into() };
    assert_eq!(target_type(&set, COLUMN).unwrap(), varchar(5));
    assert_eq!(target_type(&DataType::TimestampTz { fraction: 6 }, COLUMN).unwrap(), MySqlType::DateTime(6));
    assert_eq!(target_type(&DataType::Boolean, COLUMN).unwrap(), MySqlType::Boolean);
    assert_eq!(target_type(&DataType::Json, COLUMN).unwrap(), MySqlType::Json);
    let keeps_text = Place { prints_json: false, ..COLUMN };
    assert_eq!(target_type(&DataType::Json, keeps_text).unwrap(), long);
    assert_eq!(target_type(&DataType::Jsonb, Place { kind: TargetKind::MariaDb, ..COLUMN }).unwrap(), long);
}

#[test]
fn what_has_no_type_says_what_to_declare() {
    let key = Place { in_key: true, ..COLUMN };
    let expression = Place { is_column: false, ..key };
    for (data_type, place) in [
        (DataType::Numeric, COLUMN),
        (DataType::Decimal { precision: 66, scale: 0, unsigned: false }, COLUMN),
        (DataType::Interval, COLUMN),
        (text(None, false), key),
        (text(Some(10), false), expression),
        (DataType::Bytes { length: None, fixed: false }, key),
        (DataType::Json, key),
    ] {
        let (message, help) = target_type(&data_type, place).unwrap_err();
        assert!(!message.is_empty() && !help.is_empty(), "{data_type:?}");
    }
}

#[test]
fn collations_keep_their_family_where_it_exists_and_keys_are_exact() {
    let at = |kind: TargetKind, in_key: bool, source: &str| collation_of(source, Place { kind, in_key, ..COLUMN });
    let (mysql, mariadb) = (TargetKind::MySql, TargetKind::MariaDb);
    for (source, kind, expected) in [
        ("utf8mb4_general_ci", mysql, "utf8mb4_general_ci"),
        ("utf8mb3_unicode_ci", mariadb, "utf8mb4_unicode_ci"),
        ("latin1_swedish_ci", mysql, "utf8mb4_swedish_ci"),
        ("utf8mb4_0900_ai_ci", mysql, "utf8mb4_0900_ai_ci"),
        ("utf8mb4_0900_ai_ci", mariadb, "utf8mb4_bin"),
        ("utf8mb4_uca1400_ai_ci", mariadb, "utf8mb4_uca1400_ai_ci"),
        ("utf8mb4_uca1400_ai_ci", mysql, "utf8mb4_bin"),
        ("utf8mb4_nopad_bin", mariadb, "utf8mb4_nopad_bin"),
        ("euckr_korean_ci", mysql, "utf8mb4_bin"),
        ("C", mysql, "utf8mb4_bin"),
    ] {
        assert_eq!(at(kind, false, source), expected, "{source}");
    }
    assert_eq!(at(mysql, true, "utf8mb4_general_ci"), "utf8mb4_0900_bin");
    assert_eq!(at(mariadb, true, "utf8mb4_general_ci"), "utf8mb4_nopad_bin");
}

#[test]
fn values_arrive_unchanged_or_are_refused_by_name() {
    let unsigned = |bits: u8| MySqlType::Integer { bits, unsigned: true };
    assert_eq!(to(unsigned(64), Value::UInt(u64::MAX)).unwrap(), Value::UInt(u64::MAX));
    assert_eq!(to(unsigned(8), Value::Int(255)).unwrap(), Value::UInt(255));
    assert_eq!(to(MySqlType::Integer { bits: 24, unsigned: false }, Value::Int(-8_388_608)).unwrap(), Value::Int(-8_388_608));
    assert_eq!(to(MySqlType::Boolean, Value::Bool(true)).unwrap(), Value::Int(1));
    assert_eq!(to(varchar(2), Value::text("a\0")).unwrap(), Value::text("a\0"));
    assert_eq!(to(MySqlType::Bit(3), Value::UInt(7)).unwrap(), Value::UInt(7));
    let Value::Double(zero) = to(MySqlType::Double, Value::Double(-0.0)).unwrap() else { panic!("a double") };
    assert!(zero.is_sign_positive(), "MariaDB knows one zero only");
    let uuid = Value::Bytes((0..16).collect());
    assert_eq!(to(varchar(36), uuid).unwrap(), Value::text("00010203-0405-0607-0809-0a0b0c0d0e0f"));
    let decimal = MySqlType::Decimal { precision: 5, scale: 2 };
    assert_eq!(to(decimal.clone(), Value::Int(7)).unwrap(), Value::Decimal(Decimal::parse("7.00").unwrap()));
    let date = |year: i32| Value::Date(Date { year, month: 1, day: 1 });
    for (own, value) in [
        (unsigned(8), Value::Int(256)),
        (unsigned(64), Value::Int(-1)),
        (MySqlType::Integer { bits: 24, unsigned: false }, Value::Int(8_388_608)),
        (MySqlType::Bit(3), Value::UInt(8)),
        (MySqlType::Year, Value::UInt(1_900)),
        (varchar(2), Value::text("abc")),
        (MySqlType::Char { length: 3, collation: "utf8mb4_bin".into() }, Value::text("a ")),
        (MySqlType::Text { size: LongSize::Tiny, collation: "utf8mb4_bin".into() }, Value::text("x".repeat(256))),
        (MySqlType::Binary(2), Value::Bytes(Box::from([1_u8]))),
        (MySqlType::Float, Value::Float(f32::NAN)),
        (MySqlType::Double, Value::Double(f64::INFINITY)),
        (decimal, Value::NonFinite(NonFinite::NaN)),
        (MySqlType::Date, date(10_000)),
        (MySqlType::Date, date(-43)),
        (MySqlType::Date, Value::Date(Date::ZERO)),
        (MySqlType::DateTime(6), Value::DateTime(DateTime { date: Date { year: 2024, month: 5, day: 0 }, time_us: 0 })),
        (MySqlType::Time(6), Value::Time(Time(Time::MAX.0 + 1))),
        (MySqlType::Json, Value::text("{\"a\":1}")),
    ] {
        refused(own, value);
    }
}

#[test]
fn declared_types_are_read_as_written() {
    let parse = |text: &str| parse_type(text, TargetKind::MySql, "utf8mb4_bin");
    for (text, expected) in [
        ("VARCHAR( 20 )", Some(varchar(20))),
        ("bigint unsigned", Some(MySqlType::Integer { bits: 64, unsigned: true })),
        ("numeric(15,2)", Some(MySqlType::Decimal { precision: 15, scale: 2 })),
        ("datetime(3)", Some(MySqlType::DateTime(3))),
        ("datetime", Some(MySqlType::DateTime(0))),
        ("longtext", Some(MySqlType::Text { size: LongSize::Long, collation: "utf8mb4_bin".into() })),
        ("varchar", None),
        ("varchar(20) unsigned", None),
        ("decimal(66,2)", None),
        ("timestamp", None),
        ("enum('A')", Some(MySqlType::Enum { labels: vec!["A".into()], collation: "utf8mb4_bin".into() })),
        ("jsonb", None),
    ] {
        assert_eq!(parse(text), expected, "{text}");
    }
    assert_eq!(parse_type("json", TargetKind::MariaDb, "utf8mb4_bin"), None, "it is text there");
}

#[test]
fn inexact_declarations_are_refused_before_any_value_comes() {
    assert!(!is_exact(&DataType::Integer { bits: 8, unsigned: false }, &MySqlType::Boolean));
    assert!(!is_exact(&DataType::DateTime { fraction: 6 }, &MySqlType::DateTime(3)));
    assert!(!is_exact(&DataType::Double, &MySqlType::Decimal { precision: 65, scale: 30 }));
    assert!(!is_exact(&DataType::Interval, &varchar(20)));
    assert!(is_exact(&DataType::Numeric, &MySqlType::Decimal { precision: 30, scale: 10 }));
    assert!(is_exact(&DataType::Uuid, &MySqlType::Binary(16)));
}
