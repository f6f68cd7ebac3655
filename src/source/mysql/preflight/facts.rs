//! What the preflight asks the server, once. What the account may not see is `None`, never a guess.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mysql_async::Conn;

use crate::error::{Class, Error, Result};
use crate::schema::{Flavor, SourceCatalog, TableName};

use super::super::connect::{Pool, Server, Use};
use super::super::names::literal;
use super::super::select::{all_rows, one_row};
use super::grants::Grants;

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

async fn foreign_keys(conn: &mut Conn, limit: Duration, catalog: &SourceCatalog) -> Result<Vec<ForeignKey>> {
    if catalog.tables.is_empty() {
        return Ok(Vec::new());
    }
    let children: Vec<String> = catalog
        .tables
        .iter()
        .map(|table| {
            format!("(CONSTRAINT_SCHEMA = {} AND TABLE_NAME = {})", literal(&table.name.schema), literal(&table.name.name))
        })
        .collect();
    let sql = format!(
        "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, DELETE_RULE, UPDATE_RULE \
         FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE {}",
        children.join(" OR ")
    );
    let rows = all_rows(conn, limit, "read the foreign keys", &sql).await?;
    rows.into_iter()
        .map(|row| match <[String; 5]>::try_from(row) {
            Ok([schema, table, name, on_delete, on_update]) => {
                Ok(ForeignKey { child: TableName { schema, name: table }, name, on_delete, on_update })
            }
            Err(_) => Err(Error::bug("the foreign keys have no five columns")),
        })
        .collect()
}

async fn clock_skew(conn: &mut Conn, limit: Duration) -> Result<i64> {
    let row = one_row(conn, limit, "read the server's clock", "SELECT UNIX_TIMESTAMP()").await?;
    let theirs = row.first().and_then(|text| text.parse::<i64>().ok());
    let ours = SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok());
    Ok(theirs.zip(ours).map_or(0, |(theirs, ours)| theirs - ours))
}
