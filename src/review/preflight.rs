//! Preflight: everything that speaks against running a plan, asked of source and target at once.
//!
//! In: the plan, its catalogue, the source and the targets. Out: a [`Report`] of findings, worst first, grouped by object, each with what
//! mends it. Nothing is written anywhere.

use std::sync::Arc;

use serde::Serialize;

use crate::error::{Class, Result};
use crate::finding::{Finding, Severity};
use crate::plan::{FactPlan, MappingPlan, Plan};
use crate::schema::{SourceCatalog, TargetTable};
use crate::source::Source;
use crate::target::{Checkpoint, Phase, TableState, Target};

/// All findings about a plan.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The findings, each with the database it is about, e.g. `source erp`.
    pub findings: Vec<(String, Finding)>,
    /// What was found about each target table.
    pub tables: Vec<TableReport>,
}

/// What was found about a target table.
#[derive(Debug, Clone, Serialize)]
pub struct TableReport {
    /// Its mapping.
    pub mapping: String,
    /// Its name.
    pub table: String,
    /// `absent` (will be created), `empty`, `owned` (holds rows that a checkpoint explains), `filled` (holds rows that none explains) or `differs`.
    pub state: &'static str,
}

/// A finding as JSON.
#[derive(Debug, Serialize)]
pub struct FindingJson<'a> {
    database: &'a str,
    severity: &'static str,
    check: &'static str,
    object: &'a str,
    message: &'a str,
    remedy: &'a str,
}

impl Report {
    /// The class of the exit code: a missing privilege before a refusal; `None` if nothing speaks against running.
    #[must_use]
    pub fn class(&self) -> Option<Class> {
        match self.findings.iter().map(|(_, finding)| finding.severity).max()? {
            Severity::Privilege => Some(Class::Privilege),
            Severity::Refused => Some(Class::Preflight),
            Severity::Note | Severity::Warning => None,
        }
    }

    /// How many findings speak against running.
    #[must_use]
    pub fn refusal_count(&self) -> usize {
        self.findings.iter().filter(|(_, finding)| finding.severity >= Severity::Refused).count()
    }

    /// Adds findings about a database.
    pub fn add(&mut self, database: &str, findings: Vec<Finding>) {
        for finding in findings {
            let entry = (database.to_owned(), finding);
            if !self.findings.contains(&entry) {
                self.findings.push(entry);
            }
        }
    }

    /// Worst first, then by database and object.
    pub fn sort(&mut self) {
        self.findings.sort_by(|(left_database, left), (right_database, right)| {
            right
                .severity
                .cmp(&left.severity)
                .then_with(|| (left_database, &left.object, left.check).cmp(&(right_database, &right.object, right.check)))
        });
    }

    /// The findings as JSON values.
    #[must_use]
    pub fn json(&self) -> Vec<FindingJson<'_>> {
        self.findings
            .iter()
            .map(|(database, finding)| FindingJson {
                database,
                severity: severity_name(finding.severity),
                check: finding.check,
                object: &finding.object,
                message: &finding.message,
                remedy: &finding.remedy,
            })
            .collect()
    }
}

/// The word for a severity.
#[must_use]
pub fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Refused => "refused",
        Severity::Privilege => "privilege",
    }
}

/// What the source says about a catalogue's tables.
///
/// # Errors
/// The source cannot be asked.
pub async fn of_source<S: Source>(report: &mut Report, name: &str, source: &S, catalog: &SourceCatalog) -> Result<()> {
    let findings = source.preflight(catalog).await?;
    report.add(&format!("source {name}"), findings);
    Ok(())
}

/// Looks for rows that break a declared fact, in one bounded statement per fact.
///
/// # Errors
/// The statement cannot be written for this source (`Bug`).
pub async fn of_facts<S: Source>(report: &mut Report, name: &str, source: &S, plan: &Plan) -> Result<()> {
    for fact in &plan.facts {
        let mut count = 0;
        let count_type = crate::schema::DataType::Integer { bits: 64, unsigned: false };
        let mut visit = |row: crate::value::Row| {
            count = match row.first() {
                Some(crate::value::Value::Int(count)) => *count,
                _ => 0,
            };
            Ok(())
        };
        let answer = source.select(&broken_keys(source, fact), &[], &[count_type], &mut visit).await;
        let (severity, message) = match answer {
            Ok(()) if count == 0 => continue,
            Ok(()) if count > BROKEN_KEYS_MAX => {
                (Severity::Refused, format!("more than {BROKEN_KEYS_MAX} keys have several rows"))
            }
            Ok(()) => (Severity::Refused, format!("{count} keys have several rows")),
            Err(error) => (Severity::Warning, format!("could not be looked for in the data: {error}")),
        };
        let remedy = "correct the rows, or take the fact out of the mapping: a run would stop at them".to_owned();
        let finding = Finding { severity, check: "fact", object: fact.to_string(), message, remedy };
        report.add(&format!("source {name}"), vec![finding]);
    }
    Ok(())
}

/// More broken keys of a fact are not counted.
const BROKEN_KEYS_MAX: i64 = 1_000;

fn broken_keys<S: Source>(source: &S, fact: &FactPlan) -> String {
    let table = format!("{}.{}", source.identifier(&fact.table.schema), source.identifier(&fact.table.name));
    let columns: Vec<String> = fact.columns.iter().map(|column| source.identifier(column)).collect();
    let mut conditions: Vec<String> = columns.iter().map(|column| format!("{column} IS NOT NULL")).collect();
    if !fact.condition.is_empty() {
        conditions.push(format!("({}\n)", fact.condition));
    }
    format!(
        "SELECT COUNT(*) FROM (SELECT 1 AS one FROM {table} WHERE {} GROUP BY {} HAVING COUNT(*) > 1 LIMIT {}) AS broken",
        conditions.join(" AND "),
        columns.join(", "),
        BROKEN_KEYS_MAX + 1
    )
}

