//! What the server plans to do for a SELECT, read from EXPLAIN's tabular form, which every version of both families has.

use std::collections::BTreeSet;
use std::result::Result as AnyResult;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row as Line};

use super::failure;
use crate::error::Result;
use crate::source::PlannedAccess;

/// One access per line of the plan; lines that read no table are left out.
///
/// # Errors
/// Driver errors.
pub async fn accesses(conn: &mut Conn, limit: Duration, attempt: &str, sql: &str) -> Result<Vec<PlannedAccess>> {
    // The session may have another default form.
    let lines: Vec<Line> = failure::within(limit, attempt, conn.query(format!("EXPLAIN FORMAT=TRADITIONAL {sql}"))).await?;
    let mut selects = BTreeSet::new();
    let mut found = Vec::new();
    for line in &lines {
        // The first line of a SELECT drives the others.
        let drives = selects.insert(number(line, "id"));
        found.extend(access(line, drives));
    }
    Ok(found)
}

fn access(line: &Line, drives: bool) -> Option<PlannedAccess> {
    let kind = text(line, "select_type").unwrap_or_default();
    let extra = text(line, "Extra").unwrap_or_default();
    let is_dependent = kind.contains("DEPENDENT") || kind.contains("UNCACHEABLE") || kind.contains("LATERAL");
    Some(PlannedAccess {
        table: text(line, "table")?,
        access: text(line, "type").unwrap_or_default(),
        row_estimate: number(line, "rows").unwrap_or(0),
        is_repeated: is_dependent || !(drives || extra.contains("hash join")),
        is_neglected: text(line, "possible_keys").is_some() && text(line, "key").is_none(),
    })
}

fn text(line: &Line, column: &str) -> Option<String> {
    line.get_opt::<Option<String>, _>(column)?.ok()?
}

/// MariaDB gives a number or text, depending on its version.
fn number(line: &Line, column: &str) -> Option<u64> {
    line.get_opt::<Option<u64>, _>(column).and_then(AnyResult::ok).flatten().or_else(|| text(line, column)?.parse().ok())
}
