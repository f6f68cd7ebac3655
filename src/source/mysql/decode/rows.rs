//! WRITE, UPDATE and DELETE rows events: row images become changes of mapped tables.
//!
//! Goes in: a rows event's type and body, and the plan of its table. Comes out: one change per row, in log order. Columns that no
//! mapping needs are stepped over, and an update of nothing else is no change: the bytes of its stored columns are the same before and after.
//! Every byte must be used: a row that does not end where the event ends is an error.

use super::compressed;
use super::event::kind;
use super::reader::{Reader, bit, malformed};
use super::table_map::{Step, TablePlan};
use crate::change::{Change, Image, Operation};
use crate::error::{Error, Result, ResultExt};
use crate::value::Value;

/// What a rows event does to its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsKind {
    /// Inserts.
    Write,
    /// Updates: two images a row.
    Update,
    /// Deletes.
    Delete,
}

/// The form of a rows event, from its type byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowsForm {
    /// What it does.
    pub kind: RowsKind,
    /// Version 2: extra data in the head.
    pub extra: bool,
    /// MariaDB: rows are compressed.
    pub compressed: bool,
}

/// A rows event before its rows are decoded.
#[derive(Debug, Clone)]
pub struct RowsEvent<'a> {
    /// The number that its TABLE_MAP gave the table.
    pub table: u64,
    form: RowsForm,
    rest: Reader<'a>,
}

impl RowsForm {
    /// The form of an event type; `None` if the type is no rows event.
    #[must_use]
    pub fn of(event: u8) -> Option<Self> {
        let (kind, extra, compressed) = match event {
            kind::WRITE_ROWS_V1 => (RowsKind::Write, false, false),
            kind::UPDATE_ROWS_V1 => (RowsKind::Update, false, false),
            kind::DELETE_ROWS_V1 => (RowsKind::Delete, false, false),
            kind::WRITE_ROWS => (RowsKind::Write, true, false),
            kind::UPDATE_ROWS => (RowsKind::Update, true, false),
            kind::DELETE_ROWS => (RowsKind::Delete, true, false),
            kind::WRITE_ROWS_COMPRESSED_V1 => (RowsKind::Write, false, true),
            kind::UPDATE_ROWS_COMPRESSED_V1 => (RowsKind::Update, false, true),
            kind::DELETE_ROWS_COMPRESSED_V1 => (RowsKind::Delete, false, true),
            kind::WRITE_ROWS_COMPRESSED => (RowsKind::Write, true, true),
            kind::UPDATE_ROWS_COMPRESSED => (RowsKind::Update, true, true),
            kind::DELETE_ROWS_COMPRESSED => (RowsKind::Delete, true, true),
            _ => return None,
        };
        Some(Self { kind, extra, compressed })
    }
}

impl<'a> RowsEvent<'a> {
    /// Reads the head.
    ///
    /// # Errors
    /// The body ends early.
    pub fn read(form: RowsForm, body: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(body);
        let table = reader.u48()?;
        reader.u16()?;
        if form.extra {
            let length = usize::from(reader.u16()?).checked_sub(2).ok_or_else(|| malformed("a rows event has a false head"))?;
            reader.bytes(length)?;
        }
        Ok(Self { table, form, rest: reader })
    }

    /// Whether this is the empty event with which servers end a statement whose rows were all filtered.
    #[must_use]
    pub fn is_dummy(&self) -> bool {
        matches!(self.table, 0x00ff_ffff | 0xffff_ffff_ffff)
    }

    /// Decodes all rows that change a stored column into `changes` and says how many bytes those were before compression. `bytes_max`
    /// bounds the inflation.
    ///
    /// # Errors
    /// The event does not fit `plan`, is malformed, or inflates beyond the bound.
    pub fn decode(self, plan: &TablePlan, bytes_max: usize, changes: &mut Vec<Change>) -> Result<usize> {
        let mut reader = self.rest;
        let count = reader.packed_length()?;
        if count != plan.steps.len() {
            return Err(malformed("a rows event has another column count than its table map"));
        }
        let first = Present::read(&mut reader, plan)?;
        let second = if self.form.kind == RowsKind::Update { Some(Present::read(&mut reader, plan)?) } else { None };
        let inflated;
        let mut reader = if self.form.compressed {
            inflated = compressed::inflate(reader.rest(), bytes_max)?;
            Reader::new(&inflated)
        } else {
            reader
        };
        let (mut bytes, mut stored) = (0, Vec::new());
        while !reader.is_empty() {
            let before = reader.left();
            if let Some(second) = second.as_ref().filter(|_| plan.keyed)
                && let Some(behind) = unchanged((&first, second), &reader, plan, &mut stored)?
            {
                reader = behind;
                if reader.left() == before {
                    return Err(empty_row());
                }
                continue;
            }
            let image = first.image(&mut reader, plan)?;
            let operation = match (self.form.kind, &second) {
                (RowsKind::Write, _) => Operation::Insert { new: image },
                (RowsKind::Delete, _) => Operation::Delete { old: image },
                (RowsKind::Update, Some(second)) => Operation::Update { old: image, new: second.image(&mut reader, plan)? },
                (RowsKind::Update, None) => return Err(malformed("an update has one image only")),
            };
            changes.push(Change { table: plan.table, operation });
            if reader.left() == before {
                return Err(empty_row());
            }
            bytes += before - reader.left();
        }
        Ok(bytes)
    }
}

