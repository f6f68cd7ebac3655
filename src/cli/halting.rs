//! `strangler pause` and `strangler resume`: one mapping or all, in the running engine.

use serde::Serialize;

use super::arguments::Common;
use super::control::Client;
use super::exit::{Code, Failure};
use super::opening::{self, StateLock};
use super::printer::{Format, Printer};
use super::project::Project;
use crate::error::{Class, Error, Result};
use crate::state::standing::{self, Cause};
use crate::state::{Durability, Store};

#[derive(Serialize)]
struct HaltingJson {
    format_version: u32,
    mappings: Vec<HaltedJson>,
}

#[derive(Serialize)]
struct HaltedJson {
    mapping: String,
    /// What was done, or why nothing was.
    answer: String,
}

/// Pauses the mappings.
///
/// # Errors
/// No engine runs, or it refuses.
pub async fn pause(common: &Common, printer: &Printer) -> Result<Code, Failure> {
    let project = Project::open(&common.config, &common.mapping)?;
    let Some(client) = Client::of_state(&project.config.state).await? else {
        let error = Error::new(Class::Usage, "no engine runs, so there is nothing to pause");
        return Err(error.with_hint("`strangler run` starts one").into());
    };
    let mut mappings = Vec::new();
    for name in names(&project) {
        let already = client.halt(&name, false).await?;
        let answer = already.map_or_else(|| "paused: changes are marked, its target stays as it is".to_owned(), is_already);
        mappings.push(HaltedJson { mapping: name, answer });
    }
    show(printer, mappings)
}

/// Lets the mappings go on.
///
/// # Errors
/// The engine refuses; the state cannot be opened.
pub async fn resume(common: &Common, printer: &Printer) -> Result<Code, Failure> {
    let project = Project::open(&common.config, &common.mapping)?;
    let mut mappings = Vec::new();
    match Client::of_state(&project.config.state).await? {
        Some(client) => {
            for name in names(&project) {
                let already = client.halt(&name, true).await?;
                let answer = already
                    .map_or_else(|| "goes on as soon as the state contains what the source holds now".to_owned(), is_already);
                mappings.push(HaltedJson { mapping: name, answer });
            }
        }
        None => mappings = released(&project)?,
    }
    show(printer, mappings)
}

/// Without an engine only a pause is taken back: what has stopped is tried again by every run.
fn released(project: &Project) -> Result<Vec<HaltedJson>> {
    if !opening::has_store(&project.config) {
        return Err(Error::new(Class::Person, "there is no state").with_hint("`strangler run` makes it"));
    }
    let lock = StateLock::take(&project.config.state)?;
    let store = opening::open_store(&project.config, &lock)?;
    let mut mappings = Vec::new();
    for name in names(project) {
        let answer = match standing::standing(&store, &name)? {
            None => "is running already".to_owned(),
            Some(mut standing) if standing.cause == Cause::Paused => {
                standing.cause = Cause::Behind;
                store.commit(vec![standing::put_standing(&name, Some(&standing))?], Durability::Synced)?;
                "goes on with the next `strangler run`".to_owned()
            }
            Some(standing) => format!("{}: {}; `strangler run` tries again", standing.cause.word(), standing.reason),
        };
        mappings.push(HaltedJson { mapping: name, answer });
    }
    Ok(mappings)
}

fn names(project: &Project) -> Vec<String> {
    project.mappings.iter().map(|mapping| mapping.name.value.clone()).collect()
}

fn is_already(word: String) -> String {
    format!("is {word} already")
}

fn show(printer: &Printer, mappings: Vec<HaltedJson>) -> Result<Code, Failure> {
    let json = HaltingJson { format_version: 1, mappings };
    match printer.format {
        Format::Json => printer.json(&json),
        Format::Text => {
            let lines: Vec<String> =
                json.mappings.iter().map(|halted| format!("mapping {}: {}", halted.mapping, halted.answer)).collect();
            printer.result(&format!("{}\n\nnext: strangler status", lines.join("\n")));
        }
    }
    Ok(Code::Clean)
}
