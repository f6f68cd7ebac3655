//! A server in a temporary folder, asked through one connection.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mysql_async::prelude::Queryable;
use strangler::schema::{DataType, Flavor, SessionSettings, SourceCatalog};
use strangler::value::{Collation, Row};

use super::table;

pub struct Server {
    flavor: Flavor,
    child: Child,
    runtime: tokio::runtime::Runtime,
    connection: RefCell<mysql_async::Conn>,
    collations: BTreeMap<String, Collation>,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the repository's fetch script leaves a private tree of MySQL, unless `STRANGLER_MYSQL_ROOT` says otherwise.
const MYSQL_ROOT: &str = "/var/cache/strangler/mysql";

impl Server {
    pub fn mariadb() -> Option<Self> {
        let binary = ["/usr/sbin/mariadbd", "/usr/libexec/mariadbd"].into_iter().find(|path| Path::new(path).exists())?;
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let made = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--user=root"])
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--tmpdir={}", folder.path().display()))
            .env("TMPDIR", folder.path())
            .output()
            .ok()?;
        assert!(made.status.success(), "mariadb-install-db: {}", String::from_utf8_lossy(&made.stderr));
        let command = Command::new(binary);
        Some(Self::start(Flavor::MariaDb, command, folder, &data))
    }

    pub fn mysql() -> Option<Self> {
        let root = std::env::var("STRANGLER_MYSQL_ROOT").unwrap_or_else(|_| MYSQL_ROOT.to_owned());
        let tree = PathBuf::from(root).join("tree");
        let loader = tree.join("usr/lib64/ld-linux-x86-64.so.2");
        if !loader.exists() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let command = || {
            let mut command = Command::new(&loader);
            command
                .arg("--library-path")
                .arg(tree.join("usr/lib/x86_64-linux-gnu"))
                .arg(tree.join("usr/sbin/mysqld"))
                .arg("--no-defaults")
                .arg(format!("--basedir={}", tree.join("usr").display()))
                .arg(format!("--lc-messages-dir={}", tree.join("usr/share/mysql").display()))
                .arg(format!("--character-sets-dir={}", tree.join("usr/share/mysql/charsets").display()))
                .args(["--secure-file-priv=NULL", "--mysqlx=OFF", "--disable-log-bin"]);
            command
        };
        let made = command()
            .args(["--initialize-insecure", "--user=root"])
            .arg(format!("--datadir={}", data.display()))
            .output()
            .unwrap();
        assert!(made.status.success(), "mysqld --initialize: {}", String::from_utf8_lossy(&made.stderr));
        Some(Self::start(Flavor::MySql, command(), folder, &data))
    }

