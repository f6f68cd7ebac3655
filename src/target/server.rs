//! A target on a database server, whatever its dialect: connections that write and connections that only read, and no row written into a
//! table that was not looked at as it is now.
//!
//! [`ServerTarget`] keeps two pools: connections that write, and connections on which the server refuses every write; reads, inspection
//! and preflight use only the second. Nothing is kept that a new connection could not find again, so a broken connection is simply
//! dropped and the caller tries again from the checkpoint. What a dialect has to say is [`Server`].

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};

use super::pool::{Lease, Pool, Pooled};
use super::transaction::{Accepted, Content, Outcome, Slice};
use crate::error::{Class, Error, Result};
use crate::finding::Finding;
use crate::schema::TargetTable;
use crate::target::gate::Gate;
use crate::target::{Advance, Checkpoint, TableDifference, TableState, Target};
use crate::value::Row;
use crate::write::{WriteBatch, WriteParts};

/// A kind of database server: what is asked of it, and in which words. Each method is one conversation on one connection.
pub(super) trait Server: Send + Sync + 'static {
    /// What is needed to reach it.
    type Options: Send + Sync;
    /// A connection that writes.
    type Writes: Pooled<Options = Self::Options>;
    /// A connection on which the server refuses every write.
    type Reads: Pooled<Options = Self::Options>;

    /// Most connections of each role.
    fn connections_max(options: &Self::Options) -> usize;
    /// The quoted name of a table.
    fn table_name(table: &TargetTable) -> String;
    /// The name of a table for messages.
    fn plain_name(table: &TargetTable) -> String;
    /// See [`Target::definition`].
    fn definition(options: &Self::Options, table: &TargetTable) -> Vec<String>;
    /// What a table's definition amounts to now; `None` if it is absent.
    fn stamp(connection: &mut Self::Reads, table: &TargetTable) -> impl Future<Output = Result<Option<String>>> + Send;
    /// See [`Target::inspect`].
    fn inspect(connection: &mut Self::Reads, table: &TargetTable) -> impl Future<Output = Result<TableState>> + Send;
    /// See [`Target::preflight`].
    fn preflight(
        connection: &mut Self::Reads,
        options: &Self::Options,
        tables: &[TargetTable],
    ) -> impl Future<Output = Result<Vec<Finding>>> + Send;
    /// See [`Target::create`].
    fn create(connection: &mut Self::Writes, tables: &[TargetTable]) -> impl Future<Output = Result<()>> + Send;
    /// Takes the primary key off a table, or leaves it where that gains a load nothing.
    fn drop_key(connection: &mut Self::Writes, table: &TargetTable) -> impl Future<Output = Result<()>> + Send;
    /// Puts the primary key on a table without one; `is_emptied`: its rows go first.
    fn create_key(
        connection: &mut Self::Writes,
        table: &TargetTable,
        is_emptied: bool,
    ) -> impl Future<Output = Result<()>> + Send;
    /// The declared indexes that a table does not have.
    fn missing_indexes<'t>(
        connection: &mut Self::Reads,
        table: &'t TargetTable,
    ) -> impl Future<Output = Result<Vec<&'t [usize]>>> + Send;
    /// Creates indexes.
    fn create_indexes(
        connection: &mut Self::Writes,
        table: &TargetTable,
        missing: &[&[usize]],
    ) -> impl Future<Output = Result<()>> + Send;
    /// See [`Target::checkpoint`].
    fn checkpoint(connection: &mut Self::Reads, mapping: &str) -> impl Future<Output = Result<Option<Checkpoint>>> + Send;
    /// See [`Target::take_over`].
    fn take_over(
        connection: &mut Self::Writes,
        current: Option<&Checkpoint>,
        next: Checkpoint,
    ) -> impl Future<Output = Result<Checkpoint>> + Send;
    /// Moves a checkpoint without any row.
    fn advance(connection: &mut Self::Writes, advance: &Advance) -> impl Future<Output = Result<()>> + Send;
    /// See [`Target::forget`].
    fn forget(connection: &mut Self::Writes, mapping: &str) -> impl Future<Output = Result<()>> + Send;
    /// Whether a connection remembers anything of tables that may be outdated.
    fn remembers(connection: &Self::Writes) -> bool;
    /// One transaction; `accepted` are the tables that it writes to. A table that was altered since is a `Preflight` error.
    fn apply(
        connection: &mut Self::Writes,
        content: Content<'_>,
        accepted: &[Accepted<'_>],
    ) -> impl Future<Output = Result<Outcome>> + Send;
    /// See [`Target::load`]; with a gate, [`Target::load_behind`].
    fn load(
        connection: &mut Self::Writes,
        accepted: Accepted<'_>,
        slice: Slice<'_>,
    ) -> impl Future<Output = Result<Outcome>> + Send;
    /// See [`Target::read_keys`].
    fn read_keys(
        connection: &mut Self::Reads,
        mapping: &str,
        table: &TargetTable,
        keys: &[Row],
    ) -> impl Future<Output = Result<(Option<Checkpoint>, Vec<Row>)>> + Send;
    /// See [`Target::read_after`].
    fn read_after(
        connection: &mut Self::Reads,
        mapping: &str,
        table: &TargetTable,
        after: Option<&Row>,
        limit: u32,
    ) -> impl Future<Output = Result<(Option<Checkpoint>, Vec<Row>)>> + Send;
}

