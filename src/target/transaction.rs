//! One target transaction: checkpoints compared and set, then deletes of all tables, last table first, then upserts, first table first:
//! what foreign keys between them ask for.
//!
//! With another unique constraint than the key, two rows that swap their values would meet half way. There the rows of the batch are
//! deleted first and then inserted: the swap passes, and a true duplicate is an error.

use std::collections::BTreeSet;
use std::future::Future;

use crate::error::{Error, Result};
use crate::schema::TargetTable;
use crate::target::Advance;
use crate::target::gate::Gate;
use crate::value::Row;
use crate::write::{WriteBatch, WriteParts};

/// How a transaction ended short of an error.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Everything is committed.
    Committed,
    /// A checkpoint or a table did not match; nothing is written, the connection is outside any transaction.
    Mismatch(Error),
}

/// A table and the stamp of the definition under which rows may be written into it.
pub(super) struct Accepted<'t> {
    /// The declared table.
    pub(super) table: &'t TargetTable,
    /// What its definition amounted to when it was accepted.
    pub(super) stamp: String,
}

/// What one transaction applies.
#[derive(Clone, Copy)]
pub(super) enum Content<'w> {
    /// Batches of several mappings, held in memory.
    Whole(&'w [(Advance, &'w [TargetTable], WriteBatch)]),
    /// The same, to be committed behind a gate.
    Ahead(&'w [(Advance, &'w [TargetTable], WriteBatch)], &'w Gate),
    /// One mapping's writes, read part by part.
    Parts(&'w Advance, &'w [TargetTable], &'w dyn WriteParts),
}

/// Rows of a first load.
#[derive(Clone, Copy)]
pub(super) struct Slice<'w> {
    /// The rows.
    pub(super) rows: &'w [Row],
    /// The checkpoint that moves with them.
    pub(super) advance: &'w Advance,
    /// What it waits for before the checkpoint moves, when the rows are there; without one the checkpoint moves first, and its lock keeps
    /// out whoever else loads the same rows.
    pub(super) turn: Option<&'w Gate>,
}

/// An open transaction whose checkpoints are set. `Some` is a mismatch: the transaction is rolled back already.
pub(super) trait Writing: Send {
    /// Whether a table has another unique constraint than its primary key.
    fn has_other_unique(&mut self, table: &TargetTable) -> impl Future<Output = Result<bool>> + Send;

    /// Deletes rows by key.
    fn delete(&mut self, table: &TargetTable, keys: &[Row]) -> impl Future<Output = Result<Option<Error>>> + Send;

    /// Deletes the rows that are about to be inserted anew.
    fn delete_upserted(&mut self, table: &TargetTable, rows: &[Row]) -> impl Future<Output = Result<Option<Error>>> + Send;

    /// Inserts rows; with `overwrite`, those that are there get the new values.
    fn put(&mut self, table: &TargetTable, rows: &[Row], overwrite: bool) -> impl Future<Output = Result<Option<Error>>> + Send;

    /// Sends what is waiting, and waits for the answers.
    fn send(&mut self) -> impl Future<Output = Result<Option<Error>>> + Send;

    /// Sends what is waiting, and COMMIT.
    fn commit(self) -> impl Future<Output = Result<Outcome>> + Send;
}

