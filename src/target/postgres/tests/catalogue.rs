//! Inspection, preflight, privileges, and the promise that reads cannot write.

use super::super::Tls;
use super::super::connect::{Connection, Reads};
use super::*;
use crate::error::Class;
use crate::finding::{Finding, Severity};
use crate::target::TableState;
use crate::target::pool::Pool;

async fn differences(bench: &Bench, declared: &TargetTable) -> String {
    match bench.target.inspect(declared).await.unwrap() {
        TableState::Differs(found) => {
            found.iter().map(|found| format!("{} {}", found.object, found.message)).collect::<Vec<_>>().join("\n")
        }
        other => panic!("no difference: {other:?}"),
    }
}

#[tokio::test]
async fn every_difference_is_found_and_named() {
    let Some(bench) = Bench::new().await else { return };
    let mut declared =
        table("t", 1, &[("id", TargetType::BigInt), ("label", TargetType::Varchar(10)), ("at", TargetType::Timestamp(6))]);
    declared.schema = Some("public".into());
    assert_eq!(bench.target.inspect(&declared).await.unwrap(), TableState::Absent);
    let as_declared = "DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE TABLE parent (label varchar(10) PRIMARY KEY);
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TABLE t (id bigint PRIMARY KEY, label varchar(10), at timestamp)";
    bench.run(as_declared).await;
    assert_eq!(bench.target.inspect(&declared).await.unwrap(), TableState::Present { has_rows: false });
    let traps = [
        ("ALTER TABLE t ADD extra int", "public.t.extra is an extra column (integer)"),
        ("ALTER TABLE t DROP label", "public.t.label is missing, declared is varchar(10)"),
        ("ALTER TABLE t ALTER label TYPE varchar(11)", "public.t.label is character varying(11), declared is varchar(10)"),
        ("ALTER TABLE t ALTER at TYPE timestamptz", "public.t.at is timestamp with time zone, declared is timestamp(6)"),
        ("ALTER TABLE t ALTER label SET NOT NULL", "public.t.label is NOT NULL, declared is nullable"),
        ("ALTER TABLE t ALTER id ADD GENERATED ALWAYS AS IDENTITY", "public.t.id is an identity column"),
        (
            "ALTER TABLE t DROP label, ADD label varchar(10) GENERATED ALWAYS AS ('x') STORED",
            "public.t.label is a generated column",
        ),
        ("ALTER TABLE t DROP CONSTRAINT t_pkey, ADD extra int", "has no primary key, declared is (id)"),
        (
            "ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id, label)",
            "has the primary key (id, label), declared is (id)",
        ),
        ("ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id) DEFERRABLE", "deferrable primary key"),
        ("CREATE TRIGGER watch AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()", "has the enabled trigger watch"),
        ("ALTER TABLE t ENABLE ROW LEVEL SECURITY", "has row level security enabled"),
        ("CREATE RULE quiet AS ON DELETE TO t DO INSTEAD NOTHING", "has the rewrite rule quiet"),
        ("CREATE TABLE heir () INHERITS (t)", "inherits from or to another table"),
        (
            "ALTER TABLE t ADD CONSTRAINT up FOREIGN KEY (label) REFERENCES parent",
            "has the foreign key up, which is not deferrable",
        ),
        (
            "CREATE TABLE child (id bigint CONSTRAINT down REFERENCES t ON DELETE CASCADE)",
            "referenced by the foreign key down of child",
        ),
        ("ALTER TABLE t SET UNLOGGED", "is unlogged"),
        ("ALTER TABLE t RENAME TO u; CREATE VIEW t AS SELECT * FROM u", "is a view"),
        (
            "DROP TABLE t; CREATE TABLE t (id bigint, label varchar(10), at timestamp) PARTITION BY HASH (id)",
            "is a partitioned table",
        ),
    ];
    for (alteration, expected) in traps {
        bench.run(alteration).await;
        let found = differences(&bench, &declared).await;
        assert!(found.contains(expected), "{alteration}: {found}");
        bench.run(as_declared).await;
    }
    // Alone, a missing key is what a load leaves until its end; whoever finds it anywhere else refuses it.
    bench.run("ALTER TABLE t DROP CONSTRAINT t_pkey").await;
    assert_eq!(bench.target.inspect(&declared).await.unwrap(), TableState::Unkeyed { has_rows: false });
    bench.run(as_declared).await;
    bench.run("INSERT INTO t VALUES (1); CREATE TRIGGER off AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f(); ALTER TABLE t DISABLE TRIGGER off").await;
    assert_eq!(bench.target.inspect(&declared).await.unwrap(), TableState::Present { has_rows: true });
}

fn remedies(findings: &[Finding]) -> Vec<&str> {
    findings.iter().filter(|finding| finding.severity == Severity::Privilege).map(|finding| finding.remedy.as_str()).collect()
}

#[tokio::test]
async fn every_printed_grant_is_needed_and_together_they_suffice() {
    let Some(bench) = Bench::new().await else { return };
    let role = format!("limited_{}", bench.options.database);
    let mut existing = labels("existing");
    existing.schema = Some("app".into());
    let mut absent = labels("absent");
    absent.schema = Some("app".into());
    let tables = [existing, absent];
    bench
        .run(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'p'; REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC; CREATE SCHEMA app;
         CREATE TABLE app.existing (id bigint PRIMARY KEY, label text)",
            bench.options.database
        ))
        .await;
    let mut options = bench.options.clone();
    options.user = role;
    options.password = Some(Secret::new("p"));
    let limited = PostgresTarget::new(options);
    let findings = limited.preflight(&tables).await.unwrap();
    let printed = remedies(&findings);
    assert_eq!(printed.len(), 5, "{printed:#?}");
    for remedy in &printed {
        bench.run(remedy).await;
    }
    let after = limited.preflight(&tables).await.unwrap();
    assert_eq!(after, [], "{after:#?}");
    limited.create(&tables).await.unwrap();
    let start = limited.take_over(None, row("m", "s", 0)).await.unwrap();
    let advance = next(&start);
    limited.load(&tables[1], &[label(1, "x")], &advance).await.unwrap();
    let write = batch(0, vec![key(1)], (0..6_000).map(|id| label(id, "x")).collect());
    limited.apply(&[(next(&advance.next), &tables, write)]).await.unwrap();
    limited.create(&tables).await.unwrap();
}

