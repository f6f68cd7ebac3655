//! Findings about the target's settings, names and privileges, all at once, each with the statement that mends it.

use tokio_postgres::types::{FromSql, ToSql};

use super::connect::{Connection, PostgresOptions, Reads};
use super::create::unusable_names;
use super::inspect::plain_name;
use super::{fault, sql};
use crate::error::Result;
use crate::finding::{Finding, Severity};
use crate::schema::TargetTable;

const SERVER: &str = "SELECT current_setting('server_version_num')::int, pg_is_in_recovery(), current_setting('server_encoding'), \
     current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int \
     - (SELECT count(*)::int FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend'), \
     current_setting('statement_timeout') = '0', current_setting('application_name'), current_database()::text, current_user::text, \
     current_schema()::text, has_database_privilege(current_database(), 'CREATE'), has_database_privilege(current_database(), 'TEMPORARY')";

const SCHEMA: &str = "SELECT has_schema_privilege(n.oid, 'USAGE'), has_schema_privilege(n.oid, 'CREATE') \
     FROM pg_catalog.pg_namespace n WHERE n.nspname = $1::text";

const RELATION: &str = "SELECT has_table_privilege(c.oid, 'SELECT'), has_table_privilege(c.oid, 'INSERT'), \
     has_table_privilege(c.oid, 'UPDATE'), has_table_privilege(c.oid, 'DELETE'), pg_has_role(c.relowner, 'USAGE') \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1::text AND c.relname = $2::text";

/// What the findings are made from.
struct Report<'a> {
    findings: Vec<Finding>,
    database: String,
    user: String,
    own_schema: Option<String>,
    may_create_schema: bool,
    options: &'a PostgresOptions,
}

/// All findings for `tables`.
pub(super) async fn findings(
    connection: &mut Connection<Reads>,
    options: &PostgresOptions,
    tables: &[TargetTable],
) -> Result<Vec<Finding>> {
    let mut report = server(connection, options).await?;
    let checkpoint = ("strangler".to_owned(), "checkpoint".to_owned());
    privileges(connection, &mut report, &checkpoint, false).await?;
    for table in tables {
        for name in unusable_names(table) {
            let remedy = "names have 1 to 63 bytes and no NUL".to_owned();
            report.add(
                Severity::Refused,
                "identifier",
                plain_name(table),
                format!("PostgreSQL cannot hold the name {name:?}"),
                remedy,
            );
        }
        match table.schema.clone().or_else(|| report.own_schema.clone()) {
            Some(schema) => privileges(connection, &mut report, &(schema, table.name.clone()), !table.indexes.is_empty()).await?,
            None => report.add(
                Severity::Refused,
                "schema",
                plain_name(table),
                "the connection has no schema of its own to create tables in".into(),
                "declare `schema:` in the mapping, or set the role's search_path".into(),
            ),
        }
    }
    Ok(report.findings)
}

impl Report<'_> {
    fn add(&mut self, severity: Severity, check: &'static str, object: String, message: String, remedy: String) {
        let finding = Finding { severity, check, object, message, remedy };
        // Several tables of one schema say the same about it.
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    fn lacks(&mut self, object: String, message: String, remedy: String) {
        self.add(Severity::Privilege, "privilege", object, message, remedy);
    }
}

async fn server<'a>(connection: &mut Connection<Reads>, options: &'a PostgresOptions) -> Result<Report<'a>> {
    let row = one(connection, SERVER, &[]).await?;
    let Some(row) = row else { return Err(crate::error::Error::bug("the target answers no row about itself")) };
    let mut report = Report {
        findings: Vec::new(),
        database: cell(&row, 6)?,
        user: cell(&row, 7)?,
        own_schema: cell(&row, 8)?,
        may_create_schema: cell(&row, 9)?,
        options,
    };
    let name = report.options.name.clone();
    let version: i32 = cell(&row, 0)?;
    match version / 10_000 {
        ..14 => report.add(
            Severity::Refused,
            "version",
            name.clone(),
            format!("PostgreSQL {} is not supported", version / 10_000),
            "use PostgreSQL 14 to 18".into(),
        ),
        14..=18 => {}
        major => report.add(
            Severity::Warning,
            "version",
            name.clone(),
            format!("PostgreSQL {major} is newer than what was tested"),
            String::new(),
        ),
    }
    if cell(&row, 1)? {
        report.add(
            Severity::Refused,
            "standby",
            name.clone(),
            "the server is a standby and takes no writes".into(),
            "connect to the primary".into(),
        );
    }
    let encoding: String = cell(&row, 2)?;
    if encoding != "UTF8" {
        let remedy = "create the target database with ENCODING 'UTF8'".to_owned();
        report.add(Severity::Refused, "encoding", name.clone(), format!("the database is encoded in {encoding}"), remedy);
    }
    headroom(&mut report, cell(&row, 3)?);
    if cell(&row, 4)? || cell::<String>(&row, 5)? != "strangler" {
        let message = "session settings do not arrive, so there may be a connection pooler in between".to_owned();
        report.add(Severity::Refused, "pooler", name.clone(), message, "connect to the server itself".into());
    }
    if !cell::<bool>(&row, 10)? {
        let remedy = format!("GRANT TEMPORARY ON DATABASE {} TO {};", sql::quoted(&report.database), sql::quoted(&report.user));
        report.lacks(format!("database {}", report.database), "large transactions need temporary tables".into(), remedy);
    }
    Ok(report)
}

