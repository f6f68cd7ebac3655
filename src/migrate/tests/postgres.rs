//! PostgreSQL to PostgreSQL with real servers: a random workload from before the snapshot until after the engine has caught up, through
//! engines that are cut down at random moments. The oracle is the source's own answer to the SELECT.
//!
//! The SELECT is bound as the other family's dialect over the same tables: what is proven here is the flow of rows, not a dialect.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_postgres::Client;

use super::*;
use crate::demo::servers::{Postgres, ServerOptions};
use crate::schema::{DataType, Flavor, SessionSettings, SourceCatalog, TableName};
use crate::source::postgres::PostgresSource;
use crate::source::postgres::connect::{OnExceed, PostgresSourceOptions, SlotLimit};
use crate::target::postgres::{Address, PostgresOptions, PostgresTarget};
use crate::transport::{Secret, Tls};
use crate::value::Collation;

const TABLES: &str = "
  CREATE TABLE cust (id int PRIMARY KEY, name text, grade varchar(4));
  CREATE TABLE ord (id int PRIMARY KEY, cust int, memo text, amount numeric(12,2), at timestamp(3));
  ALTER TABLE ord ALTER memo SET STORAGE EXTERNAL;
  CREATE TABLE line (ord int, seq int, qty int NOT NULL, item text, PRIMARY KEY (ord, seq)) PARTITION BY HASH (ord);
  CREATE TABLE line0 PARTITION OF line FOR VALUES WITH (MODULUS 2, REMAINDER 0);
  CREATE TABLE line1 PARTITION OF line FOR VALUES WITH (MODULUS 2, REMAINDER 1);
  CREATE TABLE log (ord int, txt text, n int); ALTER TABLE log REPLICA IDENTITY FULL;
  CREATE TABLE unmapped (id serial PRIMARY KEY, v text);
  INSERT INTO cust SELECT g, 'name ' || g, 'A' FROM generate_series(1, 60) g;
  INSERT INTO ord SELECT g, g % 70, CASE WHEN g % 5 = 0 THEN repeat(md5(g::text), 100) ELSE 'memo' END, g * 1.25, '2024-01-01'::timestamp + g * interval '1 hour'
    FROM generate_series(1, 600) g;
  INSERT INTO line SELECT g, s, g % 13, 'I' || g % 20 FROM generate_series(1, 600) g, generate_series(1, 2) s;
  INSERT INTO log SELECT g % 300, 'same', g % 3 FROM generate_series(1, 900) g";

const SELECTS: [(&str, &[&str], &str); 3] = [
    (
        "orders",
        &["id"],
        "SELECT o.id AS id, c.name AS name, o.memo AS memo, o.amount AS amount, o.at AS at, \
         (SELECT SUM(l.qty) FROM line l WHERE l.ord = o.id) AS qty, (SELECT COUNT(*) FROM log g WHERE g.ord = o.id) AS logs \
         FROM ord o LEFT JOIN cust c ON c.id = o.cust",
    ),
    (
        "lines",
        &["ord", "seq"],
        "SELECT l.ord AS ord, l.seq AS seq, l.qty AS qty, o.memo AS memo FROM line l JOIN ord o ON o.id = l.ord",
    ),
    ("customers", &["id"], "SELECT c.id AS id, c.name AS name, c.grade AS grade FROM cust c"),
];

struct Legacy {
    server: Postgres,
    catalog: SourceCatalog,
    plan: Arc<Plan>,
}

impl Legacy {
    async fn start() -> Option<Self> {
        let server = match Postgres::start(ServerOptions::default()).await {
            Ok(server) => server,
            Err(missing) => {
                let required = std::env::var_os("STRANGLER_REQUIRE_DB").is_some_and(|value| value == "1");
                assert!(!required, "{missing}");
                eprintln!("SKIPPED: {missing}");
                return None;
            }
        };
        for database in ["legacy", "service"] {
            server.create_database(database).await.unwrap();
        }
        server.execute("legacy", TABLES).await.unwrap();
        let names: Vec<TableName> =
            ["cust", "line", "log", "ord"].map(|name| TableName { schema: "public".into(), name: name.into() }).into();
        let catalog = source(&server).catalog(&names).await.unwrap();
        let plan = Arc::new(planned(&catalog));
        Some(Self { server, catalog, plan })
    }

