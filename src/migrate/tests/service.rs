//! A service database in memory that checks the promise at every commit, and loses answers now and then.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::world::{CUSTOMERS, Fuse, ORDERS, Tables, World, expected_of, offset};
use crate::error::{Class, Error, Result};
use crate::finding::Finding;
use crate::position::Frontier;
use crate::schema::TargetTable;
use crate::target::gate::Gate;
use crate::target::{Advance, Checkpoint, Phase, TableState, Target};
use crate::value::{Row, Value};
use crate::write::{WriteBatch, WriteParts};

#[derive(Default)]
pub struct Content {
    pub rows: BTreeMap<i64, Row>,
    pub checkpoint: Option<Checkpoint>,
    /// Commits that left a sweep under way.
    pub swept_commits: u32,
    pub commits: u64,
    pub exists: bool,
    /// Its table has no primary key.
    pub is_unkeyed: bool,
    /// How often a load went on without the key.
    pub unkeyed_loads: u32,
}

/// The legacy databases by name: one that has both tables, or the one of the customers and then the one of the orders.
#[derive(Clone)]
pub struct Oracle(pub Vec<(&'static str, World)>);

impl Oracle {
    fn offsets(&self, frontier: &Frontier) -> Vec<usize> {
        self.0.iter().map(|(name, _)| offset(&frontier.0[*name])).collect()
    }

    fn tables(&self, offsets: &[usize]) -> Tables {
        let at = |place: usize| self.0[place].1.lock().history[offsets[place]].clone();
        match self.0.len() {
            1 => at(0),
            _ => [at(0)[CUSTOMERS].clone(), at(1)[ORDERS].clone()],
        }
    }

    /// What the target must hold where a checkpoint row says it is.
    pub fn expected(&self, frontier: &Frontier) -> BTreeMap<i64, Row> {
        expected_of(&self.tables(&self.offsets(frontier)))
    }

    /// Whether a row was to be seen at some moment between two checkpoints.
    fn was_there(&self, key: i64, before: &Frontier, after: &Frontier) -> bool {
        let (before, after) = (self.offsets(before), self.offsets(after));
        let mut moments = vec![Vec::new()];
        for (from, to) in before.into_iter().zip(after) {
            let longer = moments
                .into_iter()
                .flat_map(|moment: Vec<usize>| (from..=to).map(move |at| moment.iter().copied().chain([at]).collect()));
            moments = longer.collect();
        }
        moments.into_iter().any(|moment| expected_of(&self.tables(&moment)).contains_key(&key))
    }
}

/// The service database.
pub struct Service {
    pub content: Arc<Mutex<Content>>,
    pub oracle: Oracle,
    pub fuse: Fuse,
}

enum Answer {
    Given,
    LostBefore,
    LostAfter,
}

fn integer(row: &Row) -> i64 {
    match row[0] {
        Value::Int(key) => key,
        ref other => panic!("a key is an integer, not {other:?}"),
    }
}

impl Service {
    fn with<R>(&self, change: impl FnOnce(&mut Content) -> R) -> R {
        change(&mut self.content.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn fate(&self) -> Result<Answer> {
        self.fuse.burn()?;
        Ok(match self.oracle.0[0].1.lock().random.u8(0..30) {
            0 => Answer::LostBefore,
            1 => Answer::LostAfter,
            _ => Answer::Given,
        })
    }

    fn commit(&self, advance: &Advance, change: impl FnOnce(&mut BTreeMap<i64, Row>)) -> Result<()> {
        let fate = self.fate()?;
        if matches!(fate, Answer::LostBefore) {
            return Err(Error::new(Class::Retry, "the answer to COMMIT was lost"));
        }
        self.with(|content| {
            let held = content.checkpoint.as_ref().unwrap();
            if held.sequence != advance.expected_sequence || held.owner_epoch != advance.next.owner_epoch {
                return Err(Error::new(Class::Locked, "another engine has the mapping"));
            }
            for (name, held) in &held.frontier.0 {
                assert!(advance.next.frontier.0[name].contains(held), "the checkpoint went back");
            }
            change(&mut content.rows);
            content.checkpoint = Some(advance.next.clone());
            content.commits += 1;
            content.swept_commits += u32::from(advance.next.pending_sweeps > 0);
            self.check(content);
            Ok(())
        })?;
        match fate {
            Answer::LostAfter => Err(Error::new(Class::Retry, "the answer to COMMIT was lost")),
            _ => Ok(()),
        }
    }

    /// The promise: a live table equals the SELECT over the prefix that its checkpoint row names, unless that says that a sweep is under way.
    fn check(&self, content: &Content) {
        let checkpoint = content.checkpoint.as_ref().unwrap();
        let is_exact = checkpoint.load_cursor.is_none() && checkpoint.pending_sweeps == 0;
        if checkpoint.phase == Phase::Live && is_exact {
            assert!(!content.is_unkeyed, "a live table has its key");
            let at = &checkpoint.frontier;
            assert_eq!(content.rows, self.oracle.expected(at), "the target is not the prefix at {at:?}");
        }
    }
}

impl Target for Service {
    fn definition(&self, _table: &TargetTable) -> Vec<String> {
        vec![]
    }
    async fn inspect(&self, _table: &TargetTable) -> Result<TableState> {
        Ok(self.with(|content| match (content.exists, content.is_unkeyed, !content.rows.is_empty()) {
            (false, _, false) => TableState::Absent,
            (_, false, has_rows) => TableState::Present { has_rows },
            (true, true, has_rows) => TableState::Unkeyed { has_rows },
            (false, true, true) => unreachable!("a table was lost"),
        }))
    }
    async fn preflight(&self, _tables: &[TargetTable]) -> Result<Vec<Finding>> {
        Ok(vec![])
    }
    async fn create(&self, _tables: &[TargetTable]) -> Result<()> {
        self.fuse.burn()?;
        self.with(|content| content.exists = true);
        Ok(())
    }
    async fn defer_key(&self, _table: &TargetTable) -> Result<()> {
        self.fuse.burn()?;
        self.with(|content| {
            assert!(content.rows.is_empty() && content.checkpoint.is_some(), "nothing would explain the table");
            content.is_unkeyed = true;
        });
        self.fuse.burn()
    }
    async fn create_indexes(&self, _table: &TargetTable) -> Result<()> {
        self.fuse.burn()?;
        self.with(|content| content.is_unkeyed = false);
        self.fuse.burn()
    }
    async fn begin_again(&self, _table: &TargetTable) -> Result<()> {
        self.fuse.burn()?;
        self.with(|content| {
            assert_eq!(content.checkpoint.as_ref().unwrap().phase, Phase::Loading, "readers trust the table");
            if std::mem::take(&mut content.is_unkeyed) {
                content.rows.clear();
            }
        });
        self.fuse.burn()
    }
    async fn checkpoint(&self, _mapping: &str) -> Result<Option<Checkpoint>> {
        self.fuse.burn()?;
        Ok(self.with(|content| content.checkpoint.clone()))
    }
    async fn take_over(&self, current: Option<&Checkpoint>, next: Checkpoint) -> Result<Checkpoint> {
        self.fuse.burn()?;
        self.with(|content| {
            assert_eq!(content.checkpoint.as_ref(), current);
            content.checkpoint = Some(next.clone());
            Ok(next)
        })
    }
    async fn load(&self, _table: &TargetTable, rows: &[Row], advance: &Advance) -> Result<()> {
        self.with(|content| content.unkeyed_loads += u32::from(content.is_unkeyed));
        self.commit(advance, |held| {
            for row in rows {
                assert!(held.insert(integer(row), row.clone()).is_none(), "a row was loaded twice");
            }
        })
    }
    async fn load_behind(&self, table: &TargetTable, rows: &[Row], advance: &Advance, turn: &Gate) -> Result<()> {
        self.fuse.burn()?;
        if self.oracle.0[0].1.lock().random.u8(0..30) == 0 {
            return Err(Error::new(Class::Retry, "the connection was lost on the way"));
        }
        turn.passed().await?;
        self.load(table, rows, advance).await
    }
    async fn apply(&self, writes: &[(Advance, &[TargetTable], WriteBatch)]) -> Result<()> {
        let [(advance, _, batch)] = writes else { panic!("one mapping") };
        let before = self.with(|content| {
            assert!(!content.is_unkeyed || batch.is_empty(), "an upsert needs the key");
            content.checkpoint.as_ref().map(|held| held.frontier.clone())
        });
        let came_and_went = |key: i64| {
            advance.next.sequence > advance.expected_sequence + 1
                && before.as_ref().is_some_and(|before| self.oracle.was_there(key, before, &advance.next.frontier))
        };
        self.commit(advance, |held| {
            for writes in &batch.tables {
                for key in &writes.deletes {
                    // Of a row that came and went in epochs that are applied together only the delete is left.
                    let key = integer(key);
                    assert!(held.remove(&key).is_some() || came_and_went(key), "a delete found nothing");
                }
                held.extend(writes.upserts.iter().map(|row| (integer(row), row.clone())));
            }
        })
    }
    async fn apply_parts(&self, advance: &Advance, _tables: &[TargetTable], parts: &dyn WriteParts) -> Result<()> {
        let parts = (0..parts.tables().len()).map(|index| parts.part(index)).collect::<Result<Vec<_>>>()?;
        assert!(!self.with(|content| content.is_unkeyed), "an upsert needs the key");
        self.commit(advance, |held| {
            for key in parts.iter().flat_map(|part| &part.deletes) {
                assert!(held.remove(&integer(key)).is_some(), "a delete found nothing");
            }
            held.extend(parts.iter().flat_map(|part| &part.upserts).map(|row| (integer(row), row.clone())));
        })
    }
    async fn read_keys(&self, _mapping: &str, _table: &TargetTable, keys: &[Row]) -> Result<(Option<Checkpoint>, Vec<Row>)> {
        Ok(self.with(|content| {
            (content.checkpoint.clone(), keys.iter().filter_map(|key| content.rows.get(&integer(key)).cloned()).collect())
        }))
    }
    async fn read_after(
        &self,
        _mapping: &str,
        _table: &TargetTable,
        after: Option<&Row>,
        limit: u32,
    ) -> Result<(Option<Checkpoint>, Vec<Row>)> {
        self.fuse.burn()?;
        let from = after.map_or(i64::MIN, |row| integer(row) + 1);
        Ok(self.with(|content| {
            (content.checkpoint.clone(), content.rows.range(from..).take(limit as usize).map(|(_, row)| row.clone()).collect())
        }))
    }
    async fn forget(&self, _mapping: &str) -> Result<()> {
        self.with(|content| content.checkpoint = None);
        Ok(())
    }
}
