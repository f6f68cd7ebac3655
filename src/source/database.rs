//! A legacy database of either kind, chosen by its URL when the project is opened.

use tokio::sync::watch;

use super::limits::{Limits, Load};
use super::mysql::MySqlSource;
use super::mysql::connect::MySqlOptions;
use super::postgres::PostgresSource;
use super::postgres::connect::PostgresSourceOptions;
use super::retention::Retention;
use super::{HeldLog, Layouts, Leftover, Pace, PlannedAccess, ReadBounds, Source, SourceStream, TableSize};
use crate::change::{Chunk, KeyRange, SourceEvent};
use crate::error::Result;
use crate::finding::Finding;
use crate::position::Position;
use crate::schema::{DataType, SessionSettings, SourceCatalog, TableLayout, TableName};
use crate::value::{Row, Value};

/// How a legacy database is reached.
pub enum SourceOptions {
    /// MySQL or MariaDB.
    MySql(Box<MySqlOptions>),
    /// PostgreSQL.
    Postgres(Box<PostgresSourceOptions>),
}

/// A legacy database.
pub enum Database {
    /// MySQL or MariaDB.
    MySql(Box<MySqlSource>),
    /// PostgreSQL.
    Postgres(Box<PostgresSource>),
}

/// Its change stream.
pub enum Stream {
    /// A binlog dump.
    MySql(Box<super::mysql::stream::BinlogStream>),
    /// A replication slot.
    Postgres(Box<super::postgres::stream::WalStream>),
}

impl Database {
    /// A source over `options`; connects when it is first used.
    #[must_use]
    pub fn new(options: SourceOptions) -> Self {
        match options {
            SourceOptions::MySql(options) => Self::MySql(Box::new(MySqlSource::new(*options))),
            SourceOptions::Postgres(options) => Self::Postgres(Box::new(PostgresSource::new(*options))),
        }
    }

    /// Fixes the session settings to those of a stored catalogue, so that a restart means the same as the first start. To be called
    /// before anything else.
    pub fn record(&self, stored: &SourceCatalog) {
        match self {
            Self::MySql(source) => source.record(stored),
            Self::Postgres(source) => source.record(stored),
        }
    }
}

impl Source for Database {
    type Stream = Stream;

    async fn catalog(&self, tables: &[TableName]) -> Result<SourceCatalog> {
        match self {
            Self::MySql(source) => source.catalog(tables).await,
            Self::Postgres(source) => source.catalog(tables).await,
        }
    }

    async fn preflight(&self, catalog: &SourceCatalog) -> Result<Vec<Finding>> {
        match self {
            Self::MySql(source) => source.preflight(catalog).await,
            Self::Postgres(source) => source.preflight(catalog).await,
        }
    }

    async fn start_position(&self, layouts: &Layouts) -> Result<Position> {
        match self {
            Self::MySql(source) => source.start_position(layouts).await,
            Self::Postgres(source) => source.start_position(layouts).await,
        }
    }

    async fn current_position(&self) -> Result<Position> {
        match self {
            Self::MySql(source) => source.current_position().await,
            Self::Postgres(source) => source.current_position().await,
        }
    }

    async fn load(&self, name: &str, limits: &Limits) -> Result<Load> {
        match self {
            Self::MySql(source) => source.load(name, limits).await,
            Self::Postgres(source) => source.load(name, limits).await,
        }
    }

    async fn ranges_behind(
        &self,
        layout: &TableLayout,
        behind: Option<&Row>,
        rows_max: u32,
        count_max: usize,
    ) -> Result<Vec<KeyRange>> {
        match self {
            Self::MySql(source) => source.ranges_behind(layout, behind, rows_max, count_max).await,
            Self::Postgres(source) => source.ranges_behind(layout, behind, rows_max, count_max).await,
        }
    }

    async fn size(&self, layout: &TableLayout) -> Result<TableSize> {
        match self {
            Self::MySql(source) => source.size(layout).await,
            Self::Postgres(source) => source.size(layout).await,
        }
    }

    async fn read_chunk(&self, layout: &TableLayout, index: u32, range: &KeyRange, bounds: ReadBounds) -> Result<Chunk> {
        match self {
            Self::MySql(source) => source.read_chunk(layout, index, range, bounds).await,
            Self::Postgres(source) => source.read_chunk(layout, index, range, bounds).await,
        }
    }

    async fn open_stream(
        &self,
        catalog: &SourceCatalog,
        layouts: Layouts,
        position: &Position,
        durable: watch::Receiver<Position>,
    ) -> Result<Self::Stream> {
        Ok(match self {
            Self::MySql(source) => Stream::MySql(Box::new(source.open_stream(catalog, layouts, position, durable).await?)),
            Self::Postgres(source) => Stream::Postgres(Box::new(source.open_stream(catalog, layouts, position, durable).await?)),
        })
    }

    async fn widen(&self, layouts: &Layouts, added: &[TableName]) -> Result<()> {
        match self {
            Self::MySql(source) => source.widen(layouts, added).await,
            Self::Postgres(source) => source.widen(layouts, added).await,
        }
    }

    async fn leftovers(&self) -> Result<Vec<Leftover>> {
        match self {
            Self::MySql(source) => source.leftovers().await,
            Self::Postgres(source) => source.leftovers().await,
        }
    }

    async fn forget(&self) -> Result<()> {
        match self {
            Self::MySql(source) => source.forget().await,
            Self::Postgres(source) => source.forget().await,
        }
    }

    async fn retention(&self) -> Result<Vec<Retention>> {
        match self {
            Self::MySql(source) => source.retention().await,
            Self::Postgres(source) => source.retention().await,
        }
    }

    async fn held_logs(&self) -> Result<Vec<HeldLog>> {
        match self {
            Self::MySql(source) => source.held_logs().await,
            Self::Postgres(source) => source.held_logs().await,
        }
    }

    async fn select(
        &self,
        sql: &str,
        parameters: &[Value],
        types: &[DataType],
        visit: &mut (dyn FnMut(Row) -> Result<()> + Send),
    ) -> Result<()> {
        match self {
            Self::MySql(source) => source.select(sql, parameters, types, visit).await,
            Self::Postgres(source) => source.select(sql, parameters, types, visit).await,
        }
    }

    fn literal(&self, value: &Value, session: &SessionSettings) -> Result<String> {
        match self {
            Self::MySql(source) => source.literal(value, session),
            Self::Postgres(source) => source.literal(value, session),
        }
    }

    fn identifier(&self, name: &str) -> String {
        match self {
            Self::MySql(source) => source.identifier(name),
            Self::Postgres(source) => source.identifier(name),
        }
    }

    fn chunk_statement(&self, layout: &TableLayout) -> Result<String> {
        match self {
            Self::MySql(source) => source.chunk_statement(layout),
            Self::Postgres(source) => source.chunk_statement(layout),
        }
    }

    async fn explain(&self, sql: &str) -> Result<Vec<PlannedAccess>> {
        match self {
            Self::MySql(source) => source.explain(sql).await,
            Self::Postgres(source) => source.explain(sql).await,
        }
    }
}

impl SourceStream for Stream {
    async fn next(&mut self) -> Result<SourceEvent> {
        match self {
            Self::MySql(stream) => stream.next().await,
            Self::Postgres(stream) => stream.next().await,
        }
    }

    fn pace(&self) -> Pace {
        match self {
            Self::MySql(stream) => stream.pace(),
            Self::Postgres(stream) => stream.pace(),
        }
    }
}
