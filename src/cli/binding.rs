//! Binding: mapping files over a catalogue become a plan, or problems with places in the files.

use std::ops::Range;

use crate::mapping::{HotChangePolicy, MappedTable, Mapping, Placed, Problem, UniqueFact, ZeroDatePolicy};
use crate::plan::{Builder, ColumnOptions, Fact, HotChange, MappingInput, Plan, PlanFinding, Policies, TableInput, ZeroDate};
use crate::schema::{Flavor, SourceCatalog, TargetKind};
use crate::sql::foreign::View;
use crate::sql::query::{Diagnostic, Query};

/// What came of an attempt.
pub struct Attempt {
    /// The plan of those mappings that could be planned, in their order; complete if there are no problems.
    pub plan: Plan,
    /// Everything that was wrong, in all mappings.
    pub problems: Vec<Problem>,
}

/// Binds every SELECT and plans every mapping; `kind_of` tells what kind of database a target is, by its name.
#[must_use]
pub fn attempt(mappings: &[Mapping], catalog: &SourceCatalog, kind_of: impl Fn(&str) -> TargetKind) -> Attempt {
    let mut problems = Vec::new();
    let mut good = Vec::new();
    let mut seen: Vec<(&Mapping, View)> = Vec::new();
    for mapping in mappings {
        match view(mapping, catalog) {
            // A source that is not in the catalogue was reported with the files.
            None => {}
            Some(Ok(view)) => seen.push((mapping, view)),
            Some(Err(problem)) => problems.push(*problem),
        }
    }
    for (mapping, view) in &seen {
        let (input, mut found) = input(mapping, view, kind_of(&mapping.target.value));
        // Planned alone first: a builder that has refused a mapping is not to be finished.
        if let Err(findings) = Builder::new(catalog).mapping_under(&view.planned, input.clone()) {
            found.extend(findings.iter().map(|finding| plan_problem(mapping, finding)));
        }
        if found.is_empty() {
            good.push((mapping, view, input));
        }
        problems.extend(found);
    }
    let mut builder = Builder::new(catalog);
    for (mapping, view, input) in good {
        if let Err(findings) = builder.mapping_under(&view.planned, input) {
            problems.extend(findings.iter().map(|finding| plan_problem(mapping, finding)));
        }
    }
    Attempt { plan: builder.finish(), problems }
}

/// What is wrong with the SELECTs by their text alone, for a source that cannot be asked.
#[must_use]
pub fn syntax_problems(mappings: &[Mapping], flavor_of: impl Fn(&str) -> Option<Flavor>) -> Vec<Problem> {
    let of_table = |(mapping, table): (&Mapping, &MappedTable)| {
        let read = flavor_of(&mapping.source.value).map(|flavor| crate::sql::referenced_tables(&table.sql.text, flavor));
        let found = read.and_then(Result::err).unwrap_or_default();
        found.iter().map(|diagnostic| sql_problem(mapping, table, diagnostic)).collect::<Vec<_>>()
    };
    mappings.iter().flat_map(|mapping| mapping.tables.iter().map(move |table| (mapping, table))).flat_map(of_table).collect()
}

/// The catalogue as a mapping sees it; `None` if a source of it is not in the catalogue.
#[must_use]
pub fn view(mapping: &Mapping, catalog: &SourceCatalog) -> Option<Result<View, Box<Problem>>> {
    let Some(several) = &mapping.several else { return catalog.seen_from(&mapping.source.value).map(View::of_one).map(Ok) };
    let names: Vec<String> = several.names.iter().map(|name| name.value.clone()).collect();
    let declared = several.collation.as_ref().map(|collation| collation.value.as_str());
    let seen = View::of_several(catalog, &names, &mapping.source.value, declared)?;
    Some(seen.map_err(|unknown| {
        let place = several.collation.as_ref().map_or_else(|| mapping.source.span.clone(), |collation| collation.span.clone());
        let message =
            format!("source {} was not found to have the collation {}", mapping.source.value, declared.unwrap_or_default());
        let problem = mapping.problem(place, message);
        Box::new(problem.with_help(format!(
            "collations that what is mapped uses, and that hold every character: {}",
            unknown.known.join(", ")
        )))
    }))
}

/// Binds one SELECT of a mapping to what the mapping sees.
///
/// # Errors
/// Every finding, with its place in the text.
pub fn bound(sql: &str, view: &View) -> Result<Query, Vec<Diagnostic>> {
    let mut query = crate::sql::bind(sql, &view.bound)?;
    view.adopt(&mut query);
    Ok(query)
}

