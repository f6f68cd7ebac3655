//! Random transactions, every one compared with recomputation; and the same state by other ways.

use std::collections::BTreeMap;

use super::oracle::Oracle;
use super::store::MapStore;
use super::world::{World, catalog, project};
use super::{group_shapes, language, shapes};
use crate::change::{Change, Chunk, Image, Operation};
use crate::derive::{
    Adder, Bounds, Contribution, Duty, Filling, LoadBounds, Mutation, Outlets, Shared, Sink, Space, Step, contribute,
    derive_dirty, filling, ingest, load, mark, replay, step, step_in_parts,
};
use crate::error::Result;
use crate::plan::{AccumulatorId, Builder, MappingInput, NodeId, Plan, Policies, TableInput};
use crate::position::{BinlogPosition, Position};
use crate::schema::{Flavor, SourceCatalog, TableId};
use crate::sql::bind;
use crate::sql::query::Query;
use crate::value::{Row, Value, row};
use crate::write::{TableWrites, WriteBatch};

pub(super) type Targets = Vec<BTreeMap<Vec<u8>, Row>>;

pub(super) fn input(name: &str, key: &[&str], sql: &str, query: Query) -> TableInput {
    TableInput {
        schema: None,
        name: name.to_owned(),
        description: String::new(),
        key: key.iter().map(|key| (*key).to_owned()).collect(),
        indexes: vec![],
        columns: BTreeMap::new(),
        sql: sql.to_owned(),
        query,
    }
}

pub(super) fn build(catalog: &SourceCatalog, tables: Vec<TableInput>) -> Plan {
    let mut builder = Builder::new(catalog);
    let input = MappingInput {
        name: "shapes".into(),
        target: crate::schema::TargetKind::PostgreSql,
        policies: Policies::default(),
        tables,
        facts: vec![],
    };
    builder.mapping(input).unwrap_or_else(|findings| panic!("{findings:#?}"));
    builder.finish()
}

/// One mapping with all shapes, or with those of `names`.
pub(super) fn plan_of(catalog: &SourceCatalog, names: Option<&[&str]>) -> (Plan, Vec<Query>) {
    let mut queries = Vec::new();
    let mut tables = Vec::new();
    let every = shapes::SHAPES.iter().chain(language::SHAPES).chain(group_shapes::SHAPES).chain(lateral(catalog));
    for (name, key, sql) in every.filter(|(name, _, _)| names.is_none_or(|names| names.contains(name))) {
        let query = bind(sql, catalog).unwrap_or_else(|refused| panic!("{name}: {refused:#?}"));
        queries.push(query.clone());
        tables.push(input(name, key, sql, query));
    }
    (build(catalog, tables), queries)
}

/// The shapes that only MySQL understands, where the catalogue is MySQL's.
fn lateral(catalog: &SourceCatalog) -> &'static [(&'static str, &'static [&'static str], &'static str)] {
    if catalog.flavor == Flavor::MySql { language::LATERAL } else { &[] }
}

/// One mapping with one target table.
pub(super) fn plan_one(catalog: &SourceCatalog, key: &[&str], sql: &str) -> Plan {
    let query = bind(sql, catalog).unwrap_or_else(|refused| panic!("{refused:#?}"));
    build(catalog, vec![input("target_table", key, sql, query)])
}

pub(super) fn apply(plan: &Plan, targets: &mut Targets, batch: &WriteBatch) {
    for writes in &batch.tables {
        let node = &plan.nodes[writes.table as usize];
        let target = &mut targets[writes.table as usize];
        let encode = |values: &[Value]| {
            let mut key = Vec::new();
            row::encode(values, &mut key);
            key
        };
        for key in &writes.deletes {
            assert!(target.remove(&encode(key)).is_some(), "{}: a delete of nothing", node.table.name);
        }
        for row in &writes.upserts {
            let key: Vec<Value> = node.table.key.iter().map(|column| row[*column].clone()).collect();
            let before = target.insert(encode(&key), row.clone());
            // A row that moves from one partition to another, as it is, is written again.
            let may_move = node.table.name == "numbers_as_columns";
            assert!(may_move || before.as_ref() != Some(row), "{}: a write that changes nothing", node.table.name);
        }
    }
}

