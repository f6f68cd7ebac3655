//! Sources: the legacy databases that a project's mappings read, and what of a catalogue or a plan belongs to one of them.
//!
//! With one source everything is as that source has it. With several, names are qualified by the source (`schema/several.rs`); whoever speaks
//! to one server gets its own names back here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::project::{Planned, Project};
use crate::config;
use crate::error::{Error, Result};
use crate::mapping::{Mapping, Problem};
use crate::plan::{MappingId, Plan};
use crate::review::preflight::{self, Report};
use crate::schema::{SourceCatalog, TableName};
use crate::source::database::Database;

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
                let own = TableName { schema: schema.unwrap_or_else(|| default_schema.clone()), name };
                names.push(if is_several { own.within(&mapping.source.value) } else { own });
            }
        }
    }
    names.sort();
    names.dedup();
    Ok(names)
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
        let is_over = |name: &str| {
            let mapping = self.mappings.iter().find(|mapping| mapping.name.value == name);
            mapping.is_some_and(|mapping| mapping.sources().all(|one| one.value == source))
        };
        let over: Vec<bool> = plan.mappings.iter().map(|mapping| is_over(&mapping.name)).collect();
        let is_kept = |id: MappingId| over.get(id.0 as usize).copied().unwrap_or_default();
        plan.nodes.retain(|node| is_kept(node.mapping));
        plan.facts.retain(|fact| is_kept(fact.mapping));
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

    /// What every source says about the tables of a catalogue.
    ///
    /// # Errors
    /// A source cannot be asked.
    pub async fn source_findings(&self, report: &mut Report, catalog: &SourceCatalog) -> Result<()> {
        for (name, source) in self.source.members() {
            if let Some(own) = catalog.of_source(name) {
                preflight::of_source(report, name, &**source, &own).await?;
            }
        }
        Ok(())
    }
}
