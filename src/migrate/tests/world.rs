//! A legacy database in memory: two tables, a log, a writer that works whenever somebody looks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::change::{Change, Chunk, Image, KeyRange, Operation, SourceEvent, Transaction};
use crate::error::{Class, Error, Result};
use crate::finding::Finding;
use crate::position::{BinlogPosition, Position};
use crate::schema::{
    Column, DataType, Flavor, Generated, SessionSettings, SourceCatalog, TableLayout, TableName, TableSchema, UniqueKey,
};
use crate::source::{Layouts, PlannedAccess, ReadBounds, Source, SourceStream};
use crate::value::{Collation, Decimal, Row, Value};

/// Orders name a customer by a join key that may be NULL, dangling, or re-assigned; what a customer spent is kept up row by row.
pub const SQL: &str = "SELECT o.id AS id, c.name AS name, o.amount AS amount,
  (SELECT SUM(x.amount) FROM orders x JOIN customers y ON y.id = x.customer WHERE x.customer = o.customer AND RIGHT(y.name, 1) <> '7') AS spent
  FROM orders o LEFT JOIN customers c ON c.id = o.customer";

pub type Tables = [BTreeMap<i64, Row>; 2];
pub const CUSTOMERS: usize = 0;
pub const ORDERS: usize = 1;

/// Operations left until everything fails, as after a crash.
#[derive(Clone)]
pub struct Fuse(Arc<AtomicI64>);

impl Fuse {
    pub fn new(operations: i64) -> Self {
        Self(Arc::new(AtomicI64::new(operations)))
    }
    pub fn burn(&self) -> Result<()> {
        if self.0.fetch_sub(1, Ordering::SeqCst) > 0 { Ok(()) } else { Err(Error::bug("crashed")) }
    }
    pub fn blow(&self) {
        self.0.store(0, Ordering::SeqCst);
    }
    pub fn has_blown(&self) -> bool {
        self.0.load(Ordering::SeqCst) <= 0
    }
}

pub struct State {
    pub tables: Tables,
    pub log: Vec<Transaction>,
    /// The tables after each transaction of the log; the first is before any.
    pub history: Vec<Tables>,
    pub random: fastrand::Rng,
    pub transactions_left: u32,
    /// Nobody can reach it.
    pub is_down: bool,
}

/// The legacy database.
#[derive(Clone)]
pub struct World {
    pub state: Arc<Mutex<State>>,
    pub fuse: Fuse,
}

pub fn position(offset: usize) -> Position {
    Position::Binlog(BinlogPosition {
        server: "s".into(),
        file: "b.000001".into(),
        offset: offset as u64,
        gtid: String::new(),
        prepared_from: None,
        altered: Vec::new(),
    })
}

pub fn offset(position: &Position) -> usize {
    let Position::Binlog(position) = position else { panic!("the world has a binlog") };
    usize::try_from(position.offset).unwrap()
}

fn key_of(row: &Row) -> i64 {
    match row[0] {
        Value::Int(key) => key,
        ref other => panic!("a key is an integer, not {other:?}"),
    }
}

/// The stored columns of a row.
fn project(layout: &TableLayout, row: &Row) -> Row {
    layout.columns.iter().map(|stored| row[stored.ordinal].clone()).collect()
}

fn narrow(layout: &TableLayout, operation: &mut Operation) {
    let narrow = |image: &mut Image| {
        if let Image::Full(row) = image {
            *row = project(layout, row);
        }
    };
    match operation {
        Operation::Insert { new } => narrow(new),
        Operation::Delete { old } => narrow(old),
        Operation::Update { old, new } => [old, new].into_iter().for_each(narrow),
        Operation::Truncate => {}
    }
}

impl State {
    pub fn new(seed: u64, transactions: u32) -> Self {
        let mut state = Self {
            tables: Tables::default(),
            log: Vec::new(),
            history: Vec::new(),
            random: fastrand::Rng::with_seed(seed),
            transactions_left: transactions,
            is_down: false,
        };
        for id in 0..20 {
            state.tables[CUSTOMERS].insert(id, Row::from([Value::Int(id), Value::text(format!("이름{id}"))]));
            let customer = if id % 5 == 0 { Value::Null } else { Value::Int(id + 3) };
            state.tables[ORDERS].insert(id, Row::from([Value::Int(id), customer, Value::Int(100 * id)]));
        }
        state.history.push(state.tables.clone());
        state
    }

    /// A few random transactions, as long as there are some left.
    pub fn work(&mut self) {
        for _ in 0..self.random.u32(0..3) {
            if self.transactions_left == 0 {
                return;
            }
            self.transactions_left -= 1;
            let mut changes: Vec<Change> = (0..self.random.usize(1..4)).filter_map(|_| self.change()).collect();
            if self.random.u8(0..15) == 0 {
                let table = self.random.usize(0..2);
                self.tables[table].clear();
                changes.push(Change { table: crate::schema::TableId(table as u32), operation: Operation::Truncate });
                changes.extend(self.change());
            }
            self.commit(changes);
        }
    }

