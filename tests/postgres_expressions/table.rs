//! The awkward table: one column per type, rows of NULLs, extremes, infinities, NaN, blanks and Hangul.

use strangler::schema::{Column, DataType, Generated, SessionSettings, SourceCatalog, TableName, TableSchema, UniqueKey};
use strangler::value::{Collation, PostgresCollation};

/// Makes the table.
pub const CREATE: &str = r#"CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE v (k int PRIMARY KEY, b boolean, i2 smallint, i4 int, i8 bigint, n numeric, n2 numeric(10,2), f4 real, f8 double precision,
  t text, vc varchar(10), c5 char(5), num text, by bytea, d date, ts timestamp, ts3 timestamp(3), tz timestamptz, tm time, iv interval,
  u uuid, js json, jb jsonb, ta text[], ia int[], m mood, ip inet);
INSERT INTO v VALUES
(1, true, 1, 1, 1, 1, 1, 1, 1, 'a', 'a', 'a', '1', 'a', '2024-01-31', '2024-01-31 10:20:30', '2024-01-31 10:20:30.123', '2024-01-31 10:20:30+00', '10:20:30', '1 day', '00000000-0000-0000-0000-000000000001', '{"a": 1}', '{"a": 1}', '{a,b}', '{1,2}', 'sad', '10.0.0.1'),
(2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(3, false, 0, 0, 0, 0, 0.00, 0, 0, '', '', '', '0', '', '1970-01-01', '1970-01-01 00:00:00', '1970-01-01', '1970-01-01 00:00:00+00', '00:00:00', '0', '00000000-0000-0000-0000-000000000000', '{}', '{}', '{}', '{}', 'ok', '0.0.0.0/0'),
(4, true, -32768, -2147483648, -9223372036854775808, -12345678901234567890.123456789, -99999999.99, -3.4e38, -1.7976931348623157e308, ' a B한글 ', '한글abc', ' x ', '-12.5', '\x00ff80', '0001-01-01', '0001-01-01 00:00:00', '2024-12-31 23:59:59.999', '0001-01-02 00:00:00+00', '23:59:59.999999', '-1 year -2 mons +3 days -04:05:06.789', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '[1, "x", null, {"b":[true]}]', '[1, "x", null, {"b":[true]}]', '{"a,b",NULL,"q\"x",한글}', '{NULL,-5}', 'happy', '::1'),
(5, false, 32767, 2147483647, 9223372036854775807, 0.000000000000000000000001, 99999999.99, 3.4e38, 1.7976931348623157e308, 'A-B-a-b 가나다', 'A-B-a-b', 'abcde', '1e3', '가', '9999-12-31', '9999-12-31 23:59:59.999999', '2024-02-29 12:00:00', '9999-12-30 23:59:59.999999+00', '12:00:00', '178000000 years', '12345678-1234-5678-9abc-def012345678', '{"a": {"b": [10, 20.50]}, "c": "한글\n\"q\"", "a": {"b": [1e2]}}', '{"a": {"b": [10, 20.50]}, "c": "한글\n\"q\"", "bb": 1e3}', '{"null",""}', '{7}', 'sad', '192.168.1.5/24'),
(6, true, -1, -7, -7, 'NaN', 'NaN', 'NaN', 'NaN', '%_\', 'a%b', 'a b', 'x', '\xdeadbeef', 'infinity', 'infinity', 'infinity', 'infinity', '24:00:00', '30 days', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '"str"', '"str"', '{a}', '{1,1}', 'ok', NULL),
(7, false, 10, 10, 10, 'Infinity', 10.05, 'Infinity', 'Infinity', 'éÉeE Straße', 'éÉ', 'é', 'NaN', '', '-infinity', '-infinity', '-infinity', '-infinity', '01:02:03', '1 mon', NULL, '12.50', '12.50', '{a,b,c}', '{3,2,1}', 'ok', NULL),
(8, true, 3, 3, 3, '-Infinity', 3.33, '-Infinity', '-Infinity', 'ab,cd,,ef', 'ab,cd', 'ab', '3.33', 'ab', '0044-03-15 BC', '0044-03-15 12:00:00 BC', '0044-03-15 12:00:00 BC', '2000-06-15 12:00:00+00', '01:01:01.000001', '-30 days +12:00:00', NULL, 'null', 'null', '{x}', NULL, NULL, NULL),
(9, false, 5, 25, 1234567890123, 2.5, 2.50, 2.5, 2.5, 'xaxax', '20240229', '00123', '  42 ', 'x', '2000-02-29', '2000-02-29 13:14:15.5', '2000-02-29 13:14:15.5', '2000-02-29 13:14:15.5+00', '13:14:15.5', '1 year 2 mons 3 days 04:05:06', NULL, '{"k": null, "n": -0.0}', '{"k": null, "n": -0.0, "long key": [[]]}', '{20240101,x}', '{100}', NULL, NULL),
(10, true, 2, -25, 1000000, 1234.5678, -2.50, -0.1, 5e-324, '2024-02-29', 'zz', '  z', '12345678901234567890', '\x5c', '2024-12-30', '2024-12-30 00:00:00.000001', '2024-12-30 00:00:00.001', '2024-12-30 18:00:00+00', '06:07:08.9', '-00:00:00.000001', NULL, 'true', 'true', '{" lead"}', '{0}', NULL, NULL),
(11, true, 7, 7, 7, 0.5, 0.05, 0.1, 0.1, 'Hello World', 'tab	x', 'a', 'true', 'Hi', '1999-01-03', '1999-01-03 11:59:59.5', '1999-01-03 11:59:59.5', '1999-01-03 11:59:59.5+00', '11:59:59.5', '1 day -01:00:00', NULL, '[]', '[]', '{a}', '{1}', NULL, NULL),
(12, true, 12, 1000, 99, 100.00, 1.10, 1e6, 1e15, '한', '가나', '한', 'abc', 'z', '2020-12-31', '2020-12-31 23:59:59', '2020-12-31 23:59:59', '2020-12-31 23:59:59+00', '12:34:56', '100:00:00', NULL, '{"a":"1"}', '{"a":"1"}', '{a}', '{1}', NULL, NULL);
ALTER TABLE v ADD ir int4range, ADD nr numrange, ADD dr daterange, ADD tr tsrange, ADD mo money, ADD bi bit(3), ADD vb varbit;
UPDATE v SET ir = CASE k WHEN 1 THEN '[1,5)' WHEN 3 THEN 'empty' WHEN 4 THEN '(,)' WHEN 5 THEN '[7,)' WHEN 6 THEN '(,0)' END::int4range,
  nr = CASE k WHEN 1 THEN '(1.50,2.0]' WHEN 3 THEN 'empty' WHEN 4 THEN '[0,)' WHEN 5 THEN '(-1,99]' END::numrange,
  dr = CASE k WHEN 1 THEN '[2024-01-01,2024-02-01)' WHEN 3 THEN '(,)' WHEN 5 THEN '[2024-01-31,infinity]' END::daterange,
  tr = CASE k WHEN 1 THEN '[2024-01-01 00:00:00.5,2024-02-01)' WHEN 3 THEN 'empty' WHEN 5 THEN '(,infinity)' END::tsrange,
  mo = CASE k WHEN 1 THEN 1.25 WHEN 3 THEN 0 WHEN 4 THEN -92233720368547758.08 WHEN 5 THEN 1234567.89 END::numeric::money,
  bi = CASE k WHEN 1 THEN B'101' WHEN 3 THEN B'000' END, vb = CASE k WHEN 1 THEN B'10' WHEN 3 THEN B'' END;
"#;

fn text(length: Option<u32>, fixed: bool) -> DataType {
    DataType::Text { length, fixed, charset: "UTF8".into(), collation: "default".into() }
}

fn array(element: DataType) -> DataType {
    DataType::Array { element: Box::new(element) }
}

fn native(name: &str) -> DataType {
    DataType::Native { name: name.into(), declared: name.into() }
}

/// The columns, with the type that a literal is cast to.
pub fn columns() -> Vec<(&'static str, &'static str, DataType)> {
    let integer = |bits| DataType::Integer { bits, unsigned: false };
    let labels = ["sad", "ok", "happy"].map(str::to_owned).to_vec();
    vec![
        ("k", "int", integer(32)),
        ("b", "boolean", DataType::Boolean),
        ("i2", "smallint", integer(16)),
        ("i4", "int", integer(32)),
        ("i8", "bigint", integer(64)),
        ("n", "numeric", DataType::Numeric),
        ("n2", "numeric(10,2)", DataType::Decimal { precision: 10, scale: 2, unsigned: false }),
        ("f4", "real", DataType::Float),
        ("f8", "double precision", DataType::Double),
        ("t", "text", text(None, false)),
        ("vc", "varchar(10)", text(Some(10), false)),
        ("c5", "char(5)", text(Some(5), true)),
        ("num", "text", text(None, false)),
        ("by", "bytea", DataType::Bytes { length: None, fixed: false }),
        ("d", "date", DataType::Date),
        ("ts", "timestamp", DataType::DateTime { fraction: 6 }),
        ("ts3", "timestamp(3)", DataType::DateTime { fraction: 3 }),
        ("tz", "timestamptz", DataType::TimestampTz { fraction: 6 }),
        ("tm", "time", DataType::TimeOfDay { fraction: 6 }),
        ("iv", "interval", DataType::Interval),
        ("u", "uuid", DataType::Uuid),
        ("js", "json", DataType::Json),
        ("jb", "jsonb", DataType::Jsonb),
        ("ta", "text[]", array(text(None, false))),
        ("ia", "int[]", array(integer(32))),
        ("m", "text", DataType::NamedEnum { name: "mood".into(), labels }),
        ("ip", "text", native("inet")),
        ("ir", "text", native("int4range")),
        ("nr", "text", native("numrange")),
        ("dr", "text", native("daterange")),
        ("tr", "text", native("tsrange")),
        ("mo", "text", native("money")),
        ("bi", "text", native("bit")),
        ("vb", "text", native("bit varying")),
    ]
}

/// The catalogue with the table alone.
pub fn catalog(time_zone: &str) -> SourceCatalog {
    let columns = columns().into_iter().map(|(name, native, data_type)| Column {
        name: name.into(),
        data_type,
        native_type: native.into(),
        nullable: name != "k",
        generated: Generated::No,
        comment: String::new(),
    });
    let table = TableSchema {
        name: TableName { schema: "public".into(), name: "v".into() },
        columns: columns.collect(),
        primary_key: Some(UniqueKey { name: "v_pkey".into(), columns: vec![0] }),
        unique_keys: Vec::new(),
        engine: "heap".into(),
        transactional: true,
        comment: String::new(),
        row_estimate: 12,
        revision: String::new(),
    };
    let bytewise = PostgresCollation { deterministic: true, ordered_by_bytes: true, character_type: "C".into() };
    let collations = ["default", "C"].map(|name| (name.to_owned(), Collation::postgres(name, bytewise.clone())));
    SourceCatalog {
        sources: std::collections::BTreeMap::new(),
        flavor: strangler::schema::Flavor::PostgreSql,
        version: (15, 0, 0),
        default_schema: "public".into(),
        tables: vec![table],
        collations: collations.into_iter().collect(),
        session: SessionSettings::postgres(time_zone, "default"),
    }
}
