//! Messages of the output plugin become whole transactions of mapped tables.
//!
//! In: messages in log order, and per relation message the mapped table it stands for. Out: [`SourceEvent`]s. A transaction is given at its
//! commit or not at all; streamed transactions are kept aside until theirs, without the parts that were rolled back. A mapped table that no
//! longer looks as recorded becomes a schema change in place of the transaction that first shows it.

use std::collections::{BTreeMap, HashMap, VecDeque};

use self::image::{identity_of, image, is_unchanged, old_image};
use super::decode::message::{Begin, Commit, Message, Old, Relation, RowChange};
use super::failure::malformed;
use crate::change::{Change, Operation, SchemaChange, SourceEvent, Transaction, Visibility};
use crate::error::{Class, Error, Result};
use crate::position::{Lsn, Position, WalPosition};
use crate::schema::{TableLayout, TableName};
use crate::source::Layouts;
use crate::source::spill::{SpillOptions, SpillWriter};

/// What a relation id stands for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Known {
    /// A table that no mapping uses.
    Unmapped,
    /// A mapped table.
    Table(Shape),
    /// A mapped table that is not what was recorded, with what is different.
    Changed {
        /// Index of its layout.
        table: usize,
        /// What is different, in words.
        difference: String,
    },
}

/// How the columns of a relation message fill a layout.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shape {
    /// Index of its layout.
    pub(super) table: usize,
    /// Per column of the message, the stored column it fills and whether the replica identity has it.
    pub(super) columns: Vec<(Option<usize>, bool)>,
    /// Whether the relation is one of the partitions of the mapped table.
    pub(super) is_partition: bool,
}

/// What a relation message means for the mapped tables; `types` are the names of its columns' types.
pub(super) fn known(relation: &Relation, types: &[String], layouts: &Layouts, root: Option<(&str, &str)>) -> Known {
    let (schema, name) = root.unwrap_or((&relation.schema, &relation.name));
    let Some(table) = layouts.iter().position(|layout| layout.name.schema == schema && layout.name.name == name) else {
        return Known::Unmapped;
    };
    let Some(layout) = layouts.get(table) else { return Known::Unmapped };
    if let Some(difference) = difference(relation, types, layout) {
        return Known::Changed { table, difference };
    }
    let stored = |name: &str| layout.columns.iter().position(|column| column.column.name == name);
    let columns = relation.columns.iter().map(|column| (stored(&column.name), column.in_identity)).collect();
    Known::Table(Shape { table, columns, is_partition: root.is_some() })
}

fn difference(relation: &Relation, types: &[String], layout: &TableLayout) -> Option<String> {
    for stored in &layout.columns {
        let name = &stored.column.name;
        let Some(index) = relation.columns.iter().position(|column| column.name == *name) else {
            return Some(format!("drops or renames column {}.{name}, or no longer publishes it", layout.name));
        };
        let found = types.get(index).map_or("", String::as_str);
        if found != stored.column.native_type {
            return Some(format!(
                "changes column {}.{name} from {} to {}",
                layout.name,
                stored.column.native_type,
                if found.is_empty() { "a type that is gone" } else { found }
            ));
        }
    }
    let named = |index: &usize| {
        let name = &layout.columns.get(*index)?.column.name;
        relation.columns.iter().find(|column| column.name == *name)
    };
    let identified = match &layout.identity {
        Some(identity) => identity.iter().all(|index| named(index).is_some_and(|column| column.in_identity)),
        None => relation.identity == b'f',
    };
    (!identified).then(|| format!("changes the replica identity of {} so that its rows cannot be told apart", layout.name))
}

/// The changes of one transaction so far.
#[derive(Debug, Default)]
struct Open {
    transaction: u32,
    /// With the (sub)transaction of each, where it can still be rolled back.
    changes: Vec<(u32, Change)>,
    bytes: usize,
    /// What came before them, of a transaction that is committed and too large for memory.
    spill: Option<SpillWriter>,
    /// A mapped table that changed its shape.
    schema_change: Option<(usize, String)>,
    /// What a streamed transaction says of relations: it may have changed them itself, and may yet be rolled back.
    relations: HashMap<u32, Known>,
}

