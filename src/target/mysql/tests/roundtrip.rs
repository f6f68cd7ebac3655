//! Every type and its edges, written and read back.

use super::*;
use crate::value::{Date, DateTime, Decimal, Time};

fn decimal(text: &str) -> Value {
    Value::Decimal(Decimal::parse(text).unwrap())
}

fn date(text: &str) -> Value {
    Value::Date(Date::parse(text).unwrap())
}

fn moment(text: &str) -> Value {
    Value::DateTime(DateTime::parse(text).unwrap())
}

fn bytes(bytes: &[u8]) -> Value {
    Value::Bytes(bytes.into())
}

/// Types with values at their edges.
// size: one entry per type
fn cases(kind: TargetKind) -> Vec<(MySqlType, Vec<Value>)> {
    let integer = |bits: u8, unsigned: bool| MySqlType::Integer { bits, unsigned };
    let ends =
        |bits: u32| vec![Value::Int(i64::MIN >> (64 - bits)), Value::Int(-1), Value::Int(0), Value::Int(i64::MAX >> (64 - bits))];
    let tops = |bits: u32| vec![Value::UInt(0), Value::UInt(u64::MAX >> (64 - bits))];
    let ci = || "utf8mb4_general_ci".to_owned();
    let texts = || {
        ["", " ", "a ", "주문", "🙂", "it's", "back\\slash", "\0nul", "line\nfeed", "\u{7f}", "-- x", "%_"]
            .map(Value::text)
            .to_vec()
    };
    let mut cases = vec![
        (MySqlType::Boolean, vec![Value::Int(0), Value::Int(1)]),
        (integer(8, false), ends(8)),
        (integer(8, true), tops(8)),
        (integer(16, false), ends(16)),
        (integer(16, true), tops(16)),
        (integer(24, false), ends(24)),
        (integer(24, true), tops(24)),
        (integer(32, false), ends(32)),
        (integer(32, true), tops(32)),
        (integer(64, false), ends(64)),
        (integer(64, true), tops(64)),
        (
            MySqlType::Decimal { precision: 65, scale: 30 },
            vec![
                decimal("99999999999999999999999999999999999.999999999999999999999999999999"),
                decimal("-0.000000000000000000000000000001"),
                decimal("0.000000000000000000000000000000"),
            ],
        ),
        (MySqlType::Decimal { precision: 5, scale: 0 }, vec![decimal("-99999"), decimal("0")]),
        (MySqlType::Float, [0.1, -1.5, f32::MAX, f32::MIN_POSITIVE, 16_777_217.0].map(Value::Float).to_vec()),
        (
            MySqlType::Double,
            [0.1, 1.0 / 3.0, f64::MAX, f64::MIN_POSITIVE, 1e22, 123_456_789_012_345_680.0].map(Value::Double).to_vec(),
        ),
        (
            MySqlType::Char { length: 20, collation: ci() },
            texts().into_iter().filter(|text| !matches!(text, Value::Text(text) if text.ends_with(' '))).collect(),
        ),
        (MySqlType::Varchar { length: 20, collation: ci() }, texts()),
        (MySqlType::Text { size: LongSize::Tiny, collation: ci() }, texts()),
        (MySqlType::Text { size: LongSize::Long, collation: "utf8mb4_bin".into() }, texts()),
        (MySqlType::Binary(3), vec![bytes(&[0, 0, 0]), bytes(&[0xff, b'\'', 0])]),
        (MySqlType::VarBinary(300), vec![bytes(&[]), bytes(&(0..=255).collect::<Vec<u8>>())]),
        (MySqlType::Blob(LongSize::Medium), vec![bytes(&[]), bytes(&[0, 1, 2])]),
        (MySqlType::Bit(1), vec![Value::UInt(0), Value::UInt(1)]),
        (MySqlType::Bit(64), vec![Value::UInt(0), Value::UInt(u64::MAX), Value::UInt((1 << 63) + 1)]),
        (MySqlType::Date, vec![date("0001-01-01"), date("2024-02-29"), date("9999-12-31")]),
        (MySqlType::DateTime(0), vec![moment("1000-01-01 00:00:00"), moment("9999-12-31 23:59:59")]),
        (MySqlType::DateTime(6), vec![moment("1969-12-31 23:59:59.999999"), moment("2024-03-10 02:30:00.000001")]),
        (MySqlType::Time(0), vec![Value::Time(Time::MAX), Value::Time(Time(-Time::MAX.0)), Value::Time(Time(0))]),
        (MySqlType::Time(6), vec![Value::Time(Time(-1)), Value::Time(Time(86_400_000_001))]),
        (MySqlType::Year, vec![Value::UInt(0), Value::UInt(1901), Value::UInt(2155)]),
    ];
    if kind == TargetKind::MySql {
        let documents = [
            "null",
            "[1, 2.5, \"주문\"]",
            "{\"a\": 1, \"bb\": {\"c\": \"it's \\\\ \\n\"}}",
            "18446744073709551615",
            "0.1",
            "1e20",
        ];
        cases.push((MySqlType::Json, documents.map(Value::text).to_vec()));
    }
    cases
}

