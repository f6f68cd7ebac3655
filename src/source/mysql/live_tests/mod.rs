//! The change stream against real servers: what comes out must equal what the server's own SELECT says.

mod charsets;
mod columns;
mod server;
mod statements;
mod transactions;
mod values;

use std::sync::Arc;
use std::time::Duration;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use self::server::Server;
use super::stream::{BinlogStream, StartBy, StreamRequest};
use super::zone::SessionZone;
use crate::change::{Change, Image, Operation, SchemaChange, SourceEvent, Transaction};
use crate::error::Error;
use crate::position::{BinlogPosition, Position};
use crate::schema::{
    Column, DataType, Flavor, Generated, SessionSettings, SourceCatalog, StoredColumn, TableId, TableLayout, TableName,
    TableSchema, UniqueKey,
};
use crate::source::SourceStream;
use crate::value::Value;

const INT: DataType = DataType::Integer { bits: 32, unsigned: false };

fn text(charset: &str) -> DataType {
    DataType::Text { length: None, fixed: false, charset: charset.into(), collation: String::new() }
}

/// A server, one database in it, and the tables of it that are mapped.
struct Bench {
    server: Arc<Server>,
    conn: Conn,
    schema: String,
    layouts: Vec<TableLayout>,
    schemas: Vec<TableSchema>,
    bytes_max: usize,
}

impl Bench {
    async fn new(flavor: Flavor, schema: &str) -> Option<Self> {
        Some(Self::on(Server::get(flavor)?, schema).await)
    }

    async fn on(server: Arc<Server>, schema: &str) -> Self {
        let conn = server.database(schema).await;
        Self { server, conn, schema: schema.into(), layouts: vec![], schemas: vec![], bytes_max: 256 << 20 }
    }

