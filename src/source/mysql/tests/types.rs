//! Types and their extremes: what a chunk and a typed SELECT hold is what was written, on both servers.

use mysql_async::prelude::Queryable;

use super::server::{Kind, layout, name, shared};
use crate::schema::{DataType, Flavor};
use crate::source::{ReadBounds, Source};
use crate::value::{Row, Value};

const TABLE: &str = "CREATE TABLE t (id INT PRIMARY KEY, i8 TINYINT, u8 TINYINT UNSIGNED, i24 MEDIUMINT, u24 MEDIUMINT UNSIGNED, i64 BIGINT, \
    u64 BIGINT UNSIGNED, big DECIMAL(65,30), money DECIMAL(15,2) UNSIGNED, f FLOAT, d DOUBLE, c CHAR(5), v VARCHAR(20), e EUC, l LAT, b BINARY(4), \
    vb VARBINARY(10), bl BLOB, tx TEXT, en ENUM('Y','N','it''s','a,b') , st SET('x','y','z'), bt BIT(64), da DATE, dt DATETIME(6), ts TIMESTAMP(3) NULL, \
    ti TIME(6), y YEAR)";

const ROWS: &[&str] = &[
    "(1, -128, 255, -8388608, 16777215, -9223372036854775808, 18446744073709551615, '-99999999999999999999999999999999999.999999999999999999999999999999', \
     9999999999999.99, 0.1, 0.1, '가 ', '한글', '가힣', 'éÿ', x'01', x'00ff', x'', 'text', 'it''s', 'x,z', b'1000000000000000000000000000000000000000000000000000000000000001', \
     '9999-12-31', '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07.999', '-838:59:59', 2155)",
    "(2, 127, 0, 8388607, 0, 9223372036854775807, 0, 0, 0, 3.4028234e38, 5e-324, '', '', '', '', x'', x'', NULL, '', '', '', 0, '0000-00-00', '0000-00-00 00:00:00', \
     '0000-00-00 00:00:00', '838:59:59', 0)",
    "(3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    "(4, 0, 1, -1, 1, -1, 9223372036854775808, '0.000000000000000000000000000001', 0.01, -16777217, -0.0, 'a', 'b  ', 'ABC', 'z', x'01020304', x'20', 'x', '😀', 'a,b', 'y', 1, \
     '2024-05-00', '2024-00-00 01:02:03', '2024-03-31 02:30:00.5', '-00:00:00.001', 1901)",
];

