//! The engine's side: a statement becomes a plan, rows become state, changes become writes, and targets become text.

use std::collections::BTreeMap;

use strangler::change::{Change, Chunk, Image, Operation};
use strangler::derive::{Arrangements, LoadBounds, Mutation, Shared, Space, ingest, load, step};
use strangler::error::{Class, Error};
use strangler::plan::{Builder, MappingInput, NodeId, Plan, Policies, TableInput};
use strangler::position::{BinlogPosition, Position};
use strangler::schema::{DataType, SourceCatalog, TableId};
use strangler::value::{Row, Value, row};

use super::world::{RandomTable, State};
use super::{Answered, Dialect};

/// What the server says to a statement over one state.
pub type Answer = Result<Vec<Answered>, String>;

/// A statement as the engine understands it.
pub struct Bound {
    plan: Plan,
    types: Vec<DataType>,
}

/// How engine and server compare.
pub enum Outcome {
    /// Alike, over so many rows.
    Same(usize),
    /// The engine stops, naming the place.
    Stopped,
    /// The server makes an error of it.
    Failed,
    /// They differ: where and how.
    Different(String),
}

/// Whole rows of every table of the catalogue, by id, as a source emits them.
type Stored = Vec<BTreeMap<i64, Row>>;

type Target = BTreeMap<Vec<u8>, Row>;

pub struct Engine<'a> {
    dialect: &'a dyn Dialect,
    tables: &'a [RandomTable],
    catalog: SourceCatalog,
    states: Vec<Stored>,
}

impl<'a> Engine<'a> {
    pub fn new(dialect: &'a dyn Dialect, tables: &'a [RandomTable]) -> Self {
        Self { dialect, tables, catalog: dialect.create(tables), states: Vec::new() }
    }

    /// Types a statement and plans it.
    pub fn bind(&self, sql: &str) -> Result<Bound, String> {
        let query = strangler::sql::bind(sql, &self.catalog).map_err(|findings| findings[0].message.clone())?;
        let types = query.columns.iter().map(|column| column.data_type.clone()).collect();
        let table = TableInput {
            schema: None,
            name: "t".into(),
            description: String::new(),
            key: vec!["key_id".into()],
            indexes: Vec::new(),
            columns: BTreeMap::new(),
            sql: sql.into(),
            query,
        };
        let mut builder = Builder::new(&self.catalog);
        let input = MappingInput {
            name: "m".into(),
            target: strangler::schema::TargetKind::PostgreSql,
            policies: Policies::default(),
            tables: vec![table],
            facts: Vec::new(),
        };
        builder.mapping(input).map_err(|findings| findings[0].message.clone())?;
        Ok(Bound { plan: builder.finish(), types })
    }

    /// Gives the server the rows of a state and keeps them as the server stores them.
    pub fn fill(&mut self, state: &State) {
        self.dialect.fill(self.tables, state);
        let stored = self.catalog.tables.iter().map(|schema| {
            let names: Vec<&str> = schema.columns.iter().map(|column| column.name.as_str()).collect();
            let rows = self.dialect.ask(&format!("SELECT {} FROM {}", names.join(", "), schema.name.name)).unwrap();
            let row = |answers: Answered| -> (i64, Row) {
                let values = answers.into_iter().zip(&schema.columns);
                let row: Row = values.map(|(answer, column)| self.dialect.value(answer, &column.data_type)).collect();
                let Value::Int(id) = row[0] else { panic!("an id is an integer") };
                (id, row)
            };
            rows.into_iter().map(row).collect()
        });
        let stored = stored.collect();
        self.states.push(stored);
    }

    /// Forgets its states and takes these.
    pub fn refill(&mut self, states: &[State]) {
        self.states.clear();
        for state in states {
            self.fill(state);
        }
    }

    /// Loads the first state, steps through the others, loads the last one afresh, and compares each with the server's answer.
    pub fn outcome(&self, bound: &Bound, answers: &[Answer]) -> Outcome {
        if answers.iter().any(Result::is_err) {
            return Outcome::Failed;
        }
        match self.compare(bound, answers) {
            Ok(outcome) => outcome,
            Err(error) if error.class() == Class::Person => Outcome::Stopped,
            Err(error) => Outcome::Different(format!("{error:?}")),
        }
    }

    fn compare(&self, bound: &Bound, answers: &[Answer]) -> Result<Outcome, Error> {
        let mut rows = 0;
        let mut store = Store::default();
        let mut target = self.loaded(bound, &mut store, &self.states[0])?;
        for (number, (state, answer)) in self.states.iter().zip(answers).enumerate() {
            if number > 0 {
                let changes = changes(&bound.plan, &self.states[number - 1], state);
                let step = step(&bound.plan, &store, &changes)?;
                store.apply(step.mutations);
                write(&bound.plan, &mut target, &step.writes[0]);
            }
            let Ok(answer) = answer else { continue };
            rows += answer.len();
            let when = if number == 0 { "after the load".to_owned() } else { format!("after batch {number}") };
            if let Some(difference) = self.difference(bound, &target, answer) {
                return Ok(Outcome::Different(format!("{when}: {difference}")));
            }
        }
        let last = self.states.last().unwrap();
        let afresh = self.loaded(bound, &mut Store::default(), last)?;
        if afresh != target {
            return Ok(Outcome::Different("a load of the last state is not what the batches made of the first".into()));
        }
        Ok(Outcome::Same(rows))
    }

