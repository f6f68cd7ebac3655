//! Settings, slots and privileges of the server.

use super::super::FAILOVER_SLOTS;
use super::super::catalog::Found;
use super::super::connect::PostgresSourceOptions;
use super::super::names::{identifier, literal};
use super::super::publication::{Existing, create_statement, logs_generated};
use super::{Facts, finding};
use crate::finding::{Finding, Severity};

/// The oldest server whose log is known to be read right.
const VERSION_MIN: u32 = 140_000;
/// The first version behind those that are known.
const VERSION_END: u32 = 190_000;

/// Findings about the server itself.
pub(super) fn findings(facts: &Facts, options: &PostgresSourceOptions) -> Vec<Finding> {
    let mut found = Vec::new();
    if facts.is_standby {
        let message =
            "is a standby: in recovery no snapshot tells which transactions it shows, so that no read has a place in the log";
        found.push(finding(Severity::Refused, "standby", "server", message, "give the address of the primary"));
    }
    if !(VERSION_MIN..VERSION_END).contains(&facts.version) {
        let message = format!("version {} is not supported", facts.version / 10_000);
        found.push(finding(Severity::Refused, "version", "server", message, "sources are PostgreSQL 14 to 18"));
    }
    if facts.encoding != "UTF8" {
        let message = format!("the database is encoded in {}", facts.encoding);
        found.push(finding(Severity::Refused, "encoding", &options.database, message, "sources are databases in UTF8"));
    }
    if setting(facts, "wal_level") != "logical" {
        let message = format!("is {}: the log does not hold whole rows", setting(facts, "wal_level"));
        let remedy = "ALTER SYSTEM SET wal_level = logical, and restart the server (RDS: rds.logical_replication = 1)";
        found.push(finding(Severity::Refused, "wal_level", "wal_level", message, remedy));
    }
    found.extend(room(facts, options));
    found.extend(slot_limit(facts, options));
    found.extend(synchronous(facts));
    found.extend(failover(facts));
    found.extend(idle_timeout(facts, options));
    found.extend(privileges(facts, options));
    if facts.prepared_count > 0 {
        let message = format!("{} prepared transactions are open: a new slot waits for them", facts.prepared_count);
        let remedy = "SELECT gid, prepared FROM pg_prepared_xacts, and COMMIT PREPARED or ROLLBACK PREPARED each";
        found.push(finding(Severity::Warning, "prepared_transactions", "server", message, remedy));
    }
    found
}

fn setting<'a>(facts: &'a Facts, name: &str) -> &'a str {
    facts.settings.get(name).map_or("", String::as_str)
}

fn number(facts: &Facts, name: &str) -> u64 {
    setting(facts, name).parse().unwrap_or(0)
}

/// One slot and one sender must be free, unless they are ours already.
fn room(facts: &Facts, options: &PostgresSourceOptions) -> Vec<Finding> {
    let mut found = Vec::new();
    let (slots, senders) = (number(facts, "max_replication_slots"), number(facts, "max_wal_senders"));
    if facts.slot.is_none() && facts.slot_count >= slots {
        let message = format!("all {slots} replication slots are in use");
        let remedy = "raise max_replication_slots, or drop slots that nobody reads";
        found.push(finding(Severity::Refused, "max_replication_slots", "max_replication_slots", message, remedy));
    }
    let active = facts.slot.as_ref().is_some_and(|slot| !slot.active_pid.is_empty());
    if !active && facts.sender_count >= senders {
        let message = format!("all {senders} senders are in use");
        found.push(finding(Severity::Refused, "max_wal_senders", "max_wal_senders", message, "raise max_wal_senders"));
    }
    if let Some(slot) = &facts.slot
        && let Err(error) = slot.usable(&options.slot, &options.database)
    {
        let remedy = error.hint().unwrap_or_default().to_owned();
        found.push(finding(Severity::Warning, "slot", &options.slot, error.message(), remedy));
    }
    found
}

/// The slot of an engine that is gone holds the log for ever: something must limit it.
fn slot_limit(facts: &Facts, options: &PostgresSourceOptions) -> Option<Finding> {
    let unlimited = matches!(setting(facts, "max_slot_wal_keep_size"), "" | "-1");
    (unlimited && options.slot_limit.is_none()).then(|| {
        finding(
            Severity::Refused,
            "slot_limit",
            "max_slot_wal_keep_size",
            "nothing limits the log that a slot may hold: the slot of a dead engine would fill the disk",
            "ALTER SYSTEM SET max_slot_wal_keep_size = '20GB' and reload, or give the source `slot_limit: { max_retained: 20GiB, on_exceed: drop }`",
        )
    })
}

/// A sender that counts as a synchronous standby makes every commit of the application wait for us.
fn synchronous(facts: &Facts) -> Option<Finding> {
    let names = setting(facts, "synchronous_standby_names");
    let ours =
        names.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '*')).any(|name| matches!(name, "*" | "strangler"));
    ours.then(|| {
        finding(
            Severity::Refused,
            "synchronous_standby_names",
            "synchronous_standby_names",
            format!("is {names}: commits of the application would wait for this program"),
            "name the real standbys in synchronous_standby_names",
        )
    })
}

/// What a promotion of one of the server's standbys would do to the stream.
fn failover(facts: &Facts) -> Option<Finding> {
    if facts.standby_count == 0 || !setting(facts, "synchronized_standby_slots").is_empty() {
        return None;
    }
    let check = "failover";
    if facts.version < FAILOVER_SLOTS {
        let message = "has a standby; before PostgreSQL 17 a slot does not follow a failover: a promotion needs a new snapshot";
        return Some(finding(Severity::Note, check, "server", message, "after a promotion: `strangler run --rebuild`"));
    }
    let message = "has a standby that may be promoted without changes that were already read: that needs a new snapshot";
    let remedy = "ALTER SYSTEM SET synchronized_standby_slots = 'SLOT OF THE STANDBY' and reload; on the standby sync_replication_slots = on, \
                  hot_standby_feedback = on and a dbname in primary_conninfo";
    Some(finding(Severity::Warning, check, "synchronized_standby_slots", message, remedy))
}

