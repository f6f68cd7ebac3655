//! Why forms of the grammar and functions are refused that a mapping cannot have, and what to write instead.

use sqlparser::ast::Expr;

/// The reason and the help for an expression form that is not supported.
pub(super) fn form(expr: &Expr) -> (String, String) {
    let (what, help) = match expr {
        Expr::RLike { .. } => ("REGEXP", "write LIKE, or LEFT, RIGHT and SUBSTRING"),
        Expr::MatchAgainst { .. } => ("full-text search", "write LIKE"),
        Expr::Prefixed { .. } => ("a charset introducer", "write the string without it; the text of a mapping is UTF-8"),
        Expr::Tuple(_) => ("a row of values in this place", "compare row with row, e.g. (a, b) = (c, d), or name one column"),
        Expr::AnyOp { .. } | Expr::AllOp { .. } => ("a comparison with ANY, SOME or ALL", "write EXISTS or NOT EXISTS"),
        Expr::JsonAccess { .. } | Expr::MemberOf(_) => ("access into JSON", "carry the whole document as a column"),
        Expr::Wildcard(_) | Expr::QualifiedWildcard(..) => ("* in an expression", "name the columns"),
        Expr::IsDistinctFrom(..) | Expr::IsNotDistinctFrom(..) => ("IS DISTINCT FROM", "write NOT (a <=> b)"),
        Expr::AtTimeZone { .. } => ("AT TIME ZONE", "set session: time_zone in the project file"),
        Expr::Overlay { .. } => ("OVERLAY", "write INSERT, or CONCAT with LEFT and SUBSTRING"),
        Expr::GroupingSets(_) | Expr::Cube(_) | Expr::Rollup(_) => {
            ("ROLLUP, CUBE or GROUPING SETS", "group by plain expressions")
        }
        _ => ("this expression", "write it with comparisons, CASE, arithmetic and functions"),
    };
    (format!("{what} is not supported"), help.to_owned())
}

/// The reason and the help for a function whose result does not follow from the rows, if `name` (upper case) is one.
pub(super) fn function(name: &str) -> Option<(String, &'static str)> {
    let (why, help) = match name {
        "NOW" | "CURRENT_TIMESTAMP" | "SYSDATE" | "CURDATE" | "CURRENT_DATE" | "CURTIME" | "CURRENT_TIME" | "LOCALTIME"
        | "LOCALTIMESTAMP" | "UTC_DATE" | "UTC_TIME" | "UTC_TIMESTAMP" => {
            ("depends on when it is asked", "carry the date itself and let the service compare it with its clock")
        }
        "RAND" | "UUID" | "UUID_SHORT" | "SYS_GUID" | "RANDOM_BYTES" => {
            ("is different every time", "build the value from columns, or leave it to the target's default")
        }
        "USER" | "CURRENT_USER" | "SESSION_USER" | "SYSTEM_USER" | "CURRENT_ROLE" | "CONNECTION_ID" | "LAST_INSERT_ID"
        | "FOUND_ROWS" | "ROW_COUNT" | "DATABASE" | "SCHEMA" | "VERSION" => {
            ("belongs to a session, not to a row", "write the value itself")
        }
        "SLEEP" | "BENCHMARK" | "GET_LOCK" | "RELEASE_LOCK" | "RELEASE_ALL_LOCKS" | "IS_FREE_LOCK" | "IS_USED_LOCK"
        | "LOAD_FILE" | "NEXTVAL" | "LASTVAL" | "SETVAL" | "MASTER_POS_WAIT" | "MASTER_GTID_WAIT" => {
            ("does something on the server", "leave it out of the mapping")
        }
        "ROW_NUMBER" | "RANK" | "DENSE_RANK" | "NTILE" | "LAG" | "LEAD" | "FIRST_VALUE" | "LAST_VALUE" | "NTH_VALUE"
        | "PERCENT_RANK" | "CUME_DIST" => ("is a window function", WINDOW_HELP),
        "VALUES" | "DEFAULT" | "GROUPING" => ("has no meaning in a mapping", "write the value itself"),
        _ => return None,
    };
    Some((format!("{name} {why}"), help))
}

/// The reason and the help for an aggregate that is not supported, if `name` (upper case) is one.
pub(super) fn aggregate(name: &str) -> Option<(String, &'static str)> {
    let help = match name {
        "ANY_VALUE" => "write MIN(..) or MAX(..), which give the same row's value every time",
        "STD" | "STDDEV" | "STDDEV_POP" | "STDDEV_SAMP" | "VARIANCE" | "VAR_POP" | "VAR_SAMP" => {
            "carry SUM(x), SUM(x * x) and COUNT(x) instead"
        }
        "BIT_AND" | "BIT_OR" | "BIT_XOR" => "carry SUM or MAX of single conditions",
        "JSON_ARRAYAGG" | "JSON_OBJECTAGG" => "write GROUP_CONCAT with ORDER BY, or map the rows to their own table",
        _ => return None,
    };
    Some((format!("the aggregate {name} is not supported"), help))
}

/// What to write instead of a window function.
pub(super) const WINDOW_HELP: &str = "write a correlated subquery, e.g. (SELECT MAX(..) FROM .. WHERE ..); ROW_NUMBER, RANK and DENSE_RANK with OVER (PARTITION BY .. ORDER BY ..) are supported";
