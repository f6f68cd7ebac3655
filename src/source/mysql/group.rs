//! One transaction of the log while it is being read: what it has changed so far, and what of it remains when it ends.
//!
//! Goes in: changes in log order, savepoints. Comes out: the changes that count after a commit, a rollback to a savepoint, or a
//! rollback of everything. Changes of non-transactional tables survive every rollback, as they do in the server.

use super::columns::Altered;
use super::decode::event::Xid;
use super::decode::gtid::Head;
use crate::change::spilled::Spilled;
use crate::change::{Change, SchemaChange};
use crate::error::Result;
use crate::source::spill::{SpillOptions, SpillWriter};

/// A place in the log of one server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPlace {
    /// Number of the file; orders places.
    number: u64,
    /// Offset in the file, 64 bit.
    pub offset: u64,
    /// Name of the file.
    pub file: String,
}

impl LogPlace {
    /// The place at `offset` of `file`; the number is that behind the last dot of the name.
    #[must_use]
    pub fn new(file: &str, offset: u64) -> Self {
        let number = file.rsplit_once('.').and_then(|(_, digits)| digits.parse().ok()).unwrap_or(0);
        Self { number, offset, file: file.to_owned() }
    }
}

/// A prepared transaction.
#[derive(Debug)]
pub struct Held {
    /// Where it starts.
    pub from: LogPlace,
    /// The columns of the mapped tables there: reading may have to start there again.
    pub altered: Altered,
    /// Its changes.
    pub rows: Rows,
}

/// The changes of a transaction that has ended.
#[derive(Debug, Default)]
pub struct Rows {
    /// The first ones, where all are too many for memory.
    pub spilled: Option<Spilled>,
    /// Those behind them, in log order.
    pub changes: Vec<Change>,
    /// The approximate size in memory of these.
    pub bytes: usize,
}

/// A change with what decides whether it survives a rollback.
#[derive(Debug, Clone)]
struct Kept {
    change: Change,
    transactional: bool,
}

/// An open transaction.
#[derive(Debug)]
pub struct Group {
    /// Where it starts.
    pub start: LogPlace,
    /// Its id and flags.
    pub head: Option<Head>,
    /// Whether it ends only with a commit, rollback or prepare; otherwise its first statement is all of it.
    pub explicit: bool,
    /// The XA transaction it belongs to.
    pub xid: Option<Xid>,
    /// Approximate size of its changes in memory.
    pub bytes: usize,
    /// Definitions it changes, told after its rows.
    pub schema_changes: Vec<SchemaChange>,
    /// What came before `kept`.
    spill: Option<SpillWriter>,
    kept: Vec<Kept>,
    /// Names, and how many changes there were.
    savepoints: Vec<(String, usize)>,
}

impl Group {
    /// A transaction that starts at `start`.
    #[must_use]
    pub fn new(start: LogPlace, head: Option<Head>, explicit: bool) -> Self {
        Self {
            start,
            head,
            explicit,
            xid: None,
            bytes: 0,
            schema_changes: Vec::new(),
            spill: None,
            kept: Vec::new(),
            savepoints: Vec::new(),
        }
    }

    /// Adds changes of one table that took `wire_bytes` in the log.
    pub fn extend(&mut self, changes: impl IntoIterator<Item = Change>, transactional: bool, wire_bytes: usize) {
        let before = self.kept.len();
        self.kept.extend(changes.into_iter().map(|change| Kept { change, transactional }));
        let added = self.kept.get(before..).unwrap_or(&[]);
        self.bytes += wire_bytes + added.iter().map(|kept| in_memory(&kept.change)).sum::<usize>();
    }

    /// Moves the changes so far to disk.
    ///
    /// # Errors
    /// `Local` if the disk fails or is full.
    pub fn spill(&mut self, options: &SpillOptions) -> Result<()> {
        let writer = match &mut self.spill {
            Some(writer) => writer,
            None => self.spill.insert(SpillWriter::begin(options)?),
        };
        self.bytes = 0;
        self.kept.drain(..).try_for_each(|kept| writer.append(&kept.change, kept.transactional))
    }

    fn spilled_count(&self) -> usize {
        self.spill.as_ref().map_or(0, SpillWriter::count)
    }

    /// Marks a savepoint; a name used again moves.
    pub fn savepoint(&mut self, name: String) {
        self.savepoints.retain(|(other, _)| *other != name);
        self.savepoints.push((name, self.spilled_count() + self.kept.len()));
    }

    /// Drops what was changed since the savepoint; `false` if there is none of that name.
    #[must_use]
    pub fn rollback_to(&mut self, name: &str) -> bool {
        let Some(index) = self.savepoints.iter().position(|(other, _)| other == name) else {
            return false;
        };
        let mark = self.savepoints.get(index).map_or(0, |(_, mark)| *mark);
        self.savepoints.truncate(index + 1);
        self.drop_transactional_from(mark);
        true
    }

    /// Drops everything that a rollback undoes.
    pub fn rollback(&mut self) {
        self.drop_transactional_from(0);
    }

    /// The changes, in log order.
    ///
    /// # Errors
    /// `Local` if the disk fails or is full.
    pub fn take_rows(&mut self) -> Result<Rows> {
        let spilled = self.spill.take().map(SpillWriter::finish).transpose()?;
        let changes = std::mem::take(&mut self.kept).into_iter().map(|kept| kept.change).collect();
        Ok(Rows { spilled, changes, bytes: self.bytes })
    }

    fn drop_transactional_from(&mut self, mark: usize) {
        let spilled_count = self.spilled_count();
        if let Some(spill) = &mut self.spill {
            spill.drop_from(mark);
        }
        let tail = self.kept.split_off(mark.saturating_sub(spilled_count).min(self.kept.len()));
        self.kept.extend(tail.into_iter().filter(|kept| !kept.transactional));
    }
}

/// The fixed part of a change in memory; its texts are counted by their bytes in the log.
fn in_memory(change: &Change) -> usize {
    use crate::change::{Image, Operation};
    let image = |image: &Image| match image {
        Image::Full(row) => size_of_val::<[_]>(row),
        Image::Partial(row) => size_of_val::<[_]>(row),
    };
    size_of::<Kept>()
        + match &change.operation {
            Operation::Insert { new } => image(new),
            Operation::Delete { old } => image(old),
            Operation::Update { old, new } => image(old) + image(new),
            Operation::Truncate => 0,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Operation;
    use crate::schema::TableId;

    fn change(table: u32) -> Change {
        Change { table: TableId(table), operation: Operation::Truncate }
    }

    #[test]
    fn f27_savepoints_and_f46_non_transactional_rows() {
        let mut group = Group::new(LogPlace::new("b.000001", 4), None, true);
        group.extend([change(1)], true, 0);
        group.savepoint("s".into());
        group.extend([change(2)], true, 0);
        group.extend([change(3)], false, 0);
        assert!(group.rollback_to("s"));
        assert!(!group.rollback_to("t"));
        assert_eq!(group.take_rows().unwrap().changes, [change(1), change(3)]);
        group.extend([change(1)], true, 0);
        group.extend([change(3)], false, 0);
        group.rollback();
        assert_eq!(group.take_rows().unwrap().changes, [change(3)]);
    }
}