/// What the target of one mapping says: privileges, settings, and the state of each table.
///
/// # Errors
/// The target cannot be asked.
pub async fn of_target<T: Target>(
    report: &mut Report,
    name: &str,
    target: &Arc<T>,
    plan: &Plan,
    mapping: &MappingPlan,
) -> Result<()> {
    let database = format!("target {name}");
    let nodes = mapping.nodes.iter().filter_map(|node| plan.nodes.get(node.0 as usize));
    let tables: Vec<TargetTable> = nodes.map(|node| node.table.clone()).collect();
    report.add(&database, target.preflight(&tables).await?);
    let checkpoint = target.checkpoint(&mapping.name).await?;
    for table in &tables {
        let (state, findings) = judge(&mapping.name, table, target.inspect(table).await?, checkpoint.as_ref());
        report.add(&database, findings);
        report.tables.push(TableReport { mapping: mapping.name.clone(), table: qualified(table), state });
    }
    Ok(())
}

/// A target table's name as messages show it.
#[must_use]
pub fn qualified(table: &TargetTable) -> String {
    table.schema.as_ref().map_or_else(|| table.name.clone(), |schema| format!("{schema}.{}", table.name))
}

/// What a table's state means for a run that is to begin or to go on.
fn judge(mapping: &str, table: &TargetTable, state: TableState, checkpoint: Option<&Checkpoint>) -> (&'static str, Vec<Finding>) {
    let is_loading = checkpoint.is_some_and(|checkpoint| checkpoint.phase == Phase::Loading);
    match state {
        TableState::Absent => ("absent", Vec::new()),
        TableState::Present { has_rows: false } => ("empty", Vec::new()),
        TableState::Present { has_rows: true } if checkpoint.is_some() => ("owned", Vec::new()),
        TableState::Present { has_rows: true } => {
            let finding = Finding {
                severity: Severity::Refused,
                check: "filled_table",
                object: qualified(table),
                message: format!("holds rows that no checkpoint of mapping {mapping} explains"),
                remedy: "empty it, or run `strangler diff` to see what would change and then `strangler run --adopt`".to_owned(),
            };
            ("filled", vec![finding])
        }
        // A load under way puts the key on in its end.
        TableState::Unkeyed { .. } if is_loading => ("owned", Vec::new()),
        TableState::Unkeyed { .. } => {
            let missing = TableState::without_key(table, &qualified(table));
            judge(mapping, table, TableState::Differs(vec![missing]), checkpoint)
        }
        TableState::Differs(differences) => {
            let finding = |difference: crate::target::TableDifference| Finding {
                severity: Severity::Refused,
                check: "table_differs",
                object: difference.object,
                message: difference.message,
                remedy: "change the table, or adapt the mapping; `strangler plan` prints the expected definition".to_owned(),
            };
            ("differs", differences.into_iter().map(finding).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(severity: Severity, object: &str) -> Finding {
        Finding { severity, check: "x", object: object.into(), message: "m".into(), remedy: String::new() }
    }

    #[test]
    fn a_missing_privilege_comes_before_a_refusal_and_warnings_refuse_nothing() {
        let mut report = Report::default();
        report.add("source a", vec![finding(Severity::Warning, "w"), finding(Severity::Note, "n")]);
        assert_eq!(report.class(), None);
        report.add("source a", vec![finding(Severity::Refused, "r")]);
        assert_eq!(report.class(), Some(Class::Preflight));
        report.add("target b", vec![finding(Severity::Privilege, "p"), finding(Severity::Privilege, "p")]);
        assert_eq!(report.class(), Some(Class::Privilege));
        assert_eq!(report.refusal_count(), 2);
        report.sort();
        assert_eq!(report.findings[0].1.object, "p");
    }

    #[test]
    fn rows_without_a_checkpoint_are_refused() {
        let table = TargetTable {
            schema: Some("s".into()),
            name: "t".into(),
            columns: vec![],
            key: vec![],
            indexes: vec![],
            description: String::new(),
        };
        assert_eq!(judge("m", &table, TableState::Present { has_rows: true }, None).1[0].object, "s.t");
        let mut checkpoint = Checkpoint {
            mapping: "m".into(),
            state_id: "s".into(),
            sequence: 1,
            owner_epoch: 1,
            frontier: crate::position::Frontier::default(),
            source_committed_at_us: 0,
            phase: Phase::Loading,
            load_cursor: None,
            pending_sweeps: 0,
            quarantined: 0,
        };
        assert!(judge("m", &table, TableState::Present { has_rows: true }, Some(&checkpoint)).1.is_empty());
        assert!(judge("m", &table, TableState::Absent, Some(&checkpoint)).1.is_empty());
        let unkeyed = || TableState::Unkeyed { has_rows: true };
        assert!(judge("m", &table, unkeyed(), Some(&checkpoint)).1.is_empty(), "its load puts the key on");
        checkpoint.phase = Phase::Live;
        for checkpoint in [None, Some(&checkpoint)] {
            assert_eq!(judge("m", &table, unkeyed(), checkpoint).1[0].check, "table_differs");
        }
    }
}
