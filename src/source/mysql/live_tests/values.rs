//! Every column type: the value in the log equals the value of the server's SELECT.

use mysql_async::prelude::Queryable;

use super::*;

/// What to SELECT so that the server's text can be compared with [`shown`].
fn select(data_type: &DataType, column: &str) -> String {
    match data_type {
        DataType::Bytes { .. } => format!("HEX({column})"),
        DataType::Bit { .. } => format!("CAST({column} AS UNSIGNED)"),
        DataType::Float | DataType::Double => column.to_owned(),
        _ => format!("CONVERT(CAST({column} AS CHAR) USING utf8mb4)"),
    }
}

fn shown(value: &Value, data_type: &DataType) -> Option<String> {
    Some(match (value, data_type) {
        (Value::Null, _) => return None,
        (Value::UInt(year), DataType::Year) => format!("{year:04}"),
        (Value::Int(number), _) => number.to_string(),
        (Value::UInt(number), _) => number.to_string(),
        (Value::Decimal(decimal), _) => decimal.to_string(),
        (Value::Float(number), _) => format!("{:08x}", number.to_bits()),
        (Value::Double(number), _) => format!("{:016x}", number.to_bits()),
        (Value::Text(text), _) => text.to_string(),
        (Value::Bytes(bytes), _) => bytes.iter().map(|byte| format!("{byte:02X}")).collect(),
        (Value::Date(date), _) => date.to_string(),
        (Value::DateTime(value), DataType::DateTime { fraction } | DataType::Timestamp { fraction }) => value.format(*fraction),
        (Value::Time(value), DataType::Time { fraction }) => value.format(*fraction),
        other => panic!("not expected: {other:?}"),
    })
}

fn server_text(value: mysql_async::Value) -> Option<String> {
    match value {
        mysql_async::Value::NULL => None,
        mysql_async::Value::Bytes(bytes) => Some(String::from_utf8(bytes).unwrap()),
        mysql_async::Value::Int(number) => Some(number.to_string()),
        mysql_async::Value::UInt(number) => Some(number.to_string()),
        mysql_async::Value::Float(number) => Some(format!("{:08x}", number.to_bits())),
        mysql_async::Value::Double(number) => Some(format!("{:016x}", number.to_bits())),
        other => panic!("not expected: {other:?}"),
    }
}

/// Inserts every literal, moves the key, deletes; all three images must equal the SELECT.
async fn round_trip(flavor: Flavor, schema: &str, sql_type: &str, data_type: DataType, literals: &[&str]) {
    let Some(mut bench) = Bench::new(flavor, schema).await else { return };
    let columns = [("id", "int not null", INT), ("v", sql_type, data_type.clone()), ("w", "varchar(20)", text("utf8mb4"))];
    bench.table("t", &columns, "").await;
    let begin = bench.position().await;
    for (index, literal) in literals.iter().enumerate() {
        bench.run(&[&format!("INSERT INTO t VALUES ({index}, {literal}, '{index}')")]).await;
    }
    let query = format!("SELECT {} FROM t ORDER BY id", select(&data_type, "v"));
    let rows: Vec<mysql_async::Row> = bench.conn.exec(query, ()).await.unwrap();
    let expected: Vec<Option<String>> = rows.into_iter().map(|row| server_text(row.unwrap().remove(0))).collect();
    bench.run(&["UPDATE t SET id = id + 1000 ORDER BY id", "DELETE FROM t ORDER BY id"]).await;
    let transactions = transactions(bench.stream_from(begin).await.unwrap());
    let changes: Vec<&Change> = transactions.iter().flat_map(|transaction| &transaction.changes).collect();
    assert_eq!(changes.len(), 3 * literals.len());
    let mut images: Vec<Vec<&Image>> = vec![vec![]; 4];
    for change in changes {
        match &change.operation {
            Operation::Insert { new } => images[0].push(new),
            Operation::Update { old, new } => {
                images[1].push(old);
                images[2].push(new);
            }
            Operation::Delete { old } => images[3].push(old),
            Operation::Truncate => panic!("no truncate here"),
        }
    }
    for (kind, images) in images.iter().enumerate() {
        let got: Vec<Option<String>> = images.iter().map(|image| shown(&full(image)[1], &data_type)).collect();
        let different: Vec<_> = got.iter().zip(&expected).filter(|(got, expected)| got != expected).collect();
        assert!(different.is_empty(), "{sql_type}, image {kind}: {:.2000}", format!("{different:?}"));
        for (index, image) in images.iter().enumerate() {
            assert_eq!(full(image)[2], Value::text(index.to_string()), "the column after {sql_type}");
        }
    }
}

