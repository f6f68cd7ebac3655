//! A service database with several mappings' tables that can be down for a while or refuse one mapping, and that compares every commit
//! with an independent evaluation.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::world::{CUSTOMERS, Fuse, ORDERS, State, World, offset};
use crate::error::{Class, Error, Result};
use crate::finding::Finding;
use crate::schema::TargetTable;
use crate::target::{Advance, Checkpoint, Phase, TableState, Target};
use crate::value::{Row, Value};
use crate::write::{WriteBatch, WriteParts};

/// Added to every amount: one over two thousand does not fit.
pub const NEARLY_TOO_MUCH: i64 = i64::MAX - 2_000;

/// The rows of a mapping at a log offset, by nested loops.
pub fn expected(state: &State, mapping: &str, at: usize) -> BTreeMap<i64, Row> {
    let tables = &state.history[at];
    match mapping {
        "orders" => state.expected(at),
        "names" => {
            let names: std::collections::BTreeSet<String> =
                tables[CUSTOMERS].values().map(|row| format!("{:?}", row[1])).collect();
            assert_eq!(names.len(), tables[CUSTOMERS].len(), "a prefix that breaks the fact is seen");
            tables[CUSTOMERS].clone()
        }
        "sums" => tables[ORDERS]
            .iter()
            .map(|(id, order)| {
                let Value::Int(amount) = order[2] else { panic!("an amount is an integer") };
                let sum = amount.checked_add(NEARLY_TOO_MUCH).expect("a prefix that cannot be evaluated is seen");
                (*id, Row::from([Value::Int(*id), Value::Int(sum)]))
            })
            .collect(),
        other => panic!("no mapping {other}"),
    }
}

/// What a shelf holds.
#[derive(Default)]
pub struct Shelf {
    /// Per target table, which has its mapping's name.
    pub rows: BTreeMap<String, BTreeMap<i64, Row>>,
    /// Per mapping.
    pub checkpoints: BTreeMap<String, Checkpoint>,
    /// Operations that fail before the database is up again.
    pub down_for: u32,
    /// A mapping whose writes are refused until somebody mends it.
    pub refuses: Option<String>,
    /// Commits that jumped over several transactions at once, for the sake of the test itself.
    pub jumps: u32,
}

/// The service database.
pub struct Shelves {
    pub shelf: Arc<Mutex<Shelf>>,
    pub world: World,
    pub fuse: Fuse,
}

fn integer(row: &Row) -> i64 {
    match row[0] {
        Value::Int(key) => key,
        ref other => panic!("a key is an integer, not {other:?}"),
    }
}

