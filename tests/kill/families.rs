//! `kill -9` of the engine and of a MySQL service database, from the first load on: what was promised of PostgreSQL holds there too.

use crate::support::servers::{Kind, Service, own_to};
use crate::support::{rounds, seed};
use crate::workload;
use fastrand::Rng;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_the_engine_and_of_a_mysql_target() {
    let Some(mut pair) = own_to(Kind::MariaDb, &[], Service::MySql(Kind::MySql)).await else { return };
    let seed = seed("kill_mysql");
    let mut rng = Rng::with_seed(seed);
    let project = workload::project(&pair, "kill_mysql").await;
    let mut driver = workload::driver::Driver::connect(project.source_url(), seed).await;
    let mut killed_before_live = 0;
    for round in 0..rounds(10, 80) {
        let mut engine = project.start(&[]);
        project.until(&mut engine, "started", |project| project.stage().is_some()).await;
        if round % 3 == 2 {
            project.until_live(&mut engine).await;
        }
        driver.steps(60, workload::driver::Images::Mixed).await;
        tokio::time::sleep(Duration::from_millis(rng.u64(0..700))).await;
        killed_before_live += u64::from(project.stage().as_deref() != Some("live"));
        if round % 4 == 3 {
            pair.target.kill().unwrap();
            pair.target.restart().await.unwrap();
        }
        assert!(engine.ended().is_none(), "it ended by itself\n{}", engine.log());
        engine.kill();
    }
    driver.disconnect().await;
    assert!(killed_before_live > 0, "every kill came after the load");
    project.settle().await;
    project.strangler(&["verify"]).await.expect(0);
}
