//! Every column type with its extremes: in by COPY and by arrays, out by key and by range, equal bytes.

use num_bigint::BigInt;

use super::*;
use crate::error::Class;
use crate::target::TableState;
use crate::value::row::encode;
use crate::value::{Date, DateTime, Decimal, Interval, NonFinite, Time, calendar};

fn every_type() -> TargetTable {
    let types = [
        ("id", TargetType::BigInt),
        ("boolean", TargetType::Boolean),
        ("smallint", TargetType::SmallInt),
        ("integer", TargetType::Integer),
        ("bigint", TargetType::BigInt),
        ("numeric_65_30", TargetType::Numeric(Some((65, 30)))),
        ("numeric_15_2", TargetType::Numeric(Some((15, 2)))),
        ("numeric", TargetType::Numeric(None)),
        ("real", TargetType::Real),
        ("double", TargetType::Double),
        ("text", TargetType::Text),
        ("varchar_16", TargetType::Varchar(16)),
        ("bytea", TargetType::Bytea),
        ("date", TargetType::Date),
        ("timestamp_0", TargetType::Timestamp(0)),
        ("timestamp_3", TargetType::Timestamp(3)),
        ("timestamp_6", TargetType::Timestamp(6)),
        ("interval", TargetType::Interval),
        ("time_0", TargetType::Time(0)),
        ("time_6", TargetType::Time(6)),
        ("json", TargetType::Json),
        ("jsonb", TargetType::Jsonb),
        ("character_3", TargetType::Char(3)),
        ("timestamptz_6", TargetType::TimestampTz(6)),
        ("uuid", TargetType::Uuid),
        ("inet", TargetType::Native("inet".into())),
        ("bit_3", TargetType::Native("bit(3)".into())),
        ("money", TargetType::Native("money".into())),
        ("range", TargetType::Native("tsrange".into())),
        ("texts", TargetType::Native("text[]".into())),
        ("infinite_date", TargetType::Date),
        ("infinite_timestamp", TargetType::Timestamp(6)),
        ("special", TargetType::Numeric(None)),
        ("special_8_2", TargetType::Numeric(Some((8, 2)))),
    ];
    table("every type", 1, &types)
}

fn decimal(text: &str) -> Value {
    Value::Decimal(Decimal::parse(text).unwrap())
}

fn date(year: i32, month: u8, day: u8) -> Date {
    Date { year, month, day }
}

fn interval(months: i32, days: i32, us: i64) -> Value {
    Value::Interval(Interval { months, days, us })
}

fn moment(date: Date, time_us: i64) -> Value {
    Value::DateTime(DateTime { date, time_us })
}