#[tokio::test]
async fn a_missing_privilege_and_a_wrong_password_are_told_apart() {
    let Some(bench) = Bench::new().await else { return };
    let mut options = bench.options.clone();
    options.password = Some(Secret::new("canary"));
    let error = PostgresTarget::new(options).checkpoint("m").await.unwrap_err();
    assert_eq!(error.class(), Class::Privilege);
    assert!(!format!("{error:?}").contains("canary"));
    let mut options = bench.options.clone();
    options.database = "nowhere".into();
    assert_eq!(PostgresTarget::new(options).checkpoint("m").await.unwrap_err().class(), Class::Preflight);
    let mut options = bench.options.clone();
    options.address = Address::Tcp { host: "127.0.0.1".into(), port: 1 };
    assert_eq!(PostgresTarget::new(options).checkpoint("m").await.unwrap_err().class(), Class::Unreachable);
}

#[tokio::test]
async fn f110_connections_for_reading_cannot_write() {
    let Some(bench) = Bench::new().await else { return };
    bench.begin(&[labels("t")]).await;
    let pool: Pool<Connection<Reads>> = Pool::new(1);
    let lease = pool.take(&bench.options).await.unwrap();
    let connection: &Connection<Reads> = &lease.connection;
    for write in
        ["INSERT INTO t VALUES (1)", "CREATE TABLE u ()", "UPDATE strangler.checkpoint SET seq = 9", "CREATE INDEX ON t (label)"]
    {
        let error = connection.answer(connection.client.batch_execute(write), "cannot write").await.unwrap_err();
        assert!(error.message().contains("25006"), "{error:?}");
    }
    assert_eq!(bench.target.preflight(&[labels("t")]).await.unwrap(), []);
}

#[tokio::test]
async fn f100_a_read_only_server_is_waited_for() {
    let Some(bench) = Bench::new().await else { return };
    let start = bench.begin(&[labels("t")]).await;
    bench.run(&format!("ALTER DATABASE {} SET default_transaction_read_only = on", bench.options.database)).await;
    let engine = bench.other_engine();
    let error = engine.apply(&[(next(&start), &[labels("t")], batch(0, vec![], vec![label(1, "x")]))]).await.unwrap_err();
    assert_eq!(error.class(), Class::Unreachable, "{error:?}");
}

#[tokio::test]
async fn unix_sockets_and_tls_are_ways_in() {
    let Some(server) = TestPostgres::start(&[]).await else { return };
    let mut options = super::options(&server, "postgres");
    options.address = Address::Socket { directory: server.folder().into(), port: server.port() };
    PostgresTarget::new(options).create(&[]).await.unwrap();
    let Some(ca) = certificate(&server) else { return };
    server.run("postgres", "ALTER SYSTEM SET ssl_cert_file = '../server.pem'").await;
    server.run("postgres", "ALTER SYSTEM SET ssl_key_file = '../server.key'").await;
    server.run("postgres", "ALTER SYSTEM SET ssl = on").await;
    server.run("postgres", "SELECT pg_reload_conf()").await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let mut options = super::options(&server, "postgres");
    options.tls = Tls::VerifyFull { ca: Some(ca.clone()) };
    options.address = Address::Tcp { host: "localhost".into(), port: server.port() };
    PostgresTarget::new(options.clone()).checkpoint("m").await.unwrap();
    // The certificate is for localhost, not for the address.
    options.address = Address::Tcp { host: "127.0.0.1".into(), port: server.port() };
    let error = PostgresTarget::new(options.clone()).checkpoint("m").await.unwrap_err();
    assert_eq!(error.class(), Class::Preflight, "{error:?}");
    // No fallback to plain text where the server has no TLS.
    server.run("postgres", "ALTER SYSTEM SET ssl = off").await;
    server.run("postgres", "SELECT pg_reload_conf()").await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    options.address = Address::Tcp { host: "localhost".into(), port: server.port() };
    let error = PostgresTarget::new(options).checkpoint("m").await.unwrap_err();
    assert_eq!(error.class(), Class::Preflight, "{error:?}");
}

/// A certificate for `localhost`, by its own authority; `None`, loudly, without the openssl tool.
fn certificate(server: &TestPostgres) -> Option<std::path::PathBuf> {
    let script = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-ca -keyout ca.key -out ca.pem \
        -addext basicConstraints=critical,CA:TRUE && \
        openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr && \
        printf 'subjectAltName=DNS:localhost\\nbasicConstraints=CA:FALSE\\n' >extensions && \
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out server.pem";
    let output = std::process::Command::new("sh").args(["-c", script]).current_dir(server.folder()).output().unwrap();
    if !output.status.success() {
        eprintln!("SKIPPED: no openssl tool; TLS was not tested: {}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    server.hand_over(&server.folder().join("server.key"));
    Some(server.folder().join("ca.pem"))
}
