//! Run: from an empty state to live, in one page.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::{Notify, watch};

use super::ahead::Ahead;
use super::board::Board;
use super::durable::Durable;
use super::feed::Spooler;
use super::fill::Aside;
use super::options::EngineOptions;
use super::pacing::Pacing;
use super::retry::Retry;
use super::spent::Spent;
use super::standing::{Contained, Places};
use super::throttle::Throttle;
use super::touched::Touched;
use crate::error::{Error, Result};
use crate::plan::{MappingId, MappingPlan, NodeId, NodePlan, Plan, TablePlan};
use crate::position::{Frontier, Position};
use crate::schema::{SourceCatalog, TargetTable};
use crate::source::limits::Limits;
use crate::source::{Layouts, Source};
use crate::state::hot::Hot;
use crate::state::meta::{self, Identity, Progress, Stage};
use crate::state::{Durability, Store, outbox, parts};
use crate::target::{Checkpoint, Target};

/// How a run ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every checkpoint contains the goal of `--until-caught-up`.
    CaughtUp,
    /// A stop was asked for; the checkpoint is written and running again resumes.
    Stopped,
}

/// A mapping with the checkpoint row that this engine owns.
#[derive(Debug, Clone)]
pub(super) struct Owned {
    pub(super) id: MappingId,
    pub(super) name: String,
    pub(super) checkpoint: Checkpoint,
}

/// One engine: one source (or several as one), its mappings, one state folder. Cheap to clone; clones share everything.
pub struct Engine<S, T> {
    pub(super) source: Arc<S>,
    pub(super) targets: Arc<[Arc<T>]>,
    pub(super) store: Arc<dyn Store>,
    /// The same store, as the one that holds its hot entries.
    pub(super) hot: Arc<Hot>,
    /// The same store without them, for reads of so many entries that they would push out everything else.
    pub(super) bulk: Arc<dyn Store>,
    pub(super) plan: Arc<Plan>,
    pub(super) catalog: Arc<SourceCatalog>,
    pub(super) layouts: Layouts,
    pub(super) source_name: Arc<str>,
    pub(super) state_id: String,
    pub(super) options: Arc<EngineOptions>,
    pub(super) board: Board,
    pub(super) touched: Arc<[Touched]>,
    /// Bytes that wait, per mapping.
    pub(super) outbox_bytes: Arc<[AtomicU64]>,
    pub(super) places: Places,
    pub(super) ahead: Ahead,
    pub(super) durable: Arc<Durable>,
    pub(super) spent: Spent,
    pub(super) aside: Aside,
    pub(super) throttle: Throttle,
    pub(super) pacing: Pacing,
    pub(super) wake: Arc<Notify>,
    pub(super) contained: Arc<watch::Sender<Contained>>,
    pub(super) stop: watch::Receiver<bool>,
}

impl<S, T> Clone for Engine<S, T> {
    fn clone(&self) -> Self {
        Self {
            source: Arc::clone(&self.source),
            targets: Arc::clone(&self.targets),
            store: Arc::clone(&self.store),
            hot: Arc::clone(&self.hot),
            bulk: Arc::clone(&self.bulk),
            plan: Arc::clone(&self.plan),
            catalog: Arc::clone(&self.catalog),
            layouts: Arc::clone(&self.layouts),
            source_name: Arc::clone(&self.source_name),
            state_id: self.state_id.clone(),
            options: Arc::clone(&self.options),
            board: self.board.clone(),
            touched: Arc::clone(&self.touched),
            outbox_bytes: Arc::clone(&self.outbox_bytes),
            places: self.places.clone(),
            ahead: self.ahead.clone(),
            durable: Arc::clone(&self.durable),
            spent: self.spent.clone(),
            aside: self.aside.clone(),
            throttle: self.throttle.clone(),
            pacing: self.pacing.clone(),
            wake: Arc::clone(&self.wake),
            contained: Arc::clone(&self.contained),
            stop: self.stop.clone(),
        }
    }
}

/// What an engine is made of.
pub struct Parts<S, T> {
    /// The legacy database.
    pub source: Arc<S>,
    /// Per mapping of the plan, its service database.
    pub targets: Vec<Arc<T>>,
    /// The opened state.
    pub store: Arc<dyn Store>,
    /// The plan, made from `identity.catalog`.
    pub plan: Arc<Plan>,
    /// The state's identity, already written to the state.
    pub identity: Identity,
    /// Bounds and modes.
    pub options: EngineOptions,
    /// The picture to keep.
    pub board: Board,
    /// Becomes true when the engine should end in order.
    pub stop: watch::Receiver<bool>,
}

