//! What a reader of the service sees while the engine is live: always one committed prefix of the legacy history, never a mixture,
//! and never an earlier one than before; also across a killed engine and a restarted target.
//!
//! The writer numbers its transactions in a table, books each in a journal and keeps totals in step with lines in the same
//! transaction. So a sample, taken in one REPEATABLE READ transaction, proves itself: numbers without a gap up to the newest,
//! totals equal to their lines, money neither made nor lost.

use crate::support::project::Project;
use crate::support::servers::{Kind, own, shared};
use crate::support::{rounds, seed};
use fastrand::Rng;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const TABLES: &[&str] = &[
    "CREATE TABLE p_tick (id INT PRIMARY KEY, n INT NOT NULL)",
    "CREATE TABLE p_journal (n INT PRIMARY KEY, txt VARCHAR(20) NOT NULL)",
    "CREATE TABLE p_account (id INT PRIMARY KEY, bank INT NOT NULL, balance DECIMAL(12,2) NOT NULL, KEY (bank))",
    "CREATE TABLE p_bank (bank INT PRIMARY KEY, nm VARCHAR(20) NOT NULL, total DECIMAL(14,2) NOT NULL, accounts INT NOT NULL)",
    "INSERT INTO p_tick VALUES (1, 0)",
    "INSERT INTO p_bank VALUES (1, 'b1', 0, 0), (2, 'b2', 0, 0), (3, 'b3', 0, 0), (4, 'b4', 0, 0)",
    "INSERT INTO p_account SELECT n, 1 + n % 4, 100 FROM (SELECT a.d + 10 * b.d AS n FROM \
     (SELECT 0 d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 \
      UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9) a, (SELECT 0 d UNION ALL SELECT 1 UNION ALL SELECT 2 \
      UNION ALL SELECT 3 UNION ALL SELECT 4) b) numbers",
    "UPDATE p_bank SET total = (SELECT SUM(balance) FROM p_account WHERE p_account.bank = p_bank.bank), \
     accounts = (SELECT COUNT(*) FROM p_account WHERE p_account.bank = p_bank.bank)",
];

const MAPPING: &str = "\
version: 1
mapping: prefix
source: erp
target: order-db
tables:
  ticks:
    key: [id]
    sql: SELECT t.id AS id, t.n AS n FROM p_tick t
  journal:
    key: [n]
    sql: SELECT j.n AS n, j.txt AS txt FROM p_journal j
  accounts:
    key: [id]
    sql: |
      SELECT a.id AS id, a.bank AS bank, b.nm AS bank_name, a.balance AS balance
        FROM p_account a JOIN p_bank b ON b.bank = a.bank
  banks:
    key: [bank]
    sql: |
      SELECT b.bank AS bank, b.nm AS name, b.total AS total, b.accounts AS accounts,
             (SELECT SUM(a.balance) FROM p_account a WHERE a.bank = b.bank) AS summed,
             (SELECT COUNT(*) FROM p_account a WHERE a.bank = b.bank) AS counted
        FROM p_bank b
";

/// One sample, by the superuser's eyes, in one snapshot: what is wrong (nothing), the newest number, the checkpoint's sequence.
const SAMPLE: &str = "\
SELECT (SELECT seq FROM strangler.checkpoint WHERE mapping = 'prefix'),
       (SELECT phase::text FROM strangler.checkpoint WHERE mapping = 'prefix'),
       (SELECT n::bigint FROM ticks),
       (SELECT COALESCE(MAX(n), 0)::bigint FROM journal),
       (SELECT COUNT(*) FROM journal),
       (SELECT COUNT(*) FROM accounts),
       (SELECT SUM(balance)::text FROM accounts),
       (SELECT COUNT(*) FROM banks b WHERE b.total <> b.summed OR b.accounts <> b.counted),
       (SELECT COUNT(*) FROM banks b WHERE b.total <> (SELECT SUM(balance) FROM accounts a WHERE a.bank = b.bank)
           OR b.accounts <> (SELECT COUNT(*) FROM accounts a WHERE a.bank = b.bank)),
       (SELECT COUNT(*) FROM accounts a JOIN banks b ON b.bank = a.bank WHERE a.bank_name <> b.name)";

/// Writes numbered transactions until stopped; several of these take turns by the lock on the tick.
async fn write(url: String, seed: u64, stop: Arc<AtomicBool>) -> u64 {
    let mut rng = Rng::with_seed(seed);
    let mut connection = Conn::from_url(&url).await.unwrap();
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut statements = vec![
            "BEGIN".to_owned(),
            "UPDATE p_tick SET n = n + 1 WHERE id = 1".into(),
            "INSERT INTO p_journal SELECT n, 'booked' FROM p_tick WHERE id = 1".into(),
        ];
        for _ in 0..rng.u32(1..4) {
            statements.extend(movement(&mut rng));
        }
        statements.push(if rng.u32(0..8) == 0 { "ROLLBACK" } else { "COMMIT" }.into());
        for statement in statements {
            connection.query_drop(statement).await.unwrap();
        }
        count += 1;
        tokio::time::sleep(Duration::from_millis(rng.u64(0..6))).await;
    }
    connection.disconnect().await.unwrap();
    count
}