#[tokio::test]
async fn every_type_comes_back_as_it_was_written() {
    for bench in Bench::all().await {
        let cases = cases(bench.options.kind);
        let mut columns = vec![("id", MySqlType::Integer { bits: 64, unsigned: false })];
        let names: Vec<String> = (0..cases.len()).map(|index| format!("c`{index}")).collect();
        columns.extend(names.iter().zip(&cases).map(|(name, (own, _))| (name.as_str(), own.clone())));
        let mut table = table("every`thing", 1, &columns);
        table.description = "it's a \\ \"test\"".into();
        table.columns[1].description = "주문 'x'".into();
        let tables = std::slice::from_ref(&table);
        let start = bench.begin(tables).await;
        assert_eq!(bench.target.inspect(&table).await.unwrap(), crate::target::TableState::Present { has_rows: false });
        let row_count = cases.iter().map(|(_, values)| values.len()).max().unwrap();
        let rows: Vec<Row> = (0..=row_count)
            .map(|row| {
                let cell = |(_, values): &(MySqlType, Vec<Value>)| values.get(row).cloned().unwrap_or(Value::Null);
                std::iter::once(Value::Int(i64::try_from(row).unwrap())).chain(cases.iter().map(cell)).collect()
            })
            .collect();
        let loaded = next(&start);
        bench.target.load(&table, &rows, &loaded).await.unwrap();
        let (checkpoint, found) = bench.target.read_after("m", &table, None, 1_000).await.unwrap();
        assert_eq!(checkpoint, Some(loaded.next.clone()));
        assert_eq!(found, rows, "{}", bench.options.kind.name());
        // The same rows again, in the other order, by overwriting.
        let mut turned = rows.clone();
        for (index, row) in turned.iter_mut().enumerate() {
            row[1..].clone_from_slice(&rows[row_count - index][1..]);
        }
        let advance = next(&loaded.next);
        bench.target.apply(&[(advance, tables, batch(0, vec![], turned.clone()))]).await.unwrap();
        let keys: Vec<Row> = turned.iter().map(|row| values([row[0].clone()])).collect();
        let (_, mut found) = bench.target.read_keys("m", &table, &keys).await.unwrap();
        found.sort_by_key(|row| if let Value::Int(id) = row[0] { id } else { 0 });
        assert_eq!(found, turned);
    }
}

#[tokio::test]
async fn every_type_that_may_be_a_key_is_found_by_it() {
    for bench in Bench::all().await {
        let number = MySqlType::Integer { bits: 64, unsigned: false };
        let exact = bench.exact();
        let mut current = bench.begin(&[]).await;
        for (index, (own, values)) in cases(bench.options.kind).into_iter().enumerate() {
            let own = match own {
                MySqlType::Varchar { length, .. } => MySqlType::Varchar { length, collation: exact.clone() },
                // The plan gives no key of these: approximate, char, and what cannot be indexed whole.
                own if own.index_bytes().is_none() || matches!(own, MySqlType::Float | MySqlType::Char { .. }) => continue,
                own => own,
            };
            let table = table(&format!("t{index}"), 1, &[("k", own.clone()), ("v", number.clone())]);
            let tables = std::slice::from_ref(&table);
            bench.target.create(tables).await.unwrap();
            let rows: Vec<Row> = values.iter().map(|value| self::values([value.clone(), Value::Int(1)])).collect();
            let keys: Vec<Row> = values.iter().map(|value| self::values([value.clone()])).collect();
            let advance = next(&current);
            bench.target.apply(&[(advance.clone(), tables, batch(0, vec![], rows.clone()))]).await.unwrap();
            let (_, found) = bench.target.read_keys("m", &table, &keys).await.unwrap();
            assert_eq!(found.len(), rows.len(), "{own}");
            let (_, first) = bench.target.read_after("m", &table, None, 1).await.unwrap();
            let after = self::values([first[0][0].clone()]);
            let (_, rest) = bench.target.read_after("m", &table, Some(&after), 1_000).await.unwrap();
            assert_eq!(rest.len(), rows.len() - 1, "{own}");
            let deleted = next(&advance.next);
            bench.target.apply(&[(deleted.clone(), tables, batch(0, keys, vec![]))]).await.unwrap();
            assert_eq!(bench.ask(&format!("SELECT count(*) FROM t{index}")).await, "0", "{own}");
            current = deleted.next;
        }
    }
}
