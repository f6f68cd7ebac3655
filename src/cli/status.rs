//! `strangler status`: how far it is. A running engine is asked; without one, the state and the checkpoint rows are read.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use serde::Serialize;

use super::arguments::{Common, StatusArguments};
use super::control::Client;
use super::exit::{Code, Failure};
use super::opening::{self, StateLock};
use super::printer::{Format, Printer};
use super::project::Project;
use super::status_text::{halted_lines, held_lines, phase_name, report, stage_name};
use super::stopped::standings;
use super::text;
use crate::error::{Class, Result};
use crate::migrate::EngineStatus;
use crate::migrate::board::now_us;
use crate::source::{HeldLog, Source};
use crate::state::meta::{self, Progress};
use crate::state::standing::Standing;
use crate::target::{Checkpoint, Target};

#[derive(Serialize)]
struct StatusJson {
    format_version: u32,
    running: bool,
    /// What a running engine says.
    engine: Option<EngineStatus>,
    /// What lies in the state folder, read only without an engine.
    state: Option<StateJson>,
    /// The checkpoint rows, read only without an engine.
    checkpoints: Vec<CheckpointJson>,
    /// The log that sources keep for an engine that does not run.
    held_logs: Vec<HeldLog>,
    /// Why that is not known, if a source could not be asked.
    held_logs_problem: Option<String>,
}

#[derive(Serialize)]
struct StateJson {
    state_id: String,
    stage: &'static str,
    bytes: u64,
    progress: Progress,
    /// The mappings that do not run, with why.
    halted: BTreeMap<String, Standing>,
}

#[derive(Serialize)]
struct CheckpointJson {
    mapping: String,
    /// Why there is no row, if it could not be read.
    problem: Option<String>,
    checkpoint: Option<Checkpoint>,
}

/// Runs the command.
///
/// # Errors
/// Problems with the files; the state is held by something that does not answer.
pub async fn command(common: &Common, arguments: &StatusArguments, printer: &Printer) -> Result<Code, Failure> {
    let project = Project::open(&common.config, &common.mapping)?;
    loop {
        let (status, code) = read(&project).await?;
        if arguments.watch && printer.format == Format::Text {
            clear_screen();
        }
        match printer.format {
            Format::Json => printer.json(&status),
            Format::Text => printer.result(&status_text(&status)),
        }
        if !arguments.watch {
            return Ok(code);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Begins a fresh picture on a terminal.
fn clear_screen() {
    use std::io::IsTerminal;
    let mut stdout = std::io::stdout().lock();
    if stdout.is_terminal() {
        let _ = write!(stdout, "\u{1b}[2J\u{1b}[H").and_then(|()| stdout.flush());
    }
}

async fn read(project: &Project) -> Result<(StatusJson, Code)> {
    if let Some(client) = Client::of_state(&project.config.state).await? {
        let engine = Some(client.status().await?);
        let status = StatusJson {
            format_version: 1,
            running: true,
            engine,
            state: None,
            checkpoints: Vec::new(),
            held_logs: Vec::new(),
            held_logs_problem: None,
        };
        return Ok((status, Code::Clean));
    }
    let state = stored(project)?;
    let mut checkpoints = Vec::new();
    let mut code = Code::Clean;
    for mapping in &project.mappings {
        let name = mapping.name.value.clone();
        let Some((_, target)) = project.target_of(&name) else { continue };
        let (problem, checkpoint) = match target.checkpoint(&name).await {
            Ok(checkpoint) => (None, checkpoint),
            Err(error) => {
                code = error.class().into();
                (Some(error.to_string()), None)
            }
        };
        checkpoints.push(CheckpointJson { mapping: name, problem, checkpoint });
    }
    let (held_logs, held_logs_problem) = match project.source.held_logs().await {
        Ok(held) => (held, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    Ok((StatusJson { format_version: 1, running: false, engine: None, state, checkpoints, held_logs, held_logs_problem }, code))
}

fn stored(project: &Project) -> Result<Option<StateJson>> {
    if !opening::has_store(&project.config) {
        return Ok(None);
    }
    let lock = StateLock::take(&project.config.state).map_err(|error| match error.class() {
        Class::Locked => error.with_hint("something holds the state folder and does not answer on its socket: an engine that starts or ends, or another command; try again"),
        _ => error,
    })?;
    let store = opening::open_store(&project.config, &lock)?;
    let (Some(identity), Some(progress)) = (meta::identity(&store)?, meta::progress(&store)?) else { return Ok(None) };
    Ok(Some(StateJson {
        halted: standings(&store, &identity)?,
        state_id: identity.state_id,
        stage: stage_name(progress.stage),
        bytes: opening::store_bytes(&project.config),
        progress,
    }))
}

fn status_text(status: &StatusJson) -> String {
    if let Some(engine) = &status.engine {
        return report(engine);
    }
    let mut parts = vec!["no engine runs".to_owned()];
    parts.push(match &status.state {
        None => "state    none".to_owned(),
        Some(state) => format!(
            "state    {}, contains the source up to {}, {} on disk",
            state.stage,
            state.progress.applied,
            text::bytes(state.bytes)
        ),
    });
    let rows = status.checkpoints.iter().map(|row| match &row.checkpoint {
        None => vec![
            row.mapping.clone(),
            row.problem.clone().unwrap_or_else(|| "no checkpoint row".to_owned()),
            "-".into(),
            "-".into(),
            "-".into(),
        ],
        Some(checkpoint) => vec![
            row.mapping.clone(),
            phase_name(checkpoint.phase).to_owned(),
            text::grouped(checkpoint.sequence),
            data_age(checkpoint),
            checkpoint.frontier.0.values().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        ],
    });
    parts.push(text::table(&["mapping", "phase", "sequence", "newest source commit", "position"], rows.collect(), &[2]));
    let mut held: Vec<String> = status.held_logs.iter().flat_map(held_lines).collect();
    held.extend(status.held_logs_problem.as_ref().map(|problem| format!("  slot     not known: {problem}")));
    if !held.is_empty() {
        parts.push(held.join("\n"));
    }
    let halted = status.state.iter().flat_map(|state| &state.halted);
    let lines: Vec<String> = halted.flat_map(|(mapping, standing)| halted_lines(mapping, standing)).collect();
    if !lines.is_empty() {
        parts.push(lines.join("\n"));
    }
    parts.push("next: strangler run".to_owned());
    parts.join("\n\n")
}

/// How long ago the newest contained source transaction was committed.
fn data_age(checkpoint: &Checkpoint) -> String {
    match checkpoint.source_committed_at_us {
        0 => "-".to_owned(),
        at => format!("{} ago", text::duration_ms(u64::try_from((now_us() - at).max(0) / 1_000).unwrap_or(0))),
    }
}
