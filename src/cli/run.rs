//! `strangler run`: from nothing, or from where the last run ended, to live.
//!
//! Order: files, lock of the state folder, plan, preflight, state, engine. Everything up to the engine writes nothing but the state folder, and a state
//! is removed (`--rebuild`, `--adopt`) only when nothing stands in the way of making a new one.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

use super::arguments::{Common, RunArguments};
use super::check::{preflight, preflight_live};
use super::exit::{Code, Failure};
use super::opening::{self, StateLock};
use super::printer::{Format, Printer};
use super::project::{Planned, Project};
use super::signals::Signals;
use super::waiting::Waiting;
use super::{control, evolve, forecasting, limiting, measuring, progress, text};
use crate::error::{Class, Error, Result};
use crate::migrate::board::{LoadStatus, MappingStatus, TableStatus};
use crate::migrate::options::StartMode;
use crate::migrate::run::Parts;
use crate::migrate::{Board, Ended, Engine, EngineOptions, EngineStatus};
use crate::page;
use crate::plan::{MappingPlan, NodePlan, Plan};
use crate::position::Position;
use crate::review::diff::{Differ, TableDiff};
use crate::review::preview;
use crate::schema::SourceCatalog;
use crate::source::Source;
use crate::source::combined::Combined;
use crate::source::database::Database as SourceDatabase;
use crate::state::disk::DiskStore;
use crate::state::meta::{self, Identity, Stage};
use crate::state::numbering::Numbered;
use crate::state::pieces;
use crate::target::Target;
use crate::target::database::Database;

/// How long an engine may take to end in order: waiting for a database that is gone must not hold up the end.
const STOP_PATIENCE: Duration = Duration::from_secs(20);
/// How long a running engine waits for a database that is gone, unless it is to end by itself: an engine that gave up would leave the log of
/// the source to grow, and the outbox and the slot have bounds of their own.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// An engine over the databases that this version knows.
pub type DatabaseEngine = Engine<Combined<SourceDatabase>, Database>;

/// An engine that is ready to run, with what must live as long as it.
pub struct Ready {
    /// The engine.
    pub engine: DatabaseEngine,
    /// The identity of its state.
    pub identity: Identity,
    /// Ends the engine in order when it becomes true.
    pub stop: watch::Sender<bool>,
    _lock: StateLock,
}

/// Runs the command.
///
/// # Errors
/// Whatever refuses the start, or stops the engine.
pub async fn command(common: &Common, arguments: &RunArguments, printer: &Printer) -> Result<Code, Failure> {
    let mut project = Project::open(&common.config, &common.mapping)?;
    let mut signals = Signals::listen()?;
    let rebuilt = if arguments.rebuild { rebuilt_part(&project, &common.mapping)? } else { Vec::new() };
    if !rebuilt.is_empty() {
        project = Project::open(&common.config, &[])?;
    }
    let ready = tokio::select! {
        ready = prepare(&project, arguments, &rebuilt, printer) => ready?,
        code = signals.next() => {
            printer.note("stopped before the engine began");
            return Ok(code);
        }
    };
    drive(ready, &project, signals, printer).await
}

/// The mappings of `--rebuild --mapping NAME` over a live state: those are derived again from what is stored, while the others stay live, and only
/// legacy tables and columns that are not stored yet are read. None: the state as a whole is made anew.
fn rebuilt_part(project: &Project, named: &[String]) -> Result<Vec<String>> {
    if named.is_empty() || !opening::has_store(&project.config) {
        return Ok(Vec::new());
    }
    let lock = StateLock::take(&project.config.state)?;
    let store = opening::open_store(&project.config, &lock)?;
    let is_live = meta::identity(&store)?.is_some() && meta::progress(&store)?.is_some_and(|at| at.stage == Stage::Live);
    Ok(if is_live { named.to_vec() } else { Vec::new() })
}

