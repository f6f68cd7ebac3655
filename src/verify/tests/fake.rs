//! A source that answers what it is told to, a target that holds what it is told to, and an engine with a memory.
//!
//! Both databases have one table `t (id bigint key, name text)`. Positions are offsets of one binlog file.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::super::{Class, Error, Pin, Result, Row, TouchedKeys, key_hash, key_of};
use tokio::sync::watch;

use crate::change::{Chunk, KeyRange, SourceEvent};
use crate::finding::Finding;
use crate::plan::{Builder, MappingInput, NodePlan, Plan, Policies, TableInput};
use crate::position::{BinlogPosition, Frontier, Position};
use crate::schema::{
    Column, DataType, Flavor, Generated, SessionSettings, SourceCatalog, TableLayout, TableName, TableSchema, TargetTable,
    UniqueKey,
};
use crate::source::{Layouts, PlannedAccess, ReadBounds, Source, SourceStream};
use crate::target::{Advance, Checkpoint, Phase, TableState, Target};
use crate::value::{Collation, Value};
use crate::write::{WriteBatch, WriteParts};

fn unasked<T>() -> Result<T> {
    Err(Error::bug("verification asks for something it does not need"))
}

fn position(offset: u64) -> Position {
    let binlog = BinlogPosition {
        server: "s".into(),
        file: "binlog.000001".into(),
        offset,
        gtid: String::new(),
        prepared_from: None,
        altered: Vec::new(),
    };
    Position::Binlog(binlog)
}

/// The plan of one mapping `m` with one table `t`, and the catalogue it was made from.
pub fn plan() -> (Plan, SourceCatalog) {
    let text = DataType::Text { length: Some(40), fixed: false, charset: "utf8mb4".into(), collation: "utf8mb4_bin".into() };
    let column = |name: &str, data_type: DataType| Column {
        name: name.into(),
        data_type,
        native_type: String::new(),
        nullable: false,
        generated: Generated::No,
        comment: String::new(),
    };
    let table = TableSchema {
        name: TableName { schema: "erp".into(), name: "t".into() },
        columns: vec![column("id", DataType::Integer { bits: 64, unsigned: false }), column("name", text)],
        primary_key: Some(UniqueKey { name: "PRIMARY".into(), columns: vec![0] }),
        unique_keys: vec![],
        engine: "InnoDB".into(),
        transactional: true,
        comment: String::new(),
        row_estimate: 0,
        revision: String::new(),
    };
    let catalog = SourceCatalog {
        sources: std::collections::BTreeMap::new(),
        flavor: Flavor::MariaDb,
        version: (10, 11, 0),
        default_schema: "erp".into(),
        tables: vec![table],
        collations: BTreeMap::from([("utf8mb4_bin".to_owned(), Collation::binary("utf8mb4_bin", "utf8mb4", true))]),
        session: SessionSettings {
            sql_mode: String::new(),
            time_zone: "+09:00".into(),
            div_precision_increment: 4,
            group_concat_max_len: 1024,
            collation_connection: "utf8mb4_bin".into(),
            lower_case_table_names: 0,
        },
    };
    let sql = "SELECT id, name FROM t";
    let input = TableInput {
        schema: None,
        name: "t".into(),
        description: String::new(),
        key: vec!["id".into()],
        indexes: vec![],
        columns: BTreeMap::new(),
        sql: sql.into(),
        query: crate::sql::bind(sql, &catalog).unwrap(),
    };
    let mut builder = Builder::new(&catalog);
    builder
        .mapping(MappingInput {
            name: "m".into(),
            target: crate::schema::TargetKind::PostgreSql,
            policies: Policies::default(),
            tables: vec![input],
            facts: vec![],
        })
        .unwrap();
    (builder.finish(), catalog)
}

/// The one node.
pub fn node(plan: &Plan) -> &NodePlan {
    plan.nodes.first().unwrap()
}

/// A source with a list of answers; the last one is given again and again.
pub struct FakeSource {
    answers: Mutex<VecDeque<Vec<Row>>>,
    planned: Vec<PlannedAccess>,
    offset: u64,
    faults: AtomicU32,
    /// How often a SELECT of a range must be driven on for each of its rows, and how many are not at their end.
    pauses: usize,
    reading: AtomicU32,
}

