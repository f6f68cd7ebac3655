//! `kill -9` at random moments of every stage, and servers that go away: nothing lost, nothing twice, nothing different.

mod restarts;

use crate::support::program::Running;
use crate::support::project::Project;
use crate::support::servers::{Kind, Pair, own};
use crate::support::{long, rounds, seed};
use crate::{shop, workload};
use fastrand::Rng;
use std::collections::BTreeMap;
use std::time::Duration;
use strangler::demo::shop::Writer;
use tokio::sync::watch;

const STAGES: [&str; 4] = ["snapshot", "catch_up", "load", "live"];

/// How many kills a stage gets, and the longest wait in it before one, milliseconds.
const KILLS: [(&str, u64, u64); 4] = [("snapshot", 6, 200), ("catch_up", 6, 150), ("load", 6, 250), ("live", 7, 900)];
/// How many of them must have hit the stage itself.
const KILLS_MIN: u64 = 3;

/// A loaded shop, its MyISAM tables included, that is read slowly enough to be killed in every stage.
async fn slow_shop(pair: &Pair, test: &str, orders: u32) -> Project {
    let project = shop::project(pair, test, orders).await;
    project.edit("strangler.yaml", "{ env: ERP_PASSWORD }", "{ env: ERP_PASSWORD }\n    limits: { connections: 1 }");
    project
}

/// What the shop does while the engine is away in the middle of its snapshot: the catch-up has it all before it.
async fn backlog(project: &Project) {
    for _ in 0..rounds(5, 20) {
        project
            .legacy(&[
                "UPDATE tb_ord_dtl SET qty = qty + 1",
                "UPDATE tb_ord_mst SET dlv_amt = dlv_amt + 1",
                "UPDATE tb_ord_hist SET chg_dtm = chg_dtm + INTERVAL 1 SECOND WHERE chg_dtm > '2000-01-01'",
                "UPDATE tb_pnt_hist SET pnt_amt = pnt_amt + 1",
                "UPDATE tb_dlv_co SET dlv_co_nm = CONCAT(LEFT(dlv_co_nm, 20), '*')",
            ])
            .await;
    }
}

/// A writer that goes on until it is told to stop, also while its server is away.
struct Shopping {
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<Writer>,
}

impl Shopping {
    async fn start(project: &Project, seed: u64, per_second: f64) -> Self {
        let mut writer = Writer::connect(project.source_url(), seed).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(async move {
            writer.run(per_second, stopped).await.unwrap();
            writer
        });
        Self { stop, task }
    }

    async fn stop(self) {
        self.stop.send(true).unwrap();
        let counts = self.task.await.unwrap().counts();
        assert!(counts.committed > 100, "the writer did next to nothing: {counts:?}");
        eprintln!("{counts:?}");
    }
}

fn rank(stage: &str) -> usize {
    STAGES.iter().position(|name| *name == stage).unwrap_or_else(|| panic!("unknown stage {stage}"))
}

/// Waits until the engine is at `stage` or past it; answers the stage it is at.
async fn reach(project: &Project, engine: &mut Running, stage: &str) -> String {
    let mut at = String::new();
    project
        .until(engine, stage, |project| {
            at = project.stage().unwrap_or_default();
            !at.is_empty() && rank(&at) >= rank(stage)
        })
        .await;
    at
}

/// Chunks in the state, as the running engine says it; `None` until it knows the chunks of every table.
fn chunks(project: &Project) -> Option<u64> {
    let status = project.status()?;
    let tables = status.get("tables")?.as_array()?;
    let number = |table: &serde_json::Value, name| table.get(name).and_then(serde_json::Value::as_u64);
    tables.iter().map(|table| number(table, "chunks_total").and(number(table, "chunks_done"))).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_at_random_moments_of_every_stage() {
    let Some(pair) = own(Kind::MariaDb, &[]).await else { return };
    let seed = seed("kill");
    let mut rng = Rng::with_seed(seed);
    let project = slow_shop(&pair, "kill", rounds(6_000, 30_000) as u32).await;
    let shopping = Shopping::start(&project, seed, 60.0).await;
    let factor = if long() { 8 } else { 1 };
    let mut killed: BTreeMap<String, u64> = BTreeMap::new();
    let mut chunks_before: u64 = 0;
    for (stage, times, wait_ms) in KILLS {
        if stage == "catch_up" {
            assert_eq!(killed.keys().collect::<Vec<_>>(), ["snapshot"], "the snapshot was over too soon");
            backlog(&project).await;
        }
        for _ in 0..times * factor {
            let mut engine = project.start(&[]);
            let mut at = reach(&project, &mut engine, stage).await;
            if at == "snapshot" {
                // What a killed engine had finished is not read again: only the chunks in the air are, one per connection.
                let known = |project: &Project| chunks(project).is_some() || project.stage().as_deref() != Some("snapshot");
                project.until(&mut engine, "cut into chunks", known).await;
                let done = chunks(&project).unwrap_or(u64::MAX);
                assert!(done >= chunks_before, "{done} chunks after a restart, {chunks_before} before");
            }
            tokio::time::sleep(Duration::from_millis(rng.u64(0..wait_ms))).await;
            chunks_before = chunks(&project).unwrap_or(chunks_before);
            at = project.stage().unwrap_or(at);
            assert!(engine.ended().is_none(), "it ended by itself\n{}", engine.log());
            engine.kill();
            *killed.entry(at).or_default() += 1;
        }
    }
    shopping.stop().await;
    eprintln!("killed at: {killed:?}");
    assert!(killed.values().sum::<u64>() >= 20, "{killed:?}");
    assert!(STAGES.iter().all(|stage| killed.get(*stage) >= Some(&KILLS_MIN)), "{killed:?}");
    project.settle().await;
    project.strangler(&["verify"]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_while_catching_up_after_the_writer_stopped() {
    let Some(pair) = own(Kind::MariaDb, &[]).await else { return };
    let seed = seed("kill_resume");
    let mut rng = Rng::with_seed(seed);
    let project = workload::project(&pair, "kill_resume").await;
    let mut driver = workload::driver::Driver::connect(project.source_url(), seed).await;
    project.strangler(&["run", "--until-caught-up"]).await.expect(0);
    for _ in 0..rounds(6, 60) {
        driver.steps(150, workload::driver::Images::Mixed).await;
        let mut engine = project.start(&["--until-caught-up"]);
        tokio::time::sleep(Duration::from_millis(rng.u64(20..900))).await;
        if engine.ended().is_none() {
            engine.kill();
        }
    }
    driver.disconnect().await;
    project.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_and_sigterm_write_the_checkpoint_and_say_which() {
    let Some(pair) = own(Kind::MariaDb, &[]).await else { return };
    let project = workload::project(&pair, "signals").await;
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut engine = project.start(&[]);
        project.until_live(&mut engine).await;
        project.legacy(&["UPDATE w_cust SET bal = bal + 1 WHERE cust_no < 50"]).await;
        engine.signal(signal);
        assert_eq!(engine.wait().await.code(), Some(code), "{}", engine.log());
    }
    // In the middle of the backfill too.
    let fresh = workload::project(&pair, "signals").await;
    let mut engine = fresh.start(&[]);
    fresh.until(&mut engine, "started", |project| project.stage().is_some()).await;
    engine.signal("INT");
    assert_eq!(engine.wait().await.code(), Some(130), "{}", engine.log());
    fresh.settle().await;
    project.settle().await;
}
