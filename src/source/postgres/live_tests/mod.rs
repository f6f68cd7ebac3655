//! The source against a real server: what it reads is compared with what the server says of itself.

mod sessions;
mod snapshots;
mod streams;
mod tls;
mod values;
mod versions;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::PostgresSource;
use super::connect::{OnExceed, PostgresSourceOptions, SlotLimit};
use super::stream::WalStream;
use crate::change::{Change, SourceEvent, Transaction};
use crate::demo::servers::TestPostgres;
use crate::error::Result;
use crate::position::{Position, WalPosition};
use crate::schema::{SourceCatalog, StoredColumn, TableId, TableLayout, TableName};
use crate::source::{Layouts, ReadBounds, Source, SourceStream};
use crate::transport::{Secret, Tls};

/// A database of its own on the shared server, with a source over it.
struct Bench {
    server: Arc<TestPostgres>,
    database: String,
    source: Arc<PostgresSource>,
}

impl Bench {
    async fn new(statements: &str) -> Option<Self> {
        Self::with(statements, |_| {}).await
    }

    async fn with(statements: &str, change: impl FnOnce(&mut PostgresSourceOptions)) -> Option<Self> {
        Some(Self::on(shared().await?, statements, change).await)
    }

    async fn on(server: Arc<TestPostgres>, statements: &str, change: impl FnOnce(&mut PostgresSourceOptions)) -> Self {
        let database = server.create_database().await;
        server.run(&database, statements).await;
        let mut options = options(&server, &database);
        change(&mut options);
        let source = Arc::new(PostgresSource::new(options));
        Self { server, database, source }
    }

    async fn run(&self, statements: &str) {
        self.server.run(&self.database, statements).await;
    }

    async fn ask(&self, query: &str) -> String {
        self.server.ask(&self.database, query).await.join("\n")
    }

    async fn catalog(&self, tables: &[&str]) -> SourceCatalog {
        let names: Vec<TableName> = tables.iter().map(|name| named(name)).collect();
        self.source.catalog(&names).await.unwrap()
    }

    /// Publication, slot and stream over all columns of `tables`.
    async fn open(&self, tables: &[&str]) -> Open {
        let catalog = self.catalog(tables).await;
        let layouts = layouts(&catalog, |_| true);
        let start = self.source.start_position(&layouts).await.unwrap();
        self.resume(catalog, layouts, start).await.unwrap()
    }

    async fn resume(&self, catalog: SourceCatalog, layouts: Layouts, start: Position) -> Result<Open> {
        let (durable, stored) = watch::channel(start.clone());
        let stream = self.source.open_stream(&catalog, Arc::clone(&layouts), &start, stored).await?;
        Ok(Open { stream, durable, catalog, layouts, start })
    }
}

/// Settings under which small changes exercise what large ones do elsewhere.
const SETTINGS: &[&str] = &[
    "max_wal_senders=40",
    "max_replication_slots=40",
    "max_prepared_transactions=10",
    "max_slot_wal_keep_size=2GB",
    "max_wal_size=4GB",
    "autovacuum=off",
    "logical_decoding_work_mem=64kB",
];

async fn shared() -> Option<Arc<TestPostgres>> {
    TestPostgres::shared(SETTINGS).await
}

/// Options for the superuser of a server.
fn options(server: &TestPostgres, database: &str) -> PostgresSourceOptions {
    PostgresSourceOptions {
        name: "crm".into(),
        host: "127.0.0.1".into(),
        port: server.port(),
        user: "postgres".into(),
        password: Some(Secret::new(server.password())),
        database: database.into(),
        tls: Tls::Off,
        schema: None,
        time_zone: Some("Asia/Seoul".into()),
        slot: format!("strangler_{database}"),
        publication: "strangler_crm".into(),
        slot_limit: Some(SlotLimit { bytes_max: 1 << 30, on_exceed: OnExceed::Stop }),
        statement_timeout_s: 30,
        connections_max: 4,
        transaction_bytes_max: 64 << 20,
        replica: None,
        spill: None,
    }
}

/// An open stream with what it was opened by.
struct Open {
    stream: WalStream,
    durable: watch::Sender<Position>,
    catalog: SourceCatalog,
    layouts: Layouts,
    start: Position,
}

impl Open {
    /// The next event that is no heartbeat.
    async fn event(&mut self) -> Result<SourceEvent> {
        let wait = async {
            loop {
                match self.stream.next().await? {
                    SourceEvent::Heartbeat { .. } => {}
                    other => return Ok(other),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.expect("no event came")
    }

    async fn transaction(&mut self) -> Transaction {
        match self.event().await.unwrap() {
            SourceEvent::Transaction(transaction) => transaction,
            other => panic!("not a transaction: {other:?}"),
        }
    }

    async fn changes(&mut self) -> Vec<Change> {
        self.transaction().await.changes
    }

    /// Reads until everything up to `position` is contained; the transactions on the way.
    async fn until(&mut self, position: &Position) -> Vec<Transaction> {
        let mut found = Vec::new();
        let wait = async {
            loop {
                let reached = match self.stream.next().await.unwrap() {
                    SourceEvent::Transaction(transaction) => {
                        found.push(transaction.clone());
                        transaction.position
                    }
                    SourceEvent::Heartbeat { position } => position,
                    SourceEvent::SchemaChange(change) => panic!("{change:?}"),
                };
                if reached.contains(position) {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.expect("the position was not reached");
        found
    }
}

/// `schema.name`, or a name of `public`.
fn named(name: &str) -> TableName {
    let (schema, name) = name.split_once('.').unwrap_or(("public", name));
    TableName { schema: schema.into(), name: name.into() }
}

/// Layouts of the columns that `keep` keeps.
fn layouts(catalog: &SourceCatalog, keep: impl Fn(&str) -> bool) -> Layouts {
    let layout = |(index, table): (usize, &crate::schema::TableSchema)| {
        let identity = table.identity().map(|key| key.columns.clone());
        let kept = |ordinal: usize, name: &str| identity.iter().flatten().any(|key| *key == ordinal) || keep(name);
        let columns: Vec<StoredColumn> = table
            .columns
            .iter()
            .enumerate()
            .filter(|(ordinal, column)| kept(*ordinal, &column.name))
            .map(|(ordinal, column)| StoredColumn { ordinal, column: column.clone() })
            .collect();
        let stored = |ordinal: &usize| columns.iter().position(|column| column.ordinal == *ordinal).unwrap();
        TableLayout {
            id: TableId(u32::try_from(index).unwrap()),
            name: table.name.clone(),
            identity: identity.as_ref().map(|ordinals| ordinals.iter().map(stored).collect()),
            columns,
            transactional: true,
            source_column_count: table.columns.len(),
        }
    };
    catalog.tables.iter().enumerate().map(layout).collect()
}

fn wal(position: &Position) -> &WalPosition {
    let Position::Wal(position) = position else { panic!("no WAL position") };
    position
}
