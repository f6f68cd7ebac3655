//! Other ways: what the same rows cost without the engine, on the same machine in the same run.

use std::process::{Command, Stdio};
use std::time::Instant;

use futures_util::SinkExt;
use mysql_async::prelude::Queryable;
use strangler::demo::servers::{MysqlWireServer, Postgres};

use crate::support::{Outcome, Stage};

/// The largest table of the shop.
const TABLE: &str = "tb_ord_dtl";

/// Baseline: the largest table from MariaDB to PostgreSQL in one task, text to COPY text, into a table without a key. Answers rows
/// and seconds.
pub async fn single_table_copy(source: &MysqlWireServer, target: &Postgres) -> Outcome<(u64, f64)> {
    let mut connection = mysql_async::Conn::from_url(source.url_of("homeshop")).await?;
    connection.query_drop("SET NAMES utf8mb4").await?;
    let columns: Vec<(String, String)> = connection
        .exec(
            "SELECT column_name, data_type FROM information_schema.columns
              WHERE table_schema = 'homeshop' AND table_name = ? ORDER BY ordinal_position",
            (TABLE,),
        )
        .await?;
    let definitions: Vec<String> = columns.iter().map(|(name, kind)| format!("{name} {}", type_of(kind))).collect();
    let client = target.connect("orders").await?;
    client.batch_execute(&format!("CREATE TABLE raw_single ({})", definitions.join(", "))).await?;
    let began = Instant::now();
    let sink = client.copy_in("COPY raw_single FROM STDIN").await?;
    futures_util::pin_mut!(sink);
    let mut rows = connection.query_iter(format!("SELECT * FROM {TABLE}")).await?;
    let mut part = bytes::BytesMut::with_capacity(80 << 10);
    while let Some(row) = rows.next().await? {
        push_line(&mut part, row.unwrap());
        if part.len() > 64 << 10 {
            sink.send(part.split().freeze()).await?;
        }
    }
    sink.send(part.freeze()).await?;
    let row_count = sink.finish().await?;
    let seconds = began.elapsed().as_secs_f64();
    drop(rows);
    connection.disconnect().await?;
    client.batch_execute("DROP TABLE raw_single").await?;
    Ok((row_count, seconds))
}

fn type_of(kind: &str) -> &'static str {
    match kind {
        "int" | "smallint" | "tinyint" | "mediumint" | "bigint" => "bigint",
        "decimal" => "numeric",
        _ => "text",
    }
}

/// One line of the text format of COPY.
fn push_line(part: &mut bytes::BytesMut, values: Vec<mysql_async::Value>) {
    for (place, value) in values.iter().enumerate() {
        if place > 0 {
            part.extend_from_slice(b"\t");
        }
        match value {
            mysql_async::Value::Bytes(bytes) => {
                for byte in bytes {
                    match byte {
                        b'\\' => part.extend_from_slice(b"\\\\"),
                        b'\t' => part.extend_from_slice(b"\\t"),
                        b'\n' => part.extend_from_slice(b"\\n"),
                        b'\r' => part.extend_from_slice(b"\\r"),
                        byte => part.extend_from_slice(std::slice::from_ref(byte)),
                    }
                }
            }
            _ => part.extend_from_slice(b"\\N"),
        }
    }
    part.extend_from_slice(b"\n");
}

/// What pgloader cannot read: it does not know the collation of EUC-KR.
const NOT_FOR_PGLOADER: &str = "tb_vendor";

/// Baseline: every table of the shop with pgloader, its own types and its own indexes, zero dates as NULL. `None`: there is no pgloader
/// here.
pub async fn pgloader(stage: &Stage) -> Outcome<Option<(u64, f64)>> {
    stage.postgres.create_database("pgloader").await?;
    let (from, into) = (stage.mariadb.url_of("homeshop"), stage.postgres.url_of("pgloader"));
    let dates = ["date", "datetime", "timestamp"].map(|kind| {
        format!(
            "type {kind} to {} drop default drop not null using zero-dates-to-null",
            if kind == "date" { "date" } else { "timestamptz" }
        )
    });
    let script = format!(
        "LOAD DATABASE FROM {from} INTO {into}\n CAST {}\n EXCLUDING TABLE NAMES MATCHING '{NOT_FOR_PGLOADER}';\n",
        dates.join(",\n      ")
    );
    let script_path = stage.folder.path().join("shop.load");
    std::fs::write(&script_path, script)?;
    let log_path = stage.folder.path().join("pgloader.log");
    let log = std::fs::File::create(&log_path)?;
    let began = Instant::now();
    let spawned = Command::new("pgloader")
        .arg(script_path)
        .current_dir(stage.folder.path())
        .stdin(Stdio::null())
        .stderr(log.try_clone()?)
        .stdout(log)
        .status();
    let is_success = match spawned {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
        Ok(status) => status.success(),
    };
    let seconds = began.elapsed().as_secs_f64();
    let client = stage.postgres.connect("pgloader").await?;
    let tables = "SELECT schemaname || '.' || tablename FROM pg_tables WHERE tablename LIKE 'tb%'";
    let mut row_count = 0;
    for table in client.query(tables, &[]).await? {
        let table: String = table.try_get(0)?;
        let count: i64 = client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await?.try_get(0)?;
        row_count += u64::try_from(count)?;
    }
    if !is_success || row_count * 100 < stage.row_count * 95 {
        let log = std::fs::read_to_string(log_path)?;
        let log: String = log.chars().take(2_000).collect();
        return Err(format!("pgloader copied {row_count} of {} rows:\n{log}", stage.row_count).into());
    }
    Ok(Some((row_count, seconds)))
}
