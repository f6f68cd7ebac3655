//! A MariaDB ERP and a PostgreSQL CRM in one engine: one mapping joins them, two more read one each. Both are written at once, in transactions
//! over several tables; the engine is killed, and each source goes away while the other works on.
//!
//! The oracle copies the CRM's tables into a database `crm` of the ERP's server, with the declared collation, and runs the mapping's own SELECT
//! there.

mod postgres_words;
mod refused;
mod story;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use strangler::demo::servers::{Postgres, ServerError, ServerOptions};

use crate::support::program::Running;
use crate::support::project::Project;
use crate::support::servers::{Kind, Pair, own};
use crate::support::{oracle, rounds, seed};

const PASSWORD: &str = "Only-For-Tests-1";

const CRM: &str = "
CREATE TABLE member (member_no int PRIMARY KEY, login varchar(40) NOT NULL, name text, active boolean, credit numeric(12,2),
  joined date, seen timestamp(0), rating double precision, photo bytea, token uuid);
CREATE TABLE phone (member_no int, kind varchar(10), digits varchar(30), PRIMARY KEY (member_no, kind));
INSERT INTO member SELECT n, CASE WHEN n % 3 = 0 THEN 'User' ELSE 'user' END || (n % 60), '회원 ' || n, n % 4 <> 0, n * 1.25,
  date '2020-01-01' + n, timestamp '2024-01-01' + n * interval '1 hour', n / 8.0, decode(lpad(to_hex(n), 4, '0'), 'hex'), gen_random_uuid()
  FROM generate_series(1, 120) n;
INSERT INTO phone SELECT n, k, '010-' || n FROM generate_series(1, 150) n, (VALUES ('home'), ('work')) v(k) WHERE n % 3 = 0 OR k = 'home';
";

const ERP: [&str; 4] = [
    "CREATE TABLE tb_order (ord_no INT PRIMARY KEY, member_no INT, login VARCHAR(40), amt DECIMAL(12,2), ord_dt DATETIME, st CHAR(2))",
    "CREATE TABLE tb_line (ord_no INT, line_no INT, qty INT, price DECIMAL(10,2), PRIMARY KEY (ord_no, line_no))",
    "INSERT INTO tb_order SELECT seq, NULLIF(seq % 140, 0), CONCAT('USER', seq % 70), seq * 2.5, '2024-05-01' + INTERVAL seq HOUR, IF(seq % 7 = 0, 'X', 'N') FROM seq_1_to_300",
    "INSERT INTO tb_line SELECT o.seq, l.seq, l.seq + 1, o.seq * 0.5 FROM seq_1_to_300 o, seq_1_to_2 l",
];

/// The copy of the CRM on the ERP's server, typed by hand.
const COPY: [&str; 4] = [
    "CREATE DATABASE IF NOT EXISTS crm",
    "CREATE TABLE IF NOT EXISTS crm.member (member_no INT PRIMARY KEY, login VARCHAR(40) COLLATE utf8mb4_general_ci NOT NULL, \
     name LONGTEXT COLLATE utf8mb4_general_ci, active TINYINT, credit DECIMAL(12,2), joined DATE, seen DATETIME, rating DOUBLE, photo LONGBLOB)",
    "CREATE TABLE IF NOT EXISTS crm.phone (member_no INT, kind VARCHAR(10) COLLATE utf8mb4_general_ci, digits VARCHAR(30) COLLATE utf8mb4_general_ci)",
    "CREATE DATABASE IF NOT EXISTS erp",
];

