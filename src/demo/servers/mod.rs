//! Throw-away database servers on loopback, for the demo and the tests.
//!
//! Each server lives in its own folder under the system's temp folder, listens on its own free port, runs as an
//! ordinary user even when we are root, and is gone (process and folder) when its handle is dropped. If we are killed
//! instead, the kernel ends the servers; only their folders stay behind.
//! Not meant to hold data anybody wants to keep: no fsync where the server lets us choose.

mod account;
mod mariadb;
mod mysql;
mod mysql_wire;
mod port;
mod postgres;
mod process;
#[cfg(test)]
mod shared;
mod standby;
#[cfg(test)]
mod tests;

pub use mariadb::MariaDb;
pub use mysql::MySql;
pub use mysql_wire::MysqlWireServer;
pub use postgres::Postgres;
pub(in crate::demo) use process::{find_program, private_folder, signal, spawn_tied_to_us};
#[cfg(test)]
pub(crate) use shared::TestPostgres;

use std::path::PathBuf;
use std::time::Duration;

/// How to start a server.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Arguments for the server program, after our own, so that they win (`--binlog-row-image=MINIMAL`, `-cwork_mem=1MB`).
    pub extra_args: Vec<String>,
    /// How long a start, a stop or a restart may take before it is an error.
    pub patience: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self { extra_args: Vec::new(), patience: Duration::from_secs(60) }
    }
}

impl ServerOptions {
    /// The default options with these server arguments added.
    pub fn with_args<S: Into<String>>(args: impl IntoIterator<Item = S>) -> Self {
        Self { extra_args: args.into_iter().map(Into::into).collect(), ..Self::default() }
    }
}

/// Why a throw-away server could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A program is not installed; `install` is the one line that installs it.
    #[error("{program} not found; install it with: {install}")]
    Missing {
        /// The program that was looked for.
        program: String,
        /// A shell command.
        install: String,
    },
    /// Files exist but the server's user may not read them.
    #[error("{path} cannot be read by user {user}, which runs the server; set {variable} to a folder outside of private homes", path = path.display())]
    Unreadable {
        /// What cannot be read.
        path: PathBuf,
        /// The user that runs the server.
        user: String,
        /// The environment variable that moves it.
        variable: &'static str,
    },
    /// The server ended, or did not answer in time; `log` is the end of what it wrote.
    #[error("{server} did not {wanted}\n{log}")]
    Failed {
        /// `MariaDB`, `MySQL` or `PostgreSQL`.
        server: &'static str,
        /// What was waited for (`start`, `stop`).
        wanted: &'static str,
        /// The last lines of the server's log.
        log: String,
    },
    /// No free port was found.
    #[error("no free port found on 127.0.0.1 between {0} and {1}")]
    NoPort(u16, u16),
    /// The operating system said no.
    #[error("{attempted}: {cause}")]
    System {
        /// What was attempted, on which object.
        attempted: String,
        /// The system's answer.
        cause: std::io::Error,
    },
    /// The server refused a statement of ours.
    #[error("{server}: {attempted}: {cause}")]
    Sql {
        /// `MariaDB`, `MySQL` or `PostgreSQL`.
        server: &'static str,
        /// What was attempted.
        attempted: &'static str,
        /// The driver's error.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ServerError {
    /// An error of the operating system, with what was attempted.
    pub(crate) fn system(attempted: impl Into<String>, cause: std::io::Error) -> Self {
        Self::System { attempted: attempted.into(), cause }
    }
}

/// A password that nobody else on this machine can guess in the life of a throw-away server.
fn random_password() -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(20).collect()
}