/// A transfer, a move of an account to another bank, or a bank's new name, with the totals in step.
fn movement(rng: &mut Rng) -> Vec<String> {
    let (from, to, bank) = (rng.u32(0..50), rng.u32(0..50), rng.u32(1..5));
    let amount = format!("{}.{:02}", rng.u32(0..90), rng.u32(0..100));
    let of = |id: u32| format!("(SELECT bank FROM p_account WHERE id = {id})");
    match rng.u32(0..4) {
        0 => vec![
            format!(
                "UPDATE p_bank SET total = total - (SELECT balance FROM p_account WHERE id = {from}), accounts = accounts - 1 \
                 WHERE bank = {}",
                of(from)
            ),
            format!("UPDATE p_account SET bank = {bank} WHERE id = {from}"),
            format!(
                "UPDATE p_bank SET total = total + (SELECT balance FROM p_account WHERE id = {from}), accounts = accounts + 1 \
                 WHERE bank = {bank}"
            ),
        ],
        1 => vec![format!("UPDATE p_bank SET nm = 'b{}' WHERE bank = {bank}", rng.u32(0..1000))],
        _ => vec![
            format!("UPDATE p_account SET balance = balance - {amount} WHERE id = {from}"),
            format!("UPDATE p_bank SET total = total - {amount} WHERE bank = {}", of(from)),
            format!("UPDATE p_account SET balance = balance + {amount} WHERE id = {to}"),
            format!("UPDATE p_bank SET total = total + {amount} WHERE bank = {}", of(to)),
        ],
    }
}

/// How long the engine may show nothing new before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(120);

/// Samples until it saw `states` different states of the target; the newest number that a reader saw must never shrink, and neither may the
/// checkpoint. States are counted and not samples: how many samples fall between two states is a matter of the machine.
async fn sample(project: &Project, seen: &AtomicU64, states: u64) {
    let (mut newest, mut sequence, mut moved) = (0_i64, 0_i64, 0);
    let mut moved_at = tokio::time::Instant::now();
    while moved < states {
        tokio::time::sleep(Duration::from_millis(4)).await;
        let mut client = project.target_client_patient().await;
        while moved < states {
            let Ok(row) = snapshot(&mut client).await else { break }; // the target is restarting
            assert_eq!(row.get::<_, &str>(1), "live");
            let (at, tick, last, count): (i64, i64, i64, i64) = (row.get(0), row.get(2), row.get(3), row.get(4));
            assert!(tick == last && last == count, "tick {tick}, newest journal entry {last}, {count} entries");
            assert_eq!((row.get::<_, i64>(5), row.get::<_, &str>(6)), (50, "5000.00"), "at tick {tick}");
            let broken = [row.get::<_, i64>(7), row.get(8), row.get(9)];
            assert_eq!(broken, [0, 0, 0], "at tick {tick}: totals, sums or names of another moment");
            assert!(tick >= newest && at >= sequence, "back from tick {newest} ({sequence}) to {tick} ({at})");
            if tick > newest {
                (moved, moved_at) = (moved + 1, tokio::time::Instant::now());
            }
            assert!(moved_at.elapsed() < PATIENCE, "nothing new behind tick {newest}, after {moved} of {states} states");
            (newest, sequence) = (tick, at);
            seen.store(moved, Ordering::Relaxed);
        }
    }
}

async fn snapshot(client: &mut tokio_postgres::Client) -> Result<tokio_postgres::Row, tokio_postgres::Error> {
    let transaction = client
        .build_transaction()
        .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
    transaction.query_one(SAMPLE, &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_always_sees_one_committed_prefix_and_never_goes_back() {
    let Some(mut pair) = own(Kind::MariaDb, &[]).await else { return };
    let seed = seed("prefix");
    let project = Project::new(&pair, "prefix").await;
    project.legacy(TABLES).await;
    project.write("mappings/prefix.yaml", MAPPING);
    let mut engine = project.start(&[]);
    project.until_live(&mut engine).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> =
        (0..3).map(|number| tokio::spawn(write(project.source_url().to_owned(), seed + number, stop.clone()))).collect();
    let (states, seen) = (rounds(90, 1_500), AtomicU64::new(0));
    let disturb = async {
        // A killed engine at a third of the states, a restarted target at two thirds.
        while seen.load(Ordering::Relaxed) < states / 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        engine.kill();
        engine = project.start(&[]);
        project.until_live(&mut engine).await;
        while seen.load(Ordering::Relaxed) < states * 2 / 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        pair.target.restart().await.unwrap();
    };
    tokio::join!(sample(&project, &seen, states), disturb);
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        assert!(writer.await.unwrap() > 20);
    }
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    project.settle().await;
}

/// The invariants hold on the source at every commit: otherwise a sample would prove nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sampled_invariants_hold_on_the_source() {
    let Some(pair) = shared(Kind::MariaDb).await else { return };
    let project = Project::new(&pair, "prefix_alone").await;
    project.legacy(TABLES).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..3).map(|seed| tokio::spawn(write(project.source_url().to_owned(), seed, stop.clone()))).collect();
    let question = "SELECT (SELECT n FROM p_tick), (SELECT COUNT(*) FROM p_journal), (SELECT CAST(SUM(balance) AS CHAR) FROM p_account), \
         (SELECT COUNT(*) FROM p_bank b WHERE b.total <> (SELECT SUM(balance) FROM p_account a WHERE a.bank = b.bank) \
           OR b.accounts <> (SELECT COUNT(*) FROM p_account a WHERE a.bank = b.bank))";
    for _ in 0..100 {
        let (tick, journal, sum, broken): (u64, u64, String, u64) =
            mysql_async::from_row(project.ask_legacy(question).await.pop().unwrap());
        assert_eq!((tick, sum.as_str(), broken), (journal, "5000.00", 0));
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        assert!(writer.await.unwrap() > 0);
    }
}
