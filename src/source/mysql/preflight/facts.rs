//! What the preflight asks the server, once. What the account may not see is `None`, never a guess.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use crate::error::{Class, Result};
use crate::schema::{Flavor, SourceCatalog, TableName};

use super::super::connect::{Pool, Server, Use};
use super::super::failure;
use super::super::names;
use super::super::select::{all_rows, one_row};
use super::super::tokens::tokenize;
use super::replica::Channel;
use crate::schema::Grants;

/// A foreign key whose child is mapped and whose action changes child rows.
pub struct ForeignKey {
    /// The mapped child.
    pub child: TableName,
    /// The constraint.
    pub name: String,
    /// ON DELETE.
    pub on_delete: String,
    /// ON UPDATE.
    pub on_update: String,
}

/// The answers.
pub struct Facts {
    pub server: Server,
    /// Global variables, lower case.
    pub variables: BTreeMap<String, String>,
    pub grants: Grants,
    /// `user@host` of the account, quoted.
    pub account: String,
    /// `Binlog_Do_DB` and `Binlog_Ignore_DB`.
    pub filters: Option<(String, String)>,
    pub foreign_keys: Vec<ForeignKey>,
    /// How many transactions are prepared.
    pub prepared: Option<usize>,
    /// Ids of the connected replicas.
    pub replica_ids: Option<Vec<String>>,
    /// The channels on which the server is a replica itself.
    pub channels: Option<Vec<Channel>>,
    /// How many appliers run, as far as the status tells everybody (MariaDB).
    pub appliers_running: u64,
    /// The id that the project gives.
    pub own_id: Option<u32>,
    /// Server clock minus ours, seconds.
    pub clock_skew_s: i64,
}

impl Facts {
    /// A global variable, or empty.
    pub fn variable(&self, name: &str) -> &str {
        self.variables.get(name).map_or("", String::as_str)
    }

    /// Whether a variable is set to ON or 1.
    pub fn is_on(&self, name: &str) -> bool {
        matches!(self.variable(name).to_ascii_uppercase().as_str(), "ON" | "1" | "YES")
    }
}

/// Asks the server.
///
/// # Errors
/// Connection errors.
pub async fn ask(pool: &Pool, catalog: &SourceCatalog) -> Result<Facts> {
    let (server, _) = pool.known().await?;
    let limit = pool.answer_limit();
    let mut lease = pool.lease(Use::Select).await?;
    let conn = lease.conn();
    let variables = all_rows(conn, limit, "read the global variables", "SHOW GLOBAL VARIABLES").await?;
    let variables = variables.into_iter().filter_map(|row| Some((row.first()?.to_lowercase(), row.get(1)?.clone()))).collect();
    let modern = server.flavor == Flavor::MySql && server.version >= (8, 2, 0);
    let status = if modern { "SHOW BINARY LOG STATUS" } else { "SHOW MASTER STATUS" };
    let status = if_allowed(all_rows(conn, limit, "read the end of the binary log", status).await)?;
    let filters = status.and_then(|rows| Some((rows.first()?.get(2)?.clone(), rows.first()?.get(3)?.clone())));
    let replicas = if modern { "SHOW REPLICAS" } else { "SHOW SLAVE HOSTS" };
    let replicas = if_allowed(all_rows(conn, limit, "list the connected replicas", replicas).await)?;
    let facts = Facts {
        server: server.clone(),
        variables,
        grants: grants(conn, limit, server).await?,
        account: account(conn, limit).await?,
        filters,
        foreign_keys: foreign_keys(conn, limit, catalog).await?,
        prepared: if_allowed(all_rows(conn, limit, "list prepared transactions", "XA RECOVER").await)?.map(|rows| rows.len()),
        replica_ids: replicas.map(|rows| rows.into_iter().filter_map(|row| row.into_iter().next()).collect()),
        channels: if_allowed(channels(conn, limit, server).await)?,
        appliers_running: appliers_running(conn, limit).await?,
        own_id: pool.options().server_id,
        clock_skew_s: clock_skew(conn, limit).await?,
    };
    lease.give_back().await?;
    Ok(facts)
}

/// `None` where a privilege is missing.
fn if_allowed<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.class() == Class::Privilege => Ok(None),
        Err(error) => Err(error),
    }
}

async fn account(conn: &mut Conn, limit: Duration) -> Result<String> {
    let row = one_row(conn, limit, "read the account", "SELECT CURRENT_USER()").await?;
    let text = row.first().map_or("", String::as_str);
    let (user, host) = text.rsplit_once('@').unwrap_or((text, "%"));
    Ok(format!("'{}'@'{}'", user.replace('\'', "''"), host.replace('\'', "''")))
}

async fn grants(conn: &mut Conn, limit: Duration, server: &Server) -> Result<Grants> {
    let mut sql = "SHOW GRANTS".to_owned();
    if server.flavor == Flavor::MySql && server.version >= (8, 0, 0) {
        let role =
            one_row(conn, limit, "read the active roles", "SELECT CURRENT_ROLE()").await?.into_iter().next().unwrap_or_default();
        if !role.is_empty() && role != "NONE" {
            sql = format!("SHOW GRANTS FOR CURRENT_USER() USING {role}");
        }
    }
    let rows = all_rows(conn, limit, "read the privileges of the account", &sql).await?;
    Ok(Grants::parse(rows.iter().filter_map(|row| row.first().map(String::as_str))))
}

