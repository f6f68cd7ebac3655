//! Every column type: what a snapshot reads is what the stream says, and both are what the server says.

use super::*;
use crate::change::{Image, KeyRange, Operation};
use crate::source::postgres::decode::value::{of_text, to_text};
use crate::value::{Row, Value};

const TYPES: &str = "
  CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
  CREATE DOMAIN money_amount AS numeric(12,2) CHECK (VALUE > -1000000);
  CREATE DOMAIN deep AS money_amount;
  CREATE TYPE pair AS (a int, b text);
  CREATE SCHEMA other;
  CREATE TYPE other.tone AS ENUM ('low', 'high');
  CREATE TABLE t (id bigint PRIMARY KEY, c_bool bool, c_int2 int2, c_int4 int4, c_int8 int8, c_numeric numeric, c_decimal numeric(20,4),
    c_negative_scale numeric(5,-2), c_float4 float4, c_float8 float8, c_text text, c_varchar varchar(20), c_char char(7), c_name name,
    c_bytea bytea, c_date date, c_time time(3), c_timetz timetz, c_timestamp timestamp(6), c_timestamptz timestamptz, c_interval interval,
    c_uuid uuid, c_json json, c_jsonb jsonb, c_mood mood, c_tone other.tone, c_domain money_amount, c_deep deep, c_array int4[],
    c_texts text[], c_moods mood[], c_inet inet, c_cidr cidr, c_mac macaddr, c_bit bit(5), c_varbit varbit, c_money money,
    c_int4range int4range, c_tsrange tsrange, c_multirange int4multirange, c_pair pair, c_point point, c_tsvector tsvector, c_xml xml,
    c_oid oid, c_lsn pg_lsn)";

const ROWS: &str = r#"
  INSERT INTO t VALUES
  (1, true, -32768, -2147483648, -9223372036854775808, 123456789012345678901234567890.123456789, 1.5, 12345, 1.1, 0.1, 'a''b\n한글', 'x', 'pad',
   'nm', '\x00ff10', '2024-02-29', '23:59:59.123', '12:00:00+03', '2024-02-29 12:34:56.789012', '2024-02-29 12:34:56.5+09', '1 year 2 mons -3 days 04:05:06.7',
   'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"b": 1,  "a": [1, 2]}', '{"b": 1, "a": [1, 2]}', 'happy', 'high', 12.5, -1.25, '{1,NULL,3}',
   '{"a","b c",NULL,"q\"u"}', '{sad,ok}', '10.0.0.1/24', '10.0.0.0/8', '08:00:2b:01:02:03', B'10101', B'101', 12.34,
   '[1,5)', '["2024-01-01 00:00:00","2024-02-01 00:00:00")', '{[1,3),[5,8)}', '(1,"x y")', '(1.5,-2)', 'fat cat', '<a>b</a>', 42, '16/B374D848'),
  (2, false, 32767, 2147483647, 9223372036854775807, 'NaN', -0.0001, -12300, 'Infinity', '-Infinity', '', '', '', '', '', 'infinity', '24:00:00',
   '00:00:00-12', '-infinity', 'infinity', '-00:00:00.000001', '00000000-0000-0000-0000-000000000000', 'null', 'null', 'sad', 'low', 0, 0, '{}', '{}', '{}',
   '::1', '::/0', '00:00:00:00:00:00', B'00000', B'', -0.01, 'empty', '(,)', '{}', '(,)', '(0,0)', '', '', 0, '0/0'),
  (3, NULL, NULL, NULL, NULL, 'Infinity', NULL, NULL, 'NaN', 'NaN', NULL, NULL, NULL, NULL, NULL, '0044-03-15 BC', NULL, NULL, '4713-01-01 00:00:00 BC',
   '0001-01-01 00:00:00+00 BC', '178000000 years', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
   NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (4, true, 0, 0, 0, '-Infinity', 0, 0, 1e-40, 1e-310, E'\t\\', 'x', 'x', 'x', '\x', '5874897-12-31', '00:00:00', '00:00:00+00', '294276-12-31 23:59:59.999999',
   '1899-12-31 12:00:00+00', '0', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '[]', '{}', 'ok', 'low', 1, 1, '{{1,2},{3,4}}', '{""}', '{happy}', '192.168.0.1', '192.168.0.0/16',
   'ff:ff:ff:ff:ff:ff', B'11111', B'1', 0, '(,5]', 'empty', '{[1,1]}', '(2,)', '(0,0)', 'a:1 b:2', '<x/>', 1, 'FFFFFFFF/FFFFFFFF')"#;

#[tokio::test]
async fn f63_f64_every_column_type_is_the_same_from_snapshot_and_stream() {
    let Some(bench) = Bench::new(TYPES).await else { return };
    let mut open = bench.open(&["t"]).await;
    let unsupported: Vec<&str> = open.catalog.tables[0]
        .columns
        .iter()
        .filter(|column| matches!(column.data_type, crate::schema::DataType::Unsupported { .. }))
        .map(|column| column.name.as_str())
        .collect();
    assert!(unsupported.is_empty(), "{unsupported:?}");
    bench.run(ROWS).await;
    let streamed: Vec<Row> = open.changes().await.into_iter().map(inserted).collect();
    let chunk =
        bench.source.read_chunk(&open.layouts[0], 0, &KeyRange { after: None, up_to: None }, ReadBounds::NONE).await.unwrap();
    assert_eq!(chunk.rows.len(), 4);
    for (streamed, read) in streamed.iter().zip(&chunk.rows) {
        for (column, (streamed, read)) in open.layouts[0].columns.iter().zip(streamed.iter().zip(read.iter())) {
            assert_eq!(streamed, read, "{}", column.column.name);
        }
    }
    // Written back as a literal of its column, each value is what the server holds.
    for row in &chunk.rows {
        let key = match &row[0] {
            Value::Int(key) => *key,
            other => panic!("{other:?}"),
        };
        for (column, value) in open.layouts[0].columns.iter().zip(row.iter()) {
            let (name, native) = (&column.column.name, &column.column.native_type);
            // These have no equality; their texts are compared.
            let cast = if matches!(native.as_str(), "json" | "xml" | "point") { "::text" } else { "" };
            let query = match to_text(value, Some(&column.column.data_type)) {
                None => format!("SELECT {name} IS NULL FROM t WHERE id = {key}"),
                Some(text) => {
                    let literal = super::super::names::literal(&text);
                    format!("SELECT ({name}){cast} = ({literal}::{native}){cast} FROM t WHERE id = {key}")
                }
            };
            assert_eq!(bench.ask(&query).await, "t", "{query}");
        }
    }
}

fn inserted(change: Change) -> Row {
    match change.operation {
        Operation::Insert { new: Image::Full(row) } => row,
        other => panic!("not a whole insert: {other:?}"),
    }
}

#[tokio::test]
async fn values_that_are_none_of_the_type_are_refused_without_being_shown() {
    let Some(bench) = Bench::new("CREATE TABLE k (id int PRIMARY KEY, v int)").await else { return };
    let catalog = bench.catalog(&["k"]).await;
    let column = &catalog.tables[0].columns[1];
    assert!(of_text("secret", &column.data_type).is_none());
    let error = super::super::decode::value::of_column(Some("secret"), column, &catalog.tables[0].name).unwrap_err();
    assert!(!format!("{error:?}").contains("secret") && error.message().contains("public.k.v"), "{error:?}");
}
