//! The mapping's SQL: parsed, bound to the source's catalogue, evaluated with the source's semantics.

pub mod aggregate;
mod bind;
mod diagnostic;
mod dialect;
pub mod evaluate;
pub mod foreign;
pub mod functions;
mod intervals;
pub mod ordering;
mod parse;
pub mod postgres;
pub mod query;
pub(crate) mod rewrite;
mod tables;
pub mod total;
pub mod types;

use crate::schema::{Flavor, SourceCatalog};
use parse::Modes;
use query::{Diagnostic, Query};

/// The tables that a mapping's SELECT names, as (schema if written, table), each once, in the order of the text. Only the syntax
/// is read, so that the catalogue can be asked for exactly these tables.
///
/// # Errors
/// If the text is not one SELECT in the dialect of `flavor`.
pub fn referenced_tables(sql: &str, flavor: Flavor) -> Result<Vec<(Option<String>, String)>, Vec<Diagnostic>> {
    // One grammar serves both MySQL and MariaDB: where the two servers differ, typing asks the catalogue.
    let modes = if flavor == Flavor::PostgreSql { Modes::postgres() } else { Modes::default() };
    let parsed = parse::parse(sql, modes)?;
    Ok(tables::of(&parsed.query))
}

/// Binds a mapping's SELECT to the catalogue: names, types and comparison rules as the connected server has them.
///
/// # Errors
/// Every finding that could be made at once, with byte ranges in `sql`, in the order of the text.
pub fn bind(sql: &str, catalog: &SourceCatalog) -> Result<Query, Vec<Diagnostic>> {
    let is_postgres = catalog.flavor == Flavor::PostgreSql;
    let modes = if is_postgres { Modes::postgres() } else { Modes::of(&catalog.session.sql_mode) };
    let parsed = parse::parse(sql, modes)?;
    bind::bind(&parsed, modes, catalog)
}

/// Binds a condition over the columns of one table, which has alias 0; `None` for an empty text.
///
/// # Errors
/// Findings as of [`bind`], their places in a text that only this function knows; a condition with a subquery.
pub fn bind_condition(
    table: crate::schema::TableId,
    condition: &str,
    catalog: &SourceCatalog,
) -> Result<Option<query::Expr>, Vec<Diagnostic>> {
    let Some(name) = catalog.tables.get(table.0 as usize).map(|table| &table.name) else { return Ok(None) };
    if condition.trim().is_empty() {
        return Ok(None);
    }
    let quoted = |name: &str| match catalog.flavor {
        Flavor::MySql | Flavor::MariaDb => format!("`{}`", name.replace('`', "``")),
        Flavor::PostgreSql => format!("\"{}\"", name.replace('"', "\"\"")),
    };
    let text = format!("SELECT 1 AS fact FROM {}.{} WHERE ({condition}\n)", quoted(&name.schema), quoted(&name.name));
    let query = bind(&text, catalog)?;
    let branch = query.branches.into_iter().next();
    match branch.filter(|branch| branch.aliases.len() == 1) {
        Some(branch) => Ok(branch.select.filter),
        None => Err(vec![Diagnostic::new(0..0, "a subquery cannot stand here").with_help("compare columns of the table")]),
    }
}
