//! A project of one test: a legacy database and a service database of its own, users with no more than the documented
//! privileges, and the files in a temporary folder.

use super::program::{Ended, Running, command, run};
use super::servers::{Kind, Pair, Server, fresh_name};
use super::socket;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a test waits for something that must happen, before it says what did not.
const PATIENCE: Duration = Duration::from_secs(300);

/// The account the engine reads the legacy database with, and its password.
const PASSWORD: &str = "Only-For-Tests-1";

/// What the project files of tests and examples call it.
const PASSWORD_VARIABLES: [&str; 8] = [
    "ERP_PASSWORD",
    "ORDER_DB_PASSWORD",
    "CLUB_PASSWORD",
    "MEMBERS_PASSWORD",
    "SHOP_PASSWORD",
    "ORDERS_PASSWORD",
    "NORTHWIND_PASSWORD",
    "SALES_PASSWORD",
];

/// One project.
pub struct Project {
    folder: tempfile::TempDir,
    /// Name of both databases and both users.
    pub name: String,
    source: Access,
    target: Access,
    variables: Vec<(String, String)>,
}

/// How a test reaches a database of either side, as its administrator.
pub enum Access {
    /// PostgreSQL.
    Postgres(Box<tokio_postgres::Config>),
    /// MariaDB or MySQL, by its url.
    MySql(String),
}

impl Project {
    /// Makes the databases, the users and the project file.
    pub async fn new(pair: &Pair, test: &str) -> Self {
        let name = fresh_name(test);
        let (source, source_file) = legacy(pair, &name).await;
        let (target, target_url) = service(pair, &name).await;
        let variables = PASSWORD_VARIABLES.map(|variable| (variable.to_owned(), PASSWORD.to_owned()));
        let project = Self { folder: tempfile::tempdir().unwrap(), source, target, variables: variables.to_vec(), name };
        let file = format!(
            "sources:\n  erp:\n{source_file}\
             targets:\n  order-db:\n    url: {target_url}\n    password: {{ env: ORDER_DB_PASSWORD }}\n\
             state: ./state\nmemory: 256MiB\nmappings: [mappings/*.yaml]\n"
        );
        project.write("strangler.yaml", &file);
        project
    }

    /// Where the files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The state folder.
    pub fn state(&self) -> PathBuf {
        self.folder().join("state")
    }

