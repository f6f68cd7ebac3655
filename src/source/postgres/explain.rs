//! What the server plans to do for a SELECT, read from EXPLAIN's JSON form.

use serde_json::Value as Json;

use super::connect::{Lease, cell};
use super::names::literals;
use crate::error::{Error, Result};
use crate::source::PlannedAccess;

/// One access per table of the plan. A sequential scan counts all rows of its table: its estimate is of those that its filter leaves.
///
/// # Errors
/// Errors of the server.
pub(super) async fn accesses(lease: &Lease, attempt: &str, sql: &str) -> Result<Vec<PlannedAccess>> {
    let rows = lease.rows(attempt, &format!("EXPLAIN (FORMAT JSON, VERBOSE) {sql}")).await?;
    let text: String = rows.iter().map(|row| cell(row, 0)).collect::<Vec<_>>().join("\n");
    let plan: Json = serde_json::from_str(&text).map_err(|error| Error::bug("EXPLAIN gave no JSON").because(error))?;
    let mut found = Vec::new();
    visit(&plan, &mut found);
    let mut accesses = Vec::new();
    for scan in found {
        let row_estimate = if scan.whole { row_count(lease, &scan).await?.max(scan.row_estimate) } else { scan.row_estimate };
        accesses.push(PlannedAccess { table: scan.alias, access: scan.access, row_estimate });
    }
    Ok(accesses)
}

struct Scan {
    schema: String,
    table: String,
    alias: String,
    access: String,
    row_estimate: u64,
    whole: bool,
}

fn visit(node: &Json, found: &mut Vec<Scan>) {
    match node {
        Json::Array(nodes) => nodes.iter().for_each(|node| visit(node, found)),
        Json::Object(fields) => {
            let text = |name: &str| fields.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
            if fields.contains_key("Relation Name") {
                let access = text("Node Type");
                found.push(Scan {
                    schema: text("Schema"),
                    table: text("Relation Name"),
                    alias: text("Alias"),
                    row_estimate: fields.get("Plan Rows").and_then(Json::as_u64).unwrap_or(0),
                    whole: access.ends_with("Seq Scan"),
                    access,
                });
            }
            fields.values().filter(|value| value.is_array() || value.is_object()).for_each(|value| visit(value, found));
        }
        _ => {}
    }
}

async fn row_count(lease: &Lease, scan: &Scan) -> Result<u64> {
    let sql = format!(
        "SELECT greatest(c.reltuples, 0)::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE (n.nspname, c.relname) = ({})",
        literals([scan.schema.as_str(), scan.table.as_str()])
    );
    let rows = lease.rows("read a table's size", &sql).await?;
    Ok(rows.first().and_then(|row| cell(row, 0).parse().ok()).unwrap_or(0))
}
