//! PostgreSQL as a source: catalogue, preflight, snapshot chunks, SELECTs and the change stream of a logical replication slot.
//!
//! In: [`connect::PostgresSourceOptions`]. Out: [`PostgresSource`], whose every ordinary connection is read-only and runs under pinned and
//! recorded session settings. The only things ever made on the source are a publication and a replication slot, in this order; `strangler
//! reset` drops both.

mod catalog;
mod column_type;
pub mod connect;
mod decode;
mod explain;
mod failure;
mod history;
mod key_bounds;
mod literal;
#[cfg(test)]
mod live_tests;
mod load;
mod names;
mod preflight;
mod publication;
mod relations;
mod replication;
mod retention;
mod select;
mod server;
mod snapshot;
pub mod stream;
mod transaction;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch as channel;

use self::connect::{Lease, Pool, PostgresSourceOptions, cell};
use self::replication::client::Client;
use self::transaction::Assembler;
use super::limits::{Limits, Load};
use super::retention::Retention;
use super::{HeldLog, Layouts, Leftover, PlannedAccess, ReadBounds, Source, TableSize};
use crate::change::{Chunk, KeyRange, Visibility};
use crate::error::{Class, Error, Result};
use crate::finding::Finding;
use crate::position::{Lsn, Position, WalPosition};
use crate::schema::{DataType, Flavor, SessionSettings, SourceCatalog, TableLayout, TableName};
use crate::value::{Row, Value};

/// How long a new slot waits for the transactions that are older than it.
const SLOT_LIMIT: Duration = Duration::from_secs(120);
/// How long the session of an engine that was killed may hold its slot.
const READER_LIMIT: Duration = Duration::from_secs(20);
/// The first version whose slots can follow a failover.
const FAILOVER_SLOTS: u32 = 170_000;

/// A PostgreSQL server.
pub struct PostgresSource {
    pool: Arc<Pool>,
    /// The names of the last catalogue that are no tables; the preflight reports them.
    absent: Mutex<Vec<catalog::Absent>>,
    /// Whether the server may send large transactions before their commit; not once they were more than memory holds.
    streaming: Arc<AtomicBool>,
    /// Tables that came to a running engine, with the transactions that the stream may tell of in part; every read shows those whole.
    added: Mutex<BTreeMap<TableName, Visibility>>,
    watch: load::Watch,
}

impl PostgresSource {
    /// A source over `options`; connects when it is first used.
    #[must_use]
    pub fn new(options: PostgresSourceOptions) -> Self {
        Self {
            pool: Pool::new(options),
            absent: Mutex::default(),
            streaming: Arc::new(AtomicBool::new(true)),
            added: Mutex::default(),
            watch: load::Watch::default(),
        }
    }

    /// Fixes the session settings to those of a stored catalogue, so that a restart means the same as the first start. To be called
    /// before anything else.
    pub fn record(&self, stored: &SourceCatalog) {
        self.pool.record(&stored.session.time_zone);
    }

    fn options(&self) -> &PostgresSourceOptions {
        self.pool.options()
    }

    /// What the preflight judges.
    async fn facts(&self, catalog: &SourceCatalog) -> Result<preflight::Facts> {
        let names: Vec<TableName> = catalog.tables.iter().map(|table| table.name.clone()).collect();
        let schemas: BTreeSet<String> = names.iter().map(|name| name.schema.clone()).collect();
        let lease = self.pool.lease().await?;
        let question = preflight::question(self.options(), &schemas.into_iter().collect::<Vec<_>>());
        let answer = lease.rows("ask for the settings of the source", &question).await?;
        let mut facts: preflight::Facts = serde_json::from_str(answer.first().map_or("", |row| cell(row, 0)))
            .map_err(|error| Error::bug("the settings of the source cannot be read").because(error))?;
        (facts.tables, _) = catalog::read(&lease, &names).await?;
        facts.absent = self.absent.lock().unwrap_or_else(PoisonError::into_inner).clone();
        facts.slot = history::slot(&lease, &self.options().slot).await?;
        facts.publication = publication::read(&lease, &self.options().publication).await?;
        lease.give_back();
        Ok(facts)
    }

    /// Waits for the session of an engine that was killed: the server ends it when it notices.
    async fn wait_until_unread(&self, lease: &Lease, mut active_pid: String) -> Result<()> {
        let name = &self.options().slot;
        let asked = std::time::Instant::now();
        while !active_pid.is_empty() {
            if asked.elapsed() > READER_LIMIT {
                let message = format!("replication slot {name} is read by process {active_pid} of the source");
                return Err(Error::new(Class::Locked, message)
                    .with_hint("stop the engine that reads it, or give the source another `slot` in the project file"));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            active_pid = history::slot(lease, name).await?.map_or_else(String::new, |slot| slot.active_pid);
        }
        Ok(())
    }

    /// Makes room for a new slot: one of this name that nobody reads belongs to an earlier state of this engine.
    async fn drop_stale_slot(&self, lease: &Lease) -> Result<()> {
        let (name, database) = (&self.options().slot, &self.options().database);
        let Some(slot) = history::slot(lease, name).await? else { return Ok(()) };
        if slot.plugin != "pgoutput" || slot.database != *database {
            slot.usable(name, database)?;
        }
        self.wait_until_unread(lease, slot.active_pid).await?;
        tracing::warn!(slot = %name, "an earlier run's replication slot is dropped: a new snapshot needs a new one");
        stream::drop_slot(&self.pool).await
    }
}

impl Source for PostgresSource {
    type Stream = stream::WalStream;