/// A database server as a target. Cheap to make: connections are opened when needed.
#[expect(private_bounds, reason = "dialects are chosen in this layer")]
pub struct ServerTarget<S: Server> {
    options: S::Options,
    writes: Pool<S::Writes>,
    reads: Pool<S::Reads>,
    /// What each table's definition amounted to when [`Target::inspect`] last found it as declared, by its quoted name.
    stamps: Mutex<HashMap<String, Stamp>>,
}

/// What a table's definition amounted to.
#[derive(Clone)]
struct Stamp {
    text: String,
    /// Without a primary key a table takes the rows of a load and nothing else.
    is_keyed: bool,
}

/// A transaction that waits for what was accepted of its tables.
#[derive(Clone, Copy)]
enum Pending<'w> {
    Load(Slice<'w>),
    Apply(Content<'w>),
}

#[expect(private_bounds, reason = "dialects are chosen in this layer")]
impl<S: Server> ServerTarget<S> {
    /// A target that is not connected yet.
    pub(super) fn unconnected(options: S::Options) -> Self {
        let connections_max = S::connections_max(&options);
        Self { options, writes: Pool::new(connections_max), reads: Pool::new(connections_max), stamps: Mutex::default() }
    }

    async fn writing(&self) -> Result<Lease<'_, S::Writes>> {
        self.writes.take(&self.options).await
    }

    async fn reading(&self) -> Result<Lease<'_, S::Reads>> {
        self.reads.take(&self.options).await
    }

    /// `tables` with what was accepted of them for a write; those not looked at yet are inspected.
    async fn accepted<'t>(&self, tables: &[&'t TargetTable], write: Pending<'_>) -> Result<Vec<Accepted<'t>>> {
        let mut accepted = Vec::new();
        for &table in tables {
            let stamp = match self.stamp(table, write) {
                Some(stamp) => stamp,
                None => self.accept(table, write).await?,
            };
            accepted.push(Accepted { table, stamp });
        }
        Ok(accepted)
    }

    fn stamp(&self, table: &TargetTable, write: Pending<'_>) -> Option<String> {
        let stamps = self.stamps.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = stamps.get(&S::table_name(table))?;
        (stamp.is_keyed || matches!(write, Pending::Load(_))).then(|| stamp.text.clone())
    }

    /// Inspects a table that is about to be written to.
    async fn accept(&self, table: &TargetTable, write: Pending<'_>) -> Result<String> {
        let name = S::plain_name(table);
        let differences = match self.inspect(table).await? {
            TableState::Unkeyed { .. } if !matches!(write, Pending::Load(_)) => vec![TableState::without_key(table, &name)],
            TableState::Present { .. } | TableState::Unkeyed { .. } => match self.stamp(table, write) {
                Some(stamp) => return Ok(stamp),
                None => return Err(Error::bug(format!("{name} was accepted without a stamp"))),
            },
            TableState::Absent => vec![TableDifference { object: name.clone(), message: "does not exist".to_owned() }],
            TableState::Differs(differences) => differences,
        };
        let differences: Vec<String> = differences.iter().map(|found| format!("{} {}", found.object, found.message)).collect();
        Err(Error::new(
            Class::Preflight,
            format!("cannot write to {name}, it is not as declared: {}", differences.join(", and ")),
        )
        .with_hint("alter the table back, or change the mapping and run with --rebuild"))
    }

    /// Writes under what was accepted of `tables`. If one of them was altered meanwhile, it is inspected again: what the mapping does
    /// not mind is accepted, anything else is refused by name.
    async fn guarded(&self, tables: &[&TargetTable], write: Pending<'_>) -> Result<()> {
        match self.write(write, self.accepted(tables, write).await?).await {
            Err(error) if error.class() == Class::Preflight => {
                for table in tables {
                    self.accept(table, write).await?;
                }
                // Connections remember unique constraints and column types.
                self.writes.forget();
                self.write(write, self.accepted(tables, write).await?).await
            }
            done => done,
        }
    }

    async fn write(&self, write: Pending<'_>, accepted: Vec<Accepted<'_>>) -> Result<()> {
        match write {
            Pending::Apply(content) => self.apply_once(content, &accepted).await,
            Pending::Load(slice) => {
                let accepted = accepted.into_iter().next().ok_or_else(|| Error::bug("a load names no table"))?;
                let mut lease = self.writing().await?;
                let result = S::load(&mut lease.connection, accepted, slice).await;
                settle_outcome(lease, result)
            }
        }
    }

    async fn apply_once(&self, content: Content<'_>, accepted: &[Accepted<'_>]) -> Result<()> {
        let mut lease = self.writing().await?;
        let remembers = S::remembers(&lease.connection);
        let result = S::apply(&mut lease.connection, content, accepted).await;
        match settle_outcome(lease, result) {
            // What the connection remembered of the tables may be outdated: a unique index was added.
            Err(error) if error.class() == Class::Person && remembers => {
                self.writes.forget();
                let mut fresh = self.writing().await?;
                let result = S::apply(&mut fresh.connection, content, accepted).await;
                settle_outcome(fresh, result)
            }
            settled => settled,
        }
    }

    /// Puts the primary key on a table if it has none.
    async fn create_key(&self, table: &TargetTable, is_emptied: bool) -> Result<()> {
        if !matches!(self.inspect(table).await?, TableState::Unkeyed { .. }) {
            return Ok(());
        }
        let mut lease = self.writing().await?;
        let result = S::create_key(&mut lease.connection, table, is_emptied).await;
        lease.settle(result)?;
        self.inspect(table).await.map(|_| ())
    }

    async fn advance(&self, advance: &Advance) -> Result<()> {
        let mut lease = self.writing().await?;
        let result = S::advance(&mut lease.connection, advance).await;
        lease.settle(result)
    }
}

