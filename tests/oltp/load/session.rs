//! One session of an old application on either family of servers: prepared statements with `?`, values as texts and integers.

use std::collections::HashMap;
use std::error::Error;

use bytes::BytesMut;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, NoTls, Statement};

use super::Outcome;

/// Where the legacy database is, as its administrator.
#[derive(Debug, Clone)]
pub enum Place {
    /// MariaDB or MySQL, by its url.
    MySql(String),
    /// PostgreSQL.
    Postgres(Box<tokio_postgres::Config>),
}

/// What a placeholder stands for.
#[derive(Debug, Clone)]
pub enum Value {
    /// Any integer.
    Int(i64),
    /// A text, or an exact number in digits.
    Text(String),
}

/// Rows of texts; NULL is `None`.
pub type Answer = Vec<Vec<Option<String>>>;

/// A session with its prepared statements.
pub enum Session {
    /// On MariaDB or MySQL.
    MySql(Box<Conn>),
    /// On PostgreSQL; statements by their text.
    Postgres(Client, HashMap<String, Statement>),
}

impl From<i64> for Value {
    fn from(int: i64) -> Self {
        Self::Int(int)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// In the text form, so that the server reads it as what the statement needs.
impl ToSql for Value {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Int(int) => out.extend_from_slice(int.to_string().as_bytes()),
            Self::Text(text) => out.extend_from_slice(text.as_bytes()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

impl Session {
    /// Connects.
    pub async fn connect(place: &Place) -> Outcome<Self> {
        match place {
            Place::MySql(url) => {
                let options = OptsBuilder::from_opts(mysql_async::Opts::from_url(url)?).stmt_cache_size(256);
                Ok(Self::MySql(Box::new(Conn::new(options).await?)))
            }
            Place::Postgres(config) => {
                let (client, connection) = config.connect(NoTls).await?;
                tokio::spawn(connection);
                Ok(Self::Postgres(client, HashMap::new()))
            }
        }
    }

    /// Runs one statement without values, not prepared.
    pub async fn plain(&mut self, sql: &str) -> Outcome<()> {
        match self {
            Self::MySql(conn) => conn.query_drop(sql).await?,
            Self::Postgres(client, _) => client.batch_execute(sql).await?,
        }
        Ok(())
    }

    /// Runs a prepared statement and drops what it answers.
    pub async fn run(&mut self, sql: &str, values: &[Value]) -> Outcome<()> {
        match self {
            Self::MySql(conn) => conn.exec_drop(sql, of_mysql(values)).await?,
            Self::Postgres(client, statements) => {
                let statement = prepared(client, statements, sql).await?;
                client.query(&statement, &of_postgres(values)).await?;
            }
        }
        Ok(())
    }

    /// Runs a prepared query; it answers integers and texts only (other types are cast in the query).
    pub async fn ask(&mut self, sql: &str, values: &[Value]) -> Outcome<Answer> {
        match self {
            Self::MySql(conn) => {
                let rows: Vec<mysql_async::Row> = conn.exec(sql, of_mysql(values)).await?;
                Ok(rows.into_iter().map(|row| row.unwrap().into_iter().map(text_of_mysql).collect()).collect())
            }
            Self::Postgres(client, statements) => {
                let statement = prepared(client, statements, sql).await?;
                let rows = client.query(&statement, &of_postgres(values)).await?;
                let texts = |row: &tokio_postgres::Row| (0..row.len()).map(|at| text_of_postgres(row, at)).collect();
                Ok(rows.iter().map(texts).collect::<Outcome<_>>()?)
            }
        }
    }

    /// The first column of the only row as an integer; `None` without a row.
    pub async fn int(&mut self, sql: &str, values: &[Value]) -> Outcome<Option<i64>> {
        let first = self.text(sql, values).await?;
        Ok(first.map(|text| text.parse()).transpose()?)
    }

    /// The first column of the only row; `None` without a row.
    pub async fn text(&mut self, sql: &str, values: &[Value]) -> Outcome<Option<String>> {
        Ok(self.ask(sql, values).await?.into_iter().next().and_then(|row| row.into_iter().next().flatten()))
    }
}

async fn prepared(client: &Client, statements: &mut HashMap<String, Statement>, sql: &str) -> Outcome<Statement> {
    if let Some(statement) = statements.get(sql) {
        return Ok(statement.clone());
    }
    let statement = client.prepare(&numbered(sql)).await?;
    statements.insert(sql.to_owned(), statement.clone());
    Ok(statement)
}

/// `?` as PostgreSQL has it; no text of a statement contains one.
fn numbered(sql: &str) -> String {
    let mut parts = sql.split('?');
    let first = parts.next().unwrap_or_default().to_owned();
    (1..).zip(parts).fold(first, |text, (number, part)| format!("{text}${number}{part}"))
}

fn of_mysql(values: &[Value]) -> mysql_async::Params {
    let value = |value: &Value| match value {
        Value::Int(int) => mysql_async::Value::Int(*int),
        Value::Text(text) => mysql_async::Value::Bytes(text.clone().into_bytes()),
    };
    match values {
        [] => mysql_async::Params::Empty,
        values => mysql_async::Params::Positional(values.iter().map(value).collect()),
    }
}

fn of_postgres(values: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| value as _).collect()
}

fn text_of_mysql(value: mysql_async::Value) -> Option<String> {
    match value {
        mysql_async::Value::NULL => None,
        mysql_async::Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).trim_end().to_owned()),
        mysql_async::Value::Int(int) => Some(int.to_string()),
        mysql_async::Value::UInt(int) => Some(int.to_string()),
        other => Some(format!("{other:?}")),
    }
}

fn text_of_postgres(row: &tokio_postgres::Row, at: usize) -> Outcome<Option<String>> {
    Ok(match *row.columns()[at].type_() {
        Type::INT2 => row.try_get::<_, Option<i16>>(at)?.map(|int| int.to_string()),
        Type::INT4 => row.try_get::<_, Option<i32>>(at)?.map(|int| int.to_string()),
        Type::INT8 => row.try_get::<_, Option<i64>>(at)?.map(|int| int.to_string()),
        _ => row.try_get::<_, Option<&str>>(at)?.map(|text| text.trim_end().to_owned()),
    })
}

/// Whether two sessions met: deadlock, lock wait, serialisation, or a key that another one took meanwhile.
pub fn is_collision(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    if let Some(mysql_async::Error::Server(server)) = error.downcast_ref() {
        return [1_020, 1_062, 1_205, 1_213].contains(&server.code);
    }
    let state = error.downcast_ref::<tokio_postgres::Error>().and_then(tokio_postgres::Error::code);
    state.is_some_and(|state| ["23505", "40001", "40P01", "55P03"].contains(&state.code()))
}
