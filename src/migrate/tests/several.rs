//! Two legacy databases that one mapping joins: customers in one, orders in the other, each with a log of its own. Whatever the crash and
//! whichever is down, every commit is a prefix of both.

use std::collections::BTreeMap;
use std::time::Duration;

use super::service::Oracle;
use super::*;
use crate::position::Frontier;
use crate::schema::SourceCatalog;
use crate::source::combined::Combined;

const CRM: &str = "crm";
const ERP: &str = "erp";

/// The common catalogue: each database gives one table.
fn catalogs() -> SourceCatalog {
    let whole = catalog();
    let of = |table: usize| SourceCatalog { tables: vec![whole.tables[table].clone()], ..whole.clone() };
    SourceCatalog::combined(&BTreeMap::from([(CRM.to_owned(), of(0)), (ERP.to_owned(), of(1))])).unwrap()
}

fn plan_over_both() -> Plan {
    let mut plan = plan();
    for (table, source) in plan.tables.iter_mut().zip([CRM, ERP]) {
        table.layout.name = table.layout.name.within(source);
        table.schema = table.schema.within(source);
    }
    plan
}

/// Everything that outlives a crash.
struct Pair {
    plan: Arc<Plan>,
    /// Of the customers, of the orders.
    states: [Arc<Mutex<State>>; 2],
    content: Arc<Mutex<Content>>,
    memory: Arc<MemoryStore>,
    folder: tempfile::TempDir,
}

type PairEngine = Engine<Combined<World>, Service>;

