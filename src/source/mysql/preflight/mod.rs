//! The preflight: everything about the legacy server that would make a migration fail or be wrong, found before it starts.
//!
//! In: a connection and the catalogue of the mapped tables. Out: all findings at once, each with its object, what was seen and the
//! statement that mends it. One file per topic; each topic is a pure function of the [`facts::Facts`] asked once.

mod facts;
mod foreign_keys;

mod log_settings;
mod privileges;
mod replica;
mod session;
mod tables;

use crate::error::Result;
use crate::finding::{Finding, Severity};
use crate::schema::SourceCatalog;

use super::catalog::Absent;
use super::connect::Pool;

/// All findings, the most severe first.
///
/// # Errors
/// Connection errors. A missing privilege is a finding, not an error.
pub async fn findings(pool: &Pool, catalog: &SourceCatalog, absent: &[Absent]) -> Result<Vec<Finding>> {
    let facts = facts::ask(pool, catalog).await?;
    let mut found = Vec::new();
    found.extend(privileges::findings(&facts, catalog, absent));
    found.extend(log_settings::findings(&facts, catalog));
    found.extend(replica::findings(&facts));
    found.extend(tables::findings(&facts, catalog, absent));
    found.extend(foreign_keys::findings(&facts, catalog));
    found.extend(session::findings(&facts, catalog));
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok(found)
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