/// Turns messages into events.
pub(super) struct Assembler {
    place: WalPosition,
    layouts: Layouts,
    relations: HashMap<u32, Known>,
    open: Option<Open>,
    /// Streamed transactions by top-level id.
    streamed: HashMap<u32, Open>,
    /// The streamed transaction whose block is being read.
    block: Option<u32>,
    ready: VecDeque<SourceEvent>,
    bytes: usize,
    bytes_max: usize,
    spill: Option<SpillOptions>,
    advanced: bool,
    /// The relation ids of each mapped partitioned table's partitions, for truncations.
    partitions: HashMap<usize, Vec<u32>>,
    /// Per table that came to a running engine, the transactions whose changes to it are not told: every read of it shows them.
    added: HashMap<usize, Visibility>,
}

impl Assembler {
    /// An assembler behind `place`.
    pub(super) fn new(place: WalPosition, layouts: Layouts, bytes_max: usize) -> Self {
        Self {
            place,
            layouts,
            relations: HashMap::new(),
            open: None,
            streamed: HashMap::new(),
            block: None,
            ready: VecDeque::new(),
            bytes: 0,
            bytes_max,
            spill: None,
            advanced: false,
            partitions: HashMap::new(),
            added: HashMap::new(),
        }
    }

    /// The same, without the changes of older transactions to tables that came to a running engine: the log may hold a part of them only,
    /// under another shape of the table.
    pub(super) fn with_added(mut self, added: &BTreeMap<TableName, Visibility>) -> Self {
        let tables = self.layouts.iter().enumerate();
        self.added = tables.filter_map(|(table, layout)| Some((table, added.get(&layout.name)?.clone()))).collect();
        self
    }

    /// The same, with a place on disk for what is too large for memory.
    pub(super) fn with_spill(mut self, spill: Option<SpillOptions>) -> Self {
        if let Some(spill) = &spill {
            self.bytes_max = self.bytes_max.min(spill.after_bytes);
        }
        self.spill = spill;
        self
    }

    /// Whether the open transaction is older than what is told of a table.
    fn is_before(&self, table: usize) -> bool {
        let transaction = self.block.or_else(|| self.open.as_ref().map(|open| open.transaction));
        self.added.get(&table).zip(transaction).is_some_and(|(older, transaction)| older.shows(transaction))
    }

    /// The next finished event.
    pub(super) fn pop(&mut self) -> Option<SourceEvent> {
        self.ready.pop_front()
    }

    /// The place behind everything that was given.
    pub(super) fn lsn(&self) -> Lsn {
        Lsn(self.place.lsn)
    }

    /// Whether something was read that no event has told yet.
    pub(super) fn has_advanced(&self) -> bool {
        self.advanced
    }

    /// Where everything up to now is contained.
    pub(super) fn position(&self) -> Position {
        Position::Wal(self.place.clone())
    }

    /// Says how far the log was read.
    pub(super) fn heartbeat(&mut self) -> SourceEvent {
        self.advanced = false;
        SourceEvent::Heartbeat { position: self.position() }
    }

    /// Remembers what a relation id stands for.
    pub(super) fn learn(&mut self, relation: u32, known: Known) {
        if let Known::Table(Shape { table, is_partition: true, .. }) = &known {
            let ids = self.partitions.entry(*table).or_default();
            if !ids.contains(&relation) {
                ids.push(relation);
            }
        }
        match self.block.and_then(|transaction| self.streamed.get_mut(&transaction)) {
            Some(open) => open.relations.insert(relation, known),
            None => self.relations.insert(relation, known),
        };
    }

    /// What a relation id stands for, here.
    fn relation(&self, relation: u32) -> Option<&Known> {
        let own = self.block.and_then(|transaction| self.streamed.get(&transaction)?.relations.get(&relation));
        own.or_else(|| self.relations.get(&relation))
    }

    /// The partitions of a mapped partitioned table, all of them: a truncation of fewer takes rows away that nobody can name.
    pub(super) fn set_partitions(&mut self, table: usize, relations: Vec<u32>) {
        self.partitions.insert(table, relations);
    }

    /// The server has read its log up to `end`. Outside a transaction, everything committed before it has been sent.
    pub(super) fn read_up_to(&mut self, end: Lsn) {
        if self.open.is_none() && self.block.is_none() && end.0 > self.place.lsn {
            self.place.lsn = end.0;
            self.advanced = true;
        }
    }

    /// Whether the bound was passed by transactions that are not committed yet.
    pub(super) fn holds_too_much(&self) -> bool {
        self.block.is_some() && self.bytes > self.bytes_max
    }

    /// Whether row messages name their subtransaction.
    pub(super) fn in_block(&self) -> bool {
        self.block.is_some()
    }

