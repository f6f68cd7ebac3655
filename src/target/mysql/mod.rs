//! MySQL 8.0.19+ and MariaDB 10.6+ as a target.
//!
//! [`MySqlTarget`] keeps two pools: connections that write, and connections on which the server refuses every write; reads, inspection and
//! preflight use only the second. Nothing is kept that a new connection could not find again, so a broken connection is simply dropped
//! and the caller tries again from the checkpoint.

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
mod tests;

pub use connect::{MySqlOptions, Secret, Tls};

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use apply::Accepted;
use connect::{Lease, Pool, Reads, Role, Writes};

use crate::error::{Class, Error, Result};
use crate::finding::Finding;
use crate::schema::TargetTable;
use crate::target::{Advance, Checkpoint, TableState, Target};
use crate::value::Row;
use crate::write::{WriteBatch, WriteParts};

/// A MySQL or MariaDB database as a target. Cheap to make: connections are opened when needed.
pub struct MySqlTarget {
    options: MySqlOptions,
    writes: Pool<Writes>,
    reads: Pool<Reads>,
    /// What each table's definition amounted to when [`Target::inspect`] last found it as declared, by its quoted name.
    stamps: Mutex<HashMap<String, String>>,
}

impl MySqlTarget {
    /// A target that is not connected yet.
    #[must_use]
    pub fn new(options: MySqlOptions) -> Self {
        let connections_max = options.connections_max;
        Self { options, writes: Pool::new(connections_max), reads: Pool::new(connections_max), stamps: Mutex::default() }
    }

    async fn writing(&self) -> Result<Lease<'_, Writes>> {
        self.writes.take(&self.options).await
    }

    async fn reading(&self) -> Result<Lease<'_, Reads>> {
        self.reads.take(&self.options).await
    }

    /// `tables` with what was accepted of them; those not looked at yet are inspected.
    async fn accepted<'t>(&self, tables: &[&'t TargetTable]) -> Result<Vec<Accepted<'t>>> {
        let mut accepted = Vec::new();
        for &table in tables {
            let stamp = match self.stamp(table) {
                Some(stamp) => stamp,
                None => self.accept(table).await?,
            };
            accepted.push(Accepted { table, stamp });
        }
        Ok(accepted)
    }

    fn stamp(&self, table: &TargetTable) -> Option<String> {
        self.stamps.lock().unwrap_or_else(PoisonError::into_inner).get(&sql::table_name(table)).cloned()
    }

    /// Inspects a table that is about to be written to.
    async fn accept(&self, table: &TargetTable) -> Result<String> {
        let name = inspect::plain_name(table);
        let differences = match self.inspect(table).await? {
            TableState::Present { .. } => match self.stamp(table) {
                Some(stamp) => return Ok(stamp),
                None => return Err(Error::bug(format!("{name} was accepted without a stamp"))),
            },
            TableState::Absent => vec![format!("{name} does not exist")],
            TableState::Differs(differences) => {
                differences.into_iter().map(|found| format!("{} {}", found.object, found.message)).collect()
            }
        };
        Err(Error::new(
            Class::Preflight,
            format!("cannot write to {name}, it is not as declared: {}", differences.join(", and ")),
        )
        .with_hint("alter the table back, or change the mapping and run with --rebuild"))
    }

    /// Writes under what was accepted of `tables`. If one of them was altered meanwhile, it is inspected again: what the mapping does
    /// not mind is accepted, anything else is refused by name.
    async fn guarded(&self, tables: &[&TargetTable], write: Pending<'_>) -> Result<()> {
        match self.write(write, self.accepted(tables).await?).await {
            Err(error) if error.class() == Class::Preflight => {
                for table in tables {
                    self.accept(table).await?;
                }
                // Connections remember unique constraints and column types.
                self.writes.forget();
                self.write(write, self.accepted(tables).await?).await
            }
            done => done,
        }
    }

    async fn write(&self, write: Pending<'_>, accepted: Vec<Accepted<'_>>) -> Result<()> {
        match write {
            Pending::Apply(content) => self.apply_once(content, &accepted).await,
            Pending::Load(rows, advance) => {
                let accepted = accepted.into_iter().next().ok_or_else(|| Error::bug("a load names no table"))?;
                let mut lease = self.writing().await?;
                let result = apply::load(&mut lease.connection, accepted, rows, advance).await;
                settle_outcome(lease, result)
            }
        }
    }

    async fn apply_once(&self, content: Content<'_>, accepted: &[Accepted<'_>]) -> Result<()> {
        let mut lease = self.writing().await?;
        let remembers = !lease.connection.uniqueness.is_empty();
        let result = content.apply(&mut lease.connection, accepted).await;
        match settle_outcome(lease, result) {
            // What the connection remembered of the tables may be outdated: a unique index was added.
            Err(error) if error.class() == Class::Person && remembers => {
                self.writes.forget();
                let mut fresh = self.writing().await?;
                let result = content.apply(&mut fresh.connection, accepted).await;
                settle_outcome(fresh, result)
            }
            settled => settled,
        }
    }
}