/// One test per type and server family.
macro_rules! types {
    ($($name:ident: $sql:expr, $kind:expr, [$($literal:expr),* $(,)?];)*) => {
        mod mariadb {
            use super::*;
            $(#[tokio::test] async fn $name() { round_trip(Flavor::MariaDb, stringify!($name), $sql, $kind, &[$($literal),*]).await; })*
        }
        mod mysql {
            use super::*;
            $(#[tokio::test] async fn $name() { round_trip(Flavor::MySql, stringify!($name), $sql, $kind, &[$($literal),*]).await; })*
        }
    };
}

fn integer(bits: u8, unsigned: bool) -> DataType {
    DataType::Integer { bits, unsigned }
}

fn decimal(precision: u16, scale: u16) -> DataType {
    DataType::Decimal { precision, scale, unsigned: false }
}

fn labels(list: &[&str]) -> Vec<String> {
    list.iter().map(|label| (*label).to_owned()).collect()
}

fn enumeration(list: &[&str], charset: &str) -> DataType {
    DataType::Enum { labels: labels(list), charset: charset.into(), collation: String::new() }
}

fn set(list: &[&str]) -> DataType {
    DataType::Set { labels: labels(list), charset: "utf8mb4".into(), collation: String::new() }
}

fn fixed_text(charset: &str) -> DataType {
    DataType::Text { length: None, fixed: true, charset: charset.into(), collation: String::new() }
}

fn bytes(length: Option<u32>, fixed: bool) -> DataType {
    DataType::Bytes { length, fixed }
}

types! {
    tinyint: "tinyint", integer(8, false), ["NULL", "-128", "-1", "0", "127"];
    tinyint_unsigned: "tinyint unsigned", integer(8, true), ["255", "0"];
    smallint: "smallint", integer(16, false), ["-32768", "32767", "-1"];
    mediumint_signed: "mediumint", integer(24, false), ["-8388608", "-1", "8388607", "0", "NULL"];
    mediumint_unsigned: "mediumint unsigned", integer(24, true), ["16777215"];
    int_unsigned: "int unsigned", integer(32, true), ["4294967295"];
    bigint: "bigint", integer(64, false), ["-9223372036854775808", "9223372036854775807", "-1"];
    f69_bigint_unsigned_above_2_63: "bigint unsigned", integer(64, true), ["18446744073709551615", "9223372036854775808", "0"];
    f70_bit_64: "bit(64)", DataType::Bit { length: 64 }, ["b'1'", "0x8000000000000001", "0xffffffffffffffff", "NULL"];
    f70_bit_9: "bit(9)", DataType::Bit { length: 9 }, ["b'100000001'", "b'0'"];
    f71_decimal_65_30: "decimal(65,30)", decimal(65, 30), [
        "99999999999999999999999999999999999.999999999999999999999999999999",
        "-99999999999999999999999999999999999.999999999999999999999999999999", "0", "-0.000000000000000000000000000001", "1", "NULL"];
    f71_decimal_38_10: "decimal(38,10)", decimal(38, 10), ["-1234567890123456789012345678.0123456789", "0.5"];
    f71_decimal_1_1: "decimal(1,1)", decimal(1, 1), ["-0.9", "0.1"];
    f71_decimal_65_0: "decimal(65,0)", decimal(65, 0), ["12345678901234567890123456789012345678901234567890123456789012345"];
    f72_float: "float", DataType::Float, ["3.1415927", "-0.1", "16777217", "3.4028234e38", "1.17549435e-38", "NULL"];
    f72_double: "double", DataType::Double, ["0.1", "-1e308", "4.9406564584124654e-324", "1e15"];
    f68_year: "year", DataType::Year, ["0", "'0000'", "1901", "2155", "NULL"];
    f63_date: "date", DataType::Date, ["'0000-00-00'", "'2024-00-00'", "'2024-05-00'", "'1000-01-01'", "'9999-12-31'", "NULL"];
    f63_datetime_6: "datetime(6)", DataType::DateTime { fraction: 6 }, [
        "'0000-00-00'", "'2024-00-00 00:00:00.5'", "'2024-05-00 01:02:03.000001'", "'9999-12-31 23:59:59.999999'", "'1000-01-01'"];
    datetime_3: "datetime(3)", DataType::DateTime { fraction: 3 }, ["'2024-05-06 01:02:03.999'", "'2024-05-06 01:02:03.001'"];
    datetime_1: "datetime(1)", DataType::DateTime { fraction: 1 }, ["'2024-05-06 01:02:03.9'"];
    datetime_0: "datetime", DataType::DateTime { fraction: 0 }, ["'2024-05-06 23:59:59'", "'0000-00-00'"];
    f64_timestamp_6: "timestamp(6) null", DataType::Timestamp { fraction: 6 }, [
        "'1970-01-01 09:00:01'", "'2024-02-29 23:59:59.123456'", "'2038-01-19 12:14:07.999999'", "0", "NULL"];
    f64_timestamp: "timestamp null", DataType::Timestamp { fraction: 0 }, ["'2024-03-10 14:30:00'", "0"];
    f68_time_6: "time(6)", DataType::Time { fraction: 6 }, [
        "'-838:59:59'", "'838:59:59'", "'-00:00:00.000001'", "'-12:34:56.789'", "'24:00:00'", "'00:00:00'", "NULL"];
    f68_time_3: "time(3)", DataType::Time { fraction: 3 }, ["'-00:00:00.001'", "'-00:00:01.999'", "'10:20:30.400'"];
    f68_time_1: "time(1)", DataType::Time { fraction: 1 }, ["'-00:00:00.1'", "'-01:00:00'", "'00:00:00.9'"];
    f68_time_0: "time", DataType::Time { fraction: 0 }, ["'-01:02:03'", "'100:00:00'"];
    f73_enum_with_index_zero: "enum('가','b,c','')", enumeration(&["가", "b,c", ""], "utf8mb4"), ["'가'", "'b,c'", "0", "''", "NULL"];
    f59_enum_euckr: "enum('가','나') character set euckr", enumeration(&["가", "나"], "euckr"), ["'가'", "2"];
    set_of_nine: "set('a','b','c','d','e','f','g','h','가')", set(&["a", "b", "c", "d", "e", "f", "g", "h", "가"]), ["''", "'a,가'", "511", "NULL"];
    f59_char_euckr: "char(10) character set euckr", fixed_text("euckr"), ["'가나다'", "'똠방각하'", "''", "'a '", "NULL"];
    f59_varchar_euckr: "varchar(300) character set euckr", text("euckr"), ["'믜힣'", "REPEAT('가', 300)"];
    f59_text_latin1: "text character set latin1", text("latin1"), ["'€éÿ'", "REPEAT('é', 60000)"];
    f59_varchar_utf16: "varchar(10) character set utf16", text("utf16"), ["'가😀'"];
    f59_varchar_utf32: "varchar(10) character set utf32", text("utf32"), ["'가😀'"];
    f59_varchar_ucs2: "varchar(10) character set ucs2", text("ucs2"), ["'가나'"];
    char_255_utf8mb4: "char(255)", fixed_text("utf8mb4"), ["REPEAT('😀', 255)", "'x  '", "''"];
    f77_binary_4: "binary(4)", bytes(Some(4), true), ["0x01020000", "0x00000000", "0x01", "NULL", "0x01022020"];
    varbinary: "varbinary(400)", bytes(Some(400), false), ["0x0100", "''", "REPEAT(0xff, 400)"];
    blob: "mediumblob", bytes(None, false), ["0x00ff00", "REPEAT('a', 70000)"];
}

/// `JSON` documents as SQL literals; MySQL only, MariaDB's JSON is text.
#[tokio::test]
async fn f74_json_prints_as_the_server_does() {
    let documents = [
        "NULL",
        "'{}'",
        "'[]'",
        "'\"a\\\\\\\\b\\\\\"c/\\\\u0001\\\\n\\\\t\\\\b\\\\f\\\\r가😀\"'",
        "'{\"bb\":1,\"a\":[1,-2,3.0,1e300,true,false,null],\"c\":{\"d\":{}}}'",
        "'[0,-1,32767,-32768,65535,65536,-2147483648,4294967295,4294967296,-9223372036854775808,18446744073709551615]'",
        "'[0.0,-0.0,1.0,0.1,1e15,123456789012345.6,1234567890123456.7,1e16,1e-14,1.5e-15,1e-15,1e100,2.2250738585072014e-308]'",
        "'[1e14,1e17,123456789012345680000,0.00001234,12345.678901234567,5e-324,1.7976931348623157e308,100000000000000000]'",
        "'[1234567890123456.0, 1234567890123450.0, 12345678901234568.0, 1.5e15, 1.5e16, 123456789012345.0, 1.23e-16, 1.2345678901234567e-14]'",
        "JSON_ARRAY(CAST(1.50 AS DECIMAL(10,2)), CAST(-99999999999999999999.123456789 AS DECIMAL(40,9)))",
        "JSON_OBJECT('d', DATE'2024-05-06', 't', TIME'-12:34:56.789', 'x', TIMESTAMP'2024-05-06 01:02:03.000456')",
        "JSON_ARRAY(TIME'838:59:59', TIMESTAMP'9999-12-31 23:59:59')",
        "JSON_ARRAY(CAST(0x00ff01 AS BINARY), b'101')",
        "JSON_ARRAY(CAST(REPEAT(0xab, 200) AS BINARY))",
        "JSON_ARRAY(REPEAT('가', 30000), 1, 70000)",
        "JSON_OBJECT(REPEAT('k', 300), REPEAT('v', 70000), 'n', 1, 'm', 100000)",
        "CAST(CAST('\"x\"' AS JSON) AS JSON)",
    ];
    round_trip(Flavor::MySql, "f74_json", "json", DataType::Json, &documents).await;
}