const SERVICE: &str = "version: 1
mapping: service
owner: tests
sources: [erp, crm]
dialect: erp
collation: utf8mb4_general_ci
target: order-db
tables:
  orders:
    key: [order_id]
    sql: |
      SELECT o.ord_no AS order_id, m.name AS member_name, m.active AS is_active, m.credit AS credit, m.joined AS joined,
             m.seen AS seen, m.rating AS rating, m.photo AS photo, CONCAT(m.login, '/', o.st) AS label, o.amt + m.credit AS weight,
             (SELECT SUM(l.qty * l.price) FROM erp.tb_line l WHERE l.ord_no = o.ord_no) AS total,
             (SELECT COUNT(*) FROM crm.phone p WHERE p.member_no = o.member_no) AS phones
        FROM erp.tb_order o
        LEFT JOIN crm.member m ON m.member_no = o.member_no
       WHERE o.st <> 'X'
  members:
    key: [member_no]
    sql: |
      SELECT m.member_no AS member_no, m.login AS login, YEAR(m.joined) AS joined_year,
             (SELECT COUNT(*) FROM tb_order o WHERE o.login = m.login) AS orders_by_login,
             (SELECT MAX(o.amt) FROM erp.tb_order o WHERE o.member_no = m.member_no) AS best
        FROM crm.member m
       WHERE m.active
  contacts:
    key: [member_no, kind]
    sql: |
      SELECT p.member_no AS member_no, p.kind AS kind, p.digits AS digits, COUNT(o.ord_no) AS orders
        FROM crm.public.phone p
        JOIN tb_order o ON o.member_no = p.member_no
       GROUP BY p.member_no, p.kind, p.digits
";

const ALONE: [(&str, &str, &str); 2] = [
    ("people", "crm", "SELECT m.member_no AS id, m.name AS name, m.credit AS credit FROM member m WHERE m.member_no > 5"),
    ("lines", "erp", "SELECT l.ord_no AS id, SUM(l.qty) AS pieces FROM tb_line l GROUP BY l.ord_no"),
];

/// Both sources, the service database and a project over them.
pub struct House {
    pub project: Project,
    pub crm: Postgres,
    pub pair: Pair,
}

