//! What the benches share: throw-away servers, a loaded shop, the engine as a child process, and the baselines.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt, TryStreamExt};
use mysql_async::prelude::Queryable;
use strangler::demo::servers::{MariaDb, MysqlWireServer, Postgres, ServerOptions};
use strangler::demo::shop::{self, ShopOptions};

pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A size from the environment.
pub fn size(name: &str, default: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Servers, shop and project of one run.
pub struct Stage {
    pub mariadb: MysqlWireServer,
    pub postgres: Postgres,
    pub folder: tempfile::TempDir,
    /// Legacy rows loaded.
    pub row_count: u64,
}

impl Stage {
    pub async fn new(orders: u32) -> Outcome<Self> {
        let mariadb = MariaDb::start(ServerOptions::default()).await?;
        let postgres = Postgres::start(ServerOptions::default()).await?;
        postgres.create_database("orders").await?;
        let options = ShopOptions { orders, ..ShopOptions::default() };
        let report = shop::load(&mariadb.url_of("homeshop"), options).await?;
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("mappings"))?;
        std::fs::write(folder.path().join("mappings/order-service.yaml"), shop::ORDER_SERVICE_MAPPING)?;
        let project = format!(
            "sources:\n  erp:\n    url: mysql://root@127.0.0.1:{}/homeshop\n    password: {{ env: BENCH_SOURCE_PASSWORD }}\n\
             targets:\n  order-db:\n    url: postgresql://postgres@127.0.0.1:{}/orders\n    password: {{ env: BENCH_TARGET_PASSWORD }}\n\
             state: ./state\nmemory: 512MiB\nmappings: [mappings/*.yaml]\n",
            mariadb.port(),
            postgres.port()
        );
        std::fs::write(folder.path().join("strangler.yaml"), project)?;
        Ok(Self { mariadb, postgres, folder, row_count: report.rows })
    }

    /// Runs the engine until it has caught up; answers the wall time and the peak of its memory in MiB.
    pub fn run_until_caught_up(&self) -> Outcome<(Duration, u64)> {
        let began = Instant::now();
        let log = std::fs::File::create(self.folder.path().join("run.log"))?;
        let child = Command::new(env!("CARGO_BIN_EXE_strangler"))
            .args(["run", "--until-caught-up", "--format", "json", "--config"])
            .arg(self.folder.path().join("strangler.yaml"))
            .env("BENCH_SOURCE_PASSWORD", self.mariadb.password())
            .env("BENCH_TARGET_PASSWORD", self.postgres.password())
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(self.folder.path().join("run.json"))?)
            .stderr(log)
            .spawn()?;
        let peak = watched(child, &self.folder.path().join("run.log"))?;
        Ok((began.elapsed(), peak))
    }

    pub fn state_path(&self) -> PathBuf {
        self.folder.path().join("state")
    }
}

fn watched(mut child: Child, log: &Path) -> Outcome<u64> {
    let mut peak_kib = 0;
    loop {
        if let Ok(status) = std::fs::read_to_string(format!("/proc/{}/status", child.id())) {
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|text| text.parse().ok());
            peak_kib = peak_kib.max(kib.unwrap_or(0));
        }
        match child.try_wait()? {
            None => std::thread::sleep(Duration::from_millis(50)),
            Some(status) if status.success() => return Ok(peak_kib / 1024),
            Some(status) => return Err(format!("the engine ended with {status}:\n{}", std::fs::read_to_string(log)?).into()),
        }
    }
}

/// Baseline: every row of every table of the shop through one connection, binary protocol. Answers rows and seconds.
pub async fn raw_drain(server: &MysqlWireServer) -> Outcome<(u64, f64)> {
    let mut connection = mysql_async::Conn::from_url(server.url_of("homeshop")).await?;
    let tables: Vec<String> = connection
        .query("SELECT table_name FROM information_schema.tables WHERE table_schema = 'homeshop' AND table_type = 'BASE TABLE'")
        .await?;
    let began = Instant::now();
    let mut row_count = 0;
    for table in tables {
        let mut rows = connection.exec_stream::<mysql_async::Row, _, _>(format!("SELECT * FROM `{table}`"), ()).await?;
        while rows.try_next().await?.is_some() {
            row_count += 1;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    connection.disconnect().await?;
    Ok((row_count, seconds))
}

/// Baseline: the rows the engine loaded, copied once more with binary COPY into empty tables with the same key. Answers rows and seconds.
pub async fn raw_copy(postgres: &Postgres) -> Outcome<(u64, f64)> {
    let client = postgres.connect("orders").await?;
    let mut row_count = 0;
    let mut seconds = 0.0;
    for table in ["orders", "order_lines", "payments"] {
        let out = client.copy_out(&format!("COPY {table} TO STDOUT (FORMAT binary)")).await?;
        let parts: Vec<bytes::Bytes> =
            out.map(|part| part.map_err(Into::into)).collect::<Vec<Outcome<_>>>().await.into_iter().collect::<Outcome<_>>()?;
        client.batch_execute(&format!("CREATE TABLE raw_{table} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS); ALTER TABLE raw_{table} ADD PRIMARY KEY ({})", key(table))).await?;
        let began = Instant::now();
        let sink = client.copy_in(&format!("COPY raw_{table} FROM STDIN (FORMAT binary)")).await?;
        futures_util::pin_mut!(sink);
        for part in parts {
            sink.send(part).await?;
        }
        row_count += sink.finish().await?;
        seconds += began.elapsed().as_secs_f64();
        client.batch_execute(&format!("DROP TABLE raw_{table}")).await?;
    }
    Ok((row_count, seconds))
}

fn key(table: &str) -> &'static str {
    match table {
        "orders" => "order_id",
        "order_lines" => "order_id, line_no",
        _ => "order_id, kind, entry_no",
    }
}

/// Bytes of a folder, without the journals of the store: those are preallocated, and reused.
pub fn folder_bytes(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else { return 0 };
    let bytes_of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()),
        Ok(metadata) if entry.path().extension().is_none_or(|extension| extension != "jnl") => metadata.len(),
        _ => 0,
    };
    entries.flatten().map(bytes_of).sum()
}
