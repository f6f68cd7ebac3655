//! Every expression of `expressions.txt` over every row of an awkward table, evaluated here and by real servers: same values,
//! same types. A missing MariaDB is a loud skip, or a failure under `STRANGLER_REQUIRE_DB=1`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test asserts")]

mod aggregates;
mod json;
mod published;
mod random;
mod server;
mod strings;
mod table;

use std::fmt::Write as _;

use strangler::error::Result;
use strangler::schema::{DataType, Flavor, SessionSettings, SourceCatalog};
use strangler::sql::evaluate::{Scope, evaluate};
use strangler::sql::query::{AliasId, Expr, Select};
use strangler::sql::types::settle;
use strangler::value::{Decimal, Row, Value};

use server::Server;

struct OneRow<'a>(&'a Row);

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
    bind_from(expression, "v", catalog)
}

fn bind_from(expression: &str, table: &str, catalog: &SourceCatalog) -> std::result::Result<Expr, String> {
    let sql = format!("SELECT k, {expression} AS c FROM {table}");
    let query = strangler::sql::bind(&sql, catalog).map_err(|findings| {
        findings.iter().fold(String::new(), |mut all, finding| {
            let _ = write!(all, "{}; ", finding.message);
            all
        })
    })?;
    Ok(settle(query.branches[0].select.outputs[1].clone()))
}

/// A value as the server's text protocol prints it.
fn print(value: &Value, data_type: &DataType) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Decimal(number) => number.to_string(),
        Value::Double(number) => format!("double {:016x}", number.to_bits()),
        Value::Float(number) => format!("float {:08x}", number.to_bits()),
        Value::Text(text) if *data_type == DataType::Json => (**text).to_owned(),
        Value::Text(text) => format!("'{text}'"),
        Value::Bytes(bytes) => bytes.iter().fold("x".to_owned(), |mut out, byte| {
            let _ = write!(out, "{byte:02X}");
            out
        }),
        Value::Date(date) => date.to_string(),
        Value::DateTime(moment) => moment.format(strangler::sql::types::temporal_fraction(data_type)),
        Value::NonFinite(number) => number.to_string(),
        Value::Interval(interval) => interval.to_string(),
        Value::Time(time) => time.format(strangler::sql::types::temporal_fraction(data_type)),
        Value::Bool(truth) => truth.to_string(),
    }
}

/// The server's answer in the form of [`print`], read by the type that we say the expression has.
fn canonical(answer: Option<&[u8]>, data_type: &DataType) -> String {
    let Some(answer) = answer else { return "NULL".into() };
    if let DataType::Bytes { .. } = data_type {
        return print(&Value::Bytes(answer.into()), data_type);
    }
    let answer = String::from_utf8_lossy(answer);
    match data_type {
        DataType::Text { .. } | DataType::Enum { .. } | DataType::Set { .. } => format!("'{answer}'"),
        DataType::Double => format!("double {:016x}", answer.parse::<f64>().unwrap_or(f64::NAN).to_bits()),
        // MySQL prints a choice with the scale of the chosen number.
        DataType::Decimal { scale, .. } => match Decimal::parse(&answer) {
            // MariaDB's remainder of a negative number may be a negative zero.
            Some(number) if number.is_zero() => Decimal::from_i64(0).round(*scale).to_string(),
            Some(number) if number.scale() < *scale => format!(
                "{answer}{}{}",
                if number.scale() == 0 { "." } else { "" },
                "0".repeat(usize::from(scale - number.scale()))
            ),
            _ => answer.into_owned(),
        },
        // The least YEAR of a group is shown with four digits where MariaDB goes through a table.
        DataType::Integer { unsigned: true, .. } => {
            answer.parse::<u64>().map_or_else(|_| answer.to_string(), |one| one.to_string())
        }
        // A choice of years is shown as a number, a column with four digits.
        DataType::Year => answer.parse::<u16>().map_or_else(|_| answer.to_string(), |year| year.to_string()),
        DataType::Float => format!("float {:08x}", answer.parse::<f32>().unwrap_or(f32::NAN).to_bits()),
        _ => answer.into_owned(),
    }
}

