//! What the catalogue says about the mapped tables: columns, keys, collations, and how its rows are identified in the log.
//!
//! The identity of a row is what the log will carry of it: with REPLICA IDENTITY USING INDEX that index takes the place of the primary
//! key. Deferrable and partial unique indexes identify nothing. Views and foreign tables have no log and are left out, with the reason.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::column_type::{self, NativeType};
use super::connect::{Lease, TextRow, cell};
use super::names::literal;
use super::watch::Revision;
use crate::error::{Error, Result};
use crate::schema::{Column, DataType, Generated, TableName, TableSchema, UniqueKey};
use crate::value::{Collation, PostgresCollation};

/// A table of a mapping with what only this source needs to know of it.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// Its schema.
    pub(super) table: TableSchema,
    /// Facts for the preflight.
    pub(super) facts: TableFacts,
}

/// What the preflight wants to know of a table.
#[derive(Debug, Clone, Default)]
pub(super) struct TableFacts {
    /// Object id.
    pub(super) id: String,
    /// `relkind`.
    pub(super) kind: String,
    /// `relpersistence`.
    pub(super) persistence: String,
    /// `relreplident`.
    pub(super) identity: String,
    /// Whether a policy may hide rows from this role.
    pub(super) hides_rows: bool,
    /// Whether this role may read it.
    pub(super) readable: bool,
    /// Whether this role owns it.
    pub(super) owned: bool,
    /// Whether it has a primary key that can identify rows.
    pub(super) has_primary_key: bool,
    /// The name of a unique index over NOT NULL columns that could identify rows.
    pub(super) candidate: Option<String>,
    /// Whether it has stored generated columns.
    pub(super) generated_stored: bool,
    /// Whether it has virtual generated columns.
    pub(super) generated_virtual: bool,
    /// Names of partitions whose own replica identity is not that of a table with a primary key.
    pub(super) partitions: Vec<String>,
}

impl Found {
    /// Whether it is published without a column list: with REPLICA IDENTITY FULL a list would make the application's own updates fail, and
    /// partitions are published one by one.
    pub(super) fn is_published_whole(&self) -> bool {
        self.facts.identity == "f" || self.facts.kind == "p"
    }
}

/// A name that is no table, and what it is instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Absent {
    /// The name.
    pub(super) name: TableName,
    /// What was found, e.g. `is a view`.
    pub(super) reason: &'static str,
}

/// The list of names as rows of a SELECT.
fn wanted(names: &[TableName]) -> String {
    let rows: Vec<String> = names.iter().map(|name| format!("({}, {})", literal(&name.schema), literal(&name.name))).collect();
    format!("(VALUES {}) AS wanted (schema, name)", rows.join(", "))
}

const RELATIONS: &str = "SELECT w.schema, w.name, c.oid, c.relkind, c.relpersistence, c.relreplident, \
     coalesce(obj_description(c.oid, 'pg_class'), ''), \
     greatest(CASE WHEN c.relkind = 'p' THEN (SELECT sum(greatest(leaf.reltuples, 0)) FROM pg_partition_tree(c.oid) t \
       JOIN pg_class leaf ON leaf.oid = t.relid WHERE t.isleaf) ELSE c.reltuples END, 0)::bigint, \
     coalesce(am.amname, 'partitioned'), row_security_active(c.oid), \
     coalesce(has_any_column_privilege(c.oid, 'SELECT'), false), pg_has_role(c.relowner, 'USAGE'), \
     (SELECT string_agg(t.relid::oid || ':' || pg_relation_filenode(t.relid) || ':' || coalesce((SELECT (i.xmin <> made.xmin)::text \
        FROM pg_inherits i JOIN pg_class leaf ON leaf.oid = i.inhrelid JOIN pg_type made ON made.oid = leaf.reltype WHERE i.inhrelid = t.relid), 'true'), \
        ',' ORDER BY t.relid) FROM pg_partition_tree(c.oid) t WHERE t.isleaf), \
     coalesce(pg_relation_filenode(c.oid)::text, ''), \
     (SELECT coalesce(string_agg(leaf.relname, ',' ORDER BY leaf.relname), '') FROM pg_partition_tree(c.oid) t JOIN pg_class leaf ON leaf.oid = t.relid \
       WHERE c.relkind = 'p' AND t.isleaf AND leaf.relreplident NOT IN ('d', 'f')) \
     FROM FROM_WANTED LEFT JOIN pg_namespace n ON n.nspname = w.schema \
     LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name \
     LEFT JOIN pg_am am ON am.oid = c.relam ORDER BY w.schema COLLATE \"C\", w.name COLLATE \"C\"";