impl Shelves {
    fn with<R>(&self, change: impl FnOnce(&mut Shelf) -> R) -> R {
        change(&mut self.shelf.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn up(&self) -> Result<()> {
        self.fuse.burn()?;
        self.with(|shelf| {
            if shelf.down_for == 0 {
                return Ok(());
            }
            shelf.down_for -= 1;
            Err(Error::new(Class::Unreachable, "the service database is down"))
        })
    }

    fn commit(&self, advance: &Advance, change: impl FnOnce(&mut BTreeMap<String, BTreeMap<i64, Row>>)) -> Result<()> {
        self.up()?;
        let fate = self.world.lock().random.u8(0..30);
        if fate == 0 {
            return Err(Error::new(Class::Retry, "the answer to COMMIT was lost"));
        }
        self.with(|shelf| {
            let mapping = advance.next.mapping.clone();
            if shelf.refuses.as_ref() == Some(&mapping) {
                return Err(Error::new(Class::Person, format!("the table {mapping} was altered")));
            }
            let held = &shelf.checkpoints[&mapping];
            if held.sequence != advance.expected_sequence || held.owner_epoch != advance.next.owner_epoch {
                return Err(Error::new(Class::Locked, "another engine has the mapping"));
            }
            if let (Some(held), Some(next)) = (held.frontier.0.get("erp"), advance.next.frontier.0.get("erp")) {
                assert!(next.contains(held), "the checkpoint of {mapping} went back");
                shelf.jumps += u32::from(offset(next) > offset(held) + 6);
            }
            change(&mut shelf.rows);
            shelf.checkpoints.insert(mapping.clone(), advance.next.clone());
            if advance.next.phase == Phase::Live && advance.next.load_cursor.is_none() {
                let at = offset(&advance.next.frontier.0["erp"]);
                let rows = shelf.rows.get(&mapping).cloned().unwrap_or_default();
                assert_eq!(rows, expected(&self.world.lock(), &mapping, at), "{mapping} is not the prefix at {at}");
            }
            Ok(())
        })?;
        if fate == 1 { Err(Error::new(Class::Retry, "the answer to COMMIT was lost")) } else { Ok(()) }
    }
}

fn apply(held: &mut BTreeMap<i64, Row>, deletes: &[Row], upserts: &[Row]) {
    for key in deletes {
        held.remove(&integer(key));
    }
    held.extend(upserts.iter().map(|row| (integer(row), row.clone())));
}

impl Target for Shelves {
    fn definition(&self, _table: &TargetTable) -> Vec<String> {
        vec![]
    }
    async fn inspect(&self, table: &TargetTable) -> Result<TableState> {
        self.up()?;
        self.with(|shelf| {
            if shelf.refuses.as_ref() == Some(&table.name) {
                let difference = crate::target::TableDifference { object: table.name.clone(), message: "was altered".into() };
                return Ok(TableState::Differs(vec![difference]));
            }
            Ok(TableState::Present { has_rows: shelf.rows.get(&table.name).is_some_and(|rows| !rows.is_empty()) })
        })
    }
    async fn preflight(&self, _tables: &[TargetTable]) -> Result<Vec<Finding>> {
        Ok(vec![])
    }
    async fn create(&self, _tables: &[TargetTable]) -> Result<()> {
        self.up()
    }
    async fn create_indexes(&self, _table: &TargetTable) -> Result<()> {
        self.up()
    }
    async fn checkpoint(&self, mapping: &str) -> Result<Option<Checkpoint>> {
        self.up()?;
        Ok(self.with(|shelf| shelf.checkpoints.get(mapping).cloned()))
    }
    async fn take_over(&self, current: Option<&Checkpoint>, next: Checkpoint) -> Result<Checkpoint> {
        self.up()?;
        self.with(|shelf| {
            assert_eq!(shelf.checkpoints.get(&next.mapping), current);
            shelf.checkpoints.insert(next.mapping.clone(), next.clone());
            Ok(next)
        })
    }
    async fn load(&self, table: &TargetTable, rows: &[Row], advance: &Advance) -> Result<()> {
        self.commit(advance, |held| {
            let held = held.entry(table.name.clone()).or_default();
            for row in rows {
                assert!(held.insert(integer(row), row.clone()).is_none(), "a row was loaded twice");
            }
        })
    }
    async fn apply(&self, writes: &[(Advance, &[TargetTable], WriteBatch)]) -> Result<()> {
        let [(advance, tables, batch)] = writes else { panic!("one mapping") };
        self.commit(advance, |held| {
            for writes in &batch.tables {
                let name = tables[writes.table as usize].name.clone();
                apply(held.entry(name).or_default(), &writes.deletes, &writes.upserts);
            }
        })
    }
    async fn apply_parts(&self, advance: &Advance, tables: &[TargetTable], parts: &dyn WriteParts) -> Result<()> {
        let parts = (0..parts.tables().len()).map(|index| parts.part(index)).collect::<Result<Vec<_>>>()?;
        self.commit(advance, |held| {
            for part in &parts {
                apply(held.entry(tables[part.table as usize].name.clone()).or_default(), &part.deletes, &[]);
            }
            for part in &parts {
                apply(held.entry(tables[part.table as usize].name.clone()).or_default(), &[], &part.upserts);
            }
        })
    }
    async fn read_keys(&self, _mapping: &str, _table: &TargetTable, _keys: &[Row]) -> Result<(Option<Checkpoint>, Vec<Row>)> {
        Err(Error::bug("no test asks"))
    }
    async fn read_after(
        &self,
        mapping: &str,
        table: &TargetTable,
        after: Option<&Row>,
        limit: u32,
    ) -> Result<(Option<Checkpoint>, Vec<Row>)> {
        self.up()?;
        let from = after.map_or(i64::MIN, |row| integer(row) + 1);
        Ok(self.with(|shelf| {
            let rows = shelf.rows.entry(table.name.clone()).or_default().range(from..);
            (shelf.checkpoints.get(mapping).cloned(), rows.take(limit as usize).map(|(_, row)| row.clone()).collect())
        }))
    }
    async fn forget(&self, mapping: &str) -> Result<()> {
        self.with(|shelf| shelf.checkpoints.remove(mapping));
        Ok(())
    }
}