pub(super) fn compare(world: &World<'_>, plan: &Plan, queries: &[Query], targets: &Targets, place: &str) {
    let oracle = Oracle { catalog: world.catalog, tables: &world.tables };
    for ((query, node), target) in queries.iter().zip(&plan.nodes).zip(targets) {
        let expected = oracle.target(query, node).unwrap();
        assert_eq!(&expected, target, "{} differs at {place}; tables: {:#?}", node.table.name, world.tables);
    }
}

fn run(seed: u64, batches: usize) {
    let mut catalog = catalog();
    if seed.is_multiple_of(2) {
        (catalog.flavor, catalog.version) = (Flavor::MySql, (8, 0, 36));
    }
    let only: Option<String> = std::env::var("STRANGLER_SHAPES").ok();
    let only: Option<Vec<&str>> = only.as_ref().map(|names| names.split(',').collect());
    let (plan, queries) = plan_of(&catalog, only.as_deref());
    let mut world = World::new(&catalog, seed);
    let mut store = MapStore::default();
    let mut targets: Targets = plan.nodes.iter().map(|_| BTreeMap::new()).collect();
    let mut is_halted = false;
    // Accumulators are kept up from the first row on, or filled from rows that are there.
    let filled_at = if seed.is_multiple_of(3) { batches / 2 } else { 0 };
    for number in 0..batches {
        if number == filled_at {
            fill_all(&plan, &mut store, world.rng.usize(1..6));
        }
        let place = format!("seed {seed}, batch {number}");
        let changes = world.batch(&plan);
        let writes = match world.rng.u8(0..5) {
            _ if is_halted => {
                mark_only(&plan, &mut store, &changes);
                is_halted = world.rng.u8(0..3) > 0 && number + 1 < batches;
                if is_halted {
                    continue;
                }
                derive_marked(&plan, &mut store)
            }
            0 => {
                let step = step(&plan, &store, &changes).unwrap_or_else(|error| panic!("{place}: {error:?}"));
                store.apply(step.mutations);
                step.writes[0].clone()
            }
            1 => in_parts(&mut store, |store, sink| {
                let outlets = Outlets { parts: sink, marks: &mut |_| panic!("every mapping derives") };
                step_in_parts(&plan, store, &changes, &[], Bounds { part_bytes_max: 1_000, ..Bounds::none() }, outlets)
            }),
            2 if number + 1 < batches => {
                is_halted = true;
                mark_only(&plan, &mut store, &changes);
                continue;
            }
            _ => {
                take_slices(&plan, &mut store, &changes);
                derive_marked(&plan, &mut store)
            }
        };
        apply(&plan, &mut targets, &writes);
        compare(&world, &plan, &queries, &targets, &place);
    }
    // The same rows by a first copy and a first load give the same state and the same targets.
    let (copied, loaded) = copy_and_load(&plan, &world);
    assert_eq!(loaded, targets, "seed {seed}: the load differs");
    assert_eq!(copied, store, "seed {seed}: the copied state differs");
}

/// Completes the accumulators, in slices of so many rows.
pub(super) fn fill_all(plan: &Plan, store: &mut MapStore, rows_max: usize) {
    loop {
        match filling(plan, store).unwrap() {
            Filling::Done => return,
            Filling::Clear(space) => drop(store.spaces.remove(&space)),
            Filling::Missing(ids, mutations) => {
                store.apply(mutations);
                ids.into_iter().for_each(|id| add_up(plan, store, id, rows_max));
            }
        }
    }
}