impl FakeSource {
    pub fn answering(answers: impl IntoIterator<Item = Vec<Row>>) -> Self {
        Self {
            answers: Mutex::new(answers.into_iter().collect()),
            planned: vec![],
            offset: 100,
            faults: AtomicU32::new(0),
            pauses: 0,
            reading: AtomicU32::new(0),
        }
    }

    /// Its log is beyond what the target contains.
    pub fn ahead(self) -> Self {
        Self { offset: 200, ..self }
    }

    pub fn planned(self, planned: Vec<PlannedAccess>) -> Self {
        Self { planned, ..self }
    }

    /// There are two ranges, split behind key 1. Their SELECTs take a while, and a legacy TRUNCATE waits for their end; SELECTs of keys wait for the TRUNCATE.
    pub fn slow_beside_a_truncate(self) -> Self {
        Self { pauses: 20, ..self }
    }

    fn next_answer(&self) -> Vec<Row> {
        let mut answers = self.answers.lock().unwrap();
        if answers.len() > 1 { answers.pop_front().unwrap() } else { answers.front().unwrap().clone() }
    }

    /// Waits as the server does for a lock that ranges under reading hold.
    async fn lock_for_keys(&self) -> Result<()> {
        for _ in 0..1_000 {
            if self.reading.load(Ordering::SeqCst) == 0 {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
        Err(Error::new(Class::Retry, "lock wait timeout"))
    }

    /// Its first SELECTs fail.
    pub fn failing(self, times: u32) -> Self {
        Self { faults: AtomicU32::new(times), ..self }
    }
}

/// Never opened.
pub struct NoStream;

impl SourceStream for NoStream {
    async fn next(&mut self) -> Result<SourceEvent> {
        unasked()
    }
}

impl Source for FakeSource {
    type Stream = NoStream;

    async fn catalog(&self, _: &[TableName]) -> Result<SourceCatalog> {
        unasked()
    }

    async fn preflight(&self, _: &SourceCatalog) -> Result<Vec<Finding>> {
        unasked()
    }

    async fn start_position(&self, _: &Layouts) -> Result<Position> {
        unasked()
    }

    async fn current_position(&self) -> Result<Position> {
        Ok(position(self.offset))
    }

    async fn ranges_behind(&self, _: &TableLayout, _: Option<&Row>, _: u32, _: usize) -> Result<Vec<KeyRange>> {
        let behind_first = KeyRange { after: Some(Row::from([Value::Int(1)])), up_to: None };
        Ok(if self.pauses > 0 { vec![behind_first] } else { vec![] })
    }

    async fn read_chunk(&self, _: &TableLayout, _: u32, _: &KeyRange, _: ReadBounds) -> Result<Chunk> {
        unasked()
    }

    async fn open_stream(&self, _: &SourceCatalog, _: Layouts, _: &Position, _: watch::Receiver<Position>) -> Result<NoStream> {
        unasked()
    }

    async fn select(
        &self,
        sql: &str,
        _: &[Value],
        _: &[DataType],
        visit: &mut (dyn FnMut(Row) -> Result<()> + Send),
    ) -> Result<()> {
        if self.faults.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(Error::new(Class::Unreachable, "connection lost"));
        }
        let is_of_keys = sql.contains(" = <");
        if is_of_keys {
            self.lock_for_keys().await?;
        }
        let answer = self.next_answer();
        if !is_of_keys {
            self.reading.fetch_add(1, Ordering::SeqCst);
            for _ in 0..self.pauses * answer.len() {
                tokio::task::yield_now().await;
            }
            self.reading.fetch_sub(1, Ordering::SeqCst);
        }
        // There is one open range, so only a second reading names keys.
        let asked = |row: &Row| !is_of_keys || sql.contains(&format!(" = <{:?}>", row[0]));
        answer.into_iter().filter(asked).try_for_each(visit)
    }

    fn literal(&self, value: &Value, _: &SessionSettings) -> Result<String> {
        Ok(format!("<{value:?}>"))
    }

    fn identifier(&self, name: &str) -> String {
        format!("`{name}`")
    }

    fn chunk_statement(&self, _: &TableLayout) -> Result<String> {
        unasked()
    }

    async fn explain(&self, _: &str) -> Result<Vec<PlannedAccess>> {
        Ok(self.planned.clone())
    }
}

/// A target that contains the source up to offset 100.
pub struct FakeTarget {
    rows: Vec<Row>,
    checkpoint: Option<Phase>,
    sequence: AtomicU64,
    step: u64,
}

impl FakeTarget {
    pub fn holding(rows: Vec<Row>) -> Self {
        Self { rows, checkpoint: Some(Phase::Live), sequence: AtomicU64::new(7), step: 0 }
    }

