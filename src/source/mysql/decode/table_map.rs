//! TABLE_MAP: which table the following rows belong to and how their columns are written, compared with the layout of the plan.
//!
//! Goes in: the body of a TABLE_MAP event and a layout. Comes out: a [`TablePlan`] that knows, per column, to step over it or to
//! decode it into a slot. Columns are found by name: the log's own names where it has them, else those that the statements up to here left.
//! The catalogue's types are authoritative; the log must agree with them in wire types and, where it says so, in signedness and
//! labels. What differs is named in the error.

use super::super::charset::Charset;
use super::super::columns::same_name;
use super::super::zone::SessionZone;
use super::metadata::Metadata;
use super::reader::{Reader, malformed};
use super::value::ColumnDecoder;
use super::wire::WireType;
use crate::error::{Class, Error, Result};
use crate::schema::{DataType, StoredColumn, TableId, TableLayout, TableName};

/// The head of a TABLE_MAP event: enough to know whether the table matters.
#[derive(Debug, Clone)]
pub struct TableMap<'a> {
    /// The number that rows events refer to.
    pub id: u64,
    /// The database.
    pub schema: &'a [u8],
    /// The table.
    pub name: &'a [u8],
    rest: Reader<'a>,
}

/// What to do with one column of a row.
#[derive(Debug, Clone)]
pub enum Step {
    /// Step over it: no mapping needs it.
    Skip(WireType),
    /// Decode it into the next slot of the layout.
    Store(ColumnDecoder),
}

/// How to read the rows of one table definition.
#[derive(Debug, Clone)]
pub struct TablePlan {
    /// The mapped table.
    pub table: TableId,
    /// Its name, for messages.
    pub name: TableName,
    /// Whether its engine is transactional.
    pub transactional: bool,
    /// Whether its rows have an identity. Of those that have none every update is told, whatever it changes.
    pub keyed: bool,
    /// One step per column, in ordinal order.
    pub steps: Vec<Step>,
    /// Names of the stored columns in the order of the log, for messages.
    pub stored: Vec<String>,
    /// Per stored column in the order of the log, its place in the layout; `None` if the orders are the same.
    pub slots: Option<Box<[usize]>>,
}

impl<'a> TableMap<'a> {
    /// Reads the head.
    ///
    /// # Errors
    /// The body ends early.
    pub fn read(body: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(body);
        let id = reader.u48()?;
        reader.u16()?;
        let schema_length = usize::from(reader.u8()?);
        let schema = reader.bytes(schema_length)?;
        reader.u8()?;
        let name_length = usize::from(reader.u8()?);
        let name = reader.bytes(name_length)?;
        reader.u8()?;
        Ok(Self { id, schema, name, rest: reader })
    }

    /// Compares the definition with `layout` and plans how to read its rows. `columns` are those that the table has here by what statements
    /// said; the names in the log, if there are any, are given back and count more.
    ///
    /// # Errors
    /// The definition is malformed, or lacks or changes a stored column, or which column is which is not known.
    pub fn plan(
        &self,
        layout: &TableLayout,
        columns: Option<&[String]>,
        zone: &SessionZone,
    ) -> Result<(TablePlan, Option<Vec<String>>)> {
        let (wires, metadata) = self.columns()?;
        let logged = metadata.names.as_ref().map(|names| texts(names)).transpose()?;
        let names = logged.as_deref().or(columns).ok_or_else(unfollowed)?;
        if names.len() != wires.len() {
            return Err(differs(&format!("the log has {} columns, {} were expected", wires.len(), names.len())));
        }
        let mut steps: Vec<Step> = wires.iter().map(|wire| Step::Skip(*wire)).collect();
        let mut found = Vec::with_capacity(layout.columns.len());
        for (slot, stored) in layout.columns.iter().enumerate() {
            let name = &stored.column.name;
            let ordinal = names.iter().position(|candidate| same_name(candidate, name));
            let ordinal = ordinal.ok_or_else(|| differs(&format!("column {name} is not in the log")))?;
            check_column(stored, ordinal, &metadata)?;
            if let (Some(step), Some(wire)) = (steps.get_mut(ordinal), wires.get(ordinal)) {
                *step = Step::Store(ColumnDecoder::new(&stored.column, *wire, zone)?);
            }
            found.push((ordinal, slot, name.clone()));
        }
        found.sort_unstable();
        let slots: Vec<usize> = found.iter().map(|(_, slot, _)| *slot).collect();
        let plan = TablePlan {
            table: layout.id,
            name: layout.name.clone(),
            transactional: layout.transactional,
            keyed: layout.identity.is_some(),
            steps,
            stored: found.into_iter().map(|(_, _, name)| name).collect(),
            slots: if slots.is_sorted() { None } else { Some(slots.into()) },
        };
        Ok((plan, logged))
    }

    /// Wire types and optional metadata.
    ///
    /// # Errors
    /// The definition is malformed or has an unknown type.
    pub fn columns(&self) -> Result<(Vec<WireType>, Metadata<'a>)> {
        let mut reader = self.rest.clone();
        let count = reader.packed_length()?;
        let codes = reader.bytes(count)?;
        let mut type_metadata = Reader::new(reader.packed_bytes()?);
        let columns: Vec<WireType> = codes.iter().map(|code| WireType::read(*code, &mut type_metadata)).collect::<Result<_>>()?;
        if !type_metadata.is_empty() {
            return Err(malformed("a table map has more metadata than its columns need"));
        }
        reader.bytes(count.div_ceil(8))?;
        let metadata = Metadata::read(reader, &columns)?;
        Ok((columns, metadata))
    }
}

fn texts(names: &[&[u8]]) -> Result<Vec<String>> {
    let text = |name: &&[u8]| std::str::from_utf8(name).map(str::to_owned).map_err(|_| malformed("a column's name is not UTF-8"));
    names.iter().map(text).collect()
}

fn check_column(stored: &StoredColumn, ordinal: usize, metadata: &Metadata<'_>) -> Result<()> {
    let name = &stored.column.name;
    let logged_sign = metadata.unsigned.as_ref().and_then(|signs| signs.get(ordinal).copied().flatten());
    if let (Some(logged), DataType::Integer { unsigned, .. }) = (logged_sign, &stored.column.data_type)
        && logged != *unsigned
    {
        return Err(differs(&format!("column {name} has another signedness in the log than in the catalogue")));
    }
    let logged_labels = metadata.labels.as_ref().and_then(|labels| labels.get(ordinal)).and_then(Option::as_ref);
    if let (Some(logged), DataType::Enum { labels, charset, .. } | DataType::Set { labels, charset, .. }) =
        (logged_labels, &stored.column.data_type)
    {
        let charset = Charset::parse(charset);
        let decode = |label: &&[u8]| charset.as_ref().and_then(|charset| charset.decode(label));
        let same = logged.len() == labels.len()
            && logged.iter().zip(labels).all(|(logged, label)| decode(logged).is_none_or(|l| l == *label));
        if !same {
            return Err(differs(&format!("column {name} has other labels in the log than in the catalogue")));
        }
    }
    Ok(())
}

fn differs(what: &str) -> Error {
    Error::new(Class::Person, format!("the table changed: {what}")).with_hint(
        "the schema that the engine recorded is no longer that of the log: take a new snapshot with `strangler run --rebuild`",
    )
}

fn unfollowed() -> Error {
    let message =
        "the table changed: a statement altered its columns in a way that cannot be followed, and the log does not name them";
    Error::new(Class::Person, message)
        .with_hint("set binlog_row_metadata = FULL on the source, then take a new snapshot with `strangler run --rebuild`")
}
