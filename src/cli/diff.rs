//! `strangler diff`: the rows that a mapping would insert, change or delete in the target as it is now.
//!
//! Writes nothing, and needs nothing of ours in the target: neither its tables nor the strangler schema.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use super::arguments::Common;
use super::comparison::{TableBar, chosen_nodes, in_table, label};
use super::differences::{DifferenceRecord, key_text};
use super::exit::{Code, Failure};
use super::printer::{Format, Printer};
use super::project::{Planned, Project};
use super::text::{counted, grouped};
use crate::error::{Error, Result};
use crate::plan::NodePlan;
use crate::review::diff::{Differ, TableDiff};
use crate::verify::compare::{Difference, Mismatch};

/// Flags of `diff`.
#[derive(Debug, Clone, Args)]
pub struct DiffArguments {
    /// Only this target table
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,
    /// Show at most so many differing keys per table
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub show: usize,
    /// Accept ranges that no index drives at the source
    #[arg(long)]
    pub full_scan: bool,
}

/// What follows the flags in the help.
pub const HELP: &str = "\
Examples:
  strangler diff
  strangler diff --mapping order-service --table orders --show 50
  strangler diff --format json

The dry run: what the mapping files as they are now would insert, change and delete in the target as it is now, per table and
column, with the first keys. Nothing is written, nothing is waited for; rows that move meanwhile show as they were read.

Exit codes:
  0 nothing pending   2 something would be written   65 a file is wrong   69 a database cannot be reached
  78 a table is not as declared, or a range would read whole tables at the source (see --full-scan)

Next: strangler run, strangler verify";

/// Runs the command.
///
/// # Errors
/// Files are wrong, or databases cannot be read.
pub async fn command(common: &Common, arguments: &DiffArguments, printer: &Printer) -> Result<Code, Failure> {
    let project = Project::open(&common.config, &common.mapping)?;
    let planned = project.plan_live().await?;
    let mut diffs = Vec::new();
    for (mapping, node) in chosen_nodes(&planned, &[], arguments.table.as_deref())? {
        let diff = diff_table(&project, &planned, mapping, node, arguments, printer).await?;
        diffs.push(Diffed { mapping, node, label: label(&planned, mapping, node), diff });
    }
    match printer.format {
        Format::Text => printer.result(&text(&diffs)),
        Format::Json => printer.json(&Output::of(&diffs)),
    }
    Ok(if pending_count(&diffs) > 0 { Code::Differences } else { Code::Clean })
}

async fn diff_table(
    project: &Project,
    planned: &Planned,
    mapping: &str,
    node: &NodePlan,
    arguments: &DiffArguments,
    printer: &Printer,
) -> Result<TableDiff, Failure> {
    let (_, target) = project.target_of(mapping).ok_or_else(|| Error::bug("a planned mapping has no target"))?;
    let label = label(planned, mapping, node);
    if let Some(evaluated) = project.evaluated(planned, mapping, node)? {
        let differ = Differ {
            source: &*project.source,
            target: &**target,
            catalog: &planned.catalog,
            plan: &planned.plan,
            mapping,
            node,
            examples_max: arguments.show,
            full_scan: true,
        };
        return differ.diff_from_bases(&evaluated).await.map_err(|error| in_table(&label, error));
    }
    let compared = project.compared(planned, mapping)?;
    let differ = Differ {
        source: &*compared.source,
        target: &**target,
        catalog: &compared.planned.catalog,
        plan: &compared.planned.plan,
        mapping,
        node,
        examples_max: arguments.show,
        full_scan: arguments.full_scan,
    };
    let bar = TableBar::new(printer, "diff", &label);
    differ.diff(&|compared| bar.show(compared)).await.map_err(|error| in_table(&label, error))
}

/// A table with its diff.
struct Diffed<'a> {
    mapping: &'a str,
    node: &'a NodePlan,
    label: String,
    diff: TableDiff,
}

