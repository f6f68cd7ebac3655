//! The example that moves from MariaDB to MySQL (and to MariaDB), run as its README says.

use crate::support::project::Project;
use crate::support::servers::{Database, Pair, own_pair};

fn example(path: &str) -> String {
    std::fs::read_to_string(format!("{}/examples/club/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

async fn project(pair: &Pair, test: &str, scheme: &str) -> Project {
    let project = Project::new(pair, test).await;
    let name = &project.name;
    let file = example("strangler.yaml");
    for expected in ["strangler_src@127.0.0.1:3306/club", "mysql://strangler_dst@127.0.0.1:3307/members"] {
        assert!(file.contains(expected), "{expected}");
    }
    let file = file.replace("strangler_src@127.0.0.1:3306/club", &format!("{name}@127.0.0.1:{}/{name}", pair.source.port()));
    let target = format!("{scheme}://{name}@127.0.0.1:{}/{name}", pair.target.port());
    project.write("strangler.yaml", &file.replace("mysql://strangler_dst@127.0.0.1:3307/members", &target));
    project.write("mappings/membership.yaml", &example("mappings/membership.yaml"));
    project.legacy(&[&example("schema.sql")]).await;
    project
}

async fn moves(pair: &Pair, test: &str, scheme: &str) {
    let project = project(pair, test, scheme).await;
    project.strangler(&["check"]).await.expect(0);
    let plan = project.strangler(&["plan"]).await;
    assert!(plan.stdout.contains("strangler_checkpoint"), "{}", plan.stdout);
    let mut engine = project.start(&[]);
    project.until_live(&mut engine).await;
    project.legacy(&[&example("changes.sql")]).await;
    project.strangler(&["verify"]).await.expect(0);
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    let rows = project.settle().await;
    assert_eq!(rows, 11, "three members, three logins, five visits of members that exist");
    project.strangler(&["diff"]).await.expect(0);
    // A row that somebody changed in the service database is found, and named by its key.
    project.service("UPDATE members SET name = 'x' WHERE member_no = 1; DELETE FROM visits WHERE visit_no = 1").await;
    let verified = project.strangler(&["verify"]).await;
    verified.expect(2);
    // The checkpoint goes, the tables stay; a new run refuses them, and adopts them if told to.
    project.strangler(&["reset", "--execute"]).await.expect(0);
    project.strangler(&["run", "--until-caught-up"]).await.expect(78);
    project.strangler(&["run", "--until-caught-up", "--adopt"]).await.expect(0);
    assert_eq!(project.settle().await, 11);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_club_moves_from_mariadb_to_mysql() {
    let Some(pair) = own_pair(Database::MARIADB, Database::MYSQL).await else { return };
    moves(&pair, "club_mysql", "mysql").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_club_moves_from_mariadb_to_mariadb() {
    let Some(pair) = own_pair(Database::MARIADB, Database::MARIADB).await else { return };
    moves(&pair, "club_mariadb", "mariadb").await;
}