fn extremes() -> Vec<Row> {
    let nines = Value::Decimal(Decimal::from_unscaled("9".repeat(65).parse::<BigInt>().unwrap(), 30));
    let last_us = 86_399_999_999;
    let lowest = values([
        Value::Int(1),
        Value::Bool(false),
        Value::Int(i64::from(i16::MIN)),
        Value::Int(i64::from(i32::MIN)),
        Value::Int(i64::MIN),
        Value::Decimal(Decimal::from_unscaled(-"9".repeat(65).parse::<BigInt>().unwrap(), 30)),
        decimal("-9999999999999.99"),
        decimal("-0.000000000000000000000000000000000000000001"),
        Value::Float(f32::NEG_INFINITY),
        Value::Double(f64::MIN),
        Value::text(""),
        Value::text(""),
        Value::Bytes(Box::default()),
        Value::Date(date(1, 1, 1)),
        moment(date(1, 1, 1), 0),
        moment(date(1000, 1, 1), 1_000),
        moment(date(1, 1, 1), 1),
        interval(0, 0, -3_020_399_999_999),
        Value::Time(Time(0)),
        Value::Time(Time(1)),
        Value::text("null"),
        Value::text("null"),
        Value::text("   "),
        Value::DateTime(calendar::moment_of(-211_813_488_000_000_000).unwrap()),
        Value::Bytes([0; 16].into()),
        Value::text("0.0.0.0/0"),
        Value::text("000"),
        Value::text("-$92,233,720,368,547,758.08"),
        Value::text("empty"),
        Value::text("{}"),
        Value::Date(Date::NEGATIVE_INFINITY),
        Value::DateTime(DateTime::NEGATIVE_INFINITY),
        Value::NonFinite(NonFinite::NegativeInfinity),
        Value::NonFinite(NonFinite::NaN),
    ]);
    let highest = values([
        Value::Int(2),
        Value::Bool(true),
        Value::Int(i64::from(i16::MAX)),
        Value::Int(i64::from(i32::MAX)),
        Value::Int(i64::MAX),
        nines,
        decimal("9999999999999.99"),
        decimal(&format!("{}.{}", "123456789".repeat(12), "90".repeat(40))),
        Value::Float(f32::from_bits(1)),
        Value::Double(f64::from_bits(1)),
        Value::text("가나다 \u{1f600} \\N \t\n'\" \u{7f}".repeat(20_000)),
        Value::text("가나다라마바사아자차카타파하까따"),
        Value::Bytes((0..=255).collect()),
        Value::Date(date(9999, 12, 31)),
        moment(date(9999, 12, 31), 86_399_000_000),
        moment(date(2024, 2, 29), 86_399_999_000),
        moment(date(9999, 12, 31), last_us),
        interval(i32::MAX, i32::MIN, i64::MAX),
        Value::Time(Time(86_399_000_000)),
        Value::Time(Time(last_us)),
        Value::text("{ \"b\" : 1, \"a\":1.00, \"b\" : [\"한글\", null] }"),
        Value::text("{\"a\": 1.00, \"bb\": [\"한글\", null, 1e3]}".replace("1e3", "1000")),
        Value::text("한글a"),
        Value::DateTime(DateTime { date: date(294_276, 12, 31), time_us: last_us }),
        Value::Bytes([0xff; 16].into()),
        Value::text("10.1.2.3"),
        Value::text("101"),
        Value::text("$92,233,720,368,547,758.07"),
        Value::text("[\"2024-02-29 00:00:00\",infinity)"),
        Value::text("[0:1]={\"a,b\",NULL}"),
        Value::Date(Date::INFINITY),
        Value::DateTime(DateTime::INFINITY),
        Value::NonFinite(NonFinite::Infinity),
        decimal("-999999.99"),
    ]);
    let mut nulls = vec![Value::Null; lowest.len()];
    nulls[0] = Value::Int(3);
    let mut odd = nulls.clone();
    odd[0] = Value::Int(-4);
    odd[5] = decimal("0.000000000000000000000000000000");
    odd[7] = decimal("10000000000000000000000000000");
    odd[8] = Value::Float(-0.0);
    odd[9] = Value::Double(-0.0);
    odd[13] = Value::Date(calendar::date_of(-2_451_545).unwrap());
    odd[30] = Value::Date(calendar::date_of(2_145_031_948).unwrap());
    odd[32] = Value::NonFinite(NonFinite::NaN);
    vec![odd.into(), lowest, highest, nulls.into()]
}

fn bytes(rows: &[Row]) -> Vec<Vec<u8>> {
    let encoded = rows.iter().map(|row| {
        let mut bytes = Vec::new();
        encode(row, &mut bytes);
        bytes
    });
    encoded.collect()
}

#[tokio::test]
async fn every_type_comes_back_with_equal_bytes() {
    let Some(bench) = Bench::new().await else { return };
    let table = every_type();
    let rows = extremes();
    let keys: Vec<Row> = rows.iter().map(|row| values([row[0].clone()])).collect();
    let start = bench.begin(std::slice::from_ref(&table)).await;
    assert_eq!(bench.target.inspect(&table).await.unwrap(), TableState::Present { has_rows: false });

    let loaded = next(&start);
    bench.target.load(&table, &rows, &loaded).await.unwrap();
    let (checkpoint, read) = bench.target.read_after("m", &table, None, 10).await.unwrap();
    assert_eq!(checkpoint.as_ref(), Some(&loaded.next));
    assert_eq!(bytes(&read), bytes(&rows), "by COPY");

    let emptied = next(&loaded.next);
    let tables = std::slice::from_ref(&table);
    bench.target.apply(&[(emptied.clone(), tables, batch(0, keys.clone(), vec![]))]).await.unwrap();
    assert_eq!(bench.target.inspect(&table).await.unwrap(), TableState::Present { has_rows: false });
    let applied = next(&emptied.next);
    bench.target.apply(&[(applied.clone(), tables, batch(0, vec![], rows.clone()))]).await.unwrap();
    let (checkpoint, mut read) = bench.target.read_keys("m", &table, &keys).await.unwrap();
    assert_eq!(checkpoint, Some(applied.next));
    read.sort_by_key(|row| if let Value::Int(id) = row[0] { id } else { 0 });
    assert_eq!(bytes(&read), bytes(&rows), "by arrays");
}

