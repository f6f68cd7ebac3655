//! Evolve: the mappings of a live state may come, go and change; what the others have stored stays.
//!
//! [`plan`] compares the files with what the state recorded and makes the plan of now; [`Evolution::commit`] records it in one batch. What is
//! new in it is filled by the engine while the others stay live. Tables that are stored keep the definition that was recorded, unless a
//! mapping that is added or rebuilt needs the one of now.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::binding;
use super::exit::Failure;
use super::project::{Planned, Project, fingerprints};
use crate::error::{Class, Error, Result};
use crate::mapping::Mapping;
use crate::plan::{MappingId, Plan};
use crate::schema::{SourceCatalog, TableName};
use crate::state::disk::DiskStore;
use crate::state::meta::{self, Identity, Stage};
use crate::state::numbering::{Numbered, Numbering};
use crate::state::standing;
use crate::state::{Durability, Store, parts};

/// The plan of now over a state that was begun earlier.
pub struct Evolution {
    /// The plan, with its catalogue.
    pub planned: Planned,
    /// What the state will say of itself.
    pub identity: Identity,
    /// Mappings that were added or are rebuilt.
    changed: BTreeSet<String>,
    /// Mappings that the state has and no file defines any more.
    gone: BTreeSet<String>,
    /// Tables whose definition of now replaces the recorded one.
    renewed: Vec<TableName>,
}

/// Plans the project over a begun state. `rebuilt` names mappings whose rebuild was asked for; with `is_part`, the command names some mappings of
/// the project only.
///
/// # Errors
/// Problems with the files; a mapping was edited and its rebuild was not asked for; the source cannot be asked.
pub async fn plan(
    project: &Project,
    store: &DiskStore,
    identity: &Identity,
    rebuilt: &[String],
    is_part: bool,
) -> Result<Evolution, Failure> {
    let stage = meta::progress(store)?.map_or(Stage::Snapshot, |progress| progress.stage);
    let known = |name: &str| identity.mappings.contains_key(name);
    let names: BTreeSet<String> = project.mappings.iter().map(|mapping| mapping.name.value.clone()).collect();
    let added = names.iter().filter(|name| !known(name)).cloned();
    let changed: BTreeSet<String> = added.chain(rebuilt.iter().cloned()).collect();
    let gone: BTreeSet<String> = identity.mappings.keys().filter(|name| !names.contains(*name)).cloned().collect();
    if stage < Stage::Live || is_part || (changed.is_empty() && gone.is_empty()) {
        let planned = project.plan_of_identity(identity)?;
        let none = BTreeSet::new();
        return Ok(Evolution { planned, identity: identity.clone(), changed: none.clone(), gone: none, renewed: Vec::new() });
    }
    project.is_source_of(identity)?;
    project.source.record(&identity.catalog);
    unedited(project, identity, &changed)?;
    let (planned, renewed) = replanned(project, store, identity, &changed).await?;
    let mappings = fingerprints(&planned.plan);
    for (name, fingerprint) in mappings.iter().filter(|(name, _)| !changed.contains(*name)) {
        if identity.mappings.get(name) != Some(fingerprint) {
            return Err(super::project::edited(name).into());
        }
    }
    let identity = Identity { catalog: planned.catalog.clone(), mappings, ..identity.clone() };
    Ok(Evolution { planned, identity, changed, gone, renewed })
}

/// Whether every mapping that is neither added nor rebuilt means what it meant.
fn unedited(project: &Project, identity: &Identity, changed: &BTreeSet<String>) -> Result<()> {
    for mapping in project.mappings.iter().filter(|mapping| !changed.contains(&mapping.name.value)) {
        let alone = attempt(project, std::slice::from_ref(mapping), &identity.catalog);
        let now = fingerprints(&alone.plan).remove(&mapping.name.value);
        if !alone.problems.is_empty() || now.as_ref() != identity.mappings.get(&mapping.name.value) {
            return Err(super::project::edited(&mapping.name.value));
        }
    }
    Ok(())
}

fn attempt(project: &Project, mappings: &[Mapping], catalog: &SourceCatalog) -> binding::Attempt {
    binding::attempt(mappings, catalog, |name| project.config.target_kind(name))
}