    /// Its sequence grows whenever it is looked at.
    pub fn moving(self) -> Self {
        Self { step: 1, ..self }
    }

    pub fn loading(self) -> Self {
        Self { checkpoint: Some(Phase::Loading), ..self }
    }

    pub fn without_checkpoint(self) -> Self {
        Self { checkpoint: None, ..self }
    }
}

impl Target for FakeTarget {
    fn definition(&self, _: &TargetTable) -> Vec<String> {
        vec![]
    }

    async fn inspect(&self, _: &TargetTable) -> Result<TableState> {
        unasked()
    }

    async fn preflight(&self, _: &[TargetTable]) -> Result<Vec<Finding>> {
        unasked()
    }

    async fn create(&self, _: &[TargetTable]) -> Result<()> {
        unasked()
    }

    async fn create_indexes(&self, _: &TargetTable) -> Result<()> {
        unasked()
    }

    async fn checkpoint(&self, mapping: &str) -> Result<Option<Checkpoint>> {
        let sequence = self.sequence.fetch_add(self.step, Ordering::SeqCst);
        Ok(self.checkpoint.map(|phase| Checkpoint {
            mapping: mapping.to_owned(),
            state_id: String::new(),
            sequence,
            owner_epoch: 1,
            frontier: Frontier(BTreeMap::from([("erp".to_owned(), position(100))])),
            source_committed_at_us: 0,
            phase,
            load_cursor: None,
            pending_sweeps: 0,
            quarantined: 0,
        }))
    }

    async fn take_over(&self, _: Option<&Checkpoint>, _: Checkpoint) -> Result<Checkpoint> {
        unasked()
    }

    async fn load(&self, _: &TargetTable, _: &[Row], _: &Advance) -> Result<()> {
        unasked()
    }

    async fn apply(&self, _: &[(Advance, &[TargetTable], WriteBatch)]) -> Result<()> {
        unasked()
    }

    async fn apply_parts(&self, _: &Advance, _: &[TargetTable], _: &dyn WriteParts) -> Result<()> {
        unasked()
    }

    async fn read_keys(&self, _: &str, table: &TargetTable, keys: &[Row]) -> Result<(Option<Checkpoint>, Vec<Row>)> {
        Ok((None, self.rows.iter().filter(|row| keys.contains(&key_of(table, row))).cloned().collect()))
    }

    async fn read_after(&self, _: &str, _: &TargetTable, after: Option<&Row>, _: u32) -> Result<(Option<Checkpoint>, Vec<Row>)> {
        Ok((None, if after.is_some() { vec![] } else { self.rows.clone() }))
    }

    async fn forget(&self, _: &str) -> Result<()> {
        unasked()
    }
}

/// An engine that remembers writes to some keys, however late one asks.
pub struct Engine(Vec<u128>);

impl Engine {
    pub fn untouched() -> Self {
        Self(vec![])
    }

    pub fn touching(keys: &[Row]) -> Self {
        Self(keys.iter().map(|key| key_hash(key)).collect())
    }
}

impl TouchedKeys for Engine {
    fn may_have_changed<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: u64,
        keys: Vec<u128>,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<bool>>> + Send + 'a>> {
        Box::pin(async move { Ok(keys.iter().map(|key| self.0.contains(key)).collect()) })
    }
}