struct Tally {
    compared: usize,
    bound: usize,
    faults: Vec<String>,
    refused: Vec<String>,
    no_value: usize,
}

fn run(server: &Server, sql_mode: &str) -> Tally {
    let catalog = server.catalog(sql_mode);
    let rows = server.rows(&catalog);
    let mut tally = Tally { compared: 0, bound: 0, faults: Vec::new(), refused: Vec::new(), no_value: 0 };
    let text = include_str!("expressions.txt");
    let examples = published::examples(server.name());
    for line in text.lines().chain(examples).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (is_refusal, expression) = line.strip_prefix("refused: ").map_or((false, line), |expression| (true, expression));
        let (is_value_only, expression) =
            expression.strip_prefix("values: ").map_or((false, expression), |expression| (true, expression));
        let (is_foreign, expression) = match expression.split_once(" only: ") {
            Some((name, expression)) => (name != server.name(), expression),
            None => (false, expression),
        };
        if is_foreign {
            continue;
        }
        let expr = match bind(expression, &catalog) {
            Ok(expr) => expr,
            Err(finding) => {
                if !is_refusal {
                    tally.refused.push(format!("{expression}: {finding}"));
                }
                continue;
            }
        };
        if is_refusal {
            tally.faults.push(format!("{expression}: bound, but is to be refused"));
            continue;
        }
        tally.bound += 1;
        if !is_value_only {
            compare_type(server, expression, &expr, &mut tally);
        }
        compare_sign(server, expression, &expr, &mut tally);
        compare_values(server, expression, &expr, &rows, sql_mode, &mut tally);
    }
    tally
}

fn compare_type(server: &Server, expression: &str, expr: &Expr, tally: &mut Tally) {
    if let Some(theirs) = server.type_of(expression)
        && !table::same_type(&expr.data_type, &theirs)
    {
        tally.faults.push(format!("{expression}: type {:?}, the server says {theirs}", expr.data_type));
    }
}

/// A difference of unsigned numbers may not fall below zero, so that the sign of a type is part of what an expression means.
fn compare_sign(server: &Server, expression: &str, expr: &Expr, tally: &mut Tally) {
    if let DataType::Integer { unsigned, .. } | DataType::Decimal { unsigned, .. } = expr.data_type
        && server.is_unsigned(expression).is_some_and(|theirs| theirs != unsigned)
    {
        tally.faults.push(format!("{expression}: type {:?}, which the server signs otherwise", expr.data_type));
    }
}

fn compare_values(server: &Server, expression: &str, expr: &Expr, rows: &[Row], sql_mode: &str, tally: &mut Tally) {
    let theirs = match server.answers(expression, "v", sql_mode) {
        Ok(theirs) => theirs,
        Err(error) => {
            // The whole statement failed on the server: then one of our rows must have no value.
            if rows.iter().all(|row| evaluate(expr, &OneRow(row)).is_ok()) {
                tally.faults.push(format!("{expression}: we answer every row, the server says {error}"));
            }
            return;
        }
    };
    assert_eq!(theirs.len(), rows.len(), "{expression}");
    for (row, theirs) in rows.iter().zip(&theirs) {
        tally.compared += 1;
        let value = match evaluate(expr, &OneRow(row)) {
            Ok(value) => value,
            Err(error) if error.class() == strangler::error::Class::Person => {
                tally.no_value += 1;
                continue;
            }
            Err(error) => {
                tally.faults.push(format!("{expression}: row {:?}: {error:?}", row[0]));
                continue;
            }
        };
        let (ours, theirs) = (print(&value, &expr.data_type), canonical(theirs.as_deref(), &expr.data_type));
        if ours != theirs {
            tally.faults.push(format!("{expression}: row {:?}: ours {ours}, the server's {theirs}", row[0]));
        } else if value.is_null() && !expr.nullable {
            tally.faults.push(format!("{expression}: row {:?}: NULL from an expression that is said to have none", row[0]));
        }
    }
}

