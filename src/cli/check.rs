//! `strangler check`: everything that speaks against a run, at once; nothing is written.

use std::collections::BTreeSet;

use serde::Serialize;

use super::arguments::Common;
use super::exit::{Code, Failure, Findings};
use super::printer::{Format, Printer, findings_text};
use super::project::{Planned, Project};
use super::{binding, forecasting, limiting, text};
use crate::error::{Class, Error, Result};
use crate::finding::Severity;
use crate::mapping::Problem;
use crate::plan::MappingPlan;
use crate::review::advice;
use crate::review::preflight::{self, FindingJson, Report, TableReport};

/// Runs the command.
///
/// # Errors
/// What could not be asked at all.
pub async fn command(common: &Common, printer: &Printer) -> Result<Code, Failure> {
    let mut project = match Project::survey(&common.config, &common.mapping) {
        Ok(project) => project,
        Err(Failure::Findings(findings)) => return Ok(show(printer, &findings, &[])),
        Err(failure) => return Err(failure),
    };
    let mut findings = Findings { problems: std::mem::take(&mut project.problems), ..Findings::default() };
    if let Err(error) = ask(&project, &mut findings).await {
        findings.errors.push(with_first_grants(&project, error));
    }
    let names: Vec<&str> = project.mappings.iter().map(|mapping| mapping.name.value.as_str()).collect();
    Ok(show(printer, &findings, &names))
}

/// Asks source and targets. What could be found stays in `findings` also when one of them cannot be asked.
async fn ask(project: &Project, findings: &mut Findings) -> Result<()> {
    let catalog = match project.catalog_live().await {
        Ok(catalog) => catalog,
        Err(error) => {
            let flavor_of = |source: &str| project.config.naming(source).map(|(_, flavor)| flavor);
            findings.problems.extend(binding::syntax_problems(&project.mappings, flavor_of));
            return Err(error);
        }
    };
    let attempt = binding::attempt(&project.mappings, &catalog, |name| project.config.target_kind(name));
    project.source_findings(&mut findings.report, &catalog).await?;
    findings.problems.extend(limiting::problems(project).await?);
    for (name, source) in project.source.members() {
        let (plan, flavor) = (project.plan_of(&attempt.plan, name), catalog.flavor_at(name));
        advice::of_plans(&mut findings.report, name, &**source, &plan, flavor).await;
        preflight::of_facts(&mut findings.report, name, &**source, &plan).await?;
    }
    let mut told = BTreeSet::new();
    for problem in attempt.problems {
        findings.problems.extend(explained(problem, &findings.report, &mut told));
    }
    // What is shown where a mapping names it is not said again.
    let mut place = 0..;
    findings.report.findings.retain(|_| place.next().is_none_or(|place| !told.contains(&place)));
    for mapping in &attempt.plan.mappings {
        let Some((name, target)) = project.target_of(&mapping.name) else { continue };
        if let Err(error) = preflight::of_target(&mut findings.report, name, target, &attempt.plan, mapping).await {
            findings.errors.push(error);
        }
    }
    if findings.problems.is_empty() {
        let planned = Planned { catalog, plan: attempt.plan };
        forecasting::report(&mut findings.report, &forecasting::before(project, &planned).await?.forecast);
    }
    Ok(())
}

/// A user who may not even connect to the database cannot be told exactly what is missing; the usual grants are.
fn with_first_grants(project: &Project, error: Error) -> Error {
    match project.config.sources.get(&project.source_name) {
        Some(entry) if error.class() == Class::Privilege && error.hint().is_none() => {
            let (user, database) = (&entry.url.user, &entry.url.database);
            let replication = "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.*";
            error.with_hint(format!("as an administrator: GRANT SELECT ON `{database}`.* TO '{user}'@HOST; {replication} TO '{user}'@HOST; then check again"))
        }
        _ => error,
    }
}