    /// Allows more random transactions, one of which is committed here: a run that begins now has something to catch up with, however
    /// seldom somebody looks.
    pub fn commit_more(&mut self, transactions: u32) {
        self.transactions_left = transactions;
        while self.transactions_left == transactions {
            self.work();
        }
    }

    /// Logs changes that the tables contain already.
    pub fn commit(&mut self, changes: Vec<Change>) {
        let bytes = self.random.usize(50..300);
        self.history.push(self.tables.clone());
        let position = position(self.history.len() - 1);
        self.log.push(Transaction {
            position,
            id: None,
            committed_at_us: self.history.len() as i64,
            spilled: None,
            changes,
            bytes,
        });
    }

    /// Puts a row in its place.
    pub fn put(&mut self, table: usize, row: Row) -> Change {
        let new = Image::Full(row.clone());
        let operation = match self.tables[table].insert(key_of(&row), row) {
            None => Operation::Insert { new },
            Some(old) => Operation::Update { old: Image::Full(old), new },
        };
        Change { table: crate::schema::TableId(table as u32), operation }
    }

    fn change(&mut self) -> Option<Change> {
        let table = self.random.usize(0..2);
        let id = self.random.i64(0..30);
        let row = if table == CUSTOMERS {
            Row::from([Value::Int(id), Value::text(format!("n{}", self.random.u8(..)))])
        } else {
            let customer = if self.random.u8(0..4) == 0 { Value::Null } else { Value::Int(self.random.i64(0..30)) };
            Row::from([Value::Int(id), customer, Value::Int(self.random.i64(0..1000))])
        };
        let old = self.tables[table].get(&id).cloned();
        let operation = match (old, self.random.u8(0..6)) {
            (Some(old), 0) => {
                self.tables[table].remove(&id);
                Operation::Delete { old: Image::Full(old) }
            }
            (Some(old), 1) => {
                // The key moves.
                let mut moved = row;
                let to = self.random.i64(30..40);
                moved[0] = Value::Int(to);
                if self.tables[table].contains_key(&to) {
                    return None;
                }
                self.tables[table].remove(&id);
                self.tables[table].insert(to, moved.clone());
                Operation::Update { old: Image::Full(old), new: Image::Full(moved) }
            }
            (Some(old), _) => {
                self.tables[table].insert(id, row.clone());
                Operation::Update { old: Image::Full(old), new: Image::Full(row) }
            }
            (None, _) => {
                self.tables[table].insert(id, row.clone());
                Operation::Insert { new: Image::Full(row) }
            }
        };
        Some(Change { table: crate::schema::TableId(table as u32), operation })
    }

    /// What the target must hold at a log offset.
    pub fn expected(&self, offset: usize) -> BTreeMap<i64, Row> {
        expected_of(&self.history[offset])
    }
}

/// What the target must hold over some tables: the oracle, by nested loops.
pub fn expected_of(tables: &Tables) -> BTreeMap<i64, Row> {
    tables[ORDERS]
        .iter()
        .map(|(id, order)| {
            let name = match order[1] {
                Value::Int(customer) => tables[CUSTOMERS].get(&customer).map_or(Value::Null, |row| row[1].clone()),
                _ => Value::Null,
            };
            let counts = matches!(&name, Value::Text(name) if !name.ends_with('7'));
            let spent = if counts { spent(tables, &order[1]) } else { Value::Null };
            (*id, Row::from([Value::Int(*id), name, order[2].clone(), spent]))
        })
        .collect()
}

fn spent(tables: &Tables, customer: &Value) -> Value {
    let amount = |row: &Row| match row[2] {
        Value::Int(amount) => amount,
        ref other => panic!("an amount is an integer, not {other:?}"),
    };
    Value::Decimal(Decimal::from_i64(tables[ORDERS].values().filter(|row| row[1] == *customer).map(amount).sum()))
}

impl World {
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An operation: may be the one that crashes, and lets the writer work.
    fn touched(&self) -> Result<MutexGuard<'_, State>> {
        self.fuse.burn()?;
        let mut state = self.lock();
        state.work();
        if state.is_down {
            return Err(Error::new(Class::Unreachable, "the source is down"));
        }
        if state.random.u8(0..20) == 0 {
            return Err(Error::new(Class::Unreachable, "the source went away"));
        }
        Ok(state)
    }
}

fn table(name: &str, columns: &[(&str, DataType, bool)]) -> TableSchema {
    let columns = columns.iter().map(|(name, data_type, nullable)| Column {
        name: (*name).into(),
        data_type: data_type.clone(),
        native_type: String::new(),
        nullable: *nullable,
        generated: Generated::No,
        comment: String::new(),
    });
    TableSchema {
        name: TableName { schema: "shop".into(), name: name.into() },
        columns: columns.collect(),
        primary_key: Some(UniqueKey { name: "PRIMARY".into(), columns: vec![0] }),
        unique_keys: vec![],
        engine: "InnoDB".into(),
        transactional: true,
        comment: String::new(),
        row_estimate: 20,
        revision: String::new(),
    }
}