/// Sorts in memory what the state sorts on disk.
fn add_up(plan: &Plan, store: &mut MapStore, id: AccumulatorId, rows_max: usize) {
    let (mut totals, mut listed) = (Vec::new(), Vec::new());
    let mut give = |kind, key: &[u8], bytes: &[u8]| {
        let contributions = if kind == Contribution::Total { &mut totals } else { &mut listed };
        contributions.push((key.to_vec(), bytes.to_vec()));
        Ok(())
    };
    let mark = contribute(plan, store, id, rows_max, &mut give, &|_| {}).unwrap();
    let entries = |kind, contributions: &mut Vec<(Vec<u8>, Vec<u8>)>, counted: &mut Vec<(Vec<u8>, Vec<u8>)>| {
        contributions.sort();
        let mut adder = Adder::new(plan, id, kind).unwrap();
        let mut entries = Vec::new();
        let mut take = |adder: &Adder<'_>| {
            let (key, value) = adder.entry();
            entries.push(Mutation { space: Space::Accumulator(id), key: key.to_vec(), value: Some(value.to_vec()) });
            counted.extend(adder.counted().unwrap());
        };
        for (key, bytes) in contributions {
            if adder.add(key, bytes).unwrap() {
                take(&adder);
            }
        }
        if adder.end().unwrap() {
            take(&adder);
        }
        entries
    };
    let values = entries(Contribution::Listed, &mut listed, &mut totals);
    let totals = entries(Contribution::Total, &mut totals, &mut Vec::new());
    store.apply(values.into_iter().chain(totals).chain([mark]).collect());
}

