//! Which names mean what at one place of the statement.
//!
//! A [`Frame`] belongs to one SELECT. A name is searched in the innermost frame first and then, unless the frame is that of a
//! derived table, in the frames around it: such a find is a correlated reference. Column names are compared without regard to
//! case, table names and aliases as `lower_case_table_names` says.

use sqlparser::ast::Ident;

use super::{Binder, Bound};
use crate::schema::DataType;
use crate::sql::diagnostic::nearest;
use crate::sql::query::{Aggregate, AliasId, Diagnostic, Expr, Numbering, Span};

/// The part of a SELECT in which an expression stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clause {
    On,
    Where,
    Outputs,
    GroupBy,
    Having,
    OrderBy,
}

/// The names of one SELECT.
#[derive(Debug)]
pub(super) struct Frame {
    /// Relations of FROM seen so far.
    pub(super) visible: Vec<Visible>,
    /// ON sees relations from here on only: the operands of its own join.
    pub(super) visible_from: usize,
    /// Columns merged by USING.
    pub(super) merged: Vec<Merged>,
    /// The clause at hand.
    pub(super) clause: Clause,
    /// Aggregates found so far.
    pub(super) aggregates: Vec<Aggregate>,
    /// Whether the expression at hand is inside an aggregate.
    pub(super) in_aggregate: bool,
    /// Numberings found so far.
    pub(super) numberings: Vec<Numbering>,
    /// Whether the expression at hand is inside of OVER.
    pub(super) in_numbering: bool,
    /// Outputs with the names by which GROUP BY, HAVING and ORDER BY may mean them.
    pub(super) items: Vec<Item>,
    /// Bare columns of GROUP BY.
    pub(super) group_keys: Vec<Expr>,
    /// Whether names of the SELECTs around it are out of sight: a derived table.
    pub(super) closed: bool,
}

/// A relation in sight.
#[derive(Debug)]
pub(super) struct Visible {
    pub(super) alias: AliasId,
    pub(super) name: String,
    /// The schema of a base table.
    pub(super) schema: Option<String>,
    pub(super) columns: Vec<VisibleColumn>,
    /// Whether an outer join may leave it without a row.
    pub(super) null_supplied: bool,
    /// The derived table that it became a part of, and where its columns start there.
    pub(super) through: Option<(AliasId, usize)>,
}

/// A column in sight.
#[derive(Debug)]
pub(super) struct VisibleColumn {
    pub(super) name: String,
    pub(super) data_type: DataType,
    pub(super) nullable: bool,
}

/// A column merged by USING: the name without a table means `column`.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) name: String,
    pub(super) members: Vec<AliasId>,
    pub(super) column: (AliasId, usize),
}

/// An output with its name.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) name: String,
    pub(super) expr: Expr,
}

impl Frame {
    pub(super) fn new(closed: bool) -> Self {
        Self {
            visible: Vec::new(),
            visible_from: 0,
            merged: Vec::new(),
            clause: Clause::On,
            aggregates: Vec::new(),
            in_aggregate: false,
            numberings: Vec::new(),
            in_numbering: false,
            items: Vec::new(),
            group_keys: Vec::new(),
            closed,
        }
    }

    fn in_sight(&self) -> impl Iterator<Item = &Visible> {
        let from = if self.clause == Clause::On { self.visible_from } else { 0 };
        self.visible.iter().skip(from)
    }

    fn column(&self, alias: AliasId, column: usize, span: &Span) -> Option<Expr> {
        let visible = self.visible.iter().find(|visible| visible.alias == alias)?;
        let definition = visible.columns.get(column)?;
        let (alias, column) = visible.reference(column);
        Some(Expr {
            kind: crate::sql::query::ExprKind::Column { alias, column },
            data_type: definition.data_type.clone(),
            nullable: definition.nullable || visible.null_supplied,
            span: span.clone(),
        })
    }
}

/// A column name as written.
#[derive(Debug, Clone, Copy)]
pub(super) struct ColumnName<'n> {
    pub(super) schema: Option<&'n Ident>,
    pub(super) table: Option<&'n Ident>,
    pub(super) column: &'n Ident,
}