/// A transaction that waits for what was accepted of its tables.
#[derive(Clone, Copy)]
enum Pending<'w> {
    Load(&'w [Row], &'w Advance),
    Apply(Content<'w>),
}

/// What one transaction applies.
#[derive(Clone, Copy)]
enum Content<'w> {
    /// Batches of several mappings, held in memory.
    Whole(&'w [(Advance, &'w [TargetTable], WriteBatch)]),
    /// One mapping's writes, read part by part.
    Parts(&'w Advance, &'w [TargetTable], &'w dyn WriteParts),
}

impl Content<'_> {
    async fn apply(self, connection: &mut connect::Connection<Writes>, accepted: &[Accepted<'_>]) -> Result<apply::Outcome> {
        match self {
            Self::Whole(writes) => apply::apply(connection, writes, accepted).await,
            Self::Parts(advance, tables, parts) => apply::apply_parts(connection, advance, tables, parts, accepted).await,
        }
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

impl Target for MySqlTarget {
    fn definition(&self, table: &TargetTable) -> Vec<String> {
        let mut statements = vec![definition::checkpoint_table(self.options.kind), definition::target_table(table)];
        let index = |columns: &Vec<usize>| definition::index(table, columns, &definition::index_name(table, columns));
        statements.extend(table.indexes.iter().map(index));
        statements
    }

    async fn inspect(&self, table: &TargetTable) -> Result<TableState> {
        let mut lease = self.reading().await?;
        // The stamp is older than what is looked at: an alteration in between shows at the first write.
        let result = match inspect::stamp(&mut lease.connection, table).await {
            Ok(stamp) => inspect::inspect(&mut lease.connection, table).await.map(|state| (stamp, state)),
            Err(error) => Err(error),
        };
        let (stamp, state) = settle(lease, result)?;
        let mut stamps = self.stamps.lock().unwrap_or_else(PoisonError::into_inner);
        match (&state, stamp) {
            (TableState::Present { .. }, Some(stamp)) => drop(stamps.insert(sql::table_name(table), stamp)),
            _ => drop(stamps.remove(&sql::table_name(table))),
        }
        Ok(state)
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
        if rows.is_empty() {
            let mut lease = self.writing().await?;
            let result = checkpoint::advance_alone(&mut lease.connection, advance).await;
            return settle(lease, result);
        }
        self.guarded(&[table], Pending::Load(&rows, advance)).await
    }

    async fn apply(&self, writes: &[(Advance, &[TargetTable], WriteBatch)]) -> Result<()> {
        if writes.is_empty() {
            return Ok(());
        }
        if let [(advance, _, batch)] = writes
            && batch.is_empty()
        {
            let mut lease = self.writing().await?;
            let result = checkpoint::advance_alone(&mut lease.connection, advance).await;
            return settle(lease, result);
        }
        let tables = apply::tables_of(writes)?;
        self.guarded(&tables, Pending::Apply(Content::Whole(writes))).await
    }

    async fn apply_parts(&self, advance: &Advance, tables: &[TargetTable], parts: &dyn WriteParts) -> Result<()> {
        let touched = apply::tables_of_parts(tables, parts)?;
        self.guarded(&touched, Pending::Apply(Content::Parts(advance, tables, parts))).await
    }

    async fn read_keys(&self, mapping: &str, table: &TargetTable, keys: &[Row]) -> Result<(Option<Checkpoint>, Vec<Row>)> {
        let mut lease = self.reading().await?;
        let result = read::keys(&mut lease.connection, mapping, table, keys).await;
        settle(lease, result)
    }

    async fn read_after(
        &self,
        mapping: &str,
        table: &TargetTable,
        after: Option<&Row>,
        limit: u32,
    ) -> Result<(Option<Checkpoint>, Vec<Row>)> {
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
