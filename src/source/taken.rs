//! Taken: the first rows of a range in the order of its key, as many as the bounds of a read allow, and what is left of the range.
//!
//! A statement asks for as many rows as are thought to fit. Where they are wider than thought, those beyond the bound are let go, so that memory is
//! bounded whatever an estimate says; they are read again with what is left.

use super::ReadBounds;
use crate::change::KeyRange;
use crate::error::{Error, Result};
use crate::schema::TableLayout;
use crate::value::{Row, Value};

/// The rows of one read.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) rows: Vec<Row>,
    bounds: ReadBounds,
    bytes: usize,
    /// Whether rows behind those taken were let go.
    is_cut: bool,
}

impl Taken {
    /// Nothing yet. The rows of a bag have no order to go on in, and are all taken.
    pub(super) fn new(layout: &TableLayout, bounds: ReadBounds) -> Self {
        let bounds = if layout.identity.is_some() { bounds } else { ReadBounds::NONE };
        Self { rows: Vec::new(), bounds, bytes: 0, is_cut: false }
    }

    /// What a statement that is to give these rows ends with.
    pub(super) fn limit(&self) -> String {
        if self.bounds.rows_max == u32::MAX { String::new() } else { format!(" LIMIT {}", self.bounds.rows_max.max(1)) }
    }

    /// Takes the next row, if there is room.
    pub(super) fn add(&mut self, row: Row) {
        self.is_cut |= !self.rows.is_empty() && self.bytes >= self.bounds.bytes_max;
        if !self.is_cut {
            self.bytes += row.iter().map(Value::size_bytes).sum::<usize>();
            self.rows.push(row);
        }
    }

    /// What of a range is behind these rows.
    ///
    /// # Errors
    /// `Bug` for a layout whose identity it does not store.
    pub(super) fn rest(&self, layout: &TableLayout, range: &KeyRange) -> Result<Option<KeyRange>> {
        let is_full = u32::try_from(self.rows.len()).is_ok_and(|count| count >= self.bounds.rows_max.max(1));
        let (Some(identity), Some(last), true) = (&layout.identity, self.rows.last(), self.is_cut || is_full) else {
            return Ok(None);
        };
        let missing = || Error::bug(format!("the identity of {} names a column it does not store", layout.name));
        let key = identity.iter().map(|place| last.get(*place).cloned().ok_or_else(missing)).collect::<Result<Row>>()?;
        let is_last = range.up_to.as_ref() == Some(&key);
        Ok((!is_last).then(|| KeyRange { after: Some(key), up_to: range.up_to.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{TableId, TableName};

    fn layout(identity: Option<Vec<usize>>) -> TableLayout {
        TableLayout {
            id: TableId(0),
            name: TableName { schema: "erp".into(), name: "t".into() },
            columns: vec![],
            identity,
            source_column_count: 2,
            transactional: true,
        }
    }

    /// Reads as many rows as the statement would give.
    fn read(layout: &TableLayout, bounds: ReadBounds, range: &KeyRange, widths: &[usize]) -> (usize, Option<KeyRange>) {
        let mut taken = Taken::new(layout, bounds);
        let rows_max = if taken.limit().is_empty() { usize::MAX } else { bounds.rows_max as usize };
        for (number, width) in widths.iter().enumerate().take(rows_max) {
            taken.add([Value::text(&*"x".repeat(*width)), Value::Int(number as i64)].into());
        }
        (taken.rows.len(), taken.rest(layout, range).unwrap())
    }

    #[test]
    fn a_read_ends_at_its_bounds_and_the_rest_begins_there() {
        let (keyed, whole) = (layout(Some(vec![1])), KeyRange { after: None, up_to: Some([Value::Int(3)].into()) });
        let rest_behind = |key: i64| Some(KeyRange { after: Some([Value::Int(key)].into()), up_to: whole.up_to.clone() });
        let bounds = |rows_max, bytes_max| ReadBounds { rows_max, bytes_max };
        let widths = [10, 10, 5_000, 10];
        assert_eq!(read(&keyed, ReadBounds::NONE, &whole, &widths), (4, None));
        assert_eq!(read(&keyed, bounds(9, 1 << 20), &whole, &widths), (4, None));
        assert_eq!(read(&keyed, bounds(4, 1 << 20), &whole, &widths), (4, None), "its last row ends the range");
        assert_eq!(read(&keyed, bounds(3, 1 << 20), &whole, &widths), (3, rest_behind(2)));
        assert_eq!(
            read(&keyed, bounds(9, 1_000), &whole, &widths),
            (3, rest_behind(2)),
            "the row that passes the bound is the last"
        );
        assert_eq!(read(&keyed, bounds(9, 0), &whole, &widths), (1, rest_behind(0)), "one row is taken whatever the bound");
        assert_eq!(read(&keyed, bounds(3, 1 << 20), &whole, &[]), (0, None));
    }

    #[test]
    fn a_bag_is_taken_whole() {
        let range = KeyRange { after: None, up_to: None };
        let bounds = ReadBounds { rows_max: 1, bytes_max: 1 };
        assert_eq!(read(&layout(None), bounds, &range, &[9, 9, 9]), (3, None));
    }
}
