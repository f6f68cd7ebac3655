//! A running throw-away server that speaks the MySQL protocol: MariaDB and MySQL differ only in how they are started.

use super::port::Port;
use super::process::ServerProcess;
use super::{ServerError, ServerOptions, random_password};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const PORT_ATTEMPTS: usize = 5;

/// What distinguishes the flavours.
pub(super) struct Flavour {
    pub server: &'static str,
    /// The program with the arguments every start has, without folder, socket and port.
    pub command_line: Vec<String>,
}

/// A MariaDB or MySQL server of our own; dropped, it is gone with its data.
pub struct MysqlWireServer {
    process: ServerProcess,
    port: Port,
    password: String,
    flavour: Flavour,
    options: ServerOptions,
}

impl MysqlWireServer {
    /// Starts the server on an initialised data folder `data/` inside the process' folder.
    pub(super) async fn first_start(
        process: ServerProcess,
        flavour: Flavour,
        options: ServerOptions,
    ) -> Result<Self, ServerError> {
        let mut server = Self { process, port: Port::reserve()?, password: String::new(), flavour, options };
        for attempt in 1.. {
            match server.start_process().await {
                Ok(()) => break,
                Err(ServerError::Failed { log, .. }) if attempt < PORT_ATTEMPTS && log.contains("Bind on TCP/IP port") => {
                    server.port = Port::reserve()?;
                }
                Err(error) => return Err(error),
            }
        }
        server.secure().await?;
        Ok(server)
    }

    async fn start_process(&mut self) -> Result<(), ServerError> {
        let folder = self.process.folder();
        let mut command_line = self.flavour.command_line.clone();
        command_line.extend([
            format!("--datadir={}", folder.join("data").display()),
            format!("--socket={}", self.socket().display()),
            format!("--pid-file={}", folder.join("pid").display()),
            "--bind-address=127.0.0.1".into(),
            format!("--port={}", self.port.number),
            format!("--log-bin={}", folder.join("data").join("binlog").display()),
        ]);
        command_line.extend(self.options.extra_args.iter().cloned());
        self.process.set_command_line(command_line);
        self.process.spawn()?;
        self.wait_until_ready().await
    }

    /// Ready means: our own process answers on the socket in its own folder, so a stranger on the port is never taken for it.
    async fn wait_until_ready(&mut self) -> Result<(), ServerError> {
        let start = Instant::now();
        loop {
            if self.process.ended()?.is_some() {
                return Err(self.process.failed("start"));
            }
            if let Ok(connection) = Conn::new(self.socket_options()).await {
                return connection.disconnect().await.map_err(|cause| self.sql_error("disconnect", cause));
            }
            if start.elapsed() > self.options.patience {
                return Err(self.process.failed("start"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Gives root a password and a way in by TCP; kept out of the log, whose first entry belongs to the user of this server.
    async fn secure(&mut self) -> Result<(), ServerError> {
        let password = random_password();
        let mut connection = Conn::new(self.socket_options()).await.map_err(|cause| self.sql_error("connect", cause))?;
        for statement in [
            "SET SESSION sql_log_bin = 0".to_string(),
            "DROP USER IF EXISTS ''@'localhost', 'root'@'::1'".to_string(),
            "CREATE USER IF NOT EXISTS 'root'@'127.0.0.1'".to_string(),
            "GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION".to_string(),
            format!("ALTER USER 'root'@'127.0.0.1' IDENTIFIED BY '{password}'"),
            format!("ALTER USER 'root'@'localhost' IDENTIFIED BY '{password}'"),
        ] {
            connection.query_drop(statement).await.map_err(|cause| self.sql_error("set the password of root", cause))?;
        }
        connection.disconnect().await.map_err(|cause| self.sql_error("disconnect", cause))?;
        self.password = password;
        Ok(())
    }

    fn socket(&self) -> PathBuf {
        self.process.folder().join("sock")
    }

    fn socket_options(&self) -> Opts {
        let password = Some(self.password.clone()).filter(|password| !password.is_empty());
        OptsBuilder::default().user(Some("root")).pass(password).socket(Some(self.socket().display().to_string())).into()
    }

    fn sql_error(&self, attempted: &'static str, cause: mysql_async::Error) -> ServerError {
        ServerError::Sql { server: self.flavour.server, attempted, cause: Box::new(cause) }
    }

    /// Runs statements as root, one after the other, on one connection.
    pub async fn execute(&self, statements: &[&str]) -> Result<(), ServerError> {
        let mut connection = Conn::new(self.socket_options()).await.map_err(|cause| self.sql_error("connect", cause))?;
        for statement in statements {
            connection.query_drop(*statement).await.map_err(|cause| self.sql_error("execute a statement", cause))?;
        }
        connection.disconnect().await.map_err(|cause| self.sql_error("disconnect", cause))
    }

    /// `MariaDB` or `MySQL`.
    pub fn name(&self) -> &'static str {
        self.flavour.server
    }

    /// The TCP port on 127.0.0.1; the same after a restart.
    pub fn port(&self) -> u16 {
        self.port.number
    }

    /// The password of root.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The process id while the server runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// The server's folder (`data/`, `log`), removed with the handle.
    pub fn folder(&self) -> &std::path::Path {
        self.process.folder()
    }

    /// `mysql://root:PASSWORD@127.0.0.1:PORT`, without a database.
    pub fn url(&self) -> String {
        format!("mysql://root:{}@127.0.0.1:{}", self.password, self.port.number)
    }

    /// The url of one database.
    pub fn url_of(&self, database: &str) -> String {
        format!("{}/{database}", self.url())
    }

    /// Stops the server if it runs (SIGTERM) and starts it again on the same port, also after [`Self::kill`].
    pub async fn restart(&mut self) -> Result<(), ServerError> {
        self.stop().await?;
        self.start_process().await
    }

    /// Replaces the extra arguments for the next restart.
    pub fn set_extra_args(&mut self, extra_args: Vec<String>) {
        self.options.extra_args = extra_args;
    }

    /// Shuts the server down in order; its data stays until the handle is dropped.
    pub async fn stop(&mut self) -> Result<(), ServerError> {
        let patience = self.options.patience;
        self.process.stop("TERM", patience).await
    }

    /// Kills the server by SIGKILL; its data stays until the handle is dropped.
    pub fn kill(&mut self) -> Result<(), ServerError> {
        self.process.kill()
    }
}
