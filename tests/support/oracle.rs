//! The oracle: what the source answers to the mapping's own SELECT against what the target holds, row for row.
//!
//! Both sides must be at rest: the writer stopped, `run --until-caught-up` ended.

use super::cell::{Cell, of_mysql, of_postgres, select_of_postgres};
use super::project::{Access, Project};
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
    let mut source = Reader::of(project.source_access()).await;
    let mut target = Reader::of(project.target()).await;
    let (mut count, mut differences) = (0, Vec::new());
    for text in project.mapping_texts() {
        let mapping: MappingFile = serde_saphyr::from_str(&text).unwrap();
        for (name, table) in &mapping.tables {
            let types = target.column_types(name).await;
            assert!(!types.is_empty(), "target table {name} does not exist");
            let wanted = source.rows(&table.sql, name, table, &types).await;
            let whole = target.whole(name);
            let found = target.rows(&whole, name, table, &types).await;
            count += wanted.len();
            differences.extend(difference(name, &types, &wanted, &found));
        }
    }
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

/// A database of either side.
enum Reader {
    Postgres(tokio_postgres::Client),
    MySql(Box<Conn>),
}

impl Reader {
    async fn of(access: &Access) -> Self {
        match access {
            Access::Postgres(_) => {
                let client = access.client().await;
                client.batch_execute("SET TimeZone = 'UTC'; SET extra_float_digits = 1").await.unwrap();
                Self::Postgres(client)
            }
            Access::MySql(url) => {
                let mut conn = Conn::from_url(url).await.unwrap();
                // As the engine connects: literals and casts have the collation that the server gives its sessions.
                let question = "SELECT IF(@@global.collation_connection LIKE 'utf8mb4%', @@global.collation_connection, 'utf8mb4_general_ci')";
                let collation: Option<String> = conn.query_first(question).await.unwrap();
                conn.query_drop(format!("SET NAMES utf8mb4 COLLATE {}", collation.unwrap())).await.unwrap();
                Self::MySql(Box::new(conn))
            }
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

    /// The statement that reads a table of the service.
    fn whole(&self, table: &str) -> String {
        match self {
            Self::Postgres(_) => format!("SELECT * FROM public.\"{table}\""),
            Self::MySql(_) => format!("SELECT * FROM `{table}`"),
        }
    }

    /// The rows of a statement, as they should look in columns of these types.
    async fn rows(&mut self, sql: &str, name: &str, table: &MappedTable, types: &[(String, String)]) -> Rows {
        let rows = match self {
            Self::Postgres(client) => postgres_rows(client, sql, types).await,
            Self::MySql(conn) => mysql_rows(conn, sql, types).await,
        };
        let mut keyed = Rows::new();
        for cells in rows.unwrap_or_else(|error| panic!("{name}: {error}")) {
            insert(&mut keyed, table, types, cells);
        }
        keyed
    }
}

async fn postgres_rows(
    client: &tokio_postgres::Client,
    sql: &str,
    types: &[(String, String)],
) -> Result<Vec<Vec<Cell>>, Box<dyn std::error::Error>> {
    let statement = client.prepare(sql).await?;
    let own: BTreeMap<&str, &str> = statement.columns().iter().map(|column| (column.name(), column.type_().name())).collect();
    assert_eq!(own.len(), types.len(), "the target has other columns than the SELECT");
    let printed: Vec<String> =
        types.iter().map(|(column, kind)| select_of_postgres(column, own[column.as_str()], kind)).collect();
    let rows = client.query(&format!("SELECT {} FROM ({sql}\n) answer", printed.join(", ")), &[]).await?;
    let cells = |row: &tokio_postgres::Row| {
        types.iter().enumerate().map(|(at, (_, kind))| of_postgres(row.get(at), kind)).collect::<Vec<Cell>>()
    };
    Ok(rows.iter().map(cells).collect())
}

async fn mysql_rows(
    conn: &mut Conn,
    sql: &str,
    types: &[(String, String)],
) -> Result<Vec<Vec<Cell>>, Box<dyn std::error::Error>> {
    let rows: Vec<mysql_async::Row> = conn.exec(sql, ()).await?;
    let cells = |row: mysql_async::Row| {
        let columns: Vec<_> =
            row.columns_ref().iter().map(|column| (column.name_str().into_owned(), column.column_type())).collect();
        let by_name: BTreeMap<String, _> =
            columns.into_iter().zip(row.unwrap()).map(|((name, kind), value)| (name, (value, kind))).collect();
        assert_eq!(by_name.len(), types.len(), "the target has other columns than the SELECT");
        let cell = |(column, kind): &(String, String)| {
            let (value, wire) = &by_name[column];
            of_mysql(value, *wire, kind)
        };
        types.iter().map(cell).collect()
    };
    Ok(rows.into_iter().map(cells).collect())
}

fn kind_of_mysql(data_type: &str) -> &'static str {
    match data_type {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "bit" | "year" => "int8",
        "decimal" => "numeric",
        "float" => "float4",
        "double" => "float8",
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "json" | "enum" | "set" => "text",
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