fn settle_outcome<C: Pooled>(lease: Lease<'_, C>, result: Result<Outcome>) -> Result<()> {
    match lease.settle(result)? {
        Outcome::Committed => Ok(()),
        Outcome::Mismatch(error) => Err(error),
    }
}

impl<S: Server> Target for ServerTarget<S> {
    fn definition(&self, table: &TargetTable) -> Vec<String> {
        S::definition(&self.options, table)
    }

    async fn inspect(&self, table: &TargetTable) -> Result<TableState> {
        let mut lease = self.reading().await?;
        // The stamp is older than what is looked at: an alteration in between shows at the first write.
        let result = match S::stamp(&mut lease.connection, table).await {
            Ok(stamp) => S::inspect(&mut lease.connection, table).await.map(|state| (stamp, state)),
            Err(error) => Err(error),
        };
        let (stamp, state) = lease.settle(result)?;
        let mut stamps = self.stamps.lock().unwrap_or_else(PoisonError::into_inner);
        match (&state, stamp) {
            (TableState::Present { .. } | TableState::Unkeyed { .. }, Some(text)) => {
                let is_keyed = matches!(state, TableState::Present { .. });
                stamps.insert(S::table_name(table), Stamp { text, is_keyed });
            }
            _ => drop(stamps.remove(&S::table_name(table))),
        }
        Ok(state)
    }

    async fn preflight(&self, tables: &[TargetTable]) -> Result<Vec<Finding>> {
        let mut lease = self.reading().await?;
        let result = S::preflight(&mut lease.connection, &self.options, tables).await;
        lease.settle(result)
    }