impl Pair {
    fn new(seed: u64, transactions: u32) -> Self {
        let state = |number: u64| Arc::new(Mutex::new(State::new(seed * 2 + number, transactions)));
        Self {
            plan: Arc::new(plan_over_both()),
            states: [state(0), state(1)],
            content: Arc::default(),
            memory: Arc::default(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn worlds(&self, fuse: &Fuse) -> Vec<(&'static str, World)> {
        let world = |state: &Arc<Mutex<State>>| World { state: Arc::clone(state), fuse: fuse.clone() };
        [CRM, ERP].into_iter().zip(self.states.iter().map(world)).collect()
    }

    async fn engine(&self, operations: i64, bounds: EngineOptions) -> (PairEngine, Fuse, tokio::sync::watch::Sender<bool>) {
        let fuse = Fuse::new(operations);
        let worlds = self.worlds(&fuse);
        let members = worlds.iter().map(|(name, world)| ((*name).to_owned(), Arc::new(world.clone()))).collect();
        let source = Arc::new(Combined::new(members));
        let identity = match meta::identity(&*self.memory).unwrap() {
            Some(identity) => identity,
            None => {
                let start = source.start_position(&[].into()).await.unwrap();
                let (format, mappings) = (FORMAT, BTreeMap::new());
                let (state_id, label) = ("state".to_owned(), "crm+erp".to_owned());
                let identity = Identity { format, state_id, source: label, catalog: catalogs(), mappings, start: start.clone() };
                let progress = Progress { stage: Stage::Snapshot, applied: start, committed_at_us: 0, partial: None };
                let records = vec![meta::put_identity(&identity).unwrap(), meta::put_progress(&progress).unwrap()];
                self.memory.commit(records, Durability::Synced).unwrap();
                identity
            }
        };
        let service = Service { content: Arc::clone(&self.content), oracle: Oracle(worlds), fuse: fuse.clone() };
        let (stop, stopping) = tokio::sync::watch::channel(false);
        let engine = Engine::new(Parts {
            source,
            targets: vec![Arc::new(service)],
            store: Arc::new(Disk::new(Arc::clone(&self.memory) as Arc<dyn Store>, fuse.clone())),
            plan: Arc::clone(&self.plan),
            identity,
            options: EngineOptions {
                folder: self.folder.path().to_path_buf(),
                range_rows_max: 5,
                read_rows_max: 2,
                connections: 2,
                load_anchors_max: 4,
                ..bounds
            },
            board: Board::new(Vec::new(), vec![MappingStatus::new("orders", Vec::new())]),
            stop: stopping,
        });
        (engine, fuse, stop)
    }

    /// One life: until it has caught up, or the fuse blows.
    async fn live(&self, operations: i64) -> (Result<Ended>, Fuse) {
        let bounds = match operations % 3 {
            0 => EngineOptions { slice_bytes_max: 150, slice_rows_max: 2, part_bytes_max: 400, ..EngineOptions::default() },
            1 => EngineOptions { part_bytes_max: 1, ..EngineOptions::default() },
            _ => EngineOptions::default(),
        };
        let (engine, fuse, _stop) = self.engine(operations, EngineOptions { until_caught_up: true, ..bounds }).await;
        (engine.run().await, fuse)
    }

    fn held(&self) -> Frontier {
        self.content.lock().unwrap().checkpoint.as_ref().unwrap().frontier.clone()
    }

    fn is_live(&self) -> bool {
        self.content.lock().unwrap().checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.phase == Phase::Live)
    }

    /// How far the target is in each log, and how long the logs are.
    fn reached(&self) -> [(usize, usize); 2] {
        let held = self.held();
        let of = |place: usize, name: &str| (world::offset(&held.0[name]), self.states[place].lock().unwrap().log.len());
        [of(0, CRM), of(1, ERP)]
    }

    fn assert_complete(&self) {
        let expected = Oracle(self.worlds(&Fuse::new(0))).expected(&self.held());
        assert_eq!(self.content.lock().unwrap().rows, expected);
        assert!(self.is_live());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undisturbed_run_over_two_sources_is_right_at_every_commit() {
    let pair = Pair::new(1, 60);
    assert_eq!(pair.live(i64::MAX).await.0.unwrap(), Ended::CaughtUp);
    pair.assert_complete();
}

/// A crash at every operation in turn: also in the middle of a transaction that is taken in slice by slice, after which the two logs come in
/// another order.
#[test]
fn f83_f84_f86_a_crash_at_every_operation_loses_and_doubles_nothing_of_either_source() {
    let lives: u32 = if std::env::var_os("STRANGLER_LONG").is_some() { 400 } else { 40 };
    for seed in 0..u64::from(lives) {
        let pair = Pair::new(seed, 30);
        for operations in growing_lives(seed) {
            // A runtime of its own: nothing of a life that crashed still writes when the next one begins.
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            let (ended, fuse) = runtime.block_on(pair.live(operations));
            drop(runtime);
            if is_caught_up(seed, ended, &fuse) {
                break;
            }
        }
        pair.assert_complete();
    }
}

/// One source goes away: the other's transactions go on reaching the target, and `status` says who is waited for; then it comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_down_stalls_only_itself() {
    for (down, up) in [(0, 1), (1, 0)] {
        let pair = Pair::new(7, 10);
        let (engine, _fuse, stop) = pair.engine(i64::MAX, EngineOptions::default()).await;
        let running = tokio::spawn({
            let engine = engine.clone();
            async move { engine.run().await }
        });
        let until = async |what: &str, holds: &dyn Fn() -> bool| {
            let waited = async {
                while !holds() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(60), waited).await.unwrap_or_else(|_| panic!("{what}"));
        };
        let at_end = |source: usize| pair.reached()[source].0 == pair.reached()[source].1;
        let is_spent = |source: usize| pair.states[source].lock().unwrap().transactions_left == 0;
        until("both are followed", &|| pair.is_live() && (0..2).all(|source| is_spent(source) && at_end(source))).await;
        pair.states[down].lock().unwrap().is_down = true;
        pair.states[up].lock().unwrap().transactions_left = 25;
        let name = format!("source {}", [CRM, ERP][down]);
        until("status names it", &|| engine.board().snapshot().waiting.is_some_and(|reason| reason.contains(&name))).await;
        let before = pair.reached();
        until("the other goes on", &|| is_spent(up) && at_end(up)).await;
        assert_eq!(pair.reached()[down].0, before[down].0);
        assert!(pair.reached()[up].0 >= before[up].0);
        {
            let mut state = pair.states[down].lock().unwrap();
            (state.is_down, state.transactions_left) = (false, 25);
        }
        until("it comes back", &|| is_spent(down) && at_end(down)).await;
        until("nobody waits", &|| engine.board().snapshot().waiting.is_none()).await;
        stop.send_replace(true);
        assert_eq!(running.await.unwrap().unwrap(), Ended::Stopped);
        pair.assert_complete();
    }
}

/// A run that is to end when it has caught up does not wait for ever for a source that is needed for that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_to_end_gives_a_missing_source_up_by_name() {
    let pair = Pair::new(3, 5);
    assert_eq!(pair.live(i64::MAX).await.0.unwrap(), Ended::CaughtUp);
    let bounds = EngineOptions { until_caught_up: true, retry_for: Duration::from_millis(300), ..EngineOptions::default() };
    let (engine, _fuse, _stop) = pair.engine(i64::MAX, bounds).await;
    // What is committed now is part of the goal, which is read before the source goes away.
    pair.states[0].lock().unwrap().transactions_left = 1;
    let running = tokio::spawn(async move { engine.run().await });
    let ended = loop {
        {
            let mut state = pair.states[0].lock().unwrap();
            state.is_down |= state.transactions_left == 0;
        }
        if running.is_finished() {
            break running.await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    match ended {
        // It had read everything before it went.
        Ok(ended) => assert_eq!(ended, Ended::CaughtUp),
        Err(error) => {
            assert_eq!(error.class(), Class::Unreachable, "{error:?}");
            assert!(error.to_string().contains("down") || error.to_string().contains("crm"), "{error:?}");
        }
    }
}