/// What stands in the way of running a plan; warnings go to stderr.
///
/// # Errors
/// The findings, if one of them refuses; or a database cannot be asked.
pub async fn preflight(project: &Project, planned: &Planned, printer: &Printer) -> Result<(), Failure> {
    let mut report = source_report(project, planned).await?;
    for mapping in &planned.plan.mappings {
        target_report(&mut report, project, planned, mapping).await?;
    }
    conclude(report, printer)
}

/// The same for a state whose mappings are live: what stands in the way of one of them does not keep the others from going on. The engine
/// meets it again, and says so in the status of that mapping.
///
/// # Errors
/// As [`preflight`], where nothing could go on.
pub async fn preflight_live(project: &Project, planned: &Planned, printer: &Printer) -> Result<(), Failure> {
    if planned.plan.mappings.len() < 2 {
        return preflight(project, planned, printer).await;
    }
    let mut report = source_report(project, planned).await?;
    let mut refusals = Vec::new();
    for mapping in &planned.plan.mappings {
        let mut own = Report::default();
        let asked = target_report(&mut own, project, planned, mapping).await;
        let refused = match asked {
            Ok(()) => judged(own.clone()).err(),
            Err(error) => Some(error.into()),
        };
        match refused {
            None => report.findings.extend(own.findings),
            Some(failure) => refusals.push((mapping.name.as_str(), failure)),
        }
    }
    if refusals.len() == planned.plan.mappings.len()
        && let Some((_, failure)) = refusals.into_iter().next()
    {
        return Err(failure);
    }
    conclude(report, printer)
}

async fn source_report(project: &Project, planned: &Planned) -> Result<Report> {
    let mut report = Report::default();
    project.source_findings(&mut report, &planned.catalog).await?;
    Ok(report)
}

async fn target_report(report: &mut Report, project: &Project, planned: &Planned, mapping: &MappingPlan) -> Result<()> {
    match project.target_of(&mapping.name) {
        Some((name, target)) => preflight::of_target(report, name, target, &planned.plan, mapping).await,
        None => Ok(()),
    }
}

/// What is worth saying, unless something refuses.
fn judged(mut report: Report) -> Result<Findings, Failure> {
    // Whether filled tables may be taken over is decided with the checkpoint at hand.
    report.findings.retain(|(_, finding)| finding.check != "filled_table" && finding.severity > Severity::Note);
    let findings = Findings { report, ..Findings::default() };
    if findings.code().is_some() { Err(findings.into()) } else { Ok(findings) }
}

fn conclude(report: Report, printer: &Printer) -> Result<(), Failure> {
    let findings = judged(report)?;
    if let Some(text) = super::printer::report_text(&findings.report, false) {
        printer.note(&text);
    }
    Ok(())
}

/// A SELECT over a relation that the databases' findings speak of: a view is refused although the SQL is right, and a table
/// that may not be read is missing for that reason only. A table that does not exist stays a mistake in the mapping.
pub(super) fn explained(problem: Problem, report: &Report, told: &mut BTreeSet<usize>) -> Option<Problem> {
    let named = problem.file.text.get(problem.span.clone()).unwrap_or_default().replace('`', "");
    let mut findings = report.findings.iter().map(|(_, finding)| finding).enumerate();
    let finding = findings.find(|(_, finding)| !named.is_empty() && names(&finding.object, &named));
    match finding.map(|(place, finding)| (finding.severity, place, finding)) {
        Some((Severity::Privilege, ..)) => None,
        Some((Severity::Refused, place, finding)) if finding.check != "missing_table" => {
            told.insert(place);
            let message = format!("{}: {}", finding.object, finding.message);
            Some(Problem { message, help: finding.remedy.clone(), ..problem.of_class(Class::Preflight) })
        }
        _ => Some(problem),
    }
}