    async fn catalog(&self, tables: &[TableName]) -> Result<SourceCatalog> {
        let lease = self.pool.lease().await?;
        let (found, absent) = catalog::read(&lease, tables).await?;
        let collations = catalog::collations(&lease, &found).await?;
        let version = server::version(&lease).await?;
        let zone = lease.rows("read the time zone", "SELECT current_setting('TimeZone')").await?;
        let zone = zone.first().map_or("", |row| cell(row, 0)).to_owned();
        lease.give_back();
        *self.absent.lock().unwrap_or_else(PoisonError::into_inner) = absent;
        Ok(SourceCatalog {
            sources: std::collections::BTreeMap::new(),
            flavor: Flavor::PostgreSql,
            version: (version / 10_000, version % 10_000, 0),
            default_schema: self.options().default_schema().to_owned(),
            tables: found.into_iter().map(|found| found.table).collect(),
            collations,
            session: SessionSettings::postgres(zone, catalog::DEFAULT_COLLATION),
        })
    }

    async fn preflight(&self, catalog: &SourceCatalog) -> Result<Vec<Finding>> {
        let facts = self.facts(catalog).await?;
        Ok(preflight::findings(&facts, self.options()))
    }

    async fn start_position(&self, layouts: &Layouts) -> Result<Position> {
        let lease = self.pool.writer().await?;
        let names: Vec<TableName> = layouts.iter().map(|layout| layout.name.clone()).collect();
        let (found, _) = catalog::read(&lease, &names).await?;
        // Refuses a standby before anything is made.
        server::log_end(&lease, &self.options().database).await?;
        let version = server::version(&lease).await?;
        publication::ensure(&lease, &self.options().publication, layouts, &found, version).await?;
        self.drop_stale_slot(&lease).await?;
        let mut client = Client::connect(self.options(), self.pool.time_zone()).await?;
        let here = client.identify().await?;
        let attempt = client.create_slot(&self.options().slot, version >= FAILOVER_SLOTS);
        let point = match tokio::time::timeout(SLOT_LIMIT, attempt).await {
            Ok(created) => created?,
            Err(_) => {
                return Err(Error::new(Class::Retry, "the new replication slot waits for transactions that are older than it")
                    .with_hint("end long transactions on the source (pg_stat_activity, pg_prepared_xacts), then run again"));
            }
        };
        Ok(Position::Wal(WalPosition {
            system: here.system,
            timeline: here.timeline,
            database: self.options().database.clone(),
            lsn: point.0,
        }))
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
        durable: channel::Receiver<Position>,
    ) -> Result<Self::Stream> {
        let Position::Wal(position) = position else { return Err(history::no_wal_position()) };
        let options = self.options();
        let lease = self.pool.own().await?;
        server::is_primary(&lease).await?;
        let slot = history::slot(&lease, &options.slot).await?;
        let mut client = Client::connect(options, self.pool.time_zone()).await?;
        let here = history::prove(&mut client, slot.as_ref(), &options.slot, position).await?;
        let place = WalPosition { timeline: here.timeline, ..position.clone() };
        let found = watch::compare(&lease, &catalog.tables, &layouts).await?;
        if found.is_none() {
            self.still_published(&lease, &layouts).await?;
        }
        lease.give_back();
        let publications = names::literal(&names::identifier(&options.publication));
        let protocol = if self.streaming.load(Ordering::Relaxed) { "'2', streaming 'on'" } else { "'1'" };
        let plugin_options = format!("proto_version {protocol}, publication_names {publications}");
        let copy = client.start(&options.slot, Lsn(place.lsn), &plugin_options).await?;
        let added = self.added.lock().unwrap_or_else(PoisonError::into_inner).clone();
        stream::WalStream::open(stream::Parts {
            copy,
            assembler: Assembler::new(place, Arc::clone(&layouts), options.transaction_bytes_max)
                .with_added(&added)
                .with_spill(options.spill.clone()),
            pool: Arc::clone(&self.pool),
            layouts,
            recorded: catalog.tables.clone(),
            durable,
            found,
            streaming: Arc::clone(&self.streaming),
        })
        .await
    }