/// The server may give up the slot of an engine that is stopped.
fn idle_timeout(facts: &Facts, options: &PostgresSourceOptions) -> Option<Finding> {
    let name = "idle_replication_slot_timeout";
    let seconds = number(facts, name);
    (seconds > 0).then(|| {
        let message = format!("is {seconds} s: the server gives up slot {} when the engine is stopped for longer", options.slot);
        finding(Severity::Warning, name, name, message, "raise it above the longest pause of the engine, or set it to 0")
    })
}

fn privileges(facts: &Facts, options: &PostgresSourceOptions) -> Vec<Finding> {
    let mut found = Vec::new();
    let role = identifier(&facts.role);
    if !facts.may_replicate {
        let remedy = format!("ALTER ROLE {role} REPLICATION (RDS: GRANT rds_replication TO {role})");
        found.push(finding(Severity::Privilege, "replication", &facts.role, "the role may not replicate", remedy));
    }
    for schema in &facts.closed_schemas {
        let remedy = format!("GRANT USAGE ON SCHEMA {} TO {role}", identifier(schema));
        found.push(finding(Severity::Privilege, "schema_usage", schema, "the role may not use the schema", remedy));
    }
    for table in facts.tables.iter().filter(|table| !table.facts.readable) {
        let name = super::super::names::table(&table.table.name);
        let remedy = format!("GRANT SELECT ON {name} TO {role}");
        found.push(finding(Severity::Privilege, "select", table.table.name.to_string(), "the role may not read it", remedy));
    }
    found.extend(publication(facts, options));
    found
}

/// Either the publication is there, or the role can make it.
fn publication(facts: &Facts, options: &PostgresSourceOptions) -> Option<Finding> {
    let name = &options.publication;
    let tables: Vec<String> = facts.tables.iter().map(|table| super::super::names::table(&table.table.name)).collect();
    let generated = facts.tables.iter().any(|table| logs_generated(table, facts.version));
    let may_make = facts.may_create && facts.tables.iter().all(|table| table.facts.owned);
    let covered = facts.publication.as_ref().is_some_and(|existing| existing.lacks(&[], &facts.tables).is_none());
    let unlisted = |existing: &Existing| {
        let may_add = |table: &Found| existing.owned && table.facts.owned;
        let missing = facts.tables.iter().filter(|table| !existing.lists(table) && !may_add(table));
        missing.map(|table| super::super::names::table(&table.table.name)).collect::<Vec<_>>().join(", ")
    };
    match &facts.publication {
        Some(existing) if !unlisted(existing).is_empty() => Some(finding(
            Severity::Privilege,
            "publication",
            name,
            "does not publish all mapped tables, and the role may not add them",
            format!("let the owner run: ALTER PUBLICATION {} ADD TABLE {}", identifier(name), unlisted(existing)),
        )),
        Some(existing) if covered || existing.owned => None,
        Some(_) => Some(finding(
            Severity::Refused,
            "publication",
            name,
            "does not publish what the mappings need, and belongs to another role",
            format!(
                "ALTER PUBLICATION {} SET (publish = 'insert, update, delete, truncate', publish_via_partition_root = false)",
                identifier(name)
            ),
        )),
        None if may_make => Some(finding(
            Severity::Note,
            "publication",
            name,
            "publication and replication slot will be made when the first run begins; while a publication lists a column, the server refuses to \
             change the type of it or to drop it",
            "`strangler reset` drops both; an owner's publication without column lists is used as it is",
        )),
        None => Some(finding(
            Severity::Privilege,
            "publication",
            name,
            "does not exist, and the role does not own the tables that it must list",
            format!("let the owner of the tables run: {}", create_statement(name, &tables.join(", "), generated)),
        )),
    }
}

/// The statement that tells [`Facts`] about the server, one row: see `ask` in the module above the preflight.
pub(in super::super) fn question(options: &PostgresSourceOptions, schemas: &[String]) -> String {
    let schemas: Vec<String> = schemas.iter().map(|schema| format!("({})", literal(schema))).collect();
    format!(
        "SELECT json_build_object( \
           'version', current_setting('server_version_num')::int, \
           'settings', (SELECT json_object_agg(name, setting) FROM pg_settings WHERE name IN ('wal_level', 'max_replication_slots', \
              'max_wal_senders', 'max_slot_wal_keep_size', 'synchronous_standby_names', 'synchronized_standby_slots', \
              'idle_replication_slot_timeout')), \
           'standby_count', (SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'physical'), \
           'is_standby', pg_is_in_recovery(), \
           'encoding', (SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()), \
           'role', current_user, \
           'may_replicate', (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user) \
              OR EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'rds_replication' AND pg_has_role(r.oid, 'USAGE')), \
           'may_create', has_database_privilege(current_database(), 'CREATE'), \
           'slot_count', (SELECT count(*) FROM pg_replication_slots), \
           'sender_count', (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender'), \
           'closed_schemas', (SELECT coalesce(json_agg(n.nspname), '[]') FROM (VALUES {}) AS w (name) JOIN pg_namespace n ON n.nspname = w.name \
              WHERE NOT has_schema_privilege(n.oid, 'USAGE')), \
           'prepared_count', (SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database() AND prepared < now() - interval '1 minute'))",
        if schemas.is_empty() { format!("({})", literal(options.default_schema())) } else { schemas.join(", ") }
    )
}
