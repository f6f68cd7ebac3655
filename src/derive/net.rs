//! The net effect of an epoch on stored rows: per key the row before and the row after.
//!
//! Before is what is stored, never what the event says: after a resume both can differ, and only the stored row is what the
//! target's rows were derived from. A changed identity is a delete and an insert. Images that lack columns are completed from
//! the stored row.
//!
//! Over chunks too, which may be newer than the event: as long as the row keeps its key, a column that no event of the replay names was not
//! changed since the replay began, and one that a later event names is set by it. A row that is not stored has left its key by then, and the
//! event that took it away follows. Only a row that moves to another key without all its columns cannot be told: its old key may
//! hold another row by now.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::change::{Change, Image, Operation};
use crate::derive::Space;
use crate::derive::parallel::mapped;
use crate::derive::stored::{Stored, base_key, decode_base, encode_base, index_entries, table};
use crate::derive::view::View;
use crate::error::{Class, Error, Result};
use crate::plan::TablePlan;
use crate::schema::TableId;
use crate::value::{Row, Value};

/// Stored rows are read so many at a time, by several threads.
const ROWS_PER_SLICE: usize = 2_048;

/// How strictly events must fit the stored rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Stored rows are exact at the position before the epoch.
    Live,
    /// Stored rows come from chunks that may be newer than the events.
    CatchUp,
}

/// A row before and after.
#[derive(Debug, Clone)]
pub(crate) struct RowChange {
    /// What was stored.
    pub(crate) old: Option<Stored>,
    /// What will be stored.
    pub(crate) new: Option<Stored>,
}

/// Net changes per table and base key.
pub(crate) type Net = BTreeMap<TableId, BTreeMap<Vec<u8>, RowChange>>;

/// Nets the changes of an epoch and stages base and index mutations in the view.
///
/// # Errors
/// [`Class::Person`] if an event contradicts the stored rows or lacks what they would need.
pub(crate) fn net(view: &mut View<'_>, changes: &[Change], mode: Mode) -> Result<Net> {
    let mut netting = Netting { view, mode, net: Net::new() };
    netting.prefetch(changes)?;
    for change in changes {
        netting.apply(change)?;
    }
    let mut net = netting.net;
    for rows in net.values_mut() {
        rows.retain(|_, change| change.old != change.new);
    }
    net.retain(|_, rows| !rows.is_empty());
    stage(view, &net)?;
    Ok(net)
}

struct Netting<'a, 'b> {
    view: &'a View<'b>,
    mode: Mode,
    net: Net,
}

impl Netting<'_, '_> {
    /// Reads the stored rows of all keys that full images name, sorted, in one go per table.
    fn prefetch(&mut self, changes: &[Change]) -> Result<()> {
        let mut keys: BTreeMap<TableId, Vec<Vec<u8>>> = BTreeMap::new();
        for change in changes {
            let plan = table(self.view.plan, change.table)?;
            for image in images(&change.operation) {
                if let Image::Full(row) = image {
                    keys.entry(change.table).or_default().push(base_key(plan, row)?);
                }
            }
        }
        for (id, mut keys) in keys {
            let plan = table(self.view.plan, id)?;
            keys.sort_unstable();
            keys.dedup();
            let view = self.view;
            let read = |keys: &[Vec<u8>]| {
                let values = view.get_many(Space::Base(id), keys)?.into_iter().zip(keys);
                let row = |(value, key): (Option<Vec<u8>>, &Vec<u8>)| {
                    let old = value.map(|bytes| decode_base(plan, key.clone(), &bytes)).transpose()?;
                    Ok((key.clone(), RowChange { new: old.clone(), old }))
                };
                values.map(row).collect::<Result<Vec<_>>>()
            };
            let rows = mapped(keys.chunks(ROWS_PER_SLICE).collect(), read)?;
            self.net.entry(id).or_default().extend(rows.into_iter().flatten());
        }
        Ok(())
    }