async fn read(kind: Kind) {
    let Some(server) = shared(kind) else { return };
    let mut conn = server.database("types").await;
    let sql = TABLE.replace("e EUC", "e VARCHAR(10) CHARACTER SET euckr").replace("l LAT", "l VARCHAR(10) CHARACTER SET latin1");
    conn.query_drop("SET SESSION sql_mode = '', time_zone = '+09:00'").await.unwrap();
    conn.query_drop(sql).await.unwrap();
    for row in ROWS {
        conn.query_drop(format!("INSERT INTO t VALUES {row}")).await.unwrap();
    }
    let source = server.source("types");
    let catalog = source.catalog(&[name("types", "t"), name("types", "absent")]).await.unwrap();
    assert_eq!(catalog.tables.len(), 1);
    let table = &catalog.tables[0];
    let layout = layout(0, table);
    let ranges = source.ranges(&layout, 100).await.unwrap();
    assert_eq!(ranges.len(), 1);
    let chunk = source.read_chunk(&layout, 0, &ranges[0], ReadBounds::NONE).await.unwrap();
    assert_eq!(chunk.exact, catalog.flavor == Flavor::MariaDb);
    let types: Vec<DataType> = table.columns.iter().map(|column| column.data_type.clone()).collect();
    let mut selected: Vec<Row> = Vec::new();
    source
        .select("SELECT * FROM t WHERE id > ? ORDER BY id", &[Value::Int(0)], &types, &mut |row| {
            selected.push(row);
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(chunk.rows, selected, "snapshot and SELECT are one conversion");
    written(&chunk.rows);
    // Independent of our decoding: the server compares what we read, as text, with what it holds.
    for (index, column) in table.columns.iter().enumerate() {
        if let DataType::Text { .. } | DataType::Decimal { .. } = column.data_type {
            let texts: Vec<Option<String>> =
                conn.query(format!("SELECT CAST({} AS CHAR) FROM t ORDER BY id", column.name)).await.unwrap();
            for (row, text) in chunk.rows.iter().zip(texts) {
                let ours = match &row[index] {
                    Value::Null => None,
                    Value::Text(text) => Some(text.to_string()),
                    Value::Decimal(number) => Some(number.to_string()),
                    other => panic!("{other:?}"),
                };
                assert_eq!(ours, text, "{}", column.name);
            }
        }
    }
}

fn written(rows: &[Row]) {
    let first = &rows[0];
    assert_eq!(first[1], Value::Int(-128));
    assert_eq!(first[3], Value::Int(-8_388_608));
    assert_eq!(first[6], Value::UInt(u64::MAX));
    assert_eq!(first[9], Value::Float(0.1), "F72: bit-exact");
    assert_eq!(first[13], Value::text("가힣"), "F59: euckr");
    assert_eq!(first[14], Value::text("éÿ"));
    assert_eq!(first[15], Value::Bytes([1, 0, 0, 0].into()), "F77: padded");
    assert_eq!(first[19], Value::text("it's"));
    assert_eq!(first[20], Value::text("x,z"));
    assert_eq!(first[21], Value::UInt((1 << 63) + 1), "F70");
    assert_eq!(first[25], Value::Time(crate::value::Time(-3_020_399_000_000)));
    assert_eq!(first[26], Value::UInt(2155));
    let Value::DateTime(moment) = &first[24] else { panic!() };
    assert_eq!(moment.format(3), "2038-01-19 03:14:07.999", "in the session's time zone");
    let zero = &rows[1];
    assert_eq!(zero[19], Value::text(""), "F73: an invalid ENUM value");
    let Value::Date(date) = &zero[22] else { panic!() };
    assert!(date.is_zero(), "F63");
    assert_eq!(zero[26], Value::UInt(0));
    let partly = &rows[3];
    assert_eq!(partly[22], Value::Date(crate::value::Date { year: 2024, month: 5, day: 0 }));
    assert_eq!(partly[18], Value::text("😀"));
}

#[tokio::test]
async fn every_type_and_its_extremes_on_mariadb() {
    read(Kind::MariaDb).await;
}

#[tokio::test]
async fn every_type_and_its_extremes_on_mysql() {
    read(Kind::MySql).await;
}

async fn refuse(kind: Kind) {
    let Some(server) = shared(kind) else { return };
    let _conn = server.database("typed").await;
    let source = server.source("typed");
    let integer = DataType::Integer { bits: 64, unsigned: false };
    let error = source.select("SELECT 'secret'", &[], std::slice::from_ref(&integer), &mut |_| Ok(())).await.err().unwrap();
    assert!(error.message().contains("number 1") && !format!("{error:?}").contains("secret"));
    assert!(source.select("SELECT 1, 2", &[], std::slice::from_ref(&integer), &mut |_| Ok(())).await.is_err());
    let write = source.select("CREATE TABLE w (a INT)", &[], &[], &mut |_| Ok(())).await;
    assert!(write.is_err(), "a connection is read-only");
    // The connection that met errors is gone, and the next one works.
    source.select("SELECT 1", &[], &[integer], &mut |_| Ok(())).await.unwrap();
}

#[tokio::test]
async fn a_select_that_does_not_fit_its_types_is_an_error() {
    refuse(Kind::MariaDb).await;
    refuse(Kind::MySql).await;
}
