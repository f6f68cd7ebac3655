//! The demo as a test, and what verify and diff owe to keys, to standing still and to the legacy server's load.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::support::program::{Running, command, run};
use crate::support::project::Project;
use crate::support::servers::{Kind, shared};

/// A folder for the temp files of a demo, which its servers' own users can reach.
fn temp_folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("s").tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    folder
}

fn demo(folder: &tempfile::TempDir, arguments: &[&str]) -> std::process::Command {
    let variables = [("TMPDIR".to_owned(), folder.path().display().to_string())];
    command(folder.path(), &variables, arguments)
}

fn left_in(folder: &tempfile::TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).filter(|name| name != "run.log").collect()
}

#[tokio::test]
async fn the_demo_tells_its_story_to_the_end_and_leaves_nothing() {
    let Some(_pair) = shared(Kind::MariaDb).await else { return };
    let folder = temp_folder();
    run(demo(&folder, &["demo", "--fast"])).await.expect(0).names(&[
        "first verified",
        "differs in paid_amount",
        "resumed from its checkpoint",
        "caught up: every checkpoint",
        "nothing pending",
    ]);
    assert_eq!(left_in(&folder), Vec::<String>::new());
}

#[tokio::test]
async fn a_demo_that_is_interrupted_anywhere_leaves_nothing() {
    let Some(_pair) = shared(Kind::MariaDb).await else { return };
    for (signal, code, after_ms) in [("INT", 130, 200), ("INT", 130, 1_500), ("TERM", 143, 6_000), ("HUP", 143, 10_000)] {
        let folder = temp_folder();
        // The whole story: the fast one may be over before the last signal.
        let mut told = Running::start(demo(&folder, &["demo"]), folder.path().join("run.log"));
        tokio::time::sleep(Duration::from_millis(after_ms)).await;
        told.signal(signal);
        assert_eq!(told.wait().await.code(), Some(code), "{}", told.log());
        assert_eq!(left_in(&folder), Vec::<String>::new(), "after {after_ms} ms");
    }
}

const NAMES: &str = "version: 1\nmapping: names\nsource: erp\ntarget: order-db\ntables:\n  names:\n    key: [name]\n    sql: |\n      \
                     SELECT nm AS name, n AS number FROM t_name\n";

async fn names(kind: Kind, test: &str) -> Option<(std::sync::Arc<crate::support::servers::Pair>, Project)> {
    let pair = shared(kind).await?;
    let project = Project::new(&pair, test).await;
    project
        .legacy(&[
            "SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES'",
            "CREATE TABLE t_name (nm VARCHAR(40) COLLATE utf8mb4_bin PRIMARY KEY, n INT NOT NULL)",
            r"INSERT INTO t_name VALUES ('O''Brien', 1), ('back\slash\', 2), ('김영희', 3), ('? -- #', 4), ('😀', 5), ('', 6)",
        ])
        .await;
    project.write("mappings/names.yaml", NAMES);
    project.settle().await;
    Some((pair, project))
}

#[tokio::test]
async fn f79_keys_with_quotes_backslashes_and_hangul_are_compared_as_they_are() {
    for kind in [Kind::MariaDb, Kind::MySql] {
        let Some((_pair, project)) = names(kind, "hostile").await else { continue };
        project.strangler(&["verify"]).await.expect(0);
        project.service("UPDATE names SET number = -number").await;
        let found = project.strangler(&["verify"]).await.expect(2);
        let keys = ["'O''Brien'", r"'back\slash\'", "'김영희'", "'? -- #'", "'😀'", "name = ''"];
        found.names(&keys).names(&["6 confirmed differences"]);
        project.strangler(&["diff"]).await.expect(2).names(&["~6 change", "6 rows pending"]);
    }
}

#[tokio::test]
async fn a_source_that_moved_while_no_engine_runs_leaves_differences_unconfirmed() {
    let Some((_pair, project)) = names(Kind::MariaDb, "moved").await else { return };
    project.legacy(&["UPDATE t_name SET n = 70 WHERE n = 3"]).await;
    let ended = project.strangler(&["verify"]).await.expect(4);
    ended.names(&["name = '김영희': differs in number (unconfirmed)", "strangler run"]);
    project.settle().await;
    project.strangler(&["verify"]).await.expect(0);
}

#[tokio::test]
async fn diff_needs_nothing_of_ours_in_the_target_and_leaves_nothing_there() {
    let Some(pair) = shared(Kind::MariaDb).await else { return };
    let project = Project::new(&pair, "dry").await;
    project
        .legacy(&[
            "CREATE TABLE t_name (nm VARCHAR(40) PRIMARY KEY, n INT NOT NULL)",
            "INSERT INTO t_name VALUES ('a', 1), ('b', 2)",
        ])
        .await;
    project.write("mappings/names.yaml", NAMES);
    project.strangler(&["diff"]).await.expect(2).names(&[
        "names  +2 insert  ~0 change  -0 delete",
        "does not exist yet",
        "+ name = 'a'",
    ]);
    let made = "SELECT count(*)::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                WHERE n.nspname IN ('public', 'strangler')";
    assert_eq!(project.ask_service(made).await, "0");
    project.strangler(&["verify"]).await.expect(76).names(&["no checkpoint row"]);
}

#[tokio::test]
async fn a_select_that_reads_a_large_table_for_every_range_needs_consent() {
    let Some(pair) = shared(Kind::MariaDb).await else { return };
    let project = Project::new(&pair, "scan").await;
    let digits = "(SELECT 0 d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5)";
    let many =
        format!("INSERT INTO t_b (a) SELECT a.d FROM {digits} a, {digits} b, {digits} c, {digits} e, {digits} f, {digits} g");
    project
        .legacy(&[
            "CREATE TABLE t_a (id INT PRIMARY KEY)",
            "CREATE TABLE t_b (id INT AUTO_INCREMENT PRIMARY KEY, a INT NOT NULL)",
            "INSERT INTO t_a VALUES (0), (1), (2)",
            &many,
            "ANALYZE TABLE t_a, t_b",
        ])
        .await;
    let mapping = "version: 1\nmapping: counts\nsource: erp\ntarget: order-db\ntables:\n  counts:\n    key: [id]\n    sql: |\n      \
                   SELECT a.id AS id, (SELECT COUNT(*) FROM t_b b WHERE b.a = a.id) AS b_count FROM t_a a\n";
    project.write("mappings/counts.yaml", mapping);
    project.settle().await;
    project.strangler(&["verify"]).await.expect(78).names(&["all of b (access ALL", "--full-scan"]);
    project.strangler(&["diff"]).await.expect(78).names(&["--full-scan"]);
    project.strangler(&["verify", "--full-scan"]).await.expect(0).names(&["3 rows in 1 table: equal"]);
    project.strangler(&["diff", "--full-scan"]).await.expect(0);
}
