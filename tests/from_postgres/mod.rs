//! PostgreSQL as the legacy database, through the compiled program: a random workload, `kill -9` at random moments, and the commands that
//! a DBA meets. The oracle is the source's own answer to the mapping's SELECT.

mod types;
mod workload;

use crate::support::oracle::MappingFile;
use crate::support::program::{Ended, Running, command, run};
use crate::support::{rounds, seed};
use fastrand::Rng;
use std::time::Duration;
use strangler::demo::servers::{Postgres, ServerError, ServerOptions};
use workload::{MAPPING, TABLES, Writer};

const PASSWORD: &str = "Only-For-Tests-1";

/// A legacy and a service database on one server, with roles that have no more than the documented privileges.
struct Crm {
    server: Postgres,
    folder: tempfile::TempDir,
    mapping: String,
}

impl Crm {
    async fn new() -> Option<Self> {
        Self::with(TABLES, "app.cust, app.ord, app.line, app.log", MAPPING).await
    }

    /// Tables in the schema `app`, those that are published, and a mapping file.
    async fn with(tables: &str, published: &str, mapping: &str) -> Option<Self> {
        let server = match Postgres::start(ServerOptions::with_args([
            "-csynchronous_commit=on",
            "-clogical_decoding_work_mem=64kB",
        ]))
        .await
        {
            Ok(server) => server,
            Err(missing @ ServerError::Missing { .. }) => {
                assert!(std::env::var_os("STRANGLER_REQUIRE_DB").is_none_or(|value| value != "1"), "{missing}");
                eprintln!("SKIPPED: {missing}");
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        let roles =
            format!("CREATE ROLE src LOGIN REPLICATION PASSWORD '{PASSWORD}'; CREATE ROLE dst LOGIN PASSWORD '{PASSWORD}'");
        server.execute("postgres", &roles).await.unwrap();
        server.execute("postgres", "CREATE DATABASE legacy").await.unwrap();
        server.execute("postgres", "CREATE DATABASE service OWNER dst").await.unwrap();
        server.execute("legacy", tables).await.unwrap();
        let grants = format!(
            "GRANT USAGE ON SCHEMA app TO src; GRANT SELECT ON ALL TABLES IN SCHEMA app TO src; \
             CREATE PUBLICATION crm_out FOR TABLE {published}"
        );
        server.execute("legacy", &grants).await.unwrap();
        let crm = Self { server, folder: tempfile::tempdir().unwrap(), mapping: mapping.to_owned() };
        let port = crm.server.port();
        crm.write(
            "strangler.yaml",
            &format!(
                "sources:\n  crm:\n    url: postgresql://src@127.0.0.1:{port}/legacy\n    password: {{ env: CRM_PASSWORD }}\n    publication: crm_out\n    \
                 slot_limit: {{ max_retained: 2GiB, on_exceed: stop }}\n    limits: {{ connections: 2 }}\n\
                 targets:\n  order-db:\n    url: postgresql://dst@127.0.0.1:{port}/service\n    password: {{ env: CRM_PASSWORD }}\n\
                 state: ./state\nmemory: 256MiB\nmappings: [mappings/*.yaml]\n"
            ),
        );
        crm.write("mappings/crm.yaml", mapping);
        Some(crm)
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
        let client = self.server.connect(database).await.unwrap();
        let rows = client.query(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        rows.iter().map(|row| row.get::<_, Option<String>>(0).unwrap_or_default()).collect()
    }

    /// Both sides at rest: every row of every table, as typed JSON with numbers by value.
    async fn compare(&self) -> usize {
        let mapping: MappingFile = serde_saphyr::from_str(&self.mapping).unwrap();
        let mut count = 0;
        for (name, table) in mapping.tables {
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
        let client = self.server.connect(database).await.unwrap();
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_random_workload_arrives_whole_through_kills_at_random_moments() {
    let Some(crm) = Crm::new().await else { return };
    let seed = seed("from_postgres");
    crm.strangler(&["check"]).await.expect(0);
    let writers = [Writer::start(&crm.server, seed).await, Writer::start(&crm.server, seed + 1).await];
    let mut rng = Rng::with_seed(seed);
    for round in 0..rounds(10, 80) {
        let mut engine = crm.start();
        tokio::time::sleep(Duration::from_millis(rng.u64(100..1_200) + 100 * round.min(10))).await;
        assert!(engine.ended().is_none(), "it ended by itself\n{}", engine.log());
        engine.kill();
    }
    // Verified while both sides move.
    let mut engine = crm.start();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    let mut steps = 0;
    for writer in writers {
        steps += writer.stop().await;
    }
    assert!(steps > 500, "{steps} transactions");
    crm.strangler(&["run", "--until-caught-up"]).await.expect(0);
    let rows = crm.compare().await;
    assert!(rows > 1_000, "{rows} rows compared");
    crm.strangler(&["verify"]).await.expect(0);
    crm.strangler(&["diff"]).await.expect(0);
    let slots = "SELECT slot_name::text FROM pg_replication_slots";
    assert_eq!(crm.ask("legacy", slots).await, ["strangler_crm"]);
    crm.strangler(&["reset"]).await.expect(2).names(&["replication slot strangler_crm", "publication crm_out"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_without_its_grants_is_told_each_statement() {
    let Some(crm) = Crm::new().await else { return };
    crm.server
        .execute("legacy", "DROP PUBLICATION crm_out; REVOKE SELECT ON app.ord FROM src; ALTER ROLE src NOREPLICATION")
        .await
        .unwrap();
    let words = [
        "ALTER ROLE \"src\" REPLICATION",
        "GRANT SELECT ON \"app\".\"ord\" TO \"src\"",
        "CREATE PUBLICATION \"crm_out\" FOR TABLE",
    ];
    crm.strangler(&["check"]).await.expect(77).names(&words);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_slot_and_changed_columns_stop_with_their_names() {
    let Some(crm) = Crm::new().await else { return };
    crm.strangler(&["run", "--until-caught-up"]).await.expect(0);
    crm.server
        .execute("legacy", "ALTER TABLE app.cust ALTER grade TYPE text; INSERT INTO app.cust VALUES (900, 'new', 'A')")
        .await
        .unwrap();
    crm.strangler(&["run", "--until-caught-up"]).await.expect(76).names(&["app.cust.grade", "customers.grade"]);
    crm.strangler(&["run", "--rebuild", "--until-caught-up"]).await.expect(0);
    crm.compare().await;
    crm.server.execute("legacy", "SELECT pg_drop_replication_slot('strangler_crm')").await.unwrap();
    crm.strangler(&["run", "--until-caught-up"]).await.expect(76).names(&["strangler_crm does not exist", "--rebuild"]);
}
