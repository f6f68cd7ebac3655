//! Mapping: a mapping file becomes a [`Mapping`] whose every part knows its place in the file.
//!
//! In: the text of one file. Out: a mapping, or all problems with the file at once. What the format allows but this version does not
//! do (masks, `quarantine`) is read, kept with its place in [`Mapping::refused`], and never
//! half done: a caller that goes on with a mapping that refuses something breaks the promise.
//! The SQL is text here; [`SqlText`] knows how a range in it becomes a range in the file.

pub mod document;
pub mod fields;
mod nearest;
pub mod problem;
mod read;
mod sql_text;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

pub use problem::{Problem, SourceFile};
pub use sql_text::SqlText;

/// A value with its byte range in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// Byte range in the file.
    pub span: Range<usize>,
}

/// One mapping file.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// Its name: its identity.
    pub name: Placed<String>,
    /// The team that owns the data product.
    pub owner: Option<String>,
    /// Name of the source in the project file; of several, the one whose SQL the SELECTs are in.
    pub source: Placed<String>,
    /// What belongs to a mapping over several sources.
    pub several: Option<Several>,
    /// Name of the target in the project file.
    pub target: Placed<String>,
    /// Schema of the target tables; `None`: the connection's own.
    pub schema: Option<String>,
    /// Target tables, in the order of the file.
    pub tables: Vec<MappedTable>,
    /// What the business guarantees and the schema does not declare.
    pub facts: Vec<Placed<UniqueFact>>,
    /// Output policies.
    pub policies: Policies,
    /// What the file asks for and this version refuses, each with its place.
    pub refused: Vec<Problem>,
    /// The file.
    pub file: Arc<SourceFile>,
}

/// The sources of a mapping over several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Several {
    /// Their names, in the order of the file.
    pub names: Vec<Placed<String>>,
    /// What text of different sources is compared by.
    pub collation: Option<Placed<String>>,
}

/// One target table of a mapping.
#[derive(Debug, Clone)]
pub struct MappedTable {
    /// Its name.
    pub name: Placed<String>,
    /// Its description; empty if none.
    pub description: String,
    /// Names of the key columns.
    pub key: Placed<Vec<String>>,
    /// The SELECT.
    pub sql: SqlText,
    /// Options by output column.
    pub columns: BTreeMap<String, Placed<ColumnOption>>,
    /// Names of the columns of further indexes.
    pub indexes: Vec<Placed<Vec<String>>>,
}

/// Options of one output column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnOption {
    /// Target type as written.
    pub target_type: Option<String>,
    /// Description; empty if none.
    pub description: String,
    /// The kind of personal data it holds.
    pub pii: Option<String>,
    /// How it is masked.
    pub mask: Option<String>,
}

/// Rows of a legacy table are unique by some columns, although no key says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UniqueFact {
    /// Legacy table.
    pub table: String,
    /// Columns.
    pub columns: Vec<String>,
    /// Condition under which it holds; empty: always.
    pub condition: String,
}

/// What happens to output values that the target cannot hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policies {
    /// For zero and partly zero dates.
    pub zero_date: ZeroDatePolicy,
    /// For a changed row that very many target rows are derived from.
    pub hot_change: HotChangePolicy,
}

/// The `hot_change` policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HotChangePolicy {
    /// All its target rows change in one target transaction.
    #[default]
    Strict,
    /// They change a few at a time, between other changes.
    Deferred,
}

/// The `zero_date` policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ZeroDatePolicy {
    /// Stop and say so.
    #[default]
    Stop,
    /// NULL.
    Null,
    /// 0001-01-01.
    FirstDay,
}

impl Mapping {
    /// Reads a mapping file.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the file; what is refused is among it.
    pub fn parse(file: Arc<SourceFile>) -> Result<Self, Vec<Problem>> {
        read::mapping(file)
    }

    /// The sources that its SELECTs read.
    pub fn sources(&self) -> impl Iterator<Item = &Placed<String>> {
        let several = self.several.iter().flat_map(|several| &several.names);
        several.chain(self.several.is_none().then_some(&self.source))
    }

    /// A problem of this file.
    #[must_use]
    pub fn problem(&self, span: Range<usize>, message: impl Into<String>) -> Problem {
        Problem::new(&self.file, span, message)
    }
}

impl MappedTable {
    /// A problem at a byte range of this table's SQL.
    #[must_use]
    pub fn sql_problem(&self, file: &Arc<SourceFile>, span: &Range<usize>, message: impl Into<String>) -> Problem {
        self.sql.problem(file, &self.name.value, span, message)
    }
}
