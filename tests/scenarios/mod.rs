//! Traps, one test each, named after the trap: what must go well, and what must be refused with the right exit code and remedy.

mod advice;
mod answers;
mod columns;
mod disk_full;
mod failover;
mod files;
mod gentle;
mod language;
mod monitors;
mod oracle;
mod preflight;
mod rows;
mod state;
mod stream;
mod tls;
mod traps;
mod waiting;

use crate::support::project::Project;
use crate::support::servers::Pair;

/// Two legacy tables, small enough to be read in a failure.
const TABLES: &[&str] = &[
    "CREATE TABLE s_cust (cust_no INT PRIMARY KEY, nm VARCHAR(40) NOT NULL COMMENT '고객명', grd CHAR(1) NULL) COMMENT '고객'",
    "CREATE TABLE s_ord (ord_no INT PRIMARY KEY, cust_no INT NULL, st VARCHAR(4) NOT NULL, amt DECIMAL(10,2) NOT NULL, \
     memo VARCHAR(40) NULL, ship_dt DATE NULL, unused VARCHAR(20) NULL, KEY (cust_no)) COMMENT '주문'",
    "INSERT INTO s_cust VALUES (1, '김철수', 'A'), (2, '이영희', 'B'), (3, '박민수', NULL)",
    "INSERT INTO s_ord VALUES (1, 1, '10', 10.50, '문앞', '2024-01-31', 'x'), (2, 1, '20', 0.01, NULL, NULL, NULL), \
     (3, 2, '10', 99.99, '', '2024-02-29', 'y'), (4, NULL, '30', 5, 'guest', NULL, NULL), (5, 7, '10', 7.77, 'nobody', NULL, NULL)",
];

const MAPPING: &str = "\
version: 1
mapping: small
source: erp
target: order-db
tables:
  orders:
    description: One row per order
    key: [order_no]
    sql: |
      SELECT o.ord_no AS order_no, c.nm AS customer, o.st AS status, o.amt AS amount, o.memo AS memo, o.ship_dt AS ship_on
        FROM s_ord o
        LEFT JOIN s_cust c ON c.cust_no = o.cust_no
  customers:
    key: [customer_no]
    sql: |
      SELECT c.cust_no AS customer_no, c.nm AS name,
             (SELECT SUM(o.amt) FROM s_ord o WHERE o.cust_no = c.cust_no) AS amount
        FROM s_cust c
";

/// The two tables, their rows and the mapping; nothing has run yet.
async fn project(pair: &Pair, test: &str) -> Project {
    let project = Project::new(pair, test).await;
    project.legacy(TABLES).await;
    project.write("mappings/small.yaml", MAPPING);
    project
}

/// As [`project`], run once and caught up.
async fn caught_up(pair: &Pair, test: &str) -> Project {
    let project = project(pair, test).await;
    assert_eq!(project.settle().await, 8);
    project
}

/// The shared servers and a project, or the end of the test where they are not installed.
macro_rules! on_mariadb {
    ($make:path, $test:literal) => {{
        let Some(pair) = crate::support::servers::shared(crate::support::servers::Kind::MariaDb).await else { return };
        let project = $make(&pair, $test).await;
        (pair, project)
    }};
}
use on_mariadb;
