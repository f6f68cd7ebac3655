//! Why forms of the grammar and functions are refused that a mapping cannot have, and what to write instead.

use sqlparser::ast::Expr;

/// The reason and the help for an expression form that is not supported.
pub(super) fn form(expr: &Expr) -> (String, String) {
    let (what, help) = match expr {
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

/// The reason and the help for a function that mappings cannot have, if `name` (upper case) is one.
pub(super) fn function(name: &str) -> Option<(String, &'static str)> {
    crate::sql::functions::published::refusal(name)
}

/// The reason and the help for an aggregate that is not supported, if `name` (upper case) is one.
pub(super) fn aggregate(name: &str) -> Option<(String, &'static str)> {
    let help = match name {
        "ANY_VALUE" => "write MIN(..) or MAX(..), which give the same row's value every time",
        "STD" | "STDDEV" | "STDDEV_POP" | "STDDEV_SAMP" | "VARIANCE" | "VAR_POP" | "VAR_SAMP" => {
            "carry SUM(x), SUM(x * x) and COUNT(x) instead, of CAST(x AS DECIMAL(p,s))"
        }
        _ => return None,
    };
    let why =
        if name == "ANY_VALUE" { "shows any of the rows" } else { "is computed in floating point in the order of the rows" };
    Some((format!("the aggregate {name} is not supported: it {why}"), help))
}

/// What to write instead of a window function.
pub(super) const WINDOW_HELP: &str = "write a correlated subquery, e.g. (SELECT MAX(..) FROM .. WHERE ..); ROW_NUMBER, RANK and DENSE_RANK with OVER (PARTITION BY .. ORDER BY ..) are supported";
