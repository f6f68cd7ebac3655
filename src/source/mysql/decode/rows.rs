//! WRITE, UPDATE and DELETE rows events: row images become changes of mapped tables.
//!
//! Goes in: a rows event's type and body, and the plan of its table. Comes out: one change per row, in log order. Columns that no
//! mapping needs are stepped over. Every byte must be used: a row that does not end where the event ends is an error.

use super::compressed;
use super::event::kind;
use super::reader::{Reader, bit, malformed};
use super::table_map::{Step, TablePlan};
use crate::change::{Change, Image, Operation};
use crate::error::{Result, ResultExt};
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

    /// Decodes all rows into `changes` and says how many bytes they were before compression. `bytes_max` bounds the inflation.
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
        let bytes = reader.left();
        while !reader.is_empty() {
            let before = reader.left();
            let image = first.image(&mut reader, plan)?;
            let operation = match (self.form.kind, &second) {
                (RowsKind::Write, _) => Operation::Insert { new: image },
                (RowsKind::Delete, _) => Operation::Delete { old: image },
                (RowsKind::Update, Some(second)) => Operation::Update { old: image, new: second.image(&mut reader, plan)? },
                (RowsKind::Update, None) => return Err(malformed("an update has one image only")),
            };
            changes.push(Change { table: plan.table, operation });
            if reader.left() == before {
                return Err(malformed("a row takes no bytes"));
            }
        }
        Ok(bytes)
    }
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