    fn slot(&mut self, id: TableId, key: &[u8]) -> Result<&mut RowChange> {
        let plan = table(self.view.plan, id)?;
        let known = self.net.get(&id).is_some_and(|rows| rows.contains_key(key));
        if !known {
            let value = self.view.get(Space::Base(id), key)?;
            let old = value.map(|bytes| decode_base(plan, key.to_vec(), &bytes)).transpose()?;
            self.net.entry(id).or_default().insert(key.to_vec(), RowChange { new: old.clone(), old });
        }
        let slot = self.net.get_mut(&id).and_then(|rows| rows.get_mut(key));
        slot.ok_or_else(|| Error::bug("a netted row was lost"))
    }

    fn apply(&mut self, change: &Change) -> Result<()> {
        let id = change.table;
        let is_bag = table(self.view.plan, id)?.layout.identity.is_none();
        match &change.operation {
            Operation::Truncate => self.truncate(id),
            Operation::Insert { new } if is_bag => self.count(id, new, 1),
            Operation::Delete { old } if is_bag => self.count(id, old, -1),
            Operation::Update { old, new } if is_bag => self.recount(id, old, new),
            Operation::Insert { new } => self.insert(id, new),
            Operation::Delete { old } => self.delete(id, old).map(|_| ()),
            Operation::Update { old, new } => self.update(id, old, new),
        }
    }

    fn insert(&mut self, id: TableId, new: &Image) -> Result<()> {
        let plan = table(self.view.plan, id)?;
        let Image::Full(row) = new else { return Err(incomplete(plan, "an insert", self.mode)) };
        self.place(id, row.clone())
    }

    fn place(&mut self, id: TableId, row: Row) -> Result<()> {
        let plan = table(self.view.plan, id)?;
        let key = base_key(plan, &row)?;
        let live = self.mode == Mode::Live;
        let slot = self.slot(id, &key)?;
        if live && slot.new.is_some() {
            return Err(contradiction(plan, "an insert meets a row that is already stored"));
        }
        slot.new = Some(Stored { key, row, count: 1, unread: 0 });
        Ok(())
    }

    /// Takes a row away and gives what it was.
    fn delete(&mut self, id: TableId, old: &Image) -> Result<Option<Stored>> {
        let plan = table(self.view.plan, id)?;
        let key = key_of(plan, old, self.mode)?;
        let live = self.mode == Mode::Live;
        let taken = self.slot(id, &key)?.new.take();
        if live && taken.is_none() {
            return Err(contradiction(plan, "a change meets a row that is not stored"));
        }
        Ok(taken)
    }

    fn update(&mut self, id: TableId, old: &Image, new: &Image) -> Result<()> {
        let plan = table(self.view.plan, id)?;
        let key = key_of(plan, old, self.mode)?;
        let before = self.delete(id, old)?;
        let row = match (new, before, self.mode) {
            (Image::Full(row), _, _) => row.clone(),
            (Image::Partial(values), Some(before), Mode::Live) => complete(values, &before.row),
            (Image::Partial(values), before, Mode::CatchUp) if !moves(plan, values, &key)? => match before {
                Some(before) => complete(values, &before.row),
                None => return Ok(()),
            },
            _ => return Err(incomplete(plan, "a change of a key", self.mode)),
        };
        self.place(id, row)
    }

    /// An update of a row without a key. The log holds its whole before image whatever the row image setting is; columns that the
    /// after image lacks did not change.
    fn recount(&mut self, id: TableId, old: &Image, new: &Image) -> Result<()> {
        self.count(id, old, -1)?;
        match (old, new) {
            (Image::Full(before), Image::Partial(values)) => self.count(id, &Image::Full(complete(values, before)), 1),
            _ => self.count(id, new, 1),
        }
    }

    fn count(&mut self, id: TableId, image: &Image, delta: i64) -> Result<()> {
        let plan = table(self.view.plan, id)?;
        let Image::Full(row) = image else { return Err(incomplete(plan, "a change", self.mode)) };
        let key = base_key(plan, row)?;
        let slot = self.slot(id, &key)?;
        let before = slot.new.as_ref().map_or(0, |stored| stored.count);
        let after = before
            .checked_add_signed(delta)
            .ok_or_else(|| contradiction(plan, "a change takes away a row that is not stored"))?;
        slot.new = (after > 0).then(|| Stored { key, row: row.clone(), count: after, unread: 0 });
        Ok(())
    }

