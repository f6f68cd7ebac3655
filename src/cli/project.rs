//! Project: the opened files and databases that every command starts from.
//!
//! In: the path of the project file and the mappings asked for. Out: a [`Project`], whose databases are connected to when they are first
//! asked something, and the plans made from it: over the catalogue as it is now ([`Project::plan_live`]) or as the state recorded
//! it ([`Project::plan_of_state`]). Problems come all at once, with their places.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::control::Client;
use super::exit::{Failure, Findings};
use super::{binding, opening, sources};
use crate::config;
use crate::error::{Class, Error, Result};
use crate::mapping::{Mapping, Problem};
use crate::plan::Plan;
use crate::review::preflight::Report;
use crate::schema::{SourceCatalog, TableName};
use crate::source::Source;
use crate::source::combined::Combined;
use crate::source::database::Database as SourceDatabase;
use crate::state::meta::Identity;
use crate::target::database::Database;

/// The opened project.
pub struct Project {
    /// The project file.
    pub config: config::Project,
    /// The chosen mappings, by name.
    pub mappings: Vec<Mapping>,
    /// The name of the source of the mappings; of several, their names with `+` between.
    pub source_name: String,
    /// That source, or all of them as one.
    pub source: Arc<Combined<SourceDatabase>>,
    /// Per mapping, its target. Mappings with one target share it.
    pub targets: Vec<Arc<Database>>,
    /// Whether the command names some of the mappings only.
    pub is_part: bool,
    /// What was wrong with files, if [`Project::survey`] went on in spite of it.
    pub problems: Vec<Problem>,
}

/// A plan with the catalogue it was made from.
#[derive(Debug, Clone)]
pub struct Planned {
    /// What the source says about the mapped tables.
    pub catalog: SourceCatalog,
    /// The plan; its mappings stand in the order of [`Project::mappings`].
    pub plan: Plan,
}

impl Project {
    /// Opens a project; `filter` names mappings, none means all.
    ///
    /// # Errors
    /// Every problem with the files, what is refused included.
    pub fn open(config_path: &Path, filter: &[String]) -> Result<Self, Failure> {
        let mut project = Self::survey(config_path, filter)?;
        match std::mem::take(&mut project.problems) {
            problems if problems.is_empty() => Ok(project),
            problems => Err(problems.into()),
        }
    }

    /// Opens as much of a project as is right, and keeps the problems in [`Project::problems`]: for `check`, which goes on to ask the databases.
    ///
    /// # Errors
    /// The project file itself is wrong, or nothing is left to ask about.
    pub fn survey(config_path: &Path, filter: &[String]) -> Result<Self, Failure> {
        let config = config::Project::read(config_path)?;
        let mut problems = Vec::new();
        let mut mappings = Vec::new();
        for file in config.mapping_files()? {
            match Mapping::parse(file) {
                Ok(mapping) => mappings.push(mapping),
                Err(found) => problems.extend(found),
            }
        }
        mappings.sort_by(|left, right| left.name.value.cmp(&right.name.value));
        problems.extend(duplicates(&mappings));
        let mappings = chosen(mappings, filter, problems.is_empty())?;
        problems.extend(mappings.iter().flat_map(|mapping| mapping.refused.clone()));
        problems.extend(unknown_databases(&config, &mappings));
        problems.extend(sources::unsuitable(&mappings));
        let names = sources::names(&mappings);
        let is_known = names.iter().all(|name| config.sources.contains_key(name));
        if mappings.is_empty() || (problems.iter().any(|problem| problem.class == Class::Mapping) && !is_known) {
            return Err(problems.into());
        }
        let source = Arc::new(Combined::new(sources::open(&config, &names)?));
        let source_name = sources::label(&names);
        let (mappings, targets) = open_targets(&config, mappings)?;
        Ok(Self { config, mappings, source_name, source, targets, is_part: !filter.is_empty(), problems })
    }

    /// The plan over the source's catalogue as it is now.
    ///
    /// # Errors
    /// Problems with the SELECTs and the declarations, all at once; or the source cannot be asked.
    pub async fn plan_live(&self) -> Result<Planned, Failure> {
        let catalog = self.catalog_live().await?;
        let attempt = binding::attempt(&self.mappings, &catalog, |name| self.config.target_kind(name));
        if attempt.problems.is_empty() {
            return Ok(Planned { catalog, plan: attempt.plan });
        }
        let mut report = Report::default();
        self.source_findings(&mut report, &catalog).await?;
        let mut told = BTreeSet::new();
        let problems = attempt.problems.into_iter();
        let problems = problems.filter_map(|problem| super::check::explained(problem, &report, &mut told)).collect();
        Err(Findings { problems, report, errors: Vec::new() }.into())
    }

