//! Compares a declared table with the catalogue, exactly: what exists is absent, as declared, or different by name.

use std::collections::BTreeMap;

use mysql_async::Row;

use super::connect::{Answer, Connection, Reads, cell};
use super::encode::own_type;
use super::{read, sql};
use crate::error::{Error, Result};
use crate::schema::{MySqlType, TargetColumn, TargetTable};
use crate::target::{TableDifference, TableState};

/// What decides how a write arrives in a table: its definition without the next automatic number, and its triggers. `None` if there is none.
pub(super) fn stamp_of(definition: &Answer, triggers: &Answer) -> Option<String> {
    let text = cell(definition.rows.first()?, 1)?;
    let names: Vec<String> = triggers.rows.iter().filter_map(|row| cell(row, 0)).collect();
    Some(format!("{}\n{}", without_automatic_number(&text), names.join("\n")))
}

fn without_automatic_number(text: &str) -> String {
    // Behind the last line's bracket only: a comment or a column may hold the words.
    let Some((columns, options)) = text.rsplit_once("\n)") else { return text.to_owned() };
    let Some((before, rest)) = options.split_once(" AUTO_INCREMENT=") else { return text.to_owned() };
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{columns}\n){before}{rest}")
}

/// The stamp of a table as it is now; `None` if there is none.
pub(super) async fn stamp(connection: &mut Connection<Reads>, table: &TargetTable) -> Result<Option<String>> {
    if exists(connection, table).await?.is_none() {
        return Ok(None);
    }
    let statements = [sql::show_create(table), sql::triggers(table)];
    let answers = connection.run(&statements, &attempt(table)).await?;
    match answers.as_slice() {
        [definition, triggers] => Ok(stamp_of(definition, triggers)),
        _ => Err(Error::bug("two statements had another number of answers")),
    }
}

/// Compares a declared table with what exists.
pub(super) async fn inspect(connection: &mut Connection<Reads>, table: &TargetTable) -> Result<TableState> {
    let Some(relation) = exists(connection, table).await? else { return Ok(TableState::Absent) };
    let mut found = Findings { object: plain_name(table), differences: Vec::new() };
    compare_relation(&mut found, &relation);
    compare_columns(&mut found, table, &catalogue(connection, table, COLUMNS, "ORDINAL_POSITION").await?)?;
    compare_key(&mut found, table, &catalogue(connection, table, PRIMARY_KEY, "SEQ_IN_INDEX").await?);
    for trigger in connection.query(&sql::triggers(table), &attempt(table)).await? {
        let name = cell(&trigger, 0).unwrap_or_default();
        found.add(format!("has the trigger {name}, which may change rows or write elsewhere"));
    }
    let has_other_unique = read::has_other_unique(connection, table).await?;
    compare_foreign_keys(&mut found, has_other_unique, &foreign_keys(connection, table).await?);
    if found.differences.is_empty() {
        return Ok(TableState::Present { has_rows: read::has_rows(connection, table).await? });
    }
    Ok(TableState::Differs(found.differences))
}

/// The declared secondary indexes that no existing index equals.
pub(super) async fn missing_indexes<'t>(connection: &mut Connection<Reads>, table: &'t TargetTable) -> Result<Vec<&'t [usize]>> {
    let mut existing: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut partial = Vec::new();
    for row in catalogue(connection, table, INDEXES, "INDEX_NAME, SEQ_IN_INDEX").await? {
        let name = cell(&row, 0).unwrap_or_default();
        match (cell(&row, 1), cell(&row, 2)) {
            (Some(column), None) => existing.entry(name).or_default().push(column),
            // Over a prefix or an expression.
            _ => partial.push(name),
        }
    }
    let is_there = |index: &&Vec<usize>| {
        let wanted = index.iter().filter_map(|column| table.columns.get(*column));
        let wanted: Vec<String> = wanted.map(|column| column.name.to_lowercase()).collect();
        existing.iter().any(|(name, columns)| {
            !partial.contains(name) && columns.iter().map(|column| column.to_lowercase()).eq(wanted.iter().cloned())
        })
    };
    Ok(table.indexes.iter().filter(|index| !is_there(index)).map(Vec::as_slice).collect())
}

/// The name as a person writes it, for messages.
pub(super) fn plain_name(table: &TargetTable) -> String {
    match &table.schema {
        Some(schema) => format!("{schema}.{}", table.name),
        None => table.name.clone(),
    }
}

