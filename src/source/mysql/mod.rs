//! MySQL and MariaDB as a source: catalogue, preflight, snapshot chunks, SELECTs and the change stream.
//!
//! In: [`connect::MySqlOptions`]. Out: [`MySqlSource`], whose every connection is read-only and runs under the recorded session
//! settings. The stream is decoded by `stream` and `decode`; everything else is plain SQL.

mod alter;
mod catalog;
pub mod charset;
mod charset_tables;
mod collation;
mod column_type;
mod columns;
pub mod connect;
mod control;
mod ddl;
pub mod decode;
mod definition;
mod driver_value;
mod explain;
mod failure;
mod group;
mod history;
mod key_bounds;
mod literal;
#[cfg(test)]
mod live_tests;
mod load;
mod marks;
mod names;
mod preflight;
mod retention;
mod select;
mod session;
mod settle;
mod snapshot;
mod statement;
pub mod stream;
#[cfg(test)]
mod tests;
mod tokens;
mod transaction;
pub mod zone;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use mysql_async::prelude::Queryable;
use tokio::sync::watch;

use crate::change::{Chunk, KeyRange};
use crate::error::Result;
use crate::position::Position;
use crate::schema::{DataType, SessionSettings, SourceCatalog, TableLayout, TableName};
use crate::value::{Collation, Row, Value};

use self::connect::{MySqlOptions, Pool, Use};
use self::driver_value::TextForm;
use self::marks::Marker;
use self::select::{Expected, OPEN_VIEW, Statement};
use super::limits::{Limits, Load};
use super::retention::Retention;
use super::{Layouts, PlannedAccess, ReadBounds, Source, TableSize};
use crate::finding::Finding;

/// A MySQL or MariaDB server.
pub struct MySqlSource {
    pool: Pool,
    /// What was built once: a server's collations do not change under its version.
    collations: Mutex<BTreeMap<String, Option<Collation>>>,
    /// The names of the last catalogue that are no tables; the preflight reports them.
    absent: Mutex<Vec<catalog::Absent>>,
    watch: load::Watch,
}

impl MySqlSource {
    /// A source over `options`; connects when it is first used.
    #[must_use]
    pub fn new(options: MySqlOptions) -> Self {
        let watch = load::Watch::new(&options);
        Self { pool: Pool::new(options), collations: Mutex::default(), absent: Mutex::default(), watch }
    }

    /// Fixes the session settings to those of a stored catalogue, so that a restart means the same as the first start. To be called
    /// before anything else.
    pub fn record(&self, stored: &SourceCatalog) {
        self.pool.record(stored.flavor, stored.version, stored.session.clone());
    }

    /// The collations of `names` that are exact; asks the server for those not built yet.
    async fn collations(&self, names: BTreeSet<String>) -> Result<BTreeMap<String, Collation>> {
        let (server, _) = self.pool.known().await?;
        let mut found = BTreeMap::new();
        for name in names {
            let built = self.collations.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
            let built = match built {
                Some(built) => built,
                None => {
                    let mut lease = self.pool.lease(Use::Select).await?;
                    let built = collation::build(lease.conn(), self.pool.answer_limit(), server, &name).await?;
                    lease.give_back().await?;
                    self.collations.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), built.clone());
                    built
                }
            };
            if let Some(collation) = built {
                found.insert(name, collation);
            }
        }
        Ok(found)
    }
}

impl Source for MySqlSource {
    type Stream = stream::BinlogStream;

    async fn catalog(&self, tables: &[TableName]) -> Result<SourceCatalog> {
        let (server, settings) = self.pool.known().await?;
        let mut lease = self.pool.lease(Use::Select).await?;
        session::prove_zone(lease.conn(), self.pool.answer_limit(), server, &settings.time_zone).await?;
        let folded = settings.lower_case_table_names != 0;
        let found = catalog::read(lease.conn(), self.pool.answer_limit(), server.flavor, tables, folded).await?;
        lease.give_back().await?;
        let mut names = catalog::collations_used(&found.tables);
        names.insert(settings.collation_connection.clone());
        *self.absent.lock().unwrap_or_else(PoisonError::into_inner) = found.absent;
        Ok(SourceCatalog {
            sources: std::collections::BTreeMap::new(),
            flavor: server.flavor,
            version: server.version,
            default_schema: self.pool.options().database.clone(),
            tables: found.tables,
            collations: self.collations(names).await?,
            session: settings.clone(),
        })
    }

    async fn preflight(&self, catalog: &SourceCatalog) -> Result<Vec<Finding>> {
        let absent = self.absent.lock().unwrap_or_else(PoisonError::into_inner).clone();
        preflight::findings(&self.pool, catalog, &absent).await
    }

