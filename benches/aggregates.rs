//! Aggregates: the cost of one changed row by the size of its group, as ratios to the smallest group of the same run.
//!
//! Back of the envelope: a changed row costs two reads of stored rows and one of its group's entry, the writes of the row, its index entry, one
//! entry of the group, two listed values for the MAX and a fingerprint: about ten touches of the state, 50 to 100 us of one thread. None of
//! it grows with the group but the depth of the trees, so the ratios should stay near 1. Derived from all rows, a group of 10^5 costs
//! 10^5 decodings, some 100 ms.
//!
//! `BENCH_MEMBERS_MAX` (default 1,000,000) sets the largest group, `BENCH_CHANGES` (default 2,000) the changes per size.

use std::collections::BTreeMap;
use std::time::Instant;

use strangler::change::{Change, Chunk, Image, Operation};
use strangler::derive::{Filling, filling, ingest, step};
use strangler::plan::{Builder, MappingInput, Plan, Policies, TableInput};
use strangler::position::{BinlogPosition, Position};
use strangler::schema::{
    Column, DataType, Flavor, Generated, SessionSettings, SourceCatalog, TableId, TableName, TableSchema, TargetKind, UniqueKey,
};
use strangler::state::disk::{DiskOptions, DiskStore};
use strangler::state::{Durability, Store, summed};
use strangler::value::{Decimal, Row, Value};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const SQL: &str = "SELECT l.account, COUNT(*) AS entries, SUM(l.amount) AS balance, AVG(l.amount) AS mean, MAX(l.booked) AS last FROM ledger l GROUP BY l.account";
const ROWS_PER_CHUNK: i64 = 10_000;
const LEDGER: TableId = TableId(0);

fn main() -> Outcome<()> {
    let members_max = i64::from(size("BENCH_MEMBERS_MAX", 1_000_000));
    let changes = i64::from(size("BENCH_CHANGES", 2_000));
    let sizes: Vec<i64> = [1_000, 10_000, 100_000, 1_000_000].into_iter().filter(|members| *members <= members_max).collect();
    let plan = plan()?;
    let folder = tempfile::tempdir()?;
    let store = DiskStore::open(folder.path(), DiskOptions::within(512 << 20))?;
    let mut next = 0;
    for (account, members) in sizes.iter().enumerate() {
        copy(&plan, &store, &mut next, account, *members)?;
    }
    // Before the accumulators are filled, groups are derived from all of their rows: the baseline.
    println!("one changed row of a group, derived from all rows");
    let mut whole = Vec::new();
    for (account, members) in sizes.iter().enumerate() {
        let changes = (200_000 / members).clamp(1, changes);
        whole.push(show(*members, timed(&plan, &store, &mut next, account, changes)?, whole.first().copied()));
    }
    let began = Instant::now();
    while let Filling::Missing(ids, mutations) = filling(&plan, &store)? {
        store.commit(mutations, Durability::Buffered)?;
        for id in ids {
            summed::add_up(&plan, &store, id, (folder.path(), 16 << 20), &|_| ())?;
        }
    }
    println!("accumulators filled from {next} rows: {:.0} rows/s", next as f64 / began.elapsed().as_secs_f64());
    println!("one changed row of a group that is kept up");
    let mut kept = Vec::new();
    for (account, members) in sizes.iter().enumerate() {
        kept.push(show(*members, timed(&plan, &store, &mut next, account, changes)?, kept.first().copied()));
    }
    for ((members, whole), kept) in sizes.iter().zip(&whole).zip(&kept) {
        println!("{members:>9} members: {:>10.1} times the speed", whole / kept);
    }
    Ok(())
}

