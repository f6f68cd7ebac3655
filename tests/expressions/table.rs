//! The awkward table: one column per type, rows of NULLs, extremes, blanks, Hangul, emoji and zero dates.

use strangler::schema::{Column, DataType, Generated, TableName, TableSchema, UniqueKey};
use strangler::value::{Date, DateTime, Decimal, Time, Value};

pub const CREATE: &str = "CREATE DATABASE p CHARACTER SET utf8mb4;
USE p;
CREATE TABLE v (
  k INT NOT NULL PRIMARY KEY, i8 TINYINT NOT NULL, i32 INT, i64 BIGINT, u8 TINYINT UNSIGNED, u32 INT UNSIGNED, u64 BIGINT UNSIGNED,
  d10 DECIMAL(10,2), d14 DECIMAL(14,0), ud8 DECIMAL(8,3) UNSIGNED, d30 DECIMAL(30,10), db DOUBLE,
  c8 CHAR(8) COLLATE utf8mb4_general_ci, vc VARCHAR(20) COLLATE utf8mb4_general_ci NOT NULL, vb VARCHAR(10) COLLATE utf8mb4_bin,
  vu VARCHAR(10) COLLATE utf8mb4_unicode_ci, vk VARCHAR(7) CHARACTER SET euckr, tx TEXT COLLATE utf8mb4_general_ci,
  num VARCHAR(30) COLLATE utf8mb4_general_ci, dts VARCHAR(30) COLLATE utf8mb4_general_ci,
  dt DATE, dtm DATETIME, dtm3 DATETIME(3), tm TIME, tm2 TIME(2), y YEAR, e ENUM('a','bcd','가') COLLATE utf8mb4_general_ci,
  st SET('x','yy') COLLATE utf8mb4_general_ci, b5 BIT(5))
";

