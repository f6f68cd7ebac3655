//! The stop that a DDL statement on mapped tables causes: what happened at which position, and which target columns it is about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::backfill::blocking;
use super::run::Engine;
use super::standing::Boundary;
use crate::change::spilled::Spilled;
use crate::change::{Change, Image, Operation, SchemaChange, SourceEvent};
use crate::error::{Class, Error, Result};
use crate::plan::expr::{visit_columns, visit_select_columns};
use crate::plan::{IndexId, MappingId, NodePlan, Plan, TablePlan};
use crate::schema::{TableId, TableLayout};
use crate::source::{Layouts, Source};
use crate::sql::query::AliasId;
use crate::state::Durability;
use crate::state::standing::{self, Cause, Decoded};
use crate::target::Target;
use crate::value::Value;

/// The error that stops the mappings of the changed tables.
pub(super) fn stop(plan: &Plan, change: &SchemaChange) -> Error {
    let affected = affected(plan, change);
    let about = if affected.is_empty() { String::new() } else { format!("; affected: {}", affected.join(", ")) };
    let message = format!(
        "at {} the source {}; the mapping cannot go on with the tables it was planned for{about}",
        change.position, change.description
    );
    Error::new(Class::Person, message)
        .with_hint("adapt the mapping if needed, then run `strangler check` and `strangler run --rebuild`")
}

impl<S: Source, T: Target> Engine<S, T> {
    /// Stops the mappings that a schema change concerns and records what of the tables is still read. Where a stored table keeps its rows apart
    /// without the columns that the change is about, the mappings that do not need them go on: the source decides, when the stream is opened
    /// again before the change (`is_reopened`), whether the rest of the table is untouched.
    pub(super) async fn schema_changed(&self, change: SchemaChange, is_reopened: bool) -> Result<()> {
        let engine = self.clone();
        blocking(move || {
            let at = engine.places.boundary();
            let tables = engine.plan.tables.iter().filter(|table| change.tables.contains(&table.layout.name));
            let tables: Vec<&TablePlan> = tables.collect();
            if tables.is_empty() {
                return Err(stop(&engine.plan, &change));
            }
            for table in tables {
                engine.table_changed(table, &change, is_reopened, &at)?;
            }
            Ok(())
        })
        .await
    }

    fn table_changed(&self, table: &TablePlan, change: &SchemaChange, is_reopened: bool, at: &Boundary<'_>) -> Result<()> {
        let before = standing::decoded(&*self.store, &table.layout.name)?;
        if before == Some(Decoded::Nothing) {
            return Err(stop(&self.plan, change)); // it is not read any more, and still the source speaks of it
        }
        let readers: Vec<MappingId> = self.readers(table.layout.id);
        let words = words_of(change);
        let concerned = |id: &MappingId| self.columns_read(*id, table).iter().any(|name| words.contains(&name.to_lowercase()));
        let (concerned, others): (Vec<_>, Vec<_>) = readers.iter().copied().partition(concerned);
        let others: Vec<MappingId> = others.into_iter().filter(|id| self.reads_exactly(*id)).collect();
        let is_narrowed = is_reopened && before.is_none() && table.layout.identity.is_some() && !concerned.is_empty();
        let (stopping, decoded) = if is_narrowed && !others.is_empty() {
            let mut kept: BTreeSet<String> = others.iter().flat_map(|id| self.columns_read(*id, table)).collect();
            let column = |place: &usize| table.layout.columns.get(*place).map(|stored| stored.column.name.clone());
            kept.extend(table.layout.identity.iter().flatten().filter_map(column));
            (concerned, Decoded::Columns(kept.into_iter().collect()))
        } else {
            (readers, Decoded::Nothing)
        };
        for id in stopping {
            if self.standing(id).is_none_or(|standing| !standing.everything) {
                let name = &self.mapping(id)?.name;
                let hint = format!("adapt the mapping if needed, then run `strangler run --rebuild --mapping {name}`");
                self.halt(id, Cause::Schema, stop(&self.plan, change).with_hint(hint), true, at)?;
            }
        }
        let record = standing::put_decoded(&table.layout.name, Some(&decoded))?;
        self.store.commit(vec![record], Durability::Synced)
    }