/// What of a mapping can be bound, and what was wrong with the rest.
fn input(mapping: &Mapping, view: &View, target: TargetKind) -> (MappingInput, Vec<Problem>) {
    let mut tables = Vec::new();
    let mut problems = Vec::new();
    for table in &mapping.tables {
        match bound(&table.sql.text, view) {
            Ok(query) => tables.push(table_input(mapping, table, query)),
            Err(found) => problems.extend(found.iter().map(|diagnostic| sql_problem(mapping, table, diagnostic))),
        }
    }
    let zero_date = match mapping.policies.zero_date {
        ZeroDatePolicy::Stop => ZeroDate::Stop,
        ZeroDatePolicy::Null => ZeroDate::Null,
        ZeroDatePolicy::FirstDay => ZeroDate::FirstDay,
    };
    let hot_change = match mapping.policies.hot_change {
        HotChangePolicy::Strict => HotChange::Strict,
        HotChangePolicy::Deferred => HotChange::Deferred,
    };
    let policies = Policies { zero_date, hot_change };
    let mut facts = Vec::new();
    for fact in &mapping.facts {
        match unique_fact(mapping, fact, view) {
            Ok(fact) => facts.push(fact),
            Err(problem) => problems.push(*problem),
        }
    }
    (MappingInput { name: mapping.name.value.clone(), target, policies, tables, facts }, problems)
}

/// A declared fact, bound to the catalogue.
fn unique_fact(mapping: &Mapping, placed: &Placed<UniqueFact>, view: &View) -> Result<Fact, Box<Problem>> {
    let (fact, catalog) = (&placed.value, &view.bound);
    let problem = |message: String, help: &str| Box::new(mapping.problem(placed.span.clone(), message).with_help(help));
    let (schema, name) = match fact.table.rsplit_once('.') {
        Some((schema, name)) => (Some(schema), name),
        None => (None, fact.table.as_str()),
    };
    let Some((table, definition)) = catalog.table(schema, name) else {
        let message = format!("a fact is about {}, which no SELECT of the mapping reads", fact.table);
        return Err(problem(message, "name a table of the mapping"));
    };
    let mut columns = Vec::new();
    for column in &fact.columns {
        let ordinal = definition.columns.iter().position(|candidate| candidate.name.to_lowercase() == column.to_lowercase());
        let unknown =
            || problem(format!("a fact is about column {column}, which {} does not have", fact.table), "check the name");
        columns.push(ordinal.ok_or_else(unknown)?);
    }
    let mut filter = crate::sql::bind_condition(table, &fact.condition, catalog).map_err(|found| {
        let first = found.into_iter().next();
        let (message, help) = first.map(|first| (first.message, first.help)).unwrap_or_default();
        problem(format!("the condition of a fact: {message}"), &help)
    })?;
    filter.iter_mut().for_each(|filter| view.adopt_over(table, filter));
    let written = match mapping.several {
        None => Vec::new(),
        Some(_) => columns.iter().filter_map(|ordinal| view.column(table, *ordinal)).collect(),
    };
    Ok(Fact { table, columns, written, filter, condition: fact.condition.clone() })
}

fn table_input(mapping: &Mapping, table: &MappedTable, query: Query) -> TableInput {
    let option = |option: &crate::mapping::ColumnOption| ColumnOptions {
        target_type: option.target_type.clone(),
        description: option.description.clone(),
    };
    TableInput {
        schema: mapping.schema.clone(),
        name: table.name.value.clone(),
        description: table.description.clone(),
        key: table.key.value.clone(),
        indexes: table.indexes.iter().map(|index| index.value.clone()).collect(),
        columns: table.columns.iter().map(|(name, placed)| (name.clone(), option(&placed.value))).collect(),
        sql: table.sql.text.clone(),
        query,
    }
}

/// A finding in a SELECT, at its place in the file.
#[must_use]
pub fn sql_problem(mapping: &Mapping, table: &MappedTable, diagnostic: &Diagnostic) -> Problem {
    table
        .sql_problem(&mapping.file, &diagnostic.span, diagnostic.message.as_str())
        .with_label(diagnostic.label.as_str())
        .with_help(diagnostic.help.as_str())
}

/// A finding of the plan, at its place in the file.
fn plan_problem(mapping: &Mapping, finding: &PlanFinding) -> Problem {
    let Some(table) = mapping.tables.iter().find(|table| table.name.value == finding.table) else {
        return mapping.problem(mapping.name.span.clone(), finding.message.as_str()).with_help(finding.help.as_str());
    };
    let problem = match &finding.span {
        Some(span) => table.sql_problem(&mapping.file, span, finding.message.as_str()),
        None => mapping.problem(declared_place(table, &finding.message), finding.message.as_str()),
    };
    problem.with_help(finding.help.as_str())
}

/// The part of a table's declaration that a message speaks of; its key where it names no other.
fn declared_place(table: &MappedTable, message: &str) -> Range<usize> {
    let words = || message.split([' ', ',']);
    let column = words().skip_while(|word| *word != "column").nth(1).unwrap_or_default();
    if words().next() == Some("indexes") {
        let index = table.indexes.iter().find(|index| index.value.iter().any(|name| name == column));
        return index.map_or_else(|| table.name.span.clone(), |index| index.span.clone());
    }
    if words().next() == Some("key") {
        return table.key.span.clone();
    }
    table.columns.get(column).map_or_else(|| table.key.span.clone(), |option| option.span.clone())
}
