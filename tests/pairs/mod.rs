//! Each kind of legacy server to each kind of service database: a random workload from before the snapshot until after the engine has
//! caught up, through `kill -9` of the engine and of the service database at random moments. No row lost, duplicated or different.
//!
//! MariaDB to PostgreSQL, the pair with tests of its own in `workload` and `kill`, is here for the long run.

use crate::support::servers::{Database, own_pair};
use crate::support::{long, rounds, seed};
use crate::workload;
use crate::workload::driver::Images;
use crate::workload::writers::Writers;
use fastrand::Rng;
use std::time::Duration;

async fn arrives_through_kills(source: Database, target: Database, test: &str) {
    let Some(mut pair) = own_pair(source, target).await else { return };
    let seed = seed(test);
    let mut rng = Rng::with_seed(seed);
    let project = workload::project(&pair, test).await;
    if source != Database::Postgres {
        workload::may_see_prepared(&project).await;
    }
    project.strangler(&["check"]).await.expect(0);
    let writers = Writers::start(&project, seed, Images::Full, rounds(200, 6_000)).await;
    let mut killed_before_live = 0;
    for round in 0..rounds(4, 80) {
        let mut engine = project.start(&[]);
        project.until(&mut engine, "started", |project| project.stage().is_some()).await;
        if round % 3 == 2 {
            project.until_live(&mut engine).await;
        }
        tokio::time::sleep(Duration::from_millis(rng.u64(0..700))).await;
        killed_before_live += u64::from(project.stage().as_deref() != Some("live"));
        if round % 4 == 3 {
            pair.target.kill().unwrap();
            pair.target.restart().await.unwrap();
        }
        assert!(engine.ended().is_none(), "it ended by itself\n{}", engine.log());
        engine.kill();
    }
    assert!(killed_before_live > 0, "every kill came after the load");
    let mut engine = project.start(&[]);
    project.until_live(&mut engine).await;
    let mut steps = writers.stop().await;
    let writers = Writers::start(&project, seed + 7, Images::Mixed, rounds(100, 6_000)).await;
    // Verified while both sides move.
    project.strangler(&["verify"]).await.expect(0);
    steps += writers.wait().await;
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    assert!(steps > 300, "only {steps} transactions");
    let rows = project.settle().await;
    eprintln!("{test}: {steps} transactions, {rows} rows compared, {killed_before_live} kills before live");
    assert!(rows > 5_000, "only {rows} rows compared");
    project.strangler(&["verify"]).await.expect(0);
    project.strangler(&["diff"]).await.expect(0);
}

macro_rules! pairs {
    ($($name:ident: $source:expr, $target:expr;)*) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            arrives_through_kills($source, $target, stringify!($name)).await;
        }
    )* };
}

pairs! {
    mariadb_to_mariadb: Database::MARIADB, Database::MARIADB;
    mariadb_to_mysql: Database::MARIADB, Database::MYSQL;
    mysql_to_postgres: Database::MYSQL, Database::Postgres;
    mysql_to_mariadb: Database::MYSQL, Database::MARIADB;
    mysql_to_mysql: Database::MYSQL, Database::MYSQL;
    postgres_to_postgres: Database::Postgres, Database::Postgres;
    postgres_to_mariadb: Database::Postgres, Database::MARIADB;
    postgres_to_mysql: Database::Postgres, Database::MYSQL;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_to_postgres() {
    if long() {
        arrives_through_kills(Database::MARIADB, Database::Postgres, "mariadb_to_postgres").await;
    }
}
