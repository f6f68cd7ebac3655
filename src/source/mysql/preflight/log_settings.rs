//! The binary log: that it is written, that it holds whole rows of every mapped table, and that it is kept long enough.

use crate::finding::{Finding, Severity};
use crate::schema::{Flavor, SourceCatalog};

use super::facts::Facts;
use super::finding;

/// Retention below this is a warning, hours.
const RETENTION_MIN_H: u64 = 24;
/// Events larger than the server's packet limit end the stream with error 1236.
const PACKET_MIN_BYTES: u64 = 16 << 20;

/// Findings about the log.
pub fn findings(facts: &Facts, catalog: &SourceCatalog) -> Vec<Finding> {
    let mut found = Vec::new();
    if !facts.is_on("log_bin") {
        let remedy = "set log_bin in the server's configuration and restart it";
        found.push(finding(Severity::Refused, "log_bin", "log_bin", "the server writes no binary log", remedy));
        return found;
    }
    found.extend(must_be(facts, "binlog_format", "ROW", "changes are logged as statements"));
    found.extend(must_be(facts, "binlog_row_image", "FULL", "row images lack columns"));
    if facts.variable("binlog_row_value_options").to_ascii_uppercase().contains("PARTIAL_JSON") {
        let (message, remedy) = ("JSON columns are logged as differences", "SET PERSIST binlog_row_value_options = ''");
        found.push(finding(Severity::Refused, "partial_json", "binlog_row_value_options", message, remedy));
    }
    for name in ["log_bin_compress", "binlog_transaction_compression"] {
        if facts.is_on(name) {
            found.push(finding(
                Severity::Note,
                "compression",
                name,
                "events are compressed in the log; they are unpacked here",
                "",
            ));
        }
    }
    if facts.is_on("encrypt_binlog") || facts.is_on("binlog_encryption") {
        let message = "the log is encrypted at rest; the server decrypts it for the stream";
        found.push(finding(Severity::Note, "encryption", "binlog_encryption", message, ""));
    }
    found.extend(filters(facts, catalog));
    found.extend(retention(facts));
    found.extend(identity(facts));
    found.extend(start(facts));
    let packet: u64 = facts.variable("max_allowed_packet").parse().unwrap_or(0);
    if packet < PACKET_MIN_BYTES {
        let message = format!("max_allowed_packet is {packet} bytes; a larger row would end the stream");
        let remedy = format!("SET GLOBAL max_allowed_packet = {}", 1_u64 << 30);
        found.push(finding(Severity::Warning, "max_allowed_packet", "max_allowed_packet", message, remedy));
    }
    let message =
        "sessions with sql_log_bin = 0 and minimal-logging loads leave no trace in the log; run verify to find such rows";
    found.push(finding(Severity::Note, "sql_log_bin", "sql_log_bin", message, ""));
    found
}

fn must_be(facts: &Facts, name: &'static str, wanted: &str, consequence: &str) -> Option<Finding> {
    let seen = facts.variable(name);
    if seen.eq_ignore_ascii_case(wanted) {
        return None;
    }
    let remedy =
        format!("SET GLOBAL {name} = '{wanted}' (and in the configuration file; sessions already open keep the old value)");
    Some(finding(Severity::Refused, name, name, format!("{name} is {seen}: {consequence}"), remedy))
}

/// F15: what a filter keeps out of the log can never arrive.
fn filters(facts: &Facts, catalog: &SourceCatalog) -> Vec<Finding> {
    let Some((only, ignored)) = &facts.filters else { return Vec::new() };
    let listed = |list: &str, schema: &str| list.split(',').any(|name| name.trim().eq_ignore_ascii_case(schema));
    let mut schemas: Vec<&str> = catalog.tables.iter().map(|table| table.name.schema.as_str()).collect();
    schemas.sort_unstable();
    schemas.dedup();
    let mut found = Vec::new();
    for schema in schemas {
        if !only.is_empty() {
            // With ROW the filter goes by the table's schema, but a session's default database still decides for statements.
            let message = format!("binlog_do_db = {only} decides what is logged of {schema}");
            let remedy = "remove binlog_do_db from the server's configuration and restart it";
            found.push(finding(Severity::Refused, "log_filter", schema, message, remedy));
        }
        if listed(ignored, schema) {
            let message = format!("binlog_ignore_db = {ignored} keeps {schema} out of the log");
            let remedy = "remove binlog_ignore_db from the server's configuration and restart it";
            found.push(finding(Severity::Refused, "log_filter", schema, message, remedy));
        }
    }
    found
}

fn retention(facts: &Facts) -> Option<Finding> {
    let number = |name: &str| facts.variable(name).parse::<f64>().unwrap_or(0.0);
    let seconds = number("binlog_expire_logs_seconds").max(number("expire_logs_days") * 86_400.0);
    let hours = seconds / 3600.0;
    if seconds > 0.0 && hours < RETENTION_MIN_H as f64 {
        let message = format!("binary logs are purged after {hours:.1} h; an engine that stops longer must start over");
        let remedy = match facts.server.flavor {
            Flavor::MariaDb => "SET GLOBAL expire_logs_days = 7",
            _ => "SET PERSIST binlog_expire_logs_seconds = 604800",
        };
        return Some(finding(Severity::Warning, "retention", "binlog_expire_logs_seconds", message, remedy));
    }
    if number("max_binlog_total_size") > 0.0 {
        let message = "max_binlog_total_size purges logs by size, however young they are";
        return Some(finding(
            Severity::Warning,
            "retention",
            "max_binlog_total_size",
            message,
            "SET GLOBAL max_binlog_total_size = 0",
        ));
    }
    None
}

fn identity(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    if facts.variable("server_id") == "0" {
        let message = "server_id is 0, so the server serves no replicas";
        found.push(finding(Severity::Refused, "server_id", "server_id", message, "SET GLOBAL server_id = 1"));
    }
    let own = facts.own_id.map(|id| id.to_string());
    let taken = own
        .as_ref()
        .filter(|id| facts.variable("server_id") == id.as_str() || facts.replica_ids.iter().flatten().any(|other| other == *id));
    if let Some(id) = taken {
        let message = format!("server_id {id} of this source is in use; the server would end one of the two streams");
        found.push(finding(Severity::Refused, "server_id", "server_id", message, "give another server_id in the project file"));
    }
    found
}

/// Without GTIDs the start of the stream is found by watching transactions, which takes a privilege.
fn start(facts: &Facts) -> Option<Finding> {
    let blind =
        facts.server.flavor == Flavor::MySql && facts.variable("gtid_mode") != "ON" && !facts.grants.globally(&["PROCESS"]);
    blind.then(|| {
        let message = "without GTIDs and without PROCESS the stream starts in an older log file: a table altered or a transaction prepared there \
             stops the first load, and tables without a key are refused";
        let remedy = format!("GRANT PROCESS ON *.* TO {}", facts.account);
        finding(Severity::Warning, "start", "gtid_mode", message, remedy)
    })
}