    /// Takes one message; relation messages go through [`Self::learn`].
    pub(super) fn feed(&mut self, message: Message<'_>) -> Result<()> {
        match message {
            Message::Begin(begin) => self.begin(begin),
            Message::Commit(commit) => match self.open.take() {
                Some(open) => self.commit(open, commit),
                None => Err(malformed("a commit outside a transaction")),
            },
            Message::StreamStart { transaction } => {
                if self.open.is_some() || self.block.replace(transaction).is_some() {
                    return Err(malformed("a streamed block inside a transaction"));
                }
                self.streamed.entry(transaction).or_insert_with(|| Open { transaction, ..Open::default() });
                Ok(())
            }
            Message::StreamStop => self.block.take().map(drop).ok_or_else(|| malformed("an end of no streamed block")),
            Message::StreamCommit { transaction, commit } => {
                let mut open =
                    self.streamed.remove(&transaction).ok_or_else(|| malformed("a commit of an unknown transaction"))?;
                self.relations.extend(std::mem::take(&mut open.relations));
                self.commit(open, commit)
            }
            Message::StreamAbort { transaction, part } => {
                self.abort(transaction, part);
                Ok(())
            }
            Message::Change { part, change } => self.change(part, change),
            Message::Relation(_) => Err(Error::bug("a relation message was fed to the assembler")),
            Message::Other => Ok(()),
        }
    }

    fn begin(&mut self, begin: Begin) -> Result<()> {
        if self.open.is_some() || self.block.is_some() {
            return Err(malformed("a transaction inside a transaction"));
        }
        self.open = Some(Open { transaction: begin.transaction, ..Open::default() });
        Ok(())
    }

    fn abort(&mut self, transaction: u32, part: u32) {
        if transaction == part {
            if let Some(open) = self.streamed.remove(&transaction) {
                self.bytes -= open.bytes;
            }
        } else if let Some(open) = self.streamed.get_mut(&transaction) {
            open.changes.retain(|(of, _)| *of != part);
            let bytes = open.changes.iter().map(|(_, change)| change.size_bytes()).sum();
            self.bytes -= std::mem::replace(&mut open.bytes, bytes) - bytes;
        }
    }

    fn commit(&mut self, open: Open, commit: Commit) -> Result<()> {
        self.bytes -= open.bytes;
        if commit.end.0 <= self.place.lsn {
            // Sent again after a reconnect, although it is contained.
            return Ok(());
        }
        if let Some((table, description)) = open.schema_change {
            let name = self.layout(table)?.name.clone();
            // The transaction that shows the change is not contained.
            let change = SchemaChange { position: self.position(), tables: vec![name], description };
            self.ready.push_back(SourceEvent::SchemaChange(change));
            return Ok(());
        }
        self.place.lsn = commit.end.0;
        let spilled = open.spill.map(SpillWriter::finish).transpose()?;
        self.advanced = open.changes.is_empty() && spilled.is_none();
        if !self.advanced {
            self.ready.push_back(SourceEvent::Transaction(Transaction {
                position: self.position(),
                id: Some(open.transaction),
                committed_at_us: commit.committed_at_us,
                spilled,
                changes: open.changes.into_iter().map(|(_, change)| change).collect(),
                bytes: open.bytes,
            }));
        }
        Ok(())
    }

    fn layout(&self, table: usize) -> Result<&TableLayout> {
        self.layouts.get(table).ok_or_else(|| Error::bug("a mapped table has no layout"))
    }

    fn current(&mut self) -> Result<&mut Open> {
        let open = match self.block {
            Some(transaction) => self.streamed.get_mut(&transaction),
            None => self.open.as_mut(),
        };
        open.ok_or_else(|| malformed("a change outside a transaction"))
    }

