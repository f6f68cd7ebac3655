//! One engine over several mappings and two service databases: one goes down, one mapping loses a column, one is paused, and the others
//! go on; the engine is killed in between. The oracle is the source's own answer.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use strangler::demo::servers::{Postgres, ServerOptions};

use crate::support::program::Running;
use crate::support::project::Project;
use crate::support::servers::{Kind, Pair, shared};

const TABLES: [&str; 4] = [
    "CREATE TABLE m_cust (id INT PRIMARY KEY, name VARCHAR(40), grade CHAR(1))",
    "CREATE TABLE m_ord (id INT PRIMARY KEY, cust INT, amt DECIMAL(12,2), memo VARCHAR(80))",
    "INSERT INTO m_cust SELECT seq, CONCAT('이름 ', seq), 'A' FROM seq_1_to_200",
    "INSERT INTO m_ord SELECT seq, seq % 210, seq * 1.25, CONCAT('memo ', seq) FROM seq_1_to_2000",
];

const ORDERS: &str = "SELECT o.id AS id, c.name AS name, o.amt AS amt FROM m_ord o LEFT JOIN m_cust c ON c.id = o.cust";
const MEMOS: &str = "SELECT o.id AS id, o.memo AS memo FROM m_ord o";
const NAMES: &str = "SELECT c.id AS id, c.name AS name, c.grade AS grade FROM m_cust c";

fn mapping(name: &str, target: &str, sql: &str) -> String {
    format!(
        "version: 1\nmapping: {name}\nowner: tests\nsource: erp\ntarget: {target}\ntables:\n  {name}:\n    key: [id]\n    sql: |\n      {sql}\n"
    )
}

/// A project with mappings orders and memos in one service database and names in another, on a server of its own.
struct Town {
    project: Project,
    club: Postgres,
    _pair: std::sync::Arc<Pair>,
}

impl Town {
    async fn new(test: &str) -> Option<Self> {
        let pair = shared(Kind::MariaDb).await?;
        let project = Project::new(&pair, test).await;
        let club = match Postgres::start(ServerOptions::default()).await {
            Ok(server) => server,
            Err(error) => panic!("{error}"),
        };
        club.execute("postgres", "CREATE ROLE club LOGIN PASSWORD 'Only-For-Tests-1'").await.unwrap();
        club.execute("postgres", "CREATE DATABASE club OWNER club").await.unwrap();
        let target = format!(
            "targets:\n  club-db:\n    url: postgresql://club@127.0.0.1:{}/club\n    password: {{ env: CLUB_PASSWORD }}\n",
            club.port()
        );
        project.edit("strangler.yaml", "targets:\n", &target);
        project.legacy(&TABLES).await;
        project.write("mappings/orders.yaml", &mapping("orders", "order-db", ORDERS));
        project.write("mappings/memos.yaml", &mapping("memos", "order-db", MEMOS));
        project.write("mappings/names.yaml", &mapping("names", "club-db", NAMES));
        Some(Self { project, club, _pair: pair })
    }

