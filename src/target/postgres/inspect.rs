//! Compares a declared table with the catalogue, exactly: what exists is absent, as declared, or different by name.

use std::collections::BTreeMap;

use tokio_postgres::Row;

use super::connect::{Connection, Reads};
use super::{fault, read, sql, types};
use crate::error::Result;
use crate::schema::TargetTable;
use crate::target::{TableDifference, TableState};

/// What kind of relation has the name, and its switches.
const RELATION: &str = "SELECT c.oid, c.relkind::text, c.relpersistence::text, c.relrowsecurity, c.relispartition, \
     EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid OR i.inhrelid = c.oid) \
     FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass($1::text)";

const COLUMNS: &str = "SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity::text, \
     a.attgenerated::text, COALESCE(l.collisdeterministic, true) FROM pg_catalog.pg_attribute a \
     LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation \
     WHERE a.attrelid = pg_catalog.to_regclass($1::text) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

const PRIMARY_KEY: &str = "SELECT a.attname::text, i.indimmediate FROM pg_catalog.pg_index i \
     CROSS JOIN LATERAL unnest(i.indkey::smallint[]) WITH ORDINALITY AS k(attnum, place) \
     JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum \
     WHERE i.indrelid = pg_catalog.to_regclass($1::text) AND i.indisprimary AND k.place <= i.indnkeyatts ORDER BY k.place";

const TRIGGERS: &str = "SELECT tgname::text FROM pg_catalog.pg_trigger \
     WHERE tgrelid = pg_catalog.to_regclass($1::text) AND NOT tgisinternal AND tgenabled IN ('O', 'A') ORDER BY 1";

const RULES: &str = "SELECT rulename::text FROM pg_catalog.pg_rewrite \
     WHERE ev_class = pg_catalog.to_regclass($1::text) AND ev_enabled IN ('O', 'A') ORDER BY 1";

/// Foreign keys of the table, and those of others on it, with what a delete does to the others.
const FOREIGN_KEYS: &str = "SELECT conname::text, conrelid = pg_catalog.to_regclass($1::text) AS outward, condeferrable, \
     conrelid::regclass::text, confdeltype::text, confupdtype::text FROM pg_catalog.pg_constraint WHERE contype = 'f' \
     AND (conrelid = pg_catalog.to_regclass($1::text) OR confrelid = pg_catalog.to_regclass($1::text)) ORDER BY 1";

/// Column lists of the plain, valid indexes; `$1` is the quoted table name.
const INDEXES: &str = "SELECT ARRAY(SELECT a.attname::text FROM unnest(i.indkey::smallint[]) WITH ORDINALITY AS k(attnum, place) \
     JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE k.place <= i.indnkeyatts ORDER BY k.place) \
     FROM pg_catalog.pg_index i WHERE i.indrelid = pg_catalog.to_regclass($1::text) \
     AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL";

/// One number over everything about a table that decides how a write arrives in it: `$1` is the quoted name. Internal triggers are those of
/// foreign keys; their functions tell the actions. Everything is found by an index on the table's oid.
const STAMP: &str = "(SELECT pg_catalog.hashtextextended(pg_catalog.concat_ws('|', c.oid, c.relkind, c.relpersistence, c.relrowsecurity, \
     c.relispartition, c.relhassubclass, \
     (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(',', a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.attidentity, \
     a.attgenerated, a.attcollation), ';' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a \
     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), \
     (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(',', t.oid, t.tgfoid, t.tgenabled, t.tgdeferrable), ';' ORDER BY t.oid) \
     FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid), \
     (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(',', r.oid, r.ev_enabled), ';' ORDER BY r.oid) \
     FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid), \
     (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(',', i.indexrelid, i.indkey, i.indimmediate), ';' ORDER BY i.indexrelid) \
     FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)) COLLATE \"C\", 0)::text \
     FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass($1::text))";