/// The writes of a step whose parts are taken as the target takes them: all deletes, then all upserts.
fn in_parts(store: &mut MapStore, step: impl FnOnce(&MapStore, Sink<'_>) -> Result<Step>) -> WriteBatch {
    let (mut parts, mut derived) = (Vec::new(), 0);
    let step = step(store, &mut |part| {
        let (done, known) = part.progress;
        assert!(derived < done && done <= known, "a sweep says how far it is: {derived} {done} {known}");
        derived = done;
        parts.push(part);
        Ok(())
    });
    let step = step.unwrap();
    store.apply(step.mutations);
    let mut tables: BTreeMap<u32, TableWrites> = BTreeMap::new();
    let kept = step.writes.into_iter().flat_map(|batch| batch.tables);
    let parts = parts.into_iter().map(|part| {
        store.apply(part.fingerprints);
        part.writes
    });
    for writes in parts.chain(kept) {
        let table = tables.entry(writes.table).or_insert_with(|| TableWrites { table: writes.table, ..TableWrites::default() });
        table.deletes.extend(writes.deletes);
        table.upserts.extend(writes.upserts);
    }
    WriteBatch { tables: tables.into_values().collect() }
}

/// A mapping that has stopped: the batch changes the state and only marks what it affects.
fn mark_only(plan: &Plan, store: &mut MapStore, changes: &[Change]) {
    let mut marks = Vec::new();
    let mut take = |piece: Vec<Mutation>| {
        marks.extend(piece);
        Ok(())
    };
    let outlets = Outlets { parts: &mut |_| panic!("no mapping derives"), marks: &mut take };
    let step = step_in_parts(
        plan,
        store,
        changes,
        &[Duty::Mark],
        Bounds { part_bytes_max: 1, anchors_max: 1, ..Bounds::none() },
        outlets,
    )
    .unwrap();
    assert!(step.writes.iter().all(WriteBatch::is_empty) && step.failures.is_empty());
    store.apply(marks);
    store.apply(step.mutations);
}

/// Everything that is marked becomes one difference.
fn derive_marked(plan: &Plan, store: &mut MapStore) -> WriteBatch {
    let writes = in_parts(store, |store, sink| derive_dirty(plan, store, &[], 1_000, sink));
    store.spaces.retain(|space, _| !matches!(space, Space::Dirty(_)));
    writes
}

/// Takes a batch in by slices; every slice may be marked twice, as after a crash.
fn take_slices(plan: &Plan, store: &mut MapStore, changes: &[Change]) {
    let mut done = 0;
    while done < changes.len() {
        for is_lost in [true, false] {
            let mut marks = Vec::new();
            let marked = mark(plan, store, &changes[done..], &[], 2, &mut |piece| {
                marks.extend(piece);
                Ok(())
            });
            let marked = marked.unwrap();
            store.apply(marks);
            if !is_lost {
                store.apply(marked.mutations);
                done += marked.changes_done;
            }
        }
    }
}

pub(super) fn chunk(plan: &Plan, table: TableId, rows: &[Row]) -> Chunk {
    let server = "s".to_owned();
    let position = BinlogPosition {
        server,
        file: "binlog.000001".into(),
        offset: 4,
        gtid: String::new(),
        prepared_from: None,
        altered: Vec::new(),
    };
    let rows = rows.iter().map(|row| project(plan, table, row)).collect();
    Chunk { table, index: 0, rows, high: Position::Binlog(position), exact: true, visibility: None, rest: None }
}

fn copy_and_load(plan: &Plan, world: &World<'_>) -> (MapStore, Targets) {
    let mut store = MapStore::default();
    for (table, rows) in &world.tables {
        let mutations = ingest(plan, &store, &chunk(plan, *table, rows)).unwrap();
        store.apply(mutations);
    }
    fill_all(plan, &mut store, 3);
    let targets = load_all(plan, &mut store);
    (store, targets)
}

/// Loads anchor by anchor, many at once, and as many as there is room for: what is found out for all of a slice before it is derived changes
/// nothing, and neither does where slices end.
fn load_all(plan: &Plan, store: &mut MapStore) -> Targets {
    let bounds = |anchors_max, bytes_max| LoadBounds { anchors_max, bytes_max };
    let at_once = loaded(plan, &mut store.clone(), bounds(50, usize::MAX));
    let by_bytes = loaded(plan, &mut store.clone(), bounds(50, 100));
    let targets = loaded(plan, store, bounds(2, usize::MAX));
    assert_eq!(targets, at_once);
    assert_eq!(targets, by_bytes);
    targets
}

fn loaded(plan: &Plan, store: &mut MapStore, bounds: LoadBounds) -> Targets {
    let mut targets: Targets = Vec::new();
    let shared = Shared::new(plan, 100_000);
    for (id, node) in plan.nodes.iter().enumerate() {
        let mut target = BTreeMap::new();
        for branch in 0..node.branches.len() {
            let mut after: Option<Vec<u8>> = None;
            loop {
                let loaded = load(plan, (&*store, &shared), (NodeId(id as u32), branch), after.as_deref(), bounds).unwrap();
                store.apply(loaded.mutations);
                for row in loaded.rows {
                    let key: Vec<Value> = node.table.key.iter().map(|column| row[*column].clone()).collect();
                    let mut bytes = Vec::new();
                    row::encode(&key, &mut bytes);
                    assert!(target.insert(bytes, row).is_none());
                }
                match loaded.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
        }
        targets.push(target);
    }
    targets
}

#[test]
fn step_equals_recomputation_over_random_batches() {
    let first: u64 = std::env::var("STRANGLER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let runs: u64 = std::env::var("STRANGLER_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(20);
    for seed in first..first + runs {
        println!("seed {seed}");
        run(seed, 100);
    }
}

#[test]
fn catch_up_over_chunks_that_are_newer_than_the_log_ends_in_the_same_state() {
    for seed in 1000..1040 {
        let catalog = catalog();
        let (plan, _) = plan_of(&catalog, None);
        let mut world = World::new(&catalog, seed);
        let (mut batches, mut copies) = (Vec::new(), Vec::new());
        for _ in 0..40 {
            batches.push(world.batch(&plan));
            copies.push(world.tables.clone());
        }
        let mut store = MapStore::default();
        for table in world.tables.keys() {
            let is_bag = plan.tables[table.0 as usize].layout.identity.is_none();
            // A keyed table may be read at any moment; a bag is exact at the start of the replay.
            let rows: &[Row] = if is_bag { &[] } else { &copies[world.rng.usize(..copies.len())][table] };
            let mutations = ingest(&plan, &store, &chunk(&plan, *table, rows)).unwrap();
            store.apply(mutations);
        }
        for batch in &batches {
            let mutations = replay(&plan, &store, batch).unwrap();
            store.apply(mutations);
        }
        let (copied, loaded) = copy_and_load(&plan, &world);
        fill_all(&plan, &mut store, 100);
        let targets = load_all(&plan, &mut store);
        assert_eq!(targets, loaded, "seed {seed}");
        assert_eq!(store, copied, "seed {seed}");
    }
}

#[test]
fn partial_images_are_completed_from_the_stored_row() {
    for seed in 2000..2020 {
        let catalog = catalog();
        let (plan, queries) = plan_of(&catalog, None);
        let mut world = World::new(&catalog, seed);
        let mut store = MapStore::default();
        let mut targets: Targets = plan.nodes.iter().map(|_| BTreeMap::new()).collect();
        for number in 0..60 {
            let mut changes = world.batch(&plan);
            for change in &mut changes {
                shrink(&plan, change.table, &mut change.operation);
            }
            let step = step(&plan, &store, &changes).unwrap();
            store.apply(step.mutations);
            apply(&plan, &mut targets, &step.writes[0]);
            compare(&world, &plan, &queries, &targets, &format!("seed {seed}, batch {number}"));
        }
    }
}

/// What MINIMAL row images leave: the key before, the changed columns after.
fn shrink(plan: &Plan, table: TableId, operation: &mut Operation) {
    let Some(identity) = &plan.tables[table.0 as usize].layout.identity else { return };
    let key_only = |image: &Image| match image {
        Image::Full(row) => Image::Partial(
            row.iter().enumerate().map(|(column, value)| identity.contains(&column).then(|| value.clone())).collect(),
        ),
        partial @ Image::Partial(_) => partial.clone(),
    };
    match operation {
        Operation::Update { old, new } => {
            let (Image::Full(before), Image::Full(after)) = (&*old, &*new) else { return };
            let changed = after.iter().zip(before).map(|(after, before)| (after != before).then(|| after.clone())).collect();
            *new = Image::Partial(changed);
            *old = key_only(old);
        }
        Operation::Delete { old } => *old = key_only(old),
        Operation::Insert { .. } | Operation::Truncate => {}
    }
}

#[test]
fn the_emitted_space_is_empty_when_all_tables_are() {
    let catalog = catalog();
    let (plan, _) = plan_of(&catalog, None);
    let mut world = World::new(&catalog, 7);
    let mut store = MapStore::default();
    fill_all(&plan, &mut store, 1);
    for _ in 0..50 {
        let changes = world.batch(&plan);
        store.apply(step(&plan, &store, &changes).unwrap().mutations);
    }
    let truncate = |index: usize| crate::change::Change { table: TableId(index as u32), operation: Operation::Truncate };
    let all: Vec<_> = (0..catalog.tables.len()).map(truncate).collect();
    store.apply(step(&plan, &store, &all).unwrap().mutations);
    let only_marked = |(space, entries): &(&Space, &BTreeMap<Vec<u8>, Vec<u8>>)| {
        matches!(space, Space::Accumulator(_)) && entries.keys().all(|key| key == &[2])
    };
    let left: Vec<_> = store.spaces.iter().filter(|entry| !only_marked(entry)).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn every_shape_can_be_planned() {
    let mut catalog = catalog();
    (catalog.flavor, catalog.version) = (Flavor::MySql, (8, 0, 36));
    let mut refused = Vec::new();
    for (name, key, sql) in shapes::SHAPES.iter().chain(language::SHAPES).chain(group_shapes::SHAPES).chain(language::LATERAL) {
        match bind(sql, &catalog) {
            Err(findings) => refused.push(format!("{name}: {findings:#?}")),
            Ok(query) => {
                let input = MappingInput {
                    target: crate::schema::TargetKind::PostgreSql,
                    name: "m".into(),
                    policies: Policies::default(),
                    tables: vec![input(name, key, sql, query)],
                    facts: vec![],
                };
                refused.extend(Builder::new(&catalog).mapping(input).err().map(|findings| format!("{name}: {findings:#?}")));
            }
        }
    }
    assert!(refused.is_empty(), "{} refused:\n{}", refused.len(), refused.join("\n"));
}
