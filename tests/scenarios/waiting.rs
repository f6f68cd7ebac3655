//! A run that is started while a database is down, or while a table of it cannot be read, waits and says why; it goes on by itself.

use super::project;
use crate::support::oracle;
use crate::support::program::Running;
use crate::support::project::Project;
use crate::support::servers::{Kind, own};
use std::os::unix::fs::FileExt;

/// Waits until the engine says that it waits, with every one of `words`.
async fn waits(project: &Project, engine: &mut Running, words: &[&str]) {
    let said = |project: &Project| {
        let status = project.status();
        let reason = status.as_ref().and_then(|status| status["waiting"].as_str()).unwrap_or_default();
        words.iter().all(|word| reason.contains(word))
    };
    project.until(engine, "waiting", said).await;
    let shown = project.strangler(&["status"]).await.expect(0);
    assert!(words.iter().all(|word| shown.stdout.contains(word)), "{}", shown.text());
}

#[tokio::test]
async fn a_run_started_while_the_source_is_down_waits() {
    let Some(mut pair) = own(Kind::MariaDb, &[]).await else { return };
    let project = project(&pair, "source_down").await;
    for resumed in [false, true] {
        pair.source.stop().await.unwrap();
        for command in ["check", "plan", "diff"] {
            project.strangler(&[command]).await.expect(69).names(&["erp"]);
        }
        let mut engine = project.start(&[]);
        waits(&project, &mut engine, &["could not connect to source erp"]).await;
        project.strangler(&["verify"]).await.expect(69);
        assert!(engine.log().contains("waiting to try again: could not connect to source erp"), "{}", engine.log());
        pair.source.restart().await.unwrap();
        project.until_live(&mut engine).await;
        assert_eq!(engine.interrupt().await, Some(130), "{resumed} {}", engine.log());
        assert_eq!(oracle::check(&project).await, 8);
    }
}

#[tokio::test]
async fn a_run_started_while_the_target_is_down_waits() {
    let Some(mut pair) = own(Kind::MariaDb, &[]).await else { return };
    let project = project(&pair, "target_down").await;
    for resumed in [false, true] {
        pair.target.stop().await.unwrap();
        let mut engine = project.start(&[]);
        waits(&project, &mut engine, &["target order-db"]).await;
        project.strangler(&["check"]).await.expect(69).names(&["order-db"]);
        pair.target.restart().await.unwrap();
        project.until_live(&mut engine).await;
        assert_eq!(engine.interrupt().await, Some(130), "{resumed} {}", engine.log());
        assert_eq!(oracle::check(&project).await, 8);
    }
}

#[tokio::test]
async fn ctrl_c_while_the_start_waits_ends_it() {
    let Some(mut pair) = own(Kind::MariaDb, &[]).await else { return };
    let project = project(&pair, "waiting_stopped").await;
    pair.source.stop().await.unwrap();
    let mut engine = project.start(&[]);
    waits(&project, &mut engine, &["erp"]).await;
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    assert!(project.status().is_none());
}

/// As a crashed server leaves it. Some servers repair it when it is next used; this one is told not to.
#[tokio::test]
async fn a_crashed_myisam_table_is_waited_for_until_it_is_repaired() {
    for kind in [Kind::MariaDb, Kind::MySql] {
        let Some(mut pair) = own(kind, &["--myisam-recover-options=OFF"]).await else { continue };
        let project = project(&pair, "crashed").await;
        project.legacy(&["ALTER TABLE s_cust ENGINE = MyISAM", "FLUSH TABLES"]).await;
        pair.source.stop().await.unwrap();
        let index = pair.source.folder().join("data").join(&project.name).join("s_cust.MYI");
        let file = std::fs::File::options().write(true).open(index).unwrap();
        // The header's `changed` byte: STATE_CHANGED and STATE_CRASHED of myisamdef.h.
        file.write_all_at(&[3], 26).unwrap();
        pair.source.restart().await.unwrap();
        let mut engine = project.start(&[]);
        waits(&project, &mut engine, &["s_cust", "REPAIR TABLE"]).await;
        project.legacy(&["REPAIR TABLE s_cust"]).await;
        project.until_live(&mut engine).await;
        assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
        assert_eq!(project.settle().await, 8);
    }
}