    fn start(flavor: Flavor, mut command: Command, folder: tempfile::TempDir, data: &Path) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if flavor == Flavor::MariaDb {
            command.arg("--no-defaults");
        }
        let child = command
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--socket={}", folder.path().join("s").display()))
            .arg(format!("--pid-file={}", folder.path().join("pid").display()))
            .arg(format!("--port={port}"))
            .arg(format!("--tmpdir={}", folder.path().display()))
            .args(["--bind-address=127.0.0.1", "--user=root", "--performance-schema=OFF", "--character-set-server=utf8mb4"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connection = runtime.block_on(async {
            let options = mysql_async::OptsBuilder::default()
                .ip_or_hostname("127.0.0.1")
                .tcp_port(port)
                .user(Some("root"))
                .prefer_socket(false);
            for _ in 0..600 {
                if let Ok(connection) = mysql_async::Conn::new(options.clone()).await {
                    return connection;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            panic!("the server did not answer within a minute");
        });
        let mut server =
            Self { flavor, child, runtime, connection: RefCell::new(connection), collations: BTreeMap::new(), _folder: folder };
        server.collations = server.read_collations();
        server.execute("SET sql_mode = ''");
        for statement in
            table::CREATE.split(";\n").chain(table::INSERT.split(";\n")).filter(|statement| !statement.trim().is_empty())
        {
            server.execute(statement);
        }
        server
    }

    /// The name that marks a line for this server alone.
    pub fn name(&self) -> &'static str {
        if self.flavor == Flavor::MariaDb { "mariadb" } else { "mysql" }
    }

    pub fn execute(&self, sql: &str) {
        let mut connection = self.connection.borrow_mut();
        self.runtime.block_on(connection.query_drop(sql)).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    pub fn query(&self, sql: &str) -> Result<Vec<Vec<Option<Vec<u8>>>>, String> {
        let mut connection = self.connection.borrow_mut();
        let rows: Vec<mysql_async::Row> = self.runtime.block_on(connection.query(sql)).map_err(|error| match error {
            mysql_async::Error::Io(_) | mysql_async::Error::Driver(_) => panic!("{} did not survive {sql}: {error}", self.name()),
            error => error.to_string(),
        })?;
        let value = |value: mysql_async::Value| match value {
            mysql_async::Value::Bytes(bytes) => Some(bytes),
            _ => None,
        };
        Ok(rows.into_iter().map(|row| row.unwrap().into_iter().map(value).collect()).collect())
    }

    /// The default collation of the literals.
    fn connection_collation(&self) -> &'static str {
        if self.flavor == Flavor::MariaDb { "utf8mb4_general_ci" } else { "utf8mb4_0900_ai_ci" }
    }

    /// Weights of every character of the basic plane, as the server gives them.
    fn read_collations(&self) -> BTreeMap<String, Collation> {
        self.execute("SET NAMES utf8mb4");
        self.execute("CREATE DATABASE weights CHARACTER SET utf8mb4");
        self.execute("CREATE TABLE weights.c (c VARCHAR(1) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL)");
        let characters: Vec<char> = (1..=0xFFFF_u32).filter_map(char::from_u32).collect();
        for chunk in characters.chunks(8000) {
            let values: Vec<String> = chunk.iter().map(|c| format!("(CONVERT(x'{:08X}' USING utf32))", u32::from(*c))).collect();
            self.execute(&format!("INSERT INTO weights.c VALUES {}", values.join(",")));
        }
        let mut names = vec![("utf8mb4_general_ci", true), ("utf8mb4_unicode_ci", true)];
        if self.flavor == Flavor::MySql {
            names.push(("utf8mb4_0900_ai_ci", false));
        }
        let mut collations = BTreeMap::new();
        for (name, pads) in names {
            let rows = self.query(&format!("SELECT c, WEIGHT_STRING(c COLLATE {name}) FROM weights.c")).unwrap();
            let weights = rows.into_iter().filter_map(|mut row| {
                let weight = row.pop()??;
                let text = String::from_utf8(row.pop()??).ok()?;
                Some((text.chars().next()?, weight))
            });
            let supplementary = self.query(&format!("SELECT WEIGHT_STRING('😀' COLLATE {name})")).unwrap()[0][0].clone();
            collations.insert(name.to_owned(), Collation::weighted(name, "utf8mb4", pads, weights, supplementary));
        }
        let korean = "CONVERT(c USING euckr)";
        let rows = self.query(&format!(
            "SELECT c, WEIGHT_STRING({korean} COLLATE euckr_korean_ci) FROM weights.c WHERE HEX({korean}) <> '3F' OR c = '?'"
        ));
        let weights = rows.unwrap().into_iter().filter_map(|mut row| {
            let weight = row.pop()??;
            Some((String::from_utf8(row.pop()??).ok()?.chars().next()?, weight))
        });
        collations.insert("euckr_korean_ci".to_owned(), Collation::weighted("euckr_korean_ci", "euckr", true, weights, None));
        for (name, charset) in [("utf8mb4_bin", "utf8mb4"), ("latin1_swedish_ci", "latin1"), ("utf8mb3_general_ci", "utf8mb3")] {
            collations.insert(name.to_owned(), Collation::binary(name, charset, true));
        }
        collations
    }

    pub fn catalog(&self, sql_mode: &str) -> SourceCatalog {
        self.execute(&format!("SET NAMES utf8mb4 COLLATE {}", self.connection_collation()));
        self.execute("SET time_zone = '+09:00', group_concat_max_len = 1024");
        self.execute("USE p");
        SourceCatalog {
            sources: std::collections::BTreeMap::new(),
            flavor: self.flavor,
            version: if self.flavor == Flavor::MariaDb { (10, 11, 0) } else { (9, 7, 0) },
            default_schema: "p".into(),
            tables: vec![table::schema(), table::strings_schema()],
            collations: self.collations.clone(),
            session: SessionSettings {
                sql_mode: sql_mode.into(),
                time_zone: "+09:00".into(),
                div_precision_increment: 4,
                group_concat_max_len: 1024,
                collation_connection: self.connection_collation().into(),
                lower_case_table_names: 0,
            },
        }
    }

    /// The aggregate over the first rows.
    pub fn aggregate(&self, text: &str, rows: usize) -> Option<Vec<u8>> {
        self.execute("SET sql_mode = ''");
        self.query(&format!("SELECT {text} AS c FROM v WHERE k <= {rows}")).unwrap()[0][0].clone()
    }

    pub fn has_collation(&self, name: &str) -> bool {
        self.collations.contains_key(name)
    }

    /// Every character with its upper and lower case under a collation.
    pub fn cases(&self, collation: &str) -> Vec<(String, String, String)> {
        let text = |bytes: Option<Vec<u8>>| String::from_utf8(bytes.unwrap()).unwrap();
        let rows =
            self.query(&format!("SELECT c, UPPER(c COLLATE {collation}), LOWER(c COLLATE {collation}) FROM weights.c")).unwrap();
        rows.into_iter()
            .map(|row| {
                let mut row = row.into_iter().map(text);
                (row.next().unwrap(), row.next().unwrap(), row.next().unwrap())
            })
            .collect()
    }

    /// Puts strings into the table `z`, numbered from 0.
    pub fn fill_strings(&self, strings: &[String]) {
        self.execute("SET sql_mode = ''");
        self.execute("DROP TABLE IF EXISTS z");
        self.execute("CREATE TABLE z (k INT NOT NULL PRIMARY KEY, t VARCHAR(200) COLLATE utf8mb4_general_ci NOT NULL)");
        for (first, chunk) in (0..).step_by(500).zip(strings.chunks(500)) {
            let values: Vec<String> = (first..)
                .zip(chunk)
                .map(|(k, text)| format!("({k}, '{}')", text.replace('\\', "\\\\").replace('\'', "''")))
                .collect();
            self.execute(&format!("INSERT INTO z VALUES {}", values.join(",")));
        }
    }

    pub fn rows(&self, catalog: &SourceCatalog) -> Vec<Row> {
        let columns = &catalog.tables[0].columns;
        let names: Vec<String> = columns
            .iter()
            .map(|column| match column.data_type {
                DataType::Bytes { .. } => format!("HEX({})", column.name),
                DataType::Bit { .. } => format!("{} + 0", column.name),
                _ => column.name.clone(),
            })
            .collect();
        let rows = self.query(&format!("SELECT {} FROM v ORDER BY k", names.join(","))).unwrap();
        rows.into_iter()
            .map(|row| row.into_iter().zip(columns).map(|(text, column)| table::value(text, &column.data_type)).collect())
            .collect()
    }

    pub fn type_of(&self, expression: &str) -> Option<String> {
        self.execute("SET sql_mode = ''");
        self.execute("DROP TEMPORARY TABLE IF EXISTS typed");
        self.query(&format!("CREATE TEMPORARY TABLE typed AS SELECT {expression} AS c FROM v LIMIT 0")).ok()?;
        let shown = self.query("SHOW COLUMNS FROM typed").ok()?;
        String::from_utf8(shown[0][1].clone()?).ok()
    }

    /// Whether the server holds an expression for an unsigned number: what a difference of it may not fall below.
    pub fn is_unsigned(&self, expression: &str) -> Option<bool> {
        self.execute("SET sql_mode = ''");
        let mut connection = self.connection.borrow_mut();
        self.runtime.block_on(async {
            let asked = connection.query_iter(format!("SELECT {expression} AS c FROM v LIMIT 0")).await.ok()?;
            let unsigned = asked.columns_ref()[0].flags().contains(mysql_async::consts::ColumnFlags::UNSIGNED_FLAG);
            asked.drop_result().await.ok()?;
            Some(unsigned)
        })
    }

    /// The answer per row.
    pub fn answers(&self, expression: &str, table: &str, sql_mode: &str) -> Result<Vec<Option<Vec<u8>>>, String> {
        self.execute(&format!("SET sql_mode = '{sql_mode}'"));
        let rows = self.query(&format!("SELECT k, {expression} AS c FROM {table} ORDER BY k"))?;
        Ok(rows.into_iter().map(|row| row[1].clone()).collect())
    }
}