    /// The mappings that read a legacy table.
    pub(super) fn readers(&self, table: TableId) -> Vec<MappingId> {
        let reads = |id: &MappingId| {
            self.plan.nodes.iter().any(|node| node.mapping == *id && self.plan.tables_of(node).contains(&table))
                || self.plan.facts.iter().any(|fact| fact.mapping == *id && self.index_table(fact.index) == Some(table))
        };
        self.mapping_ids().filter(reads).collect()
    }

    fn index_table(&self, index: IndexId) -> Option<TableId> {
        self.plan.indexes.get(index.0 as usize).map(|index| index.table)
    }

    /// Whether a mapping still goes by the rows themselves; one that derives everything again reads no log.
    fn reads_exactly(&self, id: MappingId) -> bool {
        self.standing(id).is_none_or(|standing| !standing.everything)
    }

    /// The names of the stored columns of a table that a mapping reads, for whatever purpose.
    fn columns_read(&self, id: MappingId, table: &TablePlan) -> BTreeSet<String> {
        let mut places = BTreeSet::new();
        for node in self.plan.nodes.iter().filter(|node| node.mapping == id) {
            for plan in &node.branches {
                visit_select_columns(&plan.branch.select, &mut |alias, column| {
                    let definition = plan.branch.aliases.get(alias.0);
                    if definition.and_then(|definition| definition.table) == Some(table.layout.id) {
                        places.insert(column);
                    }
                });
            }
        }
        let facts = self.plan.facts.iter().filter(|fact| fact.mapping == id);
        for index in facts.filter_map(|fact| self.plan.indexes.get(fact.index.0 as usize)) {
            for part in index.parts.iter().filter(|_| index.table == table.layout.id) {
                visit_columns(&part.expr, &mut |_, column| {
                    places.insert(column);
                });
            }
        }
        let name = |place: usize| table.layout.columns.get(place).map(|stored| stored.column.name.clone());
        places.into_iter().filter_map(name).collect()
    }

    /// What of the stored tables is read from here on, by the state's records: they change only where a schema change is met.
    pub(super) fn reading(&self) -> Result<Reading> {
        let mut narrowed = BTreeMap::new();
        for layout in self.layouts.iter() {
            if let Some(decoded) = standing::decoded(&*self.store, &layout.name)? {
                narrowed.insert(layout.id, decoded.layout(layout));
            }
        }
        Ok(Reading { narrowed: Arc::new(narrowed) })
    }

    /// An event with rows as they are stored: columns that are not read any more are NULL, tables that are not read any more are gone.
    pub(super) fn as_stored(&self, reading: &Reading, event: SourceEvent) -> Result<SourceEvent> {
        let SourceEvent::Transaction(mut transaction) = event else { return Ok(event) };
        self.put_aside(&mut transaction)?;
        reading.widen(&mut transaction.changes);
        transaction.spilled = transaction.spilled.take().map(|spilled| reading.widened(spilled));
        Ok(SourceEvent::Transaction(transaction))
    }
}

/// A layout as it is read, and the place there of every stored column; `None`: the table is not read at all.
type Narrowed = Option<(TableLayout, Vec<Option<usize>>)>;

/// The tables of which not everything that is stored is read.
#[derive(Default)]
pub(super) struct Reading {
    narrowed: Arc<BTreeMap<TableId, Narrowed>>,
}

impl Reading {
    /// The layouts with which the log is read, of those that are stored.
    pub(super) fn layouts(&self, stored: &Layouts) -> Layouts {
        let read = |layout: &TableLayout| match self.narrowed.get(&layout.id) {
            None => Some(layout.clone()),
            Some(narrowed) => narrowed.as_ref().map(|(layout, _)| layout.clone()),
        };
        stored.iter().filter_map(read).collect()
    }