impl<'w> Content<'w> {
    /// The checkpoints that move.
    pub(super) fn advances(self) -> Vec<&'w Advance> {
        match self {
            Self::Whole(writes) | Self::Ahead(writes, _) => writes.iter().map(|(advance, _, _)| advance).collect(),
            Self::Parts(advance, _, _) => vec![advance],
        }
    }

    /// The tables that are written to.
    ///
    /// # Errors
    /// `Bug` if a write names a table that its mapping does not have.
    pub(super) fn tables(self) -> Result<Vec<&'w TargetTable>> {
        match self {
            Self::Whole(writes) | Self::Ahead(writes, _) => {
                writes.iter().flat_map(|(_, tables, batch)| touched(tables, batch)).collect()
            }
            Self::Parts(_, tables, parts) => {
                let touched: BTreeSet<u32> = parts.tables().iter().copied().collect();
                touched.into_iter().map(|index| declared(tables, index)).collect()
            }
        }
    }

    /// Writes everything and commits.
    ///
    /// # Errors
    /// What the server refuses; the connection must then be given up.
    pub(super) async fn write(self, mut transaction: impl Writing) -> Result<Outcome> {
        match self {
            Self::Whole(writes) | Self::Ahead(writes, _) => {
                for (_, tables, batch) in writes {
                    if let Some(mismatch) = write_batch(&mut transaction, tables, batch).await? {
                        return Ok(Outcome::Mismatch(mismatch));
                    }
                }
            }
            Self::Parts(_, tables, parts) => {
                if let Some(mismatch) = write_parts(&mut transaction, tables, parts).await? {
                    return Ok(Outcome::Mismatch(mismatch));
                }
            }
        }
        if let Self::Ahead(_, gate) = self {
            if let Some(mismatch) = transaction.send().await? {
                return Ok(Outcome::Mismatch(mismatch));
            }
            gate.passed().await?;
        }
        transaction.commit().await
    }
}

fn touched<'w>(tables: &'w [TargetTable], batch: &'w WriteBatch) -> impl Iterator<Item = Result<&'w TargetTable>> {
    let used = batch.tables.iter().filter(|writes| !writes.deletes.is_empty() || !writes.upserts.is_empty());
    used.map(move |writes| declared(tables, writes.table))
}

fn declared(tables: &[TargetTable], index: u32) -> Result<&TargetTable> {
    let found = usize::try_from(index).ok().and_then(|index| tables.get(index));
    found.ok_or_else(|| Error::bug(format!("a write names table {index}, but the mapping has {} tables", tables.len())))
}

async fn write_batch(transaction: &mut impl Writing, tables: &[TargetTable], batch: &WriteBatch) -> Result<Option<Error>> {
    for writes in batch.tables.iter().rev().filter(|writes| !writes.deletes.is_empty()) {
        if let Some(mismatch) = transaction.delete(declared(tables, writes.table)?, &writes.deletes).await? {
            return Ok(Some(mismatch));
        }
    }
    for writes in batch.tables.iter().filter(|writes| !writes.upserts.is_empty()) {
        let table = declared(tables, writes.table)?;
        let replace = transaction.has_other_unique(table).await?;
        if replace && let Some(mismatch) = transaction.delete_upserted(table, &writes.upserts).await? {
            return Ok(Some(mismatch));
        }
        if let Some(mismatch) = transaction.put(table, &writes.upserts, !replace).await? {
            return Ok(Some(mismatch));
        }
    }
    Ok(None)
}

/// As [`write_batch`]. Each part is read when its turn comes, and gone when the next one is read.
async fn write_parts(transaction: &mut impl Writing, tables: &[TargetTable], parts: &dyn WriteParts) -> Result<Option<Error>> {
    let mut order: Vec<(u32, usize)> = parts.tables().iter().enumerate().map(|(part, table)| (*table, part)).collect();
    order.sort_unstable();
    for (table, part) in order.iter().rev() {
        let (table, writes) = (declared(tables, *table)?, parts.part(*part)?);
        let mut mismatch = transaction.delete(table, &writes.deletes).await?;
        if mismatch.is_none() && transaction.has_other_unique(table).await? {
            mismatch = transaction.delete_upserted(table, &writes.upserts).await?;
        }
        if mismatch.is_some() {
            return Ok(mismatch);
        }
    }
    for (table, part) in order {
        let (table, writes) = (declared(tables, table)?, parts.part(part)?);
        let overwrite = !transaction.has_other_unique(table).await?;
        if let Some(mismatch) = transaction.put(table, &writes.upserts, overwrite).await? {
            return Ok(Some(mismatch));
        }
    }
    Ok(None)
}

/// Refuses a row or key that does not have the declared number of values.
pub(super) fn expect_width(table: &TargetTable, found: usize, declared: usize) -> Result<()> {
    if found == declared {
        return Ok(());
    }
    Err(Error::bug(format!("a row or key for {} has {found} values, declared are {declared}", table.name)))
}