    async fn widen(&self, layouts: &Layouts, added: &[TableName]) -> Result<()> {
        let lease = self.pool.writer().await?;
        let names: Vec<TableName> = layouts.iter().map(|layout| layout.name.clone()).collect();
        let (found, _) = catalog::read(&lease, &names).await?;
        let version = server::version(&lease).await?;
        publication::ensure(&lease, &self.options().publication, layouts, &found, version).await?;
        let older = tokio::time::timeout(SLOT_LIMIT, publication::settled(&lease)).await;
        let older = older.unwrap_or_else(|_| {
            Err(Error::new(Class::Retry, "transactions that are older than the change of the publication do not end")
                .with_hint("end long transactions on the source (pg_stat_activity, pg_prepared_xacts)"))
        })?;
        let cuts = added.iter().map(|name| (name.clone(), older.clone())).collect();
        *self.added.lock().unwrap_or_else(PoisonError::into_inner) = cuts;
        Ok(())
    }

    async fn leftovers(&self) -> Result<Vec<Leftover>> {
        let lease = self.pool.lease().await?;
        let (slot, publication) = (&self.options().slot, &self.options().publication);
        let mut found = Vec::new();
        if let Some(held) = history::slot(&lease, slot).await? {
            let detail = format!("holds {} bytes of log", held.held_bytes);
            found.push(Leftover { kind: "replication slot", name: slot.clone(), detail });
        }
        if let Some(existing) = publication::read(&lease, publication).await? {
            let kept = if existing.owned { "" } else { ", belongs to another role and stays" };
            let detail = format!("{} tables{kept}", existing.tables.len());
            found.push(Leftover { kind: "publication", name: publication.clone(), detail });
        }
        lease.give_back();
        Ok(found)
    }

    async fn forget(&self) -> Result<()> {
        stream::drop_slot(&self.pool).await?;
        let lease = self.pool.writer().await?;
        let name = &self.options().publication;
        match publication::read(&lease, name).await? {
            Some(existing) if !existing.owned => {
                tracing::warn!(publication = %name, "it belongs to another role, which may drop it");
                Ok(())
            }
            _ => {
                let drop = format!("DROP PUBLICATION IF EXISTS {}", names::identifier(name));
                lease.execute(&format!("drop the publication {name}"), &drop).await
            }
        }
    }

    async fn held_logs(&self) -> Result<Vec<HeldLog>> {
        let options = self.options();
        let lease = self.pool.lease().await?;
        let held = history::slot(&lease, &options.slot).await?;
        lease.give_back();
        Ok(held.map(|slot| slot.held_log(options)).into_iter().collect())
    }

    async fn select(
        &self,
        sql: &str,
        parameters: &[Value],
        types: &[DataType],
        visit: &mut (dyn FnMut(Row) -> Result<()> + Send),
    ) -> Result<()> {
        if !parameters.is_empty() {
            return Err(Error::bug("a SELECT for a PostgreSQL source has parameters"));
        }
        let lease = self.pool.lease().await?;
        let attempt = format!("run a SELECT on source {}", self.options().name);
        lease.execute(&attempt, select::OPEN_VIEW).await?;
        let read = |index: usize, text: Option<&str>| select::output(types, index, text);
        select::each_row(&lease, &attempt, sql, types.len(), &read, visit).await?;
        lease.execute(&attempt, "COMMIT").await?;
        lease.give_back();
        Ok(())
    }

    fn literal(&self, value: &Value, _session: &SessionSettings) -> Result<String> {
        literal::of(value)
    }

    fn identifier(&self, name: &str) -> String {
        names::identifier(name)
    }

    fn chunk_statement(&self, layout: &TableLayout) -> Result<String> {
        snapshot::chunk_statement(layout, &KeyRange { after: None, up_to: None })
    }

    async fn explain(&self, sql: &str) -> Result<Vec<PlannedAccess>> {
        let lease = self.pool.lease().await?;
        let attempt = format!("explain a SELECT on source {}", self.options().name);
        let accesses = explain::accesses(&lease, &attempt, sql).await?;
        lease.give_back();
        Ok(accesses)
    }
}

impl PostgresSource {
    /// Changes of a table that the publication has lost are not in the stream.
    async fn still_published(&self, lease: &Lease, layouts: &Layouts) -> Result<()> {
        let names: Vec<TableName> = layouts.iter().map(|layout| layout.name.clone()).collect();
        let (found, _) = catalog::read(lease, &names).await?;
        let name = &self.options().publication;
        let lacks = match publication::read(lease, name).await? {
            Some(existing) => existing.lacks(layouts, &found),
            None => Some("does not exist".to_owned()),
        };
        lacks.map_or(Ok(()), |lacks| {
            let message = format!("publication {name} {lacks}: changes in between may be lost");
            Err(Error::new(Class::Person, message)
                .with_hint("leave the publication to strangler, and take a new snapshot with `strangler run --rebuild`"))
        })
    }
}
