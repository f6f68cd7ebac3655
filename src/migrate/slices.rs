//! Slices of a first load on their way: derived, made durable here, copied to the target, one beside the other.
//!
//! Several slices are copied at once, each over a connection of its own and in a target transaction of its own. Rows are sent as they come; the
//! checkpoint moves and COMMIT is sent slice by slice, in the order of the slices, so that the target never has one without those before
//! it. If one fails, those behind it are rolled back and sent again when it has landed. All of them share one bound of memory.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::backfill::blocking;
use super::load::Cursor;
use super::retry::Retry;
use super::run::{Engine, Owned};
use super::steps::LoadStep;
use crate::derive::{self, Loaded, Mutation, Shared};
use crate::error::{Error, Result};
use crate::plan::{MappingId, NodeId};
use crate::source::Source;
use crate::state::Durability;
use crate::target::gate::{Gate, GateKey, gate};
use crate::target::{Advance, Target};
use crate::value::{Row, Value};

/// Room is given away in portions of so many bytes.
const PORTION_BYTES: usize = 1 << 10;

/// What a row costs beside its values: its place, and its fingerprint on the way to the state.
const BYTES_PER_ROW: usize = 128;

/// Derived rows of one target table, from one cursor to the next.
struct Slice {
    node: NodeId,
    from: Cursor,
    to: Cursor,
    anchors: u64,
    rows: Vec<Row>,
    /// The fingerprints, until they are in the state.
    mutations: Vec<Mutation>,
    /// Its share of the bound; given back when it has landed.
    _room: OwnedSemaphorePermit,
}

/// A slice that is copied, and how it moves the checkpoint.
struct Flight {
    slice: Slice,
    advance: Advance,
    began: Instant,
}

/// Slices that are copied, the oldest first, each with the key of the gate that the one behind it waits at.
#[derive(Default)]
struct Convoy(VecDeque<(Arc<Flight>, Option<GateKey>)>);

impl Convoy {
    /// Takes a slice in; what it waits for, if others are before it.
    fn push(&mut self, flight: &Arc<Flight>) -> Option<Gate> {
        let turn = self.0.back_mut().map(|(_, turn)| {
            let (key, closed) = gate();
            *turn = Some(key);
            closed
        });
        self.0.push_back((Arc::clone(flight), None));
        turn
    }

    /// The first has landed: it is the turn of the one behind it.
    fn landed(&mut self) -> Option<Arc<Flight>> {
        let (flight, key) = self.0.pop_front()?;
        key.into_iter().for_each(GateKey::open);
        Some(flight)
    }
}

impl<S: Source, T: Target> Engine<S, T> {
    /// Loads everything behind a cursor.
    pub(super) async fn load_slices(&self, mapping: &mut Owned, cursor: Cursor) -> Result<()> {
        let (derived, storing) = mpsc::channel(1);
        let (stored, copying) = mpsc::channel(1);
        tokio::try_join!(
            self.derive_slices(mapping.id, cursor, derived),
            self.store_slices(storing, stored),
            self.copy_slices(mapping, copying),
        )
        .map(|((), (), ())| ())
    }

    async fn derive_slices(&self, id: MappingId, mut from: Cursor, derived: mpsc::Sender<Slice>) -> Result<()> {
        // In the place of the sorters, which are done.
        let shared = Arc::new(Shared::new(&self.plan, self.options.sort_bytes_max));
        let portions = (self.options.load_bytes_max / PORTION_BYTES).clamp(1, u32::MAX as usize >> 1);
        let room = Arc::new(Semaphore::new(portions));
        while let Some(node) = self.mapping(id)?.nodes.get(from.table).copied() {
            let Loaded { rows, mutations, anchors, next } = self.derive_slice(node, from.clone(), &shared).await?;
            let values: usize = rows.iter().flatten().map(Value::size_bytes).sum();
            let share = ((values + BYTES_PER_ROW * rows.len()) / PORTION_BYTES).min(portions);
            let share = u32::try_from(share).unwrap_or(u32::MAX);
            let room = Arc::clone(&room).acquire_many_owned(share).await;
            let _room = room.map_err(|_| Error::bug("the room for slices of a load is closed"))?;
            let to = self.behind(node, &from, next)?;
            let slice = Slice { node, from: std::mem::replace(&mut from, to.clone()), to, anchors, rows, mutations, _room };
            if derived.send(slice).await.is_err() {
                // Whoever does not take it any more says why.
                break;
            }
        }
        Ok(())
    }

    async fn derive_slice(&self, node: NodeId, cursor: Cursor, shared: &Arc<Shared>) -> Result<Loaded> {
        let (engine, shared) = (self.clone(), Arc::clone(shared));
        blocking(move || {
            let bounds = engine.options.slice_of_load();
            let began = Instant::now();
            let place = (node, cursor.branch);
            let loaded = derive::load(&engine.plan, (&*engine.store, &shared), place, cursor.after.as_deref(), bounds)?;
            engine.board.took(LoadStep::Derive, began.elapsed(), loaded.rows.len() as u64);
            Ok(loaded)
        })
        .await
    }

