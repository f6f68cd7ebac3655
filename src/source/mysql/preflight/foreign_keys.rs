//! Foreign keys whose action changes rows of a mapped child: most servers do that below the log (F19, F20).

use crate::finding::{Finding, Severity};
use crate::schema::SourceCatalog;

use super::super::names;
use super::facts::{Facts, ForeignKey};
use super::finding;

/// Refuses mapped children of acting foreign keys, unless the server logs what the action does.
pub fn findings(facts: &Facts, catalog: &SourceCatalog) -> Vec<Finding> {
    if logs_cascades(facts) {
        return Vec::new();
    }
    let mapped = |key: &&ForeignKey| catalog.tables.iter().any(|table| table.name == key.child);
    facts.foreign_keys.iter().filter(mapped).filter_map(refuse).collect()
}

/// The variable exists from MySQL 9.6 on; OFF means that the server, not the engine, cascades, and logs it.
fn logs_cascades(facts: &Facts) -> bool {
    facts.variables.contains_key("innodb_native_foreign_keys") && !facts.is_on("innodb_native_foreign_keys")
}

fn refuse(key: &ForeignKey) -> Option<Finding> {
    let acts = |rule: &str| !matches!(rule.to_ascii_uppercase().as_str(), "RESTRICT" | "NO ACTION");
    let actions: Vec<String> = [("DELETE", &key.on_delete), ("UPDATE", &key.on_update)]
        .into_iter()
        .filter(|(_, rule)| acts(rule))
        .map(|(event, rule)| format!("ON {event} {rule}"))
        .collect();
    if actions.is_empty() {
        return None;
    }
    let message = format!("foreign key {} changes rows {} without logging them", key.name, actions.join(" and "));
    let remedy = format!(
        "ALTER TABLE {} DROP FOREIGN KEY {}, or make it RESTRICT and let the application delete the children",
        names::table(&key.child),
        names::identifier(&key.name)
    );
    Some(finding(Severity::Refused, "foreign_key", key.child.to_string(), message, remedy))
}
