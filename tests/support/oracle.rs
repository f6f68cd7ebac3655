//! The oracle: what the source answers to the mapping's own SELECT against what the target holds, row for row.
//!
//! Both sides must be at rest: the writer stopped, `run --until-caught-up` ended.

use super::cell::{Cell, of_source, of_target, select_of_target};
use super::project::Project;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What the oracle needs to know of a mapping file; not the program's own reader.
#[derive(Deserialize)]
pub struct MappingFile {
    /// Target tables.
    pub tables: BTreeMap<String, MappedTable>,
}

/// One target table.
#[derive(Deserialize)]
pub struct MappedTable {
    /// Key columns.
    pub key: Vec<String>,
    /// The SELECT.
    pub sql: String,
}

type Rows = BTreeMap<Vec<Cell>, Vec<Cell>>;

/// Compares every table of every mapping of the project; the number of rows that are equal.
pub async fn check(project: &Project) -> usize {
    let (rows, differences) = compare(project).await;
    assert!(
        differences.is_empty(),
        "{} differences, the first:\n{}",
        differences.len(),
        differences[..differences.len().min(20)].join("\n")
    );
    rows
}

/// The number of rows of the source's answer, and every difference in words.
pub async fn compare(project: &Project) -> (usize, Vec<String>) {
    let mut source = Conn::from_url(project.source_url()).await.unwrap();
    let target = project.target_client().await;
    let (mut count, mut differences) = (0, Vec::new());
    for text in project.mapping_texts() {
        let mapping: MappingFile = serde_saphyr::from_str(&text).unwrap();
        for (name, table) in &mapping.tables {
            let types = column_types(&target, name).await;
            assert!(!types.is_empty(), "target table {name} does not exist");
            let wanted = source_rows(&mut source, name, table, &types).await;
            let found = target_rows(&target, name, table, &types).await;
            count += wanted.len();
            differences.extend(difference(name, &types, &wanted, &found));
        }
    }
    source.disconnect().await.unwrap();
    (count, differences)
}

fn difference(table: &str, types: &[(String, String)], wanted: &Rows, found: &Rows) -> Vec<String> {
    let mut differences = Vec::new();
    for (key, row) in wanted {
        match found.get(key) {
            None => differences.push(format!("{table} {key:?}: missing in the target")),
            Some(other) => {
                for ((column, _), (wanted, found)) in types.iter().zip(row.iter().zip(other)) {
                    if wanted != found {
                        differences.push(format!("{table} {key:?} {column}: source {}, target {}", short(wanted), short(found)));
                    }
                }
            }
        }
    }
    let surplus = found.keys().filter(|key| !wanted.contains_key(*key));
    differences.extend(surplus.map(|key| format!("{table} {key:?}: surplus in the target")));
    differences
}

fn short(cell: &Cell) -> String {
    match cell {
        None => "NULL".into(),
        Some(text) if text.len() <= 120 => format!("{text:?}"),
        Some(text) => format!("{:?}.. ({} bytes)", text.chars().take(40).collect::<String>(), text.len()),
    }
}

async fn column_types(target: &tokio_postgres::Client, table: &str) -> Vec<(String, String)> {
    let sql = "SELECT column_name::text, udt_name::text FROM information_schema.columns \
               WHERE table_name = $1 AND table_schema = 'public' ORDER BY ordinal_position";
    let rows = target.query(sql, &[&table]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

async fn source_rows(source: &mut Conn, name: &str, table: &MappedTable, types: &[(String, String)]) -> Rows {
    let rows: Vec<mysql_async::Row> = source.exec(&table.sql, ()).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut keyed = Rows::new();
    for row in rows {
        let columns: Vec<_> =
            row.columns_ref().iter().map(|column| (column.name_str().into_owned(), column.column_type())).collect();
        let by_name: BTreeMap<String, _> =
            columns.into_iter().zip(row.unwrap()).map(|((name, kind), value)| (name, (value, kind))).collect();
        assert_eq!(by_name.len(), types.len(), "{name}: the target has other columns than the SELECT");
        let cell = |(column, kind): &(String, String)| {
            let (value, source_type) = &by_name[column];
            of_source(value, *source_type, kind)
        };
        let cells: Vec<Cell> = types.iter().map(cell).collect();
        insert(&mut keyed, table, types, cells);
    }
    keyed
}

async fn target_rows(target: &tokio_postgres::Client, name: &str, table: &MappedTable, types: &[(String, String)]) -> Rows {
    let columns: Vec<String> = types.iter().map(|(column, kind)| select_of_target(column, kind)).collect();
    let sql = format!("SELECT {} FROM public.\"{name}\"", columns.join(", "));
    let mut keyed = Rows::new();
    for row in target.query(&sql, &[]).await.unwrap() {
        let cells = types.iter().enumerate().map(|(at, (_, kind))| of_target(row.get(at), kind)).collect();
        insert(&mut keyed, table, types, cells);
    }
    keyed
}

/// Two rows of one key would be a broken promise on either side.
fn insert(rows: &mut Rows, table: &MappedTable, types: &[(String, String)], cells: Vec<Cell>) {
    let key = |column: &String| {
        let at = types.iter().position(|(name, _)| name == column).unwrap_or_else(|| panic!("no key column {column}"));
        cells[at].clone()
    };
    let key: Vec<Cell> = table.key.iter().map(key).collect();
    assert!(rows.insert(key.clone(), cells).is_none(), "two rows with key {key:?}");
}
