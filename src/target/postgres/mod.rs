//! PostgreSQL 14 to 18 as a target: the words of [`Server`] in this dialect.

mod apply;
mod checkpoint;
mod connect;
mod copy;
mod create;
mod decode;
mod definition;
mod encode;
mod fault;
mod inspect;
mod numeric;
mod pipeline;
mod preflight;
mod read;
mod sql;
mod types;

#[cfg(test)]
pub(in crate::target) mod tests;

pub use connect::{Address, PostgresOptions, Secret, Tls};

use connect::{Connection, Reads, Writes};

use super::server::{Server, ServerTarget};
use super::transaction::{Accepted, Content, Outcome, Slice};
use crate::error::Result;
use crate::finding::Finding;
use crate::schema::TargetTable;
use crate::target::{Advance, Checkpoint, TableState};
use crate::value::Row;

/// A PostgreSQL database as a target.
pub type PostgresTarget = ServerTarget<Postgres>;

/// The dialect.
pub struct Postgres;

impl PostgresTarget {
    /// A target that is not connected yet.
    #[must_use]
    pub fn new(options: PostgresOptions) -> Self {
        Self::unconnected(options)
    }
}

impl Server for Postgres {
    type Options = PostgresOptions;
    type Writes = Connection<Writes>;
    type Reads = Connection<Reads>;

    fn connections_max(options: &PostgresOptions) -> usize {
        options.connections_max
    }

    fn table_name(table: &TargetTable) -> String {
        sql::table_name(table)
    }

    fn plain_name(table: &TargetTable) -> String {
        inspect::plain_name(table)
    }

    fn definition(_options: &PostgresOptions, table: &TargetTable) -> Vec<String> {
        let mut statements = definition::checkpoint_table();
        statements.extend(table.schema.as_deref().filter(|schema| *schema != "public").map(definition::schema));
        statements.extend(definition::target_table(table));
        statements.extend(table.indexes.iter().map(|columns| definition::index(table, columns)));
        statements
    }

    async fn stamp(connection: &mut Self::Reads, table: &TargetTable) -> Result<Option<String>> {
        inspect::stamp(connection, table).await
    }

    async fn inspect(connection: &mut Self::Reads, table: &TargetTable) -> Result<TableState> {
        inspect::inspect(connection, table).await
    }

    async fn preflight(connection: &mut Self::Reads, options: &PostgresOptions, tables: &[TargetTable]) -> Result<Vec<Finding>> {
        preflight::findings(connection, options, tables).await
    }

    async fn create(connection: &mut Self::Writes, tables: &[TargetTable]) -> Result<()> {
        create::tables(connection, tables).await
    }

    async fn drop_key(connection: &mut Self::Writes, table: &TargetTable) -> Result<()> {
        create::drop_key(connection, table).await
    }

    async fn create_key(connection: &mut Self::Writes, table: &TargetTable, is_emptied: bool) -> Result<()> {
        create::key(connection, table, is_emptied).await
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
