//! What every target promises, on a real server of each kind; and what the tests of one dialect share.

mod abandoned;
mod ahead;
mod checkpoints;
mod crash;
mod keys;
mod parts;
mod slices;
mod unique;

use std::sync::Arc;

use super::database::{Database, TargetOptions};
use super::{mysql, postgres};
use crate::position::Frontier;
use crate::schema::{TargetColumn, TargetTable, TargetType};
use crate::target::{Advance, Checkpoint, Phase, Target};
use crate::value::{Row, Value};
use crate::write::{TableWrites, WriteBatch};

/// A database on a server of one kind.
struct Bench {
    target: Database,
    server: Running,
}

enum Running {
    Postgres(Box<postgres::tests::Bench>),
    MySql(Box<mysql::tests::Bench>),
}

impl Bench {
    /// One of each kind that can be started here.
    async fn all() -> Vec<Self> {
        let postgres = postgres::tests::Bench::new().await.map(Box::new).map(Running::Postgres);
        Self::over(postgres, mysql::tests::Bench::all().await)
    }

    /// The same, on servers that keep what they have committed when they are killed.
    async fn durable() -> Vec<Self> {
        let postgres = postgres::tests::Bench::durable().await.map(Box::new).map(Running::Postgres);
        let mysql = mysql::tests::Bench::all_with(&["--innodb-flush-log-at-trx-commit=1"]).await;
        Self::over(postgres, mysql)
    }

    fn over(postgres: Option<Running>, mysql: Vec<mysql::tests::Bench>) -> Vec<Self> {
        let running = postgres.into_iter().chain(mysql.into_iter().map(Box::new).map(Running::MySql));
        running.map(|server| Self { target: server.target(), server }).collect()
    }

    /// A second target on the same database, as another engine would have.
    fn other_engine(&self) -> Database {
        self.server.target()
    }

    async fn run(&self, statement: &str) {
        match &self.server {
            Running::Postgres(bench) => bench.run(statement).await,
            Running::MySql(bench) => bench.run(&[statement]).await,
        }
    }

    async fn ask(&self, query: &str) -> String {
        match &self.server {
            Running::Postgres(bench) => bench.ask(query).await,
            Running::MySql(bench) => bench.ask(query).await,
        }
    }

    /// Creates tables and takes the mapping `m` over.
    async fn begin(&self, tables: &[TargetTable]) -> Checkpoint {
        self.target.create(tables).await.unwrap();
        self.target.take_over(None, row("m", "state-1", 0)).await.unwrap()
    }

    /// `id bigint primary key, label`.
    fn labels(&self, name: &str) -> TargetTable {
        match &self.server {
            Running::Postgres(_) => postgres::tests::labels(name),
            Running::MySql(bench) => bench.labels(name),
        }
    }

    /// Asserts the rows of a table of [`Bench::labels`], in the order of their ids.
    async fn expect_labels(&self, table: &TargetTable, expected: &[Row]) {
        let (_, rows) = self.target.read_after("m", table, None, 10_000).await.unwrap();
        assert_eq!(rows, expected);
    }
}

impl Running {
    fn target(&self) -> Database {
        Database::new(self.options_at(self.port()))
    }

    fn port(&self) -> u16 {
        match self {
            Self::Postgres(bench) => bench.server.port(),
            Self::MySql(bench) => bench.server.port(),
        }
    }

    /// The target's options, but for another port of this machine.
    fn options_at(&self, port: u16) -> TargetOptions {
        match self {
            Self::Postgres(bench) => {
                let address = postgres::Address::Tcp { host: "127.0.0.1".into(), port };
                TargetOptions::Postgres(postgres::PostgresOptions { address, ..bench.options.clone() })
            }
            Self::MySql(bench) => TargetOptions::MySql(mysql::MySqlOptions { port, ..bench.options.clone() }),
        }
    }

    /// SIGKILL, and a new start.
    async fn crash(&mut self) {
        match self {
            Self::Postgres(bench) => Arc::get_mut(&mut bench.server).expect("a server of its own").crash().await,
            Self::MySql(bench) => {
                bench.server.kill().unwrap();
                bench.server.restart().await.unwrap();
            }
        }
    }
}

/// A checkpoint row that no engine owns yet.
pub(super) fn row(mapping: &str, state_id: &str, sequence: u64) -> Checkpoint {
    Checkpoint {
        mapping: mapping.into(),
        state_id: state_id.into(),
        sequence,
        owner_epoch: 0,
        frontier: Frontier::default(),
        source_committed_at_us: 1_700_000_000_123_456,
        phase: Phase::Loading,
        load_cursor: None,
        pending_sweeps: 0,
        quarantined: 0,
    }
}

/// The step after `current`.
pub(super) fn next(current: &Checkpoint) -> Advance {
    Advance { expected_sequence: current.sequence, next: Checkpoint { sequence: current.sequence + 1, ..current.clone() } }
}

/// A table whose first `key` columns are its key.
pub(super) fn table(name: &str, key: usize, columns: impl IntoIterator<Item = (String, TargetType)>) -> TargetTable {
    let column = |(index, (name, target_type)): (usize, (String, TargetType))| TargetColumn {
        name,
        target_type,
        nullable: index >= key,
        description: String::new(),
    };
    TargetTable {
        schema: None,
        name: name.into(),
        columns: columns.into_iter().enumerate().map(column).collect(),
        key: (0..key).collect(),
        indexes: Vec::new(),
        description: String::new(),
    }
}

/// A row of values.
pub(super) fn values(values: impl IntoIterator<Item = Value>) -> Row {
    values.into_iter().collect()
}

/// A row of an id and a text.
pub(super) fn label(id: i64, text: &str) -> Row {
    values([Value::Int(id), Value::text(text)])
}

/// The key of such a row.
pub(super) fn key(id: i64) -> Row {
    values([Value::Int(id)])
}

/// Writes to one table.
pub(super) fn batch(table: u32, deletes: Vec<Row>, upserts: Vec<Row>) -> WriteBatch {
    WriteBatch { tables: vec![TableWrites { table, deletes, upserts }] }
}
