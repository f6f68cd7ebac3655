//! `strangler plan`: what a run would read, keep and create; nothing is written.

use serde::Serialize;

use super::arguments::{Common, PlanArguments};
use super::exit::{Code, Failure};
use super::printer::{Format, Printer};
use super::project::{Planned, Project};
use super::{forecasting, limiting, text};
use crate::error::Result;
use crate::migrate::forecast::Forecast;
use crate::review::fan_out::{self, FanOut};
use crate::review::preview::{self, BranchPreview, Preview, TargetPreview};
use crate::source::Source;
use crate::target::Target;

/// The SQL that the source will run.
#[derive(Debug, Serialize)]
struct SourceSql {
    /// What for.
    purpose: String,
    /// The statement.
    sql: String,
}

#[derive(Serialize)]
struct PlanJson<'a> {
    #[serde(flatten)]
    preview: &'a Preview,
    /// Legacy rows that many target rows are derived from.
    fan_outs: &'a [FanOut],
    /// Whether disk and log last for the first load, from estimates.
    forecast: &'a Forecast,
    source_sql: &'a [SourceSql],
}

/// Runs the command.
///
/// # Errors
/// Problems with the files, or a database cannot be asked.
pub async fn command(common: &Common, arguments: &PlanArguments, printer: &Printer) -> Result<Code, Failure> {
    let project = Project::open(&common.config, &common.mapping)?;
    let planned = project.plan_live().await?;
    limiting::kept(&project).await?;
    let preview = preview::preview(&planned.plan, &planned.catalog, &|mapping, node| {
        project.target_of(&mapping.name).map(|(_, target)| target.definition(&node.table)).unwrap_or_default()
    });
    let source_sql = if arguments.explain { source_sql(&project, &planned)? } else { Vec::new() };
    let fan_outs = fan_outs(&project, &planned).await;
    let before = forecasting::before(&project, &planned).await?;
    match printer.format {
        Format::Json => printer.json(&PlanJson {
            preview: &preview,
            fan_outs: &fan_outs,
            forecast: &before.forecast,
            source_sql: &source_sql,
        }),
        Format::Text => {
            let sections = [fan_out_text(&fan_outs), Some(format!("the first load\n\n{}", forecasting::before_text(&before)))];
            printer.result(&plan_text(&preview, &source_sql, sections.into_iter().flatten().collect()));
        }
    }
    Ok(Code::Clean)
}

/// The fan-outs of every source's own mappings; a mapping over several sources is not looked at.
async fn fan_outs(project: &Project, planned: &Planned) -> Vec<FanOut> {
    let mut found = Vec::new();
    for (name, source) in project.source.members() {
        found.extend(fan_out::fan_outs(&**source, &project.plan_of(&planned.plan, name)).await);
    }
    found
}

