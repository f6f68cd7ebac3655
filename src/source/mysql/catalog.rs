//! What the legacy server's catalogue says about mapped tables.
//!
//! In: table names. Out: their schemas as of now, in the catalogue's spelling, sorted by name; and for every other name why it is no
//! table. Reads `information_schema` only. Keys over prefixes or expressions are left out, because they prove nothing about values.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use crate::error::{Error, Result};
use crate::schema::{Column, DataType, Flavor, Generated, TableName, TableSchema, UniqueKey};

use super::column_type;
use super::failure;
use super::names::literal;

/// A name that was asked for and is no table that can be mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    /// The name as asked.
    pub name: TableName,
    /// What the server calls it, e.g. `VIEW`; `None` if it does not exist or may not be seen.
    pub kind: Option<String>,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// Tables, sorted by name.
    pub tables: Vec<TableSchema>,
    /// Names that are no base tables.
    pub absent: Vec<Absent>,
}

/// Reads the schemas of `wanted`; `folded` says that table names compare without case (`lower_case_table_names`).
///
/// # Errors
/// Connection errors; `Bug` if the catalogue's answer cannot be understood.
pub async fn read(conn: &mut Conn, limit: Duration, flavor: Flavor, wanted: &[TableName], folded: bool) -> Result<Found> {
    if wanted.is_empty() {
        return Ok(Found::default());
    }
    let same = |left: &str, right: &str| if folded { left.to_lowercase() == right.to_lowercase() } else { left == right };
    let is_wanted = |name: &TableName| wanted.iter().any(|want| same(&want.schema, &name.schema) && same(&want.name, &name.name));
    let filter = filter(wanted);
    let mut heads = heads(conn, limit, &filter).await?;
    heads.retain(|head| is_wanted(&head.name));
    all_open(&heads)?;
    let mut columns = columns(conn, limit, flavor, &filter).await?;
    let mut keys = keys(conn, limit, &filter).await?;
    let mut found = Found::default();
    for want in wanted {
        let kind = heads
            .iter()
            .find(|head| same(&want.schema, &head.name.schema) && same(&want.name, &head.name.name))
            .map(|head| head.kind.clone());
        if kind.as_deref() != Some("BASE TABLE") {
            found.absent.push(Absent { name: want.clone(), kind });
        }
    }
    for head in heads.into_iter().filter(|head| head.kind == "BASE TABLE") {
        let columns = columns.remove(&head.name).unwrap_or_default();
        let keys = resolve_keys(keys.remove(&head.name).unwrap_or_default(), &columns);
        found.tables.push(head.with(columns, keys));
    }
    found.tables.sort_by(|left, right| left.name.cmp(&right.name));
    found.tables.dedup_by(|left, right| left.name == right.name);
    Ok(found)
}

/// The collations that the columns of `tables` use.
#[must_use]
pub fn collations_used(tables: &[TableSchema]) -> BTreeSet<String> {
    tables
        .iter()
        .flat_map(|table| &table.columns)
        .filter_map(|column| match &column.data_type {
            DataType::Text { collation, .. } | DataType::Enum { collation, .. } | DataType::Set { collation, .. } => {
                Some(collation.clone())
            }
            _ => None,
        })
        .collect()
}

fn filter(wanted: &[TableName]) -> String {
    let pairs: Vec<String> = wanted
        .iter()
        .map(|name| format!("(TABLE_SCHEMA = {} AND TABLE_NAME = {})", literal(&name.schema), literal(&name.name)))
        .collect();
    pairs.join(" OR ")
}

struct Head {
    name: TableName,
    kind: String,
    engine: String,
    transactional: bool,
    comment: String,
    row_estimate: u64,
}

impl Head {
    fn with(self, columns: Vec<Column>, keys: Vec<UniqueKey>) -> TableSchema {
        let (mut primary, unique_keys): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| key.name == "PRIMARY");
        TableSchema {
            name: self.name,
            columns,
            primary_key: primary.pop(),
            unique_keys,
            engine: self.engine,
            transactional: self.transactional,
            comment: self.comment,
            row_estimate: self.row_estimate,
            revision: String::new(),
        }
    }
}

/// Nothing that a server says of a table that it cannot open is to be relied on.
fn all_open(heads: &[Head]) -> Result<()> {
    match heads.iter().find(|head| head.kind == "BASE TABLE" && head.engine.is_empty()) {
        Some(head) => Err(failure::not_opened(&head.name)),
        None => Ok(()),
    }
}

async fn heads(conn: &mut Conn, limit: Duration, filter: &str) -> Result<Vec<Head>> {
    let sql = format!(
        "SELECT t.TABLE_SCHEMA, t.TABLE_NAME, t.TABLE_TYPE, COALESCE(t.ENGINE, ''), COALESCE(t.TABLE_COMMENT, ''), \
         CAST(COALESCE(t.TABLE_ROWS, 0) AS UNSIGNED), COALESCE(e.TRANSACTIONS, 'NO') \
         FROM (SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_COMMENT, TABLE_ROWS FROM information_schema.TABLES WHERE {filter}) t \
         LEFT JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE"
    );
    let rows = rows(conn, limit, "read the tables of the catalogue", sql).await?;
    rows.iter()
        .map(|row| {
            Ok(Head {
                name: TableName { schema: text(row, 0)?, name: text(row, 1)? },
                kind: text(row, 2)?,
                engine: text(row, 3)?,
                comment: text(row, 4)?,
                row_estimate: row.get_opt::<u64, _>(5).and_then(std::result::Result::ok).unwrap_or(0),
                transactional: text(row, 6)? == "YES",
            })
        })
        .collect()
}

