//! A customer system on PostgreSQL of our own, with its standby, its neighbours and its slot: failovers, tables that come later, and how much
//! log the legacy server holds. The oracle is the source's own answer to the mapping's SELECT.

mod added;
mod failover;
mod log_held;

use crate::support::oracle::MappingFile;
use crate::support::program::{Ended, Running, command, run};
use crate::support::socket;
use crate::workload::postgres::{MAPPING, Session, TABLES};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use strangler::demo::servers::{Postgres, ServerError, ServerOptions};

const PASSWORD: &str = "Only-For-Tests-1";

/// A legacy and a service database, with roles that have no more than the documented privileges.
struct Crm {
    server: Postgres,
    /// The service database's server, if it is another one.
    service: Option<Postgres>,
    folder: tempfile::TempDir,
}

/// What the legacy server needs in every test.
const LEGACY_ARGS: [&str; 2] = ["-csynchronous_commit=on", "-clogical_decoding_work_mem=64kB"];

/// The longest pause of a writer: these tests are about something else than the load itself.
const PAUSE_MS: u64 = 40;

/// A server, or a skip that nobody overlooks.
fn installed(started: Result<Postgres, ServerError>) -> Option<Postgres> {
    match started {
        Ok(server) => Some(server),
        Err(missing @ ServerError::Missing { .. }) => {
            assert!(std::env::var_os("STRANGLER_REQUIRE_DB").is_none_or(|value| value != "1"), "{missing}");
            eprintln!("SKIPPED: {missing}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

impl Crm {
    async fn new() -> Option<Self> {
        let server = installed(Postgres::start(ServerOptions::with_args(LEGACY_ARGS)).await)?;
        Some(Self::over(server, None).await)
    }

    /// Over servers that run: the service database is on `service`, or beside the legacy one.
    async fn over(server: Postgres, service: Option<Postgres>) -> Self {
        let target = service.as_ref().unwrap_or(&server);
        server.execute("postgres", &format!("CREATE ROLE src LOGIN REPLICATION PASSWORD '{PASSWORD}'")).await.unwrap();
        target.execute("postgres", &format!("CREATE ROLE dst LOGIN PASSWORD '{PASSWORD}'")).await.unwrap();
        server.execute("postgres", "CREATE DATABASE legacy").await.unwrap();
        target.execute("postgres", "CREATE DATABASE service OWNER dst").await.unwrap();
        server.execute("legacy", TABLES).await.unwrap();
        let grants = "GRANT USAGE ON SCHEMA app TO src; GRANT SELECT ON ALL TABLES IN SCHEMA app TO src; \
             CREATE PUBLICATION crm_out FOR TABLE app.cust, app.ord, app.line, app.log";
        server.execute("legacy", grants).await.unwrap();
        let (port, target_port) = (server.port(), target.port());
        let crm = Self { server, service, folder: tempfile::tempdir().unwrap() };
        crm.write(
            "strangler.yaml",
            &format!(
                "sources:\n  crm:\n    url: postgresql://src@127.0.0.1:{port}/legacy\n    password: {{ env: CRM_PASSWORD }}\n    publication: crm_out\n    \
                 slot_limit: {{ max_retained: 2GiB, on_exceed: stop }}\n    limits: {{ connections: 2 }}\n\
                 targets:\n  order-db:\n    url: postgresql://dst@127.0.0.1:{target_port}/service\n    password: {{ env: CRM_PASSWORD }}\n\
                 state: ./state\nmemory: 256MiB\nmappings: [mappings/*.yaml]\n"
            ),
        );
        crm.write("mappings/crm.yaml", &MAPPING.replace("source: erp", "source: crm"));
        crm
    }

    /// Replaces text in the project file; it must be there.
    fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.folder.path().join("strangler.yaml")).unwrap();
        assert!(text.contains(from), "{from:?} is not in the project file");
        self.write("strangler.yaml", &text.replace(from, to));
    }

    /// The status of the running engine.
    fn status(&self) -> Option<serde_json::Value> {
        socket::status(&self.folder.path().join("state/control.sock"))
    }

    /// Waits until the engine says what is wanted; fails if it ends instead.
    async fn until(&self, engine: &mut Running, what: &str, mut wanted: impl FnMut(&serde_json::Value) -> bool) {
        for _ in 0..3_000 {
            if self.status().is_some_and(|status| wanted(&status)) {
                return;
            }
            assert!(engine.ended().is_none(), "the engine ended before it was {what}\n{}", engine.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the engine is not {what}: {:?}\n{}", self.status(), engine.log());
    }

    /// Live, and what was spooled meanwhile is in the state.
    async fn until_live(&self, engine: &mut Running) {
        let spool = self.folder.path().join("state/spool");
        self.until(engine, "live", |status| status["stage"] == "live" && !spool.exists()).await;
    }

    /// The server that holds a database.
    fn holder(&self, database: &str) -> &Postgres {
        self.service.as_ref().filter(|_| database == "service").unwrap_or(&self.server)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn variables(&self) -> Vec<(String, String)> {
        vec![("CRM_PASSWORD".into(), PASSWORD.into())]
    }

    async fn strangler(&self, arguments: &[&str]) -> Ended {
        let command = command(self.folder.path(), &self.variables(), arguments);
        let ended = tokio::time::timeout(Duration::from_secs(300), run(command)).await;
        ended.unwrap_or_else(|_| panic!("strangler {} is still running", arguments.join(" ")))
    }

    fn start(&self) -> Running {
        let path = self.folder.path();
        Running::start(command(path, &self.variables(), &["run"]), path.join("run.log"))
    }

    async fn ask(&self, database: &str, sql: &str) -> Vec<String> {
        let client = self.holder(database).connect(database).await.unwrap();
        let rows = client.query(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        rows.iter().map(|row| row.get::<_, Option<String>>(0).unwrap_or_default()).collect()
    }

    /// Both sides at rest: every row of every table, as typed JSON with numbers by value.
    async fn compare(&self) -> usize {
        let mut tables = std::collections::BTreeMap::new();
        for entry in std::fs::read_dir(self.folder.path().join("mappings")).unwrap() {
            let mapping: MappingFile = serde_saphyr::from_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap();
            tables.extend(mapping.tables);
        }
        let mut count = 0;
        for (name, table) in tables {
            let wanted =
                self.rows("legacy", &format!("SET search_path = app; SELECT to_jsonb(x)::text FROM ({}) x", table.sql)).await;
            let found = self.rows("service", &format!("SELECT to_jsonb(x)::text FROM public.{name} x")).await;
            assert_eq!(wanted.len(), found.len(), "{name}");
            for (wanted, found) in wanted.iter().zip(&found) {
                assert_eq!(wanted, found, "{name}");
            }
            count += wanted.len();
        }
        count
    }

    async fn rows(&self, database: &str, sql: &str) -> Vec<String> {
        let client = self.holder(database).connect(database).await.unwrap();
        let messages = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let mut rows: Vec<String> = messages
            .into_iter()
            .filter_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => Some(canonical(row.get(0).unwrap())),
                _ => None,
            })
            .collect();
        rows.sort();
        rows
    }
}

/// Numbers lose the zeros behind the last digit of their fraction.
fn canonical(json: &str) -> String {
    let row: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).unwrap();
    let cell = |value: &serde_json::Value| match value {
        serde_json::Value::Number(number) => {
            let text = number.to_string();
            if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
        }
        other => other.to_string(),
    };
    row.iter().map(|(name, value)| format!("{name}={}", cell(value))).collect::<Vec<_>>().join(" ")
}

/// A session of the old application that writes until it is stopped, or its server dies.
struct Writer {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<u32>,
}

impl Writer {
    /// With pauses that an engine keeps up with on a busy machine.
    async fn start(server: &Postgres, seed: u64) -> Self {
        let mut session = Session::new(server.connect("legacy").await.unwrap(), seed).await;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let mut rng = fastrand::Rng::with_seed(seed);
        let task = tokio::spawn(async move {
            let mut steps = 0;
            while !stopped.load(Ordering::Relaxed) && session.is_open() {
                session.steps(1).await;
                tokio::time::sleep(Duration::from_millis(rng.u64(0..PAUSE_MS))).await;
                steps += 1;
            }
            steps
        });
        Self { stop, task }
    }

    /// How many transactions it tried.
    async fn stop(self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}