    async fn client(&self, database: &str) -> Client {
        self.server.connect(database).await.unwrap()
    }

    /// One life of an engine over this state, cut down after `cut`; without a cut it runs until it has caught up.
    async fn live(&self, memory: &Arc<MemoryStore>, folder: &std::path::Path, cut: Option<Duration>) -> Option<Result<Ended>> {
        let source = Arc::new(source(&self.server));
        let identity = match meta::identity(&**memory).unwrap() {
            Some(identity) => identity,
            None => {
                let layouts = self.plan.tables.iter().map(|table| table.layout.clone()).collect();
                let start = source.start_position(&layouts).await.unwrap();
                let identity = Identity {
                    format: FORMAT,
                    state_id: "state".into(),
                    source: "crm".into(),
                    catalog: self.catalog.clone(),
                    mappings: BTreeMap::new(),
                    start: start.clone(),
                };
                let progress = Progress { stage: Stage::Snapshot, applied: start, committed_at_us: 0, partial: None };
                let records = vec![meta::put_identity(&identity).unwrap(), meta::put_progress(&progress).unwrap()];
                memory.commit(records, Durability::Synced).unwrap();
                identity
            }
        };
        let fuse = Fuse::new(i64::MAX);
        let address = Address::Tcp { host: "127.0.0.1".into(), port: self.server.port() };
        let mut options = PostgresOptions::new("service", address, "postgres", "service");
        options.password = Some(Secret::new(self.server.password()));
        let (_stop, stopping) = tokio::sync::watch::channel(false);
        let engine = Engine::new(Parts {
            source,
            targets: vec![Arc::new(PostgresTarget::new(options))],
            store: Arc::new(Disk::new(Arc::clone(memory) as Arc<dyn Store>, fuse.clone())),
            plan: Arc::clone(&self.plan),
            identity,
            options: EngineOptions {
                folder: folder.to_path_buf(),
                range_rows_max: 37,
                read_rows_max: 11,
                connections: 3,
                until_caught_up: cut.is_none(),
                ..EngineOptions::default()
            },
            board: Board::new(Vec::<TableStatus>::new(), Vec::<MappingStatus>::new()),
            stop: stopping,
        });
        let running = tokio::spawn(async move { engine.run().await });
        let Some(cut) = cut else { return Some(running.await.unwrap()) };
        tokio::time::sleep(cut).await;
        if running.is_finished() {
            return running.await.ok();
        }
        // Nothing of this life reaches the disk any more.
        fuse.blow();
        running.abort();
        let _cut_down = running.await;
        None
    }

    async fn assert_equal(&self) {
        let (legacy, service) = (self.client("legacy").await, self.client("service").await);
        for (table, _, sql) in SELECTS {
            let answer = async |client: &Client, sql: &str| -> Vec<String> {
                let rows = client.query(&format!("SELECT to_jsonb(x)::text FROM ({sql}) x"), &[]).await.unwrap();
                let mut rows: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
                rows.sort();
                rows
            };
            let wanted = answer(&legacy, sql).await;
            let found = answer(&service, &format!("SELECT * FROM public.{table}")).await;
            assert!(wanted.len() > 20);
            assert_eq!(wanted.len(), found.len(), "{table}");
            for (wanted, found) in wanted.iter().zip(&found) {
                assert_eq!(wanted, found, "{table}");
            }
        }
    }
}