    /// A few seconds of a working shop, from a seed.
    async fn work(&self, seed: u64, statements: usize) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut source = self.project.source().await;
        for _ in 0..statements {
            let (order, customer) = (random.u32(1..2_200), random.u32(1..220));
            let statement = match random.u8(0..6) {
                0 => format!("DELETE FROM m_ord WHERE id = {order}"),
                1 => format!("REPLACE INTO m_cust VALUES ({customer}, 'new {}', 'B')", random.u16(..)),
                2 => format!("DELETE FROM m_cust WHERE id = {customer}"),
                3 => format!("UPDATE m_ord SET cust = {customer}, amt = amt + 1 WHERE id BETWEEN {order} AND {order} + 5"),
                _ => format!(
                    "INSERT INTO m_ord (id, cust, amt) VALUES ({order}, {customer}, 7.5) ON DUPLICATE KEY UPDATE amt = amt + 0.5"
                ),
            };
            source.query_drop(statement).await.unwrap();
        }
        source.disconnect().await.unwrap();
    }

    /// The rows of a mapping by the source's own answer, as text.
    async fn source_rows(&self, sql: &str) -> Vec<String> {
        let rows = self.project.ask_legacy(&format!("SELECT CONCAT_WS('|', {}) FROM ({sql}) t ORDER BY id", columns(sql))).await;
        rows.into_iter().map(mysql_async::from_row::<String>).collect()
    }

    async fn target_rows(&self, table: &str, sql: &str) -> Vec<String> {
        let client = match table {
            "names" => self.club_client().await,
            _ => self.project.target_client().await,
        };
        let columns = columns(sql).replace(", 'NULL')", "::text, 'NULL')");
        let rows = client.query(&format!("SELECT concat_ws('|', {columns}) FROM {table} ORDER BY id"), &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    async fn club_client(&self) -> tokio_postgres::Client {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(self.club.port()).user("postgres").password(self.club.password()).dbname("club");
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    async fn assert_equal(&self, table: &str, sql: &str) {
        let (wanted, found) = (self.source_rows(sql).await, self.target_rows(table, sql).await);
        assert_eq!(wanted.len(), found.len(), "{table}");
        for (wanted, found) in wanted.iter().zip(&found) {
            assert_eq!(wanted, found, "{table}");
        }
    }

    /// Waits until a live target has what the source answers.
    async fn until_equal(&self, engine: &mut Running, table: &str, sql: &str) {
        for _ in 0..600 {
            if self.source_rows(sql).await == self.target_rows(table, sql).await {
                return;
            }
            assert!(engine.ended().is_none(), "the engine ended\n{}", engine.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.assert_equal(table, sql).await;
    }

    fn status_of(&self, mapping: &str) -> Option<serde_json::Value> {
        let status = self.project.status()?;
        status["mappings"].as_array()?.iter().find(|status| status["mapping"] == mapping).cloned()
    }

    /// What `status` says of a mapping's halt.
    fn halted(&self, mapping: &str) -> Option<serde_json::Value> {
        self.status_of(mapping)?.get("halted").filter(|halted| !halted.is_null()).cloned()
    }

    /// Whether everything that was derived for a mapping is in its target.
    fn is_written(&self, mapping: &str) -> bool {
        self.status_of(mapping).is_some_and(|status| status["outbox_bytes"] == 0)
    }
}

/// The output columns as one text each, NULL told from empty.
fn columns(sql: &str) -> String {
    let named = sql.split(" AS ").skip(1).filter_map(|rest| rest.split([',', ' ']).next());
    named.map(|name| format!("COALESCE({name}, 'NULL')").replace("COALESCE(id, 'NULL')", "id")).collect::<Vec<_>>().join(", ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_down_holds_up_its_own_mapping_alone_and_catches_up_by_itself() {
    let Some(mut town) = Town::new("many_down").await else { return };
    let mut engine = town.project.start(&[]);
    town.project.until_live(&mut engine).await;
    town.work(1, 60).await;
    town.until_equal(&mut engine, "names", NAMES).await;
    town.club.stop().await.unwrap();
    town.work(2, 120).await;
    town.until_equal(&mut engine, "orders", ORDERS).await;
    town.until_equal(&mut engine, "memos", MEMOS).await;
    engine.kill();
    // The engine begins without that target, and the others go on.
    let mut engine = town.project.start(&[]);
    town.work(3, 60).await;
    town.until_equal(&mut engine, "orders", ORDERS).await;
    town.club.restart().await.unwrap();
    town.until_equal(&mut engine, "names", NAMES).await;
    engine.kill();
    town.project.strangler(&["run", "--until-caught-up"]).await.expect(0);
    for (table, sql) in [("orders", ORDERS), ("memos", MEMOS), ("names", NAMES)] {
        town.assert_equal(table, sql).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_column_stops_the_mapping_that_reads_it_and_a_pause_only_the_one_it_names() {
    let Some(town) = Town::new("many_ddl").await else { return };
    let mut engine = town.project.start(&[]);
    town.project.until_live(&mut engine).await;
    town.work(4, 40).await;
    town.project.legacy(&["ALTER TABLE m_ord DROP COLUMN memo"]).await;
    town.project.until(&mut engine, "stopped in part", |_| town.halted("memos").is_some()).await;
    let halted = town.halted("memos").unwrap();
    assert!(halted["reason"].as_str().unwrap().contains("memo") && halted["hint"].is_string(), "{halted}");
    assert!(town.halted("orders").is_none(), "orders does not read the column");
    town.project.until(&mut engine, "done with what was derived for memos", |_| town.is_written("memos")).await;
    let memos = town.target_rows("memos", MEMOS).await;
    town.work(5, 80).await;
    town.until_equal(&mut engine, "orders", ORDERS).await;
    engine.kill();
    let mut engine = town.project.start(&[]);
    town.project.until_live(&mut engine).await;
    let paused = town.project.strangler(&["pause", "--mapping", "names"]).await.expect(0);
    assert!(paused.stdout.contains("names"), "{}", paused.stdout);
    let names = town.target_rows("names", NAMES).await;
    // Nobody waits for a mapping that stands still.
    let stands = town.project.strangler(&["verify", "--mapping", "memos"]).await.expect(76);
    stands.names(&["memos: stopped since", "memo", "since 20"]);
    town.project.strangler(&["verify", "--mapping", "names", "--format", "json"]).await.expect(76).names(&["\"paused\""]);
    town.project.strangler(&["verify"]).await.expect(76).names(&["orders", "equal", "names: paused"]);
    town.work(6, 80).await;
    town.until_equal(&mut engine, "orders", ORDERS).await;
    assert_eq!(names, town.target_rows("names", NAMES).await, "a paused target stays as it is");
    engine.kill();
    let mut engine = town.project.start(&[]);
    town.project.until(&mut engine, "paused", |_| town.halted("names").is_some()).await;
    town.project.strangler(&["resume", "--mapping", "names"]).await.expect(0);
    town.until_equal(&mut engine, "names", NAMES).await;
    town.project.strangler(&["resume", "--mapping", "memos"]).await.expect(76).names(&["--rebuild"]);
    assert_eq!(engine.interrupt().await, Some(76), "{}", engine.log());
    town.project.strangler(&["run", "--until-caught-up"]).await.expect(76).names(&["memos", "memo"]);
    town.assert_equal("orders", ORDERS).await;
    town.assert_equal("names", NAMES).await;
    assert_eq!(memos, town.target_rows("memos", MEMOS).await, "a stopped target stays as it is");
    town.project.strangler(&["status"]).await.expect(0).names(&["memos", "stopped", "--rebuild"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_mapping_is_rebuilt_while_the_others_stay_live() {
    let Some(town) = Town::new("many_rebuild").await else { return };
    town.project.strangler(&["run", "--until-caught-up"]).await.expect(0);
    town.club_client()
        .await
        .batch_execute("UPDATE names SET name = 'wrong' WHERE id < 50; DELETE FROM names WHERE id = 60")
        .await
        .unwrap();
    let mut engine = town.project.start(&["--rebuild", "--mapping", "names"]);
    town.work(7, 60).await;
    town.until_equal(&mut engine, "names", NAMES).await;
    town.until_equal(&mut engine, "orders", ORDERS).await;
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    town.project.strangler(&["run", "--until-caught-up"]).await.expect(0);
    town.assert_equal("names", NAMES).await;
    town.assert_equal("memos", MEMOS).await;
}

const ITEMS: &str =
    "SELECT i.id AS id, i.title AS title, (SELECT COUNT(*) FROM m_ord o WHERE o.amt = i.price) AS sold FROM m_item i";
const NOTES: &str = "SELECT o.id AS id, o.note AS memo FROM m_ord o";

/// A mapping over a table and an index that are not stored yet comes while the others are live and the shop works; the engine is killed on
/// the way. Then a mapping goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mapping_is_added_to_a_live_state_and_another_goes() {
    let Some(town) = Town::new("many_added").await else { return };
    town.project.strangler(&["run", "--until-caught-up"]).await.expect(0);
    town.project
        .legacy(&[
            "CREATE TABLE m_item (id INT PRIMARY KEY, title VARCHAR(40), price DECIMAL(12,2))",
            "INSERT INTO m_item SELECT seq, CONCAT('상품 ', seq), seq * 1.25 FROM seq_1_to_900",
        ])
        .await;
    town.project.write("mappings/items.yaml", &mapping("items", "order-db", ITEMS));
    let mut engine = town.project.start(&[]);
    town.work(11, 40).await;
    engine.kill();
    let mut engine = town.project.start(&[]);
    town.project
        .legacy(&["UPDATE m_item SET title = 'renamed', price = 7.5 WHERE id % 7 = 0", "DELETE FROM m_item WHERE id = 9"])
        .await;
    town.work(12, 60).await;
    town.project.until_live(&mut engine).await;
    town.project.until(&mut engine, "filled", |_| town.project.status().is_some() && town.halted("items").is_none()).await;
    town.until_equal(&mut engine, "items", ITEMS).await;
    for (table, sql) in [("orders", ORDERS), ("memos", MEMOS), ("names", NAMES)] {
        town.until_equal(&mut engine, table, sql).await;
    }
    engine.kill();
    std::fs::remove_file(town.project.folder().join("mappings/memos.yaml")).unwrap();
    let memos = town.target_rows("memos", MEMOS).await;
    town.work(13, 30).await;
    town.project.strangler(&["run", "--until-caught-up"]).await.expect(0);
    assert_eq!(memos, town.target_rows("memos", MEMOS).await, "what is gone is not applied any more");
    for (table, sql) in [("orders", ORDERS), ("items", ITEMS), ("names", NAMES)] {
        town.assert_equal(table, sql).await;
    }
    town.project.write("mappings/memos.yaml", &mapping("memos", "order-db", MEMOS));
    town.project.strangler(&["run", "--until-caught-up"]).await.expect(0);
    town.assert_equal("memos", MEMOS).await;
    town.project.strangler(&["reset", "--mapping", "items"]).await.expect(2);
    town.project.strangler(&["reset", "--mapping", "items", "--execute"]).await.expect(0);
    std::fs::remove_file(town.project.folder().join("mappings/items.yaml")).unwrap();
    town.project.strangler(&["run", "--until-caught-up"]).await.expect(0);
    town.assert_equal("orders", ORDERS).await;
}

/// After a mapped column is gone, the mapping is written anew and rebuilt alone: its table is read again with the definition of now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mapping_whose_column_is_gone_is_rebuilt_over_the_definition_of_now() {
    let Some(town) = Town::new("many_renewed").await else { return };
    let mut engine = town.project.start(&[]);
    town.project.until_live(&mut engine).await;
    town.project.legacy(&["ALTER TABLE m_ord DROP COLUMN memo", "ALTER TABLE m_ord ADD COLUMN note VARCHAR(80)"]).await;
    town.project.until(&mut engine, "stopped in part", |_| town.halted("memos").is_some()).await;
    town.work(21, 40).await;
    town.until_equal(&mut engine, "orders", ORDERS).await;
    engine.kill();
    town.project.write("mappings/memos.yaml", &mapping("memos", "order-db", NOTES));
    town.project.strangler(&["run", "--until-caught-up"]).await.expect(76).names(&[
        "memos",
        "edited",
        "--rebuild --mapping memos",
    ]);
    let mut engine = town.project.start(&["--rebuild", "--mapping", "memos"]);
    town.project.until_live(&mut engine).await;
    town.project.legacy(&["UPDATE m_ord SET note = CONCAT('note ', id) WHERE id % 3 = 0"]).await;
    town.work(22, 40).await;
    engine.kill();
    let mut engine = town.project.start(&[]);
    town.work(23, 40).await;
    town.until_equal(&mut engine, "memos", NOTES).await;
    for (table, sql) in [("orders", ORDERS), ("names", NAMES)] {
        town.until_equal(&mut engine, table, sql).await;
    }
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    town.project.strangler(&["run", "--until-caught-up"]).await.expect(0);
    town.assert_equal("memos", NOTES).await;
}