impl Binder<'_> {
    /// Whether two table names or aliases are the same to the server.
    pub(super) fn same_table_name(&self, left: &str, right: &str) -> bool {
        if self.catalog.session.lower_case_table_names == 0 { left == right } else { left.to_lowercase() == right.to_lowercase() }
    }

    /// Whether a column is the one that a written name means: PostgreSQL's names are exact once they are folded.
    fn same_column(&self, column: &str, written: &str) -> bool {
        if self.is_postgres() { column == written } else { same_column(column, written) }
    }

    /// Resolves a column in the frames around it.
    pub(super) fn column(&mut self, name: ColumnName<'_>, span: &Span) -> Bound<Expr> {
        let mut candidates = Vec::new();
        let mut found_in = 0;
        for (depth, frame) in self.frames.iter().enumerate().rev() {
            candidates = self.candidates(frame, name);
            found_in = depth;
            if !candidates.is_empty() || frame.closed {
                break;
            }
        }
        match candidates.as_slice() {
            [] => Err(self.unknown_column(name, span)),
            [(alias, column)] => {
                let found = self.frames.get(found_in).and_then(|frame| frame.column(*alias, *column, span));
                let Some(found) = found else { return Err(self.broken("a column without its relation")) };
                self.carried(found)
            }
            several => Err(self.ambiguous(name, several, span)),
        }
    }

    /// A column that can be carried; others are refused.
    fn carried(&mut self, expr: Expr) -> Bound<Expr> {
        let DataType::Unsupported { native } = &expr.data_type else { return Ok(expr) };
        let message = format!("columns of type {native} cannot be carried");
        let help = match native.contains("`collation`") {
            true => "declare `collation` in the mapping file: what text of different sources is compared by",
            false => "leave the column out of the mapping",
        };
        Err(self.refuse(expr.span, message, help))
    }

    fn candidates(&self, frame: &Frame, name: ColumnName<'_>) -> Vec<(AliasId, usize)> {
        let mut found: Vec<(AliasId, usize)> = frame
            .in_sight()
            .filter(|visible| self.means(visible, name))
            .flat_map(|visible| {
                let named =
                    visible.columns.iter().enumerate().filter(|(_, column)| self.same_column(&column.name, &name.column.value));
                named.map(|(index, _)| (visible.alias, index))
            })
            .collect();
        if name.table.is_none()
            && let Some(merged) = frame.merged.iter().rev().find(|merged| self.same_column(&merged.name, &name.column.value))
        {
            found.retain(|(alias, _)| !merged.members.contains(alias) || *alias == merged.column.0);
        }
        found
    }

    fn means(&self, visible: &Visible, name: ColumnName<'_>) -> bool {
        let schema_fits = name
            .schema
            .is_none_or(|schema| visible.schema.as_ref().is_some_and(|visible| self.same_table_name(visible, &schema.value)));
        schema_fits && name.table.is_none_or(|table| self.same_table_name(&visible.name, &table.value))
    }

    fn ambiguous(&mut self, name: ColumnName<'_>, several: &[(AliasId, usize)], span: &Span) -> super::Reported {
        let column = &name.column.value;
        let names: Vec<String> = several
            .iter()
            .filter_map(|(alias, _)| self.aliases.get(alias.0))
            .map(|definition| format!("{}.{column}", definition.name))
            .collect();
        self.refuse(span.clone(), format!("column {column} is ambiguous"), format!("write one of {}", names.join(", ")))
    }

    fn unknown_column(&mut self, name: ColumnName<'_>, span: &Span) -> super::Reported {
        let finding = match name.table {
            Some(table) => self.unknown_qualified(table, &name.column.value, span),
            None => self.unknown_bare(&name.column.value, span),
        };
        self.report(finding)
    }

    fn unknown_qualified(&self, table: &Ident, column: &str, span: &Span) -> Diagnostic {
        let all = || self.frames.iter().rev().flat_map(|frame| frame.visible.iter().rev());
        if let Some(visible) = all().find(|visible| self.same_table_name(&visible.name, &table.value)) {
            if visible.columns.iter().any(|candidate| self.same_column(&candidate.name, column)) {
                return out_of_sight(&table.value, span);
            }
            let names = || visible.columns.iter().map(|column| column.name.as_str());
            let help = match nearest(column, names()) {
                Some(near) => format!("did you mean {}.{near}?", visible.name),
                None => format!("{} has {}", visible.name, listed(names())),
            };
            return Diagnostic::new(span.clone(), format!("{} has no column {column}", visible.name)).with_help(help);
        }
        let aliases = || all().map(|visible| visible.name.as_str());
        let help = match nearest(&table.value, aliases()) {
            Some(near) => format!("did you mean {near}.{column}?"),
            None => format!("in sight here: {}", listed(aliases())),
        };
        Diagnostic::new(span.clone(), format!("there is no table or alias {} here", table.value)).with_help(help)
    }

    fn unknown_bare(&self, column: &str, span: &Span) -> Diagnostic {
        let all = || self.frames.iter().rev().flat_map(|frame| frame.visible.iter());
        if let Some(visible) =
            all().find(|visible| visible.columns.iter().any(|candidate| self.same_column(&candidate.name, column)))
        {
            return out_of_sight(&visible.name, span);
        }
        let names = || all().flat_map(|visible| visible.columns.iter().map(|column| column.name.as_str()));
        let help = match nearest(column, names()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("the tables here have {}", listed(names())),
        };
        Diagnostic::new(span.clone(), format!("there is no column {column} here")).with_help(help)
    }
}

fn out_of_sight(table: &str, span: &Span) -> Diagnostic {
    Diagnostic::new(span.clone(), format!("{table} cannot be seen here"))
        .with_help("ON sees the tables of its own join, a derived table sees none from outside: move the condition")
}

fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    const SHOWN_MAX: usize = 12;
    let mut all: Vec<&str> = Vec::new();
    for name in names {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    let more = all.len().saturating_sub(SHOWN_MAX);
    all.truncate(SHOWN_MAX);
    let list = all.join(", ");
    match (all.is_empty(), more) {
        (true, _) => "nothing".to_owned(),
        (false, 0) => list,
        (false, more) => format!("{list} and {more} more"),
    }
}

/// Whether two column names are the same to the server.
pub(super) fn same_column(left: &str, right: &str) -> bool {
    left == right || left.to_lowercase() == right.to_lowercase()
}
