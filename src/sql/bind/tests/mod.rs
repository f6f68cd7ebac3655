//! Golden cases of accepted and refused statements: `refused.txt` holds, per statement, every finding with the exact text under
//! its caret; `accepted.txt` holds the output columns with their types. `UPDATE_GOLDEN=1` rewrites the files for review.

mod catalog;
mod postgres;
mod shape;

use crate::schema::{Flavor, SourceCatalog};
use crate::sql::query::{Diagnostic, ExprKind};
use crate::sql::{bind, referenced_tables};

/// One case: its title (with `MySQL: ` before it if it is not MariaDB's, and `[SQL_MODE]` at the end if it wants one) and its SQL.
struct Case {
    title: String,
    sql: String,
    expected: String,
}

fn cases(text: &str) -> Vec<Case> {
    text.split("\n=== ")
        .skip(1)
        .map(|case| {
            let (title, rest) = case.split_once('\n').unwrap();
            let (sql, expected) = rest.split_once("\n---\n").unwrap_or((rest.trim_end(), ""));
            Case { title: title.to_owned(), sql: sql.to_owned(), expected: expected.trim_end().to_owned() }
        })
        .collect()
}

fn check(file: &str, text: &str, render: impl Fn(&str, &SourceCatalog) -> String) {
    check_in(file, text, catalog::shop, render);
}

fn check_in(file: &str, text: &str, catalog: impl Fn(&str) -> SourceCatalog, render: impl Fn(&str, &SourceCatalog) -> String) {
    let mut written = text.split("\n=== ").next().unwrap().to_owned();
    let mut wrong = Vec::new();
    let all = cases(text);
    assert!(!all.is_empty());
    for case in &all {
        let mode = case.title.split_once('[').map_or("", |(_, mode)| mode.trim_end_matches(']'));
        let mut catalog = catalog(mode);
        if case.title.starts_with("MySQL: ") {
            (catalog.flavor, catalog.version) = (Flavor::MySql, (9, 7, 0));
        }
        let found = render(&case.sql, &catalog);
        if found != case.expected {
            wrong.push(format!("{}\n--- found\n{found}\n--- expected\n{}", case.title, case.expected));
        }
        written.push_str(&format!("\n=== {}\n{}\n---\n{found}\n", case.title, case.sql));
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(format!("{}/src/sql/bind/tests/{file}", env!("CARGO_MANIFEST_DIR")), written).unwrap();
        return;
    }
    assert!(wrong.is_empty(), "{} of {} cases differ:\n{}", wrong.len(), all.len(), wrong.join("\n\n"));
}

fn findings(sql: &str, findings: &[Diagnostic]) -> String {
    let one = |finding: &Diagnostic| {
        let under = &sql[finding.span.clone()];
        let notes = [("label", &finding.label), ("help", &finding.help)];
        let notes = notes.iter().filter(|(_, text)| !text.is_empty()).map(|(kind, text)| format!("\n  {kind}: {text}"));
        format!("^ {under}\n  {}{}", finding.message, notes.collect::<String>())
    };
    findings.iter().map(one).collect::<Vec<_>>().join("\n")
}

#[test]
fn refused_statements_point_at_the_exact_text() {
    check("refused.txt", include_str!("refused.txt"), |sql, catalog| match bind(sql, catalog) {
        Ok(_) => "ACCEPTED".to_owned(),
        Err(refused) => findings(sql, &refused),
    });
}

#[test]
fn refused_statements_of_postgresql_point_at_the_exact_text() {
    let text = include_str!("postgres_refused.txt");
    assert!(cases(text).len() >= 30);
    check_in(
        "postgres_refused.txt",
        text,
        |_| postgres::shop(),
        |sql, catalog| match bind(sql, catalog) {
            Ok(_) => "ACCEPTED".to_owned(),
            Err(refused) => findings(sql, &refused),
        },
    );
}

#[test]
fn accepted_statements_have_these_columns() {
    check("accepted.txt", include_str!("accepted.txt"), |sql, catalog| match bind(sql, catalog) {
        Ok(query) => shape::query(&query),
        Err(refused) => format!("REFUSED\n{}", findings(sql, &refused)),
    });
}

#[test]
fn every_finding_lies_on_character_boundaries_of_the_text() {
    let catalog = catalog::shop("");
    for case in cases(include_str!("refused.txt")) {
        // Broken in the middle, as while typing: nothing may panic, and every range must be printable.
        for (cut, _) in case.sql.char_indices() {
            let part = &case.sql[..cut];
            if let Err(refused) = bind(part, &catalog) {
                assert!(refused.iter().all(|finding| part.get(finding.span.clone()).is_some()), "{}", case.title);
            }
        }
    }
}

#[test]
fn the_order_service_of_the_example_binds() {
    let selects = catalog::example_selects();
    assert_eq!(selects.len(), 3);
    for sql in &selects {
        let query = bind(sql, &catalog::shop("")).map_err(|refused| findings(sql, &refused));
        let query = query.unwrap_or_else(|refused| panic!("{refused}"));
        assert!(query.columns.iter().all(|column| !column.name.is_empty()));
    }
}

#[test]
fn referenced_tables_are_found_at_every_depth_once() {
    let sql = "SELECT a.x, (SELECT MAX(`h`.`y`) FROM `erp`.`tb_ord_hist` h) AS m FROM tb_ord_mst a JOIN (SELECT p.k FROM tb_pay p) q \
               ON q.k = a.k WHERE EXISTS (SELECT 1 FROM tb_pay z) UNION ALL SELECT 1, 2 FROM tb_ord_mst";
    let tables = referenced_tables(sql, Flavor::MariaDb).unwrap();
    let mut names: Vec<String> = tables
        .iter()
        .map(|(schema, table)| schema.as_ref().map_or(table.clone(), |schema| format!("{schema}.{table}")))
        .collect();
    names.sort();
    assert_eq!(names, ["erp.tb_ord_hist", "tb_ord_mst", "tb_pay"]);
}

#[test]
fn postgresql_maximum_of_a_numeric_that_may_be_nan_is_not_rounded_again() {
    // Rounding takes a number; NaN is none, and PostgreSQL gives it back as it is.
    let sql =
        "SELECT o.id, max(o.total) AS a, min(l.price::numeric(20,1)) AS b FROM ord o JOIN line l ON l.ord = o.id GROUP BY o.id";
    let query = bind(sql, &postgres::shop()).unwrap();
    let outputs = &query.branches[0].select.outputs;
    assert!(outputs[1..].iter().all(|output| matches!(output.kind, ExprKind::Aggregate { .. })), "{outputs:?}");
}