    fn widened(&self, spilled: Spilled) -> Spilled {
        if self.narrowed.is_empty() {
            return spilled;
        }
        let narrowed = Arc::clone(&self.narrowed);
        spilled.through(move |mut change| match narrowed.get(&change.table) {
            None => Some(change),
            Some(None) => None,
            Some(Some((_, places))) => {
                widen(&mut change.operation, places);
                Some(change)
            }
        })
    }

    fn widen(&self, changes: &mut Vec<Change>) {
        if self.narrowed.is_empty() {
            return;
        }
        changes.retain(|change| !matches!(self.narrowed.get(&change.table), Some(None)));
        for change in changes {
            if let Some(Some((_, places))) = self.narrowed.get(&change.table) {
                widen(&mut change.operation, places);
            }
        }
    }
}

fn widen(operation: &mut Operation, places: &[Option<usize>]) {
    let widen = |image: &mut Image| match image {
        // A row of the spool may have been read before the change.
        Image::Full(row) if row.len() == places.len() => {}
        Image::Full(row) => {
            let value = |place: &Option<usize>| place.and_then(|place| row.get(place).cloned()).unwrap_or(Value::Null);
            *row = places.iter().map(value).collect();
        }
        Image::Partial(values) => {
            let value = |place: &Option<usize>| match place {
                Some(place) => values.get(*place).cloned().flatten(),
                None => Some(Value::Null),
            };
            *values = places.iter().map(value).collect();
        }
    };
    match operation {
        Operation::Insert { new } => widen(new),
        Operation::Delete { old } => widen(old),
        Operation::Update { old, new } => [old, new].into_iter().for_each(widen),
        Operation::Truncate => {}
    }
}

/// The words of a description, in small letters: names of columns are among them.
fn words_of(change: &SchemaChange) -> BTreeSet<String> {
    change.description.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').map(str::to_lowercase).collect()
}

/// Target columns whose expression names a column of the description; a table alone where it is used otherwise or as a whole.
fn affected(plan: &Plan, change: &SchemaChange) -> Vec<String> {
    let words = words_of(change);
    plan.nodes.iter().filter(|node| reads(plan, node, change)).flat_map(|node| columns_of(plan, node, change, &words)).collect()
}

fn is_changed(plan: &Plan, node: &NodePlan, branch: usize, alias: AliasId, change: &SchemaChange) -> Option<usize> {
    let table = node.branches.get(branch)?.branch.aliases.get(alias.0)?.table?.0 as usize;
    let name = &plan.tables.get(table)?.layout.name;
    change.tables.contains(name).then_some(table)
}

fn reads(plan: &Plan, node: &NodePlan, change: &SchemaChange) -> bool {
    node.branches.iter().enumerate().any(|(number, branch)| {
        (0..branch.branch.aliases.len()).any(|alias| is_changed(plan, node, number, AliasId(alias), change).is_some())
    })
}

fn columns_of(plan: &Plan, node: &NodePlan, change: &SchemaChange, words: &BTreeSet<String>) -> Vec<String> {
    let mut columns = BTreeSet::new();
    for (number, branch) in node.branches.iter().enumerate() {
        for (output, target) in branch.branch.select.outputs.iter().zip(&node.table.columns) {
            visit_columns(output, &mut |alias, column| {
                let stored = is_changed(plan, node, number, alias, change)
                    .and_then(|table| plan.tables.get(table)?.layout.columns.get(column));
                if stored.is_some_and(|stored| words.contains(&stored.column.name.to_lowercase())) {
                    columns.insert(format!("{}.{}", node.table.name, target.name));
                }
            });
        }
    }
    if columns.is_empty() { vec![node.table.name.clone()] } else { columns.into_iter().collect() }
}
