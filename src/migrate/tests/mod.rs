//! The whole flow over a legacy database, a service database and a disk in memory, stopped at every operation and started again.
//!
//! The service database compares its rows with an independent evaluation at every commit, so a state that is not a prefix fails at the
//! moment it becomes visible, not at the end.

mod many;
mod postgres;
mod power;
mod service;
mod several;
mod shelf;
mod world;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use power::Unsynced;
use service::{Content, Oracle, Service};
use world::{Fuse, SQL, State, World, catalog};

use super::board::{MappingStatus, TableStatus};
use super::options::StartMode;
use super::run::{Ended, Engine, Parts};
use super::{Board, EngineOptions};
use crate::derive::{Arrangements, Mutation, Space};
use crate::error::{Class, Result};
use crate::plan::{Builder, HotChange, MappingInput, Plan, Policies, TableInput};
use crate::position::Position;
use crate::source::Source;
use crate::state::memory::MemoryStore;
use crate::state::meta::{self, FORMAT, Identity, Progress, Stage};
use crate::state::{Durability, SortedEntries, Store, pieces};
use crate::target::Phase;
use crate::value::{Row, Value};

/// A disk that fails with the fuse.
struct Disk {
    memory: Arc<dyn Store>,
    fuse: Fuse,
    /// Syncs do not end.
    is_stuck: Arc<AtomicBool>,
}

impl Disk {
    fn new(memory: Arc<dyn Store>, fuse: Fuse) -> Self {
        Self { memory, fuse, is_stuck: Arc::default() }
    }
}

impl Arrangements for Disk {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.memory.get(space, key)
    }
    fn scan(
        &self,
        space: Space,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Result<bool>,
    ) -> Result<()> {
        self.memory.scan(space, prefix, after, visit)
    }
}

impl Store for Disk {
    fn commit(&self, mutations: Vec<Mutation>, durability: Durability) -> Result<()> {
        self.fuse.burn()?;
        self.memory.commit(mutations, durability)
    }
    fn ingest(&self, space: Space, entries: &mut dyn SortedEntries) -> Result<()> {
        self.fuse.burn()?;
        self.memory.ingest(space, entries)
    }
    fn sync(&self) -> Result<()> {
        while self.is_stuck.load(Ordering::SeqCst) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        self.fuse.burn()?;
        self.memory.sync()
    }
    fn clear(&self, space: Space) -> Result<()> {
        self.fuse.burn()?;
        self.memory.clear(space)
    }
    fn snapshot(&self) -> Arc<dyn Arrangements> {
        self.memory.snapshot()
    }
    fn disk_bytes(&self) -> u64 {
        0
    }
}

fn plan() -> Plan {
    let catalog = catalog();
    let query = crate::sql::bind(SQL, &catalog).unwrap();
    let table = TableInput {
        schema: None,
        name: "orders".into(),
        description: String::new(),
        key: vec!["id".into()],
        indexes: vec![],
        columns: std::collections::BTreeMap::new(),
        sql: SQL.into(),
        query,
    };
    let mut builder = Builder::new(&catalog);
    builder
        .mapping(MappingInput {
            name: "orders".into(),
            target: crate::schema::TargetKind::PostgreSql,
            policies: Policies::default(),
            tables: vec![table],
            facts: vec![],
        })
        .unwrap();
    builder.finish()
}

/// Everything that outlives a crash.
struct Machine {
    plan: Arc<Plan>,
    state: Arc<Mutex<State>>,
    content: Arc<Mutex<Content>>,
    memory: Arc<MemoryStore>,
    folder: tempfile::TempDir,
    spool_bytes_max: u64,
    /// The last life waited for this once at least.
    has_paused: Arc<AtomicBool>,
    is_stuck: Arc<AtomicBool>,
}

impl Machine {
    fn new(seed: u64, transactions: u32) -> Self {
        Self {
            plan: Arc::new(plan()),
            state: Arc::new(Mutex::new(State::new(seed, transactions))),
            content: Arc::default(),
            memory: Arc::default(),
            folder: tempfile::tempdir().unwrap(),
            spool_bytes_max: EngineOptions::default().spool_bytes_max,
            has_paused: Arc::default(),
            is_stuck: Arc::default(),
        }
    }

    /// Its mapping has hot changes deferred.
    fn deferring(seed: u64, transactions: u32) -> Self {
        let mut plan = plan();
        plan.nodes.iter_mut().for_each(|node| node.policies.hot_change = HotChange::Deferred);
        Self { plan: Arc::new(plan), ..Self::new(seed, transactions) }
    }