const COLUMNS: &str =
    "SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLLATION_NAME, EXTRA, GENERATION_EXPRESSION FROM information_schema.COLUMNS";
const PRIMARY_KEY: &str = "SELECT COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS WHERE INDEX_NAME = 'PRIMARY' AND";
const INDEXES: &str = "SELECT INDEX_NAME, COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS";

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

async fn exists(connection: &mut Connection<Reads>, table: &TargetTable) -> Result<Option<Row>> {
    let text = format!(
        "SELECT TABLE_TYPE, ENGINE FROM information_schema.TABLES WHERE {}",
        sql::is_table(table, "TABLE_SCHEMA", "TABLE_NAME")
    );
    Ok(connection.query(&text, &attempt(table)).await?.into_iter().next())
}

async fn catalogue(connection: &mut Connection<Reads>, table: &TargetTable, select: &str, order: &str) -> Result<Vec<Row>> {
    let and = if select.ends_with("AND") { "" } else { " WHERE" };
    let text = format!("{select}{and} {} ORDER BY {order}", sql::is_table(table, "TABLE_SCHEMA", "TABLE_NAME"));
    connection.query(&text, &attempt(table)).await
}

fn compare_relation(found: &mut Findings, relation: &Row) {
    let kind = cell(relation, 0).unwrap_or_default();
    if kind != "BASE TABLE" {
        found.add(format!("is a {}, declared is an ordinary table", kind.to_lowercase()));
        return;
    }
    let engine = cell(relation, 1).unwrap_or_default();
    if !engine.eq_ignore_ascii_case("InnoDB") {
        found.add(format!("is of engine {engine}, which has no transactions; declared is InnoDB"));
    }
}

fn compare_columns(found: &mut Findings, table: &TargetTable, rows: &[Row]) -> Result<()> {
    // Column names have no case there.
    let mut existing: BTreeMap<String, &Row> =
        rows.iter().map(|row| (cell(row, 0).unwrap_or_default().to_lowercase(), row)).collect();
    for (index, column) in table.columns.iter().enumerate() {
        let own = own_type(table, column)?;
        let Some(row) = existing.remove(&column.name.to_lowercase()) else {
            found.add_column(&column.name, format!("is missing, declared is {}", own.name()));
            continue;
        };
        compare_column(found, column, own, row, table.key.contains(&index));
    }
    for row in existing.into_values() {
        let (name, actual) = (cell(row, 0).unwrap_or_default(), cell(row, 1).unwrap_or_default());
        found.add_column(&name, format!("is an extra column ({actual}) that the mapping does not declare"));
    }
    Ok(())
}

fn compare_column(found: &mut Findings, column: &TargetColumn, own: &MySqlType, row: &Row, is_key: bool) {
    let actual = cell(row, 1).unwrap_or_default();
    if plain_type(&actual) != plain_type(&own.name()) {
        found.add_column(&column.name, format!("is {actual}, declared is {}", own.name()));
    }
    let nullable = column.nullable && !is_key;
    let is_nullable = cell(row, 2).is_some_and(|answer| answer == "YES");
    if is_nullable != nullable {
        let word = |nullable: bool| if nullable { "nullable" } else { "NOT NULL" };
        found.add_column(&column.name, format!("is {}, declared is {}", word(is_nullable), word(nullable)));
    }
    if own.collation().is_some() {
        let collation = cell(row, 3).unwrap_or_default();
        if !collation.starts_with("utf8mb4_") {
            found.add_column(&column.name, format!("has the collation {collation}, whose charset does not hold every text"));
        } else if is_key && !is_exact(&collation) {
            let exact = own.collation().unwrap_or_default();
            found.add_column(
                &column.name,
                format!("has the collation {collation}, by which different keys may be equal; declared is {exact}"),
            );
        }
    }
    let extra = cell(row, 4).unwrap_or_default();
    if cell(row, 5).is_some_and(|expression| !expression.is_empty()) {
        found.add_column(&column.name, "is a generated column".into());
    } else if !matches!(extra.to_ascii_lowercase().as_str(), "" | "auto_increment" | "default_generated") {
        found.add_column(&column.name, format!("is {extra}, which the mapping does not declare"));
    }
}

/// Whether a collation calls only the same characters equal, trailing spaces included.
fn is_exact(collation: &str) -> bool {
    matches!(collation, "utf8mb4_0900_bin" | "utf8mb4_nopad_bin")
}