    /// The cursor behind a slice: the same branch, the next branch, or the next table.
    fn behind(&self, node: NodeId, cursor: &Cursor, next: Option<Vec<u8>>) -> Result<Cursor> {
        let branches = self.node_plan(node)?.branches.len();
        Ok(match next {
            Some(after) => Cursor { after: Some(after), ..cursor.clone() },
            None if cursor.branch + 1 < branches => Cursor { branch: cursor.branch + 1, after: None, ..cursor.clone() },
            None => Cursor { table: cursor.table + 1, ..Cursor::default() },
        })
    }

    async fn store_slices(&self, mut derived: mpsc::Receiver<Slice>, stored: mpsc::Sender<Slice>) -> Result<()> {
        while let Some(mut slice) = derived.recv().await {
            let (engine, mutations, row_count) = (self.clone(), std::mem::take(&mut slice.mutations), slice.rows.len());
            blocking(move || {
                let began = Instant::now();
                engine.store.commit(mutations, Durability::Synced)?;
                engine.board.took(LoadStep::Emit, began.elapsed(), row_count as u64);
                Ok(())
            })
            .await?;
            if stored.send(slice).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    async fn copy_slices(&self, mapping: &mut Owned, mut stored: mpsc::Receiver<Slice>) -> Result<()> {
        let connections = self.options.load_connections.max(1);
        let (mut convoy, mut answers) = (Convoy::default(), FuturesOrdered::new());
        let (mut last, mut is_open) = (mapping.checkpoint.clone(), true);
        loop {
            tokio::select! {
                biased;
                Some(answer) = answers.next() => {
                    if let Err(error) = answer {
                        // Dropped on their way, the others are rolled back by their servers.
                        answers = FuturesOrdered::new();
                        self.copy_alone(mapping, &convoy, error).await?;
                        self.land(mapping, convoy.landed());
                        for (flight, _) in std::mem::take(&mut convoy.0) {
                            let turn = convoy.push(&flight);
                            answers.push_back(self.copied(mapping.id, flight, turn));
                        }
                    } else {
                        self.land(mapping, convoy.landed());
                    }
                }
                slice = stored.recv(), if is_open && convoy.0.len() < connections => match slice {
                    None => is_open = false,
                    Some(slice) => {
                        let flight = Arc::new(Flight { advance: advance(&mut last, &slice.to)?, slice, began: Instant::now() });
                        let turn = convoy.push(&flight);
                        answers.push_back(self.copied(mapping.id, flight, turn));
                    }
                },
                else => return Ok(()),
            }
        }
    }

    /// Copies a slice; `turn` opens when the one before it has landed.
    async fn copied(&self, id: MappingId, flight: Arc<Flight>, turn: Option<Gate>) -> Result<()> {
        let (target, Flight { slice, advance, .. }) = (self.target(id)?, &*flight);
        let table = &self.node_plan(slice.node)?.table;
        match turn {
            None => target.load(table, &slice.rows, advance).await,
            Some(turn) => target.load_behind(table, &slice.rows, advance, &turn).await,
        }
    }

    /// Copies the first slice of a convoy until it has landed; a lost answer is settled by reading the checkpoint back.
    async fn copy_alone(&self, mapping: &Owned, convoy: &Convoy, mut error: Error) -> Result<()> {
        let Some((flight, _)) = convoy.0.front() else { return Err(error) };
        let mut retry = Retry::new(self.options.retry_for);
        loop {
            retry.failed(error, &self.board).await?;
            if self.has_landed(mapping, &flight.advance).await? {
                break;
            }
            let Err(again) = self.copied(mapping.id, Arc::clone(flight), None).await else { break };
            error = again;
        }
        retry.succeeded(&self.board);
        Ok(())
    }

    fn land(&self, mapping: &mut Owned, flight: Option<Arc<Flight>>) {
        let Some(flight) = flight else { return };
        let Flight { slice, advance, began } = &*flight;
        let row_count = slice.rows.len() as u64;
        self.board.took(LoadStep::Copy, began.elapsed(), row_count);
        mapping.checkpoint = advance.next.clone();
        self.show_load(mapping, slice.from.table, |load| {
            load.row_count += row_count;
            load.byte_count += slice.rows.iter().flatten().map(Value::payload_bytes).sum::<usize>() as u64;
            load.anchor_count += slice.anchors;
            load.done = slice.to.table > slice.from.table;
        });
    }
}

/// How a slice moves the checkpoint that the one before it leaves.
fn advance(last: &mut crate::target::Checkpoint, to: &Cursor) -> Result<Advance> {
    let expected_sequence = last.sequence;
    let cursor = serde_json::to_string(to);
    last.load_cursor = Some(cursor.map_err(|error| Error::bug("a load cursor cannot be written as JSON").because(error))?);
    last.sequence += 1;
    Ok(Advance { expected_sequence, next: last.clone() })
}