/// A size from the environment.
fn size(name: &str, default: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn show(members: i64, micros: f64, first: Option<f64>) -> f64 {
    println!("{members:>9} members {micros:>14.1} us   {:>8.2}", micros / first.unwrap_or(micros));
    micros
}

/// Microseconds per change, each an epoch of its own: inserts, and updates that move the amount.
fn timed(plan: &Plan, store: &DiskStore, next: &mut i64, account: usize, changes: i64) -> Outcome<f64> {
    let began = Instant::now();
    for number in 0..changes {
        let fresh = row(*next, account, number);
        let operation = if number % 2 == 0 {
            *next += 1;
            Operation::Insert { new: Image::Full(fresh) }
        } else {
            let id = *next - 1;
            Operation::Update { old: Image::Full(row(id, account, number - 1)), new: Image::Full(row(id, account, number + 7)) }
        };
        let step = step(plan, store, &[Change { table: LEDGER, operation }])?;
        assert_eq!(step.derived, 1);
        store.commit(step.mutations, Durability::Buffered)?;
    }
    Ok(began.elapsed().as_secs_f64() * 1e6 / changes as f64)
}

fn copy(plan: &Plan, store: &DiskStore, next: &mut i64, account: usize, members: i64) -> Outcome<()> {
    let mut left = members;
    while left > 0 {
        let count = left.min(ROWS_PER_CHUNK);
        let rows = (*next..*next + count).map(|id| row(id, account, id)).collect();
        let chunk = Chunk { table: LEDGER, index: 0, rows, high: position(), exact: true, visibility: None, rest: None };
        store.commit(ingest(plan, store, &chunk)?, Durability::Buffered)?;
        *next += count;
        left -= count;
    }
    Ok(())
}

fn row(id: i64, account: usize, number: i64) -> Row {
    let amount = Decimal::from_small(i128::from((number * 7_919) % 1_000_003 - 500_000), 2);
    Row::from([Value::Int(id), Value::Int(account as i64), Value::Decimal(amount), Value::Int(id / 10)])
}

fn position() -> Position {
    Position::Binlog(BinlogPosition {
        server: "s".into(),
        file: "binlog.000001".into(),
        offset: 4,
        gtid: String::new(),
        prepared_from: None,
        altered: Vec::new(),
    })
}

fn plan() -> Outcome<Plan> {
    let catalog = catalog();
    let query = strangler::sql::bind(SQL, &catalog).map_err(|findings| format!("{findings:?}"))?;
    let table = TableInput {
        schema: None,
        name: "accounts".into(),
        description: String::new(),
        key: vec!["account".into()],
        indexes: vec![],
        columns: BTreeMap::new(),
        sql: SQL.into(),
        query,
    };
    let mut builder = Builder::new(&catalog);
    let input = MappingInput {
        name: "accounts".into(),
        target: TargetKind::PostgreSql,
        policies: Policies::default(),
        tables: vec![table],
        facts: vec![],
    };
    builder.mapping(input).map_err(|findings| format!("{findings:?}"))?;
    Ok(builder.finish())
}

fn catalog() -> SourceCatalog {
    let column = |name: &str, data_type| Column {
        name: name.into(),
        data_type,
        native_type: String::new(),
        nullable: false,
        generated: Generated::No,
        comment: String::new(),
    };
    let integer = || DataType::Integer { bits: 64, unsigned: false };
    let amount = DataType::Decimal { precision: 15, scale: 2, unsigned: false };
    let columns =
        vec![column("id", integer()), column("account", integer()), column("amount", amount), column("booked", integer())];
    let ledger = TableSchema {
        name: TableName { schema: "erp".into(), name: "ledger".into() },
        columns,
        primary_key: Some(UniqueKey { name: "PRIMARY".into(), columns: vec![0] }),
        unique_keys: vec![],
        engine: "InnoDB".into(),
        transactional: true,
        comment: String::new(),
        row_estimate: 1_000_000,
        revision: String::new(),
    };
    SourceCatalog {
        sources: BTreeMap::new(),
        flavor: Flavor::MariaDb,
        version: (10, 11, 0),
        default_schema: "erp".into(),
        tables: vec![ledger],
        collations: BTreeMap::new(),
        session: SessionSettings {
            sql_mode: String::new(),
            time_zone: "+00:00".into(),
            div_precision_increment: 4,
            group_concat_max_len: 1_024,
            collation_connection: "utf8mb4_general_ci".into(),
            lower_case_table_names: 0,
        },
    }
}
