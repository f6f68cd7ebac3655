//! The stage: two throw-away servers, the shop in one of them, a project folder, and the two accounts with no more than `check` asks for.

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mysql_async::prelude::Queryable;
use tempfile::TempDir;

use super::failure::{StoryError, Told};
use super::program::Program;
use super::screen::Screen;
use crate::demo::servers::{MariaDb, MysqlWireServer, Postgres, ServerError, ServerOptions, private_folder};
use crate::demo::shop::{ORDER_SERVICE_MAPPING, ShopOptions, load_with_progress};

/// The servers and everything that stands on them. Dropped, all of it is gone.
pub struct Stage {
    /// Starts the commands.
    pub program: Program,
    /// The legacy database, as its owner sees it.
    pub legacy: mysql_async::Conn,
    /// The service database, as its owner sees it.
    pub service: tokio_postgres::Client,
    /// The url under which the shop's own application writes.
    pub shop_url: String,
    /// The project folder.
    pub folder: PathBuf,
    _mariadb: MysqlWireServer,
    _postgres: Postgres,
    _folder: TempDir,
}

impl Stage {
    /// Starts the servers, loads the shop and writes the project.
    pub async fn set(orders: u32, screen: &Arc<Screen>) -> Told<Self> {
        screen.passing("starting MariaDB and PostgreSQL ..");
        let (mariadb, postgres) = servers().await?;
        let shop_url = mariadb.url_of("homeshop");
        let progress = Arc::clone(screen);
        let options = ShopOptions { orders, ..ShopOptions::default() };
        let loaded = load_with_progress(&shop_url, options, move |at| {
            progress.passing(&format!("loading the shop: {} of {} chunks", at.chunks, at.chunks_total));
        })
        .await?;
        let folder = private_folder("strangler-demo-")?;
        let environment = accounts(&mariadb, &postgres).await?;
        write_project(folder.path(), &mariadb, &postgres, &environment)?;
        let mut legacy =
            mysql_async::Conn::new(mysql_async::Opts::from_url(&shop_url).map_err(StoryError::sql("read the shop's url"))?)
                .await
                .map_err(StoryError::sql("connect to the shop"))?;
        let session = "SET SESSION sql_mode = '', time_zone = '+09:00'";
        legacy.query_drop(session).await.map_err(StoryError::sql("set up a session of the shop"))?;
        let service = postgres.connect("orders").await?;
        screen.say(&format!(
            "MariaDB     127.0.0.1:{}  database homeshop: 30 tables, {} orders, {} rows",
            mariadb.port(),
            loaded.orders,
            loaded.rows
        ));
        screen.say(&format!("PostgreSQL  127.0.0.1:{}  database orders: empty", postgres.port()));
        screen.say(&format!("project     {}  (strangler.yaml, mappings/order-service.yaml)", folder.path().display()));
        Ok(Self {
            program: Program::current(folder.path(), environment)?,
            legacy,
            service,
            shop_url,
            folder: folder.path().to_owned(),
            _mariadb: mariadb,
            _postgres: postgres,
            _folder: folder,
        })
    }

    /// Runs statements of the old application as one transaction.
    pub async fn shop_writes(&mut self, statements: &[String]) -> Told {
        let attempted = "write to the shop";
        self.legacy.query_drop("BEGIN").await.map_err(StoryError::sql(attempted))?;
        for statement in statements {
            self.legacy.query_drop(statement).await.map_err(StoryError::sql(attempted))?;
        }
        self.legacy.query_drop("COMMIT").await.map_err(StoryError::sql(attempted))
    }
}

/// Both servers, started side by side. What is missing is said in one line.
async fn servers() -> Told<(MysqlWireServer, Postgres)> {
    let started = tokio::join!(MariaDb::start(ServerOptions::default()), Postgres::start(ServerOptions::default()));
    match started {
        (Ok(mariadb), Ok(postgres)) => Ok((mariadb, postgres)),
        (Err(ServerError::Missing { program, .. }), Err(ServerError::Missing { program: second, .. })) => {
            Err(ServerError::Missing {
                program: format!("{program} and {second}"),
                install: "apt-get install -y --no-install-recommends mariadb-server postgresql".into(),
            }
            .into())
        }
        (Err(error), _) | (_, Err(error)) => Err(error.into()),
    }
}

/// Creates the accounts of the source and the target; answers the environment that holds their passwords.
async fn accounts(mariadb: &MysqlWireServer, postgres: &Postgres) -> Told<Vec<(String, String)>> {
    let password = || std::iter::repeat_with(fastrand::alphanumeric).take(20).collect::<String>();
    let (source, target) = (password(), password());
    let reader = "'strangler_src'@'127.0.0.1'";
    mariadb
        .execute(&[
            &format!("CREATE USER {reader} IDENTIFIED BY '{source}'"),
            &format!("GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO {reader}"),
            &format!("GRANT SELECT ON homeshop.* TO {reader}"),
        ])
        .await?;
    postgres.execute("postgres", &format!("CREATE ROLE strangler_dst LOGIN PASSWORD '{target}'")).await?;
    postgres.create_database("orders").await?;
    let grants = "GRANT CREATE ON DATABASE orders TO strangler_dst; GRANT USAGE, CREATE ON SCHEMA public TO strangler_dst;";
    postgres.execute("orders", grants).await?;
    Ok(vec![("ERP_PASSWORD".to_owned(), source), ("ORDER_DB_PASSWORD".to_owned(), target)])
}

fn write_project(folder: &Path, mariadb: &MysqlWireServer, postgres: &Postgres, environment: &[(String, String)]) -> Told {
    let project = format!(
        "# Written by `strangler demo`; gone with it.\n\
         sources:\n  erp:\n    url: mysql://strangler_src@127.0.0.1:{}/homeshop\n    password: {{ env: ERP_PASSWORD }}\n    \
         session: {{ time_zone: \"+09:00\" }}\n\
         targets:\n  order-db:\n    url: postgresql://strangler_dst@127.0.0.1:{}/orders\n    password: {{ env: ORDER_DB_PASSWORD }}\n\
         state: ./state\nmemory: 256MiB\nmappings: [mappings/*.yaml]\n",
        mariadb.port(),
        postgres.port()
    );
    let exports: String = environment.iter().map(|(name, value)| format!("export {name}='{value}'\n")).collect();
    let mappings = folder.join("mappings");
    std::fs::create_dir(&mappings).map_err(StoryError::system("make the folder of mappings"))?;
    private_file(&folder.join("strangler.yaml"), &project)?;
    private_file(&folder.join("env.sh"), &format!("{exports}{}", program_path()))?;
    private_file(&mappings.join("order-service.yaml"), ORDER_SERVICE_MAPPING)
}

/// Lets a visitor's shell find this very program under its name.
fn program_path() -> String {
    let folder = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.display().to_string()));
    folder.map_or_else(String::new, |folder| format!("export PATH='{}':\"$PATH\"\n", folder.replace('\'', "'\\''")))
}

fn private_file(path: &Path, text: &str) -> Told {
    let failed = |cause| StoryError::System { attempted: format!("write {}", path.display()), cause };
    let mut file = std::fs::File::options().create_new(true).write(true).mode(0o600).open(path).map_err(failed)?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(failed)
}
