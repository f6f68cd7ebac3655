//! Which columns mapped tables have, and in which order, at the place where the stream reads.
//!
//! Goes in: column edits of ALTER TABLE statements in log order, names that the log itself gives, and what a position carries of earlier
//! ones. Comes out: the columns of a table, for reading rows, and the record for the next position. Servers log no column names unless
//! `binlog_row_metadata=FULL`; then only these statements tell which column a value belongs to.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ddl::MappedTable;
use crate::position::{AlteredTable, BinlogPosition};
use crate::schema::{TableId, TableLayout};

/// Where a clause puts a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// FIRST
    First,
    /// AFTER the column of this name, which is the name that it has after the statement.
    After(String),
}

/// What one clause of an ALTER TABLE does to the list of columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// ADD COLUMN.
    Add {
        /// Its name.
        name: String,
        /// Where; `None`: at the end.
        place: Option<Place>,
        /// IF NOT EXISTS.
        conditional: bool,
    },
    /// DROP COLUMN.
    Drop {
        /// Its name.
        name: String,
        /// IF EXISTS.
        conditional: bool,
    },
    /// MODIFY, CHANGE or RENAME COLUMN.
    Change {
        /// The name before.
        from: String,
        /// The name after.
        to: String,
        /// Where; `None`: it stays where it is.
        place: Option<Place>,
        /// IF EXISTS.
        conditional: bool,
    },
}

/// Whether two column names are one to the server: without regard to case.
#[must_use]
pub fn same_name(left: &str, right: &str) -> bool {
    left == right || left.to_lowercase() == right.to_lowercase()
}

fn place_of(columns: &[String], name: &str) -> Option<usize> {
    columns.iter().position(|column| same_name(column, name))
}

/// The columns after a statement with these clauses; `None` where what the server made of them is not certain. The order is that of both
/// families (`prepare_fields_and_keys` of MySQL, `mysql_prepare_alter_table` of MariaDB): first the old columns, less the dropped and
/// the moved ones, each under its new name; then, clause by clause, what is added or moved.
#[must_use]
pub fn edited(columns: &[String], edits: &[Edit]) -> Option<Vec<String>> {
    let edits = effective(columns, edits)?;
    let mut after = Vec::with_capacity(columns.len() + edits.len());
    for column in columns {
        let touching = edits.iter().find(|edit| match edit {
            Edit::Drop { name, .. } => same_name(name, column),
            Edit::Change { from, .. } => same_name(from, column),
            Edit::Add { .. } => false,
        });
        match touching {
            Some(Edit::Drop { .. } | Edit::Change { place: Some(_), .. }) => {}
            Some(Edit::Change { to, .. }) => after.push(to.clone()),
            Some(Edit::Add { .. }) | None => after.push(column.clone()),
        }
    }
    for edit in edits {
        let (name, place) = match edit {
            Edit::Add { name, place, .. } => (name, place),
            Edit::Change { to, place: Some(place), .. } => (to, &Some(place.clone())),
            Edit::Drop { .. } | Edit::Change { .. } => continue,
        };
        if place_of(&after, name).is_some() {
            return None;
        }
        let at = match place {
            None => after.len(),
            Some(Place::First) => 0,
            Some(Place::After(before)) => place_of(&after, before)? + 1,
        };
        after.insert(at, name.clone());
    }
    Some(after)
}

/// The clauses without those whose condition fails. A condition about a column that another clause of the statement touches is not judged,
/// and neither is a clause that names a column that is not there.
fn effective<'a>(columns: &[String], edits: &'a [Edit]) -> Option<Vec<&'a Edit>> {
    let mut kept = Vec::with_capacity(edits.len());
    for (index, edit) in edits.iter().enumerate() {
        let (name, conditional, exists) = match edit {
            Edit::Add { name, conditional, .. } => (name, *conditional, place_of(columns, name).is_none()),
            Edit::Drop { name, conditional } => (name, *conditional, place_of(columns, name).is_some()),
            Edit::Change { from, conditional, .. } => (from, *conditional, place_of(columns, from).is_some()),
        };
        let touches = |other: &Edit| match other {
            Edit::Add { name: other, .. } | Edit::Drop { name: other, .. } => same_name(other, name),
            Edit::Change { from, to, .. } => same_name(from, name) || same_name(to, name),
        };
        let alone = edits.iter().enumerate().all(|(other, edit)| other == index || !touches(edit));
        match edit {
            _ if conditional && !alone => return None,
            _ if conditional && !exists => {}
            // DROP and ADD of one name in one statement, and names that pass from column to column, are not conditional and follow the rule.
            Edit::Drop { .. } | Edit::Change { .. } if !exists => return None,
            _ => kept.push(edit),
        }
    }
    Some(kept)
}