async fn columns(conn: &mut Conn, limit: Duration, flavor: Flavor, filter: &str) -> Result<BTreeMap<TableName, Vec<Column>>> {
    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, COALESCE(CHARACTER_SET_NAME, ''), COALESCE(COLLATION_NAME, ''), \
         IS_NULLABLE, COALESCE(EXTRA, ''), COALESCE(COLUMN_COMMENT, '') \
         FROM information_schema.COLUMNS WHERE {filter} ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION"
    );
    let rows = rows(conn, limit, "read the columns of the catalogue", sql).await?;
    let mut columns: BTreeMap<TableName, Vec<Column>> = BTreeMap::new();
    for row in &rows {
        let name = TableName { schema: text(row, 0)?, name: text(row, 1)? };
        let native_type = text(row, 3)?;
        let (charset, collation) = (text(row, 4)?, text(row, 5)?);
        let column = Column {
            name: text(row, 2)?,
            data_type: column_type::parse(&native_type, some(&charset), some(&collation)),
            native_type,
            nullable: text(row, 6)? == "YES",
            generated: generated(&text(row, 7)?, flavor),
            comment: text(row, 8)?,
        };
        columns.entry(name).or_default().push(column);
    }
    Ok(columns)
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn generated(extra: &str, flavor: Flavor) -> Generated {
    let extra = extra.to_ascii_uppercase();
    // MySQL also says DEFAULT_GENERATED, which is an ordinary column with an expression as its default.
    if extra.contains("VIRTUAL GENERATED") || (flavor == Flavor::MariaDb && extra == "VIRTUAL") {
        Generated::Virtual
    } else if extra.contains("STORED GENERATED") || extra.contains("PERSISTENT") {
        Generated::Stored
    } else {
        Generated::No
    }
}

#[derive(Default)]
struct KeyParts {
    columns: Vec<String>,
    whole: bool,
}

type Keys = BTreeMap<String, KeyParts>;

async fn keys(conn: &mut Conn, limit: Duration, filter: &str) -> Result<BTreeMap<TableName, Keys>> {
    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, COALESCE(COLUMN_NAME, ''), COALESCE(SUB_PART, 0) + (COLUMN_NAME IS NULL) \
         + (INDEX_TYPE NOT IN ('BTREE', 'RTREE')) FROM information_schema.STATISTICS WHERE ({filter}) AND NON_UNIQUE = 0 \
         ORDER BY TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX"
    );
    let rows = rows(conn, limit, "read the keys of the catalogue", sql).await?;
    let mut keys: BTreeMap<TableName, Keys> = BTreeMap::new();
    for row in &rows {
        let name = TableName { schema: text(row, 0)?, name: text(row, 1)? };
        let parts =
            keys.entry(name).or_default().entry(text(row, 2)?).or_insert_with(|| KeyParts { columns: Vec::new(), whole: true });
        parts.columns.push(text(row, 3)?);
        parts.whole &= text(row, 4)? == "0";
    }
    Ok(keys)
}

fn resolve_keys(keys: Keys, columns: &[Column]) -> Vec<UniqueKey> {
    keys.into_iter()
        .filter(|(_, parts)| parts.whole)
        .filter_map(|(name, parts)| {
            let ordinals =
                parts.columns.iter().map(|part| columns.iter().position(|column| column.name.eq_ignore_ascii_case(part)));
            Some(UniqueKey { name, columns: ordinals.collect::<Option<Vec<_>>>()? })
        })
        .collect()
}

/// All rows of a catalogue query.
///
/// # Errors
/// As [`failure::within`].
pub async fn rows(conn: &mut Conn, limit: Duration, attempt: &str, sql: String) -> Result<Vec<Row>> {
    failure::within(limit, attempt, conn.query(sql)).await
}

/// A cell of a catalogue row as text; numbers are spelled.
///
/// # Errors
/// `Bug` if the cell is missing, NULL or not text.
pub fn text(row: &Row, index: usize) -> Result<String> {
    match row.as_ref(index) {
        Some(mysql_async::Value::Bytes(bytes)) => {
            String::from_utf8(bytes.clone()).map_err(|_| Error::bug(format!("column {index} of a catalogue query is not UTF-8")))
        }
        Some(mysql_async::Value::Int(number)) => Ok(number.to_string()),
        Some(mysql_async::Value::UInt(number)) => Ok(number.to_string()),
        _ => Err(Error::bug(format!("column {index} of a catalogue query is missing or not text"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;

    #[test]
    fn a_damaged_table_without_an_engine_is_waited_for_and_not_refused() {
        let head = |kind: &str, engine: &str| Head {
            name: TableName { schema: "erp".into(), name: "tb_cust".into() },
            kind: kind.into(),
            engine: engine.into(),
            transactional: false,
            comment: String::new(),
            row_estimate: 0,
        };
        all_open(&[head("BASE TABLE", "MyISAM"), head("VIEW", "")]).unwrap();
        let error = all_open(&[head("BASE TABLE", "MyISAM"), head("BASE TABLE", "")]).unwrap_err();
        assert_eq!(error.class(), Class::Retry);
        assert!(error.to_string().contains("erp.tb_cust") && error.hint().is_some_and(|hint| hint.contains("REPAIR TABLE")));
    }
}