impl House {
    pub async fn new(test: &str) -> Option<Self> {
        let pair = own(Kind::MariaDb, &[]).await?;
        let crm = match Postgres::start(ServerOptions::with_args(["-csynchronous_commit=on"])).await {
            Ok(server) => server,
            Err(missing @ ServerError::Missing { .. }) => {
                assert!(std::env::var_os("STRANGLER_REQUIRE_DB").is_none_or(|value| value != "1"), "{missing}");
                eprintln!("SKIPPED: {missing}");
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        crm.execute("postgres", &format!("CREATE ROLE src LOGIN REPLICATION PASSWORD '{PASSWORD}'")).await.unwrap();
        crm.execute("postgres", "CREATE DATABASE crm").await.unwrap();
        let project = Project::new(&pair, test).await;
        let source = format!(
            "sources:\n  crm:\n    url: postgresql://src@127.0.0.1:{}/crm\n    password: {{ env: MEMBERS_PASSWORD }}\n    publication: crm_out\n    \
             slot_limit: {{ max_retained: 2GiB, on_exceed: stop }}\n    limits: {{ connections: 2 }}\n",
            crm.port()
        );
        project.edit("strangler.yaml", "sources:\n", &source);
        Some(Self { project, crm, pair })
    }

    /// The tables and the three mappings.
    async fn furnished(test: &str) -> Option<Self> {
        let house = Self::new(test).await?;
        house.crm_tables(CRM, "member, phone").await;
        house.project.legacy(&ERP).await;
        house.project.write("mappings/service.yaml", SERVICE);
        for (name, source, sql) in ALONE {
            let text = format!(
                "version: 1\nmapping: {name}\nowner: tests\nsource: {source}\ntarget: order-db\ntables:\n  {name}:\n    key: [id]\n    sql: |\n      {sql}\n"
            );
            house.project.write(&format!("mappings/{name}.yaml"), &text);
        }
        Some(house)
    }

    pub async fn crm_tables(&self, tables: &str, published: &str) {
        self.crm.execute("crm", tables).await.unwrap();
        let grants = format!(
            "GRANT USAGE ON SCHEMA public TO src; GRANT SELECT ON ALL TABLES IN SCHEMA public TO src; CREATE PUBLICATION crm_out FOR TABLE {published}"
        );
        self.crm.execute("crm", &grants).await.unwrap();
    }

    /// Brings the copy of the CRM up to date; its tables can also be named as the mapping over the CRM alone names them.
    async fn copy(&self) {
        let name = &self.project.name;
        let mut erp = self.project.source().await;
        for statement in COPY {
            erp.query_drop(statement).await.unwrap();
        }
        for statement in [
            "DELETE FROM crm.member".to_owned(),
            "DELETE FROM crm.phone".to_owned(),
            format!("CREATE OR REPLACE VIEW erp.tb_order AS SELECT * FROM {name}.tb_order"),
            format!("CREATE OR REPLACE VIEW erp.tb_line AS SELECT * FROM {name}.tb_line"),
            format!("CREATE OR REPLACE VIEW {name}.member AS SELECT * FROM crm.member"),
        ] {
            erp.query_drop(statement).await.unwrap();
        }
        let client = self.crm.connect("crm").await.unwrap();
        let members = "SELECT member_no::text, login, name, active::int::text, credit::text, joined::text, seen::text, rating::text, \
                       encode(photo, 'hex') FROM member";
        for row in client.query(members, &[]).await.unwrap() {
            let cells: Vec<Option<String>> = (0..9).map(|at| row.get(at)).collect();
            erp.exec_drop("INSERT INTO crm.member VALUES (?,?,?,?,?,?,?,?,UNHEX(?))", cells).await.unwrap();
        }
        for row in client.query("SELECT member_no::text, kind, digits FROM phone", &[]).await.unwrap() {
            let cells: Vec<Option<String>> = (0..3).map(|at| row.get(at)).collect();
            erp.exec_drop("INSERT INTO crm.phone VALUES (?,?,?)", cells).await.unwrap();
        }
        erp.disconnect().await.unwrap();
    }

    /// Everything arrives, and is what the mappings' SELECTs give over the copy; the number of rows compared.
    async fn settle(&self) -> usize {
        self.project.strangler(&["run", "--until-caught-up"]).await.expect(0);
        self.copied_oracle().await
    }

    async fn copied_oracle(&self) -> usize {
        self.copy().await;
        // The oracle reads every file; the contacts name a schema that MariaDB does not have.
        let path = self.project.folder().join("mappings/service.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("crm.public.phone", "crm.phone")).unwrap();
        let rows = oracle::check(&self.project).await;
        std::fs::write(&path, text).unwrap();
        rows
    }

    /// The sequence of one target's checkpoint, and what it says of a source.
    async fn frontier(&self, source: &str) -> String {
        self.project
            .ask_service(&format!("SELECT (positions -> '{source}')::text FROM strangler.checkpoint WHERE mapping = 'service'"))
            .await
    }
}

/// A random transaction over both tables of the ERP.
fn erp_transaction(rng: &mut Rng) -> Vec<String> {
    let (order, member) = (rng.u32(1..340), rng.u32(1..140));
    let mut statements = vec!["START TRANSACTION".to_owned()];
    for _ in 0..rng.u8(1..4) {
        statements.push(match rng.u8(0..6) {
            0 => format!("DELETE FROM tb_order WHERE ord_no = {order}"),
            1 => format!(
                "REPLACE INTO tb_order VALUES ({order}, {member}, 'uSeR{}', 7.25, '2025-02-03 04:05:06', 'N')",
                member % 70
            ),
            2 => format!("UPDATE tb_order SET member_no = {member}, amt = amt + 1 WHERE ord_no BETWEEN {order} AND {order} + 4"),
            3 => format!("UPDATE tb_order SET st = IF(st = 'X', 'N', 'X') WHERE ord_no = {order}"),
            4 => format!("DELETE FROM tb_line WHERE ord_no = {order} AND line_no = 2"),
            _ => format!("REPLACE INTO tb_line VALUES ({order}, {}, 3, 1.75)", rng.u8(1..4)),
        });
    }
    statements.push(if rng.u8(0..8) == 0 { "ROLLBACK" } else { "COMMIT" }.to_owned());
    statements
}

/// The same over both tables of the CRM.
fn crm_transaction(rng: &mut Rng) -> String {
    let member = rng.u32(1..140);
    let mut statements = vec!["BEGIN".to_owned()];
    for _ in 0..rng.u8(1..4) {
        statements.push(match rng.u8(0..6) {
            0 => format!("DELETE FROM member WHERE member_no = {member}"),
            1 => format!(
                "INSERT INTO member VALUES ({member}, 'useR{}', '새 {}', {}, 3.5, '2023-03-04', NULL, 0.5, NULL, NULL) \
                 ON CONFLICT (member_no) DO UPDATE SET name = excluded.name, active = excluded.active",
                member % 60,
                rng.u16(..),
                rng.bool()
            ),
            2 => format!(
                "UPDATE member SET credit = credit + 1, login = 'USER{}' WHERE member_no % 17 = {}",
                member % 60,
                member % 17
            ),
            3 => format!("UPDATE member SET active = NOT active WHERE member_no = {member}"),
            4 => format!("DELETE FROM phone WHERE member_no = {member}"),
            _ => format!("INSERT INTO phone VALUES ({member}, 'cell', '011-{member}') ON CONFLICT DO NOTHING"),
        });
    }
    statements.push(if rng.u8(0..8) == 0 { "ROLLBACK" } else { "COMMIT" }.to_owned());
    statements.join("; ")
}

/// Writers on both sources until they are stopped.
struct Writers {
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<u64>>,
}

impl Writers {
    async fn start(house: &House, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (url, stopped) = (house.project.source_url().to_owned(), Arc::clone(&stop));
        let erp = tokio::spawn(async move {
            let (mut rng, mut count) = (Rng::with_seed(seed), 0);
            let mut conn = Conn::from_url(url).await.unwrap();
            while !stopped.load(Ordering::SeqCst) {
                for statement in erp_transaction(&mut rng) {
                    conn.query_drop(statement).await.unwrap();
                }
                count += 1;
                tokio::time::sleep(Duration::from_millis(rng.u64(0..6))).await;
            }
            count
        });
        let (client, stopped) = (house.crm.connect("crm").await.unwrap(), Arc::clone(&stop));
        let crm = tokio::spawn(async move {
            let (mut rng, mut count) = (Rng::with_seed(seed + 1), 0);
            while !stopped.load(Ordering::SeqCst) {
                client.batch_execute(&crm_transaction(&mut rng)).await.unwrap();
                count += 1;
                tokio::time::sleep(Duration::from_millis(rng.u64(0..6))).await;
            }
            count
        });
        Self { stop, tasks: vec![erp, crm] }
    }

    async fn stop(self) -> Vec<u64> {
        self.stop.store(true, Ordering::SeqCst);
        let mut counts = Vec::new();
        for task in self.tasks {
            counts.push(task.await.unwrap());
        }
        counts
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_of_both_arrive_whole_through_kills_at_random_moments() {
    let Some(house) = House::furnished("two_kill").await else { return };
    let seed = seed("two_sources");
    let project = &house.project;
    project.strangler(&["check"]).await.expect(0);
    project.strangler(&["plan", "--explain"]).await.expect(0).names(&["reads several sources", "crm.public.member"]);
    let mut rng = Rng::with_seed(seed);
    let writers = Writers::start(&house, seed).await;
    for round in 0..rounds(8, 60) {
        let mut engine = project.start(&[]);
        tokio::time::sleep(Duration::from_millis(rng.u64(150..1_500) + 150 * round.min(10))).await;
        assert!(engine.ended().is_none(), "it ended by itself\n{}", engine.log());
        engine.kill();
    }
    let mut engine = project.start(&[]);
    project.until_live(&mut engine).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    // While both sides move, no row is called wrong.
    let verified = project.strangler(&["verify"]).await;
    assert!(matches!(verified.code, Some(0 | 4)), "{}", verified.text());
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    let counts = writers.stop().await;
    assert!(counts.iter().all(|count| *count > 100), "{counts:?}");
    let rows = house.settle().await;
    assert!(rows > 500, "{rows} rows compared");
    // The copy was written to the ERP's log too.
    project.strangler(&["run", "--until-caught-up"]).await.expect(0);
    project.strangler(&["verify"]).await.expect(0);
    project.strangler(&["diff"]).await.expect(0);
    // With an engine, which says what it wrote: the CRM's log moves by itself.
    let mut engine = project.start(&[]);
    project.until_live(&mut engine).await;
    project.service("UPDATE orders SET label = 'wrong' WHERE order_id = (SELECT max(order_id) FROM orders)").await;
    project.service("DELETE FROM members WHERE member_no = (SELECT min(member_no) FROM members)").await;
    let verified = project.strangler(&["verify"]).await.expect(2);
    assert!(
        verified.stdout.contains("differs in label") && verified.stdout.contains("missing in the target"),
        "{}",
        verified.stdout
    );
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    project.strangler(&["diff"]).await.expect(2);
    project.strangler(&["run", "--rebuild", "--until-caught-up"]).await.expect(0);
    assert_eq!(house.copied_oracle().await, rows);
    project.strangler(&["reset"]).await.expect(2).names(&["replication slot strangler_crm", "checkpoint row service"]);
}

async fn until_equal(house: &House, engine: &mut Running, what: &str, question: &str, wanted: &str) {
    for _ in 0..900 {
        if house.project.ask_service(question).await == wanted {
            return;
        }
        assert!(engine.ended().is_none(), "the engine ended\n{}", engine.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what}: {} is not {wanted}\n{}", house.project.ask_service(question).await, engine.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_stops_holds_up_nothing_of_the_other() {
    let Some(mut house) = House::furnished("two_down").await else { return };
    let mut engine = house.project.start(&[]);
    house.project.until_live(&mut engine).await;
    let total = "SELECT coalesce(sum(amount), 0)::text FROM (SELECT weight AS amount FROM orders WHERE order_id = 1) t";
    let name = "SELECT member_name FROM orders WHERE order_id = 1";
    until_equal(&house, &mut engine, "live", name, "회원 1").await;
    house.crm.stop().await.unwrap();
    house.project.legacy(&["UPDATE tb_order SET amt = 1000 WHERE ord_no = 1", "INSERT INTO tb_line VALUES (1, 9, 1, 1)"]).await;
    until_equal(&house, &mut engine, "the ERP goes on", total, "1001.25").await;
    house
        .project
        .until(&mut engine, "waiting for the CRM", |project| {
            project.status().is_some_and(|status| status["waiting"].as_str().is_some_and(|reason| reason.contains("source crm")))
        })
        .await;
    let crm_before = house.frontier("crm").await;
    engine.kill();
    house.crm.restart().await.unwrap();
    let mut engine = house.project.start(&[]);
    house.crm.execute("crm", "UPDATE member SET name = 'after' WHERE member_no = 1").await.unwrap();
    until_equal(&house, &mut engine, "the CRM is back", name, "after").await;
    assert_ne!(crm_before, house.frontier("crm").await);
    // Now the other one, with the engine running throughout.
    house.pair.source.stop().await.unwrap();
    house.crm.execute("crm", "UPDATE member SET name = 'alone' WHERE member_no = 1").await.unwrap();
    until_equal(&house, &mut engine, "the CRM goes on", name, "alone").await;
    house.pair.source.restart().await.unwrap();
    house.project.legacy(&["UPDATE tb_order SET amt = 2000 WHERE ord_no = 1"]).await;
    until_equal(&house, &mut engine, "the ERP is back", total, "2001.25").await;
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    assert!(house.settle().await > 500);
}