/// The plan over the recorded definitions and those of now, and the tables that are renewed.
async fn replanned(
    project: &Project,
    store: &DiskStore,
    identity: &Identity,
    changed: &BTreeSet<String>,
) -> Result<(Planned, Vec<TableName>), Failure> {
    let now = project.catalog_of(|mapping| changed.contains(&mapping.name.value)).await?;
    let mut renewed = Vec::new();
    for table in &now.tables {
        if standing::decoded(store, &table.name)?.is_some() {
            renewed.push(table.name.clone());
        }
    }
    let mut catalog = merged(&identity.catalog, &now, &renewed);
    let mut made = attempt(project, &project.mappings, &catalog);
    if !made.problems.is_empty() {
        // A column that came later is only in the definition of now.
        renewed = now.tables.iter().filter(|table| differs(&identity.catalog, table)).map(|table| table.name.clone()).collect();
        catalog = merged(&identity.catalog, &now, &renewed);
        made = attempt(project, &project.mappings, &catalog);
    }
    match made.problems.is_empty() {
        true => Ok((Planned { catalog, plan: made.plan }, renewed)),
        false => Err(made.problems.into()),
    }
}

fn differs(recorded: &SourceCatalog, now: &crate::schema::TableSchema) -> bool {
    let before = recorded.tables.iter().find(|table| table.name == now.name);
    before.is_some_and(|before| {
        before.columns != now.columns || before.primary_key != now.primary_key || before.unique_keys != now.unique_keys
    })
}

/// The recorded tables, those of now that are not recorded, and the renewed ones as they are now.
fn merged(recorded: &SourceCatalog, now: &SourceCatalog, renewed: &[TableName]) -> SourceCatalog {
    let mut tables = recorded.tables.clone();
    for table in &now.tables {
        match tables.iter_mut().find(|known| known.name == table.name) {
            Some(known) if renewed.contains(&table.name) => *known = table.clone(),
            Some(_) => {}
            None => tables.push(table.clone()),
        }
    }
    tables.sort_by(|left, right| left.name.cmp(&right.name));
    let mut collations = now.collations.clone();
    collations.extend(recorded.collations.clone());
    SourceCatalog { tables, collations, ..recorded.clone() }
}

/// Numbers the plan of a new state.
///
/// # Errors
/// The state's disk failed.
pub fn first_numbers(store: DiskStore, plan: &Plan) -> Result<Numbered<DiskStore>> {
    let mut numbering = Numbering::read(&store)?;
    numbering.take(&plan.names());
    store.commit(vec![numbering.put()?], Durability::Synced)?;
    Ok(Numbered::new(Arc::new(store), numbering.numbers().clone()))
}

impl Evolution {
    /// Records the plan of now, with what is to be filled for it, and opens the state under its ids.
    ///
    /// # Errors
    /// The state's disk failed; the source cannot give a table later.
    pub fn commit(&self, store: DiskStore) -> Result<Numbered<DiskStore>> {
        let store = Arc::new(store);
        let mut numbering = Numbering::read(&*store)?;
        let before = Numbered::new(Arc::clone(&store), numbering.numbers().clone());
        for id in (0..).map(MappingId).take(numbering.numbers().mappings.len()) {
            // What waits to be folded names places in the plan before.
            parts::settle(&before, id, meta::sequence(&before, id)?, 0)?;
        }
        let is_begun = !numbering.numbers().mappings.is_empty();
        let is_evolved = !(self.changed.is_empty() && self.gone.is_empty());
        if is_evolved && !is_begun {
            let message = "the state was made by an earlier version, which did not record what belongs to which mapping";
            let hint = "run it once with the mappings that it was made with, or run `strangler run --rebuild`";
            return Err(Error::new(Class::Person, message).with_hint(hint));
        }
        let fresh = numbering.take(&self.planned.plan.names());
        let mut records = vec![numbering.put()?];
        if is_evolved {
            records.push(meta::put_identity(&self.identity)?);
            records.extend(crate::migrate::evolve::records(&*store, &self.planned.plan, &fresh, &self.changed, &self.gone)?);
            for name in &self.renewed {
                records.push(standing::put_decoded(name, None)?);
            }
        }
        store.commit(records, Durability::Synced)?;
        Ok(Numbered::new(store, numbering.numbers().clone()))
    }
}