/// Opens state and engine; `rebuilt` names the mappings that are rebuilt while the others stay live.
///
/// # Errors
/// Everything that refuses the start.
pub async fn prepare(
    project: &Project,
    arguments: &RunArguments,
    rebuilt: &[String],
    printer: &Printer,
) -> Result<Ready, Failure> {
    let mode = match (arguments.rebuild && rebuilt.is_empty(), arguments.adopt) {
        (true, _) => StartMode::Rebuild,
        (false, true) => StartMode::Adopt,
        (false, false) => StartMode::Continue,
    };
    let lock = StateLock::take_for_run(&project.config.state).await?;
    let options = EngineOptions {
        until_caught_up: arguments.until_caught_up,
        start: mode,
        retry_for: if arguments.until_caught_up { EngineOptions::default().retry_for } else { PATIENCE },
        ..project.config.engine_options(project.source.members().keys())
    };
    let mut waiting = Waiting::new(project, printer, EngineOptions::default().retry_for);
    let (store, planned, identity) = match found(project, mode, &lock)? {
        Found::Begun(store, identity) => {
            let is_part = project.is_part && rebuilt.is_empty();
            let evolved = waiting.until(async || evolve::plan(project, &store, &identity, rebuilt, is_part).await).await?;
            waiting.until(async || preflight_live(project, &evolved.planned, printer).await).await?;
            let numbered = evolved.commit(store)?;
            (numbered, evolved.planned, evolved.identity)
        }
        Found::Empty(store) => {
            let (planned, start) = waiting.until(async || begin(project, mode, printer).await).await?;
            let identity = opening::begin(&store, &project.source_name, planned.catalog.clone(), &planned.plan, start)?;
            (evolve::first_numbers(store, &planned.plan)?, planned, identity)
        }
        Found::Nothing => {
            let (planned, start) = waiting.until(async || begin(project, mode, printer).await).await?;
            opening::remove_store(&project.config, &lock)?;
            let store = opening::open_store(&project.config, &lock)?;
            let identity = opening::begin(&store, &project.source_name, planned.catalog.clone(), &planned.plan, start)?;
            (evolve::first_numbers(store, &planned.plan)?, planned, identity)
        }
    };
    drop(waiting);
    let (stop, stopped) = watch::channel(false);
    let board = board(&planned.plan, &planned.catalog, &store)?;
    let engine = Engine::new(Parts {
        source: Arc::clone(&project.source),
        targets: targets_of(project, &planned.plan)?,
        store: Arc::new(store),
        plan: Arc::new(planned.plan),
        identity: identity.clone(),
        options,
        board,
        stop: stopped,
    });
    Ok(Ready { engine, identity, stop, _lock: lock })
}

/// What the state folder holds.
enum Found {
    /// The state to go on with.
    Begun(DiskStore, Box<Identity>),
    /// A store that an earlier run made and left before it began; it holds nothing, so it is used as it is. Closed, it could not
    /// be made anew at once: its threads may still be ending.
    Empty(DiskStore),
    /// Nothing, or nothing to go on with.
    Nothing,
}

fn found(project: &Project, mode: StartMode, lock: &StateLock) -> Result<Found> {
    if mode != StartMode::Continue || !opening::has_store(&project.config) {
        return Ok(Found::Nothing);
    }
    let store = opening::open_store(&project.config, lock)?;
    Ok(match meta::identity(&store)? {
        Some(identity) => Found::Begun(store, Box::new(identity)),
        None => Found::Empty(store),
    })
}

/// What a new state starts from, once nothing stands in the way.
async fn begin(project: &Project, mode: StartMode, printer: &Printer) -> Result<(Planned, Position), Failure> {
    let planned = project.plan_live().await?;
    preflight(project, &planned, printer).await?;
    limiting::kept(project).await?;
    let before = forecasting::before(project, &planned).await?;
    forecasting::fits(&before)?;
    forecasting::shortage_lines(&before.forecast.shortages).iter().for_each(|line| printer.note(line));
    if mode == StartMode::Adopt {
        announce_adoption(project, &planned, printer).await?;
    }
    let layouts = planned.plan.tables.iter().map(|table| table.layout.clone()).collect();
    let start = project.source.start_position(&layouts).await?;
    unchanged_since(project, &planned).await?;
    if mode == StartMode::Continue {
        refuse_foreign_targets(project, &planned.plan).await?;
    }
    Ok((planned, start))
}

