//! Several mappings in one engine: what stops one, or takes one target away, leaves the others going; whatever the crash, every commit of
//! every mapping is a prefix of the source.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::shelf::{NEARLY_TOO_MUCH, Shelf, Shelves, expected};
use super::world::{CUSTOMERS, ORDERS, offset};
use super::*;
use crate::migrate::options::Clock;
use crate::plan::Fact;
use crate::schema::{SourceCatalog, TableId};
use crate::state::numbering::{Numbered, Numbering};
use crate::state::standing::{Cause, Standing};

/// The mappings in the order of their names.
const NAMES: [&str; 3] = ["names", "orders", "sums"];

fn input(catalog: &SourceCatalog, name: &str) -> MappingInput {
    let sql = match name {
        "names" => "SELECT c.id AS id, c.name AS name FROM customers c".to_owned(),
        "orders" => SQL.to_owned(),
        _ => format!("SELECT o.id AS id, o.amount + {NEARLY_TOO_MUCH} AS total FROM orders o"),
    };
    let query = crate::sql::bind(&sql, catalog).unwrap();
    let table = TableInput {
        schema: None,
        name: name.into(),
        description: String::new(),
        key: vec!["id".into()],
        indexes: vec![],
        columns: std::collections::BTreeMap::new(),
        sql,
        query,
    };
    let unique = Fact {
        table: TableId(0),
        columns: vec![1],
        written: vec![],
        filter: crate::sql::bind_condition(TableId(0), "", catalog).unwrap(),
        condition: String::new(),
    };
    MappingInput {
        name: name.into(),
        target: crate::schema::TargetKind::PostgreSql,
        policies: Policies::default(),
        tables: vec![table],
        facts: if name == "names" { vec![unique] } else { vec![] },
    }
}

fn planned(names: &[&str]) -> Plan {
    let catalog = catalog();
    let mut builder = Builder::new(&catalog);
    names.iter().for_each(|name| builder.mapping(input(&catalog, name)).unwrap());
    builder.finish()
}

/// Everything that outlives a crash.
struct House {
    state: Arc<Mutex<State>>,
    /// The target of names, and that of the others.
    shelves: [Arc<Mutex<Shelf>>; 2],
    memory: Arc<MemoryStore>,
    folder: tempfile::TempDir,
    options: EngineOptions,
    names: Vec<&'static str>,
}

/// How a life ended.
struct Life {
    ended: Result<Ended>,
    halted: Vec<(String, Standing)>,
    fuse: Fuse,
}

impl House {
    /// A house whose mappings are live.
    async fn new(seed: u64) -> Self {
        let clock = AtomicU64::new(0);
        let options = EngineOptions {
            range_rows_max: 7,
            read_rows_max: 3,
            sort_bytes_max: 2_000,
            run_rows_min: 5,
            connections: 2,
            until_caught_up: true,
            retry_for: Duration::from_secs(5),
            facts_grace: Duration::from_millis(25),
            clock: Clock::new(move || clock.fetch_add(1, Ordering::SeqCst)),
            ..EngineOptions::default()
        };
        let house = Self {
            state: Arc::new(Mutex::new(State::new(seed, 0))),
            shelves: Default::default(),
            memory: Arc::default(),
            folder: tempfile::tempdir().unwrap(),
            options,
            names: NAMES.to_vec(),
        };
        house.begin().await;
        house
    }

    /// The first life: from nothing to live.
    async fn begin(&self) {
        let first = self.live(i64::MAX, |_| {}).await;
        assert_eq!(first.ended.unwrap(), Ended::CaughtUp);
        self.assert_complete();
    }