pub fn catalog() -> SourceCatalog {
    let integer = DataType::Integer { bits: 64, unsigned: false };
    let collation = "utf8mb4_bin".to_owned();
    let text = DataType::Text { length: Some(40), fixed: false, charset: "utf8mb4".into(), collation: collation.clone() };
    SourceCatalog {
        sources: std::collections::BTreeMap::new(),
        flavor: Flavor::MariaDb,
        version: (10, 11, 0),
        default_schema: "shop".into(),
        tables: vec![
            table("customers", &[("id", integer.clone(), false), ("name", text, true)]),
            table("orders", &[("id", integer.clone(), false), ("customer", integer.clone(), true), ("amount", integer, true)]),
        ],
        collations: BTreeMap::from([(collation.clone(), Collation::binary(collation.clone(), "utf8mb4", true))]),
        session: SessionSettings {
            sql_mode: String::new(),
            time_zone: "+00:00".into(),
            div_precision_increment: 4,
            group_concat_max_len: 1 << 20,
            collation_connection: collation,
            lower_case_table_names: 0,
        },
    }
}

impl Source for World {
    type Stream = WorldStream;

    async fn catalog(&self, _tables: &[TableName]) -> Result<SourceCatalog> {
        Ok(catalog())
    }
    async fn preflight(&self, _catalog: &SourceCatalog) -> Result<Vec<Finding>> {
        Ok(vec![])
    }
    async fn start_position(&self, _: &Layouts) -> Result<Position> {
        Ok(position(self.lock().log.len()))
    }
    async fn current_position(&self) -> Result<Position> {
        Ok(position(self.touched()?.log.len()))
    }
    async fn ranges_behind(
        &self,
        layout: &TableLayout,
        behind: Option<&Row>,
        rows_max: u32,
        count_max: usize,
    ) -> Result<Vec<KeyRange>> {
        let state = self.touched()?;
        let behind = behind.map_or(i64::MIN, key_of);
        let keys: Vec<i64> = state.tables[layout.id.0 as usize].keys().copied().filter(|key| *key > behind).collect();
        let mut after = None;
        Ok(keys
            .chunks(rows_max as usize)
            .take(count_max)
            .map(|keys| {
                let up_to = keys.last().map(|key| Row::from([Value::Int(*key)]));
                KeyRange { after: std::mem::replace(&mut after, up_to.clone()), up_to }
            })
            .collect())
    }
    async fn read_chunk(&self, layout: &TableLayout, index: u32, range: &KeyRange, bounds: ReadBounds) -> Result<Chunk> {
        let state = self.touched()?;
        let table = &state.tables[layout.id.0 as usize];
        let inside = |key: &i64| {
            range.after.as_ref().is_none_or(|after| *key > key_of(after))
                && range.up_to.as_ref().is_none_or(|up_to| *key <= key_of(up_to))
        };
        let mut inside = table.iter().filter(|(key, _)| inside(key));
        let first: Vec<(&i64, &Row)> = inside.by_ref().take(bounds.rows_max as usize).collect();
        let last = first.last().filter(|_| inside.next().is_some()).map(|(key, _)| Row::from([Value::Int(**key)]));
        let rest = last.map(|last| KeyRange { after: Some(last), up_to: range.up_to.clone() });
        let rows = first.into_iter().map(|(_, row)| project(layout, row)).collect();
        Ok(Chunk { table: layout.id, index, rows, high: position(state.log.len()), exact: false, visibility: None, rest })
    }
    async fn open_stream(
        &self,
        _catalog: &SourceCatalog,
        layouts: Layouts,
        at: &Position,
        _durable: watch::Receiver<Position>,
    ) -> Result<WorldStream> {
        drop(self.touched()?);
        Ok(WorldStream { world: self.clone(), layouts, next: offset(at) })
    }
    async fn select(
        &self,
        _sql: &str,
        _parameters: &[Value],
        _types: &[DataType],
        _visit: &mut (dyn FnMut(Row) -> Result<()> + Send),
    ) -> Result<()> {
        Err(Error::bug("no test asks"))
    }
    fn literal(&self, _value: &Value, _session: &SessionSettings) -> Result<String> {
        Err(Error::bug("no test asks"))
    }
    fn identifier(&self, name: &str) -> String {
        name.into()
    }
    fn chunk_statement(&self, _layout: &TableLayout) -> Result<String> {
        Err(Error::bug("no test asks"))
    }
    async fn explain(&self, _sql: &str) -> Result<Vec<PlannedAccess>> {
        Err(Error::bug("no test asks"))
    }
}

/// The log from an offset on.
pub struct WorldStream {
    world: World,
    layouts: Layouts,
    next: usize,
}

impl SourceStream for WorldStream {
    async fn next(&mut self) -> Result<SourceEvent> {
        loop {
            if let Some(transaction) = self.world.touched()?.log.get(self.next) {
                self.next += 1;
                let mut transaction = transaction.clone();
                transaction.changes.retain_mut(|change| match self.layouts.iter().find(|layout| layout.id == change.table) {
                    Some(layout) => {
                        narrow(layout, &mut change.operation);
                        true
                    }
                    None => false,
                });
                return Ok(SourceEvent::Transaction(transaction));
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    }
}