/// Domains are walked down to what they are made of; the first modifier on the way counts.
const COLUMNS: &str = "WITH RECURSIVE own AS ( \
       SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.attgenerated, a.attcollation, a.xmin \
       FROM FROM_WANTED JOIN pg_namespace n ON n.nspname = w.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name \
       JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), \
     walk AS ( \
       SELECT attrelid, attnum, atttypid AS typid, atttypmod AS typmod, attnotnull AS notnull FROM own \
       UNION ALL \
       SELECT w.attrelid, w.attnum, t.typbasetype, CASE WHEN w.typmod >= 0 THEN w.typmod ELSE t.typtypmod END, w.notnull OR t.typnotnull \
       FROM walk w JOIN pg_type t ON t.oid = w.typid WHERE t.typtype = 'd') \
     SELECT own.attrelid, json_build_object( \
       'name', own.attname, 'declared_as', format_type(own.atttypid, own.atttypmod), 'not_null', walk.notnull, \
       'generated', own.attgenerated::text, \
       'logged', own.attgenerated = '' OR (own.attgenerated = 's' AND current_setting('server_version_num')::int >= 180000), 'changed', own.xmin::text, \
       'comment', coalesce(col_description(own.attrelid, own.attnum), ''), \
       'builtin', CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace THEN t.typname ELSE '' END, 'kind', t.typtype, \
       'modifier', walk.typmod, 'type', format_type(t.oid, NULL), 'declared', format_type(t.oid, walk.typmod), \
       'collation', CASE WHEN l.collname IS NULL THEN '' WHEN l.collnamespace = 'pg_catalog'::regnamespace THEN l.collname \
          ELSE l.collnamespace::regnamespace || '.' || l.collname END, \
       'labels', (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = coalesce(el.oid, t.oid)), \
       'element', CASE WHEN el.oid IS NULL THEN NULL ELSE json_build_object( \
          'builtin', CASE WHEN el.typnamespace = 'pg_catalog'::regnamespace THEN el.typname ELSE '' END, 'kind', el.typtype, \
          'type', format_type(el.oid, NULL), 'declared', format_type(el.oid, walk.typmod)) END) \
     FROM own JOIN walk ON walk.attrelid = own.attrelid AND walk.attnum = own.attnum \
     JOIN pg_type t ON t.oid = walk.typid AND t.typtype <> 'd' \
     LEFT JOIN pg_type el ON el.oid = t.typelem AND t.typcategory = 'A' AND t.typlen = -1 \
     LEFT JOIN pg_collation l ON l.oid = own.attcollation \
     ORDER BY own.attrelid, own.attnum";

const KEYS: &str = "SELECT i.indrelid, c.relname, i.indisprimary, i.indisreplident, \
     (SELECT json_agg(a.attname ORDER BY k.place) FROM unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY AS k (attnum, place) \
       JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum) \
     FROM FROM_WANTED JOIN pg_namespace n ON n.nspname = w.schema JOIN pg_class t ON t.relnamespace = n.oid AND t.relname = w.name \
     JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class c ON c.oid = i.indexrelid \
     WHERE i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL \
     ORDER BY i.indrelid, i.indisprimary DESC, c.relname";

#[derive(Debug, Deserialize)]
struct ColumnRecord {
    name: String,
    declared_as: String,
    not_null: bool,
    /// `s` stored, `v` virtual, empty: an ordinary column.
    generated: String,
    /// Whether the log can hold it.
    logged: bool,
    changed: String,
    comment: String,
    builtin: String,
    kind: String,
    modifier: i32,
    #[serde(rename = "type")]
    name_of_type: String,
    declared: String,
    collation: String,
    labels: Option<Vec<String>>,
    element: Option<ElementRecord>,
}

#[derive(Debug, Deserialize)]
struct ElementRecord {
    builtin: String,
    kind: String,
    #[serde(rename = "type")]
    name_of_type: String,
    declared: String,
}