/// A definition that changed between the catalogue's reading and the start of the stream would be in neither.
async fn unchanged_since(project: &Project, planned: &Planned) -> Result<(), Failure> {
    let again = project.plan_live().await?;
    let definition = |planned: &Planned| {
        let mut tables = planned.catalog.tables.clone();
        tables.iter_mut().for_each(|table| table.row_estimate = 0);
        (tables, planned.catalog.session.clone())
    };
    if definition(planned) == definition(&again) {
        return Ok(());
    }
    let message = "a mapped table changed its definition while the run began";
    Err(Error::new(Class::Retry, message).with_hint("run it again").into())
}

/// A lost state is said before a new one is made: afterwards the old folder can still be put back.
async fn refuse_foreign_targets(project: &Project, plan: &Plan) -> Result<()> {
    for (mapping, target) in plan.mappings.iter().zip(targets_of(project, plan)?) {
        if target.checkpoint(&mapping.name).await?.is_some() {
            return Err(crate::migrate::start::other_state(&mapping.name));
        }
    }
    Ok(())
}

/// Says what adopting would change; refuses tables that an engine owns.
async fn announce_adoption(project: &Project, planned: &Planned, printer: &Printer) -> Result<()> {
    for (mapping, target) in planned.plan.mappings.iter().zip(targets_of(project, &planned.plan)?) {
        if target.checkpoint(&mapping.name).await?.is_some() {
            let message = format!("mapping {} has a checkpoint row: its tables belong to an engine already", mapping.name);
            return Err(Error::new(Class::Preflight, message).with_hint("use `--rebuild` to take them over with a new snapshot"));
        }
        for node in mapping.nodes.iter().filter_map(|id| planned.plan.nodes.get(id.0 as usize)) {
            let found = adoption(project, planned, &mapping.name, node, &target).await?;
            printer.note(&format!(
                "adopting {}: {} to insert, {} to change, {} to delete",
                node.table.name,
                text::counted(found.insert_count, "row"),
                text::grouped(found.change_count),
                text::grouped(found.delete_count)
            ));
        }
    }
    Ok(())
}

/// What adopting a target table would change.
async fn adoption(project: &Project, planned: &Planned, mapping: &str, node: &NodePlan, target: &Database) -> Result<TableDiff> {
    // The run that follows reads the source whole anyway.
    let (examples_max, full_scan) = (0, true);
    if let Some(evaluated) = project.evaluated(planned, mapping, node)? {
        let (source, catalog, plan) = (&*project.source, &planned.catalog, &planned.plan);
        let differ = Differ { source, target, catalog, plan, mapping, node, examples_max, full_scan };
        return differ.diff_from_bases(&evaluated).await;
    }
    let compared = project.compared(planned, mapping)?;
    let (source, catalog, plan) = (&*compared.source, &compared.planned.catalog, &compared.planned.plan);
    Differ { source, target, catalog, plan, mapping, node, examples_max, full_scan }.diff(&|_| {}).await
}

/// Per mapping of the plan, its target.
fn targets_of(project: &Project, plan: &Plan) -> Result<Vec<Arc<Database>>> {
    let target = |mapping: &MappingPlan| {
        let found = project.target_of(&mapping.name).map(|(_, target)| Arc::clone(target));
        found.ok_or_else(|| Error::bug(format!("mapping {} of the plan is not in the project", mapping.name)))
    };
    plan.mappings.iter().map(target).collect()
}