    async fn create(&self, tables: &[TargetTable]) -> Result<()> {
        let mut lease = self.writing().await?;
        let result = S::create(&mut lease.connection, tables).await;
        lease.settle(result)
    }

    async fn defer_key(&self, table: &TargetTable) -> Result<()> {
        let mut lease = self.writing().await?;
        let result = S::drop_key(&mut lease.connection, table).await;
        lease.settle(result)?;
        self.inspect(table).await.map(|_| ())
    }

    async fn begin_again(&self, table: &TargetTable) -> Result<()> {
        self.create_key(table, true).await
    }

    async fn create_indexes(&self, table: &TargetTable) -> Result<()> {
        self.create_key(table, false).await?;
        let mut reading = self.reading().await?;
        let missing = S::missing_indexes(&mut reading.connection, table).await;
        let missing = reading.settle(missing)?;
        if missing.is_empty() {
            return Ok(());
        }
        let mut lease = self.writing().await?;
        let result = S::create_indexes(&mut lease.connection, table, &missing).await;
        lease.settle(result)
    }

    async fn checkpoint(&self, mapping: &str) -> Result<Option<Checkpoint>> {
        let mut lease = self.reading().await?;
        let result = S::checkpoint(&mut lease.connection, mapping).await;
        lease.settle(result)
    }

    async fn take_over(&self, current: Option<&Checkpoint>, next: Checkpoint) -> Result<Checkpoint> {
        let mut lease = self.writing().await?;
        let result = S::take_over(&mut lease.connection, current, next).await;
        lease.settle(result)
    }

    async fn load(&self, table: &TargetTable, rows: &[Row], advance: &Advance) -> Result<()> {
        match rows.is_empty() {
            true => self.advance(advance).await,
            false => self.guarded(&[table], Pending::Load(Slice { rows, advance, turn: None })).await,
        }
    }

    async fn load_behind(&self, table: &TargetTable, rows: &[Row], advance: &Advance, turn: &Gate) -> Result<()> {
        if rows.is_empty() {
            turn.passed().await?;
            return self.advance(advance).await;
        }
        self.guarded(&[table], Pending::Load(Slice { rows, advance, turn: Some(turn) })).await
    }

    async fn apply(&self, writes: &[(Advance, &[TargetTable], WriteBatch)]) -> Result<()> {
        match writes {
            [] => Ok(()),
            [(advance, _, batch)] if batch.is_empty() => self.advance(advance).await,
            _ => {
                let content = Content::Whole(writes);
                self.guarded(&content.tables()?, Pending::Apply(content)).await
            }
        }
    }

    async fn apply_ahead(&self, writes: &[(Advance, &[TargetTable], WriteBatch)], gate: &Gate) -> Result<()> {
        if writes.iter().all(|(_, _, batch)| batch.is_empty()) {
            gate.passed().await?;
            return self.apply(writes).await;
        }
        let content = Content::Ahead(writes, gate);
        self.guarded(&content.tables()?, Pending::Apply(content)).await
    }

    async fn apply_parts(&self, advance: &Advance, tables: &[TargetTable], parts: &dyn WriteParts) -> Result<()> {
        let content = Content::Parts(advance, tables, parts);
        self.guarded(&content.tables()?, Pending::Apply(content)).await
    }

    async fn read_keys(&self, mapping: &str, table: &TargetTable, keys: &[Row]) -> Result<(Option<Checkpoint>, Vec<Row>)> {
        let mut lease = self.reading().await?;
        let result = S::read_keys(&mut lease.connection, mapping, table, keys).await;
        lease.settle(result)
    }

    async fn read_after(
        &self,
        mapping: &str,
        table: &TargetTable,
        after: Option<&Row>,
        limit: u32,
    ) -> Result<(Option<Checkpoint>, Vec<Row>)> {
        let mut lease = self.reading().await?;
        let result = S::read_after(&mut lease.connection, mapping, table, after, limit).await;
        lease.settle(result)
    }

    async fn forget(&self, mapping: &str) -> Result<()> {
        let mut lease = self.writing().await?;
        let result = S::forget(&mut lease.connection, mapping).await;
        lease.settle(result)
    }
}
