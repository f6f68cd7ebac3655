//! The optional metadata of TABLE_MAP events: what the server adds about names, signedness and labels.
//!
//! Goes in: the bytes after the null bitmap and the wire types. Comes out: what is there; each part may be absent
//! (`binlog_row_metadata` NO_LOG, MINIMAL or FULL). Unknown parts are stepped over: they add facts, they do not change the rows.

use super::reader::Reader;
use super::wire::WireType;
use crate::error::Result;

/// The optional metadata of one table definition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata<'a> {
    /// Per column: whether it is UNSIGNED; `None` for columns without a sign.
    pub unsigned: Option<Vec<Option<bool>>>,
    /// Per column: its name.
    pub names: Option<Vec<&'a [u8]>>,
    /// Per column: the labels of an ENUM or SET in the column's charset; `None` for others.
    pub labels: Option<Vec<Option<Vec<&'a [u8]>>>>,
}

impl<'a> Metadata<'a> {
    /// Reads all parts.
    ///
    /// # Errors
    /// A part ends early.
    pub fn read(mut reader: Reader<'a>, columns: &[WireType]) -> Result<Self> {
        let mut metadata = Self::default();
        let mut labels: Vec<Option<Vec<&[u8]>>> = vec![None; columns.len()];
        let mut has_labels = false;
        while !reader.is_empty() {
            let part = reader.u8()?;
            let bytes = reader.packed_bytes()?;
            match part {
                1 => metadata.unsigned = Some(signedness(bytes, columns)),
                4 => metadata.names = Some(strings(&mut Reader::new(bytes))?),
                5 => has_labels |= read_labels(bytes, columns, &mut labels, |wire| matches!(wire, WireType::Set(_)))?,
                6 => has_labels |= read_labels(bytes, columns, &mut labels, |wire| matches!(wire, WireType::Enum(_)))?,
                _ => {}
            }
        }
        metadata.labels = has_labels.then_some(labels);
        Ok(metadata)
    }
}

/// One bit per numeric column, the first in the highest bit.
fn signedness(bytes: &[u8], columns: &[WireType]) -> Vec<Option<bool>> {
    let mut bits = bytes.iter().flat_map(|byte| (0..8).map(move |place| byte & (0x80 >> place) != 0));
    columns.iter().map(|wire| if wire.is_numeric() { bits.next() } else { None }).collect()
}

fn strings<'a>(reader: &mut Reader<'a>) -> Result<Vec<&'a [u8]>> {
    let mut strings = Vec::new();
    while !reader.is_empty() {
        strings.push(reader.packed_bytes()?);
    }
    Ok(strings)
}

fn read_labels<'a>(
    bytes: &'a [u8],
    columns: &[WireType],
    labels: &mut [Option<Vec<&'a [u8]>>],
    wanted: fn(&WireType) -> bool,
) -> Result<bool> {
    let mut reader = Reader::new(bytes);
    for (_, slot) in columns.iter().zip(labels).filter(|(wire, _)| wanted(wire)) {
        let count = reader.packed_length()?;
        let list: Result<Vec<&[u8]>> = (0..count).map(|_| reader.packed_bytes()).collect();
        *slot = Some(list?);
    }
    Ok(true)
}
