//! The oracle: what the source answers to the mapping's own SELECT against what the target holds, row for row.
//!
//! Both sides must be at rest: the writer stopped, `run --until-caught-up` ended.

use super::cell::{Cell, of_source, of_target, select_of_target};
use super::project::{Project, ServiceDatabase};
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
    // As the engine connects: literals and casts have the collation that the server gives its sessions.
    let collation: Option<String> = source
        .query_first(
            "SELECT IF(@@global.collation_connection LIKE 'utf8mb4%', @@global.collation_connection, 'utf8mb4_general_ci')",
        )
        .await
        .unwrap();
    source.query_drop(format!("SET NAMES utf8mb4 COLLATE {}", collation.unwrap())).await.unwrap();
    let mut target = Target::of(project).await;
    let (mut count, mut differences) = (0, Vec::new());
    for text in project.mapping_texts() {
        let mapping: MappingFile = serde_saphyr::from_str(&text).unwrap();
        for (name, table) in &mapping.tables {
            let types = target.column_types(name).await;
            assert!(!types.is_empty(), "target table {name} does not exist");
            let wanted = source_rows(&mut source, name, table, &types).await;
            let found = target.rows(name, table, &types).await;
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

/// The service database, of either kind.
enum Target {
    Postgres(tokio_postgres::Client),
    MySql(Box<Conn>),
}

impl Target {
    async fn of(project: &Project) -> Self {
        match project.target() {
            ServiceDatabase::Postgres(_) => Self::Postgres(project.target_client().await),
            ServiceDatabase::MySql(url) => Self::MySql(Box::new(Conn::from_url(url).await.unwrap())),
        }
    }

    /// Columns with the name that PostgreSQL has for their kind of type.
    async fn column_types(&mut self, table: &str) -> Vec<(String, String)> {
        match self {
            Self::Postgres(client) => {
                let sql = "SELECT column_name::text, udt_name::text FROM information_schema.columns \
                           WHERE table_name = $1 AND table_schema = 'public' ORDER BY ordinal_position";
                let rows = client.query(sql, &[&table]).await.unwrap();
                rows.iter().map(|row| (row.get(0), row.get(1))).collect()
            }
            Self::MySql(conn) => {
                let sql = "SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS \
                           WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION";
                let rows: Vec<(String, String)> = conn.exec(sql, (table,)).await.unwrap();
                rows.into_iter().map(|(column, kind)| (column, kind_of_mysql(&kind).to_owned())).collect()
            }
        }
    }

    async fn rows(&mut self, name: &str, table: &MappedTable, types: &[(String, String)]) -> Rows {
        let mut keyed = Rows::new();
        match self {
            Self::Postgres(client) => {
                let columns: Vec<String> = types.iter().map(|(column, kind)| select_of_target(column, kind)).collect();
                let sql = format!("SELECT {} FROM public.\"{name}\"", columns.join(", "));
                for row in client.query(&sql, &[]).await.unwrap() {
                    let cells = types.iter().enumerate().map(|(at, (_, kind))| of_target(row.get(at), kind)).collect();
                    insert(&mut keyed, table, types, cells);
                }
            }
            Self::MySql(conn) => {
                let columns: Vec<String> = types.iter().map(|(column, _)| format!("`{column}`")).collect();
                let sql = format!("SELECT {} FROM `{name}`", columns.join(", "));
                let rows: Vec<mysql_async::Row> = conn.exec(sql, ()).await.unwrap();
                for row in rows {
                    let wire: Vec<_> = row.columns_ref().iter().map(mysql_async::Column::column_type).collect();
                    let values = row.unwrap().into_iter().zip(wire).zip(types);
                    let cells = values.map(|((value, wire), (_, kind))| of_source(&value, wire, kind)).collect();
                    insert(&mut keyed, table, types, cells);
                }
            }
        }
        keyed
    }
}

fn kind_of_mysql(data_type: &str) -> &'static str {
    match data_type {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "bit" | "year" => "int8",
        "decimal" => "numeric",
        "float" => "float4",
        "double" => "float8",
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "json" => "text",
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => "bytea",
        "date" => "date",
        "datetime" => "timestamp",
        "time" => "interval",
        other => panic!("the oracle does not know {other}"),
    }
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
