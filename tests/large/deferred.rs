//! A code that more orders join than an epoch holds, deferred: other changes arrive meanwhile, the engine is killed in the middle of the sweep,
//! the checkpoint row says how it is, and in the end every row is right.

use crate::support::project::Project;
use crate::support::servers::{Kind, own};
use std::time::Duration;

const TABLES: &[&str] = &[
    "CREATE TABLE h_cd (cd INT PRIMARY KEY, nm VARCHAR(40) NOT NULL)",
    "CREATE TABLE h_ord (ord_no INT PRIMARY KEY, cd INT NOT NULL, amt DECIMAL(12,2) NOT NULL)",
    "INSERT INTO h_cd VALUES (0, '접수'), (1, '배송')",
    "INSERT INTO h_ord SELECT seq, seq % 2, seq / 4 FROM seq_1_to_230000",
];

const MAPPING: &str = "\
version: 1
mapping: hot
source: erp
target: order-db
tables:
  orders:
    key: [order_no]
    sql: |
      SELECT o.ord_no AS order_no, c.nm AS status, o.amt AS amount FROM h_ord o LEFT JOIN h_cd c ON c.cd = o.cd
policies:
  hot_change: deferred
";

async fn number(project: &Project, question: &str) -> u64 {
    project.ask_service(&format!("SELECT ({question})::text")).await.parse().unwrap()
}

const PENDING: &str = "SELECT pending_sweeps FROM strangler.checkpoint WHERE mapping = 'hot'";
const OLD: &str = "SELECT count(*) FROM orders WHERE status = '접수'";

#[tokio::test(flavor = "multi_thread")]
async fn a_deferred_hot_change_lets_others_by_and_survives_kills() {
    let Some(pair) = own(Kind::MariaDb, &[]).await else { return };
    let project = Project::new(&pair, "deferred").await;
    project.legacy(TABLES).await;
    project.write("mappings/hot.yaml", MAPPING);
    project.strangler(&["plan"]).await.expect(0).names(&["a sweep between others"]);
    let mut engine = project.start(&[]);
    project.until_live(&mut engine).await;
    assert_eq!(number(&project, PENDING).await, 0);
    project
        .legacy(&["UPDATE h_cd SET nm = '접수됨' WHERE cd = 0", "UPDATE h_ord SET amt = -7 WHERE ord_no IN (2, 229999)"])
        .await;
    let seen = "SELECT count(*) FROM orders WHERE order_no IN (2, 229999) AND amount = -7";
    while number(&project, seen).await < 2 {
        assert!(engine.ended().is_none(), "{}", engine.log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Both came through although the sweep is not at its end.
    assert!(number(&project, PENDING).await > 0, "the sweep was over before the order came");
    assert!(number(&project, OLD).await > 0);
    let unsure = project.strangler(&["verify"]).await;
    assert!(matches!(unsure.code, Some(0 | 4)), "{unsure:?}");
    for _ in 0..2 {
        engine.kill();
        engine = project.start(&[]);
        project.until_live(&mut engine).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    assert!(project.settle().await >= 230_000);
    assert_eq!((number(&project, PENDING).await, number(&project, OLD).await), (0, 0));
    project.strangler(&["verify"]).await.expect(0);
}