fn source(server: &Postgres) -> PostgresSource {
    PostgresSource::new(PostgresSourceOptions {
        name: "crm".into(),
        host: "127.0.0.1".into(),
        port: server.port(),
        user: "postgres".into(),
        password: Some(Secret::new(server.password())),
        database: "legacy".into(),
        tls: Tls::Off,
        schema: None,
        time_zone: None,
        slot: "strangler_crm".into(),
        publication: "strangler_crm".into(),
        slot_limit: Some(SlotLimit { bytes_max: 8 << 30, on_exceed: OnExceed::Stop }),
        statement_timeout_s: 60,
        connections_max: 4,
        transaction_bytes_max: 64 << 20,
        replica: None,
        spill: None,
    })
}

/// The same tables as the other family would describe them.
fn translated(catalog: &SourceCatalog) -> SourceCatalog {
    let collation = "utf8mb4_bin".to_owned();
    let mut translated = catalog.clone();
    translated.flavor = Flavor::MariaDb;
    translated.version = (10, 11, 0);
    translated.collations = BTreeMap::from([(collation.clone(), Collation::binary(collation.clone(), "utf8mb4", true))]);
    translated.session = SessionSettings {
        sql_mode: String::new(),
        time_zone: "+00:00".into(),
        div_precision_increment: 4,
        group_concat_max_len: 1 << 20,
        collation_connection: collation.clone(),
        lower_case_table_names: 0,
    };
    for column in translated.tables.iter_mut().flat_map(|table| &mut table.columns) {
        if let DataType::Text { charset, collation: own, .. } = &mut column.data_type {
            (*charset, *own) = ("utf8mb4".into(), collation.clone());
        }
    }
    translated
}

fn planned(catalog: &SourceCatalog) -> Plan {
    let catalog = translated(catalog);
    let table = |(name, key, sql): (&str, &[&str], &str)| TableInput {
        schema: Some("public".into()),
        name: name.into(),
        description: String::new(),
        key: key.iter().map(|name| (*name).to_owned()).collect(),
        indexes: vec![],
        columns: BTreeMap::new(),
        sql: sql.into(),
        query: crate::sql::bind(sql, &catalog).unwrap(),
    };
    let mut builder = Builder::new(&catalog);
    let tables = SELECTS.into_iter().map(table).collect();
    let policies = Policies::default();
    builder
        .mapping(MappingInput {
            name: "shop".into(),
            target: crate::schema::TargetKind::PostgreSql,
            policies,
            facts: Vec::new(),
            tables,
        })
        .unwrap();
    builder.finish()
}

/// One random transaction; collisions are forgotten, as an old application does.
async fn step(client: &Client, rng: &mut fastrand::Rng) {
    let mut statements = vec!["BEGIN".to_owned()];
    for number in 0..rng.u32(1..5) {
        if number == 2 {
            statements.extend(["SAVEPOINT s".into(), statement(rng), "ROLLBACK TO s".into()]);
        }
        statements.push(statement(rng));
    }
    statements.push(if rng.u32(0..8) == 0 { "ROLLBACK".into() } else { "COMMIT".into() });
    if client.batch_execute(&statements.join(";")).await.is_err() {
        client.batch_execute("ROLLBACK").await.unwrap();
    }
}

