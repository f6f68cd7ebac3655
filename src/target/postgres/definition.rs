//! Statement text that creates things: the `strangler` schema with its checkpoint table, target tables, comments, indexes.
//!
//! The text is what `plan` shows and what `create` runs, statement by statement.

use super::{sql, types};
use crate::schema::TargetTable;

const CHECKPOINT_TABLE: &str = "\
CREATE TABLE IF NOT EXISTS strangler.checkpoint (
  mapping text PRIMARY KEY,
  state_id text NOT NULL,
  seq bigint NOT NULL,
  owner_epoch bigint NOT NULL,
  positions jsonb NOT NULL,
  source_committed_at timestamptz,
  phase text NOT NULL CHECK (phase IN ('loading', 'live')),
  load_cursor text,
  pending_sweeps integer NOT NULL DEFAULT 0,
  quarantined bigint NOT NULL DEFAULT 0,
  applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)";

const CHECKPOINT_COMMENTS: [(&str, &str); 11] = [
    ("mapping", "Name of the mapping, one row each"),
    ("state_id", "Id of the state folder of the engine that owns the mapping"),
    ("seq", "Sequence of the last applied batch; never goes back"),
    ("owner_epoch", "Grows by one with each engine that takes the mapping over; fences the older ones out"),
    ("positions", "Per source, the log position up to which every committed transaction is contained"),
    ("source_committed_at", "Commit time of the last contained source transaction; NULL if unknown"),
    (
        "phase",
        "loading: the first load is under way, do not trust the tables yet. live: the tables equal a committed prefix of the source",
    ),
    ("load_cursor", "While loading: how far each table is; for the engine alone"),
    ("pending_sweeps", "Deferred updates under way; 0 means that the tables are exact"),
    ("quarantined", "Rows held back because of invalid data; 0 means none"),
    ("applied_at", "When this row was last written, by the clock of this server"),
];

const CHECKPOINT_PURPOSE: &str =
    "How far each mapping of strangler is; written in the same transaction as the rows. Read it, never write it";

/// The `strangler` schema and the checkpoint table with its comments.
pub(super) fn checkpoint_table() -> Vec<String> {
    let mut statements = vec!["CREATE SCHEMA IF NOT EXISTS strangler".to_owned(), CHECKPOINT_TABLE.to_owned()];
    statements.push(format!("COMMENT ON TABLE strangler.checkpoint IS {}", sql::literal(CHECKPOINT_PURPOSE)));
    for (column, comment) in CHECKPOINT_COMMENTS {
        statements.push(format!("COMMENT ON COLUMN strangler.checkpoint.{column} IS {}", sql::literal(comment)));
    }
    statements
}

/// A target table with its comments.
pub(super) fn target_table(table: &TargetTable) -> Vec<String> {
    let name = sql::table_name(table);
    let mut lines: Vec<String> = table
        .columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            // A key column is never NULL, whatever the plan could not prove.
            let end = if column.nullable && !table.key.contains(&index) { "" } else { " NOT NULL" };
            format!("  {} {}{end}", sql::quoted(&column.name), types::declared_name(&column.target_type))
        })
        .collect();
    lines.push(format!("  PRIMARY KEY ({})", column_list(table, &table.key)));
    let mut statements = vec![format!("CREATE TABLE {name} (\n{}\n)", lines.join(",\n"))];
    if !table.description.is_empty() {
        statements.push(format!("COMMENT ON TABLE {name} IS {}", sql::literal(&table.description)));
    }
    for column in table.columns.iter().filter(|column| !column.description.is_empty()) {
        statements.push(format!(
            "COMMENT ON COLUMN {name}.{} IS {}",
            sql::quoted(&column.name),
            sql::literal(&column.description)
        ));
    }
    statements
}

/// The primary key of a table that was made without one.
pub(super) fn key(table: &TargetTable) -> String {
    format!("ALTER TABLE {} ADD PRIMARY KEY ({})", sql::table_name(table), column_list(table, &table.key))
}

/// A table without its primary key, which is a constraint of this name.
pub(super) fn without_key(table: &TargetTable, constraint: &str) -> String {
    format!("ALTER TABLE {} DROP CONSTRAINT {}", sql::table_name(table), sql::quoted(constraint))
}

/// A secondary index; the server chooses a free name of at most 63 bytes.
pub(super) fn index(table: &TargetTable, columns: &[usize]) -> String {
    format!("CREATE INDEX ON {} ({})", sql::table_name(table), column_list(table, columns))
}

/// The schema of a target table.
pub(super) fn schema(name: &str) -> String {
    format!("CREATE SCHEMA IF NOT EXISTS {}", sql::quoted(name))
}

fn column_list(table: &TargetTable, columns: &[usize]) -> String {
    let names: Vec<String> = columns.iter().filter_map(|index| Some(sql::quoted(&table.columns.get(*index)?.name))).collect();
    names.join(", ")
}
