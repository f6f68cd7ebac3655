//! Privileges: what the account lacks, with the exact statement for this server family.

use crate::finding::{Finding, Severity};
use crate::schema::{Flavor, SourceCatalog, TableName};

use super::super::catalog::Absent;
use super::super::names;
use super::facts::Facts;
use super::finding;

/// Missing privileges.
pub fn findings(facts: &Facts, catalog: &SourceCatalog, absent: &[Absent]) -> Vec<Finding> {
    let mut found = Vec::new();
    if !facts.grants.globally(&["REPLICATION SLAVE", "REPLICATION REPLICA", "SUPER"]) {
        found.push(missing(facts, "REPLICATION SLAVE", "read the binary log", "*.*"));
    }
    let monitor = match facts.server.flavor {
        Flavor::MariaDb if facts.server.version >= (10, 5, 2) => "BINLOG MONITOR",
        _ => "REPLICATION CLIENT",
    };
    if !facts.grants.globally(&["REPLICATION CLIENT", "BINLOG MONITOR", "SUPER"]) {
        found.push(missing(facts, monitor, "read positions in the binary log", "*.*"));
    }
    let tables = catalog.tables.iter().map(|table| &table.name).chain(absent.iter().map(|absent| &absent.name));
    found.extend(
        tables
            .filter(|table| !may_select(facts, table))
            .map(|table| missing(facts, "SELECT", &format!("read {table}"), &names::table(table))),
    );
    if facts.prepared.is_none() {
        found.push(finding(
            Severity::Note,
            "xa_recover",
            "XA RECOVER",
            "prepared transactions cannot be seen; one that is older than the start stops the stream at its commit",
            format!("GRANT XA_RECOVER_ADMIN ON *.* TO {}", facts.account),
        ));
    }
    found
}

/// Whether a mapped table may be read.
pub fn may_select(facts: &Facts, table: &TableName) -> bool {
    facts.grants.on_table("SELECT", table)
}

fn missing(facts: &Facts, privilege: &str, purpose: &str, object: &str) -> Finding {
    finding(
        Severity::Privilege,
        "privilege",
        format!("{privilege} on {object}"),
        format!("{} needs {privilege} to {purpose}", facts.account),
        format!("GRANT {privilege} ON {object} TO {}", facts.account),
    )
}