fn headroom(report: &mut Report<'_>, free: i32) {
    let needed = report.options.connections_max.saturating_mul(2);
    if usize::try_from(free).unwrap_or(0) < needed {
        let message = format!("{} connections are free, up to {needed} are needed", free.max(0));
        let remedy = "raise max_connections, or lower the connection limit of the target".to_owned();
        report.add(Severity::Warning, "max_connections", report.options.name.clone(), message, remedy);
    }
}

/// The privileges on one table, or, where it does not exist, those to create it.
async fn privileges(
    connection: &mut Connection<Reads>,
    report: &mut Report<'_>,
    (schema, table): &(String, String),
    indexes: bool,
) -> Result<()> {
    let user = sql::quoted(&report.user);
    let Some(on_schema) = one(connection, SCHEMA, &[schema]).await? else {
        if !report.may_create_schema {
            let remedy = format!("CREATE SCHEMA {} AUTHORIZATION {user};", sql::quoted(schema));
            report.lacks(format!("schema {schema}"), "does not exist, and the role may not create it".into(), remedy);
        }
        return Ok(());
    };
    let (usage, create): (bool, bool) = (cell(&on_schema, 0)?, cell(&on_schema, 1)?);
    if !usage {
        let remedy = format!("GRANT USAGE ON SCHEMA {} TO {user};", sql::quoted(schema));
        report.lacks(format!("schema {schema}"), "the role may not use it".into(), remedy);
    }
    let object = format!("{schema}.{table}");
    let Some(on_table) = one(connection, RELATION, &[schema, table]).await? else {
        if !create {
            let remedy = format!("GRANT CREATE ON SCHEMA {} TO {user};", sql::quoted(schema));
            report.lacks(object, "does not exist, and the role may not create it".into(), remedy);
        }
        return Ok(());
    };
    let mut missing = Vec::new();
    for (index, privilege) in ["SELECT", "INSERT", "UPDATE", "DELETE"].into_iter().enumerate() {
        if !cell::<bool>(&on_table, index)? {
            missing.push(privilege);
        }
    }
    if !missing.is_empty() {
        let list = missing.join(", ");
        let remedy = format!("GRANT {list} ON {}.{} TO {user};", sql::quoted(schema), sql::quoted(table));
        report.lacks(object.clone(), format!("the role lacks {list}"), remedy);
    }
    if indexes && !cell::<bool>(&on_table, 4)? {
        let message = "only the owner of the table can create its declared indexes".to_owned();
        report.add(
            Severity::Warning,
            "indexes",
            object,
            message,
            "let the owner create them, or remove them from the mapping".into(),
        );
    }
    Ok(())
}

async fn one(connection: &mut Connection<Reads>, query: &str, parameters: &[&String]) -> Result<Option<tokio_postgres::Row>> {
    let attempt = "cannot examine the target";
    let statement = connection.statement(query, attempt).await?;
    let parameters: Vec<&(dyn ToSql + Sync)> = parameters.iter().map(|text| *text as _).collect();
    connection.answer(connection.client.query_opt(&statement, &parameters), attempt).await
}

fn cell<'a, T: FromSql<'a>>(row: &'a tokio_postgres::Row, index: usize) -> Result<T> {
    row.try_get(index).map_err(|error| fault::of(error, "cannot examine the target"))
}
