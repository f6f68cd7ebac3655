//! The naive evaluation against answers that were worked out by hand.

use std::collections::BTreeMap;

use crate::error::Class;
use crate::schema::{
    Column, DataType, Flavor, Generated, SessionSettings, SourceCatalog, TableId, TableName, TableSchema, UniqueKey,
};
use crate::value::{Collation, Row, Value};
use crate::verify::naive::{Bases, rows_of};

fn table(name: &str, columns: &[(&str, DataType)]) -> TableSchema {
    let column = |(name, data_type): &(&str, DataType)| Column {
        name: (*name).into(),
        data_type: data_type.clone(),
        native_type: String::new(),
        nullable: *name != "id",
        generated: Generated::No,
        comment: String::new(),
    };
    TableSchema {
        name: TableName { schema: "shop".into(), name: name.into() },
        columns: columns.iter().map(column).collect(),
        primary_key: Some(UniqueKey { name: "PRIMARY".into(), columns: vec![0] }),
        unique_keys: vec![],
        engine: "InnoDB".into(),
        transactional: true,
        comment: String::new(),
        row_estimate: 3,
        revision: String::new(),
    }
}

fn catalog() -> SourceCatalog {
    let integer = DataType::Integer { bits: 64, unsigned: false };
    let text = DataType::Text { length: Some(9), fixed: false, charset: "utf8mb4".into(), collation: "utf8mb4_bin".into() };
    SourceCatalog {
        flavor: Flavor::MariaDb,
        version: (10, 11, 0),
        default_schema: "shop".into(),
        tables: vec![
            table("item", &[("id", integer.clone()), ("orders", integer.clone()), ("price", integer.clone())]),
            table("orders", &[("id", integer), ("name", text)]),
        ],
        collations: BTreeMap::from([("utf8mb4_bin".to_owned(), Collation::binary("utf8mb4_bin", "utf8mb4", true))]),
        session: SessionSettings {
            sql_mode: String::new(),
            time_zone: "+00:00".into(),
            div_precision_increment: 4,
            group_concat_max_len: 1 << 20,
            collation_connection: "utf8mb4_bin".into(),
            lower_case_table_names: 0,
        },
        sources: BTreeMap::new(),
    }
}

fn bases() -> Bases {
    let item =
        |id, orders: Option<i64>, price| Row::from([Value::Int(id), orders.map_or(Value::Null, Value::Int), Value::Int(price)]);
    let order = |id, name: &str| Row::from([Value::Int(id), Value::text(name)]);
    let items = vec![item(10, Some(1), 5), item(11, Some(1), 7), item(12, Some(2), 7), item(13, None, 9), item(14, Some(8), 1)];
    Bases::from([(TableId(0), items), (TableId(1), vec![order(1, "a"), order(2, "b"), order(3, "b ")])])
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Decimal(number) => number.to_string(),
        Value::Text(text) => text.to_string(),
        other => panic!("{other:?}"),
    }
}

fn answer(sql: &str) -> Vec<String> {
    let catalog = catalog();
    let query = crate::sql::bind(sql, &catalog).unwrap_or_else(|found| panic!("{sql}\n{found:#?}"));
    let rows = rows_of(&query, &catalog, bases()).unwrap();
    let mut lines: Vec<String> = rows.iter().map(|row| row.iter().map(shown).collect::<Vec<_>>().join(" ")).collect();
    lines.sort();
    lines
}

#[test]
fn joins_keep_and_lose_the_rows_that_the_standard_says() {
    let inner = "SELECT o.id AS o, i.id AS i FROM orders o JOIN item i ON i.orders = o.id WHERE i.price > 5";
    assert_eq!(answer(inner), ["1 11", "2 12"]);
    let left = "SELECT o.id AS o, i.id AS i FROM orders o LEFT JOIN item i ON i.orders = o.id AND i.price = 7";
    assert_eq!(answer(left), ["1 11", "2 12", "3 -"]);
    let right = "SELECT o.name AS o, i.id AS i FROM orders o RIGHT JOIN item i ON i.orders = o.id";
    assert_eq!(answer(right), ["- 13", "- 14", "a 10", "a 11", "b 12"]);
    let anti = "SELECT i.id AS i FROM item i WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.id = i.orders)";
    assert_eq!(answer(anti), ["13", "14"]);
}

#[test]
fn groups_go_by_the_equality_of_their_type() {
    let names = "SELECT COUNT(*) AS n, SUM(o.id) AS s FROM orders o GROUP BY o.name";
    assert_eq!(answer(names), ["1 1", "2 5"], "blanks at the end do not count");
    let having = "SELECT i.orders AS o, MAX(i.price) AS p FROM item i GROUP BY i.orders HAVING COUNT(*) > 1";
    assert_eq!(answer(having), ["1 7"]);
    assert_eq!(answer("SELECT COUNT(i.orders) AS n, SUM(i.price) AS s FROM item i WHERE i.id > 99"), ["0 -"]);
    assert_eq!(answer("SELECT DISTINCT i.price AS p FROM item i"), ["1", "5", "7", "9"]);
}

#[test]
fn derived_tables_numbers_unions_and_subqueries() {
    let first =
        "SELECT t.id AS i FROM (SELECT i.id AS id, ROW_NUMBER() OVER (PARTITION BY i.orders ORDER BY i.price DESC, i.id) AS n
                 FROM item i) t WHERE t.n = 1";
    assert_eq!(answer(first), ["11", "12", "13", "14"]);
    let both = "SELECT o.id AS i FROM orders o UNION ALL SELECT i.price AS i FROM item i WHERE i.price = 7";
    assert_eq!(answer(both), ["1", "2", "3", "7", "7"]);
    let latest = "SELECT o.id AS o, (SELECT i.id FROM item i WHERE i.orders = o.id ORDER BY i.price DESC, i.id LIMIT 1) AS i FROM orders o";
    assert_eq!(answer(latest), ["1 11", "2 12", "3 -"]);
}

#[test]
fn a_subquery_with_two_rows_is_an_error_as_at_the_source() {
    let catalog = catalog();
    let sql = "SELECT o.id AS o, (SELECT i.id FROM item i WHERE i.orders = o.id) AS i FROM orders o";
    let query = crate::sql::bind(sql, &catalog).unwrap();
    assert_eq!(rows_of(&query, &catalog, bases()).unwrap_err().class(), Class::Person);
}
