//! Every query shape of the random tests of `derive`, on real servers: what the SELECT means is what the server says it means.

use std::fmt::Write;

use super::on_mariadb;
use crate::support::project::Project;
use crate::support::servers::{Kind, Pair, shared};

#[path = "../../src/derive/tests/group_shapes.rs"]
mod groups;
#[path = "../../src/derive/tests/shapes.rs"]
mod shapes;
#[allow(dead_code, reason = "the statements that only one server understands")]
#[path = "../../src/derive/tests/language.rs"]
mod statements;

const TABLES: &[&str] = &[
    "CREATE TABLE o (ord_no INT PRIMARY KEY, cust_no INT, st VARCHAR(20), del VARCHAR(20) NOT NULL, ctg VARCHAR(20), mbr VARCHAR(20), \
     memo VARCHAR(20)) CHARSET utf8mb4 COLLATE utf8mb4_general_ci",
    "CREATE TABLE d (ord_no INT, seq INT, item_no INT, qty INT NOT NULL, amt DECIMAL(10,2), use_yn VARCHAR(20) NOT NULL, \
     PRIMARY KEY (ord_no, seq)) CHARSET utf8mb4 COLLATE utf8mb4_general_ci",
    "CREATE TABLE c (cust_no INT PRIMARY KEY, nm VARCHAR(20) NOT NULL, grd INT, boss INT) CHARSET utf8mb4 COLLATE utf8mb4_general_ci",
    "CREATE TABLE cd (grp VARCHAR(20), cd VARCHAR(20), nm VARCHAR(20) NOT NULL, use_yn VARCHAR(20) NOT NULL, PRIMARY KEY (grp, cd)) \
     CHARSET utf8mb4 COLLATE utf8mb4_general_ci",
    "CREATE TABLE h (ord_no INT, ev VARCHAR(20), at INT NOT NULL) CHARSET utf8mb4 COLLATE utf8mb4_general_ci",
    "CREATE TABLE p (pay_no INT PRIMARY KEY, ord_no INT, kind VARCHAR(20) NOT NULL, amt DECIMAL(10,2)) \
     CHARSET utf8mb4 COLLATE utf8mb4_general_ci",
    "CREATE TABLE g (ctg_no VARCHAR(20) PRIMARY KEY, nm VARCHAR(20)) CHARSET utf8mb4 COLLATE utf8mb4_general_ci",
];

