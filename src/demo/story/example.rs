//! An example folder on throw-away servers: its legacy database moves as its README says, and its `changes.sql` is what happens meanwhile.
//!
//! A folder has `strangler.yaml` (or further project files, one for each direction), `mappings/`, `schema.sql` and `changes.sql`; with several
//! sources `schema.NAME.sql` and `changes.NAME.sql` for each. The folder itself is only read: the project runs as a copy beside the servers'
//! files.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mysql_async::prelude::Queryable;
use tempfile::TempDir;

use super::failure::{StoryError, Told};
use super::program::{Program, Running};
use super::project::{Database, databases};
use super::screen::Screen;
use super::{engine, show};
use crate::demo::servers::{MariaDb, MySql, MysqlWireServer, Postgres, ServerError, ServerOptions, private_folder};

/// A server of an example.
enum Server {
    MariaDb(MysqlWireServer),
    MySql(MysqlWireServer),
    Postgres(Postgres),
}

/// The servers and the project of an example. Dropped, all of it is gone.
struct Set {
    program: Program,
    databases: Vec<Database>,
    servers: BTreeMap<u16, Server>,
    example: PathBuf,
    folder: TempDir,
}

/// Tells the story of an example: a folder, or a project file in one. `keep`: everything stays running until somebody ends it.
///
/// # Errors
/// Whatever did not end as it should.
pub async fn tell_example(example: &Path, keep: bool, screen: &Screen) -> Told {
    screen.title(&format!("strangler demo: {}", example.display()));
    screen.step("The legacy database, and an empty one for the new service");
    let set = Set::new(example, screen).await?;
    screen.step("Is everything as it must be? What would happen? Nothing is written yet");
    show(&set.program, screen, "check", 0, (3, 4)).await?;
    show(&set.program, screen, "plan", 0, (12, 5)).await?;
    screen.step("The backfill, then live");
    let mut engine = set.start(screen).await?;
    show(&set.program, screen, "status", 0, (14, 0)).await?;
    screen.step("The legacy system goes on; is every row what it says?");
    set.change(screen).await?;
    show(&set.program, screen, "verify", 0, (20, 2)).await?;
    screen.step("The engine is stopped, and run once more to the end");
    screen.command(&format!("kill -INT {}", engine.pid()));
    engine.signal("INT")?;
    let ended = engine.end_within(Duration::from_secs(60)).await?;
    if ended.code != 130 {
        return Err(ended.unexpected("strangler run", "exit code 130 after Ctrl-C"));
    }
    show(&set.program, screen, "run --until-caught-up", 0, (0, 3)).await?;
    show(&set.program, screen, "verify", 0, (20, 2)).await?;
    show(&set.program, screen, "diff", 0, (6, 2)).await?;
    if keep {
        return set.keep(screen).await;
    }
    screen.say("The servers and files of the example are removed now.");
    Ok(())
}

impl Set {
    async fn new(example: &Path, screen: &Screen) -> Told<Self> {
        let read = |path: PathBuf| std::fs::read_to_string(&path).map_err(StoryError::system(format!("read {}", path.display())));
        let (example, file) = match example.is_dir() {
            true => (example, example.join("strangler.yaml")),
            false => (example.parent().unwrap_or(Path::new(".")), example.to_owned()),
        };
        let mut text = read(file)?;
        let databases = databases(&text)?;
        screen.passing("starting the servers ..");
        let mut servers = BTreeMap::new();
        let mut environment = Vec::new();
        for database in &databases {
            let server = match servers.entry(database.port) {
                Entry::Occupied(running) => running.into_mut(),
                Entry::Vacant(place) => place.insert(Server::start(&database.scheme).await?),
            };
            let password: String = std::iter::repeat_with(fastrand::alphanumeric).take(20).collect();
            server.make(database, &password).await?;
            text = database.moved(&text, server.port());
            environment.push((database.password.clone(), password));
            screen.say(&format!("{:<11} 127.0.0.1:{}  database {}", server.name(), server.port(), database.database));
        }
        let folder = private_folder("strangler-demo-")?;
        let write = |path: &Path, text: &str| {
            std::fs::write(folder.path().join(path), text).map_err(StoryError::system(format!("write {}", path.display())))
        };
        write(Path::new("strangler.yaml"), &text)?;
        let exports: String = environment.iter().map(|(name, value)| format!("export {name}='{value}'\n")).collect();
        write(Path::new("env.sh"), &exports)?;
        let mappings = example.join("mappings");
        let listed = std::fs::read_dir(&mappings).map_err(StoryError::system(format!("read {}", mappings.display())))?;
        std::fs::create_dir(folder.path().join("mappings")).map_err(StoryError::system("make the folder of mappings"))?;
        for entry in listed.flatten() {
            write(&Path::new("mappings").join(entry.file_name()), &read(entry.path())?)?;
        }
        let program = Program::current(folder.path(), environment)?;
        let set = Self { program, databases, servers, example: example.to_owned(), folder };
        set.run_scripts("schema").await?;
        Ok(set)
    }