/// The columns of mapped tables at one place, where they differ from the recorded ones. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Altered(Arc<BTreeMap<TableId, Option<Vec<String>>>>);

impl Altered {
    /// What `position` carries about the tables of `layouts`.
    #[must_use]
    pub fn recorded(position: &BinlogPosition, layouts: &[TableLayout]) -> Self {
        let found = position.altered.iter().filter_map(|altered| {
            let named = |layout: &&TableLayout| layout.name.schema == altered.schema && layout.name.name == altered.table;
            layouts.iter().find(named).map(|layout| (layout.id, altered.columns.clone()))
        });
        Self(Arc::new(found.collect()))
    }

    /// The columns of `table`; `None` if they are not known.
    #[must_use]
    pub fn columns<'a>(&'a self, table: &'a MappedTable) -> Option<&'a [String]> {
        self.0.get(&table.id).map_or(Some(table.columns.as_slice()), Option::as_deref)
    }

    /// A statement edits the columns of `table`.
    pub fn edit(&mut self, table: &MappedTable, edits: &[Edit]) {
        let after = self.columns(table).and_then(|columns| edited(columns, edits));
        self.set(table, after);
    }

    /// The log itself says which columns `table` has.
    pub fn learn(&mut self, table: &MappedTable, names: Vec<String>) {
        if self.columns(table) != Some(names.as_slice()) {
            self.set(table, Some(names));
        }
    }

    fn set(&mut self, table: &MappedTable, columns: Option<Vec<String>>) {
        let tables = Arc::make_mut(&mut self.0);
        if columns.as_ref() == Some(&table.columns) {
            tables.remove(&table.id);
        } else {
            tables.insert(table.id, columns);
        }
    }

    /// The record for a position.
    #[must_use]
    pub fn to_record(&self, layouts: &[TableLayout]) -> Vec<AlteredTable> {
        let named = layouts.iter().filter_map(|layout| {
            let columns = self.0.get(&layout.id)?.clone();
            Some(AlteredTable { schema: layout.name.schema.clone(), table: layout.name.name.clone(), columns })
        });
        named.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(columns: &str, edits: &[Edit]) -> Option<String> {
        let columns: Vec<String> = columns.split(' ').map(str::to_owned).collect();
        edited(&columns, edits).map(|columns| columns.join(" "))
    }

    fn add(name: &str, place: Option<Place>) -> Edit {
        Edit::Add { name: name.into(), place, conditional: false }
    }

    fn change(from: &str, to: &str, place: Option<Place>) -> Edit {
        Edit::Change { from: from.into(), to: to.into(), place, conditional: false }
    }

    fn drop(name: &str) -> Edit {
        Edit::Drop { name: name.into(), conditional: false }
    }

    fn behind(name: &str) -> Option<Place> {
        Some(Place::After(name.into()))
    }

    #[test]
    fn f53_added_dropped_moved_and_renamed_in_one_statement() {
        assert_eq!(after("a b c", &[add("x", behind("A"))]).unwrap(), "a x b c");
        assert_eq!(after("a b c", &[drop("b"), add("b", Some(Place::First))]).unwrap(), "b a c");
        assert_eq!(after("a b c", &[change("c", "c", Some(Place::First)), change("b", "d", None)]).unwrap(), "c a d");
        assert_eq!(after("a b c", &[change("a", "b", None), change("b", "a", None)]).unwrap(), "b a c");
        assert_eq!(after("a b c", &[change("a", "z", behind("c")), add("y", behind("z")), add("w", None)]).unwrap(), "b c z y w");
    }

    #[test]
    fn what_is_not_certain_is_not_claimed() {
        let conditional = Edit::Add { name: "b".into(), place: None, conditional: true };
        assert_eq!(after("a b", std::slice::from_ref(&conditional)).unwrap(), "a b");
        assert_eq!(after("a c", std::slice::from_ref(&conditional)).unwrap(), "a c b");
        assert_eq!(after("a b", &[drop("b"), conditional]), None);
        assert_eq!(after("a b", &[drop("x")]), None);
        assert_eq!(after("a b", &[add("a", None)]), None);
        assert_eq!(after("a b", &[add("x", behind("y"))]), None);
        assert_eq!(after("a b", &[Edit::Drop { name: "x".into(), conditional: true }]).unwrap(), "a b");
    }
}