impl<S: Source, T: Target> Engine<S, T> {
    /// An engine over opened parts.
    #[must_use]
    pub fn new(parts: Parts<S, T>) -> Self {
        let layouts = parts.plan.tables.iter().map(|table| table.layout.clone()).collect();
        let outbox_bytes = parts.plan.mappings.iter().map(|_| AtomicU64::new(0)).collect();
        let throttle = Throttle::new(&parts.options, parts.board.clone());
        let touched = parts.plan.mappings.iter().map(|_| Touched::since(u64::MAX)).collect();
        let bulk = Arc::clone(&parts.store);
        let hot = Arc::new(Hot::new(parts.store, parts.options.hot_bytes_max, parts.board.meters().state_reads()));
        Self {
            source: parts.source,
            targets: parts.targets.into(),
            store: Arc::clone(&hot) as Arc<dyn Store>,
            durable: Arc::new(Durable::start(Arc::clone(&hot) as Arc<dyn Store>)),
            hot,
            bulk,
            plan: parts.plan,
            catalog: Arc::new(parts.identity.catalog),
            layouts,
            source_name: parts.identity.source.into(),
            state_id: parts.identity.state_id,
            options: Arc::new(parts.options),
            board: parts.board,
            touched,
            outbox_bytes,
            places: Places::default(),
            ahead: Ahead::default(),
            spent: Spent::default(),
            aside: Aside::default(),
            throttle,
            pacing: Pacing::default(),
            wake: Arc::default(),
            contained: Arc::new(watch::Sender::new(Contained::default())),
            stop: parts.stop,
        }
    }

    /// Takes the mappings over, backfills what is missing, stays live until something ends it.
    ///
    /// # Errors
    /// Whatever stops the engine, with its class.
    pub async fn run(&self) -> Result<Ended> {
        let mut owned: Vec<Owned> = Vec::new();
        let is_live = self.progress()?.stage == Stage::Live;
        if !is_live {
            owned = self.take_over().await?.into_iter().map(|(owned, _)| owned).collect();
        }
        self.same_server_while_spooled().await?;
        let prepared = async {
            if !is_live {
                return self.backfill(&mut owned).await;
            }
            self.fill_indexes().await?;
            self.fill_accumulators().await
        };
        let mut stop = self.stop.clone();
        tokio::select! {
            prepared = prepared => prepared?,
            _ = stop.wait_for(|stop| *stop) => return Ok(Ended::Stopped),
        }
        let now = match self.options.until_caught_up || self.has_standings()? {
            true => Some(self.retried(|| self.source.current_position()).await?),
            false => None,
        };
        self.recall_standings(now.as_ref())?;
        self.recall_sweeps()?;
        for id in self.mapping_ids() {
            // Before anything is derived: a crash may have left fingerprints apart from what was emitted.
            parts::settle(&*self.store, id, meta::sequence(&*self.store, id)?, 0)?;
            self.outbox_is(id, outbox::pending_bytes(&*self.store, id, 0)?);
        }
        self.begin_fill()?;
        self.widen_stream().await?;
        self.board.update(|status| status.stage = Stage::Live);
        self.live(now.filter(|_| self.options.until_caught_up)).await
    }

    /// Snapshot, catch-up and load, each only if it is still to do.
    async fn backfill(&self, owned: &mut [Owned]) -> Result<()> {
        let start = self.progress()?.applied;
        let mut spooler = Spooler::start(
            self.spool_path(),
            Arc::clone(&self.source),
            Arc::clone(&self.catalog),
            Arc::clone(&self.layouts),
            start.clone(),
            &self.options,
            self.board.clone(),
        )?;
        if self.progress()?.stage == Stage::Snapshot {
            self.board.enter(Stage::Snapshot);
            self.snapshot(&mut spooler).await?;
            tokio::select! {
                filled = self.fill_indexes() => filled?,
                error = spooler.failed() => return Err(error),
            }
            self.set_progress(Progress { stage: Stage::CatchUp, ..self.progress()? })?;
        }
        if self.progress()?.stage == Stage::CatchUp {
            self.board.enter(Stage::CatchUp);
            let high = self.converged_at(&start).await?;
            self.catch_up(&mut spooler, Some(&high)).await?;
        }
        self.board.enter(Stage::Load);
        tokio::select! {
            loaded = self.load(owned) => loaded?,
            error = spooler.failed() => return Err(error),
        }
        spooler.stop().await?;
        Ok(())
    }

    /// Until the spool is gone, everything is in the positions of the server it was read from.
    async fn same_server_while_spooled(&self) -> Result<()> {
        let progress = self.progress()?;
        if progress.stage == Stage::Live && !self.spool_path().exists() {
            return Ok(());
        }
        let now = self.retried(|| self.source.current_position()).await?;
        if now.shares_history_with(&progress.applied) { Ok(()) } else { Err(super::feed::other_server()) }
    }

