//! Starts a MariaDB of our own with a row binlog that carries full metadata.

use super::account::Account;
use super::mysql_wire::{Flavour, MysqlWireServer};
use super::process::{ServerProcess, find_program, private_folder};
use super::{ServerError, ServerOptions};
use std::path::PathBuf;

/// How to get a throw-away MariaDB.
pub enum MariaDb {}

impl MariaDb {
    /// Initialises a data folder and starts the server on it, in about two seconds.
    ///
    /// # Errors
    /// A missing installation names its one apt line; a failed start carries the end of the server's log.
    pub async fn start(options: ServerOptions) -> Result<MysqlWireServer, ServerError> {
        let server = program("mariadbd")?;
        let install = program("mariadb-install-db")?;
        let folder = private_folder("strangler-mariadb-")?;
        let account = Account::choose(folder.path(), &["mysql"])?;
        account.own(folder.path())?;
        let data = folder.path().join("data");
        let mut process = ServerProcess::new("MariaDB", folder, account, "KILL");
        process
            .run_once(vec![
                install.display().to_string(),
                "--no-defaults".into(),
                format!("--datadir={}", data.display()),
                "--auth-root-authentication-method=normal".into(),
                "--skip-test-db".into(),
            ])
            .await?;
        let arguments = [
            "--no-defaults", // has to come first
            "--server-id=1",
            "--binlog-format=ROW",
            "--binlog-row-image=FULL",
            "--binlog-row-metadata=FULL",
            "--gtid-strict-mode=ON",
            "--innodb-flush-log-at-trx-commit=2",
            "--sync-binlog=0",
            "--character-set-server=utf8mb4",
            "--collation-server=utf8mb4_general_ci",
        ];
        let command_line = std::iter::once(server.display().to_string()).chain(arguments.map(String::from)).collect();
        MysqlWireServer::first_start(process, Flavour { server: "MariaDB", command_line }, options).await
    }
}

fn program(name: &str) -> Result<PathBuf, ServerError> {
    find_program(name, &[]).ok_or_else(|| ServerError::Missing {
        program: name.into(),
        install: "apt-get install -y --no-install-recommends mariadb-server".into(),
    })
}
