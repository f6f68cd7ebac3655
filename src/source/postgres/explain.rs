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
    visit(&plan, false, &text, &mut found);
    let mut accesses = Vec::new();
    for scan in found {
        let counted = if scan.whole { row_count(lease, &scan).await? } else { None };
        accesses.push(PlannedAccess {
            table: scan.alias,
            access: scan.access,
            row_estimate: counted.map_or(scan.row_estimate, |rows| rows.max(scan.row_estimate)),
            is_repeated: scan.repeated,
            is_neglected: scan.whole && counted.is_none(),
        });
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
    repeated: bool,
}

/// `repeated`: the node is run again for each row of another; `whole` is the text of the whole plan.
fn visit(node: &Json, repeated: bool, whole: &str, found: &mut Vec<Scan>) {
    match node {
        Json::Array(nodes) => nodes.iter().for_each(|node| visit(node, repeated, whole, found)),
        Json::Object(fields) => {
            let text = |name: &str| fields.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
            let repeated = match text("Parent Relationship").as_str() {
                // One that is hashed is run once.
                "SubPlan" => !whole.contains(&format!("hashed {}", text("Subplan Name"))),
                "InitPlan" => false,
                _ => repeated,
            };
            if fields.contains_key("Relation Name") {
                let access = text("Node Type");
                found.push(Scan {
                    schema: text("Schema"),
                    table: text("Relation Name"),
                    alias: text("Alias"),
                    row_estimate: fields.get("Plan Rows").and_then(Json::as_u64).unwrap_or(0),
                    whole: access.ends_with("Seq Scan"),
                    access,
                    repeated,
                });
            }
            let loops = text("Node Type") == "Nested Loop";
            for value in fields.values().filter(|value| value.is_object()) {
                visit(value, repeated, whole, found);
            }
            for inner in fields.get("Plans").and_then(Json::as_array).into_iter().flatten() {
                let is_inner = inner.get("Parent Relationship").and_then(Json::as_str) == Some("Inner");
                // What is kept in memory is read once.
                let kept = matches!(inner.get("Node Type").and_then(Json::as_str), Some("Materialize" | "Hash" | "Memoize"));
                visit(inner, !kept && (repeated || (loops && is_inner)), whole, found);
            }
        }
        _ => {}
    }
}

/// `None`: the table was never analysed.
async fn row_count(lease: &Lease, scan: &Scan) -> Result<Option<u64>> {
    let sql = format!(
        "SELECT c.reltuples::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE (n.nspname, c.relname) = ({})",
        literals([scan.schema.as_str(), scan.table.as_str()])
    );
    let rows = lease.rows("read a table's size", &sql).await?;
    Ok(rows.first().and_then(|row| cell(row, 0).parse().ok()))
}