    fn is_deferring(&self) -> bool {
        self.plan.nodes.iter().any(|node| node.policies.hot_change == HotChange::Deferred)
    }

    fn identity(&self, start: Position) -> Identity {
        Identity {
            format: FORMAT,
            state_id: "state".into(),
            source: "erp".into(),
            catalog: catalog(),
            mappings: std::collections::BTreeMap::new(),
            start,
        }
    }

    /// One life of an engine: until it has caught up, or the fuse blows.
    async fn live(&self, operations: i64, start: StartMode) -> (Result<Ended>, Fuse) {
        // Some lives take larger transactions in by slices and give most writes in parts, some nothing of the kind.
        let bounds = match operations % 3 {
            0 => EngineOptions {
                slice_bytes_max: 150,
                slice_rows_max: 2,
                part_bytes_max: 400,
                sort_bytes_max: 300,
                run_rows_min: 1,
                hot_anchors_min: 1,
                many_changes_min: 1,
                ..EngineOptions::default()
            },
            1 => EngineOptions {
                part_bytes_max: 1,
                run_rows_min: 1,
                hot_anchors_min: 0,
                load_connections: 1,
                load_bytes_max: 1,
                ..EngineOptions::default()
            },
            _ if self.is_deferring() => EngineOptions { hot_anchors_min: 0, ..EngineOptions::default() },
            _ => EngineOptions::default(),
        };
        let fuse = Fuse::new(operations);
        let world = World { state: Arc::clone(&self.state), fuse: fuse.clone() };
        let identity = match meta::identity(&*self.memory).unwrap() {
            Some(identity) => identity,
            None => {
                let start = world.start_position(&[].into()).await.unwrap();
                let identity = self.identity(start.clone());
                let progress = Progress { stage: Stage::Snapshot, applied: start, committed_at_us: 0, partial: None };
                let records = vec![meta::put_identity(&identity).unwrap(), meta::put_progress(&progress).unwrap()];
                self.memory.commit(records, Durability::Synced).unwrap();
                identity
            }
        };
        let service =
            Service { content: Arc::clone(&self.content), oracle: Oracle(vec![("erp", world.clone())]), fuse: fuse.clone() };
        let options = EngineOptions {
            folder: self.folder.path().to_path_buf(),
            ranges_at_once: 2,
            range_rows_max: 5,
            read_rows_max: 2,
            connections: 2,
            load_anchors_max: 4,
            until_caught_up: true,
            sweep_keys_max: 1,
            spool_bytes_max: self.spool_bytes_max,
            start,
            ..bounds
        };
        let (_stop, stopping) = tokio::sync::watch::channel(false);
        // Some lives end with the process alone, some with the machine.
        let memory: Arc<dyn Store> = match operations % 2 {
            0 => Arc::clone(&self.memory) as Arc<dyn Store>,
            _ => Arc::new(Unsynced::over(&self.memory)),
        };
        let board = Board::new(Vec::<TableStatus>::new(), Vec::<MappingStatus>::new());
        let engine = Engine::new(Parts {
            source: Arc::new(world),
            targets: vec![Arc::new(service)],
            store: Arc::new(Disk { is_stuck: Arc::clone(&self.is_stuck), ..Disk::new(memory, fuse.clone()) }),
            plan: Arc::clone(&self.plan),
            identity,
            options,
            board: board.clone(),
            stop: stopping,
        });
        let has_paused = Arc::clone(&self.has_paused);
        has_paused.store(false, Ordering::SeqCst);
        let watched = tokio::spawn(async move {
            while !board.snapshot().waiting.is_some_and(|reason| reason.contains("the spool is at its bound")) {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
            has_paused.store(true, Ordering::SeqCst);
        });
        let ended = engine.run().await;
        watched.abort();
        (ended, fuse)
    }

    /// Ranges of legacy tables of which the state has the first rows.
    fn begun_ranges(&self) -> usize {
        let mut count = 0;
        for table in &self.plan.tables {
            pieces::each(&*self.memory, table.layout.id, &mut |_, _, rest| count += usize::from(rest.is_some())).unwrap();
        }
        count
    }

    /// Legacy tables that are cut in part.
    fn tables_in_the_cut(&self) -> usize {
        let is_in_the_cut = |id| {
            let mut count = 0;
            !pieces::each_cut(&*self.memory, id, &mut |_, _| count += 1).unwrap() && count > 0
        };
        self.plan.tables.iter().filter(|table| is_in_the_cut(table.layout.id)).count()
    }

    /// Lives of a state that begins anew over what the target holds, until one has caught up.
    async fn rebuild(&self) {
        let (mut operations, mut mode) = (9, StartMode::Rebuild);
        while self.live(operations, mode).await.0.is_err() {
            operations += 11;
            // Once its row is written, an interrupted rebuild goes on by itself.
            if self.content.lock().unwrap().checkpoint.as_ref().unwrap().state_id == "state" {
                mode = StartMode::Continue;
            }
        }
        self.assert_complete();
    }

    /// The target holds exactly what the SELECT gives at the end of the log.
    fn assert_complete(&self) {
        let state = self.state.lock().unwrap();
        let content = self.content.lock().unwrap();
        let at = world::offset(&content.checkpoint.as_ref().unwrap().frontier.0["erp"]);
        assert_eq!(content.checkpoint.as_ref().unwrap().phase, Phase::Live);
        assert_eq!(content.rows, state.expected(at));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undisturbed_run_is_right_at_every_commit() {
    let machine = Machine::new(1, 60);
    let (ended, _) = machine.live(i64::MAX, StartMode::Continue).await;
    assert_eq!(ended.unwrap(), Ended::CaughtUp);
    machine.assert_complete();
}

/// After how many operations each life of a machine ends: short lives first, so that crashes fall into every stage; growing, so that it ends.
fn growing_lives(seed: u64) -> impl Iterator<Item = i64> {
    (3 + seed as i64 % 29..).step_by(7)
}

/// Whether a life came to its end; one that did not must have crashed where it was told to.
fn is_caught_up(seed: u64, ended: Result<Ended>, fuse: &Fuse) -> bool {
    match ended {
        Ok(ended) => {
            assert_eq!(ended, Ended::CaughtUp, "seed {seed}");
            true
        }
        Err(error) => {
            assert!(fuse.has_blown(), "seed {seed}: {error:?}");
            false
        }
    }
}

/// A crash at every operation in turn; each life continues the one before until one completes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f83_f84_f86_a_crash_at_every_operation_loses_and_doubles_nothing() {
    let lives: u32 = if std::env::var_os("STRANGLER_LONG").is_some() { 400 } else { 60 };
    let (mut resumed, mut cut_on, mut unkeyed) = (0, 0, 0);
    for seed in 0..u64::from(lives) {
        let machine = Machine::new(seed, 40);
        for operations in growing_lives(seed) {
            let (ended, fuse) = machine.live(operations, StartMode::Continue).await;
            if is_caught_up(seed, ended, &fuse) {
                break;
            }
            resumed += machine.begun_ranges();
            cut_on += machine.tables_in_the_cut();
        }
        assert_eq!((machine.begun_ranges(), machine.tables_in_the_cut()), (0, 0));
        unkeyed += machine.content.lock().unwrap().unkeyed_loads;
        machine.assert_complete();
    }
    assert!(resumed > 20, "only {resumed} ranges were gone on with in their middle");
    assert!(cut_on > 20, "only {cut_on} tables were gone on with that were not cut whole");
    assert!(unkeyed > 20, "only {unkeyed} slices were loaded before the key was there");
}

/// Epochs go on while the disk takes in the ones before; what they write to a target, a checkpoint row alone too, is not shown before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f84_no_target_shows_what_a_power_loss_would_take_from_the_state() {
    for operations in [i64::MAX, i64::MAX - 1, i64::MAX - 2] {
        let machine = Machine::new(9, 20);
        machine.live(i64::MAX, StartMode::Continue).await.0.unwrap();
        machine.state.lock().unwrap().commit_more(20);
        let shown = |content: &Mutex<Content>| content.lock().unwrap().checkpoint.clone().map(|at| (at.sequence, at.frontier));
        let before = shown(&machine.content);
        machine.is_stuck.store(true, Ordering::SeqCst);
        let (content, is_stuck) = (Arc::clone(&machine.content), Arc::clone(&machine.is_stuck));
        let watched = tokio::spawn(async move {
            // Long enough for an engine that does not wait.
            tokio::time::sleep(std::time::Duration::from_millis(400)).await;
            let meanwhile = shown(&content);
            is_stuck.store(false, Ordering::SeqCst);
            meanwhile
        });
        let (ended, _) = machine.live(operations, StartMode::Continue).await;
        let meanwhile = watched.await.unwrap();
        assert_eq!(ended.unwrap(), Ended::CaughtUp);
        assert_eq!(meanwhile, before, "{operations} operations");
        assert_ne!(shown(&machine.content), before);
        machine.assert_complete();
    }
}

/// The same with deferred hot changes: a checkpoint row without sweeps is a prefix, also behind a crash in the middle of one, and a run is
/// caught up only without any.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deferred_change_survives_a_crash_at_every_operation() {
    let mut swept = 0;
    for seed in 500..530 {
        let machine = Machine::deferring(seed, 120);
        for operations in growing_lives(seed) {
            let (ended, fuse) = machine.live(operations, StartMode::Continue).await;
            if is_caught_up(seed, ended, &fuse) {
                break;
            }
        }
        assert_eq!(machine.content.lock().unwrap().checkpoint.as_ref().unwrap().pending_sweeps, 0, "seed {seed}");
        swept += machine.content.lock().unwrap().swept_commits;
        machine.assert_complete();
    }
    assert!(swept > 20, "only {swept} commits in the middle of a sweep");
}

