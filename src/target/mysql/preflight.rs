//! Findings about the target's settings, names and privileges, all at once, each with the statement that mends it.

use super::connect::{Connection, MySqlOptions, Reads, SQL_MODE, cell};
use super::create::{NAME_RULE, unusable_names};
use super::inspect::plain_name;
use super::{checkpoint, sql};
use crate::error::{Error, Result};
use crate::finding::{Finding, Severity};
use crate::schema::{Grants, TableName, TargetKind, TargetTable};

const SERVER: &str = "SELECT DATABASE(), CURRENT_USER(), @@global.read_only, @@log_bin, @@global.binlog_format, @@session.sql_mode, \
     @@session.time_zone, @@global.max_connections, @@version";

/// The smallest packet in which ordinary wide rows fit without a thought.
const PACKET_BYTES_MIN: usize = 16 << 20;

/// What a table of ours needs; TRIGGER because without it triggers cannot be seen.
const WRITE_PRIVILEGES: [&str; 5] = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRIGGER"];

/// What the findings are made from.
struct Report<'a> {
    findings: Vec<Finding>,
    database: String,
    account: String,
    grants: Grants,
    options: &'a MySqlOptions,
}

/// All findings for `tables`.
pub(super) async fn findings(
    connection: &mut Connection<Reads>,
    options: &MySqlOptions,
    tables: &[TargetTable],
) -> Result<Vec<Finding>> {
    let mut report = server(connection, options).await?;
    let own = TableName { schema: report.database.clone(), name: checkpoint::TABLE.to_owned() };
    let exists = checkpoint::exists(connection).await?;
    report.privileges(&own, exists, false, &["SELECT", "INSERT", "UPDATE", "DELETE"]);
    for table in tables {
        for name in unusable_names(table) {
            let message = format!("{} cannot hold the name {name:?}", options.kind.name());
            report.add(Severity::Refused, "identifier", plain_name(table), message, NAME_RULE.to_owned());
        }
        let schema = table.schema.clone().unwrap_or_else(|| report.database.clone());
        let text =
            format!("SELECT 1 FROM information_schema.TABLES WHERE {}", sql::is_table(table, "TABLE_SCHEMA", "TABLE_NAME"));
        let exists = !connection.query(&text, ATTEMPT).await?.is_empty();
        let name = TableName { schema, name: table.name.clone() };
        report.privileges(&name, exists, !table.indexes.is_empty(), &WRITE_PRIVILEGES);
    }
    Ok(report.findings)
}

const ATTEMPT: &str = "cannot examine the target";

impl Report<'_> {
    fn add(&mut self, severity: Severity, check: &'static str, object: String, message: String, remedy: String) {
        let finding = Finding { severity, check, object, message, remedy };
        // Several tables of one database say the same about it.
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// The privileges on one table; on its database where it is still to be made.
    fn privileges(&mut self, table: &TableName, exists: bool, has_indexes: bool, needed: &[&str]) {
        let mut needed = needed.to_vec();
        if !exists {
            needed.push("CREATE");
        }
        if has_indexes {
            needed.push("INDEX");
        }
        let missing: Vec<&str> = needed.into_iter().filter(|privilege| !self.grants.on_table(privilege, table)).collect();
        if missing.is_empty() {
            return;
        }
        let list = missing.join(", ");
        let object = if exists { sql::quoted(&table.name) } else { "*".to_owned() };
        let remedy = format!("GRANT {list} ON {}.{object} TO {};", sql::quoted(&table.schema), self.account);
        let message =
            if exists { format!("the account lacks {list}") } else { format!("does not exist, and the account lacks {list}") };
        self.add(Severity::Privilege, "privilege", table.to_string(), message, remedy);
    }
}

