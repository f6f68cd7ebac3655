//! `strangler verify`: is every target row what the source answers, while both move?
//!
//! Writes nothing. Prints one line per table and then the keys that differ.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use super::arguments::Common;
use super::comparison::{TableBar, chosen_nodes, in_table, label};
use super::control::Client;
use super::differences::{DifferenceRecord, key_text};
use super::exit::{Code, Failure};
use super::opening;
use super::printer::{Format, Printer};
use super::project::{Planned, Project};
use super::status_text::halted_lines;
use super::stopped::stopped;
use super::text::{counted, duration_ms, grouped, table};
use crate::error::{Error, Result};
use crate::plan::NodePlan;
use crate::state::standing::Standing;
use crate::verify::compare::{Difference, Mismatch};
use crate::verify::{TableReport, TouchedKeys, Verifier, VerifyOptions};

/// Flags of `verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyArguments {
    /// Only this target table
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,
    /// Show at most so many differing keys
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub show: usize,
    /// Accept ranges that no index drives at the source
    #[arg(long)]
    pub full_scan: bool,
}

/// What follows the flags in the help.
pub const HELP: &str = "\
Examples:
  strangler verify
  strangler verify --table orders --show 100
  strangler verify --format json

The source runs each SELECT of the mapping in key ranges; the answer is compared with the target as typed values. Both may
move meanwhile: a key that differs is read again, and counts as a difference only if no write of the engine can explain it.
Nothing is written.

Exit codes:
  0 equal   2 confirmed differences   4 only unconfirmed ones: keys kept moving, or the engine stands still
  65 a file is wrong   69 a database cannot be reached   75 still loading
  76 a mapping has stopped or is paused: it is named with the reason, the others are compared
  78 a range would read whole tables at the source (see --full-scan)

Next: strangler diff, strangler status";

/// Runs the command.
///
/// # Errors
/// Files are wrong, databases cannot be read, the mapping is not live.
pub async fn command(common: &Common, arguments: &VerifyArguments, printer: &Printer) -> Result<Code, Failure> {
    // All mappings are opened: the state is about all of them.
    let project = Project::open(&common.config, &[])?;
    let engine = Client::of_state(&project.config.state).await?;
    let planned = match engine.is_some() || opening::has_store(&project.config) {
        true => project.plan_of_state().await?.0,
        false => project.plan_live().await?,
    };
    let options = VerifyOptions { full_scan: arguments.full_scan, ..VerifyOptions::default() };
    let mut stopped = stopped(&project, engine.as_ref()).await?;
    let touched = engine.map(Asked);
    let mut verified = Vec::new();
    let (at_rest, chosen): (Vec<_>, Vec<_>) = chosen_nodes(&planned, &common.mapping, arguments.table.as_deref())?
        .into_iter()
        .partition(|(mapping, _)| stopped.contains_key(*mapping));
    stopped.retain(|name, _| at_rest.iter().any(|(mapping, _)| mapping == name));
    for (mapping, node) in chosen {
        let started = Instant::now();
        let report = verify_table(&project, &planned, mapping, node, touched.as_ref(), &options, printer).await?;
        verified.push(Verified { mapping, node, label: label(&planned, mapping, node), report, elapsed: started.elapsed() });
    }
    match printer.format {
        Format::Text if verified.is_empty() => {}
        Format::Text => print_text(printer, &verified, arguments.show, touched.is_some()),
        Format::Json => printer.json(&Output::of(&verified, arguments.show, &stopped)),
    }
    if stopped.is_empty() {
        return Ok(code(&verified));
    }
    if let Format::Text = printer.format {
        printer.result(&stopped_text(&stopped));
    }
    Ok(Code::Person)
}

/// What stands still is not what the source says now, and says so itself; nobody has to wait for it.
fn stopped_text(stopped: &BTreeMap<String, Standing>) -> String {
    let mut lines = vec!["not compared, because their targets stand still:".to_owned()];
    for (mapping, standing) in stopped {
        lines.extend(halted_lines(mapping, standing));
        let since = jiff::Timestamp::from_microsecond(standing.since_us);
        lines.extend(since.ok().map(|since| format!("           since {since:.0}")));
    }
    lines.join("\n")
}

