//! PostgreSQL 14 to 18 as a target.
//!
//! [`PostgresTarget`] keeps two pools: connections that write, and connections on which the server refuses every write; reads, inspection and
//! preflight use only the second. Nothing is kept that a new connection could not find again, so a broken connection is simply dropped
//! and the caller tries again from the checkpoint.

mod apply;
mod calendar;
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
mod tls;
mod types;

#[cfg(test)]
mod tests;

pub use connect::{Address, PostgresOptions, Secret, Tls};

use connect::{Lease, Pool, Reads, Role, Writes};

use crate::error::{Class, Result};
use crate::schema::TargetTable;
use crate::source::Finding;
use crate::target::{Advance, Checkpoint, TableState, Target};
use crate::value::Row;
use crate::write::WriteBatch;

/// A PostgreSQL database as a target. Cheap to make: connections are opened when needed.
pub struct PostgresTarget {
    options: PostgresOptions,
    writes: Pool<Writes>,
    reads: Pool<Reads>,
}

impl PostgresTarget {
    /// A target that is not connected yet.
    #[must_use]
    pub fn new(options: PostgresOptions) -> Self {
        let connections_max = options.connections_max;
        Self { options, writes: Pool::new(connections_max), reads: Pool::new(connections_max) }
    }

    async fn writing(&self) -> Result<Lease<'_, Writes>> {
        self.writes.take(&self.options).await
    }

    async fn reading(&self) -> Result<Lease<'_, Reads>> {
        self.reads.take(&self.options).await
    }
}

/// Gives the connection back if all went well; else it is closed, and the server rolls back what it held.
fn settle<T, R: Role>(lease: Lease<'_, R>, result: Result<T>) -> Result<T> {
    if result.is_ok() {
        lease.give_back();
    }
    result
}

/// The same for a transaction that may end in a mismatch.
fn settle_outcome(lease: Lease<'_, Writes>, result: Result<apply::Outcome>) -> Result<()> {
    match settle(lease, result)? {
        apply::Outcome::Committed => Ok(()),
        apply::Outcome::Mismatch(error) => Err(error),
    }
}

impl Target for PostgresTarget {
    fn definition(&self, table: &TargetTable) -> Vec<String> {
        let mut statements = definition::checkpoint_table();
        statements.extend(table.schema.as_deref().filter(|schema| *schema != "public").map(definition::schema));
        statements.extend(definition::target_table(table));
        statements.extend(table.indexes.iter().map(|columns| definition::index(table, columns)));
        statements
    }

    async fn inspect(&self, table: &TargetTable) -> Result<TableState> {
        let mut lease = self.reading().await?;
        let result = inspect::inspect(&mut lease.connection, table).await;
        settle(lease, result)
    }

    async fn preflight(&self, tables: &[TargetTable]) -> Result<Vec<Finding>> {
        let mut lease = self.reading().await?;
        let result = preflight::findings(&mut lease.connection, &self.options, tables).await;
        settle(lease, result)
    }

    async fn create(&self, tables: &[TargetTable]) -> Result<()> {
        let mut lease = self.writing().await?;
        let result = create::tables(&mut lease.connection, tables).await;
        settle(lease, result)
    }

    async fn create_indexes(&self, table: &TargetTable) -> Result<()> {
        let mut reading = self.reading().await?;
        let missing = inspect::missing_indexes(&mut reading.connection, table).await;
        let missing = settle(reading, missing)?;
        if missing.is_empty() {
            return Ok(());
        }
        let mut lease = self.writing().await?;
        let result = create::indexes(&mut lease.connection, table, &missing).await;
        settle(lease, result)
    }

    async fn checkpoint(&self, mapping: &str) -> Result<Option<Checkpoint>> {
        let mut lease = self.reading().await?;
        let result = checkpoint::read(&mut lease.connection, mapping).await;
        settle(lease, result)
    }

    async fn take_over(&self, current: Option<&Checkpoint>, next: Checkpoint) -> Result<Checkpoint> {
        let mut lease = self.writing().await?;
        let result = checkpoint::take_over(&mut lease.connection, current, next).await;
        settle(lease, result)
    }

    async fn load(&self, table: &TargetTable, rows: Vec<Row>, advance: &Advance) -> Result<()> {
        let mut lease = self.writing().await?;
        if rows.is_empty() {
            let result = checkpoint::advance_alone(&mut lease.connection, advance).await;
            return settle(lease, result);
        }
        let result = apply::load(&mut lease.connection, table, &rows, advance).await;
        settle_outcome(lease, result)
    }

    async fn apply(&self, writes: &[(Advance, &[TargetTable], WriteBatch)]) -> Result<()> {
        let mut lease = match writes {
            [] => return Ok(()),
            _ => self.writing().await?,
        };
        if let [(advance, _, batch)] = writes
            && batch.is_empty()
        {
            let result = checkpoint::advance_alone(&mut lease.connection, advance).await;
            return settle(lease, result);
        }
        let remembers = !lease.connection.uniqueness.is_empty();
        let result = apply::apply(&mut lease.connection, writes).await;
        match settle_outcome(lease, result) {
            // What the connection remembered of the tables may be outdated: a unique index was added, a column altered.
            Err(error) if error.class() == Class::Person && remembers => {
                self.writes.forget();
                let mut fresh = self.writing().await?;
                let result = apply::apply(&mut fresh.connection, writes).await;
                settle_outcome(fresh, result)
            }
            settled => settled,
        }
    }

    async fn read_keys(&self, mapping: &str, table: &TargetTable, keys: &[Row]) -> Result<(Option<Checkpoint>, Vec<Row>)> {
        let mut lease = self.reading().await?;
        let result = read::keys(&mut lease.connection, mapping, table, keys).await;
        settle(lease, result)
    }

    async fn read_after(&self, mapping: &str, table: &TargetTable, after: Option<&Row>, limit: u32) -> Result<(Option<Checkpoint>, Vec<Row>)> {
        let mut lease = self.reading().await?;
        let result = read::after(&mut lease.connection, mapping, table, after, limit).await;
        settle(lease, result)
    }

    async fn forget(&self, mapping: &str) -> Result<()> {
        let mut lease = self.writing().await?;
        let result = checkpoint::forget(&mut lease.connection, mapping).await;
        settle(lease, result)
    }
}