    /// What the source says now about every table that a mapping names. Tables that it does not have are left out; SELECTs that cannot
    /// be read name none.
    ///
    /// # Errors
    /// The source cannot be asked.
    pub async fn catalog_live(&self) -> Result<SourceCatalog> {
        let names = self.table_names(|_| true)?;
        self.source.catalog(&names).await
    }

    /// The plan that the state was made with, and the state's identity: from the running engine if there is one, else from the state
    /// folder. The source's sessions are fixed to the recorded settings.
    ///
    /// # Errors
    /// `Person` if there is no state, or a mapping was edited since.
    pub async fn plan_of_state(&self) -> Result<(Planned, Identity), Failure> {
        let identity = match Client::of_state(&self.config.state).await? {
            Some(client) => client.identity().await?,
            None => opening::stored_identity(&self.config)?,
        };
        let planned = self.plan_of_identity(&identity)?;
        Ok((planned, identity))
    }

    /// The plan over a recorded catalogue, proven to mean what it meant.
    ///
    /// # Errors
    /// `Person` naming the mapping that is new, gone or edited.
    pub fn plan_of_identity(&self, identity: &Identity) -> Result<Planned, Failure> {
        self.is_source_of(identity)?;
        self.source.record(&identity.catalog);
        let attempt = binding::attempt(&self.mappings, &identity.catalog, |name| self.config.target_kind(name));
        if !attempt.problems.is_empty() {
            // The SELECT that the state was made with could be bound to this catalogue, so it was edited.
            let changed =
                self.mappings.iter().find(|mapping| attempt.problems.iter().any(|problem| problem.file == mapping.file));
            return Err(changed.map_or_else(|| attempt.problems.into(), |mapping| edited(&mapping.name.value).into()));
        }
        unchanged(&fingerprints(&attempt.plan), identity)?;
        Ok(Planned { catalog: identity.catalog.clone(), plan: attempt.plan })
    }

    /// Whether the state was made from the source of this project.
    ///
    /// # Errors
    /// `Person` if not.
    pub fn is_source_of(&self, identity: &Identity) -> Result<()> {
        if identity.source == self.source_name {
            return Ok(());
        }
        let message = format!("the state was made from source {}, not from {}", identity.source, self.source_name);
        Err(Error::new(Class::Person, message).with_hint("use another state folder, or run `strangler run --rebuild`"))
    }

    /// What the source says now about the tables of some mappings.
    ///
    /// # Errors
    /// The source cannot be asked.
    pub async fn catalog_of(&self, concerns: impl Fn(&Mapping) -> bool) -> Result<SourceCatalog> {
        let names = self.table_names(concerns)?;
        self.source.catalog(&names).await
    }

    /// The target of a mapping, and its name.
    #[must_use]
    pub fn target_of(&self, mapping: &str) -> Option<(&str, &Arc<Database>)> {
        let (mapping, target) = self.mappings.iter().zip(&self.targets).find(|(candidate, _)| candidate.name.value == mapping)?;
        Some((&mapping.target.value, target))
    }

    fn table_names(&self, concerns: impl Fn(&Mapping) -> bool) -> Result<Vec<TableName>> {
        sources::table_names(&self.config, self.mappings.iter().filter(|mapping| concerns(mapping)), self.is_several())
    }
}

/// The fingerprint of each mapping's plan, by name.
#[must_use]
pub fn fingerprints(plan: &Plan) -> BTreeMap<String, String> {
    let ids = (0..).map(crate::plan::MappingId);
    plan.mappings.iter().zip(ids).map(|(mapping, id)| (mapping.name.clone(), format!("{:032x}", plan.fingerprint(id)))).collect()
}