fn statement(rng: &mut fastrand::Rng) -> String {
    let order = if rng.bool() { rng.u32(1..30) } else { rng.u32(1..640) };
    let (customer, n) = (rng.u32(1..75), rng.i32(-50..900));
    let big = format!("repeat(md5('{}'), 90)", rng.u32(..));
    match rng.u32(0..17) {
        0 => format!(
            "INSERT INTO ord VALUES ({order}, {customer}, {big}, {n}.5, '2025-02-03 04:05:06.789') ON CONFLICT DO NOTHING"
        ),
        1 => format!("DELETE FROM ord WHERE id = {order}"),
        // Its out-of-line text stays as it is.
        2 | 3 => format!("UPDATE ord SET cust = {customer}, amount = amount + 1 WHERE id = {order}"),
        4 => format!("UPDATE ord SET memo = {big} WHERE id = {order}"),
        5 => format!("UPDATE ord SET id = {}, memo = 'moved' WHERE id = {order}", rng.u32(1..640)),
        6 => format!("UPDATE ord SET memo = NULL WHERE id BETWEEN {order} AND {}", order + 15),
        7 => format!(
            "INSERT INTO line VALUES ({order}, {}, {n}, 'I1') ON CONFLICT (ord, seq) DO UPDATE SET qty = {n}",
            rng.u32(1..5)
        ),
        8 => format!("UPDATE line SET ord = {}, seq = 9 WHERE ord = {order} AND seq = 1", rng.u32(1..640)),
        9 => format!("DELETE FROM line WHERE ord BETWEEN {order} AND {}", order + 3),
        10 => format!("UPDATE line SET qty = qty + 1 WHERE ord BETWEEN {order} AND {}", order + 40),
        11 => format!("INSERT INTO log VALUES ({order}, 'same', {})", rng.u32(0..3)),
        12 => format!("DELETE FROM log WHERE ctid IN (SELECT ctid FROM log WHERE ord = {order} LIMIT 1)"),
        13 => format!("UPDATE log SET n = n + 1 WHERE ord = {order}"),
        14 => format!("UPDATE cust SET name = 'renamed {n}', grade = NULL WHERE id = {customer}"),
        15 => format!("DELETE FROM cust WHERE id = {customer}; INSERT INTO cust VALUES ({customer}, '한글 {n}', 'B')"),
        _ if rng.u32(0..60) == 0 => "TRUNCATE log".to_owned(),
        _ => format!("INSERT INTO unmapped (v) VALUES ('{n}')"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_to_postgres_through_engines_that_are_cut_down() {
    let Some(legacy) = Legacy::start().await else { return };
    let seed = std::env::var("STRANGLER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_260_101);
    eprintln!("STRANGLER_SEED={seed}");
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for number in 0..2 {
        let (client, stop) = (legacy.client("legacy").await, Arc::clone(&stop));
        let mut rng = fastrand::Rng::with_seed(seed + number);
        writers.push(tokio::spawn(async move {
            let mut steps = 0_u32;
            while !stop.load(Ordering::Relaxed) {
                step(&client, &mut rng).await;
                tokio::time::sleep(Duration::from_millis(rng.u64(0..4))).await;
                steps += 1;
            }
            steps
        }));
    }
    let (memory, folder) = (Arc::new(MemoryStore::default()), tempfile::tempdir().unwrap());
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut stages = BTreeMap::<String, u32>::new();
    let lives = if std::env::var_os("STRANGLER_LONG").is_some() { 120 } else { 20 };
    let mut life = 0;
    // On a busy machine it takes longer lives to get as far as live.
    while life < lives || (!stages.contains_key("Live") && life < 5 * lives) {
        let cut = Duration::from_millis(rng.u64(50..400) + 30 * life);
        if let Some(ended) = legacy.live(&memory, folder.path(), Some(cut)).await {
            panic!("it ended by itself: {ended:?}");
        }
        let stage = meta::progress(&*memory).unwrap().map_or(Stage::Snapshot, |progress| progress.stage);
        *stages.entry(format!("{stage:?}")).or_default() += 1;
        life += 1;
    }
    stop.store(true, Ordering::Relaxed);
    let mut steps = 0;
    for writer in writers {
        steps += writer.await.unwrap();
    }
    eprintln!("{steps} transactions; cut down in {stages:?}");
    assert!(stages.contains_key("Live") && steps > 500, "{stages:?} {steps}");
    assert_eq!(legacy.live(&memory, folder.path(), None).await.unwrap().unwrap(), Ended::CaughtUp);
    legacy.assert_equal().await;
    // The slot has let go of what is durable.
    let client = legacy.client("legacy").await;
    let held = client
        .query_one("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint FROM pg_replication_slots", &[]);
    let held: i64 = held.await.unwrap().get(0);
    assert!(held < 16 << 20, "{held} bytes are not confirmed");
}
