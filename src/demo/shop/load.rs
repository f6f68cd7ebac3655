//! Creates the shop's database and fills it, over several connections.

use super::generate::{Sizes, customers, items, order_chunk, small_tables};
use super::schema::statements;
use super::text::Insert;
use super::{SESSION, ShopError};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Orders in one transaction of the load.
const CHUNK_ORDERS: u32 = 250;
/// Customers or items in one transaction of the load.
const CHUNK_MASTERS: u32 = 500;
/// MyISAM does not roll back, so its rows are written when the transaction around them has committed.
const NOT_TRANSACTIONAL: [&str; 3] = ["tb_dlv_co", "tb_pay_mtd", "tb_pnt_hist"];
const ATTEMPTS: u32 = 5;

/// What to load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShopOptions {
    /// Number of orders, 1 to 9,999,999; there are about ten rows for each.
    pub orders: u32,
    /// The same seed and number of orders give the same rows.
    pub seed: u64,
    /// Connections to load over.
    pub connections: usize,
}

impl Default for ShopOptions {
    fn default() -> Self {
        Self { orders: 10_000, seed: 1, connections: 3 }
    }
}

/// Where a load is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadProgress {
    /// Rows written so far.
    pub rows: u64,
    /// Chunks written so far, of `chunks_total`.
    pub chunks: u32,
    /// All chunks of this load.
    pub chunks_total: u32,
}

/// What a load did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadReport {
    /// Rows in all tables.
    pub rows: u64,
    /// Orders among them.
    pub orders: u32,
}

/// Creates the database that `url` names (`mysql://user:password@host:port/homeshop`) and loads the shop into it.
///
/// # Errors
/// The database must not exist yet or hold no table of the shop; the server's refusals come back with the table they were about.
pub async fn load(url: &str, options: ShopOptions) -> Result<LoadReport, ShopError> {
    load_with_progress(url, options, |_| {}).await
}

/// As [`load`]; `progress` is called after each chunk, from the tasks that load.
///
/// # Errors
/// As [`load`].
pub async fn load_with_progress(
    url: &str,
    options: ShopOptions,
    progress: impl Fn(LoadProgress) + Send + Sync + 'static,
) -> Result<LoadReport, ShopError> {
    if !(1..=99_999_999).contains(&options.orders) {
        return Err(ShopError::Url(format!("orders must be between 1 and 99999999, not {}", options.orders)));
    }
    let shop = Opts::from_url(url).map_err(|cause| ShopError::Url(cause.to_string()))?;
    create(&shop).await?;
    let work = Arc::new(Work::new(options, Box::new(progress)));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..options.connections.max(1) {
        tasks.spawn(drain(shop.clone(), work.clone()));
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|cause| ShopError::database("load the shop", mysql_async::Error::Other(Box::new(cause))))??;
    }
    analyze(&shop).await?;
    Ok(LoadReport { rows: work.rows.load(Ordering::Relaxed), orders: options.orders })
}

/// Opens a connection in the session of the old application.
pub(super) async fn connect(options: &Opts) -> Result<Conn, mysql_async::Error> {
    let mut connection = Conn::new(options.clone()).await?;
    connection.query_drop(SESSION).await?;
    Ok(connection)
}

async fn create(shop: &Opts) -> Result<(), ShopError> {
    let name = shop.db_name().ok_or_else(|| ShopError::Url("no database named at the end of the url".into()))?;
    let failed = |attempted: &str| {
        let attempted = format!("{attempted} {name}");
        move |cause| ShopError::database(attempted, cause)
    };
    let server = OptsBuilder::from_opts(shop.clone()).db_name(None::<String>).into();
    let mut connection = connect(&server).await.map_err(failed("connect to create database"))?;
    let quoted = name.replace('`', "``");
    let sql = format!("CREATE DATABASE IF NOT EXISTS `{quoted}` CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci");
    connection.query_drop(sql).await.map_err(failed("create database"))?;
    connection.query_drop(format!("USE `{quoted}`")).await.map_err(failed("use database"))?;
    for statement in statements() {
        connection.query_drop(statement).await.map_err(failed("create a table in"))?;
    }
    connection.disconnect().await.map_err(failed("disconnect from"))
}

