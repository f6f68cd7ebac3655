//! Servers that stop, die and come back while the engine runs, at every stage.

use super::{STAGES, Shopping, backlog, reach, slow_shop};
use crate::shop;
use crate::support::servers::{Kind, own};
use crate::support::{rounds, seed};
use fastrand::Rng;
use std::time::Duration;

/// Both servers go away and come back at each stage; MyISAM tables are written all the while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_servers_restart_at_every_stage() {
    for kind in [Kind::MariaDb, Kind::MySql] {
        let Some(mut pair) = own(kind, &[]).await else { continue };
        let project = slow_shop(&pair, "restart_stages", rounds(3_000, 20_000) as u32).await;
        let mut engine = project.start(&[]);
        reach(&project, &mut engine, "snapshot").await;
        engine.kill();
        backlog(&project).await;
        let shopping = Shopping::start(&project, seed("restart_stages"), 30.0).await;
        let mut engine = project.start(&[]);
        for stage in STAGES {
            let at = reach(&project, &mut engine, stage).await;
            assert_eq!(at, stage, "it was over before it could be disturbed");
            // Held while the servers are busy: it must not leave the stage meanwhile.
            engine.signal("STOP");
            pair.source.stop().await.unwrap();
            pair.target.stop().await.unwrap();
            engine.signal("CONT");
            tokio::time::sleep(Duration::from_millis(300)).await;
            engine.signal("STOP");
            pair.target.restart().await.unwrap();
            pair.source.restart().await.unwrap();
            engine.signal("CONT");
            assert!(engine.ended().is_none(), "a server that came back ended the engine in {stage}\n{}", engine.log());
        }
        project.until_live(&mut engine).await;
        shopping.stop().await;
        assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
        project.settle().await;
        project.strangler(&["verify"]).await.expect(0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_restart_or_die_are_waited_for() {
    let Some(mut pair) = own(Kind::MariaDb, &[]).await else { return };
    let seed = seed("restart");
    let mut rng = Rng::with_seed(seed);
    let project = shop::project(&pair, "restart", 1_500).await;
    // A killed server leaves MyISAM tables damaged, and what they then hold is not what the log says.
    let convert = "SELECT CONCAT('ALTER TABLE ', table_name, ' ENGINE = InnoDB') FROM information_schema.tables \
                   WHERE table_schema = DATABASE() AND engine = 'MyISAM'";
    for row in project.ask_legacy(convert).await {
        project.legacy(&[&row.get::<String, _>(0).unwrap()]).await;
    }
    let shopping = Shopping::start(&project, seed, 40.0).await;
    let mut engine = project.start(&[]);
    project.until(&mut engine, "started", |project| project.stage().is_some()).await;
    for round in 0..rounds(6, 40) {
        tokio::time::sleep(Duration::from_millis(rng.u64(100..1_500))).await;
        match round % 4 {
            0 => pair.source.restart().await.unwrap(),
            1 => pair.target.restart().await.unwrap(),
            2 => {
                pair.source.kill().unwrap();
                pair.source.restart().await.unwrap();
            }
            _ => {
                pair.target.kill().unwrap();
                pair.target.restart().await.unwrap();
            }
        }
        assert!(engine.ended().is_none(), "a server that came back ended the engine\n{}", engine.log());
    }
    project.until_live(&mut engine).await;
    shopping.stop().await;
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    project.settle().await;
}
