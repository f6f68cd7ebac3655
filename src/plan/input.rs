//! What the plan is built from, and what it says when it cannot be built.
//!
//! In: per mapping, its bound queries with the declared keys and column options. Out, on refusal: a [`PlanFinding`] per problem, with
//! the place in the SQL where there is one. The shell draws the caret.

use std::collections::BTreeMap;

use crate::plan::Policies;
use crate::schema::{TableId, TargetKind};
use crate::sql::query::{Expr, Query, Span};

/// One mapping as the mapping file declares it, its queries bound.
#[derive(Debug, Clone)]
pub struct MappingInput {
    /// Its name: its identity.
    pub name: String,
    /// What kind of database its target is.
    pub target: TargetKind,
    /// Output policies.
    pub policies: Policies,
    /// Its target tables, in the order of the file.
    pub tables: Vec<TableInput>,
    /// What it declares about the data beyond the schema.
    pub facts: Vec<Fact>,
}

/// What the business guarantees and the legacy schema does not declare: at most one row with `filter` has the same values in `columns`; rows
/// with a NULL in one of them do not count.
#[derive(Debug, Clone)]
pub struct Fact {
    /// The table.
    pub table: TableId,
    /// Its columns, as ordinals.
    pub columns: Vec<usize>,
    /// The columns as the mapping's SELECTs see them, over alias 0, where these are columns of another source; empty: as they are stored.
    pub written: Vec<Expr>,
    /// The condition on the rows, over alias 0; `None`: all rows.
    pub filter: Option<Expr>,
    /// The condition as written; empty: all rows.
    pub condition: String,
}

/// One target table of a mapping.
#[derive(Debug, Clone)]
pub struct TableInput {
    /// Target schema; `None`: the connection's own.
    pub schema: Option<String>,
    /// Target table.
    pub name: String,
    /// Its description; empty if none.
    pub description: String,
    /// Names of the key columns.
    pub key: Vec<String>,
    /// Names of the columns of further indexes.
    pub indexes: Vec<Vec<String>>,
    /// Options by output column.
    pub columns: BTreeMap<String, ColumnOptions>,
    /// The mapping's SQL text.
    pub sql: String,
    /// The SQL, bound.
    pub query: Query,
}

/// Options of one output column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnOptions {
    /// The target type as written, e.g. `numeric(15,2)`; `None`: follows from the source type.
    pub target_type: Option<String>,
    /// Its description; empty if none.
    pub description: String,
}

/// Why a target table cannot be planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanFinding {
    /// The target table.
    pub table: String,
    /// Byte range in its SQL; `None`: the declaration itself (its key, a column option).
    pub span: Option<Span>,
    /// What was found: lower case, no full stop.
    pub message: String,
    /// What to do; may be empty.
    pub help: String,
}

impl PlanFinding {
    /// A finding at a place of the SQL. The table's name is filled in by the builder.
    pub(crate) fn at(span: &Span, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { table: String::new(), span: Some(span.clone()), message: message.into(), help: help.into() }
    }

    /// A finding about the declaration.
    pub(crate) fn declared(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { table: String::new(), span: None, message: message.into(), help: help.into() }
    }
}