/// Reads the tables of `names`, sorted by name; what is no table is told apart.
///
/// # Errors
/// The server cannot be asked.
pub(super) async fn read(lease: &Lease, names: &[TableName]) -> Result<(Vec<Found>, Vec<Absent>)> {
    if names.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let attempt = "read the catalogue of the mapped tables";
    let from = wanted(names).replace("AS wanted", "AS w");
    let ask = |sql: &str| sql.replace("FROM_WANTED", &from);
    let relations = lease.rows(attempt, &ask(RELATIONS)).await?;
    let columns = by_relation(lease.rows(attempt, &ask(COLUMNS)).await?);
    let keys = by_relation(lease.rows(attempt, &ask(KEYS)).await?);
    let (mut found, mut absent) = (Vec::new(), Vec::new());
    for relation in &relations {
        let name = TableName { schema: cell(relation, 0).to_owned(), name: cell(relation, 1).to_owned() };
        match cell(relation, 3) {
            "r" | "p" => found.push(table(name, relation, &columns, &keys)?),
            "v" => absent.push(Absent { name, reason: "is a view: its rows are in no log; map the tables below it" }),
            "m" => {
                absent.push(Absent { name, reason: "is a materialized view: its rows are in no log; map the tables below it" })
            }
            "f" => absent.push(Absent { name, reason: "is a foreign table: its rows are in another database's log" }),
            "" => absent.push(Absent { name, reason: "does not exist, or its schema is closed to the role" }),
            _ => absent.push(Absent { name, reason: "is no table" }),
        }
    }
    Ok((found, absent))
}

fn by_relation(rows: Vec<TextRow>) -> BTreeMap<String, Vec<TextRow>> {
    let mut grouped: BTreeMap<String, Vec<TextRow>> = BTreeMap::new();
    for row in rows {
        grouped.entry(cell(&row, 0).to_owned()).or_default().push(row);
    }
    grouped
}

fn parsed<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::bug("a catalogue record of the source cannot be read").because(error))
}

fn table(
    name: TableName,
    relation: &TextRow,
    columns: &BTreeMap<String, Vec<TextRow>>,
    keys: &BTreeMap<String, Vec<TextRow>>,
) -> Result<Found> {
    let id = cell(relation, 2).to_owned();
    let records =
        columns.get(&id).into_iter().flatten().map(|row| parsed(cell(row, 1))).collect::<Result<Vec<ColumnRecord>>>()?;
    let mut facts = TableFacts {
        kind: cell(relation, 3).to_owned(),
        persistence: cell(relation, 4).to_owned(),
        identity: cell(relation, 5).to_owned(),
        hides_rows: cell(relation, 9) == "t",
        readable: cell(relation, 10) == "t",
        owned: cell(relation, 11) == "t",
        partitions: cell(relation, 14).split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        generated_stored: records.iter().any(|column| column.generated == "s"),
        generated_virtual: records.iter().any(|column| column.generated == "v"),
        id,
        ..TableFacts::default()
    };
    let (primary_key, unique_keys) = identified(&mut facts, &records, keys)?;
    let revision = revision(relation, &records)?;
    let table = TableSchema {
        name,
        columns: records.iter().map(column).collect(),
        primary_key,
        unique_keys,
        engine: cell(relation, 8).to_owned(),
        transactional: true,
        comment: cell(relation, 6).to_owned(),
        row_estimate: cell(relation, 7).parse().unwrap_or(0),
        revision,
    };
    Ok(Found { table, facts })
}

/// What changes when stored values change without a trace in the log; see [`super::watch`].
fn revision(relation: &TextRow, columns: &[ColumnRecord]) -> Result<String> {
    let own = format!("{}:{}:false", cell(relation, 2), cell(relation, 13));
    let files = if cell(relation, 3) == "p" { cell(relation, 12) } else { own.as_str() };
    let mut revision = Revision {
        id: cell(relation, 2).to_owned(),
        columns: columns.iter().map(|column| (column.name.clone(), column.changed.clone())).collect(),
        ..Revision::default()
    };
    for file in files.split(',') {
        let mut parts = file.split(':').map(str::to_owned);
        let (Some(id), Some(file), Some(attached)) = (parts.next(), parts.next(), parts.next()) else { continue };
        if attached == "true" {
            revision.attached.insert(id.clone());
        }
        revision.files.insert(id, file);
    }
    serde_json::to_string(&revision).map_err(|error| Error::bug("a table's revision cannot be written").because(error))
}

type Keys = (Option<UniqueKey>, Vec<UniqueKey>);