    /// The mappings are others from the next life on.
    fn evolve(&mut self, names: &[&'static str]) {
        let plan = planned(names);
        let mut numbering = Numbering::read(&*self.memory).unwrap();
        let changed = names.iter().filter(|name| !self.names.contains(*name)).map(|name| (*name).to_owned()).collect();
        let gone = self.names.iter().filter(|name| !names.contains(*name)).map(|name| (*name).to_owned()).collect();
        let fresh = numbering.take(&plan.names());
        let mut records = crate::migrate::evolve::records(&*self.memory, &plan, &fresh, &changed, &gone).unwrap();
        records.push(numbering.put().unwrap());
        self.memory.commit(records, Durability::Synced).unwrap();
        self.names = names.to_vec();
    }

    fn numbered(&self) -> Numbered<MemoryStore> {
        let mut numbering = Numbering::read(&*self.memory).unwrap();
        if numbering.numbers().mappings.is_empty() {
            numbering.take(&planned(&self.names).names());
            self.memory.commit(vec![numbering.put().unwrap()], Durability::Synced).unwrap();
        }
        Numbered::new(Arc::clone(&self.memory), numbering.numbers().clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn shelf_of(&self, mapping: &str) -> std::sync::MutexGuard<'_, Shelf> {
        self.shelves[usize::from(mapping != "names")].lock().unwrap()
    }

    async fn live(&self, operations: i64, bounds: impl FnOnce(&mut EngineOptions)) -> Life {
        let fuse = Fuse::new(operations);
        let world = World { state: Arc::clone(&self.state), fuse: fuse.clone() };
        let identity = match meta::identity(&*self.memory).unwrap() {
            Some(identity) => identity,
            None => {
                let start = world.start_position(&[].into()).await.unwrap();
                let mappings = std::collections::BTreeMap::new();
                let (state_id, source) = ("state".to_owned(), "erp".to_owned());
                let identity = Identity { format: FORMAT, state_id, source, catalog: catalog(), mappings, start: start.clone() };
                let progress = Progress { stage: Stage::Snapshot, applied: start, committed_at_us: 0, partial: None };
                let records = vec![meta::put_identity(&identity).unwrap(), meta::put_progress(&progress).unwrap()];
                self.memory.commit(records, Durability::Synced).unwrap();
                identity
            }
        };
        let target = |mapping: &&str| {
            let shelf = Arc::clone(&self.shelves[usize::from(*mapping != "names")]);
            Arc::new(Shelves { shelf, world: world.clone(), fuse: fuse.clone() })
        };
        let mut options = EngineOptions { folder: self.folder.path().to_path_buf(), ..self.options.clone() };
        bounds(&mut options);
        let (_stop, stopping) = tokio::sync::watch::channel(false);
        let engine = Engine::new(Parts {
            targets: self.names.iter().map(target).collect(),
            source: Arc::new(world),
            store: Arc::new(Disk::new(Arc::new(self.numbered()), fuse.clone())),
            plan: Arc::new(planned(&self.names)),
            identity,
            options,
            board: Board::new(Vec::<TableStatus>::new(), Vec::<MappingStatus>::new()),
            stop: stopping,
        });
        let ended = engine.run().await;
        Life { ended, halted: engine.halted(), fuse }
    }

    /// Lives until one ends otherwise than by a crash.
    async fn live_through_crashes(&self, mut operations: i64, place: &str) -> Life {
        loop {
            let life = self.live(operations, |options| match operations % 3 {
                0 => (options.slice_bytes_max, options.slice_rows_max, options.part_bytes_max) = (150, 2, 400),
                1 => options.part_bytes_max = 1,
                _ => {}
            });
            let life = life.await;
            match &life.ended {
                Err(error) if error.class() == Class::Bug && life.fuse.has_blown() => operations += 7,
                Err(error) if error.class() == Class::Unreachable => operations += 7,
                _ => return life,
            }
            assert!(operations < 100_000, "{place} does not end");
        }
    }

    /// A commit of the source with these rows.
    fn write(&self, rows: Vec<(usize, Row)>) {
        let mut state = self.lock();
        let changes = rows.into_iter().map(|(table, row)| state.put(table, row)).collect();
        state.commit(changes);
    }

    /// Every customer has a name of its own, every amount fits, every target is up and refuses nothing.
    fn mend(&self) {
        let mut rows = Vec::new();
        {
            let mut state = self.lock();
            state.transactions_left = 0;
            for id in state.tables[CUSTOMERS].keys() {
                rows.push((CUSTOMERS, Row::from([Value::Int(*id), Value::text(format!("own {id}"))])));
            }
            for (id, order) in &state.tables[ORDERS] {
                rows.push((ORDERS, Row::from([Value::Int(*id), order[1].clone(), Value::Int(1)])));
            }
        }
        self.write(rows);
        for shelf in &self.shelves {
            let mut shelf = shelf.lock().unwrap();
            (shelf.down_for, shelf.refuses) = (0, None);
        }
    }

    fn assert_complete(&self) {
        for name in &self.names {
            self.assert_caught_up(name);
        }
    }

    fn assert_caught_up(&self, name: &str) {
        let state = self.lock();
        let shelf = self.shelf_of(name);
        let checkpoint = &shelf.checkpoints[name];
        assert_eq!(checkpoint.phase, Phase::Live, "{name}");
        let at = offset(&checkpoint.frontier.0["erp"]);
        assert_eq!(at, state.log.len(), "{name} is behind");
        assert_eq!(shelf.rows.get(name).cloned().unwrap_or_default(), expected(&state, name, at), "{name}");
    }
}

fn order(id: i64, amount: i64) -> (usize, Row) {
    (ORDERS, Row::from([Value::Int(id), Value::Null, Value::Int(amount)]))
}

fn customer(id: i64, name: &str) -> (usize, Row) {
    (CUSTOMERS, Row::from([Value::Int(id), Value::text(name)]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mapping_that_cannot_be_evaluated_stops_and_the_others_go_on() {
    let house = House::new(1).await;
    house.write(vec![order(1, 5_000)]);
    house.write(vec![order(2, 7)]);
    let life = house.live(i64::MAX, |_| {}).await;
    assert_eq!(life.ended.unwrap(), Ended::CaughtUp);
    let stopped: Vec<_> = life.halted.iter().filter(|(name, _)| name == "sums").collect();
    assert_eq!(stopped.len(), 1, "{:?}", life.halted);
    assert_eq!((stopped[0].1.cause, offset(&stopped[0].1.position)), (Cause::Data, 0));
    house.assert_caught_up("orders");
    house.mend();
    let life = house.live(i64::MAX, |_| {}).await;
    assert_eq!(life.ended.unwrap(), Ended::CaughtUp);
    assert!(life.halted.is_empty(), "{:?}", life.halted);
    house.assert_complete();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fact_that_is_broken_for_a_moment_holds_the_prefix_and_for_long_stops_the_mapping() {
    let house = House::new(2).await;
    house.write(vec![customer(1, "twin")]);
    house.write(vec![customer(2, "twin")]);
    house.write(vec![customer(1, "other")]);
    // One event per epoch: the break is seen.
    let life = house.live(i64::MAX, |options| options.epoch_bytes_max = 1).await;
    assert_eq!((life.ended.unwrap(), life.halted.len()), (Ended::CaughtUp, 0));
    house.assert_complete();
    house.write(vec![customer(1, "twin")]);
    house.write(vec![order(3, 3)]);
    let life = house.live(i64::MAX, |options| options.epoch_bytes_max = 1).await;
    assert_eq!(life.ended.unwrap(), Ended::CaughtUp);
    let [(name, standing)] = life.halted.as_slice() else { panic!("{:?}", life.halted) };
    assert_eq!((name.as_str(), standing.cause), ("names", Cause::Fact));
    assert!(standing.reason.contains("(1), (2)") && standing.hint.is_some(), "{standing:?}");
    house.assert_caught_up("orders");
    house.mend();
    let life = house.live(i64::MAX, |_| {}).await;
    assert!(life.ended.is_ok() && life.halted.is_empty());
    house.assert_complete();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_mappings_stopped_end_the_engine_with_the_first_reason() {
    let mut house = House::new(3).await;
    house.names = vec!["orders"];
    house.memory = Arc::default();
    for shelf in &house.shelves {
        *shelf.lock().unwrap() = Shelf::default();
    }
    house.live(i64::MAX, |_| {}).await.ended.unwrap();
    house.write(vec![order(1, 7)]);
    house.shelves[1].lock().unwrap().refuses = Some("orders".into());
    for _ in 0..2 {
        let error = house.live(i64::MAX, |_| {}).await.ended.unwrap_err();
        assert!(matches!(error.class(), Class::Person | Class::Preflight), "{error:?}");
        assert!(error.message().contains("orders"), "{error:?}");
    }
    house.mend();
    assert_eq!(house.live(i64::MAX, |_| {}).await.ended.unwrap(), Ended::CaughtUp);
    house.assert_complete();
}

/// Outboxes at their bound do not stall the stream: the mapping marks, and jumps when its target is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_down_past_the_outbox_bound_catches_up_by_one_jump() {
    let house = House::new(4).await;
    house.shelves[1].lock().unwrap().down_for = 30;
    house.lock().transactions_left = 40;
    let mut life = None;
    while house.lock().transactions_left > 0 || life.is_none() {
        let bounds = |options: &mut EngineOptions| {
            options.outbox_bytes_max = 300;
            options.retry_for = Duration::from_secs(60);
        };
        life = Some(house.live(i64::MAX, bounds).await);
    }
    let life = life.unwrap();
    assert_eq!(life.ended.unwrap(), Ended::CaughtUp);
    assert!(life.halted.iter().all(|(_, standing)| standing.cause == Cause::Fact), "{:?}", life.halted);
    assert!(house.shelves[1].lock().unwrap().jumps > 0, "nothing jumped");
    house.mend();
    house.live(i64::MAX, |_| {}).await.ended.unwrap();
    house.assert_complete();
}

/// A crash at every operation in turn, with a mapping that cannot be evaluated for a while, facts that break and mend, a target that goes
/// down and one that refuses a mapping.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_every_operation_with_halted_mappings_loses_and_doubles_nothing() {
    let houses: u64 = if std::env::var_os("STRANGLER_LONG").is_some() { 200 } else { 14 };
    for seed in 0..houses {
        let mut house = House::new(100 + seed).await;
        house.options.outbox_bytes_max = if seed % 3 == 0 { 600 } else { 8 << 30 };
        for round in 0..3_u64 {
            let place = format!("seed {seed}, round {round}");
            house.lock().transactions_left = 15;
            match (seed + round) % 4 {
                0 => house.write(vec![order(1, 5_000)]),
                1 => house.shelves[0].lock().unwrap().down_for = 5,
                2 => house.shelves[1].lock().unwrap().refuses = Some("orders".into()),
                _ => house.write(vec![customer(1, "twin"), customer(2, "twin")]),
            }
            let life = house.live_through_crashes(3 + (seed * 5 + round) as i64 % 29, &place).await;
            match life.ended {
                Ok(ended) => assert_eq!(ended, Ended::CaughtUp, "{place}"),
                Err(error) => assert!(matches!(error.class(), Class::Person | Class::Preflight), "{place}: {error:?}"),
            }
            house.mend();
            let life = house.live_through_crashes(11 + (seed + round) as i64 % 17, &place).await;
            assert_eq!(life.ended.unwrap(), Ended::CaughtUp, "{place}");
            assert!(life.halted.is_empty(), "{place}: {:?}", life.halted);
            house.assert_complete();
        }
    }
}

/// A mapping over tables, columns and an index that are not stored yet comes to a live engine, one goes, one comes back; crashes in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mapping_that_is_added_is_filled_while_the_others_stay_live() {
    for seed in 0..8_u64 {
        let place = format!("seed {seed}");
        let mut house = House::new(300 + seed).await;
        house.names = vec!["names"];
        house.memory = Arc::default();
        for shelf in &house.shelves {
            *shelf.lock().unwrap() = Shelf::default();
        }
        house.begin().await;
        for names in [&["names", "sums"][..], &["names", "orders", "sums"], &["names", "orders"], &NAMES] {
            house.lock().transactions_left = 12;
            house.evolve(names);
            let life = house.live_through_crashes(5 + seed as i64 * 3, &place).await;
            match life.ended {
                Ok(ended) => assert_eq!(ended, Ended::CaughtUp, "{place}"),
                Err(error) => assert_eq!(error.class(), Class::Person, "{place}: {error:?}"),
            }
            house.mend();
            let life = house.live_through_crashes(31, &place).await;
            assert_eq!(life.ended.unwrap(), Ended::CaughtUp, "{place}");
            assert!(life.halted.is_empty(), "{place}: {:?}", life.halted);
            house.assert_complete();
        }
    }
}

/// More marks than their bound: everything is derived again, and becomes right by one difference.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_past_their_bound_become_a_whole_derivation() {
    let house = House::new(7).await;
    house.write(vec![order(45, 5_000)]);
    house.live(i64::MAX, |_| {}).await.ended.unwrap();
    for id in 50..90 {
        house.write(vec![order(id, id)]);
    }
    let life = house.live(i64::MAX, |options| options.marks_bytes_max = 50).await;
    let [(name, standing)] = life.halted.as_slice() else { panic!("{:?}", life.halted) };
    assert!(name == "sums" && standing.everything, "{standing:?}");
    house.mend();
    let life = house.live(i64::MAX, |_| {}).await;
    assert!(life.ended.is_ok() && life.halted.is_empty(), "{:?}", life.halted);
    house.assert_complete();
}