async fn verify_table(
    project: &Project,
    planned: &Planned,
    mapping: &str,
    node: &NodePlan,
    touched: Option<&Asked>,
    options: &VerifyOptions,
    printer: &Printer,
) -> Result<TableReport, Failure> {
    let (_, target) = project.target_of(mapping).ok_or_else(|| Error::bug("a planned mapping has no target"))?;
    let label = label(planned, mapping, node);
    let bar = TableBar::new(printer, "verify", &label);
    let touched = touched.map(|touched| touched as &dyn TouchedKeys);
    if let Some(evaluated) = project.evaluated(planned, mapping, node)? {
        let verifier = Verifier {
            source: &*project.source,
            target: &**target,
            source_name: &project.source_name,
            catalog: &planned.catalog,
            plan: &planned.plan,
            mapping,
            node,
            touched,
            options,
        };
        let verified = verifier.verify_from_bases(&evaluated, &|compared| bar.show(compared)).await;
        return verified.map_err(|error| in_table(&label, error));
    }
    let compared = project.compared(planned, mapping)?;
    let verifier = Verifier {
        source: &*compared.source,
        target: &**target,
        source_name: &compared.name,
        catalog: &compared.planned.catalog,
        plan: &compared.planned.plan,
        mapping,
        node,
        touched,
        options,
    };
    verifier.verify(&|compared| bar.show(compared)).await.map_err(|error| in_table(&label, error))
}

/// The running engine, asked over its socket.
struct Asked(Client);

impl TouchedKeys for Asked {
    fn may_have_changed<'a>(
        &'a self,
        mapping: &'a str,
        table: &'a str,
        since: u64,
        keys: Vec<u128>,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<bool>>> + Send + 'a>> {
        Box::pin(async move {
            match self.0.touched(mapping, table, since, &keys).await {
                Ok(changed) => Ok(changed),
                Err(error) => {
                    // An engine that ends meanwhile can no longer vouch for any key; the next one remembers from its own start.
                    tracing::debug!(error = ?error, "the engine did not say which keys it wrote");
                    Ok(vec![true; keys.len()])
                }
            }
        })
    }
}

/// A table with what was found.
struct Verified<'a> {
    mapping: &'a str,
    node: &'a NodePlan,
    label: String,
    report: TableReport,
    elapsed: Duration,
}

impl Verified<'_> {
    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    /// Every difference, the confirmed ones first, each kind by key.
    fn differences(&self) -> Vec<(&Mismatch, bool)> {
        let confirmed = self.report.confirmed.iter().map(|mismatch| (mismatch, true));
        let mut all: Vec<_> = confirmed.chain(self.report.unconfirmed.iter().map(|mismatch| (mismatch, false))).collect();
        all.sort_by_cached_key(|(mismatch, confirmed)| (!confirmed, key_text(&self.node.table, &mismatch.key)));
        all
    }
}

