//! Sources: the legacy databases that a project's mappings read, and what of a catalogue or a plan belongs to one of them.
//!
//! With one source everything is as that source has it. With several, names are qualified by the source (`schema/several.rs`); whoever speaks
//! to one server gets its own names back here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::binding;
use super::project::{Planned, Project};
use crate::config;
use crate::error::{Error, Result};
use crate::mapping::{Mapping, Problem};
use crate::plan::{FactPlan, MappingId, NodePlan, Plan};
use crate::review::preflight::{self, Report};
use crate::schema::{SourceCatalog, TableName};
use crate::source::database::Database;
use crate::verify::base::Evaluated;

/// The names of the sources that some mappings read.
#[must_use]
pub fn names(mappings: &[Mapping]) -> BTreeSet<String> {
    mappings.iter().flat_map(Mapping::sources).map(|source| source.value.clone()).collect()
}

/// How a state names its sources.
#[must_use]
pub fn label(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join("+")
}

/// Names that could be read two ways once they stand in front of other names.
#[must_use]
pub fn unsuitable(mappings: &[Mapping]) -> Vec<Problem> {
    if names(mappings).len() < 2 {
        return Vec::new();
    }
    let mut problems = Vec::new();
    for mapping in mappings {
        for source in mapping.sources().filter(|source| source.value.contains(['.', ':', '+'])) {
            let message = format!("source {} is read beside others, so its name may not hold `.`, `:` or `+`", source.value);
            problems.push(mapping.problem(source.span.clone(), message).with_help("rename it in the project file"));
        }
    }
    problems
}

/// The databases of some sources; each connects when it is first used.
///
/// # Errors
/// `Mapping` if a source is not in the project file or its password cannot be read.
pub fn open(config: &config::Project, names: &BTreeSet<String>) -> Result<BTreeMap<String, Arc<Database>>> {
    names.iter().map(|name| Ok((name.clone(), Arc::new(Database::new(config.source_options(name)?))))).collect()
}

/// Every table that the SELECTs of some mappings name; with their sources if the engine reads several.
///
/// # Errors
/// A source is not in the project file (`Bug`).
pub fn table_names<'m>(
    config: &config::Project,
    mappings: impl Iterator<Item = &'m Mapping>,
    is_several: bool,
) -> Result<Vec<TableName>> {
    let naming =
        |source: &str| config.naming(source).ok_or_else(|| Error::bug("the source of a mapping is not in the project file"));
    let mut names = Vec::new();
    for mapping in mappings {
        let (default_schema, flavor) = naming(&mapping.source.value)?;
        for table in &mapping.tables {
            // What cannot be read is reported by binding.
            for (schema, name) in crate::sql::referenced_tables(&table.sql.text, flavor).unwrap_or_default() {
                if mapping.several.is_some() {
                    for source in mapping.sources() {
                        let (default_schema, _) = naming(&source.value)?;
                        names.extend(meant(&source.value, default_schema, schema.as_deref(), &name));
                    }
                    continue;
                }
                let own = TableName { schema: schema.unwrap_or_else(|| default_schema.clone()), name };
                names.push(if is_several { own.within(&mapping.source.value) } else { own });
            }
        }
    }
    names.sort();
    names.dedup();
    Ok(names)
}

/// The table of one of several sources that a name may mean.
fn meant(source: &str, default_schema: String, schema: Option<&str>, name: &str) -> Option<TableName> {
    let own = |schema: String| TableName { schema, name: name.to_owned() }.within(source);
    match schema.map(|schema| schema.split_once('.').unwrap_or((schema, ""))) {
        None => Some(own(default_schema)),
        Some((named, "")) => (named == source).then(|| own(default_schema)),
        Some((named, schema)) => (named == source).then(|| own(schema.to_owned())),
    }
}

/// What is compared with a target table: the one source of its mapping, under its own names.
pub struct Compared {
    /// The source's name.
    pub name: String,
    /// The source.
    pub source: Arc<Database>,
    /// The catalogue and the plan as it has them.
    pub planned: Planned,
}

impl Project {
    /// Whether the engine reads several sources.
    #[must_use]
    pub fn is_several(&self) -> bool {
        self.source.members().len() > 1
    }