    /// Writes a file below the project's folder.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.folder().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Replaces text in a file; it must be there.
    pub fn edit(&self, path: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.folder().join(path)).unwrap();
        assert!(text.contains(from), "{from:?} is not in {path}");
        self.write(path, &text.replace(from, to));
    }

    /// The mapping files.
    pub fn mapping_texts(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder().join("mappings")).unwrap();
        entries.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
    }

    /// How to reach the legacy database.
    pub fn source_access(&self) -> &Access {
        &self.source
    }

    /// The url of the legacy database on MariaDB or MySQL, as root.
    pub fn source_url(&self) -> &str {
        match &self.source {
            Access::MySql(url) => url,
            Access::Postgres(_) => panic!("this test is for MariaDB or MySQL as the legacy database"),
        }
    }

    /// A connection to the legacy database on MariaDB or MySQL, as root.
    pub async fn source(&self) -> Conn {
        Conn::from_url(self.source_url()).await.unwrap()
    }

    /// A connection to the legacy database on PostgreSQL, as the superuser.
    pub async fn source_client(&self) -> tokio_postgres::Client {
        self.source.client().await
    }

    /// Runs statements on the legacy database, as its administrator, on one connection.
    pub async fn legacy(&self, statements: &[&str]) {
        if let Access::Postgres(_) = &self.source {
            let client = self.source_client().await;
            for statement in statements {
                client.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
            }
            return;
        }
        let mut source = self.source().await;
        for statement in statements {
            source.query_drop(*statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
        source.disconnect().await.unwrap();
    }

    /// The rows of a question to the legacy database.
    pub async fn ask_legacy(&self, question: &str) -> Vec<Row> {
        let mut source = self.source().await;
        let rows = source.query(question).await.unwrap();
        source.disconnect().await.unwrap();
        rows
    }

    /// How to reach the service database.
    pub fn target(&self) -> &Access {
        &self.target
    }

    /// A connection to the service database on PostgreSQL, as the superuser.
    pub async fn target_client(&self) -> tokio_postgres::Client {
        self.target.client().await
    }

    /// The same, waiting for a server that is restarting.
    pub async fn target_client_patient(&self) -> tokio_postgres::Client {
        for _ in 0..600 {
            if let Ok((client, connection)) = self.target.postgres().connect(tokio_postgres::NoTls).await {
                tokio::spawn(connection);
                return client;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the service database is gone");
    }

    /// Runs SQL on the service database, as the superuser.
    pub async fn service(&self, sql: &str) {
        if let Access::MySql(url) = &self.target {
            let mut conn = Conn::from_url(url).await.unwrap();
            conn.query_drop(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            return conn.disconnect().await.unwrap();
        }
        self.target_client().await.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// One text of the service database.
    pub async fn ask_service(&self, question: &str) -> String {
        let row = self.target_client().await.query_one(question, &[]).await.unwrap_or_else(|error| panic!("{question}: {error}"));
        row.get::<_, Option<String>>(0).unwrap_or_else(|| "NULL".into())
    }

    /// Runs a command of the program to its end.
    pub async fn strangler(&self, arguments: &[&str]) -> Ended {
        let command = command(self.folder(), &self.variables, arguments);
        match tokio::time::timeout(PATIENCE, run(command)).await {
            Ok(ended) => ended,
            Err(_) => panic!("strangler {} is still running", arguments.join(" ")),
        }
    }

    /// Starts `strangler run` in the background, with further arguments.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut all = vec!["run"];
        all.extend(arguments);
        Running::start(command(self.folder(), &self.variables, &all), self.folder().join("run.log"))
    }

    /// What the running engine says about itself.
    pub fn status(&self) -> Option<serde_json::Value> {
        socket::status(&self.state().join("control.sock"))
    }

    /// The stage of the running engine: `snapshot`, `catch_up`, `load` or `live`.
    pub fn stage(&self) -> Option<String> {
        Some(self.status()?.get("stage")?.as_str()?.to_owned())
    }

    /// Waits until the engine is live; fails if it ends instead.
    pub async fn until_live(&self, engine: &mut Running) {
        self.until(engine, "live", |project| project.stage().as_deref() == Some("live")).await;
    }

    /// Waits until `reached`; fails with the log if the engine ends first.
    pub async fn until(&self, engine: &mut Running, what: &str, mut reached: impl FnMut(&Self) -> bool) {
        let patience = tokio::time::Instant::now() + PATIENCE;
        while !reached(self) {
            if let Some(status) = engine.ended() {
                panic!("the engine ended with {status} before it was {what}\n{}", engine.log());
            }
            assert!(tokio::time::Instant::now() < patience, "the engine is not {what}: {:?}\n{}", self.status(), engine.log());
            tokio::time::sleep(Duration::from_millis(3)).await; // catching up may be over in a few of these
        }
    }

    /// Ends the writer's part: everything committed so far must arrive, the program must end clean, and the oracle finds nothing.
    /// Answers the number of rows compared.
    pub async fn settle(&self) -> usize {
        self.strangler(&["run", "--until-caught-up"]).await.expect(0);
        super::oracle::check(self).await
    }
}

impl Access {
    /// How to reach PostgreSQL.
    pub fn postgres(&self) -> &tokio_postgres::Config {
        match self {
            Self::Postgres(config) => config,
            Self::MySql(_) => panic!("this test is for PostgreSQL"),
        }
    }

    /// A connection to PostgreSQL.
    pub async fn client(&self) -> tokio_postgres::Client {
        let (client, connection) = self.postgres().connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    fn of(server: &Server, name: &str) -> Self {
        match server {
            Server::MySql(_, server) => Self::MySql(server.url_of(name)),
            Server::Postgres(server) => {
                let mut config = tokio_postgres::Config::new();
                config.host("127.0.0.1").port(server.port()).user("postgres").password(server.password()).dbname(name);
                Self::Postgres(Box::new(config))
            }
        }
    }
}

/// Makes the legacy database and the account that reads it; how the test reaches it, and the source's entry in the project file. What is
/// published of PostgreSQL is for the test to say: `CREATE PUBLICATION erp_out ..`.
async fn legacy(pair: &Pair, name: &str) -> (Access, String) {
    let access = Access::of(&pair.source, name);
    let address = format!("{name}@127.0.0.1:{}/{name}", pair.source.port());
    let password = "    password: { env: ERP_PASSWORD }\n";
    match &pair.source {
        Server::MySql(_, server) => {
            let statements = [
                format!("CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"),
                format!("CREATE USER {name}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'"),
                format!("GRANT SELECT ON {name}.* TO {name}@'127.0.0.1'"),
                format!("GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {name}@'127.0.0.1'"),
            ];
            server.execute(&statements.each_ref().map(String::as_str)).await.unwrap();
            (access, format!("    url: mysql://{address}\n{password}"))
        }
        Server::Postgres(server) => {
            let role = format!("CREATE ROLE {name} LOGIN REPLICATION PASSWORD '{PASSWORD}'");
            server.execute("postgres", &role).await.unwrap();
            server.execute("postgres", &format!("CREATE DATABASE {name}")).await.unwrap();
            let grants = format!(
                "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {name}; ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO {name}"
            );
            server.execute(name, &grants).await.unwrap();
            let slot = "    publication: erp_out\n    slot_limit: { max_retained: 2GiB, on_exceed: stop }\n    limits: { connections: 2 }\n";
            (access, format!("    url: postgresql://{address}\n{password}{slot}"))
        }
    }
}

/// Makes the service database and its account; how the test reaches it, and its url in the project file.
async fn service(pair: &Pair, name: &str) -> (Access, String) {
    let access = Access::of(&pair.target, name);
    let address = format!("{name}@127.0.0.1:{}/{name}", pair.target.port());
    match &pair.target {
        Server::Postgres(server) => {
            server.execute("postgres", &format!("CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")).await.unwrap();
            server.execute("postgres", &format!("CREATE DATABASE {name} OWNER {name}")).await.unwrap();
            (access, format!("postgresql://{address}"))
        }
        Server::MySql(kind, server) => {
            let statements = [
                format!("CREATE DATABASE {name}"),
                format!("CREATE USER {name}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'"),
                format!("GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, INDEX, TRIGGER ON {name}.* TO {name}@'127.0.0.1'"),
            ];
            server.execute(&statements.each_ref().map(String::as_str)).await.unwrap();
            let scheme = if *kind == Kind::MariaDb { "mariadb" } else { "mysql" };
            (access, format!("{scheme}://{address}"))
        }
    }
}
