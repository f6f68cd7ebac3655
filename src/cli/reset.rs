//! `strangler reset`: removes state and checkpoint rows, after showing them. Target rows are never touched.

use serde::Serialize;

use super::arguments::{Common, ResetArguments};
use super::exit::{Code, Failure};
use super::opening::{self, StateLock};
use super::printer::{Format, Printer};
use super::project::Project;
use super::status_text::stage_name;
use super::text;
use crate::error::{Class, Error, Result};
use crate::source::Source;
use crate::state::disk::DiskStore;
use crate::state::meta::{self, Stage};
use crate::state::numbering::Numbering;
use crate::state::{Durability, Store, standing};
use crate::target::Target;

#[derive(Serialize)]
struct ResetJson {
    format_version: u32,
    executed: bool,
    items: Vec<Item>,
}

/// One thing to remove.
#[derive(Serialize)]
struct Item {
    kind: &'static str,
    name: String,
    detail: String,
}

/// Runs the command.
///
/// # Errors
/// An engine runs; a target cannot be asked; the mappings of the state are not those of the command.
pub async fn command(common: &Common, arguments: &ResetArguments, printer: &Printer) -> Result<Code, Failure> {
    let project = Project::open(&common.config, &common.mapping)?;
    let lock = StateLock::take(&project.config.state)?;
    if project.is_part && has_others(&project, &lock)? {
        return part(&project, &lock, arguments, printer).await;
    }
    let mut items = state_items(&project, &lock)?;
    items.extend(checkpoint_items(&project).await?);
    items.extend(source_items(&project).await?);
    if arguments.execute {
        // The row goes first: a state without a row says so, a row without a state would look like a lost state.
        for mapping in &project.mappings {
            if let Some((_, target)) = project.target_of(&mapping.name.value) {
                target.forget(&mapping.name.value).await?;
            }
        }
        opening::remove_store(&project.config, &lock)?;
        project.source.forget().await?;
    }
    let pending = !items.is_empty() && !arguments.execute;
    let json = ResetJson { format_version: 1, executed: arguments.execute, items };
    match printer.format {
        Format::Json => printer.json(&json),
        Format::Text => printer.result(&reset_text(&json)),
    }
    Ok(if pending { Code::Differences } else { Code::Clean })
}

/// Whether the state also belongs to mappings that the command leaves out.
fn has_others(project: &Project, lock: &StateLock) -> Result<bool> {
    if !opening::has_store(&project.config) {
        return Ok(false);
    }
    let store = opening::open_store(&project.config, lock)?;
    let named = |name: &String| project.mappings.iter().any(|mapping| mapping.name.value == *name);
    let is_live = meta::progress(&store)?.is_some_and(|progress| progress.stage == Stage::Live);
    Ok(is_live && meta::identity(&store)?.is_some_and(|identity| identity.mappings.keys().any(|name| !named(name))))
}

/// Removes what belongs to some of the mappings of a live state alone. The legacy tables that only they read are forgotten by the next run
/// without them.
async fn part(project: &Project, lock: &StateLock, arguments: &ResetArguments, printer: &Printer) -> Result<Code, Failure> {
    let mut items = checkpoint_items(project).await?;
    let names = || project.mappings.iter().map(|mapping| &mapping.name.value);
    items.extend(names().map(|name| Item {
        kind: "state of mapping",
        name: name.clone(),
        detail: "fingerprints, outbox and marks; stored legacy tables stay".to_owned(),
    }));
    if arguments.execute {
        for name in names() {
            if let Some((_, target)) = project.target_of(name) {
                target.forget(name).await?;
            }
        }
        forget_mappings(&opening::open_store(&project.config, lock)?, names())?;
    }
    let json = ResetJson { format_version: 1, executed: arguments.execute, items };
    match printer.format {
        Format::Json => printer.json(&json),
        Format::Text => printer.result(&reset_text(&json)),
    }
    Ok(if arguments.execute { Code::Clean } else { Code::Differences })
}

fn forget_mappings<'n>(store: &DiskStore, names: impl Iterator<Item = &'n String>) -> Result<()> {
    let Some(mut identity) = meta::identity(store)? else { return Ok(()) };
    let mut numbering = Numbering::read(store)?;
    let mut records = Vec::new();
    let mut spaces = Vec::new();
    for name in names {
        identity.mappings.remove(name);
        spaces.extend(numbering.forget(name));
        records.push(standing::put_standing(name, None)?);
    }
    records.push(meta::put_identity(&identity)?);
    records.push(numbering.put()?);
    store.commit(records, Durability::Synced)?;
    spaces.into_iter().try_for_each(|space| store.clear(space))
}

fn state_items(project: &Project, lock: &StateLock) -> Result<Vec<Item>> {
    if !opening::has_store(&project.config) {
        return Ok(Vec::new());
    }
    let store = opening::open_store(&project.config, lock)?;
    let identity = meta::identity(&store)?;
    let recorded = identity.iter().flat_map(|identity| identity.mappings.keys());
    for name in recorded {
        if project.mappings.iter().all(|mapping| mapping.name.value != *name) {
            let message = format!("the state also belongs to mapping {name}, which this command leaves out");
            return Err(Error::new(Class::Usage, message).with_hint("name every mapping of the state, or none"));
        }
    }
    let stage = meta::progress(&store)?.map_or("empty", |progress| stage_name(progress.stage));
    let detail = format!("{stage}, {}", text::bytes(opening::store_bytes(&project.config)));
    Ok(vec![Item { kind: "state", name: project.config.state.display().to_string(), detail }])
}

async fn checkpoint_items(project: &Project) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for mapping in &project.mappings {
        let Some((target_name, target)) = project.target_of(&mapping.name.value) else { continue };
        if let Some(checkpoint) = target.checkpoint(&mapping.name.value).await? {
            let detail = format!(
                "{}, sequence {}, in target {target_name}",
                super::status_text::phase_name(checkpoint.phase),
                text::grouped(checkpoint.sequence)
            );
            items.push(Item { kind: "checkpoint row", name: mapping.name.value.clone(), detail });
        }
    }
    Ok(items)
}

/// What the engine made on the source, which nobody needs without the state.
async fn source_items(project: &Project) -> Result<Vec<Item>> {
    let leftovers = project.source.leftovers().await?.into_iter();
    Ok(leftovers.map(|left| Item { kind: left.kind, name: left.name, detail: left.detail }).collect())
}

fn reset_text(json: &ResetJson) -> String {
    if json.items.is_empty() {
        return "nothing to remove: there is no state and no checkpoint row".to_owned();
    }
    let lines: Vec<String> = json.items.iter().map(|item| format!("- {} {}  ({})", item.kind, item.name, item.detail)).collect();
    let end = match json.executed {
        true => "removed; target rows stay",
        false => "nothing was removed; target rows would stay\n\nnext: strangler reset --execute",
    };
    format!("{}\n\n{end}", lines.join("\n"))
}
