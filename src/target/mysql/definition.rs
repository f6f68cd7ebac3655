//! Statement text that creates things: the checkpoint table, target tables with their comments, indexes.
//!
//! The text is what `plan` shows and what `create` runs, statement by statement.

use xxhash_rust::xxh3::xxh3_64;

use super::{checkpoint, sql};
use crate::schema::{TargetKind, TargetTable, TargetType};

/// The server cuts nothing: longer comments are an error.
const COLUMN_COMMENT_MAX: usize = 1_024;
const TABLE_COMMENT_MAX: usize = 2_048;
/// Characters of an identifier.
pub(super) const IDENTIFIER_CHARACTERS_MAX: usize = 64;

/// The checkpoint table with its comments.
pub(super) fn checkpoint_table(kind: TargetKind) -> String {
    let exact = format!("CHARACTER SET utf8mb4 COLLATE {}", kind.exact_collation().unwrap_or("utf8mb4_bin"));
    format!(
        "\
CREATE TABLE IF NOT EXISTS {table} (
  mapping varchar(255) {exact} NOT NULL COMMENT 'Name of the mapping, one row each',
  state_id varchar(64) {exact} NOT NULL COMMENT 'Id of the state folder of the engine that owns the mapping',
  seq bigint unsigned NOT NULL COMMENT 'Sequence of the last applied batch; never goes back',
  owner_epoch bigint unsigned NOT NULL COMMENT 'Grows by one with each engine that takes the mapping over; fences the older ones out',
  positions json NOT NULL COMMENT 'Per source, the log position up to which every committed transaction is contained',
  source_committed_at datetime(6) COMMENT 'Commit time of the last contained source transaction, UTC; NULL if unknown',
  phase enum('loading','live') NOT NULL COMMENT 'loading: the first load is under way, do not trust the tables yet. live: the tables equal a committed prefix of the source',
  load_cursor longtext COMMENT 'While loading: how far each table is; for the engine alone',
  pending_sweeps int unsigned NOT NULL DEFAULT 0 COMMENT 'Deferred updates under way; 0 means that the tables are exact',
  quarantined bigint unsigned NOT NULL DEFAULT 0 COMMENT 'Rows held back because of invalid data; 0 means none',
  applied_at datetime(6) NOT NULL COMMENT 'When this row was last written, UTC by the clock of this server',
  PRIMARY KEY (mapping)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COMMENT='How far each mapping of strangler is; written in the same transaction as the rows. Read it, never write it'",
        table = checkpoint::TABLE
    )
}

/// A target table with its comments.
pub(super) fn target_table(table: &TargetTable) -> String {
    let mut lines: Vec<String> = table
        .columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            // A key column is never NULL, whatever the plan could not prove.
            let null = if column.nullable && !table.key.contains(&index) { "" } else { " NOT NULL" };
            let own = match &column.target_type {
                TargetType::MySql(own) => own.to_string(),
                other => format!("{other:?}"),
            };
            let comment = match column.description.as_str() {
                "" => String::new(),
                text => format!(" COMMENT {}", sql::comment(text, COLUMN_COMMENT_MAX)),
            };
            format!("  {} {own}{null}{comment}", sql::quoted(&column.name))
        })
        .collect();
    lines.push(format!("  PRIMARY KEY ({})", column_list(table, &table.key)));
    let comment = match table.description.as_str() {
        "" => String::new(),
        text => format!(" COMMENT={}", sql::comment(text, TABLE_COMMENT_MAX)),
    };
    format!(
        "CREATE TABLE {} (\n{}\n) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4{comment}",
        sql::table_name(table),
        lines.join(",\n")
    )
}

/// A secondary index.
pub(super) fn index(table: &TargetTable, columns: &[usize], name: &str) -> String {
    format!("CREATE INDEX {} ON {} ({})", sql::quoted(name), sql::table_name(table), column_list(table, columns))
}

/// A name for an index: that of its columns, and where that is too long, cut with a hash behind.
pub(super) fn index_name(table: &TargetTable, columns: &[usize]) -> String {
    let names: Vec<&str> = columns.iter().filter_map(|index| Some(table.columns.get(*index)?.name.as_str())).collect();
    let name = format!("ix_{}", names.join("_"));
    if name.chars().count() <= IDENTIFIER_CHARACTERS_MAX {
        return name;
    }
    let cut: String = name.chars().take(IDENTIFIER_CHARACTERS_MAX - 17).collect();
    format!("{cut}_{:016x}", xxh3_64(name.as_bytes()))
}

fn column_list(table: &TargetTable, columns: &[usize]) -> String {
    let names: Vec<String> = columns.iter().filter_map(|index| Some(sql::quoted(&table.columns.get(*index)?.name))).collect();
    names.join(", ")
}