/// The picture before anything has happened.
fn board(plan: &Plan, catalog: &SourceCatalog, store: &Numbered<DiskStore>) -> Result<Board> {
    let mut tables = Vec::new();
    for (table, schema) in plan.tables.iter().zip(&catalog.tables) {
        let (mut chunks_done, mut chunks_total, mut row_count) = (0, 0, 0);
        let is_cut = pieces::each_cut(store, table.layout.id, &mut |_, _| chunks_total += 1)?;
        pieces::each(store, table.layout.id, &mut |_, shown, rest| {
            chunks_done += u32::from(rest.is_none());
            row_count += shown.row_count;
        })?;
        tables.push(TableStatus {
            table: table.layout.name.to_string(),
            chunks_done,
            chunks_total: is_cut.then_some(chunks_total),
            row_count,
            row_estimate: schema.row_estimate,
            ..TableStatus::default()
        });
    }
    let load = |id: &crate::plan::NodeId| {
        let node = plan.nodes.get(id.0 as usize)?;
        let anchor_estimate = preview::anchor_estimate(catalog, node);
        Some(LoadStatus { table: node.table.name.clone(), anchor_estimate, ..LoadStatus::default() })
    };
    let mappings =
        plan.mappings.iter().map(|mapping| MappingStatus::new(&mapping.name, mapping.nodes.iter().filter_map(load).collect()));
    let board = Board::new(tables, mappings.collect());
    let stage = meta::progress(store)?.map_or(Stage::Snapshot, |progress| progress.stage);
    board.update(|status| status.stage = stage);
    Ok(board)
}

/// What a program is told at the end.
#[derive(Serialize)]
struct RunJson {
    format_version: u32,
    /// What the engine last said of itself.
    engine: EngineStatus,
}

/// Passes when a stop was asked for and the engine has had its time to end in order.
async fn overdue(mut stopped: watch::Receiver<bool>) {
    if stopped.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(STOP_PATIENCE).await;
}

/// Runs a ready engine with its control socket, its progress and its signals.
async fn drive(ready: Ready, project: &Project, signals: Signals, printer: &Printer) -> Result<Code, Failure> {
    let Ready { engine, identity, stop, _lock } = ready;
    let page = page::serve_at(project.config.metrics, engine.board()).await?;
    let serving = control::serve(&project.config.state, (engine.clone(), identity))?;
    let measured = measuring::measure(project, engine.board().clone(), stop.clone(), printer.clone());
    let shown = progress::show(engine.board().clone(), printer.clone());
    let stopped = stop.subscribe();
    let stopping = signals.stop_on_first(stop, printer.clone());
    let ended = tokio::select! {
        ended = engine.run() => ended,
        () = overdue(stopped) => {
            tracing::warn!("the engine did not end in order in time; nothing is lost");
            Ok(Ended::Stopped)
        }
    };
    let full = measured.full();
    drop(measured);
    shown.finish();
    if printer.format == Format::Json {
        printer.json(&RunJson { format_version: 1, engine: engine.board().snapshot() });
    }
    drop((serving, page));
    let signal = stopping.finish();
    let ended = ended?;
    if let Some(full) = full {
        return Err(full.into());
    }
    if let Some(code) = not_all(&engine, ended, printer) {
        return Ok(code);
    }
    match ended {
        Ended::CaughtUp => {
            printer.note("caught up: every checkpoint contains the source's position of the start\n\nnext: strangler verify");
            Ok(Code::Clean)
        }
        Ended::Stopped => {
            printer.note("stopped: checkpoint written; `strangler run` goes on from it");
            Ok(signal.unwrap_or(Code::Interrupted))
        }
    }
}

/// The code of an end in order at which some mapping had stopped, or was left behind, with what to do about it.
fn not_all(engine: &DatabaseEngine, ended: Ended, printer: &Printer) -> Option<Code> {
    let halted = engine.halted();
    let needs_person = halted.iter().any(|(_, standing)| standing.cause.needs_person());
    for (name, standing) in &halted {
        let hint = standing.hint.as_deref().map(|hint| format!("\n  {hint}")).unwrap_or_default();
        printer.note(&format!(
            "mapping {name} {} at {}: {}{hint}",
            if standing.cause.needs_person() { "stopped" } else { "is paused" },
            standing.position,
            standing.reason
        ));
    }
    let behind = if ended == Ended::CaughtUp { engine.out_of_reach() } else { Vec::new() };
    for name in &behind {
        printer.note(&format!("mapping {name} is behind: its target stayed out of reach"));
    }
    match (needs_person, behind.is_empty(), ended) {
        (true, ..) => Some(Code::Person),
        (false, false, _) => Some(Code::Unreachable),
        (false, true, Ended::CaughtUp) if !halted.is_empty() => {
            printer.note("caught up, but for what is paused\n\nnext: strangler resume");
            Some(Code::Resumable)
        }
        _ => None,
    }
}
