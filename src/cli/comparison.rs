//! Comparison: what `verify` and `diff` share: the choice of tables, and the bar on the terminal.

use indicatif::{ProgressBar, ProgressStyle};

use super::exit::Failure;
use super::printer::Printer;
use super::project::Planned;
use crate::error::{Class, Error, Result};
use crate::plan::{MappingId, NodePlan};
use crate::verify::Compared;

/// The target tables of the chosen mappings, in the order of the plan; `table` names one, with or without its schema.
///
/// # Errors
/// `Usage` if there is no such mapping or table.
pub fn chosen_nodes<'p>(planned: &'p Planned, mappings: &[String], table: Option<&str>) -> Result<Vec<(&'p str, &'p NodePlan)>> {
    let plan = &planned.plan;
    if let Some(unknown) = mappings.iter().find(|name| plan.mappings.iter().all(|mapping| mapping.name != **name)) {
        let known: Vec<&str> = plan.mappings.iter().map(|mapping| mapping.name.as_str()).collect();
        return Err(Error::new(Class::Usage, format!("no mapping is named {unknown}"))
            .with_hint(format!("there are: {}", known.join(", "))));
    }
    let name_of = |id: MappingId| plan.mappings.get(id.0 as usize).map_or("", |mapping| mapping.name.as_str());
    let of_mappings = plan.nodes.iter().map(|node| (name_of(node.mapping), node));
    let of_mappings: Vec<_> =
        of_mappings.filter(|(name, _)| mappings.is_empty() || mappings.iter().any(|chosen| chosen == name)).collect();
    let Some(table) = table else { return Ok(of_mappings) };
    let chosen: Vec<_> = of_mappings.iter().filter(|(_, node)| is_named(node, table)).copied().collect();
    if chosen.is_empty() {
        let known: Vec<&str> = of_mappings.iter().map(|(_, node)| node.table.name.as_str()).collect();
        return Err(Error::new(Class::Usage, format!("no target table is named {table}"))
            .with_hint(format!("there are: {}", known.join(", "))));
    }
    Ok(chosen)
}

fn is_named(node: &NodePlan, table: &str) -> bool {
    let schema = node.table.schema.as_deref().unwrap_or_default();
    node.table.name == table || table.strip_prefix(schema).and_then(|rest| rest.strip_prefix('.')) == Some(&node.table.name)
}

/// How a table is called in results: with its mapping where there are several.
#[must_use]
pub fn label(planned: &Planned, mapping: &str, node: &NodePlan) -> String {
    if planned.plan.mappings.len() > 1 { format!("{mapping}/{}", node.table.name) } else { node.table.name.clone() }
}

/// A bar for one table; hidden where there is no terminal.
pub struct TableBar(ProgressBar);

impl TableBar {
    /// A bar that says what happens to which table.
    #[must_use]
    pub fn new(printer: &Printer, what: &str, table: &str) -> Self {
        if !printer.has_terminal() {
            return Self(ProgressBar::hidden());
        }
        let style = ProgressStyle::with_template("{msg:32} {wide_bar:.dim} {human_pos:>11} rows  {elapsed:>4}");
        let bar = printer.bars.add(ProgressBar::no_length()).with_message(format!("{what} {table}"));
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.enable_steady_tick(std::time::Duration::from_millis(200));
        Self(bar)
    }

    /// Shows how far it is.
    pub fn show(&self, compared: Compared) {
        self.0.set_length(compared.row_estimate.max(compared.row_count).max(1));
        self.0.set_position(compared.row_count);
    }
}

impl Drop for TableBar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Names the table that a comparison failed on.
pub fn in_table(label: &str, error: Error) -> Failure {
    error.context(format!("cannot compare {label}")).into()
}
