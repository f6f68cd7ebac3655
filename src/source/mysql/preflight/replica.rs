//! Servers that apply another server's changes: whether what they apply reaches their own log, and in its order.
//!
//! In: the replication channels, the settings and what the account may see. Out: a refusal where applied changes leave no trace in the
//! log or are committed in another order than on their source, a warning where a filter keeps changes from the server's own tables, and a word about it where the account may not look.

use crate::finding::{Finding, Severity};
use crate::schema::Flavor;

use super::facts::Facts;
use super::finding;

/// Settings that leave out a part of what the source of a replica sends. MariaDB has them as variables, MySQL in the status.
const FILTERS: &[&str] = &[
    "replicate_do_db",
    "replicate_ignore_db",
    "replicate_do_table",
    "replicate_ignore_table",
    "replicate_wild_do_table",
    "replicate_wild_ignore_table",
    "replicate_rewrite_db",
];

/// One replication channel of the server: the columns of its status by lower-case name.
#[derive(Debug, Clone, Default)]
pub struct Channel(pub Vec<(String, String)>);

impl Channel {
    fn column(&self, names: &[&str]) -> &str {
        let wanted = |name: &str| names.contains(&name);
        self.0.iter().find(|(name, _)| wanted(name)).map_or("", |(_, value)| value.as_str())
    }

    /// Where it reads from, as a person names it.
    fn origin(&self) -> String {
        format!("{}:{}", self.column(&["source_host", "master_host"]), self.column(&["source_port", "master_port"]))
    }
}

/// Findings about a server that is itself a replica.
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    let setting = if facts.variables.contains_key("log_replica_updates") { "log_replica_updates" } else { "log_slave_updates" };
    if !facts.is_on(setting) {
        found.extend(unlogged(facts, setting));
    }
    found.extend(unordered(facts));
    found.extend(filters(facts));
    found
}

/// A replica that commits in another order than its source shows states that the source never had, and its log is another history.
fn unordered(facts: &Facts) -> Option<Finding> {
    let is_replica = facts.appliers_running > 0 || facts.channels.as_ref().is_some_and(|channels| !channels.is_empty());
    let check = "replica_order";
    if !is_replica {
        return None;
    }
    if facts.server.flavor == Flavor::MariaDb {
        let domains = domain_count(facts.variable("gtid_slave_pos"));
        let is_parallel = facts.variable("slave_parallel_threads") != "0" && facts.variable("slave_parallel_mode") != "none";
        return (is_parallel && domains > 1).then(|| {
            let message =
                format!("the server is a replica that applies {domains} GTID domains in parallel, in no order between them");
            let remedy = "STOP SLAVE; SET GLOBAL slave_parallel_threads = 0; START SLAVE, or read from the primary";
            finding(Severity::Refused, check, "slave_parallel_threads", message, remedy)
        });
    }
    let former = facts.variables.contains_key("slave_preserve_commit_order")
        && !facts.variables.contains_key("replica_preserve_commit_order");
    let word = if former { "slave" } else { "replica" };
    let workers: u32 = facts.variable(&format!("{word}_parallel_workers")).parse().unwrap_or(0);
    let setting = format!("{word}_preserve_commit_order");
    (workers > 1 && !facts.is_on(&setting)).then(|| {
        let message = format!(
            "the server is a replica with {workers} appliers and {setting} = OFF: it commits in another order than its source"
        );
        let remedy = format!(
            "STOP {0} SQL_THREAD; SET GLOBAL {setting} = ON; START {0} SQL_THREAD, or read from the primary",
            word.to_uppercase()
        );
        finding(Severity::Refused, check, setting.as_str(), message, remedy)
    })
}

/// How many GTID domains a list names.
fn domain_count(list: &str) -> usize {
    let domains = list.split(',').filter_map(|gtid| gtid.trim().split_once('-').map(|(domain, _)| domain));
    domains.collect::<std::collections::BTreeSet<_>>().len()
}

/// What is applied and not logged can never arrive.
fn unlogged(facts: &Facts, setting: &str) -> Option<Finding> {
    let remedy = format!("set {setting} = ON in the server's configuration and restart it, or read from the primary");
    if facts.is_on("wsrep_on") {
        let message = format!("{setting} is OFF on a cluster node: what other nodes write is not in its log");
        return Some(finding(Severity::Refused, "replica", setting, message, remedy));
    }
    let origin = match &facts.channels {
        Some(channels) => channels.first().map(Channel::origin),
        None => (facts.appliers_running > 0).then(|| "another server".to_owned()),
    };
    if let Some(origin) = origin {
        let message = format!("the server is a replica of {origin} and {setting} is OFF: what it applies is not in its log");
        return Some(finding(Severity::Refused, "replica", setting, message, remedy));
    }
    facts.channels.is_none().then(|| {
        let privilege = if facts.server.flavor == Flavor::MariaDb { "REPLICA MONITOR" } else { "REPLICATION CLIENT" };
        let message = format!("{setting} is OFF and the account may not see whether the server is a replica; what a replica applies would not be in its log");
        finding(Severity::Warning, "replica", setting, message, format!("GRANT {privilege} ON *.* TO {}", facts.account))
    })
}

/// What a filter drops is missing from the tables themselves, in the first load as in the log.
fn filters(facts: &Facts) -> Vec<Finding> {
    let is_replica = facts.appliers_running > 0 || facts.channels.as_ref().is_none_or(|channels| !channels.is_empty());
    let filter = |name: &&str| {
        let channels = facts.channels.iter().flatten();
        let values = channels.map(|channel| channel.column(&[name])).chain([facts.variable(name)]);
        let value = values.map(str::trim).find(|value| !value.is_empty())?.to_owned();
        let message = format!("the server is a replica with {name} = {value}: what the filter leaves out is not in its tables");
        Some(finding(Severity::Warning, "replica_filter", *name, message, "remove the filter, or read from the primary"))
    };
    if is_replica { FILTERS.iter().filter_map(filter).collect() } else { Vec::new() }
}
