//! Bytes of a change, as the spool of the state and the spill of a source keep it.

use super::{Change, Image, Operation};
use crate::error::Result;
use crate::schema::TableId;
use crate::value::Row;
use crate::value::record::{Reader, Writer, damaged};

/// Appends a change to a record.
pub fn write_change(out: &mut Writer, change: &Change) {
    out.u32(change.table.0);
    match &change.operation {
        Operation::Insert { new } => {
            out.byte(0);
            write_image(out, new);
        }
        Operation::Update { old, new } => {
            out.byte(1);
            write_image(out, old);
            write_image(out, new);
        }
        Operation::Delete { old } => {
            out.byte(2);
            write_image(out, old);
        }
        Operation::Truncate => out.byte(3),
    }
}

/// Takes a change from a record.
///
/// # Errors
/// `Local` if the record is damaged.
pub fn read_change(from: &mut Reader) -> Result<Change> {
    let table = TableId(from.u32()?);
    let operation = match from.byte()? {
        0 => Operation::Insert { new: read_image(from)? },
        1 => Operation::Update { old: read_image(from)?, new: read_image(from)? },
        2 => Operation::Delete { old: read_image(from)? },
        3 => Operation::Truncate,
        _ => return Err(damaged()),
    };
    Ok(Change { table, operation })
}

fn write_image(out: &mut Writer, image: &Image) {
    match image {
        Image::Full(values) => {
            out.byte(0);
            out.row(values);
        }
        Image::Partial(values) => {
            out.byte(1);
            out.length(values.len());
            for value in values {
                out.optional_row(value.clone().map(|value| Row::from([value])).as_ref());
            }
        }
    }
}

fn read_image(from: &mut Reader) -> Result<Image> {
    match from.byte()? {
        0 => Ok(Image::Full(from.row()?)),
        1 => {
            let length = from.length()?;
            let values = (0..length).map(|_| match from.optional_row()? {
                None => Ok(None),
                Some(row) => row.into_iter().next().map(Some).ok_or_else(damaged),
            });
            Ok(Image::Partial(values.collect::<Result<_>>()?))
        }
        _ => Err(damaged()),
    }
}
