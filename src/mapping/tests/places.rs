//! From a place in the SQL to the place in the file.

use super::super::{Mapping, Problem};
use super::{RIGHT, file};

/// Points at `needle` in the SQL of the first table and says where the caret stands in the file: line, column and the text under it.
fn caret(text: &str, needle: &str) -> (usize, usize, String) {
    let problem = problem(text, needle);
    let (line, column) = problem.line_and_column();
    (line, column, text[problem.span.clone()].to_owned())
}

fn problem(text: &str, needle: &str) -> Problem {
    let mapping = Mapping::parse(file(text)).unwrap_or_else(|problems| panic!("{}", super::pictures(&problems)));
    let table = &mapping.tables[0];
    let start = table.sql.text.find(needle).unwrap();
    table.sql_problem(&mapping.file, &(start..start + needle.len()), "looks wrong").with_label("here").with_help("mend it")
}

const HEAD: &str = "version: 1\nmapping: m\nsource: s\ntarget: t\ntables:\n  주문:\n    key: [a]\n";

#[test]
fn a_literal_block_is_exact_also_behind_hangul() {
    let (line, column, found) = caret(RIGHT, "고객명");
    assert_eq!((line, column, found.as_str()), (12, 49, "고객명"));
    insta::assert_snapshot!(
        "caret_behind_hangul",
        problem(&RIGHT.replace("SELECT o.ord_no", "SELECT '주문번호' AS 번호, o.ord_no"), "cust_nm").picture(false)
    );
}

#[test]
fn blocks_of_every_indentation_and_chomping_are_exact() {
    for (header, body) in [
        ("|", "      SELECT 1\n        FROM bad\n"),
        ("|-", "      SELECT 1\n        FROM bad\n"),
        ("|+", "      SELECT 1\n        FROM bad\n\n\n"),
        ("|2", "      SELECT 1\n        FROM bad\n"),
        ("|  # comment", "          SELECT 1\n\n          FROM bad\n"),
        ("|", "\n\n      SELECT 1\n   \n       FROM bad\n"),
        ("|", "      SELECT 1 FROM bad"),
    ] {
        let text = format!("{HEAD}    sql: {header}\n{body}");
        let (line, column, found) = caret(&text, "bad");
        let expected = text.find("bad").unwrap();
        let before = &text[..expected];
        assert_eq!(found, "bad", "{header:?} {body:?}");
        assert_eq!(line, before.matches('\n').count() + 1);
        assert_eq!(column, before.chars().rev().take_while(|character| *character != '\n').count() + 1);
    }
}

#[test]
fn lines_that_end_in_carriage_returns_are_exact() {
    let text = format!("{HEAD}    sql: |\n      SELECT 1\n        FROM bad\n").replace('\n', "\r\n");
    assert_eq!(caret(&text, "bad").2, "bad");
}

#[test]
fn folded_and_quoted_sql_is_shown_beside_the_file() {
    for (name, sql) in [
        ("folded", ">\n      SELECT 이름\n      FROM bad\n"),
        ("quoted", "\"SELECT '한\\u00e9' AS x\\n FROM bad\"\n"),
        ("plain", "SELECT 한글 FROM bad\n"),
    ] {
        insta::assert_snapshot!(format!("sql_{name}"), problem(&format!("{HEAD}    sql: {sql}"), "bad").picture(false));
    }
}

#[test]
fn a_range_over_several_lines_points_at_the_first() {
    let mapping = Mapping::parse(file(RIGHT)).unwrap();
    let table = &mapping.tables[0];
    let whole = table.sql_problem(&mapping.file, &(0..table.sql.text.len()), "x");
    assert_eq!(&RIGHT[whole.span.clone()], "SELECT o.ord_no AS order_id, c.cust_nm AS 고객명");
    let behind = table.sql_problem(&mapping.file, &(900..901), "x");
    assert_eq!(behind.line_and_column().0, 14);
}