/// F07: what was deleted while nobody looked does not live on in the target.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f07_a_rebuild_deletes_what_the_source_no_longer_has() {
    let mut machine = Machine::new(5, 30);
    machine.live(i64::MAX, StartMode::Continue).await.0.unwrap();
    machine.memory = Arc::default();
    machine.state.lock().unwrap().transactions_left = 30;
    machine.content.lock().unwrap().rows.insert(777, Row::from([Value::Int(777), Value::Null, Value::Null, Value::Null]));
    machine.content.lock().unwrap().checkpoint.as_mut().unwrap().state_id = "lost".into();
    let refused = machine.live(i64::MAX, StartMode::Continue).await.0.unwrap_err();
    assert_eq!(refused.class(), Class::Person);
    assert!(refused.hint().unwrap().contains("--rebuild"));
    machine.rebuild().await;
}

/// A table that an interrupted load left without its key takes no difference; it is emptied, because nobody was to trust it. Where a life ends is
/// left to the scheduler, so machines are run until enough loads were interrupted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_begins_again_where_a_load_was_interrupted() {
    let mut interrupted = 0;
    for seed in 0..200 {
        if interrupted > 10 {
            break;
        }
        let mut machine = Machine::new(seed, 30);
        for operations in growing_lives(seed) {
            let (ended, fuse) = machine.live(operations, StartMode::Continue).await;
            let is_in_the_load = |content: &Content| content.is_unkeyed && !content.rows.is_empty();
            if is_caught_up(seed, ended, &fuse) || is_in_the_load(&machine.content.lock().unwrap()) {
                break;
            }
        }
        interrupted += u32::from(machine.content.lock().unwrap().is_unkeyed);
        machine.memory = Arc::default();
        machine.content.lock().unwrap().checkpoint.as_mut().unwrap().state_id = "lost".into();
        machine.rebuild().await;
    }
    assert!(interrupted > 10, "only {interrupted} loads were interrupted");
}

