//! `strangler limit`: how gently the running engine reads a source; and whether the limits of the project file can be kept at all.

use serde::Serialize;

use super::arguments::{Common, LimitArguments};
use super::control::Client;
use super::exit::{Code, Failure};
use super::printer::{Format, Printer};
use super::project::Project;
use crate::config::LimitsEntry;
use crate::error::{Class, Error, Result};
use crate::mapping::Problem;
use crate::migrate::board::ThrottleStatus;
use crate::source::Source;
use crate::source::limits::{Lag, Limits, Load};

#[derive(Serialize)]
struct LimitJson<'a> {
    format_version: u32,
    sources: &'a [ThrottleStatus],
}

/// Runs the command: changes limits, and shows those that hold.
///
/// # Errors
/// No engine runs, or it refuses.
pub async fn command(common: &Common, arguments: &LimitArguments, printer: &Printer) -> Result<Code, Failure> {
    let project = Project::open(&common.config, &common.mapping)?;
    let (named, settings): (Vec<&String>, Vec<&String>) = arguments.words.iter().partition(|word| !word.contains('='));
    let source = match (named.as_slice(), project.source.members().len()) {
        ([], _) if settings.is_empty() => None,
        ([], 1) => project.source.members().keys().next().cloned(),
        ([one], _) => Some((*one).clone()),
        _ => {
            let error = Error::new(Class::Usage, "limit wants the name of one source");
            return Err(error.with_hint("write it as `strangler limit erp rows_per_second=5000`").into());
        }
    };
    let Some(client) = Client::of_state(&project.config.state).await? else {
        let error = Error::new(Class::Usage, "no engine runs, so there is nothing to limit");
        return Err(error.with_hint("`limits:` of the project file hold for the next `strangler run`").into());
    };
    if let Some(source) = source.as_ref().filter(|_| !settings.is_empty()) {
        client.limit(source, settings.into_iter().cloned().collect()).await?;
    }
    let mut sources = client.status().await?.throttles;
    sources.retain(|throttle| source.as_ref().is_none_or(|source| throttle.source == *source));
    if let (Some(source), []) = (&source, sources.as_slice()) {
        return Err(Error::new(Class::Usage, format!("the engine reads no source {source}")).into());
    }
    match printer.format {
        Format::Json => printer.json(&LimitJson { format_version: 1, sources: &sources }),
        Format::Text => printer.result(&limits_text(&sources)),
    }
    Ok(Code::Clean)
}

fn limits_text(sources: &[ThrottleStatus]) -> String {
    let lines: Vec<String> = sources.iter().map(|throttle| format!("source {}: {}", throttle.source, throttle.words())).collect();
    format!(
        "{}\n\nuntil this engine ends; the next one starts with those of the project file\n\nnext: strangler status",
        lines.join("\n")
    )
}

/// The limits of the project file that a server cannot be held to: a gauge that it does not have, a lag that nobody has.
///
/// # Errors
/// A server cannot be asked.
pub async fn problems(project: &Project) -> Result<Vec<Problem>> {
    let mut found = Vec::new();
    for (name, source) in project.source.members() {
        let Some(entry) = project.config.sources.get(name) else { continue };
        for (asked, span) in parts(&entry.limits) {
            let problem = match source.load(name, &asked).await {
                Ok(load) => unkept(&asked, &load),
                Err(error) if matches!(error.class(), Class::Preflight | Class::Privilege) => Some(error),
                Err(error) => return Err(error),
            };
            found.extend(problem.map(|error| {
                let problem = Problem::new(&project.config.file, span, error.message());
                // What the server does not have is a mistake in the file; what it does not tell this account is not.
                let class = if error.class() == Class::Privilege { Class::Privilege } else { Class::Mapping };
                problem.of_class(class).with_help(error.hint().unwrap_or_default())
            }));
        }
    }
    Ok(found)
}

/// Refuses limits that a server cannot be held to.
///
/// # Errors
/// The problems, or a server cannot be asked.
pub async fn kept(project: &Project) -> Result<(), Failure> {
    match problems(project).await? {
        none if none.is_empty() => Ok(()),
        problems => Err(problems.into()),
    }
}

/// Each limit that needs an answer of the server, with its place.
fn parts(entry: &LimitsEntry) -> Vec<(Limits, std::ops::Range<usize>)> {
    let limits = &entry.limits;
    let load = Limits { max_load: limits.max_load.clone(), ..Limits::default() };
    let lag = Limits { max_lag_s: limits.max_lag_s, ..Limits::default() };
    let placed = [(load, &entry.max_load_span), (lag, &entry.max_lag_span)];
    placed.into_iter().filter_map(|(asked, span)| asked.looks_at_load().then_some(asked).zip(span.clone())).collect()
}

/// What the server could not tell; being above a limit is no problem of the file.
fn unkept(asked: &Limits, load: &Load) -> Option<Error> {
    match (&load.lag, asked.exceeded(load)) {
        (Some(Lag::Unknown(reason)), _) => Some(Error::new(Class::Preflight, format!("the replica lag is not known: {reason}"))),
        (_, Err(error)) => Some(error),
        (_, Ok(_)) => None,
    }
}
