//! Starts a real MySQL from the private tree that `scripts/fetch-mysql.sh` prepares, with the tree's own loader and libraries.
//!
//! The tree is found by `STRANGLER_MYSQL_ROOT`, else in `/var/cache/strangler/mysql` for root and in
//! `~/.cache/strangler/mysql` for everybody else, exactly as the script chooses it.

use super::account::Account;
use super::mysql_wire::{Flavour, MysqlWireServer};
use super::process::{ServerProcess, private_folder};
use super::{ServerError, ServerOptions};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const VARIABLE: &str = "STRANGLER_MYSQL_ROOT";

/// How to get a throw-away MySQL.
pub enum MySql {}

impl MySql {
    /// Copies the tree's initialised data folder and starts the server on it, in about four seconds.
    ///
    /// # Errors
    /// A missing tree names the script that makes it; a failed start carries the end of the server's log.
    pub async fn start(options: ServerOptions) -> Result<MysqlWireServer, ServerError> {
        let folder = private_folder("strangler-mysql-")?;
        let root = root(folder.path())?;
        if !root.join("complete").exists() {
            return Err(ServerError::Missing {
                program: format!("a MySQL tree in {}", root.display()),
                install: "scripts/fetch-mysql.sh".into(),
            });
        }
        let account = Account::choose(folder.path(), &["mysql"])?;
        let tree = root.join("tree");
        let loader = tree.join("usr/lib64/ld-linux-x86-64.so.2");
        if !account.can_read(&loader) {
            return Err(ServerError::Unreadable { path: loader, user: account.name, variable: VARIABLE });
        }
        let data = folder.path().join("data");
        copy_folder(&root.join("data"), &data)?;
        account.own(folder.path())?;
        let process = ServerProcess::new("MySQL", folder, account, "KILL");
        let flavour = Flavour { server: "MySQL", command_line: command_line(&tree, &loader) };
        MysqlWireServer::first_start(process, flavour, options).await
    }

    /// Whether the private tree is there, so that tests can skip loudly where it is not.
    pub fn is_available() -> bool {
        private_folder("strangler-mysql-").and_then(|folder| root(folder.path())).is_ok_and(|root| root.join("complete").exists())
    }
}

fn root(own_folder: &Path) -> Result<PathBuf, ServerError> {
    if let Some(chosen) = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        return Ok(PathBuf::from(chosen));
    }
    let meta = std::fs::metadata(own_folder)
        .map_err(|cause| ServerError::system(format!("read owner of {}", own_folder.display()), cause))?;
    match std::env::var_os("HOME") {
        Some(home) if meta.uid() != 0 => Ok(PathBuf::from(home).join(".cache/strangler/mysql")),
        _ => Ok(PathBuf::from("/var/cache/strangler/mysql")),
    }
}

fn command_line(tree: &Path, loader: &Path) -> Vec<String> {
    let in_tree = |path: &str| tree.join(path).display().to_string();
    let mut line = vec![
        loader.display().to_string(),
        "--library-path".into(),
        in_tree("usr/lib/x86_64-linux-gnu"),
        in_tree("usr/sbin/mysqld"),
        "--no-defaults".into(), // has to come first
        format!("--basedir={}", in_tree("usr")),
        format!("--lc-messages-dir={}", in_tree("usr/share/mysql")),
        format!("--character-sets-dir={}", in_tree("usr/share/mysql/charsets")),
        format!("--plugin-dir={}", in_tree("usr/lib/mysql/plugin")),
    ];
    let settings = [
        "--secure-file-priv=NULL", // its default folder does not exist, and the server then refuses to start
        "--mysqlx=OFF",
        "--server-id=2",
        "--binlog-row-image=FULL",
        "--binlog-row-metadata=FULL",
        "--gtid-mode=ON",
        "--enforce-gtid-consistency=ON",
        "--innodb-flush-log-at-trx-commit=2",
        "--sync-binlog=0",
    ];
    line.extend(settings.map(String::from));
    line
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), ServerError> {
    let failed = |cause| ServerError::system(format!("copy {} to {}", from.display(), to.display()), cause);
    std::fs::create_dir(to).map_err(failed)?;
    for entry in std::fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        let goal = to.join(entry.file_name());
        if kind.is_dir() {
            copy_folder(&entry.path(), &goal)?;
        } else if kind.is_file() {
            std::fs::copy(entry.path(), &goal).map_err(failed)?;
        }
    }
    Ok(())
}
