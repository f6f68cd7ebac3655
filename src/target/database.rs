//! Any target: what the flows are run with, whichever kind of database a mapping writes to.

use crate::error::Result;
use crate::finding::Finding;
use crate::schema::TargetTable;
use crate::target::gate::Gate;
use crate::target::mysql::{MySqlOptions, MySqlTarget};
use crate::target::postgres::{PostgresOptions, PostgresTarget};
use crate::target::{Advance, Checkpoint, TableState, Target};
use crate::transport::Tls;
use crate::value::Row;
use crate::write::{WriteBatch, WriteParts};

/// Everything needed to reach a target of any kind.
#[derive(Clone)]
pub enum TargetOptions {
    /// PostgreSQL.
    Postgres(PostgresOptions),
    /// MySQL or MariaDB.
    MySql(MySqlOptions),
}

impl TargetOptions {
    /// How the connection is protected.
    #[must_use]
    pub fn tls(&self) -> &Tls {
        match self {
            Self::Postgres(options) => &options.tls,
            Self::MySql(options) => &options.tls,
        }
    }
}

/// A target of any kind.
pub enum Database {
    /// PostgreSQL.
    Postgres(PostgresTarget),
    /// MySQL or MariaDB.
    MySql(MySqlTarget),
}

impl Database {
    /// A target that is not connected yet.
    #[must_use]
    pub fn new(options: TargetOptions) -> Self {
        match options {
            TargetOptions::Postgres(options) => Self::Postgres(PostgresTarget::new(options)),
            TargetOptions::MySql(options) => Self::MySql(MySqlTarget::new(options)),
        }
    }
}

/// The same call on the target that it is.
macro_rules! of_either {
    ($self:ident, $target:ident => $call:expr) => {
        match $self {
            Database::Postgres($target) => $call,
            Database::MySql($target) => $call,
        }
    };
}

impl Target for Database {
    fn definition(&self, table: &TargetTable) -> Vec<String> {
        of_either!(self, target => target.definition(table))
    }

    async fn inspect(&self, table: &TargetTable) -> Result<TableState> {
        of_either!(self, target => target.inspect(table).await)
    }

    async fn preflight(&self, tables: &[TargetTable]) -> Result<Vec<Finding>> {
        of_either!(self, target => target.preflight(tables).await)
    }

    async fn create(&self, tables: &[TargetTable]) -> Result<()> {
        of_either!(self, target => target.create(tables).await)
    }

    async fn defer_key(&self, table: &TargetTable) -> Result<()> {
        of_either!(self, target => target.defer_key(table).await)
    }

    async fn begin_again(&self, table: &TargetTable) -> Result<()> {
        of_either!(self, target => target.begin_again(table).await)
    }

    async fn create_indexes(&self, table: &TargetTable) -> Result<()> {
        of_either!(self, target => target.create_indexes(table).await)
    }

    async fn checkpoint(&self, mapping: &str) -> Result<Option<Checkpoint>> {
        of_either!(self, target => target.checkpoint(mapping).await)
    }

    async fn take_over(&self, current: Option<&Checkpoint>, next: Checkpoint) -> Result<Checkpoint> {
        of_either!(self, target => target.take_over(current, next).await)
    }

    async fn load(&self, table: &TargetTable, rows: &[Row], advance: &Advance) -> Result<()> {
        of_either!(self, target => target.load(table, rows, advance).await)
    }

    async fn load_behind(&self, table: &TargetTable, rows: &[Row], advance: &Advance, turn: &Gate) -> Result<()> {
        of_either!(self, target => target.load_behind(table, rows, advance, turn).await)
    }

    async fn apply(&self, writes: &[(Advance, &[TargetTable], WriteBatch)]) -> Result<()> {
        of_either!(self, target => target.apply(writes).await)
    }

    async fn apply_ahead(&self, writes: &[(Advance, &[TargetTable], WriteBatch)], gate: &Gate) -> Result<()> {
        of_either!(self, target => target.apply_ahead(writes, gate).await)
    }

    async fn apply_parts(&self, advance: &Advance, tables: &[TargetTable], parts: &dyn WriteParts) -> Result<()> {
        of_either!(self, target => target.apply_parts(advance, tables, parts).await)
    }

    async fn read_keys(&self, mapping: &str, table: &TargetTable, keys: &[Row]) -> Result<(Option<Checkpoint>, Vec<Row>)> {
        of_either!(self, target => target.read_keys(mapping, table, keys).await)
    }

    async fn read_after(
        &self,
        mapping: &str,
        table: &TargetTable,
        after: Option<&Row>,
        limit: u32,
    ) -> Result<(Option<Checkpoint>, Vec<Row>)> {
        of_either!(self, target => target.read_after(mapping, table, after, limit).await)
    }

    async fn forget(&self, mapping: &str) -> Result<()> {
        of_either!(self, target => target.forget(mapping).await)
    }
}
