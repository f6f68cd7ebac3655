//! What `check` says about the source's own plan for a mapping: advice that never stands in the way, and the server's own refusals.

use crate::support::project::Project;
use crate::support::servers::{Kind, Pair, shared};

const ORDERS: &str = "\
version: 1
mapping: orders
source: erp
target: order-db
tables:
  orders:
    key: [ord_no]
    sql: |
      SELECT o.ord_no, (SELECT SUM(d.qty) FROM a_dtl d WHERE d.ord_ref = o.ord_no) AS qty FROM a_ord o
";

const MIXED: &str = "\
version: 1
mapping: mixed
source: erp
target: order-db
tables:
  mixed:
    key: [kind, no]
    sql: |
      SELECT 'ORDER' AS kind, o.ord_no AS no, o.memo AS text FROM a_ord o
      UNION ALL
      SELECT 'LINE', d.line_no, d.memo FROM a_dtl d
";

async fn advised(pair: &Pair, test: &str) {
    let project = Project::new(pair, test).await;
    let rows = |make: &dyn Fn(i32) -> String| (1..=3000).map(make).collect::<Vec<_>>().join(",");
    project
        .legacy(&[
            "CREATE TABLE a_ord (ord_no INT PRIMARY KEY, memo VARCHAR(20) COLLATE utf8mb4_general_ci)",
            "CREATE TABLE a_dtl (line_no INT PRIMARY KEY, ord_ref INT NOT NULL, qty INT NOT NULL, memo VARCHAR(20) COLLATE utf8mb4_unicode_ci)",
            &format!("INSERT INTO a_ord VALUES {}", rows(&|no| format!("({no}, 'm')"))),
            &format!("INSERT INTO a_dtl VALUES {}", rows(&|no| format!("({no}, {}, 1, 'm')", no % 700))),
            "ANALYZE TABLE a_ord, a_dtl",
        ])
        .await;
    project.write("mappings/orders.yaml", ORDERS);
    let index = "CREATE INDEX `ix_a_dtl_ord_ref` ON";
    project.strangler(&["check"]).await.expect(0).names(&["reads all of d", index]);
    project.legacy(&["CREATE INDEX ix_a_dtl_ord_ref ON a_dtl (ord_ref)", "ANALYZE TABLE a_dtl"]).await;
    let answer = project.strangler(&["check"]).await.expect(0);
    assert!(!answer.text().contains("reads all of"), "{}", answer.text());
}

#[tokio::test]
async fn a_correlated_subquery_without_an_index_gets_the_index_that_would_help_on_mariadb() {
    let Some(pair) = shared(Kind::MariaDb).await else { return };
    advised(&pair, "advice").await;
}

#[tokio::test]
async fn a_correlated_subquery_without_an_index_gets_the_index_that_would_help_on_mysql() {
    let Some(pair) = shared(Kind::MySql).await else { return };
    advised(&pair, "advice").await;
}

#[tokio::test]
async fn a_union_of_two_collations_is_refused_as_the_server_refuses_it() {
    let Some(pair) = shared(Kind::MySql).await else { return };
    let project = Project::new(&pair, "mixed").await;
    project
        .legacy(&[
            "CREATE TABLE a_ord (ord_no INT PRIMARY KEY, memo VARCHAR(20) COLLATE utf8mb4_general_ci)",
            "CREATE TABLE a_dtl (line_no INT PRIMARY KEY, memo VARCHAR(20) COLLATE utf8mb4_unicode_ci)",
        ])
        .await;
    project.write("mappings/mixed.yaml", MIXED);
    project.strangler(&["check"]).await.expect(65).names(&["utf8mb4_general_ci", "utf8mb4_unicode_ci"]);
}
