//! Where MySQL and MariaDB end before PostgreSQL does: the size of a row, the length of a name, keys that differ by nothing but case, an
//! accent or a blank behind.

use crate::support::project::Project;
use crate::support::servers::{Database, own_pair};

/// Six columns that alone are more than a row may have, and more short ones than half a page holds.
const LONG: usize = 6;
const SHORT: usize = 120;

fn columns() -> Vec<String> {
    (0..LONG).map(|number| format!("long{number}")).chain((0..SHORT).map(|number| format!("short{number}"))).collect()
}

fn tables() -> String {
    let long = (0..LONG).map(|number| format!("long{number} varchar(10000)"));
    let short = (0..SHORT).map(|number| format!("short{number} varchar(60)"));
    let all: Vec<String> = long.chain(short).collect();
    format!(
        "CREATE SCHEMA app; CREATE TABLE app.t (code varchar(20) PRIMARY KEY, {}); \
         INSERT INTO app.t (code, long0, short0) SELECT code, '가 ', 'x' FROM unnest(ARRAY['a','A','á','a ','a  ','','ﬀ','ff','😀','😁',E'\\t','가']) code; \
         {}",
        all.join(", "),
        full("full")
    )
}

/// A row whose every column has as many characters of four bytes as it takes.
fn full(code: &str) -> String {
    let values = columns().into_iter().map(|name| if name.starts_with("long") { 10_000 } else { 60 });
    let values: Vec<String> = values.map(|length| format!("repeat('😀', {length})")).collect();
    format!("INSERT INTO app.t VALUES ('{code}', {});", values.join(", "))
}

async fn fits(target: Database, test: &str) {
    let Some(pair) = own_pair(Database::Postgres, target).await else { return };
    let project = Project::new(&pair, test).await;
    project.legacy(&[&tables(), "CREATE PUBLICATION erp_out FOR TABLE app.t"]).await;
    let (table, alias) = ("t".repeat(64), "c".repeat(63));
    let selected: Vec<String> = columns().iter().map(|name| format!("t.{name}")).collect();
    project.write(
        "mappings/wide.yaml",
        &format!(
            "version: 1\nmapping: wide\nsource: erp\ntarget: order-db\ntables:\n  {table}:\n    key: [code]\n    indexes: [[{alias}]]\n    sql: |\n      \
             SELECT t.code, t.short0 AS {alias}, {} FROM app.t t\n",
            selected.join(", ")
        ),
    );
    project.strangler(&["check"]).await.expect(0);
    project.strangler(&["plan"]).await.names(&["longtext", "varchar(20)", "varchar(60)"]);
    assert_eq!(project.settle().await, 13);
    let moved = "UPDATE app.t SET code = code || ' ' WHERE code IN ('A', 'á', 'full'); DELETE FROM app.t WHERE code = 'a '; \
                 UPDATE app.t SET code = 'AB' WHERE code = 'a'; UPDATE app.t SET code = 'ab' WHERE code = 'AB'";
    project.legacy(&[moved, &full("FULL")]).await;
    assert_eq!(project.settle().await, 13);
    project.strangler(&["verify"]).await.expect(0);
    project.strangler(&["diff"]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_names_and_keys_at_the_limits_of_mysql() {
    fits(Database::MYSQL, "limits_mysql").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_names_and_keys_at_the_limits_of_mariadb() {
    fits(Database::MARIADB, "limits_mariadb").await;
}