    fn truncate(&mut self, id: TableId) -> Result<()> {
        let plan = table(self.view.plan, id)?;
        for (key, bytes) in self.view.entries(Space::Base(id), &[])? {
            let rows = self.net.entry(id).or_default();
            if let Entry::Vacant(slot) = rows.entry(key) {
                let old = Some(decode_base(plan, slot.key().clone(), &bytes)?);
                slot.insert(RowChange { old, new: None });
            }
        }
        for change in self.net.entry(id).or_default().values_mut() {
            change.new = None;
        }
        Ok(())
    }
}

fn images(operation: &Operation) -> Vec<&Image> {
    match operation {
        Operation::Insert { new } => vec![new],
        Operation::Delete { old } => vec![old],
        Operation::Update { old, new } => vec![old, new],
        Operation::Truncate => vec![],
    }
}

fn key_of(plan: &TablePlan, image: &Image, mode: Mode) -> Result<Vec<u8>> {
    match image {
        Image::Full(row) => base_key(plan, row),
        Image::Partial(values) => {
            let identity = plan.layout.identity.iter().flatten();
            if identity.into_iter().any(|column| !matches!(values.get(*column), Some(Some(_)))) {
                return Err(incomplete(plan, "a change", mode));
            }
            let row: Row = values.iter().map(|value| value.clone().unwrap_or(Value::Null)).collect();
            base_key(plan, &row)
        }
    }
}

/// Whether an image that lacks columns has another key than the row had.
fn moves(plan: &TablePlan, values: &[Option<Value>], key: &[u8]) -> Result<bool> {
    let row: Row = values.iter().map(|value| value.clone().unwrap_or(Value::Null)).collect();
    let mut identity = plan.layout.identity.iter().flatten();
    // A key column that the image leaves out did not change.
    if identity.any(|column| !matches!(values.get(*column), Some(Some(_)))) {
        return Ok(false);
    }
    Ok(base_key(plan, &row)? != key)
}

fn complete(values: &[Option<Value>], before: &[Value]) -> Row {
    values.iter().zip(before).map(|(value, before)| value.clone().unwrap_or_else(|| before.clone())).collect()
}

fn incomplete(plan: &TablePlan, what: &str, mode: Mode) -> Error {
    let name = &plan.layout.name;
    let when = match mode {
        Mode::Live => "",
        Mode::CatchUp => " while its first copy is not complete",
    };
    Error::new(Class::Person, format!("{what} of {name} came with a row image that lacks columns{when}"))
        .with_hint("set binlog_row_image = FULL on a MySQL or MariaDB source, REPLICA IDENTITY FULL for the table of a PostgreSQL source, and run with --rebuild")
}

fn contradiction(plan: &TablePlan, what: &str) -> Error {
    Error::new(Class::Person, format!("{what} in {}: the state and the source's log contradict each other", plan.layout.name))
        .with_hint("run with --rebuild: the table is read again and only differences are applied")
}

/// Stages the base and index entries that the net changes ask for.
pub(crate) fn stage(view: &mut View<'_>, net: &Net) -> Result<()> {
    let plan = view.plan;
    for (id, rows) in net {
        let table = table(plan, *id)?;
        for (key, change) in rows {
            let value = change.new.as_ref().map(|stored| encode_base(table, stored));
            view.put(Space::Base(*id), key.clone(), value);
            let gone = change.old.as_ref().map(|stored| index_entries(plan, table, stored)).transpose()?.unwrap_or_default();
            let come = change.new.as_ref().map(|stored| index_entries(plan, table, stored)).transpose()?.unwrap_or_default();
            for (space, entry) in gone.iter().filter(|entry| !come.contains(entry)) {
                view.put(*space, entry.clone(), None);
            }
            for (space, entry) in come.into_iter().filter(|entry| !gone.contains(entry)) {
                view.put(space, entry, Some(Vec::new()));
            }
        }
    }
    Ok(())
}
