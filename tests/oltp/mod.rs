//! The loads of the soak (`cargo bench --bench soak`) at a small scale: sysbench's and TPC-C's transactions before, during and after
//! the first load and through a `kill -9`, invariants held on the target at every sampled state.

// The bench uses what the tests do not.
#[allow(dead_code)]
mod load;

use crate::support::project::{Access, Project};
use crate::support::servers::{Database, own_pair};
use crate::support::{rounds, seed};
use fastrand::Rng;
use load::invariants::{Sampler, Scope};
use load::session::{Place, Session};
use load::writers::{BEAT, Load, Writers};
use load::{mappings, sysbench, tpcc};
use std::time::Duration;

const SYSBENCH: sysbench::Scale = sysbench::Scale { tables: 3, rows: 500 };
const TPCC: tpcc::Scale = tpcc::Scale { warehouses: 2, customers: 30, items: 200 };

fn place(project: &Project) -> Place {
    match project.source_access() {
        Access::MySql(url) => Place::MySql(url.clone()),
        Access::Postgres(config) => Place::Postgres(config.clone()),
    }
}

async fn prepare(project: &Project, seed: u64) -> Place {
    let place = place(project);
    let mut session = Session::connect(&place).await.unwrap();
    let mut rng = Rng::with_seed(seed);
    sysbench::load(&mut session, SYSBENCH, &mut rng).await.unwrap();
    tpcc::create(&mut session).await.unwrap();
    tpcc::fill(&mut session, TPCC, &mut rng).await.unwrap();
    for statement in BEAT {
        session.plain(statement).await.unwrap();
    }
    if let Place::Postgres(_) = &place {
        session.plain(mappings::PUBLICATION).await.unwrap();
    }
    project.write("mappings/sysbench.yaml", &mappings::sysbench(SYSBENCH));
    project.write("mappings/tpcc.yaml", mappings::TPCC);
    place
}

/// Samples until `samples` were taken; every one sees a state in which all invariants hold.
async fn sampled(sampler: &mut Sampler, samples: u64) {
    let wanted = sampler.count + samples;
    while sampler.count < wanted {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let scope = if sampler.count.is_multiple_of(5) { Scope::Whole } else { Scope::Districts(4) };
        let sample = sampler.sample(scope).await.unwrap();
        assert!(sample.violations.is_empty(), "at sample {}:\n{}", sampler.count, sample.violations.join("\n"));
    }
}

async fn moves(source: Database, test: &str) {
    let Some(pair) = own_pair(source, Database::Postgres).await else { return };
    let seed = seed(test);
    let project = Project::new(&pair, test).await;
    let place = prepare(&project, seed).await;
    project.strangler(&["check"]).await.expect(0);
    let writers = [
        Writers::start(&place, Load::Sysbench(SYSBENCH), 2, 40.0, seed).await.unwrap(),
        Writers::start(&place, Load::Tpcc(TPCC), 2, 40.0, seed + 1).await.unwrap(),
        Writers::beat(&place).await.unwrap(),
    ];
    let mut engine = project.start(&[]);
    project.until_live(&mut engine).await;
    let mut sampler = Sampler::new(project.target_client().await, TPCC, SYSBENCH.rows, seed);
    let samples = rounds(120, 1_200);
    sampled(&mut sampler, samples).await;
    engine.kill();
    sampled(&mut sampler, 5).await;
    let mut engine = project.start(&[]);
    project.until_live(&mut engine).await;
    sampled(&mut sampler, samples).await;
    for writers in writers {
        let counts = writers.stop().await.unwrap();
        eprintln!("{test}: {counts:?}");
        assert!(counts.iter().filter(|(kind, _)| **kind != "collided").map(|(_, times)| times).sum::<u64>() > 30, "{counts:?}");
    }
    assert!(sampler.moved > 10, "only {} of {} samples saw anything new", sampler.moved, sampler.count);
    // Verified through the running engine, then row by row by the oracle.
    project.strangler(&["verify"]).await.expect(0);
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    assert!(project.settle().await > 1_000);
    sampled(&mut sampler, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sysbench_and_tpcc_move_from_mariadb() {
    moves(Database::MARIADB, "oltp_mariadb").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sysbench_and_tpcc_move_from_postgres() {
    moves(Database::Postgres, "oltp_postgres").await;
}

/// The invariants hold on the source at every commit, by the mapping's own SELECTs: otherwise a sample would prove nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sampled_invariants_hold_on_the_source() {
    let Some(pair) = own_pair(Database::Postgres, Database::Postgres).await else { return };
    let project = Project::new(&pair, "oltp_alone").await;
    let place = prepare(&project, 7).await;
    // The target's tables as views over the source's: the sampler cannot tell.
    let mut statements = vec!["CREATE SCHEMA mapped; CREATE SCHEMA strangler".to_owned()];
    statements.push("CREATE TABLE strangler.checkpoint AS SELECT 'alone' AS mapping, 'live' AS phase, 1 AS seq".into());
    for text in [mappings::sysbench(SYSBENCH), mappings::TPCC.to_owned()] {
        let mapping: crate::support::oracle::MappingFile = serde_saphyr::from_str(&text).unwrap();
        statements.extend(mapping.tables.iter().map(|(name, table)| format!("CREATE VIEW mapped.{name} AS {}", table.sql)));
    }
    project.legacy(&statements.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let client = project.source_client().await;
    client.batch_execute("SET search_path = mapped").await.unwrap();
    let writers = [
        Writers::start(&place, Load::Sysbench(SYSBENCH), 2, 60.0, 1).await.unwrap(),
        Writers::start(&place, Load::Tpcc(TPCC), 3, 60.0, 2).await.unwrap(),
    ];
    let mut sampler = Sampler::new(client, TPCC, SYSBENCH.rows, 3);
    sampled(&mut sampler, rounds(30, 300)).await;
    for writers in writers {
        assert!(writers.stop().await.unwrap().values().sum::<u64>() > 20);
    }
    // And a state that no transaction left behind is told by name.
    for (wrong, invariants) in [
        ("UPDATE order_line SET ol_amount = 7.77 WHERE ol_o_id = 30 AND ol_number = 1", "sum of lines = order total"),
        ("UPDATE customer SET c_balance = c_balance - 0.01 WHERE c_id = 9", "ledger = balance"),
        ("DELETE FROM history WHERE h_id = 11", "payments of a district = its takings"),
        ("UPDATE district SET d_ytd = d_ytd + 0.01 WHERE d_id = 3", "takings of districts = warehouse"),
        ("DELETE FROM orders WHERE o_id = (SELECT MAX(o_id) FROM orders)", "next order = last order + 1"),
        ("UPDATE orders SET o_carrier_id = NULL WHERE o_id = 2", "waiting = no carrier"),
        ("DELETE FROM sbtest1 WHERE id = 3", "rows stand"),
    ] {
        project.legacy(&[wrong]).await;
        let found = sampler.sample(Scope::Whole).await.unwrap().violations;
        assert!(found.iter().any(|violation| violation.starts_with(invariants)), "{wrong}: {found:?}");
    }
}
