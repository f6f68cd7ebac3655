//! Config: the project file, validated, turned into the option structs of the layers below.
//!
//! In: the path of a project file and the environment. Out: a [`Project`] whose paths are resolved against the folder of the file, or
//! every problem with the file at once. Secrets are read when a connection's options are asked for, from the environment or from a file that only its
//! owner may read; they are never in the project file, in an error or in a log.

mod engine;
mod files;
mod limits;
mod metrics;
mod read;
mod secret;
mod size;
#[cfg(test)]
mod tests;
mod url;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Class, Error, Result};
use crate::mapping::{Placed, Problem, SourceFile};
use crate::schema::Flavor;
use crate::schema::TargetKind;
use crate::source::database::SourceOptions;
use crate::source::limits::Limits;
use crate::source::mysql::connect::{MySqlOptions, SessionOverrides};
use crate::source::postgres::connect::{PostgresSourceOptions, SlotLimit};
use crate::target::database::TargetOptions;
use crate::target::mysql::MySqlOptions as MySqlTargetOptions;
use crate::target::postgres::{Address, PostgresOptions};

pub use engine::DEFAULT_MEMORY_BYTES;
pub use secret::SecretPlace;

/// A project file.
#[derive(Debug, Clone)]
pub struct Project {
    /// The folder that relative paths start from.
    pub folder: PathBuf,
    /// Legacy databases by name.
    pub sources: BTreeMap<String, SourceEntry>,
    /// Service databases by name.
    pub targets: BTreeMap<String, TargetEntry>,
    /// Folder of the state.
    pub state: PathBuf,
    /// How much memory the engine may use, bytes.
    pub memory_bytes: u64,
    /// How long the data may break a declared fact before its mapping stops, seconds.
    pub facts_grace_s: u64,
    /// Where the page for monitors is served; `None`: on the control socket alone.
    pub metrics: Option<SocketAddr>,
    /// Mapping files or patterns, as written.
    pub mappings: Vec<Placed<String>>,
    /// The file.
    pub file: Arc<SourceFile>,
}

/// How a connection is protected, as the file says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsChoice {
    /// Nothing said: verified off loopback, none on loopback.
    Default,
    /// `tls: off`.
    Off,
    /// `tls: { ca: FILE }`, or `tls: verify-full` with the system's authorities.
    VerifyFull {
        /// PEM file of authorities.
        ca: Option<PathBuf>,
    },
}

/// What belongs to a PostgreSQL source.
#[derive(Debug, Clone, Default)]
pub struct ReplicationEntry {
    /// Name of the replication slot; `None`: made of the source's.
    pub slot: Option<String>,
    /// Name of the publication; `None`: as the slot.
    pub publication: Option<String>,
    /// How much log the slot may hold.
    pub slot_limit: Option<SlotLimit>,
}

/// The `limits:` of a source.
#[derive(Debug, Clone)]
pub struct LimitsEntry {
    /// The bounds of the chunk readers.
    pub limits: Limits,
    /// How far a running engine may be told to raise the connections.
    pub connections_max: Option<u64>,
    /// Time limit of a statement, seconds.
    pub statement_timeout_s: u32,
    /// The memory that one source transaction may take, bytes.
    pub transaction_bytes_max: usize,
    /// Whose lag `max_lag_s` is about.
    pub replica: Option<ReplicaEntry>,
    /// Where `max_load` stands.
    pub max_load_span: Option<Range<usize>>,
    /// Where `max_lag_s` stands.
    pub max_lag_span: Option<Range<usize>>,
}

/// The replica whose lag is looked at.
#[derive(Debug, Clone)]
pub enum ReplicaEntry {
    /// A MySQL or MariaDB server.
    Server {
        /// Where it is.
        url: Box<url::DatabaseUrl>,
        /// Where its password is.
        password: SecretPlace,
        /// Protection.
        tls: TlsChoice,
    },
    /// A PostgreSQL standby by its `application_name`.
    Standby(String),
}

