//! Mapping files over a catalogue: every finding of binder and plan at its place in the file.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::super::binding::attempt;
use crate::mapping::{Mapping, SourceFile};
use crate::schema::{Column, DataType, Flavor, Generated, SessionSettings, SourceCatalog, TableName, TableSchema, UniqueKey};
use crate::value::Collation;

const COLLATION: &str = "utf8mb4_general_ci";

fn column(name: &str, data_type: DataType) -> Column {
    Column {
        name: name.into(),
        data_type,
        native_type: "x".into(),
        nullable: false,
        generated: Generated::No,
        comment: String::new(),
    }
}

fn text(name: &str) -> Column {
    column(name, DataType::Text { length: Some(20), fixed: false, charset: "utf8mb4".into(), collation: COLLATION.into() })
}

fn table(name: &str, columns: Vec<Column>) -> TableSchema {
    TableSchema {
        name: TableName { schema: "shop".into(), name: name.into() },
        columns,
        primary_key: Some(UniqueKey { name: "PRIMARY".into(), columns: vec![0] }),
        unique_keys: Vec::new(),
        engine: "InnoDB".into(),
        transactional: true,
        comment: String::new(),
        row_estimate: 1_000,
        revision: String::new(),
    }
}

pub(super) fn catalog() -> SourceCatalog {
    let number = |name: &str| column(name, DataType::Integer { bits: 32, unsigned: false });
    SourceCatalog {
        sources: std::collections::BTreeMap::new(),
        flavor: Flavor::MariaDb,
        version: (10, 11, 0),
        default_schema: "shop".into(),
        tables: vec![
            table("tb_cust", vec![number("cust_no"), text("cust_nm"), text("도시")]),
            table("tb_ord", vec![number("ord_no"), number("cust_no"), text("ord_dt")]),
        ],
        collations: BTreeMap::from([(COLLATION.to_owned(), Collation::binary(COLLATION, "utf8mb4", true))]),
        session: SessionSettings {
            sql_mode: String::new(),
            time_zone: "+09:00".into(),
            div_precision_increment: 4,
            group_concat_max_len: 1024,
            collation_connection: COLLATION.into(),
            lower_case_table_names: 0,
        },
    }
}

const RIGHT: &str = "version: 1
mapping: 주문
source: erp
target: db
tables:
  orders:
    key: [order_id]
    sql: |
      SELECT o.ord_no AS order_id, '고객' AS 구분, c.cust_nm AS 이름, c.도시 AS city
        FROM tb_ord o
        JOIN tb_cust c ON c.cust_no = o.cust_no
    columns:
      이름: { description: 고객 이름 }
    indexes: [[이름]]
  customers:
    key: [no]
    sql: SELECT cust_no AS no, cust_nm AS name FROM tb_cust
";

fn problems(text: &str) -> String {
    let file = Arc::new(SourceFile { path: "mappings/주문.yaml".into(), text: text.into() });
    let mapping = Mapping::parse(file).unwrap_or_else(|problems| panic!("{:?}", problems));
    let attempt = attempt(&[mapping], &catalog(), |_| crate::schema::TargetKind::PostgreSql);
    let mut problems = attempt.problems;
    problems.sort_by_key(|problem| problem.span.start);
    problems.iter().map(|problem| problem.picture(false)).collect::<Vec<_>>().join("\n\n")
}

#[test]
fn a_right_mapping_is_planned() {
    assert_eq!(problems(RIGHT), "");
}

#[test]
fn findings_stand_under_the_right_characters() {
    let cases = [
        ("unknown column behind hangul", "c.cust_nm AS 이름", "c.cust_nmm AS 이름"),
        ("unknown alias behind hangul", "c.도시 AS", "x.도시 AS"),
        ("unknown table", "tb_cust c", "tb_custt c"),
        ("syntax", "FROM tb_ord o", "FRM tb_ord o"),
        ("unknown function", "'고객' AS", "SOUNDS('고객') AS"),
        ("key not in the SELECT", "[order_id]", "[ord_id]"),
        ("key not proven", "[order_id]", "[city]"),
        ("index over an unknown column", "[[이름]]", "[[이르]]"),
        ("option of an unknown column", "이름: {", "이릉: {"),
        ("unknown target type", "{ description: 고객 이름 }", "{ type: varchar2 }"),
        ("plain scalar", "AS name FROM", "AS name, nope FROM"),
        ("non-deterministic", "'고객' AS", "NOW() AS"),
    ];
    let shown = cases.map(|(name, from, to)| {
        assert!(RIGHT.contains(from), "{name}");
        let found = problems(&RIGHT.replacen(from, to, 1));
        assert!(!found.is_empty(), "{name} was accepted");
        format!("## {name}\n{found}\n")
    });
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn findings_of_several_tables_come_at_once() {
    let found = problems(&RIGHT.replacen("c.도시 AS", "x.도시 AS", 1).replacen("[no]", "[name]", 1));
    assert_eq!(found.matches("error: ").count(), 2, "{found}");
}

#[test]
fn a_project_without_its_file_says_which() {
    let failure = super::super::project::Project::open(Path::new("/nowhere/strangler.yaml"), &[]).err().unwrap();
    assert_eq!(failure.code().number(), 65);
}