pub const INSERT: &str = "INSERT INTO v VALUES (1, 1, 1, 1, 1, 1, 1, 1.00, 1, 1.000, 1, 1, 'a', 'a', 'a', 'a', 'a', 'a', '1', '20240131', '2024-01-31', '2024-01-31 10:20:30', '2024-01-31 10:20:30.123', '10:20:30', '10:20:30.12', 2024, 'a', 'x', 1);
INSERT INTO v VALUES (2, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO v VALUES (3, 0, 0, 0, 0, 0, 0, 0.00, 0, 0.000, 0, 0, '', '', '', '', '', '', '', '', '0000-00-00', '0000-00-00 00:00:00', '0000-00-00 00:00:00.000', '00:00:00', '00:00:00', 0, 'bcd', '', 0);
INSERT INTO v VALUES (4, -128, -2147483648, -9223372036854775808, 255, 4294967295, 18446744073709551615, -99999999.99, -99999999999999, 99999.999, -12345678901234567890.1234567890, -1.5e10, ' a', ' 공백 ', '한글', '한글abc', '한글', '긴 글 ', ' -12.75xyz', '2024-02-29', '2024-00-00', '2024-02-00 10:00:00', '2024-02-29 23:59:59.999', '-838:59:59', '-00:00:00.50', 1901, '가', 'x,yy', 31);
INSERT INTO v VALUES (5, 127, 2147483647, 9223372036854775807, 128, 2147483648, 9223372036854775808, 99999999.99, 99999999999999, 0.001, 12345678901234567890.1234567890, 0.1, '12345678', 'A-B-a-b 가나다', 'A', 'É', '가나다', '😀b', '1e3', '20240230', '2024-02-29', '2024-02-29 23:59:59', '2024-12-31 23:59:59.500', '838:59:59', '23:59:59.99', 2155, 'a', 'yy', 16);
INSERT INTO v VALUES (6, -1, -7, -7, 7, 7, 7, -7.25, -7, 7.255, -0.5000000000, 1e300, '20240105', '😀,a,,B', 'a ', 'ü', 'Z', '%_\\\\', '99999999999999999999', '2024-01-05 10:20:30.5', '2023-12-31', '2023-12-31 13:00:59', '2023-12-31 13:00:59.005', '-10:20:30', '10:20:30.50', 1999, 'bcd', 'x', 10);
INSERT INTO v VALUES (7, 10, 10, 10, 10, 10, 10, 10.05, 10, 10.005, 0.0000000001, -0.0, '00000000', 'éÉeE Straße', 'é', 'e', 'ABC', 'xaxax', '0010', '00000000', '9999-12-31', '9999-12-31 23:59:59', '9999-12-31 23:59:59.999', '00:00:01', '00:00:01.01', 2000, 'a', 'x', 5);
INSERT INTO v VALUES (8, 3, 3, 3, 3, 3, 3, 3.33, 3, 3.333, 3.3333333333, 3.5, 'ab', 'ab', 'AB', 'ab', 'ab', 'ab', 'abc', 'abc', '2000-02-29', '2000-02-29 00:00:00', '2000-02-29 00:00:00.001', '01:01:01', '01:01:01', 2010, 'a', 'x', 3);
INSERT INTO v VALUES (9, 5, 5, 5, 5, 5, 5, 5.55, 5, 5.555, 5.5, 5.5, 'A', 'A', 'b', 'A', 'A', 'A', '-0.005', '2024-13-01', '1970-01-01', '1970-01-01 09:00:00', '1970-01-01 00:00:00.000', '12:00:00', '12:00:00', 1970, 'bcd', 'x', 2);
INSERT INTO v VALUES (10, 2, 25, 1234567890123, 200, 3000000000, 1234567890123, 1234.56, 123456, 12.5, 0.6666666666, 2.5, 'a ', 'zz;top', 'ㅎ', 'ㅎ', 'ㄱ', 'a,b,c', '  42 ', '240131', '2024-12-31', '2024-12-31 00:00:00', '2024-06-15 12:34:56.789', '100:00:00', '00:00:59.99', 2069, '가', 'yy', 17)
";

fn text(length: Option<u32>, fixed: bool, charset: &str, collation: &str) -> DataType {
    DataType::Text { length, fixed, charset: charset.into(), collation: collation.into() }
}

pub fn schema() -> TableSchema {
    let general = |length, fixed| text(length, fixed, "utf8mb4", "utf8mb4_general_ci");
    let integer = |bits, unsigned| DataType::Integer { bits, unsigned };
    let decimal = |precision, scale, unsigned| DataType::Decimal { precision, scale, unsigned };
    let labels = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect();
    let (charset, collation) = ("utf8mb4".to_owned(), "utf8mb4_general_ci".to_owned());
    let columns = [
        ("k", integer(32, false)),
        ("i8", integer(8, false)),
        ("i32", integer(32, false)),
        ("i64", integer(64, false)),
        ("u8", integer(8, true)),
        ("u32", integer(32, true)),
        ("u64", integer(64, true)),
        ("d10", decimal(10, 2, false)),
        ("d14", decimal(14, 0, false)),
        ("ud8", decimal(8, 3, true)),
        ("d30", decimal(30, 10, false)),
        ("db", DataType::Double),
        ("c8", general(Some(8), true)),
        ("vc", general(Some(20), false)),
        ("vb", text(Some(10), false, "utf8mb4", "utf8mb4_bin")),
        ("vu", text(Some(10), false, "utf8mb4", "utf8mb4_unicode_ci")),
        ("vk", text(Some(7), false, "euckr", "euckr_korean_ci")),
        ("tx", general(None, false)),
        ("num", general(Some(30), false)),
        ("dts", general(Some(30), false)),
        ("dt", DataType::Date),
        ("dtm", DataType::DateTime { fraction: 0 }),
        ("dtm3", DataType::DateTime { fraction: 3 }),
        ("tm", DataType::Time { fraction: 0 }),
        ("tm2", DataType::Time { fraction: 2 }),
        ("y", DataType::Year),
        ("e", DataType::Enum { labels: labels(&["a", "bcd", "가"]), charset: charset.clone(), collation: collation.clone() }),
        ("st", DataType::Set { labels: labels(&["x", "yy"]), charset, collation }),
        ("b5", DataType::Bit { length: 5 }),
    ];
    let columns = columns.into_iter().map(|(name, data_type)| Column {
        name: name.into(),
        data_type,
        native_type: String::new(),
        nullable: !matches!(name, "k" | "i8" | "vc"),
        generated: Generated::No,
        comment: String::new(),
    });
    TableSchema {
        name: TableName { schema: "p".into(), name: "v".into() },
        columns: columns.collect(),
        primary_key: Some(UniqueKey { name: "PRIMARY".into(), columns: vec![0] }),
        unique_keys: Vec::new(),
        engine: "InnoDB".into(),
        transactional: true,
        comment: String::new(),
        row_estimate: 10,
        revision: String::new(),
    }
}

/// A column's text as the value that a source emits.
pub fn value(text: Option<Vec<u8>>, data_type: &DataType) -> Value {
    let Some(text) = text.map(|text| String::from_utf8(text).unwrap()) else { return Value::Null };
    match data_type {
        DataType::Integer { unsigned: false, .. } => Value::Int(text.parse().unwrap()),
        DataType::Integer { unsigned: true, .. } | DataType::Year | DataType::Bit { .. } => Value::UInt(text.parse().unwrap()),
        DataType::Decimal { .. } => Value::Decimal(Decimal::parse(&text).unwrap()),
        DataType::Double => Value::Double(text.parse().unwrap()),
        DataType::Date => Value::Date(Date::parse(&text).unwrap()),
        DataType::DateTime { .. } => Value::DateTime(DateTime::parse(&text).unwrap()),
        DataType::Time { .. } => Value::Time(Time::parse(&text).unwrap()),
        _ => Value::text(text),
    }
}

/// Whether our type is the server's, as SHOW COLUMNS prints it. Integer widths may be wider here, and a bounded string may be a
/// TEXT there where it is long.
pub fn same_type(ours: &DataType, theirs: &str) -> bool {
    let base = theirs.split(['(', ' ']).next().unwrap_or(theirs);
    match ours {
        DataType::Null => true,
        DataType::Integer { unsigned, .. } => {
            base == "year" || (base.ends_with("int") && theirs.contains("unsigned") == *unsigned)
        }
        DataType::Year => matches!(base, "year" | "int"),
        DataType::Bit { .. } => base == "bit",
        DataType::Decimal { precision, scale, .. } => decimal_fits(theirs, *precision, *scale),
        DataType::Double => base == "double",
        DataType::Text { length: Some(length), .. } if *length <= 512 => {
            // The server counts bytes for characters in places (SUBSTRING, DATE_FORMAT on MariaDB); ours must hold every value.
            let width = theirs.split(['(', ')']).nth(1).and_then(|width| width.parse::<u32>().ok());
            matches!(base, "varchar" | "char") && width.is_some_and(|width| width >= *length || width == 0)
        }
        DataType::Text { .. } => base.ends_with("text") || base == "varchar",
        DataType::Bytes { .. } => base == "varbinary" || base.ends_with("blob") || base == "binary",
        DataType::Date => base == "date",
        DataType::DateTime { fraction: 0 } => theirs == "datetime",
        DataType::DateTime { fraction } => theirs == format!("datetime({fraction})"),
        DataType::Time { fraction: 0 } => theirs == "time",
        DataType::Time { fraction } => theirs == format!("time({fraction})"),
        DataType::Enum { .. } => base == "enum",
        DataType::Set { .. } => base == "set",
        DataType::Json => base == "json",
        _ => false,
    }
}

/// The scale must be the server's; the precision may be larger, where an integer operand's width is known more closely there.
fn decimal_fits(theirs: &str, precision: u16, scale: u16) -> bool {
    let Some(inner) = theirs.strip_prefix("decimal(").and_then(|rest| rest.split(')').next()) else { return false };
    let Some((their_precision, their_scale)) = inner.split_once(',') else { return false };
    their_scale.parse() == Ok(scale) && their_precision.parse::<u16>().is_ok_and(|their| their <= precision)
}

/// The table of [`super::strings`].
pub fn strings_schema() -> TableSchema {
    let mut schema = schema();
    schema.name.name = "z".into();
    schema.columns.truncate(1);
    let text = Column { name: "t".into(), data_type: super::strings::text_type(), nullable: false, ..schema.columns[0].clone() };
    schema.columns.push(text);
    schema
}