fn check(server: Option<Server>, name: &str) {
    let Some(server) = server else {
        let excused = name == "MySQL" && std::env::var("STRANGLER_MYSQL").as_deref() == Ok("absent");
        assert!(excused || std::env::var("STRANGLER_REQUIRE_DB").as_deref() != Ok("1"), "{name} is required and missing");
        eprintln!("SKIPPED: no {name} on this machine, the expressions were not compared with it");
        return;
    };
    for sql_mode in ["", "STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO"] {
        let tally = run(&server, sql_mode);
        eprintln!(
            "{name}, sql_mode '{sql_mode}': {} expressions, {} values compared, {} refused at run time, {} refused at bind",
            tally.bound,
            tally.compared,
            tally.no_value,
            tally.refused.len()
        );
        for refused in &tally.refused {
            eprintln!("  refused: {refused}");
        }
        let shown: Vec<_> = tally.faults.iter().take(400).cloned().collect();
        assert!(tally.faults.is_empty(), "{} differences from {name}:\n{}", tally.faults.len(), shown.join("\n"));
        assert!(tally.bound > 300 && tally.no_value * 20 < tally.compared, "too little was compared");
    }
    aggregates::aggregates_are_the_servers(&server);
    strings::every_character_has_the_servers_case(&server);
    strings::random_strings_read_alike(&server, 20_240_131);
    json::random_documents_read_alike(&server, 20_261_122);
}

#[test]
fn expressions_are_what_mariadb_says() {
    check(Server::mariadb(), "MariaDB");
}

#[test]
fn expressions_are_what_mysql_says() {
    check(Server::mysql(), "MySQL");
}

/// A catalogue without a server: enough for expressions without strings.
fn bare_catalog(flavor: Flavor, version: (u32, u32, u32)) -> SourceCatalog {
    SourceCatalog {
        sources: std::collections::BTreeMap::new(),
        flavor,
        version,
        default_schema: "p".into(),
        tables: vec![table::schema()],
        collations: std::collections::BTreeMap::new(),
        session: SessionSettings {
            sql_mode: String::new(),
            time_zone: "+09:00".into(),
            div_precision_increment: 4,
            group_concat_max_len: 1024,
            collation_connection: "utf8mb4_general_ci".into(),
            lower_case_table_names: 0,
        },
    }
}

fn one(column: &str, value: Value) -> Row {
    table::schema().columns.iter().map(|candidate| if candidate.name == column { value.clone() } else { Value::Null }).collect()
}

#[test]
fn a_bigint_overflow_is_an_error_that_names_its_place() {
    let expr = bind("i64 + 1", &bare_catalog(Flavor::MariaDb, (10, 11, 0))).unwrap();
    let error = evaluate(&expr, &OneRow(&one("i64", Value::Int(i64::MAX)))).unwrap_err();
    assert_eq!(error.class(), strangler::error::Class::Person);
    assert!(error.message().contains("at bytes 10..17"), "{}", error.message());
}

#[test]
fn f69_bigint_unsigned_above_2_63_stays_itself() {
    let expr = bind("u64 - 1", &bare_catalog(Flavor::MariaDb, (10, 11, 0))).unwrap();
    assert_eq!(evaluate(&expr, &OneRow(&one("u64", Value::UInt(u64::MAX)))).unwrap(), Value::UInt(u64::MAX - 1));
}

#[test]
fn a_quotient_rounds_where_the_connected_server_rounds_it() {
    let value = |flavor, version| {
        let expr = bind("i32 / 3 * 3", &bare_catalog(flavor, version))?;
        Ok::<_, String>(print(&evaluate(&expr, &OneRow(&one("i32", Value::Int(1)))).unwrap(), &expr.data_type))
    };
    assert_eq!(value(Flavor::MariaDb, (10, 11, 0)).unwrap(), "1.0000");
    assert_eq!(value(Flavor::MySql, (9, 7, 0)).unwrap(), "0.9999");
    assert!(value(Flavor::MySql, (8, 0, 36)).unwrap_err().contains("quotient"));
}