/// The stamp of a table as it is now; `None` if there is none.
pub(super) async fn stamp(connection: &mut Connection<Reads>, table: &TargetTable) -> Result<Option<String>> {
    let rows = catalogue(connection, &format!("SELECT {STAMP}"), table).await?;
    rows.first().map_or(Ok(None), |row| cell(row, 0))
}

/// One row if the stamp of table `$1` is still `$2`, else none.
pub(super) fn is_unaltered() -> String {
    format!("SELECT 1 WHERE {STAMP} = $2::text")
}

/// Compares a declared table with what exists.
pub(super) async fn inspect(connection: &mut Connection<Reads>, table: &TargetTable) -> Result<TableState> {
    let relation = catalogue(connection, RELATION, table).await?;
    let Some(relation) = relation.first() else { return Ok(TableState::Absent) };
    let mut found = Findings { object: plain_name(table), differences: Vec::new() };
    compare_relation(&mut found, relation)?;
    compare_columns(&mut found, table, &catalogue(connection, COLUMNS, table).await?)?;
    let is_keyed = compare_key(&mut found, table, &catalogue(connection, PRIMARY_KEY, table).await?)?;
    for trigger in catalogue(connection, TRIGGERS, table).await? {
        found.add(format!("has the enabled trigger {}, which may change rows or write elsewhere", text(&trigger, 0)?));
    }
    for rule in catalogue(connection, RULES, table).await? {
        found.add(format!("has the rewrite rule {}", text(&rule, 0)?));
    }
    compare_foreign_keys(&mut found, &catalogue(connection, FOREIGN_KEYS, table).await?)?;
    if found.differences.is_empty() {
        let has_rows = read::has_rows(connection, table).await?;
        return Ok(if is_keyed { TableState::Present { has_rows } } else { TableState::Unkeyed { has_rows } });
    }
    if !is_keyed {
        found.differences.push(TableState::without_key(table, &found.object));
    }
    Ok(TableState::Differs(found.differences))
}

/// The declared secondary indexes that no existing index equals.
pub(super) async fn missing_indexes<'t>(connection: &mut Connection<Reads>, table: &'t TargetTable) -> Result<Vec<&'t [usize]>> {
    let mut existing: Vec<Vec<String>> = Vec::new();
    for row in catalogue(connection, INDEXES, table).await? {
        existing.push(cell(&row, 0)?);
    }
    let missing = table.indexes.iter().filter(|index| {
        let names: Vec<&str> = index.iter().filter_map(|column| Some(table.columns.get(*column)?.name.as_str())).collect();
        !existing.iter().any(|columns| *columns == names)
    });
    Ok(missing.map(Vec::as_slice).collect())
}

/// The name as a person writes it, for messages.
pub(super) fn plain_name(table: &TargetTable) -> String {
    match &table.schema {
        Some(schema) => format!("{schema}.{}", table.name),
        None => table.name.clone(),
    }
}

struct Findings {
    object: String,
    differences: Vec<TableDifference>,
}

impl Findings {
    fn add(&mut self, message: String) {
        self.differences.push(TableDifference { object: self.object.clone(), message });
    }

    fn add_column(&mut self, column: &str, message: String) {
        self.differences.push(TableDifference { object: format!("{}.{column}", self.object), message });
    }
}

fn compare_relation(found: &mut Findings, relation: &Row) -> Result<()> {
    let kind = match text(relation, 1)?.as_str() {
        "r" => None,
        "v" => Some("a view"),
        "m" => Some("a materialized view"),
        "f" => Some("a foreign table"),
        "p" => Some("a partitioned table"),
        "S" => Some("a sequence"),
        _ => Some("not a table"),
    };
    if let Some(kind) = kind {
        found.add(format!("is {kind}, declared is an ordinary table"));
    }
    if text(relation, 2)? == "u" {
        found.add("is unlogged, so a crash of the server would empty it".into());
    }
    if cell(relation, 3)? {
        found.add("has row level security enabled".into());
    }
    let is_partition: bool = cell(relation, 4)?;
    let inherits: bool = cell(relation, 5)?;
    if is_partition || inherits {
        found.add("is a partition, or inherits from or to another table".into());
    }
    Ok(())
}

