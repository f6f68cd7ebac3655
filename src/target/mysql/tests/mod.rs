//! The target against real servers of both families, throw-away, on loopback.
//!
//! Without a server's programs the tests say so loudly and pass, unless `STRANGLER_REQUIRE_DB=1`.

mod apply;
mod catalogue;
mod roundtrip;
mod text;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::{MySqlOptions, MySqlTarget, Secret};
use crate::demo::servers::{MariaDb, MySql, MysqlWireServer, ServerOptions};
use crate::schema::{LongSize, MySqlType, TargetKind, TargetTable, TargetType};
use crate::target::tests::{batch, label, next, row, values};
use crate::target::{Checkpoint, Target};
use crate::value::{Row, Value};

/// A database on a server of its own.
pub(in crate::target) struct Bench {
    pub(in crate::target) server: MysqlWireServer,
    pub(in crate::target) options: MySqlOptions,
    target: MySqlTarget,
}

impl Bench {
    /// One of each family.
    pub(in crate::target) async fn all() -> Vec<Self> {
        Self::all_with(&[]).await
    }

    pub(in crate::target) async fn all_with(arguments: &[&str]) -> Vec<Self> {
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

    pub(in crate::target) async fn run(&self, statements: &[&str]) {
        let mut all = vec!["USE shop"];
        all.extend(statements);
        self.server.execute(&all).await.unwrap();
    }

    pub(in crate::target) async fn ask(&self, query: &str) -> String {
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
    pub(in crate::target) fn labels(&self, name: &str) -> TargetTable {
        let label = MySqlType::Varchar { length: 40, collation: "utf8mb4_general_ci".into() };
        table(name, 1, &[("id", MySqlType::Integer { bits: 64, unsigned: false }), ("label", label)])
    }
}

/// A table whose first `key` columns are its key.
fn table(name: &str, key: usize, columns: &[(&str, MySqlType)]) -> TargetTable {
    super::super::tests::table(name, key, columns.iter().map(|(name, own)| ((*name).to_owned(), TargetType::MySql(own.clone()))))
}
