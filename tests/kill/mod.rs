//! `kill -9` at random moments of every stage, and servers that go away: nothing lost, nothing twice, nothing different.

use crate::support::program::Running;
use crate::support::project::Project;
use crate::support::servers::{Kind, own};
use crate::support::{long, rounds, seed};
use crate::{shop, workload};
use fastrand::Rng;
use std::collections::BTreeMap;
use std::time::Duration;
use strangler::demo::shop::Writer;
use tokio::sync::watch;

const STAGES: [&str; 4] = ["snapshot", "catch_up", "load", "live"];

/// How many kills a stage gets, and the longest wait in it before one, milliseconds.
const KILLS: [(&str, u64, u64); 4] = [("snapshot", 7, 500), ("catch_up", 4, 25), ("load", 6, 400), ("live", 7, 900)];

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
    let project = shop::project(&pair, "kill", rounds(6_000, 30_000) as u32).await;
    let shopping = Shopping::start(&project, seed, 60.0).await;
    let factor = if long() { 8 } else { 1 };
    let mut killed: BTreeMap<String, u64> = BTreeMap::new();
    let mut chunks_before: u64 = 0;
    for (stage, times, wait_ms) in KILLS {
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
    assert!(killed.contains_key("snapshot") && killed.contains_key("live"), "{killed:?}");
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