    fn change(&mut self, part: Option<u32>, change: RowChange<'_>) -> Result<()> {
        let operations = match change {
            RowChange::Truncate { relations } => self.truncated(&relations)?,
            RowChange::Insert { relation, new } => {
                self.row(relation, |layout, shape| Ok(Some(Operation::Insert { new: image(layout, shape, &new, None)? })))?
            }
            RowChange::Delete { relation, old } => {
                self.row(relation, |layout, shape| Ok(Some(Operation::Delete { old: old_image(layout, shape, &old)? })))?
            }
            RowChange::Update { relation, old, new } => self.row(relation, |layout, shape| {
                let whole = match &old {
                    Some(Old::Whole(tuple)) => Some(tuple),
                    _ => None,
                };
                // A row without a key is told whatever it changes: it is counted.
                if layout.identity.is_some() && whole.is_some_and(|old| is_unchanged(shape, old, &new)) {
                    return Ok(None);
                }
                let new = image(layout, shape, &new, whole)?;
                let old = match &old {
                    Some(old) => old_image(layout, shape, old)?,
                    // No word of the old row: its identity did not change.
                    None => identity_of(layout, &new),
                };
                Ok(Some(Operation::Update { old, new }))
            })?,
        };
        let bytes: usize = operations.iter().map(Change::size_bytes).sum();
        let open = self.current()?;
        let part = part.unwrap_or(open.transaction);
        open.bytes += bytes;
        open.changes.extend(operations.into_iter().map(|change| (part, change)));
        self.bytes += bytes;
        if self.bytes > self.bytes_max && self.block.is_some() {
            let message =
                "streamed transactions are larger than the memory for them: the server keeps them until their commit instead";
            return Err(Error::new(Class::Retry, message));
        }
        if self.bytes > self.bytes_max && self.spill.is_some() {
            return self.spill_open();
        }
        if self.bytes > self.bytes_max {
            let message =
                format!("at {} a transaction of the source is larger than {} bytes of memory", self.position(), self.bytes_max);
            return Err(Error::new(Class::Person, message)
                .with_hint("raise limits.transaction_bytes_max of the source, as far as memory allows, and run again"));
        }
        Ok(())
    }

    /// Moves what is held of the open transaction to disk. It is committed: nothing of it can be rolled back any more.
    fn spill_open(&mut self) -> Result<()> {
        let (Some(options), Some(open)) = (&self.spill, &mut self.open) else { return Ok(()) };
        let writer = match &mut open.spill {
            Some(writer) => writer,
            None => open.spill.insert(SpillWriter::begin(options)?),
        };
        open.changes.drain(..).try_for_each(|(_, change)| writer.append(&change, false))?;
        self.bytes -= std::mem::take(&mut open.bytes);
        Ok(())
    }

    /// The change of one row; nothing for tables without a mapping, or once the table's shape has changed.
    fn row(
        &mut self,
        relation: u32,
        operation: impl FnOnce(&TableLayout, &Shape) -> Result<Option<Operation>>,
    ) -> Result<Vec<Change>> {
        let layouts = std::sync::Arc::clone(&self.layouts);
        match self.relation(relation) {
            None => Err(malformed("a row of a table that was not described")),
            Some(Known::Unmapped) => Ok(Vec::new()),
            Some(Known::Changed { table, .. } | Known::Table(Shape { table, .. })) if self.is_before(*table) => Ok(Vec::new()),
            Some(Known::Changed { table, difference }) => {
                let change = (*table, difference.clone());
                self.current()?.schema_change.get_or_insert(change);
                Ok(Vec::new())
            }
            Some(Known::Table(shape)) => {
                let layout = layouts.get(shape.table).ok_or_else(|| Error::bug("a mapped table has no layout"))?;
                match operation(layout, shape) {
                    Ok(operation) => Ok(operation.map(|operation| Change { table: layout.id, operation }).into_iter().collect()),
                    Err(error) if error.class() == Class::Bug => Err(error),
                    Err(error) => {
                        let message = format!("a change behind {} cannot be read", self.position());
                        Err(error.context(message))
                    }
                }
            }
        }
    }

    fn truncated(&mut self, relations: &[u32]) -> Result<Vec<Change>> {
        let mut emptied = Vec::new();
        for relation in relations {
            match self.relation(*relation) {
                Some(Known::Changed { table, .. } | Known::Table(Shape { table, .. })) if self.is_before(*table) => {}
                Some(Known::Table(shape)) if !shape.is_partition => emptied.push(shape.table),
                Some(Known::Table(shape)) => {
                    let all = self.partitions.get(&shape.table);
                    if all.is_some_and(|all| all.iter().all(|partition| relations.contains(partition))) {
                        emptied.push(shape.table);
                    } else {
                        let table = shape.table;
                        let description = format!("truncates a partition of {}", self.layout(table)?.name);
                        self.current()?.schema_change.get_or_insert((table, description));
                    }
                }
                Some(Known::Changed { table, difference }) => {
                    let change = (*table, difference.clone());
                    self.current()?.schema_change.get_or_insert(change);
                }
                Some(Known::Unmapped) => {}
                None => return Err(malformed("a truncation of a table that was not described")),
            }
        }
        emptied.dedup();
        emptied.into_iter().map(|table| Ok(Change { table: self.layout(table)?.id, operation: Operation::Truncate })).collect()
    }
}

mod image;