/// A legacy database.
#[derive(Debug, Clone)]
pub struct SourceEntry {
    /// What kind of database it is.
    pub kind: url::SourceKind,
    /// Where it is.
    pub url: url::DatabaseUrl,
    /// Where its password is.
    pub password: SecretPlace,
    /// Protection.
    pub tls: TlsChoice,
    /// Replica id of the stream.
    pub server_id: Option<u32>,
    /// What the SELECTs mean.
    pub session: SessionOverrides,
    /// How gently it is read.
    pub limits: LimitsEntry,
    /// What belongs to a PostgreSQL source.
    pub replication: ReplicationEntry,
}

/// A service database.
#[derive(Debug, Clone)]
pub struct TargetEntry {
    /// What kind of database it is.
    pub kind: TargetKind,
    /// Where it is.
    pub url: url::DatabaseUrl,
    /// Where its password is.
    pub password: SecretPlace,
    /// Protection.
    pub tls: TlsChoice,
}

impl Project {
    /// Reads a project file.
    ///
    /// # Errors
    /// All problems with it; a file that cannot be read is one without a place.
    pub fn read(path: &Path) -> std::result::Result<Self, Vec<Problem>> {
        let file = files::read(path).map_err(|problem| vec![*problem])?;
        let folder = path.parent().unwrap_or(Path::new(""));
        read::project(file, folder)
    }

    /// The mapping files that the patterns name, in the order of their paths.
    ///
    /// # Errors
    /// A pattern that names nothing, or a file that cannot be read; all of them.
    pub fn mapping_files(&self) -> std::result::Result<Vec<Arc<SourceFile>>, Vec<Problem>> {
        files::mappings(self)
    }

    /// The options of a source, its password read.
    ///
    /// # Errors
    /// `Mapping` if there is no such source or its password cannot be read.
    pub fn source_options(&self, name: &str) -> Result<SourceOptions> {
        let entry = self.sources.get(name).ok_or_else(|| unknown("source", name))?;
        let address = tcp(&entry.url)?;
        let password = entry.password.read("source", name)?.map(crate::transport::Secret::new);
        if entry.kind == url::SourceKind::PostgreSql {
            let options = entry.postgres(name, address, password);
            return Ok(SourceOptions::Postgres(Box::new(PostgresSourceOptions { spill: Some(self.spill()), ..options })));
        }
        let mut options = entry.mysql(name, &entry.url, address, password, tls(&entry.tls, &entry.url));
        options.spill = Some(self.spill());
        if let Some(ReplicaEntry::Server { url, password, tls: choice }) = &entry.limits.replica {
            let replica = format!("{name} (its replica)");
            let password = password.read("the replica of source", name)?.map(crate::transport::Secret::new);
            options.replica = Some(Box::new(entry.mysql(&replica, url, tcp(url)?, password, tls(choice, url))));
        }
        Ok(SourceOptions::MySql(Box::new(options)))
    }

    /// The schema (PostgreSQL) or database (MySQL) that unqualified names of a source mean, and a flavor that reads its SELECTs.
    #[must_use]
    pub fn naming(&self, source: &str) -> Option<(String, Flavor)> {
        let entry = self.sources.get(source)?;
        Some(match entry.kind {
            // Reading names is the same for both families.
            url::SourceKind::MySql => (entry.url.database.clone(), Flavor::MariaDb),
            url::SourceKind::PostgreSql => ("public".to_owned(), Flavor::PostgreSql),
        })
    }

    /// The options of a target, its password read.
    ///
    /// # Errors
    /// `Mapping` if there is no such target or its password cannot be read.
    pub fn target_options(&self, name: &str) -> Result<TargetOptions> {
        let entry = self.targets.get(name).ok_or_else(|| unknown("target", name))?;
        let password = entry.password.read("target", name)?.map(crate::transport::Secret::new);
        if entry.kind != TargetKind::PostgreSql {
            let url::Host::Tcp { host, port } = &entry.url.host else {
                return Err(Error::bug("a target without a TCP address was accepted"));
            };
            let address = (host.clone(), *port);
            let mut options = MySqlTargetOptions::new(name, entry.kind, address, &entry.url.user, &entry.url.database);
            options.password = password;
            options.tls = tls(&entry.tls, &entry.url);
            return Ok(TargetOptions::MySql(options));
        }
        let address = match &entry.url.host {
            url::Host::Tcp { host, port } => Address::Tcp { host: host.clone(), port: *port },
            url::Host::Socket { directory, port } => Address::Socket { directory: directory.clone(), port: *port },
        };
        let mut options = PostgresOptions::new(name, address, &entry.url.user, &entry.url.database);
        options.password = password;
        options.tls = tls(&entry.tls, &entry.url);
        Ok(TargetOptions::Postgres(options))
    }

