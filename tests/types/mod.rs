//! Every column type at its boundaries, once through the snapshot and once through the stream: both equal to the source's SELECT, and
//! to each other. Under several time zones, because UTC hides what is wrong with times.

use crate::support::long;
use crate::support::oracle;
use crate::support::project::Project;
use crate::support::servers::{Database, own_pair_with};

/// Column, its type, and literals at the edges; NULL is added to each.
const COLUMNS: &[(&str, &str, &[&str])] = &[
    ("f68_tiny", "TINYINT", &["-128", "127", "0"]),
    ("tiny_u", "TINYINT UNSIGNED", &["255", "0"]),
    ("flag", "TINYINT(1)", &["1", "0", "-1"]),
    ("small", "SMALLINT", &["-32768", "32767"]),
    ("medium", "MEDIUMINT", &["-8388608", "8388607", "-1"]),
    ("medium_u", "MEDIUMINT UNSIGNED", &["16777215", "0"]),
    ("whole", "INT", &["-2147483648", "2147483647"]),
    ("whole_u", "INT UNSIGNED", &["4294967295"]),
    ("big", "BIGINT", &["-9223372036854775808", "9223372036854775807"]),
    ("f69_big_u", "BIGINT UNSIGNED", &["18446744073709551615", "9223372036854775808", "0"]),
    ("f70_bits", "BIT(64)", &["x'8000000000000001'", "0", "x'ffffffffffffffff'"]),
    ("bit_one", "BIT(1)", &["1", "0"]),
    ("money", "DECIMAL(15,2)", &["-9999999999999.99", "0.01", "-0.00", "12.5"]),
    (
        "f71_wide",
        "DECIMAL(65,30)",
        &["12345678901234567890123456789012345.123456789012345678901234567890", "-0.000000000000000000000000000001"],
    ),
    ("f72_single", "FLOAT", &["0.1", "16777217", "3.4028235e38", "-1.17549435e-38", "0.333333343"]),
    ("many", "DOUBLE", &["0.1", "1.7976931348623157e308", "-2.2250738585072014e-308", "123456789.123456789", "0"]),
    ("fixed", "CHAR(8)", &["'abc'", "'가나다'", "''", "'a b '"]),
    ("word", "VARCHAR(40)", &["'trailing  '", "'😀 Renée 가'", "''", "'back\\\\slash ''quote'''"]),
    ("f59_korean", "VARCHAR(40) CHARACTER SET euckr", &["'한국어 주문'", "'똠방각하'", "'ascii'"]),
    ("western", "VARCHAR(40) CHARACTER SET latin1", &["'Müller €'", "'ÿ'"]),
    ("three_byte", "VARCHAR(40) CHARACTER SET utf8mb3", &["'가é'"]),
    ("prose", "MEDIUMTEXT", &["REPEAT('긴 글 ', 20000)", "''"]),
    ("f77_padded", "BINARY(4)", &["x'01020000'", "x''", "x'00'"]),
    ("raw", "VARBINARY(8)", &["x'00ff00'", "x''"]),
    ("blob_big", "LONGBLOB", &["REPEAT(x'00ff', 40000)"]),
    ("f73_kind", "ENUM('없음','x','y z')", &["'없음'", "'y z'", "''"]),
    ("kinds", "SET('a','b','c')", &["'a,c'", "''", "'a,b,c'"]),
    ("day", "DATE", &["'1000-01-01'", "'9999-12-31'", "'2024-02-29'"]),
    ("f63_zero_day", "DATE", &["'0000-00-00'", "'2024-00-00'", "'2024-01-31'"]),
    ("moment", "DATETIME", &["'2024-03-10 02:30:00'", "'9999-12-31 23:59:59'", "'1000-01-01 00:00:00'"]),
    ("f65_moment_us", "DATETIME(6)", &["'2024-11-03 01:30:00.000001'", "'2024-12-31 23:59:59.999999'"]),
    ("zero_moment", "DATETIME", &["'0000-00-00 00:00:00'", "'2024-01-01 00:00:00'"]),
    ("f64_stamp", "TIMESTAMP NULL", &["'2024-06-01 12:00:00'", "'2038-01-19 00:00:00'", "'1970-01-02 00:00:00'"]),
    ("stamp_ms", "TIMESTAMP(3) NULL", &["'2024-03-10 02:30:00.123'"]),
    ("span", "TIME", &["'-838:59:59'", "'838:59:59'", "'00:00:00'"]),
    ("span_us", "TIME(6)", &["'-00:00:00.000001'", "'12:34:56.789012'"]),
    ("year_of", "YEAR", &["1901", "2155", "0"]),
];