/// A column and the values it may take, as SQL.
type ColumnValues = (&'static str, &'static [&'static str]);

/// Columns of each table with their values.
const VALUES: &[(&str, &[ColumnValues])] = &[
    (
        "o",
        &[
            ("ord_no", KEYS),
            ("cust_no", NUMBERS),
            ("st", &["'10'", "'20'", "'30'", "NULL"]),
            ("del", &["'N'", "'Y'"]),
            ("ctg", &["'AA01'", "'aa01'", "'aa02'", "'BB01'", "'B'", "NULL"]),
            ("mbr", &["'kim'", "'Kim'", "'lee'", "'kim '", "NULL"]),
            ("memo", &["'n0'", "'n1'", "'n2'", "NULL"]),
        ],
    ),
    (
        "d",
        &[
            ("ord_no", KEYS),
            ("seq", KEYS),
            ("item_no", NUMBERS),
            ("qty", &["0", "1", "2", "7"]),
            ("amt", &["-1.50", "0.01", "4.99", "NULL"]),
            ("use_yn", &["'N'", "'Y'"]),
        ],
    ),
    ("c", &[("cust_no", KEYS), ("nm", &["'n0'", "'n1'", "'n2'"]), ("grd", NUMBERS), ("boss", NUMBERS)]),
    (
        "cd",
        &[("grp", &["'ST'", "'ZZ'"]), ("cd", &["'10'", "'20'", "'30'"]), ("nm", &["'n0'", "'n1'"]), ("use_yn", &["'N'", "'Y'"])],
    ),
    ("h", &[("ord_no", NUMBERS), ("ev", &["'n0'", "NULL"]), ("at", &["0", "1", "2"])]),
    ("p", &[("pay_no", KEYS), ("ord_no", NUMBERS), ("kind", &["'CARD'", "'CASH'"]), ("amt", &["-2.00", "3.50", "3.50", "NULL"])]),
    ("g", &[("ctg_no", &["'AA'", "'bb'", "'B'", "'AA01'"]), ("nm", &["'10'", "'20'", "NULL"])]),
];
const KEYS: &[&str] = &["1", "2", "3", "4", "5", "6"];
const NUMBERS: &[&str] = &["1", "2", "3", "4", "5", "NULL"];

type Shape = (&'static str, &'static [&'static str], &'static str);

fn mapping(shapes: &[Shape]) -> String {
    let mut text = "version: 1\nmapping: shapes\nsource: erp\ntarget: order-db\ntables:\n".to_owned();
    for (name, key, sql) in shapes {
        let sql = sql.split_whitespace().collect::<Vec<_>>().join(" ");
        write!(text, "  {name}:\n    key: [{}]\n    sql: |\n      {sql}\n", key.join(", ")).unwrap();
    }
    text
}

fn statement(rng: &mut fastrand::Rng) -> String {
    let (table, columns) = VALUES[rng.usize(..VALUES.len())];
    let mut value = |values: &[&'static str]| values[rng.usize(..values.len())];
    match value(&["insert", "insert", "insert", "update", "update", "delete"]) {
        "insert" => {
            let values: Vec<&str> = columns.iter().map(|(_, values)| value(values)).collect();
            format!("INSERT IGNORE INTO {table} VALUES ({})", values.join(", "))
        }
        "update" => {
            let (by, among) = columns[0];
            let (column, values) = columns[value(KEYS).parse::<usize>().unwrap() % columns.len()];
            format!("UPDATE IGNORE {table} SET {column} = {} WHERE {by} = {}", value(values), value(among))
        }
        _ => {
            let ((by, among), (and, values)) = (columns[0], columns[1]);
            format!("DELETE FROM {table} WHERE {by} = {} AND {and} <=> {}", value(among), value(values))
        }
    }
}

/// Rows before the load, transactions while it runs live; every target table equals what its SELECT gives on the source.
async fn every_shape(pair: &Pair, collation: &str, shapes: &[Shape]) {
    let project = Project::new(pair, "language").await;
    let tables: Vec<String> = TABLES.iter().map(|table| table.replace("utf8mb4_general_ci", collation)).collect();
    project.legacy(&tables.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut rng = fastrand::Rng::with_seed(11);
    let rows: Vec<String> = (0..120).map(|_| statement(&mut rng)).collect();
    project.legacy(&rows.iter().map(String::as_str).collect::<Vec<_>>()).await;
    project.write("mappings/shapes.yaml", &mapping(shapes));
    project.strangler(&["check"]).await.expect(0);
    project.settle().await;
    let mut engine = project.start(&[]);
    project.until_live(&mut engine).await;
    for _ in 0..60 {
        let mut transaction = vec!["BEGIN".to_owned()];
        transaction.extend((0..rng.usize(1..7)).map(|_| statement(&mut rng)));
        transaction.push("COMMIT".to_owned());
        project.legacy(&transaction.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    assert!(project.settle().await > 50);
    project.strangler(&["verify", "--full-scan"]).await.expect(0);
}

#[tokio::test]
async fn every_query_shape_equals_mariadb() {
    let Some(pair) = shared(Kind::MariaDb).await else { return };
    every_shape(
        &pair,
        "utf8mb4_general_ci",
        &shapes::SHAPES.iter().chain(groups::SHAPES).chain(statements::SHAPES).copied().collect::<Vec<_>>(),
    )
    .await;
}

#[tokio::test]
async fn every_query_shape_equals_mysql() {
    let Some(pair) = shared(Kind::MySql).await else { return };
    let shapes = shapes::SHAPES.iter().chain(groups::SHAPES).chain(statements::SHAPES).chain(statements::LATERAL);
    every_shape(&pair, "utf8mb4_0900_ai_ci", &shapes.copied().collect::<Vec<_>>()).await;
}

const HISTORY: &str = "\
version: 1
mapping: staff
source: erp
target: order-db
tables:
  staff:
    key: [emp_no]
    sql: |
      SELECT e.emp_no, e.nm, h.dept
        FROM l_emp e
        LEFT JOIN l_dept h ON h.emp_no = e.emp_no AND h.end_dt = ''
";

async fn staff(pair: &Pair, test: &str) -> Project {
    let project = Project::new(pair, test).await;
    project
        .legacy(&[
            "CREATE TABLE l_emp (emp_no INT PRIMARY KEY, nm VARCHAR(20) NOT NULL)",
            "CREATE TABLE l_dept (emp_no INT, seq INT, dept VARCHAR(10) NOT NULL, end_dt CHAR(8) NOT NULL, PRIMARY KEY (emp_no, seq))",
            "INSERT INTO l_emp VALUES (1, '김'), (2, '이'), (3, '박')",
            "INSERT INTO l_dept VALUES (1, 1, '영업', '20230101'), (1, 2, '물류', ''), (2, 1, '영업', '')",
        ])
        .await;
    project.write("mappings/staff.yaml", HISTORY);
    project
}

#[tokio::test]
async fn a_missing_fact_is_printed_and_a_declared_one_is_looked_for_and_watched() {
    let (_pair, project) = on_mariadb!(staff, "facts");
    let entry = r#"facts: [{ unique: { table: l_dept, columns: [emp_no], where: "end_dt = ''" } }]"#;
    project.strangler(&["check"]).await.expect(65).names(&["may join several rows of h", entry]);
    project.write("mappings/staff.yaml", &format!("{HISTORY}{entry}\n"));
    project.legacy(&["INSERT INTO l_dept VALUES (2, 2, '경리', '')"]).await;
    project.strangler(&["check"]).await.expect(78).names(&["l_dept (emp_no) where end_dt = ''", "1 keys have several rows"]);
    project.legacy(&["UPDATE l_dept SET end_dt = '20240101' WHERE emp_no = 2 AND seq = 1"]).await;
    project.strangler(&["check"]).await.expect(0);
    assert_eq!(project.settle().await, 3);
    let mut engine = project.start(&[]);
    project.until_live(&mut engine).await;
    project.legacy(&["INSERT INTO l_dept VALUES (1, 3, '인사', '')"]).await;
    assert_eq!(engine.wait().await.code(), Some(76), "{}", engine.log());
    assert!(engine.log().contains("(1, 2), (1, 3)"), "{}", engine.log());
}