/// A column type without display widths and the zero fraction, which the families spell or leave out.
fn plain_type(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("enum(") || lower.starts_with("set(") {
        return text.to_owned(); // labels have a case
    }
    let Some((name, rest)) = lower.split_once('(') else { return lower };
    let behind = rest.split_once(')').map_or("", |(_, behind)| behind);
    match name {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "year" => format!("{name}{behind}"),
        _ => lower,
    }
}

fn compare_key(found: &mut Findings, table: &TargetTable, rows: &[Row]) {
    let actual: Vec<String> = rows.iter().filter_map(|row| cell(row, 0)).collect();
    let declared: Vec<&str> = sql::key_columns(table).iter().map(|column| column.name.as_str()).collect();
    let same = actual.len() == declared.len()
        && actual.iter().zip(&declared).all(|(actual, declared)| actual.to_lowercase() == declared.to_lowercase());
    if actual.is_empty() {
        found.add(format!("has no primary key, declared is ({})", declared.join(", ")));
    } else if !same {
        found.add(format!("has the primary key ({}), declared is ({})", actual.join(", "), declared.join(", ")));
    } else if rows.iter().any(|row| cell(row, 1).is_some()) {
        found.add("has a primary key over the first characters of a column only".into());
    }
}

/// A foreign key of the table, or of another on it.
struct ForeignKey {
    name: String,
    outward: bool,
    child: String,
    acts: bool,
}

async fn foreign_keys(connection: &mut Connection<Reads>, table: &TargetTable) -> Result<Vec<ForeignKey>> {
    let inward = sql::is_table(table, "UNIQUE_CONSTRAINT_SCHEMA", "REFERENCED_TABLE_NAME");
    let outward = sql::is_table(table, "CONSTRAINT_SCHEMA", "TABLE_NAME");
    let select = "SELECT CONSTRAINT_NAME, TABLE_NAME, DELETE_RULE, UPDATE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS";
    let mut found = Vec::new();
    for (condition, outward) in [(outward, true), (inward, false)] {
        for row in connection.query(&format!("{select} WHERE {condition} ORDER BY 1"), &attempt(table)).await? {
            let acts = |index: usize| {
                cell(&row, index).is_some_and(|rule| matches!(rule.as_str(), "CASCADE" | "SET NULL" | "SET DEFAULT"))
            };
            found.push(ForeignKey {
                name: cell(&row, 0).unwrap_or_default(),
                outward,
                child: cell(&row, 1).unwrap_or_default(),
                acts: acts(2) || acts(3),
            });
        }
    }
    Ok(found)
}

fn compare_foreign_keys(found: &mut Findings, has_other_unique: bool, keys: &[ForeignKey]) {
    for key in keys {
        let (name, child) = (&key.name, &key.child);
        if key.outward {
            found.add(format!(
                "has the foreign key {name}, which is checked at each row, so rows may be refused in the order they arrive"
            ));
        } else if key.acts {
            found.add(format!("is referenced by the foreign key {name} of {child}, whose action would change rows there"));
        } else if has_other_unique {
            found.add(format!(
                "is referenced by the foreign key {name} of {child} and has a second unique key, so a row can be neither replaced nor overwritten safely"
            ));
        }
    }
}

fn attempt(table: &TargetTable) -> String {
    format!("cannot inspect {}", plain_name(table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_automatic_number_is_no_alteration() {
        let text =
            "CREATE TABLE `t` (\n  `a` int COMMENT ' AUTO_INCREMENT=7'\n) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4";
        let kept = "CREATE TABLE `t` (\n  `a` int COMMENT ' AUTO_INCREMENT=7'\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4";
        assert_eq!(without_automatic_number(text), kept);
        assert_eq!(without_automatic_number(kept), kept);
    }

    #[test]
    fn both_families_spellings_of_a_type_are_one() {
        assert_eq!(plain_type("bigint(20) unsigned"), plain_type("bigint unsigned"));
        assert_eq!(plain_type("tinyint(4)"), plain_type("tinyint(1)"));
        assert_eq!(plain_type("year(4)"), "year");
        assert_ne!(plain_type("decimal(10,2)"), plain_type("decimal(10,3)"));
        assert_ne!(plain_type("datetime(3)"), plain_type("datetime"));
    }
}
