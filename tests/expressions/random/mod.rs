//! Random statements over random schemas and rows, derived here and answered by the server: after the load, and after every batch of
//! random changes. A difference is cut down while it still differs, and printed.
//!
//! `STRANGLER_SEED` chooses the statements, `STRANGLER_LONG=1` makes 10,000 instead of 500; `STRANGLER_LONG=statements` and
//! `STRANGLER_LONG=expressions` make only those. Another database joins by implementing [`Dialect`].

mod awkward;
mod engine;
mod grammar;
mod mysql;
mod postgres;
mod postgres_words;
mod shrink;
mod statement;
mod world;

use std::fmt::Write as _;

use strangler::schema::{DataType, SourceCatalog};

use super::server::Server;
use engine::{Answer, Engine, Outcome};
use grammar::Grammar;
use statement::Statement;
use world::{ColumnKind, RandomTable, State, World};

/// An answered row: one text per column, `None` for NULL.
pub type Answered = Vec<Option<Vec<u8>>>;

/// A database that random statements are compared with.
pub trait Dialect {
    /// Its name, for messages.
    fn name(&self) -> &'static str;
    /// What its statements are made of.
    fn grammar(&self) -> &'static Grammar;
    /// The column types of its tables.
    fn column_kinds(&self) -> &'static [ColumnKind];
    /// Makes the tables empty and new; gives the catalogue that `check` would read.
    fn create(&self, tables: &[RandomTable]) -> SourceCatalog;
    /// Replaces the rows of all tables.
    fn fill(&self, tables: &[RandomTable], state: &State);
    /// A statement's rows.
    fn ask(&self, sql: &str) -> Result<Vec<Answered>, String>;
    /// A value as the server answers it, in one canonical form for a type.
    fn canonical(&self, answer: Option<&[u8]>, data_type: &DataType) -> String;
    /// A value that the engine made, in the same form.
    fn print(&self, value: &strangler::value::Value, data_type: &DataType) -> String;
    /// A stored value as a source emits it.
    fn value(&self, answer: Option<Vec<u8>>, data_type: &DataType) -> strangler::value::Value;
}

impl Dialect for Server {
    fn name(&self) -> &'static str {
        self.name()
    }

    fn grammar(&self) -> &'static Grammar {
        &mysql::GRAMMAR
    }

    fn column_kinds(&self) -> &'static [ColumnKind] {
        mysql::COLUMN_KINDS
    }

    fn create(&self, tables: &[RandomTable]) -> SourceCatalog {
        let mut catalog = self.catalog("");
        for table in tables {
            self.execute(&format!("DROP TABLE IF EXISTS {}", table.name));
            self.execute(&table.create());
        }
        catalog.tables = mysql::schemas(tables);
        catalog
    }

    fn fill(&self, tables: &[RandomTable], state: &State) {
        for (table, rows) in tables.iter().zip(state) {
            self.execute(&format!("DELETE FROM {}", table.name));
            let rows: Vec<String> = rows.iter().map(|(id, row)| format!("({id}, {})", row.join(", "))).collect();
            if !rows.is_empty() {
                self.execute(&format!("INSERT INTO {} VALUES {}", table.name, rows.join(", ")));
            }
        }
    }

    fn ask(&self, sql: &str) -> Result<Vec<Answered>, String> {
        self.query(sql)
    }

    fn canonical(&self, answer: Option<&[u8]>, data_type: &DataType) -> String {
        without_zeros(super::canonical(answer, data_type), data_type)
    }

    fn print(&self, value: &strangler::value::Value, data_type: &DataType) -> String {
        without_zeros(super::print(value, data_type), data_type)
    }

    fn value(&self, answer: Option<Vec<u8>>, data_type: &DataType) -> strangler::value::Value {
        super::table::value(answer, data_type)
    }
}

/// A TIME becomes an interval, which has no digits of its own behind the second: zeros at the end do not count.
fn without_zeros(text: String, data_type: &DataType) -> String {
    match (data_type, text.split_once('.')) {
        (DataType::Time { .. }, Some(_)) => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        _ => text,
    }
}

/// What became of the statements.
#[derive(Default)]
struct Tally {
    compared: usize,
    rows: usize,
    refused: usize,
    stopped: usize,
    failed: usize,
    differences: Vec<String>,
}

const STATEMENTS_PER_WORLD: usize = 50;
const BATCHES: usize = 3;