fn compare_columns(found: &mut Findings, table: &TargetTable, rows: &[Row]) -> Result<()> {
    let mut existing = BTreeMap::new();
    for row in rows {
        existing.insert(text(row, 0)?, row);
    }
    for (index, column) in table.columns.iter().enumerate() {
        let declared = types::declared_name(&column.target_type);
        let Some(row) = existing.remove(&column.name) else {
            found.add_column(&column.name, format!("is missing, declared is {declared}"));
            continue;
        };
        let actual = text(row, 1)?;
        if !types::catalogue_names(&column.target_type).contains(&actual) {
            found.add_column(&column.name, format!("is {actual}, declared is {declared}"));
        }
        let is_key = table.key.contains(&index);
        let (not_null, nullable) = (cell::<bool>(row, 2)?, column.nullable && !is_key);
        if not_null == nullable {
            let (actual, declared) = if not_null { ("NOT NULL", "nullable") } else { ("nullable", "NOT NULL") };
            found.add_column(&column.name, format!("is {actual}, declared is {declared}"));
        }
        if !text(row, 3)?.is_empty() {
            found.add_column(&column.name, "is an identity column".into());
        }
        if !text(row, 4)?.is_empty() {
            found.add_column(&column.name, "is a generated column".into());
        }
        if is_key && !cell::<bool>(row, 5)? {
            found.add_column(&column.name, "has a nondeterministic collation, so different keys may be equal".into());
        }
    }
    for (extra, row) in existing {
        let actual = text(row, 1)?;
        found.add_column(&extra, format!("is an extra column ({actual}) that the mapping does not declare"));
    }
    Ok(())
}

/// Whether there is a primary key. That there is none is not a difference yet.
fn compare_key(found: &mut Findings, table: &TargetTable, rows: &[Row]) -> Result<bool> {
    let actual = rows.iter().map(|row| text(row, 0)).collect::<Result<Vec<_>>>()?;
    let declared: Vec<&str> = sql::key_columns(table).iter().map(|column| column.name.as_str()).collect();
    if !actual.is_empty() && actual != declared {
        found.add(format!("has the primary key ({}), declared is ({})", actual.join(", "), declared.join(", ")));
    }
    if let Some(row) = rows.first()
        && !cell::<bool>(row, 1)?
    {
        found.add("has a deferrable primary key, on which upserts cannot rely".into());
    }
    Ok(!actual.is_empty())
}

fn compare_foreign_keys(found: &mut Findings, rows: &[Row]) -> Result<()> {
    for row in rows {
        let (name, outward, deferrable): (String, bool, bool) = (cell(row, 0)?, cell(row, 1)?, cell(row, 2)?);
        let (child, on_delete, on_update) = (text(row, 3)?, text(row, 4)?, text(row, 5)?);
        let acts = |action: &str| matches!(action, "c" | "n" | "d");
        if outward && !deferrable {
            found.add(format!(
                "has the foreign key {name}, which is not deferrable, so rows may be refused in the order they arrive"
            ));
        } else if !outward && (acts(&on_delete) || acts(&on_update)) {
            found.add(format!("is referenced by the foreign key {name} of {child}, whose action would change rows there"));
        }
    }
    Ok(())
}

async fn catalogue(connection: &mut Connection<Reads>, query: &str, table: &TargetTable) -> Result<Vec<Row>> {
    let attempt = format!("cannot inspect {}", plain_name(table));
    let statement = connection.statement(query, &attempt).await?;
    connection.answer(connection.client.query(&statement, &[&sql::table_name(table)]), &attempt).await
}

fn text(row: &Row, index: usize) -> Result<String> {
    cell(row, index)
}

fn cell<'a, T: tokio_postgres::types::FromSql<'a>>(row: &'a Row, index: usize) -> Result<T> {
    row.try_get(index).map_err(|error| fault::of(error, "cannot read the catalogue of the target"))
}