/// Whether a finding's object, e.g. ``SELECT on `shop`.`orders` `` or `shop.orders`, is the relation that the SQL names.
fn names(object: &str, relation: &str) -> bool {
    let object = object.replace('`', "");
    let object = object.rsplit(' ').next().unwrap_or_default();
    object == relation || object.rsplit_once('.').is_some_and(|(_, name)| name == relation)
}

#[derive(Serialize)]
struct CheckJson<'a> {
    format_version: u32,
    exit_code: u8,
    mappings: &'a [&'a str],
    problems: Vec<ProblemJson<'a>>,
    findings: Vec<FindingJson<'a>>,
    tables: &'a [TableReport],
}

#[derive(Serialize)]
struct ProblemJson<'a> {
    severity: &'static str,
    file: &'a str,
    line: usize,
    column: usize,
    message: &'a str,
    label: &'a str,
    help: &'a str,
}

fn show(printer: &Printer, findings: &Findings, mappings: &[&str]) -> Code {
    let code = findings.code().unwrap_or(Code::Clean);
    match printer.format {
        Format::Json => printer.json(&CheckJson {
            format_version: 1,
            exit_code: code.number(),
            mappings,
            problems: findings.problems.iter().map(problem_json).collect(),
            findings: findings.report.json(),
            tables: &findings.report.tables,
        }),
        Format::Text => printer.result(&check_text(findings, mappings, code, printer.colors_results())),
    }
    code
}

fn problem_json(problem: &Problem) -> ProblemJson<'_> {
    let (line, column) = problem.line_and_column();
    let severity = if problem.class == Class::Preflight { "refused" } else { "error" };
    ProblemJson {
        severity,
        file: &problem.file.path,
        line,
        column,
        message: &problem.message,
        label: &problem.label,
        help: &problem.help,
    }
}

fn check_text(findings: &Findings, mappings: &[&str], code: Code, color: bool) -> String {
    let mut parts = Vec::new();
    let details = findings_text(findings, color);
    if !details.is_empty() {
        parts.push(details);
    }
    if !findings.report.tables.is_empty() {
        let rows = findings
            .report
            .tables
            .iter()
            .map(|table| vec![table.mapping.clone(), table.table.clone(), meaning(table.state).to_owned()]);
        parts.push(text::table(&["mapping", "target table", "state"], rows.collect(), &[]));
    }
    if code == Code::Clean {
        parts.push(format!("{} can run\n\nnext: strangler plan", text::counted(mappings.len() as u64, "mapping")));
    }
    parts.join("\n\n")
}

fn meaning(state: &'static str) -> &'static str {
    match state {
        "absent" => "absent: will be created",
        "owned" => "holds rows of this mapping",
        "filled" => "holds rows of somebody else",
        state => state,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::finding::Finding;
    use crate::mapping::SourceFile;

    fn finding(severity: Severity, object: &str) -> Finding {
        Finding { severity, check: "x", object: object.into(), message: "is a view".into(), remedy: "map its tables".into() }
    }

    #[test]
    fn a_mapped_view_is_refused_and_a_forbidden_table_is_a_missing_privilege() {
        let file = Arc::new(SourceFile { path: "m".into(), text: "FROM v_orders JOIN `tb_cust`".into() });
        let (view, table) = (Problem::new(&file, 5..13, "no table"), Problem::new(&file, 19..28, "no table"));
        let mut report = Report::default();
        let mut told = BTreeSet::new();
        assert_eq!(explained(view.clone(), &report, &mut told), Some(view.clone()));
        report.add(
            "source s",
            vec![finding(Severity::Refused, "shop.v_orders"), finding(Severity::Privilege, "SELECT on `shop`.`tb_cust`")],
        );
        let refused = explained(view, &report, &mut told).unwrap();
        assert_eq!((refused.class, refused.message.as_str()), (Class::Preflight, "shop.v_orders: is a view"));
        assert_eq!(explained(table, &report, &mut told), None);
        assert_eq!(told, BTreeSet::from([0]));
    }
}