fn table() -> String {
    let columns: Vec<String> = COLUMNS.iter().map(|(name, kind, _)| format!("{name} {kind} NULL")).collect();
    format!(
        "CREATE TABLE t_types (id INT PRIMARY KEY, {}) CHARACTER SET utf8mb4",
        columns.join(", ").replace("NULL NULL", "NULL")
    )
}

/// Rows that use every literal of every column at least once, ids from `first`; the last is all NULL.
fn inserts(first: usize) -> Vec<String> {
    let rows = COLUMNS.iter().map(|(_, _, literals)| literals.len()).max().unwrap();
    let row = |number: usize| {
        let literal =
            |literals: &[&str]| if number == rows { "NULL".to_owned() } else { literals[number % literals.len()].to_owned() };
        let literals: Vec<String> = COLUMNS.iter().map(|(_, _, literals)| literal(literals)).collect();
        format!("INSERT INTO t_types VALUES ({}, {})", first + number, literals.join(", "))
    };
    (0..=rows).map(row).collect()
}

fn mapping() -> String {
    let columns: Vec<String> = COLUMNS.iter().map(|(name, _, _)| format!("t.{name} AS {name}")).collect();
    format!(
        "version: 1\nmapping: types\nsource: erp\ntarget: order-db\npolicies:\n  zero_date: \"null\"\ntables:\n  kinds:\n    key: [id]\n    \
         sql: |\n      SELECT t.id AS id, {} FROM t_types t\n",
        columns.join(", ")
    )
}

/// The same rows by both ways must be the same rows.
async fn both_ways_agree(project: &Project, offset: usize) {
    let columns: Vec<&str> = COLUMNS.iter().map(|(name, _, _)| *name).collect();
    for column in columns {
        let different = format!(
            "SELECT COUNT(*)::text FROM kinds a JOIN kinds b ON b.id = a.id + {offset} WHERE a.{column}::text IS DISTINCT FROM b.{column}::text"
        );
        assert_eq!(project.ask_service(&different).await, "0", "{column} differs between snapshot and stream");
    }
}

/// Types that a mapping has to ask for.
fn declare_labels(project: &Project) {
    let columns =
        "    columns:\n      f73_kind: { type: \"enum('','없음','x','y z')\" }\n      kinds: { type: \"set('a','b','c')\" }\n";
    project.write("mappings/types.yaml", &format!("{}{columns}", mapping()));
}

async fn arrives(source: Database, target: Database, time_zone: &str) {
    let zone = format!("--default-time-zone={time_zone}");
    let Some(pair) = own_pair_with(source, &[&zone], target).await else { return };
    let project = Project::new(&pair, "types").await;
    let relaxed = "SET SESSION sql_mode = ''".to_owned();
    let mut statements = vec![relaxed.clone(), table()];
    statements.extend(inserts(0));
    project.legacy(&statements.iter().map(String::as_str).collect::<Vec<_>>()).await;
    match target {
        Database::Postgres => project.write("mappings/types.yaml", &mapping()),
        Database::MySql(_) => declare_labels(&project),
    }
    let mut engine = project.start(&[]);
    project.until_live(&mut engine).await;
    let mut statements = vec![relaxed.clone()];
    statements.extend(inserts(1_000));
    // By update too: from all NULL to the values, in a session of another time zone, which must not matter for what is stored.
    statements.extend((0..6).map(|number| format!("INSERT INTO t_types (id) VALUES ({})", 2_000 + number)));
    let assignments: Vec<String> = COLUMNS.iter().map(|(name, _, _)| format!("n.{name} = o.{name}")).collect();
    statements.push("SET time_zone = '+05:45'".into());
    statements
        .push(format!("UPDATE t_types n JOIN t_types o ON o.id = n.id - 2000 SET {} WHERE n.id >= 2000", assignments.join(", ")));
    project.legacy(&statements.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    project.strangler(&["run", "--until-caught-up"]).await.expect(0);
    oracle::check(&project).await;
    if target == Database::Postgres {
        both_ways_agree(&project, 1_000).await;
        both_ways_agree(&project, 2_000).await;
    }
    project.strangler(&["verify"]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_from_mariadb_in_seoul() {
    arrives(Database::MARIADB, Database::Postgres, "+09:00").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_from_mariadb_in_newfoundland() {
    arrives(Database::MARIADB, Database::Postgres, "-02:30").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_from_mysql_in_seoul() {
    arrives(Database::MYSQL, Database::Postgres, "+09:00").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_from_mariadb_to_mysql() {
    arrives(Database::MARIADB, Database::MYSQL, "+09:00").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_from_mysql_to_mariadb() {
    arrives(Database::MYSQL, Database::MARIADB, "-02:30").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_to_a_server_of_the_same_kind() {
    if long() {
        arrives(Database::MARIADB, Database::MARIADB, "+09:00").await;
        arrives(Database::MYSQL, Database::MYSQL, "+09:00").await;
    }
}