    async fn start(&self, screen: &Screen) -> Told<Running> {
        screen.command("strangler run &");
        let mut engine = self.program.start("run")?;
        engine::until_live(&self.program, &mut engine, screen).await?;
        screen.good(&format!("live after {:.0} s", screen.elapsed_s()));
        Ok(engine)
    }

    async fn change(&self, screen: &Screen) -> Told {
        for script in self.run_scripts("changes").await? {
            for line in script.lines().filter(|line| !line.starts_with("--")).take(12) {
                screen.say(&format!("> {}", line.chars().take(130).collect::<String>()));
            }
        }
        Ok(())
    }

    /// Runs the scripts of each source, as the owner of the legacy database; their texts.
    async fn run_scripts(&self, kind: &str) -> Told<Vec<String>> {
        let mut scripts = Vec::new();
        let sources: Vec<&Database> = self.databases.iter().filter(|database| database.is_source).collect();
        for source in &sources {
            let file = if sources.len() == 1 { format!("{kind}.sql") } else { format!("{kind}.{}.sql", source.name) };
            let path = self.example.join(file);
            let attempted = format!("read {}", path.display());
            let script = std::fs::read_to_string(&path).map_err(StoryError::system(attempted))?;
            if let Some(server) = self.servers.get(&source.port) {
                server.run_script(&source.database, &script).await?;
            }
            scripts.push(script);
        }
        Ok(scripts)
    }

    /// Leaves everything running until somebody ends the demo.
    async fn keep(&self, screen: &Screen) -> Told {
        let mut engine = self.start(screen).await?;
        screen.say(&format!(
            "Servers and engine keep running until Ctrl-C. In another terminal:\n  cd {} && . ./env.sh\n  strangler status --watch",
            self.folder.path().display()
        ));
        let ended = engine.end_within(Duration::MAX).await?;
        screen.say(&format!("the engine has ended with exit code {}", ended.code));
        std::future::pending::<()>().await;
        Ok(())
    }
}

impl Server {
    /// Starts what a scheme names.
    async fn start(scheme: &str) -> Told<Self> {
        let options = ServerOptions::default;
        Ok(match scheme {
            "postgresql" => Self::Postgres(Postgres::start(options()).await?),
            "mariadb" => Self::MariaDb(MariaDb::start(options()).await?),
            "mysql" => Self::MySql(MySql::start(options()).await?),
            other => return Err(StoryError::Unexpected(format!("the demo has no server for {other}://"))),
        })
    }

    fn port(&self) -> u16 {
        match self {
            Self::MariaDb(server) | Self::MySql(server) => server.port(),
            Self::Postgres(server) => server.port(),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::MariaDb(_) => "MariaDB",
            Self::MySql(_) => "MySQL",
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    /// Makes a database and the engine's account, with no more than `check` asks for.
    async fn make(&self, database: &Database, password: &str) -> Result<(), ServerError> {
        let Database { user, database: name, is_source, .. } = database;
        match self {
            Self::MariaDb(server) | Self::MySql(server) => {
                let account = format!("'{user}'@'127.0.0.1'");
                let position =
                    if matches!(self, Self::MariaDb(_)) { "BINLOG MONITOR" } else { "REPLICATION CLIENT, XA_RECOVER_ADMIN" };
                let grant = match is_source {
                    true => format!("GRANT REPLICATION SLAVE, {position} ON *.* TO {account}"),
                    false => format!("GRANT INSERT, UPDATE, DELETE, CREATE, INDEX, TRIGGER ON {name}.* TO {account}"),
                };
                let statements = [
                    format!("CREATE DATABASE {name}"),
                    format!("CREATE USER {account} IDENTIFIED BY '{password}'"),
                    format!("GRANT SELECT ON {name}.* TO {account}"),
                    grant,
                ];
                server.execute(&statements.each_ref().map(String::as_str)).await
            }
            Self::Postgres(server) => {
                let replication = if *is_source { " REPLICATION" } else { "" };
                let role = format!("CREATE ROLE {user} LOGIN{replication} PASSWORD '{password}'");
                server.execute("postgres", &role).await?;
                server.create_database(name).await?;
                let grants = match (is_source, &database.publication) {
                    (true, publication) => format!(
                        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {user}; ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO {user}; \
                         CREATE PUBLICATION {} FOR ALL TABLES",
                        publication.as_deref().unwrap_or("strangler")
                    ),
                    (false, _) => {
                        format!("GRANT CREATE ON DATABASE {name} TO {user}; GRANT USAGE, CREATE ON SCHEMA public TO {user}")
                    }
                };
                server.execute(name, &grants).await
            }
        }
    }

    async fn run_script(&self, database: &str, script: &str) -> Told {
        match self {
            Self::Postgres(server) => Ok(server.execute(database, script).await?),
            Self::MariaDb(server) | Self::MySql(server) => {
                let failed = || format!("run a script in {database}");
                let mut conn = mysql_async::Conn::from_url(server.url_of(database)).await.map_err(StoryError::sql(failed()))?;
                conn.query_drop(script).await.map_err(StoryError::sql(failed()))?;
                conn.disconnect().await.map_err(StoryError::sql(failed()))
            }
        }
    }
}