fn count(verified: &[Verified<'_>], mismatches: impl Fn(&TableReport) -> &[Mismatch]) -> u64 {
    verified.iter().map(|table| mismatches(&table.report).len() as u64).sum()
}

fn code(verified: &[Verified<'_>]) -> Code {
    if count(verified, |report| &report.confirmed) > 0 {
        Code::Differences
    } else if count(verified, |report| &report.unconfirmed) > 0 {
        Code::Unconfirmed
    } else {
        Code::Clean
    }
}

fn print_text(printer: &Printer, verified: &[Verified<'_>], show: usize, has_engine: bool) {
    let line = |table: &Verified<'_>| {
        let report = &table.report;
        let counts = [report.row_count, report.confirmed.len() as u64, report.unconfirmed.len() as u64].map(grouped);
        let [rows, diffs, unconfirmed] = counts;
        vec![table.label.clone(), rows, diffs, unconfirmed, duration_ms(table.elapsed_ms())]
    };
    printer.result(&table(
        &["table", "rows", "diffs", "unconfirmed", "time"],
        verified.iter().map(line).collect(),
        &[1, 2, 3, 4],
    ));
    let all = verified
        .iter()
        .flat_map(|table| table.differences().into_iter().map(move |(mismatch, confirmed)| (table, mismatch, confirmed)));
    let lines: Vec<String> = all.map(|(table, mismatch, confirmed)| difference_text(table, mismatch, confirmed)).collect();
    if !lines.is_empty() {
        let mut shown: Vec<String> = lines.iter().take(show).cloned().collect();
        let more = lines.len().saturating_sub(shown.len()) as u64;
        if more > 0 {
            shown.push(format!("(and {} more; --show {} shows all)", grouped(more), lines.len()));
        }
        printer.result(&format!("\n{}", shown.join("\n")));
    }
    printer.result(&format!("\n{}", conclusion(verified)));
    if count(verified, |report| &report.unconfirmed) > 0 && !has_engine {
        printer.note("\nhint: no engine runs, so a row that the source changed since cannot be told from a wrong one; `strangler run` catches up");
    }
}

fn difference_text(table: &Verified<'_>, mismatch: &Mismatch, confirmed: bool) -> String {
    let what = match &mismatch.difference {
        Difference::Missing => "missing in the target".to_owned(),
        Difference::Surplus => "surplus in the target".to_owned(),
        Difference::Changed(columns) => format!("differs in {}", columns.join(", ")),
        Difference::Repeated => "answered more than once by the source".to_owned(),
    };
    let doubt = if confirmed { "" } else { " (unconfirmed)" };
    format!("{}  {}: {what}{doubt}", table.label, key_text(&table.node.table, &mismatch.key))
}

fn conclusion(verified: &[Verified<'_>]) -> String {
    let rows: u64 = verified.iter().map(|table| table.report.row_count).sum();
    let (confirmed, unconfirmed) = (count(verified, |report| &report.confirmed), count(verified, |report| &report.unconfirmed));
    match (confirmed, unconfirmed) {
        (0, 0) => format!("{} in {}: equal", counted(rows, "row"), counted(verified.len() as u64, "table")),
        (0, _) => format!("{unconfirmed} unconfirmed, none confirmed"),
        (_, 0) => counted(confirmed, "confirmed difference"),
        _ => format!("{}, {unconfirmed} unconfirmed", counted(confirmed, "confirmed difference")),
    }
}

/// The result as JSON.
#[derive(Serialize)]
struct Output<'a> {
    /// Fields are added, never renamed.
    format_version: u32,
    confirmed_count: u64,
    unconfirmed_count: u64,
    tables: Vec<TableOutput<'a>>,
    /// Mappings that were not compared, because they have stopped or are paused.
    stopped: &'a BTreeMap<String, Standing>,
}

#[derive(Serialize)]
struct TableOutput<'a> {
    mapping: &'a str,
    table: &'a str,
    row_count: u64,
    confirmed_count: usize,
    unconfirmed_count: usize,
    elapsed_ms: u64,
    /// The first of them, as many as were asked for.
    differences: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    record: DifferenceRecord,
    confirmed: bool,
}

impl<'a> Output<'a> {
    fn of(verified: &'a [Verified<'a>], show: usize, stopped: &'a BTreeMap<String, Standing>) -> Self {
        let mut left = show;
        let mut tables = Vec::new();
        for table in verified {
            let listed = table.differences().into_iter().take(left);
            let differences: Vec<Listed> = listed
                .map(|(mismatch, confirmed)| Listed { record: DifferenceRecord::of(&table.node.table, mismatch), confirmed })
                .collect();
            left -= differences.len();
            tables.push(TableOutput {
                mapping: table.mapping,
                table: &table.node.table.name,
                row_count: table.report.row_count,
                confirmed_count: table.report.confirmed.len(),
                unconfirmed_count: table.report.unconfirmed.len(),
                elapsed_ms: table.elapsed_ms(),
                differences,
            });
        }
        let (confirmed_count, unconfirmed_count) =
            (count(verified, |report| &report.confirmed), count(verified, |report| &report.unconfirmed));
        Self { format_version: 1, confirmed_count, unconfirmed_count, tables, stopped }
    }
}