fn statements() -> usize {
    if long().is_empty() { 500 } else { 10_000 }
}

fn long() -> String {
    std::env::var("STRANGLER_LONG").unwrap_or_default()
}

fn seed() -> u64 {
    std::env::var("STRANGLER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_122)
}

fn run(dialect: &dyn Dialect, seed: u64) {
    let mut tally = Tally::default();
    let mut number = 0;
    while tally.compared < statements() {
        let mut random = fastrand::Rng::with_seed(seed + number);
        number += 1;
        let world = World::random(&mut random, dialect.column_kinds(), BATCHES);
        let made: Vec<Statement> =
            (0..STATEMENTS_PER_WORLD).map(|_| Statement::random(&mut random, dialect.grammar(), &world)).collect();
        compare(dialect, &world, made, &mut tally, seed + number - 1);
        if tally.differences.len() >= 10 {
            break;
        }
        assert!(number < statements() as u64 / 2 + 40, "too few statements are inside the language");
    }
    eprintln!(
        "{}: {} statements with {} rows compared, {} refused at check, {} stopped at run time, {} failed on the server",
        dialect.name(),
        tally.compared,
        tally.rows,
        tally.refused,
        tally.stopped,
        tally.failed
    );
    let shown = tally.differences.join("\n");
    assert!(tally.differences.is_empty(), "{} differences from {}:\n{shown}", tally.differences.len(), dialect.name());
}

/// Runs the statements of one world: all answers of the server first, state by state, then ours statement by statement.
fn compare(dialect: &dyn Dialect, world: &World, statements: Vec<Statement>, tally: &mut Tally, seed: u64) {
    let mut engine = Engine::new(dialect, &world.tables);
    let bound: Vec<(Statement, engine::Bound)> = statements
        .into_iter()
        .filter_map(|statement| match engine.bind(&statement.render()) {
            Ok(bound) => Some((statement, bound)),
            Err(finding) => {
                tally.refused += 1;
                if std::env::var("STRANGLER_SHOW_REFUSED").is_ok() {
                    eprintln!("refused: {finding}\n  {}", statement.render());
                }
                None
            }
        })
        .collect();
    let mut answers: Vec<Vec<Answer>> = bound.iter().map(|_| Vec::new()).collect();
    for state in &world.states {
        engine.fill(state);
        for ((statement, _), answers) in bound.iter().zip(&mut answers) {
            answers.push(dialect.ask(&statement.render()));
        }
    }
    for ((statement, bound), answers) in bound.into_iter().zip(answers) {
        match engine.outcome(&bound, &answers) {
            Outcome::Same(rows) => {
                tally.compared += 1;
                tally.rows += rows;
            }
            Outcome::Stopped => tally.stopped += 1,
            Outcome::Failed => tally.failed += 1,
            Outcome::Different(_) => {
                tally.compared += 1;
                let mut text = format!("seed {seed}: {}\n", statement.render());
                let _ = writeln!(text, "{}", shrink::shrink(dialect, &mut engine, world, statement));
                // The engine holds the rows of the shrunk case now.
                engine.refill(&world.states);
                tally.differences.push(text);
            }
        }
    }
}

fn check(server: Option<Server>, name: &str) {
    let Some(server) = server else {
        let excused = name == "MySQL" && std::env::var("STRANGLER_MYSQL").as_deref() == Ok("absent");
        assert!(excused || std::env::var("STRANGLER_REQUIRE_DB").as_deref() != Ok("1"), "{name} is required and missing");
        eprintln!("SKIPPED: no {name} on this machine, no random statements were compared with it");
        return;
    };
    let seed = seed();
    if long() != "statements" {
        awkward::run(&server, seed, 3 * statements());
    }
    if long() != "expressions" {
        run(&server, seed);
    }
}

#[test]
fn random_statements_are_what_mariadb_says() {
    check(Server::mariadb(), "MariaDB");
}

#[test]
fn random_statements_are_what_postgresql_says() {
    let Some(server) = postgres::PostgresServer::start() else {
        assert!(std::env::var("STRANGLER_REQUIRE_DB").as_deref() != Ok("1"), "PostgreSQL is required and missing");
        eprintln!("SKIPPED: no PostgreSQL on this machine, no random statements were compared with it");
        return;
    };
    run(&server, seed());
}

#[test]
fn random_statements_are_what_mysql_says() {
    check(Server::mysql(), "MySQL");
}
