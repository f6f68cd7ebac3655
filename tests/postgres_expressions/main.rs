//! Every expression of `expressions.txt` over every row of an awkward table, evaluated here and by a real PostgreSQL: same values, same
//! types, and no value where the server raises an error. A missing server is a loud skip, or a failure under `STRANGLER_REQUIRE_DB=1`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test asserts")]

mod aggregates;
mod coverage;
mod regular;
mod table;

use strangler::demo::servers::{Postgres, ServerError, ServerOptions};
use strangler::error::{Class, Result};
use strangler::schema::{DataType, POSTGRES_PINNED, SourceCatalog};
use strangler::sql::evaluate::{Scope, evaluate};
use strangler::sql::postgres::kind::Kind;
use strangler::sql::query::{AliasId, Expr, Select};
use strangler::value::{Row, Value};
use tokio_postgres::{Client, SimpleQueryMessage};

/// The scope of one row.
pub struct OneRow<'a>(&'a Row);

impl Scope for OneRow<'_> {
    fn column(&self, _: AliasId, column: usize) -> Result<&Value> {
        Ok(&self.0[column])
    }
    fn aggregate(&self, _: usize) -> Result<&Value> {
        unreachable!("no aggregates here")
    }
    fn scalar_subquery(&self, _: &Select) -> Result<Value> {
        unreachable!("no subqueries here")
    }
    fn exists(&self, _: &Select) -> Result<bool> {
        unreachable!("no subqueries here")
    }
}

fn bind(expression: &str, catalog: &SourceCatalog) -> std::result::Result<Expr, String> {
    let sql = format!("SELECT k, {expression} AS c FROM v");
    let query = strangler::sql::bind(&sql, catalog)
        .map_err(|findings| findings.iter().map(|finding| finding.message.clone()).collect::<Vec<_>>().join("; "))?;
    Ok(query.branches[0].select.outputs[1].clone())
}

/// One server with the table in it.
pub struct Server {
    _server: Postgres,
    client: Client,
}

impl Server {
    async fn start(time_zone: &str) -> Option<Self> {
        let server = match Postgres::start(ServerOptions::with_args(["-cshared_buffers=16MB"])).await {
            Ok(server) => server,
            Err(missing @ ServerError::Missing { .. }) => {
                assert!(std::env::var("STRANGLER_REQUIRE_DB").as_deref() != Ok("1"), "{missing}");
                eprintln!("SKIPPED: {missing}");
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        let client = server.connect("postgres").await.unwrap();
        for (name, value) in POSTGRES_PINNED {
            client.batch_execute(&format!("SET {name} = '{value}'")).await.unwrap();
        }
        client.batch_execute("SET TimeZone = 'UTC'").await.unwrap();
        client.batch_execute(table::CREATE).await.unwrap();
        client.batch_execute(&format!("SET TimeZone = '{time_zone}'")).await.unwrap();
        Some(Self { _server: server, client })
    }

    /// The first column of every row; the server's message if it refuses.
    pub async fn ask(&self, sql: &str) -> std::result::Result<Vec<Option<String>>, String> {
        let messages = self.client.simple_query(sql).await.map_err(|error| match error.as_db_error() {
            Some(refused) => refused.message().to_owned(),
            None => error.to_string(),
        })?;
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
            _ => None,
        });
        Ok(rows.collect())
    }

    /// The rows as values: each printed by the server, and read by a cast of ours.
    async fn rows(&self, catalog: &SourceCatalog) -> Vec<Row> {
        let mut columns = Vec::new();
        for (name, native, data_type) in table::columns() {
            let texts = self
                .ask(&format!("SELECT CASE WHEN {name} IS NOT NULL THEN concat({name}) END FROM v ORDER BY k"))
                .await
                .unwrap();
            let value = |text: Option<String>| {
                let Some(text) = text else { return Value::Null };
                if matches!(data_type, DataType::Array { .. }) {
                    return Value::text(text);
                }
                let literal = bind(&format!("'{}'::{native}", text.replace('\'', "''")), catalog).unwrap();
                evaluate(&literal, &OneRow(&Row::default())).unwrap()
            };
            columns.push(texts.into_iter().map(value).collect::<Vec<_>>());
        }
        (0..columns[0].len()).map(|row| columns.iter().map(|column| column[row].clone()).collect()).collect()
    }
}

