//! The target against real servers of both families, throw-away, on loopback.
//!
//! Without a server's programs the tests say so loudly and pass, unless `STRANGLER_REQUIRE_DB=1`.

mod apply;
mod catalogue;
mod crash;
mod parts;
mod roundtrip;
mod text;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::{MySqlOptions, MySqlTarget, Secret};
use crate::demo::servers::{MariaDb, MySql, MysqlWireServer, ServerOptions};
use crate::position::Frontier;
use crate::schema::{LongSize, MySqlType, TargetColumn, TargetKind, TargetTable, TargetType};
use crate::target::{Advance, Checkpoint, Phase, Target};
use crate::value::{Row, Value};
use crate::write::{TableWrites, WriteBatch};

/// A database on a server of its own.
struct Bench {
    server: MysqlWireServer,
    options: MySqlOptions,
    target: MySqlTarget,
}

impl Bench {
    /// One of each family.
    async fn all() -> Vec<Self> {
        Self::all_with(&[]).await
    }

    async fn all_with(arguments: &[&str]) -> Vec<Self> {
        let options = || ServerOptions::with_args(arguments.iter().copied());
        let mut benches = Vec::new();
        for (kind, server) in
            [(TargetKind::MariaDb, MariaDb::start(options()).await), (TargetKind::MySql, MySql::start(options()).await)]
        {
            match server {
                Ok(server) => benches.push(Self::on(kind, server).await),
                Err(error) => {
                    let excused =
                        kind == TargetKind::MySql && std::env::var_os("STRANGLER_MYSQL").is_some_and(|said| said == "absent");
                    assert!(excused || std::env::var_os("STRANGLER_REQUIRE_DB").is_none(), "{error}");
                    eprintln!("SKIPPED: {} is not installed, so this test proves nothing about it", kind.name());
                }
            }
        }
        benches
    }

    async fn on(kind: TargetKind, server: MysqlWireServer) -> Self {
        server.execute(&["CREATE DATABASE shop"]).await.unwrap();
        let mut options = MySqlOptions::new("shop-db", kind, ("127.0.0.1", server.port()), "root", "shop");
        options.password = Some(Secret::new(server.password()));
        Self { target: MySqlTarget::new(options.clone()), server, options }
    }

    /// A second target on the same database, as another engine would have.
    fn other_engine(&self) -> MySqlTarget {
        MySqlTarget::new(self.options.clone())
    }

    async fn run(&self, statements: &[&str]) {
        let mut all = vec!["USE shop"];
        all.extend(statements);
        self.server.execute(&all).await.unwrap();
    }

    async fn ask(&self, query: &str) -> String {
        let mut conn = Conn::from_url(self.server.url_of("shop")).await.unwrap();
        let answer: Option<Option<String>> = conn.query_first(query).await.unwrap();
        conn.disconnect().await.unwrap();
        answer.flatten().unwrap_or_default()
    }

    /// Creates tables and takes the mapping `m` over.
    async fn begin(&self, tables: &[TargetTable]) -> Checkpoint {
        self.target.create(tables).await.unwrap();
        self.target.take_over(None, row("m", "state-1", 0)).await.unwrap()
    }

    fn exact(&self) -> String {
        self.options.kind.exact_collation().unwrap().to_owned()
    }

    /// `id bigint primary key, label varchar(40)`.
    fn labels(&self, name: &str) -> TargetTable {
        let label = MySqlType::Varchar { length: 40, collation: "utf8mb4_general_ci".into() };
        table(name, 1, &[("id", MySqlType::Integer { bits: 64, unsigned: false }), ("label", label)])
    }
}

fn row(mapping: &str, state_id: &str, sequence: u64) -> Checkpoint {
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
fn next(current: &Checkpoint) -> Advance {
    Advance { expected_sequence: current.sequence, next: Checkpoint { sequence: current.sequence + 1, ..current.clone() } }
}

fn column(name: &str, own: MySqlType) -> TargetColumn {
    TargetColumn { name: name.into(), target_type: TargetType::MySql(own), nullable: true, description: String::new() }
}

/// A table whose first `key` columns are its key.
fn table(name: &str, key: usize, columns: &[(&str, MySqlType)]) -> TargetTable {
    let mut columns: Vec<TargetColumn> = columns.iter().map(|(name, own)| column(name, own.clone())).collect();
    columns.iter_mut().take(key).for_each(|column| column.nullable = false);
    TargetTable {
        schema: None,
        name: name.into(),
        columns,
        key: (0..key).collect(),
        indexes: Vec::new(),
        description: String::new(),
    }
}

fn values(values: impl IntoIterator<Item = Value>) -> Row {
    values.into_iter().collect()
}

fn label(id: i64, text: &str) -> Row {
    values([Value::Int(id), Value::text(text)])
}

fn key(id: i64) -> Row {
    values([Value::Int(id)])
}

fn batch(table: u32, deletes: Vec<Row>, upserts: Vec<Row>) -> WriteBatch {
    WriteBatch { tables: vec![TableWrites { table, deletes, upserts }] }
}
