//! Standbys: a second PostgreSQL that follows the first one's log, from a copy of its files taken while it runs.

use super::account::Account;
use super::port::Port;
use super::postgres::{Postgres, sql_error};
use super::process::{ServerProcess, private_folder};
use super::{ServerError, ServerOptions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What a copy of the files leaves out: it belongs to the running server, or comes over the wire.
const LEFT_OUT: [&str; 5] = ["postmaster.pid", "postmaster.opts", "pg_wal", "pg_replslot", "pg_stat_tmp"];

impl Postgres {
    /// A standby of this server, which keeps its log for it in the physical slot `slot`; `database` is where a standby that synchronises
    /// slots connects to.
    ///
    /// # Errors
    /// Errors of the system and of both servers.
    pub async fn standby(&self, slot: &str, database: &str, options: ServerOptions) -> Result<Self, ServerError> {
        let folder = private_folder("strangler-postgres-")?;
        let account = Account::choose(folder.path(), &["postgres"])?;
        let data = folder.path().join("data");
        let client = self.connect("postgres").await?;
        let failed = |cause| sql_error("begin a backup", cause);
        client.execute("SELECT pg_create_physical_replication_slot($1, true)", &[&slot]).await.map_err(failed)?;
        client.execute("SELECT pg_backup_start('standby', true)", &[]).await.map_err(failed)?;
        copy(&self.folder().join("data"), &data)?;
        let label = client.query_one("SELECT labelfile FROM pg_backup_stop(false)", &[]).await.map_err(failed)?;
        for emptied in ["pg_wal", "pg_replslot", "pg_stat_tmp"] {
            made(&data.join(emptied))?;
        }
        let password = self.password();
        let follows = format!(
            "primary_conninfo = 'host=127.0.0.1 port={} user=postgres password={password} dbname={database} application_name={slot}'\n\
             primary_slot_name = '{slot}'\nhot_standby_feedback = on\n",
            self.port()
        );
        for (name, text) in
            [("backup_label", label.get::<_, &str>(0)), ("standby.signal", ""), ("postgresql.auto.conf", follows.as_str())]
        {
            std::fs::write(data.join(name), text).map_err(|cause| ServerError::system(format!("write {name}"), cause))?;
        }
        account.own(folder.path())?;
        let process = ServerProcess::new("PostgreSQL", folder, account, "QUIT");
        let standby =
            Self { process, program: self.program.clone(), port: Port::reserve()?, password: password.to_owned(), options };
        standby.first_start().await
    }

    /// Makes a standby a primary, on a timeline of its own.
    ///
    /// # Errors
    /// Errors of the server.
    pub async fn promote(&self) -> Result<(), ServerError> {
        self.execute("postgres", "SELECT pg_promote()").await
    }
}

/// Copies a data folder that is being written to: files may go away meanwhile, and what is torn is mended from the log.
fn copy(from: &Path, to: &Path) -> Result<(), ServerError> {
    let failed = |cause| ServerError::system(format!("copy {} to {}", from.display(), to.display()), cause);
    made(to)?;
    for entry in std::fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| LEFT_OUT.contains(&name)) {
            continue;
        }
        let goal = to.join(&name);
        if entry.path().is_dir() {
            copy(&entry.path(), &goal)?;
        } else if let Err(cause) = std::fs::copy(entry.path(), &goal)
            && cause.kind() != std::io::ErrorKind::NotFound
        {
            return Err(failed(cause));
        }
    }
    Ok(())
}

/// Makes a folder that only its owner may open.
fn made(folder: &Path) -> Result<(), ServerError> {
    let failed = |cause| ServerError::system(format!("make the folder {}", folder.display()), cause);
    std::fs::create_dir_all(folder).map_err(failed)?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).map_err(failed)
}