async fn server<'a>(connection: &mut Connection<Reads>, options: &'a MySqlOptions) -> Result<Report<'a>> {
    let rows = connection.query(SERVER, ATTEMPT).await?;
    let Some(row) = rows.first() else { return Err(Error::bug("the target answers no row about itself")) };
    let text = |index: usize| cell(row, index).unwrap_or_default();
    let mut report = Report {
        findings: Vec::new(),
        database: text(0),
        account: account(&text(1)),
        grants: grants(connection).await?,
        options,
    };
    let name = options.name.clone();
    version(&mut report, connection.version);
    if text(2) != "0" && !text(2).eq_ignore_ascii_case("OFF") {
        let message = "the server is read-only".to_owned();
        report.add(
            Severity::Refused,
            "read_only",
            name.clone(),
            message,
            "connect to the primary, or SET GLOBAL read_only = OFF".into(),
        );
    }
    if text(3) == "1" && text(4).eq_ignore_ascii_case("STATEMENT") {
        let message = "binlog_format is STATEMENT, under which the isolation that writes need is refused".to_owned();
        report.add(Severity::Refused, "binlog_format", name.clone(), message, "SET GLOBAL binlog_format = 'ROW'".into());
    }
    let arrived = SQL_MODE.split(',').all(|mode| text(5).split(',').any(|own| own == mode)) && text(6) == "+00:00";
    if !arrived {
        let message = "session settings do not arrive, so there may be a proxy in between".to_owned();
        report.add(Severity::Refused, "proxy", name.clone(), message, "connect to the server itself".into());
    }
    if connection.packet_bytes_max < PACKET_BYTES_MIN {
        let message = format!("max_allowed_packet is {} bytes; a larger row would stop its mapping", connection.packet_bytes_max);
        report.add(Severity::Warning, "max_allowed_packet", name, message, "SET GLOBAL max_allowed_packet = 67108864".into());
    }
    headroom(connection, &mut report, &text(7)).await?;
    Ok(report)
}

fn version(report: &mut Report<'_>, version: (u32, u32, u32)) {
    let kind = report.options.kind;
    let (least, newest, words) = match kind {
        TargetKind::MariaDb => ((10, 6, 0), (12, u32::MAX, 0), "use MariaDB 10.6 or later"),
        // The first with the collation that tells all keys apart.
        _ => ((8, 0, 19), (9, u32::MAX, 0), "use MySQL 8.0.19 or later"),
    };
    let (major, minor, patch) = version;
    let name = report.options.name.clone();
    if version < least {
        let message = format!("{} {major}.{minor}.{patch} is not supported as a target", kind.name());
        report.add(Severity::Refused, "version", name, message, words.into());
    } else if version > newest {
        let message = format!("{} {major}.{minor} is newer than what was tested", kind.name());
        report.add(Severity::Warning, "version", name, message, String::new());
    }
}

async fn headroom(connection: &mut Connection<Reads>, report: &mut Report<'_>, connections_max: &str) -> Result<()> {
    let rows = connection.query("SHOW GLOBAL STATUS LIKE 'Threads_connected'", ATTEMPT).await?;
    let open = rows.first().and_then(|row| cell(row, 1)).and_then(|count| count.parse::<usize>().ok()).unwrap_or(0);
    let free = connections_max.parse::<usize>().unwrap_or(usize::MAX).saturating_sub(open);
    let needed = report.options.connections_max.saturating_mul(2);
    if free < needed {
        let message = format!("{free} connections are free, up to {needed} are needed");
        let remedy = "raise max_connections on the target".to_owned();
        report.add(Severity::Warning, "max_connections", report.options.name.clone(), message, remedy);
    }
    Ok(())
}

/// `'user'@'host'` of CURRENT_USER's `user@host`.
fn account(text: &str) -> String {
    let (user, host) = text.rsplit_once('@').unwrap_or((text, "%"));
    format!("'{}'@'{}'", user.replace('\'', "''"), host.replace('\'', "''"))
}

async fn grants(connection: &mut Connection<Reads>) -> Result<Grants> {
    let mut text = "SHOW GRANTS".to_owned();
    if connection.kind == TargetKind::MySql {
        let rows = connection.query("SELECT CURRENT_ROLE()", ATTEMPT).await?;
        let role = rows.first().and_then(|row| cell(row, 0)).unwrap_or_default();
        if !role.is_empty() && role != "NONE" {
            text = format!("SHOW GRANTS FOR CURRENT_USER() USING {role}");
        }
    }
    let lines: Vec<String> = connection.query(&text, ATTEMPT).await?.iter().filter_map(|row| cell(row, 0)).collect();
    Ok(Grants::parse(lines.iter().map(String::as_str)))
}
