//! TABLE_MAP: which table the following rows belong to and how their columns are written, compared with the layout of the plan.
//!
//! Goes in: the body of a TABLE_MAP event and a layout. Comes out: a [`TablePlan`] that knows, per column, to step over it or to
//! decode it into a slot. The catalogue's types are authoritative; the log must agree with them in column count and wire types
//! and, where it says so, in names, signedness and labels. What differs is named in the error.

use super::super::charset::Charset;
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
    /// One step per column, in ordinal order.
    pub steps: Vec<Step>,
    /// Names of the stored columns, for messages.
    pub stored: Vec<String>,
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

    /// Compares the definition with `layout` and plans how to read its rows. `added` is how many columns statements seen since the
    /// layout was read have appended; a stretch that is read again may have fewer of them.
    ///
    /// # Errors
    /// The definition is malformed, or differs from the layout.
    pub fn plan(&self, layout: &TableLayout, added: usize, zone: &SessionZone) -> Result<TablePlan> {
        let (columns, metadata) = self.columns()?;
        check_count(columns.len(), &metadata, layout, added)?;
        let mut stored = layout.columns.iter().peekable();
        let mut steps = Vec::with_capacity(columns.len());
        for (ordinal, wire) in columns.iter().enumerate() {
            steps.push(match stored.next_if(|column| column.ordinal == ordinal) {
                Some(column) => {
                    check_column(column, &metadata)?;
                    Step::Store(ColumnDecoder::new(&column.column, *wire, zone)?)
                }
                None => Step::Skip(*wire),
            });
        }
        if let Some(column) = stored.next() {
            return Err(differs(&format!("column {} is not in the log", column.column.name)));
        }
        Ok(TablePlan {
            table: layout.id,
            name: layout.name.clone(),
            transactional: layout.transactional,
            steps,
            stored: layout.columns.iter().map(|column| column.column.name.clone()).collect(),
        })
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

/// More columns than the layout knows are fine if they were appended: a statement said so, or every stored column still has its name.
fn check_count(found: usize, metadata: &Metadata<'_>, layout: &TableLayout, added: usize) -> Result<()> {
    let expected = layout.source_column_count;
    if (expected..=expected + added).contains(&found) || (found > expected && metadata.names.is_some()) {
        return Ok(());
    }
    Err(differs(&format!("the log has {found} columns, the catalogue had {expected}")))
}

fn check_column(stored: &StoredColumn, metadata: &Metadata<'_>) -> Result<()> {
    let name = &stored.column.name;
    let logged_name = metadata.names.as_ref().and_then(|names| names.get(stored.ordinal));
    if let Some(logged) = logged_name.filter(|logged| **logged != name.as_bytes()) {
        let logged = String::from_utf8_lossy(logged);
        return Err(differs(&format!("column {} is {name} in the catalogue but {logged} in the log", stored.ordinal + 1)));
    }
    let logged_sign = metadata.unsigned.as_ref().and_then(|signs| signs.get(stored.ordinal).copied().flatten());
    if let (Some(logged), DataType::Integer { unsigned, .. }) = (logged_sign, &stored.column.data_type)
        && logged != *unsigned
    {
        return Err(differs(&format!("column {name} has another signedness in the log than in the catalogue")));
    }
    let logged_labels = metadata.labels.as_ref().and_then(|labels| labels.get(stored.ordinal)).and_then(Option::as_ref);
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
        "the schema that the engine recorded is no longer that of the log; reset the mappings of this table and load them again",
    )
}
