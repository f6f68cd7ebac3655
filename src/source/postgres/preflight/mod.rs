//! The preflight: everything about the legacy server that would make a migration fail, be wrong, or harm the legacy application, found
//! before it starts.
//!
//! In: a connection and the catalogue of the mapped tables. Out: all findings at once, each with its object, what was seen and the
//! statement that mends it. Nothing is written.

mod server;
mod tables;

use serde::Deserialize;

pub(super) use self::server::question;
use super::catalog::{Absent, Found};
use super::connect::PostgresSourceOptions;
use super::history::Slot;
use super::publication::Existing;
use crate::finding::{Finding, Severity};

/// What the findings are made from, asked once.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Facts {
    /// `server_version_num`.
    pub(super) version: u32,
    /// Settings by name.
    pub(super) settings: std::collections::BTreeMap<String, String>,
    /// Whether the server is a standby.
    pub(super) is_standby: bool,
    /// The database's encoding.
    pub(super) encoding: String,
    /// The role.
    pub(super) role: String,
    /// Whether the role may replicate.
    pub(super) may_replicate: bool,
    /// Whether the role may create in the database.
    pub(super) may_create: bool,
    /// Replication slots in use.
    pub(super) slot_count: u64,
    /// Physical slots: those of standbys.
    pub(super) standby_count: u64,
    /// Senders in use.
    pub(super) sender_count: u64,
    /// Schemas of mapped tables that are closed to the role.
    pub(super) closed_schemas: Vec<String>,
    /// Prepared transactions of this database, older than a minute.
    pub(super) prepared_count: u64,
    /// The slot, if it is there.
    #[serde(skip)]
    pub(super) slot: Option<Slot>,
    /// The publication, if it is there.
    #[serde(skip)]
    pub(super) publication: Option<Existing>,
    /// The mapped tables.
    #[serde(skip)]
    pub(super) tables: Vec<Found>,
    /// Names that are no tables.
    #[serde(skip)]
    pub(super) absent: Vec<Absent>,
}

/// All findings, the most severe first.
pub(super) fn findings(facts: &Facts, options: &PostgresSourceOptions) -> Vec<Finding> {
    let mut found = server::findings(facts, options);
    found.extend(tables::findings(facts, options));
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    found
}

fn finding(
    severity: Severity,
    check: &'static str,
    object: impl Into<String>,
    message: impl Into<String>,
    remedy: impl Into<String>,
) -> Finding {
    Finding { severity, check, object: object.into(), message: message.into(), remedy: remedy.into() }
}