    /// What kind of database a target is; PostgreSQL where there is no such target, which is reported elsewhere.
    #[must_use]
    pub fn target_kind(&self, name: &str) -> TargetKind {
        self.targets.get(name).map_or(TargetKind::PostgreSql, |entry| entry.kind)
    }
}

impl SourceEntry {
    fn mysql(
        &self,
        name: &str,
        url: &url::DatabaseUrl,
        (host, port): (&str, u16),
        password: Option<crate::transport::Secret>,
        tls: crate::transport::Tls,
    ) -> MySqlOptions {
        MySqlOptions {
            name: name.to_owned(),
            host: host.to_owned(),
            port,
            user: url.user.clone(),
            password,
            database: url.database.clone(),
            tls,
            server_id: self.server_id,
            session: self.session.clone(),
            statement_timeout_s: self.limits.statement_timeout_s,
            connections_max: self.connections_max(),
            transaction_bytes_max: self.limits.transaction_bytes_max,
            spill: None,
            replica: None,
        }
    }

    /// Connections at most, the stream's not counted.
    #[must_use]
    pub fn connections_max(&self) -> usize {
        let LimitsEntry { limits, connections_max, .. } = &self.limits;
        usize::try_from(connections_max.unwrap_or(0).max(limits.connections)).unwrap_or(1)
    }

    fn postgres(
        &self,
        name: &str,
        (host, port): (&str, u16),
        password: Option<crate::transport::Secret>,
    ) -> PostgresSourceOptions {
        let slot = self.replication.slot.clone().unwrap_or_else(|| PostgresSourceOptions::default_slot(name));
        PostgresSourceOptions {
            name: name.to_owned(),
            host: host.to_owned(),
            port,
            user: self.url.user.clone(),
            password,
            database: self.url.database.clone(),
            tls: tls(&self.tls, &self.url),
            schema: None,
            time_zone: self.session.time_zone.clone(),
            publication: self.replication.publication.clone().unwrap_or_else(|| slot.clone()),
            slot,
            slot_limit: self.replication.slot_limit,
            statement_timeout_s: self.limits.statement_timeout_s,
            connections_max: self.connections_max(),
            transaction_bytes_max: self.limits.transaction_bytes_max,
            spill: None,
            replica: self.limits.replica.as_ref().and_then(|replica| match replica {
                ReplicaEntry::Standby(name) => Some(name.clone()),
                ReplicaEntry::Server { .. } => None,
            }),
        }
    }
}

/// Host and port of a server that is only reached by TCP.
fn tcp(url: &url::DatabaseUrl) -> Result<(&str, u16)> {
    match &url.host {
        url::Host::Tcp { host, port } => Ok((host, *port)),
        url::Host::Socket { .. } => Err(Error::bug("a source without a TCP address was accepted")),
    }
}

fn tls(choice: &TlsChoice, url: &url::DatabaseUrl) -> crate::transport::Tls {
    use crate::transport::Tls;
    match choice {
        TlsChoice::Off => Tls::Off,
        TlsChoice::Default if url.is_local() => Tls::Off,
        TlsChoice::Default => Tls::VerifyFull { ca: None },
        TlsChoice::VerifyFull { ca } => Tls::VerifyFull { ca: ca.clone() },
    }
}

fn unknown(kind: &str, name: &str) -> Error {
    Error::new(Class::Mapping, format!("the project file has no {kind} {name}"))
        .with_hint(format!("add it under `{kind}s:`, or correct its name in the mapping file"))
}