fn empty_row() -> Error {
    malformed("a row takes no bytes")
}

/// What an image has of a stored column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Raw<'a> {
    Absent,
    Null,
    Bytes(&'a [u8]),
}

/// Where an update ends that leaves every stored column as it was; `None`: it changes some, or that cannot be told. A column that the image
/// after it lacks was not changed. Values are compared as the log has them: nothing of a row that is passed over is decoded.
fn unchanged<'a>(
    (first, second): (&Present<'_>, &Present<'_>),
    reader: &Reader<'a>,
    plan: &TablePlan,
    stored: &mut Vec<Raw<'a>>,
) -> Result<Option<Reader<'a>>> {
    let mut reader = reader.clone();
    stored.clear();
    first.step_over(&mut reader, plan, |old| {
        stored.push(old);
        true
    })?;
    let mut stored = stored.iter();
    let same = |new| stored.next().is_some_and(|old| new == Raw::Absent || new == *old);
    Ok(second.step_over(&mut reader, plan, same)?.then_some(reader))
}

/// Which columns an image holds.
struct Present<'a> {
    bitmap: &'a [u8],
    count: usize,
    /// Whether all stored columns are among them.
    full: bool,
}

impl<'a> Present<'a> {
    fn read(reader: &mut Reader<'a>, plan: &TablePlan) -> Result<Self> {
        let columns = plan.steps.len();
        let bitmap = reader.bytes(columns.div_ceil(8))?;
        let count = (0..columns).filter(|column| bit(bitmap, *column)).count();
        let full = plan.steps.iter().enumerate().all(|(column, step)| matches!(step, Step::Skip(_)) || bit(bitmap, column));
        Ok(Self { bitmap, count, full })
    }

    fn image(&self, reader: &mut Reader<'_>, plan: &TablePlan) -> Result<Image> {
        let nulls = reader.bytes(self.count.div_ceil(8))?;
        if self.full {
            let mut row = Vec::with_capacity(plan.stored.len());
            self.walk(reader, plan, nulls, |value| row.extend(value))?;
            return Ok(Image::Full(placed(row, plan).into()));
        }
        let mut row = Vec::with_capacity(plan.stored.len());
        self.walk(reader, plan, nulls, |value| row.push(value))?;
        Ok(Image::Partial(placed(row, plan).into()))
    }

