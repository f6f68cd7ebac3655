//! Collects mappings and turns them into one plan over shared tables and indexes.
//!
//! Every mapping is planned in catalogue ordinals as it comes; which columns are stored is known only when all have come, so
//! [`Builder::finish`] moves every column reference to its place in the stored row.

use xxhash_rust::xxh3::xxh3_128;

use crate::plan::access::{Reach, plan_access};
use crate::plan::accumulate::plan_accumulators;
use crate::plan::anchor::{Candidate, candidates};
use crate::plan::facts::watch;
use crate::plan::grouping::plan_grouping;
use crate::plan::indexes::{IndexPool, Indexed};
use crate::plan::input::{Fact, MappingInput, PlanFinding, TableInput};
use crate::plan::layout::{place_branch, place_indexes, plan_tables};
use crate::plan::missing::check_missing_rows;
use crate::plan::normal;
use crate::plan::output::{is_exact, row_size};
use crate::plan::print;
use crate::plan::proof::{DeclaredKey, prove_branches_apart, prove_key};
use crate::plan::scopes::Scopes;
use crate::plan::typing::{self, Typed};
use crate::plan::walks::plan_walks;
use crate::plan::{BranchPlan, FactPlan, MappingId, MappingPlan, NodeId, NodePlan, Plan, Policies, ZeroDate};
use crate::schema::{DataType, Flavor, SourceCatalog, TargetColumn, TargetKind, TargetTable};
use crate::sql::query::{AliasId, Branch};

/// Builds a [`Plan`] mapping by mapping.
pub struct Builder<'a> {
    catalog: &'a SourceCatalog,
    /// The catalogue as the mapping at hand sees it.
    view: &'a SourceCatalog,
    pool: IndexPool,
    /// Those of the mapping at hand.
    facts: Vec<Fact>,
    watched: Vec<FactPlan>,
    mappings: Vec<MappingPlan>,
    nodes: Vec<NodePlan>,
}

impl<'a> Builder<'a> {
    /// A plan without mappings over a catalogue.
    #[must_use]
    pub fn new(catalog: &'a SourceCatalog) -> Self {
        Self {
            catalog,
            view: catalog,
            pool: IndexPool::default(),
            facts: Vec::new(),
            watched: Vec::new(),
            mappings: Vec::new(),
            nodes: Vec::new(),
        }
    }

    /// Plans one mapping.
    ///
    /// # Errors
    /// All findings of the mapping at once; the plan is then as if the mapping had not been offered, apart from its indexes, so
    /// a plan with findings is not to be used.
    pub fn mapping(&mut self, input: MappingInput) -> Result<(), Vec<PlanFinding>> {
        self.mapping_under(self.catalog, input)
    }

    /// Plans one mapping under what it sees of the catalogue: tables at the same places, with the names and semantics it was bound to.
    ///
    /// # Errors
    /// As [`Self::mapping`].
    pub fn mapping_under(&mut self, view: &'a SourceCatalog, input: MappingInput) -> Result<(), Vec<PlanFinding>> {
        self.view = view;
        let id = MappingId(u32::try_from(self.mappings.len()).unwrap_or(u32::MAX));
        self.facts = input.facts;
        let mut nodes = Vec::new();
        let mut findings = Vec::new();
        for table in input.tables {
            let name = table.name.clone();
            match self.node(id, table, (input.target, input.policies)) {
                Ok(node) => nodes.push(node),
                Err(found) => findings.extend(found.into_iter().map(|finding| PlanFinding { table: name.clone(), ..finding })),
            }
        }
        for fact in self.facts.clone() {
            match watch(self.view, &mut self.pool, id, &fact) {
                Ok(fact) => self.watched.push(fact),
                Err(finding) => findings.push(finding),
            }
        }
        if !findings.is_empty() {
            return Err(findings);
        }
        let first = self.nodes.len();
        let ids = (first..first + nodes.len()).filter_map(|index| u32::try_from(index).ok().map(NodeId)).collect();
        self.nodes.extend(nodes);
        self.mappings.push(MappingPlan { name: input.name, nodes: ids, policies: input.policies });
        Ok(())
    }

