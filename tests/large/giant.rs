//! One source transaction several times larger than the memory it may take: it goes to the disk of the state, the engine is killed in the middle of
//! it, and the target has it whole or not at all.

use crate::support::project::Project;
use crate::support::servers::{Database, Kind, own_pair_with};
use crate::support::{rounds, seed};
use fastrand::Rng;
use std::time::Duration;

/// Rows that one transaction changes, each with a memo of 4 KiB.
const ROWS: u64 = 12_000;

const MAPPING: &str = "\
version: 1
mapping: giant
source: erp
target: order-db
tables:
  orders:
    key: [order_no]
    sql: |
      SELECT o.ord_no AS order_no, o.cd AS code, c.nm AS status, o.memo AS memo FROM g_ord o LEFT JOIN g_cd c ON c.cd = o.cd
";

const MARIADB: &[&str] = &[
    "CREATE TABLE g_cd (cd INT PRIMARY KEY, nm VARCHAR(20) NOT NULL)",
    "CREATE TABLE g_ord (ord_no INT PRIMARY KEY, cd INT NOT NULL, memo TEXT NOT NULL)",
    "INSERT INTO g_cd VALUES (0, '접수'), (1, '배송')",
    "INSERT INTO g_ord SELECT seq, seq % 3, REPEAT(CONCAT('memo ', seq), 350) FROM seq_1_to_12000",
];

const POSTGRES: &[&str] = &[
    "CREATE SCHEMA app; CREATE TABLE app.g_cd (cd int PRIMARY KEY, nm varchar(20) NOT NULL); \
     CREATE TABLE app.g_ord (ord_no int PRIMARY KEY, cd int NOT NULL, memo text NOT NULL)",
    "INSERT INTO app.g_cd VALUES (0, '접수'), (1, '배송')",
    "INSERT INTO app.g_ord SELECT n, n % 3, repeat('memo ' || n, 350) FROM generate_series(1, 12000) n",
    "CREATE PUBLICATION erp_out FOR TABLE app.g_cd, app.g_ord",
];

/// Each is one transaction over every row; the second moves every key.
fn transactions(prefix: &str) -> [String; 2] {
    [
        format!("UPDATE {prefix}g_ord SET memo = REVERSE(memo), cd = (cd + 1) % 3"),
        format!(
            "BEGIN; DELETE FROM {prefix}g_cd WHERE cd = 1; UPDATE {prefix}g_ord SET memo = CONCAT(memo, 'x'); \
             UPDATE {prefix}g_ord SET ord_no = -ord_no, memo = REVERSE(memo); INSERT INTO {prefix}g_cd VALUES (1, 'neu'); COMMIT"
        ),
    ]
}

/// What the engine says it has put on disk, and the most that one event took in memory.
fn accounted(project: &Project) -> (u64, u64) {
    let status = project.status().unwrap_or_default();
    let number = |field: &str| status[field].as_u64().unwrap_or(0);
    (number("spilled_change_count"), number("event_bytes_max"))
}

async fn arrives_whole(source: Database, test: &str) {
    let arguments: &[&str] = if source == Database::Postgres { &[] } else { &["--max-allowed-packet=256M"] };
    let Some(pair) = own_pair_with(source, arguments, Database::Postgres).await else { return };
    let project = Project::new(&pair, test).await;
    let (tables, prefix) = if source == Database::Postgres { (POSTGRES, "app.") } else { (MARIADB, "") };
    project.legacy(tables).await;
    project.edit("strangler.yaml", "memory: 256MiB", "memory: 128MiB");
    project.write(
        "mappings/giant.yaml",
        &MAPPING.replace("g_ord o", &format!("{prefix}g_ord o")).replace("g_cd c", &format!("{prefix}g_cd c")),
    );
    // A backfill that is cut off: what is committed now goes through the spool.
    let mut engine = project.start(&[]);
    project.until(&mut engine, "backfilling", |project| project.stage().is_some()).await;
    engine.kill();
    project.legacy(&[&transactions(prefix)[0]]).await;
    engine = project.start(&[]);
    project.until_live(&mut engine).await;
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    assert_eq!(project.settle().await as u64, ROWS);
    let mut rng = Rng::with_seed(seed(test));
    for round in 0..rounds(1, 4) {
        for transaction in transactions(prefix) {
            engine = project.start(&[]);
            project.until_live(&mut engine).await;
            project.legacy(&[&transaction]).await;
            for _ in 0..2 {
                project.until(&mut engine, "taking it in", |project| accounted(project).0 > 0 || project.stage().is_none()).await;
                tokio::time::sleep(Duration::from_millis(rng.u64(0..1_500))).await;
                engine.kill();
                engine = project.start(&[]);
            }
            project.until(&mut engine, "taking it in", |project| accounted(project).0 > 0).await;
            let (spilled, event_bytes_max) = accounted(&project);
            assert!(spilled >= ROWS / 2, "round {round}: {spilled} changes went to disk");
            assert!(event_bytes_max < 8 << 20, "round {round}: {event_bytes_max} bytes were held of one event");
            project.until_live(&mut engine).await;
            assert_eq!(engine.interrupt().await, Some(130), "round {round}: {}", engine.log());
            assert_eq!(project.settle().await as u64, ROWS, "round {round}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mariadb_transaction_larger_than_memory_survives_kills_and_arrives_whole() {
    arrives_whole(Database::MySql(Kind::MariaDb), "giant_my").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_transaction_larger_than_memory_survives_kills_and_arrives_whole() {
    arrives_whole(Database::Postgres, "giant_pg").await;
}