    /// What of a plan one source can be asked about: the target tables and facts of the mappings over it alone, and its tables under its own names.
    /// Tables keep their places.
    #[must_use]
    pub fn plan_of(&self, plan: &Plan, source: &str) -> Plan {
        let mut plan = plan.clone();
        if !self.is_several() {
            return plan;
        }
        let named = |name: &String| self.mappings.iter().find(|mapping| mapping.name.value == *name);
        let written: Vec<Option<&Mapping>> = plan.mappings.iter().map(|mapping| named(&mapping.name)).collect();
        let of_id = |id: MappingId| written.get(id.0 as usize).copied().flatten();
        let is_kept = |id: MappingId| of_id(id).is_some_and(|mapping| mapping.sources().all(|one| one.value == source));
        // Of a mapping over several, the facts about its dialect's own tables: others are not in this server's words.
        let is_dialect_of =
            |id: MappingId| of_id(id).is_some_and(|mapping| mapping.sources().count() > 1 && mapping.source.value == source);
        plan.nodes.retain(|node| is_kept(node.mapping));
        let asked = |fact: FactPlan| {
            if is_kept(fact.mapping) {
                return Some(fact);
            }
            let table =
                fact.table.apart().filter(|(of, _)| *of == source && is_dialect_of(fact.mapping)).map(|(_, table)| table)?;
            Some(FactPlan { table, ..fact })
        };
        plan.facts = std::mem::take(&mut plan.facts).into_iter().filter_map(asked).collect();
        for table in &mut plan.tables {
            if let (Some((of, schema)), Some((_, layout))) = (table.schema.apart(), table.layout.apart())
                && of == source
            {
                (table.schema, table.layout) = (schema, layout);
            }
        }
        plan
    }

    /// The source that a mapping's SELECTs can be put to.
    ///
    /// # Errors
    /// `Bug` if the mapping is not in the project.
    pub fn compared(&self, planned: &Planned, mapping: &str) -> Result<Compared> {
        let unknown = || Error::bug(format!("mapping {mapping} of the plan is not in the project"));
        let found = self.mappings.iter().find(|candidate| candidate.name.value == mapping).ok_or_else(unknown)?;
        let name = found.source.value.clone();
        let source = Arc::clone(self.source.members().get(&name).ok_or_else(unknown)?);
        let catalog = planned.catalog.seen_from(&name).ok_or_else(unknown)?;
        let plan = self.plan_of(&planned.plan, &name);
        Ok(Compared { name, source, planned: Planned { catalog, plan } })
    }

    /// What is compared for a target table of a mapping over several sources: its SELECT, to be evaluated here. `None` for a mapping over one.
    ///
    /// # Errors
    /// `Bug` if the SELECT could be planned and cannot be bound.
    pub fn evaluated(&self, planned: &Planned, mapping: &str, node: &NodePlan) -> Result<Option<Evaluated>> {
        let found = self.mappings.iter().find(|candidate| candidate.name.value == mapping);
        let Some(found) = found.filter(|found| found.several.is_some()) else { return Ok(None) };
        let unbound = || Error::bug(format!("the SELECT of {} was planned and cannot be bound", node.table.name));
        let view = binding::view(found, &planned.catalog).and_then(std::result::Result::ok).ok_or_else(unbound)?;
        let query = binding::bound(&node.sql, &view).map_err(|_| unbound())?;
        Ok(Some(Evaluated { query: Arc::new(query), catalog: Arc::new(view.planned) }))
    }

    /// What every source says about the tables of a catalogue.
    ///
    /// # Errors
    /// A source cannot be asked.
    pub async fn source_findings(&self, report: &mut Report, catalog: &SourceCatalog) -> Result<()> {
        for (name, source) in self.source.members() {
            let Some(own) = catalog.of_source(name) else { continue };
            let guessed = self.guessed(name);
            let mut found = Report::default();
            preflight::of_source(&mut found, name, &**source, &own).await?;
            // A name without its source was asked for everywhere; if nobody has it, the SELECT says so.
            let is_guess = |object: &str| guessed.iter().any(|table| table.to_string() == object.replace('`', ""));
            found
                .findings
                .retain(|(_, finding)| !(matches!(finding.check, "no_table" | "missing_table") && is_guess(&finding.object)));
            found.findings.into_iter().for_each(|(database, finding)| report.add(&database, vec![finding]));
        }
        Ok(())
    }

    /// The tables of a source that mappings over several may mean by a bare name.
    fn guessed(&self, source: &str) -> Vec<TableName> {
        let several = self.mappings.iter().filter(|mapping| mapping.sources().count() > 1);
        let reads = several.filter(|mapping| mapping.sources().any(|one| one.value == source));
        let mut names = Vec::new();
        for mapping in reads {
            let naming = |source: &str| self.config.naming(source);
            let (Some((default_schema, _)), Some((_, flavor))) = (naming(source), naming(&mapping.source.value)) else {
                continue;
            };
            for table in &mapping.tables {
                let written = crate::sql::referenced_tables(&table.sql.text, flavor).unwrap_or_default();
                let bare = written.into_iter().filter(|(schema, _)| schema.is_none());
                names.extend(bare.map(|(_, name)| TableName { schema: default_schema.clone(), name }));
            }
        }
        names
    }
}