    async fn start_position(&self, _layouts: &Layouts) -> Result<Position> {
        snapshot::start_position(&self.pool).await
    }

    async fn current_position(&self) -> Result<Position> {
        snapshot::current_position(&self.pool).await
    }

    async fn load(&self, _source: &str, limits: &Limits) -> Result<Load> {
        self.watch.load(&self.pool, limits).await
    }

    async fn retention(&self) -> Result<Vec<Retention>> {
        Ok(vec![retention::read(&self.pool).await?])
    }

    async fn ranges_behind(
        &self,
        layout: &TableLayout,
        behind: Option<&Row>,
        rows_max: u32,
        count_max: usize,
    ) -> Result<Vec<KeyRange>> {
        snapshot::ranges(&self.pool, layout, behind, rows_max, count_max).await
    }

    async fn size(&self, layout: &TableLayout) -> Result<TableSize> {
        snapshot::size(&self.pool, layout).await
    }

    async fn read_chunk(&self, layout: &TableLayout, index: u32, range: &KeyRange, bounds: ReadBounds) -> Result<Chunk> {
        snapshot::read_chunk(&self.pool, layout, index, range, bounds).await
    }

    async fn open_stream(
        &self,
        catalog: &SourceCatalog,
        layouts: Layouts,
        position: &Position,
        _durable: watch::Receiver<Position>,
    ) -> Result<Self::Stream> {
        let Position::Binlog(position) = position else { return Err(history::no_binlog_position()) };
        let (server, _) = self.pool.known().await?;
        let mut lease = self.pool.lease(Use::Rows).await?;
        let mut marker = Marker { conn: lease.conn(), server, limit: self.pool.answer_limit() };
        let resume = history::prove(&mut marker, position).await?;
        let server_identity = history::server_identity(lease.conn(), self.pool.answer_limit(), server.flavor).await?;
        lease.give_back().await?;
        let request = stream::StreamRequest {
            server_identity,
            server_id: self.pool.options().server_id.unwrap_or_else(random_server_id),
            flavor: server.flavor,
            by: match resume {
                history::Resume::FilePosition => stream::StartBy::FilePosition,
                history::Resume::Gtid => stream::StartBy::Gtid,
            },
            position: position.clone(),
            zone: zone::SessionZone::parse(&catalog.session.time_zone)?,
            layouts,
            catalog,
            transaction_bytes_max: self.pool.options().transaction_bytes_max,
            spill: self.pool.options().spill.clone(),
        };
        stream::BinlogStream::open(self.pool.connect().await?, request).await
    }

    async fn select(
        &self,
        sql: &str,
        parameters: &[Value],
        types: &[DataType],
        visit: &mut (dyn FnMut(Row) -> Result<()> + Send),
    ) -> Result<()> {
        let mut lease = self.pool.lease(Use::Select).await?;
        let limit = self.pool.answer_limit();
        failure::within(limit, "open a read view", lease.conn().query_drop(OPEN_VIEW)).await?;
        let names: Vec<String> = (1..=types.len()).map(|number| format!("number {number} of the SELECT")).collect();
        let expected: Vec<Expected<'_>> = names.iter().zip(types).map(|(name, data_type)| Expected { name, data_type }).collect();
        let attempt = format!("run a SELECT on source {}", self.pool.options().name);
        let statement = Statement { attempt: &attempt, sql, parameters, form: TextForm::Utf8, limit };
        select::each_row(lease.conn(), statement, &expected, visit).await?;
        lease.give_back().await
    }

    fn literal(&self, value: &Value, session: &SessionSettings) -> Result<String> {
        literal::of(value, &session.sql_mode)
    }

    fn identifier(&self, name: &str) -> String {
        names::identifier(name)
    }

    fn chunk_statement(&self, layout: &TableLayout) -> Result<String> {
        snapshot::chunk_statement(layout, &KeyRange { after: None, up_to: None })
    }

    async fn explain(&self, sql: &str) -> Result<Vec<PlannedAccess>> {
        let mut lease = self.pool.lease(Use::Select).await?;
        let attempt = format!("explain a SELECT on source {}", self.pool.options().name);
        let accesses = explain::accesses(lease.conn(), self.pool.answer_limit(), &attempt, sql).await?;
        lease.give_back().await?;
        Ok(accesses)
    }
}

/// Replica ids of replicas are usually small; a high one at random collides with none of them.
fn random_server_id() -> u32 {
    fastrand::u32(0x4000_0000..0x7fff_ffff)
}