/// Fresh statistics: right after a load MySQL's are those of empty tables, and its plans scan where they should look up.
async fn analyze(shop: &Opts) -> Result<(), ShopError> {
    let failed = |cause| ShopError::database("analyze the tables of the shop", cause);
    let mut connection = connect(shop).await.map_err(failed)?;
    let tables: Vec<String> = connection.query("SHOW TABLES LIKE 'tb\\_%'").await.map_err(failed)?;
    connection.query_drop(format!("ANALYZE NO_WRITE_TO_BINLOG TABLE {}", tables.join(", "))).await.map_err(failed)?;
    connection.disconnect().await.map_err(failed)
}

type Report = Box<dyn Fn(LoadProgress) + Send + Sync>;

/// The chunks of a load, handed out in order.
struct Work {
    options: ShopOptions,
    sizes: Sizes,
    next: AtomicU32,
    chunks: AtomicU32,
    rows: AtomicU64,
    report: Report,
}

impl Work {
    fn new(options: ShopOptions, report: Report) -> Self {
        let sizes = Sizes::of(options.orders);
        Self { options, sizes, next: AtomicU32::new(0), chunks: AtomicU32::new(0), rows: AtomicU64::new(0), report }
    }

    fn master_chunks(&self) -> (u32, u32) {
        (self.sizes.customers.div_ceil(CHUNK_MASTERS), self.sizes.items.div_ceil(CHUNK_MASTERS))
    }

    fn total(&self) -> u32 {
        let (customers, items) = self.master_chunks();
        1 + customers + items + self.sizes.orders.div_ceil(CHUNK_ORDERS)
    }

    /// The rows of chunk `number`: the small tables, then customers, items and orders.
    fn chunk(&self, number: u32) -> Vec<Insert> {
        let (customer_chunks, item_chunks) = self.master_chunks();
        let seed = self.options.seed;
        let range = |chunk: u32| chunk * CHUNK_MASTERS..(chunk + 1) * CHUNK_MASTERS;
        let Some(number) = number.checked_sub(1) else {
            return small_tables(seed, self.sizes);
        };
        if number < customer_chunks {
            return customers(seed, self.sizes, range(number));
        }
        let number = number - customer_chunks;
        if number < item_chunks {
            return items(seed, self.sizes, range(number));
        }
        order_chunk(seed, self.sizes, number - item_chunks, CHUNK_ORDERS)
    }

    fn done(&self, rows: u64) {
        let rows = self.rows.fetch_add(rows, Ordering::Relaxed) + rows;
        let chunks = self.chunks.fetch_add(1, Ordering::Relaxed) + 1;
        (self.report)(LoadProgress { rows, chunks, chunks_total: self.total() });
    }
}

async fn drain(shop: Opts, work: Arc<Work>) -> Result<(), ShopError> {
    let failed = |cause| ShopError::database("connect to load the shop", cause);
    let mut connection = connect(&shop).await.map_err(failed)?;
    loop {
        let number = work.next.fetch_add(1, Ordering::Relaxed);
        if number >= work.total() {
            return connection.disconnect().await.map_err(failed);
        }
        let inserts = work.chunk(number);
        write(&mut connection, &inserts).await?;
        work.done(inserts.iter().map(|insert| insert.rows).sum());
    }
}

async fn write(connection: &mut Conn, inserts: &[Insert]) -> Result<(), ShopError> {
    let (after, inside): (Vec<&Insert>, Vec<&Insert>) =
        inserts.iter().partition(|insert| NOT_TRANSACTIONAL.contains(&insert.table));
    for attempt in 1.. {
        match transaction(connection, &inside).await {
            Err(ShopError::Database { cause: mysql_async::Error::Server(error), .. })
                if error.code == 1213 && attempt < ATTEMPTS =>
            {
                // a deadlock victim is rolled back as a whole
            }
            Err(error) => return Err(error),
            Ok(()) => break,
        }
    }
    for insert in after {
        execute(connection, insert).await?;
    }
    Ok(())
}

async fn transaction(connection: &mut Conn, inserts: &[&Insert]) -> Result<(), ShopError> {
    let failed = |cause| ShopError::database("commit a chunk of the shop", cause);
    connection.query_drop("BEGIN").await.map_err(failed)?;
    for insert in inserts {
        execute(connection, insert).await?;
    }
    connection.query_drop("COMMIT").await.map_err(failed)
}

async fn execute(connection: &mut Conn, insert: &Insert) -> Result<(), ShopError> {
    let Some(statement) = insert.statement() else {
        return Ok(());
    };
    connection.query_drop(statement).await.map_err(|cause| ShopError::database(format!("load {}", insert.table), cause))
}
