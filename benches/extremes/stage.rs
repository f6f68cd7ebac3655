//! Servers, rows and project of one source and one legacy table.

use std::path::PathBuf;
use std::time::Instant;

use mysql_async::prelude::Queryable;
use strangler::demo::servers::{MariaDb, MysqlWireServer, Postgres, ServerOptions};

use crate::engine::{self, Engine};
use crate::scenario::{Table, WIDE_BYTES};
use crate::{Outcome, PATIENCE, Sizes};

/// Which server is the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    MariaDb,
    Postgres,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::MariaDb => "mariadb",
            Self::Postgres => "postgres",
        }
    }
}

enum Source {
    MariaDb(MysqlWireServer),
    Postgres(Postgres),
}

/// A session at the source.
pub enum Session {
    MariaDb(mysql_async::Conn),
    Postgres(tokio_postgres::Client),
}

impl Session {
    /// Runs a statement, a transaction of its own.
    pub async fn run(&mut self, statement: &str) -> Outcome<()> {
        match self {
            Self::MariaDb(connection) => Ok(connection.query_drop(statement).await?),
            Self::Postgres(client) => Ok(client.batch_execute(statement).await?),
        }
    }

    /// The one text that a question is answered with.
    pub async fn ask(&mut self, question: &str) -> Outcome<String> {
        match self {
            Self::MariaDb(connection) => connection.query_first(question).await?.ok_or_else(|| "no answer".into()),
            Self::Postgres(client) => Ok(client.query_one(question, &[]).await?.try_get(0)?),
        }
    }
}

/// One source with its target, loaded.
pub struct Stage {
    pub kind: Kind,
    pub target: Postgres,
    /// Rows of the legacy table before or after.
    pub row_count: u64,
    table: Table,
    source: Source,
    folder: tempfile::TempDir,
}

impl Stage {
    /// Starts servers, fills the source, and runs an engine until the target has it all.
    pub async fn new(kind: Kind, table: Table, sizes: Sizes) -> Outcome<Self> {
        let source = match kind {
            Kind::MariaDb => {
                let arguments = ["--innodb-buffer-pool-size=256M", "--innodb-log-file-size=256M", "--max-allowed-packet=64M"];
                let server = MariaDb::start(ServerOptions::with_args(arguments)).await?;
                server.execute(&["CREATE DATABASE legacy"]).await?;
                Source::MariaDb(server)
            }
            Kind::Postgres => {
                let arguments = ["-csynchronous_commit=on", "-cshared_buffers=256MB", "-cmax_wal_size=1GB"];
                let server = Postgres::start(ServerOptions::with_args(arguments)).await?;
                server.create_database("legacy").await?;
                Source::Postgres(server)
            }
        };
        let target = Postgres::start(ServerOptions::with_args(["-cshared_buffers=256MB", "-cmax_wal_size=1GB"])).await?;
        target.create_database("service").await?;
        let row_count = match table {
            Table::Thin => sizes.rows,
            Table::Wide => sizes.bytes.div_ceil(WIDE_BYTES),
        };
        let stage = Self { kind, target, row_count, table, source, folder: tempfile::tempdir()? };
        stage.fill().await?;
        stage.write_project(sizes)?;
        stage.write_mapping("")?;
        let began = Instant::now();
        let mut engine = stage.engine()?;
        engine.until(PATIENCE, engine::is_caught_up).await?;
        engine.stop()?;
        println!("[{} {table:?}] loaded in {:.1} s", kind.name(), began.elapsed().as_secs_f64());
        Ok(stage)
    }

    async fn fill(&self) -> Outcome<()> {
        let mut session = self.session().await?;
        for statement in self.table.statements(self.kind, self.row_count) {
            session.run(&statement).await?;
        }
        if self.kind == Kind::Postgres {
            let table = if self.table == Table::Thin { "x_row" } else { "x_wide" };
            session.run(&format!("CREATE PUBLICATION erp_out FOR TABLE x_cd, {table}")).await?;
            session.run("ANALYZE").await?;
        }
        Ok(())
    }