#[tokio::test]
async fn values_that_do_not_fit_are_refused_by_name_and_nothing_is_written() {
    let Some(bench) = Bench::new().await else { return };
    let table = every_type();
    let tables = std::slice::from_ref(&table);
    let start = bench.begin(tables).await;
    let traps = [
        (2, Value::Int(40_000), "smallint", Class::Person),
        (4, Value::UInt(u64::MAX), "bigint", Class::Person),
        (6, decimal("1.001"), "numeric_15_2", Class::Person),
        (6, decimal("99999999999999.99"), "every type", Class::Person),
        (10, Value::text("canary\0"), "text", Class::Person),
        (11, Value::text("canary canary canary"), "every type", Class::Person),
        (13, Value::Date(date(2024, 0, 0)), "date", Class::Person),
        (14, moment(date(2024, 1, 1), 1), "timestamp_0", Class::Person),
        (20, Value::text("{canary"), "every type", Class::Person),
        (10, Value::Int(1), "text", Class::Bug),
    ];
    for (position, value, named, class) in traps {
        let mut row = extremes().pop().unwrap();
        row[position] = value;
        let failures = [
            bench.target.load(&table, std::slice::from_ref(&row), &next(&start)).await.unwrap_err(),
            bench.target.apply(&[(next(&start), tables, batch(0, vec![], vec![row]))]).await.unwrap_err(),
        ];
        for error in failures {
            assert_eq!(error.class(), class, "{error:?}");
            let shown = format!("{error:?}");
            assert!(shown.contains(named) && !shown.contains("canary"), "{shown}");
        }
    }
    assert_eq!(bench.target.checkpoint("m").await.unwrap(), Some(start));
    assert_eq!(bench.ask("SELECT count(*) FROM \"every type\"").await, "0");
}

#[tokio::test]
async fn f69_bigint_unsigned_above_2_63_goes_into_numeric() {
    let Some(bench) = Bench::new().await else { return };
    let table = table("t", 1, &[("id", TargetType::Numeric(Some((20, 0))))]);
    let start = bench.begin(std::slice::from_ref(&table)).await;
    bench.target.load(&table, &[values([Value::UInt(u64::MAX)])], &next(&start)).await.unwrap();
    let (_, read) = bench.target.read_keys("m", &table, &[values([Value::UInt(u64::MAX)])]).await.unwrap();
    assert_eq!(read, [values([decimal("18446744073709551615")])]);
}

#[tokio::test]
async fn types_that_travel_as_text_are_keys_too() {
    let Some(bench) = Bench::new().await else { return };
    let types = [("id", TargetType::Native("inet".into())), ("label", TargetType::Native("integer[]".into()))];
    let table = table("t", 1, &types);
    let tables = std::slice::from_ref(&table);
    let start = bench.begin(tables).await;
    let rows = ["10.0.0.1", "10.0.0.2", "10.0.0.10"].map(|id| values([Value::text(id), Value::text("{1,2}")]));
    let loaded = next(&start);
    bench.target.load(&table, &rows, &loaded).await.unwrap();
    let changed = values([Value::text("10.0.0.2"), Value::Null]);
    let write = batch(0, vec![values([Value::text("10.0.0.1")])], vec![changed.clone()]);
    bench.target.apply(&[(next(&loaded.next), tables, write)]).await.unwrap();
    let key = values([Value::text("10.0.0.2")]);
    let (_, behind) = bench.target.read_after("m", &table, Some(&key), 9).await.unwrap();
    assert_eq!(behind, [rows[2].clone()]);
    let (_, found) = bench.target.read_keys("m", &table, &[key]).await.unwrap();
    assert_eq!(found, [changed]);
}
