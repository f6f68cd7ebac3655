//! The PostgreSQL half of the published table: its operators and functions come from the tables that the binder resolves calls with, the
//! forms of the grammar and the aggregates from the list here.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{escaped, refusals};
use crate::sql::postgres::routine::Routine;
use crate::sql::postgres::{REFUSED, subjects};

/// A form of the grammar, or an aggregate.
#[derive(Debug)]
pub struct Form {
    /// The subject.
    pub subject: &'static str,
    /// As written in SQL.
    pub name: &'static str,
    /// What it takes and gives.
    pub remarks: &'static str,
}

const fn form(subject: &'static str, name: &'static str, remarks: &'static str) -> Form {
    Form { subject, name, remarks }
}

const COMPARISONS: &str = "Comparisons and choices";
const AGGREGATES: &str = "Aggregates";
const NUMBERINGS: &str = "Row numbers";

/// What has no row in a table of routines.
pub const FORMS: &[Form] = &[
    form(
        COMPARISONS,
        "= <>",
        "numbers, booleans, texts under deterministic collations, bytes, dates, times, intervals, uuid, enums, and types whose text is canonical",
    ),
    form(COMPARISONS, "< <= > >=", "the same; texts under collations that order by code point; not enums"),
    form(COMPARISONS, "IS [NOT] DISTINCT FROM", "as ="),
    form(COMPARISONS, "BETWEEN, NOT BETWEEN", "as >= and <="),
    form(COMPARISONS, "IN, NOT IN", "lists, rows of values, subqueries"),
    form(COMPARISONS, "= ANY (..), <> ALL (..)", "arrays that are written out, and array columns"),
    form(COMPARISONS, "AND, OR, NOT", "boolean"),
    form(COMPARISONS, "IS [NOT] NULL", "any type"),
    form(COMPARISONS, "IS [NOT] TRUE, FALSE, UNKNOWN", "boolean"),
    form(COMPARISONS, "CASE", "both forms; the common type of all results"),
    form(COMPARISONS, "COALESCE", "the common type of its arguments"),
    form(COMPARISONS, "NULLIF", "the type of its first argument"),
    form(COMPARISONS, "GREATEST, LEAST", "NULLs are left out"),
    form(
        COMPARISONS,
        "CAST(x AS t), x::t",
        "between all numbers, texts, boolean, bytea, date, time, timestamp, timestamptz, interval, uuid, json, jsonb and arrays",
    ),
    form(COMPARISONS, "COLLATE", "collations of the catalogue, C, POSIX"),
    form(COMPARISONS, "AT TIME ZONE", "names of zones"),
    form(COMPARISONS, "SIMILAR TO", "constant patterns"),
    form(COMPARISONS, "EXISTS", "subqueries"),
    form(AGGREGATES, "count", "`*`, any type, DISTINCT, FILTER"),
    form(
        AGGREGATES,
        "sum, avg",
        "integers, numeric; sum of interval; DISTINCT, FILTER. Floats depend on the order of the rows: cast to numeric",
    ),
    form(AGGREGATES, "min, max", "numbers, texts, dates, times, intervals; FILTER"),
    form(AGGREGATES, "bool_and, bool_or, every", "boolean; FILTER"),
    form(AGGREGATES, "bit_and, bit_or, bit_xor", "integers; FILTER"),
    form(AGGREGATES, "string_agg", "text; a total order, DISTINCT, FILTER"),
    form(AGGREGATES, "array_agg", "any type but arrays; a total order, FILTER"),
    form(AGGREGATES, "json_agg, jsonb_agg", "any type; a total order, FILTER"),
    form(
        AGGREGATES,
        "json_object_agg, jsonb_object_agg",
        "keys and values of any type; a total order for json and where keys repeat, FILTER",
    ),
    form(NUMBERINGS, "row_number", "OVER (PARTITION BY .. ORDER BY ..) with a total order"),
    form(NUMBERINGS, "rank, dense_rank", "OVER (PARTITION BY .. ORDER BY ..)"),
    form(NUMBERINGS, "DISTINCT ON", "the first row per group by a total order"),
];

/// The section of the document.
pub(super) fn section(out: &mut String) {
    let subjects = subjects();
    let carried = subjects.iter().map(|(_, routines)| named(routines, true).len()).sum::<usize>();
    let forms = FORMS.iter().map(|form| form.name.split(',').count()).sum::<usize>();
    let _ = writeln!(out, "\n## PostgreSQL\n\n{} functions and operators.", carried + forms);
    for subject in [COMPARISONS, AGGREGATES, NUMBERINGS] {
        let _ = writeln!(out, "\n### {subject}\n\n| name | remarks |\n|---|---|");
        for form in FORMS.iter().filter(|form| form.subject == subject) {
            let _ = writeln!(out, "| `{}` | {} |", escaped(form.name), escaped(form.remarks));
        }
    }
    for (subject, routines) in &subjects {
        let _ = writeln!(out, "\n### {subject}\n\n| name | arguments and result |\n|---|---|");
        for (name, routines) in named(routines, true) {
            let signatures: Vec<String> = routines.iter().map(|routine| signature(routine)).collect();
            let _ = writeln!(out, "| `{}` | {} |", escaped(name), escaped(&signatures.join("; ")));
        }
    }
    out.push_str("\n### Refused\n\n| names | why | instead |\n|---|---|---|\n");
    refusals(REFUSED, out);
    let absent: Vec<String> = subjects
        .iter()
        .flat_map(|(_, routines)| named(routines, false))
        .map(|(name, routines)| {
            let signatures: Vec<String> = routines.iter().map(|routine| signature(routine)).collect();
            format!("`{}` {}", escaped(name), escaped(&signatures.join("; ")))
        })
        .collect();
    let _ = writeln!(out, "\nNot carried exactly, and refused by name: {}.", absent.join(", "));
}

/// The routines by name, those that are carried or those that are not.
fn named<'r>(routines: &[&'r Routine], carried: bool) -> BTreeMap<&'r str, Vec<&'r Routine>> {
    let mut found: BTreeMap<&str, Vec<&Routine>> = BTreeMap::new();
    for routine in routines.iter().filter(|routine| routine.compute.is_some() == carried) {
        found.entry(routine.name).or_default().push(routine);
    }
    found
}

fn signature(routine: &Routine) -> String {
    let arguments: Vec<&str> = routine.arguments.iter().map(|kind| kind.name()).collect();
    format!("({}) {}", arguments.join(", "), routine.result.name())
}
