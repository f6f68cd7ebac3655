//! Epochs larger than the engine holds in memory: a code that every order joins, a transaction over every order, a TRUNCATE. The writes
//! go to the outbox in parts, the transactions are taken in slice by slice, and the engine is killed in the middle of it.

mod backpressure;
mod deferred;
mod giant;

use crate::support::project::Project;
use crate::support::servers::{Kind, own};
use crate::support::{rounds, seed};
use fastrand::Rng;
use std::time::Duration;

const TABLES: &[&str] = &[
    "CREATE TABLE l_cd (cd CHAR(2) PRIMARY KEY, nm VARCHAR(400) NOT NULL)",
    "CREATE TABLE l_ord (ord_no INT PRIMARY KEY, cd CHAR(2) NULL, amt DECIMAL(12,2) NOT NULL, memo VARCHAR(400) NOT NULL, KEY (cd))",
    "CREATE TABLE l_dtl (ord_no INT NOT NULL, ln INT NOT NULL, qty INT NOT NULL, PRIMARY KEY (ord_no, ln))",
    "INSERT INTO l_cd VALUES ('10', REPEAT('접수', 100)), ('20', REPEAT('배송', 100))",
    "CREATE TABLE digits (d INT PRIMARY KEY)",
    "INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)",
    "INSERT INTO l_ord SELECT n, IF(n % 7 = 0, NULL, IF(n % 3 = 0, '20', '10')), n / 4, REPEAT('memo', 60) FROM \
     (SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d AS n FROM digits a, digits b, digits c, digits e) numbers",
    "INSERT INTO l_dtl SELECT ord_no, 1, ord_no % 9 FROM l_ord",
    "INSERT INTO l_dtl SELECT ord_no, 2, 1 FROM l_ord WHERE ord_no % 2 = 0",
];

const MAPPING: &str = "\
version: 1
mapping: large
source: erp
target: order-db
tables:
  orders:
    key: [order_no]
    sql: |
      SELECT o.ord_no AS order_no, c.nm AS status, o.amt AS amount, o.memo AS memo,
             (SELECT SUM(d.qty) FROM l_dtl d WHERE d.ord_no = o.ord_no) AS quantity
        FROM l_ord o LEFT JOIN l_cd c ON c.cd = o.cd
  lines:
    key: [order_no, line]
    sql: |
      SELECT d.ord_no AS order_no, d.ln AS line, d.qty AS quantity, c.nm AS status
        FROM l_dtl d JOIN l_ord o ON o.ord_no = d.ord_no JOIN l_cd c ON c.cd = o.cd
";

/// Each affects every row of a table in one transaction.
const STATEMENTS: [&str; 6] = [
    "UPDATE l_cd SET nm = REPEAT(nm, 1 + CHAR_LENGTH(nm) % 2) WHERE cd = '10'",
    "UPDATE l_cd SET nm = CONCAT(LEFT(nm, 150), REVERSE(nm))",
    "UPDATE l_ord SET amt = amt + 1, memo = REVERSE(memo)",
    "UPDATE l_ord SET ord_no = ord_no + 20000 ORDER BY ord_no DESC",
    "TRUNCATE TABLE l_dtl",
    "INSERT INTO l_dtl SELECT ord_no, ln.d, 1 FROM l_ord, digits ln WHERE ln.d < 2",
];

#[tokio::test(flavor = "multi_thread")]
async fn epochs_larger_than_memory_survive_kills_and_arrive_whole() {
    let Some(pair) = own(Kind::MariaDb, &[]).await else { return };
    let project = Project::new(&pair, "large").await;
    project.legacy(TABLES).await;
    project.write("mappings/large.yaml", MAPPING);
    let mut engine = project.start(&[]);
    project.until_live(&mut engine).await;
    let mut rng = Rng::with_seed(seed("large"));
    for round in 0..rounds(1, 8) {
        for statement in STATEMENTS {
            project.legacy(&[statement]).await;
            for _ in 0..rng.usize(0..3) {
                tokio::time::sleep(Duration::from_millis(rng.u64(0..1_500))).await;
                engine.kill();
                engine = project.start(&[]);
            }
        }
        project.until_live(&mut engine).await;
        assert_eq!(engine.interrupt().await, Some(130), "round {round}: {}", engine.log());
        assert!(project.settle().await >= 20_000, "round {round}");
        engine = project.start(&[]);
    }
    engine.kill();
}