/// What one changed row derives again, where that is much.
fn fan_out_text(fan_outs: &[FanOut]) -> Option<String> {
    let row = |fan_out: &FanOut| {
        let most = if fan_out.is_sampled { text::grouped(fan_out.rows_most) } else { "-".to_owned() };
        let alias = if fan_out.alias == fan_out.table { String::new() } else { format!(" {}", fan_out.alias) };
        let how = if fan_out.is_deferred { "a sweep between others" } else { "one transaction" };
        vec![
            format!("{}{alias}", fan_out.table),
            fan_out.target.clone(),
            text::grouped(fan_out.rows_average),
            most,
            how.to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = fan_outs.iter().map(row).collect();
    let heading = ["legacy table", "target table", "rows on average", "rows at most", "reaches the target as"];
    let table = indent(&text::table(&heading, rows, &[2, 3]), 2);
    (!fan_outs.is_empty()).then(|| {
        format!(
            "hot rows: a change of one of these derives so many target rows again (estimates; at most: by a sample of the newest rows)\n\n{table}"
        )
    })
}

fn source_sql(project: &Project, planned: &Planned) -> Result<Vec<SourceSql>> {
    let mut statements = Vec::new();
    for table in &planned.plan.tables {
        if !table.layout.columns.is_empty() {
            let purpose = format!("backfill of {}, in ranges of its key", table.layout.name);
            statements.push(SourceSql { purpose, sql: project.source.chunk_statement(&table.layout)? });
        }
    }
    for node in &planned.plan.nodes {
        let mapping = planned.plan.mappings.get(node.mapping.0 as usize).map_or("", |mapping| mapping.name.as_str());
        if project.evaluated(planned, mapping, node)?.is_some() {
            let purpose = format!(
                "verify and diff of {}: none; its SELECT reads several sources, so their tables are read as in the backfill and it is evaluated here",
                node.table.name
            );
            statements.push(SourceSql { purpose, sql: String::new() });
            continue;
        }
        let purpose = format!("verify and diff of {}, in ranges of its key", node.table.name);
        statements.push(SourceSql { purpose, sql: node.sql.trim_end().to_owned() });
    }
    Ok(statements)
}

fn plan_text(preview: &Preview, source_sql: &[SourceSql], sections: Vec<String>) -> String {
    let mut parts = Vec::new();
    for (mapping, targets) in preview::by_mapping(preview) {
        parts.push(format!("mapping {mapping}"));
        parts.extend(targets.iter().map(|target| target_text(target)));
    }
    let shared = preview
        .targets
        .iter()
        .max_by_key(|target| target.definition.len())
        .map(|target| target.definition.iter().filter(|statement| is_shared(statement)));
    parts.push(format!(
        "once per target database, where it is missing\n\n{}",
        indent(&statements(shared.into_iter().flatten()), 2)
    ));
    let rows = preview.stored.iter().filter(|table| table.column_count > 0).map(|table| {
        vec![
            table.table.clone(),
            format!("{} of {}", table.column_count, table.column_count_source),
            text::grouped(table.row_estimate),
            text::bytes(table.bytes_estimate),
            table.indexes.iter().map(|index| format!("({index})")).collect::<Vec<_>>().join(" "),
        ]
    });
    parts.push("kept in the state".to_owned());
    parts.push(indent(
        &text::table(&["legacy table", "columns", "rows", "size", "indexes besides the key"], rows.collect(), &[1, 2, 3]),
        2,
    ));
    parts.extend(sections);
    for statement in source_sql {
        parts.push(format!("on the source: {}\n{}", statement.purpose, indent(&statement.sql, 4)));
    }
    let rows: u64 = preview.targets.iter().map(|target| target.row_estimate).sum();
    parts.push(format!(
        "{} to fill with about {} rows; state about {} on disk (estimates)\n\nnext: strangler run",
        text::counted(preview.targets.len() as u64, "target table"),
        text::grouped(rows),
        text::bytes(preview.state_bytes_estimate)
    ));
    parts.join("\n\n")
}

fn target_text(target: &TargetPreview) -> String {
    let mut lines =
        vec![format!("  + {}  key ({}), about {} rows", target.table, target.key.join(", "), text::grouped(target.row_estimate))];
    for (index, branch) in target.branches.iter().enumerate() {
        let number = if target.branches.len() > 1 { format!("branch {}: ", index + 1) } else { String::new() };
        lines.push(format!("\n    {number}derived for {}", branch.anchor));
        lines.push(indent(&joins_text(branch), 6));
        if !branch.groups.is_empty() {
            lines.push("    groups".to_owned());
            lines.push(indent(&branch.groups.join("\n"), 6));
        }
        lines.push("    when a row changes".to_owned());
        lines.push(indent(&walks_text(branch), 6));
    }
    lines.push("\n    definition".to_owned());
    lines.push(indent(&statements(target.definition.iter().filter(|statement| !is_shared(statement))), 6));
    lines.join("\n")
}

/// Whether a statement makes what all mappings of a target share: the checkpoint table and its schema.
fn is_shared(statement: &str) -> bool {
    statement.contains("strangler.checkpoint")
        || statement.contains("strangler_checkpoint")
        || statement.ends_with("EXISTS strangler")
}

fn statements<'a>(statements: impl Iterator<Item = &'a String>) -> String {
    statements.map(|statement| format!("{};", statement.trim_end())).collect::<Vec<_>>().join("\n")
}

fn joins_text(branch: &BranchPreview) -> String {
    let rows = branch.joins.iter().map(|join| {
        let name = if join.table == "derived table" { format!("({})", join.table) } else { join.table.clone() };
        vec![format!("{}{}", "  ".repeat(join.depth), join.kind), name, join.alias.clone(), join.by.clone()]
    });
    lines_without_heading(&text::table(&["", "", "", ""], rows.collect(), &[]))
}

fn walks_text(branch: &BranchPreview) -> String {
    let rows = branch.walks.iter().map(|walk| {
        let way = match walk.hops.as_slice() {
            [] => "is the anchor".to_owned(),
            hops => hops.iter().map(|hop| format!("> {hop}")).collect::<Vec<_>>().join(" "),
        };
        vec![walk.table.clone(), walk.alias.clone(), way]
    });
    lines_without_heading(&text::table(&["", "", ""], rows.collect(), &[]))
}

fn lines_without_heading(table: &str) -> String {
    table.lines().skip(1).collect::<Vec<_>>().join("\n")
}

fn indent(text: &str, width: usize) -> String {
    let margin = " ".repeat(width);
    text.lines()
        .map(|line| if line.is_empty() { String::new() } else { format!("{margin}{line}") })
        .collect::<Vec<_>>()
        .join("\n")
}
