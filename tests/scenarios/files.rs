//! Files that a user got wrong: file, line, column, and a caret under the right place, also behind Hangul.

use super::{on_mariadb, project};

/// The column, in terminal cells, at which a line's text `marker` starts; Hangul takes two.
fn cells_before(line: &str, marker: &str) -> usize {
    let at = line.find(marker).unwrap_or_else(|| panic!("{marker:?} is not in {line:?}"));
    line[..at].chars().map(|c| if ('\u{1100}'..='\u{ffdc}').contains(&c) { 2 } else { 1 }).sum()
}

/// The caret in a diagnostic must stand under `culprit` in the line above it.
fn caret_is_under(text: &str, culprit: &str) {
    let lines: Vec<&str> = text.lines().collect();
    let caret = lines.windows(2).find(|pair| pair[1].contains('^') && pair[0].contains(culprit));
    let [quoted, marks] = caret.unwrap_or_else(|| panic!("no caret under {culprit:?}\n{text}")) else { unreachable!() };
    let offset = |line: &str| line.find('|').or_else(|| line.find('│')).map_or(0, |_| 0);
    assert_eq!(cells_before(marks, "^") - offset(marks), cells_before(quoted, culprit) - offset(quoted), "\n{quoted}\n{marks}");
}

#[tokio::test]
async fn a_broken_mapping_shows_file_line_column_and_a_caret_under_hangul() {
    let (_pair, project) = on_mariadb!(project, "broken");
    project.edit(
        "mappings/small.yaml",
        "SELECT o.ord_no AS order_no,",
        "SELECT '주문' AS kind, o.nope AS wrong, o.ord_no AS order_no,",
    );
    let ended = project.strangler(&["check"]).await.expect(65);
    let line = super::MAPPING.lines().position(|line| line.contains("SELECT o.ord_no")).unwrap() + 1;
    let text = ended.text();
    assert!(text.contains(&format!("small.yaml:{line}:")), "line {line} is not named\n{text}");
    caret_is_under(&text, "o.nope");
    project.strangler(&["run"]).await.expect(65);
    project.strangler(&["plan"]).await.expect(65);
}

#[tokio::test]
async fn two_mistakes_are_shown_at_once() {
    let (_pair, project) = on_mariadb!(project, "two_mistakes");
    project.edit("mappings/small.yaml", "c.nm AS customer", "c.nmm AS customer");
    project.edit("mappings/small.yaml", "c.nm AS name", "c.nam AS name");
    project.strangler(&["check"]).await.expect(65).names(&["nmm", "nam"]);
}

#[tokio::test]
async fn a_mistake_in_the_syntax_is_shown_although_the_source_is_down() {
    let (_pair, project) = on_mariadb!(project, "syntax_offline");
    project.edit(
        "strangler.yaml",
        &format!("mysql://{}@127.0.0.1", project.name),
        &format!("mysql://{}@127.0.0.2", project.name),
    );
    project.strangler(&["check"]).await.expect(69);
    project.edit("mappings/small.yaml", "c.nm AS customer", "c.nm AS AS customer");
    let text = project.strangler(&["check"]).await.expect(65).names(&["small.yaml", "could not connect"]).text();
    assert!(text.contains('^'), "no caret\n{text}");
}

#[tokio::test]
async fn what_is_not_reproduced_exactly_is_refused() {
    let (_pair, project) = on_mariadb!(project, "not_exact");
    for expression in ["RAND()", "NOW()", "UUID()", "EXP(o.amt)", "@x"] {
        project.write("mappings/small.yaml", &super::MAPPING.replace("c.nm AS customer", &format!("{expression} AS customer")));
        let ended = project.strangler(&["check"]).await.expect(65);
        assert!(ended.text().contains('^'), "no caret for {expression}\n{}", ended.text());
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_proven_is_refused() {
    let (_pair, project) = on_mariadb!(project, "no_key");
    project.edit("mappings/small.yaml", "    key: [order_no]", "    key: [status]");
    let ended = project.strangler(&["check"]).await;
    assert!(matches!(ended.code, Some(65 | 78)), "{:?}\n{}", ended.code, ended.text());
    ended.names(&["status"]);
}

#[tokio::test]
async fn an_unknown_command_or_option_is_exit_64() {
    let (_pair, project) = on_mariadb!(project, "usage");
    project.strangler(&["migrate"]).await.expect(64);
    project.strangler(&["run", "--untill-caught-up"]).await.expect(64).names(&["--until-caught-up"]);
}

#[tokio::test]
async fn a_missing_password_is_said_without_showing_another() {
    let (_pair, project) = on_mariadb!(project, "password");
    project.edit("strangler.yaml", "ERP_PASSWORD", "NO_SUCH_VARIABLE");
    let ended = project.strangler(&["check"]).await.expect(65).names(&["NO_SUCH_VARIABLE"]);
    assert!(!ended.text().contains("Only-For-Tests"), "{}", ended.text());
}

#[tokio::test]
async fn a_wrong_password_is_not_repeated_in_the_answer() {
    let (_pair, project) = on_mariadb!(project, "wrong_password");
    let name = &project.name;
    project.legacy(&[&format!("ALTER USER {name}@'127.0.0.1' IDENTIFIED BY 'Another-One-2'")]).await;
    let ended = project.strangler(&["check"]).await;
    assert!(matches!(ended.code, Some(69 | 77)), "{:?}\n{}", ended.code, ended.text());
    assert!(!ended.text().contains("Only-For-Tests"), "{}", ended.text());
}
