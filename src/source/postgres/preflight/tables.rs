//! The mapped tables: whether the log holds their rows, and whether publishing them harms the application.

use super::super::connect::PostgresSourceOptions;
use super::super::names::{identifier, table};
use super::{Facts, finding};
use crate::finding::{Finding, Severity};
use crate::source::postgres::catalog::Found;

/// Findings about the mapped tables.
pub(super) fn findings(facts: &Facts, options: &PostgresSourceOptions) -> Vec<Finding> {
    let mut found: Vec<Finding> = facts.tables.iter().flat_map(|table| of_table(facts, options, table)).collect();
    for absent in &facts.absent {
        found.push(finding(Severity::Refused, "no_table", absent.name.to_string(), absent.reason, ""));
    }
    found
}

fn of_table(facts: &Facts, options: &PostgresSourceOptions, found: &Found) -> Vec<Finding> {
    let mut findings = Vec::new();
    let name = found.table.name.to_string();
    if found.facts.persistence != "p" {
        let kind = if found.facts.persistence == "u" { "unlogged" } else { "temporary" };
        let remedy = format!("ALTER TABLE {} SET LOGGED", table(&found.table.name));
        findings.push(finding(Severity::Refused, "persistence", &name, format!("is {kind}: its rows are in no log"), remedy));
    }
    if found.facts.hides_rows {
        let remedy = format!("ALTER ROLE {} BYPASSRLS", identifier(&facts.role));
        findings.push(finding(
            Severity::Refused,
            "row_security",
            &name,
            "row-level security hides rows from this role in a SELECT, but not in the log",
            remedy,
        ));
    }
    findings.extend(identity(found));
    findings.extend(virtual_columns(found));
    if let Some(partition) = found.facts.partitions.first() {
        let message = format!("partition {partition} has another replica identity than its table");
        let remedy = format!("ALTER TABLE {partition} REPLICA IDENTITY DEFAULT");
        findings.push(finding(Severity::Refused, "replica_identity", &name, message, remedy));
    }
    if found.facts.identity == "f" && found.table.primary_key.is_none() && options.transaction_bytes_max > 0 {
        let message = "has no key: its rows are counted, and it is read whole in one transaction";
        findings.push(finding(Severity::Warning, "no_key", &name, message, "declare a primary key if there is one"));
    }
    findings
}

/// REPLICA IDENTITY FULL holds every column, and a virtual one cannot be published.
fn virtual_columns(found: &Found) -> Option<Finding> {
    (found.facts.identity == "f" && found.facts.generated_virtual).then(|| {
        let name = table(&found.table.name);
        let remedy = match &found.facts.candidate {
            _ if found.facts.has_primary_key => format!("ALTER TABLE {name} REPLICA IDENTITY DEFAULT"),
            Some(index) => format!("ALTER TABLE {name} REPLICA IDENTITY USING INDEX {}", identifier(index)),
            None => "give the table a primary key, or make the columns STORED".to_owned(),
        };
        finding(
            Severity::Refused,
            "virtual_columns",
            found.table.name.to_string(),
            "has virtual generated columns and REPLICA IDENTITY FULL: once published, the application's own UPDATE and DELETE would fail",
            remedy,
        )
    })
}

/// Publishing a table whose rows cannot be identified makes the application's own UPDATE and DELETE fail.
fn identity(found: &Found) -> Option<Finding> {
    let name = table(&found.table.name);
    let identified = match found.facts.identity.as_str() {
        "d" => found.facts.has_primary_key,
        "i" => found.table.primary_key.is_some(),
        "f" => true,
        _ => false,
    };
    (!identified).then(|| {
        let remedy = match &found.facts.candidate {
            Some(index) => format!("ALTER TABLE {name} REPLICA IDENTITY USING INDEX {}", identifier(index)),
            None if found.facts.has_primary_key => format!("ALTER TABLE {name} REPLICA IDENTITY DEFAULT"),
            None => format!("ALTER TABLE {name} REPLICA IDENTITY FULL"),
        };
        finding(
            Severity::Refused,
            "replica_identity",
            found.table.name.to_string(),
            "its rows cannot be identified in the log: once published, the application's own UPDATE and DELETE would fail",
            remedy,
        )
    })
}
