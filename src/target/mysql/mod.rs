//! MySQL 8.0.19+ and MariaDB 10.6+ as a target: the words of [`Server`] in this dialect.

mod apply;
mod checkpoint;
mod connect;
mod create;
mod decode;
mod definition;
mod encode;
mod fault;
mod inspect;
mod preflight;
mod read;
mod sql;

#[cfg(test)]
pub(in crate::target) mod tests;

pub use connect::{MySqlOptions, Secret, Tls};

use connect::{Connection, Reads, Writes};

use super::server::{Server, ServerTarget};
use super::transaction::{Accepted, Content, Outcome, Slice};
use crate::error::{Error, Result};
use crate::finding::Finding;
use crate::schema::TargetTable;
use crate::target::{Advance, Checkpoint, TableState};
use crate::value::Row;

/// A MySQL or MariaDB database as a target.
pub type MySqlTarget = ServerTarget<MySql>;

/// The dialect.
pub struct MySql;

impl MySqlTarget {
    /// A target that is not connected yet.
    #[must_use]
    pub fn new(options: MySqlOptions) -> Self {
        Self::unconnected(options)
    }
}

impl Server for MySql {
    type Options = MySqlOptions;
    type Writes = Connection<Writes>;
    type Reads = Connection<Reads>;

    fn connections_max(options: &MySqlOptions) -> usize {
        options.connections_max
    }

    fn table_name(table: &TargetTable) -> String {
        sql::table_name(table)
    }

    fn plain_name(table: &TargetTable) -> String {
        inspect::plain_name(table)
    }

    fn definition(options: &MySqlOptions, table: &TargetTable) -> Vec<String> {
        let mut statements = vec![definition::checkpoint_table(options.kind), definition::target_table(table)];
        let index = |columns: &Vec<usize>| definition::index(table, columns, &definition::index_name(table, columns));
        statements.extend(table.indexes.iter().map(index));
        statements
    }

    async fn stamp(connection: &mut Self::Reads, table: &TargetTable) -> Result<Option<String>> {
        inspect::stamp(connection, table).await
    }

    async fn inspect(connection: &mut Self::Reads, table: &TargetTable) -> Result<TableState> {
        inspect::inspect(connection, table).await
    }

    async fn preflight(connection: &mut Self::Reads, options: &MySqlOptions, tables: &[TargetTable]) -> Result<Vec<Finding>> {
        preflight::findings(connection, options, tables).await
    }

    async fn create(connection: &mut Self::Writes, tables: &[TargetTable]) -> Result<()> {
        create::tables(connection, tables).await
    }

    /// Rows live in the tree of the primary key: without it they would be stored twice.
    async fn drop_key(_connection: &mut Self::Writes, _table: &TargetTable) -> Result<()> {
        Ok(())
    }

    async fn create_key(_connection: &mut Self::Writes, table: &TargetTable, _is_emptied: bool) -> Result<()> {
        Err(Error::bug(format!("{} lost its primary key to a load", table.name)))
    }

    async fn missing_indexes<'t>(connection: &mut Self::Reads, table: &'t TargetTable) -> Result<Vec<&'t [usize]>> {
        inspect::missing_indexes(connection, table).await
    }

    async fn create_indexes(connection: &mut Self::Writes, table: &TargetTable, missing: &[&[usize]]) -> Result<()> {
        create::indexes(connection, table, missing).await
    }

    async fn checkpoint(connection: &mut Self::Reads, mapping: &str) -> Result<Option<Checkpoint>> {
        checkpoint::read(connection, mapping).await
    }

    async fn take_over(connection: &mut Self::Writes, current: Option<&Checkpoint>, next: Checkpoint) -> Result<Checkpoint> {
        checkpoint::take_over(connection, current, next).await
    }

    async fn advance(connection: &mut Self::Writes, advance: &Advance) -> Result<()> {
        checkpoint::advance_alone(connection, advance).await
    }

    async fn forget(connection: &mut Self::Writes, mapping: &str) -> Result<()> {
        checkpoint::forget(connection, mapping).await
    }

    fn remembers(connection: &Self::Writes) -> bool {
        !connection.uniqueness.is_empty()
    }

    async fn apply(connection: &mut Self::Writes, content: Content<'_>, accepted: &[Accepted<'_>]) -> Result<Outcome> {
        apply::apply(connection, content, accepted).await
    }

    async fn load(connection: &mut Self::Writes, accepted: Accepted<'_>, slice: Slice<'_>) -> Result<Outcome> {
        apply::load(connection, accepted, slice).await
    }

    async fn read_keys(
        connection: &mut Self::Reads,
        mapping: &str,
        table: &TargetTable,
        keys: &[Row],
    ) -> Result<(Option<Checkpoint>, Vec<Row>)> {
        read::keys(connection, mapping, table, keys).await
    }

    async fn read_after(
        connection: &mut Self::Reads,
        mapping: &str,
        table: &TargetTable,
        after: Option<&Row>,
        limit: u32,
    ) -> Result<(Option<Checkpoint>, Vec<Row>)> {
        read::after(connection, mapping, table, after, limit).await
    }
}
