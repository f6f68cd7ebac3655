//! The mapped tables: that they are tables, keep their rows, have keys, and have columns that can be carried.

use crate::finding::{Finding, Severity};
use crate::schema::{DataType, SourceCatalog, TableSchema};

use super::super::catalog::Absent;
use super::super::charset;
use super::facts::Facts;
use super::finding;
use super::privileges::may_select;

/// Findings about tables and columns. A column is only a finding if it is used; the binder refuses what a mapping uses, so here an
/// unsupported column is named as a warning.
pub fn findings(facts: &Facts, catalog: &SourceCatalog, absent: &[Absent]) -> Vec<Finding> {
    let mut found: Vec<Finding> = absent.iter().filter_map(|absent| missing(facts, absent)).collect();
    for table in &catalog.tables {
        found.extend(engine(table));
        found.extend(key(catalog, table));
        found.extend(columns(table));
    }
    found
}

fn missing(facts: &Facts, absent: &Absent) -> Option<Finding> {
    let object = absent.name.to_string();
    let Some(kind) = &absent.kind else {
        // Without SELECT the catalogue hides the table; that is a privilege's finding.
        let message = "the table does not exist (temporary tables cannot be mapped)";
        let remedy = "check the name in the mapping";
        return may_select(facts, &absent.name).then(|| finding(Severity::Refused, "missing_table", object, message, remedy));
    };
    let message = match kind.as_str() {
        "VIEW" => "a view has no row events of its own".to_owned(),
        other => format!("a table of kind {other} does not log its rows as a plain table does"),
    };
    Some(finding(Severity::Refused, "table", object, message, "map its base tables, with the view's SELECT in the mapping"))
}

fn engine(table: &TableSchema) -> Option<Finding> {
    let object = table.name.to_string();
    match table.engine.to_ascii_uppercase().as_str() {
        "INNODB" | "ROCKSDB" => None,
        "MYISAM" | "ARIA" => {
            let message = format!(
                "{} is not transactional: its history is what the log says, and chunks wait for its writers",
                table.engine
            );
            Some(finding(Severity::Note, "engine", object, message, ""))
        }
        _ => {
            let message = format!("engine {} does not keep its rows, or changes them without logging", table.engine);
            Some(finding(Severity::Refused, "engine", object, message, format!("ALTER TABLE {} ENGINE = InnoDB", table.name)))
        }
    }
}

fn key(catalog: &SourceCatalog, table: &TableSchema) -> Option<Finding> {
    let object = table.name.to_string();
    let Some(identity) = table.identity() else {
        let message =
            "no primary key and no unique key without NULLs: the table is read as one chunk, and again if it changes meanwhile";
        let remedy = format!("ALTER TABLE {} ADD PRIMARY KEY (...)", table.name);
        return Some(finding(Severity::Warning, "key", object, message, remedy));
    };
    let timestamp = identity
        .columns
        .iter()
        .any(|ordinal| table.columns.get(*ordinal).is_some_and(|column| matches!(column.data_type, DataType::Timestamp { .. })));
    let offset = catalog.session.time_zone.starts_with(['+', '-']);
    (timestamp && !offset).then(|| {
        let message = "a TIMESTAMP in the key is ambiguous in the hour that a named time zone repeats";
        finding(Severity::Refused, "key", object, message, "give session.time_zone as an offset such as +09:00")
    })
}

fn columns(table: &TableSchema) -> Vec<Finding> {
    let mut found = Vec::new();
    for column in &table.columns {
        let object = format!("{}.{}", table.name, column.name);
        match &column.data_type {
            DataType::Unsupported { native } => {
                let message = format!("type {native} cannot be carried; a mapping that uses the column is refused");
                found.push(finding(
                    Severity::Warning,
                    "column_type",
                    object.clone(),
                    message,
                    "leave the column out of the mapping",
                ));
            }
            DataType::Text { charset, .. } | DataType::Enum { charset, .. } | DataType::Set { charset, .. }
                if !charset::is_supported(charset) =>
            {
                let message = format!("charset {charset} has no proven decoder; a mapping that uses the column stops");
                found.push(finding(Severity::Refused, "charset", object.clone(), message, "convert the column to utf8mb4"));
            }
            _ => {}
        }
    }
    found
}