    fn node(
        &mut self,
        mapping: MappingId,
        input: TableInput,
        (kind, policies): (TargetKind, Policies),
    ) -> Result<NodePlan, Vec<PlanFinding>> {
        let table = target_table(&input, (kind, self.view.flavor), policies)?;
        let names: Vec<String> =
            table.key.iter().filter_map(|column| table.columns.get(*column)).map(|column| column.name.clone()).collect();
        let outputs: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
        let key = DeclaredKey { columns: &table.key, names: &names, outputs: &outputs };
        let mut meaning = format!("{:?} Policies {{ zero_date: {:?} }}", table, policies.zero_date);
        for fact in &self.facts {
            meaning.push_str(&format!("{:?} {:?} {}", fact.table, fact.columns, fact.condition));
        }
        let mut branches = Vec::new();
        let mut findings = Vec::new();
        for branch in &input.query.branches {
            meaning.push_str(&self::meaning(self.view, branch));
            match self.branches(branch, &key, &table, policies) {
                Ok(plans) => branches.extend(plans),
                Err(found) => findings.extend(found),
            }
        }
        if findings.is_empty() {
            let sides: Vec<&Branch> = branches.iter().map(|plan| &plan.branch).collect();
            findings.extend(prove_branches_apart(&sides, &table, &policies, &names).err());
        }
        if !findings.is_empty() {
            return Err(findings);
        }
        for plan in &mut branches {
            let branch = plan.branch.clone();
            plan_accumulators(&Scopes::of(&branch, self.view, &self.facts), plan, &mut self.pool);
        }
        Ok(NodePlan { mapping, table, branches, policies, sql: input.sql, meaning: xxh3_128(meaning.as_bytes()) })
    }

    /// The plans of one branch of the statement. A UNION without ALL is planned as UNION ALL if its SELECTs are proven to have no row in
    /// common, and as groups over all of them if not.
    fn branches(
        &mut self,
        branch: &Branch,
        key: &DeclaredKey<'_>,
        table: &TargetTable,
        policies: Policies,
    ) -> Result<Vec<BranchPlan>, Vec<PlanFinding>> {
        if let Some(parts) = normal::without_union(branch) {
            let before = self.pool.clone();
            let parts: Vec<Branch> = parts.iter().flat_map(normal::normalise).collect();
            let apart = prove_branches_apart(&parts.iter().collect::<Vec<_>>(), table, &policies, key.names).is_ok();
            if apart && let Ok(plans) = parts.iter().map(|part| self.branch(part, key)).collect::<Result<Vec<_>, _>>() {
                return Ok(plans);
            }
            self.pool = before;
        }
        let plans = normal::normalise(branch).into_iter().map(|branch| self.branch(&branch, key));
        plans.collect()
    }

    /// Plans a branch from the best anchor that works.
    fn branch(&mut self, branch: &Branch, key: &DeclaredKey<'_>) -> Result<BranchPlan, Vec<PlanFinding>> {
        let scopes = Scopes::of(branch, self.view, &self.facts);
        check_identities(&scopes)?;
        check_missing_rows(&scopes)?;
        prove_key(&scopes, key).map_err(|finding| vec![finding])?;
        let mut refused = None;
        let candidates = candidates(&scopes, key);
        let attempts =
            [Reach::Equalities, Reach::SmallTables].into_iter().flat_map(|reach| candidates.iter().map(move |one| (reach, one)));
        for (reach, candidate) in attempts {
            let mut pool = self.pool.clone();
            match from_anchor(&scopes, candidate, reach, &mut pool) {
                Ok(plan) => {
                    self.pool = pool;
                    return Ok(plan);
                }
                Err(findings) => refused = refused.or(Some(findings)),
            }
        }
        Err(refused.unwrap_or_else(|| vec![no_anchor(&scopes)]))
    }

    /// The finished plan.
    #[must_use]
    pub fn finish(self) -> Plan {
        let branches =
            self.nodes.iter().flat_map(|node| &node.branches).chain(self.pool.accumulators.iter().flat_map(|one| &one.bodies));
        let branches = branches.map(|plan| &plan.branch);
        let (tables, places) = plan_tables(self.catalog, branches, &self.pool);
        let indexes = place_indexes(self.pool.plans, &places);
        let mut nodes = self.nodes;
        let mut accumulators = self.pool.accumulators;
        let bodies = accumulators.iter_mut().flat_map(|accumulator| &mut accumulator.bodies);
        for plan in nodes.iter_mut().flat_map(|node| &mut node.branches).chain(bodies) {
            place_branch(plan, &places);
        }
        Plan { tables, indexes, accumulators, mappings: self.mappings, nodes, facts: self.watched }
    }
}