fn unchanged(now: &BTreeMap<String, String>, identity: &Identity) -> Result<()> {
    for (name, fingerprint) in now {
        match identity.mappings.get(name) {
            None => return Err(changed(format!("mapping {name} is not in the state"))),
            Some(recorded) if recorded != fingerprint => return Err(edited(name)),
            Some(_) => {}
        }
    }
    match identity.mappings.keys().find(|name| !now.contains_key(*name)) {
        Some(name) => Err(changed(format!("mapping {name} is in the state, but not among the mappings of this command"))),
        None => Ok(()),
    }
}

/// The refusal of a mapping that means something else than the state recorded.
#[must_use]
pub fn edited(mapping: &str) -> Error {
    let message = format!("mapping {mapping} was edited since the state was made");
    Error::new(Class::Person, message).with_hint(format!(
        "undo the change, or run `strangler run --rebuild --mapping {mapping}`, which leaves the other mappings live; `strangler run --rebuild` begins \
         anew: a new snapshot, and the difference applied to the target"
    ))
}

fn changed(message: String) -> Error {
    Error::new(Class::Person, message)
        .with_hint("undo the change, or run `strangler run --rebuild`: a new snapshot, and the difference applied to the target")
}

fn chosen(mappings: Vec<Mapping>, filter: &[String], all_read: bool) -> Result<Vec<Mapping>> {
    // A name that is not found may stand in a file that could not be read; that file's problems say more.
    if let Some(name) = filter.iter().find(|name| all_read && mappings.iter().all(|mapping| mapping.name.value != **name)) {
        let known: Vec<&str> = mappings.iter().map(|mapping| mapping.name.value.as_str()).collect();
        return Err(
            Error::new(Class::Usage, format!("no mapping is named {name}")).with_hint(format!("there are: {}", known.join(", ")))
        );
    }
    Ok(mappings.into_iter().filter(|mapping| filter.is_empty() || filter.contains(&mapping.name.value)).collect())
}

/// Two mappings of one name, or two that write one target table.
fn duplicates(mappings: &[Mapping]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut names: BTreeMap<&str, &Mapping> = BTreeMap::new();
    let mut tables: BTreeMap<(&str, Option<&str>, &str), &Mapping> = BTreeMap::new();
    for mapping in mappings {
        if let Some(first) = names.insert(&mapping.name.value, mapping) {
            let problem = mapping.problem(mapping.name.span.clone(), format!("mapping {} is defined twice", mapping.name.value));
            problems.push(problem.with_label(format!("also in {}", first.file.path)));
        }
        for table in &mapping.tables {
            let place = (mapping.target.value.as_str(), mapping.schema.as_deref(), table.name.value.as_str());
            if let Some(first) = tables.insert(place, mapping) {
                let problem = mapping
                    .problem(table.name.span.clone(), format!("target table {} is written by two mappings", table.name.value));
                problems.push(problem.with_label(format!("also in mapping {}", first.name.value)));
            }
        }
    }
    problems
}

fn unknown_databases(config: &config::Project, mappings: &[Mapping]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut check = |mapping: &Mapping, kind: &str, name: &crate::mapping::Placed<String>, known: Vec<&String>| {
        if !known.contains(&&name.value) {
            let known: Vec<&str> = known.iter().map(|name| name.as_str()).collect();
            let problem = mapping.problem(name.span.clone(), format!("the project file has no {kind} {}", name.value));
            problems.push(problem.with_help(format!("{}s in {}: {}", kind, config.file.path, known.join(", "))));
        }
    };
    for mapping in mappings {
        for source in mapping.sources() {
            check(mapping, "source", source, config.sources.keys().collect());
        }
        check(mapping, "target", &mapping.target, config.targets.keys().collect());
    }
    problems
}

type Opened = (Vec<Mapping>, Vec<Arc<Database>>);

/// Opens each target once; a mapping whose target is unknown was reported and is left out.
fn open_targets(config: &config::Project, mappings: Vec<Mapping>) -> Result<Opened> {
    let mut by_name: BTreeMap<String, Arc<Database>> = BTreeMap::new();
    let (mut kept, mut targets) = (Vec::new(), Vec::new());
    for mapping in mappings {
        let name = mapping.target.value.clone();
        if !config.targets.contains_key(&name) {
            continue;
        }
        let target = match by_name.get(&name) {
            Some(target) => Arc::clone(target),
            None => Arc::new(Database::new(config.target_options(&name)?)),
        };
        by_name.insert(name, Arc::clone(&target));
        targets.push(target);
        kept.push(mapping);
    }
    Ok((kept, targets))
}