fn identified(facts: &mut TableFacts, columns: &[ColumnRecord], keys: &BTreeMap<String, Vec<TextRow>>) -> Result<Keys> {
    let (mut primary, mut unique) = (None, Vec::new());
    for row in keys.get(&facts.id).into_iter().flatten() {
        let (is_primary, is_identity) = (cell(row, 2) == "t", cell(row, 3) == "t");
        let names: Vec<String> = parsed(cell(row, 4))?;
        let ordinals: Option<Vec<usize>> =
            names.iter().map(|name| columns.iter().position(|column| column.name == *name)).collect();
        let Some(ordinals) = ordinals else { continue };
        let filled = ordinals.iter().all(|ordinal| columns.get(*ordinal).is_some_and(|column| column.not_null));
        let key = UniqueKey { name: cell(row, 1).to_owned(), columns: ordinals };
        facts.has_primary_key |= is_primary;
        if !is_primary && filled && facts.candidate.is_none() {
            facts.candidate = Some(key.name.clone());
        }
        match (facts.identity.as_str(), is_identity, is_primary) {
            ("i", true, _) | ("d" | "f" | "n", _, true) => primary = Some(key),
            _ => unique.push(key),
        }
    }
    Ok((primary, unique))
}

fn column(record: &ColumnRecord) -> Column {
    let element = record.element.as_ref().map(|element| {
        Box::new(NativeType {
            builtin: element.builtin.clone(),
            kind: element.kind.clone(),
            modifier: record.modifier,
            name: element.name_of_type.clone(),
            declared: element.declared.clone(),
            collation: record.collation.clone(),
            labels: record.labels.clone().unwrap_or_default(),
            element: None,
        })
    });
    let native = NativeType {
        builtin: record.builtin.clone(),
        kind: record.kind.clone(),
        modifier: record.modifier,
        name: record.name_of_type.clone(),
        declared: record.declared.clone(),
        collation: record.collation.clone(),
        labels: record.labels.clone().unwrap_or_default(),
        element,
    };
    let data_type = if !record.logged {
        DataType::Unsupported { native: format!("{}, generated by the server and in no log", record.declared_as) }
    } else {
        column_type::of(&native)
    };
    Column {
        name: record.name.clone(),
        data_type,
        native_type: record.declared_as.clone(),
        nullable: !record.not_null,
        generated: match record.generated.as_str() {
            "" => Generated::No,
            "v" => Generated::Virtual,
            _ => Generated::Stored,
        },
        comment: record.comment.clone(),
    }
}

/// The name of the collation that the database gives to columns that name none.
pub(super) const DEFAULT_COLLATION: &str = "default";

/// The collations of the tables, and the database's own.
///
/// # Errors
/// The server cannot be asked.
pub(super) async fn collations(lease: &Lease, tables: &[Found]) -> Result<BTreeMap<String, Collation>> {
    let sql = "SELECT CASE WHEN l.collnamespace = 'pg_catalog'::regnamespace THEN l.collname \
          ELSE l.collnamespace::regnamespace || '.' || l.collname END, \
       l.collprovider, l.collisdeterministic, coalesce(to_jsonb(l) ->> 'collctype', ''), coalesce(to_jsonb(l) ->> 'collcollate', ''), \
       d.datctype, d.datcollate, coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') \
     FROM pg_collation l CROSS JOIN pg_database d \
     WHERE d.datname = current_database() AND l.collencoding IN (-1, pg_char_to_encoding('UTF8'))";
    let rows = lease.rows("read the collations", sql).await?;
    let mut names: BTreeSet<&str> = BTreeSet::from([DEFAULT_COLLATION]);
    for column in tables.iter().flat_map(|found| &found.table.columns) {
        names.extend(collation_of(&column.data_type));
    }
    let mut collations = BTreeMap::new();
    for row in &rows {
        let name = cell(row, 0);
        if !names.contains(name) {
            continue;
        }
        let is_default = name == DEFAULT_COLLATION;
        let provider = if is_default { cell(row, 7) } else { cell(row, 1) };
        let (character_type, order) = if is_default { (cell(row, 5), cell(row, 6)) } else { (cell(row, 3), cell(row, 4)) };
        let by_system = provider == "c";
        let behaviour = PostgresCollation {
            deterministic: cell(row, 2) == "t",
            ordered_by_bytes: (by_system && matches!(order, "C" | "POSIX")) || name == "ucs_basic",
            character_type: if by_system { character_type.to_owned() } else { String::new() },
        };
        collations.insert(name.to_owned(), Collation::postgres(name, behaviour));
    }
    Ok(collations)
}

fn collation_of(data_type: &DataType) -> Option<&str> {
    match data_type {
        DataType::Text { collation, .. } => Some(collation),
        DataType::Array { element } => collation_of(element),
        _ => None,
    }
}