/// What a branch computes, by the names of tables and columns.
pub(crate) fn meaning(catalog: &SourceCatalog, branch: &Branch) -> String {
    let names = |alias: AliasId, column: usize| {
        let table = branch.aliases.get(alias.0).and_then(|definition| definition.table);
        let schema = table.and_then(|table| catalog.tables.get(table.0 as usize));
        match schema.and_then(|schema| schema.columns.get(column)) {
            Some(named) => format!("{}.{}", alias.0, named.name),
            None if column == usize::MAX => format!("{}={:?}", alias.0, schema.map(|schema| &schema.name)),
            None => format!("{}.{column}", alias.0),
        }
    };
    format!("{} {:?}", print::exact(&branch.select, &names), catalog.session)
}

/// The plan of a branch from one anchor, without accumulators.
pub(crate) fn from_anchor(
    scopes: &Scopes<'_>,
    candidate: &Candidate,
    reach: Reach,
    pool: &mut IndexPool,
) -> Result<BranchPlan, Vec<PlanFinding>> {
    let anchor = candidate.anchor(scopes, pool).map_err(|finding| vec![finding])?;
    let aliases = candidate.aliases();
    // A relation that nothing binds often cannot be traced either; the first says what to change.
    let mut access = plan_access(scopes, pool, &aliases, reach)?;
    let walks = plan_walks(scopes, pool, &aliases, reach)?;
    plan_grouping(scopes, &mut access)?;
    Ok(BranchPlan { branch: scopes.branch.clone(), anchor, walks, access, unread: std::collections::BTreeMap::new() })
}

fn no_anchor(scopes: &Scopes<'_>) -> PlanFinding {
    let select = &scopes.branch.select;
    match select.group_by {
        Some(_) => PlanFinding::at(
            &select.span,
            "no group expression is over one inner-joined table, so a group cannot be found by an index",
            "group by a column of a table that is not LEFT joined",
        ),
        None => PlanFinding::at(
            &select.span,
            "no stored table stands in FROM as an inner relation, so there is nothing to derive the rows from",
            "name the table itself in FROM instead of a derived table",
        ),
    }
}

/// Rows are found by their identity, so the engine must be able to compare it as the source does.
fn check_identities(scopes: &Scopes<'_>) -> Result<(), Vec<PlanFinding>> {
    let mut findings = Vec::new();
    for (alias, table) in scopes.base_aliases() {
        let Some(indexed) = Indexed::of(scopes.catalog, table) else { continue };
        let mut columns = indexed.schema.identity().into_iter().flat_map(|key| &key.columns);
        if let Some(ordinal) = columns.find(|ordinal| indexed.column_kind(**ordinal).is_none()) {
            let column = indexed.schema.columns.get(*ordinal).map_or("?", |column| column.name.as_str());
            let span = scopes.branch.aliases.get(alias.0).map(|definition| definition.span.clone()).unwrap_or_default();
            let message = format!(
                "key column {column} of {} has a type or collation that cannot be compared as the source does",
                indexed.schema.name
            );
            findings.push(PlanFinding::at(&span, message, "give the table a key over other columns"));
        }
    }
    if findings.is_empty() { Ok(()) } else { Err(findings) }
}