/// Our type in the words of `pg_typeof`.
fn type_name(data_type: &DataType) -> String {
    match (Kind::of(data_type), data_type) {
        (Kind::Timestamp, _) => "timestamp without time zone".into(),
        (Kind::TimestampTz, _) => "timestamp with time zone".into(),
        (Kind::Time, _) => "time without time zone".into(),
        (Kind::Array | Kind::TextArray, DataType::Array { element }) => format!("{}[]", type_name(element)),
        (Kind::Enum, DataType::NamedEnum { name, .. }) => name.clone(),
        (Kind::Native, DataType::Native { name, .. }) => name.clone(),
        (kind, _) => kind.name().into(),
    }
}

#[derive(Default)]
struct Tally {
    bound: usize,
    compared: usize,
    errors: usize,
    no_value: Vec<String>,
    faults: Vec<String>,
}

async fn check_line(server: &Server, catalog: &SourceCatalog, rows: &[Row], line: &str, tally: &mut Tally) {
    if let Some(expression) = line.strip_prefix("refused: ") {
        if bind(expression, catalog).is_ok() {
            tally.faults.push(format!("{expression}: bound, but is to be refused"));
        }
        return;
    }
    let bare = bind(line, catalog);
    let (expr, bare) = match (bind(&format!("({line})::text"), catalog), bare) {
        (Ok(expr), Ok(bare)) => (expr, bare),
        (Err(finding), _) | (_, Err(finding)) => {
            let theirs = server.ask(&format!("SELECT ({line})::text FROM v ORDER BY k")).await;
            let theirs = theirs.map_or_else(|error| error, |_| "accepted".into());
            tally.faults.push(format!("{line}: refused: {finding}; the server: {theirs}"));
            return;
        }
    };
    tally.bound += 1;
    if let Ok(theirs) = server.ask(&format!("SELECT pg_typeof({line}) FROM v LIMIT 1")).await {
        let (ours, theirs) = (type_name(&bare.data_type), theirs[0].clone().unwrap().replace("character varying", "text"));
        if ours != theirs && theirs != "unknown" {
            tally.faults.push(format!("{line}: our type is {ours}, the server's {theirs}"));
        }
    }
    for row in rows {
        let Value::Int(key) = row[0] else { unreachable!("the key is an integer") };
        let theirs = server.ask(&format!("SELECT ({line})::text FROM v WHERE k = {key}")).await;
        let ours = evaluate(&expr, &OneRow(row));
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => {
                tally.compared += 1;
                let ours = if let Value::Text(text) = &ours { Some(text.to_string()) } else { None };
                if ours != theirs[0] {
                    tally.faults.push(format!("{line}: row {key}: ours {ours:?}, the server's {:?}", theirs[0]));
                } else if ours.is_none() && !bare.nullable {
                    tally.faults.push(format!("{line}: row {key}: NULL from an expression that is said to have none"));
                }
            }
            (Err(error), Err(_)) if error.class() == Class::Person => tally.errors += 1,
            (Err(error), Ok(theirs)) if error.class() == Class::Person => {
                tally.no_value.push(format!("{line}: row {key}: {}, the server's {:?}", error.message(), theirs[0]));
            }
            (Err(error), _) => tally.faults.push(format!("{line}: row {key}: {error:?}")),
            (Ok(ours), Err(theirs)) => tally.faults.push(format!("{line}: row {key}: ours {ours:?}, the server raises {theirs}")),
        }
    }
}

async fn check(time_zone: &str, lines: &str) {
    let Some(server) = Server::start("UTC").await else { return };
    let rows = server.rows(&table::catalog("UTC")).await;
    assert_eq!(rows.len(), 12);
    server.client.batch_execute(&format!("SET TimeZone = '{time_zone}'")).await.unwrap();
    let catalog = table::catalog(time_zone);
    let mut tally = Tally::default();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        check_line(&server, &catalog, &rows, line, &mut tally).await;
    }
    eprintln!(
        "{time_zone}: {} expressions, {} values compared, {} errors on both sides, {} without a value here",
        tally.bound,
        tally.compared,
        tally.errors,
        tally.no_value.len()
    );
    for line in &tally.no_value {
        eprintln!("  no value: {line}");
    }
    assert!(tally.faults.is_empty(), "{} differences:\n{}", tally.faults.len(), tally.faults.join("\n"));
}

#[tokio::test]
async fn expressions_are_what_postgresql_says() {
    check("UTC", include_str!("expressions.txt")).await;
}

#[tokio::test]
async fn expressions_of_instants_are_what_postgresql_says_in_a_zone() {
    check("America/New_York", include_str!("instants.txt")).await;
}