/// A spool at its bound: either it still holds what the chunks show, and the stream pauses, or the run ends by name; a wider bound goes on
/// from there. Which of the two is left to the scheduler, so machines are run until both were seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spool_at_its_bound_pauses_or_stops_and_resumes() {
    let (mut stopped, mut paused) = (0, 0);
    for seed in 0..400 {
        if stopped > 2 && paused > 2 {
            break;
        }
        let mut machine = Machine::new(seed, 60);
        machine.spool_bytes_max = 1 + seed % 40 * 120;
        match machine.live(i64::MAX, StartMode::Continue).await.0 {
            Ok(ended) => {
                assert_eq!(ended, Ended::CaughtUp, "seed {seed}");
                paused += u32::from(machine.has_paused.load(Ordering::SeqCst));
            }
            Err(error) => {
                assert_eq!(error.class(), Class::Person, "seed {seed}: {error:?}");
                assert!(error.message().contains("spool is at its bound") && error.hint().is_some(), "seed {seed}: {error:?}");
                stopped += 1;
                machine.spool_bytes_max = u64::MAX;
                machine.live(i64::MAX, StartMode::Continue).await.0.unwrap();
            }
        }
        machine.assert_complete();
    }
    assert!(stopped > 2 && paused > 2, "{stopped} stopped, {paused} paused");
}