    async fn run(&mut self, statements: &[&str]) {
        for statement in statements {
            self.conn.query_drop(*statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
    }

    /// Creates a table and maps all of `columns` (name, SQL type, our type); the first is the primary key.
    async fn table(&mut self, name: &str, columns: &[(&str, &str, DataType)], options: &str) {
        let list: Vec<String> = columns.iter().map(|(name, kind, _)| format!("`{name}` {kind}")).collect();
        let (key, list) = (columns[0].0, list.join(", "));
        self.run(&[&format!("CREATE TABLE `{name}` ({list}, PRIMARY KEY (`{key}`)) {options}")]).await;
        let (column_count, transactional) = (columns.len(), !options.contains("MyISAM"));
        let columns: Vec<Column> = columns
            .iter()
            .map(|(name, kind, data_type)| Column {
                name: (*name).into(),
                data_type: data_type.clone(),
                native_type: (*kind).into(),
                nullable: true,
                generated: Generated::No,
                comment: String::new(),
            })
            .collect();
        let name = TableName { schema: self.schema.clone(), name: name.into() };
        self.layouts.push(TableLayout {
            id: TableId(u32::try_from(self.layouts.len()).unwrap()),
            name: name.clone(),
            columns: columns
                .iter()
                .enumerate()
                .map(|(ordinal, column)| StoredColumn { ordinal, column: column.clone() })
                .collect(),
            identity: Some(vec![0]),
            transactional,
            source_column_count: column_count,
        });
        self.schemas.push(TableSchema {
            name,
            columns,
            primary_key: Some(UniqueKey { name: "PRIMARY".into(), columns: vec![0] }),
            unique_keys: vec![],
            engine: String::new(),
            transactional,
            comment: String::new(),
            row_estimate: 0,
            revision: String::new(),
        });
    }

    async fn position(&mut self) -> BinlogPosition {
        let mysql = self.server.flavor == Flavor::MySql;
        let status: mysql_async::Row =
            self.conn.query_first(if mysql { "SHOW BINARY LOG STATUS" } else { "SHOW MASTER STATUS" }).await.unwrap().unwrap();
        let (file, offset): (String, u64) = (status.get(0).unwrap(), status.get(1).unwrap());
        let gtid = if mysql { "SELECT @@global.gtid_executed" } else { "SELECT @@global.gtid_binlog_pos" };
        let gtid: String = self.conn.query_first(gtid).await.unwrap().unwrap();
        BinlogPosition {
            server: "s".into(),
            file,
            offset,
            gtid: gtid.replace('\n', ""),
            prepared_from: None,
            altered: Vec::new(),
        }
    }

    async fn open(&self, by: StartBy, position: BinlogPosition) -> Result<BinlogStream, Error> {
        static SERVER_ID: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(70_000);
        let catalog = SourceCatalog {
            sources: std::collections::BTreeMap::new(),
            flavor: self.server.flavor,
            version: (10, 11, 0),
            default_schema: self.schema.clone(),
            tables: self.schemas.clone(),
            collations: std::collections::BTreeMap::new(),
            session: SessionSettings {
                sql_mode: String::new(),
                time_zone: "+09:00".into(),
                div_precision_increment: 4,
                group_concat_max_len: 1024,
                collation_connection: "utf8mb4_general_ci".into(),
                lower_case_table_names: 0,
            },
        };
        let request = StreamRequest {
            server_identity: "s".into(),
            server_id: SERVER_ID.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
            flavor: self.server.flavor,
            by,
            position,
            zone: SessionZone::parse("+09:00").unwrap(),
            layouts: self.layouts.clone().into(),
            catalog: &catalog,
            transaction_bytes_max: self.bytes_max,
            spill: None,
        };
        BinlogStream::open(self.server.connect().await, request).await
    }

    /// Runs `statements` and reads the stream from before them to after them.
    async fn stream(&mut self, statements: &[&str]) -> Result<Vec<SourceEvent>, Error> {
        let position = self.position().await;
        self.run(statements).await;
        self.stream_from(position).await
    }

    async fn stream_from(&mut self, position: BinlogPosition) -> Result<Vec<SourceEvent>, Error> {
        let end = Position::Binlog(self.position().await);
        let stream = self.open(StartBy::FilePosition, position).await?;
        read_to(stream, &end).await
    }

    /// As [`Bench::stream`], only the transactions.
    async fn transactions(&mut self, statements: &[&str]) -> Vec<Transaction> {
        transactions(self.stream(statements).await.unwrap())
    }
}

/// Reads until the position contains `end`; heartbeats are left out.
async fn read_to(mut stream: BinlogStream, end: &Position) -> Result<Vec<SourceEvent>, Error> {
    let mut events = Vec::new();
    loop {
        let event = tokio::time::timeout(Duration::from_secs(60), stream.next()).await.expect("the stream must reach the end")?;
        let reached = position_of(&event).contains(end);
        if !matches!(event, SourceEvent::Heartbeat { .. }) {
            events.push(event);
        }
        if reached {
            return Ok(events);
        }
    }
}

fn position_of(event: &SourceEvent) -> &Position {
    match event {
        SourceEvent::Transaction(transaction) => &transaction.position,
        SourceEvent::SchemaChange(change) => &change.position,
        SourceEvent::Heartbeat { position } => position,
    }
}

fn binlog(position: &Position) -> BinlogPosition {
    let Position::Binlog(position) = position else { panic!("no binlog position") };
    position.clone()
}

fn transactions(events: Vec<SourceEvent>) -> Vec<Transaction> {
    let only = |event| match event {
        SourceEvent::Transaction(transaction) => transaction,
        other => panic!("not a transaction: {other:?}"),
    };
    events.into_iter().map(only).collect()
}

fn schema_changes(events: &[SourceEvent]) -> Vec<&SchemaChange> {
    let mut changes = Vec::new();
    for event in events {
        if let SourceEvent::SchemaChange(change) = event {
            changes.push(change);
        }
    }
    changes
}

fn full(image: &Image) -> &[Value] {
    match image {
        Image::Full(row) => row,
        Image::Partial(_) => panic!("a partial image"),
    }
}

/// `insert 1`, `update 1 2`, .. with the first column of each image.
fn summary(changes: &[Change]) -> Vec<String> {
    let id = |image: &Image| match &full(image)[0] {
        Value::Int(id) => id.to_string(),
        other => format!("{other:?}"),
    };
    let one = |change: &Change| match &change.operation {
        Operation::Insert { new } => format!("insert {}", id(new)),
        Operation::Update { old, new } => format!("update {} {}", id(old), id(new)),
        Operation::Delete { old } => format!("delete {}", id(old)),
        Operation::Truncate => "truncate".into(),
    };
    changes.iter().map(one).collect()
}
