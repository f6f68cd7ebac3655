//! What the server plans to do for a SELECT, read from EXPLAIN's tabular form, which every version of both families has.

use std::result::Result as AnyResult;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params, Row as Line};

use super::{driver_value, failure};
use crate::error::Result;
use crate::source::PlannedAccess;
use crate::value::Value;

/// One access per line of the plan; lines that read no table are left out.
///
/// # Errors
/// Driver errors.
pub async fn accesses(
    conn: &mut Conn,
    limit: Duration,
    attempt: &str,
    sql: &str,
    parameters: &[Value],
) -> Result<Vec<PlannedAccess>> {
    let parameters = match parameters {
        [] => Params::Empty,
        some => Params::Positional(some.iter().map(driver_value::to_wire).collect::<Result<_>>()?),
    };
    // The session may have another default form.
    let lines: Vec<Line> =
        failure::within(limit, attempt, conn.exec(format!("EXPLAIN FORMAT=TRADITIONAL {sql}"), parameters)).await?;
    Ok(lines.iter().filter_map(access).collect())
}

fn access(line: &Line) -> Option<PlannedAccess> {
    Some(PlannedAccess {
        table: text(line, "table")?,
        access: text(line, "type").unwrap_or_default(),
        row_estimate: number(line, "rows").unwrap_or(0),
    })
}

fn text(line: &Line, column: &str) -> Option<String> {
    line.get_opt::<Option<String>, _>(column)?.ok()?
}

/// MariaDB gives a number or text, depending on its version.
fn number(line: &Line, column: &str) -> Option<u64> {
    line.get_opt::<Option<u64>, _>(column).and_then(AnyResult::ok).flatten().or_else(|| text(line, column)?.parse().ok())
}