    fn write_project(&self, sizes: Sizes) -> Outcome<()> {
        let source = match &self.source {
            Source::MariaDb(server) => format!("    url: mysql://root@127.0.0.1:{}/legacy\n", server.port()),
            Source::Postgres(server) => format!(
                "    url: postgresql://postgres@127.0.0.1:{}/legacy\n    publication: erp_out\n    slot_limit: {{ max_retained: 64GiB, on_exceed: stop }}\n",
                server.port()
            ),
        };
        let text = format!(
            "sources:\n  erp:\n{source}    password: {{ env: EXTREME_SOURCE_PASSWORD }}\n\
             targets:\n  order-db:\n    url: postgresql://postgres@127.0.0.1:{}/service\n    password: {{ env: EXTREME_TARGET_PASSWORD }}\n\
             state: ./state\nmemory: {}MiB\nmappings: [mappings/*.yaml]\n",
            self.target.port(),
            sizes.memory_mib
        );
        std::fs::create_dir(self.folder.path().join("mappings"))?;
        Ok(std::fs::write(self.folder.path().join("strangler.yaml"), text)?)
    }

    /// Writes the mapping with its policies.
    pub fn write_mapping(&self, policies: &str) -> Outcome<()> {
        let text = format!(
            "version: 1\nmapping: extreme\nsource: erp\ntarget: order-db\ntables:\n  orders:\n    key: [no]\n    sql: |\n      {}\n{policies}",
            self.table.select()
        );
        Ok(std::fs::write(self.folder.path().join("mappings/extreme.yaml"), text)?)
    }

    /// Starts an engine on the project.
    pub fn engine(&self) -> Outcome<Engine> {
        let source = match &self.source {
            Source::MariaDb(server) => server.password(),
            Source::Postgres(server) => server.password(),
        };
        let variables =
            vec![("EXTREME_SOURCE_PASSWORD", source.to_owned()), ("EXTREME_TARGET_PASSWORD", self.target.password().to_owned())];
        Engine::start(&self.folder.path().join("strangler.yaml"), variables)
    }

    /// The folder of the state.
    pub fn state_path(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// A session at the source.
    pub async fn session(&self) -> Outcome<Session> {
        Ok(match &self.source {
            Source::MariaDb(server) => Session::MariaDb(mysql_async::Conn::from_url(server.url_of("legacy")).await?),
            Source::Postgres(server) => Session::Postgres(server.connect("legacy").await?),
        })
    }

    /// How the target differs from what the source answers to the mapping's SELECT, by checksums that each server computes.
    pub async fn differs(&self) -> Outcome<Option<String>> {
        let columns = self.table.columns();
        let of_mysql = |from: &str| {
            format!(
                "SELECT CONCAT_WS(' ', COUNT(*), SUM(CAST(CONV(SUBSTR(MD5(CONCAT_WS('|', {columns})), 1, 8), 16, 10) AS UNSIGNED))) FROM {from} answer"
            )
        };
        let of_postgres = |from: &str| {
            format!(
                "SELECT concat_ws(' ', count(*), sum(('x' || substr(md5(concat_ws('|', {columns})), 1, 8))::bit(32)::bigint)) FROM {from} answer"
            )
        };
        let select = format!("({})", self.table.select());
        let question = if self.kind == Kind::MariaDb { of_mysql(&select) } else { of_postgres(&select) };
        let source = self.session().await?.ask(&question).await?;
        let target = Session::Postgres(self.target.connect("service").await?).ask(&of_postgres("orders")).await?;
        println!("[{}] rows and checksum of the source {source}, of the target {target}", self.kind.name());
        Ok((source != target).then(|| format!("the source answers {source}, the target {target}")))
    }
}