/// From SHOW CREATE TABLE: information_schema shows foreign keys only to accounts that may do more than SELECT.
async fn foreign_keys(conn: &mut Conn, limit: Duration, catalog: &SourceCatalog) -> Result<Vec<ForeignKey>> {
    let mut found = Vec::new();
    for table in &catalog.tables {
        let sql = format!("SHOW CREATE TABLE {}", names::table(&table.name));
        let Some(row) = if_allowed(one_row(conn, limit, "read the definition of a table", &sql).await)? else { continue };
        let definition = row.get(1).map_or("", String::as_str);
        found.extend(definition.lines().filter_map(|line| foreign_key(&table.name, line)));
    }
    Ok(found)
}

/// The foreign key that a line of a table's definition declares.
fn foreign_key(child: &TableName, line: &str) -> Option<ForeignKey> {
    let tokens = tokenize(line);
    let [constraint, name, foreign, key, rest @ ..] = tokens.as_slice() else { return None };
    if !(constraint.is_word("CONSTRAINT") && foreign.is_word("FOREIGN") && key.is_word("KEY")) {
        return None;
    }
    let rule = |event: &str| {
        let Some(at) = rest.windows(2).position(|pair| matches!(pair, [on, what] if on.is_word("ON") && what.is_word(event)))
        else {
            return Some("RESTRICT".to_owned());
        };
        let first = rest.get(at + 2)?.identifier()?;
        match first.to_ascii_uppercase().as_str() {
            "SET" | "NO" => Some(format!("{first} {}", rest.get(at + 3)?.identifier()?)),
            _ => Some(first),
        }
    };
    Some(ForeignKey { child: child.clone(), name: name.identifier()?, on_delete: rule("DELETE")?, on_update: rule("UPDATE")? })
}

/// The status of every replication channel. Its columns differ between versions, so they are read by name.
async fn channels(conn: &mut Conn, limit: Duration, server: &Server) -> Result<Vec<Channel>> {
    let sql = match server.flavor {
        Flavor::MariaDb => "SHOW ALL SLAVES STATUS",
        Flavor::MySql if server.version >= (8, 0, 22) => "SHOW REPLICA STATUS",
        _ => "SHOW SLAVE STATUS",
    };
    let rows: Vec<Row> = failure::within(limit, "read the replication status", conn.query(sql)).await?;
    let text = |row: &Row, index: usize| {
        row.get_opt::<Option<String>, _>(index).and_then(std::result::Result::ok).flatten().unwrap_or_default()
    };
    let channel = |row: &Row| {
        let columns = row.columns_ref().iter().enumerate();
        Channel(columns.map(|(index, column)| (column.name_str().to_lowercase(), text(row, index))).collect())
    };
    Ok(rows.iter().map(channel).collect())
}

async fn appliers_running(conn: &mut Conn, limit: Duration) -> Result<u64> {
    let rows = all_rows(conn, limit, "count the running appliers", "SHOW GLOBAL STATUS LIKE 'Slaves_running'").await?;
    Ok(rows.first().and_then(|row| row.get(1)?.parse().ok()).unwrap_or(0))
}

async fn clock_skew(conn: &mut Conn, limit: Duration) -> Result<i64> {
    let row = one_row(conn, limit, "read the server's clock", "SELECT UNIX_TIMESTAMP()").await?;
    let theirs = row.first().and_then(|text| text.parse::<i64>().ok());
    let ours = SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok());
    Ok(theirs.zip(ours).map_or(0, |(theirs, ours)| theirs - ours))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f19_foreign_keys_are_read_from_the_definition() {
        let child = TableName { schema: "erp".into(), name: "child".into() };
        let rules = |line: &str| foreign_key(&child, line).map(|key| (key.name, key.on_delete, key.on_update));
        let found = |name: &str, on_delete: &str, on_update: &str| Some((name.into(), on_delete.into(), on_update.into()));
        let line = "  CONSTRAINT `to``p` FOREIGN KEY (`p`) REFERENCES `parent` (`k`)";
        assert_eq!(rules(&format!("{line},")), found("to`p", "RESTRICT", "RESTRICT"));
        assert_eq!(rules(&format!("{line} ON DELETE CASCADE ON UPDATE NO ACTION,")), found("to`p", "CASCADE", "NO ACTION"));
        assert_eq!(rules(&format!("{line} ON UPDATE SET NULL")), found("to`p", "RESTRICT", "SET NULL"));
        assert_eq!(rules("  CONSTRAINT `c` CHECK (`p` > 0)"), None);
        assert_eq!(rules("  `CONSTRAINT` int(11) COMMENT 'FOREIGN KEY ON DELETE CASCADE',"), None);
    }
}