fn pending_count(diffs: &[Diffed<'_>]) -> u64 {
    diffs.iter().map(|table| table.diff.pending_count()).sum()
}

fn text(diffs: &[Diffed<'_>]) -> String {
    let width = diffs.iter().map(|table| table.label.chars().count()).max().unwrap_or(0);
    let mut lines: Vec<String> = diffs.iter().flat_map(|table| table_lines(table, width)).collect();
    let conclusion = match pending_count(diffs) {
        0 => format!(
            "nothing pending: {} in {} as the source answers them",
            counted(row_count(diffs), "row"),
            counted(diffs.len() as u64, "table")
        ),
        pending => format!(
            "{} pending, of {} that the source answers; nothing was written",
            counted(pending, "row"),
            grouped(row_count(diffs))
        ),
    };
    lines.push(String::new());
    lines.push(conclusion);
    lines.join("\n")
}

fn row_count(diffs: &[Diffed<'_>]) -> u64 {
    diffs.iter().map(|table| table.diff.row_count).sum()
}

fn table_lines(table: &Diffed<'_>, width: usize) -> Vec<String> {
    let diff = &table.diff;
    let [insert, change, delete] = [diff.insert_count, diff.change_count, diff.delete_count].map(grouped);
    let created = if diff.absent { "  (the table does not exist yet)" } else { "" };
    let mut lines = vec![format!("{:width$}  +{insert} insert  ~{change} change  -{delete} delete{created}", table.label)];
    if diff.repeated_count > 0 {
        lines.push(format!("    ! {} answered more than once by the source", counted(diff.repeated_count, "key")));
    }
    lines.extend(columns_text(&diff.column_counts));
    let mut examples: Vec<String> = diff.examples.iter().map(|mismatch| example_text(table.node, mismatch)).collect();
    examples.sort();
    lines.extend(examples);
    let more = diff.pending_count().saturating_sub(diff.examples.len() as u64);
    if more > 0 && !diff.examples.is_empty() {
        lines.push(format!("    (and {} more)", grouped(more)));
    }
    lines
}

/// `changed columns: status 12, paid_amount 3`, the most frequent first.
fn columns_text(counts: &BTreeMap<String, u64>) -> Option<String> {
    let mut counts: Vec<(&String, &u64)> = counts.iter().collect();
    counts.sort_by(|left, right| right.1.cmp(left.1).then(left.0.cmp(right.0)));
    let list: Vec<String> = counts.iter().map(|(column, count)| format!("{column} {}", grouped(**count))).collect();
    (!list.is_empty()).then(|| format!("    changed columns: {}", list.join(", ")))
}

fn example_text(node: &NodePlan, mismatch: &Mismatch) -> String {
    let key = key_text(&node.table, &mismatch.key);
    match &mismatch.difference {
        Difference::Missing => format!("    + {key}"),
        Difference::Surplus => format!("    - {key}"),
        Difference::Changed(columns) => format!("    ~ {key}: {}", columns.join(", ")),
        Difference::Repeated => format!("    ! {key}"),
    }
}

/// The result as JSON.
#[derive(Serialize)]
struct Output<'a> {
    /// Fields are added, never renamed.
    format_version: u32,
    pending_count: u64,
    tables: Vec<TableOutput<'a>>,
}

#[derive(Serialize)]
struct TableOutput<'a> {
    mapping: &'a str,
    table: &'a str,
    absent: bool,
    row_count: u64,
    insert_count: u64,
    change_count: u64,
    delete_count: u64,
    repeated_count: u64,
    /// Per column, in how many rows it would change.
    column_counts: &'a BTreeMap<String, u64>,
    /// The first of them, as many as were asked for.
    differences: Vec<DifferenceRecord>,
}

impl<'a> Output<'a> {
    fn of(diffs: &'a [Diffed<'a>]) -> Self {
        let table = |table: &'a Diffed<'a>| TableOutput {
            mapping: table.mapping,
            table: &table.node.table.name,
            absent: table.diff.absent,
            row_count: table.diff.row_count,
            insert_count: table.diff.insert_count,
            change_count: table.diff.change_count,
            delete_count: table.diff.delete_count,
            repeated_count: table.diff.repeated_count,
            column_counts: &table.diff.column_counts,
            differences: table.diff.examples.iter().map(|mismatch| DifferenceRecord::of(&table.node.table, mismatch)).collect(),
        };
        Self { format_version: 1, pending_count: pending_count(diffs), tables: diffs.iter().map(table).collect() }
    }
}