fn target_table(
    input: &TableInput,
    (kind, flavor): (TargetKind, Flavor),
    policies: Policies,
) -> Result<TargetTable, Vec<PlanFinding>> {
    let mut findings = Vec::new();
    let position = |name: &str| input.query.columns.iter().position(|column| column.name == name);
    let unknown = |name: &str, place: &str| {
        let known: Vec<&str> = input.query.columns.iter().map(|column| column.name.as_str()).collect();
        PlanFinding::declared(
            format!("{place} names column {name}, which the SELECT does not give"),
            format!("it gives {}", known.join(", ")),
        )
    };
    for name in input.columns.keys().filter(|name| position(name).is_none()) {
        findings.push(unknown(name, "columns"));
    }
    let mut key = Vec::new();
    for name in &input.key {
        match position(name) {
            Some(column) => key.push(column),
            None => findings.push(unknown(name, "key")),
        }
    }
    if input.key.is_empty() {
        findings.push(PlanFinding::declared("the table has no key", "declare key: [column, ..]"));
    }
    let mut indexes = Vec::new();
    for names in &input.indexes {
        findings.extend(names.iter().filter(|name| position(name).is_none()).map(|name| unknown(name, "indexes")));
        indexes.push(names.iter().filter_map(|name| position(name)).collect());
    }
    let mut columns = Vec::new();
    for (index, output) in input.query.columns.iter().enumerate() {
        match target_column(input, Typed { index, output, in_key: key.contains(&index), kind, flavor }, policies) {
            Ok(column) => columns.push(column),
            Err(finding) => findings.push(finding),
        }
    }
    if findings.is_empty() {
        findings.extend(typing::unusable_keys(&columns, &key, &indexes, kind));
        findings.extend(fit_row(input, &mut columns, &key, &indexes).err());
    }
    if !findings.is_empty() {
        return Err(findings);
    }
    let (schema, name, description) = (input.schema.clone(), input.name.clone(), input.description.clone());
    Ok(TargetTable { schema, name, columns, key, indexes, description })
}

/// Makes room in rows that the target would refuse.
fn fit_row(input: &TableInput, columns: &mut [TargetColumn], key: &[usize], indexes: &[Vec<usize>]) -> Result<(), PlanFinding> {
    let is_declared = |index: usize| {
        let output = input.query.columns.get(index);
        output.and_then(|output| input.columns.get(&output.name)).is_some_and(|options| options.target_type.is_some())
    };
    let stays =
        |index: usize| key.contains(&index) || indexes.iter().flatten().any(|member| *member == index) || is_declared(index);
    row_size::fit(columns, stays)
}

fn target_column(input: &TableInput, typed: Typed<'_>, policies: Policies) -> Result<TargetColumn, PlanFinding> {
    let Typed { output, in_key, .. } = typed;
    let options = input.columns.get(&output.name).cloned().unwrap_or_default();
    if let DataType::Unsupported { native } = &output.data_type {
        return Err(PlanFinding::at(
            &output.span,
            format!("values of type {native} cannot be carried"),
            "leave the column out or cast it",
        ));
    }
    let target = typed.target_type(&input.query, options.target_type.as_deref())?;
    if !is_exact(&output.data_type, &target) {
        let written = options.target_type.unwrap_or_default();
        let message = format!("column {} cannot become {written}: the conversion would not be exact", output.name);
        return Err(PlanFinding::declared(message, "cast it in the SELECT, where the source decides what that means"));
    }
    let is_day = matches!(output.data_type, DataType::Date | DataType::DateTime { .. } | DataType::Timestamp { .. });
    if in_key && is_day && policies.zero_date == ZeroDate::FirstDay {
        let message = format!(
            "key column {} may hold a zero date, and the policy zero_date: 0001-01-01 could make two keys one",
            output.name
        );
        return Err(PlanFinding::at(&output.span, message, "use zero_date: stop"));
    }
    let nullable = !in_key && (output.nullable || (is_day && policies.zero_date == ZeroDate::Null));
    Ok(TargetColumn { name: output.name.clone(), target_type: target, nullable, description: options.description })
}

impl Plan {
    /// Changes when anything that gives the state or the target of a mapping its meaning changes; a reformatted file keeps it.
    #[must_use]
    pub fn fingerprint(&self, mapping: MappingId) -> u128 {
        let mut bytes = Vec::new();
        for node in self.nodes.iter().filter(|node| node.mapping == mapping) {
            bytes.extend_from_slice(&node.meaning.to_be_bytes());
            for table in self.tables_of(node) {
                let Some(plan) = self.tables.get(table.0 as usize) else { continue };
                bytes.extend_from_slice(format!("{:?}", plan.schema.name).as_bytes());
                bytes.extend_from_slice(format!("{:?}", plan.schema.identity()).as_bytes());
            }
        }
        xxh3_128(&bytes)
    }

    /// The legacy tables a target table is derived from.
    #[must_use]
    pub fn tables_of(&self, node: &NodePlan) -> std::collections::BTreeSet<crate::schema::TableId> {
        let aliases = node.branches.iter().flat_map(|plan| &plan.branch.aliases);
        aliases.filter_map(|definition| definition.table).collect()
    }
}