    fn loaded(&self, bound: &Bound, store: &mut Store, state: &Stored) -> Result<Target, Error> {
        let plan = &bound.plan;
        for (index, rows) in state.iter().enumerate() {
            let table = TableId(index as u32);
            if rows.is_empty() || plan.tables[index].layout.columns.is_empty() {
                continue;
            }
            let rows = rows.values().map(|row| project(plan, table, row)).collect();
            let chunk = Chunk { table, index: 0, rows, high: position(), exact: true, visibility: None, rest: None };
            store.apply(ingest(plan, store, &chunk)?);
        }
        let mut target = Target::new();
        let shared = Shared::new(plan, 100_000);
        for branch in 0..plan.nodes[0].branches.len() {
            let mut after: Option<Vec<u8>> = None;
            loop {
                let loaded = load(
                    plan,
                    (&*store, &shared),
                    (NodeId(0), branch),
                    after.as_deref(),
                    LoadBounds { anchors_max: 4, bytes_max: usize::MAX },
                )?;
                store.apply(loaded.mutations);
                for row in loaded.rows {
                    target.insert(key_of(plan, &row), row);
                }
                after = loaded.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(target)
    }

    fn difference(&self, bound: &Bound, target: &Target, answer: &[Answered]) -> Option<String> {
        let line = |texts: Vec<String>| texts.join(" | ");
        let mut ours: Vec<String> = target
            .values()
            .map(|row| line(row.iter().zip(&bound.types).map(|(value, of)| self.dialect.print(value, of)).collect()))
            .collect();
        let mut theirs: Vec<String> = answer
            .iter()
            .map(|row| line(row.iter().zip(&bound.types).map(|(text, of)| self.dialect.canonical(text.as_deref(), of)).collect()))
            .collect();
        ours.sort();
        theirs.sort();
        if ours == theirs {
            return None;
        }
        let only = |one: &[String], other: &[String]| -> Vec<String> {
            one.iter().filter(|line| !other.contains(line)).cloned().collect()
        };
        Some(format!("ours {:?}, the server's {:?}", only(&ours, &theirs), only(&theirs, &ours)))
    }
}

fn key_of(plan: &Plan, row: &Row) -> Vec<u8> {
    let key: Vec<Value> = plan.nodes[0].table.key.iter().map(|column| row[*column].clone()).collect();
    let mut bytes = Vec::new();
    row::encode(&key, &mut bytes);
    bytes
}

fn write(plan: &Plan, target: &mut Target, batch: &strangler::write::WriteBatch) {
    for writes in &batch.tables {
        for key in &writes.deletes {
            let mut bytes = Vec::new();
            row::encode(key, &mut bytes);
            target.remove(&bytes);
        }
        for row in &writes.upserts {
            target.insert(key_of(plan, row), row.clone());
        }
    }
}

fn project(plan: &Plan, table: TableId, row: &Row) -> Row {
    plan.tables[table.0 as usize].layout.columns.iter().map(|column| row[column.ordinal].clone()).collect()
}

/// The changes between two states, as a log would have them.
fn changes(plan: &Plan, before: &Stored, after: &Stored) -> Vec<Change> {
    let mut changes = Vec::new();
    for (index, (before, after)) in before.iter().zip(after).enumerate() {
        let table = TableId(index as u32);
        if plan.tables[index].layout.columns.is_empty() {
            continue;
        }
        let image = |row: &Row| Image::Full(project(plan, table, row));
        for (id, old) in before {
            match after.get(id) {
                None => changes.push(Change { table, operation: Operation::Delete { old: image(old) } }),
                Some(new) if new != old => {
                    changes.push(Change { table, operation: Operation::Update { old: image(old), new: image(new) } });
                }
                Some(_) => {}
            }
        }
        for (id, new) in after {
            if !before.contains_key(id) {
                changes.push(Change { table, operation: Operation::Insert { new: image(new) } });
            }
        }
    }
    changes
}

fn position() -> Position {
    Position::Binlog(BinlogPosition {
        server: "s".into(),
        file: "binlog.000001".into(),
        offset: 4,
        gtid: String::new(),
        prepared_from: None,
        altered: Vec::new(),
    })
}

/// The state as a map.
#[derive(Default)]
struct Store(BTreeMap<Space, BTreeMap<Vec<u8>, Vec<u8>>>);

impl Store {
    fn apply(&mut self, mutations: Vec<Mutation>) {
        for Mutation { space, key, value } in mutations {
            let entries = self.0.entry(space).or_default();
            match value {
                Some(value) => drop(entries.insert(key, value)),
                None => drop(entries.remove(&key)),
            }
        }
    }
}

impl Arrangements for Store {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.0.get(&space).and_then(|entries| entries.get(key)).cloned())
    }

    fn scan(
        &self,
        space: Space,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        for (key, value) in self.0.get(&space).into_iter().flatten() {
            if key.starts_with(prefix) && after.is_none_or(|after| key.as_slice() > after) && !visit(key, value)? {
                break;
            }
        }
        Ok(())
    }
}
