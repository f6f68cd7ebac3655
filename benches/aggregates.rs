//! Aggregates: the cost of one changed row by the size of its group, as ratios to the smallest group of the same run.
//!
//! Two target tables read the group: its COUNT, SUM, AVG, MIN and MAX by GROUP BY, and the latest of its rows by ORDER BY with LIMIT 1.
//!
//! Back of the envelope: a changed row costs two reads of stored rows and of its groups' entries, the writes of the row, its index entries, the
//! entries of the groups, a listed value each for MIN, MAX and the latest row and two fingerprints: about twenty touches of the state, 100 to
//! 200 us of one thread. None of it grows with the group but the depth of the trees, so the ratios should stay near 1. Derived from all rows, a
//! group of 10^5 costs 2 x 10^5 decodings, some 200 ms.
//!
//! `BENCH_MEMBERS_MAX` (default 1,000,000; 10,000,000 takes a few GB of disk) sets the largest group, the smallest has 10 rows; `BENCH_CHANGES` (default
//! 2,000) the changes per size.

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

const SUMS: &str = "SELECT l.account, COUNT(*) AS entries, SUM(l.amount) AS balance, AVG(l.amount) AS mean, MIN(l.amount) AS least, MAX(l.booked) AS last FROM ledger l GROUP BY l.account";
const LATEST: &str = "SELECT a.account, (SELECT l.amount FROM ledger l WHERE l.account = a.account ORDER BY l.booked DESC, l.id DESC LIMIT 1) AS latest FROM account a";
const ROWS_PER_CHUNK: i64 = 10_000;
/// How much larger each group is than the one before.
const FACTOR: i64 = 10;

fn main() -> Outcome<()> {
    let members_max = i64::from(size("BENCH_MEMBERS_MAX", 1_000_000));
    let changes = i64::from(size("BENCH_CHANGES", 2_000));
    let sizes: Vec<i64> = (1..).map(|power| FACTOR.pow(power)).take_while(|members| *members <= members_max).collect();
    let plan = plan()?;
    let folder = tempfile::tempdir()?;
    let store = DiskStore::open(folder.path(), DiskOptions::within(512 << 20))?;
    let accounts = (0..sizes.len()).map(|account| Row::from([Value::Int(account as i64)])).collect();
    store.commit(ingest(&plan, &store, &chunk(table(&plan, "account")?, accounts))?, Durability::Buffered)?;
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

/// Microseconds per change, each an epoch of its own: a row comes, changes its amount, and goes, so that the group keeps its size.
fn timed(plan: &Plan, store: &DiskStore, next: &mut i64, account: usize, changes: i64) -> Outcome<f64> {
    let ledger = table(plan, "ledger")?;
    let began = Instant::now();
    for number in 0..changes {
        let (fresh, moved) = (row(*next, account, number / 3), row(*next, account, number / 3 + 7));
        let operation = match number % 3 {
            0 => Operation::Insert { new: Image::Full(fresh) },
            1 => Operation::Update { old: Image::Full(fresh), new: Image::Full(moved) },
            _ => {
                *next += 1;
                Operation::Delete { old: Image::Full(moved) }
            }
        };
        let step = step(plan, store, &[Change { table: ledger, operation }])?;
        assert_eq!(step.derived, 2);
        store.commit(step.mutations, Durability::Buffered)?;
    }
    let micros = began.elapsed().as_secs_f64() * 1e6 / changes as f64;
    // The row of an unfinished round stays: what comes next has another key.
    *next += 1;
    Ok(micros)
}

fn table(plan: &Plan, name: &str) -> Outcome<TableId> {
    let found = plan.tables.iter().find(|table| table.layout.name.name == name);
    Ok(found.ok_or("a table is not in the plan")?.layout.id)
}

fn chunk(table: TableId, rows: Vec<Row>) -> Chunk {
    Chunk { table, index: 0, rows, high: position(), exact: true, visibility: None, rest: None }
}

fn copy(plan: &Plan, store: &DiskStore, next: &mut i64, account: usize, members: i64) -> Outcome<()> {
    let ledger = table(plan, "ledger")?;
    let mut left = members;
    while left > 0 {
        let count = left.min(ROWS_PER_CHUNK);
        let rows = (*next..*next + count).map(|id| row(id, account, id)).collect();
        store.commit(ingest(plan, store, &chunk(ledger, rows))?, Durability::Buffered)?;
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
    let table = |name: &str, sql: &str| -> Outcome<TableInput> {
        Ok(TableInput {
            schema: None,
            name: name.into(),
            description: String::new(),
            key: vec!["account".into()],
            indexes: vec![],
            columns: BTreeMap::new(),
            sql: sql.into(),
            query: strangler::sql::bind(sql, &catalog).map_err(|findings| format!("{findings:?}"))?,
        })
    };
    let mut builder = Builder::new(&catalog);
    let input = MappingInput {
        name: "accounts".into(),
        target: TargetKind::PostgreSql,
        policies: Policies::default(),
        tables: vec![table("sums", SUMS)?, table("latest", LATEST)?],
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
    let table = |name: &str, columns| TableSchema {
        name: TableName { schema: "erp".into(), name: name.into() },
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
        tables: vec![table("ledger", columns), table("account", vec![column("account", integer())])],
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
