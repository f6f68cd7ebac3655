//! What `check` refuses before anything is read: all findings at once, each with its object and a remedy that works.

use super::{TABLES, on_mariadb, project};
use crate::support::project::Project;
use crate::support::servers::{Kind, own, shared};

#[tokio::test]
async fn a_sound_project_passes_and_nothing_is_written() {
    let (_pair, project) = on_mariadb!(project, "sound");
    project.strangler(&["check"]).await.expect(0);
    let tables = "SELECT COUNT(*)::text FROM pg_class WHERE relnamespace = 'public'::regnamespace OR relname = 'checkpoint'";
    assert_eq!(project.ask_service(tables).await, "0");
    assert!(!project.state().join("store").exists());
}

/// Takes a privilege away: `check` says which, with the statement that gives it back, and that statement is enough.
async fn a_missing_grant_is_printed_and_mends(kind: Kind, revoke: &str, word: &str) {
    let Some(pair) = shared(kind).await else { return };
    let project = project(&pair, "grant").await;
    let user = format!("{}@'127.0.0.1'", project.name);
    for statement in revoke.replace("{db}", &project.name).replace("{user}", &user).split("; ") {
        project.legacy(&[statement]).await;
    }
    let ended = project.strangler(&["check"]).await.expect(77);
    let grants: Vec<String> =
        ended.text().lines().filter_map(|line| line.find("GRANT ").map(|at| line[at..].to_owned())).collect();
    assert!(grants.iter().any(|grant| grant.contains(word)), "{word} in {grants:?}\n{}", ended.text());
    for grant in grants {
        let statement = grant.split(';').next().unwrap().trim_end_matches(['`', '"', '.']).to_owned();
        project.legacy(&[&statement]).await;
    }
    project.strangler(&["check"]).await.expect(0);
    project.settle().await;
}

#[tokio::test]
async fn missing_replication_grant_on_mariadb() {
    a_missing_grant_is_printed_and_mends(Kind::MariaDb, "REVOKE REPLICATION SLAVE ON *.* FROM {user}", "REPLICATION SLAVE").await;
}

#[tokio::test]
async fn missing_replication_grant_on_mysql() {
    a_missing_grant_is_printed_and_mends(Kind::MySql, "REVOKE REPLICATION SLAVE ON *.* FROM {user}", "REPLICATION SLAVE").await;
}

#[tokio::test]
async fn missing_select_grant_on_a_mapped_table() {
    a_missing_grant_is_printed_and_mends(Kind::MariaDb, "REVOKE SELECT ON {db}.* FROM {user}", "SELECT").await;
}

#[tokio::test]
async fn missing_select_grant_on_one_of_the_mapped_tables() {
    let revoke = "REVOKE SELECT ON {db}.* FROM {user}; GRANT SELECT ON {db}.s_ord TO {user}";
    a_missing_grant_is_printed_and_mends(Kind::MariaDb, revoke, "SELECT").await;
}

#[tokio::test]
async fn missing_right_to_create_in_the_target() {
    let (_pair, project) = on_mariadb!(project, "target_grant");
    let name = &project.name;
    project.service(&format!("ALTER DATABASE {name} OWNER TO postgres; REVOKE ALL ON SCHEMA public FROM {name}")).await;
    project.strangler(&["check"]).await.expect(77).names(&["GRANT", name]);
}

#[tokio::test]
async fn several_findings_come_at_once_and_the_worst_decides() {
    let (_pair, project) = on_mariadb!(project, "several");
    project.legacy(&["CREATE VIEW s_view AS SELECT * FROM s_cust"]).await;
    let user = format!("{}@'127.0.0.1'", project.name);
    project.legacy(&[&format!("REVOKE REPLICATION SLAVE ON *.* FROM {user}")]).await;
    project.edit("mappings/small.yaml", "FROM s_cust c", "FROM s_view c");
    let ended = project.strangler(&["check"]).await;
    assert!(matches!(ended.code, Some(65 | 77)), "{:?}\n{}", ended.code, ended.text());
    ended.names(&["s_view"]);
}

