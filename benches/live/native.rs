//! One table on PostgreSQL, replicated natively and by the engine side by side: the server's own logical replication is the bar.

use strangler::demo::servers::Postgres;

use super::engine::Engine;
use super::latency::{Latency, measured};
use crate::support::Outcome;

const MAPPING: &str = "version: 1\nmapping: pulse\nowner: bench\nsource: pulse\ntarget: replica\nschema: public\ntables:\n  pulse:\n    key: [id]\n    sql: |\n      SELECT p.id AS id, p.beat AS beat FROM pulse p\n";
const TABLE: &str = "CREATE TABLE pulse (id bigint PRIMARY KEY, beat bigint NOT NULL)";
const ROWS: u64 = 100;

/// Latency of native replication and of the engine, from one publisher under the same load, one after the other.
pub async fn compared(postgres: &Postgres, folder: &std::path::Path, count: u64, per_second: f64) -> Outcome<(Latency, Latency)> {
    for database in ["pulse", "native", "replica"] {
        postgres.create_database(database).await?;
    }
    postgres.execute("pulse", &format!("{TABLE}; INSERT INTO pulse SELECT n, 0 FROM generate_series(0, {}) n", ROWS - 1)).await?;
    // The servers of the bench commit without waiting for their disk; a log that is read must have been written, at once and not by a timer.
    postgres.execute("pulse", "ALTER DATABASE pulse SET synchronous_commit = on").await?;
    postgres.execute("pulse", "CREATE PUBLICATION native FOR TABLE pulse").await?;
    postgres.execute("native", TABLE).await?;
    // The slot is made apart: made by the subscription, it would wait for the subscription's own transaction on this server.
    postgres.execute("pulse", "SELECT pg_create_logical_replication_slot('native', 'pgoutput')").await?;
    let publisher =
        format!("host=127.0.0.1 port={} user=postgres password={} dbname=pulse", postgres.port(), postgres.password());
    let subscribe = format!(
        "CREATE SUBSCRIPTION native CONNECTION '{publisher}' PUBLICATION native WITH (create_slot = false, slot_name = 'native', copy_data = false)"
    );
    postgres.execute("native", "INSERT INTO pulse SELECT n, 0 FROM generate_series(0, 99) n").await?;
    postgres.execute("native", &subscribe).await?;
    let native = watched(postgres, "native", count, per_second).await?;
    postgres.execute("native", "ALTER SUBSCRIPTION native DISABLE").await?;
    postgres.execute("pulse", "UPDATE pulse SET beat = 0").await?;
    let project = project(postgres, folder)?;
    let mut engine = Engine::start(&project, &[("BENCH_PASSWORD", postgres.password())])?;
    engine.until(|status| status["mappings"][0]["phase"] == "live" && status["mappings"][0]["lag_ms"] == 0).await?;
    let ours = watched(postgres, "replica", count, per_second).await?;
    engine.stop()?;
    Ok((native, ours))
}

fn project(postgres: &Postgres, folder: &std::path::Path) -> Outcome<std::path::PathBuf> {
    let folder = folder.join("pulse");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("pulse.yaml"), MAPPING)?;
    let url = |database: &str| format!("postgresql://postgres@127.0.0.1:{}/{database}", postgres.port());
    let password = "password: { env: BENCH_PASSWORD }";
    let text = format!(
        "sources:\n  pulse:\n    url: {}\n    {password}\n    slot_limit: {{ max_retained: 20GiB, on_exceed: stop }}\ntargets:\n  replica:\n    url: {}\n    {password}\nstate: ./state\nmappings: [pulse.yaml]\n",
        url("pulse"),
        url("replica")
    );
    let path = folder.join("strangler.yaml");
    std::fs::write(&path, text)?;
    Ok(path)
}

async fn watched(postgres: &Postgres, replica: &str, count: u64, per_second: f64) -> Outcome<Latency> {
    let (source, target) = (std::sync::Arc::new(postgres.connect("pulse").await?), postgres.connect(replica).await?);
    let update = std::sync::Arc::new(source.prepare("UPDATE pulse SET beat = $1 WHERE id = $2").await?);
    let select = target.prepare("SELECT beat FROM pulse WHERE id = $1").await?;
    let place = |number: u64| i64::try_from(number % ROWS).unwrap_or(0);
    let commit = move |number: u64| {
        let (source, update) = (std::sync::Arc::clone(&source), std::sync::Arc::clone(&update));
        async move {
            source.execute(&*update, &[&i64::try_from(number)?, &place(number)]).await?;
            Ok(())
        }
    };
    let (target, select) = (&target, &select);
    let shown = |number: u64| async move {
        let row = target.query_opt(select, &[&place(number)]).await?;
        Ok(u64::try_from(row.map_or(0, |row| row.get::<_, i64>(0)))?)
    };
    measured(count, per_second, commit, shown).await
}
