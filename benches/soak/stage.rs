//! Servers, rows and project of one source.

use fastrand::Rng;
use strangler::demo::servers::{MariaDb, MysqlWireServer, Postgres, ServerOptions};

use crate::Options;
use crate::engine::Engine;
use crate::load::session::{Place, Session};
use crate::load::writers::BEAT;
use crate::load::{Outcome, mappings, sysbench, tpcc};

/// Which server the loads run on.
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

/// One source with its target.
pub struct Stage {
    pub kind: Kind,
    source: Source,
    pub target: Postgres,
    folder: tempfile::TempDir,
}

impl Stage {
    pub async fn new(kind: Kind, options: Options) -> Outcome<Self> {
        let source = match kind {
            Kind::MariaDb => {
                let server = MariaDb::start(ServerOptions::with_args(["--innodb-buffer-pool-size=256M"])).await?;
                server.execute(&["CREATE DATABASE legacy"]).await?;
                Source::MariaDb(server)
            }
            Kind::Postgres => {
                // A log that is read must have been written, at once and not by a timer.
                let server =
                    Postgres::start(ServerOptions::with_args(["-csynchronous_commit=on", "-cshared_buffers=256MB"])).await?;
                server.create_database("legacy").await?;
                Source::Postgres(server)
            }
        };
        let target = Postgres::start(ServerOptions::default()).await?;
        target.create_database("service").await?;
        let stage = Self { kind, source, target, folder: tempfile::tempdir()? };
        stage.fill(options).await?;
        stage.write_project()?;
        Ok(stage)
    }

    async fn fill(&self, options: Options) -> Outcome<()> {
        let mut session = Session::connect(&self.place()).await?;
        let mut rng = Rng::with_seed(1);
        sysbench::load(&mut session, options.sysbench, &mut rng).await?;
        tpcc::create(&mut session).await?;
        tpcc::fill(&mut session, options.tpcc, &mut rng).await?;
        for statement in BEAT {
            session.plain(statement).await?;
        }
        if let Source::Postgres(_) = &self.source {
            session.plain(mappings::PUBLICATION).await?;
            session.plain("ANALYZE").await?;
        }
        let folder = self.folder.path().join("mappings");
        std::fs::create_dir(&folder)?;
        std::fs::write(folder.join("sysbench.yaml"), mappings::sysbench(options.sysbench))?;
        Ok(std::fs::write(folder.join("tpcc.yaml"), mappings::TPCC)?)
    }

    fn write_project(&self) -> Outcome<()> {
        let source = match &self.source {
            Source::MariaDb(server) => format!("    url: mysql://root@127.0.0.1:{}/legacy\n", server.port()),
            Source::Postgres(server) => format!(
                "    url: postgresql://postgres@127.0.0.1:{}/legacy\n    publication: erp_out\n    slot_limit: {{ max_retained: 8GiB, on_exceed: stop }}\n",
                server.port()
            ),
        };
        let text = format!(
            "sources:\n  erp:\n{source}    password: {{ env: SOAK_SOURCE_PASSWORD }}\n\
             targets:\n  order-db:\n    url: postgresql://postgres@127.0.0.1:{}/service\n    password: {{ env: SOAK_TARGET_PASSWORD }}\n\
             state: ./state\nmemory: 256MiB\nmappings: [mappings/*.yaml]\n",
            self.target.port()
        );
        Ok(std::fs::write(self.folder.path().join("strangler.yaml"), text)?)
    }

    /// Starts an engine on the project.
    pub fn engine(&self) -> Outcome<Engine> {
        let source = match &self.source {
            Source::MariaDb(server) => server.password(),
            Source::Postgres(server) => server.password(),
        };
        let variables =
            vec![("SOAK_SOURCE_PASSWORD", source.to_owned()), ("SOAK_TARGET_PASSWORD", self.target.password().to_owned())];
        Engine::start(&self.folder.path().join("strangler.yaml"), variables)
    }

    /// Where the sessions of the loads connect.
    pub fn place(&self) -> Place {
        match &self.source {
            Source::MariaDb(server) => Place::MySql(server.url_of("legacy")),
            Source::Postgres(server) => {
                let mut config = tokio_postgres::Config::new();
                config.host("127.0.0.1").port(server.port()).user("postgres").password(server.password()).dbname("legacy");
                Place::Postgres(Box::new(config))
            }
        }
    }

    /// The processes of the source's and of the target's server.
    pub fn server_ids(&self) -> Outcome<[u32; 2]> {
        let source = match &self.source {
            Source::MariaDb(server) => server.pid(),
            Source::Postgres(server) => server.pid(),
        };
        Ok([source.ok_or("the source does not run")?, self.target.pid().ok_or("the target does not run")?])
    }

    /// Compares every table through the running engine; what differs, in words.
    pub fn verify(&self, engine: &Engine) -> Outcome<Vec<String>> {
        let name = self.kind.name();
        let ended = engine.command(&["verify", "--full-scan", "--format", "json"])?;
        let answer: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap_or_default();
        let tables = answer["tables"].as_array().cloned().unwrap_or_default();
        let rows: u64 = tables.iter().filter_map(|table| table["row_count"].as_u64()).sum();
        let (confirmed, unconfirmed) = (&answer["confirmed_count"], &answer["unconfirmed_count"]);
        println!(
            "[{name}] verify: {rows} rows of {} tables, {confirmed} differ, {unconfirmed} unconfirmed ({})",
            tables.len(),
            ended.status
        );
        let is_clean = ended.status.success() && rows > 0;
        let said = || format!("verify is not clean: {}\n{answer:#}\n{}", ended.status, String::from_utf8_lossy(&ended.stderr));
        Ok(if is_clean { Vec::new() } else { vec![said()] })
    }
}