    /// Where the replay over the chunks has converged.
    async fn converged_at(&self, start: &Position) -> Result<Position> {
        match self.greatest_high_mark()? {
            Some(high) if high.names_all_of(start) => Ok(high),
            // Tables that are empty now may have had rows at the start.
            high => {
                let now = self.retried(|| self.source.current_position()).await?;
                Ok(high.map_or_else(|| now.clone(), |high| high.joined(now.clone())))
            }
        }
    }

    /// Whether an output key may have been written behind `since`; for verify.
    #[must_use]
    pub fn may_have_changed(&self, mapping: MappingId, node: NodeId, key: u128, since: u64) -> bool {
        self.touched.get(mapping.0 as usize).is_none_or(|touched| touched.may_have_changed(node, key, since))
    }

    /// Changes limits of a source, until this engine ends; answers them all.
    ///
    /// # Errors
    /// As [`Throttle::change`].
    pub async fn limit(&self, source: &str, settings: &[String]) -> Result<Limits> {
        self.throttle.change(&*self.source, source, settings).await
    }

    /// The shared picture.
    #[must_use]
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(super) fn spool_path(&self) -> PathBuf {
        self.options.folder.join("spool")
    }

    pub(super) fn progress(&self) -> Result<Progress> {
        meta::progress(&*self.store)?.ok_or_else(|| Error::bug("the state has no progress record"))
    }

    pub(super) fn set_progress(&self, progress: Progress) -> Result<()> {
        self.store.commit(vec![meta::put_progress(&progress)?], Durability::Synced)
    }

    pub(super) fn mapping_ids(&self) -> impl Iterator<Item = MappingId> + use<S, T> {
        (0..u32::try_from(self.plan.mappings.len()).unwrap_or(u32::MAX)).map(MappingId)
    }

    pub(super) fn mapping(&self, id: MappingId) -> Result<&MappingPlan> {
        self.plan.mappings.get(id.0 as usize).ok_or_else(|| Error::bug("a mapping is not in the plan"))
    }

    pub(super) fn target(&self, id: MappingId) -> Result<&T> {
        self.targets.get(id.0 as usize).map(|target| &**target).ok_or_else(|| Error::bug("a mapping has no target"))
    }

    pub(super) fn node_plan(&self, id: NodeId) -> Result<&NodePlan> {
        self.plan.nodes.get(id.0 as usize).ok_or_else(|| Error::bug("a target table is not in the plan"))
    }

    pub(super) fn table(&self, index: usize) -> Result<&TablePlan> {
        self.plan.tables.get(index).ok_or_else(|| Error::bug("a legacy table is not in the plan"))
    }

    pub(super) fn tables_of(&self, id: MappingId) -> Result<Vec<TargetTable>> {
        self.mapping(id)?.nodes.iter().map(|node| Ok(self.node_plan(*node)?.table.clone())).collect()
    }

    pub(super) fn frontier(&self, position: &Position) -> Frontier {
        match position {
            Position::Several(parts) => Frontier(parts.clone()),
            one => Frontier(BTreeMap::from([(self.source_name.to_string(), one.clone())])),
        }
    }

    pub(super) fn frontier_position(&self, frontier: &Frontier) -> Option<Position> {
        let sources = &self.catalog.sources;
        if sources.is_empty() {
            return frontier.0.get(&*self.source_name).cloned();
        }
        let parts = sources.keys().map(|name| Some((name.clone(), frontier.0.get(name)?.clone())));
        parts.collect::<Option<_>>().map(Position::Several)
    }

    /// Bytes that wait for the target of a mapping.
    pub(super) fn outbox_of(&self, id: MappingId) -> &AtomicU64 {
        static NONE: AtomicU64 = AtomicU64::new(0);
        self.outbox_bytes.get(id.0 as usize).unwrap_or(&NONE)
    }

    /// Runs a step again through passing faults.
    pub(super) async fn retried<R, F: Future<Output = Result<R>>>(&self, step: impl Fn() -> F) -> Result<R> {
        self.retried_with(Retry::new(self.options.retry_for), step).await
    }

    /// The same for the target of one mapping, which alone waits.
    pub(super) async fn retried_for<R, F: Future<Output = Result<R>>>(&self, id: MappingId, step: impl Fn() -> F) -> Result<R> {
        self.retried_with(Retry::new(self.options.retry_for).of_mapping(id.0 as usize), step).await
    }

    async fn retried_with<R, F: Future<Output = Result<R>>>(&self, mut retry: Retry, step: impl Fn() -> F) -> Result<R> {
        loop {
            match step().await {
                Ok(answer) => {
                    retry.succeeded(&self.board);
                    return Ok(answer);
                }
                Err(error) => retry.failed(error, &self.board).await?,
            }
        }
    }
}