    /// Steps over one image and shows `goes_on` the stored columns in the log's order, until it says no; `true` at the end of the image.
    fn step_over<'r>(&self, reader: &mut Reader<'r>, plan: &TablePlan, mut goes_on: impl FnMut(Raw<'r>) -> bool) -> Result<bool> {
        let nulls = reader.bytes(self.count.div_ceil(8))?;
        let mut present = 0;
        for (column, step) in plan.steps.iter().enumerate() {
            let here = bit(self.bitmap, column);
            let null = here && bit(nulls, present);
            present += usize::from(here);
            let before = reader.clone().rest();
            if here && !null {
                match step {
                    Step::Skip(wire) => wire.skip(reader)?,
                    Step::Store(decoder) => decoder.skip(reader)?,
                }
            }
            let raw = match (here, null) {
                (false, _) => Raw::Absent,
                (true, true) => Raw::Null,
                (true, false) => Raw::Bytes(before.get(..before.len() - reader.left()).unwrap_or_default()),
            };
            if matches!(step, Step::Store(_)) && !goes_on(raw) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Steps through one image and gives `visit` the stored columns in the log's order; `None` for an absent one.
    fn walk(&self, reader: &mut Reader<'_>, plan: &TablePlan, nulls: &[u8], mut visit: impl FnMut(Option<Value>)) -> Result<()> {
        let (mut present, mut slot) = (0, 0);
        for (column, step) in plan.steps.iter().enumerate() {
            let here = bit(self.bitmap, column);
            let null = here && bit(nulls, present);
            present += usize::from(here);
            match step {
                Step::Skip(wire) if here && !null => wire.skip(reader)?,
                Step::Skip(_) => {}
                Step::Store(decoder) => {
                    visit(match (here, null) {
                        (false, _) => None,
                        (true, true) => Some(Value::Null),
                        (true, false) => Some(decoder.decode(reader).context(|| {
                            let name = plan.stored.get(slot).map_or("", String::as_str);
                            format!("cannot read column {name} of {}", plan.name)
                        })?),
                    });
                    slot += 1;
                }
            }
        }
        Ok(())
    }
}

/// Values in the log's order, put in the layout's.
fn placed<T>(values: Vec<T>, plan: &TablePlan) -> Vec<T> {
    let Some(slots) = &plan.slots else { return values };
    let mut values: Vec<(usize, T)> = slots.iter().copied().zip(values).collect();
    values.sort_unstable_by_key(|(slot, _)| *slot);
    values.into_iter().map(|(_, value)| value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Column, DataType, Generated, TableId, TableName};
    use crate::source::mysql::decode::value::ColumnDecoder;
    use crate::source::mysql::decode::wire::WireType;
    use crate::source::mysql::zone::SessionZone;

    /// `id` and `v` are stored, the two between them are not.
    fn plan(keyed: bool) -> TablePlan {
        let column = |name: &str| Column {
            name: name.into(),
            data_type: DataType::Integer { bits: 8, unsigned: false },
            native_type: "tinyint".into(),
            nullable: true,
            generated: Generated::No,
            comment: String::new(),
        };
        let zone = SessionZone::parse("+00:00").unwrap();
        let store = |name: &str| Step::Store(ColumnDecoder::new(&column(name), WireType::Integer(1), &zone).unwrap());
        TablePlan {
            table: TableId(0),
            name: TableName { schema: "d".into(), name: "t".into() },
            transactional: true,
            keyed,
            steps: vec![store("id"), Step::Skip(WireType::Variable(9)), Step::Skip(WireType::Integer(1)), store("v")],
            stored: vec!["id".into(), "v".into()],
            slots: None,
        }
    }

    /// The changes of an UPDATE event whose images hold the columns of the two bitmaps, and the bytes that count.
    fn decoded(plan: &TablePlan, bitmaps: [u8; 2], rows: &[u8]) -> Result<(Vec<Operation>, usize)> {
        let body = [&[7, 0, 0, 0, 0, 0, 0, 0, 4], &bitmaps[..], rows].concat();
        let event = RowsEvent::read(RowsForm::of(kind::UPDATE_ROWS_V1).unwrap(), &body)?;
        let mut changes = Vec::new();
        let bytes = event.decode(plan, 1_000, &mut changes)?;
        Ok((changes.into_iter().map(|change| change.operation).collect(), bytes))
    }

    fn row(values: [i64; 2]) -> Image {
        Image::Full(values.map(Value::Int).into())
    }

    const ALL: [u8; 2] = [0b1111, 0b1111];

    /// Row 1 changes what is stored, 2 what is not, 3 both; the strings differ in length.
    const ROWS: &[u8] = &[
        0, 1, 1, b'a', 5, 10, 0, 1, 1, b'a', 5, 11, //
        0, 2, 1, b'a', 5, 20, 0, 2, 3, b'b', b'c', b'd', 6, 20, //
        0, 3, 0, 5, 30, 4, 3, 1, b'e', 31,
    ];

    #[test]
    fn an_update_of_unmapped_columns_is_no_event() {
        let (changes, bytes) = decoded(&plan(true), ALL, ROWS).unwrap();
        let update = |old, new| Operation::Update { old: row(old), new: row(new) };
        assert_eq!(changes, [update([1, 10], [1, 11]), update([3, 30], [3, 31])]);
        assert_eq!(bytes, 22, "what is passed over takes no memory");
        assert_eq!(decoded(&plan(true), ALL, &ROWS[12..26]).unwrap(), (vec![], 0));
    }

    #[test]
    fn without_a_key_every_update_is_told() {
        assert_eq!(decoded(&plan(false), ALL, ROWS).unwrap().0.len(), 3);
    }

    #[test]
    fn f24_an_image_that_lacks_the_stored_columns_changes_none() {
        // The key alone, then one column that is not stored; and then `v`, of which the image before says nothing.
        assert_eq!(decoded(&plan(true), [0b0001, 0b0100], &[0, 1, 0, 6, 0, 2, 0, 7]).unwrap(), (vec![], 0));
        assert_eq!(decoded(&plan(true), [0b0001, 0b1000], &[0, 1, 0, 10]).unwrap().0.len(), 1);
        // Everything, then what changed.
        assert_eq!(decoded(&plan(true), [0b1111, 0b0110], &[0, 1, 0, 5, 10, 0, 1, b'x', 6]).unwrap(), (vec![], 0));
    }

    #[test]
    fn null_is_a_value_of_its_own() {
        let (null, zero) = ([0b1000, 1, 0, 5], [0, 1, 0, 5, 0]);
        assert_eq!(decoded(&plan(true), ALL, &[null, null].concat()).unwrap().0.len(), 0);
        assert_eq!(decoded(&plan(true), ALL, &[&null[..], &zero[..]].concat()).unwrap().0.len(), 1);
        assert_eq!(decoded(&plan(true), ALL, &[&zero[..], &null[..]].concat()).unwrap().0.len(), 1);
    }

    #[test]
    fn a_row_that_is_passed_over_must_end_where_the_event_ends() {
        assert!(decoded(&plan(true), ALL, &ROWS[12..25]).is_err());
        assert!(decoded(&plan(true), ALL, &[&ROWS[12..26], &[0]].concat()).is_err());
    }
}