#[tokio::test]
async fn a_view_is_refused() {
    let (_pair, project) = on_mariadb!(project, "view");
    project.legacy(&["CREATE VIEW s_view AS SELECT * FROM s_cust"]).await;
    project.edit("mappings/small.yaml", "FROM s_cust c", "FROM s_view c");
    project.strangler(&["check"]).await.expect(78).names(&["s_view", "view"]);
    project.strangler(&["run", "--until-caught-up"]).await.expect(78);
}

#[tokio::test]
async fn a_table_that_does_not_exist_is_named() {
    let (_pair, project) = on_mariadb!(project, "no_table");
    project.edit("mappings/small.yaml", "FROM s_cust c", "FROM s_kunde c");
    project.strangler(&["check"]).await.expect(65).names(&["s_kunde", "small.yaml"]);
}

#[tokio::test]
async fn f_cascades_that_the_server_does_not_log_are_refused() {
    for rule in ["CASCADE", "SET NULL"] {
        let (_pair, project) = on_mariadb!(project, "cascade");
        project
            .legacy(&["CREATE TABLE s_note (note_no INT PRIMARY KEY, ord_no INT NULL, txt VARCHAR(20), \
                 CONSTRAINT note_of FOREIGN KEY (ord_no) REFERENCES s_ord (ord_no) ON DELETE ACTION)"
                .replace("ACTION", rule)
                .as_str()])
            .await;
        let notes = "  notes:\n    key: [note_no]\n    sql: SELECT n.note_no AS note_no, n.txt AS txt FROM s_note n\n";
        project.write("mappings/small.yaml", &format!("{}{notes}", super::MAPPING));
        project.strangler(&["check"]).await.expect(78).names(&["s_note", "note_of"]);
        project.strangler(&["run", "--until-caught-up"]).await.expect(78);
    }
}

#[tokio::test]
async fn foreign_keys_without_an_action_are_fine() {
    let (_pair, project) = on_mariadb!(project, "restrict");
    project.legacy(&["UPDATE s_ord SET cust_no = NULL WHERE cust_no = 7"]).await;
    project.legacy(&["ALTER TABLE s_ord ADD CONSTRAINT of_cust FOREIGN KEY (cust_no) REFERENCES s_cust (cust_no)"]).await;
    project.strangler(&["check"]).await.expect(0);
    project.settle().await;
}

async fn refused_with(arguments: &[&str], words: &[&str]) {
    let Some(pair) = own(Kind::MariaDb, arguments).await else { return };
    let project = Project::new(&pair, "setting").await;
    project.legacy(TABLES).await;
    project.write("mappings/small.yaml", super::MAPPING);
    project.strangler(&["check"]).await.expect(78).names(words);
    project.strangler(&["run", "--until-caught-up"]).await.expect(78).names(words);
}

#[tokio::test]
async fn a_log_filter_over_the_mapped_schema_is_refused() {
    refused_with(&["--binlog-do-db=another"], &["another"]).await;
}

#[tokio::test]
async fn a_log_filter_that_ignores_the_mapped_schema_is_refused() {
    let Some(mut pair) = own(Kind::MariaDb, &[]).await else { return };
    let project = project(&pair, "ignored").await;
    pair.source.set_extra_args(vec![format!("--binlog-ignore-db={}", project.name)]);
    pair.source.restart().await.unwrap();
    project.strangler(&["check"]).await.expect(78).names(&["binlog_ignore_db", &project.name]);
}

#[tokio::test]
async fn statement_logging_is_refused() {
    refused_with(&["--binlog-format=STATEMENT"], &["binlog_format", "ROW"]).await;
}

#[tokio::test]
async fn minimal_metadata_and_images_are_said() {
    refused_with(&["--binlog-row-image=MINIMAL"], &["binlog_row_image", "FULL"]).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_exit_69() {
    let (_pair, project) = on_mariadb!(project, "unreachable");
    let text = std::fs::read_to_string(project.folder().join("strangler.yaml")).unwrap();
    let (before, after) = text.split_once("postgresql://").unwrap();
    let (_, path) = after.split_once(":").unwrap();
    let (_, path) = path.split_once('/').unwrap();
    project.write("strangler.yaml", &format!("{before}postgresql://{}@127.0.0.1:1/{path}", project.name));
    project.strangler(&["check"]).await.expect(69).names(&["order-db"]);
}
